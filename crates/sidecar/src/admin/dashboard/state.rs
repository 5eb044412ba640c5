//! What the dashboard shows besides the decisions as they come.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use policy_host::Mode;
use serde_json::{Map, Value, json};
use store::{Filter, Status, StoreError};
use tokio::time::{Instant, timeout};

use super::super::{Admin, shown};
use super::feed::Seen;
use crate::gateway::shown::instant;

/// How long a look is as good as another one.
const FRESH: Duration = Duration::from_millis(900);
/// How long the store may take for one look-up.
const PATIENCE: Duration = Duration::from_secs(2);
/// Most messages in a list.
const LISTED: usize = 20;
/// Of how many messages the states are counted.
const COUNTED: u32 = 1_000;
/// The verdicts that are counted.
const VERDICTS: [&str; 4] = ["accept", "amend", "reject", "failure"];

/// What one policy said lately.
#[derive(Default)]
struct Mix {
    verdicts: [u64; VERDICTS.len()],
    us: Vec<u64>,
}

impl Admin {
    /// Everything as it is now, or was a moment ago.
    pub(super) async fn state(&self) -> Bytes {
        let mut last = self.dashboard.last.lock().await;
        if let Some((at, bytes)) = &*last
            && at.elapsed() < FRESH
        {
            return bytes.clone();
        }
        let bytes = Bytes::from(self.look().await.to_string());
        *last = Some((Instant::now(), bytes.clone()));
        bytes
    }

    async fn look(&self) -> Value {
        let seen = self.dashboard.feed.all();
        let (total, stopped) = self.dashboard.feed.counts();
        let (_, ready) = self.ready();
        let of = |status| Filter { status, limit: LISTED, ..Filter::default() };
        let state = json!({
            "version": env!("CARGO_PKG_VERSION"),
            // Whether anything can be changed here at all.
            "operable": self.in_force.load().admin_token.is_some(),
            "ready": ready,
            "policies": self.policies(),
            "decisions": {
                "total": total,
                "stopped": stopped,
                // What the mix below is made of.
                "recent": seen.len(),
                "recent_stopped": seen.iter().filter(|seen| seen.is_stopped()).count(),
                "since": seen.first().map(|first| instant(first.at)),
            },
            "mix": mix(&seen),
            "limits": self.dashboard.headroom(&seen).await,
            "lanes": self.delivery.lanes().iter().map(|lane| json!({
                "lane": lane.class.as_str(),
                "messages": lane.messages,
                "oldest_s": lane.oldest.as_secs(),
            })).collect::<Vec<_>>(),
            // Null where the store does not answer.
            "states": self.states().await,
            "in_doubt": self.listed(of(Some(Status::InDoubt))).await,
            "held": self.listed(of(Some(Status::Held))).await,
            "messages": self.listed(of(None)).await,
        });
        shown::masked(state)
    }

    /// How many of the newest messages are in each state.
    async fn states(&self) -> Value {
        let states = in_time(self.store.states(COUNTED)).await;
        states.map_or(Value::Null, |states| {
            let count = |(status, count): (Status, u64)| json!({"state": status.as_str(), "messages": count});
            states.into_iter().map(count).collect()
        })
    }

    async fn listed(&self, filter: Filter) -> Value {
        let page = in_time(self.store.list(&filter)).await;
        page.map_or(Value::Null, |page| {
            let messages: Vec<Value> = page.records.iter().map(shown::brief).collect();
            json!({"messages": messages, "more": page.next.is_some()})
        })
    }
}

async fn in_time<T>(asked: impl Future<Output = Result<T, StoreError>>) -> Option<T> {
    timeout(PATIENCE, asked).await.ok()?.ok()
}

/// What each policy said of the messages `seen`, and how long it took, in microseconds; candidates left out, of which
/// their trials tell.
fn mix(seen: &[Arc<Seen>]) -> Value {
    let mut policies: BTreeMap<&str, Mix> = BTreeMap::new();
    let said = seen.iter().flat_map(|seen| &seen.verdicts);
    for said in said.filter(|said| said.mode != Mode::Candidate) {
        let mix = policies.entry(said.policy.as_str()).or_default();
        mix.us.push(said.us);
        for (word, count) in VERDICTS.iter().zip(&mut mix.verdicts) {
            *count += u64::from(*word == said.verdict);
        }
    }
    let shown = policies.into_iter().map(|(name, mix)| (name.to_owned(), mix.shown()));
    Value::Object(shown.collect())
}

impl Mix {
    fn shown(mut self) -> Value {
        self.us.sort_unstable();
        let rank =
            |percent: usize| self.us.get((self.us.len() * percent / 100).min(self.us.len() - 1));
        let counts = VERDICTS.iter().zip(self.verdicts);
        let mut shown: Map<_, _> =
            counts.map(|(word, count)| ((*word).to_owned(), count.into())).collect();
        shown.insert("p50_us".into(), json!(rank(50)));
        shown.insert("p99_us".into(), json!(rank(99)));
        shown.insert("max_us".into(), json!(self.us.last()));
        Value::Object(shown)
    }
}
