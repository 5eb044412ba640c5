//! What a handset's answer means.

use unicode_normalization::char::{compose, decompose_canonical};

/// What a text says about consent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Meaning {
    /// No more messages.
    Stop,
    /// Messages again.
    Start,
    /// It may mean stop; a person is to look.
    Review,
}

/// The words that mean something.
#[derive(Debug)]
pub(crate) struct Words {
    pub(crate) stop: Vec<String>,
    pub(crate) start: Vec<String>,
    pub(crate) review: Vec<String>,
}

impl Words {
    /// What `text` means. A keyword counts where it is the whole text, in whatever case and with whatever around it that is
    /// neither letter nor digit, its accents composed or not; one within a sentence decides nothing. One that opts out may
    /// have such signs in it, too; one that opts in only hyphens.
    pub(crate) fn meaning(&self, text: &str) -> Option<Meaning> {
        let (whole, readings) = (letters(text), readings(text));
        if self.stop.iter().any(|word| letters(word) == whole) {
            return Some(Meaning::Stop);
        }
        let is_read = |word: &String| readings.contains(word);
        if self.start.iter().any(|word| self::readings(word).iter().any(is_read)) {
            return Some(Meaning::Start);
        }
        let readings = readings.each_ref().map(|reading| words(reading));
        let said = |review: &String| readings.iter().any(|said| is_among(review, said));
        self.review.iter().any(said).then_some(Meaning::Review)
    }
}

/// With hyphens between words, and within one.
fn readings(text: &str) -> [String; 2] {
    [plain(text), plain(&text.replace(is_hyphen, ""))]
}

/// Whether `review` is among the words that were said, on end where it has several, and as many or fewer: `OPT OUT` is
/// `OPTOUT` as well.
fn is_among(review: &str, said: &[&str]) -> bool {
    let (whole, most) = (letters(review), words(review).len());
    (1..=most).any(|count| said.windows(count).any(|together| together.concat() == whole))
}

fn words(text: &str) -> Vec<&str> {
    let words = text.split(|character: char| !character.is_alphanumeric());
    words.filter(|word| !word.is_empty()).collect()
}

/// Capital letters of the usual width and with their accents, one space between words, and nothing around them that is
/// neither letter nor digit.
pub(crate) fn plain(text: &str) -> String {
    let text = capitals(text);
    let core = text.trim_matches(|character: char| !character.is_alphanumeric());
    let words = core.split(|character: char| character.is_whitespace() || is_hyphen(character));
    let words: Vec<_> = words.filter(|word| !word.is_empty()).collect();
    words.join(" ")
}

/// The letters and digits alone, as [`plain`] has them.
pub(crate) fn letters(text: &str) -> String {
    capitals(text).chars().filter(|character| character.is_alphanumeric()).collect()
}

/// Letters are one with the marks behind them (`Ê` for `E` and U+0302), which would be taken for what is between words.
///
/// Of what is in NFC or NFD this is its NFC, but where a mark that fits no letter stands before one that does; whole
/// normalization would make the module larger by another 77 kB.
fn capitals(text: &str) -> String {
    let mut capitals = String::new();
    for character in text.chars().map(of_usual_width).flat_map(char::to_uppercase) {
        decompose_canonical(character, |part| {
            let before = capitals.pop();
            match before.and_then(|before| compose(before, part)) {
                Some(whole) => capitals.push(whole),
                None => capitals.extend(before.into_iter().chain([part])),
            }
        });
    }
    capitals
}

/// ASCII where it is written as wide as ideographs are, as keyboards for these do.
fn of_usual_width(character: char) -> char {
    match character {
        '\u{ff01}'..='\u{ff5e}' => {
            char::from_u32(u32::from(character) - 0xfee0).unwrap_or(character)
        }
        _ => character,
    }
}

/// Also those that word processors write, and the wide one.
fn is_hyphen(character: char) -> bool {
    matches!(character, '-' | '\u{ad}' | '\u{2010}'..='\u{2013}' | '\u{ff0d}')
}

#[cfg(test)]
mod tests {
    use super::Meaning;
    use crate::settings::{reviewing, stopping, words};

