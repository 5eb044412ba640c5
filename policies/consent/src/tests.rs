use policy_sdk::testing::{Case, receipt, sms};
use policy_sdk::{Message, Note, Receipt, Sender};

use super::Consent;

const HANDSET: &str = "+14155550123";
const SENDER: &str = "+14155551212";
const SIBLING: &str = "+14155551213";
const CAMPAIGN: &str = r#"{"campaigns": {"promo": ["+14155551212", "+14155551213"]}}"#;

fn from(sender: &str) -> Message {
    Message { sender: Sender { kind: "number".into(), value: sender.into() }, ..sms() }
}

fn confirmation(id: &str) -> Message {
    Message { id: id.into(), intent: "optout_confirmation".into(), ..sms() }
}

fn code(notes: &[Note]) -> &str {
    assert!(notes.len() == 1 && notes[0].shown, "{notes:?}");
    &notes[0].key
}

fn refused(case: &mut Case<Consent>, message: &Message) -> bool {
    let decision = case.check(message);
    let code = decision.refused_with();
    assert!(matches!(code, None | Some("optout.suppressed")), "{decision:?}");
    code.is_some()
}

#[test]
fn who_said_stop_gets_nothing_from_that_sender_and_everything_from_another() {
    let mut case = Case::<Consent>::new("{}");
    assert!(!refused(&mut case, &sms()));
    assert_eq!(code(&case.hear(HANDSET, SENDER, " stop ")), "optout.learned");
    assert!(refused(&mut case, &sms()));
    assert!(!refused(&mut case, &from(SIBLING)));
    assert!(!refused(&mut case, &Message { to: "+14155550124".into(), ..sms() }));
}

#[test]
fn a_sender_s_name_is_the_same_however_it_is_capitalised() {
    for settings in ["{}", r#"{"campaigns": {"promo": ["aCME"]}}"#] {
        let mut case = Case::<Consent>::new(settings);
        case.hear(HANDSET, "ACME", "STOP");
        assert!(refused(&mut case, &from("Acme")), "{settings}");
        case.hear(HANDSET, "acme", "START");
        assert!(!refused(&mut case, &from("ACME")), "{settings}");
    }
}

#[test]
fn an_opt_out_covers_its_campaign() {
    let mut case = Case::<Consent>::new(CAMPAIGN);
    case.hear(HANDSET, SENDER, "STOP");
    assert!(refused(&mut case, &from(SIBLING)));
    assert!(!refused(&mut case, &from("+14155551299")));
    case.hear(HANDSET, SIBLING, "START");
    assert!(!refused(&mut case, &sms()));
}

#[test]
fn a_sender_that_comes_into_a_campaign_keeps_its_opt_outs_until_they_are_taken_back() {
    let mut case = Case::<Consent>::new("{}");
    case.hear(HANDSET, SENDER, "STOP");
    case.at(10).reload(CAMPAIGN);
    assert!(refused(&mut case, &sms()));
    case.at(20).hear(HANDSET, SENDER, "START");
    assert!(!refused(&mut case, &sms()));
}

#[test]
fn what_is_said_again_after_a_sender_has_come_into_a_campaign_covers_all_of_it() {
    for by_report in [false, true] {
        let mut case = Case::<Consent>::new("{}");
        case.hear(HANDSET, SENDER, "STOP");
        case.at(10).reload(CAMPAIGN);
        assert!(!refused(&mut case, &from(SIBLING)), "it was said to one sender");
        if by_report {
            case.at(20).tell(&Receipt { error_code: "200".into(), ..receipt() });
        } else {
            case.at(20).hear(HANDSET, SENDER, "STOP");
        }
        assert!(refused(&mut case, &from(SIBLING)) && refused(&mut case, &sms()));
        case.at(30).hear(HANDSET, SIBLING, "START");
        assert!(!refused(&mut case, &from(SIBLING)) && !refused(&mut case, &sms()));
    }
}

