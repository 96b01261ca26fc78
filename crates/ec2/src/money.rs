//! Dollars, and dollars per hour, so that one is never taken for the other.

use std::fmt;
use std::iter::Sum;
use std::ops::{Add, Mul};
use std::time::Duration;

/// US dollars.
#[derive(Clone, Copy, Debug, Default, PartialEq, PartialOrd)]
pub struct Usd(pub f64);

/// US dollars per hour.
#[derive(Clone, Copy, Debug, Default, PartialEq, PartialOrd)]
pub struct UsdPerHour(pub f64);

impl UsdPerHour {
    /// What so much an hour comes to after a time.
    #[must_use]
    pub fn over(self, time: Duration) -> Usd {
        Usd(self.0 * time.as_secs_f64() / 3_600.0)
    }

    /// The larger of two.
    #[must_use]
    pub fn max(self, other: UsdPerHour) -> UsdPerHour {
        UsdPerHour(self.0.max(other.0))
    }
}

impl Usd {
    /// How long an hourly price can be paid; for ever when it is nothing.
    #[must_use]
    pub fn lasts(self, price: UsdPerHour) -> Duration {
        Duration::try_from_secs_f64((self.0 / price.0 * 3_600.0).max(0.0)).unwrap_or(Duration::MAX)
    }
}

impl Add for Usd {
    type Output = Usd;

    fn add(self, other: Usd) -> Usd {
        Usd(self.0 + other.0)
    }
}

impl Add for UsdPerHour {
    type Output = UsdPerHour;

    fn add(self, other: UsdPerHour) -> UsdPerHour {
        UsdPerHour(self.0 + other.0)
    }
}

impl Mul<f64> for UsdPerHour {
    type Output = UsdPerHour;

    fn mul(self, times: f64) -> UsdPerHour {
        UsdPerHour(self.0 * times)
    }
}

impl Mul<f64> for Usd {
    type Output = Usd;

    fn mul(self, times: f64) -> Usd {
        Usd(self.0 * times)
    }
}

impl Sum for UsdPerHour {
    fn sum<I: Iterator<Item = UsdPerHour>>(prices: I) -> UsdPerHour {
        // A sum of no floats is -0.
        prices.fold(UsdPerHour::default(), |sum, price| sum + price)
    }
}

impl fmt::Display for Usd {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Less than a cent is not nothing.
        let places = if self.0 > 0.0 && self.0 < 0.01 { 4 } else { 2 };
        write!(out, "${:.places$}", self.0)
    }
}

impl fmt::Display for UsdPerHour {
    /// Spot prices of one instance are a few cents: they need more places than a sum.
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 < 1.0 {
            true => write!(out, "${:.4}/h", self.0),
            false => write!(out, "${:.2}/h", self.0),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_hour_of_a_price_is_the_price_and_lasts_an_hour() {
        let price = UsdPerHour(0.25);
        assert_eq!(price.over(Duration::from_secs(3_600)), Usd(0.25));
        assert_eq!(Usd(0.25).lasts(price), Duration::from_secs(3_600));
        assert_eq!(Usd(1.0).lasts(UsdPerHour(0.0)), Duration::MAX);
        assert_eq!(Usd(-1.0).lasts(price), Duration::ZERO);
    }

    #[test]
    fn cents_are_shown_where_they_count() {
        let told = [Usd(1.7).to_string(), UsdPerHour(0.0136).to_string(), UsdPerHour(12.3456).to_string()];
        assert_eq!(told, ["$1.70", "$0.0136/h", "$12.35/h"]);
    }
}
