//! The callback listener's reader, fed with any bytes.

use super::form::Form;

/// The body of a delivery report, or of a handset's message. Handed on, a report says the same again.
pub fn report(body: &[u8]) {
    let Ok(form) = Form::read(body) else { return };
    drop(form.inbound());
    let Ok(report) = form.report() else { return };
    let again = Form::read(form.encoded(true).as_bytes()).and_then(|form| form.report());
    assert!(again.is_ok_and(|again| again == report), "handed on, it is another report");
}
