//! `sendgate policy test`, and the cases that a module brings along.

mod told;

use serde_json::{Value, json};

use super::{bytes_of, sendgate, with_cases};
use crate::harness::{Folder, Policy, Setup, Sidecar, TO, eventually, module, plivo};

/// The policies of this repository that bring cases along.
const POLICIES: [&str; 12] = [
    "validation",
    "country",
    "trial",
    "media",
    "consent",
    "dedup",
    "throttle",
    "quiet-hours",
    "pumping",
    "budget",
    "office-hours",
    "words",
];

/// What the guest `runaway` does is what the text tells it. The crate's own tests run the same natively.
const GUEST: &str = include_str!("../../../../policy-host/guests/runaway/cases.toml");

/// One case that holds for the guest, and two that do not.
const WRONG: &str = r#"
[[case]]
name = "an ordinary text passes"
expect = { verdict = "accept" }

[[case]]
name = "it refuses by another code"
message.text = "refuse test.asked"
expect = { verdict = "reject", code = "test.other" }

[[case]]
name = "it refuses at its second step"
steps = [{ expect = { verdict = "accept" } }, { at_s = 1, expect = { verdict = "reject" } }]
"#;

/// The standard chain, then the guest in the file `guest.wasm`.
fn guarded(plivo: &plivo_sim::PlivoSim) -> Setup {
    Setup::standard(plivo).policy(by_file())
}

/// The same with a candidate beside the guest.
fn guarded_with(plivo: &plivo_sim::PlivoSim, candidate: &str) -> Setup {
    Setup::standard(plivo).policy(by_file().set("candidate", candidate))
}

fn by_file() -> Policy {
    Policy::new("runaway").set("module", "guest.wasm").set("grants", json!(["state", "log"]))
}

fn guest(cases: &str) -> Vec<u8> {
    with_cases(bytes_of("runaway"), cases)
}

#[tokio::test]
async fn every_policy_of_this_repository_holds_its_cases_within_its_limits() {
    let folder = Folder::new();
    for name in POLICIES {
        let file = module(name);
        // A busy machine does not make a policy slow.
        let words = ["policy", "test", &*file.to_string_lossy(), "--json", "--time-ms", "2000"];
        let shown = sendgate(folder.path(), &words).await.json(0);

        let cases = shown["cases"].as_array().expect("cases");
        assert!(cases.len() >= 3, "{name} has {} cases", cases.len());
        let most = |member: &str| cases.iter().filter_map(|case| case[member].as_u64()).max();
        for (member, least) in [("guest_us", 1), ("memory_bytes", 1 << 19)] {
            let (found, limit) = (most(member), shown["limits"][member].as_u64());
            assert!(
                found >= Some(least) && found < limit,
                "{name}: {member} is {found:?} of {limit:?}"
            );
        }
        let keeps = ["media", "dedup", "throttle", "consent", "quiet-hours", "pumping", "budget"];
        let keeps = keeps.contains(&name);
        assert_eq!(most("host_calls").is_some_and(|calls| calls > 0), keeps, "{name}");
        assert!(cases.iter().all(|case| case["holds"] == true), "{name}: {shown:#}");
    }
}

/// The same, beginning with 2 MiB of memory.
fn large(mut module: Vec<u8>) -> Vec<u8> {
    // The section of memories: three bytes, one memory, without a maximum, and its pages.
    let at = module.windows(4).position(|bytes| bytes == [5, 3, 1, 0]).expect("one memory");
    module[at + 4] = 32;
    module
}

#[tokio::test]
async fn what_only_the_host_can_find_is_a_case_too() {
    let folder = Folder::new();
    folder.write("cases.toml", GUEST);
    let file = module("runaway");
    // Time that a busy machine does not use up, and that spinning does.
    let words =
        ["policy", "test", &*file.to_string_lossy(), "--cases", "cases.toml", "--time-ms", "250"];
    let said = sendgate(folder.path(), &words).await;
    assert_eq!(said.ended(0).matches("  holds  ").count(), 15, "{}", said.out);
    folder.write("large.wasm", large(bytes_of("runaway")));
    let narrow =
        sendgate(folder.path(), &["policy", "test", "large.wasm", "--memory-mb", "1"]).await;
    narrow.ended(2);
    assert!(narrow.err.contains("raise `--memory-mb`"), "{}", narrow.err);
    // The limits are those that are given: the call above the fifth ends it.
    let narrow = [&words[..], &["--host-calls", "5", "--json"]].concat();
    let shown = sendgate(folder.path(), &narrow).await.json(0);
    assert_eq!(
        (&shown["limits"]["host_calls"], &shown["cases"][4]["host_calls"]),
        (&json!(5), &json!(6))
    );
}

