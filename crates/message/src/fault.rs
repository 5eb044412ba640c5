/// One thing wrong with a request, said so that its reader can mend it.
///
/// `detail` never holds a number or the text of a message: faults travel in answers, spans and logs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fault {
    /// JSON pointer (RFC 6901) into the request's native form, such as `/media_urls/0`; empty for the whole body.
    pub pointer: String,
    /// Stable dotted code, such as `phone.not_e164`.
    pub code: String,
    /// A sentence for people: what is wrong and what to do.
    pub detail: String,
}

impl Fault {
    /// A fault at `pointer`.
    pub fn new(
        pointer: impl Into<String>,
        code: impl Into<String>,
        detail: impl Into<String>,
    ) -> Self {
        Self { pointer: pointer.into(), code: code.into(), detail: detail.into() }
    }
}
