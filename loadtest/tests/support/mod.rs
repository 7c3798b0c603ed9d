//! Hand-made histories: a sound one of a small sale, to be broken in one place by each test.
#![allow(dead_code)]

use flash_loadtest::history::*;
use flash_loadtest::judge::{Verdict, judge};
use uuid::Uuid;

pub const SECOND: Micros = 1_000_000;
/// When the sale starts.
pub const START: Micros = 1_800_000_000 * SECOND;

pub fn id(number: u128) -> Uuid {
    Uuid::from_u128(number)
}

/// A place so many metres north of the store.
pub fn north(metres: f64) -> Location {
    Location { lat: metres / 111_195.08, lng: 0.0 }
}

pub fn sale(stock: u32) -> Sale {
    Sale {
        id: id(1),
        store: id(2),
        group: "hot".to_owned(),
        location: north(0.0),
        stock,
        per_shopper_limit: Some(1),
        price: 500,
        starts_us: START,
        ends_us: START + 600 * SECOND,
        launched_us: START - 10 * SECOND,
        reach_m: 1_000.0,
        hold_seconds: 60,
        claim_within_m: None,
        segments: vec![],
    }
}

pub fn told(claim: u128, at_us: Micros) -> Told {
    Told {
        claim: id(claim),
        status: "held".to_owned(),
        quantity: 1,
        unit_price: 500,
        code: format!("code-{claim}"),
        v: 2,
        created_us: at_us,
        hold_expires_us: Some(at_us + 60 * SECOND),
    }
}

/// A claim by a shopper that was sent at `at_us` and answered a tenth of a second later.
pub fn claim(number: u64, shopper: u32, at_us: Micros, outcome: Outcome) -> Operation {
    Operation {
        id: number,
        kind: Kind::Claim,
        phase: 0,
        shopper,
        sale: 0,
        key: number + 100,
        quantity: 1,
        claim: None,
        change: None,
        v: None,
        location: None,
        intended_us: at_us,
        sent_us: at_us,
        done_us: at_us + SECOND / 10,
        outcome,
    }
}

/// One that was accepted.
pub fn accepted(number: u64, shopper: u32, at_us: Micros) -> Operation {
    let told = told(1_000 + u128::from(number), at_us + SECOND / 20);
    claim(number, shopper, at_us, Outcome::Ok(Some(Box::new(told))))
}

pub fn refused(number: u64, shopper: u32, at_us: Micros, code: &str) -> Operation {
    claim(number, shopper, at_us, Outcome::Refused { status: 409, code: code.to_owned() })
}

/// Something done to the claim of an operation.
pub fn act(number: u64, kind: Kind, of: &Operation, at_us: Micros, outcome: Outcome) -> Operation {
    let claim = of.told().map(|told| told.claim);
    Operation {
        id: number,
        kind,
        key: 0,
        claim,
        outcome,
        sent_us: at_us,
        done_us: at_us + SECOND / 10,
        ..of.clone()
    }
}

pub fn ok() -> Outcome {
    Outcome::Ok(None)
}

pub fn unknown() -> Outcome {
    Outcome::Unknown("the server closed the connection".to_owned())
}

/// A merchant's operation that was sent at `at_us` and answered a tenth of a second later.
pub fn merchants(number: u64, kind: Kind, at_us: Micros, outcome: Outcome) -> Operation {
    Operation { kind, key: 0, shopper: u32::MAX, quantity: 0, ..claim(number, 0, at_us, outcome) }
}

pub fn change(number: u64, at_us: Micros, change: Change, outcome: Outcome) -> Operation {
    Operation { change: Some(change), ..merchants(number, Kind::Update, at_us, outcome) }
}

pub fn history(stock: u32, operations: Vec<Operation>) -> History {
    History { clock_error_us: 20_000, sales: vec![sale(stock)], operations, ..History::default() }
}

pub fn noted(session: u32, after_s: f64, event: Event) -> Noted {
    Noted { session, at_us: START + (after_s * SECOND as f64) as Micros, event }
}

pub fn offer(v: u64) -> Event {
    Event::Offer(id(1), v, 10, 0)
}

pub fn gone(v: u64, left: bool) -> Event {
    Event::Gone(id(1), v, left)
}

/// A session that subscribes `away_m` from the store, 5 s before the sale starts.
pub fn subscribed(session: u32, away_m: f64) -> Noted {
    let event = Event::Subscribed {
        sent_us: START - 5 * SECOND,
        location: north(away_m),
        radius_m: 5_000.0,
        known: vec![],
        offers: vec![],
        gone: vec![],
    };
    noted(session, -4.9, event)
}

/// A history of events alone, at rest 20 s after the start.
pub fn watched(events: Vec<Noted>) -> History {
    History { events, rest_us: START + 20 * SECOND, ..history(10, vec![]) }
}

/// Asserts that exactly this invariant is broken, and returns the verdict.
pub fn broken(history: &History, invariant: &str) -> Verdict {
    let verdict = judge(history);
    let found: Vec<&str> = verdict.counts.keys().map(String::as_str).collect();
    assert_eq!(found, [invariant], "{verdict:#?}");
    verdict
}

pub fn sound(history: &History) -> Verdict {
    let verdict = judge(history);
    assert!(verdict.is_clean(), "{verdict:#?}");
    verdict
}

/// Asserts that exactly this invariant is broken, and returns the operations that its first violation names.
pub fn named(history: &History, invariant: &str) -> Vec<u64> {
    broken(history, invariant).violations.first().unwrap().operations.clone()
}

/// Asserts that exactly this invariant is broken, by session 4.
pub fn found(history: &History, invariant: &str) {
    assert_eq!(broken(history, invariant).violations.first().unwrap().sessions, [4]);
}
