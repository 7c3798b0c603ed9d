//! The judge on hand-made histories of sales that merchants change and pause, and of shoppers who may not claim.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod support;

use flash_loadtest::history::*;
use support::*;

fn from(metres: f64, operation: Operation) -> Operation {
    Operation { location: Some(north(metres)), ..operation }
}

fn within(metres: Option<f64>, operations: Vec<Operation>) -> History {
    let mut history = history(9, operations);
    history.sales[0].claim_within_m = metres;
    history
}

#[test]
fn a_claim_from_beyond_the_radius_is_found() {
    let near = |metres| from(metres, accepted(0, 0, START + SECOND));
    for metres in [0.0, 499.0, 500.0] {
        let verdict = sound(&within(Some(500.0), vec![near(metres)]));
        assert_eq!(verdict.examined["within_claim_radius"], 1);
    }
    for metres in [500.1, 501.0, 5_000.0] {
        assert_eq!(named(&within(Some(500.0), vec![near(metres)]), "within_claim_radius"), [0]);
    }
    sound(&within(None, vec![near(5_000.0)]));
    // No place, no claim; over a live session its own place counts, which is not in the claim.
    let nowhere = accepted(0, 0, START + SECOND);
    assert_eq!(named(&within(Some(500.0), vec![nowhere.clone()]), "within_claim_radius"), [0]);
    sound(&within(Some(500.0), vec![Operation { kind: Kind::LiveClaim, ..nowhere }]));
}

#[test]
fn the_radius_counts_that_may_have_been_in_force() {
    let widened = |outcome| change(1, START + 2 * SECOND, Change::ClaimWithin(Some(1_000)), outcome);
    let at = |at_us| from(800.0, accepted(0, 0, at_us));
    let during = START + 2 * SECOND + SECOND / 20;
    sound(&within(Some(500.0), vec![at(during), widened(ok())]));
    sound(&within(Some(500.0), vec![at(START + 3 * SECOND), widened(ok())]));
    sound(&within(Some(500.0), vec![at(START + 30 * SECOND), widened(unknown())]));
    for outcome in [ok(), unknown()] {
        let early = within(Some(500.0), vec![at(START + SECOND), widened(outcome)]);
        assert_eq!(named(&early, "within_claim_radius"), [0]);
    }
    let narrowed = change(1, START + 2 * SECOND, Change::ClaimWithin(Some(500)), ok());
    let both = |at_us| within(None, vec![at(at_us), narrowed.clone()]);
    sound(&both(during));
    assert_eq!(named(&both(START + 3 * SECOND), "within_claim_radius"), [0]);
}

#[test]
fn a_refusal_for_a_place_that_is_near_enough_is_found() {
    let refusal = |metres, code| from(metres, refused(0, 0, START + SECOND, code));
    sound(&within(Some(500.0), vec![refusal(501.0, "too_far")]));
    assert_eq!(named(&within(Some(500.0), vec![refusal(499.0, "too_far")]), "within_claim_radius"), [0]);
    assert_eq!(named(&within(None, vec![refusal(9_000.0, "too_far")]), "within_claim_radius"), [0]);
    let told = within(Some(500.0), vec![refusal(600.0, "location_required")]);
    assert_eq!(named(&told, "within_claim_radius"), [0]);
    sound(&within(Some(500.0), vec![refused(0, 0, START + SECOND, "location_required")]));
}

fn for_segment(segment: &str, operations: Vec<Operation>) -> History {
    let mut history = history(99, operations);
    history.sales[0].segments = vec![segment.to_owned()];
    history.sales[0].per_shopper_limit = None;
    // Where shoppers become what they are: a second sale, for everybody.
    history.sales.push(Sale { id: id(3), per_shopper_limit: None, ..sale(99) });
    history
}

/// A claim of the second sale, and its confirmation.
fn bought(number: u64, at_us: Micros) -> [Operation; 2] {
    let claim = Operation { sale: 1, ..accepted(number, 0, at_us) };
    let confirm = act(number + 1, Kind::Confirm, &claim, at_us + SECOND, ok());
    [claim, confirm]
}

