//! Requests of which some recipients, or all, are refused.

use serde_json::{Value, json};

use super::post;
use crate::harness::{Policy, Setup, Sidecar, plivo};

/// Numbers and codes of those refused, in the order of the request.
fn reasons(answer: &Value) -> Vec<(&str, &str)> {
    let refused = answer["refused"].as_array().into_iter().flatten();
    let text = |value: &Value, member: &str| value[member].as_str().map(str::len).is_some();
    refused
        .inspect(|entry| assert!(text(entry, "error"), "no reason in {entry}"))
        .map(|entry| {
            (
                entry["number"].as_str().unwrap_or_default(),
                entry["code"].as_str().unwrap_or_default(),
            )
        })
        .collect()
}

#[tokio::test]
async fn only_what_is_no_number_is_an_invalid_number_and_everybody_elses_reason_is_told() {
    let plivo = plivo().await;
    let sidecar = Sidecar::start(Setup::standard(&plivo).policy(Policy::new("dedup"))).await;
    let said = |dst: &str| json!({"src": "14155551212", "dst": dst, "text": "hi"}).to_string();
    post(&sidecar, &said("14155550103")).await.expect(202);

    let bulk = said("14155550101<989121234567<call me<14155550103<1 (999) 555-0102<14155550102");
    let answered = post(&sidecar, &bulk).await.expect(202);

    let mut sends = plivo.sends().split_off(1);
    sends.sort_by(|one, other| one.dst.cmp(&other.dst));
    let uuids: Vec<String> = sends.into_iter().map(|send| send.message_uuid).collect();
    assert_eq!((uuids.len(), &answered["message_uuid"]), (2, &json!(uuids)), "{answered}");
    assert_eq!(answered["invalid_number"], json!(["call me", "1 (999) 555-0102"]), "{answered}");
    let wanted = [
        ("989121234567", "country.hard_denied"),
        ("call me", "phone.not_e164"),
        ("14155550103", "dup.content"),
        ("1 (999) 555-0102", "phone.invalid"),
    ];
    assert_eq!(reasons(&answered), wanted, "{answered}");
    sidecar.stop().await;
}

#[tokio::test]
async fn where_all_are_refused_every_reason_is_told() {
    let plivo = plivo().await;
    let sidecar = Sidecar::start(Setup::standard(&plivo)).await;

    let body = json!({"src": "14155551212", "dst": "989121234567<5351234567<nobody", "text": "hi"});
    let answer = post(&sidecar, &body.to_string()).await.expect(422);

    let error = answer["error"].as_str().unwrap_or_default();
    for said in ["dst is in IR, which is never texted", "is in CU, which", "(phone.not_e164)"] {
        assert!(error.contains(said), "{said} in {answer}");
    }
    let wanted = [
        ("989121234567", "country.hard_denied"),
        ("5351234567", "country.hard_denied"),
        ("nobody", "phone.not_e164"),
    ];
    assert_eq!(reasons(&answer), wanted, "{answer}");
    assert_eq!(plivo.requests().len(), 0);
    sidecar.stop().await;
}

/// The whole `error` of a request that is refused with `status`.
async fn error(sidecar: &Sidecar, body: &Value, status: u16) -> String {
    let answer = post(sidecar, &body.to_string()).await.expect(status);
    answer["error"].as_str().unwrap_or_default().to_owned()
}

#[tokio::test]
async fn advice_names_members_as_this_door_has_them() {
    let plivo = plivo().await;
    let sidecar = Sidecar::start(Setup::standard(&plivo).policy(Policy::new("dedup"))).await;
    let said = json!({"src": "14155551212", "dst": "14155550103", "text": "hi"});
    post(&sidecar, &said.to_string()).await.expect(202);
    // Another body, so that it is no resend, and the same message.
    let again = json!({"src": "14155551212", "dst": "14155550103", "text": "hi", "type": "sms"});

    assert_eq!(
        error(&sidecar, &again, 409).await,
        "an earlier message said the same to this handset; wait, change the content, or send `dedup` of /v1/messages \
         as \"off\" if the repeat is meant (dup.content)"
    );

    let mut pooled = said.clone();
    pooled["powerpack_uuid"] = json!("86bbb125-97bb-4d72-89fd-81d5c515b015");
    assert_eq!(
        error(&sidecar, &pooled, 400).await,
        "src stands beside a pool; give `src` or `powerpack_uuid`, not both (sender.ambiguous)"
    );
    let nobody = json!({"src": "14155551212", "text": "hi"});
    assert_eq!(error(&sidecar, &nobody, 400).await, "dst parameter is missing (phone.missing)");
    sidecar.stop().await;
}

#[tokio::test]
async fn a_faulty_dst_is_told_how_this_door_has_numbers_written_and_what_is_told_is_taken() {
    let plivo = plivo().await;
    let sidecar = Sidecar::start(Setup::standard(&plivo)).await;
    let said = |dst: &str| json!({"src": "14155551212", "dst": dst, "text": dst});
    let no_number = "is no number: 7 to 14 digits from the country code on, with or without a plus sign, such as \
                     14155550123; '<' stands between several (phone.not_e164)";
    for dst in ["call me", "+1415", "4155550123x", "0014155550123"] {
        assert_eq!(error(&sidecar, &said(dst), 400).await, format!("dst {no_number}"), "{dst}");
    }
    let bulk = error(&sidecar, &said("nobody<no one"), 400).await;
    assert_eq!(bulk, format!("dst {no_number}"));
    for dst in ["14155550123,14155550199", "14155550123;+14155550199"] {
        let joined =
            "dst names more than one recipient; join the numbers with '<' (phone.multiple)";
        assert_eq!(error(&sidecar, &said(dst), 400).await, joined, "{dst}");
    }
    assert_eq!(plivo.sends().len(), 0);
    for dst in ["14155550123", "+14155550123", "14155550123<14155550199"] {
        post(&sidecar, &said(dst).to_string()).await.expect(202);
    }
    sidecar.stop().await;
}
