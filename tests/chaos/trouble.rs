//! Trouble of the database and its disk: no acknowledgement without a commit, `/readyz` says it, and it goes on.

use std::fs::File;
use std::io::Write as _;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use super::checker;
use super::database::Database;
use super::fleet::{Devices, Fleet};
use super::moment::{pass, until};
use super::place::{Outcome, Place, lacks, made, tell};
use super::server::Server;

const DEVICES: u64 = 20;

/// What every kind of trouble is measured by.
struct Watched {
    server: Server,
    fleet: Fleet,
    database: Database,
}

impl Watched {
    fn start(place: &Place, server: Server, database: Database) -> Self {
        let fleet = Fleet::start(place, &server, &server.address, &Devices::quick(DEVICES, Duration::from_millis(200)));
        server.all_connected(DEVICES, Duration::from_secs(60));
        until("reports are acknowledged", Duration::from_secs(30), || (fleet.acknowledged() > 100).then_some(()));
        Self { server, fleet, database }
    }

    fn readiness(&self) -> u16 {
        self.server.ask("/readyz").map_or(0, |(status, _)| status)
    }

    /// `/readyz` says 503 in time, and nothing is acknowledged while the trouble lasts.
    fn is_in_trouble(&self, lasts: Duration) {
        let (_, said) = until("/readyz says 503", Duration::from_secs(10), || (self.readiness() == 503).then_some(()));
        tell("seconds until /readyz said 503", format!("{:.1}", said.as_secs_f64()));
        assert!(said < Duration::from_millis(5500), "{said:?}");
        // The ledger is written five times a second.
        pass(Duration::from_millis(700));
        let before = self.fleet.acknowledged();
        pass(lasts);
        assert_eq!(self.fleet.acknowledged(), before, "acknowledged while nothing could be committed");
        assert_eq!(self.server.connections(), DEVICES, "devices stay connected");
    }

    fn recovers(&self) {
        let (_, ready) = until("/readyz says 200", Duration::from_secs(30), || (self.readiness() == 200).then_some(()));
        let before = self.fleet.acknowledged();
        let again = until("reports are acknowledged again", Duration::from_secs(30), || {
            (self.fleet.acknowledged() > before + 50).then_some(())
        });
        tell(
            "seconds until ready, and acknowledging, by itself",
            format!("{:.1}, {:.1}", ready.as_secs_f64(), again.1.as_secs_f64()),
        );
    }

    fn check(mut self) {
        let ledger = self.fleet.ledger.clone();
        self.fleet.stop();
        assert!(self.server.stop().0.success());
        self.server.has_not_panicked();
        checker::tell_reports(checker::reports(&self.database, self.server.data(), &[&ledger]));
    }
}

/// Another program holds SQLite's lock.
pub fn lock(place: &mut Place) -> Outcome {
    let server = Server::start(place, &[]);
    let database = Database::in_folder(server.data());
    let watched = Watched::start(place, server, database.clone());
    let time = place.size(Duration::from_secs(9), Duration::from_secs(30));
    std::thread::scope(|scope| {
        scope.spawn(|| database.hold_lock(time));
        watched.is_in_trouble(time.saturating_sub(Duration::from_secs(7)));
    });
    watched.recovers();
    watched.check();
    Outcome::Done
}

/// A small disk in memory, unmounted at the end.
struct Tmpfs(PathBuf);

impl Tmpfs {
    fn mount(dir: PathBuf) -> Self {
        std::fs::create_dir(&dir).unwrap();
        made(Command::new("mount").args(["-t", "tmpfs", "-o", "size=48m", "chaos"]).arg(&dir));
        Self(dir)
    }

    /// Leaves no byte free.
    fn fill(&self) -> PathBuf {
        let path = self.0.join("filler");
        let mut file = File::create(&path).unwrap();
        for piece in [1 << 20, 1 << 12, 1] {
            while file.write_all(&vec![0; piece]).is_ok() {}
        }
        path
    }
}

impl Drop for Tmpfs {
    fn drop(&mut self) {
        made(Command::new("umount").arg("-l").arg(&self.0));
    }
}

