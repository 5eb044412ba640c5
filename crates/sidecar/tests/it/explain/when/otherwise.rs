//! Without its media, from another sender, with more time: the changes with which it passes.

use serde_json::json;

use super::{app_limit, changes, explain};
use crate::harness::{App, Policy, Setup, Sidecar, TO, TOKEN, plivo};

#[tokio::test]
async fn media_that_may_not_go_there_are_left_out_and_a_country_that_may_not_has_no_way() {
    let plivo = plivo().await;
    let standard = Setup::standard(&plivo);
    let sidecar = Sidecar::start(standard).await;
    let media = json!(["https://cdn.example.com/a.jpg"]);
    let to_france = json!({"to": "+33612345678", "text": "hi", "media_urls": media});

    let mms = explain(&sidecar, &to_france).await;
    let iran = explain(&sidecar, &json!({"to": "+989121234567", "text": "hi"})).await;

    assert_eq!(mms["verdict"], "reject", "{mms:#}");
    assert_eq!(changes(&mms), [("/media_urls".to_owned(), json!([]))], "{mms:#}");
    assert_eq!(iran["problem"]["code"], "country.hard_denied", "{iran:#}");
    assert_eq!(iran["when"], json!([]), "{iran:#}");
    sidecar.stop().await;
}

#[tokio::test]
async fn two_changes_are_told_where_none_alone_would_do_and_a_policy_may_have_a_length_of_its_own()
{
    let plivo = plivo().await;
    let guest = Policy::new("runaway").set("grants", json!(["state", "log", "amend"]));
    let setup = Setup::standard(&plivo).policy(guest.settings(json!({"most_chars": 100})));
    let sidecar = Sidecar::start(setup).await;
    let media = json!(["https://cdn.example.com/a.jpg"]);
    let text = "a".repeat(400);
    let to_france = json!({"to": "+33612345678", "text": text, "media_urls": media});

    let explained = explain(&sidecar, &to_france).await;
    let short = "a".repeat(100);
    let mended = explain(&sidecar, &json!({"to": "+33612345678", "text": short})).await;
    let sms = explain(&sidecar, &json!({"to": "+33612345678", "text": text})).await;
    let said = explain(&sidecar, &json!({"to": TO, "text": "refuse test.word"})).await;

    let both = [("/media_urls", json!([])), ("/text", json!({"max_chars": 100}))];
    assert_eq!(explained["when"].as_array().map(Vec::len), Some(1), "{explained:#}");
    assert_eq!(
        changes(&explained),
        both.map(|(at, value)| (at.to_owned(), value)),
        "{explained:#}"
    );
    assert_eq!(mended["verdict"], "accept", "{mended:#}");
    assert_eq!(sms["problem"]["code"], "test.too_long", "{sms:#}");
    assert_eq!(changes(&sms), [("/text".to_owned(), json!({"max_chars": 100}))], "{sms:#}");
    // What is refused for what it says is not told to say it shorter.
    assert_eq!(said["when"], json!([]), "{said:#}");
    sidecar.stop().await;
}

#[tokio::test]
async fn another_sender_of_the_apps_own_is_told_where_it_passes_sooner() {
    let plivo = plivo().await;
    let limit = json!({"name": "s", "scope": "sender", "quota": 1, "per_s": 3_600});
    let senders: Vec<String> = (1..8).map(|nth| format!("+1415555121{nth}")).collect();
    let setup = Setup::new(&plivo)
        .policy(Policy::new("throttle").settings(json!({"limits": [limit]})))
        .app(App::new("demo", TOKEN).set("senders", json!(senders)));
    let sidecar = Sidecar::start(setup).await;
    // All but the last are used up.
    for sender in &senders[..senders.len() - 1] {
        sidecar.send(&json!({"to": TO, "text": "first", "from": sender})).await.expect(202);
    }
    let request = json!({"to": TO, "text": "second"});

    let explained = explain(&sidecar, &request).await;

    assert_eq!(changes(&explained), [("/from".to_owned(), json!(senders[6]))]);
    let sent = sidecar.send(&json!({"to": TO, "text": "second", "from": senders[6]})).await;
    sent.expect(202);
    sidecar.stop().await;
}

