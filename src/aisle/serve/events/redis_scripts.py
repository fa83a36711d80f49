"""What Redis does in one step: each script runs whole, and is on disk whole before its answer leaves (appendfsync always).

Keys, behind a common prefix P (ARGV[1]); a row is a number of 16 digits, so that text order is the order of arrival:

    P:row                last row given out              P:salt               of the pseudonyms of erased users
    P:events   row -> event as JSON                      P:owner   row -> user
    P:ids      event id -> row and what it is of         P:age:KIND  rows by time (KIND: an event, "served", "sessions")
    P:u:USER   rows of a user by time                    P:s:SESSION  rows by time of a session that belongs to nobody
    P:sessions session -> user                           P:su:USER  sessions of a user
    P:served   row -> served list as JSON                P:vu:USER, P:vs:SESSION  rows of served lists
    P:erased   pseudonym -> time, while it stands        P:receipts  receipt id -> receipt as JSON
"""

from __future__ import annotations

_NEXT = """
local P = ARGV[1]
local function next_row() return string.format('%016.0f', redis.call('INCR', P .. ':row')) end
local function pseudonym(user) return redis.sha1hex(redis.call('GET', P .. ':salt') .. user) end
local function link(session, user)
    local before = redis.call('HGET', P .. ':sessions', session)
    if before == user then return end
    if before then redis.call('SREM', P .. ':su:' .. before, session) end
    redis.call('HSET', P .. ':sessions', session, user)
    redis.call('SADD', P .. ':su:' .. user, session)
    local rows = redis.call('ZRANGE', P .. ':s:' .. session, 0, -1, 'WITHSCORES')
    for place = 1, #rows, 2 do
        redis.call('HSET', P .. ':owner', rows[place], user)
        redis.call('ZADD', P .. ':u:' .. user, rows[place + 1], rows[place])
    end
    redis.call('DEL', P .. ':s:' .. session)
end
local function drop_event(row)
    local event = cjson.decode(redis.call('HGET', P .. ':events', row))
    local owner = redis.call('HGET', P .. ':owner', row)
    redis.call('ZREM', owner and P .. ':u:' .. owner or P .. ':s:' .. event.session_id, row)
    redis.call('ZREM', P .. ':age:' .. event.event, row)
    if event.event_id then redis.call('HDEL', P .. ':ids', event.event_id) end
    redis.call('HDEL', P .. ':events', row)
    redis.call('HDEL', P .. ':owner', row)
    return event.session_id
end
local function drop_served(row)
    local list = cjson.decode(redis.call('HGET', P .. ':served', row))
    if list.user_id then redis.call('SREM', P .. ':vu:' .. list.user_id, row)
    elseif list.session_id then redis.call('SREM', P .. ':vs:' .. list.session_id, row) end
    redis.call('ZREM', P .. ':age:served', row)
    redis.call('HDEL', P .. ':served', row)
end
local function drop_session(session)
    local owner = redis.call('HGET', P .. ':sessions', session)
    redis.call('SREM', P .. ':su:' .. owner, session)
    redis.call('HDEL', P .. ':sessions', session)
    redis.call('ZREM', P .. ':age:sessions', session)
end
"""

# Of each event: event id, user, session ('' = none), time, kind, fingerprint, JSON. First everything is looked at, then
# written: a refused batch leaves nothing. Returns {stored, 0, 0}, or {0, place, row} where an id was used for something else.
APPEND = (
    _NEXT
    + """
local new = {}
for place = 2, #ARGV, 7 do
    local known = ARGV[place] ~= '' and redis.call('HGET', P .. ':ids', ARGV[place])
    if known then
        local row, user = string.sub(known, 1, 16), ARGV[place + 1]
        local owner = redis.call('HGET', P .. ':owner', row)
        if string.sub(known, 17) ~= ARGV[place + 5] or (user ~= '' and owner and owner ~= user) then
            return {0, (place - 2) / 7, row}
        end
    else
        new[#new + 1] = place
    end
end
for _, place in ipairs(new) do
    local id, user, session, time = ARGV[place], ARGV[place + 1], ARGV[place + 2], ARGV[place + 3]
    if session ~= '' and user == '' then
        user = redis.call('HGET', P .. ':sessions', session) or ''
    elseif session ~= '' then
        link(session, user)
        redis.call('ZADD', P .. ':age:sessions', 'GT', time, session)
    end
    local row = next_row()
    redis.call('HSET', P .. ':events', row, ARGV[place + 6])
    if id ~= '' then redis.call('HSET', P .. ':ids', id, row .. ARGV[place + 5]) end
    if user ~= '' then redis.call('HSET', P .. ':owner', row, user) end
    redis.call('ZADD', user ~= '' and P .. ':u:' .. user or P .. ':s:' .. session, time, row)
    redis.call('ZADD', P .. ':age:' .. ARGV[place + 4], time, row)
end
return {#new, 0, 0}
"""
)

