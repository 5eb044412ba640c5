//! Whether a callback is from Plivo.
//!
//! Source: Plivo's "signature validation" page and the validators of its SDKs, whose vectors the tests use. V3 covers
//! the URL, its query, the body's parameters and a nonce; V2 covers the URL up to its query and a nonce, so that
//! anybody who has seen one V2 signature can put any body under it. Whoever checks must remember nonces as well.

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;
use subtle::ConstantTimeEq;
use url::form_urlencoded;

use crate::AuthToken;

/// Most signatures looked at in one header; Plivo sends one for each active token.
const MOST_SIGNATURES: usize = 8;

/// A callback as it came.
#[derive(Clone, Copy)]
pub struct Callback<'a> {
    /// `GET` or `POST`, in upper case.
    pub method: &'a str,
    /// The whole public URL as Plivo was given it, with its query.
    pub url: &'a str,
    /// The decoded parameters of the body; none for a GET.
    pub params: &'a [(String, String)],
    /// `X-Plivo-Signature-V3`.
    pub v3: Option<&'a str>,
    /// `X-Plivo-Signature-Ma-V3`.
    pub ma_v3: Option<&'a str>,
    /// `X-Plivo-Signature-V3-Nonce`.
    pub v3_nonce: Option<&'a str>,
    /// `X-Plivo-Signature-V2`.
    pub v2: Option<&'a str>,
    /// `X-Plivo-Signature-Ma-V2`.
    pub ma_v2: Option<&'a str>,
    /// `X-Plivo-Signature-V2-Nonce`.
    pub v2_nonce: Option<&'a str>,
}

/// Which signature held.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Signed {
    /// The URL and the body are Plivo's.
    V3,
    /// The URL is Plivo's; the body may be anybody's.
    V2,
}

/// Why a callback is not believed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SignatureError {
    /// No signature that is taken, or no nonce with it.
    #[error("the callback carries no signature of a kind that is taken")]
    Absent,
    /// V2 alone, which is not taken.
    #[error(
        "the callback is signed with V2 alone, which leaves its body uncovered; have Plivo sign with V3, or set \
             [listen] callbacks_v2"
    )]
    V2Alone,
    /// None of the signatures fits.
    #[error("the callback's signature does not fit; check the public URL and the auth token")]
    Wrong,
}

/// Checks a callback against every token that may have signed it.
///
/// Where there is a V3 header, V3 decides alone: somebody who takes it away must not get by with V2, unless the
/// operator takes V2 (`accept_v2`), and then only where V3 is absent altogether.
///
/// # Errors
///
/// If no signature that is taken fits.
pub fn verify(
    tokens: &[AuthToken],
    callback: &Callback<'_>,
    accept_v2: bool,
) -> Result<Signed, SignatureError> {
    let v3: Vec<&str> = [callback.v3, callback.ma_v3].into_iter().flatten().collect();
    let v2: Vec<&str> = [callback.v2, callback.ma_v2].into_iter().flatten().collect();
    let (headers, nonce, signed) = match () {
        () if !v3.is_empty() => (v3, callback.v3_nonce, Signed::V3),
        () if !v2.is_empty() && accept_v2 => (v2, callback.v2_nonce, Signed::V2),
        () if !v2.is_empty() => return Err(SignatureError::V2Alone),
        () => return Err(SignatureError::Absent),
    };
    let nonce = nonce.filter(|nonce| !nonce.is_empty()).ok_or(SignatureError::Absent)?;
    let text = match signed {
        Signed::V3 => v3_text(callback, nonce),
        Signed::V2 => format!("{}{nonce}", base(callback.url)),
    };
    let fits = |token: &AuthToken| {
        let expected = sign(token, &text);
        headers.iter().any(|header| lists(header, &expected))
    };
    if tokens.iter().any(fits) { Ok(signed) } else { Err(SignatureError::Wrong) }
}

fn v3_text(callback: &Callback<'_>, nonce: &str) -> String {
    let query = callback.url.split_once('?').map_or("", |(_, query)| query);
    let query = query.split('#').next().unwrap_or_default();
    let mut query: Vec<(String, String)> =
        form_urlencoded::parse(query.as_bytes()).into_owned().collect();
    let mut params = callback.params.to_vec();
    if callback.method == "GET" {
        query.append(&mut params);
    }
    query.sort();
    params.sort();
    let mut text = base(callback.url).to_owned();
    if !query.is_empty() || !params.is_empty() {
        text.push('?');
    }
    let pairs: Vec<String> = query.iter().map(|(key, value)| format!("{key}={value}")).collect();
    text.push_str(&pairs.join("&"));
    if !query.is_empty() && !params.is_empty() {
        text.push('.');
    }
    for (key, value) in &params {
        text.push_str(key);
        text.push_str(value);
    }
    text.push('.');
    text.push_str(nonce);
    text
}

/// The URL up to its query, as it was written.
fn base(url: &str) -> &str {
    url.split(['?', '#']).next().unwrap_or_default()
}

fn sign(token: &AuthToken, text: &str) -> String {
    let mut mac = Hmac::<Sha256>::new_from_slice(token.reveal().as_bytes())
        .expect("HMAC takes any key length");
    mac.update(text.as_bytes());
    BASE64_STANDARD.encode(mac.finalize().into_bytes())
}