/// The disk of the data folder is full.
pub fn disk(place: &mut Place) -> Outcome {
    if let Some(why) = lacks(&["mount", "umount"]) {
        return Outcome::Skipped(why);
    }
    let disk = Tmpfs::mount(place.path("disk"));
    let reserve = [("FLEETWARD_LIMITS_DISK_RESERVE_BYTES", "0")];
    let server = Server::start_in(place, &disk.0.join("data"), &[], &reserve);
    let database = Database::in_folder(server.data());
    let watched = Watched::start(place, server, database);
    let filler = disk.fill();
    watched.is_in_trouble(place.size(Duration::from_secs(3), Duration::from_secs(20)));
    std::fs::remove_file(filler).unwrap();
    watched.recovers();
    watched.check();
    Outcome::Done
}

/// A MariaDB of the harness's own, on a free port.
pub struct MariaDb {
    process: Child,
    dir: PathBuf,
    port: u16,
}

impl MariaDb {
    pub fn install(dir: PathBuf) -> Self {
        std::fs::create_dir(&dir).unwrap();
        let user = format!("--user={}", made(Command::new("id").arg("-un")));
        let mut install = Command::new("mariadb-install-db");
        install.args(["--no-defaults", &user, "--auth-root-authentication-method=normal", "--skip-test-db"]);
        made(install.arg(format!("--datadir={}", dir.join("data").display())));
        let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let database = Self { process: Self::run(&dir, port), dir, port };
        let mut create = Command::new("mariadb");
        create.args(["--no-defaults", "--user=root", "-e", "CREATE DATABASE fleetward"]);
        create.arg(format!("--socket={}", database.dir.join("socket").display()));
        until("MariaDB answers", Duration::from_secs(60), || create.output().unwrap().status.success().then_some(()));
        database
    }

    pub fn url(&self) -> String {
        format!("mysql://root@127.0.0.1:{}/fleetward", self.port)
    }

    fn run(dir: &std::path::Path, port: u16) -> Child {
        let of = |name: &str, file: &str| format!("--{name}={}", dir.join(file).display());
        let mut command = Command::new("mariadbd");
        command.args(["--no-defaults", &format!("--user={}", made(Command::new("id").arg("-un")))]);
        command.args([of("datadir", "data"), of("socket", "socket"), of("pid-file", "pid")]);
        command.args(["--bind-address=127.0.0.1", &format!("--port={port}"), "--innodb-buffer-pool-size=64M"]);
        let messages = File::options().append(true).create(true).open(dir.join("messages")).unwrap();
        command.stdout(Stdio::null()).stderr(messages).spawn().unwrap()
    }

    fn kill(&mut self) {
        self.process.kill().unwrap();
        self.process.wait().unwrap();
    }

    fn start_again(&mut self) {
        self.process = Self::run(&self.dir, self.port);
    }
}

impl Drop for MariaDb {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// The database server is killed, and comes back.
pub fn mariadb(place: &mut Place) -> Outcome {
    if let Some(why) = lacks_mariadb() {
        return Outcome::Skipped(why);
    }
    let mut mariadb = MariaDb::install(place.path("mariadb"));
    let url = mariadb.url();
    let settings = [("FLEETWARD_DATABASE_URL", url.as_str())];
    let server = Server::start_in(place, &place.path("data"), &[], &settings);
    let watched = Watched::start(place, server, database_at(&url));
    for _ in 0..place.size(1, 5) {
        mariadb.kill();
        watched.is_in_trouble(place.size(Duration::from_secs(3), Duration::from_secs(15)));
        mariadb.start_again();
        watched.recovers();
    }
    watched.check();
    Outcome::Done
}

/// Why there is no MariaDB here.
pub fn lacks_mariadb() -> Option<String> {
    if !cfg!(feature = "mysql") {
        return Some("this build has no MySQL (--features mysql)".to_owned());
    }
    lacks(&["mariadbd", "mariadb-install-db", "mariadb"])
}

#[cfg(feature = "mysql")]
pub fn database_at(url: &str) -> Database {
    Database::Mysql(url.to_owned())
}

#[cfg(not(feature = "mysql"))]
pub fn database_at(url: &str) -> Database {
    unreachable!("{url} is not for this build")
}
