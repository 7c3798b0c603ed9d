//! Daily windows: when the occurrences of a recurring promotion start and end, in the wall time of a time zone.
//!
//! Pure functions of a window and of the instant they are asked about. Knows no promotion, no stock, no clock;
//! who starts an occurrence (once per local date) and remembers that it did is the caller.

use crate::time::UnixMillis;
use jiff::Timestamp;
use jiff::civil::{Date, DateTime, Time};
use jiff::tz::{AmbiguousOffset, Offset, TimeZone};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};
use std::fmt;
use std::str::FromStr;

/// The shortest window in milliseconds; one that a DST gap collapses below it is skipped.
pub const WINDOW_MS_MIN: i64 = 1_000;

/// The years in which a local date may lie: all instants of an occurrence then have an RFC 3339 form.
const YEARS: std::ops::RangeInclusive<i16> = 1970..=9998;

/// How many days before an instant's local date the search for its window begins: a window ends at most one local
/// date after its own, and the date line has been moved across islands by one more.
const LOOK_BACK_DAYS: i64 = 3;

/// How many dates the search looks at: those before today, today, tomorrow, and some that a gap skips.
const LOOK_AHEAD_DATES: usize = 16;

/// A time of day on a wall clock, to the second: `17:00` or `17:00:30`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct WallTime(Time);

/// A text is not a time of day.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("must be a time of day, HH:MM or HH:MM:SS, from 00:00 to 23:59:59")]
pub struct InvalidWallTime;

impl WallTime {
    /// Checks an hour 0 to 23, a minute and a second 0 to 59.
    ///
    /// # Errors
    ///
    /// [`InvalidWallTime`] when one is out of its range.
    pub fn new(hour: i8, minute: i8, second: i8) -> Result<Self, InvalidWallTime> {
        Time::new(hour, minute, second, 0).map(Self).map_err(|_| InvalidWallTime)
    }
}

impl FromStr for WallTime {
    type Err = InvalidWallTime;

    fn from_str(text: &str) -> Result<Self, InvalidWallTime> {
        let pair = |at: usize| digits(text, at, 2).and_then(|n| i8::try_from(n).ok()).ok_or(InvalidWallTime);
        let colon = |at: usize| text.as_bytes().get(at) == Some(&b':');
        match text.len() {
            5 if colon(2) => Self::new(pair(0)?, pair(3)?, 0),
            8 if colon(2) && colon(5) => Self::new(pair(0)?, pair(3)?, pair(6)?),
            _ => Err(InvalidWallTime),
        }
    }
}

/// Writes `HH:MM`, and the seconds only if there are any.
impl fmt::Display for WallTime {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:02}:{:02}", self.0.hour(), self.0.minute())?;
        if self.0.second() == 0 { Ok(()) } else { write!(f, ":{:02}", self.0.second()) }
    }
}

/// A date of the calendar on a wall, without a time zone: `2026-11-24`, years 1970 to 9998.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct LocalDate(Date);

/// A text is not a date.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("must be a date, YYYY-MM-DD, from 1970-01-01 to 9998-12-31")]
pub struct InvalidLocalDate;

impl LocalDate {
    /// Checks a year 1970 to 9998, a month from 1 and a day of that month from 1.
    ///
    /// # Errors
    ///
    /// [`InvalidLocalDate`] when there is no such date or its year is out of range.
    pub fn new(year: i16, month: i8, day: i8) -> Result<Self, InvalidLocalDate> {
        Date::new(year, month, day).ok().and_then(Self::checked).ok_or(InvalidLocalDate)
    }

    /// Returns the next date, or `None` after the last one.
    #[must_use]
    pub fn next(self) -> Option<Self> {
        self.0.tomorrow().ok().and_then(Self::checked)
    }

    fn checked(date: Date) -> Option<Self> {
        YEARS.contains(&date.year()).then_some(Self(date))
    }
}

impl FromStr for LocalDate {
    type Err = InvalidLocalDate;

    fn from_str(text: &str) -> Result<Self, InvalidLocalDate> {
        let part = |at, count| digits(text, at, count).ok_or(InvalidLocalDate);
        let dash = |at: usize| text.as_bytes().get(at) == Some(&b'-');
        if text.len() != 10 || !dash(4) || !dash(7) {
            return Err(InvalidLocalDate);
        }
        let small = |n: i16| i8::try_from(n).map_err(|_| InvalidLocalDate);
        Self::new(part(0, 4)?, small(part(5, 2)?)?, small(part(8, 2)?)?)
    }
}

impl fmt::Display for LocalDate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:04}-{:02}-{:02}", self.0.year(), self.0.month(), self.0.day())
    }
}

/// Reads `count` ASCII digits at a byte position; no sign, no blank.
fn digits(text: &str, at: usize, count: usize) -> Option<i16> {
    let part = text.get(at..at + count)?;
    part.bytes().all(|b| b.is_ascii_digit()).then(|| part.parse().ok()).flatten()
}

impl Serialize for WallTime {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for WallTime {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(de::Error::custom)
    }
}

impl Serialize for LocalDate {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for LocalDate {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(de::Error::custom)
    }
}

