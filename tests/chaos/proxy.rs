//! A bad network: a TCP proxy that delays, halves, stalls and cuts what it carries, as the weather is.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use rand::rngs::StdRng;
use rand::{RngExt as _, SeedableRng as _};
use socket2::SockRef;
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::time::timeout;

use super::place::Place;

/// How the network is. Shares are of all pieces that it carries.
#[derive(Clone, Copy, Default)]
pub struct Weather {
    /// A piece waits up to this long.
    pub delay_ms: u64,
    /// Of a piece one half comes first, and the rest a while later.
    pub halve: f64,
    /// Nothing more goes through for a few seconds.
    pub stall: f64,
    pub cut: f64,
    /// A connection is cut when it has brought a device this many bytes.
    pub cut_after: Option<u64>,
}

/// How a connection is cut.
#[derive(Clone, Copy, PartialEq)]
pub enum Cut {
    /// Both sides hear of its end.
    Fin,
    /// Both sides hear that it broke.
    Rst,
}

pub struct Proxy {
    pub address: String,
    lane: Arc<Lane>,
    /// A number that grows with every cut of all.
    cuts: watch::Sender<(u64, Cut)>,
}

/// What all connections share.
struct Lane {
    target: SocketAddr,
    weather: Mutex<Weather>,
    seed: u64,
    opened: AtomicU64,
    cut: AtomicU64,
    to_devices: AtomicU64,
}

impl Proxy {
    pub fn start(place: &Place, target: &str) -> Self {
        let lane = Arc::new(Lane {
            target: target.parse().unwrap(),
            weather: Mutex::default(),
            seed: place.seed,
            opened: AtomicU64::new(0),
            cut: AtomicU64::new(0),
            to_devices: AtomicU64::new(0),
        });
        let (cuts, cut) = watch::channel((0, Cut::Fin));
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        listener.set_nonblocking(true).unwrap();
        let address = listener.local_addr().unwrap().to_string();
        place.runtime.spawn(accept(listener, Arc::clone(&lane), cut));
        Self { address, lane, cuts }
    }

    pub fn weather(&self, weather: Weather) {
        *self.lane.weather.lock().unwrap() = weather;
    }

    /// Cuts every connection that is open.
    pub fn cut_all(&self, how: Cut) {
        self.cuts.send_modify(|(number, last)| (*number, *last) = (*number + 1, how));
    }

    /// Connections so far.
    pub fn opened(&self) -> u64 {
        self.lane.opened.load(Relaxed)
    }

    /// Connections that the weather has cut.
    pub fn cut(&self) -> u64 {
        self.lane.cut.load(Relaxed)
    }

    /// Bytes that came from the server, also those that were lost in a cut.
    pub fn to_devices(&self) -> u64 {
        self.lane.to_devices.load(Relaxed)
    }
}

async fn accept(listener: std::net::TcpListener, lane: Arc<Lane>, cut: watch::Receiver<(u64, Cut)>) {
    SockRef::from(&listener).listen(4096).unwrap();
    let listener = TcpListener::from_std(listener).unwrap();
    loop {
        let Ok((device, _)) = listener.accept().await else { continue };
        let number = lane.opened.fetch_add(1, Relaxed);
        tokio::spawn(carry(device, Arc::clone(&lane), number, cut.clone()));
    }
}

async fn carry(mut device: TcpStream, lane: Arc<Lane>, number: u64, mut cut: watch::Receiver<(u64, Cut)>) {
    cut.borrow_and_update();
    let Ok(mut server) = TcpStream::connect(lane.target).await else { return end(&device, Cut::Rst) };
    let _ = (device.set_nodelay(true), server.set_nodelay(true));
    let how = {
        let (mut from_device, mut to_device) = device.split();
        let (mut from_server, mut to_server) = server.split();
        let chance = |way| StdRng::seed_from_u64(lane.seed ^ (number * 2 + way));
        let up = pump(&mut from_device, &mut to_server, &lane, chance(0), None);
        let down = pump(&mut from_server, &mut to_device, &lane, chance(1), Some(&lane.to_devices));
        tokio::select! {
            how = up => how,
            how = down => how,
            Ok(()) = cut.changed() => cut.borrow().1,
        }
    };
    // What the server has sent counts as sent, though it gets no further.
    let mut lost = [0; 16 * 1024];
    while let Ok(Ok(length @ 1..)) = timeout(Duration::from_millis(20), server.read(&mut lost)).await {
        lane.to_devices.fetch_add(length as u64, Relaxed);
    }
    end(&device, how);
    end(&server, how);
}

/// Closes when it is dropped, as it is to be cut.
fn end(socket: &TcpStream, how: Cut) {
    if how == Cut::Rst {
        // A socket that is gone already needs no end.
        let _ = SockRef::from(socket).set_linger(Some(Duration::ZERO));
    }
}

/// Carries one way until the connection is to end.
async fn pump(
    from: &mut (impl AsyncRead + Unpin),
    to: &mut (impl AsyncWrite + Unpin),
    lane: &Lane,
    mut chance: StdRng,
    count: Option<&AtomicU64>,
) -> Cut {
    let mut buffer = vec![0; 4096];
    let mut carried = 0;
    loop {
        let length = match from.read(&mut buffer).await {
            Ok(0) => return Cut::Fin,
            Ok(length) => length,
            Err(_) => return Cut::Rst,
        };
        let weather = *lane.weather.lock().unwrap();
        if let Some(count) = count {
            count.fetch_add(length as u64, Relaxed);
            carried += length as u64;
        }
        if chance.random_bool(weather.cut) || (count.is_some() && weather.cut_after.is_some_and(|most| carried > most))
        {
            lane.cut.fetch_add(1, Relaxed);
            return if chance.random_bool(0.5) { Cut::Rst } else { Cut::Fin };
        }
        let first = if chance.random_bool(weather.halve) { length.div_ceil(2) } else { length };
        if to.write_all(&buffer[..first]).await.is_err() {
            return Cut::Rst;
        }
        wait(&weather, &mut chance, first < length).await;
        if first < length && to.write_all(&buffer[first..length]).await.is_err() {
            return Cut::Rst;
        }
    }
}

async fn wait(weather: &Weather, chance: &mut StdRng, halved: bool) {
    let mut millis = if weather.delay_ms > 0 { chance.random_range(0..=weather.delay_ms) } else { 0 };
    if halved {
        millis += chance.random_range(0..200);
    }
    if chance.random_bool(weather.stall) {
        millis += chance.random_range(1000..6000);
    }
    if millis > 0 {
        let _ = timeout(Duration::from_millis(millis), std::future::pending::<()>()).await;
    }
}
