//! Composition: build from configuration and a bound listener, run until a stop future.

use std::future::Future;
use std::net::{SocketAddr, TcpListener};

use crate::config::Config;
use crate::store::{Blobs, Store};

/// A server, built and not yet running.
pub struct App {}

/// Why a server could not be built or run.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct StartError(String);

impl App {
    pub async fn build(_config: Config, _listener: TcpListener) -> Result<Self, StartError> {
        todo!()
    }
    pub fn local_addr(&self) -> SocketAddr {
        todo!()
    }
    pub fn setup_link(&self) -> Option<String> {
        todo!()
    }
    pub fn store(&self) -> &Store {
        todo!()
    }
    pub fn blobs(&self) -> &Blobs {
        todo!()
    }
    pub async fn run(self, _stop: impl Future<Output = ()>) -> Result<(), StartError> {
        todo!()
    }
}
