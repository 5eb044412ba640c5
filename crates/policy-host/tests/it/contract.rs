//! Modules of every released version of the contract: as they were built then, loaded and asked by today's host.
//!
//! `tests/contract/VERSION` holds the guest `probe`, which makes every call and exports every interface, and the contract
//! itself. A release adds a folder; nothing in one ever changes. Of the kinds of limit the probe of 0.1.0 can be asked for
//! a window and GCRA; a module of that version with one by the calendar is not kept.

use std::collections::BTreeMap;
use std::path::PathBuf;

use message::{E164, Kind, MessageId, Sender, Settlement};
use policy_host::{Afterwards, Inbound, Outcome, PolicyChain, PolicySource, Receipt};

use crate::host::{Host, policy, sms};

/// The folder of each released version.
fn released() -> BTreeMap<String, PathBuf> {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/contract");
    let entries = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap());
    entries.map(|entry| (entry.file_name().into_string().unwrap(), entry.path())).collect()
}

/// A contract without its comments.
fn bare(wit: &str) -> Vec<&str> {
    let lines = wit.lines().map(str::trim);
    lines.filter(|line| !line.is_empty() && !line.starts_with("//")).collect()
}

fn number(number: &str) -> E164 {
    E164::parse(number, "/to").unwrap()
}

async fn heard(chain: &PolicyChain, call: &str) -> String {
    let cleared = chain.clear(sms(call)).await.unwrap();
    let notes = &cleared.decisions()[0].notes;
    let heard = notes.iter().find(|note| note.key == "probe.answer").unwrap().value.clone();
    cleared.settle(Settlement::Keep).await.unwrap();
    heard
}

#[test]
fn within_a_released_version_nothing_of_the_contract_changes() {
    let version = policy_wit::VERSION;
    let released = released();
    let Some(folder) = released.get(version) else {
        panic!(
            "no tests/contract/{version}: keep the contract and a module of it when it is released"
        )
    };
    let kept = std::fs::read_to_string(folder.join("policy.wit")).unwrap();
    assert_eq!(bare(policy_wit::WIT), bare(&kept), "{version} has become another contract");
}

#[tokio::test]
async fn a_module_of_every_released_version_loads_hears_and_decides() {
    for (version, folder) in released() {
        let host = Host::new();
        let bytes = std::fs::read(folder.join("probe.wasm")).unwrap();
        let source = PolicySource { module: bytes.into(), ..policy("probe") };
        let chain = host.chain(&[source]).await;
        for (call, expected) in [
            ("put k v 60000", "true"),
            ("get k", "v"),
            ("increment n 2 60000", "2"),
            ("reserve r 60000", "reserved"),
            ("window w 5 60000 2", "w left 3 reset 60000 delay 0"),
            ("pace p 1 60000 1 1", "p left 0 reset 60000 delay 0"),
            ("classify +33612345678", "FR NumberType::Mobile"),
            ("offsets Europe/Paris 0 60000", "3600 after 0 h"),
            ("count seen 1", "counted"),
            ("probes", "0 looked at"),
            ("log a line", "logged"),
        ] {
            assert_eq!(heard(&chain, call).await, expected, "{version}: {call}");
        }
        let (id, now) = (MessageId("m7".into()), sms("x").now);
        let about = Afterwards { id: &id, app: "billing", door: "messages", now };
        chain.tell_outcome(about, Outcome::InDoubt).await;
        assert_eq!(heard(&chain, "told m7").await, "in-doubt", "{version}");
        chain.tell_delivery_report(about, "undelivered", "200").await.unwrap();
        assert_eq!(heard(&chain, "told m7").await, "undelivered 200", "{version}");

        let (to, sender) = (number("+33612345678"), Sender::Number(number("+14155551212")));
        let receipt = Receipt {
            kind: Kind::Sms,
            to: Some(&to),
            sender: &sender,
            intent: "otp",
            state: "undelivered",
            error_code: "200",
            units: Some(2),
            total_rate: "0.00500",
        };
        chain.tell_receipt(about, receipt).await.unwrap();
        let said = "+336• +141• FR otp undelivered 200 Some(2) 0.00500";
        assert_eq!(heard(&chain, "told receipt-m7").await, said, "{version}");

        let says = |text| Inbound { sender: &to, to: "12345", text };
        let made = chain.tell_inbound(about, says("put k2 w 60000")).await.unwrap();
        let made = (made[0].key.as_str(), made[0].value.as_str(), made[0].shown);
        assert_eq!(made, ("probe.heard", "true; to 12345; by \"billing\"", true), "{version}");
        assert_eq!(heard(&chain, "get k2").await, "w", "{version}");
        let (_, failure) = chain.tell_inbound(about, says("fail")).await.unwrap_err();
        assert_eq!(failure.as_str(), "undecided", "{version}");
    }
}
