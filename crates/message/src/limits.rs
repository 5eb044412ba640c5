//! Plivo's limits, in one place. Sources: Plivo's "Messages" API page and MMS FAQ, as of 2026-08.

/// When the sources were read.
pub const AS_OF: &str = "2026-08";
/// Most digits in `dst`.
pub const NUMBER_DIGITS: usize = 14;
/// Most septets in a GSM 03.38 text.
pub const GSM7_UNITS: u32 = 1_600;
/// Most units in an MMS text, in either encoding.
pub const MMS_UNITS: u32 = 1_600;
/// Most UTF-16 units in a text outside GSM 03.38.
pub const UCS2_UNITS: u32 = 737;
/// Most media of one message, URLs and ids together.
pub const MEDIA: usize = 10;
/// Most bytes of one medium.
pub const MEDIA_BYTES: u64 = 2 << 20;
/// Longest media URL taken, in bytes.
pub const URL_BYTES: usize = 2_048;
/// Shortest and longest `message_expiry`, in seconds; Plivo's default is one more than the longest.
pub const EXPIRY_S: std::ops::RangeInclusive<u32> = 5..=10_799;
