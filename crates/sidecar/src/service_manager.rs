//! What the service manager is told (sd_notify(3)); nothing where there is none.

use std::os::unix::net::UnixDatagram;
use std::time::Duration;

use sd_notify::NotifyState;
use tokio::time::{MissedTickBehavior, interval};
use tokio_util::sync::CancellationToken;

/// Sends are taken.
pub(crate) fn ready() {
    tell(&[NotifyState::Ready, NotifyState::Status("sends are taken")]);
}

/// It has not begun, for this reason.
pub(crate) fn waits(why: &str) {
    tell(&[NotifyState::Status(&format!("the store cannot be used: {}", one_line(why)))]);
}

/// A reload that was asked for begins; [`ready`] is told when it ends.
pub(crate) fn reloading() {
    // Without the instant a newer systemd takes the reload for failed.
    if let Ok(now) = NotifyState::monotonic_usec_now() {
        tell(&[NotifyState::Reloading, now]);
    }
}

/// The end begins, and takes so long at most.
pub(crate) fn stopping(most: Duration) {
    let most = u32::try_from(most.as_micros()).unwrap_or(u32::MAX);
    tell(&[NotifyState::Stopping, NotifyState::ExtendTimeoutUsec(most)]);
}

/// Says twice in its interval that it lives, where the service manager wants to hear that, until `stop`.
pub(crate) async fn watchdog(stop: CancellationToken) {
    let Some(every) = sd_notify::watchdog_enabled().filter(|every| !every.is_zero()) else {
        return;
    };
    let mut ticks = interval(every / 2);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    while stop.run_until_cancelled(ticks.tick()).await.is_some() {
        tell(&[NotifyState::Watchdog]);
    }
}

/// Never waits: a service manager that does not listen must not hold up who sends.
fn tell(states: &[NotifyState<'_>]) {
    let Some(place) = std::env::var_os("NOTIFY_SOCKET") else { return };
    let text: String = states.iter().map(|state| format!("{state}\n")).collect();
    let told = UnixDatagram::unbound().and_then(|socket| {
        socket.set_nonblocking(true)?;
        socket.send_to(text.as_bytes(), &place)
    });
    if let Err(err) = told {
        tracing::warn!(error = %err, "the service manager could not be told");
    }
}

/// Each line is a statement of its own there.
fn one_line(text: &str) -> String {
    text.replace(['\n', '\r'], " ")
}
