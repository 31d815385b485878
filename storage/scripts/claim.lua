-- Become the only writer of a space: one round trip, and the first reads are answered with it.
--
-- KEYS  1 metadata   2 index
-- ARGV  1 owner   2 address   3 takeover epoch, or ''   4 bring all values up to this many bytes
--
-- Metadata fields: e epoch, o owner, a address, f last flush, t ms of the first alarm,
-- t:<name> an alarm: its ms and a note, n next shard, p:<gateway> progress.
-- Index: shard -> count and bytes (big-endian 32 bits each), length of the prefix (8 bits), the
-- prefix, first key. A shard's field names are its keys without the prefix.
-- Shards: the metadata's name with its last letter replaced by s:<shard>. Their names are not in
-- KEYS, as they are only known here; they share the hash tag. While a cluster moves the slot, a
-- shard may be on the other node: a call then fails (where it comes from) or finds nothing (where
-- it goes), so everything is looked at before anything is written.
--
-- Granted: {1, metadata, index, shard by shard its keys and values, or nothing if it is too much}
-- Refused: {0, owner, address, epoch}
local metadata, index = KEYS[1], KEYS[2]
local shard_prefix = string.sub(metadata, 1, -2) .. 's:'
local bytes_max = tonumber(ARGV[4])

-- Above this many shards the sum of their sizes is not worth taking: no such space is small.
local SHARDS_MAX = 64

local held = redis.call('HMGET', metadata, 'o', 'a', 'e')
if held[1] and held[1] ~= ARGV[1] and held[3] ~= ARGV[3] then
    return {0, held[1], held[2] or '', tonumber(held[3])}
end

local entries = redis.call('HGETALL', index)
local bytes = 0
if #entries <= 2 * SHARDS_MAX then
    for i = 2, #entries, 2 do
        local _, shard_bytes = struct.unpack('>I4I4', entries[i])
        bytes = bytes + shard_bytes
    end
end
local shards
if #entries <= 2 * SHARDS_MAX and bytes <= bytes_max then
    shards = {}
    for i = 1, #entries, 2 do
        local values = redis.pcall('HGETALL', shard_prefix .. entries[i])
        if values.err or (#values == 0 and struct.unpack('>I4', entries[i + 1]) > 0) then
            return redis.error_reply('TRYAGAIN the slot of this space is being moved')
        end
        shards[#shards + 1] = values
    end
end

redis.call('HINCRBY', metadata, 'e', 1)
redis.call('HSET', metadata, 'o', ARGV[1], 'a', ARGV[2])
return {1, redis.call('HGETALL', metadata), entries, shards}