#[tokio::test]
async fn every_difference_is_told_with_case_line_and_step() {
    let folder = Folder::new();
    folder.write("cases.toml", WRONG);
    let file = module("runaway");
    let words = ["policy", "test", &*file.to_string_lossy(), "--cases", "cases.toml"];
    let said = sendgate(folder.path(), &words).await;

    let out = said.ended(1);
    for part in [
        "  holds    an ordinary text passes ",
        "  DIFFERS  it refuses by another code ",
        "           line 6: code: expected test.other, found test.asked\n",
        "           line 11: step 2: verdict: expected reject, found accept\n",
        " MiB   0 calls\n",
    ] {
        assert!(out.contains(part), "{part:?} is not in\n{out}");
    }
    assert_eq!(said.err, "2 of 3 cases differ\n");
    let shown = sendgate(folder.path(), &[&words[..], &["--json"]].concat()).await.json(1);
    assert_eq!(
        shown["cases"][2]["differences"],
        json!([{ "step": 2, "what": "verdict", "expected": "reject", "found": "accept" }])
    );
}

#[tokio::test]
async fn what_a_policy_logs_in_a_case_and_why_it_traps_is_shown() {
    const CASES: &str = r#"
[[case]]
name = "it chats"
message.text = "chatty 2"
expect = { verdict = "accept" }

[[case]]
name = "it panics where it should not"
message.text = "panic"
expect = { verdict = "accept" }

[[case]]
name = "it is not ready"
settings.panic_on_configure = true
expect = { verdict = "accept" }

[[case]]
name = "it calls itself without end"
message.text = "overflow"
expect = { verdict = "failure", code = "stack_overflow", detail = "the policy overflowed its stack" }
"#;
    let folder = Folder::new();
    folder.write("cases.toml", CASES);
    let file = module("runaway");
    let file = file.to_string_lossy();
    let words = ["policy", "test", &*file, "--cases", "cases.toml", "--time-ms", "2000"];
    let said = sendgate(folder.path(), &words).await;
    let out = said.ended(1);
    for part in [
        "           info: line 1 of somebody who cannot stop talking\n",
        "found failure (trap: the policy trapped: wasm trap: wasm `unreachable`",
        "           error: panicked at ",
        ": as the message asks\n",
        "found it failed in `configure`: the policy trapped: ",
        ": as the settings ask\n",
        "  holds    it calls itself without end",
    ] {
        assert!(out.contains(part), "{part:?} is not in\n{out}");
    }
    assert!(!out.contains("backtrace"), "{out}");
    let shown = sendgate(folder.path(), &[&words[..], &["--json"]].concat()).await.json(1);
    let logged = |case: usize| shown["cases"][case]["logged"].as_array().expect("lines").len();
    assert_eq!([logged(0), logged(1), logged(2), logged(3)], [2, 1, 1, 0], "{shown:#}");
    assert_eq!(shown["cases"][1]["logged"][0]["level"], "error");
}

#[tokio::test]
async fn cases_that_cannot_be_read_are_told_with_their_line() {
    let folder = Folder::new();
    let file = module("trial").to_string_lossy().into_owned();
    for (cases, wanted) in [
        (
            "[[case]]\nname = \"a\"\n",
            "line 1: case `a`: needs one of `expect`, `steps` and `problems`",
        ),
        (
            "[[case]]\nname = \"a\"\nexpekt = 1\n",
            "line 3: unknown field `expekt`, expected one of ",
        ),
        (
            "[[case]]\nname = \"a\"\nmessage.to = \"0415\"\nexpect = { verdict = \"accept\" }\n",
            "line 1: case `a`: step 1: message.to: ",
        ),
        ("{\"name\": \"a\", \"expect\": {\"verdict\": \"accept\"}}\n{\"name\": 1}\n", "line 2: "),
        (
            "\n",
            "line 1: there is no case; write [[case]], or in JSON Lines an object a line: {\"name\": ",
        ),
    ] {
        folder.write("cases.toml", cases);
        let said =
            sendgate(folder.path(), &["policy", "test", &file, "--cases", "cases.toml"]).await;
        said.ended(2);
        let wanted = format!("cases.toml: the cases cannot be read: {wanted}");
        assert!(said.err.starts_with(&wanted), "{wanted} is not\n{}", said.err);
    }
    let probe = module("probe");
    let none = sendgate(folder.path(), &["policy", "test", &probe.to_string_lossy()]).await;
    none.ended(2);
    assert!(none.err.contains("brings no cases along; name a file with --cases"), "{}", none.err);
}

