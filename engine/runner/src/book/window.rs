//! `window: { days, from, to, tz }`: when new work may start. Reads the words and computes with times; waits for nothing.
//! A time that a change of clocks skips or repeats is taken as calendars take it: skipped ones move on by the gap, of
//! repeated ones the first counts.

use std::time::{Duration, SystemTime};

use base::did_you_mean;
use jiff::Timestamp;
use jiff::civil::{Date, Time};
use jiff::tz::TimeZone;

/// A window of the week, in one time zone.
#[derive(Clone, Debug)]
pub struct Window {
    /// Monday first; a window over midnight belongs to the day on which it opens.
    days: [bool; 7],
    from: Time,
    /// None is the end of the day.
    to: Option<Time>,
    zone: TimeZone,
}

/// What a window says about a moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Opening {
    /// New work may start, until then.
    Open {
        /// The end of the window.
        until: SystemTime,
    },
    /// No new work before this.
    Shut {
        /// When it opens next.
        until: SystemTime,
    },
}

const DAYS: [&str; 7] = ["mon", "tue", "wed", "thu", "fri", "sat", "sun"];
const LONG_DAYS: [&str; 7] = ["monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday"];

/// Every window opens within eight days; one more for a day that a zone leaves out.
const LOOK_AHEAD: i32 = 9;

impl Window {
    pub(super) fn new(days: [bool; 7], from: Time, to: Option<Time>, zone: TimeZone) -> Self {
        Self { days, from, to, zone }
    }

    /// What it says about a moment.
    pub fn at(&self, now: SystemTime) -> Opening {
        let moment = Timestamp::try_from(now).unwrap_or(Timestamp::UNIX_EPOCH);
        let today = moment.to_zoned_datetime(self.zone.clone()).date();
        // Over midnight, yesterday's window may still be open.
        for offset in -1..LOOK_AHEAD {
            let Some((start, end)) = day(today, offset).and_then(|date| self.on(date)) else { continue };
            if end <= moment {
                continue;
            }
            let time = |at: Timestamp| SystemTime::try_from(at).unwrap_or(now);
            return if start <= moment {
                Opening::Open { until: time(end) }
            } else {
                Opening::Shut { until: time(start) }
            };
        }
        // A window without a day is refused when it is read.
        Opening::Shut { until: now + Duration::from_secs(24 * 3600) }
    }

    /// A moment as people of that zone read it: `2026-11-24 22:00 Europe/Berlin`.
    pub fn local(&self, at: SystemTime) -> String {
        let moment = Timestamp::try_from(at).unwrap_or(Timestamp::UNIX_EPOCH);
        let zoned = moment.to_zoned_datetime(self.zone.clone());
        let zone = self.zone.iana_name().unwrap_or("UTC");
        format!("{} {zone}", zoned.strftime("%Y-%m-%d %H:%M"))
    }

    /// The window that opens on a date.
    fn on(&self, date: Date) -> Option<(Timestamp, Timestamp)> {
        if !self.days[usize::try_from(date.weekday().to_monday_zero_offset()).ok()?] {
            return None;
        }
        let moment = |date: Date, time: Time| self.zone.to_timestamp(date.to_datetime(time)).ok();
        let start = moment(date, self.from)?;
        let end = match self.to {
            Some(to) if to > self.from => moment(date, to)?,
            Some(to) => moment(date.tomorrow().ok()?, to)?,
            None => moment(date.tomorrow().ok()?, Time::midnight())?,
        };
        (start < end).then_some((start, end))
    }
}

fn day(today: Date, offset: i32) -> Option<Date> {
    today.checked_add(jiff::Span::new().days(offset)).ok()
}

/// `mon`, `monday`, `mon-fri`: which days, or why not.
pub(super) fn days(text: &str) -> Result<Vec<usize>, String> {
    let text = text.trim().to_lowercase();
    let (first, last) = text.split_once('-').unwrap_or((&text, &text));
    let (first, last) = (weekday(first.trim())?, weekday(last.trim())?);
    let length = (last + 7 - first) % 7;
    Ok((0..=length).map(|step| (first + step) % 7).collect())
}

