//! `GET /api/v1/live`: what happens, as Server-Sent Events.
//!
//! Two flushes a second at most, of each thing its newest state; `reload` tells a reader that it has missed
//! something and should read anew. A page that shows some of many rows asks for these alone; `others` tells it that
//! something else has moved, whatever it was and however much. A stream ends with the server, within seconds of the
//! session or token it was opened with, and after an hour in any case: the browser comes back by itself, and is asked
//! again who it is.

use std::collections::{HashSet, VecDeque};
use std::convert::Infallible;
use std::str::FromStr;
use std::sync::Arc;
use std::time::Duration;

use actix_web::{HttpRequest, Responder as _, web};
use actix_web_lab::sse::{Data, Event, Sse};
use futures_util::stream::unfold;
use tokio::sync::broadcast::error::RecvError;
use tokio::sync::{OwnedSemaphorePermit, broadcast, watch};
use tokio::time::{Instant, Interval, MissedTickBehavior, interval};

use super::WebState;
use super::access::{Viewer, Who};
use super::coalesce::Coalescer;
use super::error::{Answer, ApiError};
use super::params::Params;
use crate::domain::{AssignmentState, DeviceId, KeyId, LiveEvent, ModuleName, RolloutId};

const FLUSH_EVERY: Duration = Duration::from_millis(500);
const HEARTBEAT: Duration = Duration::from_secs(15);
const RETRY: Duration = Duration::from_secs(3);
const LONGEST: Duration = Duration::from_secs(3600);
/// How often a stream asks whether its reader may still read.
const ASK_EVERY: Duration = Duration::from_secs(2);

/// Rows of a page, at most.
const ROWS: usize = 500;

/// `GET /api/v1/live?rollout=ID&device=ID&rows=KEY_ID,KEY_ID`
///
/// # Errors
/// 401, 404 for another device or rollout, 422, 503 when too many read already.
pub async fn stream(request: HttpRequest, state: web::Data<WebState>, viewer: Viewer, mut params: Params) -> Answer {
    let device: Option<DeviceId> = params.take("device");
    let rollout: Option<RolloutId> = params.take("rollout");
    let rows: Option<Rows> = params.take("rows");
    params.finish()?;
    let place = state.gates.live_stream().ok_or_else(|| {
        ApiError::unavailable("too_many_streams", "Too many pages follow the fleet live just now.", 10)
    })?;
    // From here on nothing is missed: what the filter reads comes after.
    let events = state.fleet.subscribe();
    let mut filter = Filter::new(&state, device, rollout).await?;
    filter.rows = rows;
    let mut ticker = interval(FLUSH_EVERY);
    ticker.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut ready = VecDeque::new();
    if request.headers().contains_key("last-event-id") {
        ready.push_back(reload());
    }
    let reader = Reader {
        events,
        filter,
        waiting: Coalescer::default(),
        others_moved: false,
        ready,
        ticker,
        stop: state.stop.clone(),
        ends: Instant::now() + LONGEST,
        asks: interval(ASK_EVERY),
        who: (*viewer).clone(),
        state: state.clone(),
        _place: place,
    };
    let stream = unfold(reader, |mut reader| async move {
        let event = reader.next().await?;
        Some((Ok::<_, Infallible>(event), reader))
    });
    Ok(Sse::from_stream(stream).with_keep_alive(HEARTBEAT).with_retry_duration(RETRY).respond_to(&request))
}

/// One page that follows.
struct Reader {
    events: broadcast::Receiver<Arc<LiveEvent>>,
    filter: Filter,
    waiting: Coalescer,
    /// Whether something moved that is in no row of the page.
    others_moved: bool,
    /// Flushed, on the way to the socket.
    ready: VecDeque<Event>,
    ticker: Interval,
    stop: watch::Receiver<bool>,
    ends: Instant,
    asks: Interval,
    who: Who,
    state: web::Data<WebState>,
    _place: OwnedSemaphorePermit,
}

