//! The socket of [`Apps`]: lines in, lines out. What is too long, too many or not JSON is answered and let go.

use std::fs;
use std::io;
use std::os::unix::fs::{FileTypeExt as _, PermissionsExt as _};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use tokio::io::{AsyncBufRead, AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::unix::OwnedWriteHalf;
use tokio::net::{UnixListener, UnixStream};
use tokio::sync::{Semaphore, watch};
use tokio::time::{sleep, timeout};

use super::{Answer, Apps, Notice, Request};
use crate::agent::durable;

/// Longest line, bytes.
const MAX_LINE: u64 = 16 * 1024;
/// Programs that may be connected at once.
const MAX_PROGRAMS: usize = 16;
/// Between two lines of one program.
const PACE: Duration = Duration::from_millis(20);
/// An answer must be taken within.
const TAKEN_WITHIN: Duration = Duration::from_secs(10);

/// Makes the socket, for its owner and group, in place of one that an earlier run left.
///
/// # Errors
/// Those of the file system; when something else than a socket is in its place.
pub fn open(path: &Path) -> io::Result<UnixListener> {
    match fs::symlink_metadata(path) {
        Ok(found) if !found.file_type().is_socket() => {
            return Err(io::Error::other("something else than a socket is in its place"));
        }
        _ => {}
    }
    if let Some(parent) = path.parent() {
        fs::create_dir_all(parent)?;
    }
    // Nobody connects before it has its mode.
    let temporary = path.with_extension("new");
    durable::remove_file(&temporary)?;
    let listener = UnixListener::bind(&temporary)?;
    fs::set_permissions(&temporary, fs::Permissions::from_mode(0o660))?;
    fs::rename(&temporary, path)?;
    Ok(listener)
}

/// Serves programs for ever.
pub async fn serve(listener: UnixListener, apps: Apps) {
    let places = Arc::new(Semaphore::new(MAX_PROGRAMS));
    loop {
        let stream = match listener.accept().await {
            Ok((stream, _)) => stream,
            Err(error) => {
                tracing::warn!(%error, "a program could not be let in");
                sleep(Duration::from_secs(1)).await;
                continue;
            }
        };
        match Arc::clone(&places).try_acquire_owned() {
            Ok(place) => {
                let apps = apps.clone();
                tokio::spawn(async move {
                    converse(stream, apps).await;
                    drop(place);
                });
            }
            Err(_) => {
                let (_, mut out) = stream.into_split();
                tokio::spawn(async move { say(&mut out, &refusal("too many programs are connected")).await });
            }
        }
    }
}

fn refusal(error: &str) -> Answer {
    Answer::Error { error: error.to_owned() }
}

/// Until the program goes, or says something that cannot be gone on from.
async fn converse(stream: UnixStream, apps: Apps) {
    let (read, mut out) = stream.into_split();
    let mut reader = BufReader::new(read);
    let mut line = Vec::new();
    // Only who asks for it is a listener.
    let mut listening = None;
    loop {
        tokio::select! {
            ended = read_on(&mut reader, &mut line) => {
                let answer = match ended {
                    Ok(true) => answer(&std::mem::take(&mut line), &apps, &mut listening),
                    Ok(false) => return,
                    Err(error) => {
                        say(&mut out, &refusal(&error)).await;
                        return;
                    }
                };
                if !say(&mut out, &answer).await {
                    return;
                }
                sleep(PACE).await;
            }
            notice = next(&mut listening) => {
                if !say(&mut out, &serde_json::json!({ "update": notice })).await {
                    return;
                }
            }
        }
    }
}

/// Reads on to the end of the line. `false`: there is no more. What was read so far stays in `line` when this is not
/// waited for to its end.
async fn read_on(reader: &mut (impl AsyncBufRead + Unpin), line: &mut Vec<u8>) -> Result<bool, String> {
    let left = MAX_LINE + 1 - line.len() as u64;
    let read = reader.take(left).read_until(b'\n', line).await;
    read.map_err(|error| error.to_string())?;
    if line.len() as u64 > MAX_LINE {
        return Err(format!("a line has at most {MAX_LINE} bytes"));
    }
    Ok(line.ends_with(b"\n"))
}

fn answer(line: &[u8], apps: &Apps, listening: &mut Option<watch::Receiver<Notice>>) -> Answer {
    match serde_json::from_slice(line) {
        Ok(request) => {
            if let Request::Updates(wanted) = request {
                *listening = wanted.then(|| apps.notices());
            }
            apps.on(request)
        }
        Err(error) => refusal(&format!("not a request: {error}")),
    }
}

/// What becomes of updates, at once and whenever it changes; never for one who does not listen.
async fn next(listening: &mut Option<watch::Receiver<Notice>>) -> Notice {
    if let Some(notices) = listening
        && notices.changed().await.is_ok()
    {
        return notices.borrow_and_update().clone();
    }
    std::future::pending().await
}

async fn say(out: &mut OwnedWriteHalf, message: &impl serde::Serialize) -> bool {
    let Ok(mut line) = serde_json::to_vec(message) else { return false };
    line.push(b'\n');
    matches!(timeout(TAKEN_WITHIN, out.write_all(&line)).await, Ok(Ok(())))
}
