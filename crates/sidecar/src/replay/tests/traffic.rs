//! Messages that are made up, with all that policies look at.

use std::sync::Arc;
use std::time::Duration;

use message::facts::{self, Probed};
use message::{Dedup, E164, MediaUrl, Message, MessageId, Sender, Settlement, Timestamp};
use policy_host::Candidate;
use proptest::prelude::*;
use proptest::strategy::ValueTree as _;
use proptest::test_runner::TestRunner;

/// A message, and whether it was sent in the end.
#[derive(Clone, Debug)]
pub(crate) struct Sent {
    pub(crate) candidate: Candidate,
    pub(crate) settlement: Settlement,
}

/// What happens between two messages.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Between {
    Nothing,
    /// Policies are told what became of the message before: Plivo's word and its code.
    Receipt(&'static str, &'static str),
    /// Its handset says this.
    Says(&'static str),
    /// The same policies are a generation of their own.
    Reload,
}

impl Sent {
    /// What its text says first.
    pub(crate) fn reads(&self) -> &str {
        self.candidate.message.text.split(' ').next().unwrap_or_default()
    }
}

/// Of the US, Canada, Britain, France, nobody, an international network, and two neighbours.
const NUMBERS: [&str; 8] = [
    "+14155550123",
    "+16045550123",
    "+447911123456",
    "+33612345678",
    "+14155550",
    "+88213123456",
    "+14155550124",
    "+13055550199",
];

const DOORS: [&str; 3] = ["messages", "mms-send", "plivo"];

const SENDERS: [&str; 4] = ["+14155551212", "MyBrand", "123456", "+14155550123"];

/// What an app writes, and what the guest `runaway` does.
const TEXTS: [&str; 16] = [
    "Your code is 493021",
    "It’s your parcel – tracked at https://example.com/parcel?number=RX1234567",
    "Grüße aus Köln, très élégant façade",
    "сообщение для получателя",
    "See you 😀 at five",
    "STOP",
    "refuse test.asked",
    "amend Altogether different words",
    "amend It’s amended",
    "undecided",
    "panic",
    "greedy 3",
    "greedy 65",
    "hoard",
    "notes 3",
    "",
];

const URLS: [&str; 3] = [
    "https://cdn.example.com/private/picture-of-somebody.jpg",
    "https://files.example.org/a/b/document.pdf?token=tttttttttttt",
    "http://198.51.100.7/clip",
];

/// 2026-11-24, shortly before nine in the evening in New York.
const BEGINNING: u64 = 1_795_571_400_000;

/// Up to `most` messages, one after the other.
pub(crate) fn traffic(most: usize) -> impl Strategy<Value = Vec<Sent>> {
    let from = (0..10_usize, prop::sample::select(&DOORS[..]));
    let one = (message(), 0_u64..90, any::<bool>(), from, any::<bool>());
    prop::collection::vec(one, 1..most).prop_map(|all| {
        let mut now = Timestamp(BEGINNING);
        let sent = all.into_iter().enumerate().map(
            |(nth, (message, after, kept, (app, door), unknown))| {
                now = now.after(Duration::from_secs(after));
                let (mut message, probes) = message;
                message.id = id(nth);
                let unknown = if unknown { vec!["/extra".to_owned()] } else { Vec::new() };
                let mut facts = facts::survey(&message, unknown).expect("well formed");
                for (media, probe) in facts.media.iter_mut().zip(probes) {
                    media.probe = probe;
                }
                let app: Arc<str> = if app == 0 { "trial".into() } else { "demo".into() };
                let settlement = if kept { Settlement::Keep } else { Settlement::GiveBack };
                let account = message::DEFAULT_ACCOUNT.into();
                let candidate = Candidate { message, facts, app, account, door, now };
                Sent { candidate, settlement }
            },
        );
        sent.collect()
    })
}

