-- Takes tokens of a quota, or puts some back, in one atomic step on the clock of this server: GCRA.
-- KEYS[1]: the quota. ARGV: interval (microseconds from one token to the next), burst, least, most.
-- A negative `most` puts tokens back. Answers {given, left, microseconds until `least` are there, until all are}.
-- What is kept is "tat interval burst"; times are counted from 2026-01-01, where a double is still fine enough.
local interval, burst = tonumber(ARGV[1]), tonumber(ARGV[2])
local least, most = tonumber(ARGV[3]), tonumber(ARGV[4])
local clock = redis.call('TIME')
local now = (tonumber(clock[1]) - 1767225600) * 1000000 + tonumber(clock[2])
local tat = now
local kept = redis.call('GET', KEYS[1])
if kept then
  local was, old_interval, old_burst = string.match(kept, '^(%S+) (%S+) (%S+)$')
  if was then
    tat = math.max(now, tonumber(was))
    if old_interval ~= ARGV[1] or old_burst ~= ARGV[2] then
      -- The quota has changed: the tokens that are there stay.
      local there = tonumber(old_burst) - (tat - now) / tonumber(old_interval)
      tat = now + (burst - math.min(burst, there)) * interval
    end
    -- No bucket is emptier than empty; it would be if the clock had been set back.
    tat = math.min(tat, now + burst * interval)
  end
end
local there = math.floor((burst * interval - (tat - now)) / interval + 0.000001)
local given = 0
if most < 0 then
  given = most
elseif there >= least then
  given = math.min(there, most)
end
if given ~= 0 then
  tat = math.max(now, tat + given * interval)
  local value = string.format('%.3f %s %s', tat, ARGV[1], ARGV[2])
  redis.call('SET', KEYS[1], value, 'PX', math.max(1, math.ceil((tat - now) / 1000)))
end
local wait = 0
if given == 0 then
  wait = math.max(0, math.ceil(tat - now + (least - burst) * interval))
end
return {given, math.max(0, there - given), wait, math.ceil(tat - now)}
