//! What Sendgate does, shown with real processes and real sockets: `cargo xtask demo`.
//!
//! A simulated Plivo, a trace collector and the program `sendgate` with the repository's `sidecar.toml`; then requests
//! as an app would send them, a live reload of a module and of a setting, and the trace of one send. Anything that does
//! not end as it should ends the demonstration with an error.
#![expect(clippy::print_stdout, reason = "a demonstration is printed")]

mod door;
mod flow;
mod show;
mod stage;

use std::error::Error;
use std::time::Duration;

use serde_json::{Value, json};

use crate::door::Reply;
use crate::flow::Flow;
use crate::show::{heading, note, show_reply, show_request, show_trace};
use crate::stage::Stage;

type Result<T> = std::result::Result<T, Box<dyn Error + Send + Sync>>;

const TRACE: &str = "4bf92f3577b34da6a3ce929d0e0e4736";
const CALLER: &str = "00f067aa0ba902b7";
const APP: &str = "demo";
/// The app whose messages flow while policies are replaced; the limit of ten a minute is not for it.
const OTHER_APP: &str = "billing";
/// Answers to wait for at each step of the reload.
const ENOUGH: usize = 25;

#[tokio::main]
async fn main() -> Result<()> {
    heading("Starting Plivo's simulator, a trace collector and sendgate");
    let stage = Stage::set().await?;
    note(&stage.summary());

    let hello = json!({ "to": "+12015550123", "text": "Your parcel is on its way." });
    heading("A text that every policy lets pass");
    expect(&stage, &hello, 202, None).await?;
    note(&format!("Plivo has {} message", stage.at_plivo()));

    heading("A number that nobody can have");
    expect(&stage, &json!({ "to": "+14151110123", "text": "Hello" }), 400, Some("phone.invalid"))
        .await?;
    heading("A country that may not be texted");
    expect(
        &stage,
        &json!({ "to": "+5351234567", "text": "Hello" }),
        403,
        Some("country.hard_denied"),
    )
    .await?;
    heading("The first text again, seconds later");
    expect(&stage, &hello, 409, Some("dup.content")).await?;
    note(&format!("Plivo still has {} message", stage.at_plivo()));

    heading("The eleventh text in a minute");
    for number in 2..=10 {
        let text =
            json!({ "to": "+12015550123", "text": format!("Parcel {number} is on its way.") });
        let reply = stage.send(APP, &text, None).await?;
        reply.must_be(202, None)?;
    }
    note("nine more are accepted; then:");
    let eleventh = json!({ "to": "+12015550123", "text": "Parcel 11 is on its way." });
    expect(&stage, &eleventh, 429, Some("throttle.app")).await?;

    heading("Replacing a module and a setting while messages flow");
    reload(&stage).await?;

    heading("The trace of the first text");
    let spans = stage.trace(TRACE, CALLER).await;
    show_trace(&spans, CALLER);

    heading("Ending");
    stage.leave().await?;
    note("sendgate drained and ended by itself");
    Ok(())
}

/// Sends `message` in the caller's trace, shows request and answer, and checks the answer.
async fn expect(stage: &Stage, message: &Value, status: u16, code: Option<&str>) -> Result<()> {
    show_request(message);
    let traceparent = format!("00-{TRACE}-{CALLER}-01");
    // Only the accepted text is part of the trace shown later.
    let reply: Reply =
        stage.send(APP, message, code.is_none().then_some(traceparent.as_str())).await?;
    show_reply(&reply);
    reply.must_be(status, code)
}

async fn reload(stage: &Stage) -> Result<()> {
    let before = stage.generation().await?;
    let flow = Flow::start(stage);
    flow.wait_for(ENOUGH, |answer| answer.is_accepted()).await?;
    note(&format!("generation {before}: texts to Great Britain are accepted"));

    stage.publish_new_build("throttle")?;
    let rebuilt = stage.wait_for_generation(before + 1).await?;
    flow.wait_for(2 * ENOUGH, |answer| answer.is_accepted()).await?;
    note(&format!(
        "generation {rebuilt}: a new build of throttle.wasm is in force; texts are accepted as before"
    ));
    let full = json!({ "to": "+12015550123", "text": "Parcel 12 is on its way." });
    stage.send(APP, &full, None).await?.must_be(429, Some("throttle.app"))?;
    note(
        "and the app that used its ten messages is still refused: what policies remember outlives them",
    );

    stage.set_country(
        r#"{ allow = ["*"], deny = ["GB"], mms = ["US", "CA"], mms_fallback = "deny" }"#,
    )?;
    let denied = stage.wait_for_generation(rebuilt + 1).await?;
    flow.wait_for(ENOUGH, |answer| answer.is_refused_with("country.denied")).await?;
    note(&format!(
        "generation {denied}: `deny = [\"GB\"]` is in force; texts to Great Britain are refused"
    ));

    let answers = flow.stop().await?;
    let accepted = answers.iter().filter(|answer| answer.is_accepted()).count();
    let refused = answers.iter().filter(|answer| answer.is_refused_with("country.denied")).count();
    let failed = answers.len() - accepted - refused;
    note(&format!(
        "{} requests meanwhile: {accepted} accepted, {refused} refused by country, {failed} failed",
        answers.len()
    ));
    if failed > 0 {
        return Err(
            format!("{failed} requests failed because of a reload: {:?}", answers.last()).into()
        );
    }
    Ok(())
}

/// How long anything here may take before the demonstration gives up.
const PATIENCE: Duration = Duration::from_secs(60);
