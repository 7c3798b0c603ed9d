//! Daily series through the check job: daylight saving, one occurrence per local date, windows that were missed.

use crate::catalogue::{Diary, Shelf, Silence};
use crate::stage::{Stage, Told, pass, play};
use flash_actors::jobs::{Job, JobParts, run};
use flash_actors::ports::clock::Clock;
use flash_domain::promotion::Status;
use flash_domain::series::DailyWindow;
use flash_domain::time::UnixMillis;
use std::sync::Arc;

const MINUTE_MS: i64 = 60_000;
const HOUR_MS: i64 = 60 * MINUTE_MS;
const DAY_MS: i64 = 24 * HOUR_MS;
/// 28 March 2027, 00:00 UTC; an hour later Berlin's walls go from 02:00 to 03:00.
const SPRING: i64 = 1_806_192_000_000;
/// 31 October 2027, 00:00 UTC; an hour later Berlin's walls go from 03:00 to 02:00.
const AUTUMN: i64 = 1_824_940_800_000;

fn berlin(from: &str, to: &str, start_date: &str) -> DailyWindow {
    DailyWindow {
        from: from.parse().unwrap(),
        to: to.parse().unwrap(),
        timezone: "Europe/Berlin".into(),
        start_date: start_date.parse().unwrap(),
        end_date: None,
    }
}

struct Series {
    stage: Stage,
    parts: JobParts,
    shelf: Arc<Shelf>,
    diary: Arc<Diary>,
}

impl Series {
    fn new(stage: Stage, window: DailyWindow) -> Self {
        let shelf = Arc::new(Shelf::new(stage.store.clone(), window));
        let diary = Arc::new(Diary::default());
        let parts = JobParts {
            engine: Some(stage.engine.clone()),
            inbox: Arc::new(Silence),
            webhooks: Arc::new(Silence),
            ending_soon_ms: 0,
            counts: Arc::default(),
            catalogue: shelf.clone(),
            accounts: Arc::new(crate::sim::SimAccounts),
            log: diary.clone(),
            clock: stage.clock.clone(),
            mint: stage.mint.clone(),
        };
        Self { stage, parts, shelf, diary }
    }

    fn be_at(&self, wall_ms: i64) {
        self.stage.clock.step(wall_ms - self.stage.clock.now().wall.0);
    }

    async fn check(&self) {
        run(&self.parts, Job::Check, 0).await.unwrap();
        let last = self.diary.runs().pop().unwrap();
        assert!(last.ok, "{}", last.detail);
    }

    /// The check job every ten minutes, for so long.
    async fn go_on(&self, ms: i64) {
        for _ in 0..ms / (10 * MINUTE_MS) {
            self.check().await;
            pass(10 * MINUTE_MS as u64).await;
        }
    }

    /// Local date, start and end of every occurrence that was made, relative to an instant.
    fn made(&self, since: i64) -> Vec<(String, i64, i64)> {
        let relative = |at: UnixMillis| (at.0 - since) / MINUTE_MS;
        let made = self.shelf.made();
        made.iter()
            .map(|(r, d)| (d.clone(), relative(r.terms.starts_at), relative(r.terms.ends_at)))
            .collect()
    }

    /// How often each occurrence that was made has gone live.
    fn starts(&self) -> Vec<usize> {
        let live = |told: &Told| matches!(told, Told::Offer(Status::Live, _));
        let made = self.shelf.made();
        made.iter().map(|(r, _)| self.stage.feed.of(r.id).iter().filter(|told| live(told)).count()).collect()
    }
}

fn dated(date: &str, from: i64, to: i64) -> (String, i64, i64) {
    (date.to_owned(), from, to)
}

#[test]
fn i12_a_window_in_a_gap_begins_with_the_first_instant_after_it_once() {
    play(async |stage: Stage| {
        let series = Series::new(stage, berlin("02:30", "03:30", "2027-03-27"));
        series.be_at(SPRING - DAY_MS);
        series.go_on(3 * DAY_MS).await;
        let expected = [
            dated("2027-03-27", -1440 + 90, -1440 + 150),
            dated("2027-03-28", 60, 90),
            dated("2027-03-29", 1440 + 30, 1440 + 90),
        ];
        assert_eq!(series.made(SPRING)[..3], expected);
        assert_eq!(series.starts()[..3], [1, 1, 1]);
    });
}

