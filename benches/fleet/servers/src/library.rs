//! Counting with fastwebsockets on tokio.

use std::net::Ipv4Addr;

use fastwebsockets::{Frame, OpCode, Payload, Role, WebSocket};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};

use super::Outcome;
use super::speech::{Counted, upgraded};

#[tokio::main]
pub async fn serve(port: u16) -> Outcome {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, port)).await?;
    loop {
        let (stream, _) = listener.accept().await?;
        stream.set_nodelay(true)?;
        // A device that goes ends its own task alone.
        tokio::spawn(async move { drop(Box::pin(talk(stream)).await) });
    }
}

async fn talk(mut stream: TcpStream) -> Outcome {
    upgrade(&mut stream).await?;
    let mut socket = WebSocket::after_handshake(stream, Role::Server);
    let mut counted = Counted::default();
    loop {
        let frame = socket.read_frame().await?;
        match frame.opcode {
            OpCode::Text => {
                let answer = counted.take(&frame.payload);
                socket.write_frame(Frame::text(Payload::Owned(answer.into_bytes()))).await?;
            }
            OpCode::Close => return Ok(()),
            _ => {}
        }
    }
}

async fn upgrade(stream: &mut TcpStream) -> Outcome {
    let mut request = Vec::new();
    loop {
        stream.read_buf(&mut request).await?;
        if let Some(answer) = upgraded(&request) {
            return Ok(stream.write_all(answer.as_bytes()).await?);
        }
        if request.len() > 16 * 1024 || request.is_empty() {
            return Err("no upgrade".into());
        }
    }
}
