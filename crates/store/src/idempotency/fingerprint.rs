use std::borrow::Cow;
use std::fmt;

use serde_json::Value;

use crate::Secret;

/// What a request asks for, one keyed hash a field: equal requests have equal fingerprints however they were written
/// down.
///
/// It is taken over normalised fields, so the order of members, white space and the punctuation of numbers do not
/// count.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Fingerprint {
    /// In a fixed order.
    fields: Vec<(Cow<'static, str>, String)>,
}

impl Fingerprint {
    /// The fingerprint of a request by the values of its fields, as it asks for them itself: what configuration or
    /// policies add must not count, since it may have changed when the request comes again.
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

#[cfg(test)]
mod tests {
    use super::*;

    fn fingerprint(fields: &[(&'static str, &str)]) -> Fingerprint {
        let fields: Vec<_> =
            fields.iter().map(|(name, value)| (*name, vec![(*value).to_owned()])).collect();
        Fingerprint::over(&Secret::from_words(b"words"), &fields)
    }

    fn request(text: &str) -> Fingerprint {
        fingerprint(&[("to", "+14155550123"), ("text", text)])
    }

    #[test]
    fn a_fingerprint_tells_fields_apart_by_name_value_and_number_of_values() {
        let of = |values: &[&str]| {
            let values = values.iter().map(|value| (*value).to_owned()).collect();
            Fingerprint::over(&Secret::from_words(b"words"), &[("media_ids", values)])
        };
        assert!(of(&["a", "b"]).differences(&of(&["a", "b"])).is_empty());
        for (one, other) in [
            (of(&["a", "bc"]), of(&["ab", "c"])),
            (of(&["a", "b"]), of(&["b", "a"])),
            (of(&["a"]), of(&["a", ""])),
            (of(&[]), of(&[""])),
        ] {
            assert_eq!(one.differences(&other), ["media_ids"]);
        }
        let (more, less) =
            (fingerprint(&[("to", "1"), ("ttl_s", "")]), fingerprint(&[("to", "1")]));
        assert_eq!(
            (more.differences(&less), less.differences(&more)),
            (vec!["ttl_s".into()], vec!["ttl_s".into()])
        );
    }

    #[test]
    fn a_fingerprint_is_read_again_as_it_was_written() {
        let written = request("code 1234").to_json();
        assert!(!written.contains("5550123") && !written.contains("1234\""), "{written}");
        let read = Fingerprint::from_json(&written).unwrap();
        assert!(read.differences(&request("code 1234")).is_empty());
        assert_eq!(read.differences(&request("code 1235")), ["text"]);
        for other in ["", "{}", "[[1,2]]", "[[\"to\"]]"] {
            assert!(Fingerprint::from_json(other).is_none(), "{other}");
        }
    }
}
