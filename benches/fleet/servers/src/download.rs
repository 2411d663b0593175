//! A client that reads a file over HTTP on many connections and keeps nothing of it.

use std::time::Instant;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use super::Outcome;

type Fetched = Result<u64, Box<dyn std::error::Error + Send + Sync>>;

#[tokio::main]
pub async fn fetch(address: &str, path: &str, connections: usize) -> Outcome {
    let mut streams = Vec::new();
    for _ in 0..connections {
        streams.push(TcpStream::connect(address).await?);
    }
    let request = format!("GET {path} HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\r\n");
    let begun = Instant::now();
    let tasks: Vec<_> = streams.into_iter().map(|stream| tokio::spawn(read(stream, request.clone()))).collect();
    let mut bytes = 0;
    for task in tasks {
        bytes += task.await??;
    }
    println!(r#"{{"bytes":{bytes},"seconds":{}}}"#, begun.elapsed().as_secs_f64());
    Ok(())
}

async fn read(mut stream: TcpStream, request: String) -> Fetched {
    stream.write_all(request.as_bytes()).await?;
    let mut buffer = vec![0; 256 * 1024];
    let mut head = Vec::new();
    let body = loop {
        let length = stream.read(&mut buffer).await?;
        head.extend_from_slice(&buffer[..length]);
        if let Some(at) = head.windows(4).position(|four| four == b"\r\n\r\n") {
            break (head.len() - at - 4) as u64;
        }
        if length == 0 {
            return Err("the server ended the connection within the header".into());
        }
    };
    let head = String::from_utf8_lossy(&head).to_ascii_lowercase();
    let size = head.lines().find_map(|line| line.strip_prefix("content-length:")?.trim().parse::<u64>().ok());
    let size = size.filter(|_| head.starts_with("http/1.1 200")).ok_or("the answer is no file")?;
    let mut got = body;
    while got < size {
        match stream.read(&mut buffer).await? {
            0 => return Err("the file ended early".into()),
            length => got += length as u64,
        }
    }
    Ok(got)
}
