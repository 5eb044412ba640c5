//! What a message costs.

use std::collections::BTreeMap;

use policy_sdk::state::StateError;
use policy_sdk::{Facts, Kind, Message, Receipt, state};

/// Units of money in one US dollar: Plivo's prices have five decimals.
pub(crate) const IN_A_DOLLAR: f64 = 100_000.0;
/// Most dollars of a budget, whose units are counted in 32 bits.
pub(crate) const MOST_DOLLARS: f64 = 42_949.0;
/// How long a price that Plivo told is believed, in milliseconds: ninety days.
const BELIEVED_MS: u64 = 90 * 86_400_000;

/// Prices of one segment, or one MMS, in the units above.
#[derive(Debug)]
pub(crate) struct Prices {
    pub(crate) sms: BTreeMap<String, u32>,
    pub(crate) mms: BTreeMap<String, u32>,
    pub(crate) other_sms: u32,
    pub(crate) other_mms: u32,
    /// Whether Plivo's reports teach prices.
    pub(crate) learn: bool,
}

impl Prices {
    /// What all of `message` costs: by what Plivo charged last for the like, else by the settings.
    pub(crate) fn of(
        &self,
        message: &Message,
        facts: &Facts,
        segments: u32,
    ) -> Result<u32, StateError> {
        let region = facts.number.region.as_str();
        let learned = match self.learn {
            true => state::get(&key(message.kind, region))?.and_then(|price| read(&price)),
            false => None,
        };
        let (listed, other) = match message.kind {
            Kind::Sms => (self.sms.get(region), self.other_sms),
            Kind::Mms => (self.mms.get(region), self.other_mms),
        };
        let each = learned.or(listed.copied()).unwrap_or(other);
        Ok(each.saturating_mul(segments))
    }

    /// Remembers what Plivo charged.
    pub(crate) fn learn(&self, receipt: &Receipt) -> Result<(), StateError> {
        let Some(price) = in_units(receipt.total_rate.parse().ok()) else { return Ok(()) };
        if !self.learn || receipt.region.is_empty() {
            return Ok(());
        }
        let key = key(receipt.kind, &receipt.region);
        // Most reports say what the last one said.
        if state::get(&key)?.and_then(|known| read(&known)) != Some(price) {
            state::put(&key, price.to_string().as_bytes(), BELIEVED_MS, false)?;
        }
        Ok(())
    }
}

/// A price in dollars in units, rounded up; none where it can be no price.
pub(crate) fn in_units(dollars: Option<f64>) -> Option<u32> {
    let units = (dollars? * IN_A_DOLLAR - 1e-6).ceil();
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "looked at just before"
    )]
    (0.0..=f64::from(u32::MAX)).contains(&units).then_some(units as u32)
}

fn key(kind: Kind, region: &str) -> String {
    match kind {
        Kind::Sms => format!("price-sms-{region}"),
        Kind::Mms => format!("price-mms-{region}"),
    }
}

fn read(bytes: &[u8]) -> Option<u32> {
    std::str::from_utf8(bytes).ok()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::in_units;

    #[test]
    fn a_price_is_counted_in_hundred_thousandths_of_a_dollar_and_rounded_up() {
        for (dollars, units) in [
            (0.005, Some(500)),
            (0.00001, Some(1)),
            (0.000_001, Some(1)),
            (99.99, Some(9_999_000)),
            (0.0, Some(0)),
            (-0.1, None),
            (50_000.0, None),
            (f64::NAN, None),
        ] {
            assert_eq!(in_units(Some(dollars)), units, "{dollars}");
        }
    }
}
