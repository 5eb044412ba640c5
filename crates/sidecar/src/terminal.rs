//! What modules, logs, registries and sidecars say, as it is printed: it stays on its line, and no terminal obeys it.

use std::fmt::Display;
use std::io;

use serde_json::Value;

/// `text` with what a terminal would obey escaped, as in `\u{1b}`.
pub(crate) fn plain(text: &str) -> String {
    let mut shown = String::with_capacity(text.len());
    for c in text.chars() {
        match is_obeyed(c) {
            true => shown.extend(c.escape_default()),
            false => shown.push(c),
        }
    }
    shown
}

/// The same of lines of our own, which may repeat what others say: each stays one.
pub fn plain_lines(text: &str) -> String {
    text.lines().map(plain).collect::<Vec<_>>().join("\n")
}

/// So many of them, in words.
pub(crate) fn counted(count: u64, one: &str, many: &str) -> String {
    format!("{count} {}", if count == 1 { one } else { many })
}

/// Writes one line, whatever is in it.
pub(crate) fn line(out: &mut impl io::Write, text: impl Display) -> io::Result<()> {
    writeln!(out, "{}", plain(&text.to_string()))
}

/// JSON, which knows these escapes and has line ends between its members alone.
pub(crate) fn json(shown: &Value) -> String {
    in_strings(&format!("{shown}"))
}

/// JSON or TOML that is written already, with what its strings hold escaped as both have it.
pub(crate) fn in_strings(text: &str) -> String {
    let mut shown = String::with_capacity(text.len());
    for c in text.chars() {
        match c != '\n' && is_obeyed(c) {
            // All of them are of the first plane.
            true => shown.push_str(&format!("\\u{:04x}", u32::from(c))),
            false => shown.push(c),
        }
    }
    shown
}

/// Controls, other ends of lines, and what turns the direction of writing.
fn is_obeyed(c: char) -> bool {
    let turns = ['\u{61c}', '\u{200e}', '\u{200f}'];
    c.is_control()
        || turns.contains(&c)
        || matches!(c, '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::{in_strings, json, line, plain, plain_lines};

    #[test]
    fn what_a_terminal_would_obey_is_escaped_and_all_else_is_as_it_was() {
        for (text, wanted) in [
            ("a\u{1b}[8mb", r"a\u{1b}[8mb"),
            ("ok\n  imports   nothing", r"ok\n  imports   nothing"),
            ("\u{9b}31m\u{7f}\r\t", r"\u{9b}31m\u{7f}\r\t"),
            ("\u{202e}\u{2066}\u{2028}\u{200f}", r"\u{202e}\u{2066}\u{2028}\u{200f}"),
            ("Grüße, \"quoted\" \\ 🎉", "Grüße, \"quoted\" \\ 🎉"),
        ] {
            assert_eq!(plain(text), wanted);
        }
        assert_eq!(plain_lines("a\u{7}\nb"), "a\\u{7}\nb");
    }

    #[test]
    fn a_line_is_one_and_json_is_read_as_it_was() {
        let said = "a\n\u{9b}b\u{202e}";
        let mut written = Vec::new();
        line(&mut written, format_args!("it says {said}")).expect("memory takes it");
        assert_eq!(String::from_utf8_lossy(&written), "it says a\\n\\u{9b}b\\u{202e}\n");
        let value = json!({ said: said });
        for text in [json(&value), in_strings(&format!("{value:#}"))] {
            assert!(!text.contains(['\u{9b}', '\u{202e}']), "{text:?}");
            assert_eq!(serde_json::from_str::<serde_json::Value>(&text).ok(), Some(value.clone()));
        }
    }
}
