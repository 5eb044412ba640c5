use message::{Message, Timestamp};

use super::fill::NOON;
use super::{MOST_BYTES, MOST_CASES, MOST_STEPS, parse};
use crate::{Act, Case, Kept, Step};

fn cases(text: &str) -> Vec<Case> {
    parse(text).unwrap_or_else(|err| panic!("{err} in\n{text}"))
}

fn message(step: &Step) -> &Message {
    match &step.act {
        Act::Ask { message, .. } => message,
        other => panic!("nothing is asked: {other:?}"),
    }
}

fn fault(text: &str) -> String {
    parse(text).expect_err("these are no cases").to_string()
}

#[test]
fn what_a_step_leaves_out_its_case_says_and_then_the_file() {
    let cases = cases(
        r#"
        [default]
        app = "shop"
        now = "2026-06-01T08:00:00Z"
        settings = { most = 1 }
        message = { intent = "marketing", tags = { a = "1" } }

        [[case]]
        name = "one"
        message = { text = "case", tags = { b = "2" } }
        steps = [
            { expect = { verdict = "accept" } },
            { at_s = 1.5, app = "bank", message = { text = "step" }, settings = { most = 2 },
              expect = { verdict = "accept" } },
        ]

        [[case]]
        name = "another"
        settings = {}
        now = 2026-06-01T10:00:00+02:00
        expect = { verdict = "accept" }
        "#,
    );
    let (first, second) = (&cases[0].steps[0], &cases[0].steps[1]);
    let began = Timestamp(1_780_300_800_000);
    assert_eq!((first.app.as_str(), first.now), ("shop", began));
    assert_eq!((second.app.as_str(), second.now.0), ("bank", began.0 + 1_500));
    let words = |step| (message(step).text.as_str(), message(step).intent.as_str());
    assert_eq!((words(first), words(second)), (("case", "marketing"), ("step", "marketing")));
    assert_eq!(message(first).tags, [("a".into(), "1".into()), ("b".into(), "2".into())]);
    assert_eq!((&*message(first).id.0, &*message(second).id.0), ("m1", "m2"));
    assert_eq!(
        (cases[0].settings["most"].as_u64(), cases[1].settings.get("most")),
        (Some(1), None)
    );
    assert_eq!(second.settings.as_ref().map(|settings| settings["most"].clone()), Some(2.into()));
    assert_eq!((cases[1].now, message(&cases[1].steps[0]).text.as_str()), (began, "hi"));
    assert_eq!((cases[0].line, cases[1].line), (8, 17));
}

#[test]
fn facts_are_what_the_host_finds_out_with_what_the_case_says_over_it() {
    let cases = cases(
        r#"
        [[case]]
        name = "a"
        message = { to = "+447911123456", media_urls = ["https://cdn.example.com/a.JPG"] }
        facts.number.region = "FR"
        facts.text.segments = 3
        facts.media = [{ probe = { outcome = "refused", status = 404 } }]
        facts.unknown_fields = ["/colour"]
        expect = { verdict = "accept" }
        "#,
    );
    let Act::Ask { facts, .. } = &cases[0].steps[0].act else { panic!("nothing is asked") };
    assert_eq!((facts.number.region.as_str(), facts.number.calling_code), ("FR", 44));
    assert_eq!((facts.text.count, facts.text.units), (3, 2));
    assert_eq!(facts.media[0].extension, "jpg");
    assert_eq!(facts.media[0].probe, Some(message::facts::Probed::Refused(404)));
    assert_eq!(facts.unknown_fields, ["/colour"]);
}

#[test]
fn json_lines_say_the_same_as_toml() {
    let json = cases(
        r#"{"name": "a", "message": {"text": "x"}, "expect": {"verdict": "reject", "code": "a.b"}}

        {"name": "b", "state": [{"key": "k", "sum": 3, "ttl_s": 2}], "problems": ["/a"]}"#,
    );
    let toml = cases(
        "[[case]]\nname = \"a\"\nmessage.text = \"x\"\nexpect = { verdict = \"reject\", code = \"a.b\" }\n\
         [[case]]\nname = \"b\"\nstate = [{ key = \"k\", sum = 3, ttl_s = 2 }]\nproblems = [\"/a\"]\n",
    );
    let shown = |cases: Vec<Case>| {
        cases.into_iter().map(|case| format!("{:?}", Case { line: 0, ..case })).collect::<Vec<_>>()
    };
    assert_eq!((json[1].line, &json[1].state[0].kept), (3, &Kept::Sum(3)));
    let marked = "\u{feff}{\"name\": \"c\", \"problems\": [\"/a\"]}";
    assert_eq!(cases(marked)[0].name, "c");
    assert_eq!(shown(json), shown(toml));
}

