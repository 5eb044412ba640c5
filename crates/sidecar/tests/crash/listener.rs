//! The app's own listener, which the sidecar tells what became of messages.

use std::collections::{HashMap, HashSet};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;

use serde_json::Value;

use crate::wire::Wire;

/// What one event is about: its message, and the state that it came to.
pub(crate) type About = (String, String);

/// Takes every event with 204 unless it is told to fail, on threads of its own.
pub(crate) struct Listener {
    pub(crate) address: SocketAddr,
    shared: Arc<Shared>,
}

#[derive(Default)]
struct Shared {
    /// The ids under which each was told.
    told: Mutex<HashMap<About, HashSet<String>>>,
    ended: AtomicBool,
    /// One call in so many is failed; none where it is 0.
    fails: AtomicU64,
    calls: AtomicU64,
}

impl Listener {
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

    /// From now on answers one call in `so_many` with 500 and takes nothing of it; none where it is 0.
    #[allow(dead_code, reason = "the soak alone has it fail")]
    pub(crate) fn fail_one_in(&self, so_many: u64) {
        self.shared.fails.store(so_many, Ordering::Relaxed);
    }

    /// What was told, and under which ids.
    pub(crate) fn told(&self) -> HashMap<About, HashSet<String>> {
        self.shared.told().clone()
    }
}

impl Drop for Listener {
    fn drop(&mut self) {
        self.shared.ended.store(true, Ordering::Release);
        // Wakes the listener; connections end with their clients.
        drop(TcpStream::connect(self.address));
    }
}

impl Shared {
    fn serve(&self, mut client: Wire) {
        while client.begins() {
            let request = client.message();
            let body = request.head.map(|head| &request.bytes[head..]).filter(|_| request.whole);
            let Some(event) = body.and_then(|body| serde_json::from_slice(body).ok()) else {
                break;
            };
            let answer: &[u8] = if self.fails() {
                b"HTTP/1.1 500 Internal Server Error\r\ncontent-length: 0\r\n\r\n"
            } else {
                self.take(&event);
                b"HTTP/1.1 204 No Content\r\n\r\n"
            };
            if !client.write(answer) {
                break;
            }
        }
        client.close();
    }

    fn fails(&self) -> bool {
        let nth = self.calls.fetch_add(1, Ordering::Relaxed);
        nth.checked_rem(self.fails.load(Ordering::Relaxed)) == Some(0)
    }

    fn take(&self, event: &Value) {
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        let about = (text(&event["subject"]), text(&event["data"]["status"]));
        self.told().entry(about).or_default().insert(text(&event["id"]));
    }

    fn told(&self) -> MutexGuard<'_, HashMap<About, HashSet<String>>> {
        self.told.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
