//! Times as tables and windows write them, read as instants.
//!
//! Reads text, accesses nothing. What it takes:
//! - a date first year, `2014-04-01` (`/` and `.` as well), or with its year last, `1/4/2014`, alone or with a time after a `T` or
//!   spaces; `20140401T130500` without separators;
//! - a time `13:05`, `13:05:00`, `13:05:00.25`, or of 12 hours with `AM` or `PM`; a date alone is its midnight;
//! - a zone, `Z`, `UTC`, `+02:00`, `+0200` or `-05`; a time without one is UTC;
//! - a bare number, which is time since 1970 in UTC, with a sign and a fraction if need be: below 1e11 in seconds, below 1e14 in
//!   milliseconds, below 1e17 in microseconds, else in nanoseconds.
//!
//! A date with its year last is day/month/year or month/day/year, and a single one does not tell. [`Orders`] looks at a whole
//! column: an order that makes no date of one of its values is not the column's. Where both remain it is day/month/year.

use jiff::civil::{Date, Time};
use jiff::tz::Offset;
use jiff::{SignedDuration, Timestamp};

/// What a cell that is no time should have been.
pub const ALLOWED: &str =
    "a time such as 2014-04-01 13:05:00, 2014-04-01T13:05:00+02:00, 4/1/2014 1:05 PM, or a number since 1970";
/// What a date should have been whose column has another order.
pub const ALLOWED_ORDER: &str = "a date in the order of day and month that the other times have";

/// In which order a date with its year last has day and month.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Order {
    /// 31/12/2014.
    DayFirst,
    /// 12/31/2014.
    MonthFirst,
}

impl Order {
    /// As a warning names it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::DayFirst => "day/month/year",
            Self::MonthFirst => "month/day/year",
        }
    }
}

/// A time that was read; the instants that it is in either order of day and month. At least one is there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Reading {
    /// If the day comes first.
    day_first: Option<Timestamp>,
    /// If the month comes first.
    month_first: Option<Timestamp>,
    /// Whether it is a date with its year last.
    pub has_order: bool,
    /// Seconds to the east of UTC, where the text has a zone; a number since 1970 is in UTC.
    pub zone: Option<i32>,
}

impl Reading {
    /// The instant, if it is one in this order.
    pub fn at(&self, order: Order) -> Option<Timestamp> {
        match order {
            Order::DayFirst => self.day_first,
            Order::MonthFirst => self.month_first,
        }
    }

    /// What the clock shows that the text was read off, as if that was in UTC.
    pub fn shown(&self, order: Order) -> Option<Timestamp> {
        let zone = SignedDuration::from_secs(self.zone.unwrap_or(0).into());
        self.at(order)?.checked_add(zone).ok()
    }
}

/// What the times of a column say of its order of day and month.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Orders {
    has_order: bool,
    /// The first time that is no date with the day first, and the first that is none with the month first.
    not_day_first: Option<String>,
    not_month_first: Option<String>,
}

impl Orders {
    /// Takes a time into account; `text` is what it was read from.
    pub fn see(&mut self, reading: &Reading, text: &str) {
        self.has_order |= reading.has_order;
        if reading.day_first.is_none() {
            self.not_day_first.get_or_insert_with(|| text.to_string());
        }
        if reading.month_first.is_none() {
            self.not_month_first.get_or_insert_with(|| text.to_string());
        }
    }

    /// The order, where it is known; none where nothing tells.
    ///
    /// # Errors
    /// Two times of which each rules the other's order out.
    pub fn known(&self) -> Result<Option<Order>, (String, String)> {
        match (&self.not_day_first, &self.not_month_first) {
            (Some(one), Some(other)) => Err((one.clone(), other.clone())),
            (Some(_), None) => Ok(Some(Order::MonthFirst)),
            (None, Some(_)) => Ok(Some(Order::DayFirst)),
            (None, None) => Ok(None),
        }
    }

