//! Rollouts one after the other, so that there is always one to disturb.

use std::time::Duration;

use serde_json::{Value, json};

use super::moment::until;
use super::place::Place;
use super::server::Server;

/// Versions of one module that follow each other.
#[derive(Default)]
pub struct Rollouts {
    started: u64,
}

impl Rollouts {
    /// Starts the next one when the last has ended.
    pub fn go_on(&mut self, place: &mut Place, server: &Server) {
        if self.started > 0 && self.last(server).is_none_or(|last| last["state"] != "completed") {
            return;
        }
        let version = format!("1.{}.0", self.started + 1);
        let bytes = place.bytes(200_000);
        server.upload(place, "app1", &version, &bytes);
        // Time goes on while the server is down: a lease that ends then counts against the device.
        let timeouts = json!({"offered": 5, "downloading": 20, "installing": 600, "verifying": 600});
        let policy = json!({
            "max_in_flight": 20, "stages": [{"percent": 100}], "health_window_s": 1, "attempts": 100,
            "max_failures": 100_000, "max_failure_percent": 100, "timeouts_s": timeouts,
        });
        let body = json!({"packages": [{"name": "app1", "version": version}], "policy": policy});
        let (status, answer) = server.post("/api/v1/rollouts", &body);
        assert_eq!(status, 201, "{answer}");
        self.started += 1;
        assert_eq!(answer["id"], self.started);
    }

    fn last(&self, server: &Server) -> Option<Value> {
        let (_, text) = server.ask(&format!("/api/v1/rollouts/{}", self.started))?;
        serde_json::from_str(&text).ok()
    }

    /// Waits until the last one has ended, and sees that every device has everything. How many rollouts there were.
    pub fn converge(&self, server: &Server, devices: u64) -> u64 {
        let ended = || self.last(server).filter(|last| last["state"] != "running");
        let (last, _) = until("the last rollout ends", Duration::from_secs(240), ended);
        let unlike = self.others(server);
        assert_eq!(last["state"], "completed", "{last}; {unlike:#?}");
        assert_eq!(last["counts"]["verified"], devices, "{last}; {unlike:#?}");
        self.started
    }

    /// The devices that are not verified, with the reason that the server tells.
    fn others(&self, server: &Server) -> Vec<String> {
        let path = format!("/api/v1/rollouts/{}/devices?limit=500", self.started);
        let mut others = Vec::new();
        for row in server.json(&path)["items"].as_array().unwrap() {
            if row["modules"]["app1"]["state"] != "verified" {
                let id = row["device_id"].as_str().unwrap();
                let why = server.json(&format!("/api/v1/devices/{id}"))["why"]["app1"].clone();
                assert!(!why.is_null(), "{id} is not verified, and there is no reason why");
                others.push(format!("{row}: {why}"));
            }
        }
        others
    }
}