impl Reader {
    async fn next(&mut self) -> Option<Event> {
        loop {
            if let Some(event) = self.ready.pop_front() {
                return Some(event);
            }
            tokio::select! {
                biased;
                _ = self.stop.wait_for(|stopped| *stopped) => return None,
                () = tokio::time::sleep_until(self.ends) => return None,
                // While the database does not answer, nobody can be turned out.
                _ = self.asks.tick() => if let Ok(false) = self.who.stands(&self.state).await { return None },
                _ = self.ticker.tick(), if self.others_moved || !self.waiting.is_empty() => {
                    self.ready.extend(self.waiting.drain().iter().filter_map(|event| written(event)));
                    self.ready.extend(std::mem::take(&mut self.others_moved).then(others));
                }
                received = self.events.recv() => match received {
                    Ok(event) if !self.filter.lets_through(&event) => {}
                    Ok(event) if self.filter.is_in_a_row(&event) => self.waiting.push(event),
                    Ok(event) => self.others_moved |= !matches!(*event, LiveEvent::Transfer { .. } | LiveEvent::Report { .. }),
                    Err(RecvError::Lagged(_)) => {
                        self.waiting.drain();
                        self.ready.push_back(reload());
                    }
                    Err(RecvError::Closed) => return None,
                },
            }
        }
    }
}

fn written(event: &LiveEvent) -> Option<Event> {
    let data = Data::new_json(event).ok()?;
    // With an id a browser says, when it comes back, that it had been here.
    Some(data.event(event.name()).id("1").into())
}

/// Something moved that is in no row of the page.
fn others() -> Event {
    Data::new("{}").event("others").id("1").into()
}

/// The reader has missed something.
fn reload() -> Event {
    Data::new("{}").event("reload").id("1").into()
}

/// The devices whose rows a page shows.
#[derive(Debug)]
struct Rows(HashSet<KeyId>);

impl FromStr for Rows {
    type Err = String;
    fn from_str(text: &str) -> Result<Self, String> {
        let keys: Result<HashSet<KeyId>, _> = text.split(',').map(|key| key.parse().map(KeyId)).collect();
        let keys = keys.map_err(|_| "write key_ids with commas between: 1,2,3".to_owned())?;
        if keys.len() > ROWS { Err(format!("at most {ROWS} rows")) } else { Ok(Self(keys)) }
    }
}

/// Which events a page wants.
#[derive(Debug, Default)]
struct Filter {
    device: Option<KeyId>,
    rollout: Option<RolloutId>,
    rows: Option<Rows>,
    /// What the wanted rollout is downloading: transfers don't say for which rollout they are.
    downloading: HashSet<(KeyId, ModuleName)>,
}

impl Filter {
    async fn new(state: &WebState, device: Option<DeviceId>, rollout: Option<RolloutId>) -> Result<Self, ApiError> {
        let mut filter = Self { rollout, ..Self::default() };
        if let Some(device_id) = device {
            let found = state.store.device(&device_id).await?;
            filter.device = Some(found.ok_or_else(|| ApiError::not_found("such device"))?.key_id);
        }
        let Some(id) = rollout else { return Ok(filter) };
        state.store.rollout(id).await?.ok_or_else(|| ApiError::not_found("such rollout"))?;
        let downloading = Some(AssignmentState::Downloading);
        let page = state.store.rollout_devices(id, downloading, None, 500).await??;
        let assignments = page.items.into_iter().flat_map(|row| row.assignments);
        let under_way = assignments.filter(|a| a.state == AssignmentState::Downloading);
        filter.downloading = under_way.map(|a| (a.key_id, a.module)).collect();
        Ok(filter)
    }

    fn lets_through(&mut self, event: &LiveEvent) -> bool {
        self.is_of_device(event) && self.is_of_rollout(event)
    }

