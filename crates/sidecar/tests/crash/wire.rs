//! One HTTP/1.1 message as it comes over a socket.

use std::io::{Read, Write as _};
use std::net::{Shutdown, TcpStream};

/// Most bytes of one message; what is longer counts as broken off.
const MOST: usize = 1 << 20;

/// One side of a connection, and what was read from it beyond the last message.
pub(crate) struct Wire {
    stream: TcpStream,
    read: Vec<u8>,
}

/// A message, or as much of it as came before the end.
pub(crate) struct Part {
    pub(crate) bytes: Vec<u8>,
    /// The length of its head, blank line included; none where the head is not whole.
    pub(crate) head: Option<usize>,
    /// Whether it is whole.
    pub(crate) whole: bool,
}

impl Wire {
    pub(crate) fn new(stream: TcpStream) -> Self {
        // Only the test's own timing depends on it.
        drop(stream.set_nodelay(true));
        Self { stream, read: Vec::new() }
    }

    /// Waits for the first byte of a message; `false` where none comes any more.
    pub(crate) fn begins(&mut self) -> bool {
        !self.read.is_empty() || self.more()
    }

    /// Reads a message whose length its head tells.
    pub(crate) fn message(&mut self) -> Part {
        let head = loop {
            if let Some(head) = head_of(&self.read) {
                break head;
            }
            if !self.more() {
                return Part { bytes: std::mem::take(&mut self.read), head: None, whole: false };
            }
        };
        let length = head + body_of(&self.read[..head]);
        while self.read.len() < length {
            if !self.more() {
                let bytes = std::mem::take(&mut self.read);
                return Part { bytes, head: Some(head), whole: false };
            }
        }
        let rest = self.read.split_off(length);
        let bytes = std::mem::replace(&mut self.read, rest);
        Part { bytes, head: Some(head), whole: true }
    }

    /// Whether all of `bytes` could be written.
    pub(crate) fn write(&mut self, bytes: &[u8]) -> bool {
        self.stream.write_all(bytes).is_ok()
    }

    pub(crate) fn close(&mut self) {
        // It may be closed already.
        drop(self.stream.shutdown(Shutdown::Both));
    }

    fn more(&mut self) -> bool {
        let mut chunk = [0; 4_096];
        match self.stream.read(&mut chunk) {
            Ok(count @ 1..) if self.read.len() + count <= MOST => {
                self.read.extend_from_slice(&chunk[..count]);
                true
            }
            _ => false,
        }
    }
}

impl Part {
    /// Whether it asks for something to be sent.
    pub(crate) fn is_post(&self) -> bool {
        self.bytes.starts_with(b"POST ")
    }

    /// Whether it asks Plivo what it has.
    pub(crate) fn is_list(&self) -> bool {
        let line = self.bytes.split(|byte| *byte == b'\r').next().unwrap_or_default();
        line.starts_with(b"GET ") && line.windows(10).any(|ten| ten == b"/Message/?")
    }
}

fn head_of(bytes: &[u8]) -> Option<usize> {
    bytes.windows(4).position(|four| four == b"\r\n\r\n").map(|at| at + 4)
}

/// The length of the body that a head announces.
fn body_of(head: &[u8]) -> usize {
    let head = String::from_utf8_lossy(head).to_ascii_lowercase();
    let length = head.lines().find_map(|line| line.strip_prefix("content-length:"));
    length.and_then(|length| length.trim().parse().ok()).unwrap_or(0)
}
