//! Several packages, all or none.

use serde_json::{Value, json};

use crate::bench::{Bench, Package, Session, current, versions};

/// A device with app1 and app2 in version 1.0.0, and the health command of app2.
async fn device(health: &str) -> Bench {
    let mut bench = Bench::new().await;
    let app2 = bench.folder.path().join("app2");
    std::fs::create_dir(&app2).unwrap();
    std::fs::write(app2.join("VERSION"), "1.0.0\n").unwrap();
    let times = "health_timeout = '200ms'\nsettle = '0s'";
    bench.config = format!("health = 'true'\n{times}\n[modules.app2]\ndir = {app2:?}\nhealth = {health:?}\n{times}");
    bench
}

fn pair() -> [(&'static str, Package); 2] {
    [("app1", Package::tar("2", &[("app", "one")])), ("app2", Package::tar("8", &[("app", "two")]))]
}

async fn offer(session: &mut Session, set: &[(&str, Package)]) -> Value {
    let entry = |(module, package): &(&str, Package)| json!({"app_name":module,"version":package.version,"size":package.bytes.len(),"sha256":package.sha256});
    let list: Vec<Value> = set.iter().map(entry).collect();
    session.say(json!({"type":"update_list","rollout_id":7,"all_or_nothing":true,"update_list":list})).await;
    session.hear_the(|message| message.get("update_list").is_some()).await
}

/// Sends what was asked for of each; what was said of it in the end.
async fn push(session: &mut Session, set: &[(&str, Package)], reply: &Value) -> Vec<Value> {
    for ((module, package), wanted) in set.iter().zip(reply["update_list"].as_array().unwrap()) {
        let offset = wanted["offset"].as_u64().unwrap() as usize;
        session.push_of(module, package, offset, package.bytes.len()).await;
        assert_eq!(session.hear_type("result").await["outcome"], "staged");
    }
    vec![session.hear_type("result").await, session.hear_type("result").await]
}

fn outcomes(results: &[Value]) -> Vec<&str> {
    results.iter().map(|result| result["outcome"].as_str().unwrap()).collect()
}

fn reasons(reply: &Value) -> Vec<&str> {
    reply["declined"].as_array().unwrap().iter().map(|declined| declined["reason"].as_str().unwrap()).collect()
}

#[tokio::test]
async fn a_set_is_switched_when_all_of_it_has_come() {
    let bench = device("true").await;
    let agent = bench.start();
    let (mut session, hello) = bench.welcome().await;
    assert_eq!(hello["supports"], json!(["sets"]));
    let set = pair();
    let reply = offer(&mut session, &set).await;
    session.push_of("app1", &set[0].1, 0, set[0].1.bytes.len()).await;
    assert_eq!(session.hear_type("result").await["outcome"], "staged");
    assert!(!bench.app1().join("current").exists(), "nothing is switched before all of it is there");
    assert_eq!(reasons(&session.offer(&Package::of("3", b"3".to_vec())).await), ["busy"]);
    session.push_of("app2", &set[1].1, 0, set[1].1.bytes.len()).await;
    assert_eq!(session.hear_type("result").await["outcome"], "staged");
    let results = [session.hear_type("result").await, session.hear_type("result").await];
    assert_eq!(outcomes(&results), ["installed", "installed"], "{reply} {results:?}");
    let both = |message: &Value| message.get("version_list").is_some() && versions(message)[1].1 == "8";
    assert_eq!(versions(&session.hear_the(both).await)[0].1, "2");
    assert_eq!(current(&bench.folder.path().join("app2")), "versions/8");
    agent.stop();
}

#[tokio::test]
async fn when_one_of_a_set_is_not_well_all_go_back_and_only_that_one_is_known_as_bad() {
    let bench = device("test $FLEETWARD_VERSION != 8").await;
    let agent = bench.start();
    let (mut session, _) = bench.welcome().await;
    let set = pair();
    for _ in 0..3 {
        let reply = offer(&mut session, &set).await;
        let results = push(&mut session, &set, &reply).await;
        assert_eq!(outcomes(&results), ["rolled_back", "rolled_back"], "{results:?}");
        assert_eq!(results[0]["app_name"], "app2", "the one to blame is told first: {results:?}");
        assert!(results[1]["error"].as_str().unwrap().starts_with("app2 8: "), "{results:?}");
        assert!(!bench.app1().join("current").exists() && !bench.folder.path().join("app2/current").exists());
    }
    assert_eq!(reasons(&offer(&mut session, &set).await), ["set_incomplete", "known_bad"]);
    assert_eq!(session.install(&set[0].1).await["outcome"], "installed", "alone it is as good as ever");
    agent.stop();
}

#[tokio::test]
async fn a_set_of_which_one_cannot_be_had_is_declined_and_what_runs_already_holds_up_nothing() {
    let bench = device("true").await;
    let agent = bench.start();
    let (mut session, _) = bench.welcome().await;
    let [app1, app2] = pair();
    let unknown = ("app3", Package::of("1", b"3".to_vec()));
    assert_eq!(reasons(&offer(&mut session, &[app1, unknown]).await), ["set_incomplete", "incompatible"]);
    let runs = ("app1", Package::of("1.0.0", b"1".to_vec()));
    let reply = offer(&mut session, &[runs, app2]).await;
    assert_eq!((reasons(&reply), &reply["update_list"][0]["app_name"]), (vec!["not_newer"], &json!("app2")));
    agent.stop();
}

#[tokio::test]
async fn a_set_that_was_cut_changes_nothing_and_goes_on_with_what_is_there() {
    let bench = device("true").await;
    let agent = bench.start();
    let (mut session, _) = bench.welcome().await;
    let set = pair();
    offer(&mut session, &set).await;
    session.push_of("app1", &set[0].1, 0, set[0].1.bytes.len()).await;
    assert_eq!(session.hear_type("result").await["outcome"], "staged");
    drop(session);
    let (mut session, hello) = bench.welcome().await;
    assert!(versions(&hello).iter().all(|(_, version)| version == "1.0.0"), "{hello}");
    let reply = offer(&mut session, &set).await;
    assert_eq!(reply["update_list"][0]["offset"], set[0].1.bytes.len(), "{reply}");
    assert_eq!(outcomes(&push(&mut session, &set, &reply).await), ["installed", "installed"]);
    agent.stop();
}

#[tokio::test]
async fn when_one_of_a_set_is_called_off_the_others_are_told_to_have_failed() {
    let bench = device("true").await;
    let agent = bench.start();
    let (mut session, _) = bench.welcome().await;
    let set = pair();
    offer(&mut session, &set).await;
    session.push_of("app1", &set[0].1, 0, set[0].1.bytes.len()).await;
    assert_eq!(session.hear_type("result").await["outcome"], "staged");
    session.say(json!({"type":"cancel","app_name":"app2","version":"8"})).await;
    let results = [session.hear_type("result").await, session.hear_type("result").await];
    assert_eq!(outcomes(&results), ["failed", "failed"], "{results:?}");
    assert!(!bench.app1().join("current").exists());
    let reply = offer(&mut session, &set).await;
    assert_eq!(outcomes(&push(&mut session, &set, &reply).await), ["installed", "installed"]);
    agent.stop();
}

/// A set of which the first takes a while to check and unpack.
fn heavy() -> [(&'static str, Package); 2] {
    let text = "0123456789abcdef".repeat(1 << 20);
    let [_, app2] = pair();
    [("app1", Package::tar("2", &[("app", &text)])), app2]
}

#[tokio::test]
async fn called_off_while_one_of_a_set_is_unpacked_each_of_it_is_told_to_have_failed() {
    let bench = device("true").await;
    let agent = bench.start();
    let (mut session, _) = bench.welcome().await;
    let set = heavy();
    for called_off in [("app2", "8"), ("app1", "2")] {
        let reply = offer(&mut session, &set).await;
        let offset = reply["update_list"][0]["offset"].as_u64().unwrap() as usize;
        session.push_of("app1", &set[0].1, offset, set[0].1.bytes.len()).await;
        session.say(json!({"type":"cancel","app_name":called_off.0,"version":called_off.1})).await;
        let results = [session.hear_type("result").await, session.hear_type("result").await];
        assert_eq!(outcomes(&results), ["failed", "failed"], "{results:?}");
        let mut modules: Vec<&str> = results.iter().map(|result| result["app_name"].as_str().unwrap()).collect();
        modules.sort_unstable();
        assert_eq!(modules, ["app1", "app2"], "{results:?}");
    }
    let reply = offer(&mut session, &set).await;
    assert_eq!(reply["update_list"][0]["offset"], set[0].1.bytes.len(), "what is there need not come again: {reply}");
    assert_eq!(outcomes(&push(&mut session, &set, &reply).await), ["installed", "installed"]);
    agent.stop();
}

#[tokio::test]
async fn a_set_that_is_cut_while_one_of_it_is_unpacked_is_offered_again_and_goes_on() {
    let bench = device("true").await;
    let agent = bench.start();
    let (mut session, _) = bench.welcome().await;
    let set = heavy();
    offer(&mut session, &set).await;
    session.push_of("app1", &set[0].1, 0, set[0].1.bytes.len()).await;
    session.hear_the(|message| message["received"] == set[0].1.bytes.len()).await;
    drop(session);
    let (mut session, _) = bench.welcome().await;
    let mut reply = offer(&mut session, &set).await;
    if reasons(&reply) == ["busy", "busy"] {
        // It says hello again when it has come to the end of what it was at.
        session.hear_the(|message| message.get("version_list").is_some()).await;
        reply = offer(&mut session, &set).await;
    }
    assert_eq!(reply["update_list"][0]["offset"], set[0].1.bytes.len(), "{reply}");
    assert_eq!(outcomes(&push(&mut session, &set, &reply).await), ["installed", "installed"]);
    agent.stop();
}
