//! The lines of the area consent that are about quiet hours, by the compiled policy at the instants they say.

use message::{Settlement, Timestamp};
use serde_json::{Value, json};

use super::bench::{Bench, Draft};
use super::line::{Expect, Line};
use super::sends::{ensure, same};

/// Runs the line.
pub(super) async fn judge(line: &Line) -> Result<(), String> {
    let input = &line.input;
    let bench = Bench::new(&[("quiet-hours", json!({}))]).await;
    let intent = match input["intent"].as_str() {
        Some("marketing") => "marketing",
        Some("otp") => "otp",
        other => return Err(format!("{other:?} is no intent that is known here")),
    };
    let zone = input["recipient_tz"].as_str();
    let draft = Draft {
        intent,
        ttl_s: input["ttl_s"].as_u64().and_then(|seconds| u32::try_from(seconds).ok()),
        tags: zone.map(|zone| ("recipient_tz".to_owned(), zone.to_owned())).into_iter().collect(),
        ..Draft::to(input["to"].as_str().expect("a recipient"))
    };
    match (line.expect, bench.ask_at(&draft, instant(&input["at"])).await) {
        (Expect::Deny, Err(no)) => same("the code", no.code.as_str(), line.code.as_str()),
        (Expect::Deny, Ok(_)) => Err("it was let through".into()),
        (_, Err(no)) => Err(format!("it was refused: {no:?}")),
        (Expect::Allow, Ok(passed)) => {
            let changed = !passed.0.changes().is_empty();
            passed.settle(Settlement::Keep).await;
            ensure(!changed, || "it was changed".into())
        }
        (Expect::Transform, Ok(passed)) => {
            let said = passed.0.changes().iter().any(|change| change.code == line.code);
            let due = passed.0.message().not_before;
            passed.settle(Settlement::Keep).await;
            ensure(said, || format!("no change says {}", line.code))?;
            let wanted = line.out.as_ref().map(|out| instant(&out["not_before"]));
            same("when it is due", due, wanted)
        }
    }
}

fn instant(text: &Value) -> Timestamp {
    let at: Option<jiff::Timestamp> = text.as_str().and_then(|at| at.parse().ok());
    let millisecond = at.expect("an instant").as_millisecond();
    Timestamp(u64::try_from(millisecond).expect("after 1970"))
}
