//! How the program ends when it is told to.

use std::io::{BufRead as _, BufReader, PipeReader, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use diesel::connection::SimpleConnection as _;
use diesel::{Connection as _, SqliteConnection};

use crate::peer::{Peer, TEXT};

struct Program {
    process: Child,
    address: SocketAddr,
    /// What it tells on standard error.
    told: std::io::Lines<BufReader<std::process::ChildStderr>>,
    /// The rest of what it prints, should somebody read it.
    printed: Option<std::io::Lines<BufReader<PipeReader>>>,
    dir: tempfile::TempDir,
}

fn start() -> Program {
    let (reader, writer) = std::io::pipe().unwrap();
    let mut program = start_with(writer.into(), reader);
    // What it prints later must find a reader.
    let printed = program.printed.take().unwrap();
    std::thread::spawn(move || printed.map_while(Result::ok).for_each(drop));
    program
}

fn start_with(stdout: Stdio, printed: PipeReader) -> Program {
    let dir = tempfile::tempdir().unwrap();
    let mut command = Command::new(env!("CARGO_BIN_EXE_fleetward"));
    command.env_clear().env("FLEETWARD_LOG", "warn,fleetward::cli=info").arg("--data-dir").arg(dir.path());
    command.args(["serve", "--listen", "127.0.0.1:0", "--device-auth", "open"]);
    let mut process = command.stdout(stdout).stderr(Stdio::piped()).spawn().unwrap();
    let mut lines = BufReader::new(printed).lines();
    let line = lines.next().unwrap().unwrap();
    let address = line.strip_prefix("Fleetward listens on ").unwrap().parse().unwrap();
    let told = BufReader::new(process.stderr.take().unwrap()).lines();
    Program { process, address, told, printed: Some(lines), dir }
}

impl Program {
    fn terminate(&self) {
        let done = Command::new("kill").args(["-TERM", &self.process.id().to_string()]).status().unwrap();
        assert!(done.success());
    }

    fn tells(&mut self, part: &str) {
        assert!(self.told.by_ref().any(|line| line.unwrap().contains(part)), "it ended without saying {part:?}");
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// A request that never comes to its end: a stop waits for it as long as it waits for anything.
fn unfinished(address: SocketAddr) -> TcpStream {
    let mut socket = TcpStream::connect(address).unwrap();
    let head = "POST /login HTTP/1.1\r\nhost: x\r\ncontent-type: application/x-www-form-urlencoded\r\n\
                content-length: 1000\r\n\r\nname=";
    socket.write_all(head.as_bytes()).unwrap();
    socket
}

#[test]
fn a_stop_ends_within_15_s_whoever_is_connected_and_everybody_hears_of_it() {
    let mut program = start();
    let mut peers: Vec<Peer> = (0..500).map(|n| Peer::welcomed(program.address, &format!("t-{n}"))).collect();
    let _unfinished = unfinished(program.address);
    let half = TcpStream::connect(program.address).unwrap();
    (&half).write_all(b"GET /ws HT").unwrap();
    let asked = Instant::now();
    program.terminate();
    for peer in &mut peers {
        assert_eq!(peer.closed().0, 1012);
    }
    assert!(program.process.wait().unwrap().success());
    assert!(asked.elapsed() < Duration::from_secs(15), "{:?}", asked.elapsed());
}

#[test]
fn a_stop_beside_a_database_that_takes_nothing_ends_within_15_s_and_acknowledges_nothing() {
    let mut program = start();
    let mut peer = Peer::welcomed(program.address, "t-1");
    let database = program.dir.path().join("fleetward.db");
    let mut other = SqliteConnection::establish(database.to_str().unwrap()).unwrap();
    other.batch_execute("PRAGMA busy_timeout = 20000; BEGIN IMMEDIATE").unwrap();
    peer.frame(TEXT, br#"{"device_id":"t-1","timestamp":1,"seq":1}"#);
    let _unfinished = unfinished(program.address);
    let asked = Instant::now();
    program.terminate();
    while let Some((first, payload)) = peer.read() {
        assert_ne!(first, TEXT, "{}", String::from_utf8_lossy(&payload));
    }
    program.process.wait().unwrap();
    assert!(asked.elapsed() < Duration::from_secs(15), "{:?}", asked.elapsed());
}

#[test]
fn a_stop_that_hangs_ends_all_the_same_within_15_s() {
    let (reader, writer) = std::io::pipe().unwrap();
    let mut filler = writer.try_clone().unwrap();
    let mut program = start_with(writer.into(), reader);
    // It serves, and so hears signals.
    drop(Peer::welcomed(program.address, "t-1"));
    // Whoever reads what the program prints has stopped reading: its last line never gets out.
    let (filled, full) = std::sync::mpsc::channel();
    let filling =
        std::thread::spawn(move || while filler.write_all(&[b'\n'; 4096]).is_ok() && filled.send(()).is_ok() {});
    while full.recv_timeout(Duration::from_millis(300)).is_ok() {}
    let asked = Instant::now();
    program.terminate();
    program.tells("stopped before all was done; what was acknowledged is on disk");
    assert_eq!(program.process.wait().unwrap().code(), Some(1));
    let took = asked.elapsed();
    assert!(took >= Duration::from_secs(13) && took < Duration::from_secs(15), "{took:?}");
    drop(program);
    filling.join().unwrap();
}

#[test]
fn a_second_signal_ends_it_at_once() {
    let mut program = start();
    let _unfinished = unfinished(program.address);
    program.terminate();
    program.tells("a second signal stops at once");
    program.terminate();
    program.tells("stopped at once");
    assert_eq!(program.process.wait().unwrap().code(), Some(130));
}
