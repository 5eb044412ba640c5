//! Reading the lines of a log that anybody may have written: no line is longer than the bound, whatever the file holds.

use std::io::{self, BufRead};

/// Longest line that is read: the largest request, 64 answers of the largest values and their JSON have room in it.
pub(crate) const LINE_BYTES: usize = 4 << 20;

/// One line.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Raw {
    Whole(Vec<u8>),
    /// Longer than [`LINE_BYTES`]; its rest was passed over.
    TooLong,
    /// The file ends in the middle of it.
    Torn,
}

impl Raw {
    /// Without the byte order mark that some editors begin a file with.
    pub(crate) fn without_mark(self) -> Self {
        match self {
            Self::Whole(mut line) if line.starts_with(b"\xef\xbb\xbf") => {
                line.drain(..3);
                Self::Whole(line)
            }
            raw => raw,
        }
    }
}

/// The next line without its end, and the bytes it took in the file; nothing at the end of the file.
pub(crate) fn next(from: &mut impl BufRead, most: usize) -> io::Result<Option<(Raw, usize)>> {
    let (mut line, mut bytes, mut is_long) = (Vec::new(), 0, false);
    loop {
        let buffer = from.fill_buf()?;
        if buffer.is_empty() {
            return Ok((bytes > 0).then_some((Raw::Torn, bytes)));
        }
        let end = buffer.iter().position(|byte| *byte == b'\n');
        let part = &buffer[..end.unwrap_or(buffer.len())];
        is_long |= line.len() + part.len() > most;
        if !is_long {
            line.extend_from_slice(part);
        }
        let taken = part.len() + usize::from(end.is_some());
        from.consume(taken);
        bytes += taken;
        if end.is_some() {
            let raw = if is_long { Raw::TooLong } else { Raw::Whole(line) };
            return Ok(Some((raw, bytes)));
        }
    }
}

#[cfg(test)]
mod tests {
    use std::io::BufReader;

    use super::{Raw, next};

    #[test]
    fn a_line_is_read_within_the_bound_and_passed_over_above_it() {
        let text = format!("abcd\n\n{}\nlast\nhalf", "x".repeat(1_000));
        // A buffer smaller than the lines, so that none arrives whole.
        let mut from = BufReader::with_capacity(3, text.as_bytes());
        let whole = |text: &str| Raw::Whole(text.as_bytes().to_vec());
        let wanted = [
            (whole("abcd"), 5),
            (whole(""), 1),
            (Raw::TooLong, 1_001),
            (whole("last"), 5),
            (Raw::Torn, 4),
        ];
        for wanted in wanted {
            assert_eq!(next(&mut from, 4).expect("it reads"), Some(wanted));
        }
        assert_eq!(next(&mut from, 4).expect("it reads"), None);
    }
}
