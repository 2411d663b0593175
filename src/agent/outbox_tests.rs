use super::*;

fn run(text: &str) -> BootId {
    BootId::new(text).unwrap()
}

fn open(folder: &Path, host: &str, fresh: &str) -> Outbox {
    Outbox::open(folder, host, run(fresh), 100).unwrap()
}

fn push(outbox: &mut Outbox, note: &str) -> Kept {
    let (run, seq) = outbox.next();
    outbox.push(&format!(r#"{{"run":"{}","seq":{seq},"note":"{note}"}}"#, run.as_str())).unwrap()
}

fn send_all(outbox: &mut Outbox) -> Vec<String> {
    std::iter::from_fn(|| outbox.next_unsent()).map(|text| label(&text)).collect()
}

fn label(report: &str) -> String {
    let value: serde_json::Value = serde_json::from_str(report).unwrap();
    format!("{}{}", value["run"].as_str().unwrap(), value["seq"])
}

#[test]
fn reports_survive_a_restart_of_the_agent_in_order_and_numbering_goes_on() {
    let folder = tempfile::tempdir().unwrap();
    let mut outbox = open(folder.path(), "h1", "a");
    for _ in 0..3 {
        push(&mut outbox, "x");
    }
    assert_eq!(send_all(&mut outbox), ["a1", "a2", "a3"]);
    outbox.acknowledge(&run("a"), 1).unwrap();
    drop(outbox);
    let mut outbox = open(folder.path(), "h1", "b");
    push(&mut outbox, "x");
    // The first is sent again: that it was acknowledged is not worth a write, and the server knows it.
    assert_eq!(send_all(&mut outbox), ["a1", "a2", "a3", "a4"]);
}

#[test]
fn after_a_restart_of_the_device_numbers_start_a_new_run_and_old_reports_keep_theirs() {
    let folder = tempfile::tempdir().unwrap();
    let mut outbox = open(folder.path(), "h1", "a");
    push(&mut outbox, "x");
    drop(outbox);
    let mut outbox = open(folder.path(), "h2", "b");
    push(&mut outbox, "x");
    push(&mut outbox, "x");
    assert_eq!(send_all(&mut outbox), ["a1", "b1", "b2"]);
    outbox.acknowledge(&run("b"), 2).unwrap();
    outbox.rewind();
    assert_eq!(send_all(&mut outbox), ["a1"], "an acknowledgement is for one run only");
}

#[test]
fn the_new_run_outlives_the_agent_too() {
    let folder = tempfile::tempdir().unwrap();
    push(&mut open(folder.path(), "h1", "a"), "x");
    push(&mut open(folder.path(), "h2", "b"), "x");
    let mut outbox = open(folder.path(), "h2", "c");
    push(&mut outbox, "x");
    assert_eq!(send_all(&mut outbox), ["a1", "b1", "b2"]);
}

#[test]
fn a_polite_end_leaves_nothing_to_be_sent_twice() {
    let folder = tempfile::tempdir().unwrap();
    let mut outbox = open(folder.path(), "h", "a");
    push(&mut outbox, "x");
    send_all(&mut outbox);
    outbox.acknowledge(&run("a"), 1).unwrap();
    outbox.close().unwrap();
    drop(outbox);
    let mut outbox = open(folder.path(), "h", "b");
    assert!(outbox.is_empty());
    push(&mut outbox, "x");
    assert_eq!(send_all(&mut outbox), ["a2"]);
}

#[test]
fn killed_at_any_byte_every_whole_report_is_there_and_no_number_is_given_twice() {
    let folder = tempfile::tempdir().unwrap();
    let mut outbox = open(folder.path(), "h1", "a");
    for note in ["one", "two", "three"] {
        push(&mut outbox, note);
    }
    drop(outbox);
    let path = folder.path().join(format!("{:020}.log", 1));
    let whole = fs::read(&path).unwrap();
    let ends: Vec<usize> = whole.iter().enumerate().filter(|(_, b)| **b == b'\n').map(|(at, _)| at + 1).collect();
    for length in 0..=whole.len() {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join(path.file_name().unwrap()), &whole[..length]).unwrap();
        let mut outbox = open(folder.path(), "h1", "b");
        let complete = ends.iter().filter(|end| **end <= length).count().saturating_sub(1);
        assert_eq!(outbox.len(), complete, "cut at {length}");
        push(&mut outbox, "new");
        let sent = send_all(&mut outbox);
        let mut once = sent.clone();
        once.dedup();
        assert_eq!((sent.len(), &once), (complete + 1, &sent), "cut at {length}");
        drop(outbox);
        let mut again = open(folder.path(), "h1", "c");
        assert_eq!(send_all(&mut again), sent, "cut at {length}, second start");
    }
}

#[test]
fn the_oldest_go_when_it_is_full_and_that_is_said() {
    let folder = tempfile::tempdir().unwrap();
    let mut outbox = Outbox::open(folder.path(), "h", run("a"), 3).unwrap();
    let dropped: Vec<usize> = (0..5).map(|_| push(&mut outbox, "x").dropped).collect();
    assert_eq!(dropped, [0, 0, 0, 1, 1]);
    assert_eq!(send_all(&mut outbox), ["a3", "a4", "a5"]);
}

#[test]
fn only_what_was_sent_on_this_connection_can_be_acknowledged_or_refused() {
    let folder = tempfile::tempdir().unwrap();
    let mut outbox = open(folder.path(), "h", "a");
    for _ in 0..3 {
        push(&mut outbox, "x");
    }
    outbox.next_unsent().unwrap();
    outbox.acknowledge(&run("a"), 3).unwrap();
    assert_eq!(outbox.len(), 2);
    assert!(!outbox.refuse(3).unwrap());
    outbox.next_unsent().unwrap();
    assert!(outbox.refuse(2).unwrap());
    assert_eq!(send_all(&mut outbox), ["a3"]);
}

#[test]
fn acknowledged_segments_leave_the_disk_and_the_numbers_stay() {
    let folder = tempfile::tempdir().unwrap();
    let mut outbox = Outbox::open(folder.path(), "h", run("a"), 1000).unwrap();
    let long = "y".repeat(10_000);
    for _ in 0..100 {
        push(&mut outbox, &long);
    }
    let on_disk = || fs::read_dir(folder.path()).unwrap().map(|e| e.unwrap().metadata().unwrap().len()).sum::<u64>();
    assert!(on_disk() > 1_000_000);
    send_all(&mut outbox);
    outbox.acknowledge(&run("a"), 100).unwrap();
    assert!(on_disk() < 1000, "{}", on_disk());
    drop(outbox);
    assert_eq!(open(folder.path(), "h", "b").next(), (run("a"), 101));
}

#[test]
fn a_flipped_byte_loses_its_segments_rest_and_nothing_before() {
    let folder = tempfile::tempdir().unwrap();
    let mut outbox = open(folder.path(), "h1", "a");
    for _ in 0..3 {
        push(&mut outbox, "x");
    }
    drop(outbox);
    let path = folder.path().join(format!("{:020}.log", 1));
    let mut bytes = fs::read(&path).unwrap();
    let second = bytes.iter().enumerate().filter(|(_, b)| **b == b'\n').nth(1).unwrap().0 + 1;
    bytes[second] = 0;
    fs::write(&path, bytes).unwrap();
    let mut outbox = open(folder.path(), "h2", "b");
    assert_eq!(send_all(&mut outbox), ["a1"]);
}

#[test]
fn a_damaged_last_segment_starts_a_new_run_as_the_one_before_knows_old_numbers_only() {
    let folder = tempfile::tempdir().unwrap();
    let mut outbox = open(folder.path(), "h", "a");
    let long = "y".repeat(10_000);
    for _ in 0..40 {
        push(&mut outbox, &long);
    }
    drop(outbox);
    let second = folder.path().join(format!("{:020}.log", 2));
    assert!(fs::metadata(&second).unwrap().len() > 0);
    fs::write(&second, "").unwrap();
    assert_eq!(open(folder.path(), "h", "b").next(), (run("b"), 1));
}