#[tokio::test]
async fn cases_are_put_into_a_module_and_stand_for_those_that_it_had() {
    let (plivo, folder) = (plivo().await, Folder::new());
    folder.write("guest.wasm", guest(WRONG));
    folder.write("cases.toml", GUEST);
    let embed = ["policy", "embed", "guest.wasm", "--cases", "cases.toml"];
    let said = sendgate(folder.path(), &[&embed[..], &["--out", "other.wasm"]].concat()).await;
    assert_eq!(said.ended(0), "other.wasm brings 15 cases along\n");
    let kept = std::fs::read(folder.path().join("guest.wasm")).expect("the guest");
    assert!(kept == guest(WRONG), "--out leaves the module as it is");
    let said = sendgate(folder.path(), &embed).await;
    assert_eq!(said.ended(0), "guest.wasm brings 15 cases along\n");
    let shown = sendgate(folder.path(), &["policy", "inspect", "guest.wasm", "--json"]).await;
    assert_eq!(shown.json(0)["cases"], 15);
    folder.write("sidecar.toml", guarded(&plivo).to_toml());
    sendgate(folder.path(), &["check"]).await.ended(0);

    // What is no module, and what are no cases, is left alone.
    folder.write("cases.toml", "[[case]]\n");
    sendgate(folder.path(), &embed).await.ended(2);
    folder.write("cases.toml", GUEST);
    folder.write("guest.wasm", &kept[..kept.len() / 2]);
    let said = sendgate(folder.path(), &embed).await;
    said.ended(2);
    assert!(said.err.contains("ends in the middle of a section"), "{}", said.err);
    folder.write("guest.wasm", b"\0asm\x01\0\0\0");
    let said = sendgate(folder.path(), &embed).await;
    said.ended(2);
    assert!(said.err.contains("carries no component type information"), "{}", said.err);
    let left = std::fs::read(folder.path().join("guest.wasm")).expect("what is no policy");
    assert_eq!(left, b"\0asm\x01\0\0\0");
}

#[tokio::test]
async fn cases_that_no_sidecar_would_load_a_module_with_are_not_put_into_it() {
    let folder = Folder::new();
    let bare = bytes_of("runaway");
    folder.write("guest.wasm", &bare);
    folder.write("cases.toml", WRONG);
    let embed = ["policy", "embed", "guest.wasm", "--cases", "cases.toml"];
    for out in [&[][..], &["--out", "other.wasm"]] {
        let said = sendgate(folder.path(), &[&embed[..], out].concat()).await;
        assert_eq!(said.ended(2), "");
        let lines: Vec<&str> = said.err.lines().collect();
        let wanted = [
            "guest.wasm: the module fails its own case `it refuses by another code`: code: expected test.other, found \
             test.asked",
            "the module fails its own case `it refuses at its second step`: step 2: verdict: expected reject, found accept",
            "nothing was written, since no sidecar loads a module so; mend it, or cases.toml",
        ];
        assert_eq!(lines, wanted);
    }
    let left = std::fs::read(folder.path().join("guest.wasm")).expect("the guest");
    assert!(left == bare, "the module was changed");
    for beside in ["guest.wasm.new", "other.wasm", "other.wasm.new"] {
        assert!(!folder.path().join(beside).exists(), "{beside} was written");
    }

    // It is held to the limits that are typed.
    folder.write(
        "cases.toml",
        "[[case]]\nname = \"a\"\nmessage.text = \"spin\"\nexpect = { verdict = \"accept\" }\n",
    );
    let said = sendgate(folder.path(), &[&embed[..], &["--time-ms", "30"]].concat()).await;
    said.ended(2);
    assert!(said.err.contains("it needs more, raise `--time-ms`"), "{}", said.err);
}

