//! Where the device is, by a gpsd: watched all the time, so that a report never waits for it.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use serde_json::Value;
use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::TcpStream;
use tokio::time::{Instant, sleep, timeout};

use crate::domain::Location;

/// A position and, where the receiver knows it, the speed.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Fix {
    pub location: Location,
    /// Kilometres an hour.
    pub speed: Option<f64>,
}

/// The newest fix of a gpsd.
#[derive(Debug, Clone, Default)]
pub struct Gps {
    newest: Arc<Mutex<Option<(Instant, Fix)>>>,
}

/// An older fix says nothing about where the device is.
const FRESH: Duration = Duration::from_secs(60);
const RETRY: Duration = Duration::from_secs(10);

impl Gps {
    /// Watches the gpsd at `address` for as long as the program runs.
    #[must_use]
    pub fn watch(address: String) -> Self {
        let gps = Self::default();
        let watcher = gps.clone();
        tokio::spawn(async move {
            loop {
                if let Err(error) = watcher.follow(&address).await {
                    tracing::debug!(%address, %error, "gpsd does not answer; trying again");
                }
                sleep(RETRY).await;
            }
        });
        gps
    }

    /// The newest fix, while it is fresh.
    #[must_use]
    pub fn fix(&self) -> Option<Fix> {
        let newest = self.newest.lock().unwrap_or_else(PoisonError::into_inner);
        newest.filter(|(at, _)| at.elapsed() < FRESH).map(|(_, fix)| fix)
    }

    async fn follow(&self, address: &str) -> std::io::Result<()> {
        let mut stream = timeout(RETRY, TcpStream::connect(address)).await??;
        stream.write_all(b"?WATCH={\"enable\":true,\"json\":true};\n").await?;
        let mut reader = BufReader::new(stream);
        let mut line = String::new();
        loop {
            line.clear();
            // A line of gpsd is short; what is longer is no gpsd.
            if timeout(FRESH, (&mut reader).take(64 * 1024).read_line(&mut line)).await?? == 0 {
                return Ok(());
            }
            if let Some(fix) = read(&line) {
                *self.newest.lock().unwrap_or_else(PoisonError::into_inner) = Some((Instant::now(), fix));
            }
        }
    }
}

/// Reads a `TPV` line with a fix in two or three dimensions.
fn read(line: &str) -> Option<Fix> {
    let value: Value = serde_json::from_str(line).ok()?;
    if value["class"] != "TPV" || value["mode"].as_u64()? < 2 {
        return None;
    }
    let altitude = ["altMSL", "alt", "altHAE"].iter().find_map(|name| value[*name].as_f64());
    let location = Location { latitude: value["lat"].as_f64()?, longitude: value["lon"].as_f64()?, altitude };
    Some(Fix { location, speed: value["speed"].as_f64().map(|metres| (metres * 36.0).round() / 10.0) })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_with_a_fix_is_read_and_others_are_not() {
        let line = r#"{"class":"TPV","mode":3,"lat":31.2304,"lon":121.4737,"altMSL":4.5,"speed":11.6667}"#;
        let location = Location { latitude: 31.2304, longitude: 121.4737, altitude: Some(4.5) };
        assert_eq!(read(line), Some(Fix { location, speed: Some(42.0) }));
        for other in [r#"{"class":"TPV","mode":1}"#, r#"{"class":"SKY"}"#, r#"{"class":"TPV","mode":3}"#, "", "x"] {
            assert_eq!(read(other), None, "{other}");
        }
    }

    #[tokio::test]
    async fn a_gpsd_is_asked_and_its_fix_is_there() {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let gps = Gps::watch(listener.local_addr().unwrap().to_string());
        let (stream, _) = listener.accept().await.unwrap();
        let mut reader = BufReader::new(stream);
        let mut asked = String::new();
        reader.read_line(&mut asked).await.unwrap();
        assert!(asked.contains("WATCH"), "{asked}");
        assert_eq!(gps.fix(), None);
        reader.get_mut().write_all(b"{\"class\":\"TPV\",\"mode\":2,\"lat\":1,\"lon\":2}\n").await.unwrap();
        let found = timeout(Duration::from_secs(10), async {
            while gps.fix().is_none() {
                tokio::task::yield_now().await;
            }
        });
        found.await.unwrap();
        assert_eq!(gps.fix().unwrap().location.longitude, 2.0);
    }
}
