//! Enrolment, reports, reconnects.

use std::time::Duration;

use futures_util::StreamExt as _;
use serde_json::json;
use tokio::task::JoinHandle;
use tokio::time::timeout;
use tokio_tungstenite::tungstenite::Message;

use crate::bench::{Bench, app1_runs, welcome};

#[tokio::test]
async fn it_enrols_keeps_its_own_token_and_connects_with_it_ever_after() {
    let bench = Bench::new().await;
    let agent = bench.start();
    let mut session = bench.accept().await;
    assert_eq!(session.token, "Bearer enrol-me");
    let hello = session.hear().await;
    assert!(app1_runs(&hello, "1.0.0"), "{hello}");
    let mut welcome = welcome();
    welcome["device_token"] = json!("its-own");
    session.say(welcome).await;
    session.hear_report().await;
    // Something was said after the welcome, so the token is on disk by now.
    let stored = std::fs::read_to_string(bench.state().join("device.token")).unwrap();
    assert_eq!(stored.trim(), "its-own");
    drop(session);
    assert_eq!(bench.accept().await.token, "Bearer its-own");
    agent.stop();
    let agent = bench.start();
    assert_eq!(bench.accept().await.token, "Bearer its-own");
    agent.stop();
}

#[tokio::test]
async fn nothing_is_said_between_hello_and_welcome() {
    let bench = Bench::new().await;
    let agent = bench.start();
    let mut session = bench.accept().await;
    session.hear().await;
    let early = timeout(Duration::from_millis(2500), session.socket.next()).await;
    assert!(early.is_err(), "said before the welcome: {early:?}");
    session.say(welcome()).await;
    session.hear_report().await;
    agent.stop();
}

#[tokio::test]
async fn a_report_is_sent_again_until_it_is_acknowledged_and_numbers_go_on() {
    let bench = Bench::new().await;
    let agent = bench.start();
    let (mut session, _) = bench.welcome().await;
    let first = session.hear_report().await;
    assert_eq!((first["seq"].as_u64(), first["device_id"].as_str()), (Some(1), Some("t-001")));
    assert!(first["cpu_utilization"].is_number() && first["load_average"].is_array(), "{first}");
    let second = session.hear_report().await;
    assert_eq!(second["seq"], 2);
    session.say(json!({"type":"ack","seq":1,"boot_id":first["boot_id"]})).await;
    drop(session);
    let (mut session, _) = bench.welcome().await;
    assert_eq!(session.hear_report().await, second, "the unacknowledged one comes first, as it was");
    // A report that the server will never take is not sent again.
    session.say(json!({"type":"error","code":"bad_message","message":"no","seq":2})).await;
    assert_eq!(session.hear_report().await["seq"], 3);
    agent.stop();
    let agent = bench.start();
    let (mut session, _) = bench.welcome().await;
    let after = session.hear_report().await;
    assert_eq!(after["boot_id"], first["boot_id"]);
    loop {
        // The acknowledged and refused ones may come again after a restart, under their old numbers.
        if session.hear_report().await["seq"].as_u64() >= Some(4) {
            break;
        }
    }
    agent.stop();
}

#[tokio::test]
async fn a_restarting_server_is_not_stormed_and_a_refused_token_is_left_alone() {
    let bench = Bench::new().await;
    let agent = bench.start();
    let (session, _) = bench.welcome().await;
    session.close(1012, "restart within 1 s").await;
    let (session, _) = bench.welcome().await;
    session.close(4003, "revoked").await;
    let again = timeout(Duration::from_secs(3), bench.listener.accept()).await;
    assert!(again.is_err(), "a refused token is not tried again for minutes");
    agent.stop();
}

#[tokio::test]
async fn it_says_goodbye_when_it_is_stopped() {
    let bench = Bench::new().await;
    let agent = bench.start();
    let (mut session, _) = bench.welcome().await;
    let goodbye: JoinHandle<bool> = tokio::spawn(async move {
        loop {
            match session.socket.next().await {
                Some(Ok(Message::Close(frame))) => return frame.is_some_and(|f| u16::from(f.code) == 1001),
                Some(Ok(_)) => {}
                _ => return false,
            }
        }
    });
    agent.stop();
    assert!(goodbye.await.unwrap());
}
