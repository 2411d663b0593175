//! What a scenario works with: a folder, chances that follow from the seed, how large it is, and where it tells.

use std::ops::Range;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::sync::Mutex;
use std::time::Duration;

use rand::rngs::StdRng;
use rand::seq::SliceRandom as _;
use rand::{RngExt as _, SeedableRng as _};
use tokio::runtime::Runtime;

/// How a scenario ended; a failure panics.
pub enum Outcome {
    Done,
    /// With what is missing here.
    Skipped(String),
}

pub struct Place {
    dir: PathBuf,
    pub seed: u64,
    pub long: bool,
    /// Where somebody said how many real agents there are to be.
    pub agents: Option<u64>,
    chance: StdRng,
    /// For proxies and clients.
    pub runtime: Runtime,
}

impl Place {
    pub fn new(name: &str, seed: u64, long: bool) -> Self {
        let dir = tempfile::Builder::new().prefix(&format!("chaos-{name}-")).tempdir().unwrap().keep();
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
        Self { dir, seed, long, agents: None, chance: StdRng::seed_from_u64(seed), runtime }
    }

    pub fn path(&self, name: impl AsRef<Path>) -> PathBuf {
        self.dir.join(name)
    }

    pub fn remove(self) {
        std::fs::remove_dir_all(&self.dir).unwrap();
    }

    /// One of two, for the short run and the long one.
    pub fn size<T>(&self, short: T, long: T) -> T {
        if self.long { long } else { short }
    }

    pub fn between(&mut self, range: Range<u64>) -> u64 {
        self.chance.random_range(range)
    }

    pub fn millis(&mut self, range: Range<u64>) -> Duration {
        Duration::from_millis(self.between(range))
    }

    pub fn shuffle<T>(&mut self, items: &mut [T]) {
        items.shuffle(&mut self.chance);
    }

    pub fn bytes(&mut self, length: usize) -> Vec<u8> {
        let mut bytes = vec![0; length];
        self.chance.fill(&mut bytes[..]);
        bytes
    }
}

/// What was told since the last [`told`].
static TOLD: Mutex<Vec<String>> = Mutex::new(Vec::new());

/// A figure of a scenario.
pub fn tell(what: &str, value: impl std::fmt::Display) {
    let figure = format!("{what}: {value}");
    println!("    {figure}");
    TOLD.lock().unwrap().push(figure.trim_start().to_owned());
}

/// The figures of a scenario that is over.
pub fn told() -> Vec<String> {
    std::mem::take(&mut TOLD.lock().unwrap())
}

/// Runs a program that is to go well, and gives what it printed.
pub fn made(command: &mut Command) -> String {
    let Output { status, stdout, stderr } = command.output().unwrap();
    assert!(status.success(), "{command:?}: {}", String::from_utf8_lossy(&stderr));
    String::from_utf8_lossy(&stdout).trim_end().to_owned()
}

pub fn signal(process: u32, name: &str) {
    made(Command::new("kill").args([&format!("-{name}"), &process.to_string()]));
}

/// Whether this process may mount things.
pub fn is_root() -> bool {
    made(Command::new("id").arg("-u")) == "0"
}

/// Why a scenario that needs these programs and root is skipped here.
pub fn lacks(programs: &[&str]) -> Option<String> {
    if !is_root() {
        return Some("it mounts things, and so needs root".to_owned());
    }
    let there = |program: &&&str| {
        ["/usr/sbin", "/sbin", "/usr/bin", "/bin"].iter().any(|d| Path::new(d).join(program).exists())
    };
    programs.iter().find(|program| !there(program)).map(|program| format!("there is no {program} here"))
}
