//! Settings of the standard policies that could never do what they say are refused where they stand.

use serde_json::{Value, json};

use super::ended;
use crate::harness::{Policy, Setup, plivo};

/// One policy under a name of its own, and for each fault: where it stands, its key, and how its sentence begins.
type Case =
    (&'static str, &'static str, Value, &'static [(&'static str, &'static str, &'static str)]);

const NO_REGION: &str = "is no region that numbers belong to";
const NO_APP: &str = "is no app that is configured";
const NO_INTENT: &str = "is no intent that a message can have";
const NEEDS_AMEND: &str = "needs the grant \"amend\"; add it to `grants`";

/// What the schema says of names and grants comes first; what the policy says of the rest, only where that is in order.
fn cases() -> Vec<Case> {
    vec![
        (
            "country",
            "country-names",
            json!({
                "allow": ["GB", "*", "us"], "deny": ["UK", "ZZ"], "mms": ["Canada"], "mms_fallback": "strip",
                "rules": [{"regions": ["usa"], "apps": ["demo", "dmeo"], "action": "block"}],
            }),
            &[
                (r#""us""#, ".allow[2]", NO_REGION),
                (r#""UK""#, ".deny[0]", NO_REGION),
                (r#""ZZ""#, ".deny[1]", NO_REGION),
                (r#""Canada""#, ".mms[0]", NO_REGION),
                (r#""strip""#, ".mms_fallback", NEEDS_AMEND),
                (r#""usa""#, ".rules[0].regions[0]", NO_REGION),
                (r#""dmeo""#, ".rules[0].apps[1]", NO_APP),
            ],
        ),
        (
            "country",
            "country-rules",
            json!({"rules": [{"regions": [], "apps": [], "action": "monitor"}]}),
            &[
                (r#""regions" = []"#, ".rules[0].regions", "names no country"),
                (r#"[], "regions" = []"#, ".rules[0].apps", "names no app"),
            ],
        ),
        (
            "country",
            "country-both",
            json!({"rules": [{"regions": ["usb", "IT"], "apps": [], "action": "block"}, 98_765_001]}),
            &[
                (r#""usb""#, ".rules[0].regions[0]", NO_REGION),
                (r#"[], "regions" = ["usb"#, ".rules[0].apps", "names no app"),
                ("98765001", ".rules[1]", "the value is not of type \"object\""),
            ],
        ),
        (
            "dedup",
            "dedup-names",
            json!({"by_intent": {"one-time code": {"window_s": 300}}}),
            &[(r#""one-time code" = {"#, ".by_intent.one-time code", NO_INTENT)],
        ),
        (
            "dedup",
            "dedup-windows",
            json!({"window_s": 86_401, "by_intent": {"otp": {"fold": true, "window_s": 90_000}}}),
            &[
                ("86401", ".window_s", "is longer than a day"),
                ("90000", ".by_intent.otp.window_s", "is longer than a day"),
                (r#""fold" = true"#, ".by_intent.otp.fold", "folding is for `marketing` alone"),
            ],
        ),
        (
            "throttle",
            "throttle-names",
            json!({"limits": [
                {"name": "a", "scope": "app", "kind": "calendar", "quota": 1, "period": "day", "zone": "America/Los_Angles"},
                {"name": "b", "scope": "app", "quota": 1, "per_s": 1, "apps": ["demmo"], "regions": ["Uk"],
                 "intents": ["otp.login"], "exempt_apps": ["another"], "exempt_intents": ["Otp"]},
                {"name": "q", "scope": "app", "kind": "gcra", "quota": 1, "per_s": 1, "on_limit": "queue"},
            ]}),
            &[
                (r#""America/Los_Angles""#, ".limits[0].zone", "is not an IANA time zone"),
                (r#""demmo""#, ".limits[1].apps[0]", NO_APP),
                (r#""Uk""#, ".limits[1].regions[0]", NO_REGION),
                (r#""otp.login""#, ".limits[1].intents[0]", NO_INTENT),
                (r#""another""#, ".limits[1].exempt_apps[0]", NO_APP),
                (r#""Otp""#, ".limits[1].exempt_intents[0]", NO_INTENT),
                (r#""queue", "per_s" = 1"#, ".limits[2].on_limit", NEEDS_AMEND),
            ],
        ),
        (
            "throttle",
            "throttle-grant",
            json!({"limits": [
                {"name": "q", "scope": "app", "kind": "window", "quota": 1, "per_s": 2, "on_limit": "queue"},
            ]}),
            &[
                (r#""queue", "per_s" = 2"#, ".limits[0].on_limit", NEEDS_AMEND),
                (
                    r#""queue", "per_s" = 2"#,
                    ".limits[0].on_limit",
                    "can be `queue` for kind `gcra` only",
                ),
            ],
        ),
        (
            "throttle",
            "throttle-limits",
            json!({"limits": [
                {"name": "c", "scope": "app", "quota": 0, "per_s": 0, "apps": []},
                {"name": "c", "scope": "app", "quota": 1, "per_s": 1, "kind": "gcra", "burst": 0, "intents": []},
                {"name": "C", "scope": "app", "quota": 1, "per_s": 2_678_401, "period": "week"},
            ]}),
            &[
                (r#""quota" = 0, "scope" = "app""#, ".limits[0].quota", "is 0"),
                (r#""per_s" = 0"#, ".limits[0].per_s", "is not from 1 to 2678400"),
                (r#""apps" = [], "name" = "c""#, ".limits[0].apps", "is empty"),
                (r#""c", "per_s" = 1"#, ".limits[1].name", "is another limit's name too"),
                (r#""burst" = 0"#, ".limits[1].burst", "is 0"),
                (r#""intents" = []"#, ".limits[1].intents", "is empty"),
                (r#""C""#, ".limits[2].name", "is not 1 to 40 lower-case letters"),
                ("2678401", ".limits[2].per_s", "is not from 1 to 2678400"),
                (r#""week""#, ".limits[2].period", "means nothing for kind `window`"),
            ],
        ),
        (
            "throttle",
            "throttle-both",
            json!({"limits": [
                {"name": "w", "scope": 98_765_002, "quota": 0, "per_s": 61, "burst": 98_765_003, "apps": ["dmo"]},
                {"name": "w", "scope": "app", "quota": "many", "per_s": 62, "period": "month"},
            ]}),
            &[
                (r#""dmo""#, ".limits[0].apps[0]", NO_APP),
                ("98765002", ".limits[0].scope", "the value is none of"),
                (r#""quota" = 0, "scope" = 987"#, ".limits[0].quota", "is 0"),
                ("98765003", ".limits[0].burst", "means nothing for kind `window`"),
                (r#""w", "per_s" = 62"#, ".limits[1].name", "is another limit's name too"),
                (r#""many""#, ".limits[1].quota", "the value is not of type"),
                (r#""month""#, ".limits[1].period", "means nothing for kind `window`"),
            ],
        ),
        (
            "consent",
            "consent-names",
            json!({"exempt_intents": ["account alert"], "confirmation_intents": ["bye!"]}),
            &[
                (r#""bye!""#, ".confirmation_intents[0]", NO_INTENT),
                (r#""account alert""#, ".exempt_intents[0]", NO_INTENT),
            ],
        ),
        (
            "pumping",
            "pumping-names",
            json!({"conversion": {"intents": ["log in"]}, "fanout": {"home": ["GBR"]}}),
            &[
                (r#""log in""#, ".conversion.intents[0]", NO_INTENT),
                (r#""GBR""#, ".fanout.home[0]", NO_REGION),
            ],
        ),
        (
            "budget",
            "budget-names",
            json!({"budgets": [{"name": "z", "segments": 1, "zone": "Mars/Olympus", "apps": ["nobody"]}]}),
            &[
                (r#""nobody""#, ".budgets[0].apps[0]", NO_APP),
                (r#""Mars/Olympus""#, ".budgets[0].zone", "is not an IANA time zone"),
            ],
        ),
        (
            "trial",
            "trial",
            json!({"verified": ["14155550188"]}),
            &[(r#""14155550188""#, ".verified[0]", "is not E.164")],
        ),
        (
            "validation",
            "validation-grants",
            json!({"smart_encoding": "apply", "ports": [70_000]}),
            &[
                (r#""apply""#, ".smart_encoding", NEEDS_AMEND),
                ("70000", ".ports[0]", "the value is greater than the maximum"),
            ],
        ),
        (
            "validation",
            "validation-words",
            json!({"unknown_fields": 98_765_004, "smart_encoding": 98_765_005, "types": ["phone"]}),
            &[
                ("98765004", ".unknown_fields", "the value is none of \"strip\", \"deny\""),
                ("98765005", ".smart_encoding", "the value is none of"),
                (r#""phone""#, ".types[0]", "is none of mobile"),
            ],
        ),
        (
            "validation",
            "validation-bounds",
            json!({"types": ["cell"], "max_segments": 0, "ports": [0], "denied_extensions": [".exe"]}),
            &[
                (r#""cell""#, ".types[0]", "is none of mobile"),
                (r#""max_segments" = 0"#, ".max_segments", "is 0"),
                ("0], \"types\"", ".ports[0]", "is no port"),
                (r#"".exe""#, ".denied_extensions[0]", "would match nothing"),
            ],
        ),
    ]
}

/// The place of `text` in `toml`; that of its value where it begins with a key.
fn place(toml: &str, text: &str) -> String {
    assert_eq!(toml.matches(text).count(), 1, "{text} in\n{toml}");
    let key = if text.starts_with('"') { text.find("\" = ").map_or(0, |end| end + 4) } else { 0 };
    let key = if text[..key].contains(',') { 0 } else { key };
    let before = &toml[..toml.find(text).expect("it is there") + key];
    let column = before.rsplit('\n').next().unwrap_or_default().chars().count() + 1;
    format!("sidecar.toml:{}:{column}", before.matches('\n').count() + 1)
}

#[tokio::test]
async fn a_setting_that_could_never_do_what_it_says_is_refused_at_its_place() {
    let plivo = plivo().await;
    let cases = cases();
    let setup = cases.iter().fold(Setup::new(&plivo), |setup, (policy, name, settings, _)| {
        let counts = ["dedup", "throttle", "consent", "pumping", "budget"].contains(policy);
        let grants = if counts { json!(["state"]) } else { json!([]) };
        let policy = Policy::new(policy).set("name", *name).set("grants", grants);
        setup.policy(policy.settings(settings.clone()))
    });
    let toml = setup.to_toml();

    let (code, lines) = ended("check", &toml, &[]).await;

    assert_eq!(code, Some(2), "{lines:#?}");
    let mut wanted = 0;
    for (_, name, _, faults) in &cases {
        for (text, key, detail) in *faults {
            let line = format!("{}: policies.{name}.settings{key}: {detail}", place(&toml, text));
            let told = lines.iter().filter(|told| told.starts_with(&line)).count();
            assert_eq!(told, 1, "{line} in\n{}", lines.join("\n"));
            wanted += 1;
        }
    }
    assert_eq!(lines.len(), wanted, "more than was wanted:\n{}", lines.join("\n"));
}

#[tokio::test]
async fn a_member_that_is_missing_hides_nothing_else_that_is_wrong_in_its_list() {
    let plivo = plivo().await;
    let limits = json!([
        {"name": "a", "scope": "app", "per_s": 0},
        {"name": "b", "scope": "app", "quota": 0, "per_s": 60},
        {"name": "b", "quota": 1},
    ]);
    let throttle = Policy::new("throttle").settings(json!({"limits": limits}));

    let (code, lines) = ended("check", &Setup::new(&plivo).policy(throttle).to_toml(), &[]).await;

    assert_eq!(code, Some(2), "{lines:#?}");
    for wanted in [
        "limits[0]: \"quota\" is a required property",
        "limits[0].per_s: ",
        "limits[1].quota: ",
        "limits[2]: \"scope\" is a required property",
        "limits[2].name: ",
        "limits[2].per_s: is missing",
    ] {
        let told = lines.iter().filter(|line| line.contains(wanted)).count();
        assert_eq!(told, 1, "{wanted} in\n{}", lines.join("\n"));
    }
}

#[tokio::test]
async fn what_needs_a_grant_is_in_order_with_it() {
    let plivo = plivo().await;
    let queue = json!({"limits": [
        {"name": "a", "scope": "app", "kind": "gcra", "quota": 1, "per_s": 1, "on_limit": "queue"},
    ]});
    let setup = Setup::new(&plivo)
        .policy(Policy::new("validation").settings(json!({"smart_encoding": "apply"})))
        .policy(Policy::new("country").settings(json!({"mms_fallback": "link"})))
        .policy(Policy::new("throttle").settings(queue));

    let (code, lines) = ended("check", &setup.to_toml(), &[]).await;

    assert_eq!(code, Some(0), "{lines:#?}");
}
