use super::*;
use crate::agent::clock;
use crate::domain::{Location, SdCard};

struct Fixed;

impl Gauges for Fixed {
    fn read(&mut self) -> Reading {
        let card = SdCard { name: "sdcard0".into(), total: Some(32000.0), used: Some(1200.0), free: Some(30800.0) };
        Reading { cpu_utilization: Some(12.5), load_average: vec![0.2], disks: vec![card], temperatures: Vec::new() }
    }
}

async fn report(config: TelemetryConfig) -> Report {
    let device_id = DeviceId::new("t-001").unwrap();
    Telemetry::new(device_id, Box::new(Fixed), config, Apps::new(Default::default()), std::iter::empty())
        .report(clock::now())
        .await
}

#[tokio::test]
async fn files_and_a_command_are_in_the_report() {
    let folder = tempfile::tempdir().unwrap();
    let write = |name: &str, text: &str| {
        let path = folder.path().join(name);
        std::fs::write(&path, text).unwrap();
        path
    };
    let config = TelemetryConfig {
        status: [("app1".to_owned(), write("status.txt", "all well\n"))].into(),
        location_file: Some(write("location.json", r#"[{"latitude":"31.5","longtitude":121,"altitude":4.5}]"#)),
        extra_file: Some(write("extra.json", r#"{"weather":"rain","speed":"42","version_list":[],"seq":7}"#)),
        extra_command: Some(r#"echo '{"fuel":{"litres":30}}'"#.into()),
        ..TelemetryConfig::default()
    };
    let report = report(config).await;
    assert_eq!(report.status, [ProcessStatus { process: "app1".into(), status: "all well".into() }]);
    assert_eq!(report.location, Some(Location { latitude: 31.5, longitude: 121.0, altitude: Some(4.5) }));
    assert_eq!((report.weather, report.speed), (Some(json!("rain")), Some(42.0)));
    assert_eq!(report.extra.get("fuel"), Some(&json!({"litres": 30})));
    assert_eq!((report.seq, report.cpu_utilization), (None, Some(12.5)), "the agent's own fields are its own");
}

#[tokio::test]
async fn a_source_that_fails_leaves_the_others() {
    let folder = tempfile::tempdir().unwrap();
    let extra = folder.path().join("extra.json");
    for bad in ["not json", "[1]", r#"{"speed":"fast"}"#, &format!("{{\"x\":\"{}\"}}", "y".repeat(40_000))] {
        std::fs::write(&extra, bad).unwrap();
        let config = TelemetryConfig {
            extra_file: Some(extra.clone()),
            extra_command: Some("sleep 60".into()),
            extra_timeout: Some(Duration::from_millis(100)),
            status: [("gone".to_owned(), folder.path().join("nothing"))].into(),
            ..TelemetryConfig::default()
        };
        let report = report(config).await;
        assert_eq!((report.cpu_utilization, report.status.len(), report.speed), (Some(12.5), 0, None), "{bad:.20}");
    }
}

#[test]
fn a_pipe_in_a_files_place_does_not_hold_the_report() {
    let folder = tempfile::tempdir().unwrap();
    let pipe = folder.path().join("pipe");
    assert!(std::process::Command::new("mkfifo").arg(&pipe).status().unwrap().success());
    assert_eq!(status("app1", &pipe), None);
}
