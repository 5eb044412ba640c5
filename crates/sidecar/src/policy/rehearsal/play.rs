//! One case played from its first step to its last.

use std::sync::Arc;
use std::time::Duration;

use message::{DEFAULT_ACCOUNT, Ledger as _, LedgerError, MessageId, Settlement};
use policy_cases::{Act, Case, Expect, Kept, Said, State, Step, differences, note_differences};
use policy_host::{
    Afterwards, Candidate, Decision, Grant, Grants, Heard, Inbound, LoadFault, Module,
    NotClearedKind, Outcome, PolicyChain, PolicyFailure, PolicyName, Receipt,
};
use store::MemoryLedger;
use tracing::instrument::WithSubscriber as _;
use tracing::subscriber::NoSubscriber;

use super::{Ran, said};
use crate::terminal::plain;

/// Most keys of each kind that a case may keep.
const MOST_KEYS: usize = 10_000;

const OUTCOMES: [Outcome; 4] =
    [Outcome::Accepted, Outcome::Rejected, Outcome::NotSent, Outcome::InDoubt];

/// A case on its way.
struct Run<'a> {
    module: &'a Module,
    case: &'a Case,
    ledger: Arc<MemoryLedger>,
    grants: Grants,
    heard: Arc<Heard>,
    ran: Ran,
}

/// Runs `case` from its first step to its last.
pub(crate) async fn run(module: &Module, case: &Case) -> Ran {
    let grants = match grants(module, case) {
        Ok(grants) => grants,
        Err(word) => return Ran::cut("grants", "words of grants", format!("`{word}`")),
    };
    let ledger = Arc::new(MemoryLedger::new(MOST_KEYS));
    let (heard, ran) = (Arc::default(), Ran::default());
    let mut run = Run { module, case, ledger, grants, heard, ran };
    // Neither traced nor counted: a verdict here is nobody's.
    run.play_out().with_subscriber(NoSubscriber::default()).await;
    run.ran.heard = run.heard.take();
    run.ran
}

/// What a case does not say is granted: what the module imports, and any change.
fn grants(module: &Module, case: &Case) -> Result<Grants, String> {
    let Some(words) = &case.grants else {
        let changes = [Grant::Amend, Grant::AmendRecipient];
        return Ok(module.needs().iter().chain(changes).collect());
    };
    let grant = |word: &String| Grant::from_word(word).ok_or_else(|| word.clone());
    words.iter().map(grant).collect()
}

