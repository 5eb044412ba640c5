//! The policies in force, those that can be returned to, and returning to them.

use http::StatusCode;
use policy_host::{Policy, PolicyChain};
use serde_json::{Value, json};

use super::asked::Asked;
use super::filter::wanted_generation;
use super::{Admin, Refusal, Told};
use crate::generations::{Kept, NotKept, Rollback};
use crate::policies::describe;

impl Admin {
    /// `GET /policies`
    pub(super) fn policies(&self) -> Value {
        let (rollback, kept) = self.generations.past_now();
        let in_force = self.in_force.load();
        let listed = in_force.chain.policies().iter().map(|policy| describe(policy));
        let refused = self.reloads.refused();
        json!({
            "generation": in_force.chain.generation().0,
            "policies": listed.collect::<Vec<_>>(),
            "reload": {
                "applied": self.reloads.applied(),
                "refused": refused.map(|refused| json!({
                    "at": refused.at.to_string(),
                    "times": refused.times,
                    "faults": refused.faults,
                })),
            },
            "rollback": rollback.as_ref().map(standing),
            "kept": kept.iter().rev().map(returnable).collect::<Vec<_>>(),
        })
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

/// A rollback that stands.
pub(super) fn standing(rollback: &Rollback) -> Value {
    json!({
        "at": rollback.at.to_string(),
        "from": rollback.from.0,
        "to": rollback.to.0,
        "until": UNTIL,
    })
}

/// Policies that can be returned to.
fn returnable(kept: &Kept) -> Value {
    let chain: &PolicyChain = &kept.rules.chain;
    let brief = |policy: &Policy| {
        json!({
            "name": policy.name().as_str(),
            "version": &*policy.manifest().version,
            "digest": policy.digest().to_string(),
        })
    };
    json!({
        "generation": chain.generation().0,
        "rolled_back": kept.rolled_back,
        "policies": chain.policies().iter().map(|policy| brief(policy)).collect::<Vec<_>>(),
    })
}
