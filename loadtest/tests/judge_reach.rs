//! The judge on hand-made histories of live sessions while merchants change how far a sale reaches, and when it starts.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod support;

use flash_loadtest::history::*;
use support::*;

fn at(seconds: f64) -> Micros {
    START + (seconds * SECOND as f64) as Micros
}

/// The sale, launched with a reach of 1,000 m, and what one session heard while the reach was changed.
fn reaching(change_to: Operation, events: Vec<Noted>) -> History {
    History { operations: vec![change_to], ..watched(events) }
}

/// A change of the reach 2 s after the start, answered with version 3.
fn reach(metres: u32, outcome: Outcome) -> Operation {
    let v = matches!(outcome, Outcome::Ok(_)).then_some(3);
    Operation { v, ..change(9, at(2.0), Change::Reach(metres), outcome) }
}

/// A session so far away that was shown the sale when it started.
fn shown(away_m: f64, then: Vec<Noted>) -> Vec<Noted> {
    [vec![subscribed(4, away_m), noted(4, 0.01, offer(2))], then].concat()
}

fn live() -> Final {
    let status = "live".to_owned();
    Final { sale: 0, status, stock: 10, remaining: 10, held: 0, sold: 0, v: 3, at_rest: true }
}

#[test]
fn a_reach_that_is_narrowed_lets_those_go_who_are_out_of_it() {
    let narrowed = |events| {
        let mut history = reaching(reach(500, ok()), shown(800.0, events));
        history.finals = vec![live()];
        history
    };
    let verdict = sound(&narrowed(vec![noted(4, 2.15, gone(3, true))]));
    assert_eq!(verdict.examined["none_beyond_reach"], 1);
    // News of an earlier version may be late, however late; news of the version that was narrowed may not come at all.
    let old = Event::Stock(id(1), 2, 9, 1);
    sound(&narrowed(vec![noted(4, 9.0, old), noted(4, 9.1, gone(3, true))]));
    found(&narrowed(vec![noted(4, 3.0, offer(3)), noted(4, 3.1, gone(3, true))]), "none_beyond_reach");
    let stock = Event::Stock(id(1), 4, 9, 1);
    found(&narrowed(vec![noted(4, 3.0, stock), noted(4, 3.1, gone(4, true))]), "none_beyond_reach");
    found(&narrowed(vec![]), "none_beyond_reach");
}

#[test]
fn a_narrowed_reach_has_its_hysteresis() {
    let stays = |away_m| reaching(reach(500, ok()), shown(away_m, vec![noted(4, 2.2, offer(3))]));
    sound(&stays(545.0));
    found(&stays(555.0), "none_beyond_reach");
    // Nobody who comes later is let in from there.
    let later = |away_m| {
        let sent_us = at(6.0);
        let (location, radius_m, known) = (north(away_m), 5_000.0, vec![]);
        let offers = vec![(id(1), 3, 10, 0)];
        let event = Event::Subscribed { sent_us, location, radius_m, known, offers, gone: vec![] };
        reaching(reach(500, ok()), vec![noted(4, 6.1, event)])
    };
    sound(&later(490.0));
    found(&later(800.0), "none_beyond_reach");
}

#[test]
fn a_reach_that_is_widened_takes_in_those_who_are_within_it() {
    let widened = |outcome, then: Vec<Noted>| {
        reaching(reach(2_000, outcome), [vec![subscribed(4, 1_500.0)], then].concat())
    };
    let verdict = sound(&widened(ok(), vec![noted(4, 2.2, offer(3))]));
    assert_eq!(verdict.examined["all_in_reach"], 1);
    found(&widened(ok(), vec![]), "all_in_reach");
    found(&widened(ok(), vec![noted(4, 1.0, offer(2))]), "none_beyond_reach");
    // While its outcome is unknown it may be in force, now or later, and may not.
    for at_s in [2.05, 10.0] {
        sound(&widened(unknown(), vec![noted(4, at_s, offer(3))]));
    }
    sound(&widened(unknown(), vec![]));
    let refused_change = Outcome::Refused { status: 409, code: "wrong_state".to_owned() };
    sound(&widened(refused_change.clone(), vec![]));
    found(&widened(refused_change, vec![noted(4, 10.0, offer(3))]), "none_beyond_reach");
}

#[test]
fn what_comes_into_reach_has_time_to_be_shown() {
    let at_the_end = |seconds| {
        let late = Operation { sent_us: at(seconds), done_us: at(seconds + 0.1), ..reach(2_000, ok()) };
        reaching(late, vec![subscribed(4, 1_500.0)])
    };
    found(&at_the_end(17.0), "all_in_reach");
    sound(&at_the_end(19.5));
    // Within reach for a moment only: from 2 s to 4 s, or to 9 s.
    let and_back = |seconds| {
        let mut history = reaching(reach(2_000, ok()), vec![subscribed(4, 1_500.0)]);
        let back = change(10, at(seconds), Change::Reach(1_000), ok());
        history.operations.push(Operation { v: Some(4), ..back });
        history
    };
    sound(&and_back(4.0));
    found(&and_back(9.0), "all_in_reach");
}

#[test]
fn nobody_is_said_to_have_left_who_is_still_in_reach() {
    let left =
        |metres, at_s, v| reaching(reach(metres, ok()), shown(800.0, vec![noted(4, at_s, gone(v, true))]));
    sound(&left(500, 2.2, 3));
    found(&left(900, 2.2, 3), "gone_once");
    found(&left(500, 1.0, 2), "gone_once");
    // A session that looks less far than the sale reaches has its own bound, whatever the reach.
    let mut near = left(500, 2.2, 3);
    if let Event::Subscribed { radius_m, .. } = &mut near.events[0].event {
        *radius_m = 850.0;
    }
    sound(&near);
}

/// A change of the start 3 s before it, answered with version 2, and what a session next to the store heard.
fn starting(seconds: f64, outcome: Outcome, then: Vec<Noted>) -> History {
    let v = matches!(outcome, Outcome::Ok(_)).then_some(2);
    let moved = change(9, at(-3.0), Change::Starts(at(seconds)), outcome);
    reaching(Operation { v, ..moved }, [vec![subscribed(4, 0.0)], then].concat())
}

#[test]
fn a_sale_is_shown_from_the_start_on_that_was_set() {
    sound(&starting(5.0, ok(), vec![noted(4, 5.01, offer(3))]));
    found(&starting(5.0, ok(), vec![noted(4, 2.0, offer(3))]), "none_beyond_reach");
    found(&starting(5.0, ok(), vec![]), "all_in_reach");
    found(&starting(16.0, ok(), vec![]), "all_in_reach");
    sound(&starting(19.5, ok(), vec![]));
    sound(&starting(-2.0, ok(), vec![noted(4, -1.9, offer(3))]));
    found(&starting(-2.0, ok(), vec![noted(4, -2.5, offer(3))]), "none_beyond_reach");
    // A start in the past: it is live at once.
    sound(&starting(-9.0, ok(), vec![noted(4, -2.95, offer(3))]));
    for at_s in [0.01, 5.01] {
        sound(&starting(5.0, unknown(), vec![noted(4, at_s, offer(2))]));
    }
    sound(&starting(30.0, unknown(), vec![]));
    found(&starting(10.0, unknown(), vec![]), "all_in_reach");
}
