//! What is counted: the metrics that are made of spans, and those that are looked at when somebody asks.
//!
//! Names and labels are an interface that dashboards and alerts depend on; README lists them. HTTP's are those of
//! OpenTelemetry's semantic conventions.

use std::sync::Arc;

use arc_swap::ArcSwap;
use policy_host::{DifferenceKind, Policy, PolicyRuntime};
use store::Store;
use telemetry::metrics::{Instrument, Metrics, Observed, SpanMetric};

use crate::admin::Backlog;
use crate::decisions::DecisionLog;
use crate::delivery::{Delivery, State};
use crate::in_force::InForce;
use crate::listen::Places;
use crate::relay::RelayTally;
use crate::reports::Tally;

/// Seconds, for what goes over a network.
const SECONDS: &[f64] =
    &[0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0];
/// Seconds, for what a policy takes: from five microseconds on.
const MICROS: &[f64] = &[
    0.000_005, 0.000_01, 0.000_025, 0.000_05, 0.000_1, 0.000_25, 0.000_5, 0.001, 0.0025, 0.005,
    0.01, 0.05, 0.25, 1.0,
];
const MICROSECOND: f64 = 0.000_001;
const MIB: f64 = 1_048_576.0;

const POLICY: SpanMetric = SpanMetric {
    span: "policy.check",
    name: "sendgate.policy.duration",
    about: "From asking a policy to its verdict, waiting included.",
    instrument: Instrument::Value {
        field: "policy.wasm_us",
        scale: MICROSECOND,
        unit: "s",
        bounds: MICROS,
    },
    labels: &[("policy.name", "policy.name"), ("policy.mode", "policy.mode")],
    // `explain` asks, and means nothing.
    unless: Some("policy.dry_run"),
};

/// What is counted of which spans.
pub(crate) const OF_SPANS: &[SpanMetric] = &[
    SpanMetric {
        span: "request",
        name: "http.server.request.duration",
        about: "How long requests of apps took.",
        instrument: Instrument::Duration(SECONDS),
        labels: &[
            ("http.request.method", "http.request.method"),
            ("http.route", "http.route"),
            ("http.response.status_code", "http.response.status_code"),
        ],
        unless: None,
    },
    SpanMetric {
        span: "request",
        name: "sendgate.requests",
        about: "Requests by door, app, status and, of refusals, code.",
        instrument: Instrument::Count,
        labels: &[
            ("http.route", "http.route"),
            ("sendgate.app", "app"),
            ("http.response.status_code", "status"),
            ("sendgate.code", "code"),
        ],
        unless: None,
    },
    POLICY,
    SpanMetric {
        name: "sendgate.policy.decisions",
        about: "Verdicts of policies; failures by kind.",
        instrument: Instrument::Count,
        labels: &[
            ("policy.name", "policy.name"),
            ("policy.mode", "policy.mode"),
            ("policy.verdict", "verdict"),
            ("policy.code", "code"),
            ("error.type", "error.type"),
        ],
        ..POLICY
    },
    SpanMetric {
        name: "sendgate.policy.guest.duration",
        about: "Time inside the policy's module and its imports.",
        instrument: Instrument::Value {
            field: "policy.guest_us",
            scale: MICROSECOND,
            unit: "s",
            bounds: MICROS,
        },
        ..POLICY
    },
    SpanMetric {
        name: "sendgate.policy.memory",
        about: "Most linear memory that the instance held.",
        instrument: Instrument::Value {
            field: "policy.memory",
            scale: 1.0,
            unit: "By",
            bounds: &[MIB, 2.0 * MIB, 4.0 * MIB, 8.0 * MIB, 16.0 * MIB, 32.0 * MIB, 64.0 * MIB],
        },
        ..POLICY
    },
    SpanMetric {
        name: "sendgate.policy.host.calls",
        about: "Calls of the host by one decision.",
        instrument: Instrument::Value {
            field: "policy.host_calls",
            scale: 1.0,
            unit: "{call}",
            bounds: &[0.0, 1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 64.0],
        },
        ..POLICY
    },
    SpanMetric {
        span: "plivo.send",
        name: "http.client.request.duration",
        about: "How long Plivo took to answer a send.",
        instrument: Instrument::Duration(SECONDS),
        labels: &[
            ("http.request.method", "http.request.method"),
            ("server.address", "server.address"),
            ("http.response.status_code", "http.response.status_code"),
            ("error.type", "error.type"),
        ],
        unless: None,
    },
    SpanMetric {
        span: "plivo.send",
        name: "sendgate.plivo.calls",
        about: "Sends to Plivo, by what they came to.",
        instrument: Instrument::Count,
        labels: &[("sendgate.outcome", "outcome"), ("error.type", "error.type")],
        unless: None,
    },
    SpanMetric {
        span: "reload",
        name: "sendgate.reloads",
        about: "Changes of the files that came into force, or were refused.",
        instrument: Instrument::Count,
        labels: &[("sendgate.reload", "outcome")],
        unless: None,
    },
    COMMIT,
    SpanMetric {
        name: "sendgate.store.batch",
        about: "Writes that one commit of the store shared.",
        instrument: Instrument::Value {
            field: "store.writes",
            scale: 1.0,
            unit: "{write}",
            bounds: &[1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 64.0, 128.0, 256.0, 512.0],
        },
        ..COMMIT
    },
];

const COMMIT: SpanMetric = SpanMetric {
    span: "store.commit",
    name: "sendgate.store.commit.duration",
    about: "How long the store's commits took, the disk included.",
    instrument: Instrument::Duration(SECONDS),
    labels: &[],
    unless: None,
};

/// What is looked at.
pub(crate) struct Subjects {
    pub(crate) in_force: Arc<ArcSwap<InForce>>,
    pub(crate) policies: Arc<PolicyRuntime>,
    pub(crate) delivery: Arc<Delivery>,
    pub(crate) store: Store,
    pub(crate) backlog: Arc<Backlog>,
    pub(crate) reports: Arc<Tally>,
    pub(crate) relay: Arc<RelayTally>,
    pub(crate) decisions: Option<Arc<DecisionLog>>,
}

/// Has `metrics` look at the connections of each listener.
pub(crate) fn observe_connections(metrics: &Metrics, listeners: Vec<(&'static str, Arc<Places>)>) {
    let (name, unit) = ("sendgate.connections", "{connection}");
    let what = Observed { name, unit, about: "Connections that are open, by listener." };
    metrics.gauge(what, move |tell| {
        for (listener, places) in &listeners {
            tell(counted(places.open() as u64), &[("listener", listener)]);
        }
    });
}

/// Has `metrics` look at everything that is not a span.
pub(crate) fn observe(metrics: &Metrics, subjects: Subjects) {
    let Subjects { in_force, policies, delivery, store, backlog, reports, relay, decisions } =
        subjects;
    let what = |name, unit, about| Observed { name, unit, about };
    observe_candidates(metrics, &in_force);
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
            let now = breaker.standing().state;
            for state in State::ALL {
                tell(f64::from(u8::from(state == now)), &[("state", state.as_str())]);
            }
        },
    );
    metrics.gauge(
        what("sendgate.plivo.senders.held", "{sender}", "Senders that Plivo is held back for."),
        move |tell| tell(counted(delivery.troubled_senders().len() as u64), &[]),
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
        what("sendgate.candidate.compared", "{message}", "Messages that both decided about."),
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

#[expect(clippy::cast_precision_loss, reason = "counts are far below 2^53")]
fn counted(count: u64) -> f64 {
    count as f64
}
