//! The folder of an old version is looked at again before it is gone back to.

use fleetward::domain::{Manifest, Purpose};
use serde_json::Value;

use crate::bench::{Bench, Package, current};
use crate::house::{RELEASE, ROOT, Scene, listed, manifest, signed, trust};

/// A device that runs the signed 1.1.0 and finds every later version unwell.
async fn device() -> Scene {
    let mut bench = Bench::new().await;
    let path = bench.folder.path().join("trust.json");
    std::fs::write(&path, signed(Purpose::Trust, &trust(), &[ROOT]).to_json()).unwrap();
    bench.head = format!("trust = {path:?}");
    let bench = bench.with("health = 'test $FLEETWARD_VERSION = 1.1.0'\nhealth_timeout = '200ms'\nsettle = '0s'");
    let agent = bench.start();
    let (session, hello) = bench.welcome().await;
    let nonce = hello["nonce"].as_str().unwrap().to_owned();
    let mut scene = Scene { bench, agent, session, nonce };
    let result = install(&mut scene, "1.1.0", 5).await;
    assert_eq!(result["outcome"], "installed", "{result}");
    scene
}

async fn install(scene: &mut Scene, version: &str, counter: u64) -> Value {
    let files = [("app", version), ("etc/conf", "a=1")];
    let package = Package::tar(version, &files);
    let document = Manifest { files: listed(&files), ..manifest(&package, counter) };
    scene.install(&package, &signed(Purpose::Manifest, &document, &[RELEASE])).await
}

#[tokio::test]
async fn an_old_version_that_was_changed_is_gone_back_to_and_told() {
    let mut scene = device().await;
    let old = scene.bench.app1().join("versions/1.1.0");
    // What a program writes beside its own files is its own business.
    std::fs::write(old.join("app.log"), "started").unwrap();
    let result = install(&mut scene, "1.2.0", 6).await;
    assert_eq!(result["outcome"], "rolled_back", "{result}");
    assert!(!result["error"].as_str().unwrap().contains("signed"), "{result}");
    std::fs::write(old.join("etc/conf"), "a=2").unwrap();
    // Also an agent that was started again knows what was signed.
    let mut scene = scene.restarted().await;
    let result = install(&mut scene, "1.3.0", 7).await;
    assert_eq!(result["outcome"], "rolled_back", "{result}");
    let error = result["error"].as_str().unwrap();
    assert!(error.contains("the old version is not what was signed: changed_file: \"etc/conf\""), "{error}");
    assert_eq!(current(&scene.bench.app1()), "versions/1.1.0");
    scene.agent.stop();
}
