-- A part of commit.lua, whose locals it uses: shards that have grown past their bounds are cut.

-- Keys are compared as bytes: Lua's own `<` asks the server's locale.

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
