//! The judge on hand-made histories of sales whose start and hold time merchants change.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod support;

use flash_loadtest::history::*;
use support::*;

/// A claim while the start is changed, 3 s before it was to be.
fn starting(seconds: i64, outcome: Outcome, claim: Operation) -> History {
    let starts_us = START + seconds * SECOND;
    history(9, vec![claim, change(1, START - 3 * SECOND, Change::Starts(starts_us), outcome)])
}

#[test]
fn the_start_counts_that_may_have_been_in_force() {
    let refused_change = Outcome::Refused { status: 409, code: "fixed".to_owned() };
    let early = || accepted(0, 0, START + 2 * SECOND);
    assert_eq!(named(&starting(5, ok(), early()), "within_window"), [0]);
    for outcome in [unknown(), refused_change.clone()] {
        sound(&starting(5, outcome, early()));
    }
    for outcome in [ok(), unknown(), refused_change.clone()] {
        sound(&starting(5, outcome, accepted(0, 0, START + 6 * SECOND)));
    }
    let before = || accepted(0, 0, START - SECOND);
    for outcome in [ok(), unknown()] {
        sound(&starting(-2, outcome, before()));
    }
    assert_eq!(named(&starting(-2, refused_change, before()), "within_window"), [0]);
    // Not before the change was sent, which made it start at once.
    let sooner = accepted(0, 0, START - 4 * SECOND);
    assert_eq!(named(&starting(-9, ok(), sooner), "within_window"), [0]);
    sound(&starting(-9, ok(), accepted(0, 0, START - 3 * SECOND)));
}

#[test]
fn a_refusal_as_not_started_after_the_start_is_found() {
    let refusal = |seconds| refused(0, 0, START + seconds * SECOND, "not_started");
    let verdict = sound(&history(9, vec![refusal(-1)]));
    assert_eq!(verdict.examined["within_window"], 1);
    assert_eq!(named(&history(9, vec![refusal(1)]), "within_window"), [0]);
    for outcome in [ok(), unknown()] {
        sound(&starting(5, outcome.clone(), refusal(2)));
        assert_eq!(named(&starting(5, outcome, refusal(6)), "within_window"), [0]);
    }
    assert_eq!(named(&starting(-2, ok(), refusal(-1)), "within_window"), [0]);
    sound(&starting(-2, unknown(), refusal(-1)));
    // The clocks may differ by 20 ms.
    sound(&history(9, vec![refused(0, 0, START + 15_000, "not_started")]));
}

#[test]
fn a_refusal_as_ended_before_the_end_is_found() {
    let refusal = |seconds| refused(0, 0, START + seconds * SECOND, "ended");
    sound(&history(9, vec![refusal(601)]));
    assert_eq!(named(&history(9, vec![refusal(500)]), "within_window"), [0]);
    let extended = |outcome| change(1, START, Change::Ends(START + 700 * SECOND), outcome);
    assert_eq!(named(&history(9, vec![refusal(650), extended(ok())]), "within_window"), [0]);
    sound(&history(9, vec![refusal(650), extended(unknown())]));
    sound(&history(9, vec![refusal(701), extended(ok())]));
}

/// A claim that was sent so many seconds after the start and is held for so many; 0 = confirmed at once.
fn held(sent_s: i64, hold_s: i64) -> Operation {
    let mut claim = accepted(0, 0, START + sent_s * SECOND);
    let Outcome::Ok(Some(told)) = &mut claim.outcome else { panic!("it was accepted") };
    told.hold_expires_us = (hold_s > 0).then_some(told.created_us + hold_s * SECOND);
    claim
}

#[test]
fn a_hold_of_another_time_is_found() {
    let verdict = sound(&history(9, vec![held(1, 60)]));
    assert_eq!(verdict.examined["hold_in_force"], 1);
    for other in [0, 30, 59, 61, 600] {
        assert_eq!(named(&history(9, vec![held(1, other)]), "hold_in_force"), [0]);
    }
}

#[test]
fn the_hold_time_counts_that_may_have_been_in_force() {
    let changed = |to, outcome| change(1, START + 2 * SECOND, Change::Hold(to), outcome);
    let with = |claim: Operation, to, outcome| history(9, vec![claim, changed(to, outcome)]);
    let verdict = |history: &History, is_right: bool| match is_right {
        true => drop(sound(history)),
        false => assert_eq!(named(history, "hold_in_force"), [0]),
    };
    for (sent_s, hold_s, acknowledged, not_known) in [
        (1, 60, true, true),
        (1, 30, false, false),
        (2, 60, true, true),
        (2, 30, true, true),
        (3, 60, false, true),
        (3, 30, true, true),
        (9, 60, false, true),
        (9, 45, false, false),
    ] {
        verdict(&with(held(sent_s, hold_s), 30, ok()), acknowledged);
        verdict(&with(held(sent_s, hold_s), 30, unknown()), not_known);
    }
    verdict(&with(held(3, 0), 0, ok()), true);
    verdict(&with(held(3, 60), 0, ok()), false);
}
