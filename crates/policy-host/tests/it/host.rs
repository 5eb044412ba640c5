//! A host to test: a runtime with a ledger in memory, the built policies, and messages for them.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use message::{E164, Message, MessageId, Sender, Timestamp, facts};
use policy_host::{
    Candidate, Cleared, Grant, NotCleared, NotClearedKind, PolicyChain, PolicyName, PolicyRuntime,
    PolicySource, RuntimeOptions,
};
use serde_json::json;

use crate::watched::WatchedLedger;

/// A runtime and the ledger behind it.
pub(crate) struct Host {
    pub(crate) runtime: PolicyRuntime,
    pub(crate) ledger: Arc<WatchedLedger>,
}

impl Host {
    pub(crate) fn new() -> Self {
        Self::with(|_options| {})
    }

    pub(crate) fn with(adjust: impl FnOnce(&mut RuntimeOptions)) -> Self {
        let ledger = Arc::new(WatchedLedger::default());
        let mut options = RuntimeOptions::new(ledger.clone());
        options.compile_cache = Some(PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join("compiled"));
        options.instances = 64;
        adjust(&mut options);
        Self { runtime: PolicyRuntime::new(options).unwrap(), ledger }
    }

    pub(crate) async fn chain(&self, wanted: &[PolicySource]) -> PolicyChain {
        self.next_chain(None, wanted).await
    }

    pub(crate) async fn next_chain(
        &self,
        previous: Option<&PolicyChain>,
        wanted: &[PolicySource],
    ) -> PolicyChain {
        match self.runtime.build(previous, wanted).await {
            Ok(chain) => chain,
            Err(errors) => panic!(
                "the chain was not built: {}",
                errors.iter().map(said).collect::<Vec<_>>().join("\n")
            ),
        }
    }
}

/// An error with all its sources, as an operator is shown it.
pub(crate) fn said(error: impl std::error::Error) -> String {
    let (mut text, mut source) = (error.to_string(), error.source());
    while let Some(cause) = source {
        text = format!("{text}: {cause}");
        source = cause.source();
    }
    text
}

/// The module that `cargo xtask policies` built of `name`.
pub(crate) fn module(name: &str) -> Vec<u8> {
    let built = || PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../target/policies");
    let folder = std::env::var_os("SENDGATE_POLICIES").map_or_else(built, PathBuf::from);
    let path = folder.join(name).with_extension("wasm");
    match std::fs::read(&path) {
        Ok(module) => module,
        Err(error) => panic!("no policy `{name}` ({error}): run cargo xtask policies"),
    }
}

/// The policy `name`, granted everything, with a time that a busy machine does not use up.
pub(crate) fn policy(name: &str) -> PolicySource {
    let mut source = PolicySource::new(PolicyName::new(name), module(name));
    source.grants = Grant::ALL.into_iter().collect();
    source.limits.time = Duration::from_secs(10);
    source
}

/// The guest that does what a message's text tells it.
pub(crate) fn runaway() -> PolicySource {
    policy("runaway")
}

/// Lets the United States and Canada pass.
pub(crate) fn country() -> PolicySource {
    let mut source = policy("country");
    source.settings = json!({ "allow": ["US", "CA"] });
    source
}

/// Reserves what a message says, for thirty seconds.
pub(crate) fn dedup() -> PolicySource {
    policy("dedup")
}

/// A text to a number in the United States, under a new id.
pub(crate) fn sms(text: &str) -> Candidate {
    sms_to("+14155550123", text)
}

pub(crate) fn sms_to(to: &str, text: &str) -> Candidate {
    static IDS: std::sync::atomic::AtomicU32 = std::sync::atomic::AtomicU32::new(1);
    let id = IDS.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
    let message = Message {
        intent: "notification".to_owned(),
        ..Message::plain(
            MessageId(format!("m{id}").into()),
            E164::parse(to, "/to").unwrap(),
            Sender::parse("+14155551212", "/from").unwrap(),
            text,
        )
    };
    let facts = facts::survey(&message, Vec::new()).unwrap();
    let now = Timestamp(1_800_000_000_000);
    Candidate {
        message,
        facts,
        app: Arc::from("billing"),
        account: Arc::from("default"),
        door: "messages",
        now,
    }
}

/// The code of the refusal, or the kind of the failure, in which a message ended.
pub(crate) fn ending(result: &Result<Cleared, Box<NotCleared>>) -> String {
    match result {
        Ok(_) => "cleared".to_owned(),
        Err(not) => match &not.kind {
            NotClearedKind::Rejected(rejection) => rejection.code.clone(),
            NotClearedKind::Failed(failure) => format!("failed: {}", failure.as_str()),
        },
    }
}
