//! What outlives a swarm: each device's token and versions in a state file, and the ledger of acknowledged reports.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, BufWriter, Write as _};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use serde::{Deserialize, Serialize};

use crate::domain::{BootId, DeviceId, Modules};

/// What is remembered of one device.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub(super) struct Remembered {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub token: Option<String>,
    #[serde(default)]
    pub modules: Modules,
}

/// The state file, where there is one; memory alone otherwise.
#[derive(Debug)]
pub(super) struct Memory {
    file: Option<PathBuf>,
    inner: Mutex<Inner>,
}

#[derive(Debug)]
struct Inner {
    devices: BTreeMap<DeviceId, Remembered>,
    /// Something is not in the file yet.
    dirty: bool,
}

impl Memory {
    /// Reads the state file, if it is there.
    pub fn open(file: Option<&Path>) -> io::Result<Self> {
        let devices = match file.map(std::fs::read_to_string) {
            Some(Ok(text)) => serde_json::from_str(&text)?,
            Some(Err(error)) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => BTreeMap::new(),
        };
        let inner = Mutex::new(Inner { devices, dirty: false });
        Ok(Self { file: file.map(Path::to_path_buf), inner })
    }

    pub fn of(&self, id: &DeviceId) -> Option<Remembered> {
        self.lock().devices.get(id).cloned()
    }

    /// How many of these devices have a token of their own.
    pub fn enrolled(&self, ids: &[DeviceId]) -> usize {
        let inner = self.lock();
        ids.iter().filter(|id| inner.devices.get(id).is_some_and(|device| device.token.is_some())).count()
    }

    pub fn all_modules(&self) -> BTreeMap<DeviceId, Modules> {
        self.lock().devices.iter().map(|(id, device)| (id.clone(), device.modules.clone())).collect()
    }

    pub fn change(&self, id: &DeviceId, change: impl FnOnce(&mut Remembered)) {
        let mut inner = self.lock();
        change(inner.devices.entry(id.clone()).or_default());
        inner.dirty = true;
    }

    /// Writes the state file if something has changed, as a whole and at once.
    pub fn save(&self) -> io::Result<()> {
        let Some(file) = &self.file else { return Ok(()) };
        let text = {
            let mut inner = self.lock();
            if !std::mem::take(&mut inner.dirty) {
                return Ok(());
            }
            serde_json::to_string_pretty(&inner.devices)?
        };
        if let Some(dir) = file.parent() {
            std::fs::create_dir_all(dir)?;
        }
        let beside = file.with_extension("tmp");
        write_secret(&beside, text.as_bytes())?;
        std::fs::rename(&beside, file)
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// For its owner alone: it holds tokens.
fn write_secret(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let mut options = std::fs::OpenOptions::new();
    options.write(true).create(true).truncate(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let mut file = options.open(path)?;
    file.write_all(bytes)?;
    file.sync_all()
}

/// Every acknowledged report, one a line: `device_id boot_id seq`.
#[derive(Debug)]
pub(super) struct Ledger(Option<Mutex<BufWriter<File>>>);

impl Ledger {
    /// Begins the file anew; without one, keeps nothing.
    pub fn open(file: Option<&Path>) -> io::Result<Self> {
        file.map(|path| Ok(Mutex::new(BufWriter::new(File::create(path)?)))).transpose().map(Self)
    }

    pub fn write(&self, id: &DeviceId, boot_id: &BootId, seq: u64) -> io::Result<()> {
        let Some(file) = &self.0 else { return Ok(()) };
        writeln!(file.lock().unwrap_or_else(PoisonError::into_inner), "{id} {} {seq}", boot_id.as_str())
    }

    pub fn flush(&self) -> io::Result<()> {
        self.0.as_ref().map_or(Ok(()), |file| file.lock().unwrap_or_else(PoisonError::into_inner).flush())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_second_run_knows_the_tokens_of_the_first() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("demo/state.json");
        let id = DeviceId::new("sim-1").unwrap();
        let memory = Memory::open(Some(&file)).unwrap();
        memory.change(&id, |device| device.token = Some("fwd_x".to_owned()));
        memory.save().unwrap();
        let again = Memory::open(Some(&file)).unwrap();
        assert_eq!(again.of(&id).unwrap().token.as_deref(), Some("fwd_x"));
        assert_eq!(again.enrolled(&[id]), 1);
    }
}
