//! Log lines: one event, one line, redacted, with the trace it belongs to.

mod fields;
mod sink;

use std::sync::OnceLock;

use opentelemetry::trace::TraceContextExt as _;
use serde_json::{Map, Value, json};
use tracing::dispatcher::WeakDispatch;
use tracing::{Dispatch, Event, Metadata, Subscriber};
use tracing_subscriber::Layer;
use tracing_subscriber::fmt::format::Writer;
use tracing_subscriber::fmt::time::{FormatTime as _, SystemTime};
use tracing_subscriber::layer::Context;
use tracing_subscriber::registry::LookupSpan;

pub(crate) use self::sink::Sink;

use self::fields::Fields;
use crate::options::LogFormat;

/// Writes every event that reaches it to a [`Sink`].
pub(crate) struct LogLayer {
    sink: Sink,
    format: LogFormat,
    /// To ask for the trace of an event's span. Weak, or the layer would keep the dispatcher that holds it.
    dispatch: OnceLock<WeakDispatch>,
}

/// What one line says.
struct Line<'a> {
    ts: String,
    metadata: &'a Metadata<'a>,
    fields: Fields,
    /// Trace and span, in hexadecimal.
    place: Option<(String, String)>,
}

impl LogLayer {
    pub(crate) fn new(sink: Sink, format: LogFormat) -> Self {
        Self { sink, format, dispatch: OnceLock::new() }
    }

    fn place<S>(&self, event: &Event<'_>, context: &Context<'_, S>) -> Option<(String, String)>
    where
        S: Subscriber + for<'span> LookupSpan<'span>,
    {
        let dispatch = self.dispatch.get()?.upgrade()?;
        // Not each span is traced where nobody gets them.
        let mut around = context.event_scope(event)?;
        let trace = around
            .find_map(|span| tracing_opentelemetry::get_otel_context(&span.id(), &dispatch))?;
        let place = trace.span().span_context().clone();
        place.is_valid().then(|| (place.trace_id().to_string(), place.span_id().to_string()))
    }
}

impl<S> Layer<S> for LogLayer
where
    S: Subscriber + for<'span> LookupSpan<'span>,
{
    fn on_register_dispatch(&self, dispatch: &Dispatch) {
        let _ = self.dispatch.set(dispatch.downgrade());
    }

    fn on_event(&self, event: &Event<'_>, context: Context<'_, S>) {
        let mut fields = Fields::default();
        event.record(&mut fields);
        let place = self.place(event, &context);
        let line = Line { ts: now(), metadata: event.metadata(), fields, place };
        self.sink.write(match self.format {
            LogFormat::Json => line.json(),
            LogFormat::Text => line.text(),
        });
    }
}

impl Line<'_> {
    fn json(self) -> String {
        let mut line = Map::new();
        line.insert("ts".into(), self.ts.into());
        line.insert("level".into(), self.metadata.level().as_str().into());
        line.insert("target".into(), self.metadata.target().into());
        line.insert("message".into(), self.fields.message.into());
        line.insert("fields".into(), Value::Object(self.fields.others));
        if let Some((trace, span)) = self.place {
            line.insert("trace_id".into(), trace.into());
            line.insert("span_id".into(), span.into());
        }
        Value::Object(line).to_string()
    }

    fn text(self) -> String {
        let (level, target) = (self.metadata.level(), self.metadata.target());
        // Quoted like JSON, so that a line break in a message cannot forge a second line.
        let message = json!(self.fields.message).to_string();
        let mut line = format!("{} {level:5} {target}: {}", self.ts, message.trim_matches('"'));
        for (name, value) in self.fields.others {
            line.push_str(&format!(" {name}={value}"));
        }
        if let Some((trace, _)) = self.place {
            line.push_str(&format!(" trace_id={trace}"));
        }
        line
    }
}

/// The instant, as RFC 3339 has it, in UTC.
fn now() -> String {
    let mut text = String::new();
    // Writing to a string does not fail; a clock before 1970 is formatted as well.
    let _ = SystemTime.format_time(&mut Writer::new(&mut text));
    text
}
