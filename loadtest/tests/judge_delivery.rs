//! The judge on hand-made histories of live sessions.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod support;

use flash_loadtest::history::*;
use support::*;

#[test]
fn a_session_in_reach_is_told_and_one_beyond_is_not() {
    let near = [subscribed(4, 900.0), noted(4, 0.01, offer(2))];
    let verdict = sound(&watched([near.to_vec(), vec![subscribed(5, 1_200.0)]].concat()));
    assert_eq!((verdict.examined["all_in_reach"], verdict.examined["none_beyond_reach"]), (1, 1));
    found(&watched(vec![subscribed(4, 900.0)]), "all_in_reach");
    found(&watched(vec![subscribed(4, 1_030.0), noted(4, 0.01, offer(2))]), "none_beyond_reach");
    found(&watched(vec![subscribed(4, 900.0), noted(4, -1.0, offer(2))]), "none_beyond_reach");
}

#[test]
fn a_short_stay_in_reach_may_go_untold() {
    let there = Event::MoveSent(north(900.0));
    let away = Event::MoveSent(north(3_000.0));
    let stay = |seconds: f64| {
        watched(vec![
            subscribed(4, 3_000.0),
            noted(4, 5.0, there.clone()),
            noted(4, 5.1, Event::Moved(vec![])),
            noted(4, 5.1 + seconds, away.clone()),
            noted(4, 5.2 + seconds, Event::Moved(vec![])),
        ])
    };
    sound(&stay(2.0));
    found(&stay(6.0), "all_in_reach");
}

#[test]
fn leaving_has_its_hysteresis() {
    let to = |metres: f64, then: Vec<Noted>| {
        let start = vec![
            subscribed(4, 900.0),
            noted(4, 0.0, offer(2)),
            noted(4, 5.0, Event::MoveSent(north(metres))),
        ];
        watched([start, then].concat())
    };
    let moved = |left: Vec<uuid::Uuid>| noted(4, 5.2, Event::Moved(left));
    sound(&to(1_020.0, vec![moved(vec![])]));
    sound(&to(1_100.0, vec![noted(4, 5.1, gone(2, true)), moved(vec![id(1)])]));
    // It is shown on at 1,040 m, and changed; at 1,100 m it would have had to go.
    sound(&to(1_040.0, vec![moved(vec![]), noted(4, 6.0, offer(3))]));
    found(&to(1_100.0, vec![moved(vec![]), noted(4, 6.0, offer(3))]), "none_beyond_reach");
    found(
        &to(
            950.0,
            vec![noted(4, 5.1, gone(2, true)), noted(4, 5.2, Event::Moved(vec![])), noted(4, 6.0, offer(3))],
        ),
        "gone_once",
    );
}

#[test]
fn what_was_left_has_to_go() {
    let away = |then: Vec<Noted>| {
        let start = vec![
            subscribed(4, 900.0),
            noted(4, 0.0, offer(2)),
            noted(4, 6.0, Event::MoveSent(north(2_000.0))),
        ];
        let mut history = watched([start, then].concat());
        let last = Final {
            sale: 0,
            status: "live".to_owned(),
            stock: 10,
            remaining: 10,
            held: 0,
            sold: 0,
            v: 2,
            at_rest: true,
        };
        history.finals = vec![last];
        history
    };
    sound(&away(vec![noted(4, 6.1, gone(2, true)), noted(4, 6.2, Event::Moved(vec![id(1)]))]));
    found(&away(vec![noted(4, 6.2, Event::Moved(vec![]))]), "none_beyond_reach");
}

#[test]
fn versions_only_grow() {
    let start = [subscribed(4, 0.0), noted(4, 0.0, offer(5))];
    let then = |event: Event| watched([start.to_vec(), vec![noted(4, 1.0, event)]].concat());
    sound(&then(Event::Stock(id(1), 6, 9, 1)));
    found(&then(Event::Stock(id(1), 4, 9, 1)), "versions_grow");
    found(&then(offer(4)), "versions_grow");
}

#[test]
fn what_goes_goes_once_and_not_before_its_time() {
    let ended = |events: Vec<Noted>| {
        let mut history = watched([vec![subscribed(4, 0.0), noted(4, 0.0, offer(2))], events].concat());
        history.sales[0].ends_us = START + 10 * SECOND;
        let last = Final {
            sale: 0,
            status: "ended".to_owned(),
            stock: 10,
            remaining: 10,
            held: 0,
            sold: 0,
            v: 3,
            at_rest: true,
        };
        history.finals = vec![last];
        history
    };
    sound(&ended(vec![noted(4, 10.0, gone(3, false))]));
    found(&ended(vec![]), "gone_once");
    found(&ended(vec![noted(4, 5.0, gone(3, false))]), "gone_once");
    found(&ended(vec![noted(4, 10.0, gone(3, false)), noted(4, 10.1, gone(3, false))]), "gone_once");
    found(
        &ended(vec![noted(4, 10.0, gone(3, false)), noted(4, 10.1, Event::Stock(id(1), 4, 1, 1))]),
        "no_news_of_the_unseen",
    );
}

/// The sale as the server shows it when nothing happens any more: two of ten held.
fn still_live() -> Final {
    Final {
        sale: 0,
        status: "live".to_owned(),
        stock: 10,
        remaining: 8,
        held: 2,
        sold: 0,
        v: 4,
        at_rest: true,
    }
}

#[test]
fn the_last_state_arrives() {
    let at_rest = |event: Event| {
        let mut history = watched(vec![subscribed(4, 0.0), noted(4, 0.0, offer(2)), noted(4, 1.0, event)]);
        history.finals = vec![still_live()];
        history
    };
    sound(&at_rest(Event::Stock(id(1), 4, 8, 2)));
    found(&at_rest(Event::Stock(id(1), 3, 9, 1)), "last_state_arrives");
    // One that was cut, or reads slowly, is not held to it.
    sound(&at_rest(Event::Cut));
    sound(&at_rest(Event::Slowed));
}

#[test]
fn after_a_cut_what_is_known_counts_on() {
    let back = |offers: Vec<(uuid::Uuid, u64, u32, u32)>, gone: Vec<uuid::Uuid>| {
        let (location, known, radius_m) = (north(0.0), vec![id(1)], 5_000.0);
        let event =
            Event::Subscribed { sent_us: START + 5 * SECOND, location, radius_m, known, offers, gone };
        let start = vec![subscribed(4, 0.0), noted(4, 0.0, offer(2)), noted(4, 4.0, Event::Cut)];
        let mut history = watched([start, vec![noted(4, 5.1, event)]].concat());
        history.finals = vec![still_live()];
        history
    };
    sound(&back(vec![(id(1), 4, 8, 2)], vec![]));
    found(&back(vec![], vec![]), "last_state_arrives");
    found(&back(vec![], vec![id(1)]), "all_in_reach");
}
