//! From a source to a policy that can decide.

mod chain;

use std::borrow::Cow;
use std::mem;
use std::sync::Arc;

use tokio::sync::Semaphore;
use tokio::task::spawn_blocking;
use tracing::Instrument;
use wasmtime::Engine;
use wasmtime::component::{Component, InstancePre};

use crate::bindings::{GuestIndices, types};
use crate::component;
use crate::contract::check_contract;
use crate::error::{LoadError, LoadFault, Problem};
use crate::instance::{Instance, Prepared, Unready};
use crate::policy::Manifest;
use crate::revision::Revision;
use crate::runtime::PolicyRuntime;
use crate::settings::Known;
use crate::visit::Visit;
use crate::{
    Digest, Generation, Grant, Grants, Policy, PolicyFailure, PolicySource, imports, settings,
    spans,
};

/// Most bytes of a manifest's name and version; of a bucket, which is a phrase for people; of its summary; of its
/// schema; and most buckets.
const WORD_BYTES: usize = 64;
const BUCKET_BYTES: usize = 256;
const SUMMARY_BYTES: usize = 1_024;
const SCHEMA_BYTES: usize = 256 << 10;
const BUCKETS: usize = 64;

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
        match self.clone().revision(Arc::default(), source.clone(), Generation(0)).await {
            Ok(revision) => Ok(chain::policy(source, revision, None, None)),
            Err(faults) => Err(chain::error(source, false, faults.into_first())),
        }
    }

    /// The one of `known` that `source` would be loaded as, or a new one.
    async fn revision(
        self,
        known: Arc<[Arc<Revision>]>,
        source: PolicySource,
        generation: Generation,
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
        self.load_revision(&source, digest, generation).instrument(span).await.map(Arc::new)
    }

    /// The steps, in the order in which they can fail. Imports that it cannot have keep nobody from hearing what is
    /// wrong with its settings, unless it needs them to say what it takes.
    async fn load_revision(
        &self,
        source: &PolicySource,
        digest: Digest,
        generation: Generation,
    ) -> Result<Revision, Faults> {
        let most = self.shared.memory;
        if source.limits.memory > most {
            return Err(LoadFault::MemoryLimit { limit: source.limits.memory, most }.into());
        }
        let known = Known { apps: source.known_apps.clone(), grants: source.grants };
        let (mut prepared, mut withheld) = self.prepare(source, digest).await?;
        if !withheld.is_empty() {
            if let Ok(manifest) = describe(&prepared).await {
                let trying = try_settings(&mut prepared, &source.settings, &manifest, &known);
                let of_settings = trying.await.err();
                // That it fails without its imports is no news.
                let is_trial = |fault: &LoadFault| matches!(fault, LoadFault::Trial { .. });
                withheld.extend(of_settings.filter(|fault| !is_trial(fault)));
            }
            return Err(Faults(withheld));
        }
        let manifest = describe(&prepared).await?;
        let first = try_settings(&mut prepared, &source.settings, &manifest, &known).await?;
        Ok(Revision::new(prepared, manifest, source.isolation, generation, Some(first)))
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
fn look_at_settings(
    settings: &serde_json::Value,
    manifest: &Manifest,
    known: &Known,
) -> Result<(), LoadFault> {
    let found = settings::problems(&manifest.settings_schema, &given(settings), known)?;
    let problems: Vec<Problem> = found.into_iter().map(|each| each.problem).collect();
    if problems.is_empty() { Ok(()) } else { Err(LoadFault::Settings(problems)) }
}

/// Holds the settings against the policy's schema, then tries them on its first instance. Of settings that do not fit the
/// schema it tries what is sound, and what they might have been, so that everything that is wrong is told at once.
pub(crate) async fn try_settings(
    prepared: &mut Prepared,
    settings: &serde_json::Value,
    manifest: &Manifest,
    known: &Known,
) -> Result<Instance, LoadFault> {
    let schema = &manifest.settings_schema;
    let found = settings::problems(schema, &given(settings), known)?;
    if found.is_empty() {
        return configured(prepared).await;
    }
    let settings = settings::as_meant(given(settings).into_owned(), &found);
    let mut problems: Vec<Problem> = found.into_iter().map(|each| each.problem).collect();
    // A grant that is missing says nothing of the values.
    let granted = Known { grants: Grant::ALL.into_iter().collect(), ..known.clone() };
    let look = |settings: &serde_json::Value| settings::problems(schema, settings, &granted);
    let unfit = look(&settings)?;
    // Of a value that only needs a grant, or is written as a float, the policy may say something besides.
    let places: Vec<String> = unfit.iter().map(|each| each.problem.pointer.clone()).collect();
    let mut heard = Vec::new();
    for sound in settings::attempts(&settings, unfit, look)? {
        if let Some(problems) = refused(prepared, &sound.settings).await {
            heard.push(sound.heard(problems));
        }
    }
    for problem in settings::certain(&heard) {
        if !places.contains(&problem.pointer) {
            problems.push(problem);
        }
    }
    Err(LoadFault::Settings(problems))
}

/// What the policy itself has against `settings`; none where it could not look at them.
async fn refused(prepared: &mut Prepared, settings: &serde_json::Value) -> Option<Vec<Problem>> {
    let whole = mem::replace(&mut prepared.settings, settings_text(settings).into());
    let configured = configured(prepared).await;
    prepared.settings = whole;
    match configured {
        // Where one thing is wrong with all of them it has read no more.
        Err(LoadFault::Settings(problems)) if matches!(&problems[..], [one] if one.pointer.is_empty()) => {
            None
        }
        Err(LoadFault::Settings(problems)) => Some(problems),
        Ok(_) => Some(Vec::new()),
        Err(_) => None,
    }
}

/// The settings as they are held against a schema: none are empty ones.
fn given(settings: &serde_json::Value) -> Cow<'_, serde_json::Value> {
    match settings {
        serde_json::Value::Null => Cow::Owned(serde_json::Value::Object(serde_json::Map::new())),
        given => Cow::Borrowed(given),
    }
}

/// The policy's first instance, under the same limits as any visit.
async fn configured(prepared: &Prepared) -> Result<Instance, LoadFault> {
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
    let asked_again = settings::asked_again(&manifest.settings_schema)?;
    Ok(Manifest {
        asked_again,
        name: manifest.name,
        version: manifest.version.into(),
        summary: manifest.summary,
        settings_schema: manifest.settings_schema,
        buckets: manifest.buckets,
    })
}

/// The settings as the guest gets them.
pub(crate) fn settings_text(settings: &serde_json::Value) -> String {
    match settings {
        serde_json::Value::Null => "{}".to_owned(),
        settings => settings.to_string(),
    }
}
