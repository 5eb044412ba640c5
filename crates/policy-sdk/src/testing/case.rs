use super::{NOON_MS, fakes, listed};
use crate::{
    Context, Decision, Facts, Inbound, InboundMessage, Message, Note, Policy, PolicyError, Problem,
    Receipt, Receipts, settings,
};

/// One configured policy, a clock, and the host's fakes.
#[derive(Debug)]
pub struct Case<P> {
    policy: P,
    /// The circumstances of the next decision; `now_ms` is the clock.
    pub context: Context,
}

impl<P: Policy> Case<P> {
    /// The policy with `settings`, as JSON, and fakes that remember nothing.
    ///
    /// # Panics
    ///
    /// When the settings do not fit; with every problem.
    pub fn new(settings: &str) -> Self {
        let policy = match configure(settings) {
            Ok(policy) => policy,
            Err(problems) => panic!("these settings do not fit:{}", listed(&problems)),
        };
        fakes::forget();
        let context =
            Context { app: "app".into(), door: "messages".into(), now_ms: NOON_MS, dry_run: false };
        Self { policy, context }
    }

    /// What the policy finds wrong with `settings`, by pointer.
    ///
    /// # Panics
    ///
    /// When they fit.
    pub fn problems(settings: &str) -> Vec<Problem> {
        match configure::<P>(settings) {
            Ok(_) => panic!("these settings fit: {settings}"),
            Err(problems) => problems,
        }
    }

    /// The same policy with other settings; state stays, as in a reload.
    ///
    /// # Panics
    ///
    /// When the settings do not fit; with every problem.
    pub fn reload(&mut self, settings: &str) {
        match configure(settings) {
            Ok(policy) => self.policy = policy,
            Err(problems) => panic!("these settings do not fit:{}", listed(&problems)),
        }
    }

    /// Sets the clock to `seconds` after the beginning.
    pub fn at(&mut self, seconds: u64) -> &mut Self {
        self.context.now_ms = NOON_MS + seconds * 1_000;
        self
    }

    /// The decision on `message` with the facts of [`facts`](super::facts).
    ///
    /// # Panics
    ///
    /// When the policy could not decide.
    pub fn check(&mut self, message: &Message) -> Decision {
        self.check_with(message, &super::facts(message))
    }

    /// The decision on `message` with these facts.
    ///
    /// # Panics
    ///
    /// When the policy could not decide.
    pub fn check_with(&mut self, message: &Message, facts: &Facts) -> Decision {
        match self.try_check(message, facts) {
            Ok(decision) => decision,
            Err(error) => panic!("the policy could not decide: {}: {}", error.kind, error.detail),
        }
    }

    /// Like [`Case::check_with`], for policies that cannot always decide.
    ///
    /// # Errors
    ///
    /// The policy's own.
    pub fn try_check(&mut self, message: &Message, facts: &Facts) -> Result<Decision, PolicyError> {
        fakes::begin(&message.id, self.context.now_ms);
        let decision = self.policy.check(message, facts, &self.context);
        // The host gives a refused message's reservations and charges back at once.
        if !matches!(&decision, Ok(decision) if decision.rejection().is_none()) {
            fakes::give_back();
        }
        decision
    }

    /// Tells the policy what became of a message.
    ///
    /// # Panics
    ///
    /// When the policy could not take it.
    pub fn tell(&mut self, receipt: &Receipt)
    where
        P: Receipts,
    {
        if let Err(error) = self.try_tell(receipt) {
            panic!("the policy could not take it: {}: {}", error.kind, error.detail);
        }
    }

    /// Like [`Case::tell`], for policies that cannot always take it.
    ///
    /// # Errors
    ///
    /// The policy's own.
    pub fn try_tell(&mut self, receipt: &Receipt) -> Result<(), PolicyError>
    where
        P: Receipts,
    {
        fakes::begin(&receipt.id, self.context.now_ms);
        self.policy.on_receipt(receipt, &self.context)
    }

    /// What the policy makes of a message from the handset `sender`, sent to `to`.
    ///
    /// # Panics
    ///
    /// When the policy could not take it.
    pub fn hear(&mut self, sender: &str, to: &str, text: &str) -> Vec<Note>
    where
        P: Inbound,
    {
        let message = InboundMessage {
            id: "in1".into(),
            sender: sender.into(),
            to: to.into(),
            text: text.into(),
        };
        fakes::begin(&message.id, self.context.now_ms);
        match self.policy.on_inbound(&message, &self.context) {
            Ok(notes) => notes,
            Err(error) => panic!("the policy could not take it: {}: {}", error.kind, error.detail),
        }
    }

    /// Gives back what the last decision reserved and charged, as the host does when nothing was sent.
    pub fn nothing_was_sent(&mut self) {
        fakes::give_back();
    }
}

fn configure<P: Policy>(json: &str) -> Result<P, Vec<Problem>> {
    P::configure(settings::read(json).map_err(|problem| vec![problem])?)
}
