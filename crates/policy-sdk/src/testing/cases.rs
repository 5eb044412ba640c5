//! Cases run natively: the same file that is run against the built module.

use std::fmt::Write as _;

use policy_cases::{Act, Kept, Step, differences, note_differences};

use super::{convert, fakes, state};
use crate::{Context, InboundMessage, Note, Policy, PolicyError, Problem, Receipt, settings};

/// Takes a receipt.
type OnReceipt<P> = fn(&P, &Receipt, &Context) -> Result<(), PolicyError>;
/// Takes a handset's message.
type OnInbound<P> = fn(&P, &InboundMessage, &Context) -> Result<Vec<Note>, PolicyError>;
/// Takes a message's id, its state and an error code.
type OnReport<P> = fn(&P, &str, &str, &str, &Context);

/// What the policy exports beyond the contract's `guest`; [`export!`](crate::export) fills it in.
#[derive(Debug)]
pub struct Hooks<P> {
    /// Takes id and outcome.
    pub outcome: Option<fn(&P, &str, &str, &Context)>,
    /// Takes id, state and error code.
    pub report: Option<OnReport<P>>,
    /// Takes a receipt.
    pub receipt: Option<OnReceipt<P>>,
    /// Takes a handset's message.
    pub inbound: Option<OnInbound<P>>,
}

impl<P> Default for Hooks<P> {
    fn default() -> Self {
        Self { outcome: None, report: None, receipt: None, inbound: None }
    }
}

/// Runs every case in `text`, a file of cases (the crate `policy-cases` has the format), on the policy `P`.
///
/// `export!(MyPolicy, cases = "../cases.toml")` makes a test that does so, and puts the cases into the module. Cases
/// that expect what only the host finds (a deadline, a trap) are left to the module. Answers are held to the contract's
/// bounds by the host's own rules.
///
/// # Panics
///
/// Where a case differs: with every difference of every case. Where `text` holds no cases: with line and reason.
pub fn cases<P: Policy>(text: &str) {
    cases_with::<P>(text, &Hooks::default());
}

/// [`cases`] for a policy that is told what became of its messages.
///
/// # Panics
///
/// As [`cases`].
pub fn cases_with<P: Policy>(text: &str, hooks: &Hooks<P>) {
    let cases = match policy_cases::parse(text) {
        Ok(cases) => cases,
        Err(error) => panic!("the cases cannot be read: {error}"),
    };
    let (count, mut failed, mut told) = (cases.len(), 0, String::new());
    for case in cases.iter().filter(|case| !case.needs_host()) {
        let differing = run(case, hooks);
        if !differing.is_empty() {
            failed += 1;
            // Writing to a string cannot fail.
            let _ = write!(told, "\n  {} (line {})", case.name, case.line);
            for each in differing {
                let _ = write!(told, "\n    {each}");
            }
        }
    }
    assert!(failed == 0, "{failed} of {count} cases differ:{told}");
}

fn run<P: Policy>(case: &policy_cases::Case, hooks: &Hooks<P>) -> Vec<String> {
    fakes::forget();
    let configured = configure::<P>(&case.settings);
    let mut policy = match (configured, &case.problems) {
        (Ok(policy), None) => policy,
        (found, wanted) => return unfit(&found.err().unwrap_or_default(), wanted.as_deref()),
    };
    for entry in &case.state {
        let by = if let Kept::HeldBy(by) = &entry.kept { by } else { "" };
        fakes::begin(by, case.now.0);
        let kept = match &entry.kept {
            Kept::Value(value) => state::put(&entry.key, value, entry.ttl_ms, false).map(drop),
            Kept::Sum(sum) => state::increment(&entry.key, *sum, entry.ttl_ms).map(drop),
            Kept::HeldBy(_) => state::reserve(&entry.key, entry.ttl_ms).map(drop),
        };
        if let Err(error) = kept {
            return vec![format!("state `{}`: {error:?}", entry.key)];
        }
    }
    let mut differing = Vec::new();
    for step in &case.steps {
        if let Some(settings) = &step.settings {
            match configure::<P>(settings) {
                Ok(next) => policy = next,
                Err(problems) => return unfit(&problems, None),
            }
        }
        let place =
            if case.steps.len() > 1 { format!("step {}: ", step.number) } else { String::new() };
        let found = take(&policy, step, case.grants.as_deref(), hooks);
        differing.extend(found.into_iter().map(|each| format!("{place}{each}")));
    }
    differing
}

