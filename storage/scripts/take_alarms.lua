-- Take the spaces whose alarm is due, and put each off so that nobody else takes it meanwhile.
--
-- KEYS  1 due times (see show_alarm.lua)
-- ARGV  1 due up to this ms   2 at most so many   3 put off until this ms
--
-- Returns the spaces, the longest due first. The space enters the true time when it has been woken;
-- if nobody manages to wake it, it is due again.
local spaces = redis.call('ZRANGEBYSCORE', KEYS[1], '-inf', ARGV[1], 'LIMIT', 0, ARGV[2])
for _, space in ipairs(spaces) do
    redis.call('ZADD', KEYS[1], ARGV[3], space)
end
return spaces
