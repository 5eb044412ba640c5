//! The policies in force, those that can be returned to, and returning to them.

use std::sync::Arc;

use http::StatusCode;
use policy_host::{
    BudgetReport, Difference, DifferenceKind, NotPromoted, Policy, TrialReport, TrialStanding, Word,
};
use serde_json::{Map, Value, json};

use super::asked::Asked;
use super::filter::wanted_generation;
use super::{Admin, Refusal, Told};
use crate::gateway::shown::instant;
use crate::generations::{Kept, NotKept, Rollback};
use crate::policies::describe;
use crate::promotions::Promotion;

impl Admin {
    /// `GET /policies`
    pub(super) fn policies(&self) -> Value {
        let (rollback, kept) = self.generations.past_now();
        let in_force = self.in_force.load();
        let promotions = &in_force.promotions;
        let listed = in_force.chain.policies().iter().map(|policy| watched(policy, promotions));
        let refused = self.reloads.refused();
        json!({
            "generation": in_force.chain.generation().0,
            "policies": listed.collect::<Vec<_>>(),
            "reload": {
                "applied": self.reloads.applied(),
                "refused": refused.map(|refused| json!({
                    "at": format!("{:.3}", refused.at),
                    "times": refused.times,
                    "faults": refused.faults,
                })),
                "history": self.generations.history().shown(),
            },
            "rollback": rollback.as_ref().map(standing),
            "kept": kept.iter().rev().map(returnable).collect::<Vec<_>>(),
        })
    }

    /// `GET /policies/{name}/differences`: about which messages its candidate decided otherwise, the latest first.
    pub(super) fn differences(&self, name: &str) -> Told {
        let in_force = self.in_force.load();
        let own = |policy: &&Arc<Policy>| policy.name().as_str() == name;
        let policy = in_force.chain.policies().iter().find(own).ok_or(Refusal::NoSuchPolicy)?;
        let trial = policy.trial().ok_or_else(|| self.no_candidate())?;
        let mut body = brief(policy);
        body["candidate"] = on_trial(&trial);
        body["differences"] = trial.differences.iter().rev().map(difference).collect();
        Ok((StatusCode::OK, body))
    }

    /// `POST /policies/{name}/promote`: its candidate comes into force.
    pub(super) fn promote(&self, name: &str) -> Told {
        let generation = self.generations.promote(name).map_err(|why| match why {
            NotPromoted::NoCandidate => self.no_candidate(),
            why => why.into(),
        })?;
        let body = json!({"policy": name, "generation": generation.0, "until": PROMOTED_UNTIL});
        Ok((StatusCode::OK, body))
    }

    /// Why a policy has none: the files may well name one.
    fn no_candidate(&self) -> Refusal {
        match self.generations.past_now().0 {
            Some(Rollback { from, to, .. }) => Refusal::NoCandidateSince { from: from.0, to: to.0 },
            None => Refusal::NoCandidate,
        }
    }

    /// `POST /rollback?to=`: the policies before those in force, or those of the generation named, are in force again.
    pub(super) fn roll_back(&self, asked: &Asked) -> Told {
        let to = wanted_generation(&asked.query())?;
        let done = self.generations.roll_back(to).map_err(|NotKept(kept)| {
            Refusal::NotKept(kept.into_iter().map(|generation| generation.0).collect())
        })?;
        tracing::warn!(
            generation = done.generation.0,
            from = done.from.0,
            to = done.to.0,
            "an operator has rolled the policies back"
        );
        let body = json!({
            "generation": done.generation.0,
            "from": done.from.0,
            "to": done.to.0,
            "until": done.stands.then_some(UNTIL),
        });
        Ok((StatusCode::OK, body))
    }
}

/// How long a rollback stands.
const UNTIL: &str = "the files describe other policies than those rolled back from, or a restart";

/// How long a promotion holds that the files do not know of.
const PROMOTED_UNTIL: &str = "the files describe the policy or its candidate anew, or a restart; write the candidate as `module`";

/// A rollback that stands.
pub(super) fn standing(rollback: &Rollback) -> Value {
    json!({
        "at": format!("{:.3}", rollback.at),
        "from": rollback.from.0,
        "to": rollback.to.0,
        "until": UNTIL,
    })
}

/// Policies that can be returned to.
fn returnable(kept: &Kept) -> Value {
    let chain = &kept.rules.chain;
    json!({
        "generation": chain.generation().0,
        "rolled_back": kept.rolled_back,
        "policies": chain.policies().iter().map(|policy| brief(policy)).collect::<Vec<_>>(),
    })
}

fn brief(policy: &Policy) -> Value {
    json!({
        "name": policy.name().as_str(),
        "version": &*policy.manifest().version,
        "digest": policy.digest().to_string(),
    })
}

/// A policy in force, and how it does.
fn watched(policy: &Policy, promotions: &[Promotion]) -> Value {
    let mut body = describe(policy);
    body["error_budget"] = policy.budget().as_ref().map_or(Value::Null, spent);
    let promotion = promotions.iter().find(|each| each.policy == policy.name().as_str());
    body["promoted"] = promotion.map_or(Value::Null, |promotion| {
        json!({
            "at": format!("{:.3}", promotion.at),
            "from": promotion.from.module.to_string(),
            "until": PROMOTED_UNTIL,
        })
    });
    body["candidate"] = policy.trial().as_ref().map_or(Value::Null, on_trial);
    body
}

fn spent(report: &BudgetReport) -> Value {
    json!({
        "failures": report.budget.failures,
        "window_s": report.budget.window.as_secs(),
        "spent": report.failures,
        "tripped_for_s": report.tripped_for.map(|left| left.as_secs_f64()),
        "trips": report.trips,
    })
}

fn on_trial(trial: &TrialReport) -> Value {
    let counts = DifferenceKind::ALL.into_iter().zip(trial.differed);
    let differed: Map<_, _> =
        counts.map(|(kind, count)| (kind.as_str().to_owned(), count.into())).collect();
    json!({
        "version": &*trial.version,
        "digest": trial.digest.to_string(),
        "standing": trial.standing.as_str(),
        "failure": match trial.standing {
            TrialStanding::Dropped(failure) => Some(failure),
            TrialStanding::OnTrial | TrialStanding::RolledBack => None,
        },
        "compared": trial.compared,
        "alike": trial.alike,
        "promote_after": trial.rules.promote_after,
        "differed": differed,
    })
}

fn difference(difference: &Difference) -> Value {
    let word = |word: &Word| json!({"verdict": word.verdict, "codes": word.codes});
    json!({
        "at": instant(difference.at),
        "message": difference.message.0,
        "app": &*difference.app,
        "kinds": difference.kinds.iter().map(|kind| kind.as_str()).collect::<Vec<_>>(),
        "in_force": word(&difference.in_force),
        "candidate": word(&difference.candidate),
    })
}
