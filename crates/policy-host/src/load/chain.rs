//! From sources to a chain: what did not change is taken over, the rest is loaded side by side.

use std::collections::HashSet;
use std::sync::Arc;

use tokio::task::JoinHandle;
use tracing::Instrument;

use super::Faults;
use crate::error::{LoadError, LoadFault};
use crate::revision::Revision;
use crate::runtime::PolicyRuntime;
use crate::trial::Trial;
use crate::{Generation, OnFailure, Policy, PolicyChain, PolicySource};

/// A revision that is being loaded.
type Loading = JoinHandle<Result<Arc<Revision>, Faults>>;

impl PolicyRuntime {
    /// Builds the chain of `wanted`, in their order, that is to take the place of `previous`. What did not change since is
    /// taken over with its warm instances; the rest is loaded side by side.
    ///
    /// # Errors
    ///
    /// Every policy that cannot be loaded, each with its first fault; with its settings' faults too, where it is its
    /// imports that are at fault.
    pub async fn build(
        &self,
        previous: Option<&PolicyChain>,
        wanted: &[PolicySource],
    ) -> Result<PolicyChain, Vec<LoadError>> {
        let policies = self.load_all(previous, wanted).await?;
        let generation = after(previous);
        let ledger = Arc::clone(&self.shared.ledger);
        Ok(PolicyChain { generation, policies, ledger })
    }

    /// What [`PolicyRuntime::build`] would find wrong; makes no chain.
    pub async fn faults(
        &self,
        previous: Option<&PolicyChain>,
        wanted: &[PolicySource],
    ) -> Vec<LoadError> {
        self.load_all(previous, wanted).await.err().unwrap_or_default()
    }

    async fn load_all(
        &self,
        previous: Option<&PolicyChain>,
        wanted: &[PolicySource],
    ) -> Result<Vec<Arc<Policy>>, Vec<LoadError>> {
        let known = previous.into_iter().flat_map(|chain| &chain.policies);
        let known: Arc<[_]> = known.flat_map(|policy| policy.revisions()).cloned().collect();
        let begin = |source: &PolicySource| {
            let revision =
                self.clone().revision(Arc::clone(&known), source.clone(), after(previous));
            tokio::spawn(revision.in_current_span())
        };
        let begin_both = |source: &PolicySource| {
            (begin(source), source.of_candidate().map(|candidate| begin(&candidate)))
        };
        let loading: Vec<_> = wanted.iter().map(begin_both).collect();
        let (mut policies, mut errors) = (Vec::with_capacity(wanted.len()), duplicates(wanted));
        for (source, (own, candidate)) in wanted.iter().zip(loading) {
            let own = loaded(own).await;
            let candidate = match candidate {
                Some(candidate) => loaded(candidate).await.map(Some),
                None => Ok(None),
            };
            match (own, candidate) {
                (Ok(revision), Ok(candidate)) => {
                    let last_good = last_good(previous, source, &revision);
                    let trial = candidate.and_then(|own| trial(previous, source, &revision, own));
                    policies.push(Arc::new(policy(source, revision, last_good, trial)));
                }
                (own, candidate) => {
                    let told = |Faults(faults), candidate| {
                        faults.into_iter().map(move |fault| error(source, candidate, fault))
                    };
                    errors.extend(own.err().into_iter().flat_map(|faults| told(faults, false)));
                    errors
                        .extend(candidate.err().into_iter().flat_map(|faults| told(faults, true)));
                }
            }
        }
        if errors.is_empty() { Ok(policies) } else { Err(errors) }
    }
}

/// The generation that follows, or the first.
fn after(previous: Option<&PolicyChain>) -> Generation {
    previous.map_or(Generation::FIRST, |last| last.generation.next())
}

pub(super) fn policy(
    source: &PolicySource,
    revision: Arc<Revision>,
    last_good: Option<Arc<Revision>>,
    trial: Option<Trial>,
) -> Policy {
    Policy {
        revision,
        on_failure: source.on_failure,
        mode: source.mode,
        apps: source.apps.clone(),
        last_good,
        budget: source.budget,
        trial,
    }
}

/// The trial of `candidate` beside `revision`, or that of the same two which goes on. None where they are the same.
fn trial(
    previous: Option<&PolicyChain>,
    source: &PolicySource,
    revision: &Arc<Revision>,
    candidate: Arc<Revision>,
) -> Option<Trial> {
    let rules = source.candidate.as_ref()?.rules.clone();
    if candidate.is_like(revision) {
        return None;
    }
    let own = |policy: &&Arc<Policy>| *policy.name() == source.name;
    let before = previous.and_then(|chain| chain.policies.iter().find(own));
    let before = before.and_then(|policy| policy.trial.as_ref());
    Some(Trial::new(Arc::clone(revision), candidate, rules, before))
}

async fn loaded(loading: Loading) -> Result<Arc<Revision>, Faults> {
    loading.await.unwrap_or_else(|error| Err(LoadFault::CutOff(error.into()).into()))
}

pub(super) fn error(source: &PolicySource, candidate: bool, fault: LoadFault) -> LoadError {
    LoadError { policy: source.name.clone(), candidate, fault }
}

/// The revision in force before `revision`; the one before that where the former could not decide either.
fn last_good(
    previous: Option<&PolicyChain>,
    source: &PolicySource,
    revision: &Arc<Revision>,
) -> Option<Arc<Revision>> {
    if source.on_failure != OnFailure::LastGood {
        return None;
    }
    let before = previous?.policies.iter().find(|policy| *policy.name() == source.name)?;
    let unchanged = Arc::ptr_eq(&before.revision, revision);
    let good = match unchanged || before.revision.is_failing() {
        true => before.last_good.as_ref()?,
        false => &before.revision,
    };
    (!Arc::ptr_eq(good, revision)).then(|| Arc::clone(good))
}

fn duplicates(wanted: &[PolicySource]) -> Vec<LoadError> {
    let mut seen = HashSet::new();
    let again = wanted.iter().filter(|source| !seen.insert(&source.name));
    again.map(|source| error(source, false, LoadFault::DuplicateName)).collect()
}
