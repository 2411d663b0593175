use actix::prelude::*;

use super::*;
use crate::actors::post::Posts;
use crate::domain::{DeviceAuth, Tags};
use crate::store::StoreConfig;

/// A connection's end, which keeps what it is told.
struct Door(mpsc::UnboundedSender<u16>);

impl Actor for Door {
    type Context = Context<Self>;
}

impl Handler<ToDevice> for Door {
    type Result = ();

    fn handle(&mut self, message: ToDevice, _: &mut Self::Context) {
        if let ToDevice::Close { code, .. } = message {
            self.0.send(code).unwrap();
        }
    }
}

struct Bench {
    store: Store,
    registry: Addr<RegistryActor>,
    events: mpsc::Receiver<FleetEvent>,
    posts: Posts,
    _dir: tempfile::TempDir,
}

impl Bench {
    fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let database_url = format!("sqlite:{}", dir.path().join("fleetward.db").display());
        let store = Store::open(&StoreConfig { database_url, readers: 2 }).unwrap();
        let (updater, events) = mpsc::channel(16 * 1024);
        let (feed, counts, watch) = (Feed::default(), Counts::default(), Arc::default());
        let registry = RegistryActor::new(store.clone(), Clock::system(), feed, updater, counts, watch).start();
        Self { store, registry, events, posts: Posts::default(), _dir: dir }
    }

    /// A hello of this device on a connection of its own, and the codes of the closes that the connection is told.
    fn comes(&self, name: &str) -> (actix::dev::Request<RegistryActor, Join>, mpsc::UnboundedReceiver<u16>) {
        let (door, told) = mpsc::unbounded_channel();
        let join = Join {
            device_id: name.parse().unwrap(),
            auth: DeviceAuth::Open,
            hello: Told::default(),
            door: Door(door).start().recipient(),
            post: self.posts.here(),
        };
        (self.registry.send(join), told)
    }

    fn goes(&self, seat: &Seat) {
        let Seat { key_id, session, cause, .. } = *seat;
        self.registry.try_send(Leave { key_id, session, cause }).unwrap();
    }
}

#[actix::test]
async fn a_goodbye_is_saved_before_the_hello_that_comes_after_it() {
    let bench = Bench::new();
    let names: Vec<String> = (0..100).map(|n| format!("t-{n}")).collect();
    // Each at its own pace, so that what waits for the store ends in any order.
    let comes_and_goes = async |name: &String| {
        let mut seat = bench.comes(name).0.await.unwrap().unwrap().seat;
        for _ in 0..20 {
            bench.goes(&seat);
            // What the dropped seat says is for a session that has ended.
            seat = bench.comes(name).0.await.unwrap().unwrap().seat;
            let device = bench.store.device(&name.parse().unwrap()).await.unwrap().unwrap();
            assert!(device.online, "{name} is connected");
        }
        seat
    };
    let _seats = futures_util::future::join_all(names.iter().map(comes_and_goes)).await;
}

#[actix::test]
async fn who_is_to_go_while_its_hello_is_being_saved_goes() {
    let bench = Bench::new();
    let seat = bench.comes("t-1").0.await.unwrap().unwrap().seat;
    let (back, mut told) = bench.comes("t-1");
    let disconnect = |code| Disconnect { key_id: seat.key_id, code, reason: String::new() };
    bench.registry.try_send(disconnect(close::REVOKED)).unwrap();
    let _back = back.await.unwrap().unwrap();
    assert_eq!(told.recv().await, Some(close::REVOKED));

    let (again, mut told) = bench.comes("t-1");
    let _again = again.await.unwrap().unwrap();
    bench.registry.try_send(disconnect(close::POLICY)).unwrap();
    assert_eq!(told.recv().await, Some(close::POLICY), "the next hello was judged by itself");
}

#[actix::test]
async fn who_comes_while_the_server_ends_is_sent_away_like_all() {
    let bench = Bench::new();
    let (joined, mut told) = bench.comes("t-1");
    bench.registry.try_send(Drain { window_s: 30 }).unwrap();
    let _seat = joined.await.unwrap().unwrap();
    assert_eq!(told.recv().await, Some(close::RESTART));
}

#[actix::test]
async fn new_tags_come_with_the_versions_that_were_told_last() {
    let mut bench = Bench::new();
    let seat = bench.comes("t-1").0.await.unwrap().unwrap().seat;
    let (key_id, session) = (seat.key_id, seat.session);
    let modules: Modules = [("app1".parse().unwrap(), "2.0.0".parse().unwrap())].into();
    let tags: Tags = [("region".to_owned(), "east".to_owned())].into();
    let hello = Told { modules: modules.clone(), sets: true, at: None };
    bench.store.update_device(&"t-1".parse().unwrap(), None, Some(tags.clone())).await.unwrap();
    bench.registry.send(Rejoin { key_id, session, hello }).await.unwrap();
    bench.registry.send(Refresh(key_id)).await.unwrap();
    let mut arrivals = Vec::new();
    while let Ok(FleetEvent::Arrived(arrival)) = bench.events.try_recv() {
        arrivals.push((arrival.modules, arrival.tags));
    }
    let (first, last) = (arrivals.first().unwrap(), arrivals.last().unwrap());
    assert_eq!((arrivals.len(), first), (3, &(Modules::default(), Tags::default())));
    assert_eq!(last, &(modules, tags), "and they are there when the change is answered");
}
