//! What is counted: the metrics that are made of spans, and those that are looked at when somebody asks.
//!
//! Names and labels are an interface that dashboards and alerts depend on; README lists them. HTTP's are those of
//! OpenTelemetry's semantic conventions.

mod observed;

use telemetry::metrics::{Instrument, SpanMetric};

pub(crate) use self::observed::{Subjects, observe, observe_connections, observe_ready};

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
/// As what is looked at has it: a span of the account of whoever names none has no such field.
const ACCOUNT: (&str, &str) = ("sendgate.account", "account");

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
            ("url.scheme", "url.scheme"),
            ("error.type", "error.type"),
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
            // Up to what `memory_mb` may be.
            bounds: &[
                MIB,
                2.0 * MIB,
                4.0 * MIB,
                8.0 * MIB,
                16.0 * MIB,
                32.0 * MIB,
                64.0 * MIB,
                128.0 * MIB,
                256.0 * MIB,
                512.0 * MIB,
            ],
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
            // Up to what `host_calls` may be.
            bounds: &[
                0.0, 1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 64.0, 128.0, 256.0, 512.0, 1_024.0, 10_000.0,
            ],
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
            ("server.port", "server.port"),
            ("http.response.status_code", "http.response.status_code"),
            ("error.type", "error.type"),
            ACCOUNT,
        ],
        unless: None,
    },
    SpanMetric {
        span: "plivo.send",
        name: "sendgate.plivo.calls",
        about: "Sends to Plivo, by what they came to.",
        instrument: Instrument::Count,
        labels: &[("sendgate.outcome", "outcome"), ("error.type", "error.type"), ACCOUNT],
        unless: None,
    },
    SpanMetric {
        span: "reload",
        name: "sendgate.reloads",
        about: "Changes of the files that came into force, or were refused.",
        instrument: Instrument::Outcomes(&["applied", "refused"]),
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
