//! What is limited, and how: requests per address, upgrades of devices, passwords at once, live streams.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::num::NonZeroU32;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use actix_web::body::{BoxBody, MessageBody};
use actix_web::dev::{ServiceRequest, ServiceResponse};
use actix_web::middleware::Next;
use actix_web::{HttpRequest, web};
use governor::clock::{Clock as _, DefaultClock};
use governor::{DefaultDirectRateLimiter, DefaultKeyedRateLimiter, Quota, RateLimiter};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::WebState;
use super::error::ApiError;
use super::throttle::{Throttle, neighbourhood};
use crate::actors::{Full, Place, Places};
use crate::config::{Limits, Network};

/// Argon2 takes 19 MiB and a processor each; more than this many at once would be felt by everybody.
const PASSWORDS_AT_ONCE: usize = 2;

/// The limits of one server. One for all workers.
pub struct Gates {
    /// `None`: no limit.
    reads: Option<DefaultKeyedRateLimiter<IpAddr>>,
    writes: Option<DefaultKeyedRateLimiter<IpAddr>>,
    upgrades: Option<DefaultDirectRateLimiter>,
    devices: Places,
    live_streams: Arc<Semaphore>,
    most_live_streams: usize,
    pub passwords: Semaphore,
    throttle: Mutex<Throttle>,
    /// Held from the moment a blob is in place until its row is decided, so that nobody removes bytes that a row
    /// is about to stand for.
    pub catalogue: tokio::sync::Mutex<()>,
    checks: AtomicU32,
}

impl Gates {
    /// As the configuration says; a rate of 0 is no limit. `connections`: how many devices may be connected at once.
    #[must_use]
    pub fn new(limits: &Limits, connections: usize) -> Self {
        let keyed = |rate| NonZeroU32::new(rate).map(|rate| RateLimiter::keyed(Quota::per_second(rate)));
        let upgrades = NonZeroU32::new(limits.upgrades_per_s).map(|rate| {
            let burst = NonZeroU32::new(limits.upgrades_burst).unwrap_or(rate);
            RateLimiter::direct(Quota::per_second(rate).allow_burst(burst))
        });
        Self {
            reads: keyed(limits.api_reads_per_s),
            writes: keyed(limits.api_writes_per_s),
            upgrades,
            devices: Places::new(connections, limits.connections_per_address),
            live_streams: Arc::new(Semaphore::new(limits.live_streams)),
            most_live_streams: limits.live_streams,
            passwords: Semaphore::new(PASSWORDS_AT_ONCE),
            throttle: Mutex::default(),
            catalogue: tokio::sync::Mutex::default(),
            checks: AtomicU32::new(0),
        }
    }

    /// Counts a request of an address.
    ///
    /// # Errors
    /// 429
    fn request(&self, address: IpAddr, changes: bool) -> Result<(), ApiError> {
        let Some(limiter) = (if changes { &self.writes } else { &self.reads }) else { return Ok(()) };
        // Addresses that have been quiet for a while are forgotten now and then, or the table would only grow.
        if self.checks.fetch_add(1, Ordering::Relaxed).is_multiple_of(4096) {
            limiter.retain_recent();
        }
        limiter.check_key(&neighbourhood(address)).map_err(|until| {
            let wait = until.wait_time_from(DefaultClock::default().now());
            let seconds = u32::try_from(wait.as_millis().div_ceil(1000)).unwrap_or(u32::MAX);
            ApiError::too_many("Too many requests from this address; slow down.", seconds)
        })
    }

    /// Whether another device may be let in just now.
    #[must_use]
    pub fn upgrade(&self) -> bool {
        self.upgrades.as_ref().is_none_or(|limiter| limiter.check().is_ok())
    }

    /// A device's place, as long as it is connected.
    ///
    /// # Errors
    /// [`Full`]
    pub fn device(&self, address: IpAddr) -> Result<Place, Full> {
        self.devices.take(neighbourhood(address))
    }

    /// How many devices may be connected at once.
    #[must_use]
    pub fn most_devices(&self) -> usize {
        self.devices.most()
    }

