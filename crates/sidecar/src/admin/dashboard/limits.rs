//! What is left of the limits that were charged lately.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use message::{Charge, LimitKind, Period, Taken, Timestamp};
use serde_json::{Value, json};
use tokio::time::timeout;

use super::Dashboard;
use super::feed::{Charged, Seen};

/// Most limits that are shown.
const SHOWN: usize = 24;
/// How long the ledger may take to tell what is left of all of them.
const PATIENCE: Duration = Duration::from_millis(500);

/// One limit of one app; of its keys, the one with the least left when it was charged last.
struct Tightest<'a> {
    app: &'a str,
    charged: &'a Charged,
    /// How many keys there were, such as recipients.
    keys: Vec<&'a str>,
}

impl Dashboard {
    /// What is left now of every limit that the messages `seen` were charged for, the tightest first. Null where the
    /// ledger does not answer.
    pub(super) async fn headroom(&self, seen: &[Arc<Seen>]) -> Value {
        let now: Timestamp = SystemTime::now().into();
        let asking = async {
            let mut shown = Vec::new();
            for limit in tightest(seen) {
                let (left, reset) = self.left(limit.charged, now).await?;
                let most = u64::from(limit.charged.most());
                let share = u64::from(left) * 1_000 / most.max(1);
                shown.push((share, limit.shown(left, reset)));
            }
            Some(shown)
        };
        let Ok(Some(mut shown)) = timeout(PATIENCE, asking).await else { return Value::Null };
        shown.sort_by_key(|(share, _)| *share);
        shown.into_iter().map(|(_, shown)| shown).collect()
    }

    async fn left(&self, charged: &Charged, now: Timestamp) -> Option<(u32, Duration)> {
        let charge = Charge {
            limit: charged.limit.clone(),
            key: charged.key.clone(),
            kind: charged.kind.clone(),
            cost: 1,
            queue: false,
        };
        match self.ledger.peek(charged.policy.as_str(), &[charge], now).await.ok()? {
            // What would be left, had the one been charged.
            Taken::Ok { standings, .. } => {
                standings.first().map(|standing| (standing.remaining + 1, standing.reset))
            }
            Taken::Refused(refusals) => refusals.first().map(|refusal| (0, refusal.wait)),
        }
    }
}

impl Tightest<'_> {
    fn shown(&self, left: u32, reset: Duration) -> Value {
        let Charged { policy, limit, kind, .. } = self.charged;
        let (mut per_s, mut period, mut rate) = (None, None, None);
        match kind {
            LimitKind::Window(window) => per_s = Some(window.per.as_secs_f64()),
            LimitKind::Gcra(gcra) => {
                (per_s, rate) = (Some(gcra.per.as_secs_f64()), Some(gcra.quota));
            }
            LimitKind::Calendar(calendar) => {
                period = Some(match calendar.period {
                    Period::Day => "day",
                    Period::Week => "week",
                    Period::Month => "month",
                });
            }
        }
        let most = self.charged.most();
        json!({
            "policy": policy.as_str(),
            "limit": limit,
            "app": self.app,
            "keys": self.keys.len(),
            // At once, and of even pacing in each `per_s`.
            "most": most,
            "rate": rate,
            "left": left.min(most),
            "per_s": per_s,
            "period": period,
            "reset_s": reset.as_secs_f64().ceil(),
        })
    }
}

impl Charged {
    /// Most that can be left.
    fn most(&self) -> u32 {
        match &self.kind {
            LimitKind::Window(window) => window.quota,
            LimitKind::Gcra(gcra) => gcra.burst,
            LimitKind::Calendar(calendar) => calendar.quota,
        }
    }
}

/// The limits charged lately, the latest first. Whose keys they are is not shown, since they may hold numbers.
fn tightest(seen: &[Arc<Seen>]) -> Vec<Tightest<'_>> {
    let mut found: Vec<Tightest<'_>> = Vec::new();
    for seen in seen.iter().rev() {
        for charged in &seen.limits {
            let same = |each: &Tightest<'_>| {
                *each.app == *seen.app
                    && (&each.charged.policy, &each.charged.limit)
                        == (&charged.policy, &charged.limit)
            };
            let Some(at) = found.iter().position(same) else {
                if found.len() < SHOWN {
                    let (app, keys) = (&*seen.app, vec![&*charged.key]);
                    found.push(Tightest { app, charged, keys });
                }
                continue;
            };
            let known = &mut found[at];
            // What a key had left before it was charged again says nothing.
            if !known.keys.contains(&&*charged.key) {
                known.keys.push(&charged.key);
                if charged.remaining < known.charged.remaining {
                    known.charged = charged;
                }
            }
        }
    }
    found
}