/// What happens before each of `most` messages.
pub(crate) fn between(most: usize) -> impl Strategy<Value = Vec<Between>> {
    let one = prop_oneof![
        6 => Just(Between::Nothing),
        1 => Just(Between::Receipt("delivered", "")),
        1 => Just(Between::Receipt("undelivered", "30007")),
        1 => Just(Between::Receipt("converted", "")),
        1 => Just(Between::Says("STOP")),
        1 => Just(Between::Says("START")),
        1 => Just(Between::Reload),
    ];
    prop::collection::vec(one, most)
}

/// The same many messages each time, and one that spins.
pub(crate) fn much() -> Vec<Sent> {
    let mut runner = TestRunner::deterministic();
    let all = prop::collection::vec(traffic(100), 8).new_tree(&mut runner).expect("a value");
    let mut sent: Vec<Sent> = all.current().into_iter().flatten().collect();
    sent.sort_by_key(|each| each.candidate.now);
    for (nth, each) in sent.iter_mut().enumerate() {
        each.candidate.message.id = id(nth);
    }
    sent[3].candidate.message.text = "spin".to_owned();
    sent
}

fn id(nth: usize) -> MessageId {
    MessageId(format!("01920000-0000-7000-8000-{nth:012}").into())
}

fn message() -> impl Strategy<Value = (Message, Vec<Option<Probed>>)> {
    let who = (prop::sample::select(&NUMBERS[..]), prop::sample::select(&SENDERS[..]));
    let media = prop::collection::vec((prop::sample::select(&URLS[..]), probe()), 0..3);
    let media = prop_oneof![3 => Just(Vec::new()), 1 => media];
    let intent = prop::sample::select(&["", "otp", "marketing"][..]);
    let rest = (
        prop::option::of(5_u32..10_000),
        prop_oneof![
            4 => Just(Dedup::Content),
            1 => Just(Dedup::Off),
            1 => Just(Dedup::Key("key-of-an-app".to_owned())),
        ],
        prop::sample::subsequence(&["recipient_tz", "end_user_ip", "campaign"][..], 0..=3),
        prop::option::of(0_u64..100_000),
    );
    let text = prop::sample::select(&TEXTS[..]);
    (who, text, media, intent, rest).prop_map(|((to, from), text, media, intent, rest)| {
        let (ttl_s, dedup, tags, later) = rest;
        let tag = |key: &str| {
            let value = match key {
                "recipient_tz" => "Asia/Tokyo",
                "end_user_ip" => "203.0.113.9",
                _ => "spring-with-somebody",
            };
            (key.to_owned(), value.to_owned())
        };
        let url = |url: &str| MediaUrl::parse(url, "/media_urls").expect("a URL").0;
        let (urls, probes): (Vec<_>, Vec<_>) = media.into_iter().unzip();
        let text = if urls.is_empty() && text.is_empty() { "plain words" } else { text };
        let message = Message {
            id: MessageId("".into()),
            to: E164::parse(to, "/to").expect("a number"),
            sender: Sender::parse(from, "/from").expect("a sender"),
            text: text.to_owned(),
            media_urls: urls.into_iter().map(url).collect(),
            media_ids: Vec::new(),
            intent: intent.to_owned(),
            ttl_s,
            not_before: later.map(|s| Timestamp(BEGINNING).after(Duration::from_secs(s))),
            callback_url: None,
            dedup,
            tags: tags.into_iter().map(tag).collect(),
        };
        (message, probes)
    })
}

fn probe() -> impl Strategy<Value = Option<Probed>> {
    let found = |content_type: &str, bytes| {
        Some(Probed::Found { content_type: content_type.to_owned(), bytes })
    };
    prop::sample::select(vec![
        None,
        found("image/jpeg", Some(10_000)),
        found("application/pdf", Some(10_000)),
        found("image/png", None),
        Some(Probed::Refused(404)),
        Some(Probed::Unreachable),
        Some(Probed::ResolvesPrivate),
    ])
}
