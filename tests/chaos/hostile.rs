//! Connections that mean harm, beside devices that do not: what it costs the server and its devices, and how long
//! they last.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::{Duration, Instant};

use futures_util::future::join_all;
use serde_json::{Value, json};
use socket2::SockRef;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::time::{interval, timeout};

use super::fleet::{Devices, Fleet};
use super::moment::pass;
use super::place::{Outcome, Place, tell};
use super::server::Server;

/// What a connection does to the server.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Harm {
    /// Opens, and says nothing.
    Silence,
    /// Request headers, a byte a second.
    SlowHeaders,
    /// A form whose end never comes.
    SlowBody,
    /// An upgrade, and no hello.
    NoHello,
    /// Half a frame, and no more.
    HalfFrame,
    /// A frame that declares 2^40 bytes, and begins to send them.
    HugeFrame,
    /// Pings without end.
    PingFlood,
    /// A message of fragments without end.
    FragmentFlood,
    /// Messages that are no messages.
    Garbage,
    /// Hellos without end, and no answer is ever read.
    NeverReads,
    /// Wants a package, and reads no byte of it.
    StopsReading,
}

const HARMS: [Harm; 11] = [
    Harm::Silence,
    Harm::SlowHeaders,
    Harm::SlowBody,
    Harm::NoHello,
    Harm::HalfFrame,
    Harm::HugeFrame,
    Harm::PingFlood,
    Harm::FragmentFlood,
    Harm::Garbage,
    Harm::NeverReads,
    Harm::StopsReading,
];

/// So many packages are sent at once; whoever waits for its turn does no harm yet.
const TURNS: u64 = 64;

/// Longer than the server may let any of them live.
const PATIENCE: Duration = Duration::from_secs(45);
const GONE_WITHIN: Duration = Duration::from_secs(30);
/// No content type, which a page's form would have.
const SLOW_BODY: &[u8] = b"POST /login HTTP/1.1\r\nHost: fleet\r\nContent-Length: 100000\r\n\r\n";
/// Bytes that wait on this end of a connection.
const SMALL: usize = 16 * 1024;
/// New connections a second, below what the server lets in.
const RATE: u64 = 300;

pub fn run(place: &mut Place) -> Outcome {
    let (healthy, each) = place.size((20, 8), (500, 1000));
    let kinds = place.size(vec![HARMS.to_vec()], HARMS.iter().map(|harm| vec![*harm]).collect());
    suffer(place, healthy, each, &kinds)
}

fn suffer(place: &Place, healthy: u64, each: u64, kinds: &[Vec<Harm>]) -> Outcome {
    let server = Server::start(place, &[]);
    let token = server.command("enrolment-token create");
    // For those who say that they have the module; one that has gone keeps the rollout open.
    place.runtime.block_on(has_evil(&server.address, &token)).unwrap();
    server.upload(place, "evil", "2.0.0", &vec![b'x'; 8 << 20]);
    let policy = json!({"max_in_flight": 1000, "stages": [{"percent": 100}], "max_failure_percent": 100});
    let target = json!({"filter": "module.evil < 2"});
    let body = json!({"packages": [{"name": "evil", "version": "2.0.0"}], "target": target, "policy": policy});
    assert_eq!(server.post("/api/v1/rollouts", &body).0, 201);
    let quiet = beside(place, &server, healthy, || pass(Duration::from_secs(if healthy > 20 { 30 } else { 4 })));
    let baseline = p99(&quiet);
    tell("healthy devices, p99 of their acknowledgements alone (ms)", format!("{healthy}, {baseline:.0}"));
    for harms in kinds {
        let before = server.memory().0;
        server.forget_peak();
        let kernel = KernelPeak::watch(place);
        let mut lives = Vec::new();
        let summary = beside(place, &server, healthy, || {
            let all = harms.iter().flat_map(|harm| (0..harm.at_most(each)).map(|n| (*harm, n)));
            let all = all
                .enumerate()
                .map(|(index, (harm, n))| live(harm, n, index as u64, server.address.clone(), token.clone()));
            lives = place.runtime.block_on(join_all(all));
        });
        tell_of(harms, &server, (before, kernel.most()), &lives, &summary);
        let alive: Vec<Harm> = lives.iter().filter(|(_, life)| *life > GONE_WITHIN).map(|(harm, _)| *harm).collect();
        assert!(
            alive.is_empty(),
            "not gone after {GONE_WITHIN:?}: {} of {harms:?}, such as {:?}",
            alive.len(),
            alive.first()
        );
        assert_eq!(summary["lost"], 0, "healthy devices were cut: {summary}");
    }
    server.has_not_panicked();
    Outcome::Done
}

