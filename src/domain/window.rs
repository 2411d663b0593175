//! Maintenance windows: the hours of a device's own day in which it may be changed.
//!
//! A device's local time comes from its tag `timezone` (a name like `Asia/Shanghai`, or an offset like `+08:00`);
//! without one from its longitude, one hour each 15 degrees, as ships keep it; without a position it is UTC.

use chrono::{Datelike, FixedOffset, NaiveDate, NaiveTime, Offset, TimeDelta, TimeZone, Timelike, Weekday};
use serde::{Deserialize, Serialize};

use super::{PolicyError, Tags, Timestamp};

/// The tag that names a device's time zone.
const TAG: &str = "timezone";

/// Hours of the day, on some days of the week; one that ends before it begins runs over midnight, and belongs to the
/// day on which it begins.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Window {
    /// `mon` to `sun`; empty: every day.
    #[serde(default)]
    pub days: Vec<Day>,
    /// `22:00`
    pub from: Hour,
    /// `05:00`; `24:00` is midnight at the end of the day.
    pub to: Hour,
}

/// A day of the week.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Day {
    Mon,
    Tue,
    Wed,
    Thu,
    Fri,
    Sat,
    Sun,
}

/// A time of day in minutes, 0 to 1440.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Hour(u32);

impl TryFrom<String> for Hour {
    type Error = String;
    fn try_from(text: String) -> Result<Self, String> {
        let wrong = || format!("{text:?} is no time of day; write it as 22:00");
        let (hours, minutes) = text.split_once(':').ok_or_else(wrong)?;
        let number = |part: &str, most: u32| -> Option<u32> {
            part.parse().ok().filter(|n| *n <= most && part.len() <= 2 && part.bytes().all(|b| b.is_ascii_digit()))
        };
        let (hours, minutes) = number(hours, 24).zip(number(minutes, 59)).ok_or_else(wrong)?;
        Some(Self(hours * 60 + minutes)).filter(|hour| hour.0 <= 1440).ok_or_else(wrong)
    }
}

impl From<Hour> for String {
    fn from(hour: Hour) -> Self {
        format!("{:02}:{:02}", hour.0 / 60, hour.0 % 60)
    }
}

impl From<Weekday> for Day {
    fn from(day: Weekday) -> Self {
        match day {
            Weekday::Mon => Self::Mon,
            Weekday::Tue => Self::Tue,
            Weekday::Wed => Self::Wed,
            Weekday::Thu => Self::Thu,
            Weekday::Fri => Self::Fri,
            Weekday::Sat => Self::Sat,
            Weekday::Sun => Self::Sun,
        }
    }
}

impl Window {
    /// When it opens and closes on this day of a zone, if it does on that day. Both are what the clock there shows: on
    /// the nights on which it is changed, a window over that hour is longer or shorter.
    fn on_day<Tz: TimeZone>(&self, zone: &Tz, day: NaiveDate) -> Option<(Timestamp, Timestamp)> {
        if !self.days.is_empty() && !self.days.contains(&Day::from(day.weekday())) {
            return None;
        }
        let next_day = if self.to.0 > self.from.0 { day } else { day.succ_opt()? };
        Some((self.from.on(zone, day)?, self.to.on(zone, next_day)?))
    }
}

impl Hour {
    /// When the clock of a zone shows it on this day.
    fn on<Tz: TimeZone>(self, zone: &Tz, day: NaiveDate) -> Option<Timestamp> {
        let shown = day.and_time(NaiveTime::MIN) + TimeDelta::minutes(i64::from(self.0));
        let local = zone.from_local_datetime(&shown).earliest();
        // An hour that the clock skips begins when the clock has skipped it.
        let local = local.or_else(|| zone.from_local_datetime(&(shown + TimeDelta::hours(1))).earliest());
        local.map(|local| local.to_utc())
    }
}

impl std::fmt::Display for Window {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        for day in &self.days {
            write!(f, "{} ", format!("{day:?}").to_lowercase())?;
        }
        write!(f, "{} to {}", String::from(self.from), String::from(self.to))
    }
}

