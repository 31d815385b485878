-- Go on with a claim under another name of the same owner: nobody else has had the space since.
--
-- KEYS  1 the space's own hash (see claim.lua)
-- ARGV  1 epoch   2 owner: under which the claim was made   3 owner: from now on
--
-- The epoch grows by one, so that a takeover that was decided before, and is still on its way here,
-- is refused.
--
-- Granted: {1, last flush}   also if asked again: the answer may have been lost
-- Refused: {0, epoch now, last flush}
local own = KEYS[1]
local held = redis.call('HMGET', own, '\255e', '\255o', '\255f')
local next_epoch = tonumber(ARGV[1]) + 1
if held[1] ~= ARGV[1] or held[2] ~= ARGV[2] then
    if tonumber(held[1]) ~= next_epoch or held[2] ~= ARGV[3] then
        return {0, tonumber(held[1] or 0), tonumber(held[3] or 0)}
    end
end
redis.call('HSET', own, '\255e', next_epoch, '\255o', ARGV[3])
return {1, tonumber(held[3] or 0)}
