//! How the program ends when it is told to.

use std::io::{BufRead as _, BufReader, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use crate::peer::Peer;

struct Program {
    process: Child,
    address: SocketAddr,
    /// What it tells on standard error.
    told: std::io::Lines<BufReader<std::process::ChildStderr>>,
    _dir: tempfile::TempDir,
}

fn start() -> Program {
    let dir = tempfile::tempdir().unwrap();
    let mut command = Command::new(env!("CARGO_BIN_EXE_fleetward"));
    command.env_clear().env("FLEETWARD_LOG", "warn,fleetward::cli=info").arg("--data-dir").arg(dir.path());
    command.args(["serve", "--listen", "127.0.0.1:0", "--device-auth", "open"]);
    let mut process = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let mut lines = BufReader::new(process.stdout.take().unwrap()).lines();
    let line = lines.next().unwrap().unwrap();
    let address = line.strip_prefix("Fleetward listens on ").unwrap().parse().unwrap();
    // What it prints later must find a reader.
    std::thread::spawn(move || lines.for_each(drop));
    let told = BufReader::new(process.stderr.take().unwrap()).lines();
    Program { process, address, told, _dir: dir }
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
fn a_second_signal_ends_it_at_once() {
    let mut program = start();
    let _unfinished = unfinished(program.address);
    program.terminate();
    program.tells("a second signal stops at once");
    program.terminate();
    program.tells("stopped at once");
    assert_eq!(program.process.wait().unwrap().code(), Some(130));
}
