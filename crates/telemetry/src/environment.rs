//! The standard `OTEL_*` variables that decide where spans, metrics and records go; the only place here that reads the
//! environment.
//!
//! Names, defaults and "an empty value counts as unset" from the OpenTelemetry specification, "Environment Variable
//! Specification" (1.x). A value that cannot be used is passed over with a warning, as it says there. What only the
//! exporter needs (headers, compression) the exporter reads itself.

use std::time::Duration;

use opentelemetry_sdk::trace::Sampler;
use reqwest::Url;
use uuid::Uuid;

use crate::options::{Protocol, TelemetryOptions};

const DEFAULT_QUEUE: usize = 2048;
const DEFAULT_BATCH: usize = 512;
const DEFAULT_DELAY_MS: usize = 5_000;
const DEFAULT_TIMEOUT_MS: usize = 10_000;
const DEFAULT_INTERVAL_MS: usize = 60_000;
/// More than this many waiting spans would be a leak and no queue.
const LARGEST_QUEUE: usize = 65_536;

/// Where and how spans go, after the environment had its say.
#[derive(Debug)]
pub(crate) struct Plan {
    /// Whether there are spans at all.
    pub(crate) enabled: bool,
    pub(crate) export: Option<Destination>,
    /// Where metrics go, and how often.
    pub(crate) metrics: Option<Destination>,
    pub(crate) metrics_every: Duration,
    /// Where records go, if any are wanted.
    pub(crate) records: Option<Destination>,
    pub(crate) service_name: String,
    /// This process among others of its service; none where the environment names it, which the SDK reads itself.
    pub(crate) instance: Option<String>,
    pub(crate) sampler: Sampler,
    pub(crate) queue: Queue,
    /// What could not be used, for the log.
    pub(crate) warnings: Vec<String>,
}

/// The collector to speak to.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Destination {
    /// The whole address that spans are sent to.
    pub(crate) endpoint: String,
    pub(crate) protocol: Protocol,
    /// The longest that one request may take.
    pub(crate) timeout: Duration,
}

/// How many spans may wait, and how they leave.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Queue {
    /// Spans waiting at most; one more is dropped.
    pub(crate) size: usize,
    /// Spans in one request at most.
    pub(crate) batch: usize,
    /// The longest a span waits for others.
    pub(crate) delay: Duration,
}

/// A kind of telemetry, in the names of variables and in the path of its endpoint.
struct Signal {
    exporter: &'static str,
    endpoint: &'static str,
    protocol: &'static str,
    timeout: &'static str,
    path: &'static str,
}

const TRACES: Signal = Signal {
    exporter: "OTEL_TRACES_EXPORTER",
    endpoint: "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT",
    protocol: "OTEL_EXPORTER_OTLP_TRACES_PROTOCOL",
    timeout: "OTEL_EXPORTER_OTLP_TRACES_TIMEOUT",
    path: "/v1/traces",
};
const METRICS: Signal = Signal {
    exporter: "OTEL_METRICS_EXPORTER",
    endpoint: "OTEL_EXPORTER_OTLP_METRICS_ENDPOINT",
    protocol: "OTEL_EXPORTER_OTLP_METRICS_PROTOCOL",
    timeout: "OTEL_EXPORTER_OTLP_METRICS_TIMEOUT",
    path: "/v1/metrics",
};
const LOGS: Signal = Signal {
    exporter: "OTEL_LOGS_EXPORTER",
    endpoint: "OTEL_EXPORTER_OTLP_LOGS_ENDPOINT",
    protocol: "OTEL_EXPORTER_OTLP_LOGS_PROTOCOL",
    timeout: "OTEL_EXPORTER_OTLP_LOGS_TIMEOUT",
    path: "/v1/logs",
};

/// Standard variables that somebody may count on, and that mean nothing here.
const UNREAD: [&str; 5] = [
    "OTEL_EXPORTER_OTLP_CERTIFICATE",
    "OTEL_EXPORTER_OTLP_CLIENT_CERTIFICATE",
    "OTEL_EXPORTER_OTLP_CLIENT_KEY",
    "OTEL_EXPORTER_OTLP_COMPRESSION",
    "OTEL_PROPAGATORS",
];

