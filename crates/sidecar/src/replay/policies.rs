//! The policies that decide again.

mod alike;

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use policy_host::{
    Grant, Grants, Mode, Module, PolicyChain, PolicyName, PolicyRuntime, PolicySource,
    RuntimeOptions, VisitLimits,
};

use self::alike::{are_of_one_shape, is_like};
use super::Failure;
use super::judge::Judge;
use super::tape::ReplayLedger;
use crate::cli::By;
use crate::config::{Config, Environment, read_bounded};
use crate::decisions::form::{FORM, Generation, Policy};
use crate::decisions::{Redactor, written};
use crate::modules::Modules;
use crate::{check, policies};

/// How long one decision may take here: a busy machine must not make a difference.
pub(super) const TIME: Duration = Duration::from_secs(1);
/// Most sets of settings that one module is configured with in one run.
const MOST_SETS: usize = 256;

/// What decides, for each generation that a log tells of.
pub(super) struct Policies {
    runtime: PolicyRuntime,
    by: Source,
    /// What decides for each set of settings and limits.
    sets: Vec<(Policy, Decider)>,
    /// By the generation's number, with the last line that told it.
    now: HashMap<u64, (Generation, Decider)>,
    /// Why the module cannot stand for the policy where a log first told one that it does not fit.
    unfit: Option<Failure>,
    /// Names of policies in the logs.
    seen: Vec<String>,
    /// What whoever reads the report should know.
    pub(super) remarks: Vec<String>,
}

/// What decides the records of one generation.
#[derive(Clone)]
pub(super) enum Decider {
    By(Arc<Judge>),
    /// The generation has not the policy.
    NoPolicy,
    /// The module does not take what the log has of the policy there.
    Unfit,
}

enum Source {
    Candidate { path: PathBuf, bytes: Arc<[u8]>, needs: Grants, name: String, digest: String },
    Config { path: PathBuf, config: Box<Config>, made: Option<Made> },
}

/// What is asked to decide, read as far as it can be without an engine.
pub(super) enum Asked {
    Candidate(PathBuf),
    Config(PathBuf, Box<Config>),
}

/// A configuration's chain, its policies as a log would tell them, and whether it hides words as the log does.
type Made = (Arc<PolicyChain>, Vec<Policy>, bool);

impl Asked {
    /// Reads the configuration, where it is one. Not within a runtime: faults are looked for in one of their own.
    pub(super) fn read(by: &By, environment: &Environment) -> Result<Self, Failure> {
        if let Some(path) = &by.candidate {
            if path.starts_with("oci:") {
                return Err(Failure::InRegistry(path.display().to_string()));
            }
            return Ok(Self::Candidate(path.clone()));
        }
        let path = by.config.clone().unwrap_or_else(|| "sidecar.toml".into());
        let config = Config::load(&path, environment).map_err(check::refused)?;
        Ok(Self::Config(path, Box::new(config)))
    }
}

impl Policies {
    /// Takes the configuration, or reads the module, to stand for `policy`.
    pub(super) async fn open(asked: Asked, policy: Option<&str>) -> Result<Self, Failure> {
        let mut options = RuntimeOptions::new(Arc::new(ReplayLedger));
        let (runtime, by) = match asked {
            Asked::Candidate(path) => {
                let runtime = PolicyRuntime::new(options)?;
                let by = candidate(&runtime, &path, policy).await?;
                (runtime, by)
            }
            Asked::Config(path, config) => {
                options.compile_cache = config.fixed.compile_cache.clone();
                (PolicyRuntime::new(options)?, Source::Config { path, config, made: None })
            }
        };
        let (sets, now, seen, remarks) = (Vec::new(), HashMap::new(), Vec::new(), Vec::new());
        Ok(Self { runtime, by, sets, now, unfit: None, seen, remarks })
    }

    /// Forgets which generations a log has told: its numbers begin anew in another file.
    pub(super) fn begin_file(&mut self) {
        self.now.clear();
    }

