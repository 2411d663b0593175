//! What programs on the device say and are told: status texts and fields for the report, and that an update waits.
//!
//! Everything is bounded, as a program may be broken: how much is kept, for how long, and how long all of them
//! together may hold one update up. [`door`] moves the lines.

pub mod door;

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use tokio::sync::watch;
use tokio::time::{Instant, sleep_until};

use super::set::Named;
use super::telemetry;
use crate::domain::ProcessStatus;

/// Programs whose status is kept, and further fields.
const MAX_STATUSES: usize = 32;
const MAX_FIELDS: usize = 64;
/// Longest name of either, and longest status text, bytes.
const MAX_NAME: usize = 64;
const MAX_STATUS: usize = 4096;
/// Longest JSON of all fields together, bytes.
const MAX_FIELD_BYTES: usize = 16 * 1024;
/// What is said counts so long, seconds, where the program does not say ...
const KEEP_S: u64 = 300;
/// ... and at most so long.
const MAX_KEEP_S: u64 = 86_400;
/// Programs that want to know of updates have this time to ask for a delay.
const NOTICE: Duration = Duration::from_secs(2);

/// One line of a program.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Request {
    /// How a process is.
    Status { process: String, status: String, keep_s: Option<u64> },
    /// More fields of the report.
    Extra { fields: Map<String, Value>, keep_s: Option<u64> },
    /// Let no update begin for so many seconds; 0: let it.
    Delay { seconds: u64 },
    /// Tell what becomes of updates, now and whenever it changes.
    Updates(bool),
}

/// The answer to one line.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(untagged)]
pub enum Answer {
    Ok { ok: bool },
    Delayed { ok: bool, delayed_s: u64 },
    Error { error: String },
}

/// What becomes of updates.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize)]
#[serde(tag = "state", rename_all = "snake_case")]
pub enum Notice {
    #[default]
    None,
    /// Everything is there; the switch comes after the delay, at the latest in so many seconds.
    Waiting { packages: Vec<Named>, at_the_latest_in_s: u64 },
    /// The old version is stopped and the new one started and tried.
    Switching { packages: Vec<Named> },
}

/// See the module. Clones share one state.
#[derive(Debug, Clone)]
pub struct Apps {
    said: Arc<Mutex<Said>>,
    notice: watch::Sender<Notice>,
    /// No update begins before this.
    hold: watch::Sender<Option<Instant>>,
    max_delay: Duration,
}

#[derive(Debug, Default)]
struct Said {
    statuses: BTreeMap<String, (String, Instant)>,
    fields: BTreeMap<String, (Value, Instant)>,
}

impl Said {
    fn forget_old(&mut self, now: Instant) {
        self.statuses.retain(|_, (_, until)| *until > now);
        self.fields.retain(|_, (_, until)| *until > now);
    }
}

impl Apps {
    /// Nobody has said anything. All programs together may hold one update up for `max_delay`.
    #[must_use]
    pub fn new(max_delay: Duration) -> Self {
        Self { said: Arc::default(), notice: watch::Sender::default(), hold: watch::Sender::default(), max_delay }
    }

    /// Takes a line that was read.
    pub fn on(&self, request: Request) -> Answer {
        let done = match request {
            Request::Status { process, status, keep_s } => self.status(process, status, keep_s),
            Request::Extra { fields, keep_s } => self.extra(fields, keep_s),
            Request::Delay { seconds } => return self.delay(seconds),
            Request::Updates(_) => Ok(()),
        };
        done.map_or_else(|error| Answer::Error { error }, |()| Answer::Ok { ok: true })
    }

