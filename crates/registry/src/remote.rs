//! The registry's protocol. What comes is counted as it comes: manifests, modules, signatures and errors are read to
//! their bounds and no further.
//!
//! `oci-client` logs in and pushes. It reads the answers to these whole, bounded by time alone: tokens, and what a
//! registry says to a push. So a registry's token service, which is trusted with the password, can take memory.

use std::sync::Once;
use std::time::Duration;

use bytes::Bytes;
use http::Method;
use http::header::ACCEPT;
use oci_client::client::{ClientConfig, ClientProtocol};
use oci_client::errors::OciDistributionError;
use oci_client::manifest::{OCI_IMAGE_MEDIA_TYPE, OciDescriptor, OciImageManifest};
use oci_client::secrets::RegistryAuth;
use oci_client::{Client, Reference, RegistryOperation};
use reqwest::RequestBuilder;

use crate::registry::Options;
use crate::{Digest, RegistryError};

/// Most bytes of a manifest, which is what registries take, too.
pub(crate) const MANIFEST_BYTES: usize = 4 << 20;
/// What registries are asked for; some still keep the second for the first.
const MANIFEST_TYPES: &str = "application/vnd.oci.image.manifest.v1+json, application/vnd.docker.distribution.manifest.v2+json";
/// Most bytes of what a registry says instead of giving what it is asked for.
const ERROR_BYTES: usize = 16 << 10;
const USER_AGENT: &str = concat!("sendgate/", env!("CARGO_PKG_VERSION"));
const CONNECT: Duration = Duration::from_secs(5);

/// One client for all registries.
#[derive(Clone)]
pub(crate) struct Remote {
    client: Client,
    /// Pulls.
    http: reqwest::Client,
    plain_http: Vec<String>,
}

impl Remote {
    pub(crate) fn new(options: &Options) -> Result<Self, OciDistributionError> {
        static PROVIDER: Once = Once::new();
        // The client builds its TLS with whatever the process has; another may have been put there before.
        PROVIDER.call_once(|| drop(rustls::crypto::ring::default_provider().install_default()));
        let connect = CONNECT.min(options.timeout);
        let config = ClientConfig {
            protocol: ClientProtocol::HttpsExcept(options.plain_http.clone()),
            connect_timeout: Some(connect),
            read_timeout: Some(options.timeout),
            // A policy is one module for all platforms; an index of several says nothing here.
            platform_resolver: None,
            user_agent: USER_AGENT,
            ..ClientConfig::default()
        };
        let http = reqwest::Client::builder().user_agent(USER_AGENT).connect_timeout(connect);
        Ok(Self {
            client: Client::try_from(config)?,
            http: http.read_timeout(options.timeout).build()?,
            plain_http: options.plain_http.clone(),
        })
    }

    /// What `auth` is good for at the registry of `reference`: a token to pull with, where it wants one.
    pub(crate) async fn enter(
        &self,
        reference: &Reference,
        auth: RegistryAuth,
    ) -> Result<RegistryAuth, RegistryError> {
        let token = self.client.auth(reference, &auth, RegistryOperation::Pull).await;
        let token = token.map_err(|err| RegistryError::of(reference.registry(), err))?;
        Ok(token.map_or(auth, RegistryAuth::Bearer))
    }

    /// The digest of what `reference` leads to at present.
    pub(crate) async fn digest(
        &self,
        reference: &Reference,
        auth: &RegistryAuth,
    ) -> Result<Digest, RegistryError> {
        let host = reference.registry();
        let asked = self.ask(Method::HEAD, reference, auth, &manifest_of(reference)).send().await;
        let answer = asked.map_err(|err| RegistryError::of(host, err.into()))?;
        let digest = answer.headers().get("docker-content-digest");
        let Some(digest) = digest.filter(|_| answer.status().is_success()) else {
            // It says no digest, or why there is none, with what it gives alone.
            return self.manifest(reference, auth).await.map(|manifest| Digest::of(&manifest));
        };
        digest.to_str().ok().and_then(Digest::parse).ok_or_else(|| RegistryError::Refused {
            host: host.into(),
            why: "it gives a digest that is no sha256".into(),
        })
    }

