//! A software house with its keys, and a device of it that already runs something signed.

use fleetward::domain::{
    DeviceId, Freshness, ListedFile, Manifest, ModuleName, Purpose, Quorum, SecretKey, Sha256Hex, Signed, Timestamp,
    Trust, Version,
};
use serde_json::{Value, json};

use crate::bench::{Agent, Bench, Package, Session, current};

pub fn key(number: u8) -> SecretKey {
    SecretKey::new([number; 32])
}

pub const ROOT: u8 = 1;
pub const RELEASE: u8 = 2;
pub const ONLINE: u8 = 3;

pub fn signed(purpose: Purpose, document: &impl serde::Serialize, keys: &[u8]) -> Signed {
    keys.iter().fold(Signed::new(document).unwrap(), |signed, number| signed.with(purpose, &key(*number)))
}

pub fn time(text: &str) -> Timestamp {
    text.parse().unwrap()
}

/// The trust document of the house as it begins.
pub fn trust() -> Trust {
    let only = |number| Quorum::any_of(vec![key(number).public()]);
    Trust {
        version: 1,
        epoch: 1,
        expires_at: time("2030-01-01T00:00:00Z"),
        root: only(ROOT),
        release: only(RELEASE),
        online: Some(only(ONLINE)),
    }
}

pub fn manifest(package: &Package, counter: u64) -> Manifest {
    manifest_of("app1", package, counter)
}

pub fn manifest_of(module: &str, package: &Package, counter: u64) -> Manifest {
    Manifest {
        module: ModuleName::new(module).unwrap(),
        version: Version::new(&package.version).unwrap(),
        counter,
        epoch: 1,
        size: package.bytes.len() as u64,
        sha256: Sha256Hex::new(&package.sha256).unwrap(),
        chunks: None,
        hardware: Vec::new(),
        requires: [].into(),
        health: None,
        files: None,
    }
}

pub fn manifest_signed(package: &Package, counter: u64) -> Signed {
    signed(Purpose::Manifest, &manifest(package, counter), &[RELEASE])
}

/// The list of the files that [`Package::tar`] makes.
pub fn listed(files: &[(&str, &str)]) -> Option<Vec<ListedFile>> {
    let of = |(path, text): &(&str, &str)| {
        let (size, sha256) = (text.len() as u64, Sha256Hex::of(text.as_bytes()));
        ListedFile { path: (*path).into(), size, sha256, executable: true }
    };
    Some(files.iter().map(of).collect())
}

pub fn freshness(nonce: &str, manifests: &[&Signed]) -> Freshness {
    Freshness {
        device_id: DeviceId::new("t-001").unwrap(),
        nonce: nonce.to_owned(),
        issued_at: time("2026-11-22T10:00:00Z"),
        expires_at: time("2026-11-22T10:10:00Z"),
        manifests: manifests.iter().map(|signed| signed.digest()).collect(),
    }
}

pub fn offer(package: &Package, manifest: Option<&Signed>) -> Value {
    offer_of("app1", package, manifest)
}

pub fn offer_of(module: &str, package: &Package, manifest: Option<&Signed>) -> Value {
    let mut offer = json!({"app_name":module,"version":package.version,"size":package.bytes.len(),
        "sha256":package.sha256,"allow_rollback":package.allow_rollback});
    if let Some(manifest) = manifest {
        let (document, signatures) = manifest.parts();
        offer["manifest"] = json!(document);
        offer["signature"] = json!(signatures);
    }
    offer
}

/// A device that trusts the house and runs its 1.1.0, counter 5; and the server, or who plays it.
pub struct Scene {
    pub bench: Bench,
    pub agent: Agent,
    pub session: Session,
    pub nonce: String,
}

impl Scene {
    pub async fn new(head: &str) -> Self {
        Self::with_trust(head, &signed(Purpose::Trust, &trust(), &[ROOT])).await
    }

