//! Where log lines go: a bounded queue and one thread that writes, so that a stuck terminal or pipe stops nobody.

use std::io::{self, Write};
use std::iter;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{self, Receiver, SyncSender};
use std::thread;
use std::time::Duration;

/// Lines that may wait; one more is lost, and counted.
const WAITING_LINES: usize = 8192;

/// Bytes that are written at once, but for the last line.
const AT_ONCE: usize = 64 * 1024;

/// Between two writes: who logs a line meanwhile has nobody to wake, which costs more than the line.
const PAUSE: Duration = Duration::from_millis(1);

/// Takes lines without waiting. The writing thread ends with the last of its clones.
#[derive(Clone, Debug)]
pub(crate) struct Sink {
    queue: SyncSender<Item>,
    lost: Arc<AtomicU64>,
}

enum Item {
    Line(String),
    /// Answered when everything before it is written.
    Flush(SyncSender<()>),
}

impl Sink {
    /// Starts the thread that writes to `out`.
    ///
    /// # Errors
    ///
    /// Where the thread cannot be started.
    pub(crate) fn start(out: impl Write + Send + 'static) -> io::Result<Self> {
        let (queue, items) = mpsc::sync_channel(WAITING_LINES);
        let lost = Arc::new(AtomicU64::new(0));
        let counter = Arc::clone(&lost);
        thread::Builder::new()
            .name("log".into())
            .spawn(move || write_all(&items, out, &counter))?;
        Ok(Self { queue, lost })
    }

    /// Queues `line`, or loses it where the queue is full.
    pub(crate) fn write(&self, line: String) {
        if self.queue.try_send(Item::Line(line)).is_err() {
            self.lost.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// Waits until everything queued so far is written, for `timeout` at most.
    pub(crate) fn flush(&self, timeout: Duration) {
        let (done, written) = mpsc::sync_channel(1);
        if self.queue.try_send(Item::Flush(done)).is_ok() {
            let _ = written.recv_timeout(timeout);
        }
    }
}

fn write_all(items: &Receiver<Item>, mut out: impl Write, lost: &AtomicU64) {
    let mut text = Vec::new();
    // A log that cannot be written has nobody to tell, so errors end here.
    while let Ok(first) = items.recv() {
        let mut flushed = None;
        for item in iter::once(first).chain(items.try_iter()) {
            match item {
                Item::Line(line) => {
                    text.extend_from_slice(line.as_bytes());
                    text.push(b'\n');
                }
                Item::Flush(done) => flushed = Some(done),
            }
            if flushed.is_some() || text.len() >= AT_ONCE {
                break;
            }
        }
        let _ = out.write_all(&text);
        text.clear();
        let lines = lost.swap(0, Ordering::Relaxed);
        if lines > 0 {
            let _ = writeln!(
                out,
                r#"{{"level":"WARN","target":"telemetry","message":"log lines were lost: what reads them is too slow","fields":{{"lost":{lines}}}}}"#
            );
        }
        match flushed {
            Some(done) => {
                let _ = out.flush();
                let _ = done.try_send(());
            }
            None => thread::sleep(PAUSE),
        }
    }
    let _ = out.flush();
}

#[cfg(test)]
mod tests {
    use std::io::{self, Write};
    use std::sync::mpsc::{Receiver, Sender, channel};
    use std::time::Duration;

    use super::{Sink, WAITING_LINES};

    /// Writes nothing until it is told to.
    struct Stuck {
        go: Receiver<()>,
        stuck: bool,
        written: Sender<String>,
    }

    impl Write for Stuck {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            if self.stuck {
                self.go.recv().map_err(io::Error::other)?;
                self.stuck = false;
            }
            let text = String::from_utf8_lossy(bytes).into_owned();
            self.written.send(text).map_err(io::Error::other)?;
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn a_reader_that_stands_still_costs_lines_and_never_waiting() {
        let ((start, go), (written, lines)) = (channel(), channel());
        let sink = Sink::start(Stuck { go, stuck: true, written }).expect("a thread");
        for number in 0..3 * WAITING_LINES {
            sink.write(format!("line {number}"));
        }
        start.send(()).expect("the writer waits");
        sink.flush(Duration::from_secs(30));
        drop(sink);

        let all: String = lines.iter().collect();
        assert!(all.contains("line 0\n"), "the first line is gone");
        assert!(all.contains("log lines were lost"), "the loss is not told");
        let kept = all.lines().filter(|line| line.starts_with("line ")).count();
        assert!((WAITING_LINES..3 * WAITING_LINES).contains(&kept), "{kept} lines were kept");
    }
}
