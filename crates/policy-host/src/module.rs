//! A module by itself, before any operator's settings: what it is, and how it answers in rehearsal.

use std::sync::Arc;

use message::Ledger;
use serde_json::Value;
use tokio::sync::{Notify, Semaphore};
use tokio::task::spawn_blocking;

use crate::error::{LoadFault, MissingGrant};
use crate::instance::Prepared;
use crate::load::{Faults, describe, settings_text, try_settings};
use crate::revision::Revision;
use crate::runtime::{PolicyRuntime, Shared};
use crate::settings::Known;
use crate::{
    Digest, Generation, Grant, Grants, Heard, Isolation, Manifest, Mode, OnFailure, Policy,
    PolicyChain, PolicyName, PolicySource, VisitLimits,
};

/// A module that speaks the contract: compiled and described, not configured.
#[derive(Debug)]
pub struct Module {
    /// What every rehearsal begins with; visited only to be described.
    revision: Arc<Revision>,
}

impl PolicyRuntime {
    /// Compiles `module` and asks what it is. What it imports is granted.
    ///
    /// # Errors
    ///
    /// The first step that fails: the module, its contract, its manifest.
    pub async fn module(
        &self,
        name: PolicyName,
        module: Arc<[u8]>,
        limits: VisitLimits,
    ) -> Result<Module, LoadFault> {
        let bytes = Arc::clone(&module);
        let digesting = spawn_blocking(move || Digest::of(&bytes));
        let digest = digesting.await.map_err(|error| LoadFault::CutOff(error.into()))?;
        let grants = Grant::ALL.into_iter().collect();
        let source = PolicySource { grants, limits, ..PolicySource::new(name, module) };
        let prepared = self.prepare(&source, digest).await;
        let (prepared, withheld) = prepared.map_err(Faults::into_first)?;
        if let Some(fault) = withheld.into_iter().next() {
            return Err(fault);
        }
        let manifest = describe(&prepared).await?;
        let revision = Revision::new(prepared, manifest, Isolation::Warm, Generation(0), None);
        Ok(Module { revision: Arc::new(revision) })
    }
}

impl Policy {
    /// Its module, under this policy's limits.
    pub fn module(&self) -> Module {
        Module { revision: Arc::clone(&self.revision) }
    }

    /// The module of its candidate, where it has one.
    pub fn candidate(&self) -> Option<Module> {
        let trial = self.trial.as_ref()?;
        Some(Module { revision: Arc::clone(&trial.candidate) })
    }
}

impl Module {
    /// What it says of itself.
    pub fn manifest(&self) -> &Manifest {
        &self.revision.manifest
    }

    /// What its bytes are known by.
    pub fn digest(&self) -> Digest {
        self.revision.prepared.digest
    }

    /// The interface of the contract that makes it a policy, such as `sendgate:policy/guest@0.1.0`.
    pub fn contract(&self) -> &str {
        &self.revision.prepared.shape.guest
    }

    /// The interfaces of the contract that it imports.
    pub fn imports(&self) -> &[String] {
        &self.revision.prepared.shape.imports
    }

    /// The grants that its imports need.
    pub fn needs(&self) -> Grants {
        self.revision.prepared.shape.needs
    }

    /// The optional interfaces that it exports: what it is told besides being asked.
    pub fn hooks(&self) -> Vec<&'static str> {
        let hooks = &self.revision.prepared.shape.hooks;
        let all = [
            ("outcomes", &hooks.on_outcome),
            ("reports", &hooks.on_delivery_report),
            ("receipts", &hooks.on_receipt),
            ("inbound", &hooks.on_inbound),
        ];
        all.into_iter().filter(|(_, hook)| hook.is_some()).map(|(name, _)| name).collect()
    }

    /// The cases that it brings along, as text of its author's.
    pub fn cases(&self) -> Option<&[u8]> {
        self.revision.prepared.shape.cases.as_deref()
    }

    /// What one decision of it may cost.
    pub fn limits(&self) -> VisitLimits {
        self.revision.prepared.limits
    }

    /// A chain of this module alone, which remembers in `ledger` and fails closed. Compiles nothing, and shares the
    /// runtime's bounds; what it counts and keeps is nobody else's. What it writes goes to `heard`, and numbers in its
    /// remarks are not masked.
    ///
    /// # Errors
    ///
    /// A grant without which it cannot be, or every problem of its settings.
    pub async fn rehearse(
        &self,
        settings: &Value,
        grants: Grants,
        ledger: Arc<dyn Ledger>,
        heard: Arc<Heard>,
    ) -> Result<PolicyChain, LoadFault> {
        let own = &self.revision.prepared;
        let missing = own.shape.needs.iter().filter(|grant| !grants.contains(*grant));
        let missing = missing.map(|grant| MissingGrant { import: import(own, grant), grant });
        let missing: Vec<_> = missing.collect();
        if !missing.is_empty() {
            return Err(LoadFault::MissingGrants(missing));
        }
        let mut prepared = own.beside(settings, grants, Arc::clone(&ledger), heard);
        let known = Known { apps: None, grants };
        let first = try_settings(&mut prepared, settings, self.manifest(), &known).await?;
        let revision = Revision::new(
            prepared,
            self.manifest().clone(),
            Isolation::Warm,
            Generation(0),
            Some(first),
        );
        let policy = Policy {
            revision: Arc::new(revision),
            on_failure: OnFailure::Reject,
            mode: Mode::Enforce,
            apps: None,
            last_good: None,
            budget: None,
            trial: None,
        };
        Ok(PolicyChain { generation: Generation(0), policies: vec![Arc::new(policy)], ledger })
    }
}

/// The import that needs `grant`.
fn import(prepared: &Prepared, grant: Grant) -> String {
    let ending = format!("/{}@", grant.as_str());
    prepared.shape.imports.iter().find(|name| name.contains(&ending)).cloned().unwrap_or_default()
}

impl Prepared {
    /// The same module under other settings and grants, with one warm instance at most.
    fn beside(
        &self,
        settings: &Value,
        grants: Grants,
        ledger: Arc<dyn Ledger>,
        heard: Arc<Heard>,
    ) -> Self {
        let shared = Shared {
            engine: self.shared.engine.clone(),
            ledger,
            counters: Arc::default(),
            tick: self.shared.tick,
            state_wait: self.shared.state_wait,
            record: self.shared.record,
            heard: Some(heard),
            verbatim: true,
            memory: self.shared.memory,
            visits: Arc::clone(&self.shared.visits),
            idle: Arc::clone(&self.shared.idle),
            idle_most: self.shared.idle_most,
            idle_per_policy: 1,
            visits_per_policy: 1,
            passed: Notify::new(),
        };
        Self {
            name: self.name.clone(),
            digest: self.digest,
            settings: settings_text(settings).into(),
            grants,
            limits: self.limits,
            shape: Arc::clone(&self.shape),
            visits: Semaphore::new(1),
            shared: Arc::new(shared),
            pre: self.pre.clone(),
            indices: self.indices.clone(),
        }
    }
}