    /// A live stream's place, as long as it is held.
    #[must_use]
    pub fn live_stream(&self) -> Option<OwnedSemaphorePermit> {
        Arc::clone(&self.live_streams).try_acquire_owned().ok()
    }

    /// How many live streams are open.
    #[must_use]
    pub fn live_streams_open(&self) -> usize {
        self.most_live_streams.saturating_sub(self.live_streams.available_permits())
    }

    /// The count of tries to sign in.
    pub fn throttle<T>(&self, act: impl FnOnce(&mut Throttle) -> T) -> T {
        act(&mut self.throttle.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

/// The address that limits are counted for: the peer's, or the one that a trusted proxy speaks for.
#[must_use]
pub fn address(request: &HttpRequest) -> IpAddr {
    let peer = request.peer_addr().map_or(IpAddr::V4(Ipv4Addr::UNSPECIFIED), |peer| peer.ip());
    let Some(state) = request.app_data::<web::Data<WebState>>() else { return peer };
    let told = request.headers().get_all("x-forwarded-for").filter_map(|value| value.to_str().ok());
    spoken_for(peer, &told.collect::<Vec<_>>().join(","), &state.config.trusted_proxies)
}

/// Each proxy appends whom it heard it from: read from the end for as long as the one who says so is trusted.
fn spoken_for(peer: IpAddr, told: &str, trusted: &[Network]) -> IpAddr {
    let is_trusted = |address: IpAddr| trusted.iter().any(|network| network.contains(address));
    let mut address = peer;
    for before in told.rsplit(',') {
        if !is_trusted(address) {
            break;
        }
        let before = before.trim();
        let parsed = before.parse().ok().or_else(|| before.parse::<SocketAddr>().ok().map(|with_port| with_port.ip()));
        match parsed {
            Some(parsed) => address = parsed,
            None => break,
        }
    }
    address
}

/// Middleware: so many reads and so many writes a second and address. What costs nothing is not counted: static
/// files, and the questions of machines; devices have a limit of their own.
///
/// # Errors
/// Those of the routes.
pub async fn limit(
    request: ServiceRequest,
    next: Next<impl MessageBody + 'static>,
) -> Result<ServiceResponse<BoxBody>, actix_web::Error> {
    let path = request.path();
    let counted = !path.starts_with("/static/") && !matches!(path, "/ws" | "/healthz" | "/readyz" | "/metrics");
    let state = request.app_data::<web::Data<WebState>>().filter(|_| counted);
    let checked = state.map_or(Ok(()), |state| {
        let changes = !request.method().is_safe();
        state.gates.request(address(request.request()), changes)
    });
    match checked {
        Ok(()) => next.call(request).await.map(ServiceResponse::map_into_boxed_body),
        Err(error) => Ok(request.error_response(error)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_forwarded_address_counts_only_when_the_peer_is_trusted() {
        let ip = |text: &str| text.parse::<IpAddr>().unwrap();
        let trusted = ["10.0.0.0/8".parse().unwrap(), "127.0.0.1".parse().unwrap()];
        let told = |peer: &str, told: &str| spoken_for(ip(peer), told, &trusted);
        assert_eq!(told("203.0.113.9", "198.51.100.1"), ip("203.0.113.9"), "a stranger says what it likes");
        assert_eq!(told("127.0.0.1", "198.51.100.1"), ip("198.51.100.1"));
        assert_eq!(told("127.0.0.1", "1.2.3.4, 198.51.100.1, 10.0.0.2"), ip("198.51.100.1"), "the first not trusted");
        assert_eq!(told("127.0.0.1", "198.51.100.1:4711"), ip("198.51.100.1"));
        assert_eq!(told("127.0.0.1", "rubbish"), ip("127.0.0.1"));
        assert_eq!(told("127.0.0.1", ""), ip("127.0.0.1"));
        assert_eq!(spoken_for(ip("127.0.0.1"), "198.51.100.1", &[]), ip("127.0.0.1"), "nobody is trusted by default");
    }
}
