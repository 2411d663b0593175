//! Power cuts: two filesystems inside each other on loop devices, and one moment at which both stop.
//!
//! The data folder is on an inner ext4, whose disk is a file on an outer ext4. What the server has not synced is in
//! the inner one's page cache; what the inner one has sent to its disk without a flush is in the outer one's, as in
//! the volatile cache of a real disk. The cut shuts the outer one down without a flush of its journal
//! (`EXT4_IOC_SHUTDOWN`): from then on nothing gets on the disk, and what was only in memory is gone at the unmount.
//! Both are then mounted again, and recover by their journals as after any power cut.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use super::checker;
use super::database::Database;
use super::fleet::{Devices, Fleet};
use super::moment::{look, pass, until};
use super::place::{Outcome, Place, lacks, made, tell};
use super::rollouts::Rollouts;
use super::server::Server;

/// Shuts a filesystem down, `EXT4_GOING_FLAGS_NOLOGFLUSH`; the kernel has no program for it, and this one is on every
/// Debian.
const SHUTDOWN: &str = r#"open(F, "<", $ARGV[0]) or die; my $how = pack("L", 2); ioctl(F, 0x8004587d, $how) or die $!"#;

pub struct Rig {
    outer_image: PathBuf,
    outer: PathBuf,
    pub inner: PathBuf,
    /// Loop devices, the outer one first; none while the power is off.
    devices: Vec<String>,
}

impl Rig {
    pub fn build(place: &Place) -> Result<Self, String> {
        let rig = Self {
            outer_image: place.path("disk.img"),
            outer: place.path("disk"),
            inner: place.path("filesystem"),
            devices: Vec::new(),
        };
        std::fs::create_dir(&rig.outer).unwrap();
        std::fs::create_dir(&rig.inner).unwrap();
        format(&rig.outer_image, 320);
        let device = made(
            Command::new("losetup")
                .args(["--find", "--show"])
                .arg(&rig.outer_image)
                .stderr(std::process::Stdio::null()),
        );
        let mounted = Command::new("mount").args(["-t", "ext4", &device]).arg(&rig.outer).output().unwrap();
        let detach = || made(Command::new("losetup").args(["--detach", &device]));
        if !mounted.status.success() {
            detach();
            return Err("this system mounts no loop devices".to_owned());
        }
        format(&rig.inner_image(), 256);
        made(Command::new("umount").arg(&rig.outer));
        detach();
        Ok(rig)
    }

    fn inner_image(&self) -> PathBuf {
        self.outer.join("image")
    }

    pub fn power_on(&mut self) {
        for (image, folder) in [(self.outer_image.clone(), &self.outer), (self.inner_image(), &self.inner)] {
            let device = made(Command::new("losetup").args(["--find", "--show"]).arg(image));
            made(Command::new("mount").args(["-t", "ext4", &device]).arg(folder));
            self.devices.push(device);
        }
    }

    /// The moment. Afterwards the server may think and say what it likes.
    pub fn cut(&self) {
        for folder in [&self.outer, &self.inner] {
            made(Command::new("perl").args(["-e", SHUTDOWN]).arg(folder));
        }
    }

    /// Takes away what is left, after every program that had files there has ended.
    pub fn clear(&mut self) {
        for (device, folder) in self.devices.drain(..).zip([&self.outer, &self.inner]).rev() {
            let unmount = || Command::new("umount").arg(folder).output().unwrap().status.success().then_some(());
            until("it can be unmounted", Duration::from_secs(20), unmount);
            made(Command::new("losetup").args(["--detach", &device]));
        }
    }
}

impl Drop for Rig {
    fn drop(&mut self) {
        for (device, folder) in self.devices.drain(..).zip([&self.outer, &self.inner]).rev() {
            // Whatever state it is in; a second failure would hide the first.
            let _ = Command::new("umount").arg("-l").arg(folder).output();
            let _ = Command::new("losetup").args(["--detach", &device]).output();
        }
    }
}

/// A filesystem in a file whose blocks are all there: writes change them in their place.
fn format(image: &Path, mebibytes: u32) {
    let file = format!("of={}", image.display());
    made(Command::new("dd").args(["if=/dev/zero", &file, "bs=1M", &format!("count={mebibytes}"), "conv=fsync"]));
    made(Command::new("mkfs.ext4").args(["-q", "-F"]).arg(image));
}

pub fn run(place: &mut Place) -> Outcome {
    if let Some(why) = lacks(&["losetup", "mount", "umount", "mkfs.ext4", "perl"]) {
        return Outcome::Skipped(why);
    }
    let mut rig = match Rig::build(place) {
        Ok(rig) => rig,
        Err(why) => return Outcome::Skipped(why),
    };
    rig.power_on();
    let (cuts, devices) = place.size((2, 20), (30, 40));
    let data = rig.inner.join("data");
    let mut server = Server::start_in(place, &data, &[], &[("FLEETWARD_LIMITS_DISK_RESERVE_BYTES", "0")]);
    let database = Database::in_folder(&data);
    let fleet = Fleet::start(place, &server, &server.address, &Devices::quick(devices, Duration::from_millis(400)));
    let mut rollouts = Rollouts::default();
    let mut unacknowledged = 0;
    for _ in 0..cuts {
        server.all_connected(devices, Duration::from_secs(120));
        rollouts.go_on(place, &server);
        pass(place.millis(300..4000));
        rig.cut();
        // What it would acknowledge now would be a lie.
        pass(place.millis(0..400));
        server.kill();
        // The ledger is written five times a second.
        let before = fleet.acknowledged();
        look(Duration::from_secs(2), || (fleet.acknowledged() > before).then_some(()));
        rig.clear();
        rig.power_on();
        let counted = checker::survived(&database, &data, &[&fleet.ledger]);
        unacknowledged = unacknowledged.max(counted.stored - counted.acknowledged);
        server.start_again();
    }
    server.all_connected(devices, Duration::from_secs(120));
    rollouts.converge(&server, devices);
    checker::counters(&server, &database);
    let ledger = fleet.ledger.clone();
    fleet.stop();
    assert!(server.stop().0.success());
    server.has_not_panicked();
    tell("power cuts", cuts);
    checker::tell_reports(checker::reports(&database, &data, &[&ledger]));
    tell("stored and not acknowledged at a cut, at most", unacknowledged);
    rig.clear();
    Outcome::Done
}
