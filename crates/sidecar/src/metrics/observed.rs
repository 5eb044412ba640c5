//! What is no span: looked at when somebody asks.

use std::sync::{Arc, OnceLock, Weak};

use arc_swap::ArcSwap;
use message::{DEFAULT_ACCOUNT, without_numbers};
use policy_host::{DifferenceKind, Policy, PolicyRuntime};
use store::Store;
use telemetry::metrics::{Metrics, Observed};

use crate::admin::{Admin, Backlog};
use crate::decisions::DecisionLog;
use crate::delivery::{Delivery, State};
use crate::in_force::InForce;
use crate::listen::Places;
use crate::relay::RelayTally;
use crate::reports::Tally;
use crate::shared::Shared;

/// What is looked at.
pub(crate) struct Subjects {
    pub(crate) in_force: Arc<ArcSwap<InForce>>,
    pub(crate) policies: Arc<PolicyRuntime>,
    pub(crate) delivery: Arc<Delivery>,
    pub(crate) store: Store,
    pub(crate) shared: Option<Arc<Shared>>,
    pub(crate) backlog: Arc<Backlog>,
    pub(crate) reports: Arc<Tally>,
    pub(crate) relay: Arc<RelayTally>,
    pub(crate) decisions: Option<Arc<DecisionLog>>,
}

