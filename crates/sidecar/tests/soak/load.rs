//! The apps: every one asks without an end, and keeps account of what it asked for and was told.

use std::sync::Arc;
use std::time::Duration;

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use fastrand::Rng;
use serde_json::{Value, json};
use tokio::time::{Instant, MissedTickBehavior, interval, timeout};

use crate::app::App;
use crate::books::Letter;
use crate::harness::{SENDER, client};
use crate::{Stage, token};

/// Loops of one app, and the least time from one order of a loop to its next: three apps order ninety times a second at
/// most.
pub(crate) const LOOPS: u64 = 12;
const PACE: Duration = Duration::from_millis(400);
/// Most letters: as many sends as the simulator remembers.
const MOST_LETTERS: u64 = 180_000;
/// Most requests under one key that is told to come again.
const TRIES: u32 = 30;
/// What a good answer or a refusal may have.
const STATUSES: [u16; 7] = [202, 400, 403, 409, 422, 429, 503];
const README: &str = include_str!("../../../../README.md");

/// One loop of an app.
struct Loop {
    stage: Arc<Stage>,
    app: &'static str,
    client: reqwest::Client,
    rng: Rng,
}

/// What is asked for, as one request.
struct Order {
    letters: Vec<Letter>,
    body: Value,
    key: Option<String>,
}

impl Order {
    fn kind(&self) -> &'static str {
        self.letters[0].kind
    }
}

/// A whole answer, or none.
type Heard = Option<(u16, Value)>;

/// Asks as `app` until time is over; what was asked for.
pub(crate) async fn ask_until_over(stage: Arc<Stage>, app: &'static str, seed: u64) -> Vec<Letter> {
    let mut one = Loop { stage, app, client: client(), rng: Rng::with_seed(seed) };
    let mut pace = interval(PACE);
    pace.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut letters = Vec::new();
    while Instant::now() < one.stage.until && one.stage.numbers() < MOST_LETTERS {
        pace.tick().await;
        let mut order = one.draw();
        one.play(&mut order).await;
        letters.append(&mut order.letters);
    }
    letters
}

impl Loop {
    fn draw(&mut self) -> Order {
        let kind = match self.rng.u32(..100) {
            0..25 => "plain",
            25..60 => "keyed",
            60..68 => "list",
            68..76 => "mms",
            76..84 => "plivo",
            84..90 => "twin",
            _ => "never",
        };
        let recipients = if kind == "list" { self.rng.u64(2..=5) } else { 1 };
        let numbers: Vec<u64> = (0..recipients).map(|_| self.stage.number()).collect();
        let first = numbers[0];
        // The guest traps where it is told to.
        let trap = if first.is_multiple_of(10) { "panic " } else { "" };
        let text = format!("{trap}soak {first}{}", " and more".repeat(self.rng.usize(..2) * 18));
        let media = (kind == "mms").then(|| format!("https://example.com/{first}.jpg"));
        let media: Vec<String> = media.into_iter().collect();
        let letter = |number: &u64| Letter {
            kind,
            to: format!("+1415{:07}", 2_000_000 + number),
            text: text.clone(),
            media: media.clone(),
            ..Letter::default()
        };
        let letters: Vec<Letter> = numbers.iter().map(letter).collect();
        let to = match kind {
            "list" => letters.iter().map(|letter| letter.to.as_str()).collect(),
            _ => Value::from(letters[0].to.as_str()),
        };
        let mut body = json!({"to": to, "text": text});
        if !media.is_empty() {
            body["media_urls"] = media.into();
        }
        if self.app == "notices" && self.rng.bool() {
            body["callback_url"] = format!("http://{}/told", self.stage.listener.address).into();
        }
        if self.rng.u32(..20) == 0 {
            body["ttl_s"] = self.rng.u32(5..60).into();
        }
        let key = matches!(kind, "keyed" | "list" | "mms").then(|| format!("soak-{first}"));
        let mut order = Order { letters, body, key };
        match kind {
            "plivo" => {
                order.body = json!({"src": SENDER, "dst": order.letters[0].to, "text": text})
            }
            "never" => self.spoil(&mut order, first),
            _ => {}
        }
        order
    }

    /// Makes it one that may not be sent.
    fn spoil(&mut self, order: &mut Order, number: u64) {
        let letter = &mut order.letters[0];
        letter.never = true;
        // One that is told nothing anywhere is only warned about a `callback_url`.
        let ways = if self.app == "demo" { 4 } else { 5 };
        match self.rng.u32(..ways) {
            0 => letter.to = format!("+535{number:07}"),
            1 => letter.to = letter.to.split_off(1),
            2 => order.body["text"] = "".into(),
            3 => order.body["type"] = "fax".into(),
            _ => order.body["callback_url"] = "http://127.0.0.1:1/elsewhere".into(),
        }
        order.body["to"] = letter.to.as_str().into();
    }

