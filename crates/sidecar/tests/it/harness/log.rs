//! Everything that a process writes, line by line.

use std::fs::File;
use std::io::{BufRead as _, BufReader};
use std::os::fd::OwnedFd;
use std::sync::{Arc, Mutex};
use std::thread;

use serde_json::Value;
use tokio::sync::watch;
use tokio::time::timeout;

use super::PATIENCE;

/// The lines of both outputs, in the order in which they came.
#[derive(Clone)]
pub(crate) struct Log {
    lines: Arc<Mutex<Vec<String>>>,
    /// Changes with every line; closed when the outputs are.
    grown: watch::Receiver<()>,
}

impl Log {
    /// Reads `outputs` to their ends, each on a thread, so that the process never waits for the test.
    pub(crate) fn of(outputs: impl IntoIterator<Item = OwnedFd>) -> Self {
        let lines: Arc<Mutex<Vec<String>>> = Arc::default();
        let (grow, grown) = watch::channel(());
        for output in outputs {
            let (lines, grow) = (Arc::clone(&lines), grow.clone());
            thread::spawn(move || {
                for line in BufReader::new(File::from(output)).split(b'\n').map_while(Result::ok) {
                    lines.lock().unwrap().push(String::from_utf8_lossy(&line).into_owned());
                    grow.send_replace(());
                }
            });
        }
        Self { lines, grown }
    }

    pub(crate) fn lines(&self) -> Vec<String> {
        self.lines.lock().unwrap().clone()
    }

    pub(crate) fn text(&self) -> String {
        self.lines().join("\n")
    }

    /// Every line that is a JSON object.
    pub(crate) fn events(&self) -> Vec<Value> {
        self.lines().iter().filter_map(|line| serde_json::from_str(line).ok()).collect()
    }

    /// What `find` finds in the events, as soon as it does; `None` where the process ended without it.
    ///
    /// # Panics
    ///
    /// When nothing is found for [`PATIENCE`].
    pub(crate) async fn wait_for<T>(
        &self,
        what: &str,
        find: impl Fn(&[Value]) -> Option<T>,
    ) -> Option<T> {
        let mut grown = self.grown.clone();
        let found = async {
            loop {
                grown.borrow_and_update();
                if let Some(found) = find(&self.events()) {
                    return Some(found);
                }
                if grown.changed().await.is_err() {
                    return find(&self.events());
                }
            }
        };
        match timeout(PATIENCE, found).await {
            Ok(found) => found,
            Err(_elapsed) => panic!("not within {PATIENCE:?}: {what}; the log:\n{}", self.text()),
        }
    }

    /// Waits for the ends of the outputs.
    pub(crate) async fn end(&self) {
        let mut grown = self.grown.clone();
        let ended = async { while grown.changed().await.is_ok() {} };
        assert!(timeout(PATIENCE, ended).await.is_ok(), "the process's outputs stayed open");
    }
}

/// A field of a log line, whether it stands at the top or among `fields`.
pub(super) fn field<'a>(event: &'a Value, name: &str) -> Option<&'a str> {
    event.get(name).or_else(|| event.get("fields")?.get(name))?.as_str()
}
