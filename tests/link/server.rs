//! The real server on a thread of its own, open to any device.

use std::net::{SocketAddr, TcpListener};
use std::path::PathBuf;
use std::time::{Duration, Instant};

use fleetward::actors::Fleet;
use fleetward::app::App;
use fleetward::clock::Clock;
use fleetward::config::{Config, DeviceAuthMode};
use fleetward::domain::{KeyId, Policy, Requirements, RolloutRequest, Target};
use fleetward::store::{Blobs, NewPackage, Store};
use tokio::sync::oneshot;

use crate::peer::get;

pub struct Server {
    pub address: SocketAddr,
    pub data: PathBuf,
    pub clock: Clock,
    pub fleet: Fleet,
    pub store: Store,
    blobs: Blobs,
    /// For what is asked of it past its sockets.
    runtime: tokio::runtime::Runtime,
    _dir: tempfile::TempDir,
    /// Dropped, it stops the server.
    stop: Option<oneshot::Sender<()>>,
    thread: Option<std::thread::JoinHandle<()>>,
}

pub fn serve() -> Server {
    serve_with(|_| {})
}

/// A server with some of its settings changed.
pub fn serve_with(change: impl FnOnce(&mut Config)) -> Server {
    let dir = tempfile::tempdir().unwrap();
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let mut config = Config { data_dir: dir.path().to_owned(), device_auth: DeviceAuthMode::Open, ..Config::default() };
    config.limits.disk_reserve_bytes = 0;
    change(&mut config);
    let data = config.data_dir.clone();
    let (ready, is_ready) = oneshot::channel();
    let clock = Clock::system();
    let its_clock = clock.clone();
    let (stop, stopped) = oneshot::channel::<()>();
    let thread = std::thread::spawn(move || {
        actix_web::rt::System::new().block_on(async move {
            let app = App::build_with_clock(config, listener, its_clock).await.unwrap();
            let parts = (app.fleet().clone(), app.store().clone(), app.blobs().clone());
            assert!(ready.send(parts).is_ok());
            let stopped = async {
                let _ = stopped.await;
            };
            app.run(stopped).await.unwrap();
        });
    });
    let (fleet, store, blobs) = is_ready.blocking_recv().unwrap();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let (stop, thread) = (Some(stop), Some(thread));
    Server { address, data, clock, fleet, store, blobs, runtime, _dir: dir, stop, thread }
}

impl Server {
    pub fn wait<T>(&self, future: impl Future<Output = T>) -> T {
        self.runtime.block_on(future)
    }

    /// What follows when a device was deleted from the database.
    pub fn tells_of_the_deleted(&self, key_id: KeyId) {
        actix_web::rt::System::new().block_on(self.fleet.device_deleted(key_id));
    }

    /// Rolls a package of so many bytes out to every device; where its bytes are.
    pub fn rolls_out(&self, size: usize) -> PathBuf {
        let mut file = self.blobs.create().unwrap();
        file.write(&vec![b'x'; size]).unwrap();
        let (sha256, size) = file.finish().unwrap();
        let (name, version) = ("app1".parse().unwrap(), "2.0.0".parse().unwrap());
        let package = NewPackage {
            name,
            version,
            size,
            sha256: sha256.clone(),
            file_name: "app1.bin".to_owned(),
            notes: String::new(),
            requires: Requirements::default(),
            created_by: "test".to_owned(),
            signed_by: None,
            signature: None,
            now: self.clock.now(),
        };
        let packages = vec![(package.name.clone(), package.version.clone())];
        self.wait(self.store.add_package(package)).unwrap();
        let (target, by) = (Target::All, "test".to_owned());
        let policy = Policy::default();
        let request = RolloutRequest { packages, allow_rollback: false, target, policy, draft: false, by };
        self.wait(self.fleet.start(request)).unwrap();
        self.blobs.path(&sha256)
    }

    /// A number of `/metrics`.
    pub fn metric(&self, name: &str) -> f64 {
        let answer = get(self.address, "/metrics");
        let line = answer.body.lines().find(|line| line.starts_with(&format!("{name} ")));
        line.unwrap_or_else(|| panic!("no {name}: {answer:?}")).rsplit(' ').next().unwrap().parse().unwrap()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.stop.take();
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

/// Looks again and again until it is so; fails when it does not come to it in time.
pub fn eventually(what: &str, mut look: impl FnMut() -> bool) {
    let deadline = Instant::now() + Duration::from_secs(60);
    while !look() {
        assert!(Instant::now() < deadline, "in 60 s it did not come to this: {what}");
        std::thread::sleep(Duration::from_millis(100));
    }
}
