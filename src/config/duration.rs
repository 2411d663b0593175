//! Durations as people write them: `30s`, `15m`, `24h`, `90d`, `1h30m`; a bare number is seconds.

use std::time::Duration;

/// Longest duration taken: a hundred years.
const MAX_SECONDS: f64 = 100.0 * 365.0 * 86_400.0;

/// Reads a duration. Units: `ms`, `s`, `m`, `h`, `d`, `w`; several may follow each other.
///
/// # Errors
/// A sentence with examples when the text is anything else.
pub fn parse_duration(text: &str) -> Result<Duration, String> {
    let wrong = || format!("{text:?} is not a duration; write 30s, 15m, 24h or 90d");
    let mut rest = text.trim();
    let mut seconds = 0.0;
    if rest.is_empty() {
        return Err(wrong());
    }
    while !rest.is_empty() {
        let digits = rest.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(rest.len());
        let number: f64 = rest[..digits].parse().map_err(|_| wrong())?;
        rest = &rest[digits..];
        let letters = rest.find(|c: char| !c.is_ascii_alphabetic()).unwrap_or(rest.len());
        seconds += number * unit(&rest[..letters]).ok_or_else(wrong)?;
        rest = rest[letters..].trim_start();
    }
    if seconds > MAX_SECONDS {
        return Err(format!("{text:?} is longer than a hundred years"));
    }
    Ok(Duration::from_secs_f64(seconds))
}

/// Reads a duration of whole seconds.
///
/// # Errors
/// A sentence when the text is no duration, or not of whole seconds.
pub fn parse_seconds(text: &str) -> Result<u64, String> {
    let duration = parse_duration(text)?;
    if duration.subsec_nanos() == 0 { Ok(duration.as_secs()) } else { Err(format!("{text:?} must be whole seconds")) }
}

fn unit(letters: &str) -> Option<f64> {
    match letters {
        "ms" => Some(0.001),
        "" | "s" => Some(1.0),
        "m" | "min" => Some(60.0),
        "h" => Some(3600.0),
        "d" => Some(86_400.0),
        "w" => Some(7.0 * 86_400.0),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_are_read_as_people_write_them() {
        let good = [("30s", 30), ("15m", 900), ("24h", 86_400), ("90d", 7_776_000), ("1h30m", 5400), ("45", 45)];
        for (text, seconds) in good {
            assert_eq!(parse_duration(text), Ok(Duration::from_secs(seconds)), "{text}");
        }
        assert_eq!(parse_duration("250ms"), Ok(Duration::from_millis(250)));
        for bad in ["", "s", "3x", "-3s", "1.2.3s", "99999999d", "é"] {
            assert!(parse_duration(bad).is_err(), "{bad:?}");
        }
        assert!(parse_seconds("1.5s").is_err());
    }
}