/// Takes one step; says what was otherwise than expected.
fn take<P: Policy>(
    policy: &P,
    step: &Step,
    grants: Option<&[String]>,
    hooks: &Hooks<P>,
) -> Vec<String> {
    let mut context = Context {
        app: step.app.clone(),
        door: step.door.into(),
        now_ms: step.now.0,
        dry_run: false,
    };
    match &step.act {
        Act::Ask { message, facts, dry_run, sent, expect } => {
            context.dry_run = *dry_run;
            fakes::begin(&message.id.0, step.now.0);
            fakes::probed(facts.media.iter().map(convert::probe).collect());
            let (own, told) = (convert::message(message), convert::facts((**facts).clone()));
            let decided = policy.check(&own, &told, &context);
            let said = convert::said(decided, (message, facts, step.now), grants);
            let passed = matches!(
                said.verdict,
                policy_cases::Verdict::Accept | policy_cases::Verdict::Amend
            );
            if *dry_run {
                fakes::undo();
            } else if !*sent || !passed {
                fakes::give_back();
            }
            differences(expect, &said).iter().map(ToString::to_string).collect()
        }
        Act::Outcome { id, outcome } => {
            fakes::begin(id, step.now.0);
            let told = hooks.outcome.map(|tell| tell(policy, id, outcome, &context));
            told.map_or_else(|| untold("outcomes"), |()| Vec::new())
        }
        Act::Report { id, state, error_code } => {
            fakes::begin(id, step.now.0);
            let told = hooks.report.map(|tell| tell(policy, id, state, error_code, &context));
            told.map_or_else(|| untold("reports"), |()| Vec::new())
        }
        Act::Receipt(receipt) => {
            let receipt = convert::receipt(receipt);
            fakes::begin(&receipt.id, step.now.0);
            match hooks.receipt.map(|tell| tell(policy, &receipt, &context)) {
                Some(Ok(())) => Vec::new(),
                Some(Err(error)) => vec![format!("told: {}: {}", error.kind, error.detail)],
                None => untold("receipts"),
            }
        }
        Act::Inbound(inbound) => {
            let message = convert::inbound(inbound);
            fakes::begin(&message.id, step.now.0);
            match hooks.inbound.map(|tell| convert::noted(tell(policy, &message, &context))) {
                Some(Ok(notes)) => {
                    let differing = note_differences(&inbound.expect, &notes);
                    differing.iter().map(ToString::to_string).collect()
                }
                Some(Err(error)) => vec![format!("told: {error}")],
                None => untold("inbound"),
            }
        }
    }
}

fn untold(interface: &str) -> Vec<String> {
    vec![format!("told: the policy does not export `{interface}`")]
}

fn configure<P: Policy>(json: &serde_json::Value) -> Result<P, Vec<Problem>> {
    P::configure(settings::read(&json.to_string()).map_err(|problem| vec![problem])?)
}

/// Problems of the settings that were not expected, or expected ones that are not there.
fn unfit(found: &[Problem], wanted: Option<&[String]>) -> Vec<String> {
    let mut pointers: Vec<&str> = found.iter().map(|problem| problem.pointer.as_str()).collect();
    let mut expected: Vec<&str> = wanted.unwrap_or_default().iter().map(String::as_str).collect();
    pointers.sort_unstable();
    expected.sort_unstable();
    if pointers == expected {
        return Vec::new();
    }
    vec![format!("problems: expected {expected:?}, found{}", super::listed(found))]
}
