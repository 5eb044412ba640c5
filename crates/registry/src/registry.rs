//! From a reference to a module: of the cache where it is there, of the registry where it is not.

mod push;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use oci_client::secrets::RegistryAuth;
use tokio::time::timeout;

use crate::artifact;
use crate::cache::{Cache, Used};
use crate::remote::{MANIFEST_BYTES, Remote};
use crate::signature::{self, PAYLOAD_BYTES, PublicKey, Said};
use crate::{Digest, Reference, RegistryError};

/// Most time for one look at a tag: a start waits for it although it may have what the tag was last.
const LOOK_UP: Duration = Duration::from_secs(10);

/// Whom to ask for modules, and how far to trust them.
#[derive(Clone, PartialEq, Eq)]
pub struct Options {
    /// Hosts, with their ports, that are asked without TLS.
    pub plain_http: Vec<String>,
    /// User and password by host.
    pub credentials: BTreeMap<String, (String, String)>,
    /// Longest that one module may take; a look at a tag, no longer than 10 s.
    pub timeout: Duration,
    /// Most bytes of a module.
    pub most_bytes: usize,
    /// Where there are any, a module must be signed by one of them.
    pub keys: Vec<PublicKey>,
    /// Where pulled modules are kept; nowhere where absent.
    pub cache: Option<Cache>,
}

/// Pulls modules, and pushes them.
#[derive(Clone)]
pub struct Registry {
    options: Arc<Options>,
    remote: Remote,
}

/// A module that is what its digest says, and is signed where it must be.
#[derive(Clone, Debug)]
pub struct Fetched {
    /// The module.
    pub module: Arc<[u8]>,
    /// The manifest's digest, by which it is pinned.
    pub digest: Digest,
    /// The files of the cache that hold it.
    pub files: BTreeSet<String>,
    /// Those that hold what its tag is remembered to lead to, where that is something else by now: a start without the
    /// registry needs them until [`Registry::remember`].
    pub remembered: BTreeSet<String>,
    /// Why it is what the tag led to earlier: the registry did not say what it leads to now.
    pub outdated: Option<Arc<RegistryError>>,
}

/// Everything of one module, as it was pulled.
struct Pulled {
    blobs: Vec<Vec<u8>>,
    module: Vec<u8>,
    /// The digest of the signatures' manifest.
    signatures: Option<Digest>,
}

impl Registry {
    /// A client; nobody is asked yet.
    ///
    /// # Errors
    ///
    /// The client cannot be made, as where this machine trusts nobody.
    pub fn new(options: Options) -> Result<Self, RegistryError> {
        let remote = Remote::new(&options).map_err(|err| RegistryError::of("the client", err))?;
        Ok(Self { options: Arc::new(options), remote })
    }

    /// The module that `reference` leads to. What is pinned and in the cache is asked of nobody. Where the registry does
    /// not say what a tag leads to, it is what was remembered.
    ///
    /// # Errors
    ///
    /// It is not to be had, or not to be trusted.
    pub async fn fetch(&self, reference: &Reference) -> Result<Fetched, RegistryError> {
        let (digest, outdated, remembered) = match reference.digest() {
            Some(digest) => (digest, None, Used::new()),
            None => {
                let name = reference.inner.to_string();
                let last = self.kept(move |cache, used| cache.reference(&name, used)).await;
                match (self.look_up(reference).await, last) {
                    (Ok(digest), Some((last, file))) if last != digest => {
                        (digest, None, self.made_of(reference, last, file).await)
                    }
                    (Ok(digest), last) => {
                        (digest, None, last.map(|(_, file)| file).unwrap_or_default())
                    }
                    (Err(err), Some((last, file))) => (last, Some(Arc::new(err)), file),
                    (Err(err), None) => return Err(err),
                }
            }
        };
        let (module, files) = match self.of_cache(reference, digest).await {
            Some(found) => found,
            None => {
                let pulled = self
                    .in_time(reference, self.options.timeout, self.pull(reference, digest))
                    .await?;
                let files = self.keep(reference, &pulled).await;
                (pulled.module.into(), files)
            }
        };
        Ok(Fetched { module, digest, files, remembered, outdated })
    }

    /// Has the tag of `reference` lead to `digest` while the registry is away. What a tag leads to may be of no use, so
    /// this is for what was found to be, and not before. The files of the cache that say so.
    pub async fn remember(&self, reference: &Reference, digest: Digest) -> BTreeSet<String> {
        let name = reference.inner.to_string();
        let kept = self.kept(move |cache, used| Some(cache.refer(&name, digest, used))).await;
        told(kept, reference)
    }

    /// The digest that the tag of `reference` leads to at present.
    ///
    /// # Errors
    ///
    /// The registry does not say.
    pub async fn look_up(&self, reference: &Reference) -> Result<Digest, RegistryError> {
        let looked = async {
            let auth = self.enter(reference).await?;
            self.remote.digest(&reference.inner, &auth).await
        };
        self.in_time(reference, LOOK_UP.min(self.options.timeout), looked).await
    }

    /// Takes out of the cache what is above its bound, but for the files `in_use`.
    pub async fn prune(&self, in_use: BTreeSet<String>) {
        let pruned = self.kept(move |cache, _| Some(cache.prune(&in_use))).await;
        if let Some((Err(err), _)) = pruned {
            tracing::warn!(error = %err, "the cache of modules could not be kept to its bound");
        }
    }