/// Returns the name of an IANA time zone in its canonical spelling, or `None` if there is no such zone.
#[must_use]
pub fn canonical_timezone(name: &str) -> Option<String> {
    time_zone(name)?.iana_name().map(str::to_owned)
}

/// Looks a zone up in the embedded database.
fn time_zone(name: &str) -> Option<TimeZone> {
    // `Etc/Unknown` is found, but it is no place on Earth: it has no IANA name.
    TimeZone::get(name).ok().filter(|zone| zone.iana_name().is_some())
}

/// The window of a daily series: `daily` of the contract.
///
/// `to` at or before `from` ends the next day, so that equal times make a window of a whole day. One occurrence
/// per local date from `start_date` to `end_date`, both included. The types check their own texts;
/// [`validate`](Self::validate) checks the rest.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DailyWindow {
    /// The wall time at which each occurrence starts.
    pub from: WallTime,
    /// The wall time at which each occurrence ends.
    pub to: WallTime,
    /// The IANA name of the zone whose walls are meant.
    pub timezone: String,
    /// The first local date with an occurrence.
    pub start_date: LocalDate,
    /// The last local date with an occurrence; without one the series goes on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub end_date: Option<LocalDate>,
}

/// A daily window as it was written down, not yet checked: for callers that report every bad field at once.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RawDailyWindow {
    /// See [`DailyWindow::from`].
    pub from: String,
    /// See [`DailyWindow::to`].
    pub to: String,
    /// See [`DailyWindow::timezone`].
    pub timezone: String,
    /// See [`DailyWindow::start_date`].
    pub start_date: String,
    /// See [`DailyWindow::end_date`].
    #[serde(default)]
    pub end_date: Option<String>,
}

/// What is wrong with one field of a daily window.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InvalidDailyWindow {
    /// `from` is not a time of day.
    #[error("from {InvalidWallTime}")]
    From,
    /// `to` is not a time of day.
    #[error("to {InvalidWallTime}")]
    To,
    /// `timezone` is not in the IANA database.
    #[error("timezone must be the name of an IANA time zone, such as America/Bogota")]
    Timezone,
    /// `start_date` is not a date.
    #[error("start_date {InvalidLocalDate}")]
    StartDate,
    /// `end_date` is not a date.
    #[error("end_date {InvalidLocalDate}")]
    EndDate,
    /// `end_date` is before `start_date`.
    #[error("end_date must not be before start_date")]
    EndBeforeStart,
}

impl InvalidDailyWindow {
    /// Names the member at fault, as a JSON pointer relative to the window.
    #[must_use]
    pub const fn field(self) -> &'static str {
        match self {
            Self::From => "/from",
            Self::To => "/to",
            Self::Timezone => "/timezone",
            Self::StartDate => "/start_date",
            Self::EndDate | Self::EndBeforeStart => "/end_date",
        }
    }
}

impl RawDailyWindow {
    /// Checks every field; the time zone takes its canonical spelling.
    ///
    /// # Errors
    ///
    /// One [`InvalidDailyWindow`] per field at fault, all at once.
    pub fn check(&self) -> Result<DailyWindow, Vec<InvalidDailyWindow>> {
        let mut errors = Vec::new();
        let from = self.from.parse().map_err(|_: InvalidWallTime| errors.push(InvalidDailyWindow::From)).ok();
        let to = self.to.parse().map_err(|_: InvalidWallTime| errors.push(InvalidDailyWindow::To)).ok();
        let timezone = canonical_timezone(&self.timezone);
        if timezone.is_none() {
            errors.push(InvalidDailyWindow::Timezone);
        }
        let start_date = self.start_date.parse::<LocalDate>().ok();
        if start_date.is_none() {
            errors.push(InvalidDailyWindow::StartDate);
        }
        let end_date = self.end_date.as_ref().map(|text| text.parse::<LocalDate>());
        match (start_date, end_date) {
            (_, Some(Err(_))) => errors.push(InvalidDailyWindow::EndDate),
            (Some(start), Some(Ok(end))) if end < start => errors.push(InvalidDailyWindow::EndBeforeStart),
            _ => {}
        }
        match (from, to, timezone, start_date) {
            (Some(from), Some(to), Some(timezone), Some(start_date)) if errors.is_empty() => {
                Ok(DailyWindow { from, to, timezone, start_date, end_date: end_date.and_then(Result::ok) })
            }
            _ => Err(errors),
        }
    }
}

/// One day's window of a series.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Occurrence {
    /// The local date it belongs to: that of its start on the wall. Unique within the series.
    pub local_date: LocalDate,
    /// When it starts; may lie before the instant that was asked about, for a window that is already open.
    pub starts_at: UnixMillis,
    /// When it ends, at least [`WINDOW_MS_MIN`] later.
    pub ends_at: UnixMillis,
}

