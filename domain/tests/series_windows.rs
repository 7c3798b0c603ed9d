//! I12: daily windows across midnight, time zones and DST, as examples with the instants written out; and their
//! JSON. All expected instants were worked out by hand from the zones' rules.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use flash_domain::series::{
    DailyWindow, InvalidDailyWindow, LocalDate, Occurrence, RawDailyWindow, WallTime, canonical_timezone,
};
use flash_domain::time::UnixMillis;

fn window(from: &str, to: &str, timezone: &str) -> DailyWindow {
    let window = DailyWindow {
        from: from.parse().unwrap(),
        to: to.parse().unwrap(),
        timezone: timezone.to_owned(),
        start_date: date("2000-01-01"),
        end_date: None,
    };
    assert_eq!(window.validate(), Ok(()));
    window
}

fn date(text: &str) -> LocalDate {
    text.parse().unwrap()
}

fn utc(text: &str) -> UnixMillis {
    UnixMillis(text.parse::<jiff::Timestamp>().unwrap().as_millisecond())
}

fn show(at: UnixMillis) -> String {
    jiff::Timestamp::from_millisecond(at.0).unwrap().to_string()
}

/// The occurrence of a date as `start end` in UTC, or `none`.
fn on(from: &str, to: &str, timezone: &str, day: &str) -> String {
    match window(from, to, timezone).occurrence_on(date(day)) {
        Some((starts_at, ends_at)) => format!("{} {}", show(starts_at), show(ends_at)),
        None => "none".to_owned(),
    }
}

#[test]
fn i12_plain_days_follow_the_zone() {
    for (zone, expected) in [
        ("America/Bogota", "2024-03-10T22:00:00Z 2024-03-11T00:00:00Z"),
        ("Asia/Kathmandu", "2024-03-10T11:15:00Z 2024-03-10T13:15:00Z"),
        ("UTC", "2024-03-10T17:00:00Z 2024-03-10T19:00:00Z"),
        ("Pacific/Kiritimati", "2024-03-10T03:00:00Z 2024-03-10T05:00:00Z"),
        ("Pacific/Marquesas", "2024-03-11T02:30:00Z 2024-03-11T04:30:00Z"),
        ("America/New_York", "2024-03-10T21:00:00Z 2024-03-10T23:00:00Z"),
    ] {
        assert_eq!(on("17:00", "19:00", zone, "2024-03-10"), expected, "{zone}");
    }
}

#[test]
fn i12_a_window_to_or_before_its_start_ends_the_next_day() {
    let zone = "America/Bogota";
    assert_eq!(on("22:00", "02:00", zone, "2024-02-28"), "2024-02-29T03:00:00Z 2024-02-29T07:00:00Z");
    assert_eq!(on("17:00", "00:00", zone, "2024-12-31"), "2024-12-31T22:00:00Z 2025-01-01T05:00:00Z");
    assert_eq!(on("09:00", "09:00", zone, "2024-05-01"), "2024-05-01T14:00:00Z 2024-05-02T14:00:00Z");
    assert_eq!(on("23:59:59", "00:00", zone, "2024-05-01"), "2024-05-02T04:59:59Z 2024-05-02T05:00:00Z");
}

#[test]
fn i12_a_time_in_a_gap_is_the_first_instant_after_it() {
    for (from, to, zone, day, expected) in [
        // 02:00 EST becomes 03:00 EDT.
        ("02:30", "05:00", "America/New_York", "2024-03-10", "2024-03-10T07:00:00Z 2024-03-10T09:00:00Z"),
        ("01:00", "02:30", "America/New_York", "2024-03-10", "2024-03-10T06:00:00Z 2024-03-10T07:00:00Z"),
        ("02:00", "03:00:01", "America/New_York", "2024-03-10", "2024-03-10T07:00:00Z 2024-03-10T07:00:01Z"),
        ("02:59:59", "03:30", "Europe/Madrid", "2024-03-31", "2024-03-31T01:00:00Z 2024-03-31T01:30:00Z"),
        // Half an hour: 02:00 becomes 02:30.
        ("02:15", "03:00", "Australia/Lord_Howe", "2024-10-06", "2024-10-05T15:30:00Z 2024-10-05T16:00:00Z"),
        // Midnight itself is skipped, so the day begins at 01:00.
        ("00:00", "02:00", "America/Santiago", "2024-09-08", "2024-09-08T04:00:00Z 2024-09-08T05:00:00Z"),
        ("20:00", "00:00", "America/Santiago", "2024-09-07", "2024-09-08T00:00:00Z 2024-09-08T04:00:00Z"),
        ("00:30", "03:00", "Africa/Cairo", "2024-04-26", "2024-04-25T22:00:00Z 2024-04-26T00:00:00Z"),
        // The end of Ramadan.
        ("02:30", "04:00", "Africa/Casablanca", "2024-04-14", "2024-04-14T02:00:00Z 2024-04-14T03:00:00Z"),
    ] {
        assert_eq!(on(from, to, zone, day), expected, "{from} to {to} in {zone} on {day}");
    }
}

