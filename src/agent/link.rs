//! The one connection to the server: opens it, moves messages, and opens it again by the rules of [`backoff`].
//!
//! Decides nothing about what is said. The agent hears of it through [`LinkEvent`]s, and speaks through the sender
//! that comes with [`LinkEvent::Up`]; that sender dies with its connection, so that nothing stale is ever sent.
//!
//! [`backoff`]: super::backoff

use std::sync::Arc;
use std::time::Duration;

use futures_util::{SinkExt as _, StreamExt as _};
use rustls::RootCertStore;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject as _;
use tokio::net::TcpStream;
use tokio::sync::{mpsc, watch};
use tokio::time::{Instant, sleep, timeout};
use tokio_tungstenite::tungstenite::client::IntoClientRequest as _;
use tokio_tungstenite::tungstenite::http::HeaderValue;
use tokio_tungstenite::tungstenite::http::header::{AUTHORIZATION, RETRY_AFTER};
use tokio_tungstenite::tungstenite::protocol::frame::coding::CloseCode;
use tokio_tungstenite::tungstenite::protocol::{CloseFrame, WebSocketConfig};
use tokio_tungstenite::tungstenite::{Bytes, Error, Message};
use tokio_tungstenite::{Connector, MaybeTlsStream, WebSocketStream, connect_async_tls_with_config};

use super::backoff::{Backoff, End, Rules};
use super::token::Tokens;

type Socket = WebSocketStream<MaybeTlsStream<TcpStream>>;

/// What the link tells the agent.
#[derive(Debug)]
pub enum LinkEvent {
    /// Connected; say hello through this.
    Up(mpsc::UnboundedSender<Outgoing>),
    Text(String),
    Binary(Bytes),
    /// The server answered a ping, or sent one.
    Alive,
    /// The message with this receipt is with the kernel.
    Sent(u64),
    /// The connection is over.
    Down,
}

/// A message to be sent.
#[derive(Debug)]
pub enum Outgoing {
    Text {
        text: String,
        /// Asks for [`LinkEvent::Sent`] with this number.
        receipt: Option<u64>,
    },
    /// Asks for [`LinkEvent::Alive`].
    Ping,
}

/// How to reach the server.
pub struct Link {
    pub url: String,
    pub tokens: Tokens,
    pub rules: Rules,
    pub tls: Option<Arc<rustls::ClientConfig>>,
}

/// From the first byte to the accepted upgrade.
const CONNECT_WITHIN: Duration = Duration::from_secs(20);
/// A connection on which nothing came for so long is dead; the server pings more often.
const SILENCE: Duration = Duration::from_secs(75);
/// A message that the server does not take for so long is lost.
const SEND_WITHIN: Duration = Duration::from_secs(30);
/// Longest message of the server: its frames are at most 64 KiB, its lists may be longer.
const MAX_MESSAGE: usize = 1024 * 1024;

impl Link {
    /// Keeps the connection up until `stop` is true.
    pub async fn run(self, events: mpsc::Sender<LinkEvent>, mut stop: watch::Receiver<bool>) {
        let mut backoff = Backoff::new(self.rules);
        while !*stop.borrow() {
            let (end, healthy) = match self.connect(&mut stop).await {
                Ok(Some(socket)) => {
                    tracing::info!(server = %self.url, "connected");
                    let since = Instant::now();
                    let end = converse(socket, &events, &mut stop).await;
                    let _ = events.send(LinkEvent::Down).await;
                    (end, since.elapsed())
                }
                Ok(None) => return,
                Err(end) => (end, Duration::ZERO),
            };
            if *stop.borrow() {
                return;
            }
            let wait = backoff.wait(&end, healthy, rand::random_range(0.0..=1.0));
            say(&end, wait);
            tokio::select! {
                () = sleep(wait) => {}
                _ = stop.changed() => return,
            }
        }
    }

    /// `None` when it was stopped meanwhile.
    async fn connect(&self, stop: &mut watch::Receiver<bool>) -> Result<Option<Socket>, End> {
        let mut request = self.url.as_str().into_client_request().map_err(|error| {
            tracing::error!(%error, "the server's URL cannot be used");
            End::Lost
        })?;
        if let Some(token) = self.tokens.current()
            && let Ok(mut value) = HeaderValue::from_str(&format!("Bearer {token}"))
        {
            value.set_sensitive(true);
            request.headers_mut().insert(AUTHORIZATION, value);
        }
        let limits = WebSocketConfig::default()
            .max_message_size(Some(MAX_MESSAGE))
            .max_frame_size(Some(MAX_MESSAGE))
            .write_buffer_size(0);
        let tls = self.tls.clone().map(Connector::Rustls);
        let connecting = connect_async_tls_with_config(request, Some(limits), true, tls);
        let connected = tokio::select! {
            connected = timeout(CONNECT_WITHIN, connecting) => connected,
            _ = stop.changed() => return Ok(None),
        };
        match connected {
            Ok(Ok((socket, _))) => Ok(Some(socket)),
            Ok(Err(error)) => Err(refusal(&error)),
            Err(_) => {
                tracing::warn!(server = %self.url, "no connection within 20 s");
                Err(End::Lost)
            }
        }
    }
}

