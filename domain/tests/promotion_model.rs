//! The promotion state machine against a naive model: every sequence of requests and clock movements must give the same
//! answers and counters, and keep the invariants at every step.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use flash_domain::claim::{ActRefusal, Claim, ClaimRefusal, ClaimStatus};
use flash_domain::geo::Location;
use flash_domain::ids::*;
use flash_domain::money::Money;
use flash_domain::promotion::*;
use flash_domain::segment::{Segment, Segments};
use flash_domain::terms::Terms;
use flash_domain::time::{Now, UnixMillis};
use proptest::prelude::*;
use std::collections::HashMap;
use uuid::Uuid;

const SHOPPERS: u128 = 4;
const STARTS_AT: i64 = 10_000;
const ENDS_AT: i64 = 60_000;

#[derive(Clone, Debug)]
enum Step {
    Wait(i64),
    Jump(i64),
    Claim { shopper: u128, key: u8, quantity: u32 },
    Confirm { shopper: u128, claim: usize },
    Cancel { shopper: u128, claim: usize },
    Redeem { claim: usize },
    Pause,
    Resume,
    Stock(u32),
    Reload,
    CancelPromotion,
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let step = prop_oneof![
        4 => (0..9_000_i64).prop_map(Step::Wait),
        1 => (-5_000..5_000_i64).prop_map(Step::Jump),
        12 => (0..SHOPPERS, 0..6_u8, 1..4_u32).prop_map(|(shopper, key, quantity)| Step::Claim { shopper, key, quantity }),
        5 => (0..SHOPPERS, 0..12_usize).prop_map(|(shopper, claim)| Step::Confirm { shopper, claim }),
        3 => (0..SHOPPERS, 0..12_usize).prop_map(|(shopper, claim)| Step::Cancel { shopper, claim }),
        2 => (0..12_usize).prop_map(|claim| Step::Redeem { claim }),
        1 => Just(Step::Pause),
        1 => Just(Step::Resume),
        1 => (1..12_u32).prop_map(Step::Stock),
        2 => Just(Step::Reload),
        1 => Just(Step::CancelPromotion),
    ];
    prop::collection::vec(step, 1..120)
}

fn terms(stock: u32, limit: Option<u32>, hold_seconds: u32) -> Terms {
    let money = |amount| Money { amount, currency: "COP".parse().unwrap() };
    Terms {
        price: money(50),
        original_price: money(100),
        stock,
        per_shopper_limit: limit,
        starts_at: UnixMillis(STARTS_AT),
        ends_at: UnixMillis(ENDS_AT),
        reach_m: 5_000,
        claim_within_m: None,
        hold_seconds,
        segments: Segments::default(),
        category: None,
    }
}

fn record(terms: Terms) -> PromotionRecord {
    PromotionRecord {
        id: PromotionId(Uuid::from_u128(1)),
        series_id: None,
        store: StoreCopy {
            id: StoreId(Uuid::from_u128(2)),
            name: "Store".into(),
            location: Location::new(6.2442, -75.5812).unwrap(),
        },
        product: ProductCopy { id: ProductId(Uuid::from_u128(3)), name: "Thing".into(), image_url: None },
        terms,
        counters: Counters { status: Status::Scheduled, v: 1, ..Counters::default() },
        created_at: UnixMillis(0),
    }
}

/// The model: claims in a list, everything else derived by looking at all of them.
struct Model {
    claims: Vec<(u128, u8, u32, ClaimStatus, i64)>,
    status: Status,
    stock: u32,
    limit: Option<u32>,
    hold_ms: i64,
    wall: i64,
    mono: i64,
}

impl Model {
    fn sum(&self, of: impl Fn(&(u128, u8, u32, ClaimStatus, i64)) -> bool) -> u32 {
        self.claims.iter().filter(|claim| of(claim)).map(|claim| claim.2).sum()
    }

    fn held(&self) -> u32 {
        self.sum(|claim| claim.3 == ClaimStatus::Held)
    }

    fn sold(&self) -> u32 {
        self.sum(|claim| matches!(claim.3, ClaimStatus::Confirmed | ClaimStatus::Redeemed))
    }

    fn settle(&mut self) {
        if self.status == Status::Scheduled && self.wall >= STARTS_AT {
            self.status = Status::Live;
        }
        if matches!(self.status, Status::Live | Status::Paused) && self.wall >= ENDS_AT {
            self.status = Status::Ended;
        }
        for claim in &mut self.claims {
            if claim.3 == ClaimStatus::Held && claim.4 <= self.mono {
                claim.3 = ClaimStatus::Expired;
            }
        }
    }

