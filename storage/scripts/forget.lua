-- Forget a space that a flush has emptied, and give its claim back.
--
-- KEYS  1 metadata
-- ARGV  1 epoch   2 owner
--
-- The epoch stays, for as long as the server does: an owner of older claims may still be held up
-- somewhere with a flush on its way, and must not meet its own epoch again in a space that is new.
-- `d` tells from a space that stores nothing: it is deleted as long as `d` is the epoch.
--
-- Returns 1 if the claim was ours, else 0.
local metadata = KEYS[1]
local held = redis.call('HMGET', metadata, 'e', 'o')
if held[1] ~= ARGV[1] or held[2] ~= ARGV[2] then
    return 0
end
redis.call('DEL', metadata)
redis.call('HSET', metadata, 'e', ARGV[1], 'd', ARGV[1])
return 1
