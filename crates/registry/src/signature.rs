//! Signatures in the form that cosign gives them: by a key, beside what is signed, in the same repository.
//!
//! What is signed is a small JSON text that names a manifest's digest. It is a layer of a manifest whose tag is made of
//! that digest, and the signature stands beside it. Signatures are appended, so that one module may have several.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use oci_client::manifest::{OCI_IMAGE_MEDIA_TYPE, OciImageManifest};
use ring::rand::SystemRandom;
use ring::signature::{
    ECDSA_P256_SHA256_ASN1, ECDSA_P256_SHA256_ASN1_SIGNING, EcdsaKeyPair, UnparsedPublicKey,
};
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{PrivatePkcs8KeyDer, SubjectPublicKeyInfoDer};
use serde::Deserialize;
use serde_json::json;

use crate::artifact::descriptor;
use crate::{Digest, Reference, RegistryError};

/// Most bytes of what is signed.
pub(crate) const PAYLOAD_BYTES: usize = 64 << 10;
/// Most signatures that are looked at.
pub(crate) const MOST_SIGNATURES: usize = 64;
const PAYLOAD_TYPE: &str = "application/vnd.dev.cosign.simplesigning.v1+json";
const CONFIG_TYPE: &str = "application/vnd.oci.image.config.v1+json";
const SIGNATURE: &str = "dev.cosignproject.cosign/signature";
const KIND: &str = "cosign container image signature";
const BEGIN: &[u8] = b"-----BEGIN";
const NO_KEY: &str = "is no PUBLIC KEY in PEM; take cosign.pub";
const OTHER_CURVE: &str =
    "is no key on the curve P-256, which is the one that signatures are checked with";
/// What stands before the point of a key on P-256 (RFC 5480).
const P256: &[u8] = &[
    0x30, 0x59, 0x30, 0x13, 0x06, 0x07, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x02, 0x01, 0x06, 0x08, 0x2a,
    0x86, 0x48, 0xce, 0x3d, 0x03, 0x01, 0x07, 0x03, 0x42, 0x00,
];

/// A public key that signatures are checked with: ECDSA on P-256.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PublicKey(Vec<u8>);

/// A private key to sign with: ECDSA on P-256.
pub struct SigningKey(EcdsaKeyPair);

/// One signature, and the digest of what it signs.
pub(crate) struct Signature {
    pub(crate) payload: Digest,
    bytes: Vec<u8>,
}

/// What is signed.
#[derive(Deserialize)]
struct Payload {
    critical: Critical,
}

#[derive(Deserialize)]
struct Critical {
    #[serde(default)]
    identity: Option<Identity>,
    image: Image,
    #[serde(rename = "type")]
    kind: String,
}

#[derive(Default, Deserialize)]
struct Identity {
    #[serde(default, rename = "docker-reference")]
    reference: Option<String>,
}

/// What a signature says of a module, where one of the keys made it for that module's bytes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Said {
    /// That it is what it is pulled as.
    Vouches,
    /// That it is this.
    OtherName(String),
}

#[derive(Deserialize)]
struct Image {
    #[serde(rename = "docker-manifest-digest")]
    digest: String,
}

impl PublicKey {
    /// Reads every `PUBLIC KEY` of a PEM file, as cosign and openssl write them: where keys are changed, the old and the
    /// new one stand in one file. What stands outside of blocks is for people.
    ///
    /// # Errors
    ///
    /// Each block that is none, or not on P-256; or that there is no block.
    pub fn parse(pem: &[u8]) -> Result<Vec<Self>, Vec<RegistryError>> {
        let blocks = blocks(pem);
        if blocks.is_empty() {
            return Err(vec![RegistryError::Key(NO_KEY)]);
        }
        let (mut keys, mut faults) = (Vec::new(), Vec::new());
        for (nth, block) in (1..).zip(&blocks) {
            match Self::of_block(block) {
                Ok(key) => keys.push(key),
                Err(what) if blocks.len() == 1 => faults.push(RegistryError::Key(what)),
                Err(what) => faults.push(RegistryError::Block { nth, what }),
            }
        }
        if faults.is_empty() { Ok(keys) } else { Err(faults) }
    }

    fn of_block(pem: &[u8]) -> Result<Self, &'static str> {
        let der = SubjectPublicKeyInfoDer::from_pem_slice(pem).map_err(|_| NO_KEY)?;
        let point =
            der.as_ref().strip_prefix(P256).filter(|point| point.len() == 65 && point[0] == 4);
        point.map(|point| Self(point.to_vec())).ok_or(OTHER_CURVE)
    }
}

/// The blocks of a PEM file, each with what follows it. A line in which one begins amiss begins one, too, so that it is
/// told and not passed over.
fn blocks(pem: &[u8]) -> Vec<Vec<u8>> {
    let mut blocks: Vec<Vec<u8>> = Vec::new();
    for line in pem.split(|byte| matches!(byte, b'\n' | b'\r')) {
        if line.windows(BEGIN.len()).any(|part| part == BEGIN) {
            blocks.push(Vec::new());
        }
        if let Some(block) = blocks.last_mut() {
            block.extend(line);
            block.push(b'\n');
        }
    }
    blocks
}