    #[test]
    fn a_keyword_is_the_whole_text_whatever_its_case_and_what_is_around_it() {
        for text in
            ["STOP", "  StOp \n", "stop.", "\"Stop!\"", "opt  out", "Unsubscribe", "stopall"]
        {
            assert_eq!(words().meaning(text), Some(Meaning::Stop), "{text:?}");
        }
        for text in [
            "opt-out",
            "Opt\u{2011}Out.",
            "stop-all",
            "stop all",
            "S.T.O.P",
            "ST\u{200b}OP",
            "ＳＴＯＰ",
            "ｏｐｔ－ｏｕｔ",
            "ｏｐｔ　ｏｕｔ！",
        ] {
            assert_eq!(words().meaning(text), Some(Meaning::Stop), "{text:?}");
        }
        for text in ["START", "unstop", "Yes", " go ", "un-stop", "\"Yes!\"", "ＹＥＳ"] {
            assert_eq!(words().meaning(text), Some(Meaning::Start), "{text:?}");
        }
        // It is not for a sign too much to send somebody messages again.
        for text in ["y/es", "G.O.", "un stop", "y, es", "re: sume"] {
            assert_ne!(words().meaning(text), Some(Meaning::Start), "{text:?}");
        }
    }

    #[test]
    fn a_sentence_with_such_a_word_is_for_a_person_to_look_at() {
        for text in [
            "Hey, can you stop texting me?",
            "STOP it",
            "please unsubscribe me!",
            "please opt-out",
            "please opt out",
            "Opt Out please",
            "ＳＴＯＰ now",
        ] {
            assert_eq!(words().meaning(text), Some(Meaning::Review), "{text:?}");
        }
    }

    #[test]
    fn a_word_of_several_is_heard_however_it_is_put_together() {
        let words = reviewing(&["no more", "opt-out", "un-subscribe"]);
        for text in
            ["no more texts", "NO-MORE, thanks", "please optout", "opt out now", "un-subscribe me"]
        {
            assert_eq!(words.meaning(text), Some(Meaning::Review), "{text:?}");
        }
        for text in ["no, more", "more no", "opting out", "nomored"] {
            let wanted = (text == "no, more").then_some(Meaning::Review);
            assert_eq!(words.meaning(text), wanted, "{text:?}");
        }
    }

    #[test]
    fn a_word_is_the_same_whether_its_accents_are_composed_or_not() {
        let (composed, apart) = ("ARR\u{ca}T", "ARRE\u{302}T");
        for word in [composed, apart, "arre\u{302}t", "Arr\u{ea}t"] {
            let words = stopping(&[word], &[word]);
            for said in [composed, apart, "arr\u{ea}t", "Arre\u{302}t!", "ＡＲＲＥ\u{302}Ｔ"] {
                assert_eq!(words.meaning(said), Some(Meaning::Stop), "{said} by {word}");
                let within = format!("un {said}, merci");
                assert_eq!(words.meaning(&within), Some(Meaning::Review), "{said} by {word}");
            }
            for other in ["arre", "t", "arret", "arre\u{300}t"] {
                assert_eq!(words.meaning(other), None, "{other} by {word}");
            }
        }
    }

    #[test]
    fn several_marks_and_other_scripts_are_compared_so_too() {
        for (composed, apart) in [
            ("D\u{1eea}NG L\u{1ea0}I", "D\u{55}\u{31b}\u{300}NG LA\u{323}I"),
            ("\u{1ead}m", "a\u{323}\u{302}m"),
            ("\u{ad6c}\u{b3c5}", "\u{1100}\u{116e}\u{1103}\u{1169}\u{11a8}"),
            ("\u{9ac}\u{9dc}", "\u{9ac}\u{9a1}\u{9bc}"),
            ("\u{1f0}", "j\u{30c}"),
        ] {
            for (word, said) in [(composed, apart), (apart, composed)] {
                let words = stopping(&[word], &[]);
                assert_eq!(words.meaning(said), Some(Meaning::Stop), "{said} by {word}");
            }
        }
    }

    #[test]
    fn anything_else_says_nothing_about_consent() {
        for text in [
            "",
            "Thanks",
            "nonstop",
            "stopover",
            "yes please",
            "when does it end",
            "...",
            "-",
            "\u{1f6d1}",
        ] {
            assert_eq!(words().meaning(text), None, "{text:?}");
        }
    }
}
