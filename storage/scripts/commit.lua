-- Apply one flush of a space, fenced by the epoch of its claim. Runs whole or not at all.
--
-- KEYS  1 the space's own hash         (see claim.lua for what it holds, and where shards are)
-- ARGV  1 epoch   2 flush number   3 fields a shard may have   4 bytes a shard may have
--       5 '1' drops every shard first   6 first alarm: '' keeps it, '-' deletes it, else its ms
--       7 how many progress pairs   8 how many merges   9 how many shards are written to
--       10 how many alarms   11 fields and   12 bytes that shard 0 may have   13 owner
--       then progress: gateway, number (negative: forget it)
--       then alarms: name, its ms and note ('': delete it)
--       then merges: left shard, right shard
--       then for each shard: shard, its prefix once all this is set, how many sets, how many
--       deletes, the sets as field, value, the deletes as field (a field: the key without prefix)
--
-- Applied:        {0, alarm or '', changed index entries, removed shards, whole}
-- Applied before: {1, alarm or '', the whole index, {}, 1}   the answer was lost
-- Not the owner:  {2, epoch now}
-- Flush missing:  {3, last flush}   the one before is not here: a fail-over lost it
--
-- `whole` is 1 if everything that is not in the entries is gone.
local own = KEYS[1]
local shard_prefix = string.sub(own, 1, -2) .. 's:'
local fields_max, bytes_max = tonumber(ARGV[3]), tonumber(ARGV[4])
local own_fields_max = math.min(tonumber(ARGV[11]), fields_max, 0xFF)  -- as its entry has room for
local own_bytes_max = math.min(tonumber(ARGV[12]), bytes_max, 0xFFFF)
local byte, sub, ceil = string.byte, string.sub, math.ceil

-- The server's Lua cannot unpack more than some 8,000 values into one call.
local CHUNK = 2000
-- Pieces of a split are filled to this part, so that they do not split again at once.
local FILL = 0.75
-- An index entry that starts at the empty key is thus short enough for the compact encoding.
local PREFIX_BYTES_MAX = 55
-- By default, servers give up the compact encoding of a hash with longer fields or values.
local COMPACT_BYTES_MAX = 64

