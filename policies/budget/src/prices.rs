//! What a message costs.

use std::collections::BTreeMap;
use std::fmt;

use policy_sdk::state::StateError;
use policy_sdk::{Facts, Kind, Message, Receipt, state};

/// Units of money in one US dollar: Plivo's prices have five decimals.
pub(crate) const IN_A_DOLLAR: f64 = 100_000.0;
/// Most dollars of a budget, whose units are counted in 32 bits.
pub(crate) const MOST_DOLLARS: f64 = 42_949.0;
/// How long a price that Plivo told is believed, in milliseconds: ninety days.
const BELIEVED_MS: u64 = 90 * 86_400_000;

/// How many times the settings' price one that Plivo told may be.
const MOST_TIMES: u32 = 10;

/// Prices of one segment, or one MMS, in the units above.
#[derive(Debug)]
pub(crate) struct Prices {
    pub(crate) sms: BTreeMap<String, u32>,
    pub(crate) mms: BTreeMap<String, u32>,
    pub(crate) other_sms: u32,
    pub(crate) other_mms: u32,
    /// Whether Plivo's reports teach prices.
    pub(crate) learn: bool,
    /// The least budget in money: what nothing may cost where the settings have no price.
    pub(crate) least_budget: u32,
}

/// What a message costs, by what is believed.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Cost {
    pub(crate) money: u32,
    /// The price that Plivo told last, where it was too high to be believed.
    pub(crate) doubted: Option<u32>,
}

/// What Plivo told.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Told {
    /// The last price that was believed.
    price: Option<u32>,
    /// A later one that was not.
    doubted: Option<u32>,
}

impl Prices {
    /// What all of `message` costs: by what Plivo charged last for the like, else by the settings.
    pub(crate) fn of(
        &self,
        message: &Message,
        facts: &Facts,
        segments: u32,
    ) -> Result<Cost, StateError> {
        let region = facts.number.region.as_str();
        let told = if self.learn { Told::of(&key(message.kind, region))? } else { Told::default() };
        let (set, most) = self.set(message.kind, region);
        let each = told.price.filter(|price| *price <= most).unwrap_or(set);
        Ok(Cost {
            money: each.saturating_mul(segments),
            doubted: told.doubted.filter(|price| *price > most),
        })
    }

    /// Remembers what Plivo charged.
    pub(crate) fn learn(&self, receipt: &Receipt) -> Result<(), StateError> {
        // Carriers charge for what they could not deliver, too; what they never had tells no price.
        let is_charged = matches!(receipt.state.as_str(), "sent" | "delivered" | "undelivered");
        let price = in_units(receipt.total_rate.parse().ok()).filter(|price| *price > 0);
        let Some(price) = price.filter(|_| is_charged && self.learn) else { return Ok(()) };
        if receipt.region.is_empty() {
            return Ok(());
        }
        let key = key(receipt.kind, &receipt.region);
        let known = Told::of(&key)?;
        let (_, most) = self.set(receipt.kind, &receipt.region);
        let told = match price <= most {
            true => Told { price: Some(price), doubted: None },
            false => Told { doubted: Some(price), ..known },
        };
        // What the last one said as well: it is believed from now on.
        state::put(&key, told.to_string().as_bytes(), BELIEVED_MS, false).map(drop)
    }

    /// The settings' price, and the most that is believed in its place. A wrong one above the budget would refuse all.
    fn set(&self, kind: Kind, region: &str) -> (u32, u32) {
        let (listed, other) = match kind {
            Kind::Sms => (self.sms.get(region), self.other_sms),
            Kind::Mms => (self.mms.get(region), self.other_mms),
        };
        let set = listed.copied().unwrap_or(other);
        (set, if set > 0 { set.saturating_mul(MOST_TIMES) } else { self.least_budget })
    }
}

impl Told {
    fn of(key: &str) -> Result<Self, StateError> {
        let kept = state::get(key)?.and_then(|bytes| String::from_utf8(bytes).ok());
        let kept = kept.unwrap_or_default();
        let mut units = kept.split(' ').map(|units| units.parse().ok().filter(|units| *units > 0));
        Ok(Self { price: units.next().flatten(), doubted: units.next().flatten() })
    }
}

impl fmt::Display for Told {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.price.unwrap_or(0))?;
        self.doubted.map_or(Ok(()), |doubted| write!(f, " {doubted}"))
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