/// Has `metrics` look at the connections of each listener.
pub(crate) fn observe_connections(metrics: &Metrics, listeners: Vec<(&'static str, Arc<Places>)>) {
    let what = |name, about| Observed { name, unit: "{connection}", about };
    let of = listeners.clone();
    let about = "Connections that are open, by listener.";
    metrics.gauge(what("sendgate.connections", about), move |tell| {
        for (listener, places) in &of {
            tell(counted(places.open() as u64), &[("listener", listener)]);
        }
    });
    let of = listeners.clone();
    let about = "How many of them may be.";
    metrics.gauge(what("sendgate.connections.limit", about), move |tell| {
        for (listener, places) in &of {
            tell(counted(places.most() as u64), &[("listener", listener)]);
        }
    });
    let about = "Connections that found no place, by listener.";
    metrics.total(what("sendgate.connections.refused", about), move |tell| {
        for (listener, places) in &listeners {
            tell(places.refused(), &[("listener", listener)]);
        }
    });
}

/// Who knows whether sends are taken, once it is there.
pub(crate) type Ready = Arc<OnceLock<Weak<Admin>>>;

/// Has `metrics` tell from the first moment on whether sends are taken: a start may wait.
pub(crate) fn observe_ready(metrics: &Metrics) -> Ready {
    let ready = Ready::default();
    let known = Arc::clone(&ready);
    let what = Observed {
        name: "sendgate.ready",
        unit: "{sidecar}",
        about: "1 while nothing of its own keeps it from taking sends and calling Plivo.",
    };
    metrics.gauge(what, move |tell| {
        let admin = known.get().and_then(Weak::upgrade);
        tell(f64::from(u8::from(admin.is_some_and(|admin| admin.is_ready()))), &[]);
    });
    ready
}

/// Has `metrics` look at everything that is not a span.
pub(crate) fn observe(metrics: &Metrics, subjects: Subjects) {
    let Subjects {
        in_force,
        policies,
        delivery,
        store,
        shared,
        backlog,
        reports,
        relay,
        decisions,
    } = subjects;
    let what = |name, unit, about| Observed { name, unit, about };
    observe_policies(metrics, &in_force);
    observe_candidates(metrics, &in_force);
    observe_keys(metrics, &store);
    if let Some(shared) = shared {
        metrics.gauge(
            what("sendgate.shared.up", "{server}", "1 while what replicas share can be used."),
            move |tell| tell(f64::from(u8::from(shared.is_up())), &[]),
        );
    }
    metrics.gauge(
        what(
            "sendgate.generation",
            "{generation}",
            "The policies in force, counted since the start.",
        ),
        move |tell| tell(counted(in_force.load().chain.generation().0), &[]),
    );
    metrics.total(
        what("sendgate.policy.counted", "{count}", "What policies count themselves."),
        move |tell| {
            for counter in policies.counters() {
                let labels = [("policy.name", counter.policy.as_str()), ("counter", &counter.name)];
                tell(counter.value, &labels);
            }
        },
    );
    let of_lanes = Arc::clone(&delivery);
    metrics.gauge(
        what("sendgate.queue.messages", "{message}", "Messages that wait for their call, by lane."),
        move |tell| {
            for lane in of_lanes.lanes() {
                tell(counted(lane.messages), &[("lane", lane.class.as_str())]);
            }
        },
    );
    let of_lanes = Arc::clone(&delivery);
    metrics.gauge(
        what("sendgate.queue.age", "s", "How long the oldest of them has waited for its call."),
        move |tell| {
            for lane in of_lanes.lanes() {
                tell(lane.oldest.as_secs_f64(), &[("lane", lane.class.as_str())]);
            }
        },
    );
    let breaker = Arc::clone(&delivery);
    metrics.gauge(
        what("sendgate.plivo.breaker", "{state}", "1 for the state of the breaker before Plivo."),
        move |tell| {
            for upstream in breaker.upstreams() {
                let (account, now) = (upstream.account(), upstream.standing().state);
                for state in State::ALL {
                    let labels = [("state", state.as_str()), ("account", &*account.name)];
                    tell(f64::from(u8::from(state == now)), of_account(&labels));
                }
            }
        },
    );
    let calling = Arc::clone(&delivery);
    metrics.gauge(
        what(
            "sendgate.plivo.calls.open",
            "{call}",
            "Sends to Plivo under way, each with a connection to itself.",
        ),
        move |tell| {
            for upstream in calling.upstreams() {
                let account = upstream.account();
                let open = calling.calls_open(&account.name) as u64;
                tell(counted(open), of_account(&[("account", &*account.name)]));
            }
        },
    );
    let orphans = Arc::clone(&delivery);
    metrics.gauge(
        what(
            "sendgate.messages.without_account",
            "{message}",
            "Messages that wait for an account which the configuration does not have.",
        ),
        move |tell| {
            let waiting: usize = orphans.without_account().values().sum();
            tell(counted(waiting as u64), &[]);
        },
    );
    metrics.gauge(
        what("sendgate.plivo.senders.held", "{sender}", "Senders that Plivo is held back for."),
        move |tell| {
            for upstream in delivery.upstreams() {
                let held = upstream.troubled_senders().len() as u64;
                tell(counted(held), of_account(&[("account", &*upstream.account().name)]));
            }
        },
    );
    metrics.gauge(
        what(
            "sendgate.messages.open",
            "{message}",
            "Messages that have not ended, as last counted.",
        ),
        move |tell| {
            let Some(counted) = Arc::clone(&backlog).latest(&store) else { return };
            for (state, count) in [
                ("in_doubt", counted.in_doubt),
                ("held", counted.held),
                ("waiting", counted.waiting),
            ] {
                tell(self::counted(count), &[("state", state)]);
            }
        },
    );
    metrics.total(
        what(
            "sendgate.reports",
            "{report}",
            "Calls of the callback listener, by what they came to.",
        ),
        move |tell| reports.tell(|word, count| tell(count, &[("outcome", word)])),
    );
    metrics.total(
        what("sendgate.relay.calls", "{call}", "Calls to apps, by what they came to."),
        move |tell| relay.tell(|word, count| tell(count, &[("outcome", word)])),
    );
    if let Some(log) = decisions {
        metrics.total(
            what(
                "sendgate.decisions",
                "{record}",
                "Records of the decision log, by what became of them.",
            ),
            move |tell| log.tell(|word, count| tell(count, &[("outcome", word)])),
        );
    }
}

/// Has `metrics` look at the room for idempotency keys.
fn observe_keys(metrics: &Metrics, store: &Store) {
    let what = |name, about| Observed { name, unit: "{key}", about };
    let (kept, most) = (store.clone(), store.most_keys());
    let about = "Idempotency keys that are kept, as last counted.";
    metrics.gauge(what("sendgate.keys", about), move |tell| tell(counted(kept.kept_keys()), &[]));
    let about = "How many of them may be.";
    metrics.gauge(what("sendgate.keys.limit", about), move |tell| tell(counted(most), &[]));
}

/// Has `metrics` look at which builds of the policies are in force.
fn observe_policies(metrics: &Metrics, in_force: &Arc<ArcSwap<InForce>>) {
    let what = Observed {
        name: "sendgate.policy.generation",
        unit: "{generation}",
        about: "The generation that each policy's module and settings in force were loaded for.",
    };
    let of = Arc::clone(in_force);
    metrics.gauge(what, move |tell| {
        for policy in of.load().chain.policies() {
            // As on its spans, but that a module's own word is no place for a number here.
            let version = without_numbers(&policy.manifest().version);
            let digest = format!("{:.12}", policy.digest());
            let labels = [
                ("policy.name", policy.name().as_str()),
                ("policy.version", &version),
                ("policy.digest", &digest),
                ("policy.mode", policy.mode().as_str()),
            ];
            tell(counted(policy.since().0), &labels);
        }
    });
}

/// Has `metrics` look at the candidates beside the policies in force. A new one begins to count anew.
fn observe_candidates(metrics: &Metrics, in_force: &Arc<ArcSwap<InForce>>) {
    let trials = |in_force: &Arc<ArcSwap<InForce>>| {
        let chain = Arc::clone(&in_force.load().chain);
        let trial = |policy: &Arc<Policy>| Some((policy.name().clone(), policy.trial()?));
        chain.policies().iter().filter_map(trial).collect::<Vec<_>>()
    };
    let what = |name, unit, about| Observed { name, unit, about };
    let of = Arc::clone(in_force);
    metrics.gauge(
        what("sendgate.candidate.standing", "{candidate}", "1 for where a candidate stands."),
        move |tell| {
            for (policy, trial) in trials(&of) {
                let standing = ("standing", trial.standing.as_str());
                tell(1.0, &[("policy.name", policy.as_str()), standing]);
            }
        },
    );
    let of = Arc::clone(in_force);
    metrics.total(
        what(
            "sendgate.candidate.compared",
            "{message}",
            "Messages that both were asked about and at least one could decide.",
        ),
        move |tell| {
            for (policy, trial) in trials(&of) {
                tell(trial.compared, &[("policy.name", policy.as_str())]);
            }
        },
    );
    let of = Arc::clone(in_force);
    metrics.total(
        what("sendgate.candidate.differences", "{message}", "Those decided otherwise, by kind."),
        move |tell| {
            for (policy, trial) in trials(&of) {
                for (kind, count) in DifferenceKind::ALL.iter().zip(trial.differed) {
                    tell(count, &[("policy.name", policy.as_str()), ("kind", kind.as_str())]);
                }
            }
        },
    );
}

/// The labels without the last, the account, where it is that of whoever names none: as it is where there is one only.
fn of_account<'a, 'b>(labels: &'a [(&'static str, &'b str)]) -> &'a [(&'static str, &'b str)] {
    match labels.split_last() {
        Some(((_, DEFAULT_ACCOUNT), others)) => others,
        _ => labels,
    }
}

#[expect(clippy::cast_precision_loss, reason = "counts are far below 2^53")]
fn counted(count: u64) -> f64 {
    count as f64
}
