//! What a handset's answer means.

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
    /// What `text` means. A keyword counts where it is the whole text, in whatever case and with whatever around it
    /// that is neither letter nor digit; one within a sentence decides nothing.
    pub(crate) fn meaning(&self, text: &str) -> Option<Meaning> {
        let plain = plain(text);
        let is = |words: &[String]| words.contains(&plain);
        if is(&self.stop) {
            return Some(Meaning::Stop);
        }
        if is(&self.start) {
            return Some(Meaning::Start);
        }
        let said = plain.split(|character: char| !character.is_alphanumeric());
        let mut said = said.filter(|word| !word.is_empty());
        said.any(|word| self.review.iter().any(|review| review == word)).then_some(Meaning::Review)
    }
}

/// Capital letters, one space between words, and nothing around them that is neither letter nor digit.
pub(crate) fn plain(text: &str) -> String {
    let core = text.trim_matches(|character: char| !character.is_alphanumeric());
    core.split_whitespace().collect::<Vec<_>>().join(" ").to_uppercase()
}

#[cfg(test)]
mod tests {
    use super::Meaning;
    use crate::settings::words;

    #[test]
    fn a_keyword_is_the_whole_text_whatever_its_case_and_what_is_around_it() {
        for text in
            ["STOP", "  StOp \n", "stop.", "\"Stop!\"", "opt  out", "Unsubscribe", "stopall"]
        {
            assert_eq!(words().meaning(text), Some(Meaning::Stop), "{text:?}");
        }
        for text in ["START", "unstop", "Yes", " go "] {
            assert_eq!(words().meaning(text), Some(Meaning::Start), "{text:?}");
        }
    }

    #[test]
    fn a_sentence_with_such_a_word_is_for_a_person_to_look_at() {
        for text in ["Hey, can you stop texting me?", "STOP it", "please unsubscribe me!"] {
            assert_eq!(words().meaning(text), Some(Meaning::Review), "{text:?}");
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
            "\u{1f6d1}",
        ] {
            assert_eq!(words().meaning(text), None, "{text:?}");
        }
    }
}
