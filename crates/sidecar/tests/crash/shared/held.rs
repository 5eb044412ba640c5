//! What the Redis holds for messages.

use std::collections::BTreeMap;

use crate::harness::Redis;

/// What one run left there.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Held {
    /// The cost that counts against the app's limit.
    pub(super) used: usize,
    /// Charges that could still be given back.
    pub(super) open: usize,
    /// By their messages.
    pub(super) reserved: BTreeMap<String, Reservation>,
}

/// Where a reservation stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Reservation {
    /// It ends soon unless its message is accepted.
    Short,
    /// It lasts, and may be given back.
    Open,
    Kept,
}

/// Lines, of which each is a word and what it is about.
const LOOK: &str = "\
local told = {} \
for _, key in ipairs(redis.call('KEYS', ARGV[1] .. '8:throttlel:*')) do \
  local all = redis.call('HGETALL', key) \
  for i = 1, #all, 2 do \
    if all[i] == 'u' then told[#told + 1] = 'used ' .. all[i + 1] end \
    if #all[i] > 4 and tonumber(all[i + 1]) > 0 then told[#told + 1] = 'open 1' end \
  end \
end \
for _, key in ipairs(redis.call('KEYS', ARGV[1] .. '5:dedupr:*')) do \
  local got = redis.call('HMGET', key, 'by', 'open', 'more') \
  local how = got[3] ~= '0' and 'short' or got[2] and 'lasts' or 'kept' \
  told[#told + 1] = how .. ' ' .. got[1] \
end \
return told";

impl Held {
    pub(super) fn of(redis: &Redis, prefix: &str) -> Self {
        let answer = redis.ask(&format!("EVAL \"{LOOK}\" 0 {prefix}"));
        assert!(answer.starts_with('*'), "the Redis answers {answer}");
        let mut held = Self::default();
        for (word, about) in answer.lines().filter_map(|line| line.split_once(' ')) {
            let number = || about.parse::<usize>().unwrap_or_else(|_| panic!("`{word} {about}`"));
            let mut reserved = |how| {
                held.reserved.insert(about.to_owned(), how);
            };
            match word {
                "used" => held.used += number(),
                "open" => held.open += number(),
                "short" => reserved(Reservation::Short),
                "lasts" => reserved(Reservation::Open),
                "kept" => reserved(Reservation::Kept),
                _ => panic!("`{word} {about}`"),
            }
        }
        held
    }
}
