//! A proxy that kills the sidecar when a request has come as far as it is told.

use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;

use crate::place::Step;
use crate::victim::Killer;
use crate::wire::{Part, Wire};

/// Between a client and a server, on threads of its own, so that nothing else of the test holds it up.
pub(crate) struct Proxy {
    pub(crate) address: SocketAddr,
    shared: Arc<Shared>,
}

/// When to kill.
#[derive(Clone)]
pub(crate) struct Aim {
    pub(crate) step: Step,
    /// At so many requests to send something before it.
    pub(crate) spare: u32,
    /// Whether the rest of what the client had written goes on after the kill.
    pub(crate) goes_on: bool,
    pub(crate) killer: Killer,
}

#[derive(Default)]
struct Shared {
    target: Mutex<Option<SocketAddr>>,
    aim: Mutex<Option<Aim>>,
    /// Requests for a list are not handed on.
    hides: AtomicBool,
    ended: AtomicBool,
}

impl Proxy {
    /// Starts one that hands nothing on before it is told where to.
    pub(crate) fn start() -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a free port");
        let address = listener.local_addr().expect("it is bound");
        let shared = Arc::new(Shared::default());
        let own = Arc::clone(&shared);
        thread::spawn(move || {
            for stream in listener.incoming() {
                if own.ended.load(Ordering::Acquire) {
                    return;
                }
                let (Ok(stream), own) = (stream, Arc::clone(&own)) else { continue };
                thread::spawn(move || own.serve(Wire::new(stream)));
            }
        });
        Self { address, shared }
    }

    /// Hands later connections on to `target`.
    pub(crate) fn lead_to(&self, target: SocketAddr) {
        *locked(&self.shared.target) = Some(target);
    }

    /// Kills once, when `aim` says so.
    pub(crate) fn aim(&self, aim: Aim) {
        *locked(&self.shared.aim) = Some(aim);
    }

    /// Closes the connection on every request for a list.
    pub(crate) fn hide(&self) {
        self.shared.hides.store(true, Ordering::Release);
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.shared.ended.store(true, Ordering::Release);
        // Wakes the listener; connections end with their clients.
        drop(TcpStream::connect(self.address));
    }
}

impl Shared {
    fn serve(&self, mut client: Wire) {
        if let Some(aim) = self.due(|step| step == Step::Accepted) {
            aim.killer.kill();
            if !aim.goes_on {
                return client.close();
            }
        }
        let Some(target) = *locked(&self.target) else { return client.close() };
        let Ok(server) = TcpStream::connect(target) else { return client.close() };
        let mut server = Wire::new(server);
        while client.begins() && self.exchange(&mut client, &mut server) {}
        client.close();
        server.close();
    }

    /// One request and its answer; whether another may follow.
    fn exchange(&self, client: &mut Wire, server: &mut Wire) -> bool {
        // The first byte of a request does not tell yet what it asks for.
        if let Some(aim) = self.due(|step| step == Step::FirstByte) {
            aim.killer.kill();
            if !aim.goes_on {
                return false;
            }
        }
        let request = client.message();
        if request.is_list() && self.hides.load(Ordering::Acquire) {
            return false;
        }
        let later = |step| !matches!(step, Step::Accepted | Step::FirstByte);
        let aim = if request.is_post() { self.due(later) } else { None };
        if !hand_on(&request, aim.as_ref(), server) || !request.whole {
            return false;
        }
        let answer = server.message();
        let half = answer.bytes.len() / 2;
        let kill_at = |wanted: Step| {
            if let Some(aim) = aim.as_ref().filter(|aim| aim.step == wanted) {
                aim.killer.kill();
            }
        };
        let halfway = client.write(&answer.bytes[..half]);
        kill_at(Step::HalfAnswer);
        let handed = halfway && client.write(&answer.bytes[half..]);
        kill_at(Step::Answer);
        handed && answer.whole
    }

    /// The aim, if this is where it kills.
    fn due(&self, here: impl Fn(Step) -> bool) -> Option<Aim> {
        let mut aim = locked(&self.aim);
        let at = aim.as_mut().filter(|aim| here(aim.step))?;
        if at.spare > 0 {
            at.spare -= 1;
            return None;
        }
        aim.take()
    }
}

/// Hands a request on, and kills on the way if that is the aim; whether all of it was handed on.
fn hand_on(request: &Part, aim: Option<&Aim>, server: &mut Wire) -> bool {
    let Some(aim) = aim else { return server.write(&request.bytes) };
    let (length, head) = (request.bytes.len(), request.head.unwrap_or(request.bytes.len()));
    let before = match aim.step {
        Step::Accepted | Step::FirstByte | Step::Whole => 0,
        Step::HalfHead => head / 2,
        Step::Head => head,
        Step::HalfBody => head + (length - head) / 2,
        Step::LastByteButOne => length - 1,
        Step::HandedOn => length,
        Step::HalfAnswer | Step::Answer => return server.write(&request.bytes),
    };
    let begun = server.write(&request.bytes[..before]);
    aim.killer.kill();
    begun && (aim.goes_on || before == length) && server.write(&request.bytes[before..])
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
