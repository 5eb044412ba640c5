use std::error::Error;
use std::io;

use telemetry::{LogFormat, TelemetryError, TelemetryOptions};
use tracing::{dispatcher, info, info_span, warn};

use crate::{Captured, LONG};

/// What `work` logs under `options`.
fn logged(options: &TelemetryOptions, work: impl FnOnce()) -> Captured {
    let log = Captured::default();
    let (dispatch, telemetry) = telemetry::start(options, log.clone()).expect("telemetry starts");
    dispatcher::with_default(&dispatch, work);
    telemetry.shutdown(LONG).expect("nothing to export");
    log
}

#[test]
fn a_line_is_one_json_object_that_names_its_trace() {
    let mut trace = None;
    let log = logged(&TelemetryOptions::default(), || {
        let span = info_span!("send");
        trace = telemetry::trace_id(&span);
        span.in_scope(|| info!(app = "billing", segments = 2, ok = true, "accepted"));
    });

    let lines = log.lines();
    let line = lines.first().expect("one line");
    assert_eq!(lines.len(), 1, "{}", log.text());
    assert_eq!((&line["level"], &line["message"]), (&"INFO".into(), &"accepted".into()));
    assert_eq!(line["target"], "it::logs");
    assert_eq!(line["fields"], serde_json::json!({ "app": "billing", "segments": 2, "ok": true }));
    assert_eq!(line["trace_id"].as_str(), trace.as_deref());
    assert_eq!(line["span_id"].as_str().map(str::len), Some(16));
    let ts = line["ts"].as_str().expect("an instant");
    assert!(
        ts.len() >= 20 && ts.ends_with('Z') && &ts[10..11] == "T",
        "{ts} is not RFC 3339 in UTC"
    );
}

#[test]
fn numbers_are_masked_and_secrets_left_out_wherever_they_stand() {
    let log = logged(&TelemetryOptions::default(), || {
        let cause = io::Error::other("no route to +14155550123");
        warn!(
            to = "+14155550123",
            list = ?["+14155550123", "+447700900123"],
            text = "your code is 987654",
            token = "s3cr3t",
            "plivo.auth_token" = "s3cr3t",
            authorization = "Basic s3cr3t",
            error = &cause as &dyn Error,
            "refused +14155550123"
        );
    });

    let line = log.text();
    for hidden in ["5550123", "700900123", "987654", "s3cr3t", "\"text\"", "token", "authorization"]
    {
        assert!(!line.contains(hidden), "{hidden} is in {line}");
    }
    assert_eq!(line.matches("+1415•••0123").count(), 4, "{line}");
    assert_eq!(line.matches("+4477•••0123").count(), 1, "{line}");
}

#[test]
fn an_error_is_written_with_all_its_causes() {
    let log = logged(&TelemetryOptions::default(), || {
        let error = TelemetryError::Thread(io::Error::other("no memory"));
        warn!(error = &error as &dyn Error, "could not start");
    });

    assert_eq!(log.lines()[0]["fields"]["error"], "cannot start a thread for telemetry: no memory");
}

#[test]
fn the_filter_decides_what_is_logged_and_a_line_still_finds_its_trace() {
    let options = TelemetryOptions { log_filter: "warn".into(), ..TelemetryOptions::default() };
    let log = logged(&options, || {
        info_span!("send").in_scope(|| {
            info!("not this");
            warn!("but this");
        });
    });

    let lines = log.lines();
    assert_eq!(lines.len(), 1, "{}", log.text());
    assert_eq!(lines[0]["message"], "but this");
    assert_eq!(lines[0]["trace_id"].as_str().map(str::len), Some(32), "{}", log.text());
}

#[test]
fn a_line_for_people_cannot_be_forged_by_a_line_break() {
    let options = TelemetryOptions { log_format: LogFormat::Text, ..TelemetryOptions::default() };
    let log = logged(&options, || info!(name = "a\nb", "first\nsecond"));

    assert_eq!(log.text().lines().count(), 1, "{}", log.text());
    assert!(log.text().contains(r"INFO  it::logs: first\nsecond name="), "{}", log.text());
}

#[test]
fn a_filter_that_is_none_is_refused_with_its_text() {
    let options =
        TelemetryOptions { log_filter: "sidecar=loud".into(), ..TelemetryOptions::default() };
    let refused = telemetry::start(&options, Captured::default()).expect_err("no such level");
    assert!(matches!(refused, TelemetryError::Filter { .. }), "{refused:?}");
    assert!(refused.to_string().contains("sidecar=loud"), "{refused}");
}
