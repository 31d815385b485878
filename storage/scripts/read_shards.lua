-- Read from shards of a space at one moment, for a reader without a claim. Reads only.
--
-- The reader holds a copy of the index, and keys may have moved since. A key leaves its shard only
-- for one that is new, which raises the next shard's number, or for its left neighbour when its
-- shard is removed: so if that number and the first keys of the shards that are asked for are as
-- the reader knows them, each key of their ranges is where he looks for it.
--
-- KEYS  1 metadata   2 index          (see claim.lua for what they hold)
-- ARGV  1 next shard
--       then for each shard: shard, its first key, how many fields (-1: all, -2: the names of all),
--       the fields
--
-- Read:         {flush number, answer of each shard: as HGETALL, HKEYS or HMGET give it}
-- Index is new: {}
local metadata, index = KEYS[1], KEYS[2]
local shard_prefix = string.sub(metadata, 1, -2) .. 's:'

local known = redis.call('HMGET', metadata, 'n', 'f')
if (known[1] or '0') ~= ARGV[1] then
    return {}
end

local answers, at = {tonumber(known[2] or 0)}, 2
while at <= #ARGV do
    local key, count = shard_prefix .. ARGV[at], tonumber(ARGV[at + 2])
    local packed = redis.call('HGET', index, ARGV[at])
    if not packed or string.sub(packed, 9) ~= ARGV[at + 1] then
        return {}
    end
    -- In a cluster the slot may be half moved: see claim.lua.
    local there = redis.pcall('EXISTS', key)
    if type(there) == 'table' or (there == 0 and struct.unpack('>I4', packed) > 0) then
        return redis.error_reply('TRYAGAIN the slot of this space is being moved')
    end
    if count == -1 then
        answers[#answers + 1] = redis.call('HGETALL', key)
    elseif count == -2 then
        answers[#answers + 1] = redis.call('HKEYS', key)
    else
        answers[#answers + 1] = redis.call('HMGET', key, unpack(ARGV, at + 3, at + 2 + count))
    end
    at = at + 3 + math.max(count, 0)
end
return answers