    pub async fn with_trust(head: &str, document: &Signed) -> Self {
        let mut bench = Bench::new().await;
        let path = bench.folder.path().join("trust.json");
        std::fs::write(&path, document.to_json()).unwrap();
        bench.head = format!("trust = {path:?}\n{head}");
        let agent = bench.start();
        let (session, hello) = bench.welcome().await;
        let nonce = hello["nonce"].as_str().unwrap().to_owned();
        Self { bench, agent, session, nonce }
    }

    /// As [`new`](Self::new), with 1.1.0 installed.
    pub async fn running(head: &str) -> Self {
        let mut scene = Self::new(head).await;
        let package = Package::of("1.1.0", b"one".to_vec());
        let result = scene.install(&package, &manifest_signed(&package, 5)).await;
        assert_eq!(result["outcome"], "installed", "{result}");
        scene
    }

    /// The same device after its agent was stopped and started.
    pub async fn restarted(self) -> Self {
        let Self { bench, agent, .. } = self;
        agent.stop();
        let agent = bench.start();
        let (session, hello) = bench.welcome().await;
        let nonce = hello["nonce"].as_str().unwrap().to_owned();
        Self { bench, agent, session, nonce }
    }

    /// Offers what the list says, with a freshness that an online key signed.
    pub async fn ask(&mut self, offers: Vec<Value>, freshness: Option<Signed>) -> Value {
        let mut request = json!({"type":"update_list","rollout_id":7,"update_list":offers});
        if let Some(freshness) = freshness {
            request["freshness"] = serde_json::from_str(&freshness.to_json()).unwrap();
        }
        self.session.say(request).await;
        self.session.hear_the(|message| message.get("update_list").is_some()).await
    }

    /// Offers one package in all honesty.
    pub async fn offer(&mut self, package: &Package, manifest: &Signed) -> Value {
        let fresh = signed(Purpose::Freshness, &freshness(&self.nonce, &[manifest]), &[ONLINE]);
        self.ask(vec![offer(package, Some(manifest))], Some(fresh)).await
    }

    pub async fn install(&mut self, package: &Package, manifest: &Signed) -> Value {
        let reply = self.offer(package, manifest).await;
        let offset = reply["update_list"][0]["offset"].as_u64().unwrap_or_else(|| panic!("not wanted: {reply}"));
        self.session.push(package, offset as usize, package.bytes.len()).await;
        self.session.hear_type("result").await
    }

    /// Hands trust documents over.
    pub async fn trust(&mut self, documents: &[&Signed]) {
        let documents: Vec<Value> = documents.iter().map(|d| serde_json::from_str(&d.to_json()).unwrap()).collect();
        self.session.say(json!({"type":"trust","documents":documents})).await;
    }

    /// The connection is cut, and the agent comes back with another number.
    pub async fn cut(self) -> Self {
        let Self { bench, agent, session, nonce } = self;
        drop(session);
        let (session, hello) = bench.welcome().await;
        let fresh = hello["nonce"].as_str().unwrap().to_owned();
        assert_ne!(fresh, nonce, "every connection has a number of its own");
        Self { bench, agent, session, nonce: fresh }
    }

    /// Every package of the reply was declined by this code, and 1.1.0 runs as before.
    pub fn refused(&self, reply: &Value, code: &str) {
        assert_eq!(reply["update_list"], json!([]), "{reply}");
        let declined = &reply["declined"][0];
        assert_eq!(declined["reason"], "bad_signature", "{reply}");
        let error = declined["error"].as_str().unwrap();
        assert!(error.starts_with(&format!("{code}: ")), "{error}");
        self.unharmed();
    }

    /// The download came to nothing by this code, and 1.1.0 runs as before.
    pub fn failed(&self, result: &Value, code: &str) {
        assert_eq!(result["outcome"], "failed", "{result}");
        assert!(result["error"].as_str().unwrap().starts_with(&format!("{code}: ")), "{result}");
        self.unharmed();
    }

    pub fn unharmed(&self) {
        assert_eq!(current(&self.bench.app1()), "versions/1.1.0");
        assert_eq!(std::fs::read(self.bench.app1().join("current/app1")).unwrap(), b"one");
    }
}