impl std::str::FromStr for Window {
    type Err = String;
    /// `22:00-05:00`, or with days before: `sat sun 22:00-05:00`.
    fn from_str(text: &str) -> Result<Self, String> {
        let mut words: Vec<&str> = text.split_whitespace().filter(|word| *word != "to").collect();
        let last = words.pop().ok_or_else(|| "write it as sat sun 22:00-05:00".to_owned())?;
        let (from, to) = match last.split_once('-') {
            Some((from, to)) => (from, to),
            None => (words.pop().ok_or_else(|| format!("{text:?}: write it as sat sun 22:00-05:00"))?, last),
        };
        let day = |word: &str| {
            let quoted = serde_json::Value::String(word.to_lowercase());
            serde_json::from_value(quoted).map_err(|_| format!("{word:?} is no day; write mon to sun"))
        };
        Ok(Self {
            days: words.into_iter().map(day).collect::<Result<_, _>>()?,
            from: from.to_owned().try_into()?,
            to: to.to_owned().try_into()?,
        })
    }
}

/// What is wrong with windows, if anything.
#[must_use]
pub fn windows_error(windows: &[Window]) -> Option<PolicyError> {
    let message = match windows.iter().position(|window| window.from == window.to) {
        Some(n) => {
            format!("window {}: it never opens; to must differ from from (a whole day is 00:00 to 24:00)", n + 1)
        }
        None if windows.len() > 50 => "at most 50 windows".to_owned(),
        None => return None,
    };
    Some(PolicyError { field: "policy.windows".to_owned(), message })
}

/// When a device may next be changed: `None` when it may be now, or at any time.
#[must_use]
pub fn opens_at(windows: &[Window], zone: &Zone, now: Timestamp) -> Option<Timestamp> {
    if windows.is_empty() {
        return None;
    }
    let mut next: Option<Timestamp> = None;
    // Yesterday's may still be open; within eight days each opens once.
    let yesterday = zone.date(now).pred_opt().unwrap_or_default();
    for day in yesterday.iter_days().take(10) {
        for window in windows {
            let Some((opens, closes)) = zone.span(window, day) else { continue };
            if opens <= now && now < closes {
                return None;
            }
            if opens > now {
                next = Some(next.map_or(opens, |next| next.min(opens)));
            }
        }
    }
    // Never within eight days, which only a calendar without such hours can bring about: looked at again then.
    next.or(Some(now + TimeDelta::days(1)))
}

/// A device's time zone.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Zone {
    Named(chrono_tz::Tz),
    Fixed(FixedOffset),
}

impl Zone {
    /// See the module.
    #[must_use]
    pub fn of(tags: &Tags, longitude: Option<f64>) -> Self {
        if let Some(zone) = tags.get(TAG).and_then(|tag| Self::named(tag)) {
            return zone;
        }
        let hours = longitude.filter(|x| (-180.0..=180.0).contains(x)).map_or(0, |x| (x / 15.0).round() as i32);
        Self::Fixed(FixedOffset::east_opt(hours * 3600).unwrap_or_else(|| chrono::Utc.fix()))
    }

    fn named(tag: &str) -> Option<Self> {
        let named = tag.parse().ok().map(Self::Named);
        named.or_else(|| tag.parse().ok().map(Self::Fixed))
    }

    fn span(&self, window: &Window, day: NaiveDate) -> Option<(Timestamp, Timestamp)> {
        match self {
            Self::Named(zone) => window.on_day(zone, day),
            Self::Fixed(offset) => window.on_day(offset, day),
        }
    }

    fn date(&self, at: Timestamp) -> NaiveDate {
        match self {
            Self::Named(zone) => at.with_timezone(zone).date_naive(),
            Self::Fixed(offset) => at.with_timezone(offset).date_naive(),
        }
    }

