//! From a source to a policy that can decide, and from sources to a chain.

use std::collections::HashSet;
use std::sync::Arc;

use tokio::sync::Semaphore;
use tokio::task::{JoinHandle, spawn_blocking};
use tracing::Instrument;
use wasmtime::Engine;
use wasmtime::component::{Component, InstancePre};

use crate::bindings::{GuestIndices, types};
use crate::component::{self, check_contract};
use crate::error::{LoadError, LoadFault, Problem};
use crate::instance::{Instance, Prepared, Unready};
use crate::policy::Manifest;
use crate::revision::Revision;
use crate::runtime::PolicyRuntime;
use crate::settings::Known;
use crate::trial::Trial;
use crate::visit::Visit;
use crate::{
    Digest, Grants, OnFailure, Policy, PolicyChain, PolicyFailure, PolicySource, imports, settings,
    spans,
};

/// Most bytes of a manifest's name and version; of a bucket, which is a phrase for people; of its summary; of its
/// schema; and most buckets.
const WORD_BYTES: usize = 64;
const BUCKET_BYTES: usize = 256;
const SUMMARY_BYTES: usize = 1_024;
const SCHEMA_BYTES: usize = 256 << 10;
const BUCKETS: usize = 64;

/// A revision that is being loaded.
type Loading = JoinHandle<Result<Arc<Revision>, Faults>>;

/// Everything that is wrong with one source; at least one.
pub(crate) struct Faults(Vec<LoadFault>);

impl Faults {
    pub(crate) fn into_first(mut self) -> LoadFault {
        self.0.swap_remove(0)
    }
}

impl From<LoadFault> for Faults {
    fn from(fault: LoadFault) -> Self {
        Self(vec![fault])
    }
}

impl PolicyRuntime {
    /// Compiles, links and tries a policy. What this returns can decide.
    ///
    /// # Errors
    ///
    /// The first step that fails: the module, its contract, its grants, its manifest, its settings (every problem).
    pub async fn load(&self, source: &PolicySource) -> Result<Policy, LoadError> {
        match self.clone().revision(Arc::default(), source.clone()).await {
            Ok(revision) => Ok(policy(source, revision, None, None)),
            Err(faults) => Err(error(source, false, faults.into_first())),
        }
    }

    /// Builds the next chain of `wanted`, in their order. What did not change since `previous` is taken over with its
    /// warm instances; the rest is loaded side by side.
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
        let (generation, ledger) = (self.next_generation(), Arc::clone(&self.shared.ledger));
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
            let revision = self.clone().revision(Arc::clone(&known), source.clone());
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

    /// The one of `known` that `source` would be loaded as, or a new one.
    async fn revision(
        self,
        known: Arc<[Arc<Revision>]>,
        source: PolicySource,
    ) -> Result<Arc<Revision>, Faults> {
        let module = Arc::clone(&source.module);
        let digesting = spawn_blocking(move || Digest::of(&module));
        let digest = digesting.await.map_err(|error| LoadFault::CutOff(error.into()))?;
        let settings = settings_text(&source.settings);
        if let Some(same) = known.iter().find(|known| known.is_what(&source, digest, &settings)) {
            // An app that they name may be gone since.
            let known = Known { apps: source.known_apps.clone(), grants: source.grants };
            look_at_settings(&source.settings, &same.manifest, &known)?;
            return Ok(Arc::clone(same));
        }
        let span = spans::load(&source.name, digest);
        self.load_revision(&source, digest).instrument(span).await.map(Arc::new)
    }

    /// The steps, in the order in which they can fail. Imports that it cannot have keep nobody from hearing what is
    /// wrong with its settings, unless it needs them to say what it takes.
    async fn load_revision(
        &self,
        source: &PolicySource,
        digest: Digest,
    ) -> Result<Revision, Faults> {
        let most = self.shared.memory;
        if source.limits.memory > most {
            return Err(LoadFault::MemoryLimit { limit: source.limits.memory, most }.into());
        }
        let known = Known { apps: source.known_apps.clone(), grants: source.grants };
        let (prepared, mut withheld) = self.prepare(source, digest).await?;
        if !withheld.is_empty() {
            if let Ok(manifest) = describe(&prepared).await {
                let of_settings = match look_at_settings(&source.settings, &manifest, &known) {
                    Ok(()) => try_settings(&prepared).await.err(),
                    Err(fault) => Some(fault),
                };
                // That it fails without its imports is no news.
                let is_trial = |fault: &LoadFault| matches!(fault, LoadFault::Trial { .. });
                withheld.extend(of_settings.filter(|fault| !is_trial(fault)));
            }
            return Err(Faults(withheld));
        }
        let manifest = describe(&prepared).await?;
        look_at_settings(&source.settings, &manifest, &known)?;
        let first = try_settings(&prepared).await?;
        Ok(Revision::new(prepared, manifest, source.isolation, Some(first)))
    }

