use std::fmt;

use crate::Fault;
use crate::limits;

/// A phone number in E.164 with its leading `+`: the form ITU-T E.164 gives it, seven to fifteen ASCII digits.
///
/// `Debug` and [`E164::masked`] hide the middle; only [`E164::as_str`] shows the whole number.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct E164(Box<str>);

impl E164 {
    /// Reads `\A\+[1-9][0-9]{6,14}\z`, ASCII only, and at most the fourteen digits that Plivo takes.
    ///
    /// # Errors
    ///
    /// A fault at `pointer`: `phone.multiple` where `text` seems to name several recipients (`<` separates recipients
    /// at Plivo), `phone.too_long_for_provider` above fourteen digits, else `phone.not_e164`.
    pub fn parse(text: &str, pointer: &str) -> Result<Self, Fault> {
        if is_list(text) {
            let detail = "names more than one recipient; send one request each, or a JSON array";
            return Err(Fault::new(pointer, "phone.multiple", detail));
        }
        let digits = text.strip_prefix('+').unwrap_or("");
        let shape = (7..=15).contains(&digits.len())
            && digits.bytes().all(|b| b.is_ascii_digit())
            && !digits.starts_with('0');
        if !shape {
            let detail = "is not E.164: a plus sign, then 7 to 15 ASCII digits without spaces, such as +14155550123";
            return Err(Fault::new(pointer, "phone.not_e164", detail));
        }
        if digits.len() > limits::NUMBER_DIGITS {
            let detail = "has fifteen digits; Plivo takes at most fourteen";
            return Err(Fault::new(pointer, "phone.too_long_for_provider", detail));
        }
        Ok(Self(text.into()))
    }

    /// The whole number, with its `+`.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The number's digits, without the `+`, as Plivo's reports have it.
    pub fn digits(&self) -> &str {
        &self.0[1..]
    }

    /// The number fit for a log: `+1415•••0123` for `+14155550123`.
    pub fn masked(&self) -> String {
        let (head, tail) = (self.0.len().min(5), self.0.len().saturating_sub(4).max(5));
        format!("{}•••{}", &self.0[..head], &self.0[tail.min(self.0.len())..])
    }
}

impl fmt::Debug for E164 {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.masked())
    }
}

/// Whether several numbers stand in one string, separated by anything that some gateway takes for a separator.
fn is_list(text: &str) -> bool {
    let parts: Vec<&str> = text.split(['<', ',', ';', ' ', '\n', '\t', '|']).collect();
    text.contains('<')
        || parts
            .iter()
            .filter(|part| {
                part.trim_start_matches('+').len() >= 7
                    && part.trim_start_matches('+').bytes().all(|b| b.is_ascii_digit())
            })
            .count()
            > 1
}
