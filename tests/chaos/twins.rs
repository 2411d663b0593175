//! The same name many times at once: one connection lives, the others are told.

use std::time::Duration;

use futures_util::{SinkExt as _, StreamExt as _, future::join_all};
use tokio::time::timeout;
use tokio_tungstenite::connect_async;
use tokio_tungstenite::tungstenite::Message;

use super::moment::until;
use super::place::{Outcome, Place, tell};
use super::server::Server;

const HELLO: &str = r#"{"device_id":"twin","timestamp":1763800000,"version_list":[{"name":"app1","version":"1.2.0"}]}"#;

pub fn run(place: &mut Place) -> Outcome {
    let twins = place.size(20, 200);
    let server = Server::start(place, &["--device-auth", "open"]);
    let url = format!("ws://{}/ws", server.address);
    let ends: Vec<Option<u16>> = place.runtime.block_on(join_all((0..twins).map(|_| twin(url.clone()))));
    let alive = ends.iter().filter(|end| end.is_none()).count();
    let replaced = ends.iter().filter(|end| **end == Some(4001)).count();
    tell("connections under one name, alive afterwards, told 4001", format!("{twins}, {alive}, {replaced}"));
    assert_eq!((alive, replaced), (1, twins - 1), "{ends:?}");
    until("nobody is connected", Duration::from_secs(30), || (server.connections() == 0).then_some(()));
    server.has_not_panicked();
    Outcome::Done
}

/// The code with which the connection was closed; `None` when it lived until all were quiet.
async fn twin(url: String) -> Option<u16> {
    let (mut socket, _) = connect_async(url).await.unwrap();
    socket.send(Message::text(HELLO)).await.unwrap();
    loop {
        match timeout(Duration::from_secs(5), socket.next()).await {
            Err(_) => return None,
            Ok(Some(Ok(Message::Close(frame)))) => return frame.map(|frame| frame.code.into()),
            Ok(Some(Ok(_))) => {}
            Ok(other) => panic!("an end without a close: {other:?}"),
        }
    }
}
