//! What makes a request the same request again.

use message::MediaUrl;
use store::{Fingerprint, Secret};

use super::super::super::answer::Door;
use super::super::super::instant;
use super::super::super::order::{At, Order, To};
use super::super::super::refusal::DOOR;
use crate::config::PhoneForm;

/// What a request asks for, in one form.
pub(super) fn fingerprint(
    secret: &Secret,
    door: Door,
    order: &Order,
    phone: PhoneForm,
) -> Fingerprint {
    let all = |items: &[At<String>]| items.iter().map(|at| at.value.clone()).collect::<Vec<_>>();
    let number = |to: &To| match phone {
        PhoneForm::Strict => to.value.clone(),
        PhoneForm::Lenient => to.value.replace([' ', '(', ')', '-', '.'], ""),
    };
    // A list of one is answered as a list, so it is no plain number; no number looks like this.
    let list = order.many.then(|| "[]".to_owned());
    let url = |at: &At<String>| match MediaUrl::parse(&at.value, &at.pointer) {
        Ok((url, _)) => url.as_str().to_owned(),
        Err(_) => at.value.clone(),
    };
    let instant = |at: &At<String>| match instant::read(&at.value) {
        Some(instant) => instant.0.to_string(),
        None => at.value.clone(),
    };
    // What follows from the media is the same request, said or not.
    let has_media = !(order.media_urls.is_empty() && order.media_ids.is_empty());
    let contradicts = |at: &&At<String>| at.value != if has_media { "mms" } else { "sms" };
    Fingerprint::over(
        secret,
        &[
            (DOOR, vec![door.as_str().to_owned()]),
            ("to", list.into_iter().chain(order.to.iter().map(number)).collect()),
            ("from", order.from.iter().map(|at| at.value.clone()).collect()),
            ("powerpack_uuid", order.pool.iter().map(|at| at.value.to_ascii_lowercase()).collect()),
            ("text", vec![order.text.value.clone()]),
            ("media_urls", order.media_urls.iter().map(url).collect()),
            ("media_ids", all(&order.media_ids)),
            ("intent", order.intent.iter().map(|at| at.value.to_ascii_lowercase()).collect()),
            ("ttl_s", order.ttl_s.iter().map(|at| at.value.to_string()).collect()),
            ("not_before", order.not_before.iter().map(instant).collect()),
            ("type", order.kind.iter().filter(contradicts).map(|at| at.value.clone()).collect()),
        ],
    )
}

/// The key of a request that brought none: a keyed hash of the body, since it is kept when number and text are not, and
/// those could be guessed back from a bare one.
pub(super) fn resend_key(secret: &Secret, body: &[u8]) -> String {
    let digest = secret.derive("resend").hash(&[body]);
    let hex: String = digest.iter().take(16).map(|byte| format!("{byte:02x}")).collect();
    // No header value can hold the first character, so no app's own key is ever this one.
    format!("\u{1}{hex}")
}

#[cfg(test)]
mod tests {
    use sha2::{Digest as _, Sha256};

    use super::*;

    #[test]
    fn a_body_is_known_again_under_one_secret_and_cannot_be_guessed_back_without_it() {
        let body = br#"{"src":"14155551212","dst":"14155550123","text":"4711"}"#;
        let [ours, others] = [b"ours".as_slice(), b"others"].map(Secret::from_words);
        let key = resend_key(&ours, body);
        assert_eq!(key, resend_key(&ours, body));
        assert_ne!(key, resend_key(&others, body));
        assert_ne!(key, resend_key(&ours, b"{}"));
        let bare: String = Sha256::digest(body).iter().map(|byte| format!("{byte:02x}")).collect();
        assert!(!bare.contains(&key[1..]), "a bare hash of the body: {key:?}");
    }
}