#[test]
fn the_latest_word_counts() {
    let mut case = Case::<Consent>::new("{}");
    for (second, text, out) in
        [(0, "STOP", true), (10, "UNSTOP", false), (20, "stop", true), (30, "Yes", false)]
    {
        case.at(second).hear(HANDSET, SENDER, text);
        assert_eq!(refused(&mut case, &sms()), out, "{text}");
    }
}

#[test]
fn an_opt_out_from_everybody_holds_until_the_recipient_takes_one_sender_back() {
    let mut case = Case::<Consent>::new("{}");
    case.at(0).hear(HANDSET, "", "STOP");
    assert!(refused(&mut case, &sms()) && refused(&mut case, &from(SIBLING)));
    case.at(10).hear(HANDSET, SENDER, "START");
    assert!(!refused(&mut case, &sms()) && refused(&mut case, &from(SIBLING)));
    case.at(20).hear(HANDSET, "", "STOP");
    assert!(refused(&mut case, &sms()));
    case.at(30).hear(HANDSET, "", "START");
    assert!(!refused(&mut case, &sms()) && !refused(&mut case, &from(SIBLING)));
}

#[test]
fn a_sentence_is_flagged_and_nobody_is_suppressed() {
    let mut case = Case::<Consent>::new("{}");
    let notes = case.hear(HANDSET, SENDER, "Hey, can you stop texting me?");
    assert_eq!(code(&notes), "optout.review");
    assert!(case.hear(HANDSET, SENDER, "thank you").is_empty());
    assert!(!refused(&mut case, &sms()));
}

#[test]
fn one_confirmation_may_follow_within_five_minutes() {
    let mut case = Case::<Consent>::new("{}");
    case.at(0).hear(HANDSET, SENDER, "STOP");
    assert!(refused(case.at(100), &sms()), "only what confirms may follow");
    assert!(!refused(case.at(200), &confirmation("m2")));
    assert!(refused(case.at(201), &confirmation("m3")));
    // Said again it is no second opt-out; after an opt-in it is.
    case.at(202).hear(HANDSET, SENDER, "STOP");
    assert!(refused(case.at(203), &confirmation("m4")));
    case.at(210).hear(HANDSET, SENDER, "START");
    case.at(220).hear(HANDSET, SENDER, "STOP");
    assert!(!refused(case.at(230), &confirmation("m5")));
}

#[test]
fn a_confirmation_that_was_not_sent_may_be_tried_again_and_none_comes_late() {
    let mut case = Case::<Consent>::new("{}");
    case.at(0).hear(HANDSET, SENDER, "STOP");
    assert!(!refused(case.at(10), &confirmation("m2")));
    case.nothing_was_sent();
    assert!(!refused(case.at(299), &confirmation("m3")));
    case.nothing_was_sent();
    assert!(refused(case.at(300), &confirmation("m4")));
}

#[test]
fn a_confirmation_that_is_put_off_beyond_its_time_is_none_and_takes_the_place_of_none() {
    let mut case = Case::<Consent>::new("{}");
    case.at(0).hear(HANDSET, SENDER, "STOP");
    let opted_out_ms = case.context.now_ms;
    let put_off = |id, seconds: u64| Message {
        not_before_ms: Some(opted_out_ms + seconds * 1_000),
        ..confirmation(id)
    };
    assert!(refused(case.at(10), &put_off("m2", 300)));
    assert!(!refused(case.at(10), &put_off("m3", 299)));
}

#[test]
fn a_report_of_a_message_that_is_older_than_a_start_does_not_count() {
    let mut case = Case::<Consent>::new("{}");
    let began_ms = case.context.now_ms;
    let asked_at = |second: u64| {
        let ms = format!("{:012x}", began_ms + second * 1_000);
        let id = format!("{}-{}-7cc3-98c4-dc0c0c07398f", &ms[..8], &ms[8..]);
        Receipt { id, error_code: "200".into(), ..receipt() }
    };
    case.at(100).hear(HANDSET, SENDER, "START");
    case.at(110).tell(&asked_at(90));
    assert!(!refused(&mut case, &sms()), "it was asked for before the START");
    case.at(120).tell(&asked_at(105));
    assert!(refused(&mut case, &sms()));
}