#[tokio::test]
async fn no_change_is_told_that_gains_nothing_or_that_the_door_would_refuse() {
    let plivo = plivo().await;
    let own = ["+14155551212", "+14155551213", "+33612345678"];
    let setup = Setup::standard(&plivo)
        .policy(app_limit(3_600))
        .app(App::new("demo", TOKEN).set("senders", json!(own)));
    let sidecar = Sidecar::start(setup).await;
    sidecar.send(&json!({"to": TO, "text": "first"})).await.expect(202);

    let limited = explain(&sidecar, &json!({"to": TO, "text": "it’s the second"})).await;
    let by_id = json!({"to": "+33612345678", "text": "hi", "media_ids": ["m-1"]});
    let by_id = explain(&sidecar, &by_id).await;

    // Neither another sender nor plainer words are limited less.
    assert_eq!(changes(&limited), [], "{limited:#}");
    let pointers: Vec<String> = changes(&by_id).into_iter().map(|(pointer, _)| pointer).collect();
    assert_eq!(pointers, ["/media_ids"], "{by_id:#}");
    sidecar.stop().await;
}

#[tokio::test]
async fn every_recipient_of_a_list_has_its_way_looked_for() {
    let plivo = plivo().await;
    let sidecar = Sidecar::start(Setup::new(&plivo).policy(app_limit(3_600))).await;
    sidecar.send(&json!({"to": TO, "text": "first"})).await.expect(202);
    let to: Vec<String> = (0..100).map(|nth| format!("+1415555{nth:04}")).collect();

    let explained = explain(&sidecar, &json!({"to": to, "text": "hi"})).await;

    let messages = explained["messages"].as_array().unwrap();
    let without = messages.iter().filter(|each| each["when"] == json!([])).count();
    assert_eq!((messages.len(), without), (100, 0), "{:#}", messages[99]);
    sidecar.stop().await;
}

#[tokio::test]
async fn a_time_to_live_that_ends_too_soon_is_told_how_long_it_must_be() {
    let plivo = plivo().await;
    let pace = json!({"name": "s", "scope": "sender", "kind": "gcra", "quota": 1, "per_s": 60,
        "burst": 1, "on_limit": "queue"});
    let throttle = Policy::new("throttle").settings(json!({"limits": [pace]}));
    let sidecar = Sidecar::start(Setup::new(&plivo).policy(throttle)).await;
    sidecar.send(&json!({"to": TO, "text": "first"})).await.expect(202);
    let request = json!({"to": TO, "text": "second", "ttl_s": 30});

    let explained = explain(&sidecar, &request).await;

    assert_eq!(explained["problem"]["code"], "throttle.would_expire", "{explained:#}");
    let told = changes(&explained);
    let [(pointer, seconds)] = told.as_slice() else { panic!("{explained:#}") };
    assert_eq!(pointer, "/ttl_s");
    let seconds = seconds.as_u64().unwrap();
    assert!((40..=66).contains(&seconds), "{explained:#}");
    let longer = json!({"to": TO, "text": "second", "ttl_s": seconds});
    assert_eq!(explain(&sidecar, &longer).await["verdict"], "accept");
    sidecar.stop().await;
}

#[tokio::test]
async fn a_time_to_live_may_have_to_be_longer_than_plivo_takes_at_once() {
    let plivo = plivo().await;
    let guest = Policy::new("runaway").set("grants", json!(["state", "log", "amend"]));
    let sidecar = Sidecar::start(Setup::new(&plivo).policy(guest)).await;
    for hours in [4, 100] {
        let text = format!("later {}", hours * 3_600_000);
        let request = json!({"to": TO, "text": text, "ttl_s": 60});

        let explained = explain(&sidecar, &request).await;

        assert_eq!(explained["problem"]["code"], "send.would_expire", "{explained:#}");
        let told = changes(&explained);
        let [(pointer, seconds)] = told.as_slice() else { panic!("{explained:#}") };
        let least = hours * 3_600;
        let near = (least..=least + 60).contains(&seconds.as_u64().unwrap());
        assert!(pointer == "/ttl_s" && near, "{explained:#}");
    }
    sidecar.stop().await;
}