# After the limit: user, session ('' = none) of each shopper. Returns {user, erased, events as JSON latest first} of each.
HISTORIES = (
    _NEXT
    + """
local last, answers = tonumber(ARGV[2]) - 1, {}
for place = 3, #ARGV, 2 do
    local user, session, events = ARGV[place], ARGV[place + 1], {}
    if user == '' and session ~= '' then user = redis.call('HGET', P .. ':sessions', session) or '' end
    local function take(key)
        local rows = redis.call('ZREVRANGE', key, 0, last)
        for _, row in ipairs(rows) do events[#events + 1] = redis.call('HGET', P .. ':events', row) end
    end
    if user ~= '' then take(P .. ':u:' .. user) end
    if session ~= '' then take(P .. ':s:' .. session) end
    local erased = user ~= '' and redis.call('HEXISTS', P .. ':erased', pseudonym(user)) or 0
    answers[#answers + 1] = {user, erased, events}
end
return answers
"""
)

ERASED = _NEXT + "return redis.call('HEXISTS', P .. ':erased', pseudonym(ARGV[2]))"

# User, receipt id, time. Returns {events, served lists, names of the sessions}.
ERASE = (
    _NEXT
    + """
local user, sessions, events, served = ARGV[2], {}, 0, 0
for _, row in ipairs(redis.call('ZRANGE', P .. ':u:' .. user, 0, -1)) do
    local session = drop_event(row)
    if session then sessions[session] = true end
    events = events + 1
end
for _, session in ipairs(redis.call('SMEMBERS', P .. ':su:' .. user)) do
    sessions[session] = true
    drop_session(session)
end
local keys, names = {P .. ':vu:' .. user}, {}
for session in pairs(sessions) do
    keys[#keys + 1] = P .. ':vs:' .. session
    names[#names + 1] = session
end
for _, key in ipairs(keys) do
    for _, row in ipairs(redis.call('SMEMBERS', key)) do
        drop_served(row)
        served = served + 1
    end
end
local receipt = {receipt_id = ARGV[3], time_us = ARGV[4], events = events, served = served, sessions = #names}
redis.call('HSET', P .. ':receipts', ARGV[3], cjson.encode(receipt))
redis.call('HSET', P .. ':erased', pseudonym(user), ARGV[4])
return {events, served, names}
"""
)

# Time. Returns how many erasures no longer stand.
LIFT = (
    _NEXT
    + """
local all, lifted = redis.call('HGETALL', P .. ':erased'), 0
for place = 1, #all, 2 do
    if tonumber(all[place + 1]) < tonumber(ARGV[2]) then
        lifted = lifted + redis.call('HDEL', P .. ':erased', all[place])
    end
end
return lifted
"""
)

# Kind, time, how many at most. Returns how many were removed.
EXPIRE = (
    _NEXT
    + """
local rows = redis.call('ZRANGEBYSCORE', P .. ':age:' .. ARGV[2], '-inf', '(' .. ARGV[3], 'LIMIT', 0, ARGV[4])
local drop = ({served = drop_served, sessions = drop_session})[ARGV[2]] or drop_event
for _, row in ipairs(rows) do drop(row) end
return #rows
"""
)

# Of each list: user, session ('' = none), time, JSON. What a user was shown before their erasure is left out: another service, or
# one that no longer waited for Redis, may bring it afterwards. Returns how many were written.
SERVED = (
    _NEXT
    + """
local any, written = redis.call('EXISTS', P .. ':erased') == 1, 0
local function late(user, time)
    local erased = any and user ~= '' and redis.call('HGET', P .. ':erased', pseudonym(user))
    return erased and tonumber(time) <= tonumber(erased)
end
for place = 2, #ARGV, 4 do
    local user, session, time = ARGV[place], ARGV[place + 1], ARGV[place + 2]
    if not late(user, time) then
        local row = next_row()
        redis.call('HSET', P .. ':served', row, ARGV[place + 3])
        redis.call('ZADD', P .. ':age:served', time, row)
        if user ~= '' then redis.call('SADD', P .. ':vu:' .. user, row)
        elseif session ~= '' then redis.call('SADD', P .. ':vs:' .. session, row) end
        written = written + 1
    end
end
return written
"""
)
