-- Read from shards of a space at one moment, for a reader without a claim. Reads only.
--
-- The reader holds a copy of the index, and keys may have moved since. A key leaves its shard only
-- for one that is new, which raises the next shard's number, or for its left neighbour when its
-- shard is removed, or for shard 0 when all shards were; and numbers begin anew only after a
-- deletion. So if that number, the last deletion, and prefixes and first keys of the shards that
-- are asked for are as the reader knows them, each key of their ranges is where he looks for it.
-- That shard 0 was made where there was none, this does not tell.
--
-- KEYS  1 the space's own hash         (see claim.lua for what it holds, and where shards are)
-- ARGV  1 next shard   2 epoch of the last deletion, or 0
--       then for each shard: shard, its prefix, its first key, how many fields (-1: all, -2: the
--       names of all), the fields
--
-- Read:         {flush number, answer of each shard: as HGETALL, HKEYS or HMGET give it; those of
--               shard 0, which are the own hash's, with the metadata and the index}
-- Index is new: {}
local own = KEYS[1]
local shard_prefix = string.sub(own, 1, -2) .. 's:'

local known = redis.call('HMGET', own, '\255n', '\255d', '\255f')
if (known[1] or '1') ~= ARGV[1] or (known[2] or '0') ~= ARGV[2] then
    return {}
end

local answers, at = {tonumber(known[3] or 0)}, 3
while at <= #ARGV do
    local shard, prefix, first = ARGV[at], ARGV[at + 1], ARGV[at + 2]
    local count = tonumber(ARGV[at + 3])
    local packed = redis.call('HGET', own, '\255' .. shard)
    local sizes = shard == '0' and 3 or 8  -- bytes
    if not packed or string.sub(packed, sizes + 1) ~= string.char(#prefix) .. prefix .. first then
        return {}
    end
    local key = own
    if shard ~= '0' then
        key = shard_prefix .. shard
        -- In a cluster the slot may be half moved: see claim.lua.
        local there = redis.pcall('EXISTS', key)
        if type(there) == 'table' or (there == 0 and struct.unpack('>I4', packed) > 0) then
            return redis.error_reply('TRYAGAIN the slot of this space is being moved')
        end
    end
    if count == -1 then
        answers[#answers + 1] = redis.call('HGETALL', key)
    elseif count == -2 then
        answers[#answers + 1] = redis.call('HKEYS', key)
    elseif count == 0 then
        answers[#answers + 1] = {}
    else
        answers[#answers + 1] = redis.call('HMGET', key, unpack(ARGV, at + 4, at + 3 + count))
    end
    at = at + 4 + math.max(count, 0)
end
return answers
