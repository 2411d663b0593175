//! What is happening, for those who watch: live events, and how far each transfer is. In memory only.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::broadcast;

use crate::domain::{KeyId, LiveEvent, ModuleName};

/// Events that a slow reader may be behind before it loses the oldest.
const BACKLOG: usize = 4096;

type Transfers = HashMap<(KeyId, ModuleName), (u64, u64)>;

/// Where actors tell what happened. Cheap to clone.
#[derive(Clone)]
pub struct Feed {
    events: broadcast::Sender<Arc<LiveEvent>>,
    transfers: Arc<Mutex<Transfers>>,
}

impl Default for Feed {
    fn default() -> Self {
        Self { events: broadcast::channel(BACKLOG).0, transfers: Arc::default() }
    }
}

impl Feed {
    /// Tells those who watch, if anybody does.
    pub fn tell(&self, event: LiveEvent) {
        // An error means that nobody watches.
        let _ = self.events.send(Arc::new(event));
    }

    /// Whether anybody watches; events that cost something to make are made only then.
    #[must_use]
    pub fn is_watched(&self) -> bool {
        self.events.receiver_count() > 0
    }

    /// What happens from now on.
    #[must_use]
    pub fn subscribe(&self) -> broadcast::Receiver<Arc<LiveEvent>> {
        self.events.subscribe()
    }

    /// A transfer moved. `told`: those who watch hear of it.
    pub fn moved(&self, key_id: KeyId, module: ModuleName, received: u64, size: u64, told: bool) {
        self.transfers().insert((key_id, module.clone()), (received, size));
        if told && self.is_watched() {
            self.tell(LiveEvent::Transfer { key_id, module, received, size });
        }
    }

    /// A transfer is over, whatever its end.
    pub fn over(&self, key_id: KeyId, module: &ModuleName) {
        self.transfers().remove(&(key_id, module.clone()));
    }

    /// Bytes received of a transfer under way, and its size.
    #[must_use]
    pub fn transfer(&self, key_id: KeyId, module: &ModuleName) -> Option<(u64, u64)> {
        self.transfers().get(&(key_id, module.clone())).copied()
    }

    /// How many transfers are under way.
    #[must_use]
    pub fn transfers_active(&self) -> usize {
        self.transfers().len()
    }

    fn transfers(&self) -> MutexGuard<'_, Transfers> {
        // Each access is one call on the map: a panic elsewhere leaves it whole.
        self.transfers.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
