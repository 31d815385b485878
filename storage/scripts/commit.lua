-- Apply one flush of a space, fenced by the epoch of its claim. Runs whole or not at all.
--
-- KEYS  1 the space's own hash         (see claim.lua for what it holds, and where shards are)
-- ARGV  1 epoch   2 flush number   3 fields a shard may have   4 bytes a shard may have
--       5 '1' drops every shard first   6 first alarm: '' keeps it, '-' deletes it, else its ms
--       7 how many progress pairs   8 how many merges   9 how many shards are written to
--       10 how many alarms   11 fields and   12 bytes that shard 0 may have   13 owner
--       then progress: p:<gateway>, number (negative: forget it), and g:<gateway>, address ('-': too)
--       then alarms: name, its ms and note ('': delete it)
--       then merges: left shard, right shard
--       then for each shard: shard, its prefix once all this is set, how many sets, how many
--       deletes, the sets as field, value, the deletes as field (a field: the key without prefix)
--
-- Applied:        {0, alarm or '', changed index entries, removed shards, whole}
-- Applied before: {1, alarm or '', the whole index, {}, 1}   the answer was lost
-- Not the owner:  {2, epoch now, last flush}
-- Flush missing:  {3, last flush}   the one before is not here: a fail-over lost it
--
-- `whole` is 1 if everything that is not in the entries is gone.
local own = KEYS[1]
local shard_prefix = string.sub(own, 1, -2) .. 's:'
local fields_max, bytes_max = tonumber(ARGV[3]), tonumber(ARGV[4])
local own_fields_max = math.min(tonumber(ARGV[11]), fields_max, 0xFF)  -- as its entry has room for
local own_bytes_max = math.min(tonumber(ARGV[12]), bytes_max, 0xFFFF)
local byte, sub, ceil = string.byte, string.sub, math.ceil

-- The server's Lua cannot unpack more than some 8,000 values into one call.
local CHUNK = 2000
-- Pieces of a split are filled to this part, so that they do not split again at once.
local FILL = 0.75
-- An index entry that starts at the empty key is thus short enough for the compact encoding.
local PREFIX_BYTES_MAX = 55
-- By default, servers give up the compact encoding of a hash with longer fields or values.
local COMPACT_BYTES_MAX = 64

local function index_entries()
    local fields, entries = redis.call('HGETALL', own), {}
    for i = 1, #fields, 2 do
        local shard = string.match(fields[i], '^\255(%d+)$')
        if shard then
            entries[#entries + 1] = shard
            entries[#entries + 1] = fields[i + 1]
        end
    end
    return entries
end

local known = redis.call('HMGET', own, '\255e', '\255f', '\255n', '\255t', '\255o')
-- The owner too: where a fail-over lost a claim, somebody else's may have the same epoch.
if known[1] ~= ARGV[1] or known[5] ~= ARGV[13] then
    return {2, tonumber(known[1] or 0), tonumber(known[2] or 0)}
end
local next_shard = tonumber(known[3] or 1)
local last_flush = tonumber(known[2] or 0)
-- Not only the last flush: a copy that a dead connection held back may come after newer ones.
if last_flush >= tonumber(ARGV[2]) then
    return {1, known[4] or '', index_entries(), {}, 1}
end
if last_flush ~= tonumber(ARGV[2]) - 1 then
    return {3, last_flush}
end

-- Here goes commit_shards.lua: all_here, touch, take, write, merge
-- Here goes commit_splits.lua: split

-- All of it, in order.

local progress_from = 14
local alarms_from = progress_from + 2 * tonumber(ARGV[7])
local merges_from = alarms_from + 2 * tonumber(ARGV[10])
local writes_from = merges_from + 2 * tonumber(ARGV[8])
local clear = ARGV[5] == '1'

local concerned = {}
if clear then
    for i, part in ipairs(index_entries()) do
        if i % 2 == 1 then
            concerned[#concerned + 1] = part
        end
    end
else
    for i = merges_from, writes_from - 1 do
        concerned[#concerned + 1] = ARGV[i]
    end
    local at = writes_from
    for i = 1, tonumber(ARGV[9]) do
        concerned[#concerned + 1] = ARGV[at]
        at = at + 4 + 2 * tonumber(ARGV[at + 2]) + tonumber(ARGV[at + 3])
    end
end
if not all_here(concerned) then
    return redis.error_reply('TRYAGAIN the slot of this space is being moved')
end

if clear then
    take('0')
    local entries = {}
    for i, shard in ipairs(concerned) do
        entries[i] = '\255' .. shard
        -- One by one: where a slot moves to, several keys, one of them missing, are refused.
        redis.call('UNLINK', shard_prefix .. shard)
    end
    call_in_chunks('HDEL', own, entries)
    packed_entries = {}
end

local at = writes_from
for _ = 1, tonumber(ARGV[9]) do
    at = write(ARGV[at], ARGV[at + 1], at + 4, tonumber(ARGV[at + 2]), tonumber(ARGV[at + 3]))
end
for i = merges_from, writes_from - 1, 2 do
    merge(ARGV[i], ARGV[i + 1])
end
for i = 1, #order do
    local entry = touched[order[i]]
    if entry.count > fields_max or (entry.bytes > bytes_max and entry.count > 1) then
        split(order[i])
    end
end

-- The index and the metadata.

local changed, removed = {}, {}
for _, shard in ipairs(order) do
    local entry = touched[shard]
    if entry.first == nil or (entry.count == 0 and entry.first ~= '') then
        if entry.packed then  -- one that this flush made and split is unknown to the owner
            redis.call('HDEL', own, '\255' .. shard)
            removed[#removed + 1] = tonumber(shard)
        end
    else
        local packed = struct.pack(entry_format(shard), entry.count, entry.bytes, #entry.prefix)
            .. entry.prefix .. entry.first
        if packed ~= entry.packed then
            redis.call('HSET', own, '\255' .. shard, packed)
            changed[#changed + 1] = shard
            changed[#changed + 1] = packed
        end
    end
end

local set, forget = {'\255f', ARGV[2]}, {}
if next_shard ~= tonumber(known[3] or 1) then
    set[3], set[4] = '\255n', next_shard
end
local alarm = known[4] or ''
if ARGV[6] == '-' then
    alarm = ''
    forget[1] = '\255t'
elseif ARGV[6] ~= '' then
    alarm = ARGV[6]
    set[#set + 1] = '\255t'
    set[#set + 1] = alarm
end
for i = alarms_from, merges_from - 1, 2 do
    if ARGV[i + 1] == '' then
        forget[#forget + 1] = '\255t:' .. ARGV[i]
    else
        set[#set + 1] = '\255t:' .. ARGV[i]
        set[#set + 1] = ARGV[i + 1]
    end
end
for i = progress_from, alarms_from - 1, 2 do
    if sub(ARGV[i + 1], 1, 1) == '-' then
        forget[#forget + 1] = '\255' .. ARGV[i]
    else
        set[#set + 1] = '\255' .. ARGV[i]
        set[#set + 1] = ARGV[i + 1]
    end
end
call_in_chunks('HSET', own, set)
call_in_chunks('HDEL', own, forget)
return {0, alarm, changed, removed, clear and 1 or 0}
