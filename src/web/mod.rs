//! What people and programs see: pages, API, live streams, and who may do what.
//!
//! [`routes`] is the table of everything there is. Handlers hold a permission, take fields apart with [`params`],
//! call the store or the fleet, and answer; they decide nothing about devices or rollouts.

pub mod access;
pub mod api;
pub mod assets;
pub mod audit;
pub mod browser;
pub mod coalesce;
pub mod csrf;
pub mod device_door;
pub mod error;
pub mod fleet_counts;
#[cfg(fuzzing)]
pub mod fuzz;
pub mod gates;
pub mod health;
pub mod interrupted;
pub mod kept;
pub mod live;
pub mod metrics;
pub mod pages;
pub mod params;
pub mod routes;
pub mod second_factor;
pub mod server_state;
pub mod session;
pub mod setup;
pub mod sign_in;
pub mod surround;
pub mod templates;
pub mod throttle;
pub mod upgrade;
pub mod words;

use std::net::SocketAddr;
use std::sync::Arc;

use actix_web::http::header::HeaderValue;
use actix_web::middleware::{Compress, from_fn};
use actix_web::web::{self, ServiceConfig};
use tokio::sync::watch;

use crate::actors::Fleet;
use crate::clock::Clock;
use crate::config::Config;
use crate::domain::Timestamp;
use crate::store::{Blobs, KeyFolder, Store};
use fleet_counts::FleetCounts;
use gates::Gates;
use metrics::Metrics;
use pages::Pages;

/// What handlers work with. One for all workers: make it once, and give each worker a clone of its `web::Data`.
pub struct WebState {
    pub config: Arc<Config>,
    pub store: Store,
    pub blobs: Blobs,
    pub keys: KeyFolder,
    pub fleet: Fleet,
    pub clock: Clock,
    pub started_at: Timestamp,
    /// Where people and devices reach the server, as far as its settings say.
    pub base_url: String,
    /// See [`Listening::stop`].
    pub stop: watch::Receiver<bool>,
    pub gates: Gates,
    pub metrics: Metrics,
    pub pages: Pages,
    pub counts: FleetCounts,
    /// What browsers may fetch and from where, on every answer.
    pub policy: HeaderValue,
}

/// How a server is reached, and for how long.
pub struct Listening {
    pub address: SocketAddr,
    /// Connections of devices, at most.
    pub connections: usize,
    /// Turns `true` when the server stops: live streams end then.
    pub stop: watch::Receiver<bool>,
}

impl WebState {
    /// State for the routes of one server.
    #[must_use]
    pub fn new(
        config: Arc<Config>,
        store: Store,
        (blobs, keys): (Blobs, KeyFolder),
        fleet: Fleet,
        clock: Clock,
        Listening { address, connections, stop }: Listening,
    ) -> Self {
        let base_url = config.base_url(address);
        let gates = Gates::new(&config.limits, connections);
        let (metrics, pages, counts) = (Metrics::default(), Pages::default(), FleetCounts::default());
        let policy = surround::policy(&config);
        let started_at = clock.now();
        Self {
            config,
            store,
            blobs,
            keys,
            fleet,
            clock,
            started_at,
            base_url,
            stop,
            gates,
            metrics,
            pages,
            counts,
            policy,
        }
    }
}

/// Registers every route, with what surrounds them, in one `App`.
pub fn configure(state: web::Data<WebState>) -> impl Fn(&mut ServiceConfig) + Clone + Send + 'static {
    move |config| {
        config.app_data(state.clone());
        config.app_data(web::PayloadConfig::new(1024 * 1024));
        let site = web::scope("")
            .configure(routes::configure)
            .default_service(web::to(error::no_such_page))
            .wrap(from_fn(access::identify))
            .wrap(from_fn(gates::limit))
            .wrap(from_fn(error::shape))
            .wrap(Compress::default())
            .wrap(from_fn(surround::surround));
        config.service(site);
    }
}