#[tokio::test]
async fn a_module_that_fails_its_own_cases_is_refused_before_anything_starts() {
    let plivo = plivo().await;
    let folder = Folder::new();
    folder.write("guest.wasm", guest(WRONG));
    folder.write("sidecar.toml", guarded(&plivo).to_toml());
    for command in ["check", "run"] {
        let said = sendgate(folder.path(), &[command]).await;
        said.ended(2);
        let lines: Vec<&str> = said.err.lines().collect();
        assert_eq!(lines.len(), 2, "{}", said.err);
        for (line, wanted) in lines.iter().zip([
            "policies.runaway.module: the module fails its own case `it refuses by another code`: code: expected test.other, \
             found test.asked",
            "policies.runaway.module: the module fails its own case `it refuses at its second step`: step 2: verdict: \
             expected reject, found accept",
        ]) {
            assert!(line.starts_with("sidecar.toml:") && line.ends_with(wanted), "{line}");
        }
    }
    // Whatever else is at fault, in the file or in another policy, and at each place that names it.
    let missing = by_file().set("name", "missing").set("module", "missing.wasm");
    let again = by_file().set("name", "again");
    let setup = guarded(&plivo).policy(missing).policy(again).set("delivery.nope", 1);
    folder.write("sidecar.toml", setup.to_toml());
    let said = sendgate(folder.path(), &["check"]).await;
    said.ended(2);
    for wanted in [
        "delivery.nope: is not a known key",
        "policies.missing.module: there is no module",
        "policies.runaway.module: the module fails its own case `it refuses by another code`",
        "policies.again.module: the module fails its own case `it refuses by another code`",
    ] {
        assert!(said.err.contains(wanted), "no {wanted} in {}", said.err);
    }
    // A candidate would come into force by itself: it is held to the same.
    folder.write("candidate.wasm", guest(WRONG));
    folder.write(
        "guest.wasm",
        guest("[[case]]\nname = \"a text passes\"\nexpect = { verdict = \"accept\" }\n"),
    );
    folder.write("sidecar.toml", guarded_with(&plivo, "candidate.wasm").to_toml());
    let said = sendgate(folder.path(), &["check"]).await;
    said.ended(2);
    let line =
        "policies.runaway.candidate: the module fails its own case `it refuses by another code`";
    assert!(said.err.contains(line), "{}", said.err);
    folder.write("sidecar.toml", guarded(&plivo).to_toml());
    let unreadable = guest("[[case]]\nname = 1\n");
    folder.write("guest.wasm", unreadable);
    let said = sendgate(folder.path(), &["check"]).await;
    said.ended(2);
    assert!(said.err.contains("the module's own cases cannot be read: line 2: "), "{}", said.err);
    folder.write("guest.wasm", guest(&" ".repeat((256 << 10) + 1)));
    let said = sendgate(folder.path(), &["check"]).await;
    said.ended(2);
    assert!(
        said.err.contains("its own cases are not usable: they have 262145 bytes"),
        "{}",
        said.err
    );
}

#[tokio::test]
async fn a_module_that_fails_its_own_cases_leaves_the_one_before_in_force() {
    let plivo = plivo().await;
    let folder = Folder::new();
    folder.write(
        "guest.wasm",
        guest("[[case]]\nname = \"a text passes\"\nexpect = { verdict = \"accept\" }\n"),
    );
    let sidecar = Sidecar::start_in(folder, guarded(&plivo)).await;
    let before = sidecar.ready().await.expect(200)["generation"].clone();

    sidecar.folder.write("guest.wasm", guest(WRONG));

    let mut told = Value::Null;
    let refused = async || {
        told = sidecar.ready().await.expect(200)["reload_refused"].clone();
        told.to_string().contains("its own case `it refuses by another code`").then_some(())
    };
    eventually("the reload is refused by the module's own case", refused).await;
    assert_eq!(sidecar.ready().await.expect(200)["generation"], before, "{told}");
    sidecar.send(&json!({"to": TO, "text": "refuse test.asked"})).await.refused(422, "test.asked");

    let mended = WRONG.replace("test.other", "test.asked");
    let (mended, _) =
        mended.split_once("\n[[case]]\nname = \"it refuses at").expect("the last case");
    sidecar.folder.write("guest.wasm", guest(mended));
    let applied = async || {
        let ready = sidecar.ready().await.expect(200);
        (ready["generation"] != before && ready["reload_refused"].is_null()).then_some(ready)
    };
    let ready = eventually("the mended module is in force", applied).await;
    assert_eq!([before, ready["generation"].clone()], [1, 2], "what was refused took a number");
    sidecar.stop().await;
}
