//! What stands beside the sidecar: the Redis that replicas share, and the collector.

use std::time::Duration;

use store_redis::{Examined, Said, Trouble, Unusable, examine};
use telemetry::{Answered, Reached};
use tokio::time::timeout;

use super::{Finding, PATIENCE};
use crate::config::{Fixed, Secret, Shared};
use crate::failure::whole;
use crate::run::telemetry_options;
use crate::shared;

/// A server's clock that is further off is warned about.
const CLOCK: Duration = Duration::from_secs(60);

pub(super) async fn redis(settings: Option<(&Shared, &Secret)>) -> Vec<Finding> {
    let Some((settings, url)) = settings else {
        return vec![Finding::skipped("redis", "replicas share nothing ([store] shared)")];
    };
    let options = match shared::options(settings, url) {
        Ok(options) => options,
        Err(err) => return vec![Finding::fail("redis", err.to_string(), "mend [store] shared")],
    };
    let server = options.url.to_string();
    let slow = || {
        let why = format!("no answer within {} s", PATIENCE.as_secs());
        Err(Unusable { trouble: Trouble::Unanswered, why })
    };
    match timeout(PATIENCE, examine(&options)).await.unwrap_or_else(|_| slow()) {
        Err(Unusable { trouble, why }) => {
            let to_do = format!("{}; sends with a key are refused until then", mending(trouble));
            vec![Finding::fail("redis", format!("{server}: {why}"), to_do)]
        }
        Ok(seen) if seen.answered_in > options.timeout => {
            let (took, most) = (seen.answered_in.as_millis(), options.timeout.as_millis());
            let why = format!("{server} answers in {took} ms, and is waited for {most} ms");
            let to_do = "see what is slow, it or the way to it, or raise [store] shared_timeout_ms; sends with a key are \
                         refused until then";
            vec![Finding::fail("redis", why, to_do)]
        }
        Ok(seen) => of_redis(&server, &seen),
    }
}

/// What makes a server usable again.
fn mending(trouble: Trouble) -> &'static str {
    match trouble {
        Trouble::Refused => "start it, or mend host and port in [store] shared",
        Trouble::UnknownName => {
            "mend the host in [store] shared, or the name server that this machine asks"
        }
        Trouble::Unanswered => {
            "see that host and port in [store] shared are right, that no firewall is between, and that it speaks TLS where \
             rediss:// is written"
        }
        Trouble::Broken => {
            "see that it is a Redis, write rediss:// where it speaks TLS alone, and look at its log (maxclients, \
             protected-mode)"
        }
        Trouble::Tls => {
            "see that it speaks TLS, with a certificate for this host of an authority that this machine trusts \
             (SSL_CERT_FILE)"
        }
        Trouble::Login => "mend the user and the password in [store] shared",
        Trouble::Rights => "give its user the rights that are missing (ACL SETUSER)",
        Trouble::ReadOnly => {
            "name the server that takes writes in [store] shared, not a replica of it"
        }
        Trouble::OutOfMemory => {
            "give it more memory (maxmemory), or take out what others keep there"
        }
        Trouble::Database => {
            "mend the number at the end of [store] shared, or give the server more (`databases`)"
        }
        Trouble::Other => "look at its log, or mend [store] shared",
    }
}

fn of_redis(server: &str, seen: &Examined) -> Vec<Finding> {
    let mut findings = match &seen.said {
        Some(said) => of_its_word(server, said),
        None => {
            let unseen = format!(
                "{server} can be used, but its user may not ask INFO: `appendonly` and `maxmemory-policy` cannot be seen"
            );
            let to_do =
                "see that they are `yes` and `noeviction`, or give the user +info (ACL SETUSER)";
            vec![Finding::warn("redis", unseen, to_do)]
        }
    };
    if seen.clock_off > CLOCK {
        let said = format!("{server}'s clock is {} s off this machine's", seen.clock_off.as_secs());
        findings.push(Finding::warn("redis", said, "set both by NTP"));
    }
    if let ([], Some(said)) = (&findings[..], &seen.said) {
        let said = format!("{server}, version {}, takes writes and scripts", said.version);
        findings.push(Finding::ok("redis", said));
    }
    findings
}

fn of_its_word(server: &str, seen: &Said) -> Vec<Finding> {
    let mut findings = Vec::new();
    if !seen.is_new_enough {
        let said = format!("{server} is version {}", seen.version);
        findings.push(Finding::fail("redis", said, "use Redis 7, or Valkey, or later"));
    }
    if seen.eviction != "noeviction" {
        let said = format!("{server} evicts keys by `{}`", seen.eviction);
        let to_do = "set `maxmemory-policy noeviction`: what is evicted is forgotten, so limits begin afresh and \
                     repeated requests are sent again";
        let tell = if seen.is_bounded { Finding::fail } else { Finding::warn };
        findings.push(tell("redis", said.as_str(), to_do));
    }
    if !seen.is_durable {
        let to_do = "set `appendonly yes`: one that comes back empty knows no keys";
        findings.push(Finding::warn("redis", format!("{server} keeps nothing on disk"), to_do));
    }
    findings
}

pub(super) fn collector(fixed: &Fixed) -> Vec<Finding> {
    let options = telemetry_options(fixed);
    let passed_over = telemetry::passed_over(&options).into_iter();
    let passed_over =
        passed_over.map(|line| Finding::warn("collector", line, "mend the variable, or unset it"));
    let (reached, nowhere) = telemetry::reach(&options, PATIENCE);
    let reached = reached.into_iter().map(|Reached { signals, endpoint, answered }| {
        let signals = signals.join(", ");
        let found = match answered {
            Ok(Answered::Takes) => Finding::ok("collector", format!("{endpoint} answers")),
            Ok(Answered::WantsKey) => {
                let said = format!("{endpoint} answers, and wants a key, which was not tried");
                Finding::ok("collector", said)
            }
            Ok(Answered::Overloaded) => Finding::warn(
                "collector",
                format!("{endpoint} answers that it has too much to do"),
                format!("see what it is at, or give it more; meanwhile {signals} may be lost"),
            ),
            Err(why) => Finding::warn(
                "collector",
                format!("{endpoint}: {}", whole(&*why)),
                format!(
                    "start it, or mend [telemetry] otlp or the variable that names it; messages go on, and {signals} are \
                     lost"
                ),
            ),
        };
        found.about(&signals)
    });
    let nowhere = (!nowhere.is_empty()).then(|| {
        let why = format!("{} go nowhere ([telemetry] otlp, or OTEL_*)", nowhere.join(", "));
        Finding::skipped("collector", why)
    });
    passed_over.chain(reached).chain(nowhere).collect()
}