    /// The time of day there, `22:05`.
    #[must_use]
    pub fn clock(&self, at: Timestamp) -> String {
        let (hour, minute) = match self {
            Self::Named(zone) => (at.with_timezone(zone).hour(), at.with_timezone(zone).minute()),
            Self::Fixed(offset) => (at.with_timezone(offset).hour(), at.with_timezone(offset).minute()),
        };
        format!("{hour:02}:{minute:02}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn window(days: &[Day], from: &str, to: &str) -> Window {
        let hour = |text: &str| Hour::try_from(text.to_owned()).unwrap();
        Window { days: days.to_vec(), from: hour(from), to: hour(to) }
    }

    fn at(text: &str) -> Timestamp {
        text.parse().unwrap()
    }

    fn tagged(zone: &str) -> Zone {
        Zone::of(&[(TAG.to_owned(), zone.to_owned())].into(), None)
    }

    #[test]
    fn a_window_over_midnight_belongs_to_the_day_it_begins_on() {
        // 2026-11-21 is a Saturday.
        let nights = [window(&[Day::Sat], "22:00", "05:00")];
        let utc = Zone::of(&Tags::new(), None);
        assert_eq!(opens_at(&nights, &utc, at("2026-11-21T21:59:59Z")), Some(at("2026-11-21T22:00:00Z")));
        assert_eq!(opens_at(&nights, &utc, at("2026-11-21T22:00:00Z")), None);
        assert_eq!(opens_at(&nights, &utc, at("2026-11-22T04:59:59Z")), None);
        assert_eq!(opens_at(&nights, &utc, at("2026-11-22T05:00:00Z")), Some(at("2026-11-28T22:00:00Z")));
    }

    #[test]
    fn a_window_is_written_as_it_is_read() {
        for text in ["sat sun 22:00 to 05:00", "00:00 to 24:00"] {
            assert_eq!(text.parse::<Window>().unwrap().to_string(), text);
        }
        assert_eq!("Sat 22:00-05:00".parse::<Window>().unwrap(), window(&[Day::Sat], "22:00", "05:00"));
        for bad in ["", "22:00", "someday 1:00-2:00", "1:00-"] {
            assert!(bad.parse::<Window>().is_err(), "{bad}");
        }
    }

    #[test]
    fn each_device_keeps_its_own_time() {
        let nights = [window(&[], "01:00", "04:00")];
        let now = at("2026-11-22T17:30:00Z");
        assert_eq!(opens_at(&nights, &tagged("Asia/Shanghai"), now), None);
        assert_eq!(opens_at(&nights, &tagged("+08:00"), now), None);
        assert_eq!(opens_at(&nights, &Zone::of(&Tags::new(), Some(121.47)), now), None);
        assert_eq!(opens_at(&nights, &tagged("UTC"), now), Some(at("2026-11-23T01:00:00Z")));
        assert_eq!(tagged("Asia/Shanghai").clock(now), "01:30");
        assert_eq!(tagged("nowhere"), Zone::of(&Tags::new(), None), "what is no zone is as if it were not there");
    }

    #[test]
    fn an_hour_that_the_clock_skips_still_opens() {
        // In Berlin 02:00 to 03:00 does not exist on 2026-03-29.
        let night = [window(&[], "02:30", "04:00")];
        let opens = opens_at(&night, &tagged("Europe/Berlin"), at("2026-03-29T00:00:00Z")).unwrap();
        assert_eq!(opens, at("2026-03-29T01:30:00Z"));
    }

    #[test]
    fn a_window_over_the_night_of_the_clock_change_closes_by_the_clock() {
        // In Berlin 2026-03-29 has 23 hours and 2026-10-25 has 25.
        let nights = [window(&[], "22:00", "05:00")];
        let berlin = tagged("Europe/Berlin");
        for (last, shut) in
            [("2026-03-29T02:59:59Z", "2026-03-29T03:00:00Z"), ("2026-10-25T03:59:59Z", "2026-10-25T04:00:00Z")]
        {
            assert_eq!(opens_at(&nights, &berlin, at(last)), None, "{last}");
            assert!(opens_at(&nights, &berlin, at(shut)).is_some(), "{shut}");
        }
        // 00:30 on the day after the short one: the window of that day is still open.
        assert_eq!(opens_at(&nights, &berlin, at("2026-03-29T22:30:00Z")), None);
        // 23:30 on the day before it: the next one is not passed over.
        let mornings = [window(&[Day::Sun], "08:00", "09:00")];
        assert_eq!(opens_at(&mornings, &berlin, at("2026-03-28T22:30:00Z")), Some(at("2026-03-29T06:00:00Z")));
    }

    #[test]
    fn a_whole_day_is_a_window_and_an_empty_one_is_an_error() {
        let utc = Zone::of(&Tags::new(), None);
        assert_eq!(opens_at(&[window(&[], "00:00", "24:00")], &utc, at("2026-11-22T23:59:59Z")), None);
        assert_eq!(opens_at(&[], &utc, at("2026-11-22T23:59:59Z")), None);
        assert!(windows_error(&[window(&[], "10:00", "10:00")]).unwrap().message.contains("never opens"));
        for bad in ["24:01", "1", "aa:bb", "12:60", "+1:00"] {
            assert!(Hour::try_from(bad.to_owned()).is_err(), "{bad}");
        }
    }
}