    async fn pull(&self, reference: &Reference, digest: Digest) -> Result<Pulled, RegistryError> {
        let (place, auth) = (reference.by_digest(digest), self.enter(reference).await?);
        let manifest = self.remote.manifest(&place, &auth).await?;
        let layer = artifact::module(&manifest, self.options.most_bytes)?;
        let mut blobs = vec![manifest];
        // Before the module, which is large and may be anybody's.
        let signatures = match self.options.keys.is_empty() {
            true => None,
            false => Some(self.vouched(reference, digest, &auth, &mut blobs).await?),
        };
        let module = self.remote.blob(&place, &auth, layer, self.options.most_bytes).await?;
        Ok(Pulled { blobs, module, signatures })
    }

    /// Adds a signature by one of the keys to `blobs`, and the manifest that lists it, whose digest it returns.
    async fn vouched(
        &self,
        reference: &Reference,
        digest: Digest,
        auth: &RegistryAuth,
        blobs: &mut Vec<Vec<u8>>,
    ) -> Result<Digest, RegistryError> {
        let place = reference.by_tag(signature::tag(digest));
        let manifest = match self.remote.manifest(&place, auth).await {
            Err(RegistryError::Missing(_)) => return Err(RegistryError::Unsigned(digest)),
            manifest => manifest?,
        };
        let mut fault = RegistryError::OtherKey(digest);
        for each in signature::listed(&manifest) {
            let payload = self.remote.blob(&place, auth, each.payload, PAYLOAD_BYTES).await?;
            match each.says(&payload, reference, digest, &self.options.keys) {
                Some(Said::Vouches) => {
                    let found = Digest::of(&manifest);
                    blobs.extend([manifest, payload]);
                    return Ok(found);
                }
                Some(Said::OtherName(signed)) => {
                    let asked = reference.inner.repository().to_owned();
                    fault = RegistryError::OtherName { signed, asked };
                }
                None => {}
            }
        }
        Err(fault)
    }

    /// The module of the cache, where it and its signature are there and hold, and the files that say so.
    async fn of_cache(&self, reference: &Reference, digest: Digest) -> Option<(Arc<[u8]>, Used)> {
        let options = Arc::clone(&self.options);
        let signatures = reference.by_tag(signature::tag(digest)).to_string();
        let reference = reference.clone();
        let found = self.kept(move |cache, used| {
            let manifest = cache.blob(digest, MANIFEST_BYTES, used)?;
            let layer = artifact::module(&manifest, options.most_bytes).ok()?;
            if !options.keys.is_empty() {
                let manifest = cache.reference(&signatures, used)?;
                let manifest = cache.blob(manifest, MANIFEST_BYTES, used)?;
                signature::listed(&manifest).into_iter().find(|each| {
                    let payload = cache.blob(each.payload, PAYLOAD_BYTES, used);
                    let says =
                        |payload: Vec<u8>| each.says(&payload, &reference, digest, &options.keys);
                    payload.and_then(says) == Some(Said::Vouches)
                })?;
            }
            cache.blob(layer, options.most_bytes, used).map(Arc::from)
        });
        found.await
    }

    /// Keeps what was pulled; the names of its files, none where nothing is kept.
    async fn keep(&self, reference: &Reference, pulled: &Pulled) -> Used {
        let mut blobs = pulled.blobs.clone();
        blobs.push(pulled.module.clone());
        let digest = Digest::of(&blobs[0]);
        let signed = pulled
            .signatures
            .map(|found| (reference.by_tag(signature::tag(digest)).to_string(), found));
        let kept = self.kept(move |cache, used| {
            let mut kept = blobs.iter().try_for_each(|blob| cache.keep(blob, used));
            if let Some((name, digest)) = signed {
                kept = kept.and_then(|()| cache.refer(&name, digest, used));
            }
            Some(kept)
        });
        told(kept.await, reference)
    }

    /// The file that names `digest`, and those of the cache that hold what has it.
    async fn made_of(&self, reference: &Reference, digest: Digest, mut file: Used) -> Used {
        if let Some((_, files)) = self.of_cache(reference, digest).await {
            file.extend(files);
        }
        file
    }

    /// Works with the cache, where there is one, on a thread that may wait for the disk.
    async fn kept<T: Send + 'static>(
        &self,
        what: impl FnOnce(&Cache, &mut Used) -> Option<T> + Send + 'static,
    ) -> Option<(T, Used)> {
        let cache = self.options.cache.clone()?;
        let work = move || {
            let mut used = Used::new();
            what(&cache, &mut used).map(|found| (found, used))
        };
        tokio::task::spawn_blocking(work).await.ok()?
    }

    async fn in_time<T>(
        &self,
        reference: &Reference,
        wait: Duration,
        what: impl Future<Output = Result<T, RegistryError>>,
    ) -> Result<T, RegistryError> {
        let late = |_| RegistryError::Away {
            host: reference.host().into(),
            why: format!("it was not done after {} s", wait.as_secs()),
        };
        timeout(wait, what).await.map_err(late)?
    }

    /// What to pull from the registry of `reference` with.
    async fn enter(&self, reference: &Reference) -> Result<RegistryAuth, RegistryError> {
        self.remote.enter(&reference.inner, self.auth(reference)).await
    }

    fn auth(&self, reference: &Reference) -> RegistryAuth {
        let known = self.options.credentials.get(reference.host());
        known.map_or(RegistryAuth::Anonymous, |(user, password)| {
            RegistryAuth::Basic(user.clone(), password.clone())
        })
    }
}

/// The files that were kept, and a warning where not all were.
fn told(kept: Option<(std::io::Result<()>, Used)>, what: impl std::fmt::Display) -> Used {
    match kept {
        Some((Ok(()), used)) => used,
        Some((Err(err), used)) => {
            tracing::warn!(
                module = %what, error = %err,
                "a module could not be kept; a start needs the registry; mend [registry] cache"
            );
            used
        }
        None => Used::new(),
    }
}
