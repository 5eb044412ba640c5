//! `[telemetry]`: traces and logs. Fixed until a restart.

use super::HttpUrl;
use super::cursor::{Item, Section};

const LEVELS: [&str; 6] = ["error", "warn", "info", "debug", "trace", "off"];

/// Where traces go and how the log reads. Standard `OTEL_*` variables win over it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Telemetry {
    /// The OTLP collector, where there is one.
    pub otlp: Option<HttpUrl>,
    /// How it is spoken to. Default HTTP.
    pub protocol: OtlpProtocol,
    /// What is logged, such as `info` or `info,sidecar=debug`. Default `info`.
    pub log: String,
    /// How a line of the log is written. Default JSON.
    pub log_format: LogFormat,
}

/// A form of OTLP.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OtlpProtocol {
    /// Protobuf over HTTP, usually on port 4318.
    Http,
    /// gRPC, usually on port 4317.
    Grpc,
}

/// A form of the log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LogFormat {
    /// One object a line.
    Json,
    /// For people.
    Text,
}

impl Telemetry {
    pub(super) fn read(mut section: Section<'_>) -> Self {
        section.or_default("log", "\"info\"");
        let telemetry = Self {
            otlp: section.get("otlp").and_then(|item| HttpUrl::read(&item)),
            protocol: section
                .word("protocol", &[("http", OtlpProtocol::Http), ("grpc", OtlpProtocol::Grpc)]),
            log: section.get("log").and_then(|item| filter(&item)).unwrap_or_else(|| "info".into()),
            log_format: section
                .word("log_format", &[("json", LogFormat::Json), ("text", LogFormat::Text)]),
        };
        section.finish();
        telemetry
    }
}

/// Reads `LEVEL` or `TARGET=LEVEL`, several with commas between.
///
/// A bare target would be taken by the logger as "everything of this target", so that a misspelt level silenced the
/// rest without a word; here it is a fault.
fn filter(item: &Item<'_>) -> Option<String> {
    let text = item.text()?;
    let directive = |directive: &str| {
        let (target, level) = directive.split_once('=').unwrap_or(("any", directive));
        let target_fits = !target.is_empty()
            && target.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'_' | b':' | b'-'));
        target_fits && LEVELS.iter().any(|known| known.eq_ignore_ascii_case(level))
    };
    let fits = text.split(',').all(|part| directive(part.trim()));
    if !fits {
        let levels = LEVELS.join(", ");
        item.fault(format!(
            "is no filter; write a level ({levels}), and TARGET=LEVEL after commas"
        ));
    }
    fits.then(|| text.into())
}

#[cfg(test)]
mod tests {
    use super::{LogFormat, OtlpProtocol};
    use crate::config::testing::{assert_faults, config_of};

    #[test]
    fn without_the_section_the_documented_defaults_hold() {
        let telemetry = config_of("").fixed.telemetry;
        assert_eq!((telemetry.otlp, telemetry.protocol), (None, OtlpProtocol::Http));
        assert_eq!((telemetry.log.as_str(), telemetry.log_format), ("info", LogFormat::Json));
    }

    #[test]
    fn a_filter_is_a_level_and_levels_of_targets() {
        let toml = "[telemetry]\notlp = \"http://127.0.0.1:4317\"\nprotocol = \"grpc\"\nlog_format = \"text\"\n\
                    log = \"info, sidecar::gateway=DEBUG,hyper=off\"";
        let telemetry = config_of(toml).fixed.telemetry;
        assert_eq!(
            (telemetry.protocol, telemetry.log_format),
            (OtlpProtocol::Grpc, LogFormat::Text)
        );
        assert_eq!(telemetry.log, "info, sidecar::gateway=DEBUG,hyper=off");
        assert_faults(&[
            (
                "[telemetry]\nlog = \"inof\"",
                &["sidecar.toml:2:7: telemetry.log: is no filter; write a level (error, "],
            ),
            ("[telemetry]\nlog = \"\"", &["sidecar.toml:2:7: telemetry.log: is no filter"]),
            (
                "[telemetry]\nlog = \"info,=debug\"",
                &["sidecar.toml:2:7: telemetry.log: is no filter"],
            ),
            (
                "[telemetry]\notlp = \"collector:4318\"",
                &["sidecar.toml:2:8: telemetry.otlp: is not an absolute http"],
            ),
            (
                "[telemetry]\nprotocol = \"GRPC\"",
                &[
                    "sidecar.toml:2:12: telemetry.protocol: is none of \"http\", \"grpc\"; did you mean `grpc`?",
                ],
            ),
        ]);
    }
}
