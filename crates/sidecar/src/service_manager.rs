//! What the service manager is told (sd_notify(3)); nothing where there is none.

use std::ffi::OsStr;
use std::io;
#[cfg(target_os = "linux")]
use std::os::linux::net::SocketAddrExt as _;
#[cfg(target_os = "linux")]
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::net::{SocketAddr, UnixDatagram};
use std::time::Duration;

use sd_notify::NotifyState;
use tokio::sync::Notify;
use tokio::time::{MissedTickBehavior, interval};
use tokio_util::sync::CancellationToken;

/// What is shown of a sidecar that is well.
pub(crate) const TAKEN: &str = "sends are taken";

/// How often it is looked whether something else is to be shown.
const LOOK: Duration = Duration::from_secs(1);

/// A reload that was asked for has ended, which [`shows`] tells.
static RELOADED: Notify = Notify::const_new();

/// Sends are taken.
pub(crate) fn ready() {
    tell(&[NotifyState::Ready, NotifyState::Status(TAKEN)]);
}

/// Shows what `line` says, from when it changes on, until `stop`; and after a reload that was asked for, with the word
/// that it has ended.
pub(crate) async fn shows(line: impl Fn() -> String, stop: CancellationToken) {
    if std::env::var_os("NOTIFY_SOCKET").is_none() {
        return stop.cancelled().await;
    }
    let mut shown = TAKEN.to_owned();
    let mut ticks = interval(LOOK);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        let reloaded = tokio::select! {
            () = stop.cancelled() => return,
            () = RELOADED.notified() => true,
            _ = ticks.tick() => false,
        };
        let line = one_line(&line());
        if reloaded {
            tell(&[NotifyState::Ready, NotifyState::Status(&line)]);
        } else if line != shown {
            tell(&[NotifyState::Status(&line)]);
        }
        shown = line;
    }
}

/// It has not begun, for this reason.
pub(crate) fn waits(why: &str) {
    tell(&[NotifyState::Status(&format!("the store cannot be used: {}", one_line(why)))]);
}

/// A reload that was asked for has ended; what came of it is in the line that [`shows`] tells with it.
pub(crate) fn reloaded() {
    RELOADED.notify_one();
}

/// A reload that was asked for begins; [`reloaded`] is told when it ends.
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
    if let Err(err) = send(&text, &place) {
        tracing::warn!(error = %err, "the service manager could not be told");
    }
}

fn send(text: &str, place: &OsStr) -> io::Result<()> {
    let (socket, address) = (UnixDatagram::unbound()?, address(place)?);
    socket.set_nonblocking(true)?;
    socket.send_to_addr(text.as_bytes(), &address).map(drop)
}

/// A path, or on Linux a name of no file (unix(7), "abstract") behind an `@`.
fn address(place: &OsStr) -> io::Result<SocketAddr> {
    #[cfg(target_os = "linux")]
    if let Some(name) = place.as_bytes().strip_prefix(b"@") {
        return SocketAddr::from_abstract_name(name);
    }
    SocketAddr::from_pathname(place)
}

/// Each line is a statement of its own there.
fn one_line(text: &str) -> String {
    text.replace(['\n', '\r'], " ")
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use std::os::unix::net::UnixDatagram;

    use super::{address, send};

    #[test]
    fn a_service_manager_is_told_at_a_name_that_is_no_file() {
        let name = format!("@sendgate-test-{}", std::process::id());
        let manager = UnixDatagram::bind_addr(&address(name.as_ref()).unwrap()).unwrap();

        send("READY=1\n", name.as_ref()).unwrap();

        let mut bytes = [0; 64];
        let length = manager.recv(&mut bytes).unwrap();
        assert_eq!(&bytes[..length], b"READY=1\n");
    }
}
