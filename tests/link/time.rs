//! The time of day is set while devices are connected.

use chrono::TimeDelta;

use crate::peer::{PING, Peer, TEXT};
use crate::server::serve_with;

#[test]
fn setting_the_time_of_day_cuts_no_device_and_keeps_none_waiting() {
    let server = serve_with(|config| {
        config.limits.ping_s = 1;
        config.limits.messages_burst = 10;
        config.limits.messages_per_s = 1000;
    });
    let mut peer = Peer::welcomed(server.address, "t-1");
    let mut seq = 0;
    for hours in [3, -6, 3] {
        server.clock.set_off(TimeDelta::hours(hours));
        // Two pings: every deadline of the link has been looked at with the new time.
        for _ in 0..2 {
            while peer.read().expect("the device was cut").0 != PING {}
        }
        for _ in 0..20 {
            seq += 1;
            peer.frame(TEXT, format!(r#"{{"device_id":"t-1","timestamp":1,"seq":{seq}}}"#).as_bytes());
        }
        while peer.said()["seq"] != seq {}
    }
}
