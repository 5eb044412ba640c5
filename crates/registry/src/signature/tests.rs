use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use ring::rand::SystemRandom;
use ring::signature::{ECDSA_P256_SHA256_ASN1_SIGNING, EcdsaKeyPair, KeyPair as _};

use super::{P256, PublicKey, Said, Signature, SigningKey, appended, listed, repository};
use crate::{Digest, Reference};

/// Two public keys, and a signature by the first, all made by openssl.
const ONE: &str = "-----BEGIN PUBLIC KEY-----
MFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAEb+ML1LBu1s4Yiw76rbWd3sRx+xf0
Tn6qBxqutUAWoE8vFgfyAQoFUfSr1l73rBCBps1gnMAsNl706n4RUoETQg==
-----END PUBLIC KEY-----
";
const TWO: &str = "-----BEGIN PUBLIC KEY-----
MFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAEHvrJ3kOvO/9rsABfLmOSXgLCsi0A
Dx0tiVvLJ1k5rIPPmaBZwNlqkP6o73m4750QygfgSYgIh4FNu3by/vhYlw==
-----END PUBLIC KEY-----
";
const P384: &str = "-----BEGIN PUBLIC KEY-----
MHYwEAYHKoZIzj0CAQYFK4EEACIDYgAEQ+4DiuvkrnO8Qe9z0IGqMFFotd4/Gr9d
ltRR9ND4JjUU/nrS13kDftUJYH3HDyJjMY2VqroGWNw6BRrJXfkVbyetFBksPfrh
+ZnpLhjek4Pmhg5TczWsMSYSjf/IzP12
-----END PUBLIC KEY-----
";
const PAYLOAD: &str = concat!(
    r#"{"critical":{"identity":{"docker-reference":"registry.example.com/words"},"image":{"docker-manifest-digest":""#,
    "sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
    r#""},"type":"cosign container image signature"},"optional":null}"#,
);
const BY_ONE: &str = "MEUCIBkYxK6jbDpokoYmHxCTJhDd71/rbL30CLfmvhkYyBc2AiEA9b1OoJf9aw648hgCdJMjpHw0lPrG4LG1JUE+w8hR+Rg=";

fn key(pem: &str) -> PublicKey {
    let [key] = PublicKey::parse(pem.as_bytes()).expect("a key").try_into().expect("one key");
    key
}

fn words() -> Reference {
    Reference::parse("oci://registry.example.com/words:1").expect("a reference")
}

fn by_one(payload: &str) -> Signature {
    let bytes = STANDARD.decode(BY_ONE).expect("base64");
    Signature { payload: Digest::of(payload.as_bytes()), bytes }
}

#[test]
fn what_openssl_signed_vouches_for_its_digest_by_its_key_and_for_nothing_else() {
    let vouches = |payload: &str, digest, keys: &[PublicKey]| {
        by_one(payload).says(payload.as_bytes(), &words(), digest, keys) == Some(Said::Vouches)
    };
    let signed = Digest::of(b"");
    assert!(vouches(PAYLOAD, signed, &[key(TWO), key(ONE)]));
    assert!(!vouches(PAYLOAD, signed, &[key(TWO)]), "another key");
    assert!(!vouches(PAYLOAD, signed, &[]), "no key");
    assert!(!vouches(PAYLOAD, Digest::of(b"other"), &[key(ONE)]), "another module");
    let changed = PAYLOAD.replace("words", "wordy");
    assert!(!vouches(&changed, signed, &[key(ONE)]), "another payload");
    let elsewhere = Signature { payload: signed, ..by_one(PAYLOAD) };
    assert!(
        elsewhere.says(PAYLOAD.as_bytes(), &words(), signed, &[key(ONE)]).is_none(),
        "another payload was listed"
    );
}

#[test]
fn only_keys_on_p256_are_keys() {
    for pem in [P384, "", "cosign.pub", &ONE.replace("PUBLIC", "PRIVATE")] {
        assert!(PublicKey::parse(pem.as_bytes()).is_err(), "{pem}");
        assert!(SigningKey::parse(pem.as_bytes()).is_err(), "{pem}");
    }
}

#[test]
fn every_key_of_a_file_counts_whatever_stands_between_them() {
    for file in [
        format!("{TWO}{ONE}"),
        format!("the new one\r\n{}\r\n\r\nthe old one\r\n{}", TWO, ONE.replace('\n', "\r\n")),
        format!("{TWO}{}", ONE.trim_end()),
    ] {
        let keys = PublicKey::parse(file.as_bytes()).expect("keys");
        assert_eq!(keys, [key(TWO), key(ONE)], "{file}");
        // What the second of them signed.
        let said = by_one(PAYLOAD).says(PAYLOAD.as_bytes(), &words(), Digest::of(b""), &keys);
        assert_eq!(said, Some(Said::Vouches), "{file}");
    }
}