    fn is_of_device(&self, event: &LiveEvent) -> bool {
        let Some(wanted) = self.device else { return true };
        match event {
            LiveEvent::Device { key_id, .. }
            | LiveEvent::Report { key_id, .. }
            | LiveEvent::Assignment { key_id, .. }
            | LiveEvent::Transfer { key_id, .. } => *key_id == wanted,
            LiveEvent::Rollout { .. } => false,
        }
    }

    /// Whether a page that shows these rows shows what the event is about.
    fn is_in_a_row(&self, event: &LiveEvent) -> bool {
        let Some(Rows(keys)) = &self.rows else { return true };
        match event {
            LiveEvent::Device { key_id, .. }
            | LiveEvent::Report { key_id, .. }
            | LiveEvent::Assignment { key_id, .. }
            | LiveEvent::Transfer { key_id, .. } => keys.contains(key_id),
            LiveEvent::Rollout { .. } => true,
        }
    }

    fn is_of_rollout(&mut self, event: &LiveEvent) -> bool {
        let Some(wanted) = self.rollout else { return true };
        match event {
            LiveEvent::Device { .. } => true,
            LiveEvent::Report { .. } => false,
            LiveEvent::Rollout { rollout_id, .. } => *rollout_id == wanted,
            LiveEvent::Transfer { key_id, module, .. } => self.downloading.contains(&(*key_id, module.clone())),
            LiveEvent::Assignment { rollout_id, key_id, module, state, .. } => {
                let thing = (*key_id, module.clone());
                if *rollout_id == wanted && *state == AssignmentState::Downloading {
                    self.downloading.insert(thing);
                } else {
                    self.downloading.remove(&thing);
                }
                *rollout_id == wanted
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::Version;

    fn assignment(rollout: i64, key: i64, state: AssignmentState) -> LiveEvent {
        LiveEvent::Assignment {
            rollout_id: RolloutId(rollout),
            key_id: KeyId(key),
            module: ModuleName::new("app1").unwrap(),
            state,
            reason: None,
            target: Version::new("2").unwrap(),
        }
    }

    fn transfer(key: i64) -> LiveEvent {
        LiveEvent::Transfer { key_id: KeyId(key), module: ModuleName::new("app1").unwrap(), received: 1, size: 2 }
    }

    #[test]
    fn a_rollouts_page_sees_its_own_assignments_and_the_transfers_that_belong_to_them() {
        let mut filter = Filter { rollout: Some(RolloutId(7)), ..Filter::default() };
        assert!(!filter.lets_through(&transfer(1)));
        assert!(filter.lets_through(&assignment(7, 1, AssignmentState::Downloading)));
        assert!(filter.lets_through(&transfer(1)) && !filter.lets_through(&transfer(2)));
        assert!(!filter.lets_through(&assignment(8, 2, AssignmentState::Downloading)));
        assert!(filter.lets_through(&assignment(7, 1, AssignmentState::Installing)));
        assert!(!filter.lets_through(&transfer(1)));
    }

    #[test]
    fn a_page_of_some_rows_is_told_of_these_alone() {
        let filter = Filter { rows: Some("1,2".parse().unwrap()), ..Filter::default() };
        assert!(filter.is_in_a_row(&transfer(1)) && !filter.is_in_a_row(&transfer(3)));
        assert!(filter.is_in_a_row(&assignment(7, 2, AssignmentState::Waiting)));
        assert!("1,x".parse::<Rows>().is_err());
        let many: Vec<String> = (0..=ROWS).map(|n| n.to_string()).collect();
        assert!(many.join(",").parse::<Rows>().is_err());
    }

    #[test]
    fn a_devices_page_sees_that_device_only() {
        let mut filter = Filter { device: Some(KeyId(1)), ..Filter::default() };
        assert!(filter.lets_through(&transfer(1)) && !filter.lets_through(&transfer(2)));
        assert!(filter.lets_through(&assignment(9, 1, AssignmentState::Waiting)));
    }
}
