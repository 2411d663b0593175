//! The JSON of both directions: what is read is written and read as the same again.
#![no_main]

use fleetward::protocol::{MAX_TEXT, ServerMessage, decode, encode};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &str| {
    match decode(text) {
        Ok(message) => {
            let again = encode(&message);
            // Written out, a message may be longer than it came.
            if again.len() <= MAX_TEXT {
                assert_eq!(decode(&again), Ok(message), "{again}");
            }
        }
        Err((error, _)) => assert!(!error.message.is_empty()),
    }
    if let Ok(message) = ServerMessage::from_json(text) {
        assert_eq!(ServerMessage::from_json(&message.to_json()).as_ref(), Ok(&message));
    }
});
