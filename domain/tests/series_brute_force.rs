//! I12 against brute force: the wall clock is read at every minute, forward only, and the windows are found by
//! looking. Plus the life of a series under a clock that jumps: each occurrence starts at most once.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use flash_domain::series::{DailyWindow, LocalDate, Occurrence, WallTime};
use flash_domain::time::UnixMillis;
use jiff::civil::Date;
use jiff::tz::TimeZone;
use jiff::{Timestamp, ToSpan};
use std::collections::BTreeSet;

const MINUTE_MS: i64 = 60_000;
const DAY_MINUTES: i64 = 1_440;

const ZONES: [&str; 14] = [
    "America/New_York",
    "Europe/Madrid",
    "Australia/Lord_Howe",
    "America/Bogota",
    "Africa/Casablanca",
    "Asia/Kathmandu",
    "America/Santiago",
    "Africa/Cairo",
    "America/Havana",
    "Asia/Beirut",
    "Pacific/Apia",
    "Pacific/Chatham",
    "America/St_Johns",
    "Antarctica/Troll",
];

struct Rng(u64);

impl Rng {
    fn below(&mut self, count: i64) -> i64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 % u64::try_from(count).unwrap()) as i64
    }
}

fn civil(date: LocalDate) -> Date {
    date.to_string().parse().unwrap()
}

fn local(date: Date) -> LocalDate {
    date.to_string().parse().unwrap()
}

/// Minutes from 1970-01-01 00:00 on the wall.
fn wall_minutes(date: Date) -> i64 {
    i64::from(Date::constant(1970, 1, 1).until(date).unwrap().get_days()) * DAY_MINUTES
}

/// What the wall clock shows, minute by minute, over some days.
struct Walls {
    first_ms: i64,
    shown: Vec<i64>,
}

impl Walls {
    fn read(zone: &TimeZone, around: Date, days: i64) -> Self {
        let noon =
            around.at(12, 0, 0, 0).to_zoned_datetime(TimeZone::UTC).unwrap().timestamp().as_millisecond();
        let first_ms = noon - days * DAY_MINUTES * MINUTE_MS;
        let shown = (0..2 * days * DAY_MINUTES)
            .map(|n| {
                let at = Timestamp::from_millisecond(first_ms + n * MINUTE_MS).unwrap();
                let seconds = at.as_second() + i64::from(zone.to_offset(at).seconds());
                assert_eq!(seconds % 60, 0);
                seconds / 60
            })
            .collect();
        Self { first_ms, shown }
    }

    fn at(&self, place: usize) -> i64 {
        self.first_ms + place as i64 * MINUTE_MS
    }

    /// The first time the wall shows this minute, or skips over it.
    fn opens(&self, wall: i64) -> i64 {
        let exact = self.shown.iter().position(|shown| *shown == wall);
        self.at(exact.unwrap_or_else(|| self.skips(wall)))
    }

    /// The last time the wall shows this minute, or skips over it.
    fn closes(&self, wall: i64) -> i64 {
        let exact = self.shown.iter().rposition(|shown| *shown == wall);
        self.at(exact.unwrap_or_else(|| self.skips(wall)))
    }

    fn skips(&self, wall: i64) -> usize {
        1 + self.shown.windows(2).position(|pair| pair[0] < wall && wall < pair[1]).unwrap()
    }

    fn occurrence(&self, date: Date, from: i64, to: i64) -> Option<Occurrence> {
        let midnight = wall_minutes(date);
        let starts_ms = self.opens(midnight + from);
        let ends_ms = self.closes(midnight + to + if to <= from { DAY_MINUTES } else { 0 });
        (ends_ms - starts_ms >= 1_000).then(|| Occurrence {
            local_date: local(date),
            starts_at: UnixMillis(starts_ms),
            ends_at: UnixMillis(ends_ms),
        })
    }
}

fn window(zone: &str, from: i64, to: i64) -> DailyWindow {
    let wall = |minutes: i64| WallTime::new((minutes / 60) as i8, (minutes % 60) as i8, 0).unwrap();
    DailyWindow {
        from: wall(from),
        to: wall(to),
        timezone: zone.to_owned(),
        start_date: LocalDate::new(1970, 1, 1).unwrap(),
        end_date: None,
    }
}

/// Dates at which the offset of a zone changes from 2005 on, and some at which it does not.
fn dates(zone: &TimeZone, rng: &mut Rng) -> Vec<Date> {
    let since: Timestamp = "2005-01-01T00:00:00Z".parse().unwrap();
    let mut dates: Vec<_> = zone
        .following(since)
        .take(44)
        .map(|transition| zone.to_datetime(transition.timestamp()).date())
        .collect();
    dates.extend((0..4).map(|_| Date::constant(2024, 1, 1) + rng.below(700).days()));
    dates
}

/// A minute of the day, mostly in the small hours and around midnight, where clocks change.
fn minute(rng: &mut Rng) -> i64 {
    match rng.below(4) {
        0 => rng.below(DAY_MINUTES),
        1 => (DAY_MINUTES - 90 + rng.below(180)) % DAY_MINUTES,
        2 => 30 * rng.below(8),
        _ => rng.below(240),
    }
}