    /// Whether it has dates with their year last, and nothing tells their order.
    pub fn is_open(&self) -> bool {
        self.has_order && self.not_day_first.is_none() && self.not_month_first.is_none()
    }
}

/// Reads a time; none if it is not one.
///
/// ```
/// use corec_telemetry::time::{Order, read};
/// let instant = |text: &str| read(text).and_then(|reading| reading.at(Order::DayFirst)).map(|at| at.to_string());
/// assert_eq!(instant("2014-04-01 15:05:00+02:00").as_deref(), Some("2014-04-01T13:05:00Z"));
/// assert_eq!(instant("1/4/2014 1:05 PM").as_deref(), Some("2014-04-01T13:05:00Z"));
/// assert_eq!(instant("1396357500").as_deref(), Some("2014-04-01T13:05:00Z"));
/// assert_eq!(instant("yesterday"), None);
/// ```
pub fn read(text: &str) -> Option<Reading> {
    let text = text.trim();
    if let Some(since) = since_1970(text) {
        return Some(Reading { day_first: since, month_first: since, has_order: false, zone: Some(0) })
            .filter(|reading| reading.day_first.is_some());
    }
    let mut rest = Cursor(text.as_bytes());
    let written = rest.date()?;
    let (time, zone) = match rest.0 {
        [] => (Time::midnight(), None),
        _ => rest.time(matches!(written, Written::Bare(_)))?,
    };
    let offset = Offset::from_seconds(zone.unwrap_or(0)).ok()?;
    let instant = |[year, month, day]: [i16; 3]| {
        let date = Date::new(year, i8::try_from(month).ok()?, i8::try_from(day).ok()?).ok()?;
        offset.to_timestamp(date.to_datetime(time)).ok()
    };
    let (day_first, month_first, has_order) = match written {
        Written::Bare(date) | Written::YearFirst(date) => (instant(date), instant(date), false),
        Written::YearLast([a, b, year]) => (instant([year, b, a]), instant([year, a, b]), true),
    };
    Some(Reading { day_first, month_first, has_order, zone })
        .filter(|reading| reading.day_first.is_some() || reading.month_first.is_some())
}

/// A number since 1970. None if the text is no number, none within if there is no such instant.
fn since_1970(text: &str) -> Option<Option<Timestamp>> {
    let digits = text.strip_prefix(['-', '+']).unwrap_or(text);
    let (whole, fraction) = digits.split_once('.').unwrap_or((digits, ""));
    let is_number = |part: &str| part.bytes().all(|b| b.is_ascii_digit());
    if whole.is_empty() || !is_number(whole) || !is_number(fraction) {
        return None;
    }
    let Ok(number) = whole.parse::<u64>() else { return Some(None) };
    // A time of our days has 10 digits in seconds, 13, 16 and 19 in the others; seconds reach the year 5138 so.
    let decimals = match number {
        0..100_000_000_000 => 9,
        100_000_000_000..100_000_000_000_000 => 6,
        100_000_000_000_000..100_000_000_000_000_000 => 3,
        _ => 0,
    };
    let below = fraction.bytes().chain(std::iter::repeat(b'0')).take(decimals);
    let nanoseconds = below.fold(i128::from(number), |sum, digit| sum * 10 + i128::from(digit - b'0'));
    let sign = if text.starts_with('-') { -1 } else { 1 };
    Some(Timestamp::from_nanosecond(sign * nanoseconds).ok())
}

/// A date's three numbers, as they were written.
enum Written {
    /// Year, month, day without separators.
    Bare([i16; 3]),
    /// Year, month, day.
    YearFirst([i16; 3]),
    /// Day and month or month and day, then the year.
    YearLast([i16; 3]),
}

/// What is left of a text.
struct Cursor<'a>(&'a [u8]);