#[test]
fn i12_an_overlap_opens_early_and_closes_late() {
    for (from, to, zone, day, expected) in [
        // 02:00 EDT becomes 01:00 EST: 01:30 comes at 05:30Z and at 06:30Z.
        ("01:30", "04:00", "America/New_York", "2024-11-03", "2024-11-03T05:30:00Z 2024-11-03T09:00:00Z"),
        ("23:00", "01:30", "America/New_York", "2024-11-02", "2024-11-03T03:00:00Z 2024-11-03T06:30:00Z"),
        ("01:15", "01:45", "America/New_York", "2024-11-03", "2024-11-03T05:15:00Z 2024-11-03T06:45:00Z"),
        ("02:30", "02:45", "Europe/Madrid", "2024-10-27", "2024-10-27T00:30:00Z 2024-10-27T01:45:00Z"),
        ("01:45", "01:50", "Australia/Lord_Howe", "2024-04-07", "2024-04-06T14:45:00Z 2024-04-06T15:20:00Z"),
        // Midnight becomes 23:00 of the same evening.
        ("23:30", "23:45", "America/Santiago", "2024-04-06", "2024-04-07T02:30:00Z 2024-04-07T03:45:00Z"),
        ("23:30", "00:15", "Africa/Cairo", "2024-10-31", "2024-10-31T20:30:00Z 2024-10-31T22:15:00Z"),
        // The beginning of Ramadan.
        ("02:30", "02:45", "Africa/Casablanca", "2024-03-10", "2024-03-10T01:30:00Z 2024-03-10T02:45:00Z"),
    ] {
        assert_eq!(on(from, to, zone, day), expected, "{from} to {to} in {zone} on {day}");
    }
}

#[test]
fn i12_a_window_that_a_gap_swallows_is_skipped() {
    for (from, to, zone, day) in [
        ("02:00", "02:59:59", "America/New_York", "2024-03-10"),
        ("02:10", "03:00", "America/New_York", "2024-03-10"),
        ("02:05", "02:20", "Australia/Lord_Howe", "2024-10-06"),
        ("00:00", "01:00", "America/Santiago", "2024-09-08"),
        // Samoa had no 30 December 2011 at all.
        ("17:00", "19:00", "Pacific/Apia", "2011-12-30"),
    ] {
        assert_eq!(on(from, to, zone, day), "none", "{zone}");
    }
    let window = window("02:10", "02:50", "America/New_York");
    let next = window.next_occurrence(utc("2024-03-09T12:00:00Z"), None).unwrap();
    assert_eq!((next.local_date, next.starts_at), (date("2024-03-11"), utc("2024-03-11T06:10:00Z")));
}

#[test]
fn i12_missed_whole_is_skipped_missed_in_part_starts_late_once() {
    let window = window("17:00", "19:00", "America/Bogota");
    let occurrence = |day: &str| {
        let (starts_at, ends_at) = window.occurrence_on(date(day)).unwrap();
        Occurrence { local_date: date(day), starts_at, ends_at }
    };
    let first = occurrence("2024-05-01");
    let before = UnixMillis(first.starts_at.0 - 1);
    let last_instant = UnixMillis(first.ends_at.0 - 1);
    for after in [before, first.starts_at, last_instant] {
        assert_eq!(window.next_occurrence(after, Some(date("2024-04-30"))), Some(first), "{after:?}");
        // It was started: it never is again.
        assert_eq!(window.next_occurrence(after, Some(date("2024-05-01"))), Some(occurrence("2024-05-02")));
    }
    assert_eq!(window.next_occurrence(first.ends_at, None), Some(occurrence("2024-05-02")));
    // A week of downtime is not caught up with.
    assert_eq!(
        window.next_occurrence(utc("2024-05-09T12:00:00Z"), Some(date("2024-05-01"))),
        Some(occurrence("2024-05-09"))
    );
    // A clock that fell back behind what was started changes nothing.
    assert_eq!(
        window.next_occurrence(utc("2024-01-01T00:00:00Z"), Some(date("2024-05-01"))),
        Some(occurrence("2024-05-02"))
    );
}

#[test]
fn i12_yesterdays_window_may_still_be_open() {
    let window = window("22:00", "02:00", "Asia/Kathmandu");
    let next = window.next_occurrence(utc("2024-05-01T19:00:00Z"), None).unwrap();
    assert_eq!((next.local_date, next.ends_at), (date("2024-05-01"), utc("2024-05-01T20:15:00Z")));
}

