//! The registry's protocol, with every answer bounded and checked.

use std::pin::Pin;
use std::sync::Once;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use oci_client::client::{ClientConfig, ClientProtocol};
use oci_client::errors::OciDistributionError;
use oci_client::manifest::{OCI_IMAGE_MEDIA_TYPE, OciDescriptor, OciImageManifest};
use oci_client::secrets::RegistryAuth;
use oci_client::{Client, Reference};
use tokio::io::AsyncWrite;

use crate::registry::Options;
use crate::{Digest, RegistryError};

/// Most bytes of a manifest, which is what registries take, too.
pub(crate) const MANIFEST_BYTES: usize = 4 << 20;
/// What registries are asked for; some still keep the second for the first.
const MANIFEST_TYPES: [&str; 2] =
    [OCI_IMAGE_MEDIA_TYPE, "application/vnd.docker.distribution.manifest.v2+json"];
const CONNECT: Duration = Duration::from_secs(5);

/// One client for all registries.
#[derive(Clone)]
pub(crate) struct Remote(Client);

/// Takes bytes up to a bound.
struct Bounded {
    bytes: Vec<u8>,
    most: usize,
}

impl Remote {
    pub(crate) fn new(options: &Options) -> Result<Self, OciDistributionError> {
        static PROVIDER: Once = Once::new();
        // The client builds its TLS with whatever the process has; another may have been put there before.
        PROVIDER.call_once(|| drop(rustls::crypto::ring::default_provider().install_default()));
        let config = ClientConfig {
            protocol: ClientProtocol::HttpsExcept(options.plain_http.clone()),
            connect_timeout: Some(CONNECT.min(options.timeout)),
            read_timeout: Some(options.timeout),
            // A policy is one module for all platforms; an index of several says nothing here.
            platform_resolver: None,
            user_agent: concat!("sendgate/", env!("CARGO_PKG_VERSION")),
            ..ClientConfig::default()
        };
        Client::try_from(config).map(Self)
    }

    /// The digest of what `reference` leads to at present.
    pub(crate) async fn digest(
        &self,
        reference: &Reference,
        auth: &RegistryAuth,
    ) -> Result<Digest, RegistryError> {
        let digest = self.0.fetch_manifest_digest(reference, auth).await;
        let digest = digest.map_err(|err| RegistryError::of(reference.registry(), err))?;
        Digest::parse(&digest).ok_or_else(|| RegistryError::Refused {
            host: reference.registry().into(),
            why: "it gives a digest that is no sha256".into(),
        })
    }

    /// The manifest that `reference` leads to.
    pub(crate) async fn manifest(
        &self,
        reference: &Reference,
        auth: &RegistryAuth,
    ) -> Result<Bytes, RegistryError> {
        let pulled = self.0.pull_manifest_raw(reference, auth, &MANIFEST_TYPES).await;
        let (manifest, _) = pulled.map_err(|err| RegistryError::of(reference.registry(), err))?;
        let found = Digest::of(&manifest);
        match reference.digest().and_then(Digest::parse) {
            Some(wanted) if wanted != found => {
                Err(RegistryError::Tampered(format!("{found}, not {wanted}")))
            }
            _ if manifest.len() > MANIFEST_BYTES => {
                Err(RegistryError::TooLarge { most: MANIFEST_BYTES })
            }
            _ => Ok(manifest),
        }
    }

    /// What has this digest in the repository of `reference`; no more than `most` bytes of it are read.
    pub(crate) async fn blob(
        &self,
        reference: &Reference,
        auth: &RegistryAuth,
        digest: Digest,
        most: usize,
    ) -> Result<Vec<u8>, RegistryError> {
        self.0.store_auth_if_needed(reference.resolve_registry(), auth).await;
        let mut taken = Bounded { bytes: Vec::new(), most };
        // By its digest and not by what the manifest says of it, which may name other places to look at.
        let pulled = self.0.pull_blob(reference, digest.to_string().as_str(), &mut taken).await;
        match pulled {
            Ok(()) if Digest::of(&taken.bytes) == digest => Ok(taken.bytes),
            Ok(()) => Err(RegistryError::Tampered(format!("not {digest}"))),
            Err(OciDistributionError::IoError(_)) => Err(RegistryError::TooLarge { most }),
            Err(err) => Err(RegistryError::of(reference.registry(), err)),
        }
    }

    /// Writes `manifest` to the tag of `reference`, after everything that it lists.
    pub(crate) async fn push(
        &self,
        reference: &Reference,
        auth: &RegistryAuth,
        manifest: &OciImageManifest,
        blobs: [(&OciDescriptor, Bytes); 2],
    ) -> Result<Digest, RegistryError> {
        let refused = |err| RegistryError::of(reference.registry(), err);
        self.0.store_auth_if_needed(reference.resolve_registry(), auth).await;
        for (descriptor, content) in blobs {
            if !self.0.blob_exists(reference, &descriptor.digest).await.map_err(refused)? {
                self.0.push_blob(reference, content, &descriptor.digest).await.map_err(refused)?;
            }
        }
        // Its own bytes, so that their digest is known here and not only told by the registry.
        let bytes = serde_json::to_vec(manifest).map_err(|err| refused(err.into()))?;
        let digest = Digest::of(&bytes);
        let kind = http::HeaderValue::from_static(OCI_IMAGE_MEDIA_TYPE);
        self.0.push_manifest_raw(reference, bytes, kind).await.map_err(refused)?;
        Ok(digest)
    }
}

impl AsyncWrite for Bounded {
    fn poll_write(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
        more: &[u8],
    ) -> Poll<std::io::Result<usize>> {
        if self.bytes.len() + more.len() > self.most {
            return Poll::Ready(Err(std::io::ErrorKind::FileTooLarge.into()));
        }
        self.bytes.extend_from_slice(more);
        Poll::Ready(Ok(more.len()))
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<std::io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<std::io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}
