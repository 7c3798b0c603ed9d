//! A run over time, from hand-made histories: slices, where units are, and how late sessions heard.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod support;

use flash_loadtest::history::*;
use flash_loadtest::scenario::Phase;
use flash_loadtest::timeline::{Lags, Timeline, Units};
use support::*;

fn phase(name: &str, duration_ms: u64) -> Phase {
    let (steps, cut, back_within_ms, slow, flows) = (1, 0.0, 0, vec![], vec![]);
    Phase { name: name.to_owned(), duration_ms, steps, cut, back_within_ms, slow, flows }
}

fn timeline(history: &History, phases: &[Phase]) -> Timeline {
    Timeline::of(history, &Lags::of(history).unwrap(), phases, START).unwrap()
}

#[test]
fn slices_are_as_short_as_the_run() {
    let of = |duration_ms| timeline(&history(1, vec![]), &[phase("a", duration_ms)]).slice_ms;
    assert_eq!([1_000, 3_000, 20_000, 120_000, 600_000].map(of), [100, 100, 200, 1_000, 5_000]);
    let two = timeline(&history(1, vec![]), &[phase("a", 1_500), phase("b", 500)]);
    assert_eq!(two.phases, [("a".to_owned(), 0), ("b".to_owned(), 1_500)]);
}

#[test]
fn operations_count_where_they_were_due_and_where_they_were_done() {
    let line = timeline(&history(9, vec![accepted(0, 0, START + SECOND)]), &[phase("a", 10_000)]);
    assert_eq!(line.slice_ms, 100);
    let counts: Vec<(u64, u64)> = line.slices.iter().map(|slice| (slice.offered, slice.served)).collect();
    assert_eq!(&counts[9..], [(0, 0), (1, 0), (0, 1)]);
    assert!((99_000..101_000).contains(&line.slices[10].p50_us));
}

#[test]
fn units_are_held_sold_and_return() {
    // A second per slice; three claims of ten units: one is confirmed, one cancelled, one expires after a minute.
    let claims: Vec<Operation> = (0..3).map(|n| accepted(n, n as u32, START + SECOND / 2)).collect();
    let mut all = claims.clone();
    all.push(act(3, Kind::Confirm, &claims[0], START + 2 * SECOND, ok()));
    all.push(act(4, Kind::Cancel, &claims[1], START + 3 * SECOND, ok()));
    // What is asked twice is counted once, and what is refused not at all.
    all.push(act(5, Kind::Confirm, &claims[0], START + 4 * SECOND, ok()));
    all.push(Operation { id: 6, ..claims[2].clone() });
    all.push(change(7, START + 5 * SECOND, Change::Stock(12), ok()));
    all.push(refused(8, 8, START + 70 * SECOND, "limit_reached"));
    let line = timeline(&history(10, all), &[phase("a", 100_000)]);
    let at = |second: usize| line.slices[second].units.unwrap();
    let units = |remaining, held, sold| Units { remaining, held, sold };
    assert_eq!((line.slice_ms, line.busiest.as_deref()), (1_000, Some("hot")));
    assert_eq!([at(0), at(1)], [units(10, 0, 0), units(7, 3, 0)]);
    assert_eq!([at(3), at(4)], [units(7, 2, 1), units(8, 1, 1)]);
    assert_eq!([at(6), at(60), at(61)], [units(10, 1, 1), units(10, 1, 1), units(11, 0, 1)]);
}

/// A sale whose price was changed 2 s after its start, in version 3.
fn updated(events: Vec<Noted>) -> Lags {
    let mut history = watched(events);
    let update = change(1, START + 2 * SECOND, Change::Price(400), ok());
    history.operations = vec![Operation { v: Some(3), ..update }];
    Lags::of(&history).unwrap()
}

#[test]
fn a_lag_is_that_of_news_and_not_of_a_way_into_reach() {
    let there = [subscribed(4, 900.0), noted(4, 0.25, offer(2)), noted(4, 2.5, offer(3))];
    let lags = updated(there.to_vec());
    assert_eq!((lags.start.count, lags.delivery.count), (1, 1));
    assert!((249_000..251_000).contains(&lags.start.max_us));
    assert!((499_000..501_000).contains(&lags.delivery.max_us));
    // It comes into reach, long after: neither is news.
    let comes = |v| {
        let moved = [noted(4, 8.0, Event::MoveSent(north(0.0))), noted(4, 8.1, offer(v))];
        updated(
            [vec![subscribed(4, 3_000.0)], moved.to_vec(), vec![noted(4, 8.2, Event::Moved(vec![]))]]
                .concat(),
        )
    };
    for v in [2, 3] {
        assert_eq!((comes(v).start.count, comes(v).delivery.count), (0, 0));
    }
    // The reach is widened to where it stands: that it had not heard of the price before is nobody's fault.
    let widened = updated(vec![subscribed(4, 900.0), noted(4, 9.0, offer(3))]);
    assert_eq!((widened.start.count, widened.delivery.count), (0, 0));
}