    async fn play(&mut self, order: &mut Order) {
        if order.kind() == "plivo" {
            // As some SDKs do it.
            let (one, two) = tokio::join!(self.ask(order, None), self.ask(order, None));
            self.note(order, &one);
            self.note(order, &two);
        } else if order.key.is_some() {
            for _ in 0..TRIES {
                let gives_up =
                    (self.rng.u32(..12) == 0).then(|| Duration::from_millis(self.rng.u64(20..500)));
                let heard = self.ask(order, gives_up).await;
                self.note(order, &heard);
                let again = heard.is_none_or(|(status, body)| {
                    matches!(status, 429 | 503) || code(&body).starts_with("idem.")
                });
                if !again && self.rng.u32(..6) > 0 {
                    break;
                }
                App::pause().await;
            }
        } else {
            for _ in 0..if order.kind() == "twin" { 2 } else { 1 } {
                let heard = self.ask(order, None).await;
                self.note(order, &heard);
            }
        }
    }

    /// Asks once. That no answer comes is a fault, unless the app does not wait or the process was ended.
    async fn ask(&self, order: &Order, gives_up: Option<Duration>) -> Heard {
        let door = self.stage.open_door().await;
        let (app, mut path) = (self.app, "/v1/messages".to_owned());
        let mut credentials = format!("Bearer {}", token(app));
        if order.kind() == "plivo" {
            path = format!("/v1/Account/{app}/Message/");
            credentials =
                format!("Basic {}", BASE64_STANDARD.encode(format!("{app}:{}", token(app))));
        }
        let mut request = self
            .client
            .post(format!("http://{}{path}", door.apps))
            .header("authorization", credentials)
            .header("content-type", "application/json")
            .body(order.body.to_string());
        if let Some(key) = &order.key {
            request = request.header("idempotency-key", key);
        }
        if order.letters[0].to.ends_with(['0', '2', '4', '6']) {
            request = request.header("prefer", "respond-async");
        }
        let answer = async {
            let response = request.send().await?;
            Ok::<_, reqwest::Error>((response.status().as_u16(), response.text().await?))
        };
        let answered = match gives_up {
            Some(time) => timeout(time, answer).await.ok(),
            None => Some(answer.await),
        };
        match answered {
            None => self.stage.count("given up by the app"),
            Some(Err(err)) if self.stage.is_ended(&door) => {
                let how = if err.is_connect() { "not reached" } else { "lost" };
                self.stage.count(format!("{how} while it was restarted"));
            }
            Some(Err(err)) => {
                self.stage.fault(format!(
                    "no answer, and nothing was restarted: {err:?}\n  to {}",
                    order.body
                ));
            }
            Some(Ok((status, text))) => {
                let body: Value = serde_json::from_str(&text).unwrap_or_default();
                self.judge(order, status, &body);
                return Some((status, body));
            }
        }
        None
    }

    /// Counts an answer, and finds fault with one that README does not have.
    fn judge(&self, order: &Order, status: u16, body: &Value) {
        // Where none of a list is taken, the first tells why.
        let code = code(body["messages"].get(0).filter(|_| status != 202).unwrap_or(body));
        self.stage.count(format!("{status} {code}").trim());
        let is_told =
            code.is_empty() || code == "throttle.app" || README.contains(&format!("`{code}`"));
        let is_good = STATUSES.contains(&status) && is_told;
        if !is_good || (code.is_empty() && status != 202) {
            self.stage.fault(format!(
                "an answer that is not documented: {status} {body}\n  to {}",
                order.body
            ));
        }
    }

    /// Keeps what was heard of each letter.
    fn note(&self, order: &mut Order, heard: &Heard) {
        let Some((status, body)) = heard else {
            order.letters.iter_mut().for_each(|letter| letter.unsure = true);
            return;
        };
        let entries = body["messages"].as_array();
        for letter in &mut order.letters {
            let own =
                entries.and_then(|all| all.iter().find(|entry| entry["to"] == letter.to.as_str()));
            let own = own.unwrap_or(body);
            let id = own["id"].as_str().or_else(|| own["message_uuid"][0].as_str());
            match id {
                Some(id) => drop(letter.told.insert(id.to_owned())),
                // It was the sidecar's, and has ended.
                None if ["send.", "upstream."].iter().any(|word| code(own).starts_with(word)) => {
                    letter.unsure = true
                }
                None if *status == 202 && entries.is_none() => {
                    self.stage.fault(format!("accepted without an id: {body}\n  {letter:?}"));
                }
                None => {}
            }
        }
    }
}

/// The code of a refusal: of one in a list, of a problem, or as Plivo's door has it.
fn code(body: &Value) -> &str {
    let own = body["code"].as_str().or_else(|| body["problem"]["code"].as_str());
    let last = || body["error"].as_str()?.strip_suffix(')')?.rsplit_once('(').map(|(_, code)| code);
    own.or_else(last).unwrap_or_default()
}
