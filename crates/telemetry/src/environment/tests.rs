use std::time::Duration;

use uuid::Uuid;

use super::{Destination, Plan, Queue};
use crate::options::{Protocol, TelemetryOptions};

const CONFIGURED: &str = "http://configured:4318";

fn plan(variables: &[(&str, &str)]) -> Plan {
    let options = TelemetryOptions { otlp: Some(CONFIGURED.into()), ..TelemetryOptions::default() };
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
fn an_address_that_is_none_is_passed_over_with_a_warning_that_does_not_repeat_it() {
    for nowhere in [
        "collector:4318",
        "hush",
        "file:///hush",
        "http://",
        "http://a:hush@b:4318",
        "http://hush@b",
        "http://b:4318/?key=hush",
        "http://b:4318/v1/traces?key=hush",
        "http://b:4318/#hush",
    ] {
        let variables = [
            ("OTEL_EXPORTER_OTLP_ENDPOINT", nowhere),
            ("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", nowhere),
        ];
        let plan = plan(&variables);
        let export = plan.export.map(|export| export.endpoint);
        assert_eq!(export.as_deref(), Some("http://configured:4318/v1/traces"), "for {nowhere}");
        let told: Vec<_> = plan.warnings.iter().filter(|line| !line.contains("hush")).collect();
        assert_eq!(told.len(), 2, "for {nowhere}: {:?}", plan.warnings);
    }
}

#[test]
fn what_would_be_passed_over_in_silence_is_warned_of() {
    let told = |name: &str, value: &str| plan(&[(name, value)]).warnings.len();
    assert_eq!(told("OTEL_EXPORTER_OTLP_HEADERS", "api-key=hush, tenant=7,"), 0);
    assert_eq!(told("OTEL_EXPORTER_OTLP_HEADERS", "bad header"), 1);
    assert_eq!(told("OTEL_EXPORTER_OTLP_COMPRESSION", "gzip"), 1);
    assert_eq!(told("OTEL_PROPAGATORS", ""), 0);
}

#[test]
fn over_grpc_the_base_gets_no_path() {
    let plan = plan(&[("OTEL_EXPORTER_OTLP_PROTOCOL", "grpc")]);
    let export = plan.export.expect("a destination");
    assert_eq!((export.endpoint.as_str(), export.protocol), (CONFIGURED, Protocol::Grpc));
}

#[test]
fn one_request_to_the_collector_has_a_limit_that_the_environment_may_move() {
    let seconds =
        |variables: &[(&str, &str)]| plan(variables).export.map(|export| export.timeout.as_secs());
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
fn each_process_is_an_instance_of_its_own_unless_the_environment_names_one() {
    let named = ("OTEL_RESOURCE_ATTRIBUTES", "k8s.pod.name=orders-0,service.instance.id=orders-0");
    assert_eq!(plan(&[named]).instance, None, "the SDK's resource has it already");
    let others = ("OTEL_RESOURCE_ATTRIBUTES", "k8s.pod.name=orders-0,service.instance.id=");
    let ids = [plan(&[]), plan(&[others])].map(|plan| plan.instance.expect("an id"));
    assert_ne!(ids[0], ids[1]);
    for id in ids {
        assert_eq!(Uuid::parse_str(&id).expect("a UUID").get_version_num(), 4, "{id}");
    }
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
    assert_eq!((size("16"), size("999999999"), size("0"), size("-1")), (16, 65_536, 2048, 2048));
    assert_eq!(plan(&[("OTEL_BSP_MAX_QUEUE_SIZE", "16")]).queue.batch, 16);
}