#[test]
fn every_block_of_a_file_that_is_no_key_is_told_by_its_place() {
    let told = |file: &str| {
        let faults = PublicKey::parse(file.as_bytes()).expect_err(file);
        faults.iter().map(ToString::to_string).collect::<Vec<_>>()
    };
    let certificate = TWO.replace("PUBLIC KEY", "CERTIFICATE");
    let open = ONE.replace("-----END PUBLIC KEY-----\n", "");
    let no_key = |nth| format!("has no key in its block {nth}, which {}", super::NO_KEY);
    let other = format!("has no key in its block 3, which {}", super::OTHER_CURVE);
    assert_eq!(told(&format!("{ONE}{certificate}{P384}")), [no_key(2), other]);
    for (file, nth) in [
        (format!("{open}{TWO}"), 1),
        (format!("{TWO}{open}"), 2),
        (format!("\u{feff}{ONE}{TWO}"), 1),
        (format!("{TWO}  {ONE}"), 2),
        (format!("{ONE}{}", TWO.replace("PUBLIC KEY", "EC PARAMETERS")), 2),
        (format!("{ONE}{}", TWO.replace("KEY-----", "KEY----")), 2),
        (format!("{ONE}{}", TWO.replace("MFkw", "M*kw")), 2),
    ] {
        assert_eq!(told(&file), [no_key(nth)], "{file}");
    }
}

#[test]
fn signatures_are_appended_and_each_vouches_by_its_own_key() {
    let reference = words();
    let digest = Digest::of(b"a manifest");
    let (mut manifest, mut keys) = (None, Vec::new());
    for _ in 0..2 {
        let pkcs8 =
            EcdsaKeyPair::generate_pkcs8(&ECDSA_P256_SHA256_ASN1_SIGNING, &SystemRandom::new());
        let pkcs8 = pkcs8.expect("a key");
        let pem = |kind: &str, der: &[u8]| {
            format!("-----BEGIN {kind}-----\n{}\n-----END {kind}-----\n", STANDARD.encode(der))
        };
        let signing =
            SigningKey::parse(pem("PRIVATE KEY", pkcs8.as_ref()).as_bytes()).expect("a key");
        let point = signing.0.public_key().as_ref().to_vec();
        keys.push(key(&pem("PUBLIC KEY", &[P256, &point].concat())));
        let (payload, signature) = signing.sign(&reference, digest).expect("a signature");
        let (_, next) = appended(manifest.as_deref(), &payload, &signature);
        manifest = Some(serde_json::to_vec(&next).expect("JSON"));
        let last = listed(manifest.as_deref().expect("one")).pop().expect("a signature");
        let by: Vec<bool> = keys
            .iter()
            .map(|key| last.says(&payload, &reference, digest, std::slice::from_ref(key)))
            .map(|said| said == Some(Said::Vouches))
            .collect();
        assert_eq!((by.last(), by.iter().filter(|by| **by).count()), (Some(&true), 1), "{by:?}");
    }
    assert_eq!(listed(manifest.as_deref().expect("two")).len(), 2);
    assert!(listed(b"no manifest").is_empty());
}

#[test]
fn a_signature_vouches_for_the_name_that_it_says_and_for_no_other_in_any_registry() {
    let says = |reference: &str| {
        let reference = Reference::parse(reference).expect("a reference");
        by_one(PAYLOAD).says(PAYLOAD.as_bytes(), &reference, Digest::of(b""), &[key(ONE)])
    };
    let pinned = format!("oci://registry.example.com/wordy@{}", Digest::of(b""));
    assert_eq!(says("oci://registry.example.com/words:2"), Some(Said::Vouches));
    assert_eq!(says("oci://mirror.example.com:5000/words:1"), Some(Said::Vouches), "a copy");
    let other = Some(Said::OtherName("registry.example.com/words".into()));
    for name in
        ["oci://registry.example.com/wordy:1", "oci://registry.example.com/team/words:1", &pinned]
    {
        assert_eq!(says(name), other, "{name}");
    }
}

#[test]
fn the_name_in_a_signature_is_read_without_its_registry_tag_and_digest() {
    for (name, wanted) in [
        ("registry.example.com/team/words", "team/words"),
        ("127.0.0.1:5000/words:1", "words"),
        ("localhost/words@sha256:12", "words"),
        ("registry.example.com/words:1@sha256:12", "words"),
        ("team/words", "team/words"),
        ("words", "words"),
    ] {
        assert_eq!(repository(name), wanted, "{name}");
    }
}
