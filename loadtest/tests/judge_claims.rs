//! The judge on hand-made histories of claims: a sound one passes, and whatever breaks an invariant is found and named.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod support;

use flash_loadtest::history::*;
use support::*;

#[test]
fn a_sale_that_sells_out_is_sound() {
    let mut all: Vec<Operation> = (0..3).map(|n| accepted(n, n as u32, START + SECOND)).collect();
    all.extend((3..6).map(|n| refused(n, n as u32, START + 2 * SECOND, "all_held")));
    let verdict = sound(&history(3, all));
    for invariant in
        ["never_oversold", "limit_per_shopper", "refused_rightly", "within_window", "price_in_force"]
    {
        assert!(verdict.examined[invariant] >= 3, "{invariant}");
    }
}

#[test]
fn one_unit_too_many_is_found() {
    let all: Vec<Operation> = (0..4).map(|n| accepted(n, n as u32, START + SECOND)).collect();
    let operations = named(&history(3, all), "never_oversold");
    assert_eq!(operations.len(), 4);
}

#[test]
fn a_unit_that_returned_may_be_claimed_again() {
    let first = accepted(0, 0, START + SECOND);
    let cancel = act(1, Kind::Cancel, &first, START + 3 * SECOND, Outcome::Ok(None));
    let second = accepted(2, 1, START + 4 * SECOND);
    sound(&history(1, vec![first.clone(), cancel.clone(), second]));
    // While the cancellation was in flight, too; but not before it was sent.
    sound(&history(1, vec![first.clone(), cancel.clone(), accepted(2, 1, START + 3 * SECOND - SECOND / 20)]));
    let early = accepted(2, 1, START + 2 * SECOND);
    assert_eq!(named(&history(1, vec![first, cancel, early]), "never_oversold"), [2, 0]);
}

#[test]
fn an_expired_hold_returns_and_a_confirmed_one_does_not() {
    let first = accepted(0, 0, START + SECOND);
    let later = accepted(2, 1, START + 70 * SECOND);
    sound(&history(1, vec![first.clone(), later.clone()]));
    let confirm = act(1, Kind::Confirm, &first, START + 2 * SECOND, Outcome::Ok(None));
    assert_eq!(named(&history(1, vec![first, confirm, later]), "never_oversold"), [2, 0]);
}

#[test]
fn a_shopper_beyond_the_limit_is_found() {
    let all = vec![accepted(0, 7, START + SECOND), accepted(1, 7, START + 2 * SECOND)];
    assert_eq!(named(&history(10, all), "limit_per_shopper"), [1, 0]);
}

#[test]
fn one_key_has_one_answer() {
    let first = accepted(0, 0, START + SECOND);
    let mut again =
        Operation { id: 1, sent_us: START + 2 * SECOND, done_us: START + 3 * SECOND, ..first.clone() };
    sound(&history(2, vec![first.clone(), again.clone()]));
    let refused = Outcome::Refused { status: 409, code: "sold_out".to_owned() };
    let taken_back = Operation { outcome: refused, ..again.clone() };
    assert_eq!(named(&history(1, vec![first.clone(), taken_back]), "one_answer_per_key"), [0, 1]);
    again.outcome = Outcome::Ok(Some(Box::new(told(5_000, START + 2 * SECOND))));
    assert_eq!(named(&history(2, vec![first, again]), "one_answer_per_key"), [0, 1]);
}

#[test]
fn two_keys_never_share_a_claim_or_a_code() {
    let first = accepted(0, 0, START + SECOND);
    let mut other = accepted(1, 1, START + SECOND);
    other.outcome = first.outcome.clone();
    broken(&history(2, vec![first.clone(), other.clone()]), "distinct_claims");
    let mut told = told(9_999, START + SECOND + SECOND / 20);
    told.code = "code-1000".to_owned();
    other.outcome = Outcome::Ok(Some(Box::new(told)));
    assert_eq!(named(&history(2, vec![first, other]), "distinct_claims"), [0, 1]);
}

#[test]
fn claims_outside_the_window_are_found() {
    assert_eq!(named(&history(9, vec![accepted(0, 0, START - SECOND)]), "within_window"), [0]);
    assert_eq!(named(&history(9, vec![accepted(0, 0, START + 601 * SECOND)]), "within_window"), [0]);
    // A decision that lies about its time does not help.
    let mut lie = accepted(0, 0, START - SECOND);
    lie.outcome = Outcome::Ok(Some(Box::new(told(1, START))));
    assert_eq!(named(&history(9, vec![lie]), "within_window"), [0]);
}

#[test]
fn a_price_that_was_not_in_force_is_found() {
    let update = Operation {
        kind: Kind::Update,
        change: Some(Change::Price(400)),
        key: 0,
        shopper: u32::MAX,
        ..claim(0, 0, START + 2 * SECOND, Outcome::Ok(None))
    };
    let priced = |number, at_us, price| {
        let mut told = told(50 + u128::from(number), at_us + SECOND / 20);
        told.unit_price = price;
        claim(number, number as u32, at_us, Outcome::Ok(Some(Box::new(told))))
    };
    let during = START + 2 * SECOND;
    let fine = [
        priced(1, START + SECOND, 500),
        priced(2, during, 500),
        priced(3, during, 400),
        priced(4, START + 3 * SECOND, 400),
    ];
    sound(&history(9, [vec![update.clone()], fine.to_vec()].concat()));
    for wrong in [priced(1, START + SECOND, 400), priced(2, START + 3 * SECOND, 500), priced(3, during, 1)] {
        let number = wrong.id;
        assert_eq!(named(&history(9, vec![update.clone(), wrong]), "price_in_force"), [number]);
    }
}

