//! Exporters of every signal, made alike.

use std::thread;

use opentelemetry_otlp::ExporterBuildError;
use tokio::runtime::Runtime;

use crate::TelemetryError;
use crate::environment::Destination;

/// An exporter of the type given to a destination, and what its connection lives on: over HTTP that is nothing. The types
/// share no trait that could be built by, hence a macro. Does not connect: the collector may come later, or never.
macro_rules! exporter {
    ($Exporter:ty, $destination:expr) => {{
        use opentelemetry_otlp::tonic_types::transport::ClientTlsConfig;
        use opentelemetry_otlp::{
            WithExportConfig as _, WithHttpConfig as _, WithTonicConfig as _,
        };
        let to: &$crate::environment::Destination = $destination;
        let (built, runtime) = match to.protocol {
            $crate::options::Protocol::Http => {
                let client = $crate::exporter::http_client(to)?;
                let builder = <$Exporter>::builder().with_http().with_http_client(client);
                let builder = builder.with_endpoint(&to.endpoint).with_timeout(to.timeout);
                (builder.with_protocol(opentelemetry_otlp::Protocol::HttpBinary).build(), None)
            }
            $crate::options::Protocol::Grpc => {
                let runtime = $crate::exporter::one_thread()?;
                // The connection's task is spawned where it is built.
                let inside = runtime.enter();
                let builder = <$Exporter>::builder().with_tonic();
                let mut builder = builder.with_endpoint(&to.endpoint).with_timeout(to.timeout);
                if to.is_tls() {
                    builder = builder.with_tls_config(ClientTlsConfig::new().with_native_roots());
                }
                let built = builder.build();
                drop(inside);
                (built, Some(runtime))
            }
        };
        (built.map_err(|source| $crate::exporter::unusable(to, source))?, runtime)
    }};
}

pub(crate) use exporter;

/// A client that blocks, because the batch processor's thread is no async one. No redirects: the headers it sends may
/// hold the collector's key.
pub(crate) fn http_client(
    destination: &Destination,
) -> Result<reqwest::blocking::Client, TelemetryError> {
    // Fails where the process has a provider already, which then serves as well.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let (timeout, tls) = (destination.timeout, destination.is_tls());
    let build = move || {
        let mut builder = reqwest::blocking::Client::builder()
            .timeout(timeout)
            .redirect(reqwest::redirect::Policy::none());
        if !tls {
            // Without TLS the machine's certificates do not matter, and a bare container has none.
            builder = builder.tls_certs_only([]);
        }
        builder.build()
    };
    // The client refuses to be made on a thread that belongs to an async runtime.
    let making = thread::Builder::new().name("telemetry".into()).spawn(build);
    match making.map_err(TelemetryError::Thread)?.join() {
        Ok(client) => client.map_err(TelemetryError::Client),
        Err(panic) => std::panic::resume_unwind(panic),
    }
}

pub(crate) fn unusable(destination: &Destination, source: ExporterBuildError) -> TelemetryError {
    TelemetryError::Exporter { endpoint: destination.endpoint.clone(), source }
}

pub(crate) fn one_thread() -> Result<Runtime, TelemetryError> {
    tokio::runtime::Builder::new_multi_thread()
        .worker_threads(1)
        .thread_name("telemetry")
        .enable_all()
        .build()
        .map_err(TelemetryError::Thread)
}
