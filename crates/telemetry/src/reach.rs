//! Where telemetry goes, and whether a collector is there.

use std::error::Error;
use std::time::Duration;
use std::{panic, thread};

use opentelemetry_otlp::tonic_types::transport::ClientTlsConfig;
use opentelemetry_otlp::{RetryPolicy, SpanExporter, WithExportConfig as _, WithTonicConfig as _};
use opentelemetry_sdk::trace::SpanExporter as _;
use tokio::time;

use crate::environment::{self, Destination, Plan};
use crate::{Protocol, TelemetryOptions, exporter};

const TRACES: &str = "traces";

/// Why a collector does not answer.
pub type Away = Box<dyn Error + Send + Sync>;

/// What a collector that is there said.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Answered {
    /// It takes what is sent.
    Takes,
    /// It wants a key: the one in OTEL_EXPORTER_OTLP_HEADERS is not shown to it here.
    WantsKey,
    /// It is there and has too much to do.
    Overloaded,
}

/// A place that telemetry goes to.
#[derive(Debug)]
pub struct Reached {
    /// What goes there, such as `traces`.
    pub signals: Vec<&'static str>,
    /// Its address.
    pub endpoint: String,
    /// Whether a collector answers to a request without anything in it.
    pub answered: Result<Answered, Away>,
}

/// What becomes of telemetry by `options` and the environment: each place that some of it goes to, once, and the signals
/// that go nowhere. No place is waited for longer than `most`; they are asked all at once. Blocks.
#[must_use]
pub fn reach(options: &TelemetryOptions, most: Duration) -> (Vec<Reached>, Vec<&'static str>) {
    reach_by(&Plan::new(options, &environment::process), options, most)
}

fn reach_by(
    plan: &Plan,
    options: &TelemetryOptions,
    most: Duration,
) -> (Vec<Reached>, Vec<&'static str>) {
    let (mut places, mut nowhere) = (Vec::<(&Destination, Vec<_>)>::new(), Vec::new());
    for (signal, to) in signals(plan, options) {
        let Some(to) = to else {
            nowhere.push(signal);
            continue;
        };
        let same =
            |other: &Destination| (&other.endpoint, other.protocol) == (&to.endpoint, to.protocol);
        match places.iter_mut().find(|(other, _)| same(other)) {
            Some((_, signals)) => signals.push(signal),
            None => places.push((to, vec![signal])),
        }
    }
    let reached = thread::scope(|scope| {
        let asking = places.into_iter().map(|(to, signals)| {
            let traces = signals.contains(&TRACES);
            (to.endpoint.clone(), signals, scope.spawn(move || answered(to, traces, most)))
        });
        let asking: Vec<_> = asking.collect();
        let reached = asking.into_iter().map(|(endpoint, signals, answered)| Reached {
            signals,
            endpoint,
            answered: answered.join().unwrap_or_else(|panic| panic::resume_unwind(panic)),
        });
        reached.collect()
    });
    (reached, nowhere)
}

/// Where each signal that is wanted goes by `options` and the environment: an address, or nowhere.
#[must_use]
pub fn destinations(options: &TelemetryOptions) -> Vec<(&'static str, Option<String>)> {
    let plan = Plan::new(options, &environment::process);
    let shown = |to: &Destination| to.endpoint.clone();
    signals(&plan, options).into_iter().map(|(signal, to)| (signal, to.map(shown))).collect()
}

/// What of telemetry is wanted, and where it goes.
fn signals<'a>(
    plan: &'a Plan,
    options: &TelemetryOptions,
) -> Vec<(&'static str, Option<&'a Destination>)> {
    let records = options.records.then_some(("log records", plan.records.as_ref()));
    let mut signals = vec![(TRACES, plan.export.as_ref()), ("metrics", plan.metrics.as_ref())];
    signals.extend(records);
    signals
}

fn answered(to: &Destination, traces: bool, most: Duration) -> Result<Answered, Away> {
    let timeout = to.timeout.min(most);
    match to.protocol {
        Protocol::Http => ask(to, timeout),
        Protocol::Grpc => call(to, traces, timeout),
    }
}

/// What of the environment could not be used for `options`, a sentence each.
#[must_use]
pub fn passed_over(options: &TelemetryOptions) -> Vec<String> {
    Plan::new(options, &environment::process).warnings
}

fn ask(to: &Destination, most: Duration) -> Result<Answered, Away> {
    // A message of protobuf without any member has no bytes.
    let asked = exporter::http_client(to)?.post(&to.endpoint).timeout(most);
    let answer = asked.header("content-type", "application/x-protobuf").send();
    match answer.map_err(reqwest::Error::without_url)?.status().as_u16() {
        200..300 => Ok(Answered::Takes),
        401 | 403 => Ok(Answered::WantsKey),
        429 | 502..=504 => Ok(Answered::Overloaded),
        status => Err(format!("it answers {status}, as no collector does").into()),
    }
}