impl SigningKey {
    /// Reads a PEM file's `PRIVATE KEY` (PKCS #8, not encrypted).
    ///
    /// # Errors
    ///
    /// It is none, or not on P-256.
    pub fn parse(pem: &[u8]) -> Result<Self, RegistryError> {
        let der = PrivatePkcs8KeyDer::from_pem_slice(pem).map_err(|_| {
            RegistryError::Key(
                "is no PRIVATE KEY in PEM that is not encrypted; make one with `openssl genpkey -algorithm EC -pkeyopt \
                 ec_paramgen_curve:P-256`",
            )
        })?;
        EcdsaKeyPair::from_pkcs8(
            &ECDSA_P256_SHA256_ASN1_SIGNING,
            der.secret_pkcs8_der(),
            &SystemRandom::new(),
        )
        .map(Self)
        .map_err(|_| RegistryError::Key("is no private key on the curve P-256"))
    }

    /// What is signed to say that this key vouches for `digest`, and the signature.
    pub(crate) fn sign(&self, reference: &Reference, digest: Digest) -> Option<(Vec<u8>, Vec<u8>)> {
        let place = format!("{}/{}", reference.host(), reference.inner.repository());
        let payload = json!({
            "critical": {
                "identity": { "docker-reference": place },
                "image": { "docker-manifest-digest": digest.to_string() },
                "type": KIND,
            },
            "optional": null,
        });
        let payload = payload.to_string().into_bytes();
        let signature = self.0.sign(&SystemRandom::new(), &payload).ok()?;
        Some((payload, signature.as_ref().to_vec()))
    }
}

impl Signature {
    /// What it says of `digest` in the repository of `reference`; `None` where it is not by one of `keys`, not over
    /// `payload`, or says something of another digest.
    pub(crate) fn says(
        &self,
        payload: &[u8],
        reference: &Reference,
        digest: Digest,
        keys: &[PublicKey],
    ) -> Option<Said> {
        let by = |key: &PublicKey| {
            UnparsedPublicKey::new(&ECDSA_P256_SHA256_ASN1, &key.0)
                .verify(payload, &self.bytes)
                .is_ok()
        };
        if Digest::of(payload) != self.payload || !keys.iter().any(by) {
            return None;
        }
        let said = serde_json::from_slice::<Payload>(payload).ok()?.critical;
        if said.kind != KIND || Digest::parse(&said.image.digest) != Some(digest) {
            return None;
        }
        let name = said.identity.and_then(|identity| identity.reference).unwrap_or_default();
        Some(match name.is_empty() || repository(&name) == reference.inner.repository() {
            true => Said::Vouches,
            false => Said::OtherName(name),
        })
    }
}

/// The repository of what a signature names: without the registry, from which a module may be copied to another with
/// its signatures, and without a tag or digest, which some write there.
fn repository(name: &str) -> &str {
    let name = name.split_once('@').map_or(name, |(name, _)| name);
    let name = match name.split_once('/') {
        Some((host, rest)) if host == "localhost" || host.contains(['.', ':']) => rest,
        _ => name,
    };
    name.split_once(':').map_or(name, |(name, _)| name)
}

/// The tag of the signatures of what has this digest.
pub(crate) fn tag(digest: Digest) -> String {
    format!("sha256-{}.sig", digest.hex())
}

/// The signatures that a manifest of them lists; what is none is passed over.
pub(crate) fn listed(manifest: &[u8]) -> Vec<Signature> {
    let Ok(manifest) = serde_json::from_slice::<OciImageManifest>(manifest) else {
        return Vec::new();
    };
    let signature = |layer: &oci_client::manifest::OciDescriptor| {
        let written = layer.annotations.as_ref()?.get(SIGNATURE)?;
        Some(Signature {
            payload: Digest::parse(&layer.digest)?,
            bytes: STANDARD.decode(written).ok()?,
        })
    };
    manifest.layers.iter().filter_map(signature).take(MOST_SIGNATURES).collect()
}

/// `before`, or nothing, with one signature more: the config that belongs to it, and the manifest.
pub(crate) fn appended(
    before: Option<&[u8]>,
    payload: &[u8],
    signature: &[u8],
) -> (Vec<u8>, OciImageManifest) {
    let before = before.and_then(|before| serde_json::from_slice::<OciImageManifest>(before).ok());
    let mut layers = before.map(|before| before.layers).unwrap_or_default();
    let mut layer = descriptor(PAYLOAD_TYPE, payload);
    layer.annotations = Some([(SIGNATURE.to_owned(), STANDARD.encode(signature))].into());
    layers.push(layer);
    let digests: Vec<&str> = layers.iter().map(|layer| layer.digest.as_str()).collect();
    let config = json!({
        "architecture": "",
        "config": {},
        "created": "0001-01-01T00:00:00Z",
        "history": vec![json!({ "created": "0001-01-01T00:00:00Z" }); digests.len()],
        "os": "",
        "rootfs": { "type": "layers", "diff_ids": digests },
    });
    let config = config.to_string().into_bytes();
    let manifest = OciImageManifest {
        media_type: Some(OCI_IMAGE_MEDIA_TYPE.into()),
        config: descriptor(CONFIG_TYPE, &config),
        layers,
        ..OciImageManifest::default()
    };
    (config, manifest)
}

#[cfg(test)]
mod tests;