#[test]
fn a_series_is_bounded_by_its_dates() {
    let mut window = window("17:00", "19:00", "America/Bogota");
    (window.start_date, window.end_date) = (date("2024-05-10"), Some(date("2024-05-11")));
    assert_eq!(window.occurrence_on(date("2024-05-09")), None);
    assert_eq!(window.occurrence_on(date("2024-05-12")), None);
    let next = |after: &str, last| window.next_occurrence(utc(after), last).map(|found| found.local_date);
    assert_eq!(next("2020-01-01T00:00:00Z", None), Some(date("2024-05-10")));
    assert_eq!(next("2024-05-11T23:59:59Z", None), Some(date("2024-05-11")));
    assert_eq!(next("2024-05-12T00:00:00Z", None), None);
    assert_eq!(next("2020-01-01T00:00:00Z", Some(date("2024-05-11"))), None);
    for absurd in [i64::MIN, i64::MIN / 2, -62_135_596_800_000] {
        assert!(window.next_occurrence(UnixMillis(absurd), None).is_some());
    }
    for absurd in [i64::MAX, 253_402_300_799_999] {
        assert!(window.next_occurrence(UnixMillis(absurd), None).is_none());
    }
    window.end_date = None;
    assert!(window.next_occurrence(utc("9998-12-30T00:00:00Z"), None).is_some());
    assert_eq!(window.next_occurrence(utc("9998-12-30T00:00:00Z"), Some(date("9998-12-31"))), None);
    window.timezone = "Mars/Olympus".to_owned();
    assert_eq!(window.next_occurrence(utc("2024-05-01T00:00:00Z"), None), None);
    assert_eq!(window.validate(), Err(vec![InvalidDailyWindow::Timezone]));
}

#[test]
fn json_is_the_contract() {
    let text = r#"{"from":"17:00","to":"19:00:30","timezone":"America/Bogota","start_date":"2026-11-24","end_date":"2026-12-24"}"#;
    let read: DailyWindow = serde_json::from_str(text).unwrap();
    assert_eq!(serde_json::to_string(&read).unwrap(), text);
    let open = r#"{"from":"17:00","to":"19:00","timezone":"America/Bogota","start_date":"2026-11-24"}"#;
    assert_eq!(serde_json::to_string(&serde_json::from_str::<DailyWindow>(open).unwrap()).unwrap(), open);
    let null = open.replace('}', r#","end_date":null}"#);
    assert_eq!(serde_json::from_str::<DailyWindow>(&null).unwrap().end_date, None);
    for (good, bad) in [
        ("17:00", "24:00"),
        ("17:00", "17:60"),
        ("17:00", "5pm"),
        ("17:00", "+7:00"),
        ("17:00", " 7:00"),
        ("17:00", "17:00:60"),
        ("17:00", "17:00:0"),
        ("17:00", "17-00"),
        ("17:00", "１7:00"),
        ("2026-11-24", "2026-02-29"),
        ("2026-11-24", "2026-11-4"),
        ("2026-11-24", "20261124"),
        ("2026-11-24", "1969-12-31"),
        ("2026-11-24", "9999-01-01"),
        ("2026-11-24", "2026-11-24T00:00"),
        ("2026-11-24", "+026-11-24"),
        ("}", r#","every":"day"}"#),
    ] {
        assert!(serde_json::from_str::<DailyWindow>(&open.replace(good, bad)).is_err(), "{bad}");
    }
    assert_eq!("17:00:00".parse::<WallTime>().unwrap().to_string(), "17:00");
}

#[test]
fn every_bad_field_is_named_at_once() {
    let raw = |text: &str| serde_json::from_str::<RawDailyWindow>(text).unwrap();
    let fields = |raw: &RawDailyWindow| -> Vec<_> {
        raw.check().unwrap_err().into_iter().map(InvalidDailyWindow::field).collect()
    };
    let bad = raw(r#"{"from":"x","to":"25:00","timezone":"Etc/Unknown","start_date":"","end_date":"soon"}"#);
    assert_eq!(fields(&bad), ["/from", "/to", "/timezone", "/start_date", "/end_date"]);
    let mut good =
        raw(r#"{"from":"17:00","to":"17:00","timezone":"america/BOGOTA","start_date":"2026-11-24"}"#);
    assert_eq!(good.check().unwrap().timezone, "America/Bogota");
    good.end_date = Some("2026-11-23".to_owned());
    assert_eq!(good.check(), Err(vec![InvalidDailyWindow::EndBeforeStart]));
    good.end_date = Some("2026-11-24".to_owned());
    assert_eq!(good.check().unwrap().end_date, Some(date("2026-11-24")));
    for zone in ["", "Bogota", "../etc/passwd", "America/Bogota\0", "+05:00", "EST5EDT4", &"A".repeat(70_000)]
    {
        assert_eq!(canonical_timezone(zone), None, "{zone:.20}");
    }
    assert_eq!(canonical_timezone("utc").as_deref(), Some("UTC"));
}
