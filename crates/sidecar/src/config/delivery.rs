//! `[delivery]`: how long an answer waits, and how much may wait for Plivo.

use std::time::Duration;

use message::limits::EXPIRY_S;

use super::cursor::Section;

/// Longest that any answer may wait, in milliseconds.
const MOST_WAIT_MS: u32 = 60_000;
/// Where official SDKs lose patience (Python's and PHP's give up after 5 s), with half a second for the way.
const SDK_PATIENCE: Duration = Duration::from_millis(4_500);

/// How a message gets from here to Plivo.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DeliverySettings {
    /// Most that an answer waits for Plivo's; 0 answers at once. Default 10 s.
    pub wait: Duration,
    /// The same on the door for Plivo's own SDKs. Default 4 s.
    pub compat_wait: Duration,
    /// Most that a repeated request waits for the first one's answer. Default 2 s.
    pub join: Duration,
    /// How long a message is worth sending that does not say so itself; Plivo's default where absent.
    pub ttl: Option<Duration>,
    /// Most messages that wait in memory. Default 10,000.
    pub queue_max: usize,
}

impl DeliverySettings {
    pub(super) fn read(mut section: Section<'_>) -> Self {
        let ttl = section.get("ttl_s").and_then(|item| item.number(EXPIRY_S));
        let delivery = Self {
            wait: section.millis("wait_ms", 10_000, 0..=MOST_WAIT_MS),
            compat_wait: section.millis("compat_wait_ms", 4_000, 0..=MOST_WAIT_MS),
            join: section.millis("join_ms", 2_000, 0..=MOST_WAIT_MS),
            ttl: ttl.map(|seconds| Duration::from_secs(seconds.into())),
            queue_max: section.size("queue_max", 10_000, 1..=1_000_000),
        };
        if delivery.compat_wait > SDK_PATIENCE {
            let detail = "is longer than some of Plivo's SDKs wait (5 s): they may give up and send again; 4000 is safe";
            section.reading().warn(&section.spot_of("compat_wait_ms"), detail);
        }
        section.finish();
        delivery
    }
}

#[cfg(test)]
mod tests {
    use crate::config::testing::{assert_faults, config_of, warnings_of};

    #[test]
    fn without_the_section_the_documented_defaults_hold() {
        let delivery = config_of("").reloadable.delivery;
        let waits =
            [delivery.wait, delivery.compat_wait, delivery.join].map(|wait| wait.as_millis());
        assert_eq!(waits, [10_000, 4_000, 2_000]);
        assert_eq!((delivery.ttl, delivery.queue_max), (None, 10_000));
    }

    #[test]
    fn a_time_to_live_must_be_one_that_plivo_takes() {
        assert_eq!(
            config_of("delivery.ttl_s = 5").reloadable.delivery.ttl.map(|ttl| ttl.as_secs()),
            Some(5)
        );
        assert_faults(&[
            (
                "[delivery]\nttl_s = 4",
                &["sidecar.toml:2:9: delivery.ttl_s: is 4; give a whole number from 5 to 10799"],
            ),
            ("[delivery]\nttl_s = 10800", &["sidecar.toml:2:9: delivery.ttl_s: is 10800; give"]),
            ("[delivery]\nqueue_max = 0", &["sidecar.toml:2:13: delivery.queue_max: is 0; give"]),
            ("[delivery]\nwait_ms = -1", &["sidecar.toml:2:11: delivery.wait_ms: is -1; give"]),
            (
                "[delivery]\nwait_s = 1",
                &["sidecar.toml:2:1: delivery.wait_s: is not a known key; did you mean `wait_ms`?"],
            ),
        ]);
    }

    #[test]
    fn waiting_longer_than_the_sdks_do_is_a_warning() {
        let warnings = warnings_of("[delivery]\ncompat_wait_ms = 5_000");
        assert!(
            warnings.len() == 1
                && warnings[0].starts_with("sidecar.toml:2:18: delivery.compat_wait_ms: is longer"),
            "{warnings:#?}"
        );
    }
}
