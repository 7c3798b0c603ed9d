//! The state machine at its very edges, to the millisecond and the metre: what a model of random steps seldom meets.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use flash_domain::claim::{ActRefusal, Claim, ClaimRefusal, ClaimStatus};
use flash_domain::geo::{EARTH_RADIUS_M, Location};
use flash_domain::ids::*;
use flash_domain::money::Money;
use flash_domain::promotion::*;
use flash_domain::segment::{Segment, Segments};
use flash_domain::terms::Terms;
use flash_domain::time::{Now, UnixMillis};
use uuid::Uuid;

const STARTS_AT: i64 = 10_000;
const ENDS_AT: i64 = 60_000;
const HOLD_MS: i64 = 5_000;

fn at(ms: i64) -> Now {
    Now::new(ms, ms)
}

fn money(amount: i64) -> Money {
    Money { amount, currency: "COP".parse().unwrap() }
}

/// A sale of ten units on the equator, with holds of five seconds.
fn sale(change: impl FnOnce(&mut Terms)) -> Promotion {
    let mut terms = Terms {
        price: money(50),
        original_price: money(100),
        stock: 10,
        per_shopper_limit: None,
        starts_at: UnixMillis(STARTS_AT),
        ends_at: UnixMillis(ENDS_AT),
        reach_m: 5_000,
        claim_within_m: None,
        hold_seconds: (HOLD_MS / 1000) as u32,
        segments: Segments::default(),
        category: None,
    };
    change(&mut terms);
    let record = PromotionRecord {
        id: PromotionId(Uuid::from_u128(1)),
        series_id: None,
        store: StoreCopy {
            id: StoreId(Uuid::from_u128(2)),
            name: "Store".into(),
            location: Location::new(0.0, 0.0).unwrap(),
        },
        product: ProductCopy { id: ProductId(Uuid::from_u128(3)), name: "Thing".into(), image_url: None },
        terms,
        counters: Counters { status: Status::Scheduled, v: 1, ..Counters::default() },
        created_at: UnixMillis(0),
    };
    Promotion::load(record, vec![], at(0))
}

fn shopper(n: u128) -> UserId {
    UserId(Uuid::from_u128(100 + n))
}

fn claim_by(
    sale: &mut Promotion,
    n: u128,
    location: Option<Location>,
    segment: Segment,
    now: Now,
) -> Result<Claim, ClaimRefusal> {
    let ask = ClaimAsk {
        user_id: shopper(n),
        quantity: 1,
        idempotency_key: "key",
        location,
        segment,
        claim_id: ClaimId(Uuid::from_u128(1_000 + n)),
        redemption_code: "CODE",
    };
    sale.claim(&ask, now)
}

fn claim(sale: &mut Promotion, n: u128, now: Now) -> Result<Claim, ClaimRefusal> {
    claim_by(sale, n, None, Segment::New, now)
}

#[test]
fn i11_a_window_opens_and_closes_on_the_millisecond() {
    let mut sale = sale(|_| {});
    assert_eq!(sale.wake_in_ms(at(STARTS_AT - 1)), Some(1));
    let early = claim(&mut sale, 1, at(STARTS_AT - 1));
    assert_eq!(early, Err(ClaimRefusal::NotStarted { starts_at: UnixMillis(STARTS_AT) }));
    assert!(claim(&mut sale, 1, at(STARTS_AT)).is_ok());
    assert!(claim(&mut sale, 2, at(ENDS_AT - 1)).is_ok());
    assert_eq!(claim(&mut sale, 3, at(ENDS_AT)), Err(ClaimRefusal::Ended));
    assert_eq!(claim(&mut sale, 3, at(ENDS_AT - 1)), Err(ClaimRefusal::Ended), "owner time never goes back");
}

/// A start that an edit moves into the past is entered at once, and dated as the edit set it: owner time stays where the
/// decision was taken, or the next one on a clock that went back would come before it.
#[test]
fn owner_time_stays_behind_no_decision_also_when_a_start_lies_before_it() {
    let mut sale = sale(|_| {});
    let patch = TermsPatch { starts_at: Some(UnixMillis(1_000)), ..TermsPatch::default() };
    sale.edit(&patch, at(5_000)).unwrap();
    assert_eq!(sale.record().counters.status, Status::Live);
    assert_eq!(sale.take_change().unwrap().counters.decided_at, UnixMillis(5_000), "what is made durable");
    let after = claim(&mut sale, 1, Now::new(3_000, 6_000)).unwrap();
    assert_eq!(after.created_at, UnixMillis(5_000), "the wall clock has gone back, owner time has not");
    assert_eq!(after.hold_expires_at, Some(UnixMillis(5_000 + HOLD_MS)));
}

