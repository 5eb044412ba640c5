use super::{
    Answer, Answered, Breach, CODE_BYTES, ENTRIES, POINTER_BYTES, Rejection, SENTENCE_BYTES,
    is_code, kind,
};
use crate::{Fault, MessageId, Note};

fn note(key: &str, value: &str) -> Note {
    Note { policy: "p".to_owned(), key: key.to_owned(), value: value.to_owned(), shown: false }
}

fn accepted(notes: Vec<Note>) -> Result<Answer, Breach> {
    Answer { verdict: Answered::Accept, notes }.bounded()
}

/// What becomes of a refusal with these faults' pointers.
fn refused(pointers: &[String]) -> Rejection {
    let long = "x".repeat(SENTENCE_BYTES + 1);
    let fault = |pointer: &String| Fault::new(pointer, "body.unknown_field", &long);
    let no = Rejection {
        code: "body.unknown_field".to_owned(),
        detail: long.clone(),
        faults: pointers.iter().map(fault).collect(),
        retry_after: None,
        earlier: Some(MessageId("m".repeat(CODE_BYTES + 1).into())),
    };
    let notes = (0..=ENTRIES).map(|_| note("k", "v")).collect();
    let answer = Answer { verdict: Answered::Reject(no), notes }.bounded();
    let Ok(Answer { verdict: Answered::Reject(rejection), notes }) = answer else {
        panic!("{answer:?}")
    };
    assert_eq!(notes.len(), ENTRIES);
    rejection
}

#[test]
fn a_refusal_with_too_much_in_it_is_cut_and_stays_a_refusal() {
    let pointers: Vec<String> = (0..=ENTRIES).map(|nth| format!("/f{nth}")).collect();

    let rejection = refused(&pointers);

    assert_eq!(rejection.faults.len(), ENTRIES);
    assert_eq!(rejection.faults[0].pointer, "/f0");
    assert_eq!(rejection.faults[0].detail.len(), SENTENCE_BYTES);
    assert_eq!((rejection.detail.len(), rejection.earlier), (SENTENCE_BYTES, None));
}

#[test]
fn a_pointer_that_is_too_long_or_none_becomes_that_of_what_is_around() {
    let longest = format!("/{}", "n".repeat(POINTER_BYTES - 1));
    let cases = [
        (longest.clone(), longest.as_str()),
        (format!("{longest}n"), ""),
        (format!("/tags{longest}"), "/tags"),
        ("text".to_owned(), ""),
        ("tags/a".to_owned(), ""),
    ];
    for (pointer, wanted) in cases {
        let rejection = refused(std::slice::from_ref(&pointer));
        assert_eq!(rejection.faults[0].pointer, wanted, "{pointer}");
    }
}

#[test]
fn codes_are_dotted_lower_case_words() {
    let longest = "a".repeat(CODE_BYTES);
    for good in ["a", "country.not_allowed", "country-not-allowed", "a.123456", &longest] {
        assert!(is_code(good), "{good:?} is a code");
        assert_eq!(kind(good), good);
    }
    for bad in ["", "A", "1a", ".a", "a b", "a\n", "ä", "a.1234567", &"a".repeat(CODE_BYTES + 1)] {
        assert!(!is_code(bad), "{bad:?} is no code");
        assert_eq!(kind(bad), "unnamed");
    }
}

#[test]
fn a_remark_is_cut_on_a_character() {
    let value = format!("{}ñ", "x".repeat(SENTENCE_BYTES - 1));
    let answer = accepted(vec![note("seen", &value)]);
    assert_eq!(answer.map(|answer| answer.notes[0].value.len()), Ok(SENTENCE_BYTES - 1));
}

#[test]
fn too_many_notes_or_a_wrong_key_are_a_bad_answer() {
    let many = (0..=ENTRIES).map(|_| note("k", "v")).collect();
    for notes in [many, vec![note("No Key", "v")]] {
        let answer = accepted(notes);
        assert!(matches!(answer, Err(Breach::BadAnswer(_))), "{answer:?}");
    }
}

#[test]
fn a_code_or_a_notes_key_with_a_phone_number_in_it_is_a_bad_answer_that_repeats_no_number() {
    let no = |code: &str, faults: &[Fault]| Rejection {
        code: code.to_owned(),
        detail: "no".to_owned(),
        faults: faults.to_vec(),
        retry_after: None,
        earlier: None,
    };
    let refusal = |no| Answer { verdict: Answered::Reject(no), notes: Vec::new() }.bounded();
    for answer in [
        refusal(no("a.14155550125", &[])),
        refusal(no("a", &[Fault::new("", "a.14155550125", "no")])),
        accepted(vec![note("n14155550124", "v")]),
    ] {
        let Err(Breach::BadAnswer(why)) = answer else { panic!("{answer:?}") };
        assert!(why.contains("seven digits in a row") && !why.contains("1415"), "{why}");
    }
}
