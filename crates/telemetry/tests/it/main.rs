//! Telemetry as a program uses it: spans over real sockets to a collector, log lines to a writer.
#![allow(missing_docs, reason = "tests")]

mod logs;
mod traces;

use std::io::{self, Write};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use telemetry::TelemetryOptions;

/// Longer than anything here takes, so that only a fault reaches it.
const LONG: Duration = Duration::from_secs(60);

/// A log that the test can read.
#[derive(Clone, Default)]
struct Captured(Arc<Mutex<Vec<u8>>>);

impl Captured {
    fn text(&self) -> String {
        String::from_utf8(self.0.lock().expect("nobody panicked").clone()).expect("a log is UTF-8")
    }

    fn lines(&self) -> Vec<serde_json::Value> {
        let text = self.text();
        let parsed = text.lines().map(|line| {
            serde_json::from_str(line)
                .unwrap_or_else(|err| panic!("not one JSON object: {line}: {err}"))
        });
        parsed.collect()
    }
}

impl Write for Captured {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().expect("nobody panicked").extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

fn exporting_to(endpoint: String) -> TelemetryOptions {
    TelemetryOptions { otlp: Some(endpoint), ..TelemetryOptions::default() }
}
