//! The standard `OTEL_*` variables that decide where spans go; the only place here that reads the environment.
//!
//! Names, defaults and "an empty value counts as unset" from the OpenTelemetry specification, "Environment Variable
//! Specification" (1.x). A value that cannot be used is passed over with a warning, as it says there. What only the
//! exporter needs (headers, compression) the exporter reads itself.

use std::time::Duration;

use opentelemetry_sdk::trace::Sampler;

use crate::options::{Protocol, TelemetryOptions};

const DEFAULT_QUEUE: usize = 2048;
const DEFAULT_BATCH: usize = 512;
const DEFAULT_DELAY_MS: usize = 5_000;
const DEFAULT_TIMEOUT_MS: usize = 10_000;
/// More than this many waiting spans would be a leak and no queue.
const LARGEST_QUEUE: usize = 65_536;

/// Where and how spans go, after the environment had its say.
#[derive(Debug)]
pub(crate) struct Plan {
    /// Whether there are spans at all.
    pub(crate) enabled: bool,
    pub(crate) export: Option<Destination>,
    pub(crate) service_name: String,
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
        let export = if enabled { variables.destination(options) } else { None };
        Self {
            enabled,
            export,
            service_name: variables.service_name().unwrap_or_else(|| options.service_name.clone()),
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
        self.warnings.push(format!("{name} is passed over: {why}"));
    }

    fn destination(&mut self, options: &TelemetryOptions) -> Option<Destination> {
        match self.get("OTEL_TRACES_EXPORTER").as_deref() {
            Some("none") => return None,
            None | Some("otlp") => {}
            Some(_) => self.warn("OTEL_TRACES_EXPORTER", "it is neither `otlp` nor `none`"),
        }
        let protocol = self.protocol().unwrap_or(options.protocol);
        let common = self.count("OTEL_EXPORTER_OTLP_TIMEOUT", DEFAULT_TIMEOUT_MS);
        let timeout = self.count("OTEL_EXPORTER_OTLP_TRACES_TIMEOUT", common);
        let timeout = Duration::from_millis(timeout as u64);
        // The address for traces alone is used as it stands; a common one is a base (OTLP exporter specification).
        if let Some(endpoint) = self.get("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT") {
            return Some(Destination { endpoint, protocol, timeout });
        }
        let base = self.get("OTEL_EXPORTER_OTLP_ENDPOINT").or_else(|| options.otlp.clone())?;
        let endpoint = match protocol {
            Protocol::Http => format!("{}/v1/traces", base.trim_end_matches('/')),
            Protocol::Grpc => base,
        };
        Some(Destination { endpoint, protocol, timeout })
    }