impl Run<'_> {
    async fn play_out(&mut self) {
        let case = self.case;
        let Some(mut chain) = self.configured(&case.settings, case.problems.as_deref()).await
        else {
            return;
        };
        for entry in &case.state {
            if let Err(err) = self.keep(&chain, entry).await {
                return self.ran.differs(None, "state", "to be kept", err.to_string());
            }
        }
        for step in &case.steps {
            if let Some(settings) = &step.settings {
                match self.configured(settings, None).await {
                    Some(next) => chain = next,
                    None => return,
                }
            }
            let number = (case.steps.len() > 1).then_some(step.number);
            self.take(&chain, step, number).await;
        }
    }

    /// A chain under `settings`; none where they do not fit, which is as it should be where it was expected.
    async fn configured(
        &mut self,
        settings: &serde_json::Value,
        wanted: Option<&[String]>,
    ) -> Option<PolicyChain> {
        let ledger = Arc::clone(&self.ledger);
        let heard = Arc::clone(&self.heard);
        let rehearsed = self.module.rehearse(settings, self.grants, ledger, heard).await;
        let found = match (rehearsed, wanted) {
            (Ok(chain), None) => return Some(chain),
            (Ok(_fits), Some(_)) => Vec::new(),
            (Err(LoadFault::Settings(problems)), _) => problems,
            (Err(fault), _) => {
                let found = crate::policies::chain(&fault);
                self.ran.differs(None, "settings", "a policy that can be asked", found);
                return None;
            }
        };
        let mut wanted: Vec<&str> = wanted.unwrap_or_default().iter().map(String::as_str).collect();
        let mut pointers: Vec<&str> = found.iter().map(|each| each.pointer.as_str()).collect();
        wanted.sort_unstable();
        pointers.sort_unstable();
        if wanted != pointers {
            let found: Vec<String> =
                found.iter().map(|p| format!("{:?}: {}", p.pointer, p.detail)).collect();
            let expected = format!("{wanted:?}");
            self.ran.differs(None, "problems", &expected, format!("[{}]", found.join("; ")));
        }
        None
    }

    async fn keep(&self, chain: &PolicyChain, entry: &State) -> Result<(), LedgerError> {
        let Some(policy) = chain.policies().first() else { return Ok(()) };
        let (owner, key, now) = (policy.name().as_str(), entry.key.as_str(), self.case.now);
        let ttl = Duration::from_millis(entry.ttl_ms);
        match &entry.kept {
            Kept::Value(value) => {
                self.ledger.put(owner, key, value.clone(), ttl, false, now).await.map(drop)
            }
            Kept::Sum(sum) => self.ledger.increment(owner, key, *sum, ttl, now).await.map(drop),
            Kept::HeldBy(by) => {
                let by = MessageId(by.as_str().into());
                self.ledger.reserve(owner, key, ttl, &by, now).await.map(drop)
            }
        }
    }

    async fn take(&mut self, chain: &PolicyChain, step: &Step, number: Option<usize>) {
        let told = |id: &str| MessageId(id.into());
        match &step.act {
            Act::Ask { message, facts, dry_run, sent, expect } => {
                let candidate = Candidate {
                    message: (**message).clone(),
                    facts: (**facts).clone(),
                    app: step.app.as_str().into(),
                    account: DEFAULT_ACCOUNT.into(),
                    door: step.door,
                    now: step.now,
                };
                let said = match dry_run {
                    true => self.explained(chain, candidate).await,
                    false => self.cleared(chain, candidate, *sent).await,
                };
                self.compare(expect, said, number);
            }
            Act::Outcome { id, outcome } => {
                let id = told(id);
                let known = OUTCOMES.into_iter().find(|known| known.as_str() == outcome);
                match known {
                    Some(outcome) if self.exports("outcomes", number) => {
                        chain.tell_outcome(about(&id, step), outcome).await;
                        self.taken(number, Ok(()));
                    }
                    Some(_) => {}
                    None => self.untold(number, "a word of the contract", outcome),
                }
            }
            Act::Report { id, state, error_code } => {
                let id = told(id);
                if self.exports("reports", number) {
                    let report = chain.tell_delivery_report(about(&id, step), state, error_code);
                    self.taken(number, report.await);
                }
            }
            Act::Receipt(receipt) => {
                if self.exports("receipts", number) {
                    let message = &receipt.message;
                    let told = Receipt {
                        kind: message.kind(),
                        to: Some(&message.to),
                        sender: &message.sender,
                        intent: &message.intent,
                        state: &receipt.state,
                        error_code: &receipt.error_code,
                        units: receipt.units,
                        total_rate: &receipt.total_rate,
                    };
                    self.taken(number, chain.tell_receipt(about(&message.id, step), told).await);
                }
            }
            Act::Inbound(inbound) => {
                let id = told(&inbound.id);
                let (sender, to, text) = (&inbound.sender, &*inbound.to, &*inbound.text);
                if self.exports("inbound", number) {
                    let heard = Inbound { sender, to, text };
                    let made = chain.tell_inbound(about(&id, step), heard).await;
                    if let Ok(notes) = &made {
                        let found = note_differences(&inbound.expect, notes).into_iter();
                        self.ran.differing.extend(found.map(|each| (number, each)));
                    }
                    self.taken(number, made.map(drop));
                }
            }
        }
    }

    /// Whether the module exports the optional interface that it would be told by.
    fn exports(&mut self, interface: &str, number: Option<usize>) -> bool {
        let exports = self.module.hooks().contains(&interface);
        if !exports {
            self.untold(
                number,
                &format!("a module that exports `{interface}`"),
                "one that does not",
            );
        }
        exports
    }

    /// How the policy took what it was `told`: a failure of its own, too, which production only logs.
    fn taken(&mut self, number: Option<usize>, told: Result<(), (PolicyName, PolicyFailure)>) {
        let mut failure = told.err().map(|(_, failure)| crate::policies::chain(&failure));
        for taken in self.heard.taken() {
            self.ran.cost.count(taken.guest, taken.memory, taken.host_calls);
            failure = failure.or_else(|| taken.failure.map(|why| plain(&why)));
        }
        if let Some(failure) = failure {
            self.untold(number, "to be taken", &failure);
        }
    }

    fn untold(&mut self, number: Option<usize>, expected: &str, found: &str) {
        self.ran.differs(number, "told", expected, found.to_owned());
    }

    async fn cleared(
        &mut self,
        chain: &PolicyChain,
        candidate: Candidate,
        sent: bool,
    ) -> Option<Said> {
        match chain.clear(candidate).await {
            Ok(cleared) => {
                let said = self.said(cleared.decisions(), None, cleared.message());
                let settlement = if sent { Settlement::Keep } else { Settlement::GiveBack };
                // Memory always settles.
                drop(cleared.settle(settlement).await);
                said
            }
            Err(not) => self.said(&not.trail.decisions, Some(&not.kind), &not.message),
        }
    }

    async fn explained(&mut self, chain: &PolicyChain, candidate: Candidate) -> Option<Said> {
        let explained = chain.explain(candidate).await;
        let stopped = explained.stopped.as_ref().map(|(_, kind)| kind);
        self.said(&explained.trail.decisions, stopped, &explained.message)
    }

    fn said(
        &mut self,
        decisions: &[Decision],
        stopped: Option<&NotClearedKind>,
        message: &message::Message,
    ) -> Option<Said> {
        let decision = decisions.last()?;
        self.ran.cost.count(decision.guest, decision.memory, decision.host_calls);
        Some(said::of(decision, stopped, message))
    }

    fn compare(&mut self, expect: &Expect, said: Option<Said>, number: Option<usize>) {
        let Some(said) = said else { return };
        let found = differences(expect, &said).into_iter().map(|each| (number, each));
        self.ran.differing.extend(found);
    }
}

fn about<'a>(id: &'a MessageId, step: &'a Step) -> Afterwards<'a> {
    Afterwards { id, app: &step.app, door: step.door, now: step.now }
}