    /// The manifest that `reference` leads to; no more than [`MANIFEST_BYTES`] of it are read.
    pub(crate) async fn manifest(
        &self,
        reference: &Reference,
        auth: &RegistryAuth,
    ) -> Result<Vec<u8>, RegistryError> {
        let got = self.get(reference, auth, &manifest_of(reference), MANIFEST_BYTES).await;
        let manifest = got.map_err(|err| match err {
            RegistryError::TooLarge { most } => {
                RegistryError::NotAModule(format!("its manifest is larger than {most} bytes"))
            }
            err => err,
        })?;
        let found = Digest::of(&manifest);
        match reference.digest().and_then(Digest::parse) {
            Some(wanted) if wanted != found => {
                Err(RegistryError::Tampered(format!("{found}, not {wanted}")))
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
        // By its digest and not by what the manifest says of it, which may name other places to look at.
        let bytes = self.get(reference, auth, &format!("blobs/{digest}"), most).await?;
        match Digest::of(&bytes) == digest {
            true => Ok(bytes),
            false => Err(RegistryError::Tampered(format!("not {digest}"))),
        }
    }

    async fn get(
        &self,
        reference: &Reference,
        auth: &RegistryAuth,
        path: &str,
        most: usize,
    ) -> Result<Vec<u8>, RegistryError> {
        let host = reference.registry();
        let away = |err: reqwest::Error| RegistryError::of(host, err.into());
        let mut answer = self.ask(Method::GET, reference, auth, path).send().await.map_err(away)?;
        let (status, mut bytes) = (answer.status(), Vec::new());
        let given = status == http::StatusCode::OK;
        let most = if given { most } else { ERROR_BYTES };
        while let Some(more) = answer.chunk().await.map_err(away)? {
            if bytes.len() + more.len() > most {
                if given {
                    return Err(RegistryError::TooLarge { most });
                }
                break;
            }
            bytes.extend_from_slice(&more);
        }
        match given {
            true => Ok(bytes),
            false => Err(RegistryError::answered(host, status.as_u16(), &bytes)),
        }
    }

    fn ask(
        &self,
        method: Method,
        reference: &Reference,
        auth: &RegistryAuth,
        path: &str,
    ) -> RequestBuilder {
        let (host, name) = (reference.resolve_registry(), reference.repository());
        let plain = self.plain_http.iter().any(|plain| plain == host);
        let scheme = if plain { "http" } else { "https" };
        let request = self.http.request(method, format!("{scheme}://{host}/v2/{name}/{path}"));
        let request = request.header(ACCEPT, format!("{MANIFEST_TYPES}, */*;q=0.1"));
        match auth {
            RegistryAuth::Anonymous => request,
            RegistryAuth::Basic(user, password) => request.basic_auth(user, Some(password)),
            RegistryAuth::Bearer(token) => request.bearer_auth(token),
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
        self.client.store_auth_if_needed(reference.resolve_registry(), auth).await;
        for (descriptor, content) in blobs {
            if !self.client.blob_exists(reference, &descriptor.digest).await.map_err(refused)? {
                self.client
                    .push_blob(reference, content, &descriptor.digest)
                    .await
                    .map_err(refused)?;
            }
        }
        // Its own bytes, so that their digest is known here and not only told by the registry.
        let bytes = serde_json::to_vec(manifest).map_err(|err| refused(err.into()))?;
        let digest = Digest::of(&bytes);
        let kind = http::HeaderValue::from_static(OCI_IMAGE_MEDIA_TYPE);
        self.client.push_manifest_raw(reference, bytes, kind).await.map_err(refused)?;
        Ok(digest)
    }
}

/// Where the manifest of `reference` is, in its repository.
fn manifest_of(reference: &Reference) -> String {
    let version = reference.digest().or(reference.tag()).unwrap_or_default();
    format!("manifests/{version}")
}

#[cfg(test)]
mod tests;
