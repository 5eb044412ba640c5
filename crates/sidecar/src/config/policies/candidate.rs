//! `candidate` and `error_budget`: what is on trial beside a policy, and how often either may fail.

use policy_host::{DifferenceKind, ErrorBudget, Mode, TrialRules};

use super::super::cursor::{Item, Section};
use super::super::settings::Settings;
use super::read::module;
use super::{ModuleSource, Tags};

/// A module, or other settings, on trial beside a policy that is enforced.
#[derive(Clone, Debug)]
pub struct CandidateEntry {
    /// As [`PolicyEntry::module`](super::PolicyEntry::module).
    pub module: ModuleSource,
    /// What is wanted of the trial. Default: all but notes matters, and nothing comes into force by itself.
    pub rules: TrialRules,
    /// The policy's own where absent.
    pub(super) settings: Option<Settings>,
}

impl CandidateEntry {
    pub(super) fn read(
        section: &mut Section<'_>,
        mode: Mode,
        budget: Option<ErrorBudget>,
        tags: Tags,
    ) -> Option<Self> {
        let candidate = section.get("candidate");
        let settings = section.get("candidate_settings");
        let after = section.get("promote_after");
        let unless = section.get("promote_unless");
        if candidate.is_none() {
            for lost in [&settings, &after, &unless].into_iter().flatten() {
                lost.fault("has no `candidate` to go to; write candidate = \"PATH.wasm\"");
            }
        }
        let usual = TrialRules::default();
        let settings = settings.map(|item| Settings::read(&item));
        let promote_after = after.and_then(|item| item.number(1..=1_000_000_000)).map(u64::from);
        let watched = unless.map_or(Some(usual.watched), |item| kinds(&item));
        let item = candidate?;
        if mode == Mode::Shadow {
            item.fault(
                "stands beside a policy that is not enforced itself; take one of the two out",
            );
        }
        let budget = budget.unwrap_or(usual.budget);
        let rules = TrialRules { watched: watched?, promote_after, budget };
        Some(Self { module: module(&item, tags)?, rules, settings })
    }
}

pub(super) fn error_budget(mut section: Section<'_>) -> ErrorBudget {
    let budget = ErrorBudget {
        failures: section.number("failures", 10, 1..=10_000),
        window: section.seconds("window_s", 60, 1..=86_400),
    };
    section.finish();
    budget
}

fn kinds(item: &Item<'_>) -> Option<Vec<DifferenceKind>> {
    let words = DifferenceKind::ALL.map(|kind| (kind.as_str(), kind));
    let entries = item.filled_list(words.len(), "leave the key out for all but notes")?;
    Some(entries.iter().filter_map(|entry| entry.word(&words)).collect())
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use policy_host::{DifferenceKind, ErrorBudget, TrialRules};

    use super::super::tests::folder;
    use crate::config::testing::{APP, account};

    #[test]
    fn a_candidate_has_settings_of_its_own_or_the_policys() {
        let own =
            "name = \"a\"\nmodule = \"m.wasm\"\nsettings = { n = 1 }\ncandidate = \"m.wasm\"\n";
        let other = "candidate_settings = { n = 2 }\n";
        for (more, n, line) in [("", 1, 7), (other, 2, 9)] {
            let toml = format!("{APP}[[policies]]\n{own}{more}");
            let policy = folder().config(&toml, &account()).reloadable.policies.remove(0);
            assert!(policy.candidate.is_some());
            assert_eq!(policy.candidate_settings()["n"], n, "{toml}");
            assert_eq!(policy.locate_candidate("/n").line, line, "{toml}");
            assert_eq!(policy.settings()["n"], 1);
        }
    }

    #[test]
    fn a_trial_and_an_error_budget_have_their_documented_defaults() {
        let own = "name = \"a\"\nmodule = \"m.wasm\"\n";
        let read = |more: &str| {
            let toml = format!("{APP}[[policies]]\n{own}{more}");
            folder().config(&toml, &account()).reloadable.policies.remove(0)
        };
        assert!(read("").budget.is_none());
        let policy = read("candidate = \"m.wasm\"\n");
        assert_eq!(policy.budget, None);
        let rules = policy.candidate.unwrap().rules;
        let watched = [DifferenceKind::Verdict, DifferenceKind::Code, DifferenceKind::Changes];
        assert_eq!((&rules.watched[..], rules.promote_after), (&watched[..], None));
        let budget =
            |failures, seconds| ErrorBudget { failures, window: Duration::from_secs(seconds) };
        assert_eq!(rules.budget, budget(10, 60));

        let policy = read(
            "candidate = \"m.wasm\"\npromote_after = 500\npromote_unless = [\"notes\"]\n\
             error_budget = { failures = 3, window_s = 5 }\n",
        );
        assert_eq!(policy.budget, Some(budget(3, 5)));
        let rules = policy.candidate.unwrap().rules;
        let wanted = TrialRules {
            watched: vec![DifferenceKind::Notes],
            promote_after: Some(500),
            budget: budget(3, 5),
        };
        assert_eq!(rules, wanted);
    }
}
