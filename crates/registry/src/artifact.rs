//! What a module is in a registry: the form that CNCF's guidance gives a WebAssembly artifact, and its forerunners.

use std::collections::BTreeMap;

use oci_client::manifest::{OCI_IMAGE_MEDIA_TYPE, OciDescriptor, OciImageManifest};
use serde_json::{Value, json};

use crate::{Digest, RegistryError};

const CONFIG_TYPE: &str = "application/vnd.wasm.config.v0+json";
const MODULE_TYPE: &str = "application/wasm";
/// What else modules are pushed as: by `wasm-to-oci` and those after it, and by Kubewarden.
const TAKEN: [&str; 3] = [
    MODULE_TYPE,
    "application/vnd.wasm.content.layer.v1+wasm",
    "application/vnd.module.wasm.content.layer.v1+wasm",
];

/// What is said of a module that is pushed.
#[derive(Clone, Debug, Default)]
pub struct About {
    /// Its title in the registry.
    pub name: String,
    /// Its version.
    pub version: String,
    /// One sentence.
    pub summary: String,
    /// The interfaces that it imports.
    pub imports: Vec<String>,
    /// The interfaces that it exports.
    pub exports: Vec<String>,
}

/// The digest of the module that a manifest lists; its size is within `most`.
///
/// # Errors
///
/// It is no manifest of one module, or of a larger one.
pub(crate) fn module(manifest: &[u8], most: usize) -> Result<Digest, RegistryError> {
    let no_module = |why: &str| RegistryError::NotAModule(why.into());
    let read: OciImageManifest = serde_json::from_slice(manifest).map_err(|_| {
        no_module("the manifest is not an image manifest; an index of several is not taken")
    })?;
    let is_module = |layer: &&OciDescriptor| TAKEN.contains(&layer.media_type.as_str());
    let mut modules = read.layers.iter().filter(is_module);
    let (Some(layer), None) = (modules.next(), modules.next()) else {
        let types: Vec<&str> = read.layers.iter().map(|layer| layer.media_type.as_str()).collect();
        return Err(RegistryError::NotAModule(format!(
            "one layer of the type {MODULE_TYPE} is wanted, and it has {types:?}; push it with `sendgate policy push`"
        )));
    };
    if usize::try_from(layer.size).is_ok_and(|size| size > most) {
        return Err(RegistryError::TooLarge { most });
    }
    Digest::parse(&layer.digest).ok_or_else(|| no_module("its layer has no sha256 digest"))
}

/// The artifact's config and manifest. The same module makes the same bytes, so that pushing it again changes nothing.
pub(crate) fn of(module: &[u8], about: &About) -> (Vec<u8>, OciImageManifest) {
    let digest = Digest::of(module).to_string();
    // A component says so in the two bytes after its version.
    let is_component = module.get(6..8) == Some(&[1, 0]);
    let component = json!({ "exports": about.exports, "imports": about.imports, "target": null });
    let config = json!({
        "created": "1970-01-01T00:00:00Z",
        "author": null,
        "architecture": "wasm",
        "os": if is_component { "wasip2" } else { "wasip1" },
        "layerDigests": [digest],
        "component": if is_component { component } else { Value::Null },
    });
    let config = config.to_string().into_bytes();
    let annotations = [
        ("org.opencontainers.image.title", &about.name),
        ("org.opencontainers.image.version", &about.version),
        ("org.opencontainers.image.description", &about.summary),
    ];
    let annotations = annotations.map(|(key, value)| (key.to_owned(), value.clone()));
    let manifest = OciImageManifest {
        media_type: Some(OCI_IMAGE_MEDIA_TYPE.into()),
        config: descriptor(CONFIG_TYPE, &config),
        layers: vec![descriptor(MODULE_TYPE, module)],
        annotations: Some(BTreeMap::from(annotations)),
        ..OciImageManifest::default()
    };
    (config, manifest)
}

pub(crate) fn descriptor(media_type: &str, content: &[u8]) -> OciDescriptor {
    OciDescriptor {
        media_type: media_type.into(),
        digest: Digest::of(content).to_string(),
        size: i64::try_from(content.len()).unwrap_or(i64::MAX),
        ..OciDescriptor::default()
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::{About, MODULE_TYPE, TAKEN, module, of};
    use crate::{Digest, RegistryError};

    fn manifest(types: &[&str], size: u64) -> Vec<u8> {
        let layer = |kind: &&str| json!({ "mediaType": kind, "digest": Digest::of(b"m").to_string(), "size": size });
        let config =
            json!({ "mediaType": "a/b", "digest": Digest::of(b"").to_string(), "size": 0 });
        let layers: Vec<_> = types.iter().map(layer).collect();
        json!({ "schemaVersion": 2, "config": config, "layers": layers }).to_string().into_bytes()
    }

    #[test]
    fn one_layer_of_a_known_type_is_the_module_and_others_may_stand_beside_it() {
        for kind in TAKEN {
            let found = module(&manifest(&["text/plain", kind], 5), 5);
            assert_eq!(found.ok(), Some(Digest::of(b"m")), "{kind}");
        }
        for types in [&["text/plain"][..], &[MODULE_TYPE, MODULE_TYPE], &[]] {
            let refused = module(&manifest(types, 5), 5);
            assert!(matches!(refused, Err(RegistryError::NotAModule(_))), "{types:?}: {refused:?}");
        }
        let large = module(&manifest(&[MODULE_TYPE], 6), 5);
        assert!(matches!(large, Err(RegistryError::TooLarge { most: 5 })), "{large:?}");
        let index = module(br#"{"schemaVersion":2,"manifests":[]}"#, 5);
        assert!(matches!(index, Err(RegistryError::NotAModule(_))), "{index:?}");
    }

    #[test]
    fn what_is_pushed_is_what_the_guidance_says_and_the_same_each_time() {
        let about =
            About { name: "words".into(), exports: vec!["a:b/c".into()], ..About::default() };
        for (bytes, os, exports) in [
            (&b"\0asm\x01\0\0\0"[..], "wasip1", json!(null)),
            (b"\0asm\x0d\0\x01\0", "wasip2", json!(["a:b/c"])),
        ] {
            let (config, manifest) = of(bytes, &about);
            let config: serde_json::Value = serde_json::from_slice(&config).expect("JSON");
            assert_eq!((&config["os"], &config["component"]["exports"]), (&json!(os), &exports));
            assert_eq!(config["layerDigests"], json!([Digest::of(bytes).to_string()]));
            let manifest = serde_json::to_vec(&manifest).expect("JSON");
            assert_eq!(module(&manifest, 8).ok(), Some(Digest::of(bytes)));
            assert_eq!(manifest, serde_json::to_vec(&of(bytes, &about).1).expect("JSON"));
        }
    }
}
