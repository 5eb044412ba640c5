//! What reads a registry's answers, by a name that `fuzz` can call.

use crate::{PublicKey, Reference, RegistryError, artifact, signature};

/// Most bytes of a module that the manifest may list.
const MOST: usize = 1 << 20;

/// An answer of a registry that may say anything: a manifest of a module, one of signatures, or an error; besides, a
/// file of keys and a reference.
///
/// # Panics
///
/// Where what was read does not hold.
pub fn answer(bytes: &[u8]) {
    if let Err(error) = artifact::module(bytes, MOST) {
        assert!(!error.to_string().is_empty(), "refused for nothing");
    }
    let listed = signature::listed(bytes);
    assert!(listed.len() <= signature::MOST_SIGNATURES, "{} signatures", listed.len());
    for code in [200, 401, 404, 500] {
        let told = RegistryError::answered("registry.example.com", code, bytes).to_string();
        assert!(!told.is_empty(), "{code} is nothing");
    }
    match PublicKey::parse(bytes) {
        Ok(keys) => assert!(!keys.is_empty(), "a file without keys is taken"),
        Err(faults) => assert!(!faults.is_empty(), "refused for nothing"),
    }
    let Ok(text) = str::from_utf8(bytes) else { return };
    if let Ok(reference) = Reference::parse(text) {
        assert_eq!(reference.to_string(), text, "a reference is another");
    }
}
