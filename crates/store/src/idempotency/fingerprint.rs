use std::borrow::Cow;
use std::fmt;

use serde_json::Value;

use crate::Secret;

/// What a request asks for, one keyed hash a field: equal requests have equal fingerprints however they were written
/// down.
///
/// It is taken over normalised fields, so the order of members, white space and the punctuation of numbers do not count.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Fingerprint {
    /// In a fixed order.
    fields: Vec<(Cow<'static, str>, String)>,
}

impl Fingerprint {
    /// The fingerprint of a request by the values of its fields, as it asks for them itself: what configuration or policies
    /// add must not count, since it may have changed when the request comes again.
    pub fn over(secret: &Secret, fields: &[(&'static str, Vec<String>)]) -> Self {
        let hash = |(name, values): &(&'static str, Vec<String>)| {
            let mut parts: Vec<&[u8]> = vec![name.as_bytes()];
            parts.extend(values.iter().map(|value| value.as_bytes()));
            let hash: String =
                secret.hash(&parts).iter().take(16).map(|byte| format!("{byte:02x}")).collect();
            (Cow::Borrowed(*name), hash)
        };
        Self { fields: fields.iter().map(hash).collect() }
    }

    /// As JSON: an array of names and hashes.
    pub fn to_json(&self) -> String {
        let fields = self.fields.iter().map(|(name, hash)| serde_json::json!([name, hash]));
        Value::Array(fields.collect()).to_string()
    }

    /// Reads [`Fingerprint::to_json`]; `None` where it is something else.
    pub fn from_json(text: &str) -> Option<Self> {
        let json: Value = serde_json::from_str(text).ok()?;
        let field = |item: &Value| {
            Some((Cow::Owned(item[0].as_str()?.to_owned()), item[1].as_str()?.to_owned()))
        };
        Some(Self { fields: json.as_array()?.iter().map(field).collect::<Option<_>>()? })
    }

    /// The names of the fields that differ, or that only one of the two has.
    pub fn differences(&self, other: &Self) -> Vec<String> {
        let has =
            |fields: &Self, field: &(Cow<'static, str>, String)| fields.fields.contains(field);
        let mut names: Vec<String> = Vec::new();
        let ours = self.fields.iter().filter(|field| !has(other, field));
        let theirs = other.fields.iter().filter(|field| !has(self, field));
        for (name, _) in ours.chain(theirs) {
            if !names.iter().any(|known| known == name) {
                names.push(name.to_string());
            }
        }
        names
    }
}

/// Even keyed hashes are nobody's business.
impl fmt::Debug for Fingerprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.fields.iter().map(|(name, _)| name)).finish()
    }
}