impl Cursor<'_> {
    /// Up to `max` digits as a number, and how many there were.
    fn digits(&mut self, max: usize) -> (i16, usize) {
        let length = self.0.iter().take(max).take_while(|b| b.is_ascii_digit()).count();
        let (digits, rest) = self.0.split_at(length);
        self.0 = rest;
        (digits.iter().fold(0, |sum, digit| sum * 10 + i16::from(digit - b'0')), length)
    }

    /// A number of exactly two digits.
    fn two(&mut self) -> Option<i16> {
        Some(self.digits(2)).filter(|(_, length)| *length == 2).map(|(number, _)| number)
    }

    /// Takes `byte` if it is next, in either case of letters.
    fn take(&mut self, byte: u8) -> bool {
        let is_next = self.0.first().is_some_and(|next| next.eq_ignore_ascii_case(&byte));
        self.0 = &self.0[usize::from(is_next)..];
        is_next
    }

    fn spaces(&mut self) {
        self.0 = self.0.trim_ascii_start();
    }

    fn date(&mut self) -> Option<Written> {
        let (first, length) = self.digits(4);
        if length == 4 && self.0.first().is_some_and(u8::is_ascii_digit) {
            return Some(Written::Bare([first, self.two()?, self.two()?]));
        }
        let separator = *self.0.first().filter(|b| b"-/.".contains(b))?;
        self.take(separator);
        let (second, second_length) = self.digits(2);
        if second_length == 0 || !self.take(separator) {
            return None;
        }
        let (third, third_length) = self.digits(4);
        match (length, third_length) {
            (4, 1 | 2) => Some(Written::YearFirst([first, second, third])),
            (1 | 2, 4) => Some(Written::YearLast([first, second, third])),
            _ => None,
        }
    }

    /// What follows a date, to the end of the text: the time of day, and its zone in seconds if it has one.
    fn time(&mut self, is_bare: bool) -> Option<(Time, Option<i32>)> {
        if !self.take(b'T') {
            let before = self.0.len();
            self.spaces();
            (self.0.len() < before).then_some(())?;
        }
        let (hour, length) = self.digits(2);
        let is_split = self.take(b':');
        // Without separators only where the date has none either, so that nothing else is taken for a time.
        if length == 0 || (!is_split && !is_bare) {
            return None;
        }
        let minute = self.two()?;
        let has_second =
            if is_split { self.take(b':') } else { self.0.first().is_some_and(u8::is_ascii_digit) };
        let second = if has_second { self.two()? } else { 0 };
        let nanosecond =
            if has_second && (self.take(b'.') || self.take(b',')) { self.fraction()? } else { 0 };
        self.spaces();
        let hour = match self.half()? {
            None => hour,
            Some(half) => (1..=12).contains(&hour).then_some(hour % 12 + 12 * half)?,
        };
        self.spaces();
        let zone = self.zone()?;
        // A leap second is the last one of its minute, as in POSIX time.
        let [hour, minute, second] = [hour, minute, if second == 60 { 59 } else { second }].map(i8::try_from);
        Some((Time::new(hour.ok()?, minute.ok()?, second.ok()?, nanosecond).ok()?, zone))
    }

    /// The digits of a fraction, as nanoseconds; what is below one is cut off.
    fn fraction(&mut self) -> Option<i32> {
        let length = self.0.iter().take_while(|b| b.is_ascii_digit()).count();
        let (digits, rest) = self.0.split_at(length);
        self.0 = rest;
        let nine = digits.iter().chain(std::iter::repeat(&b'0')).take(9);
        (length > 0).then(|| nine.fold(0, |sum, digit| sum * 10 + i32::from(digit - b'0')))
    }

    /// AM is 0, PM is 1; a none within where there is neither.
    fn half(&mut self) -> Option<Option<i16>> {
        let half = match self.0.first().map(u8::to_ascii_uppercase) {
            Some(b'A') => 0,
            Some(b'P') => 1,
            _ => return Some(None),
        };
        self.0 = &self.0[1..];
        let is_dotted = self.take(b'.');
        (self.take(b'M') && (!is_dotted || self.take(b'.'))).then_some(Some(half))
    }

    /// The zone that the text ends with, in seconds; a none within where it ends without one.
    fn zone(&mut self) -> Option<Option<i32>> {
        if self.0.is_empty() {
            return Some(None);
        }
        if [&b"Z"[..], b"UTC", b"GMT"].iter().any(|utc| self.0.eq_ignore_ascii_case(utc)) {
            return Some(Some(0));
        }
        let sign = if self.take(b'-') { -1 } else { self.take(b'+').then_some(1)? };
        let hours = self.two()?;
        let minutes = if self.take(b':') || !self.0.is_empty() { self.two()? } else { 0 };
        let is_zone = self.0.is_empty() && hours <= 23 && minutes <= 59;
        is_zone.then(|| Some(sign * (i32::from(hours) * 3600 + i32::from(minutes) * 60)))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn at(text: &str) -> Option<String> {
        read(text).and_then(|reading| reading.at(Order::DayFirst)).map(|at| at.to_string())
    }

    #[test]
    fn one_instant_is_read_in_every_way_of_writing_it() {
        for text in [
            "2014-04-01 13:05:00",
            " 2014-04-01T13:05 ",
            "2014-04-01t13:05:00.000z",
            "2014-04-01 13:05:00 UTC",
            "2014-04-01T15:05:00+02:00",
            "2014-04-01 15:05:00+0200",
            "2014-04-01 08:05:00 -05",
            "2014/4/1 1:05 PM",
            "2014.04.01 01:05:00 p.m.",
            "01/04/2014 13:05:00",
            "1-4-2014 1:05pm",
            "1.4.2014 13:05",
            "20140401T130500Z",
            "20140401 1305",
            "1396357500",
            "1396357500.0",
            "1396357500000",
            "1396357500000000",
            "1396357500000000000",
        ] {
            assert_eq!(at(text).as_deref(), Some("2014-04-01T13:05:00Z"), "{text}");
        }
        assert_eq!(at("2014-04-01").as_deref(), Some("2014-04-01T00:00:00Z"));
        assert_eq!(at("2014-04-01 12:00 AM").as_deref(), Some("2014-04-01T00:00:00Z"));
        assert_eq!(at("2014-04-01 12:00 PM").as_deref(), Some("2014-04-01T12:00:00Z"));
        assert_eq!(at("2016-12-31 23:59:60").as_deref(), Some("2016-12-31T23:59:59Z"));
        assert_eq!(at("-0.25").as_deref(), Some("1969-12-31T23:59:59.75Z"));
        assert_eq!(at("2014-04-01 13:05:00.1234567891").as_deref(), Some("2014-04-01T13:05:00.123456789Z"));
    }

    #[test]
    fn what_is_no_time_is_not_read() {
        for text in [
            "",
            "yesterday",
            "13:05",
            "2014-04",
            "2014-04-31",
            "2014-13-01",
            "14-04-01",
            "1/4/14",
            "2014-04/01",
            "2014-04-01 25:00",
            "2014-04-01 13",
            "2014-04-01 1305",
            "2014-04-01 13:5",
            "2014-04-01 13:05 PM",
            "2014-04-01 0:05 AM",
            "2014-04-01 13:05:00.",
            "2014-04-01 13:05:00 CEST",
            "2014-04-01 13:05:00+2",
            "2014-04-01 13:05:00+99:00",
            "2014-04-01T13:05:00Z later",
            "2014-04-01T",
            "2014-04-0113:05",
            "13/13/2014",
            "1e9",
            "--1",
            ".",
            "99999999999999999999",
            "2014-04-01\u{a0}13:05",
        ] {
            assert_eq!(read(text), None, "{text}");
        }
    }

    #[test]
    fn a_column_tells_its_order_of_day_and_month() {
        let orders = |texts: &[&str]| {
            let mut orders = Orders::default();
            texts.iter().for_each(|text| orders.see(&read(text).unwrap(), text));
            orders
        };
        assert_eq!(orders(&["1/4/2014", "13/4/2014"]).known(), Ok(Some(Order::DayFirst)));
        assert_eq!(orders(&["1/4/2014", "4/13/2014"]).known(), Ok(Some(Order::MonthFirst)));
        assert_eq!(orders(&["2/29/2016"]).known(), Ok(Some(Order::MonthFirst)));
        assert!(orders(&["1/4/2014", "2/4/2014"]).is_open());
        assert!(!orders(&["2014-04-01"]).is_open());
        let both = orders(&["13/4/2014", "4/13/2014"]).known();
        assert_eq!(both, Err(("4/13/2014".into(), "13/4/2014".into())));
    }

    proptest! {
        #[test]
        fn a_random_instant_is_read_from_every_format(
            // The years 1000 to 9998, so that every one has four digits in every zone.
            nanoseconds in -30_610_224_000_000_000_000i128..253_370_764_800_000_000_000,
            quarters in -48i32..=56,
        ) {
            let instant = Timestamp::from_nanosecond(nanoseconds).unwrap();
            let zone = Offset::from_seconds(quarters * 900).unwrap();
            let there = zone.to_datetime(instant);
            let (y, m, d) = (there.year(), there.month(), there.day());
            let (hour, minute, second) = (there.hour(), there.minute(), there.second());
            let fraction = format!("{:09}", there.subsec_nanosecond());
            let (sign, minutes) = (if quarters < 0 { '-' } else { '+' }, (quarters * 15).abs());
            let zones = [
                format!("{sign}{:02}:{:02}", minutes / 60, minutes % 60),
                format!(" {sign}{:02}{:02}", minutes / 60, minutes % 60),
            ];
            let clock = format!("{hour:02}:{minute:02}:{second:02}.{fraction}");
            let half = if hour < 12 { "AM" } else { "PM" };
            let twelve = format!("{}:{minute:02}:{second:02}.{fraction} {half}", (hour + 11) % 12 + 1);
            for zone in &zones {
                for time in [&clock, &twelve] {
                    for (date, order) in [
                        (format!("{y:04}-{m:02}-{d:02}T"), Order::DayFirst),
                        (format!("{y:04}/{m}/{d} "), Order::MonthFirst),
                        (format!("{d:02}.{m:02}.{y:04} "), Order::DayFirst),
                        (format!("{m}/{d}/{y:04} "), Order::MonthFirst),
                    ] {
                        let text = format!("{date}{time}{zone}");
                        let reading = read(&text);
                        prop_assert_eq!(reading.and_then(|r| r.at(order)), Some(instant), "{}", text);
                        prop_assert_eq!(reading.and_then(|r| r.zone), Some(quarters * 900), "{}", text);
                    }
                }
            }
        }

        #[test]
        fn a_random_number_since_1970_is_read_by_its_magnitude(
            // From 1973-03-03 on, where milliseconds have 12 digits; both signs.
            nanoseconds in 100_000_000_000_000_001i64..i64::MAX,
            is_before in any::<bool>(),
        ) {
            let sign = if is_before { -1 } else { 1 };
            let instant = |unit: i64| {
                Timestamp::from_nanosecond(i128::from(sign * (nanoseconds / unit * unit))).unwrap()
            };
            for unit in [1, 1000, 1_000_000, 1_000_000_000] {
                let text = (sign * (nanoseconds / unit)).to_string();
                prop_assert_eq!(read(&text).and_then(|r| r.at(Order::DayFirst)), Some(instant(unit)), "{}", text);
            }
            let (whole, below) = (nanoseconds / 1_000_000_000, nanoseconds % 1_000_000_000);
            let text = format!("{}{whole}.{below:09}", if is_before { "-" } else { "" });
            prop_assert_eq!(read(&text).and_then(|r| r.at(Order::MonthFirst)), Some(instant(1)), "{}", text);
        }

        #[test]
        fn no_text_makes_it_panic(text in "[0-9TZAPM:/.+ -]{0,30}") {
            _ = read(&text);
        }
    }
}