impl DailyWindow {
    /// Checks what the types of the fields cannot: that the zone exists and the dates are in order.
    ///
    /// # Errors
    ///
    /// One [`InvalidDailyWindow`] per field at fault, all at once.
    pub fn validate(&self) -> Result<(), Vec<InvalidDailyWindow>> {
        let mut errors = Vec::new();
        if time_zone(&self.timezone).is_none() {
            errors.push(InvalidDailyWindow::Timezone);
        }
        if self.end_date.is_some_and(|end| end < self.start_date) {
            errors.push(InvalidDailyWindow::EndBeforeStart);
        }
        if errors.is_empty() { Ok(()) } else { Err(errors) }
    }

    /// Returns start and end of the occurrence of a local date; `None` if the date is outside the series, if a
    /// gap leaves less than [`WINDOW_MS_MIN`] of it, or if the time zone is unknown.
    #[must_use]
    pub fn occurrence_on(&self, date: LocalDate) -> Option<(UnixMillis, UnixMillis)> {
        self.occurrence_in(&time_zone(&self.timezone)?, date).map(|found| (found.starts_at, found.ends_at))
    }

    /// Returns the first occurrence that has not ended at `after` and whose local date is later than
    /// `last_started`; `None` when the series is over or its time zone unknown.
    ///
    /// A window missed whole is skipped. One that is open at `after` is returned with its own `starts_at` in the
    /// past: it starts late, and once, since the caller names its date as `last_started` from then on.
    #[must_use]
    pub fn next_occurrence(&self, after: UnixMillis, last_started: Option<LocalDate>) -> Option<Occurrence> {
        let zone = time_zone(&self.timezone)?;
        let mut date = self.start_date.max(first_open_date(&zone, after)?);
        if let Some(last) = last_started {
            date = date.max(last.next()?);
        }
        for _ in 0..LOOK_AHEAD_DATES {
            if self.end_date.is_some_and(|end| date > end) {
                return None;
            }
            match self.occurrence_in(&zone, date) {
                Some(found) if found.ends_at > after => return Some(found),
                _ => date = date.next()?,
            }
        }
        None
    }

    fn occurrence_in(&self, zone: &TimeZone, date: LocalDate) -> Option<Occurrence> {
        if date < self.start_date || self.end_date.is_some_and(|end| date > end) {
            return None;
        }
        let last_day = if self.to <= self.from { date.0.tomorrow().ok()? } else { date.0 };
        let starts_at = instant(zone, date.0.to_datetime(self.from.0), Edge::Opens)?;
        let ends_at = instant(zone, last_day.to_datetime(self.to.0), Edge::Closes)?;
        (ends_at.0 - starts_at.0 >= WINDOW_MS_MIN).then_some(Occurrence {
            local_date: date,
            starts_at,
            ends_at,
        })
    }
}

/// Returns the first local date whose window may still be open at an instant.
fn first_open_date(zone: &TimeZone, at: UnixMillis) -> Option<LocalDate> {
    let first = LocalDate::new(*YEARS.start(), 1, 1).ok()?;
    let Ok(timestamp) = Timestamp::from_millisecond(at.0) else {
        // Before or after all time that has a calendar.
        return (at.0 < 0).then_some(first);
    };
    let local = zone.to_datetime(timestamp).date();
    let date = local.checked_sub(jiff::Span::new().days(LOOK_BACK_DAYS)).unwrap_or(Date::MIN);
    if date.year() < *YEARS.start() { Some(first) } else { LocalDate::checked(date) }
}

/// Which end of a window a wall time stands for: it decides what an overlap means.
#[derive(Clone, Copy)]
enum Edge {
    Opens,
    Closes,
}

/// Returns the instant of a wall time: in a gap the first instant after it, in an overlap the earlier one to open
/// and the later one to close.
fn instant(zone: &TimeZone, wall: DateTime, edge: Edge) -> Option<UnixMillis> {
    let ambiguous = zone.to_ambiguous_timestamp(wall);
    let timestamp = match (ambiguous.offset(), edge) {
        (AmbiguousOffset::Gap { before, after }, _) => end_of_gap(zone, wall, before, after)?,
        (_, Edge::Opens) => ambiguous.earlier().ok()?,
        (_, Edge::Closes) => ambiguous.later().ok()?,
    };
    Some(UnixMillis(timestamp.as_millisecond()))
}

/// Returns the first instant after the gap that a wall time falls into: the first one at which the wall shows a
/// later time, by bisection between the instants which the new and the old offset would give to it.
///
/// jiff's list of transitions would do, but going backwards it misses one where a zone's recorded history meets its
/// rule for the future within a year (America/Indiana/Winamac, 2007).
fn end_of_gap(zone: &TimeZone, wall: DateTime, before: Offset, after: Offset) -> Option<Timestamp> {
    let mut not_yet = after.to_timestamp(wall).ok()?.as_second();
    let mut passed = before.to_timestamp(wall).ok()?.as_second();
    // Halves at most a gap's length each time: a day has less than 2¹⁷ seconds.
    while passed - not_yet > 1 {
        let middle = not_yet + (passed - not_yet) / 2;
        let shown = zone.to_datetime(Timestamp::from_second(middle).ok()?);
        *(if shown > wall { &mut passed } else { &mut not_yet }) = middle;
    }
    Timestamp::from_second(passed).ok()
}
