//! The compiled policies without the process around them, so that the test chooses what time it is.

use std::fs;
use std::sync::Arc;
use std::time::Duration;

use message::facts::{Probed, survey};
use message::{Dedup, E164, MediaUrl, Message, MessageId, Sender, Settlement, Timestamp};
use policy_host::{
    Afterwards, Candidate, Cleared, Grant, Grants, Inbound, LimitReport, NotCleared,
    NotClearedKind, PolicyChain, PolicyName, PolicyRuntime, PolicySource, Receipt, RuntimeOptions,
    VisitLimits,
};
use serde_json::Value;
use store::MemoryLedger;
use uuid::Uuid;

use crate::harness::{SENDER, TO, module};

/// Noon of some day, in milliseconds: where the corpus says second 0.
const NOON_MS: u64 = 1_794_312_000_000;

/// A chain over a ledger that outlives it.
pub(super) struct Bench {
    runtime: PolicyRuntime,
    chain: PolicyChain,
}

/// A message in the corpus's words; what it does not say is the reference message.
#[derive(Clone)]
pub(super) struct Draft {
    pub(super) app: &'static str,
    pub(super) to: String,
    pub(super) sender: String,
    pub(super) text: String,
    pub(super) intent: &'static str,
    pub(super) ttl_s: Option<u32>,
    pub(super) dedup: Dedup,
    pub(super) tags: Vec<(String, String)>,
    pub(super) media: Vec<MediaUrl>,
    /// What was found at each of them.
    pub(super) probes: Vec<Probed>,
}

/// A message that went through, not settled yet.
pub(super) struct Passed(pub(super) Cleared);

/// Why it did not.
#[derive(Debug)]
pub(super) struct Refused {
    pub(super) code: String,
    pub(super) retry_after: Option<Duration>,
    pub(super) earlier: Option<MessageId>,
}

impl Bench {
    /// The policies named, in order, each with its settings.
    pub(super) async fn new(policies: &[(&str, Value)]) -> Self {
        let options = RuntimeOptions {
            instances: 32,
            ..RuntimeOptions::new(Arc::new(MemoryLedger::default()))
        };
        let runtime = PolicyRuntime::new(options).expect("an engine");
        let chain = runtime
            .build(None, &sources(policies))
            .await
            .unwrap_or_else(|errors| panic!("{errors:?}"));
        Self { runtime, chain }
    }

    /// Puts other settings into force; what was counted and reserved stays.
    pub(super) async fn reload(&mut self, policies: &[(&str, Value)]) {
        let built = self.runtime.build(Some(&self.chain), &sources(policies)).await;
        self.chain = built.unwrap_or_else(|errors| panic!("{errors:?}"));
    }

    /// The verdict on `draft` at `second`.
    pub(super) async fn ask(&self, draft: &Draft, second: f64) -> Result<Passed, Refused> {
        let at = Timestamp(NOON_MS).after(Duration::from_secs_f64(second));
        self.ask_at(draft, at).await
    }

    /// The same at an instant.
    pub(super) async fn ask_at(&self, draft: &Draft, now: Timestamp) -> Result<Passed, Refused> {
        let message = draft.message();
        let mut facts = survey(&message, Vec::new()).unwrap_or_else(|faults| panic!("{faults:?}"));
        for (media, probe) in facts.media.iter_mut().zip(&draft.probes) {
            media.probe = Some(probe.clone());
        }
        let (app, account) = (draft.app.into(), message::DEFAULT_ACCOUNT.into());
        let candidate = Candidate { message, facts, app, account, door: "messages", now };
        self.chain.clear(candidate).await.map(Passed).map_err(|stopped| Refused::of(*stopped))
    }

    /// The codes of what the policies make of a message from the handset `sender` at `second`.
    pub(super) async fn hear(
        &self,
        sender: &str,
        to: &str,
        text: &str,
        second: f64,
    ) -> Vec<String> {
        let sender = E164::parse(sender, "/from").expect("a number");
        let id = MessageId("inbound".into());
        let now = Timestamp(NOON_MS).after(Duration::from_secs_f64(second));
        let about = Afterwards { id: &id, app: "", door: "callback", now };
        let told = self.chain.tell_inbound(about, Inbound { sender: &sender, to, text }).await;
        let made = told.unwrap_or_else(|(policy, failure)| panic!("{policy}: {failure}"));
        made.into_iter().map(|note| note.key).collect()
    }