#[test]
fn a_claim_of_another_segment_is_found() {
    let before = bought(10, START + SECOND).to_vec();
    let with = |claim: Operation| [before.clone(), vec![claim]].concat();
    let confirmed_us = START + 2 * SECOND;
    let late = accepted(0, 0, confirmed_us + SECOND);
    assert_eq!(named(&for_segment("new", with(late.clone())), "right_segment"), [0]);
    sound(&for_segment("regular", with(late.clone())));
    assert_eq!(named(&for_segment("frequent", with(late.clone())), "right_segment"), [0]);
    // While the confirmation is in flight either is right; and another shopper is new.
    let during = accepted(0, 0, confirmed_us + SECOND / 20);
    sound(&for_segment("new", with(during.clone())));
    sound(&for_segment("regular", with(during)));
    sound(&for_segment("new", with(Operation { shopper: 1, ..late })));
    let many: Vec<Operation> =
        (0..5).flat_map(|n| bought(10 + 2 * n, START + (1 + n as i64) * SECOND)).collect();
    let tenth = accepted(0, 0, START + 10 * SECOND);
    sound(&for_segment("frequent", [many.clone(), vec![tenth.clone()]].concat()));
    assert_eq!(named(&for_segment("regular", [many, vec![tenth]].concat()), "right_segment"), [0]);
}

#[test]
fn a_refusal_of_the_right_segment_is_found() {
    let refusal = refused(0, 0, START + 4 * SECOND, "not_eligible");
    assert_eq!(named(&for_segment("new", vec![refusal.clone()]), "right_segment"), [0]);
    sound(&for_segment("regular", vec![refusal.clone()]));
    let before = bought(10, START + SECOND).to_vec();
    sound(&for_segment("new", [before.clone(), vec![refusal.clone()]].concat()));
    assert_eq!(
        named(&for_segment("regular", [before, vec![refusal.clone()]].concat()), "right_segment"),
        [0]
    );
    assert_eq!(named(&history(9, vec![refusal]), "right_segment"), [0]);
}

#[test]
fn the_stock_counts_that_may_have_been_in_force() {
    let three = |last_us| -> Vec<Operation> {
        let mut all: Vec<Operation> = (0..2).map(|n| accepted(n, n as u32, START + SECOND)).collect();
        all.push(accepted(2, 2, last_us));
        all
    };
    let raised = change(9, START + 2 * SECOND, Change::Stock(3), ok());
    let with = |last_us| [three(last_us), vec![raised.clone()]].concat();
    sound(&history(2, with(START + 3 * SECOND)));
    sound(&history(2, with(START + 2 * SECOND)));
    assert_eq!(named(&history(2, with(START + SECOND)), "never_oversold").len(), 3);
    let lowered = change(9, START + 3 * SECOND, Change::Stock(2), ok());
    let with = |last_us| [three(last_us), vec![lowered.clone()]].concat();
    assert_eq!(named(&history(3, with(START + SECOND)), "never_oversold").len(), 3);
    assert_eq!(named(&history(3, with(START + 4 * SECOND)), "never_oversold").len(), 3);
    let refused_change = Outcome::Refused { status: 409, code: "stock_below_committed".to_owned() };
    let refused_change = Operation { outcome: refused_change, ..lowered };
    sound(&history(3, [three(START + SECOND), vec![refused_change]].concat()));
}

#[test]
fn a_refusal_while_added_units_are_free_is_found() {
    let raised = change(9, START + 2 * SECOND, Change::Stock(3), ok());
    let sold: Vec<Operation> = (0..2).map(|n| accepted(n, n as u32, START + SECOND)).collect();
    let with = |at_us| [sold.clone(), vec![raised.clone(), refused(3, 3, at_us, "all_held")]].concat();
    sound(&history(2, with(START + SECOND + SECOND / 2)));
    sound(&history(2, with(START + 2 * SECOND)));
    assert_eq!(named(&history(2, with(START + 3 * SECOND)), "refused_rightly"), [3]);
}

#[test]
fn the_counters_add_up_to_a_stock_that_was_set() {
    let with = |stock, remaining| {
        let last = Final {
            sale: 0,
            status: "live".to_owned(),
            stock,
            remaining,
            held: 0,
            sold: 0,
            v: 3,
            at_rest: true,
        };
        let raised = change(9, START + 2 * SECOND, Change::Stock(12), ok());
        History { finals: vec![last], ..history(9, vec![raised]) }
    };
    sound(&with(12, 12));
    broken(&with(9, 9), "counters_add_up");
    broken(&with(12, 11), "counters_add_up");
    broken(&with(13, 13), "counters_add_up");
}

