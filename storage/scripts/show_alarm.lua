-- Enter in the index of due times when a space wants to be woken next.
--
-- KEYS  1 due times (sorted set)   2 who entered them (hash)
-- ARGV  1 space   2 epoch   3 flush number   4 due in ms, or '' for never
--       5 '1' if it may only become earlier: the flush that makes it true is not applied yet
--
-- Due times: space -> ms. Who: space -> epoch:flush, for as long as it has a due time.
-- What an older flush, or an owner of an older claim, has to say arrives too late and is ignored:
-- an entry that is later than the truth would let the space oversleep.
local times, who = KEYS[1], KEYS[2]
local space, epoch, flush = ARGV[1], tonumber(ARGV[2]), tonumber(ARGV[3])

local known = redis.call('HGET', who, space)
if known then
    local known_epoch, known_flush = string.match(known, '^(%d+):(%d+)$')
    known_epoch, known_flush = tonumber(known_epoch), tonumber(known_flush)
    if known_epoch > epoch or (known_epoch == epoch and known_flush > flush) then
        return 0
    end
end
if ARGV[4] == '' then
    redis.call('ZREM', times, space)
    redis.call('HDEL', who, space)
    return 1
end
if ARGV[5] == '1' then
    redis.call('ZADD', times, 'LT', ARGV[4], space)
else
    redis.call('ZADD', times, ARGV[4], space)
end
redis.call('HSET', who, space, ARGV[2] .. ':' .. ARGV[3])
return 1