#[test]
fn i12_in_an_overlap_from_is_the_earlier_and_to_the_later() {
    play(async |stage: Stage| {
        let series = Series::new(stage, berlin("02:30", "02:45", "2027-10-30"));
        series.be_at(AUTUMN - DAY_MS);
        series.go_on(3 * DAY_MS).await;
        let expected = [
            dated("2027-10-30", -1440 + 30, -1440 + 45),
            dated("2027-10-31", 30, 105),
            dated("2027-11-01", 1440 + 90, 1440 + 105),
        ];
        assert_eq!(series.made(AUTUMN)[..3], expected);
        assert_eq!(series.starts()[..3], [1, 1, 1]);
    });
}

#[test]
fn i12_a_window_across_midnight_ends_the_next_day_also_over_a_gap() {
    play(async |stage: Stage| {
        let series = Series::new(stage, berlin("23:00", "02:30", "2027-03-27"));
        series.be_at(SPRING - DAY_MS);
        series.go_on(2 * DAY_MS).await;
        // From 23:00 in winter to the instant that would have been 02:30.
        assert_eq!(series.made(SPRING)[0], dated("2027-03-27", -120, 60));
        assert_eq!(series.starts()[..1], [1]);
    });
}

#[test]
fn i12_one_occurrence_per_local_date_whatever_the_clock_does() {
    play(async |stage: Stage| {
        let series = Series::new(stage, berlin("12:00", "13:00", "2027-06-01"));
        series.be_at(AUTUMN - 5 * DAY_MS + 11 * HOUR_MS + 30 * MINUTE_MS);
        // Two nodes look at once.
        futures_util::future::join(series.check(), series.check()).await;
        assert_eq!(series.made(AUTUMN).len(), 1, "today's is over, tomorrow's is made once");
        series.go_on(DAY_MS).await;
        futures_util::future::join(series.check(), series.check()).await;
        series.be_at(AUTUMN - 6 * DAY_MS);
        series.go_on(DAY_MS).await;
        let mut dates: Vec<String> = series.made(AUTUMN).into_iter().map(|(date, ..)| date).collect();
        let count = dates.len();
        dates.sort_unstable();
        dates.dedup();
        assert_eq!(dates.len(), count);
        assert!(series.starts().iter().all(|starts| *starts <= 1));
    });
}

#[test]
fn i12_the_next_occurrence_waits_for_the_last_one_to_start() {
    play(async |stage: Stage| {
        let series = Series::new(stage, berlin("12:00", "13:00", "2027-06-01"));
        // Midsummer: 12:00 in Berlin is 10:00 UTC.
        let noon = SPRING + 100 * DAY_MS + 10 * HOUR_MS;
        series.be_at(noon - 2 * HOUR_MS);
        for day in 1..=2 {
            series.go_on(HOUR_MS).await;
            assert_eq!(
                series.made(noon).len(),
                day,
                "one waits: no other beside it, however often one looks"
            );
            series.be_at(noon + (day as i64 - 1) * DAY_MS + 1);
            series.check().await;
            assert_eq!(series.made(noon).len(), day + 1, "it has started: the next one is made");
            series.go_on(HOUR_MS).await;
            assert_eq!(series.made(noon).len(), day + 1, "which waits, too");
            assert_eq!(series.starts()[..day], vec![1; day], "each starts once");
            series.be_at(noon + day as i64 * DAY_MS - 2 * HOUR_MS);
        }
        let dates: Vec<String> = series.made(noon).into_iter().map(|(date, ..)| date).collect();
        assert_eq!(dates, ["2027-07-06", "2027-07-07", "2027-07-08"]);
    });
}

#[test]
fn i12_a_window_missed_whole_is_skipped_and_one_missed_in_part_starts_late_once() {
    play(async |stage: Stage| {
        let series = Series::new(stage, berlin("12:00", "14:00", "2027-06-01"));
        // Midsummer: 12:00 in Berlin is 10:00 UTC.
        let noon = SPRING + 100 * DAY_MS + 10 * HOUR_MS;
        series.be_at(noon + 3 * HOUR_MS);
        series.check().await;
        series.be_at(noon + DAY_MS + HOUR_MS);
        series.check().await;
        series.go_on(HOUR_MS / 2).await;
        let made = series.made(noon);
        let open = made.iter().position(|(_, from, _)| *from == 1440).unwrap();
        assert!(made.iter().all(|(_, from, _)| *from >= 1440), "what is over is skipped: {made:?}");
        assert_eq!(series.starts()[open], 1, "what is open starts late, once");
    });
}
