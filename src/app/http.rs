//! The HTTP server: the site for every request, and the way out of HTTP for devices.
//!
//! Put together from the framework's parts, as its own assembly keeps the sockets of upgraded connections to itself.

use std::io;
use std::net::TcpListener;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use actix_http::{HttpService, KeepAlive};
use actix_server::Server;
use actix_service::{IntoServiceFactory as _, ServiceFactoryExt as _, map_config};
use actix_web::App;
use actix_web::dev::AppConfig;
use actix_web::rt::net::TcpStream;
use actix_web::web::ServiceConfig;
use socket2::SockRef;
use tokio::sync::watch;
use tracing::warn;

use super::room::Room;
use crate::actors::LINGER;
use crate::web::upgrade::{self, Seat};

/// A peer that takes no bytes for this long is cut, so that a stalled reader can't freeze its session for ever.
const TCP_USER_TIMEOUT: Duration = Duration::from_secs(10);

/// Requests that may wait for a worker.
const BACKLOG: u32 = 8192;

/// Bytes that the kernel keeps for a peer beyond what is under way to it: with more, a peer that takes nothing would
/// bind megabytes.
const UNSENT: u32 = 128 * 1024;

/// How long a request's head may take, and how long a connection may wait for its next request.
const HEAD_WITHIN: Duration = Duration::from_secs(5);
const KEPT_ALIVE: Duration = Duration::from_secs(5);

/// How long requests may take to end when the server stops.
const REQUESTS_END_S: u64 = 3;

/// Serves the site on this listener. When `stopped` says so, connections that wait for another request end.
pub(super) fn serve(
    listener: TcpListener,
    site: impl Fn(&mut ServiceConfig) + Clone + Send + 'static,
    room: Room,
    stopped: watch::Receiver<bool>,
) -> io::Result<Server> {
    let room = Arc::new(room);
    let most_sockets = room.sockets();
    let make = move || {
        let (site, room, stopped) = (site.clone(), Arc::clone(&room), stopped.clone());
        let app = move || App::new().configure(site.clone()).into_factory();
        let pages = app().map_err(|error| error.error_response());
        HttpService::build()
            .graceful_shutdown_signal(move || {
                let mut stopped = stopped.clone();
                async move {
                    // An end without a word is one too.
                    let _ = stopped.wait_for(|stopped| *stopped).await;
                }
            })
            .keep_alive(KeepAlive::Timeout(KEPT_ALIVE))
            .client_request_timeout(HEAD_WITHIN)
            .client_disconnect_timeout(LINGER)
            .on_connect_ext(move |socket: &TcpStream, extensions| {
                guard_socket(socket);
                if let Some(place) = room.seat(socket) {
                    extensions.insert::<Seat>(Rc::new(place));
                }
            })
            .upgrade(upgrade::service(app, AppConfig::default()))
            .finish(map_config(pages, |()| AppConfig::default()))
            .tcp()
    };
    let server = Server::build()
        .backlog(BACKLOG)
        // Of one worker; how many all of them may have the seats say.
        .max_concurrent_connections(most_sockets)
        .shutdown_timeout(REQUESTS_END_S)
        .disable_signals()
        .listen("fleetward", listener, make)?;
    Ok(server.run())
}

fn guard_socket(socket: &TcpStream) {
    let socket = SockRef::from(socket);
    if let Err(error) = socket.set_tcp_user_timeout(Some(TCP_USER_TIMEOUT)) {
        warn!(%error, "a connection has no time limit for unsent bytes");
    }
    if let Err(error) = socket.set_tcp_notsent_lowat(UNSENT) {
        warn!(%error, "a connection may bind more memory than it should");
    }
    if let Err(error) = socket.set_tcp_nodelay(true) {
        warn!(%error, "a connection sends small messages late");
    }
}