/// As the exporter of traces calls, so that whatever it stumbles over shows; once. Where no `traces` go there, it need not
/// know of them.
fn call(to: &Destination, traces: bool, most: Duration) -> Result<Answered, Away> {
    let runtime = exporter::one_thread()?;
    let sent = runtime.block_on(async {
        let builder = SpanExporter::builder().with_tonic().with_endpoint(&to.endpoint);
        let once = RetryPolicy::disabled();
        let mut builder = builder.with_timeout(most).with_retry_policy(once);
        if to.is_tls() {
            builder = builder.with_tls_config(ClientTlsConfig::new().with_native_roots());
        }
        let exporter = builder.build().map_err(|source| exporter::unusable(to, source))?;
        let sent = time::timeout(most, exporter.export(Vec::new())).await;
        Ok::<_, Away>(sent.map_err(|_elapsed| format!("no answer within {most:?}"))?)
    });
    runtime.shutdown_background();
    let Err(err) = sent? else { return Ok(Answered::Takes) };
    let said = err.to_string();
    // The exporter gives the code as a word.
    let says = |codes: &[&str]| codes.iter().any(|code| said.contains(&format!("code: {code}")));
    match () {
        () if says(&["Unauthenticated", "PermissionDenied"]) => Ok(Answered::WantsKey),
        () if says(&["ResourceExhausted"]) => Ok(Answered::Overloaded),
        () if says(&["Unimplemented"]) && !traces => Ok(Answered::Takes),
        () => Err(said.into()),
    }
}

#[cfg(test)]
mod tests {
    use std::net::TcpListener;

    use super::*;
    use crate::collector::Collector;

    fn reached(records: bool, variables: &[(&str, &str)]) -> (Vec<Reached>, Vec<&'static str>) {
        let options = TelemetryOptions { records, ..TelemetryOptions::default() };
        let lookup = |name: &str| {
            variables.iter().find(|(known, _)| *known == name).map(|(_, value)| (*value).to_owned())
        };
        reach_by(&Plan::new(&options, &lookup), &options, Duration::from_secs(30))
    }

    #[test]
    fn each_signal_is_looked_for_where_it_goes_and_one_place_for_several_once() {
        let collector = Collector::start_grpc();
        let gone = TcpListener::bind("127.0.0.1:0").unwrap();
        let (alive, dead) =
            (collector.endpoint(), format!("http://{}", gone.local_addr().unwrap()));
        drop(gone);
        let grpc = ("OTEL_EXPORTER_OTLP_PROTOCOL", "grpc");
        let all = ("OTEL_EXPORTER_OTLP_ENDPOINT", &*alive);
        let metrics = ("OTEL_EXPORTER_OTLP_METRICS_ENDPOINT", &*dead);

        let (places, nowhere) = reached(true, &[grpc, all, metrics]);

        let told = places.iter().map(|at| (&at.signals[..], &*at.endpoint, at.answered.is_ok()));
        assert_eq!(
            told.collect::<Vec<_>>(),
            [(&["traces", "log records"][..], &*alive, true), (&["metrics"], &*dead, false)]
        );
        assert_eq!(nowhere, [""; 0]);
    }

    #[test]
    fn over_grpc_what_is_no_collector_is_told_whatever_it_is() {
        let (http, silent) = (Collector::start_http(), Collector::start_silent());
        let grpc = ("OTEL_EXPORTER_OTLP_PROTOCOL", "grpc");
        let options = TelemetryOptions::default();
        for endpoint in [http.endpoint(), silent.endpoint()] {
            let variables = [grpc, ("OTEL_EXPORTER_OTLP_ENDPOINT", &*endpoint)];
            let lookup = |name: &str| {
                let known = variables.iter().find(|(known, _)| *known == name);
                known.map(|(_, value)| (*value).to_owned())
            };
            let plan = Plan::new(&options, &lookup);
            let (places, _) = reach_by(&plan, &options, Duration::from_secs(2));
            assert!(places.iter().all(|at| at.answered.is_err()), "{places:?}");
        }
    }

    #[test]
    fn a_signal_that_goes_nowhere_hides_none_that_goes_somewhere() {
        let there = TcpListener::bind("127.0.0.1:0").unwrap();
        let alive = format!("http://{}", there.local_addr().unwrap());
        let grpc = ("OTEL_EXPORTER_OTLP_PROTOCOL", "grpc");
        let no_traces = ("OTEL_TRACES_EXPORTER", "none");

        let (places, nowhere) =
            reached(false, &[grpc, no_traces, ("OTEL_EXPORTER_OTLP_ENDPOINT", &alive)]);

        let told: Vec<_> = places.iter().map(|at| (&at.signals[..], &*at.endpoint)).collect();
        assert_eq!((told, &nowhere[..]), (vec![(&["metrics"][..], &*alive)], &["traces"][..]));
        assert_eq!(reached(true, &[]).1, ["traces", "metrics", "log records"]);
    }
}
