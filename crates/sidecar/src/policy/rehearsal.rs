//! Cases run against a module, in a state of their own and under its real limits.

mod play;
mod said;

use std::time::Duration;

use policy_cases::Difference;
use policy_host::{Line, Module};
use tokio::time::timeout;

use crate::terminal::plain;

pub(crate) use self::play::run;

/// Most time for all the cases that a module brings along.
pub(super) const OWN_CASES: Duration = Duration::from_secs(10);
/// Most of them that are told where they differ.
const TOLD: usize = 8;

/// How a case went.
#[derive(Debug, Default)]
pub(crate) struct Ran {
    /// What was otherwise than expected, each with its step where there are several; none where the case holds.
    pub(crate) differing: Vec<(Option<usize>, Difference)>,
    /// Most that one of its calls cost.
    pub(crate) cost: Cost,
    /// What the policy logged or printed.
    pub(crate) heard: Vec<Line>,
}

/// What a call of the policy cost, of what it may.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Cost {
    pub(crate) guest: Duration,
    pub(crate) memory: usize,
    pub(crate) host_calls: u32,
}

/// What is wrong with `module` by the cases that it brings along: a sentence each; none where all hold.
pub(crate) async fn own(module: &Module) -> Vec<String> {
    let Some(cases) = module.cases() else { return Vec::new() };
    let cases = match policy_cases::parse(&String::from_utf8_lossy(cases)) {
        Ok(cases) => cases,
        Err(err) => {
            return vec![format!(
                "the module's own cases cannot be read: {}",
                plain(&err.to_string())
            )];
        }
    };
    let running = async {
        let mut told = Vec::new();
        for case in &cases {
            let ran = run(module, case).await;
            if let [first, more @ ..] = &ran.differing[..] {
                let more = match more.len() {
                    0 => String::new(),
                    count => format!(" (and {count} more)"),
                };
                let (name, what) = (plain(&case.name), plain(&place(first)));
                told.push(format!("the module fails its own case `{name}`: {what}{more}"));
            }
        }
        if told.len() > TOLD {
            let more = told.split_off(TOLD).len();
            told.push(format!("the module fails {more} more of its own cases"));
        }
        told
    };
    timeout(OWN_CASES, running).await.unwrap_or_else(|_elapsed| {
        vec![format!("the module's own cases took more than {} s", OWN_CASES.as_secs())]
    })
}

/// A difference with its step.
pub(crate) fn place((step, difference): &(Option<usize>, Difference)) -> String {
    match step {
        Some(step) => format!("step {step}: {difference}"),
        None => difference.to_string(),
    }
}

impl Cost {
    /// Another call, which cost this.
    fn count(&mut self, guest: Duration, memory: usize, host_calls: u32) {
        self.guest = self.guest.max(guest);
        self.memory = self.memory.max(memory);
        self.host_calls = self.host_calls.max(host_calls);
    }
}

impl Ran {
    /// A case that could not be run to its end.
    fn cut(what: &str, expected: &str, found: String) -> Self {
        let mut ran = Self::default();
        ran.differs(None, what, expected, found);
        ran
    }

    fn differs(&mut self, step: Option<usize>, what: &str, expected: &str, found: String) {
        let (what, expected) = (what.to_owned(), expected.to_owned());
        self.differing.push((step, Difference { what, expected, found }));
    }
}