fn refusal(error: &Error) -> End {
    if let Error::Http(response) = error {
        let retry_after = response.headers().get(RETRY_AFTER).and_then(|value| value.to_str().ok());
        tracing::warn!(status = %response.status(), "the server refused the connection");
        return End::of_status(response.status().as_u16(), retry_after);
    }
    tracing::warn!(%error, "no connection");
    End::Lost
}

fn say(end: &End, wait: Duration) {
    let wait_s = wait.as_secs_f64();
    match end {
        End::Lost => tracing::info!(wait_s, "connecting again after a wait"),
        End::Restarting { .. } => {
            tracing::info!(wait_s, "the server restarts or is full; connecting again after a wait");
        }
        End::Replaced => tracing::warn!(wait_s, "another connection uses this device_id; is it set up twice?"),
        End::Refused => tracing::error!(wait_s, "the server does not accept this device's token"),
        End::AlreadyEnrolled => tracing::error!(
            wait_s,
            "this device_id is enrolled already: give the device its own token, or have an admin allow it to enrol again"
        ),
    }
}

/// Moves messages both ways until the connection ends.
async fn converse(mut socket: Socket, events: &mpsc::Sender<LinkEvent>, stop: &mut watch::Receiver<bool>) -> End {
    // Unbounded, so that agent and link never wait for each other; a server that takes nothing ends it in 30 s.
    let (sender, mut outgoing) = mpsc::unbounded_channel();
    if events.send(LinkEvent::Up(sender)).await.is_err() {
        return End::Lost;
    }
    loop {
        tokio::select! {
            incoming = timeout(SILENCE, socket.next()) => match incoming {
                Ok(Some(Ok(message))) => match take(message, events).await {
                    Some(end) => {
                        // Lets the answer to the server's close go out.
                        let _ = timeout(Duration::from_secs(1), socket.next()).await;
                        return end;
                    }
                    None => continue,
                },
                Ok(Some(Err(error))) => tracing::warn!(%error, "the connection broke"),
                Ok(None) => tracing::info!("the server ended the connection"),
                Err(_) => tracing::warn!("nothing came from the server for 75 s"),
            },
            message = outgoing.recv() => match message {
                Some(message) => match send(&mut socket, message, events).await {
                    Ok(()) => continue,
                    Err(error) => tracing::warn!(%error, "the connection broke"),
                },
                // The agent has heard of the stop before this loop did.
                None => farewell(&mut socket).await,
            },
            _ = stop.changed() => farewell(&mut socket).await,
        }
        return End::Lost;
    }
}

/// `Some` when the message ends the connection.
async fn take(message: Message, events: &mpsc::Sender<LinkEvent>) -> Option<End> {
    let event = match message {
        Message::Text(text) => LinkEvent::Text(text.as_str().to_owned()),
        Message::Binary(bytes) => LinkEvent::Binary(bytes),
        Message::Close(frame) => {
            let (code, reason) = frame.map_or((1005, String::new()), |f| (f.code.into(), f.reason.to_string()));
            tracing::info!(code, reason, "the server closed the connection");
            return Some(End::of_close(code, &reason));
        }
        // Pings are answered by the socket itself.
        Message::Ping(_) | Message::Pong(_) => LinkEvent::Alive,
        Message::Frame(_) => return None,
    };
    if events.send(event).await.is_err() {
        tracing::debug!("the agent has no ear for this connection any more");
    }
    None
}

async fn send(socket: &mut Socket, message: Outgoing, events: &mpsc::Sender<LinkEvent>) -> Result<(), String> {
    let (message, receipt) = match message {
        Outgoing::Text { text, receipt } => (Message::text(text), receipt),
        Outgoing::Ping => (Message::Ping(Bytes::new()), None),
    };
    match timeout(SEND_WITHIN, socket.send(message)).await {
        Ok(Ok(())) => {}
        Ok(Err(error)) => return Err(error.to_string()),
        Err(_) => return Err("the server takes nothing for 30 s".to_owned()),
    }
    if let Some(receipt) = receipt {
        let _ = events.send(LinkEvent::Sent(receipt)).await;
    }
    Ok(())
}

async fn farewell(socket: &mut Socket) {
    let frame = CloseFrame { code: CloseCode::Away, reason: "the agent stops".into() };
    let polite = async {
        socket.close(Some(frame)).await?;
        while let Some(message) = socket.next().await {
            message?;
        }
        Ok::<(), Error>(())
    };
    let _ = timeout(Duration::from_secs(3), polite).await;
}

/// The authorities to trust: the public ones, and those of a PEM file.
///
/// # Errors
/// A sentence when the file is not readable or holds no certificate.
pub fn tls(ca: Option<&std::path::Path>) -> Result<Arc<rustls::ClientConfig>, String> {
    let mut roots = RootCertStore { roots: webpki_roots::TLS_SERVER_ROOTS.to_vec() };
    if let Some(path) = ca {
        let wrong = |error: &dyn std::fmt::Display| format!("--ca {}: {error}", path.display());
        let certificates = CertificateDer::pem_file_iter(path).map_err(|error| wrong(&error))?;
        let mut found = 0;
        for certificate in certificates {
            let certificate = certificate.map_err(|error| wrong(&error))?;
            roots.add(certificate).map_err(|error| wrong(&error))?;
            found += 1;
        }
        if found == 0 {
            return Err(wrong(&"there is no certificate in it"));
        }
    }
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = rustls::ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|error| error.to_string())?;
    Ok(Arc::new(config.with_root_certificates(roots).with_no_client_auth()))
}