/// Whether a comma-separated header holds `expected`; spaces around its entries mean nothing.
fn lists(header: &str, expected: &str) -> bool {
    let signatures = header.split(',').take(MOST_SIGNATURES);
    signatures.fold(false, |found, signature| {
        found | bool::from(signature.trim().as_bytes().ct_eq(expected.as_bytes()))
    })
}

#[cfg(test)]
mod tests {
    use serde_json::Value;

    use super::*;

    /// A callback of the vectors, with one signature under the header that belongs to it.
    struct Vector {
        id: String,
        token: AuthToken,
        method: String,
        url: String,
        nonce: String,
        params: Vec<(String, String)>,
        signature: String,
        v2: bool,
    }

    impl Vector {
        fn callback<'a>(&'a self, header: &'a str) -> Callback<'a> {
            Callback {
                method: &self.method,
                url: &self.url,
                params: &self.params,
                v3: (!self.v2).then_some(header),
                ma_v3: None,
                v3_nonce: Some(&self.nonce),
                v2: self.v2.then_some(header),
                ma_v2: None,
                v2_nonce: Some(&self.nonce),
            }
        }

        fn verify(&self, callback: &Callback<'_>) -> Result<Signed, SignatureError> {
            let other = AuthToken::parse("another-token").unwrap();
            verify(&[other, self.token.clone()], callback, true)
        }
    }

    fn vectors() -> Vec<Vector> {
        let json: Value =
            serde_json::from_str(include_str!("../../plivo-sim/vectors/signatures.json")).unwrap();
        let vectors: Vec<Vector> = json.as_array().unwrap().iter().map(vector).collect();
        assert_eq!(vectors.len(), 19);
        vectors
    }

    fn vector(json: &Value) -> Vector {
        let word = |name: &str| json[name].as_str().unwrap_or_default().to_owned();
        let mut params = Vec::new();
        for (key, value) in json["params"].as_object().into_iter().flatten() {
            let values = value.as_array().cloned().unwrap_or_else(|| vec![value.clone()]);
            params.extend(
                values.iter().map(|value| (key.clone(), value.as_str().unwrap().to_owned())),
            );
        }
        Vector {
            id: word("id"),
            token: AuthToken::parse(&word("token")).unwrap(),
            method: word("method"),
            url: word("url"),
            nonce: word("nonce"),
            params,
            signature: word("sig"),
            v2: json["v"] == 2,
        }
    }

    #[test]
    fn every_published_vector_holds_alone_and_in_a_list() {
        for vector in vectors() {
            let expected = if vector.v2 { Signed::V2 } else { Signed::V3 };
            let signature = &vector.signature;
            for header in
                [signature.clone(), format!("{signature},AAAA"), format!("AAAA, {signature} ")]
            {
                let verified = vector.verify(&vector.callback(&header));
                assert_eq!(verified, Ok(expected), "{}: {header}", vector.id);
            }
        }
    }

    #[test]
    fn nothing_holds_once_it_was_changed() {
        for vector in vectors() {
            let header = vector.signature.clone();
            let elsewhere = vector.url.replacen("://", "://not", 1);
            let callback = vector.callback(&header);
            for (what, changed) in [
                ("nonce", Callback { v3_nonce: Some("1"), v2_nonce: Some("1"), ..callback }),
                ("url", Callback { url: &elsewhere, ..callback }),
            ] {
                assert_eq!(
                    vector.verify(&changed),
                    Err(SignatureError::Wrong),
                    "{}: {what}",
                    vector.id
                );
            }
            let more =
                [vector.params.as_slice(), &[("Status".to_owned(), "sent".to_owned())]].concat();
            let changed = Callback { params: &more, ..callback };
            // V2 does not cover the body, which is why V3 comes first.
            let expected = if vector.v2 { Ok(Signed::V2) } else { Err(SignatureError::Wrong) };
            assert_eq!(vector.verify(&changed), expected, "{}: params", vector.id);
            let stranger = [AuthToken::parse("another-token").unwrap()];
            assert_eq!(
                verify(&stranger, &callback, true),
                Err(SignatureError::Wrong),
                "{}",
                vector.id
            );
        }
    }

    #[test]
    fn the_main_accounts_signature_is_as_good() {
        for vector in vectors() {
            let callback = vector.callback(&vector.signature);
            let main = Callback {
                v3: callback.v3.map(|_| "AAAA"),
                ma_v3: callback.v3,
                v2: callback.v2.map(|_| "AAAA"),
                ma_v2: callback.v2,
                ..callback
            };
            assert!(vector.verify(&main).is_ok(), "{}", vector.id);
        }
    }

    #[test]
    fn v2_counts_only_when_taken_and_never_beside_v3() {
        let vector = vectors().into_iter().find(|vector| vector.v2).unwrap();
        let callback = vector.callback(&vector.signature);
        let tokens = [vector.token.clone()];
        assert_eq!(verify(&tokens, &callback, true), Ok(Signed::V2));
        assert_eq!(verify(&tokens, &callback, false), Err(SignatureError::V2Alone));
        let beside = Callback { v3: Some("AAAA"), ..callback };
        assert_eq!(verify(&tokens, &beside, true), Err(SignatureError::Wrong));
    }

    #[test]
    fn a_signature_without_a_nonce_is_none() {
        for vector in vectors() {
            let callback = vector.callback(&vector.signature);
            for nonce in [None, Some("")] {
                let without = Callback { v3_nonce: nonce, v2_nonce: nonce, ..callback };
                assert_eq!(vector.verify(&without), Err(SignatureError::Absent), "{}", vector.id);
            }
        }
    }
}
