-- Tell what a space's metadata and its index hold at one moment. Reads only.
--
-- KEYS  1 metadata   2 index          (see claim.lua for what they hold)
--
-- Returns {metadata, index}, both flat; empty where there is no such space.
return {redis.call('HGETALL', KEYS[1]), redis.call('HGETALL', KEYS[2])}