#[test]
fn a_member_that_stands_twice_in_a_line_of_json_is_told_with_its_line_and_case() {
    let other = r#"{"name": "b", "expect": {"verdict": "accept"}}"#;
    let accept = r#""expect": {"verdict": "accept"}"#;
    for (members, twice) in [
        (format!(r#""message": {{"text": "a", "text": "b"}}, {accept}"#), "message.text"),
        (format!(r#""message": {{"tags": {{"a": "1", "a": "2"}}}}, {accept}"#), "message.tags.a"),
        (format!(r#""facts": {{"number": {{}}, "number": {{}}}}, {accept}"#), "facts.number"),
        (format!(r#""settings": {{"a": [0, {{"b": 1, "b": 1}}]}}, {accept}"#), "settings.a.1.b"),
        (
            format!(r#""steps": [{{"settings": {{"a": 1, "a": 2}}, {accept}}}]"#),
            "steps.0.settings.a",
        ),
        (
            r#""expect": {"verdict": "accept", "notes": {"a": "1", "a": "2"}}"#.into(),
            "expect.notes.a",
        ),
    ] {
        let told = fault(&format!("{other}\n{{\"name\": \"a\", {members}}}"));
        let wanted = format!("line 2: case `a`: `{twice}` stands there twice; give it once");
        assert_eq!(told, wanted);
    }
    let apart = r#"{"name": "a", "state": [{"key": "k", "sum": 1}, {"key": "l", "sum": 1}], "problems": ["/a"]}"#;
    assert_eq!(cases(apart).len(), 1);
}

#[test]
fn a_repeated_step_has_one_number_and_messages_of_its_own() {
    let cases = cases(
        "[[case]]\nname = \"a\"\nsteps = [\n{ times = 3, expect = { verdict = \"accept\" } },\n\
         { at_s = 1, outcome = \"accepted\" }, { at_s = 1, id = \"m1\", report = { state = \"delivered\" } }]\n",
    );
    let steps = &cases[0].steps;
    assert_eq!(steps.iter().map(|step| step.number).collect::<Vec<_>>(), [1, 1, 1, 2, 3]);
    assert_eq!(&*message(&steps[2]).id.0, "m3");
    assert!(
        matches!(&steps[3].act, Act::Outcome { id, outcome } if id == "m3" && outcome == "accepted")
    );
    assert!(
        matches!(&steps[4].act, Act::Report { id, state, .. } if id == "m1" && state == "delivered")
    );
    assert_eq!(cases[0].now, NOON);
}

#[test]
fn receipts_are_of_messages_that_were_asked_about_and_handsets_are_heard() {
    let cases = cases(
        "[[case]]\nname = \"a\"\nsteps = [{ message = { intent = \"otp\" }, expect = { verdict = \"accept\" } },\n\
         { receipt = { state = \"delivered\", units = 2 } },\n\
         { inbound = { from = \"+14155550123\", text = \"STOP\", notes = {} } }]\n",
    );
    let [_, receipt, inbound] = &cases[0].steps[..] else { panic!("three steps: {cases:?}") };
    let Act::Receipt(receipt) = &receipt.act else { panic!("no receipt: {receipt:?}") };
    assert_eq!((receipt.message.intent.as_str(), receipt.units), ("otp", Some(2)));
    let Act::Inbound(inbound) = &inbound.act else { panic!("not heard: {inbound:?}") };
    assert_eq!((inbound.id.as_str(), inbound.text.as_str()), ("in3", "STOP"));
    assert!(inbound.expect.notes.is_some() && inbound.expect.warnings.is_none());
}

#[test]
fn what_cannot_be_meant_is_told_with_its_line_and_case() {
    let accept = "expect = { verdict = \"accept\" }";
    for (text, wanted) in [
        (
            format!("[[case]]\nname = \"a\"\n{accept}\nproblems = []\n"),
            "line 1: case `a`: needs one of",
        ),
        (
            format!(
                "[[case]]\nname = \"a\"\nsteps = [{{ at_s = 2, {accept} }}, {{ at_s = 1, {accept} }}]"
            ),
            "line 1: case `a`: step 2: `at_s` is before",
        ),
        (
            format!("[[case]]\nname = \"a\"\nsteps = [{{ {accept} }}, {{ times = 0, {accept} }}]"),
            "line 1: case `a`: step 2: `times` is 0, and what is never asked holds",
        ),
        (
            "[[case]]\nname = \"a\"\nsteps = [{ outcome = \"accepted\" }]".into(),
            "line 1: case `a`: step 1: there is no message",
        ),
        (
            format!("[[case]]\nname = \"a\"\ndoor = \"window\"\n{accept}"),
            "line 1: case `a`: step 1: door: there is no `window`",
        ),
        (
            format!("[[case]]\nname = \"a\"\nfacts.number.type = \"brick\"\n{accept}"),
            "line 1: case `a`: step 1: facts.number.type: there is no `brick`",
        ),
        (
            format!("[[case]]\nname = \"a\"\nmessage.colour = \"red\"\n{accept}"),
            "line 1: case `a`: step 1: message: unknown field `colour`",
        ),
        (
            format!("[[case]]\nname = \"a\"\nstate = [{{ key = \"k\" }}]\n{accept}"),
            "line 1: case `a`: state `k` needs one of",
        ),
        (
            format!(
                "[[case]]\nname = \"a\"\nstate = [{{ key = \"k\", sum = 1 }}, {{ key = \"l\", sum = 1 }}, \
                 {{ key = \"k\", value = \"v\" }}]\n{accept}"
            ),
            "line 1: case `a`: state `k` stands there twice; give it once",
        ),
        (
            format!("[[case]]\nname = \"a\"\n{accept}\n[[case]]\nname = \"a\"\n{accept}"),
            "line 4: case `a`: the case on line 1 has this name too",
        ),
        (
            format!("[[case]]\nname = \"a\"\nnow = \"noon\"\n{accept}"),
            "line 3: is not an instant such as",
        ),
        (
            "[[case]]\nname = \"a\"\nexpect = { verdict = \"maybe\" }".into(),
            "line 3: unknown variant `maybe`",
        ),
        (
            "[[case]]\nname = \"a\"\nexpect = { code = \"a.b\" }".into(),
            "line 1: case `a`: step 1: `expect` has no `verdict`; write accept, amend,",
        ),
    ] {
        let told = fault(&text);
        assert!(told.starts_with(wanted), "wanted {wanted}, told {told}");
    }
}

#[test]
fn a_step_that_asks_nothing_is_told_where_its_remarks_are_expected() {
    let inbound = "inbound = { from = \"+14155550123\", text = \"STOP\" }";
    let remarks = "what a handset says has no verdict; leave `expect` out, and write the remarks";
    let apart = "tells the policy what became of a message, and asks nothing; leave `expect` out,";
    for (step, wanted) in [
        (format!("{inbound}, expect = {{ notes = {{}} }}"), remarks),
        (format!("{inbound}, expect = {{ verdict = \"accept\" }}"), remarks),
        ("outcome = \"accepted\", expect = { verdict = \"accept\" }".into(), apart),
        ("report = { state = \"sent\" }, expect = { notes = {} }".into(), apart),
    ] {
        let told = fault(&format!(
            "[[case]]\nname = \"a\"\nsteps = [\n{{ expect = {{ verdict = \"accept\" }} }},\n{{ {step} }}]\n"
        ));
        let wanted = format!("line 1: case `a`: step 2: {wanted}");
        assert!(told.starts_with(&wanted), "wanted {wanted}, told {told}");
    }
}

#[test]
fn a_member_that_means_nothing_in_its_step_is_named() {
    let inbound = "inbound = { from = \"+14155550123\", text = \"STOP\" }";
    let ask = "expect = { verdict = \"accept\" }";
    for (step, stray) in [
        (format!("{inbound}, dry_run = true"), "dry_run"),
        (format!("{inbound}, message = {{ text = \"a\" }}"), "message"),
        (format!("{inbound}, id = \"m1\""), "id"),
        ("outcome = \"accepted\", facts = { region = \"US\" }".into(), "facts"),
        ("report = { state = \"sent\" }, sent = true".into(), "sent"),
        (format!("{ask}, id = \"m1\""), "id"),
    ] {
        let told =
            fault(&format!("[[case]]\nname = \"a\"\nsteps = [\n{{ {ask} }},\n{{ {step} }}]\n"));
        let wanted = format!("line 1: case `a`: step 2: `{stray}` means nothing in a step of this");
        assert!(told.starts_with(&wanted), "wanted {wanted}, told {told}");
    }
}

#[test]
fn bytes_cases_and_steps_have_their_bounds() {
    let case = |nth: usize, rest: &str| format!("[[case]]\nname = \"{nth}\"\n{rest}\n");
    let accept = "expect = { verdict = \"accept\" }";
    let many = |count: usize| (0..count).map(|nth| case(nth, accept)).collect::<String>();
    assert_eq!(cases(&many(MOST_CASES)).len(), MOST_CASES);
    assert!(fault(&many(MOST_CASES + 1)).contains("at most 256 are taken"));
    let steps = |times: usize| case(0, &format!("steps = [{{ times = {times}, {accept} }}]"));
    assert_eq!(cases(&steps(MOST_STEPS))[0].steps.len(), MOST_STEPS);
    assert!(fault(&steps(MOST_STEPS + 1)).contains("more than 1024 steps"));
    assert!(fault(&(steps(MOST_STEPS) + &case(1, accept))).contains("more than 1024 steps"));
    assert!(fault(&" ".repeat(MOST_BYTES + 1)).contains("at most 262144 are taken"));
}

#[test]
fn an_app_that_nobody_can_configure_asks_nothing_and_may_leave_it_to_plivo_to_tell() {
    let case = |step: &str| format!("[[case]]\nname = \"one\"\nsteps = [{{ {step} }}]\n");
    let asks = |app: &str| case(&format!(r#"app = "{app}", expect = {{ verdict = "accept" }}"#));
    for app in ["", "two words", "-a", &"a".repeat(65)] {
        assert!(fault(&asks(app)).contains("is no app's name"), "{app:?}");
    }
    for app in ["a", "0.b_C-d", &"a".repeat(64)] {
        assert_eq!(cases(&asks(app))[0].steps[0].app, app);
    }
    let heard = r#"app = "", inbound = { from = "+14155550123", to = "12345", text = "STOP" }"#;
    assert_eq!(cases(&case(heard))[0].steps[0].app, "");
}
