-- Give a claim back, unless it is somebody else's by now.
--
-- KEYS  1 the space's own hash (see claim.lua)
-- ARGV  1 epoch
--
-- Returns 1 if the claim was ours, else 0.
if redis.call('HGET', KEYS[1], '\255e') ~= ARGV[1] then
    return 0
end
redis.call('HDEL', KEYS[1], '\255o', '\255a')
return 1
