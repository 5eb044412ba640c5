//! What registries gave for one generation, and what has to be asked of them again.

use std::collections::{BTreeSet, HashSet};
use std::sync::Arc;
use std::time::Duration;

use registry::{Digest, Fetched, Reference, Registry, RegistryError};
use tokio::task::JoinSet;

use crate::config::{self, ModuleSource, PolicyEntry, Reloadable};
use crate::policies::chain;

type Read = (ModuleSource, Result<Arc<[u8]>, String>);

/// What is known of modules in registries.
#[derive(Default)]
pub(crate) struct Pulled {
    registry: Option<Registry>,
    tags: Vec<Tag>,
    refresh: Duration,
    /// The files of the cache that hold the modules.
    files: BTreeSet<String>,
    failed: bool,
}

/// A reference without a digest.
struct Tag {
    reference: Reference,
    /// What it led to.
    digest: Digest,
    /// Why it may lead elsewhere by now.
    outdated: Option<String>,
    /// The files of the cache that hold what a start without the registry would take.
    remembered: BTreeSet<String>,
}

impl Pulled {
    /// Asks for every module that is in a registry, all at once; each by itself may fail.
    pub(super) async fn pull(settings: &Reloadable) -> (Self, Vec<Read>) {
        Self::ask(&settings.policies, &settings.registry).await
    }

    /// The same, of a configuration of which no more is known.
    pub(super) async fn ask(entries: &[PolicyEntry], how: &config::Registry) -> (Self, Vec<Read>) {
        let references: HashSet<Reference> =
            super::sources(entries).filter_map(reference).collect();
        if references.is_empty() {
            return (Self::default(), Vec::new());
        }
        let registry = match Registry::new(how.options()) {
            Ok(registry) => registry,
            Err(err) => {
                let why = format!("nobody can be asked: {}", chain(&err));
                let none = |reference| (ModuleSource::Registry(reference), Err(why.clone()));
                return (
                    Self { failed: true, ..Self::default() },
                    references.into_iter().map(none).collect(),
                );
            }
        };
        let mut asking = JoinSet::new();
        for reference in references {
            let registry = registry.clone();
            asking.spawn(async move { (registry.fetch(&reference).await, reference) });
        }
        let (mut pulled, mut read) = (Self { refresh: how.refresh, ..Self::default() }, Vec::new());
        for (fetched, reference) in asking.join_all().await {
            let bytes = pulled.take(&reference, fetched);
            read.push((ModuleSource::Registry(reference), bytes));
        }
        (Self { registry: Some(registry), ..pulled }, read)
    }

    /// Whether a module was not to be had, and may be later: it is asked for again.
    pub(crate) fn failed(&self) -> bool {
        self.failed
    }

    /// How often tags are to be looked up again, where there are any.
    pub(crate) fn refresh(&self) -> Option<Duration> {
        (!self.tags.is_empty()).then_some(self.refresh)
    }

    /// Whether some tag leads elsewhere by now. A registry that does not say has moved nothing.
    pub(crate) async fn moved(&self) -> bool {
        let Some(registry) = &self.registry else { return false };
        let mut asking = JoinSet::new();
        for Tag { reference, digest, .. } in &self.tags {
            let (registry, reference, digest) = (registry.clone(), reference.clone(), *digest);
            asking.spawn(async move {
                match registry.look_up(&reference).await {
                    Ok(found) => found != digest,
                    Err(err) => {
                        tracing::warn!(module = %reference, error = %chain(&err), "a tag could not be looked up");
                        false
                    }
                }
            });
        }
        asking.join_all().await.contains(&true)
    }

    /// What each tag without a digest leads to, as it would be written to pin it; and why that is only what it led to last.
    pub(crate) fn tags(&self) -> Vec<(String, Option<String>)> {
        let tag = |tag: &Tag| (tag.reference.at(tag.digest).to_string(), tag.outdated.clone());
        self.tags.iter().map(tag).collect()
    }

    /// Has a start without the registry take what the tags lead to, now that it came into force, or would.
    pub(crate) async fn remember(&mut self) {
        let Some(registry) = &self.registry else { return };
        for tag in self.tags.iter_mut().filter(|tag| tag.outdated.is_none()) {
            let remembered = registry.remember(&tag.reference, tag.digest).await;
            // Where it could not be written, what was remembered before is needed as before.
            if !remembered.is_empty() {
                tag.remembered = remembered;
            }
        }
    }

    /// Keeps the cache to its bound, without what this generation or the one `in_force` is made of, or what a start
    /// without the registry would take.
    pub(crate) async fn prune(&self, in_force: &Self) {
        if let Some(registry) = &self.registry {
            registry.prune(self.in_use().chain(in_force.in_use()).cloned().collect()).await;
        }
    }

    fn in_use(&self) -> impl Iterator<Item = &String> {
        self.files.iter().chain(self.tags.iter().flat_map(|tag| &tag.remembered))
    }

    fn take(
        &mut self,
        reference: &Reference,
        fetched: Result<Fetched, RegistryError>,
    ) -> Result<Arc<[u8]>, String> {
        let fetched = fetched.map_err(|err| {
            self.failed = true;
            format!("{reference}: {}", chain(&err))
        })?;
        let outdated = fetched.outdated.as_deref().map(|why| chain(why));
        if let Some(error) = &outdated {
            tracing::warn!(
                module = %reference, digest = %fetched.digest, error,
                "a tag could not be looked up; what it led to last is taken"
            );
        }
        if reference.digest().is_none() {
            let (reference, digest, remembered) =
                (reference.clone(), fetched.digest, fetched.remembered);
            self.tags.push(Tag { reference, digest, outdated, remembered });
        }
        self.files.extend(fetched.files);
        Ok(fetched.module)
    }
}

fn reference(source: &ModuleSource) -> Option<Reference> {
    match source {
        ModuleSource::Registry(reference) => Some(reference.clone()),
        ModuleSource::File(_) => None,
    }
}
