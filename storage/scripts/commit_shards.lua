-- A part of commit.lua, whose locals it uses: what is done to shards, but for cutting them.

local packed_entries = {}  -- shard -> its index entry, or false

local function packed_entry(shard)
    if packed_entries[shard] == nil then
        packed_entries[shard] = redis.call('HGET', own, '\255' .. shard)
    end
    return packed_entries[shard]
end

-- In a cluster the slot may be half moved: then some keys are on another node, and missing here.
-- Nothing has been written yet, so the flush can be asked for again as a whole.
local function all_here(shards)
    local probe = redis.pcall('EXISTS', shard_prefix .. next_shard)  -- a free name: see claim.lua
    if type(probe) == 'table' then
        return false
    end
    for _, shard in ipairs(shards) do
        local packed = shard ~= '0' and packed_entry(shard)
        if packed and struct.unpack('>I4', packed) > 0
                and redis.call('EXISTS', shard_prefix .. shard) == 0 then
            return false
        end
    end
    return true
end

-- The shards this flush touches: shard -> its index entry, as it was and as it becomes.

local touched, order = {}, {}

local function entry_format(shard)
    return shard == '0' and '>BI2B' or '>I4I4B'
end

local function touch(shard)
    local entry = touched[shard]
    if entry then
        return entry
    end
    local packed = packed_entry(shard)
    entry = {packed = packed, count = 0, bytes = 0, prefix = '', first = '', fresh = {}}
    if packed then
        local prefix_bytes, at
        entry.count, entry.bytes, prefix_bytes, at = struct.unpack(entry_format(shard), packed)
        entry.prefix = sub(packed, at, at + prefix_bytes - 1)
        entry.first = sub(packed, at + prefix_bytes)
    elseif tonumber(shard) >= next_shard then
        next_shard = tonumber(shard) + 1
    end
    touched[shard] = entry
    order[#order + 1] = shard
    return entry
end

local function call_in_chunks(command, key, list)
    for from = 1, #list, CHUNK do
        redis.call(command, key, unpack(list, from, math.min(from + CHUNK - 1, #list)))
    end
end

-- Where the fields of a shard are.
local function key_of(shard)
    return shard == '0' and own or shard_prefix .. shard
end

-- Take all fields and values out of a shard.
local function take(shard)
    local fields = redis.call('HGETALL', key_of(shard))
    if shard ~= '0' then
        redis.call('UNLINK', key_of(shard))
        return fields
    end
    local taken, names = {}, {}
    for i = 1, #fields, 2 do
        if byte(fields[i]) ~= 255 then
            names[#names + 1] = fields[i]
            taken[#taken + 1] = fields[i]
            taken[#taken + 1] = fields[i + 1]
        end
    end
    call_in_chunks('HDEL', own, names)
    return taken
end

-- How far two keys are the same, cut where a character of UTF-8 begins and to what has room.
local function common(a, b)
    local to = 0
    while to < #a and to < #b and byte(a, to + 1) == byte(b, to + 1) do
        to = to + 1
    end
    to = math.min(to, PREFIX_BYTES_MAX)
    while to > 0 and to < #a and byte(a, to + 1) >= 0x80 and byte(a, to + 1) < 0xC0 do
        to = to - 1
    end
    return sub(a, 1, to)
end

-- Give the fields of a shard the names that go with another prefix: all its keys begin with it.
local function set_prefix(shard, prefix)
    local entry = touched[shard]
    if entry.count > 0 and prefix ~= entry.prefix then
        local fields = take(shard)
        for i = 1, #fields, 2 do
            fields[i] = sub(entry.prefix .. fields[i], #prefix + 1)
        end
        call_in_chunks('HSET', key_of(shard), fields)
    end
    entry.prefix = prefix
end

-- Give shard 0, which grew, a hash of its own: then it is another shard.
local function move_out()
    local entry, shard = touched['0'], tostring(next_shard)
    call_in_chunks('HSET', shard_prefix .. shard, take('0'))
    touched['0'] = {packed = entry.packed, count = 0, bytes = 0, fresh = {}}  -- no first: removed
    local made = touch(shard)
    made.prefix, made.first, made.fresh = entry.prefix, entry.first, entry.fresh
    return shard
end

-- The writes.

local function write(shard, prefix, sets_from, sets, deletes)
    local entry, key = touch(shard), key_of(shard)
    set_prefix(shard, prefix)
    local count, bytes, fresh, longest = entry.count, entry.bytes, entry.fresh, 0
    local deletes_from = sets_from + 2 * sets
    for i = sets_from, deletes_from - 1, 2 do
        local old = redis.call('HSTRLEN', key, ARGV[i])  -- 0: not there, as no value is empty
        if old == 0 then
            count = count + 1
            bytes = bytes + #prefix + #ARGV[i]
            fresh[ARGV[i]] = true
        end
        bytes = bytes + #ARGV[i + 1] - old
        longest = math.max(longest, #prefix + #ARGV[i], #ARGV[i + 1])
    end
    if shard == '0' and (count > own_fields_max or bytes > own_bytes_max
            or longest > COMPACT_BYTES_MAX) then
        shard = move_out()
        entry, key = touched[shard], shard_prefix .. shard
    end
    for from = sets_from, deletes_from - 1, CHUNK do
        local to = math.min(from + CHUNK, deletes_from) - 1
        redis.call('HSET', key, unpack(ARGV, from, to))
    end
    for i = deletes_from, deletes_from + deletes - 1 do
        local old = redis.call('HSTRLEN', key, ARGV[i])
        if old > 0 then
            redis.call('HDEL', key, ARGV[i])
            count = count - 1
            bytes = bytes - #prefix - #ARGV[i] - old
        end
    end
    entry.count, entry.bytes = count, bytes
    return deletes_from + deletes
end

-- Merges. The owner asks for those that its index shows to be cheap; writes may have changed it.

local function merge(left, right)
    local into, from = touch(left), touch(right)
    if into.count + from.count > fields_max / 2 or into.bytes + from.bytes > bytes_max / 2 then
        return
    end
    if into.count == 0 then
        into.prefix = from.prefix
    elseif from.count > 0 then
        local prefix = common(into.prefix, from.prefix)
        set_prefix(left, prefix)
        set_prefix(right, prefix)
    end
    call_in_chunks('HSET', key_of(left), take(right))
    into.count, into.bytes = into.count + from.count, into.bytes + from.bytes
    from.count, from.bytes, from.first = 0, 0, nil
end
