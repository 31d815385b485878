-- Forget a space that a flush has emptied, and give its claim back.
--
-- KEYS  1 the space's own hash (see claim.lua)
-- ARGV  1 epoch   2 owner   3 last flush, which emptied the space or came after that
--
-- The epoch stays, for as long as the server does: an owner of older claims may still be held up
-- somewhere with a flush on its way, and must not meet its own epoch again in a space that is new.
-- \255d tells from a space that stores nothing: it is deleted as long as that is the epoch.
--
-- Forgotten:      {0}   also if it was before: the answer was lost
-- Not the owner:  {2, epoch now}
-- Flush missing:  {3, last flush}   a fail-over lost it: shards may be left, and be found later
local own = KEYS[1]
local held = redis.call('HMGET', own, '\255e', '\255o', '\255d', '\255f')
if held[1] == ARGV[1] and held[3] == ARGV[1] then
    return {0}
end
if held[1] ~= ARGV[1] or held[2] ~= ARGV[2] then
    return {2, tonumber(held[1] or 0)}
end
if (held[4] or '0') ~= ARGV[3] then
    return {3, tonumber(held[4] or 0)}
end
-- Where a cluster moves a slot away from, a key that was deleted cannot be made again: the epoch
-- would be lost. There, a call for a key that does not exist (no shard has this name) fails.
if type(redis.pcall('EXISTS', string.sub(own, 1, -2) .. 's:')) == 'table' then
    return redis.error_reply('TRYAGAIN the slot of this space is being moved')
end
redis.call('DEL', own)  -- not field by field: what is left is to be in the compact encoding
redis.call('HSET', own, '\255e', ARGV[1], '\255d', ARGV[1])
return {0}
