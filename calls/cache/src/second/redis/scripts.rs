//! What must happen together on Redis.

use redis::Script;

/// Gives the next number to a note and sends it. Who has forgotten the numbers begins at the seed.
const NOTE: &str = r"
local function note(sequence, seed, channel, origin, kind, name)
    if redis.call('EXISTS', sequence) == 0 then redis.call('SET', sequence, seed) end
    local number = redis.call('INCR', sequence)
    local text = string.format('%.0f', number)
    redis.call('PUBLISH', channel, text .. ' ' .. origin .. ' ' .. kind .. ' ' .. name)
    return text
end
";

/// The value goes, and so does the lease of whoever loads it.
const REMOVE: &str = r"
redis.call('DEL', KEYS[1], KEYS[2])
return tonumber(note(KEYS[3], ARGV[1], ARGV[2], ARGV[3], ARGV[4], ARGV[5]))
";

/// Entries that were loaded before this number are no longer true. The mark outlives them all: none is kept longer
/// than the longest time that can be asked for.
const MARK: &str = r"
local number = note(KEYS[3], ARGV[1], ARGV[2], ARGV[3], ARGV[4], ARGV[5])
redis.call('SET', KEYS[1], number, 'EX', ARGV[6])
return tonumber(number)
";

const SEQUENCE: &str = r"
if redis.call('EXISTS', KEYS[1]) == 0 then redis.call('SET', KEYS[1], ARGV[1]) end
return tonumber(redis.call('GET', KEYS[1]))
";

const LEASE: &str = r"
if redis.call('EXISTS', KEYS[2]) == 0 then redis.call('SET', KEYS[2], ARGV[3]) end
local held = redis.call('SET', KEYS[1], ARGV[1], 'NX', 'PX', ARGV[2])
return { held and 1 or 0, tonumber(redis.call('GET', KEYS[2])) }
";

const FILL: &str = r"
if redis.call('GET', KEYS[2]) ~= ARGV[1] then return 0 end
redis.call('SET', KEYS[1], ARGV[2], 'PX', ARGV[3])
redis.call('DEL', KEYS[2])
return 1
";

const RELEASE: &str = r"
if redis.call('GET', KEYS[1]) == ARGV[1] then return redis.call('DEL', KEYS[1]) end
return 0
";

pub(super) struct Scripts {
    pub(super) remove: Script,
    pub(super) mark: Script,
    pub(super) sequence: Script,
    pub(super) lease: Script,
    pub(super) fill: Script,
    pub(super) release: Script,
}

impl Scripts {
    pub(super) fn new() -> Self {
        Self {
            remove: Script::new(&format!("{NOTE}{REMOVE}")),
            mark: Script::new(&format!("{NOTE}{MARK}")),
            sequence: Script::new(SEQUENCE),
            lease: Script::new(LEASE),
            fill: Script::new(FILL),
            release: Script::new(RELEASE),
        }
    }
}