    fn said(&self) -> MutexGuard<'_, Said> {
        let mut said = self.said.lock().unwrap_or_else(PoisonError::into_inner);
        said.forget_old(Instant::now());
        said
    }

    fn status(&self, process: String, mut status: String, keep_s: Option<u64>) -> Result<(), String> {
        check_name(&process)?;
        status.truncate(status.floor_char_boundary(MAX_STATUS));
        let mut said = self.said();
        if said.statuses.len() >= MAX_STATUSES && !said.statuses.contains_key(&process) {
            return Err(format!("status texts of at most {MAX_STATUSES} processes are kept"));
        }
        said.statuses.insert(process, (status, until(keep_s)));
        Ok(())
    }

    fn extra(&self, fields: Map<String, Value>, keep_s: Option<u64>) -> Result<(), String> {
        fields.keys().try_for_each(|name| check_name(name))?;
        telemetry::check_extra(&fields)?;
        let mut said = self.said();
        let mut after: BTreeMap<String, (Value, Instant)> = said.fields.clone();
        for (name, value) in fields {
            // Said to be unknown is not said any more.
            match value {
                Value::Null => drop(after.remove(&name)),
                value => drop(after.insert(name, (value, until(keep_s)))),
            }
        }
        let bytes: usize = after.iter().map(|(name, (value, _))| name.len() + value.to_string().len() + 4).sum();
        if after.len() > MAX_FIELDS || bytes > MAX_FIELD_BYTES {
            return Err(format!("at most {MAX_FIELDS} fields of {MAX_FIELD_BYTES} bytes together are kept"));
        }
        said.fields = after;
        Ok(())
    }

    fn delay(&self, seconds: u64) -> Answer {
        if self.max_delay.is_zero() {
            return Answer::Error { error: "this device lets nobody delay an update (apps.max_delay is 0)".into() };
        }
        let delayed = Duration::from_secs(seconds).min(self.max_delay);
        self.hold.send_replace((seconds > 0).then(|| Instant::now() + delayed));
        Answer::Delayed { ok: true, delayed_s: delayed.as_secs() }
    }

    /// Puts what was said over what a report has: a status text over that of the same process, a field over a field.
    pub fn add_to(&self, statuses: &mut Vec<ProcessStatus>, extra: &mut Map<String, Value>) {
        let said = self.said();
        for (process, (status, _)) in &said.statuses {
            statuses.retain(|known| known.process != *process);
            statuses.push(ProcessStatus { process: process.clone(), status: status.clone() });
        }
        extra.extend(said.fields.iter().map(|(name, (value, _))| (name.clone(), value.clone())));
    }

    /// Tells that these packages could be switched, and waits as long as programs want, within the bound.
    pub async fn clear_to_switch(&self, packages: Vec<Named>) {
        let now = Instant::now();
        let latest = now + self.max_delay;
        let mut hold = self.hold.subscribe();
        let at_the_latest_in_s = self.max_delay.as_secs();
        self.notice.send_replace(Notice::Waiting { packages: packages.clone(), at_the_latest_in_s });
        // Who listens gets a moment to answer.
        let heard = if self.notice.receiver_count() > 0 { NOTICE.min(self.max_delay) } else { Duration::ZERO };
        loop {
            let at = due(now, heard, *hold.borrow_and_update(), latest);
            tokio::select! {
                () = sleep_until(at) => break,
                _ = hold.changed() => {}
            }
        }
        self.notice.send_replace(Notice::Switching { packages });
    }

    /// No update is under way any more.
    pub fn is_over(&self) {
        self.notice.send_if_modified(|notice| std::mem::take(notice) != Notice::None);
    }

    /// What becomes of updates: as it is now, and every change.
    fn notices(&self) -> watch::Receiver<Notice> {
        let mut notices = self.notice.subscribe();
        notices.mark_changed();
        notices
    }
}

/// When a switch that could have been made at `began` is made: not before who listens had `notice`, nor before
/// `held`, and not after `latest`.
fn due(began: Instant, notice: Duration, held: Option<Instant>, latest: Instant) -> Instant {
    (began + notice).max(held.unwrap_or(began)).min(latest)
}

fn check_name(name: &str) -> Result<(), String> {
    let fits = (1..=MAX_NAME).contains(&name.len()) && !name.chars().any(char::is_control);
    fits.then_some(()).ok_or_else(|| format!("a name has 1 to {MAX_NAME} bytes and no control characters"))
}

