//! What callers send to pages and API: query strings, forms, JSON objects. The first byte says which.
#![no_main]

use fleetward::web::fuzz;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    let Some((kind, rest)) = data.split_first() else { return };
    match kind % 3 {
        0 => fuzz::query(&String::from_utf8_lossy(rest)),
        1 => fuzz::form(&String::from_utf8_lossy(rest)),
        _ => fuzz::json(rest),
    }
});