fn tell_of(harms: &[Harm], server: &Server, memory: (f64, f64), lives: &[(Harm, Duration)], summary: &Value) {
    let (before, kernel) = memory;
    let name = if let [harm] = harms { format!("{harm:?}") } else { "of all kinds".to_owned() };
    let longest = lives.iter().map(|(_, life)| *life).max().unwrap_or_default().as_secs_f64();
    let peak = server.memory().1;
    let each = ((peak - before).max(0.0) + kernel) * 1024.0 / lives.len() as f64;
    let connections = lives.len();
    tell(
        &format!("{connections} hostile connections, {name}"),
        format!(
            "gone after {longest:.1} s; memory {before:.0} to {peak:.0} MiB at most, and {kernel:.0} MiB of the kernel's \
             ({each:.0} KiB each); p99 of the healthy {:.0} ms",
            p99(summary)
        ),
    );
    if harms.len() > 1 {
        for harm in harms {
            let of = lives.iter().filter(|(of, _)| of == harm).map(|(_, life)| life.as_secs_f64());
            tell(&format!("  {harm:?}, gone after (s)"), format!("{:.1}", of.fold(0.0, f64::max)));
        }
    }
    assert!(each < 1024.0, "{each:.0} KiB a hostile connection");
}

impl Harm {
    fn at_most(self, wanted: u64) -> u64 {
        if self == Self::StopsReading { wanted.min(TURNS) } else { wanted }
    }
}

/// How much more memory the kernel has for TCP than at first, both ends of each connection: half of it is the
/// harness's own.
struct KernelPeak {
    first: u64,
    most: Arc<AtomicU64>,
    watching: tokio::task::JoinHandle<()>,
}

impl KernelPeak {
    fn watch(place: &Place) -> Self {
        let (first, most) = (pages_for_tcp(), Arc::new(AtomicU64::new(0)));
        let seen = Arc::clone(&most);
        let watching = place.runtime.spawn(async move {
            let mut tick = interval(Duration::from_millis(200));
            loop {
                tick.tick().await;
                seen.fetch_max(pages_for_tcp(), Relaxed);
            }
        });
        Self { first, most, watching }
    }

    /// MiB.
    fn most(self) -> f64 {
        self.watching.abort();
        self.most.load(Relaxed).saturating_sub(self.first) as f64 / 256.0
    }
}

/// Pages of 4 KiB.
fn pages_for_tcp() -> u64 {
    let table = std::fs::read_to_string("/proc/net/sockstat").unwrap();
    let line = table.lines().find(|line| line.starts_with("TCP:")).unwrap();
    line.split_whitespace().skip_while(|word| *word != "mem").nth(1).unwrap().parse().unwrap()
}

/// Runs something beside healthy devices, and gives what they told of that time.
fn beside(place: &Place, server: &Server, healthy: u64, what: impl FnOnce()) -> Value {
    let mut devices = Devices::quick(healthy, Duration::from_secs(1));
    devices.longest_wait = None;
    let fleet = Fleet::start(place, server, &server.address, &devices);
    super::moment::until("the healthy are connected", Duration::from_secs(60), || {
        (server.connections() >= healthy).then_some(())
    });
    what();
    fleet.stop()
}

fn p99(summary: &Value) -> f64 {
    summary["ack_ms"]["p99"].as_f64().unwrap()
}

/// Lives as long as the server lets it.
async fn live(harm: Harm, n: u64, index: u64, address: String, token: String) -> (Harm, Duration) {
    let first = Duration::from_millis(index * 1000 / RATE);
    let _ = timeout(first, std::future::pending::<()>()).await;
    let begun = Instant::now();
    if let Ok(socket) = TcpStream::connect(&address).await {
        // What waits then waits in the server, and this end's share of the kernel's memory is small.
        SockRef::from(&socket).set_send_buffer_size(SMALL).unwrap();
        SockRef::from(&socket).set_recv_buffer_size(SMALL).unwrap();
        // Every end is an end: refused, closed, cut.
        let _ = timeout(PATIENCE, do_harm(harm, n, socket, &token)).await;
    }
    (harm, begun.elapsed())
}

