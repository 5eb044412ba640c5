use policy_sdk::state::{Charge, Gcra, LimitKind, Taken, Window};
use policy_sdk::{PolicyError, log, media, metrics, state, telecom, zones};

/// Where what was told of message `id` is kept.
pub(crate) fn told(id: &str) -> String {
    format!("told-{id}")
}

/// Makes the call that `words` name; `nothing` where they name none.
///
/// # Errors
///
/// What the host answers instead.
pub(crate) fn make(words: &[&str]) -> Result<String, PolicyError> {
    Ok(match *words {
        ["get", key] => kept(key)?,
        ["told", id] => kept(&told(id))?,
        ["put", key, value, ttl_ms] => {
            state::put(key, value.as_bytes(), number(ttl_ms), false)?.to_string()
        }
        ["put-if-absent", key, value, ttl_ms] => {
            state::put(key, value.as_bytes(), number(ttl_ms), true)?.to_string()
        }
        ["increment", key, delta, ttl_ms] => {
            let delta: i64 = delta.parse().unwrap_or(1);
            state::increment(key, delta, number(ttl_ms))?.to_string()
        }
        ["reserve", key, ttl_ms] => match state::reserve(key, number(ttl_ms))? {
            None => "reserved".into(),
            Some(holder) => format!("held by {} until {}", holder.by, holder.until_ms),
        },
        ["window", limit, quota, per_ms, cost] => {
            let window = Window { quota: small(quota), per_ms: number(per_ms) };
            take(limit, LimitKind::Window(window), cost, false)?
        }
        ["pace", limit, quota, per_ms, burst, cost] => {
            let gcra = Gcra { quota: small(quota), per_ms: number(per_ms), burst: small(burst) };
            take(limit, LimitKind::Gcra(gcra), cost, true)?
        }
        ["log", ..] => {
            log::info(&words[1..].join(" "));
            "logged".into()
        }
        ["count", name, value] => {
            metrics::add(name, number(value));
            "counted".into()
        }
        ["classify", number] => match telecom::classify(number) {
            None => "no number".into(),
            Some(facts) => format!("{} {:?}", facts.region, facts.number_type),
        },
        ["offsets", zone, from_ms, until_ms] => {
            let from_ms = number(from_ms);
            let found = zones::offsets(&[zone.to_owned()], from_ms, number(until_ms));
            let hours = |since_ms: u64| (since_ms - from_ms) / 3_600_000;
            let each = found.iter().flatten();
            let each = each.map(|o| format!("{} after {} h", o.seconds, hours(o.since_ms)));
            each.collect::<Vec<_>>().join("; ")
        }
        ["probes"] => format!("{} looked at", media::probes().iter().flatten().count()),
        ["panic"] => panic!("as the message asks"),
        _ => "nothing".into(),
    })
}

fn kept(key: &str) -> Result<String, PolicyError> {
    Ok(match state::get(key)? {
        None => "nothing kept".into(),
        Some(value) => String::from_utf8_lossy(&value).into_owned(),
    })
}

fn take(limit: &str, kind: LimitKind, cost: &str, queue: bool) -> Result<String, PolicyError> {
    let charge =
        Charge { limit: limit.into(), key: "probe".into(), kind, cost: small(cost), queue };
    Ok(match state::take(&[charge])? {
        Taken::Ok(standings) => {
            let each = standings.iter().map(|s| {
                format!(
                    "{} left {} reset {} delay {}",
                    s.limit, s.remaining, s.reset_ms, s.delay_ms
                )
            });
            each.collect::<Vec<_>>().join("; ")
        }
        Taken::Refused(refusals) => {
            let each = refusals.iter().map(|r| {
                format!(
                    "{} refused for {}{}",
                    r.limit,
                    r.wait_ms,
                    if r.never { " for good" } else { "" }
                )
            });
            each.collect::<Vec<_>>().join("; ")
        }
    })
}

/// What is no number is zero: the answer shows it.
fn number(word: &str) -> u64 {
    word.parse().unwrap_or(0)
}

fn small(word: &str) -> u32 {
    word.parse().unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use policy_sdk::Message;
    use policy_sdk::testing::{Case, counter, handset, know, lines, sms};

    use crate::Probe;

    fn answers(case: &mut Case<Probe>, calls: &[(&str, &str)]) {
        for (index, (call, expected)) in calls.iter().enumerate() {
            let message = Message { id: format!("m{index}"), text: (*call).into(), ..sms() };
            assert_eq!(case.check(&message).noted("probe.answer"), Some(*expected), "{call}");
        }
    }

    #[test]
    fn every_call_of_the_state_is_made() {
        let mut case = Case::<Probe>::new("{}");
        let now_ms = case.context.now_ms;
        answers(
            &mut case,
            &[
                ("get k", "nothing kept"),
                ("put k v 1000", "true"),
                ("put-if-absent k w 1000", "false"),
                ("get k", "v"),
                ("increment n 2 1000", "2"),
                ("increment n -1 1000", "1"),
                ("reserve r 1000", "reserved"),
                ("reserve r 1000", &format!("held by m6 until {}", now_ms + 1_000)),
                ("window w 1 1000 1", "w left 0 reset 1000 delay 0"),
                ("window w 1 1000 1", "w refused for 1000"),
                ("window w 1 1000 2", "w refused for 0 for good"),
                ("pace p 1 1000 1 1", "p left 0 reset 1000 delay 0"),
                ("pace p 1 1000 1 1", "p left 0 reset 2000 delay 1000"),
                ("see you", "nothing"),
            ],
        );
    }

    #[test]
    fn every_other_import_is_called() {
        let mut case = Case::<Probe>::new("{}");
        know("+33612345678", handset("FR", 33));
        answers(
            &mut case,
            &[
                ("log two words", "logged"),
                ("count seen 2", "counted"),
                ("classify +33612345678", "FR NumberType::FixedLineOrMobile"),
                ("classify +1", "no number"),
                ("probes", "0 looked at"),
                ("offsets UTC 1000 2000", "0 after 0 h"),
                ("offsets nowhere 1000 2000", ""),
            ],
        );
        assert_eq!(lines()[0].1, "two words");
        assert_eq!(counter("seen"), 2);
    }
}