/// The variables, behind a function so that tests need no environment of their own.
struct Variables<'a> {
    lookup: &'a dyn Fn(&str) -> Option<String>,
    warnings: Vec<String>,
}

/// Reads this process's variable `name`.
pub(crate) fn process(name: &str) -> Option<String> {
    std::env::var(name).ok()
}

impl Plan {
    /// Settles `options` with the variables that `lookup` knows.
    pub(crate) fn new(options: &TelemetryOptions, lookup: &dyn Fn(&str) -> Option<String>) -> Self {
        let mut variables = Variables { lookup, warnings: Vec::new() };
        let enabled = variables
            .get("OTEL_SDK_DISABLED")
            .is_none_or(|value| !value.eq_ignore_ascii_case("true"));
        let export = if enabled { variables.destination(&TRACES, options) } else { None };
        let metrics = if enabled { variables.destination(&METRICS, options) } else { None };
        let every = variables.count("OTEL_METRIC_EXPORT_INTERVAL", DEFAULT_INTERVAL_MS);
        let wanted = enabled && options.records;
        let records = if wanted { variables.destination(&LOGS, options) } else { None };
        variables.look_at_what_others_read();
        Self {
            enabled,
            export,
            metrics,
            metrics_every: Duration::from_millis(every as u64),
            records,
            service_name: variables.service_name().unwrap_or_else(|| options.service_name.clone()),
            instance: variables.instance(),
            sampler: variables.sampler(),
            queue: variables.queue(),
            warnings: variables.warnings,
        }
    }
}

impl Destination {
    /// Whether the connection is encrypted.
    pub(crate) fn is_tls(&self) -> bool {
        self.endpoint.get(..6).is_some_and(|scheme| scheme.eq_ignore_ascii_case("https:"))
    }
}