    /// Takes in the line at `place` that tells the policies of a generation.
    pub(super) async fn told(&mut self, told: Generation, place: &str) -> Result<(), Failure> {
        // A collector is told of it every so often.
        if self.now.get(&told.generation).is_some_and(|(known, _)| *known == told) {
            return Ok(());
        }
        if told.form != FORM {
            let (place, form, known) = (place.to_owned(), told.form, FORM);
            return Err(Failure::Form { place, form, known });
        }
        if told.sendgate != env!("CARGO_PKG_VERSION") {
            self.remark(format!(
                "{place}: sendgate {} wrote it; what it knew of numbers and time zones may differ",
                told.sendgate
            ));
        }
        for policy in &told.policies {
            if !self.seen.contains(&policy.name) {
                self.seen.push(policy.name.clone());
            }
        }
        let decider = match &self.by {
            Source::Config { .. } => Decider::By(self.of_config(&told).await?),
            Source::Candidate { name, .. } => {
                match told.policies.iter().find(|policy| policy.name == *name).cloned() {
                    Some(policy) => self.of_candidate(policy, place).await?,
                    None => Decider::NoPolicy,
                }
            }
        };
        self.now.insert(told.generation, (told, decider));
        Ok(())
    }

    /// What decides the records of each generation that the file has told so far.
    pub(super) fn by_generation(&self) -> HashMap<u64, Decider> {
        self.now.iter().map(|(number, (_, decider))| (*number, decider.clone())).collect()
    }

    /// Says so where the logs have no policy that the candidate could be for, or none that it fits.
    pub(super) fn found(&mut self) -> Result<(), Failure> {
        let fits = |(_, decider): &(Policy, Decider)| matches!(decider, Decider::By(_));
        if let Some(unfit) = self.unfit.take_if(|_| !self.sets.iter().any(fits)) {
            return Err(unfit);
        }
        match &self.by {
            Source::Candidate { name, .. }
                if !self.seen.is_empty() && !self.seen.contains(name) =>
            {
                Err(Failure::NoPolicy(name.clone(), self.seen.join(", ")))
            }
            _ => Ok(()),
        }
    }

    fn remark(&mut self, remark: String) {
        if self.remarks.len() < 8 && !self.remarks.contains(&remark) {
            self.remarks.push(remark);
        }
    }

    async fn of_candidate(&mut self, policy: Policy, place: &str) -> Result<Decider, Failure> {
        let Source::Candidate { path, bytes, needs, digest, .. } = &self.by else {
            unreachable!("asked for one")
        };
        let as_recorded = policy.digest == *digest;
        let is_known = |(known, _): &&(Policy, _)| {
            is_like(known, &policy) && (known.digest == *digest) == as_recorded
        };
        if let Some((_, decider)) = self.sets.iter().find(is_known) {
            return Ok(decider.clone());
        }
        if self.sets.len() >= MOST_SETS {
            return Err(Failure::TooMany(place.to_owned(), MOST_SETS));
        }
        let mut source =
            PolicySource::new(PolicyName::new(policy.name.as_str()), Arc::clone(bytes));
        source.settings = policy.settings.clone();
        let granted = policy.grants.iter().filter_map(|word| Grant::from_word(word));
        let granted: Grants = granted.collect();
        source.grants = granted.iter().chain(needs.iter()).collect();
        let new = needs.iter().filter(|grant| !granted.contains(*grant)).map(Grant::as_str);
        let new: Vec<&str> = new.collect();
        let remark = (!new.is_empty()).then(|| {
            format!(
                "{} imports what policy `{}` is not granted, and has it here: {}",
                path.display(),
                policy.name,
                new.join(", ")
            )
        });
        let memory = usize::try_from(policy.memory_bytes).unwrap_or(usize::MAX);
        let default = VisitLimits::default();
        source.limits = VisitLimits {
            time: TIME,
            // What a log says is held to what the engine has.
            memory: memory.clamp(1 << 20, 512 << 20),
            host_calls: policy.host_calls.clamp(1, 10_000),
            ..default
        };
        let built = self.runtime.build(None, std::slice::from_ref(&source)).await;
        let chain = match built {
            Ok(chain) => chain,
            Err(errors) => {
                let why = errors.iter().map(|err| policies::chain(&err.fault));
                let why = why.collect::<Vec<_>>().join("; ");
                let (place, file, name) = (place.to_owned(), path.clone(), policy.name.clone());
                let unfit = Failure::Unfit { place, file, policy: name, why };
                self.remark(unfit.to_string());
                self.unfit.get_or_insert(unfit);
                self.sets.push((policy, Decider::Unfit));
                return Ok(Decider::Unfit);
            }
        };
        let (name, grants) = (policy.name.clone(), source.grants);
        let asked_again = policy.mode == Mode::Enforce.as_str() && !grants.contains(Grant::State);
        let judge = Arc::new(Judge::Policy { name, chain, asked_again, as_recorded });
        let decider = Decider::By(judge);
        self.sets.push((policy, decider.clone()));
        remark.into_iter().for_each(|remark| self.remark(remark));
        Ok(decider)
    }

