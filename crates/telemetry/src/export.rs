//! The way of spans to the collector: exporter, batches, redaction.

use std::borrow::Cow;
use std::sync::Arc;

use opentelemetry::trace::Status;
use opentelemetry::{Array, KeyValue, StringValue, Value};
use opentelemetry_otlp::SpanExporter;
use opentelemetry_sdk::trace::{BatchConfigBuilder, BatchSpanProcessor, SpanData};
use tokio::runtime::Runtime;

use crate::TelemetryError;
use crate::environment::{Destination, Queue};
use crate::exporter::exporter;
use crate::losses::{Entrance, Exit, Losses};
use crate::redaction::{is_secret, masked};

/// A running export: what takes spans in, and the threads behind it.
pub(crate) struct Export {
    pub(crate) processor: Entrance<BatchSpanProcessor>,
    /// gRPC's connection lives on it; over HTTP there is none.
    pub(crate) runtime: Option<Runtime>,
}

impl Export {
    /// Prepares the export to `destination`. Does not connect: the collector may come later, or never.
    ///
    /// # Errors
    ///
    /// Where the address is not one, or no thread or client can be made.
    pub(crate) fn start(
        destination: &Destination,
        queue: &Queue,
        losses: &Arc<Losses>,
    ) -> Result<Self, TelemetryError> {
        let (exporter, runtime) = exporter!(SpanExporter, destination);
        let config = BatchConfigBuilder::default()
            .with_max_queue_size(queue.size)
            .with_max_export_batch_size(queue.batch)
            .with_scheduled_delay(queue.delay)
            .build();
        let exit = Exit::new(exporter, Arc::clone(losses));
        let batches = BatchSpanProcessor::builder(exit).with_batch_config(config).build();
        Ok(Self { processor: Entrance::new(batches, Arc::clone(losses)), runtime })
    }
}

/// Takes out of `span` whatever must not leave this machine.
pub(crate) fn redact(span: &mut SpanData) {
    redact_str(&mut span.name);
    redact_attributes(&mut span.attributes);
    for event in &mut span.events.events {
        redact_str(&mut event.name);
        redact_attributes(&mut event.attributes);
    }
    for link in &mut span.links.links {
        redact_attributes(&mut link.attributes);
    }
    if let Status::Error { description } = &mut span.status {
        redact_str(description);
    }
}

fn redact_str(text: &mut Cow<'static, str>) {
    if let Cow::Owned(changed) = masked(text) {
        *text = changed.into();
    }
}

fn redact_attributes(attributes: &mut Vec<KeyValue>) {
    attributes.retain(|attribute| !is_secret(attribute.key.as_str()));
    for attribute in attributes {
        match &mut attribute.value {
            Value::String(text) => redact_value(text),
            Value::Array(Array::String(texts)) => texts.iter_mut().for_each(redact_value),
            _ => {}
        }
    }
}

fn redact_value(text: &mut StringValue) {
    if let Cow::Owned(changed) = masked(text.as_str()) {
        *text = changed.into();
    }
}

#[cfg(test)]
mod tests {
    use std::borrow::Cow;
    use std::time::SystemTime;

    use opentelemetry::trace::{SpanContext, SpanId, SpanKind, Status};
    use opentelemetry::{Array, InstrumentationScope, KeyValue, Value};
    use opentelemetry_sdk::trace::{SpanData, SpanEvents, SpanLinks};

    use super::redact;

    fn span() -> SpanData {
        SpanData {
            span_context: SpanContext::empty_context(),
            parent_span_id: SpanId::INVALID,
            parent_span_is_remote: false,
            span_kind: SpanKind::Internal,
            name: Cow::Borrowed("policy"),
            start_time: SystemTime::UNIX_EPOCH,
            end_time: SystemTime::UNIX_EPOCH,
            attributes: Vec::new(),
            dropped_attributes_count: 0,
            events: SpanEvents::default(),
            links: SpanLinks::default(),
            status: Status::Unset,
            instrumentation_scope: InstrumentationScope::default(),
        }
    }

    #[test]
    fn nothing_personal_leaves_in_any_part_of_a_span() {
        let number = "+14155550123";
        let mut span = SpanData {
            name: Cow::Owned(format!("send {number}")),
            attributes: vec![
                KeyValue::new("to", number),
                KeyValue::new("message.text", "your code is 123456"),
                KeyValue::new("all", Value::Array(Array::String(vec![number.into()]))),
                KeyValue::new("segments", 2),
            ],
            status: Status::error(format!("no route to {number}")),
            ..span()
        };
        span.events.events.push(opentelemetry::trace::Event::new(
            format!("refused {number}"),
            SystemTime::UNIX_EPOCH,
            vec![KeyValue::new("auth_token", "secret"), KeyValue::new("to", number)],
            0,
        ));

        redact(&mut span);

        let shown = format!("{span:?}");
        for hidden in ["5550123", "123456", "secret", "auth_token", "message.text"] {
            assert!(!shown.contains(hidden), "{hidden} is still in {shown}");
        }
        assert_eq!(shown.matches("+1415•••0123").count(), 6, "{shown}");
        assert!(span.attributes.contains(&KeyValue::new("segments", 2)), "{shown}");
    }
}
