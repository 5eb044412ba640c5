//! Keyed hashes: what must be told apart without being known.

use std::fmt;
use std::fs::{self, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;

use hmac::{Hmac, KeyInit as _, Mac as _};
use sha2::Sha256;

use crate::database::beside;

/// Bytes of a key.
const BYTES: usize = 32;

/// A key of hashes. Numbers and one-time codes are few enough to be guessed back from a bare hash.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret([u8; BYTES]);

impl Secret {
    /// A key made from an operator's own words.
    pub fn from_words(words: &[u8]) -> Self {
        Self(mac(words, &[b"sendgate hash key"]))
    }

    /// A key for one purpose, so that no two uses share one.
    #[must_use]
    pub fn derive(&self, purpose: &str) -> Self {
        Self(mac(&self.0, &[purpose.as_bytes()]))
    }

    /// The keyed hash of `parts`, each with its length, so that no two lists of parts run together alike.
    pub fn hash(&self, parts: &[&[u8]]) -> [u8; 32] {
        mac(&self.0, parts)
    }

    /// The hash in hexadecimal.
    pub(crate) fn hex(&self, parts: &[&[u8]]) -> String {
        self.hash(parts).iter().map(|byte| format!("{byte:02x}")).collect()
    }

    pub(crate) fn random() -> Self {
        // Two random UUIDs have 244 random bits.
        let seeds = [uuid::Uuid::new_v4(), uuid::Uuid::new_v4()];
        Self(mac(seeds[0].as_bytes(), &[seeds[1].as_bytes()]))
    }

    /// The key in `path`, where there is one.
    pub(crate) fn found_in(path: &Path) -> Option<Self> {
        fs::read(path).ok()?.try_into().ok().map(Self)
    }

    /// Reads the key in `path`, or makes one there that only this user can read.
    pub(crate) fn kept_in(path: &Path) -> io::Result<Self> {
        match fs::read(path) {
            Ok(bytes) => {
                let key = bytes.try_into().map_err(|_| {
                    io::Error::new(io::ErrorKind::InvalidData, "is not a key of 32 bytes")
                })?;
                Ok(Self(key))
            }
            Err(err) if err.kind() == io::ErrorKind::NotFound => {
                let made = Self::random();
                // Whole or not there: half a key would be nobody's.
                let new = beside(path, ".new");
                let mut file = OpenOptions::new()
                    .write(true)
                    .create(true)
                    .truncate(true)
                    .mode(0o600)
                    .open(&new)?;
                file.write_all(&made.0)?;
                file.sync_all()?;
                fs::rename(&new, path)?;
                Ok(made)
            }
            Err(err) => Err(err),
        }
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret")
    }
}

fn mac(key: &[u8], parts: &[&[u8]]) -> [u8; 32] {
    let mut mac = Hmac::<Sha256>::new_from_slice(key).expect("HMAC takes any key length");
    for part in parts {
        mac.update(&(part.len() as u64).to_be_bytes());
        mac.update(part);
    }
    mac.finalize().into_bytes().into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_made_once_for_this_user_only_and_read_again() {
        use std::os::unix::fs::PermissionsExt as _;

        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("sendgate.db.key");
        let made = Secret::kept_in(&path).unwrap();
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        assert!(made == Secret::kept_in(&path).unwrap());
        fs::write(&path, "short").unwrap();
        assert_eq!(Secret::kept_in(&path).unwrap_err().kind(), io::ErrorKind::InvalidData);
    }

    #[test]
    fn hashes_depend_on_key_purpose_and_the_bounds_of_parts() {
        let key = Secret::from_words(b"words");
        let hashes = [
            key.hash(&[b"ab", b"c"]),
            key.hash(&[b"a", b"bc"]),
            key.derive("one").hash(&[b"ab", b"c"]),
            key.derive("two").hash(&[b"ab", b"c"]),
            Secret::from_words(b"others").hash(&[b"ab", b"c"]),
        ];
        for (nth, hash) in hashes.iter().enumerate() {
            assert!(!hashes[..nth].contains(hash), "hash {nth} is one of the earlier");
        }
    }
}