    /// The same chain for every generation; numbers and secrets in settings as the log has them, where it has the key.
    async fn of_config(&mut self, told: &Generation) -> Result<Arc<Judge>, Failure> {
        let Source::Config { path, config, made } = &self.by else { unreachable!("asked for one") };
        if let Some(made) = made {
            return Ok(Arc::new(of_generation(made, told)));
        }
        let modules = Modules::read(&config.reloadable).await;
        let mut entries = config.reloadable.policies.clone();
        if entries.iter().any(|entry| entry.candidate.is_some()) {
            // It decides nothing here, but a file is at fault with one that does not fit.
            let built = policies::build(&self.runtime, None, &entries, &modules).await;
            built.map_err(|lines| crate::Failure::of_policies(lines, &modules))?;
        }
        let whole = |word: &str| word == written::FULL;
        let secret = config.fixed.store.options().secret();
        let redactor = secret
            .map(|secret| Redactor::new(&secret, whole(&told.text), whole(&told.numbers)))
            .filter(|redactor| redactor.key() == told.key);
        let hides_alike = told.key.is_none() || redactor.is_some();
        let remark = (!hides_alike).then(|| {
            format!(
                "{}: has not the key of the log's hashes ([store] hash_key, or the one beside its database): policies \
                 whose settings name numbers, or have a salt, may decide otherwise",
                path.display()
            )
        });
        let mut redactor = redactor;
        for entry in &mut entries {
            (entry.candidate, entry.budget) = (None, None);
            entry.limits.time = entry.limits.time.max(TIME);
            if let Some(redactor) = &mut redactor {
                entry.map_settings(|settings| redactor.settings(settings));
            }
        }
        let built = policies::build(&self.runtime, None, &entries, &modules).await;
        let chain = built.map_err(|lines| crate::Failure::of_policies(lines, &modules))?;
        let pairs = chain.policies().iter().zip(&entries);
        let policies = pairs.map(|(policy, entry)| Policy {
            settings: entry.settings().clone(),
            ..written::described(policy)
        });
        let policies = policies.collect();
        let new = (Arc::new(chain), policies, hides_alike);
        let judge = Arc::new(of_generation(&new, told));
        if let Source::Config { made, .. } = &mut self.by {
            *made = Some(new);
        }
        remark.into_iter().for_each(|remark| self.remark(remark));
        Ok(judge)
    }
}

/// The chain, and which of its policies are as the generation had them, for all that can be told.
fn of_generation((chain, policies, hides_alike): &Made, told: &Generation) -> Judge {
    let is_told = |policy: &&Policy| {
        let what = |policy: &Policy| {
            (policy.digest.clone(), policy.on_failure.clone(), policy.apps.clone())
        };
        told.policies.iter().any(|told| {
            let mut told = Policy { memory_bytes: 0, host_calls: 0, ..told.clone() };
            if !hides_alike && are_of_one_shape(&told.settings, &policy.settings) {
                told.settings = policy.settings.clone();
            }
            is_like(&told, policy) && what(&told) == what(policy)
        })
    };
    let as_recorded = policies.iter().filter(is_told).map(|policy| policy.name.clone()).collect();
    Judge::Chain { chain: Arc::clone(chain), as_recorded }
}

async fn candidate(
    runtime: &PolicyRuntime,
    path: &Path,
    policy: Option<&str>,
) -> Result<Source, Failure> {
    let bytes = read_bounded(path, policy_host::MODULE_BYTES as u64)
        .map_err(|err| Failure::Unread(path.into(), err))?;
    let bytes: Arc<[u8]> = bytes.into();
    let limits = VisitLimits::default();
    let module: Result<Module, _> =
        runtime.module(PolicyName::new("candidate"), Arc::clone(&bytes), limits).await;
    let module = module.map_err(|fault| Failure::Module(path.into(), fault))?;
    let name = policy.map_or_else(|| module.manifest().name.clone(), str::to_owned);
    let (needs, digest) = (module.needs(), module.digest().to_string());
    Ok(Source::Candidate { path: path.into(), bytes, needs, name, digest })
}