#[test]
fn the_limit_counts_that_may_have_been_in_force() {
    let two = |last_us| vec![accepted(0, 7, START + SECOND), accepted(1, 7, last_us)];
    let changed = |limit| change(9, START + 2 * SECOND, Change::Limit(limit), ok());
    let with = |last_us, limit| history(9, [two(last_us), vec![changed(limit)]].concat());
    sound(&with(START + 3 * SECOND, Some(2)));
    sound(&with(START + 3 * SECOND, None));
    assert_eq!(named(&with(START + SECOND + SECOND / 2, Some(2)), "limit_per_shopper"), [1, 0]);
    // What was within the limit stays so when that is lowered.
    let lowered = |last_us| {
        let mut history = with(last_us, Some(1));
        history.sales[0].per_shopper_limit = Some(2);
        history
    };
    sound(&lowered(START + SECOND));
    assert_eq!(named(&lowered(START + 3 * SECOND), "limit_per_shopper"), [1, 0]);
}

#[test]
fn the_window_counts_that_may_have_been_in_force() {
    let end_us = START + 600 * SECOND;
    let late = accepted(0, 0, end_us + 5 * SECOND);
    assert_eq!(named(&history(9, vec![late.clone()]), "within_window"), [0]);
    let to =
        |seconds, outcome| change(1, end_us - 5 * SECOND, Change::Ends(end_us + seconds * SECOND), outcome);
    sound(&history(9, vec![late.clone(), to(10, ok())]));
    sound(&history(9, vec![late.clone(), to(10, unknown())]));
    assert_eq!(named(&history(9, vec![late.clone(), to(3, ok())]), "within_window"), [0]);
    // Taken back before it was claimed.
    let back = Operation { id: 2, ..change(2, end_us - SECOND, Change::Ends(end_us + SECOND), ok()) };
    assert_eq!(named(&history(9, vec![late, to(10, ok()), back]), "within_window"), [0]);
}

/// Paused from 2 s to 5 s after the start.
fn paused(operation: Operation) -> History {
    let pause = merchants(8, Kind::Pause, START + 2 * SECOND, ok());
    let resume = merchants(9, Kind::Resume, START + 5 * SECOND, ok());
    history(9, vec![operation, pause, resume])
}

#[test]
fn a_claim_while_the_sale_is_paused_is_found() {
    let at = |seconds: f64| START + (seconds * SECOND as f64) as Micros;
    for seconds in [1.0, 2.05, 4.95, 6.0] {
        sound(&paused(accepted(0, 0, at(seconds))));
    }
    assert_eq!(named(&paused(accepted(0, 0, at(3.0))), "none_while_paused"), [0]);
    // Whether it is paused is not known while the pause is not, and any more while a resumption may be under way.
    let mut unsure = paused(accepted(0, 0, at(3.0)));
    unsure.operations[1].outcome = unknown();
    sound(&unsure);
    let mut resumed = paused(accepted(0, 0, at(3.0)));
    resumed.operations.push(merchants(10, Kind::Resume, at(2.5), unknown()));
    sound(&resumed);
}

#[test]
fn a_refusal_as_paused_while_the_sale_is_not_is_found() {
    let at = |seconds: f64| START + (seconds * SECOND as f64) as Micros;
    for seconds in [2.0, 3.0, 5.05] {
        sound(&paused(refused(0, 0, at(seconds), "paused")));
    }
    for seconds in [1.0, 7.0] {
        assert_eq!(named(&paused(refused(0, 0, at(seconds), "paused")), "none_while_paused"), [0]);
    }
}

#[test]
fn a_pause_takes_the_sale_away_and_is_no_end() {
    let gone = |seconds: f64| noted(4, seconds, Event::Gone(id(1), 3, false));
    let back = |seconds: f64| noted(4, seconds, Event::Offer(id(1), 4, 10, 0));
    let seen = |events: Vec<Noted>| {
        let shown = vec![subscribed(4, 0.0), noted(4, 0.01, Event::Offer(id(1), 2, 10, 0))];
        let mut history = watched([shown, events].concat());
        history.operations = paused(refused(0, 0, START + 3 * SECOND, "paused")).operations;
        history
    };
    sound(&seen(vec![gone(2.1), back(5.1)]));
    broken(&seen(vec![gone(1.0), back(5.1)]), "gone_once");
    // Once it goes on it has to be shown again.
    broken(&seen(vec![gone(2.1)]), "all_in_reach");
}
