//! A document as it is kept and sent: its bytes, and signatures over exactly these.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use super::{Distrust, Purpose, SecretKey};
use crate::domain::Sha256Hex;

/// See the module. As JSON: `{"document": base64, "signatures": [base64, ...]}`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "Envelope", into = "Envelope")]
pub struct Signed {
    bytes: Vec<u8>,
    signatures: Vec<Vec<u8>>,
}

#[derive(Serialize, Deserialize)]
struct Envelope {
    document: String,
    signatures: Vec<String>,
}

/// Longest document, bytes: a device has to keep it in memory.
const MAX_BYTES: usize = 32 * 1024;
/// Most signatures of one document: each costs a device some time.
const MAX_SIGNATURES: usize = 16;

impl Signed {
    /// A document without signatures.
    ///
    /// # Errors
    /// When it cannot be written as JSON, or is longer than anybody would read.
    pub fn new(document: &impl Serialize) -> Result<Self, Distrust> {
        let bytes = serde_json::to_vec(document).map_err(|error| Distrust::BadDocument(error.to_string()))?;
        if bytes.len() > MAX_BYTES {
            return Err(too_long());
        }
        Ok(Self { bytes, signatures: Vec::new() })
    }

    /// Adds a signature; one that is there already is not added again.
    #[must_use]
    pub fn with(mut self, purpose: Purpose, key: &SecretKey) -> Self {
        let signature = key.sign(purpose, &self.bytes);
        if !self.signatures.contains(&signature) {
            self.signatures.push(signature);
        }
        self
    }

    /// From its parts in base64; the signatures with a space between.
    ///
    /// # Errors
    /// [`Distrust::BadDocument`]
    pub fn from_parts(document: &str, signatures: &str) -> Result<Self, Distrust> {
        let signatures = signatures.split(' ').map(str::to_owned).collect();
        Envelope { document: document.to_owned(), signatures }.try_into()
    }

    /// Its parts in base64: document, and signatures with a space between.
    #[must_use]
    pub fn parts(&self) -> (String, String) {
        let Envelope { document, signatures } = self.clone().into();
        (document, signatures.join(" "))
    }

    /// Reads the JSON form.
    ///
    /// # Errors
    /// [`Distrust::BadDocument`]
    pub fn from_json(text: &str) -> Result<Self, Distrust> {
        serde_json::from_str(text).map_err(|error| Distrust::BadDocument(error.to_string()))
    }

    /// The JSON form.
    #[must_use]
    pub fn to_json(&self) -> String {
        let (document, signatures) = self.parts();
        let signatures: Vec<&str> = signatures.split(' ').filter(|text| !text.is_empty()).collect();
        serde_json::json!({ "document": document, "signatures": signatures }).to_string()
    }

    /// What was signed.
    #[must_use]
    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// The signatures over it, good or not.
    pub fn signatures(&self) -> impl Iterator<Item = &[u8]> {
        self.signatures.iter().map(Vec::as_slice)
    }

    /// Names these very bytes.
    #[must_use]
    pub fn digest(&self) -> Sha256Hex {
        Sha256Hex::of(&self.bytes)
    }

    /// Reads the document. Only for one whose signatures were found good.
    pub(super) fn read<T: DeserializeOwned>(&self) -> Result<T, Distrust> {
        serde_json::from_slice(&self.bytes).map_err(|error| Distrust::BadDocument(error.to_string()))
    }
}

fn too_long() -> Distrust {
    Distrust::BadDocument(format!("a document has at most {MAX_BYTES} bytes and {MAX_SIGNATURES} signatures"))
}

impl TryFrom<Envelope> for Signed {
    type Error = Distrust;

    fn try_from(envelope: Envelope) -> Result<Self, Distrust> {
        let decode = |text: &String| STANDARD.decode(text).map_err(|error| Distrust::BadDocument(error.to_string()));
        // Three bytes for four characters: what is too long is not even decoded.
        if envelope.document.len() / 4 * 3 > MAX_BYTES || envelope.signatures.len() > MAX_SIGNATURES {
            return Err(too_long());
        }
        let signatures = envelope.signatures.iter().filter(|text| !text.is_empty()).map(decode);
        Ok(Self { bytes: decode(&envelope.document)?, signatures: signatures.collect::<Result<_, _>>()? })
    }
}

impl From<Signed> for Envelope {
    fn from(signed: Signed) -> Self {
        let signatures = signed.signatures.iter().map(|signature| STANDARD.encode(signature)).collect();
        Self { document: STANDARD.encode(&signed.bytes), signatures }
    }
}
