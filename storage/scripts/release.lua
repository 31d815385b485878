-- Give a claim back, unless it is somebody else's by now.
--
-- KEYS  1 the space's own hash (see claim.lua)
-- ARGV  1 epoch   2 owner: an epoch alone may be somebody else's after a fail-over (commit.lua)
--
-- Returns 1 if the claim was ours, else 0.
local held = redis.call('HMGET', KEYS[1], '\255e', '\255o')
if held[1] ~= ARGV[1] or held[2] ~= ARGV[2] then
    return 0
end
redis.call('HDEL', KEYS[1], '\255o', '\255a')
return 1
