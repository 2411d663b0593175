//! What a server on this machine uses while it is measured: processor time and memory of its processes, from `/proc`.

use std::fs;

use serde::Serialize;

/// Clock ticks of `/proc/PID/stat` in a second: the same on every Linux that programs see.
const TICKS: f64 = 100.0;

/// Of all processes together.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize)]
pub struct Usage {
    /// Seconds of processor time since they began.
    pub cpu_s: f64,
    /// Memory that is theirs alone or shared, KiB.
    pub memory_kb: u64,
}

impl Usage {
    /// As it is now; a process that is not there counts as nothing.
    #[must_use]
    pub fn of(processes: &[u32]) -> Self {
        let each = processes.iter().map(|pid| (cpu(*pid).unwrap_or_default(), memory(*pid).unwrap_or_default()));
        each.fold(Self::default(), |all, (cpu_s, memory_kb)| Self {
            cpu_s: all.cpu_s + cpu_s,
            memory_kb: all.memory_kb + memory_kb,
        })
    }

    /// Processor time since another look, and the memory of this one.
    #[must_use]
    pub fn since(self, before: Self) -> Self {
        Self { cpu_s: self.cpu_s - before.cpu_s, memory_kb: self.memory_kb }
    }
}

fn cpu(pid: u32) -> Option<f64> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    // The name in brackets may hold spaces; user and system time are the 12th and 13th behind it.
    let (_, behind) = stat.rsplit_once(") ")?;
    let mut fields = behind.split(' ').skip(11);
    let mut next = || fields.next()?.parse::<f64>().ok();
    Some((next()? + next()?) / TICKS)
}

fn memory(pid: u32) -> Option<u64> {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
    line.split_whitespace().next()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_process_uses_memory_and_one_that_is_not_there_nothing() {
        let own = Usage::of(&[std::process::id()]);
        assert!(own.memory_kb > 500, "{own:?}");
        assert_eq!(Usage::of(&[u32::MAX]), Usage::default());
    }
}
