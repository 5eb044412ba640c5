//! Server-sent events for whoever watches.

use std::convert::Infallible;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Response, header};
use http_body_util::Either;
use hyper::body::{Body, Frame};
use serde_json::{Value, json};
use tokio::sync::{OwnedSemaphorePermit, mpsc};
use tokio::time::{MissedTickBehavior, interval};

use super::super::{self as admin, Admin};
use super::feed::News;
use super::page;

/// How often decisions are told.
const TICK: Duration = Duration::from_millis(250);
/// Every so many ticks it is looked whether anything else changed, and so many without news say that all is well: a
/// watcher that went away shows by what is written to it alone.
const STATE: u32 = 4;
const QUIET: u32 = 8;
/// Most decisions of one tick.
const AT_ONCE: usize = 64;
/// Decisions that who comes first is shown.
const BEFORE: u64 = 40;

/// A body that is written as it is read: one event waits here, and what comes meanwhile is not made.
pub(crate) struct Events(mpsc::Receiver<Bytes>);

impl Body for Events {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        self.0.poll_recv(cx).map(|next| next.map(|bytes| Ok(Frame::data(bytes))))
    }
}

/// Begins a stream, which has its `seat` until its connection ends.
pub(super) fn open(
    admin: Arc<Admin>,
    seat: OwnedSemaphorePermit,
    headers: &HeaderMap,
) -> Response<admin::Body> {
    let (out, body) = mpsc::channel(1);
    let feed = &admin.dashboard.feed;
    let latest = feed.latest();
    // A browser that comes back says what it had. What it had of the process before is nothing.
    let had = headers.get("last-event-id").and_then(|id| id.to_str().ok()?.split_once('-'));
    let had = had.filter(|(process, _)| *process == feed.process());
    let had = had.and_then(|(_, number)| number.parse().ok());
    let from = had.filter(|had| *had <= latest).unwrap_or_else(|| latest.saturating_sub(BEFORE));
    tokio::spawn(async move {
        let over = admin.dashboard.over.clone();
        tokio::select! {
            () = over.cancelled() => {}
            () = tell(&admin, from, &out) => {}
        }
        drop(seat);
    });
    let mut response = Response::new(Either::Right(Events(body)));
    page::describe(response.headers_mut(), "text/event-stream");
    // A proxy that kept events back would show the past.
    let kept = HeaderValue::from_static("no");
    response.headers_mut().insert("x-accel-buffering", kept);
    response.headers_mut().insert(header::CONNECTION, HeaderValue::from_static("close"));
    response
}

/// Tells until nobody reads any more.
async fn tell(admin: &Admin, mut number: u64, out: &mpsc::Sender<Bytes>) {
    let (mut ticks, mut quiet, mut state) = (0_u32, 0_u32, Bytes::new());
    let mut tick = interval(TICK);
    tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        tick.tick().await;
        let mut events = String::new();
        if ticks.is_multiple_of(STATE) {
            let now = admin.state().await;
            if now != state {
                events.push_str(&event("state", None, &String::from_utf8_lossy(&now)));
                state = now;
            }
        }
        let feed = &admin.dashboard.feed;
        let News { seen, dropped } = feed.after(number, AT_ONCE);
        if let Some(last) = seen.last() {
            number = last.number;
            let decisions: Vec<Value> = seen.iter().map(|seen| seen.shown()).collect();
            let body = json!({"decisions": decisions, "dropped": dropped});
            let mut body = admin::shown::masked(body);
            body["process"] = feed.process().into();
            let id = format!("{}-{number}", feed.process());
            events.push_str(&event("decisions", Some(&id), &body.to_string()));
        }
        (ticks, quiet) = (ticks.wrapping_add(1), quiet + 1);
        if quiet >= QUIET && events.is_empty() {
            events.push_str(": all is quiet\n\n");
        }
        if !events.is_empty() {
            quiet = 0;
            if out.send(events.into()).await.is_err() {
                return;
            }
        }
    }
}

/// `data` is one line: JSON as it is written here has no other.
fn event(name: &str, id: Option<&str>, data: &str) -> String {
    let id = id.map(|id| format!("id: {id}\n")).unwrap_or_default();
    format!("event: {name}\n{id}data: {data}\n\n")
}