#[test]
fn an_unknown_has_to_be_resolved_by_its_key() {
    let lost = claim(0, 0, START + SECOND, unknown());
    assert_eq!(named(&history(9, vec![lost.clone()]), "unknowns_resolved"), [0]);
    let late = Outcome::Ok(Some(Box::new(told(77, START + SECOND + SECOND / 20))));
    let again = Operation {
        id: 1,
        sent_us: START + 5 * SECOND,
        done_us: START + 6 * SECOND,
        outcome: late,
        ..lost.clone()
    };
    sound(&history(9, vec![lost.clone(), again]));
    let busy = Outcome::Refused { status: 503, code: "unavailable".to_owned() };
    let again = Operation {
        id: 1,
        sent_us: START + 5 * SECOND,
        done_us: START + 6 * SECOND,
        outcome: busy,
        ..lost.clone()
    };
    broken(&history(9, vec![lost, again]), "unknowns_resolved");
}

#[test]
fn a_refusal_while_units_are_free_is_found() {
    let sold = accepted(0, 0, START + SECOND);
    assert_eq!(
        named(
            &history(2, vec![sold.clone(), refused(1, 1, START + 2 * SECOND, "sold_out")]),
            "refused_rightly"
        ),
        [1]
    );
    // A claim that nobody knows about may have taken the unit.
    let lost = claim(2, 2, START + SECOND, unknown());
    let late = refused(3, 2, START + 3 * SECOND, "sold_out");
    let late = Operation { key: lost.key, ..late };
    sound(&history(2, vec![sold, lost, refused(1, 1, START + 2 * SECOND, "sold_out"), late]));
}

#[test]
fn a_hold_has_one_end() {
    let held = accepted(0, 0, START + SECOND);
    let ok = Outcome::Ok(None);
    let confirm = act(1, Kind::Confirm, &held, START + 2 * SECOND, ok.clone());
    let cancel = act(2, Kind::Cancel, &held, START + 3 * SECOND, ok.clone());
    broken(&history(9, vec![held.clone(), confirm.clone(), cancel]), "one_end_per_hold");
    let redeem = |number| act(number, Kind::Redeem, &held, START + 4 * SECOND, ok.clone());
    sound(&history(9, vec![held.clone(), confirm.clone(), redeem(2)]));
    broken(&history(9, vec![held.clone(), confirm, redeem(2), redeem(3)]), "one_end_per_hold");
    for kind in [Kind::Confirm, Kind::Cancel] {
        let late = act(1, kind, &held, START + 90 * SECOND, ok.clone());
        assert_eq!(named(&history(9, vec![held.clone(), late]), "one_end_per_hold"), [1]);
    }
    let early = Outcome::Refused { status: 409, code: "hold_expired".to_owned() };
    let early = act(1, Kind::Confirm, &held, START + 30 * SECOND, early);
    assert_eq!(named(&history(9, vec![held, early]), "one_end_per_hold"), [1]);
}

fn listed(claim: u128, status: &str) -> Listed {
    Listed { sale: 0, claim: id(claim), status: status.to_owned(), quantity: 1 }
}

#[test]
fn what_was_acknowledged_is_there_afterwards_and_nothing_else() {
    let held = accepted(0, 0, START + SECOND);
    let confirm = act(1, Kind::Confirm, &held, START + 2 * SECOND, Outcome::Ok(None));
    let of = |listed: Vec<Listed>| History {
        listed,
        listed_sales: vec![0],
        ..history(9, vec![held.clone(), confirm.clone()])
    };
    sound(&of(vec![listed(1_000, "confirmed")]));
    assert_eq!(named(&of(vec![]), "nothing_lost"), [0, 1]);
    assert_eq!(named(&of(vec![listed(1_000, "expired")]), "nothing_lost"), [0, 1]);
    broken(&of(vec![listed(1_000, "confirmed"), listed(1_001, "held")]), "nothing_unheard_of");
}

#[test]
fn counters_add_up_to_the_stock_and_to_what_was_sold() {
    let held = accepted(0, 0, START + SECOND);
    let confirm = act(1, Kind::Confirm, &held, START + 2 * SECOND, Outcome::Ok(None));
    let with = |remaining, held_units, sold| {
        let last = Final {
            sale: 0,
            status: "live".to_owned(),
            stock: 9,
            remaining,
            held: held_units,
            sold,
            v: 3,
            at_rest: true,
        };
        History { finals: vec![last], ..history(9, vec![held.clone(), confirm.clone()]) }
    };
    sound(&with(8, 0, 1));
    broken(&with(9, 0, 1), "counters_add_up");
    assert_eq!(named(&with(9, 0, 0), "nothing_lost"), [0, 1]);
}
