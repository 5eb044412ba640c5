//! Keeps texts of messages out of what policies write to logs and spans.

mod written;

use self::written::letters;

/// Fewest digits in a row, letters of a word, and signs of East Asia, that tell something of the text that they stand in.
const OWN_DIGITS: usize = 4;
const OWN_LETTERS: usize = 5;
const OWN_DENSE: usize = 2;
/// Fewest words on end that do, whatever they are.
const IN_A_ROW: usize = 3;

/// `said` without what it repeats of a message's `text`: three words on end, whatever stands between them, and each word
/// that tells something.
pub(crate) fn without(text: &str, said: &str) -> String {
    let (known, words) = (words(text), words(said));
    let text = text.to_lowercase();
    let (mut out, mut shown, mut at) = (String::with_capacity(said.len()), 0, 0);
    while at < words.len() {
        let on_end = |known: &[Word]| {
            let pairs = words[at..].iter().zip(known);
            pairs.take_while(|(word, known)| word.lower == known.lower).count()
        };
        let count = (0..known.len()).map(|from| on_end(&known[from..])).max().unwrap_or(0);
        let alone = usize::from(words[at].tells() && text.contains(&words[at].lower));
        let row = &words[at..at + count.max(alone)];
        match row.last() {
            Some(last) if count >= IN_A_ROW || row.iter().any(Word::tells) => {
                out.push_str(&said[shown..words[at].start]);
                out.push('•');
                (shown, at) = (last.end, at + row.len());
            }
            _ => at += 1,
        }
    }
    out.push_str(&said[shown..]);
    out
}

/// A row of letters, or one of digits: also cut where digits begin or end, should only a part of it be in a text.
struct Word {
    start: usize,
    end: usize,
    lower: String,
}

impl Word {
    /// Whether it alone says something of the text that it is in: a row of digits, a longer word, or one of a script
    /// that writes whole words in a character or two.
    fn tells(&self) -> bool {
        let count = self.lower.chars().count();
        let is_number = self.lower.bytes().all(|byte| byte.is_ascii_digit());
        let is_dense = self.lower.chars().any(|c| c >= '\u{2e80}');
        let least = match (is_dense, is_number) {
            (true, _) => OWN_DENSE,
            (false, true) => OWN_DIGITS,
            (false, false) => OWN_LETTERS,
        };
        count >= least
    }
}

fn words(text: &str) -> Vec<Word> {
    let mut words: Vec<Word> = Vec::new();
    let mut before = None;
    for (start, end, c) in letters(text) {
        let kind = c.is_alphanumeric().then_some(c.is_ascii_digit());
        match (kind, words.last_mut()) {
            (Some(_), Some(word)) if kind == before => {
                word.end = end;
                word.lower.extend(c.to_lowercase());
            }
            (Some(_), _) => words.push(Word { start, end, lower: c.to_lowercase().collect() }),
            (None, _) => {}
        }
        before = kind;
    }
    words
}

/// The longest part of `text` that has at most `most` bytes and ends on a character.
pub(crate) fn cut(text: &str, most: usize) -> &str {
    &text[..text.floor_char_boundary(most)]
}

#[cfg(test)]
mod tests {
    use super::without;

    #[test]
    fn what_a_sentence_repeats_of_a_text_is_left_out_of_it() {
        let text = "Your code is 482913, Alice";
        assert_eq!(without(text, "no room: your code is 482913, ALICE!"), "no room: •!");
        assert_eq!(without(text, "code 48291 and 999913 of malice"), "code • and 999913 of malice");
        assert_eq!(without(text, "the code is wrong"), "the code is wrong");
        assert_eq!(without("Your code: X7K9Q2", "it is X7K9Q2 or a1b2"), "it is • or a1b2");
        assert_eq!(without("Kim has HIV", "of `Kim has HIV`"), "of `•`");
        assert_eq!(without("Größe 42 wählen", "bad Größe in 'wählen'"), "bad • in '•'");
        assert_eq!(without("密码是 紫色", "密码是 紫色"), "•");
        assert_eq!(without("Bonjour\nBob\nMarseille", r#""Bonjour\nBob\nMarseille""#), r#""•""#);
        assert_eq!(without("Hi\nRobert", r#"of "Hi\nRobert" alone"#), r#"of "•" alone"#);
        assert_eq!(
            without("Größe 密码是", r#"not "Gr\u00f6\u00DFe" nor '\u5bc6\u7801'"#),
            r#"not "•" nor '•'"#
        );
        assert_eq!(without("", "nothing is in it 12345"), "nothing is in it 12345");
    }
}
