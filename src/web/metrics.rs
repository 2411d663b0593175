//! `GET /metrics`: what a Prometheus server reads.
//!
//! Owns a recorder of its own rather than the process's, so that two servers in one process do not share counts.
//! Only counters and gauges: a histogram grows until somebody reads it.

use actix_web::http::Method;
use actix_web::http::header;
use actix_web::{HttpRequest, HttpResponse, web};
use metrics::{counter, describe_counter, describe_gauge, gauge};
use metrics_exporter_prometheus::{PrometheusBuilder, PrometheusHandle, PrometheusRecorder};

use super::WebState;
use super::access;
use super::error::{Answer, ApiError};
use crate::actors::Picture;

/// The counts of one server.
pub struct Metrics {
    recorder: PrometheusRecorder,
    handle: PrometheusHandle,
}

impl Default for Metrics {
    fn default() -> Self {
        let recorder = PrometheusBuilder::new().build_recorder();
        let handle = recorder.handle();
        metrics::with_local_recorder(&recorder, describe);
        Self { recorder, handle }
    }
}

fn describe() {
    describe_counter!("fleetward_http_requests_total", "Requests answered, by method and status.");
    describe_counter!("fleetward_http_request_milliseconds_total", "Time until an answer began, by method.");
    describe_gauge!("fleetward_connections", "Devices connected.");
    describe_gauge!("fleetward_intake_reports", "Reports that wait for the disk.");
    describe_gauge!("fleetward_intake_capacity", "Reports that may wait for the disk.");
    describe_gauge!("fleetward_reports_writing", "Reports of the group that is being written.");
    describe_counter!("fleetward_reports_stored_total", "Reports on disk.");
    describe_gauge!("fleetward_transfers_active", "Package transfers under way.");
    describe_gauge!("fleetward_transfers_limit", "Package transfers allowed at once.");
    describe_gauge!("fleetward_rollouts_live", "Rollouts that may still change devices.");
    describe_gauge!("fleetward_connections_limit", "Devices that may be connected at once.");
    describe_gauge!("fleetward_intake_waiting", "Devices that are not read because the intake is full.");
    describe_gauge!("fleetward_load", "What is left out for want of room in the intake: 0 nothing, 5 all that can be.");
    describe_counter!("fleetward_messages_slowed_total", "Times a device said too much and was read later.");
    describe_counter!("fleetward_link_faults_total", "Connections closed for a fault of the device.");
    describe_counter!("fleetward_flapping_refused_total", "Connections refused because their device comes too often.");
    describe_gauge!("fleetward_flapping_held", "Devices that are not let in because they come too often.");
    describe_counter!("fleetward_clone_alarms_total", "Times two devices seemed to have one device_id.");
    describe_counter!("fleetward_transfers_too_slow_total", "Package transfers ended for their slowness.");
    describe_counter!("fleetward_reports_unstorable_total", "Reports that could not be stored nor acknowledged.");
    describe_gauge!("fleetward_database_warnings", "Settings of the database that put reports at risk.");
    describe_gauge!("fleetward_trouble", "1 while writes to the database fail, or a part of the server has ended.");
}

impl Metrics {
    /// Counts an answer.
    pub fn count_request(&self, method: &Method, status: u16, seconds: f64) {
        let method = match *method {
            Method::GET => "GET",
            Method::HEAD => "HEAD",
            Method::POST => "POST",
            Method::PATCH => "PATCH",
            Method::DELETE => "DELETE",
            _ => "other",
        };
        metrics::with_local_recorder(&self.recorder, || {
            counter!("fleetward_http_requests_total", "method" => method, "status" => status.to_string()).increment(1);
            let milliseconds = (seconds * 1000.0).round() as u64;
            counter!("fleetward_http_request_milliseconds_total", "method" => method).increment(milliseconds);
        });
    }

    fn text(&self, picture: &Picture, most_devices: usize) -> String {
        metrics::with_local_recorder(&self.recorder, || {
            gauge!("fleetward_connections").set(picture.connections as f64);
            gauge!("fleetward_intake_reports").set(picture.intake_reports as f64);
            gauge!("fleetward_intake_capacity").set(picture.intake_capacity as f64);
            gauge!("fleetward_reports_writing").set(picture.reports_writing as f64);
            counter!("fleetward_reports_stored_total").absolute(picture.reports_stored);
            gauge!("fleetward_transfers_active").set(picture.transfers_active as f64);
            gauge!("fleetward_transfers_limit").set(picture.transfers_limit as f64);
            gauge!("fleetward_rollouts_live").set(picture.rollouts_live as f64);
            gauge!("fleetward_connections_limit").set(most_devices as f64);
            gauge!("fleetward_intake_waiting").set(picture.intake_waiting as f64);
            gauge!("fleetward_load").set(f64::from(picture.load));
            counter!("fleetward_messages_slowed_total").absolute(picture.messages_slowed);
            counter!("fleetward_link_faults_total").absolute(picture.link_faults);
            counter!("fleetward_flapping_refused_total").absolute(picture.flapping_refused);
            gauge!("fleetward_flapping_held").set(picture.flapping_held as f64);
            counter!("fleetward_clone_alarms_total").absolute(picture.clone_alarms);
            counter!("fleetward_transfers_too_slow_total").absolute(picture.transfers_too_slow);
            counter!("fleetward_reports_unstorable_total").absolute(picture.reports_unstorable);
            gauge!("fleetward_database_warnings").set(picture.warnings.len() as f64);
            gauge!("fleetward_trouble").set(f64::from(u8::from(picture.trouble.is_some())));
        });
        self.handle.render()
    }
}

/// `GET /metrics`, for any token or session, and for callers on this machine.
///
/// # Errors
/// 401
pub async fn show(request: HttpRequest, state: web::Data<WebState>) -> Answer {
    if access::who(&request).is_none() && !is_local(&request) {
        return Err(ApiError::not_signed_in());
    }
    let text = state.metrics.text(&state.fleet.picture(), state.gates.most_devices());
    Ok(HttpResponse::Ok().insert_header((header::CONTENT_TYPE, "text/plain; version=0.0.4; charset=utf-8")).body(text))
}

/// Whether the caller is on this machine, and not somebody for whom a proxy on this machine speaks.
fn is_local(request: &HttpRequest) -> bool {
    let loopback = request.peer_addr().is_some_and(|peer| peer.ip().to_canonical().is_loopback());
    let proxied =
        ["forwarded", "x-forwarded-for", "x-real-ip", "via"].iter().any(|h| request.headers().contains_key(*h));
    loopback && !proxied
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_servers_do_not_share_counts() {
        let (a, b) = (Metrics::default(), Metrics::default());
        a.count_request(&Method::GET, 200, 0.5);
        let line = "fleetward_http_requests_total{method=\"GET\",status=\"200\"} 1";
        assert!(a.text(&Picture::default(), 1).contains(line), "{}", a.text(&Picture::default(), 1));
        assert!(!b.text(&Picture::default(), 1).contains(line));
    }
}
