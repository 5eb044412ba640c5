//! Plivo's form of a report.
//!
//! Source: Plivo's "Message Status Callbacks", and a real sample that lacks `Sequence` and the times. So names are read
//! in any case, what is missing is missing, what is unknown is left, and what cannot be meant is as if it were missing.

use message::{E164, MessageId};
use store::{Report, ReportFacts};
use url::form_urlencoded;

use super::{codes, state};
use crate::inbound::Inbound;

/// Most bytes of a body.
pub(super) const MOST_BYTES: usize = 65_536;
/// Most parameters; Plivo has 24.
const MOST_PARAMS: usize = 64;
/// Longest price, code of a country or network, or time that is kept, in characters.
const MOST_WORD: usize = 32;
/// Longest UUID of Plivo's that is kept, in characters.
const MOST_UUID: usize = 64;

/// The parameters that are read of a report, besides the recipient.
const TOLD: [&str; 13] = [
    "Status",
    "Sequence",
    "ErrorCode",
    "MessageUUID",
    "ParentMessageUUID",
    "Units",
    "TotalRate",
    "TotalAmount",
    "MCC",
    "MNC",
    "SentTime",
    "DeliveryReportTime",
    "PartInfo",
];

/// The parameters as they came, decoded: what the signature covers.
#[derive(Debug)]
pub(super) struct Form {
    params: Vec<(String, String)>,
}

/// What a report says besides what is kept of it; for its span.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Besides<'a> {
    /// When Plivo handed the message to the carrier, in Plivo's form.
    pub(super) sent: Option<&'a str>,
    /// When the carrier reported, likewise.
    pub(super) reported: Option<&'a str>,
    /// Whose request sent the message; one that is not ours shows stolen credentials.
    pub(super) requester_ip: Option<&'a str>,
    /// Such as `1 of 1`.
    pub(super) part: Option<&'a str>,
}

/// Why a body is no report.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum FormError {
    /// Too many parameters.
    #[error("the report has more than {MOST_PARAMS} parameters")]
    TooMany,
    /// No state.
    #[error("the report has no Status")]
    NoStatus,
    /// No handset, or nothing that it was sent to.
    #[error("the inbound message has no From that is a number, or no To")]
    NoMessage,
}

impl Form {
    /// Reads `application/x-www-form-urlencoded`; every body is one, if of strange parameters.
    ///
    /// # Errors
    ///
    /// [`FormError::TooMany`].
    pub(super) fn read(body: &[u8]) -> Result<Self, FormError> {
        let params: Vec<(String, String)> =
            form_urlencoded::parse(body).into_owned().take(MOST_PARAMS + 1).collect();
        if params.len() > MOST_PARAMS { Err(FormError::TooMany) } else { Ok(Self { params }) }
    }

    /// Every parameter, in the order in which they came.
    pub(super) fn params(&self) -> &[(String, String)] {
        &self.params
    }

    /// What is read of a report, again in its form; with the recipient only where it `names_numbers`.
    pub(super) fn encoded(&self, names_numbers: bool) -> String {
        let is_told = |name: &str| {
            let is = |other: &&str| other.eq_ignore_ascii_case(name);
            TOLD.iter().any(is) || (names_numbers && is(&"To"))
        };
        let told = self.params.iter().filter(|(name, _)| is_told(name));
        form_urlencoded::Serializer::new(String::new()).extend_pairs(told).finish()
    }

    /// The report that it is.
    ///
    /// # Errors
    ///
    /// [`FormError::NoStatus`].
    pub(super) fn report(&self) -> Result<Report, FormError> {
        let status = state::kept(self.get("Status").ok_or(FormError::NoStatus)?);
        let uuid = |name| self.word(name, MOST_UUID).filter(|word| !word.contains('/'));
        let word = |name| self.word(name, MOST_WORD).map(str::to_owned);
        Ok(Report {
            status: Some(state::status(&status)),
            sequence: self.number("Sequence").unwrap_or(0),
            error_code: self.get("ErrorCode").and_then(codes::kept),
            message_uuid: uuid("MessageUUID")
                .or_else(|| uuid("ParentMessageUUID"))
                .map(str::to_owned),
            facts: ReportFacts {
                status,
                units: self.number("Units"),
                total_rate: word("TotalRate"),
                total_amount: word("TotalAmount"),
                mcc: word("MCC"),
                mnc: word("MNC"),
            },
        })
    }