fn weekday(word: &str) -> Result<usize, String> {
    let at = |names: &[&str]| names.iter().position(|name| *name == word);
    at(&DAYS).or_else(|| at(&LONG_DAYS)).ok_or_else(|| {
        match did_you_mean(word, LONG_DAYS).or_else(|| did_you_mean(word, DAYS)) {
            Some(near) => format!("did you mean `{near}`?"),
            None => format!("days are {}, or a range such as `mon-fri`", DAYS.join(", ")),
        }
    })
}

/// `22:00`; `24:00` is the end of the day and only good as one.
pub(super) fn time(text: &str) -> Option<Option<Time>> {
    let (hour, minute) = text.split_once(':')?;
    let number = |text: &str| {
        let plain = (1..=2).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_digit());
        plain.then(|| text.parse::<i8>().ok()).flatten()
    };
    match (number(hour)?, number(minute).filter(|_| minute.len() == 2)?) {
        (24, 0) => Some(None),
        (hour, minute) => Time::new(hour, minute, 0, 0).ok().map(Some),
    }
}

/// A time zone by its IANA name, or the name that was perhaps meant.
pub(super) fn zone(name: &str) -> Result<TimeZone, Option<String>> {
    TimeZone::get(name).map_err(|_| {
        let known: Vec<String> = jiff::tz::db().available().map(|name| name.to_string()).collect();
        let known = || known.iter().map(String::as_str);
        let city = |name: &str| name.rsplit('/').next().unwrap_or(name).to_lowercase();
        let same_city = known().find(|it| city(it) == city(name));
        did_you_mean(name, known()).or(same_city).map(str::to_owned)
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use base::{parse_time, rfc3339_millis};
    use proptest::prelude::*;

    fn window(days_text: &[&str], from: &str, to: &str, tz: &str) -> Window {
        let mut chosen = [false; 7];
        days_text.iter().flat_map(|text| days(text).unwrap()).for_each(|day| chosen[day] = true);
        Window::new(chosen, time(from).unwrap().unwrap(), time(to).unwrap(), zone(tz).unwrap())
    }

    fn said(window: &Window, now: &str) -> String {
        let text = |at| rfc3339_millis(at).replace(":00.000Z", "Z");
        match window.at(parse_time(now).unwrap()) {
            Opening::Open { until } => format!("open until {}", text(until)),
            Opening::Shut { until } => format!("shut until {}", text(until)),
        }
    }

    #[test]
    fn days_and_times_and_midnight() {
        let office = window(&["mon-fri"], "09:00", "17:00", "Europe/Berlin");
        // 2026-11-23 is a Monday; Berlin is UTC+1 then.
        for (now, expected) in [
            ("2026-11-23T07:59:59Z", "shut until 2026-11-23T08:00Z"),
            ("2026-11-23T08:00:00Z", "open until 2026-11-23T16:00Z"),
            ("2026-11-23T16:00:00Z", "shut until 2026-11-24T08:00Z"),
            ("2026-11-27T16:00:00Z", "shut until 2026-11-30T08:00Z"),
        ] {
            assert_eq!(said(&office, now), expected, "{now}");
        }
        let night = window(&["fri", "sat"], "22:00", "04:00", "UTC");
        for (now, expected) in [
            ("2026-11-27T21:59:00Z", "shut until 2026-11-27T22:00Z"),
            ("2026-11-28T03:59:00Z", "open until 2026-11-28T04:00Z"),
            ("2026-11-28T04:00:00Z", "shut until 2026-11-28T22:00Z"),
            ("2026-11-29T03:00:00Z", "open until 2026-11-29T04:00Z"),
            // Sunday's own night is not in it.
            ("2026-11-29T23:00:00Z", "shut until 2026-12-04T22:00Z"),
        ] {
            assert_eq!(said(&night, now), expected, "{now}");
        }
        let sunday = window(&["sunday"], "00:00", "24:00", "UTC");
        assert_eq!(said(&sunday, "2026-11-29T23:59:00Z"), "open until 2026-11-30T00:00Z");
        assert_eq!(said(&sunday, "2026-11-30T00:00:00Z"), "shut until 2026-12-06T00:00Z");
    }

    #[test]
    fn changes_of_clocks() {
        // Berlin, 2026-03-29: 02:00 becomes 03:00. 2026-10-25: 03:00 becomes 02:00.
        let night = window(&["mon-sun"], "22:00", "06:00", "Europe/Berlin");
        assert_eq!(said(&night, "2026-03-28T21:00:00Z"), "open until 2026-03-29T04:00Z", "seven hours long");
        assert_eq!(said(&night, "2026-10-24T20:00:00Z"), "open until 2026-10-25T05:00Z", "nine hours long");
        let skipped = window(&["sun"], "02:15", "02:45", "Europe/Berlin");
        assert_eq!(said(&skipped, "2026-03-29T00:00:00Z"), "shut until 2026-03-29T01:15Z", "03:15 of the new time");
        assert_eq!(said(&skipped, "2026-03-29T01:20:00Z"), "open until 2026-03-29T01:45Z");
        let twice = window(&["sun"], "02:15", "02:45", "Europe/Berlin");
        assert_eq!(said(&twice, "2026-10-25T00:00:00Z"), "shut until 2026-10-25T00:15Z", "the first of the two");
        assert_eq!(said(&twice, "2026-10-25T01:20:00Z"), "shut until 2026-11-01T01:15Z", "not the second");
        let midnight = window(&["mon-sun"], "00:00", "24:00", "Europe/Berlin");
        assert_eq!(said(&midnight, "2026-10-25T10:00:00Z"), "open until 2026-10-25T23:00Z", "a day of 25 hours");
        // Samoa had no 2011-12-30.
        let samoa = window(&["fri"], "09:00", "10:00", "Pacific/Apia");
        assert!(said(&samoa, "2011-12-29T12:00:00Z").starts_with("shut until"), "a day that never was is no panic");
    }

    #[test]
    fn words() {
        assert_eq!(days("sat-mon").unwrap(), [5, 6, 0]);
        assert_eq!(days("Wednesday").unwrap(), [2]);
        assert_eq!(days("wensday").unwrap_err(), "did you mean `wednesday`?");
        for bad in ["25:00", "24:01", "9", "9:5", "09:60", "-1:00", "9:00 pm", ""] {
            assert!(time(bad).is_none(), "{bad}");
        }
        assert_eq!(zone("Europe/Berlim").unwrap_err().as_deref(), Some("Europe/Berlin"));
        assert_eq!(zone("berlin").unwrap_err().as_deref(), Some("Europe/Berlin"));
        let at = parse_time("2026-11-24T21:00:00Z").unwrap();
        assert_eq!(window(&["mon"], "9:00", "10:00", "Europe/Berlin").local(at), "2026-11-24 22:00 Europe/Berlin");
    }

    proptest! {
        #[test]
        fn what_it_says_comes_true(
            seconds in 1_700_000_000_u64..1_900_000_000, from in 0_i8..24, to in 0_i8..24, minute in 0_i8..60, day in 0_usize..7,
            tz in prop::sample::select(vec!["Europe/Berlin", "America/New_York", "Australia/Lord_Howe", "Asia/Kathmandu", "UTC"]),
        ) {
            prop_assume!(from != to);
            let mut days = [false; 7];
            days[day] = true;
            let time = |hour| Time::new(hour, minute, 0, 0).expect("a time of day");
            let window = Window::new(days, time(from), Some(time(to)), zone(tz).expect("a zone"));
            let now = SystemTime::UNIX_EPOCH + Duration::from_secs(seconds);
            let second = Duration::from_secs(1);
            match window.at(now) {
                Opening::Open { until } => {
                    prop_assert!(until > now);
                    let last = Opening::Open { until };
                    prop_assert_eq!(window.at(until - second), last);
                    let shut = matches!(window.at(until), Opening::Shut { .. });
                    prop_assert!(shut, "it ends when it says so");
                }
                Opening::Shut { until } => {
                    prop_assert!(until > now);
                    let last = Opening::Shut { until };
                    prop_assert_eq!(window.at(until - second), last);
                    let open = matches!(window.at(until), Opening::Open { .. });
                    prop_assert!(open, "it opens when it says so");
                }
            }
        }
    }
}
