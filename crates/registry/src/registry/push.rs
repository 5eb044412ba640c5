//! The other way: a module to a registry.

use bytes::Bytes;

use super::Registry;
use crate::artifact::{self, About};
use crate::signature::{self, SigningKey};
use crate::{Digest, Reference, RegistryError};

impl Registry {
    /// Pushes a module to the tag of `reference`, signed where there is a key; the digest that it is pinned by.
    ///
    /// # Errors
    ///
    /// `reference` has no tag or a digest, or the registry does not take it.
    pub async fn push(
        &self,
        reference: &Reference,
        module: Vec<u8>,
        about: &About,
        key: Option<&SigningKey>,
    ) -> Result<Digest, RegistryError> {
        if reference.tag().is_none() || reference.digest().is_some() {
            return Err(RegistryError::NoTag);
        }
        let pushed = async {
            let (config, manifest) = artifact::of(&module, about);
            let blobs =
                [(&manifest.config, config.into()), (&manifest.layers[0], Bytes::from(module))];
            let auth = self.auth(reference);
            let digest = self.remote.push(&reference.inner, &auth, &manifest, blobs).await?;
            if let Some(key) = key {
                self.sign(reference, digest, key).await?;
            }
            Ok(digest)
        };
        self.in_time(reference, self.options.timeout, pushed).await
    }

    /// A signature more of `digest`.
    async fn sign(
        &self,
        reference: &Reference,
        digest: Digest,
        key: &SigningKey,
    ) -> Result<(), RegistryError> {
        let (place, auth) = (reference.by_tag(signature::tag(digest)), self.auth(reference));
        let before = match self.remote.manifest(&place, &self.enter(reference).await?).await {
            Ok(before) => Some(before),
            Err(RegistryError::Missing(_)) => None,
            Err(err) => return Err(err),
        };
        let signed = key.sign(reference, digest).ok_or(RegistryError::Key("could not sign"))?;
        let (payload, bytes) = signed;
        let (config, manifest) = signature::appended(before.as_deref(), &payload, &bytes);
        let Some(layer) = manifest.layers.last() else { return Ok(()) };
        let blobs = [(&manifest.config, config.into()), (layer, payload.into())];
        self.remote.push(&place, &auth, &manifest, blobs).await.map(drop)
    }
}
