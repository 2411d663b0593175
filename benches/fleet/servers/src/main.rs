//! What Fleetward is measured beside:
//!
//! - `bare PORT`: counts frames, in one loop over epoll: as little as a server can do.
//! - `fastwebsockets PORT`: the same with a fast WebSocket library, a task for each connection.
//! - `files PORT FOLDER`: package files by actix-files.
//! - `download HOST:PORT PATH CONNECTIONS`: fetches a file on so many connections at once, and says how long it took.

mod bare;
mod download;
mod library;
mod speech;

use actix_files::Files;
use actix_web::{App, HttpServer};

type Outcome = Result<(), Box<dyn std::error::Error + Send + Sync>>;

fn main() -> Outcome {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    match words[..] {
        ["bare", port] => bare::serve(port.parse()?),
        ["fastwebsockets", port] => library::serve(port.parse()?),
        ["files", port, folder] => files(port.parse()?, folder.to_owned()),
        ["download", address, path, connections] => download::fetch(address, path, connections.parse()?),
        _ => Err("usage: fleet-servers bare|fastwebsockets PORT | files PORT FOLDER | download ADDRESS PATH N".into()),
    }
}

fn files(port: u16, folder: String) -> Outcome {
    actix_web::rt::System::new().block_on(async move {
        let app = move || App::new().service(Files::new("/", folder.clone()));
        HttpServer::new(app).bind(("127.0.0.1", port))?.run().await
    })?;
    Ok(())
}