    /// What it says besides.
    pub(super) fn besides(&self) -> Besides<'_> {
        Besides {
            sent: self.line("SentTime"),
            reported: self.line("DeliveryReportTime"),
            requester_ip: self.word("requester_ip", MOST_WORD),
            part: self.line("PartInfo"),
        }
    }

    /// Whether it is about a message to this number; true where it does not say.
    pub(super) fn is_to(&self, digits: &str) -> bool {
        let to = self.get("To").map(|to| to.trim_start_matches('+'));
        to.is_none_or(|to| to == digits)
    }

    /// The recipient that it names, where that is a number.
    pub(super) fn to(&self) -> Option<E164> {
        number(self.get("To")?)
    }

    /// The message from a handset that it is, and Plivo's id of it.
    ///
    /// # Errors
    ///
    /// [`FormError::NoMessage`].
    pub(super) fn inbound(&self) -> Result<Inbound, FormError> {
        let from = self.get("From").and_then(number).ok_or(FormError::NoMessage)?;
        let to = self.get("To").ok_or(FormError::NoMessage)?;
        // Short codes have up to eight digits (`message::Sender`).
        let to = match number(to).filter(|to| to.digits().len() > 8) {
            Some(number) => number.as_str().to_owned(),
            None => to.to_owned(),
        };
        let text = self.params.iter().find(|(key, _)| key.eq_ignore_ascii_case("Text"));
        let text = text.map(|(_, text)| text.clone()).unwrap_or_default();
        let mut inbound =
            Inbound::read(from.as_str(), Some(&to), text).map_err(|_| FormError::NoMessage)?;
        if let Some(uuid) = self.word("MessageUUID", MOST_UUID) {
            inbound.id = MessageId(uuid.into());
        }
        Ok(inbound)
    }

    /// A value that is there.
    fn get(&self, name: &str) -> Option<&str> {
        let mut values = self.params.iter().filter(|(key, _)| key.eq_ignore_ascii_case(name));
        values.next().map(|(_, value)| value.trim()).filter(|value| !value.is_empty())
    }

    /// Visible ASCII.
    fn word(&self, name: &str, most: usize) -> Option<&str> {
        let plain = |word: &&str| word.len() <= most && word.bytes().all(|b| b.is_ascii_graphic());
        self.get(name).filter(plain)
    }

    /// ASCII with spaces.
    fn line(&self, name: &str) -> Option<&str> {
        let plain = |byte: u8| byte.is_ascii_graphic() || byte == b' ';
        self.get(name).filter(|line| line.len() <= MOST_WORD && line.bytes().all(plain))
    }

    /// A count, however it is written: `2`, or `2.0`.
    fn number(&self, name: &str) -> Option<u32> {
        let text = self.get(name)?;
        let whole = text
            .split_once('.')
            .map_or(text, |(whole, rest)| if rest.bytes().all(|b| b == b'0') { whole } else { "" });
        whole.parse().ok()
    }
}

/// A number as Plivo writes it, which is without its plus.
pub(super) fn number(word: &str) -> Option<E164> {
    let digits = word.strip_prefix('+').unwrap_or(word);
    E164::parse(&format!("+{digits}"), "").ok()
}

#[cfg(test)]
mod tests {
    use store::Status;

    use super::*;

    fn report(body: &str) -> Report {
        Form::read(body.as_bytes()).unwrap().report().unwrap()
    }