impl Variables<'_> {
    fn get(&self, name: &str) -> Option<String> {
        (self.lookup)(name).map(|value| value.trim().to_owned()).filter(|value| !value.is_empty())
    }

    fn warn(&mut self, name: &str, why: &str) {
        let warning = format!("{name} is passed over: {why}");
        // What holds for all signals is said once.
        if !self.warnings.contains(&warning) {
            self.warnings.push(warning);
        }
    }

    fn destination(&mut self, signal: &Signal, options: &TelemetryOptions) -> Option<Destination> {
        match self.get(signal.exporter).as_deref() {
            Some("none") => return None,
            None | Some("otlp") => {}
            Some(_) => self.warn(signal.exporter, "it is neither `otlp` nor `none`"),
        }
        let protocol = self.protocol(signal).unwrap_or(options.protocol);
        let common = self.count("OTEL_EXPORTER_OTLP_TIMEOUT", DEFAULT_TIMEOUT_MS);
        let timeout = self.count(signal.timeout, common);
        let timeout = Duration::from_millis(timeout as u64);
        // The address for one signal alone is used as it stands; a common one is a base (OTLP exporter specification).
        if let Some(endpoint) = self.address(signal.endpoint) {
            return Some(Destination { endpoint, protocol, timeout });
        }
        let base = self.address("OTEL_EXPORTER_OTLP_ENDPOINT").or_else(|| options.otlp.clone())?;
        let endpoint = match protocol {
            Protocol::Http => format!("{}{}", base.trim_end_matches('/'), signal.path),
            Protocol::Grpc => base,
        };
        Some(Destination { endpoint, protocol, timeout })
    }

    /// Warns of what the exporter would pass over in silence, and of what nobody here reads.
    fn look_at_what_others_read(&mut self) {
        for name in ["OTEL_EXPORTER_OTLP_HEADERS", "OTEL_EXPORTER_OTLP_TRACES_HEADERS"] {
            let pairs = self.get(name).unwrap_or_default();
            if pairs.split(',').any(|pair| !pair.trim().is_empty() && !pair.contains('=')) {
                self.warn(name, "a part of it is no NAME=VALUE");
            }
        }
        for name in UNREAD {
            if self.get(name).is_some() {
                self.warn(name, "Sendgate does not use it");
            }
        }
    }

    fn address(&mut self, name: &str) -> Option<String> {
        let value = self.get(name)?;
        let url = Url::parse(&value).ok().filter(|url| matches!(url.scheme(), "http" | "https"));
        let Some(url) = url else {
            self.warn(name, "it is no address that begins with http:// or https://");
            return None;
        };
        // Addresses are shown in logs, and OTLP needs no more of them than scheme, host, port and path.
        if !url.username().is_empty() || url.password().is_some() {
            self.warn(
                name,
                "it holds a user or password; give these by OTEL_EXPORTER_OTLP_HEADERS",
            );
            return None;
        }
        if url.query().is_some() || url.fragment().is_some() {
            self.warn(
                name,
                "it has a query or a fragment; give a key by OTEL_EXPORTER_OTLP_HEADERS",
            );
            return None;
        }
        Some(value)
    }

    fn protocol(&mut self, signal: &Signal) -> Option<Protocol> {
        for name in [signal.protocol, "OTEL_EXPORTER_OTLP_PROTOCOL"] {
            match self.get(name).as_deref() {
                Some("http/protobuf") => return Some(Protocol::Http),
                Some("grpc") => return Some(Protocol::Grpc),
                Some(_) => self.warn(name, "it is neither `http/protobuf` nor `grpc`"),
                None => {}
            }
        }
        None
    }

    fn service_name(&self) -> Option<String> {
        self.get("OTEL_SERVICE_NAME").or_else(|| self.attribute("service.name"))
    }

    /// Of Version 4, as the semantic conventions want it of whoever knows no better.
    fn instance(&self) -> Option<String> {
        let named = self.attribute("service.instance.id");
        named.is_none().then(|| Uuid::new_v4().to_string())
    }

    /// What the resource's attribute `name` is by the environment.
    fn attribute(&self, name: &str) -> Option<String> {
        let attributes = self.get("OTEL_RESOURCE_ATTRIBUTES")?;
        let mut pairs = attributes.split(',').filter_map(|pair| pair.split_once('='));
        let value = pairs.find(|(key, _)| key.trim() == name)?.1.trim().to_owned();
        (!value.is_empty()).then_some(value)
    }

    fn sampler(&mut self) -> Sampler {
        let parent_based = |root| Sampler::ParentBased(Box::new(root));
        match self.get("OTEL_TRACES_SAMPLER").as_deref() {
            Some("always_on") => Sampler::AlwaysOn,
            Some("always_off") => Sampler::AlwaysOff,
            Some("traceidratio") => Sampler::TraceIdRatioBased(self.ratio()),
            Some("parentbased_always_off") => parent_based(Sampler::AlwaysOff),
            Some("parentbased_traceidratio") => {
                parent_based(Sampler::TraceIdRatioBased(self.ratio()))
            }
            None | Some("parentbased_always_on") => parent_based(Sampler::AlwaysOn),
            Some(_) => {
                self.warn("OTEL_TRACES_SAMPLER", "it names no sampler known here");
                parent_based(Sampler::AlwaysOn)
            }
        }
    }

    fn ratio(&mut self) -> f64 {
        const NAME: &str = "OTEL_TRACES_SAMPLER_ARG";
        let Some(value) = self.get(NAME) else { return 1.0 };
        match value.parse::<f64>() {
            Ok(ratio) if (0.0..=1.0).contains(&ratio) => ratio,
            _ => {
                self.warn(NAME, "it is no number from 0 to 1");
                1.0
            }
        }
    }

    fn queue(&mut self) -> Queue {
        let size = self.count("OTEL_BSP_MAX_QUEUE_SIZE", DEFAULT_QUEUE).min(LARGEST_QUEUE);
        let batch = self.count("OTEL_BSP_MAX_EXPORT_BATCH_SIZE", DEFAULT_BATCH).min(size);
        let delay = self.count("OTEL_BSP_SCHEDULE_DELAY", DEFAULT_DELAY_MS);
        Queue { size, batch, delay: Duration::from_millis(delay as u64) }
    }

    fn count(&mut self, name: &str, default: usize) -> usize {
        let Some(value) = self.get(name) else { return default };
        match value.parse() {
            Ok(count) if count > 0 => count,
            _ => {
                self.warn(name, "it is no whole number above 0");
                default
            }
        }
    }
}

#[cfg(test)]
mod tests;