    fn claim(&mut self, shopper: u128, key: u8, quantity: u32) -> Result<usize, &'static str> {
        if let Some(at) = self.claims.iter().position(|claim| (claim.0, claim.1) == (shopper, key)) {
            return if self.claims[at].2 == quantity { Ok(at) } else { Err("reused") };
        }
        match self.status {
            Status::Live => {}
            Status::Draft | Status::Scheduled => return Err("not_started"),
            Status::Paused => return Err("paused"),
            Status::Ended => return Err("ended"),
            Status::Cancelled => return Err("cancelled"),
        }
        let units = self.sum(|claim| claim.0 == shopper && claim.3.occupies());
        if self.limit.is_some_and(|limit| units + quantity > limit) {
            return Err("limit");
        }
        let remaining = self.stock - self.held() - self.sold();
        if quantity > remaining {
            return Err(if self.held() > 0 && remaining + self.held() >= quantity {
                "all_held"
            } else {
                "sold_out"
            });
        }
        let status = if self.hold_ms > 0 { ClaimStatus::Held } else { ClaimStatus::Confirmed };
        self.claims.push((shopper, key, quantity, status, self.mono + self.hold_ms));
        Ok(self.claims.len() - 1)
    }
}

fn name(refusal: ClaimRefusal) -> &'static str {
    match refusal {
        ClaimRefusal::KeyReused => "reused",
        ClaimRefusal::NotStarted { .. } => "not_started",
        ClaimRefusal::Ended => "ended",
        ClaimRefusal::Paused => "paused",
        ClaimRefusal::Cancelled => "cancelled",
        ClaimRefusal::LimitReached { .. } => "limit",
        ClaimRefusal::SoldOut { .. } => "sold_out",
        ClaimRefusal::AllHeld { .. } => "all_held",
        ClaimRefusal::NotEligible | ClaimRefusal::LocationRequired | ClaimRefusal::TooFar { .. } => "person",
    }
}

/// What a store would hold: the record and the claims, as collected.
#[derive(Clone)]
struct Durable {
    record: PromotionRecord,
    claims: HashMap<ClaimId, Claim>,
}

