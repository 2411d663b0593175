//! Flags and files, good and bad.

use super::*;

fn args() -> Args {
    Args {
        server: Some("http://127.0.0.1:8080".into()),
        device_id: Some("t-001".into()),
        state_dir: Some("/var/lib/agent".into()),
        ..Args::default()
    }
}

fn with_file(text: &str) -> Result<Config, String> {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("agent.toml");
    fs::write(&path, text).unwrap();
    Config::new(Args { config: Some(path), ..args() })
}

#[test]
fn the_server_may_be_written_in_many_ways_and_becomes_one() {
    for (given, url) in [
        ("http://a:8080", "ws://a:8080/ws"),
        ("https://a/", "wss://a/ws"),
        ("ws://a/ws", "ws://a/ws"),
        ("WSS://a/fleet", "wss://a/fleet/ws"),
    ] {
        assert_eq!(websocket_url(given).unwrap(), url);
    }
    for bad in ["a:8080", "ftp://a", "http://", "http://:80", "http://a?b", "http://u@a"] {
        assert!(websocket_url(bad).is_err(), "{bad}");
    }
}

#[test]
fn flags_outrank_the_file_and_keep_its_other_words() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("agent.toml");
    let text = "device_id = 'file'\ninterval = '5s'\ntoken = 'from-file'\n\
        [modules.app1]\ndir = '/file'\nhealth = 'true'\nhealth_timeout = '2m'\n[reconnect]\nbase_ms = 10\n";
    fs::write(&path, text).unwrap();
    let config = Config::new(Args { config: Some(path), module: vec!["app1=/flag".into()], ..args() }).unwrap();
    assert_eq!(config.device_id.as_str(), "t-001");
    assert_eq!(config.interval, Some(Duration::from_secs(5)));
    assert_eq!(config.token.as_deref(), Some("from-file"));
    assert_eq!((config.reconnect.base_ms, config.reconnect.cap_s), (10, 120));
    let app1 = &config.modules[&ModuleName::new("app1").unwrap()];
    assert_eq!((app1.dir.as_path(), app1.health.as_deref()), (Path::new("/flag"), Some("true")));
    assert_eq!(app1.health_timeout, Duration::from_secs(120));
}

#[test]
fn nonsense_is_refused_in_one_line_that_names_it() {
    for (text, word) in [
        ("colour = 1", "colour"),
        ("interval = 'soon'", "soon"),
        ("interval = '0s'", "--interval"),
        ("token = 'two words'", "token"),
        ("[modules.app1]\ndir='/a'\nstrat='x'", "line 3"),
        ("[modules.app1]\ndir='/a'\nfile_name='../x'", "file_name"),
        ("[modules.app1]\ndir='/a'\n[modules.app2]\ndir='/a'", "shares"),
        ("[modules.'a b']\ndir='/a'", "module name"),
        ("[reconnect]\nbase_ms=0", "base_ms"),
    ] {
        let error = with_file(text).unwrap_err();
        assert!(error.contains(word) && !error.contains('\n'), "{text}: {error}");
    }
    for (bad, word) in [("app1", "NAME=DIR"), ("app1=", "NAME=DIR"), ("a b=/x", "module name")] {
        let error = Config::new(Args { module: vec![bad.into()], ..args() }).unwrap_err();
        assert!(error.contains(word), "{bad}: {error}");
    }
    assert!(Config::new(Args { server: None, ..args() }).unwrap_err().contains("--server"));
}
