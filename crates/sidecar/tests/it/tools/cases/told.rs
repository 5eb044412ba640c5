//! What a policy is told costs it as much as what it is asked, and its own failure to take it is a difference.

use super::super::sendgate;
use crate::harness::{Folder, module};

const INBOUND: &str = r#"
[[case]]
name = "STOP is heard"
steps = [{ inbound = { from = "+14155550123", to = "+14155551212", text = "STOP" } }]
"#;

const RECEIPT: &str = r#"
[[case]]
name = "a conversion is learnt"
settings = { conversion = { told = true }, mode = "enforce" }
message.intent = "otp"
steps = [{ expect = { VERDICT } }, { at_s = 1, receipt = { state = "converted" } }]
"#;

#[tokio::test]
async fn what_a_policy_is_told_counts_towards_its_limits_and_differs_where_it_fails() {
    let folder = Folder::new();
    let test = async |name: &str, cases: &str, calls: &str| {
        folder.write("cases.toml", cases);
        let file = module(name);
        let words = ["policy", "test", &*file.to_string_lossy(), "--cases", "cases.toml", "--json"];
        sendgate(folder.path(), &[&words[..], &["--host-calls", calls]].concat()).await
    };
    let accepted = RECEIPT.replace("VERDICT", "verdict = \"accept\"");
    let failed = RECEIPT.replace("VERDICT", "verdict = \"failure\", code = \"host_calls\"");

    for (name, enough, few) in [("consent", INBOUND, INBOUND), ("pumping", &accepted, &failed)] {
        let shown = test(name, enough, "50").await.json(0);
        assert!(shown["cases"][0]["host_calls"].as_u64() > Some(1), "{name}: {shown:#}");
        assert!(shown["cases"][0]["memory_bytes"].as_u64() > Some(1 << 16), "{name}: {shown:#}");
        let shown = test(name, few, "1").await.json(1);
        assert_eq!(shown["cases"][0]["host_calls"], 2, "{name}: {shown:#}");
        let differing = shown["cases"][0].to_string();
        assert!(differing.contains("called the host too often"), "{name}: {shown:#}");
    }
}