#[test]
fn a_report_that_the_recipient_has_opted_out_is_an_opt_out_that_nothing_confirms() {
    let opted_out =
        || Receipt { state: "undelivered".into(), error_code: "200".into(), ..receipt() };
    let mut case = Case::<Consent>::new("{}");
    case.tell(&receipt());
    assert!(!refused(&mut case, &sms()));
    case.tell(&opted_out());
    assert!(refused(&mut case, &sms()) && refused(&mut case, &confirmation("m2")));
    assert!(!refused(&mut case, &from(SIBLING)));

    let mut case = Case::<Consent>::new(r#"{"learn_from_reports": false}"#);
    case.tell(&opted_out());
    assert!(!refused(&mut case, &sms()));
    let mut case = Case::<Consent>::new("{}");
    case.tell(&Receipt { to: String::new(), ..opted_out() });
    assert!(!refused(&mut case, &sms()));
}

#[test]
fn who_opts_in_without_having_opted_out_is_told_so() {
    let mut case = Case::<Consent>::new(CAMPAIGN);
    let mut start = |to: &str, stop: Option<&str>| {
        if let Some(to) = stop {
            case.hear(HANDSET, to, "STOP");
        }
        let notes = case.hear(HANDSET, to, "START");
        assert!(
            notes.iter().all(|note| note.shown) && notes[0].key == "optout.cleared",
            "{notes:?}"
        );
        notes.get(1).map(|note| note.key.clone())
    };
    let not_listed = Some("optout.not_listed".to_owned());
    assert_eq!(start(SENDER, None), not_listed);
    assert_eq!(start(SENDER, Some(SIBLING)), None, "their campaign was");
    assert_eq!(start(SENDER, None), not_listed, "that is over");
    assert_eq!(start(SENDER, Some("")), None, "all were");
    assert_eq!(start("", None), None, "all but that one are");
    assert_eq!(start("", Some(SENDER)), not_listed, "only one was");
}

#[test]
fn who_opts_out_having_opted_out_is_told_so() {
    let mut case = Case::<Consent>::new(CAMPAIGN);
    let mut stop = |to: &str| {
        let notes = case.hear(HANDSET, to, "STOP");
        assert!(notes.iter().all(|note| note.shown) && notes[0].key == "optout.learned");
        notes.get(1).map(|note| note.key.clone())
    };
    let listed = Some("optout.listed".to_owned());
    assert_eq!(stop(SENDER), None);
    assert_eq!(stop(SIBLING), listed, "their campaign was");
    assert_eq!(stop(""), None, "only one was");
    assert_eq!(stop(""), listed);
    assert_eq!(stop("+14155551299"), listed, "all were");
}

#[test]
fn an_exempt_intent_is_sent_all_the_same() {
    let mut case = Case::<Consent>::new(r#"{"exempt_intents": ["security"]}"#);
    case.hear(HANDSET, SENDER, "STOP");
    let security = Message { intent: "security".into(), ..sms() };
    assert!(!refused(&mut case, &security) && refused(&mut case, &sms()));
}

#[test]
fn an_operators_own_words_take_the_place_of_the_others() {
    let mut case = Case::<Consent>::new(r#"{"stop_words": ["Arrêt"], "start_words": ["oui"]}"#);
    assert!(case.hear(HANDSET, SENDER, "QUIT").is_empty());
    assert_eq!(code(&case.hear(HANDSET, SENDER, "ARRÊT!")), "optout.learned");
    assert_eq!(code(&case.hear(HANDSET, SENDER, "Oui")), "optout.cleared");
}
