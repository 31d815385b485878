-- Become the only writer of a space: one round trip, and the first reads are answered with it.
--
-- KEYS  1 the space's own hash
-- ARGV  1 owner   2 address   3 takeover epoch, or ''   4 bring all values up to this many bytes
--
-- Fields of the space's own hash. \255 is in no UTF-8, so the keys of shard 0 cannot be taken for
-- the others:
--   \255e epoch, \255o owner, \255a address (if there is one), \255f last flush, \255t ms of the
--   first alarm, \255t:<name> an alarm: its ms and a note, \255n next shard (if not 1),
--   \255p:<gateway> progress, \255g:<gateway> where one that holds connections is summoned,
--   \255d epoch of a deletion
--   \255<shard> its index entry: count and bytes (big-endian 32 bits each; of shard 0, which is
--   small, 8 and 16 bits), length of the prefix (8 bits), the prefix, first key
--   all others are the fields of shard 0, which is there as long as it is small and the only one
-- A shard's fields are its keys without the prefix.
-- Other shards: the name of the space's own hash with its last letter replaced by s:<shard>. Their
-- names are not in KEYS, as they are only known here; they share the hash tag. While a cluster moves
-- the slot, a shard may be on the other node: a call then fails (where it comes from) or finds
-- nothing (where it goes), so everything is looked at before anything is written.
--
-- Granted: {1, epoch, fields of the own hash, shard by shard its fields, in the order of the index
--           entries and without shard 0, or nothing if all values are too much}
-- Refused: {0, owner, address, epoch}
local own = KEYS[1]
local shard_prefix = string.sub(own, 1, -2) .. 's:'
local bytes_max = tonumber(ARGV[4])

-- Above this many shards the sum of their sizes is not worth taking: no such space is small.
local SHARDS_MAX = 64

local held = redis.call('HMGET', own, '\255o', '\255a', '\255e')
if held[1] and held[1] ~= ARGV[1] and held[3] ~= ARGV[3] then
    return {0, held[1], held[2] or '', tonumber(held[3])}
end
-- Under this name an older layout keeps what this one has in its own hash. (A node that the slot
-- moves away from does not tell: whoever has such data meets it at the next claim.)
if redis.pcall('EXISTS', string.sub(own, 1, -2) .. 'm') == 1 then
    return redis.error_reply('OLDLAYOUT this space was written by an older version of Parlour, '
        .. 'whose layout this one does not read: delete its data, or use that version')
end

local fields = redis.call('HGETALL', own)
local entries, bytes = {}, 0
for i = 1, #fields, 2 do
    local shard = string.match(fields[i], '^\255(%d+)$')
    if shard then
        local format = shard == '0' and '>BI2' or '>I4I4'
        entries[#entries + 1] = {shard, struct.unpack(format, fields[i + 1])}
        bytes = bytes + entries[#entries][3]
        if #entries > SHARDS_MAX then
            break
        end
    end
end
local shards
if #entries <= SHARDS_MAX and bytes <= bytes_max then
    shards = {}
    for _, entry in ipairs(entries) do
        if entry[1] ~= '0' then
            local values = redis.pcall('HGETALL', shard_prefix .. entry[1])
            if values.err or (#values == 0 and entry[2] > 0) then
                return redis.error_reply('TRYAGAIN the slot of this space is being moved')
            end
            shards[#shards + 1] = values
        end
    end
end

local epoch = redis.call('HINCRBY', own, '\255e', 1)
redis.call('HSET', own, '\255o', ARGV[1])
if ARGV[2] == '' then
    redis.call('HDEL', own, '\255a')
else
    redis.call('HSET', own, '\255a', ARGV[2])
end
return {1, epoch, fields, shards}
