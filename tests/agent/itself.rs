//! The agent moves itself: the real program, the launcher that is shipped, and something that starts it again.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::{Arc, Mutex};

use serde_json::json;

use crate::bench::{Bench, Package, Session, current};

/// Starts the launcher again whenever it ends, as systemd does.
struct Starter {
    running: Arc<Mutex<Running>>,
    thread: Option<std::thread::JoinHandle<()>>,
}

#[derive(Default)]
struct Running {
    stop: bool,
    id: u32,
}

impl Starter {
    fn start(mut command: Command) -> Self {
        let running = Arc::new(Mutex::new(Running { id: 0, stop: false }));
        let (now, told) = (Arc::clone(&running), std::sync::mpsc::channel());
        let thread = std::thread::spawn(move || {
            loop {
                let mut child = {
                    let mut running = now.lock().unwrap();
                    if running.stop {
                        return;
                    }
                    let child = command.spawn().unwrap();
                    running.id = child.id();
                    child
                };
                // Whoever started it may have gone meanwhile.
                let _ = told.0.send(());
                child.wait().unwrap();
            }
        });
        told.1.recv().unwrap();
        Self { running, thread: Some(thread) }
    }

    /// What runs now.
    fn program(&self) -> PathBuf {
        let id = self.running.lock().unwrap().id;
        std::fs::read_link(format!("/proc/{id}/exe")).unwrap_or_default()
    }
}

impl Drop for Starter {
    fn drop(&mut self) {
        {
            let mut running = self.running.lock().unwrap();
            running.stop = true;
            let id = rustix::process::Pid::from_raw(i32::try_from(running.id).unwrap()).unwrap();
            // It may have ended by itself.
            let _ = rustix::process::kill_process(id, rustix::process::Signal::KILL);
        }
        self.thread.take().unwrap().join().unwrap();
    }
}

/// A device whose agent lies in a module's folder of its own, in version 1.
async fn device() -> (Bench, PathBuf) {
    let mut bench = Bench::new().await;
    let home = bench.folder.path().join("agent");
    std::fs::create_dir_all(home.join("versions/1")).unwrap();
    std::fs::copy(env!("CARGO_BIN_EXE_fleetward-agent"), home.join("versions/1/fleetward-agent")).unwrap();
    std::os::unix::fs::symlink("versions/1", home.join("current")).unwrap();
    bench.config = format!("[modules.fleetward-agent]\ndir = {home:?}\nis_agent = true");
    (bench, home)
}

fn launcher(bench: &Bench, home: &Path) -> Command {
    let mut command = Command::new(concat!(env!("CARGO_MANIFEST_DIR"), "/docs/device/launcher"));
    command.arg(home).arg("--config").arg(bench.config_file()).arg("--state-dir").arg(bench.state());
    command.args(["--device-id", "t-001", "--token", "enrol-me", "--interval", "60s", "--log", "warn"]);
    command.args(["--server", &format!("ws://{}", bench.listener.local_addr().unwrap())]);
    command
}

async fn offer(session: &mut Session, package: &Package) {
    let entry = json!({"app_name":"fleetward-agent","version":package.version,"size":package.bytes.len(),
        "sha256":package.sha256});
    session.say(json!({"type":"update_list","rollout_id":7,"update_list":[entry]})).await;
    let reply = session.hear_the(|message| message.get("update_list").is_some()).await;
    assert_eq!(reply["update_list"][0]["app_name"], "fleetward-agent", "{reply}");
    session.push_of("fleetward-agent", package, 0, package.bytes.len()).await;
    while session.hear_or_end().await.is_some() {}
}

#[tokio::test]
async fn the_agent_moves_itself_and_comes_back_when_a_new_one_does_not_confirm() {
    let (bench, home) = device().await;
    let starter = Starter::start(launcher(&bench, &home));
    let (mut session, _) = bench.welcome().await;
    assert_eq!(starter.program(), home.join("versions/1/fleetward-agent"));
    // As one file that is packed: the program of a test build is large.
    let program = std::fs::read(env!("CARGO_BIN_EXE_fleetward-agent")).unwrap();
    let mut tar = tar::Builder::new(Vec::new());
    let mut header = tar::Header::new_gnu();
    header.set_mode(0o755);
    header.set_size(program.len() as u64);
    tar.append_data(&mut header, "fleetward-agent", &program[..]).unwrap();
    let packed = zstd::encode_all(&tar.into_inner().unwrap()[..], 1).unwrap();
    offer(&mut session, &Package::of("2", packed)).await;
    let (mut session, hello) = bench.welcome().await;
    assert!(hello.to_string().contains(r#""app_name":"fleetward-agent","version":"2""#), "{hello}");
    let result = session.hear_type("result").await;
    assert_eq!((&result["outcome"], &result["version"]), (&json!("installed"), &json!("2")), "{result}");
    assert_eq!(starter.program(), home.join("versions/2/fleetward-agent"));
    assert_eq!(std::fs::read_to_string(home.join("confirmed")).unwrap(), "versions/2\n");
    let broken = Package::tar("3", &[("fleetward-agent", "#!/bin/sh\nexit 1\n")]);
    offer(&mut session, &broken).await;
    let (mut session, _) = bench.welcome().await;
    let result = session.hear_type("result").await;
    assert_eq!((&result["outcome"], &result["version"]), (&json!("rolled_back"), &json!("3")), "{result}");
    assert!(result["error"].as_str().unwrap().contains("did not confirm"), "{result}");
    assert_eq!((current(&home).as_str(), starter.program()), ("versions/2", home.join("versions/2/fleetward-agent")));
}