    fn protocol(&mut self) -> Option<Protocol> {
        for name in ["OTEL_EXPORTER_OTLP_TRACES_PROTOCOL", "OTEL_EXPORTER_OTLP_PROTOCOL"] {
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
        self.get("OTEL_SERVICE_NAME").or_else(|| {
            let attributes = self.get("OTEL_RESOURCE_ATTRIBUTES")?;
            let mut pairs = attributes.split(',').filter_map(|pair| pair.split_once('='));
            let name = pairs.find(|(key, _)| key.trim() == "service.name")?.1.trim().to_owned();
            (!name.is_empty()).then_some(name)
        })
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
mod tests {
    use std::time::Duration;

    use super::{Destination, Plan, Queue};
    use crate::options::{Protocol, TelemetryOptions};

    const CONFIGURED: &str = "http://configured:4318";

    fn plan(variables: &[(&str, &str)]) -> Plan {
        let options =
            TelemetryOptions { otlp: Some(CONFIGURED.into()), ..TelemetryOptions::default() };
        let lookup = |name: &str| {
            variables.iter().find(|(known, _)| *known == name).map(|(_, value)| (*value).to_owned())
        };
        Plan::new(&options, &lookup)
    }

    fn endpoint(variables: &[(&str, &str)]) -> Option<String> {
        plan(variables).export.map(|export| export.endpoint)
    }

    #[test]
    fn without_variables_the_options_hold() {
        let plan = plan(&[]);
        let endpoint = "http://configured:4318/v1/traces".to_owned();
        let (protocol, timeout) = (Protocol::Http, Duration::from_secs(10));
        assert_eq!(plan.export, Some(Destination { endpoint, protocol, timeout }));
        assert_eq!(plan.service_name, "sendgate");
        assert_eq!(plan.queue, Queue { size: 2048, batch: 512, delay: Duration::from_secs(5) });
        assert!(plan.enabled && plan.warnings.is_empty(), "{plan:?}");
    }

    #[test]
    fn the_address_for_traces_wins_over_the_common_one_and_that_over_the_options() {
        let common = ("OTEL_EXPORTER_OTLP_ENDPOINT", "http://common:4318/");
        let traces = ("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "http://traces:4318/as/it/stands");
        assert_eq!(endpoint(&[common]).as_deref(), Some("http://common:4318/v1/traces"));
        assert_eq!(endpoint(&[common, traces]).as_deref(), Some(traces.1));
        assert_eq!(
            endpoint(&[("OTEL_EXPORTER_OTLP_ENDPOINT", " ")]).as_deref(),
            Some("http://configured:4318/v1/traces")
        );
    }

    #[test]
    fn over_grpc_the_base_gets_no_path() {
        let plan = plan(&[("OTEL_EXPORTER_OTLP_PROTOCOL", "grpc")]);
        let export = plan.export.expect("a destination");
        assert_eq!((export.endpoint.as_str(), export.protocol), (CONFIGURED, Protocol::Grpc));
    }

    #[test]
    fn one_request_to_the_collector_has_a_limit_that_the_environment_may_move() {
        let seconds = |variables: &[(&str, &str)]| {
            plan(variables).export.map(|export| export.timeout.as_secs())
        };
        let common = ("OTEL_EXPORTER_OTLP_TIMEOUT", "3000");
        assert_eq!(seconds(&[common]), Some(3));
        assert_eq!(seconds(&[common, ("OTEL_EXPORTER_OTLP_TRACES_TIMEOUT", "2000")]), Some(2));
    }

    #[test]
    fn a_protocol_that_is_not_spoken_here_is_passed_over_with_a_warning() {
        let plan = plan(&[("OTEL_EXPORTER_OTLP_PROTOCOL", "http/json")]);
        assert_eq!(plan.export.map(|export| export.protocol), Some(Protocol::Http));
        assert_eq!(plan.warnings.len(), 1, "{:?}", plan.warnings);
        assert!(plan.warnings[0].starts_with("OTEL_EXPORTER_OTLP_PROTOCOL"), "{:?}", plan.warnings);
    }

    #[test]
    fn the_environment_can_turn_export_or_everything_off() {
        let none = plan(&[("OTEL_TRACES_EXPORTER", "none")]);
        assert!(none.enabled && none.export.is_none(), "{none:?}");
        let disabled = plan(&[("OTEL_SDK_DISABLED", "True")]);
        assert!(!disabled.enabled && disabled.export.is_none(), "{disabled:?}");
    }

    #[test]
    fn the_service_name_has_its_own_variable_before_the_resources() {
        let attributes = ("OTEL_RESOURCE_ATTRIBUTES", "a=b, service.name = mesh-7 ,c=d");
        assert_eq!(plan(&[attributes]).service_name, "mesh-7");
        assert_eq!(
            plan(&[attributes, ("OTEL_SERVICE_NAME", "billing-sms")]).service_name,
            "billing-sms"
        );
    }

    #[test]
    fn samplers_are_read_with_their_ratio() {
        let sampler = |name: &str, ratio: &str| {
            let plan = plan(&[("OTEL_TRACES_SAMPLER", name), ("OTEL_TRACES_SAMPLER_ARG", ratio)]);
            (format!("{:?}", plan.sampler), plan.warnings.len())
        };
        assert_eq!(sampler("traceidratio", "0.25"), ("TraceIdRatioBased(0.25)".into(), 0));
        assert_eq!(
            sampler("parentbased_traceidratio", "2"),
            ("ParentBased(TraceIdRatioBased(1.0))".into(), 1)
        );
        assert_eq!(sampler("jaeger_remote", ""), ("ParentBased(AlwaysOn)".into(), 1));
    }

    #[test]
    fn the_queue_is_bounded_whatever_the_environment_says() {
        let size = |value: &str| plan(&[("OTEL_BSP_MAX_QUEUE_SIZE", value)]).queue.size;
        assert_eq!(
            (size("16"), size("999999999"), size("0"), size("-1")),
            (16, 65_536, 2048, 2048)
        );
        assert_eq!(plan(&[("OTEL_BSP_MAX_QUEUE_SIZE", "16")]).queue.batch, 16);
    }
}
