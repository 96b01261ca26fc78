//! Who may wait at the doors: so many in all, and so many from one address, so that one host cannot take every place.

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv6Addr};
use std::sync::{Arc, Mutex, PoisonError};

/// Connections that wait at a time.
const ALL: usize = 1_024;
/// Of these, from one address.
const FROM_ONE: usize = 64;

#[derive(Clone, Debug, Default)]
pub(super) struct Waiting(Arc<Mutex<BTreeMap<IpAddr, usize>>>);

/// A place, until it is dropped.
#[derive(Debug)]
pub(super) struct Place {
    waiting: Waiting,
    whose: IpAddr,
}

impl Waiting {
    /// A place for one from this address, if there is one left.
    pub(super) fn admit(&self, address: IpAddr) -> Option<Place> {
        let whose = household(address);
        let admitted = self.change(|waiting| {
            let all: usize = waiting.values().sum();
            let from_one = waiting.entry(whose).or_default();
            let admitted = all < ALL && *from_one < FROM_ONE;
            *from_one += usize::from(admitted);
            waiting.retain(|_, count| *count > 0);
            admitted
        });
        admitted.then(|| Place { waiting: self.clone(), whose })
    }

    fn change<T>(&self, change: impl FnOnce(&mut BTreeMap<IpAddr, usize>) -> T) -> T {
        change(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

/// Who has one address of IPv6 has 2⁶⁴ of them.
fn household(address: IpAddr) -> IpAddr {
    match address {
        IpAddr::V4(_) => address,
        IpAddr::V6(address) => Ipv6Addr::from_bits(address.to_bits() >> 64 << 64).into(),
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.waiting.change(|waiting| {
            if let Some(count) = waiting.get_mut(&self.whose) {
                *count -= 1;
            }
            waiting.retain(|_, count| *count > 0);
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn v4(last: u8) -> IpAddr {
        IpAddr::from([192, 0, 2, last])
    }

    #[test]
    fn one_address_gets_its_share_and_all_together_theirs() {
        let waiting = Waiting::default();
        let mut places: Vec<Place> = (0..FROM_ONE).map(|_| waiting.admit(v4(0)).unwrap()).collect();
        assert!(waiting.admit(v4(0)).is_none(), "one has all of its share");
        for other in 1..=255 {
            places.extend((0..FROM_ONE).map_while(|_| waiting.admit(v4(other))));
        }
        assert_eq!(places.len(), ALL);
        places.pop();
        assert!(waiting.admit(v4(200)).is_some(), "a place that is left is there again");
        places.clear();
        assert_eq!(waiting.change(|waiting| waiting.len()), 0, "those who left are not remembered");
    }

    #[test]
    fn a_household_with_many_addresses_is_one() {
        let waiting = Waiting::default();
        let address = |network: u128, host: u128| IpAddr::V6(Ipv6Addr::from_bits(network << 64 | host));
        let places: Vec<Place> = (0..100).map_while(|host| waiting.admit(address(7, host))).collect();
        assert_eq!(places.len(), FROM_ONE);
        assert!(waiting.admit(address(8, 0)).is_some());
    }
}
