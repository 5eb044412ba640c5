//! Finding the facts out, by the reference numbering data and the URL standard.

use rlibphonenumber::{
    PHONE_NUMBER_UTIL as NUMBERING, PhoneNumber, PhoneNumberFormat, PhoneNumberType,
};

use super::{Facts, NumberFacts, NumberType, zones};
use crate::{E164, Fault, MediaUrl, Message, Segments};

/// Finds out everything about `message`; `unknown_fields` are passed through.
///
/// # Errors
///
/// Every media URL that is not well formed. One that came from [`MediaUrl::parse`] always is.
pub fn survey(message: &Message, unknown_fields: Vec<String>) -> Result<Facts, Vec<Fault>> {
    let (mut media, mut faults) = (Vec::with_capacity(message.media_urls.len()), Vec::new());
    for (index, url) in message.media_urls.iter().enumerate() {
        match MediaUrl::parse(url.as_str(), &format!("/media_urls/{index}")) {
            Ok((_, facts)) => media.push(facts),
            Err(fault) => faults.push(fault),
        }
    }
    if !faults.is_empty() {
        return Err(faults);
    }
    Ok(Facts {
        number: number(&message.to),
        text: Segments::of(&message.text),
        media,
        unknown_fields,
    })
}

/// Looks a number up.
///
/// It is valid only if the reference data assigns it exactly as written: a number that the reference would rewrite
/// (a national prefix left in, a retired mobile token) is not. An invalid number has no region, type or zones.
///
/// ```
/// use message::{E164, facts};
///
/// let guernsey = facts::number(&E164::parse("+447911123456", "/to").unwrap());
/// assert_eq!((guernsey.valid, guernsey.region.as_str()), (true, "GG"));
/// ```
pub fn number(number: &E164) -> NumberFacts {
    let Ok(parsed) = NUMBERING.parse(number.as_str(), None) else { return invalid(0) };
    let calling_code = u16::try_from(parsed.country_code).unwrap_or_default();
    known(number, &parsed, calling_code).unwrap_or_else(|| invalid(calling_code))
}

/// Whether `region` is one that a number's facts may name: ISO 3166 alpha-2 in upper case, or `001`.
pub fn is_region(region: &str) -> bool {
    let known = || NUMBERING.get_supported_regions().any(|known| *known.as_region_str() == *region);
    region == "001" || known()
}

/// Builds the numbering tables and compiles the patterns of the commonest regions, so that the first request does not
/// wait for them. Call it once before serving.
pub fn warm_up() {
    // One made-up number of each: the patterns are what counts.
    for text in [
        "+14155550123",
        "+16045550123",
        "+447911123456",
        "+33612345678",
        "+491512345678",
        "+919876543210",
    ] {
        if let Ok(each) = E164::parse(text, "") {
            number(&each);
        }
    }
}

/// The facts of an assignable number that is written as the reference writes it.
fn known(number: &E164, parsed: &PhoneNumber, calling_code: u16) -> Option<NumberFacts> {
    if NUMBERING.format(parsed, PhoneNumberFormat::E164) != number.as_str() {
        return None;
    }
    // The reference calls a number valid exactly when its region has a type for it; asking once halves the work.
    let number_type = number_type(NUMBERING.get_number_type(parsed));
    if number_type == NumberType::Unknown {
        return None;
    }
    let region = NUMBERING.get_region_for_number(parsed)?;
    let zones = zones::of(number.digits(), calling_code, number_type);
    Some(NumberFacts { valid: true, region: region.to_string(), calling_code, number_type, zones })
}

fn invalid(calling_code: u16) -> NumberFacts {
    let (region, zones) = (String::new(), Vec::new());
    NumberFacts { valid: false, region, calling_code, number_type: NumberType::Unknown, zones }
}

fn number_type(reference: PhoneNumberType) -> NumberType {
    match reference {
        PhoneNumberType::FixedLine => NumberType::FixedLine,
        PhoneNumberType::Mobile => NumberType::Mobile,
        PhoneNumberType::FixedLineOrMobile => NumberType::FixedLineOrMobile,
        PhoneNumberType::TollFree => NumberType::TollFree,
        PhoneNumberType::PremiumRate => NumberType::PremiumRate,
        PhoneNumberType::SharedCost => NumberType::SharedCost,
        PhoneNumberType::VoIP => NumberType::Voip,
        PhoneNumberType::PersonalNumber => NumberType::Personal,
        PhoneNumberType::Pager => NumberType::Pager,
        PhoneNumberType::UAN => NumberType::Uan,
        PhoneNumberType::VoiceMail => NumberType::Voicemail,
        PhoneNumberType::Unknown => NumberType::Unknown,
    }
}

#[cfg(test)]
mod tests;
