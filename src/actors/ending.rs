//! The end of a server: devices are sent away, and what they said before is written.

use std::time::Duration;

use tracing::{info, warn};

use super::counts::Count;
use super::registry::Drain;
use super::status_logger::Finish;
use super::{Fleet, LINGER};

impl Fleet {
    /// Sends every device away for a restart, in batches. Returns when all have gone or `patience` is over.
    pub async fn drain(&self, window_s: u32, patience: Duration) {
        let drained = async {
            let _ = self.registry.send(Drain { window_s }).await;
            self.none_left(Count::Connections).await;
        };
        if tokio::time::timeout(patience, drained).await.is_err() {
            info!("some devices did not take their leave in time");
        }
        // Those who never said who they are stay longer, and are not waited for.
        let _ = tokio::time::timeout(LINGER, self.none_left(Count::Sockets)).await;
    }

    async fn none_left(&self, what: Count) {
        while self.counts.get(what) > 0 {
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }

    /// Writes what is in the intake; nothing more comes in.
    pub async fn finish(&self) {
        if let Err(error) = self.logger.send(Finish).await {
            warn!(%error, "the status logger had ended already");
        }
    }
}