async fn do_harm(harm: Harm, n: u64, mut socket: TcpStream, token: &str) -> std::io::Result<()> {
    match harm {
        Harm::Silence => return drain(&mut socket).await,
        Harm::SlowHeaders => return drip(&mut socket, b"GET /ws HTTP/1.1\r\nHost: fleet\r\nX-Slow: ").await,
        Harm::SlowBody => {
            socket.write_all(SLOW_BODY).await?;
            return drip(&mut socket, b"x").await;
        }
        _ => upgrade(&mut socket, token).await?,
    }
    let modules = if harm == Harm::StopsReading { r#"{"name":"evil","version":"1"}"# } else { "" };
    let hello = format!(r#"{{"device_id":"bad-{harm:?}-{n}","timestamp":1,"version_list":[{modules}]}}"#);
    if !matches!(harm, Harm::NoHello) {
        socket.write_all(&frame(true, 1, hello.as_bytes())).await?;
    }
    match harm {
        Harm::HalfFrame => socket.write_all(&frame(true, 1, &[b'x'; 1000])[..500]).await?,
        Harm::HugeFrame => {
            socket.write_all(&[0x81, 0xff, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0]).await?;
            return flood(&mut socket, &[b'x'; 4096]).await;
        }
        Harm::PingFlood => return flood(&mut socket, &frame(true, 9, b"!")).await,
        Harm::FragmentFlood => {
            socket.write_all(&frame(false, 1, b"{")).await?;
            return flood(&mut socket, &frame(false, 0, &[b' '; 100])).await;
        }
        Harm::Garbage => return flood(&mut socket, &frame(true, 1, b"{]")).await,
        Harm::NeverReads => return flood(&mut socket, &frame(true, 1, hello.as_bytes())).await,
        Harm::StopsReading => return wants_and_stops_reading(&mut socket).await,
        Harm::Silence | Harm::SlowHeaders | Harm::SlowBody | Harm::NoHello => {}
    }
    drain(&mut socket).await
}

/// A device that runs what is to be replaced, and goes.
async fn has_evil(address: &str, token: &str) -> std::io::Result<()> {
    let mut socket = TcpStream::connect(address).await?;
    upgrade(&mut socket, token).await?;
    let hello = r#"{"device_id":"evil","timestamp":1,"version_list":[{"name":"evil","version":"1"}]}"#;
    socket.write_all(&frame(true, 1, hello.as_bytes())).await?;
    reads_up_to(&mut socket, b"welcome").await
}

async fn reads_up_to(socket: &mut TcpStream, word: &[u8]) -> std::io::Result<()> {
    let mut heard = Vec::new();
    while !heard.ends_with(word) {
        heard.push(socket.read_u8().await?);
    }
    Ok(())
}

async fn wants_and_stops_reading(socket: &mut TcpStream) -> std::io::Result<()> {
    reads_up_to(socket, b"update_list").await?;
    socket.write_all(&frame(true, 1, br#"{"update_list":[{"app_name":"evil","version":"2.0.0"}]}"#)).await?;
    // As alive as can be, for somebody who does not read.
    let mut second = interval(Duration::from_secs(1));
    loop {
        second.tick().await;
        socket.write_all(&frame(true, 9, b"!")).await?;
    }
}

async fn upgrade(socket: &mut TcpStream, token: &str) -> std::io::Result<()> {
    let request = format!(
        "GET /ws HTTP/1.1\r\nHost: fleet\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n\
         Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nAuthorization: Bearer {token}\r\n\r\n"
    );
    socket.write_all(request.as_bytes()).await?;
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(socket.read_u8().await?);
    }
    if head.starts_with(b"HTTP/1.1 101") { Ok(()) } else { Err(std::io::Error::other("refused")) }
}

/// Of a client, with a mask that changes nothing.
fn frame(last: bool, opcode: u8, payload: &[u8]) -> Vec<u8> {
    let mut frame = vec![u8::from(last) << 7 | opcode];
    match u8::try_from(payload.len()) {
        Ok(length) if length < 126 => frame.push(0x80 | length),
        _ => {
            frame.push(0x80 | 126);
            frame.extend(u16::try_from(payload.len()).unwrap().to_be_bytes());
        }
    }
    frame.extend([0; 4]);
    frame.extend(payload);
    frame
}

/// Reads to the end.
async fn drain(socket: &mut TcpStream) -> std::io::Result<()> {
    let mut buffer = [0; 1024];
    while socket.read(&mut buffer).await? > 0 {}
    Ok(())
}

/// One byte a second, over and over.
async fn drip(socket: &mut TcpStream, bytes: &[u8]) -> std::io::Result<()> {
    let mut second = interval(Duration::from_secs(1));
    let (mut reader, mut writer) = socket.split();
    let write = async {
        for byte in bytes.iter().cycle() {
            second.tick().await;
            writer.write_all(&[*byte]).await?;
        }
        Ok(())
    };
    let mut buffer = [0; 1024];
    tokio::select! {
        written = write => written,
        // An answer, and then the end: it must not live on either.
        read = async { while reader.read(&mut buffer).await? > 0 {} Ok(()) } => read,
    }
}

/// The same without end, and nothing is read.
async fn flood(socket: &mut TcpStream, bytes: &[u8]) -> std::io::Result<()> {
    loop {
        socket.write_all(bytes).await?;
        tokio::task::yield_now().await;
    }
}