local function index_entries()
    local fields, entries = redis.call('HGETALL', own), {}
    for i = 1, #fields, 2 do
        local shard = string.match(fields[i], '^\255(%d+)$')
        if shard then
            entries[#entries + 1] = shard
            entries[#entries + 1] = fields[i + 1]
        end
    end
    return entries
end

local known = redis.call('HMGET', own, '\255e', '\255f', '\255n', '\255t', '\255o')
-- The owner too: where a fail-over lost a claim, somebody else's may have the same epoch.
if known[1] ~= ARGV[1] or known[5] ~= ARGV[13] then
    return {2, tonumber(known[1] or 0)}
end
local next_shard = tonumber(known[3] or 1)
local last_flush = tonumber(known[2] or 0)
-- Not only the last flush: a copy that a dead connection held back may come after newer ones.
if last_flush >= tonumber(ARGV[2]) then
    return {1, known[4] or '', index_entries(), {}, 1}
end
if last_flush ~= tonumber(ARGV[2]) - 1 then
    return {3, last_flush}
end

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

-- 1. The shards this flush touches: shard -> its index entry, as it was and as it becomes.

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

-- 2. The writes.

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

-- 3. Merges. The owner asks for those that its index shows to be cheap; writes may have changed it.

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

-- 4. Splits. Keys are compared as bytes: Lua's own `<` asks the server's locale.

local function before(a, b)
    for i = 1, math.min(#a, #b) do
        local x, y = byte(a, i), byte(b, i)
        if x ~= y then
            return x < y
        end
    end
    return #a < #b
end

-- Most comparisons are decided by the six bytes after the common prefix, as one number.
local function sort_keys(keys)
    local prefix, rank = #keys[1], {}
    for i = 2, #keys do
        while sub(keys[i], 1, prefix) ~= sub(keys[1], 1, prefix) do
            prefix = prefix - 1
        end
    end
    for _, key in ipairs(keys) do
        local a, b, c, d, e, f = byte(key, prefix + 1, prefix + 6)
        rank[key] = ((((((a or 0) * 256 + (b or 0)) * 256 + (c or 0)) * 256 + (d or 0)) * 256
            + (e or 0)) * 256) + (f or 0)
    end
    table.sort(keys, function(a, b)
        local x, y = rank[a], rank[b]
        if x ~= y then
            return x < y
        end
        return before(a, b)
    end)
end

-- Tell on which side of the older keys all the fresh ones lie: 'end', 'start' or neither.
local function side_of_fresh(keys, fresh)
    local turns = 0
    for i = 2, #keys do
        if (fresh[keys[i]] or false) ~= (fresh[keys[i - 1]] or false) then
            turns = turns + 1
        end
    end
    if turns ~= 1 then
        return nil
    end
    return fresh[keys[#keys]] and 'end' or 'start'
end

-- Cut sorted keys into pieces {from, to}, in order. A workload that appends (or prepends) leaves
-- full shards behind instead of half empty ones.
local function cut(keys, entry, sizes)
    local count = #keys
    local fields_cap, bytes_cap = fields_max, bytes_max
    local side = side_of_fresh(keys, entry.fresh)
    if not side then
        if count > fields_max then
            fields_cap = ceil(count / ceil(count / (FILL * fields_max)))
        end
        if entry.bytes > bytes_max then
            bytes_cap = ceil(entry.bytes / ceil(entry.bytes / (FILL * bytes_max)))
        end
    end
    local from, to, step = 1, count, 1
    if side == 'start' then
        from, to, step = count, 1, -1
    end
    local pieces, fields, bytes, piece_from = {}, 0, 0, from
    for i = from, to, step do
        local size = sizes and sizes[i] or 0
        if fields > 0 and (fields >= fields_cap or bytes + size > bytes_cap) then
            pieces[#pieces + 1] = {math.min(piece_from, i - step), math.max(piece_from, i - step)}
            fields, bytes, piece_from = 0, 0, i
        end
        fields, bytes = fields + 1, bytes + size
    end
    pieces[#pieces + 1] = {math.min(piece_from, to), math.max(piece_from, to)}
    if side == 'start' then
        for i = 1, math.floor(#pieces / 2) do
            pieces[i], pieces[#pieces + 1 - i] = pieces[#pieces + 1 - i], pieces[i]
        end
    end
    return pieces
end

-- Move a piece of the fields `keys`, whose names lose their first `cut` bytes. Tell the bytes
-- of those names and their values.
local function move(keys, piece, source, target, cut)
    local bytes = 0
    for from = piece[1], piece[2], CHUNK do
        local to = math.min(from + CHUNK - 1, piece[2])
        local values = redis.call('HMGET', source, unpack(keys, from, to))
        local pairs_moved = {}
        for i, value in ipairs(values) do
            local key = keys[from + i - 1]
            bytes = bytes + #key + #value
            pairs_moved[2 * i - 1], pairs_moved[2 * i] = sub(key, cut + 1), value
        end
        redis.call('HDEL', source, unpack(keys, from, to))
        redis.call('HSET', target, unpack(pairs_moved))
    end
    return bytes
end

-- Not of shard 0: it moved out before it was so large.
local function split(shard)
    local entry, source = touched[shard], shard_prefix .. shard
    local keys, sizes = redis.call('HKEYS', source), nil
    sort_keys(keys)
    if entry.bytes > bytes_max then
        sizes = {}
        for i, key in ipairs(keys) do
            sizes[i] = #entry.prefix + #key + redis.call('HSTRLEN', source, key)
        end
    end
    local pieces = cut(keys, entry, sizes)
    if #pieces == 1 then
        return
    end
    -- The largest piece stays where it is. If the shard had outgrown the server's compact
    -- encoding none does, as a hash never becomes compact again.
    local stays = 1
    for i, piece in ipairs(pieces) do
        if piece[2] - piece[1] > pieces[stays][2] - pieces[stays][1] then
            stays = i
        end
    end
    if #keys > 2 * fields_max then
        stays = nil
    end
    local old_prefix, first_of_all, stays_prefix = entry.prefix, entry.first, nil
    for i, piece in ipairs(pieces) do
        local first = i == 1 and first_of_all or old_prefix .. keys[piece[1]]
        local prefix = common(old_prefix .. keys[piece[1]], old_prefix .. keys[piece[2]])
        if i == stays then
            entry.first, stays_prefix = first, prefix
        else
            local target = tostring(next_shard)
            local cut, count = #prefix - #old_prefix, piece[2] - piece[1] + 1
            local bytes = move(keys, piece, source, shard_prefix .. target, cut)
            bytes = bytes + count * #old_prefix
            local made = touch(target)
            made.count, made.bytes, made.first, made.prefix = count, bytes, first, prefix
            entry.count, entry.bytes = entry.count - count, entry.bytes - bytes
        end
    end
    if stays then
        set_prefix(shard, stays_prefix)
    else
        entry.first = nil
    end
end

-- 5. All of it, in order.

local progress_from = 14
local alarms_from = progress_from + 2 * tonumber(ARGV[7])
local merges_from = alarms_from + 2 * tonumber(ARGV[10])
local writes_from = merges_from + 2 * tonumber(ARGV[8])
local clear = ARGV[5] == '1'

local concerned = {}
if clear then
    for i, part in ipairs(index_entries()) do
        if i % 2 == 1 then
            concerned[#concerned + 1] = part
        end
    end
else
    for i = merges_from, writes_from - 1 do
        concerned[#concerned + 1] = ARGV[i]
    end
    local at = writes_from
    for i = 1, tonumber(ARGV[9]) do
        concerned[#concerned + 1] = ARGV[at]
        at = at + 4 + 2 * tonumber(ARGV[at + 2]) + tonumber(ARGV[at + 3])
    end
end
if not all_here(concerned) then
    return redis.error_reply('TRYAGAIN the slot of this space is being moved')
end

if clear then
    take('0')
    local entries = {}
    for i, shard in ipairs(concerned) do
        entries[i] = '\255' .. shard
        -- One by one: where a slot moves to, several keys, one of them missing, are refused.
        redis.call('UNLINK', shard_prefix .. shard)
    end
    call_in_chunks('HDEL', own, entries)
    packed_entries = {}
end

local at = writes_from
for _ = 1, tonumber(ARGV[9]) do
    at = write(ARGV[at], ARGV[at + 1], at + 4, tonumber(ARGV[at + 2]), tonumber(ARGV[at + 3]))
end
for i = merges_from, writes_from - 1, 2 do
    merge(ARGV[i], ARGV[i + 1])
end
for i = 1, #order do
    local entry = touched[order[i]]
    if entry.count > fields_max or (entry.bytes > bytes_max and entry.count > 1) then
        split(order[i])
    end
end

-- 6. The index and the metadata.

local changed, removed = {}, {}
for _, shard in ipairs(order) do
    local entry = touched[shard]
    if entry.first == nil or (entry.count == 0 and entry.first ~= '') then
        if entry.packed then  -- one that this flush made and split is unknown to the owner
            redis.call('HDEL', own, '\255' .. shard)
            removed[#removed + 1] = tonumber(shard)
        end
    else
        local packed = struct.pack(entry_format(shard), entry.count, entry.bytes, #entry.prefix)
            .. entry.prefix .. entry.first
        if packed ~= entry.packed then
            redis.call('HSET', own, '\255' .. shard, packed)
            changed[#changed + 1] = shard
            changed[#changed + 1] = packed
        end
    end
end

local set, forget = {'\255f', ARGV[2]}, {}
if next_shard ~= tonumber(known[3] or 1) then
    set[3], set[4] = '\255n', next_shard
end
local alarm = known[4] or ''
if ARGV[6] == '-' then
    alarm = ''
    forget[1] = '\255t'
elseif ARGV[6] ~= '' then
    alarm = ARGV[6]
    set[#set + 1] = '\255t'
    set[#set + 1] = alarm
end
for i = alarms_from, merges_from - 1, 2 do
    if ARGV[i + 1] == '' then
        forget[#forget + 1] = '\255t:' .. ARGV[i]
    else
        set[#set + 1] = '\255t:' .. ARGV[i]
        set[#set + 1] = ARGV[i + 1]
    end
end
for i = progress_from, alarms_from - 1, 2 do
    if sub(ARGV[i + 1], 1, 1) == '-' then
        forget[#forget + 1] = '\255p:' .. ARGV[i]
    else
        set[#set + 1] = '\255p:' .. ARGV[i]
        set[#set + 1] = ARGV[i + 1]
    end
end
call_in_chunks('HSET', own, set)
call_in_chunks('HDEL', own, forget)
return {0, alarm, changed, removed, clear and 1 or 0}