impl Durable {
    fn apply(&mut self, promotion: &mut Promotion) {
        let Some(change) = promotion.take_change() else { return };
        assert!(change.counters.v >= self.record.counters.v, "versions only grow");
        self.record.counters = change.counters;
        if let Some(terms) = change.terms {
            self.record.terms = *terms;
        }
        for claim in change.claims {
            if let Some(before) = self.claims.get(&claim.id) {
                assert!(claim.v > before.v);
                assert!(
                    before.status == ClaimStatus::Held || claim.status == ClaimStatus::Redeemed,
                    "I6: a hold ends once"
                );
            }
            self.claims.insert(claim.id, claim);
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 512, ..ProptestConfig::default() })]

    /// I1, I3, I4, I6, I7, I8, I9, I10, I11, I14, I15, I16.
    #[test]
    fn i1_i16_the_state_machine_agrees_with_the_model(
        steps in steps(), stock in 1..10_u32, limit in prop::option::of(1..5_u32), hold_s in 0..20_u32,
    ) {
        let start = record(terms(stock, limit, hold_s));
        let mut durable = Durable { record: start.clone(), claims: HashMap::new() };
        let mut model = Model { claims: vec![], status: Status::Scheduled, stock, limit, hold_ms: i64::from(hold_s) * 1000, wall: 5_000, mono: 0 };
        let mut offset = 5_000;
        let mut promotion = Promotion::load(start, vec![], Now::new(5_000, 0));
        let mut ids: Vec<ClaimId> = vec![];
        let mut answers: HashMap<ClaimId, Claim> = HashMap::new();
        for step in steps {
            match &step {
                Step::Wait(ms) => model.mono += ms,
                Step::Jump(ms) => offset += ms,
                _ => {}
            }
            // Owner time never goes behind the last decision's.
            model.wall = (model.mono + offset).max(promotion.record().counters.decided_at.0);
            let now = Now::new(model.mono + offset, model.mono);
            if !matches!(step, Step::Wait(_) | Step::Jump(_) | Step::Reload) {
                model.settle();
            }
            match step {
                Step::Wait(_) | Step::Jump(_) => {}
                Step::Claim { shopper, key, quantity } => {
                    let id = ClaimId(Uuid::from_u128(1_000 + ids.len() as u128));
                    let key_text = format!("key-{key}");
                    let got = promotion.claim(&ClaimAsk {
                        user_id: UserId(Uuid::from_u128(100 + shopper)), quantity, idempotency_key: &key_text,
                        location: None, segment: Segment::New, claim_id: id, redemption_code: "CODE",
                    }, now);
                    match (model.claim(shopper, key, quantity), got) {
                        (Ok(at), Ok(claim)) => {
                            if at == ids.len() {
                                ids.push(claim.id);
                                answers.insert(claim.id, claim.clone());
                            }
                            prop_assert_eq!(ids[at], claim.id);
                            prop_assert_eq!(&answers[&claim.id], &claim, "I14: the first answer, again");
                        }
                        (Err(expected), Err(refusal)) => prop_assert_eq!(expected, name(refusal)),
                        (expected, got) => prop_assert!(false, "{:?} against {:?}", expected, got),
                    }
                }
                Step::Confirm { shopper, claim } | Step::Cancel { shopper, claim } if claim < ids.len() => {
                    let confirm = matches!(step, Step::Confirm { .. });
                    let user = UserId(Uuid::from_u128(100 + shopper));
                    let got = if confirm { promotion.confirm(user, ids[claim], now) } else { promotion.cancel_claim(user, ids[claim], now) };
                    let row = &mut model.claims[claim];
                    let expected = match row.3 {
                        _ if row.0 != shopper => Err(ActRefusal::NotFound),
                        ClaimStatus::Held => { row.3 = if confirm { ClaimStatus::Confirmed } else { ClaimStatus::Cancelled }; Ok(row.3) }
                        ClaimStatus::Confirmed if confirm => Ok(ClaimStatus::Confirmed),
                        ClaimStatus::Confirmed => Err(ActRefusal::AlreadyConfirmed),
                        ClaimStatus::Redeemed => Err(ActRefusal::AlreadyRedeemed),
                        ClaimStatus::Expired => Err(ActRefusal::HoldExpired),
                        ClaimStatus::Cancelled => Err(ActRefusal::AlreadyCancelled),
                    };
                    prop_assert_eq!(got.map(|claim| claim.status), expected);
                }
                Step::Redeem { claim } if claim < ids.len() => {
                    let row = &mut model.claims[claim];
                    let expected = match row.3 {
                        ClaimStatus::Confirmed => { row.3 = ClaimStatus::Redeemed; Ok(ClaimStatus::Redeemed) }
                        ClaimStatus::Held => Err(ActRefusal::NotConfirmed),
                        ClaimStatus::Redeemed => Err(ActRefusal::AlreadyRedeemed),
                        ClaimStatus::Expired => Err(ActRefusal::HoldExpired),
                        ClaimStatus::Cancelled => Err(ActRefusal::AlreadyCancelled),
                    };
                    prop_assert_eq!(promotion.redeem(ids[claim], now).map(|claim| claim.status), expected);
                }
                Step::Confirm { .. } | Step::Cancel { .. } | Step::Redeem { .. } => {}
                Step::Pause => {
                    prop_assert_eq!(promotion.pause(now).is_ok(), model.status == Status::Live);
                    if model.status == Status::Live { model.status = Status::Paused }
                }
                Step::Resume => {
                    prop_assert_eq!(promotion.resume(now).is_ok(), model.status == Status::Paused);
                    if model.status == Status::Paused { model.status = Status::Live }
                }
                Step::Stock(stock) => {
                    let over = matches!(model.status, Status::Ended | Status::Cancelled);
                    let fits = stock >= model.held() + model.sold();
                    let patch = TermsPatch { stock: Some(stock), ..TermsPatch::default() };
                    prop_assert_eq!(promotion.edit(&patch, now).is_ok(), !over && fits, "I4");
                    if !over && fits { model.stock = stock }
                }
                Step::Reload => {
                    durable.apply(&mut promotion);
                    // What is left of a hold on the wall clock is what is left of it after the reload.
                    let wall = model.wall.max(durable.record.counters.decided_at.0);
                    for (at, id) in ids.iter().enumerate() {
                        if let (ClaimStatus::Held, Some(expires)) = (model.claims[at].3, durable.claims[id].hold_expires_at) {
                            model.claims[at].4 = model.mono + (expires.0 - wall).max(0);
                        }
                    }
                    promotion = Promotion::load(durable.record.clone(), durable.claims.values().cloned().collect(), now);
                    model.wall = wall;
                }
                Step::CancelPromotion => {
                    let allowed = !matches!(model.status, Status::Ended | Status::Cancelled);
                    prop_assert_eq!(promotion.cancel(now).is_ok(), allowed);
                    if allowed {
                        model.status = Status::Cancelled;
                        for claim in &mut model.claims {
                            if claim.3 == ClaimStatus::Held { claim.3 = ClaimStatus::Cancelled }
                        }
                    }
                }
            }
            let decided = promotion.record().clone();
            if !matches!(step, Step::Wait(_) | Step::Jump(_) | Step::Reload) {
                // Redeem of an unknown claim and the like still advance nothing in the model, so compare after advancing both.
                promotion.advance(now);
                prop_assert_eq!(promotion.record().counters.held, model.held());
                prop_assert_eq!(promotion.record().counters.sold, model.sold());
                prop_assert_eq!(promotion.record().counters.status, model.status);
            }
            prop_assert_eq!(decided.remaining() + decided.counters.held + decided.counters.sold, decided.terms.stock, "I1");
            durable.apply(&mut promotion);
            prop_assert_eq!(durable.record.counters, promotion.record().counters);
        }
    }
}
