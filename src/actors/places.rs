//! How many connections there may be: in all, and from one address.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// So many places, so many an address. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Places(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    most: usize,
    most_an_address: usize,
    taken: Mutex<Taken>,
}

#[derive(Debug, Default)]
struct Taken {
    all: usize,
    by_address: HashMap<IpAddr, usize>,
}

/// Why there is no place.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Full {
    #[error("as many are connected as this server takes")]
    All,
    #[error("as many are connected from this address as one may have")]
    Address,
}

/// A place, as long as it is held.
#[derive(Debug)]
pub struct Place {
    places: Places,
    /// `None`: addresses like this one are not counted.
    address: Option<IpAddr>,
}

impl Places {
    /// No more than `most`, and no more than `most_an_address` from one address.
    #[must_use]
    pub fn new(most: usize, most_an_address: usize) -> Self {
        Self(Arc::new(Inner { most, most_an_address, taken: Mutex::default() }))
    }

    /// A place for a connection from this address. Addresses of private networks, and those of this machine, may
    /// have as many as there are: a site's devices come through one router.
    ///
    /// # Errors
    /// [`Full`]
    pub fn take(&self, address: IpAddr) -> Result<Place, Full> {
        let address = Some(address.to_canonical()).filter(|address| !is_private(*address));
        let mut taken = self.taken();
        if taken.all >= self.0.most {
            return Err(Full::All);
        }
        if let Some(address) = address {
            let here = taken.by_address.get(&address).copied().unwrap_or_default();
            if here >= self.0.most_an_address {
                return Err(Full::Address);
            }
            taken.by_address.insert(address, here + 1);
        }
        taken.all += 1;
        Ok(Place { places: self.clone(), address })
    }

    /// How many there are.
    #[must_use]
    pub fn most(&self) -> usize {
        self.0.most
    }

    fn taken(&self) -> MutexGuard<'_, Taken> {
        self.0.taken.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut taken = self.places.taken();
        taken.all -= 1;
        if let Some(address) = self.address
            && let Some(here) = taken.by_address.get_mut(&address)
        {
            *here -= 1;
            if *here == 0 {
                taken.by_address.remove(&address);
            }
        }
    }
}

/// Not an address of the public network: this machine's, a private network's, a link's, a carrier's own.
fn is_private(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(v4) => {
            let [a, b, ..] = v4.octets();
            let of_a_carrier = a == 100 && (64..128).contains(&b);
            v4.is_private() || v4.is_loopback() || v4.is_link_local() || v4.is_unspecified() || of_a_carrier
        }
        IpAddr::V6(v6) => v6.is_loopback() || v6.is_unique_local() || v6.is_unicast_link_local() || v6.is_unspecified(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn address(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    #[test]
    fn an_address_has_so_many_places_and_gets_them_back() {
        let places = Places::new(10, 2);
        let one = places.take(address("203.0.113.1")).unwrap();
        let _two = places.take(address("::ffff:203.0.113.1")).unwrap();
        assert_eq!(places.take(address("203.0.113.1")).unwrap_err(), Full::Address);
        let _other = places.take(address("203.0.113.2")).unwrap();
        drop(one);
        let _again = places.take(address("203.0.113.1")).unwrap();
        assert_eq!(places.taken().all, 3);
    }

    #[test]
    fn private_networks_are_limited_only_in_all() {
        let places = Places::new(4, 0);
        let near = ["127.0.0.1", "10.1.2.3", "fd00::1", "100.64.0.1"].map(|text| places.take(address(text)));
        assert!(near.iter().all(Result::is_ok));
        assert_eq!(places.take(address("192.168.1.1")).unwrap_err(), Full::All);
        drop(near);
        assert_eq!(places.take(address("198.51.100.1")).unwrap_err(), Full::Address);
        let taken = places.taken();
        assert_eq!((taken.all, taken.by_address.len()), (0, 0));
    }
}