#[test]
fn i11_paused_within_the_window_is_closed() {
    let mut sale = sale(|_| {});
    sale.pause(at(STARTS_AT)).unwrap();
    assert_eq!(claim(&mut sale, 1, at(STARTS_AT + 1)), Err(ClaimRefusal::Paused));
    sale.resume(at(STARTS_AT + 2)).unwrap();
    assert!(claim(&mut sale, 1, at(STARTS_AT + 2)).is_ok());
}

#[test]
fn i8_a_hold_is_confirmed_up_to_the_millisecond_before_its_expiry() {
    let mut sale = sale(|_| {});
    let (first, second) =
        (claim(&mut sale, 1, at(STARTS_AT)).unwrap(), claim(&mut sale, 2, at(STARTS_AT)).unwrap());
    let last = at(STARTS_AT + HOLD_MS - 1);
    assert_eq!(sale.confirm(shopper(1), first.id, last).unwrap().status, ClaimStatus::Confirmed);
    let over = at(STARTS_AT + HOLD_MS);
    assert_eq!(sale.confirm(shopper(2), second.id, over), Err(ActRefusal::HoldExpired));
    assert_eq!(sale.cancel_claim(shopper(2), second.id, over), Err(ActRefusal::HoldExpired));
    assert_eq!(sale.record().remaining(), 9, "its unit is back, once");
}

#[test]
fn i5_a_claim_keeps_the_price_at_which_it_was_decided() {
    let mut sale = sale(|_| {});
    let before = claim(&mut sale, 1, at(STARTS_AT)).unwrap();
    let patch = TermsPatch { price: Some(money(70)), ..TermsPatch::default() };
    sale.edit(&patch, at(STARTS_AT + 1)).unwrap();
    let after = claim(&mut sale, 2, at(STARTS_AT + 2)).unwrap();
    assert_eq!((before.unit_price, after.unit_price), (money(50), money(70)));
    let confirmed = sale.confirm(shopper(1), before.id, at(STARTS_AT + 3)).unwrap();
    assert_eq!(confirmed.unit_price, money(50));
    assert_eq!(claim(&mut sale, 1, at(STARTS_AT + 4)).unwrap().unit_price, money(50), "a repeat too");
}

#[test]
fn i13_a_claim_is_decided_by_place_and_segment_boundary_included() {
    let mut sale = sale(|terms| terms.claim_within_m = Some(2_000));
    let east = |metres: f64| Some(Location::new(0.0, (metres / EARTH_RADIUS_M).to_degrees()).unwrap());
    let now = at(STARTS_AT);
    assert_eq!(claim_by(&mut sale, 1, None, Segment::New, now), Err(ClaimRefusal::LocationRequired));
    let far = claim_by(&mut sale, 1, east(2_000.001), Segment::New, now);
    assert_eq!(far, Err(ClaimRefusal::TooFar { distance_m: 2_001, claim_within_m: 2_000 }));
    assert!(claim_by(&mut sale, 1, east(1_999.999), Segment::New, now).is_ok());
    assert!(claim_by(&mut sale, 2, east(0.0), Segment::New, now).is_ok());

    let mut theirs = self::sale(|terms| terms.segments = vec![Segment::Frequent].into());
    assert_eq!(claim_by(&mut theirs, 1, None, Segment::New, now), Err(ClaimRefusal::NotEligible));
    assert_eq!(claim_by(&mut theirs, 1, None, Segment::Regular, now), Err(ClaimRefusal::NotEligible));
    assert!(claim_by(&mut theirs, 1, None, Segment::Frequent, now).is_ok());
}

#[test]
fn i14_what_was_accepted_is_repeated_though_all_is_sold_and_over_and_a_refusal_uses_up_no_key() {
    let mut sale = sale(|terms| terms.stock = 1);
    let first = claim(&mut sale, 1, at(STARTS_AT)).unwrap();
    assert!(matches!(claim(&mut sale, 2, at(STARTS_AT)), Err(ClaimRefusal::AllHeld { .. })));
    sale.confirm(shopper(1), first.id, at(STARTS_AT + 1)).unwrap();
    assert_eq!(claim(&mut sale, 1, at(STARTS_AT + 2)), Ok(first.clone()), "sold out");
    let patch = TermsPatch { stock: Some(2), ..TermsPatch::default() };
    sale.edit(&patch, at(STARTS_AT + 3)).unwrap();
    assert!(claim(&mut sale, 2, at(STARTS_AT + 4)).is_ok(), "the refused key is free");
    assert_eq!(claim(&mut sale, 1, at(ENDS_AT + 1)), Ok(first), "over");
}