    #[test]
    fn a_report_with_everything_is_read() {
        let body = "MessageUUID=u1&ParentMessageUUID=u1&PartInfo=1+of+1&From=14150000001&To=14150000002&Type=sms\
                    &Status=undelivered&Sequence=3&Units=2&TotalRate=0.00500&TotalAmount=0.01000&MCC=310&MNC=260\
                    &ErrorCode=200&SentTime=2026-08-01+10%3A00%3A00.000000&DeliveryReportTime=2026-08-01+10%3A00%3A02.500000\
                    &requester_ip=198.51.100.7&PowerpackUUID=";
        let form = Form::read(body.as_bytes()).unwrap();
        let expected = Report {
            status: Some(Status::Undelivered),
            sequence: 3,
            error_code: Some("200".into()),
            message_uuid: Some("u1".into()),
            facts: ReportFacts {
                status: "undelivered".into(),
                units: Some(2),
                total_rate: Some("0.00500".into()),
                total_amount: Some("0.01000".into()),
                mcc: Some("310".into()),
                mnc: Some("260".into()),
            },
        };
        assert_eq!(form.report(), Ok(expected));
        let besides = Besides {
            sent: Some("2026-08-01 10:00:00.000000"),
            reported: Some("2026-08-01 10:00:02.500000"),
            requester_ip: Some("198.51.100.7"),
            part: Some("1 of 1"),
        };
        assert_eq!(form.besides(), besides);
        assert!(form.is_to("14150000002") && !form.is_to("14150000003"));
    }

    #[test]
    fn the_oldest_known_form_is_enough() {
        let report =
            report("Status=sent&MessageUUID=u1&ErrorCode=&TotalRate=0.0025&MCC=405&MNC=803");
        assert_eq!((report.status, report.sequence), (Some(Status::Sent), 0));
        assert_eq!((report.error_code, report.facts.units), (None, None));
        assert_eq!(report.facts.total_rate.as_deref(), Some("0.0025"));
        assert_eq!(Form::read(b"Status=sent").unwrap().besides(), Besides::default());
    }

    #[test]
    fn names_and_known_words_are_read_in_any_case() {
        let report = report("STATUS=Delivered&messageuuid=u1&errorcode=000&sequence=2.0&UNITS=1");
        assert_eq!(
            (report.status, report.facts.status.as_str()),
            (Some(Status::Delivered), "delivered")
        );
        assert_eq!((report.message_uuid.as_deref(), report.sequence), (Some("u1"), 2));
        assert_eq!((report.error_code, report.facts.units), (None, Some(1)));
    }

    #[test]
    fn a_word_that_is_not_known_is_kept_and_proves_that_plivo_has_the_message() {
        let report = report("Status=Deferred&MessageUUID=u1");
        assert_eq!(
            (report.status, report.facts.status.as_str()),
            (Some(Status::Submitted), "Deferred")
        );
    }

    #[test]
    fn what_cannot_be_meant_is_as_if_it_were_missing() {
        let long = "9".repeat(100);
        for body in [
            "Status=sent&Units=many&Sequence=-1&MessageUUID=a%2Fb&MCC=3%2010",
            "Status=sent&Units=1.5&Sequence=1e3&MessageUUID=%00",
            &format!("Status=sent&Units={long}&Sequence={long}&MessageUUID={long}&MCC={long}"),
        ] {
            let report = report(body);
            let read = (report.facts.units, report.sequence, report.message_uuid, report.facts.mcc);
            assert_eq!(read, (None, 0, None, None), "{body}");
        }
    }

    #[test]
    fn a_message_from_a_handset_is_read_and_what_is_none_is_told() {
        let read = |body: &str| Form::read(body.as_bytes()).unwrap().inbound();
        let inbound =
            read("From=14155550123&To=14155551212&Text=STOP&Type=sms&MessageUUID=u9").unwrap();
        assert_eq!(&*inbound.id.0, "u9");
        assert_eq!(inbound.to().unwrap().as_str(), "+14155551212");
        let to_short_code = read("From=%2B14155550123&To=24273").unwrap();
        assert_eq!(to_short_code.to().unwrap().kind(), "short-code");
        for body in ["", "From=14155550123", "From=ACME&To=14155551212&Text=x", "To=14155551212"] {
            assert_eq!(read(body).err(), Some(FormError::NoMessage), "{body}");
        }
    }

    #[test]
    fn a_body_without_a_state_and_one_with_too_much_are_no_reports() {
        for body in
            ["", "Status=", "Status=+", "nonsense", "{\"Status\":\"sent\"}", "Status%00=sent"]
        {
            let form = Form::read(body.as_bytes()).unwrap();
            assert_eq!(form.report(), Err(FormError::NoStatus), "{body}");
        }
        let crowd = |count: usize| vec!["a=1"; count].join("&");
        assert!(Form::read(crowd(64).as_bytes()).is_ok());
        assert_eq!(Form::read(crowd(65).as_bytes()).err(), Some(FormError::TooMany));
    }
}
