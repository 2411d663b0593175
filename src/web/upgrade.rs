//! Requests that want the connection to become something else: the framework hands them over together with the socket.
//!
//! The site answers them as every other, with all that surrounds it. An answer that agrees to an upgrade carries who
//! takes the socket ([`Upgraded`]); any other is written out, and ends the connection.

use std::future::poll_fn;
use std::io;
use std::pin::pin;
use std::rc::Rc;

use actix_codec::Framed;
use actix_http::body::{BodySize, MessageBody};
use actix_http::h1::{Codec, Message};
use actix_http::{ConnectionType, HttpMessage as _, Request, Response};
use actix_service::{Service, ServiceFactory, fn_factory, fn_service};
use actix_web::dev::{AppConfig, ServiceResponse};
use actix_web::rt::net::TcpStream;
use bytes::Bytes;
use futures_util::SinkExt;
use tracing::debug;

use crate::actors::{CanBeTaken, Place, Upgraded};

/// The seat of a socket, kept by whoever has the socket.
pub type Seat = Rc<Place>;

/// The service for upgrades. `make`: another instance of the site, for this worker.
pub fn service<S, B>(
    make: impl Fn() -> S + 'static,
    config: AppConfig,
) -> impl ServiceFactory<
    (Request, Framed<TcpStream, Codec>),
    Config = (),
    Response = (),
    Error = actix_web::Error,
    InitError = (),
    Future = impl Future + 'static,
>
where
    S: ServiceFactory<
            Request,
            Config = AppConfig,
            Response = ServiceResponse<B>,
            Error = actix_web::Error,
            InitError = (),
        > + 'static,
    S::Service: 'static,
    B: MessageBody + 'static,
{
    fn_factory(move || {
        let site = make().new_service(config.clone());
        async move {
            let site = Rc::new(site.await?);
            Ok(fn_service(move |(request, link)| hand_over(Rc::clone(&site), request, link)))
        }
    })
}

async fn hand_over<S, B>(site: Rc<S>, request: Request, link: Framed<TcpStream, Codec>) -> Result<(), actix_web::Error>
where
    S: Service<Request, Response = ServiceResponse<B>, Error = actix_web::Error>,
    B: MessageBody,
{
    let seat = request.conn_data::<Seat>().cloned();
    request.extensions_mut().insert(CanBeTaken);
    let answered = match site.call(request).await {
        Ok(answer) => go_on(answer.into(), link, seat).await,
        Err(error) => write(Response::from(error), link).await,
    };
    if let Err(error) = answered {
        debug!(%error, "who asked for an upgrade has gone");
    }
    Ok(())
}

async fn go_on<B: MessageBody>(
    mut answer: Response<B>,
    mut link: Framed<TcpStream, Codec>,
    seat: Option<Seat>,
) -> io::Result<()> {
    let upgraded = answer.extensions_mut().remove::<Upgraded>();
    let Some(upgraded) = upgraded else { return write(answer, link).await };
    link.send(Message::Item((answer.drop_body(), BodySize::None))).await?;
    let link = link.into_parts();
    // Its own copy: the buffer has 8 KiB, and as a rule nothing in it.
    upgraded.take(link.io, Bytes::copy_from_slice(&link.read_buf), seat);
    Ok(())
}

/// An answer that keeps the connection what it is. What else was sent on it was meant for another protocol.
async fn write(answer: Response<impl MessageBody>, mut link: Framed<TcpStream, Codec>) -> io::Result<()> {
    let (mut head, body) = answer.into_parts();
    head.head_mut().set_connection_type(ConnectionType::Close);
    link.send(Message::Item((head, body.size()))).await?;
    let mut body = pin!(body);
    while let Some(chunk) = poll_fn(|cx| body.as_mut().poll_next(cx)).await {
        match chunk {
            Ok(chunk) => link.send(Message::Chunk(Some(chunk))).await?,
            Err(error) => {
                let error: Box<dyn std::error::Error> = error.into();
                debug!(%error, "an answer ended early");
                return Ok(());
            }
        }
    }
    link.send(Message::Chunk(None)).await?;
    SinkExt::<Message<(Response<()>, BodySize)>>::close(&mut link).await
}
