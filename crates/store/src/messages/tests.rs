mod accept;
mod change;
mod content;
mod list;
mod reopen;
mod report;

use crate::fixtures::{NOW, later, new};
use crate::{Simple, Status};

#[test]
fn a_new_record_says_what_was_accepted_and_debug_shows_no_number_and_no_text() {
    let new = new("m1");
    let record = &new.record;
    assert_eq!((record.status, record.status.simple()), (Status::Accepted, Simple::Queued));
    assert_eq!((record.created, record.deadline), (NOW, later(300)));
    assert_eq!((record.text_bytes, record.segments.count), (16, 1));
    let shown = format!("{record:?} {new:?}");
    assert!(!shown.contains("5550123") && !shown.contains("secret"), "{shown}");
}