fn until(keep_s: Option<u64>) -> Instant {
    Instant::now() + Duration::from_secs(keep_s.unwrap_or(KEEP_S).clamp(1, MAX_KEEP_S))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn say(apps: &Apps, line: &Value) -> Value {
        let request = serde_json::from_value(line.clone()).unwrap();
        serde_json::to_value(apps.on(request)).unwrap()
    }

    fn refused(apps: &Apps, line: &Value) -> String {
        say(apps, line)["error"].as_str().unwrap_or_else(|| panic!("taken: {line}")).to_owned()
    }

    fn packages() -> Vec<Named> {
        vec![Named { module: "app1".parse().unwrap(), version: "2".parse().unwrap() }]
    }

    #[tokio::test]
    async fn what_is_said_is_in_the_report_until_its_time_is_over() {
        let apps = Apps::new(Duration::ZERO);
        say(&apps, &json!({"status":{"process":"app1","status":"fine","keep_s":10}}));
        say(&apps, &json!({"extra":{"fields":{"door":"open","speed":3}}}));
        say(&apps, &json!({"extra":{"fields":{"door":null}}}));
        let report = || {
            let mut statuses = vec![ProcessStatus { process: "app1".into(), status: "of the file".into() }];
            let mut extra = Map::new();
            apps.add_to(&mut statuses, &mut extra);
            (statuses[0].status.clone(), Value::Object(extra))
        };
        assert_eq!(report(), ("fine".into(), json!({"speed":3})));
        apps.said().forget_old(Instant::now() + Duration::from_secs(11));
        assert_eq!(report(), ("of the file".into(), json!({"speed":3})));
        apps.said().forget_old(Instant::now() + Duration::from_secs(301));
        assert_eq!(report().1, json!({}));
    }

    #[tokio::test]
    async fn too_much_is_refused_and_what_was_before_stays() {
        let apps = Apps::new(Duration::ZERO);
        for n in 0..MAX_STATUSES {
            say(&apps, &json!({"status":{"process":format!("p{n}"),"status":""}}));
        }
        refused(&apps, &json!({"status":{"process":"one more","status":""}}));
        refused(&apps, &json!({"status":{"process":"","status":""}}));
        refused(&apps, &json!({"extra":{"fields":{"x".repeat(65):1}}}));
        refused(&apps, &json!({"extra":{"fields":{"device_id":"another"}}}));
        refused(&apps, &json!({"extra":{"fields":{"speed":"fast"}}}));
        refused(&apps, &json!({"extra":{"fields":{"long":"x".repeat(MAX_FIELD_BYTES)}}}));
        refused(&apps, &json!({"delay":{"seconds":5}}));
        let many: Map<String, Value> = (0..=MAX_FIELDS).map(|n| (n.to_string(), json!(n))).collect();
        refused(&apps, &json!({"extra":{"fields":many}}));
        let (mut statuses, mut extra) = (Vec::new(), Map::new());
        apps.add_to(&mut statuses, &mut extra);
        assert_eq!((statuses.len(), extra.len()), (MAX_STATUSES, 0));
    }

    #[test]
    fn an_update_waits_as_long_as_programs_want_and_no_longer_than_the_bound() {
        let began = Instant::now();
        let after = |seconds| began + Duration::from_secs(seconds);
        let latest = after(60);
        assert_eq!(due(began, Duration::ZERO, None, latest), began, "nobody listens");
        assert_eq!(due(began, NOTICE, None, latest), after(2), "who listens has a moment to answer");
        assert_eq!(due(began, NOTICE, Some(after(20)), latest), after(20));
        assert_eq!(due(began, NOTICE, Some(after(9999)), latest), latest, "asking for more holds it up no longer");
    }

    #[tokio::test]
    async fn a_delay_is_granted_up_to_the_bound_and_the_update_comes_all_the_same() {
        let apps = Apps::new(Duration::from_millis(1500));
        let mut notices = apps.notices();
        assert_eq!(say(&apps, &json!({"delay":{"seconds":9999}}))["delayed_s"], 1);
        apps.clear_to_switch(packages()).await;
        assert_eq!(*notices.borrow_and_update(), Notice::Switching { packages: packages() });
        apps.is_over();
        assert_eq!(*notices.borrow_and_update(), Notice::None);
    }
}