#[test]
fn i12_windows_equal_a_scan_of_the_wall_clock() {
    let mut rng = Rng(12);
    let (mut compared, mut skipped) = (0u32, 0u32);
    for name in ZONES {
        let zone = TimeZone::get(name).unwrap();
        for change in dates(&zone, &mut rng) {
            let walls = Walls::read(&zone, change, 7);
            for _ in 0..12 {
                let (from, to) = (minute(&mut rng), minute(&mut rng));
                let window = window(name, from, to);
                let days: Vec<_> = (-3..=3).map(|n: i64| change + n.days()).collect();
                let expected: Vec<_> = days.iter().map(|day| walls.occurrence(*day, from, to)).collect();
                for (day, expected) in days.iter().zip(&expected) {
                    let found = window.occurrence_on(local(*day));
                    let context = format!("{name} {day} {} to {}", window.from, window.to);
                    assert_eq!(found, expected.map(|e| (e.starts_at, e.ends_at)), "{context}");
                    compared += 1;
                    skipped += u32::from(expected.is_none());
                }
                let after =
                    UnixMillis(walls.opens(wall_minutes(change)) + rng.below(2 * DAY_MINUTES) * MINUTE_MS);
                let last = (rng.below(2) == 0).then(|| local(days[rng.below(5) as usize]));
                let expected = expected
                    .iter()
                    .flatten()
                    .find(|e| e.ends_at > after && last.is_none_or(|last| e.local_date > last));
                if let Some(expected) = expected {
                    assert_eq!(
                        window.next_occurrence(after, last),
                        Some(*expected),
                        "{name} {after:?} {last:?}"
                    );
                }
            }
        }
    }
    println!("{compared} windows compared, {skipped} of them skipped by a gap");
    assert!(compared > 40_000 && skipped > 20);
}

#[test]
fn i12_the_end_of_every_gap_of_every_zone_is_found() {
    let (since, until): (Timestamp, Timestamp) =
        ("1972-01-01T00:00:00Z".parse().unwrap(), "2037-01-01T00:00:00Z".parse().unwrap());
    let (mut zones, mut gaps) = (0u32, 0u32);
    for name in jiff::tz::db().available() {
        let zone = TimeZone::get(name.as_str()).unwrap();
        zones += 1;
        for transition in zone.following(since).take_while(|t| t.timestamp() < until) {
            let at = transition.timestamp();
            let before = zone.to_offset(at - 1.second());
            let skipped_s = i64::from(transition.offset().seconds() - before.seconds());
            // Where a whole day is skipped (Samoa, Kwajalein) no window of that date is left.
            if skipped_s <= 0 || skipped_s >= DAY_MINUTES * 60 {
                continue;
            }
            for into_gap_s in [0, skipped_s / 2, skipped_s - 1] {
                let wall = before.to_datetime(at) + into_gap_s.seconds();
                let mut window = window(name.as_str(), 0, 0);
                let time = wall.time();
                window.from = WallTime::new(time.hour(), time.minute(), time.second()).unwrap();
                window.to = window.from;
                let found = window.occurrence_on(local(wall.date())).unwrap().0;
                assert_eq!(found.0, at.as_millisecond(), "{name} {wall}");
                gaps += 1;
            }
        }
    }
    println!("{zones} zones, {gaps} times in gaps");
    assert!(zones > 400 && gaps > 10_000);
}

#[test]
fn i12_each_occurrence_starts_once_under_a_clock_that_jumps() {
    let mut rng = Rng(13);
    for name in ZONES {
        for _ in 0..30 {
            let window = window(name, minute(&mut rng), minute(&mut rng));
            let mut now = UnixMillis(1_700_000_000_000 + rng.below(365 * DAY_MINUTES) * MINUTE_MS);
            let (mut last, mut started) = (None, BTreeSet::new());
            let mut asleep_since = now;
            for _ in 0..60 {
                let Some(next) = window.next_occurrence(now, last) else {
                    panic!("a series without end ended")
                };
                // Nothing between was open while the process was awake or could still be started late.
                let mut day = civil(next.local_date).yesterday().unwrap();
                while last.is_none_or(|last| local(day) > last) {
                    match window.occurrence_on(local(day)) {
                        Some((_, ends_at)) if ends_at <= asleep_since => break,
                        Some((_, ends_at)) => assert!(ends_at <= now, "{name}: {day} was left out"),
                        None => {}
                    }
                    day = day.yesterday().unwrap();
                }
                assert!(started.insert(next.local_date), "{name}: {} twice", next.local_date);
                assert!(next.ends_at > now);
                now = now.max(next.starts_at);
                last = Some(next.local_date);
                asleep_since = now;
                // Mostly wakes again at once, at times days later.
                if rng.below(4) == 0 {
                    now = UnixMillis(now.0 + rng.below(5 * DAY_MINUTES) * MINUTE_MS);
                }
            }
        }
    }
}