    /// What can be described, and the imports that it cannot have: it can be configured only where there are none.
    pub(crate) async fn prepare(
        &self,
        source: &PolicySource,
        digest: Digest,
    ) -> Result<(Prepared, Vec<LoadFault>), Faults> {
        let (shared, module, grants) =
            (Arc::clone(&self.shared), Arc::clone(&source.module), source.grants);
        let compiling = spawn_blocking(move || {
            let component = component::compile(&shared.engine, &module)?;
            let (mut shape, withheld) = check_contract(&shared.engine, &component, grants)?;
            shape.cases = component::own_cases(&module)?;
            let linked = link(&shared.engine, &component, grants, !withheld.is_empty());
            match linked {
                Ok((pre, indices)) => Ok((shape, withheld, pre, indices)),
                Err(error) if withheld.is_empty() => Err(LoadFault::Link(error.into()).into()),
                Err(_) => Err(Faults(withheld)),
            }
        });
        let (shape, withheld, pre, indices) =
            compiling.await.map_err(|error| LoadFault::CutOff(error.into()))??;
        let prepared = Prepared {
            name: source.name.clone(),
            digest,
            settings: settings_text(&source.settings).into(),
            grants,
            limits: source.limits,
            shape: Arc::new(shape),
            visits: Semaphore::new(self.shared.visits_per_policy),
            shared: Arc::clone(&self.shared),
            pre,
            indices,
        };
        Ok((prepared, withheld))
    }
}

/// Links `component` with what `grants` allow. Where it asks for more, `trapping`, the rest traps when it is called.
fn link(
    engine: &Engine,
    component: &Component,
    grants: Grants,
    trapping: bool,
) -> wasmtime::Result<(InstancePre<Visit>, GuestIndices)> {
    let mut linker = imports::linker(engine, component, grants)?;
    if trapping {
        linker.define_unknown_imports_as_traps(component)?;
    }
    let pre = linker.instantiate_pre(component)?;
    let indices = GuestIndices::new(&pre)?;
    Ok((pre, indices))
}

pub(crate) async fn describe(prepared: &Prepared) -> Result<Manifest, LoadFault> {
    let failed = |failure: PolicyFailure| LoadFault::Trial { step: "describe", failure };
    let _permit = prepared.permit().await.map_err(failed)?;
    let mut instance = prepared.instance().await.map_err(failed)?;
    read_manifest(instance.describe().await.map_err(failed)?)
}

/// Holds the settings against the policy's schema.
pub(crate) fn look_at_settings(
    settings: &serde_json::Value,
    manifest: &Manifest,
    known: &Known,
) -> Result<(), LoadFault> {
    let settings = match settings {
        serde_json::Value::Null => &serde_json::Value::Object(serde_json::Map::new()),
        given => given,
    };
    let problems = settings::problems(&manifest.settings_schema, settings, known)?;
    if problems.is_empty() { Ok(()) } else { Err(LoadFault::Settings(problems)) }
}

/// Tries the settings on the policy's first instance, under the same limits as any visit.
pub(crate) async fn try_settings(prepared: &Prepared) -> Result<Instance, LoadFault> {
    let failed = |failure: PolicyFailure| LoadFault::Trial { step: "configure", failure };
    let _permit = prepared.permit().await.map_err(failed)?;
    match prepared.configured().await {
        Ok(instance) => Ok(instance),
        Err(Unready::Failed(failure)) => Err(failed(failure)),
        Err(Unready::Unfit(problems)) => Err(LoadFault::Settings(match problems.is_empty() {
            false => problems,
            true => vec![Problem {
                pointer: String::new(),
                detail: "refused by the policy without a reason".to_owned(),
            }],
        })),
    }
}

fn read_manifest(manifest: types::Manifest) -> Result<Manifest, LoadFault> {
    let bucket = manifest.buckets.iter().map(String::len).max().unwrap_or(0);
    let bounds = [
        ("the name", manifest.name.len(), WORD_BYTES),
        ("the version", manifest.version.len(), WORD_BYTES),
        ("a bucket", bucket, BUCKET_BYTES),
        ("the summary", manifest.summary.len(), SUMMARY_BYTES),
        ("the settings schema", manifest.settings_schema.len(), SCHEMA_BYTES),
    ];
    for (what, bytes, most) in bounds {
        if bytes > most {
            let said = format!("{what} has {bytes} bytes; at most {most} are taken");
            return Err(LoadFault::Manifest(said));
        }
    }
    if manifest.buckets.len() > BUCKETS {
        let said = format!("it names {} buckets; at most {BUCKETS}", manifest.buckets.len());
        return Err(LoadFault::Manifest(said));
    }
    Ok(Manifest {
        name: manifest.name,
        version: manifest.version.into(),
        summary: manifest.summary,
        settings_schema: manifest.settings_schema,
        buckets: manifest.buckets,
    })
}

fn policy(
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

fn error(source: &PolicySource, candidate: bool, fault: LoadFault) -> LoadError {
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

/// The settings as the guest gets them.
pub(crate) fn settings_text(settings: &serde_json::Value) -> String {
    match settings {
        serde_json::Value::Null => "{}".to_owned(),
        settings => settings.to_string(),
    }
}
