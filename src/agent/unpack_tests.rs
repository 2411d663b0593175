use std::os::unix::fs::PermissionsExt as _;

use tar::{EntryType, Header};

use super::*;

struct Evil(Vec<u8>);

impl Evil {
    fn new() -> Self {
        Self(Vec::new())
    }

    /// Appends an entry with its name written as it is, past the checks of the tar crate.
    fn raw(mut self, name: &str, kind: EntryType, mode: u32, link: &str, body: &[u8]) -> Self {
        let mut header = Header::new_gnu();
        header.as_old_mut().name[..name.len()].copy_from_slice(name.as_bytes());
        header.as_old_mut().linkname[..link.len()].copy_from_slice(link.as_bytes());
        header.set_entry_type(kind);
        header.set_mode(mode);
        header.set_size(body.len() as u64);
        header.set_cksum();
        self.0.extend_from_slice(header.as_bytes());
        self.0.extend_from_slice(body);
        self.0.resize(self.0.len().next_multiple_of(512), 0);
        self
    }

    fn file(self, name: &str) -> Self {
        self.raw(name, EntryType::Regular, 0o644, "", name.as_bytes())
    }

    fn folder(self, name: &str) -> Self {
        self.raw(name, EntryType::Directory, 0o755, "", b"")
    }

    fn end(mut self) -> Vec<u8> {
        self.0.resize(self.0.len() + 2 * 512, 0);
        self.0
    }
}

fn try_unpack(bytes: &[u8], caps: Caps) -> (tempfile::TempDir, Result<(), ArchiveError>) {
    let folder = tempfile::tempdir().unwrap();
    let package = folder.path().join("package");
    fs::write(&package, bytes).unwrap();
    let outcome = unpack(&package, &folder.path().join("out"), "app1", caps);
    (folder, outcome)
}

#[test]
fn what_leaves_the_folder_or_is_no_file_refuses_the_package() {
    let e = Evil::new;
    let long = format!("{}x", "a/".repeat(40));
    let table: [(&str, Evil); 16] = [
        ("leaves", e().file("ok").file("../evil")),
        ("leaves", e().file("a/../../evil")),
        ("leaves", e().file("/etc/evil")),
        ("leaves", e().folder("..").file("ok")),
        ("neither", e().raw("link", EntryType::Symlink, 0o777, "/etc", b"").file("link/passwd")),
        ("neither", e().file("a").raw("b", EntryType::Link, 0o644, "a", b"")),
        ("neither", e().raw("dev", EntryType::Block, 0o644, "", b"")),
        ("neither", e().raw("dev", EntryType::Char, 0o644, "", b"")),
        ("neither", e().raw("pipe", EntryType::Fifo, 0o644, "", b"")),
        ("setuid", e().raw("su", EntryType::Regular, 0o4755, "", b"x")),
        ("setuid", e().raw("sg", EntryType::Directory, 0o2755, "", b"")),
        ("one name", e().file("README").file("readme")),
        ("one name", e().file("Dir/a").file("dir/b")),
        ("one name", e().file("a").file("a/b")),
        ("deeper", e().file(&long)),
        ("no file", e().folder("empty")),
    ];
    for (why, evil) in table {
        let bytes = evil.end();
        let (folder, outcome) = try_unpack(&bytes, Caps::default());
        let Err(ArchiveError::Refused(text)) = outcome else { panic!("{why}: taken, {outcome:?}") };
        assert!(text.contains(why), "{why}: {text}");
        assert!(!folder.path().join("out").exists(), "{why}: something was left");
        assert!(!folder.path().join("evil").exists() && !Path::new("/etc/evil").exists(), "{why}");
    }
}

#[test]
fn caps_hold_for_entries_and_bytes_and_bombs() {
    let many = (0..11).fold(Evil::new(), |e, n| e.file(&n.to_string())).end();
    let (_folder, outcome) = try_unpack(&many, Caps { entries: 10, ..Caps::default() });
    assert!(matches!(&outcome, Err(ArchiveError::Refused(why)) if why.contains("entries")), "{outcome:?}");

    let zeros = vec![0; 3 << 20];
    let bomb = Evil::new().raw("zeros", EntryType::Regular, 0o644, "", &zeros).end();
    for packed in [gzip(&bomb), zstd::encode_all(&bomb[..], 3).unwrap()] {
        assert!(packed.len() < 64 * 1024);
        let (_folder, outcome) = try_unpack(&packed, Caps { bytes: 1 << 20, ..Caps::default() });
        assert!(matches!(&outcome, Err(ArchiveError::Refused(why)) if why.contains("bytes")), "{outcome:?}");
    }
}

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

#[test]
fn a_tar_is_told_by_its_content_however_it_is_packed() {
    let tar = Evil::new()
        .folder("./bin/")
        .raw("./bin/app", EntryType::Regular, 0o700, "", b"#!/bin/sh\n")
        .file("etc/app.conf")
        .end();
    for bytes in [tar.clone(), gzip(&tar), zstd::encode_all(&tar[..], 3).unwrap()] {
        let (folder, outcome) = try_unpack(&bytes, Caps::default());
        outcome.unwrap();
        let out = folder.path().join("out");
        assert_eq!(fs::read(out.join("bin/app")).unwrap(), b"#!/bin/sh\n");
        assert_eq!(fs::metadata(out.join("bin/app")).unwrap().permissions().mode() & 0o7777, 0o755);
        assert_eq!(fs::metadata(out.join("etc/app.conf")).unwrap().permissions().mode() & 0o7777, 0o644);
    }
}

#[test]
fn anything_else_is_placed_as_one_file() {
    for bytes in [b"\x7fELF and so on".to_vec(), gzip(b"a packed text"), vec![0; 2048], b"x".to_vec(), Vec::new()] {
        let (folder, outcome) = try_unpack(&bytes, Caps::default());
        outcome.unwrap();
        let placed = folder.path().join("out/app1");
        assert_eq!(fs::read(&placed).unwrap(), bytes);
        assert_eq!(fs::metadata(&placed).unwrap().permissions().mode() & 0o777, 0o755);
    }
}

#[test]
fn a_tar_cut_short_is_refused_and_leaves_nothing() {
    let tar = Evil::new().file("a").raw("b", EntryType::Regular, 0o644, "", &[7; 3000]).end();
    for length in [1500, 2000, 3500] {
        let (folder, outcome) = try_unpack(&tar[..length], Caps::default());
        assert!(matches!(outcome, Err(ArchiveError::Refused(_))), "cut at {length}: {outcome:?}");
        assert!(!folder.path().join("out").exists());
    }
}

#[test]
fn what_an_earlier_try_left_goes_first() {
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path().join("out");
    fs::create_dir(&out).unwrap();
    fs::write(out.join("leftover"), "x").unwrap();
    let package = folder.path().join("package");
    fs::write(&package, Evil::new().file("a").end()).unwrap();
    unpack(&package, &out, "app1", Caps::default()).unwrap();
    assert!(!out.join("leftover").exists() && out.join("a").exists());
}
