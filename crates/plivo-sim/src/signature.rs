//! The signatures on Plivo's callbacks, made as Plivo makes them.
//!
//! Source: Plivo's "signature validation" page and the validators of its SDKs; checked against the vectors that Plivo
//! publishes with its Go SDK and command-line tool, and more that its Python and Node validators accept.

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;

/// `X-Plivo-Signature-V2`: covers the URL up to its query, and the nonce.
pub fn v2(token: &str, url: &str, nonce: &str) -> String {
    sign(token, &format!("{}{nonce}", base(url)))
}

/// `X-Plivo-Signature-V3`: covers the URL, its query, the parameters of the body and the nonce.
///
/// `method` is `GET` or `POST`; `params` are the decoded parameters of the body.
pub fn v3(
    token: &str,
    method: &str,
    url: &str,
    params: &[(String, String)],
    nonce: &str,
) -> String {
    let query = url.split_once('?').map_or("", |(_, query)| query);
    let query = query.split('#').next().unwrap_or_default();
    let mut query: Vec<(String, String)> =
        url::form_urlencoded::parse(query.as_bytes()).into_owned().collect();
    let mut params = params.to_vec();
    let mut signed = base(url).to_owned();
    if method == "GET" {
        query.append(&mut params);
        query.sort();
        if !query.is_empty() {
            signed += &format!("?{}", joined(&query));
        }
    } else {
        query.sort();
        params.sort();
        if !query.is_empty() || !params.is_empty() {
            signed += &format!("?{}", joined(&query));
        }
        if !query.is_empty() && !params.is_empty() {
            signed.push('.');
        }
        signed.extend(params.iter().flat_map(|(key, value)| [key.as_str(), value.as_str()]));
    }
    sign(token, &format!("{signed}.{nonce}"))
}

/// The URL up to its query, as it was written: a URL without a path stays without one.
fn base(url: &str) -> &str {
    url.split(['?', '#']).next().unwrap_or_default()
}

fn joined(pairs: &[(String, String)]) -> String {
    let pairs: Vec<String> = pairs.iter().map(|(key, value)| format!("{key}={value}")).collect();
    pairs.join("&")
}

fn sign(token: &str, text: &str) -> String {
    let mut mac =
        Hmac::<Sha256>::new_from_slice(token.as_bytes()).expect("HMAC takes any key length");
    mac.update(text.as_bytes());
    BASE64_STANDARD.encode(mac.finalize().into_bytes())
}

#[cfg(test)]
mod tests {
    use serde_json::Value;

    use super::*;

    #[test]
    fn every_published_vector_is_met() {
        let vectors: Value =
            serde_json::from_str(include_str!("../vectors/signatures.json")).unwrap();
        let vectors = vectors.as_array().unwrap();
        assert_eq!(vectors.len(), 19);
        for vector in vectors {
            let word = |name: &str| vector[name].as_str().unwrap();
            let (token, url, nonce) = (word("token"), word("url"), word("nonce"));
            let signature = match vector["v"].as_u64() {
                Some(2) => v2(token, url, nonce),
                _ => v3(token, word("method"), url, &params(&vector["params"]), nonce),
            };
            assert_eq!(signature, word("sig"), "{}", word("id"));
        }
    }

    fn params(object: &Value) -> Vec<(String, String)> {
        let mut pairs = Vec::new();
        for (key, value) in object.as_object().unwrap() {
            let values = value.as_array().cloned().unwrap_or_else(|| vec![value.clone()]);
            let values = values.iter().map(|value| value.as_str().unwrap().to_owned());
            pairs.extend(values.map(|value| (key.clone(), value)));
        }
        pairs
    }
}
