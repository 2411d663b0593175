//! The real server on a thread of its own, open to any device.

use std::net::{SocketAddr, TcpListener};
use std::path::PathBuf;
use std::time::{Duration, Instant};

use fleetward::app::App;
use fleetward::config::{Config, DeviceAuthMode};
use tokio::sync::oneshot;

use crate::peer::get;

pub struct Server {
    pub address: SocketAddr,
    pub data: PathBuf,
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
    let (stop, stopped) = oneshot::channel::<()>();
    let thread = std::thread::spawn(move || {
        actix_web::rt::System::new().block_on(async move {
            let app = App::build(config, listener).await.unwrap();
            ready.send(()).unwrap();
            let stopped = async {
                let _ = stopped.await;
            };
            app.run(stopped).await.unwrap();
        });
    });
    is_ready.blocking_recv().unwrap();
    Server { address, data, _dir: dir, stop: Some(stop), thread: Some(thread) }
}

impl Server {
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
