//! Bytes of a connection: the guard, the framework's codec, the joining of fragments, the reading of messages.
//!
//! The first byte says in pieces of what length the rest arrives. Whatever the pieces, what is read must be the same.
#![no_main]

use actix_http::ws::Codec;
use fleetward::actors::fuzz::{Read, Reader};
use fleetward::protocol::MAX_TEXT;
use libfuzzer_sys::fuzz_target;
use tokio_util::bytes::BytesMut;
use tokio_util::codec::Decoder as _;

/// The longest header of a frame.
const MAX_HEADER: usize = 14;

fuzz_target!(|data: &[u8]| {
    let Some((piece, bytes)) = data.split_first() else { return };
    let whole = read(bytes, bytes.len().max(1));
    let pieces = read(bytes, usize::from(*piece).max(1));
    assert!(whole.refused || pieces.refused || whole == pieces, "in pieces of {piece}: {whole:?} {pieces:?}");
});

fn read(bytes: &[u8], piece: usize) -> Read {
    let mut reader = Reader::default();
    let mut codec = Codec::new().max_size(MAX_TEXT);
    let mut buffer = BytesMut::new();
    for arrived in bytes.chunks(piece) {
        if !reader.arrives(arrived) {
            return reader.read;
        }
        buffer.extend_from_slice(arrived);
        while let Some(frame) = codec.decode(&mut buffer).transpose() {
            if !reader.takes(frame) {
                return reader.read;
            }
        }
        assert!(buffer.len() <= MAX_TEXT + MAX_HEADER, "{} bytes wait for the end of a frame", buffer.len());
    }
    reader.read
}