    /// The recipient of `passed` did what it was for.
    pub(super) async fn converted(&self, passed: &Message, app: &str, second: f64) {
        let now = Timestamp(NOON_MS).after(Duration::from_secs_f64(second));
        let about = Afterwards { id: &passed.id, app, door: "messages", now };
        let receipt = Receipt {
            kind: passed.kind(),
            to: Some(&passed.to),
            sender: &passed.sender,
            intent: &passed.intent,
            state: "converted",
            error_code: "",
            units: None,
            total_rate: "",
        };
        self.chain.tell_receipt(about, receipt).await.expect("every policy takes it");
    }

    /// `count` messages at `second`, all of them sent.
    pub(super) async fn history(&self, draft: &Draft, second: f64, count: usize) {
        for nth in 0..count {
            // Texts differ, in case repeats are counted too.
            let draft = Draft { text: format!("earlier {second} {nth}"), ..draft.clone() };
            let passed = self
                .ask(&draft, second)
                .await
                .unwrap_or_else(|refused| panic!("history: {refused:?}"));
            passed.settle(Settlement::Keep).await;
        }
    }
}

impl Draft {
    pub(super) fn to(to: &str) -> Self {
        Self {
            app: "demo",
            to: to.to_owned(),
            sender: SENDER.to_owned(),
            text: "code 1234".to_owned(),
            intent: "",
            ttl_s: None,
            dedup: Dedup::Content,
            tags: Vec::new(),
            media: Vec::new(),
            probes: Vec::new(),
        }
    }

    fn message(&self) -> Message {
        Message {
            id: MessageId(Uuid::now_v7().to_string().into()),
            to: E164::parse(&self.to, "/to").expect("a number"),
            sender: Sender::parse(&self.sender, "/from").expect("a sender"),
            text: self.text.clone(),
            media_urls: self.media.clone(),
            media_ids: Vec::new(),
            intent: self.intent.to_owned(),
            ttl_s: self.ttl_s,
            not_before: None,
            callback_url: None,
            dedup: self.dedup.clone(),
            tags: self.tags.clone(),
        }
    }
}

impl Default for Draft {
    fn default() -> Self {
        Self::to(TO)
    }
}

impl Passed {
    pub(super) async fn settle(self, settlement: Settlement) {
        self.0.settle(settlement).await.expect("a ledger in memory");
    }

    /// The standing of the limit called `name`.
    pub(super) fn limit(&self, name: &str) -> &LimitReport {
        let found = self.0.standings().iter().find(|standing| standing.limit == name);
        found.unwrap_or_else(|| panic!("no limit {name} in {:?}", self.0.standings()))
    }
}

impl Refused {
    fn of(stopped: NotCleared) -> Self {
        match stopped.kind {
            NotClearedKind::Rejected(no) => {
                Self { code: no.code, retry_after: no.retry_after, earlier: no.earlier }
            }
            NotClearedKind::Failed(failure) => {
                panic!("{} could not decide: {failure}", stopped.policy)
            }
        }
    }
}

fn sources(policies: &[(&str, Value)]) -> Vec<PolicySource> {
    let source = |(name, settings): &(&str, Value)| {
        let bytes = fs::read(module(name)).expect("a module");
        let mut source = PolicySource::new(PolicyName::new(*name), bytes);
        source.settings = settings.clone();
        source.grants = [Grant::State, Grant::Amend, Grant::Zones, Grant::Media]
            .into_iter()
            .collect::<Grants>();
        // What is tested is the verdict, on a machine that may be busy with other tests.
        source.limits = VisitLimits { time: Duration::from_secs(5), ..VisitLimits::default() };
        source
    };
    policies.iter().map(source).collect()
}
