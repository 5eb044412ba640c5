//! What is written down of each decision.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Arc, Mutex};

use tracing::field::{Field, Visit};
use tracing::span::{Attributes, Id, Record};
use tracing::{Event, Subscriber};
use tracing_subscriber::Layer;
use tracing_subscriber::layer::{Context, SubscriberExt};
use tracing_subscriber::registry::LookupSpan;

use crate::host::{Host, country, ending, module, policy, runaway, sms, sms_to};

type Fields = BTreeMap<String, String>;

/// Spans and events as they end up, by name.
#[derive(Clone, Default)]
pub(crate) struct Written(Arc<Mutex<Vec<(String, Fields)>>>);

struct Own(usize);

struct Writing<'a>(&'a mut Fields);

impl Written {
    fn named(&self, name: &str) -> Vec<Fields> {
        let all = self.0.lock().unwrap();
        all.iter().filter(|(of, _)| of == name).map(|(_, fields)| fields.clone()).collect()
    }

    pub(crate) fn names(&self) -> Vec<String> {
        self.0.lock().unwrap().iter().map(|(name, _)| name.clone()).collect()
    }

    fn all(&self) -> String {
        format!("{:?}", self.0.lock().unwrap())
    }
}

impl<S: Subscriber + for<'a> LookupSpan<'a>> Layer<S> for Written {
    fn on_new_span(&self, attributes: &Attributes<'_>, id: &Id, context: Context<'_, S>) {
        let mut fields = Fields::new();
        attributes.record(&mut Writing(&mut fields));
        let mut all = self.0.lock().unwrap();
        context.span(id).unwrap().extensions_mut().insert(Own(all.len()));
        all.push((attributes.metadata().name().to_owned(), fields));
    }

    fn on_record(&self, id: &Id, values: &Record<'_>, context: Context<'_, S>) {
        let span = context.span(id).unwrap();
        let at = span.extensions().get::<Own>().unwrap().0;
        values.record(&mut Writing(&mut self.0.lock().unwrap()[at].1));
    }

    fn on_event(&self, event: &Event<'_>, _context: Context<'_, S>) {
        let mut fields = Fields::new();
        event.record(&mut Writing(&mut fields));
        self.0.lock().unwrap().push((event.metadata().name().to_owned(), fields));
    }
}

impl Visit for Writing<'_> {
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        self.0.insert(field.name().to_owned(), format!("{value:?}"));
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        self.0.insert(field.name().to_owned(), value.to_owned());
    }
}

pub(crate) fn written() -> (Written, tracing::subscriber::DefaultGuard) {
    let written = Written::default();
    let subscriber = tracing_subscriber::registry().with(written.clone());
    (written, tracing::subscriber::set_default(subscriber))
}

#[tokio::test]
async fn each_policy_has_a_span_with_its_verdict() {
    let host = Host::new();
    let chain = host.chain(&[runaway(), country()]).await;
    let (written, _guard) = written();

    let ended = ending(&chain.clear(sms_to("+447911123456", "amend hello")).await);

    assert_eq!(ended, "country.not_allowed");
    let spans = written.named("policy.check");
    let field = |span: usize, name: &str| spans[span].get(name).cloned().unwrap_or_default();
    assert_eq!(spans.len(), 2);
    assert_eq!(
        (field(0, "policy.name"), field(0, "policy.verdict")),
        ("runaway".into(), "amend".into())
    );
    assert_eq!(
        (field(1, "policy.name"), field(1, "policy.verdict")),
        ("country".into(), "reject".into())
    );
    assert_eq!(field(1, "policy.code"), "country.not_allowed");
    assert_eq!(field(1, "policy.version"), "0.1.0");
    assert_eq!(field(1, "policy.generation"), chain.generation().to_string());
    let digest = policy_host::Digest::of(&module("country"));
    assert_eq!(field(1, "policy.digest"), format!("{digest:.12}"));
    assert_eq!(field(1, "policy.host_calls"), "0");
    assert!(field(1, "policy.wasm_us").parse::<u64>().is_ok(), "{spans:?}");
    assert_eq!(field(1, "error.type"), "");
}

#[tokio::test]
async fn a_policy_that_is_asked_again_has_a_span_that_says_so() {
    let host = Host::new();
    let mut stateless = country();
    stateless.grants = [].into_iter().collect();
    let chain = host.chain(&[stateless, runaway()]).await;
    let (written, _guard) = written();

    assert_eq!(ending(&chain.clear(sms("amend hello")).await), "cleared");

    let spans = written.named("policy.check");
    let field = |span: &Fields, name: &str| span.get(name).cloned().unwrap_or_default();
    let each = |span| (field(span, "policy.name"), field(span, "policy.again"));
    let asked: Vec<_> = spans.iter().map(each).collect();
    let expected = [("country", ""), ("runaway", ""), ("country", "true")];
    assert_eq!(asked, expected.map(|(name, again)| (name.to_owned(), again.to_owned())));
}

#[tokio::test]
async fn a_failure_is_named_by_its_type_and_dropped_log_lines_are_counted() {
    let host = Host::new();
    let chain = host.chain(&[runaway()]).await;
    let (written, _guard) = written();

    let _ = chain.clear(sms("panic")).await;
    let _ = chain.clear(sms("chatty 1000")).await;

    let spans = written.named("policy.check");
    assert_eq!((&*spans[0]["policy.verdict"], &*spans[0]["error.type"]), ("failure", "trap"));
    // Each of its lines is shorter than the 64 bytes that it takes of 4,096.
    assert_eq!(spans[1]["policy.log_dropped"], "936");
}

#[tokio::test]
async fn notes_are_events_and_neither_numbers_nor_texts_are_written() {
    let host = Host::new();
    let chain = host.chain(&[policy("probe"), country()]).await;
    let (written, _guard) = written();

    let cleared = chain.clear(sms("log call +14155550199 about the-secret-word")).await.unwrap();
    drop(cleared);

    let notes = written.named("policy.note");
    assert_eq!(notes[0]["note.key"], "probe.answer");
    let all = written.all();
    for private in ["4155550199", "4155550123", "4155551212", "secret"] {
        assert!(!all.contains(private), "{private} was written: {all}");
    }
    // The line is the policy's own, but the text is not.
    assert!(all.contains("call +141• •"), "{all}");
}
