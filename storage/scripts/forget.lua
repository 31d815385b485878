-- Forget a space that a flush has emptied, and give its claim back.
--
-- KEYS  1 the space's own hash (see claim.lua)
-- ARGV  1 epoch   2 owner
--
-- The epoch stays, for as long as the server does: an owner of older claims may still be held up
-- somewhere with a flush on its way, and must not meet its own epoch again in a space that is new.
-- \255d tells from a space that stores nothing: it is deleted as long as that is the epoch.
--
-- Returns 1 if the claim was ours, else 0.
local own = KEYS[1]
local held = redis.call('HMGET', own, '\255e', '\255o')
if held[1] ~= ARGV[1] or held[2] ~= ARGV[2] then
    return 0
end
redis.call('DEL', own)
redis.call('HSET', own, '\255e', ARGV[1], '\255d', ARGV[1])
return 1
