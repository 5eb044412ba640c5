//! Plivo's error codes of delivery reports, as data.
//!
//! Source: Plivo's "Message Error Codes", the FAQs on MMS and messaging, "Geo Permissions" and "DND service", as of
//! 2026-08; those marked so come from third parties only. A code that is not here is kept as it came and means nothing
//! more.

/// Longest code kept, in characters.
const MOST: usize = 16;

/// One of Plivo's codes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct ErrorCode {
    /// As Plivo writes it: a string, since `000` has leading zeros.
    pub(crate) plivo: &'static str,
    /// What it says.
    pub(crate) meaning: &'static str,
    /// Our stable code for it.
    pub(crate) code: &'static str,
    /// Whether the same message, sent again later, may arrive; else it never will.
    pub(crate) may_resend: bool,
}

const CODES: [ErrorCode; 26] = [
    last("10", "invalid message", "delivery.invalid_message"),
    again("20", "network error", "delivery.network"),
    last("30", "spam detected", "delivery.spam"),
    last("40", "invalid source number", "delivery.invalid_source"),
    last("50", "invalid destination number", "delivery.invalid_destination"),
    last("60", "loop detected", "delivery.loop"),
    last("70", "destination permanently unavailable", "delivery.unreachable"),
    again("80", "destination temporarily unavailable", "delivery.unavailable"),
    last("90", "no route available", "delivery.no_route"),
    last("100", "prohibited by the carrier", "delivery.prohibited"),
    last("110", "message too long", "delivery.too_long"),
    last("120", "media over 5 MB in total", "delivery.media_too_large"),
    // Third party.
    last("130", "unsupported media type", "delivery.media_type"),
    // Third party.
    last("140", "media could not be processed", "delivery.media_failed"),
    last("200", "the recipient has opted out", "optout.recipient"),
    last("201", "US toll-free numbers cannot reach Canada", "delivery.toll_free_canada"),
    again("300", "Plivo could not dispatch it", "delivery.not_dispatched"),
    // Third party.
    last("310", "refused by WhatsApp", "delivery.whatsapp"),
    // Third party.
    last("380", "outside WhatsApp's window of 24 hours", "delivery.whatsapp_window"),
    last("420", "expired in Plivo's queue", "delivery.expired"),
    last("450", "the destination country is barred at Plivo", "upstream.geo_denied"),
    last("451", "Plivo's hourly threshold for the country is exceeded", "upstream.geo_threshold"),
    last("900", "insufficient credit at Plivo", "upstream.credit"),
    last("910", "the Plivo account is disabled", "upstream.account_disabled"),
    last("960", "the unverified toll-free number is over its limit", "delivery.toll_free_quota"),
    last("1000", "unknown error", "delivery.unknown"),
];

/// What is known of Plivo's code; none where nothing is.
pub(crate) fn of_plivo(code: &str) -> Option<&'static ErrorCode> {
    CODES.iter().find(|each| each.plivo == code)
}

/// What a code says, be it Plivo's or ours for it; none where nothing is known.
pub(crate) fn meaning(code: &str) -> Option<&'static str> {
    CODES.iter().find(|each| each.plivo == code || each.code == code).map(|each| each.meaning)
}

/// The code as it is kept; none where there is no error, which Plivo writes as `000`, as `0`, or not at all.
pub(super) fn kept(code: &str) -> Option<String> {
    let code = code.trim();
    let plain = code.len() <= MOST && code.bytes().all(|b| b.is_ascii_alphanumeric());
    (plain && code.bytes().any(|b| b != b'0')).then(|| code.to_owned())
}

/// Plivo's code for what we say of a failure of our own, for apps that know no other.
pub(crate) fn as_plivo(code: &str) -> &str {
    if of_plivo(code).is_some() || code.bytes().all(|b| b.is_ascii_digit()) {
        return code;
    }
    match code {
        "send.expired" => "420",
        "optout.suppressed" => "200",
        _ => CODES.iter().find(|each| each.code == code).map_or("1000", |each| each.plivo),
    }
}

const fn last(plivo: &'static str, meaning: &'static str, code: &'static str) -> ErrorCode {
    ErrorCode { plivo, meaning, code, may_resend: false }
}

const fn again(plivo: &'static str, meaning: &'static str, code: &'static str) -> ErrorCode {
    ErrorCode { plivo, meaning, code, may_resend: true }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn no_code_stands_twice() {
        let plivo: BTreeSet<&str> = CODES.iter().map(|each| each.plivo).collect();
        let ours: BTreeSet<&str> = CODES.iter().map(|each| each.code).collect();
        assert_eq!((plivo.len(), ours.len()), (CODES.len(), CODES.len()));
    }

    #[test]
    fn each_stands_in_the_readme() {
        let readme = include_str!("../../../../README.md");
        for ErrorCode { plivo, meaning, code, may_resend } in CODES {
            let code = format!("`{code}`");
            let again = if may_resend { "; may arrive if sent again later" } else { "" };
            let row = format!("| {plivo:>4} | {code:<30} | {meaning}{again} |");
            assert!(readme.lines().any(|line| line == row), "README has no row\n{row}");
        }
    }

    #[test]
    fn only_what_may_pass_by_itself_may_be_sent_again() {
        let again: Vec<&str> =
            CODES.iter().filter(|each| each.may_resend).map(|each| each.plivo).collect();
        assert_eq!(again, ["20", "80", "300"]);
        assert_eq!(of_plivo("200").map(|each| each.code), Some("optout.recipient"));
        assert_eq!(of_plivo("777"), None);
    }

    #[test]
    fn no_error_is_written_in_several_ways() {
        for none in ["", "000", "0", " 000 ", "a code with spaces", &"9".repeat(17)] {
            assert_eq!(kept(none), None, "{none:?}");
        }
        for (code, as_kept) in [("200", "200"), (" 1000", "1000"), ("777", "777"), ("030", "030")] {
            assert_eq!(kept(code).as_deref(), Some(as_kept));
        }
    }

    #[test]
    fn our_own_failures_have_a_code_of_plivos_for_those_who_know_no_other() {
        for (ours, plivo) in [
            ("send.expired", "420"),
            ("optout.suppressed", "200"),
            ("upstream.geo_denied", "450"),
            ("upstream.rejected", "1000"),
            ("200", "200"),
            ("777", "777"),
        ] {
            assert_eq!(as_plivo(ours), plivo, "{ours}");
        }
    }
}
