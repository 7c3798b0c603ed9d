//! The claims of one promotion, compact: found by id, and by shopper and key.
//!
//! A hot sale has hundreds of thousands of claims and gains one with each decision, so what one costs counts: a claim is
//! written once to a place that never moves, without what all claims of a promotion have in common, and both indexes
//! hold a position and a few bits of hash instead of a key. No growth copies a claim, which would hold up every
//! decision behind it. Knows no rule of a claim's life.

use crate::claim::{Claim, ClaimStatus};
use crate::ids::{ClaimId, PromotionId, StoreId, UserId};
use crate::money::{Currency, Money};
use crate::time::UnixMillis;
use hashbrown::HashTable;
use std::hash::{BuildHasher, Hash, RandomState};
use std::sync::Arc;

/// Claims per piece of memory: large enough that pieces are few, small enough that a small sale costs little more than
/// its claims.
const CHUNK: usize = 512;

/// Where a claim is kept; in the order in which they were made or loaded.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Place(u32);

/// A claim without what it shares with its promotion's others.
pub(super) struct Kept {
    id: ClaimId,
    user_id: UserId,
    redemption_code: Arc<str>,
    idempotency_key: Arc<str>,
    price_amount: i64,
    first_v: u64,
    v: u64,
    created_at: UnixMillis,
    hold_expires_at: Moment,
    confirmed_at: Moment,
    closed_at: Moment,
    quantity: u32,
    currency: Currency,
    status: ClaimStatus,
}

/// A time that may be missing, in 8 bytes instead of an `Option`'s 16.
#[derive(Clone, Copy)]
struct Moment(i64);

impl Moment {
    const NEVER: i64 = i64::MIN;

    fn of(at: Option<UnixMillis>) -> Self {
        Self(at.map_or(Self::NEVER, |at| at.0))
    }

    fn at(self) -> Option<UnixMillis> {
        (self.0 != Self::NEVER).then_some(UnixMillis(self.0))
    }
}

impl Kept {
    pub(super) fn user_id(&self) -> UserId {
        self.user_id
    }

    pub(super) fn status(&self) -> ClaimStatus {
        self.status
    }
}

/// An index entry: part of the key's hash, and where the claim is.
#[derive(Clone, Copy)]
struct Entry {
    hash: u32,
    place: Place,
}

/// Every claim of one promotion.
pub(super) struct Ledger {
    promotion_id: PromotionId,
    store_id: StoreId,
    /// Each but the last is full; none is ever moved.
    chunks: Vec<Vec<Kept>>,
    by_id: HashTable<Entry>,
    by_key: HashTable<Entry>,
    hashing: RandomState,
}

impl Ledger {
    pub(super) fn new(promotion_id: PromotionId, store_id: StoreId, claims: usize) -> Self {
        Self {
            promotion_id,
            store_id,
            chunks: Vec::with_capacity(claims.div_ceil(CHUNK)),
            by_id: HashTable::with_capacity(claims),
            by_key: HashTable::with_capacity(claims),
            hashing: RandomState::new(),
        }
    }

    /// Claims ever added.
    pub(super) fn len(&self) -> usize {
        self.chunks.last().map_or(0, |last| (self.chunks.len() - 1) * CHUNK + last.len())
    }

    /// Adds a claim that is not there yet. There are at most as many claims as positions: a promotion has at most
    /// 1,000,000 units and 90 days, and each claim has one commit.
    pub(super) fn add(&mut self, claim: &Claim) -> Place {
        let place = Place(u32::try_from(self.len()).unwrap_or(u32::MAX));
        if self.chunks.last().is_none_or(|last| last.len() == CHUNK) {
            // The first piece grows with the first claims; a sale that needs a second one is a large one.
            let capacity = if self.chunks.is_empty() { 0 } else { CHUNK };
            self.chunks.push(Vec::with_capacity(capacity));
        }
        if let Some(last) = self.chunks.last_mut() {
            last.push(Kept {
                id: claim.id,
                user_id: claim.user_id,
                redemption_code: claim.redemption_code.clone(),
                idempotency_key: claim.idempotency_key.clone(),
                price_amount: claim.unit_price.amount,
                first_v: claim.first_v,
                v: claim.v,
                created_at: claim.created_at,
                hold_expires_at: Moment::of(claim.hold_expires_at),
                confirmed_at: Moment::of(claim.confirmed_at),
                closed_at: Moment::of(claim.closed_at),
                quantity: claim.quantity,
                currency: claim.unit_price.currency,
                status: claim.status,
            });
        }
        let hash = self.short_hash(&claim.id);
        self.by_id.insert_unique(spread(hash), Entry { hash, place }, |entry| spread(entry.hash));
        let hash = self.short_hash(&(claim.user_id, &*claim.idempotency_key));
        self.by_key.insert_unique(spread(hash), Entry { hash, place }, |entry| spread(entry.hash));
        place
    }

    /// Where the claim is.
    pub(super) fn find(&self, id: ClaimId) -> Option<Place> {
        let hash = self.short_hash(&id);
        let is =
            |entry: &Entry| entry.hash == hash && self.kept(entry.place).is_some_and(|kept| kept.id == id);
        self.by_id.find(spread(hash), is).map(|entry| entry.place)
    }

    /// Where the claim is that the shopper made with this key.
    pub(super) fn find_by_key(&self, user_id: UserId, key: &str) -> Option<Place> {
        let hash = self.short_hash(&(user_id, key));
        let is = |entry: &Entry| {
            let same = |kept: &Kept| kept.user_id == user_id && *kept.idempotency_key == *key;
            entry.hash == hash && self.kept(entry.place).is_some_and(same)
        };
        self.by_key.find(spread(hash), is).map(|entry| entry.place)
    }

    /// The claim as it is kept; `None` for another ledger's place.
    pub(super) fn kept(&self, Place(place): Place) -> Option<&Kept> {
        let place = place as usize;
        self.chunks.get(place / CHUNK)?.get(place % CHUNK)
    }

    /// The claim whole.
    pub(super) fn claim(&self, place: Place) -> Option<Claim> {
        self.kept(place).map(|kept| Claim {
            id: kept.id,
            promotion_id: self.promotion_id,
            store_id: self.store_id,
            user_id: kept.user_id,
            status: kept.status,
            quantity: kept.quantity,
            unit_price: Money { amount: kept.price_amount, currency: kept.currency },
            hold_expires_at: kept.hold_expires_at.at(),
            redemption_code: kept.redemption_code.clone(),
            idempotency_key: kept.idempotency_key.clone(),
            first_v: kept.first_v,
            v: kept.v,
            created_at: kept.created_at,
            confirmed_at: kept.confirmed_at.at(),
            closed_at: kept.closed_at.at(),
        })
    }

    /// Moves a claim on in its life: to `confirmed`, or to one of the ends. Returns it whole.
    pub(super) fn move_on(
        &mut self,
        place: Place,
        status: ClaimStatus,
        v: u64,
        at: UnixMillis,
    ) -> Option<Claim> {
        let kept = self.chunks.get_mut(place.0 as usize / CHUNK)?.get_mut(place.0 as usize % CHUNK)?;
        kept.status = status;
        kept.v = v;
        match status {
            ClaimStatus::Confirmed => kept.confirmed_at = Moment::of(Some(at)),
            ClaimStatus::Held => {}
            ClaimStatus::Redeemed | ClaimStatus::Expired | ClaimStatus::Cancelled => {
                kept.closed_at = Moment::of(Some(at));
            }
        }
        self.claim(place)
    }

    /// The claims that are held, by id.
    pub(super) fn held(&self) -> Vec<Place> {
        let all = self.chunks.iter().flatten().zip(0..);
        let mut held: Vec<(ClaimId, Place)> = all
            .filter(|(kept, _)| kept.status == ClaimStatus::Held)
            .map(|(kept, place)| (kept.id, Place(place)))
            .collect();
        held.sort_unstable();
        held.into_iter().map(|(_, place)| place).collect()
    }

    fn short_hash(&self, key: &impl Hash) -> u32 {
        self.hashing.hash_one(key) as u32
    }
}

/// A table takes its bits from both ends of a hash; the entries keep 32 of them.
fn spread(hash: u32) -> u64 {
    u64::from(hash).wrapping_mul(0x9e37_79b9_7f4a_7c15)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use uuid::Uuid;

    fn claim(n: u32) -> Claim {
        Claim {
            id: ClaimId(Uuid::from_u128(u128::from(n))),
            promotion_id: PromotionId(Uuid::from_u128(7)),
            store_id: StoreId(Uuid::from_u128(8)),
            user_id: UserId(Uuid::from_u128(u128::from(n % 97))),
            status: ClaimStatus::Held,
            quantity: 1 + n % 3,
            unit_price: Money { amount: i64::from(n) + 1, currency: "COP".parse().unwrap() },
            hold_expires_at: n.is_multiple_of(2).then_some(UnixMillis(0)),
            redemption_code: format!("C{n}").into(),
            idempotency_key: format!("k{}", n / 97).into(),
            first_v: u64::from(n),
            v: u64::from(n),
            created_at: UnixMillis(i64::from(n)),
            confirmed_at: None,
            closed_at: None,
        }
    }

    #[test]
    fn each_claim_is_found_by_id_and_by_shopper_and_key_and_comes_back_whole() {
        let many = 3 * CHUNK as u32 + 5;
        let mut ledger = Ledger::new(claim(0).promotion_id, claim(0).store_id, 0);
        for n in 0..many {
            assert_eq!(ledger.find(claim(n).id), None);
            let place = ledger.add(&claim(n));
            assert_eq!(ledger.find(claim(n).id), Some(place));
        }
        assert_eq!(ledger.len(), many as usize);
        for n in 0..many {
            let expected = claim(n);
            let place = ledger.find(expected.id).unwrap();
            assert_eq!(ledger.find_by_key(expected.user_id, &expected.idempotency_key), Some(place));
            assert_eq!(ledger.claim(place), Some(expected));
        }
        assert_eq!(ledger.find_by_key(claim(0).user_id, "another"), None);
    }

    #[test]
    fn what_is_held_comes_in_the_order_of_ids() {
        let mut ledger = Ledger::new(claim(0).promotion_id, claim(0).store_id, 3);
        for n in [3, 1, 2] {
            ledger.add(&claim(n));
        }
        let two = ledger.find(claim(2).id).unwrap();
        let ended = ledger.move_on(two, ClaimStatus::Expired, 9, UnixMillis(50)).unwrap();
        assert_eq!((ended.v, ended.closed_at, ended.confirmed_at), (9, Some(UnixMillis(50)), None));
        let held: Vec<ClaimId> =
            ledger.held().into_iter().map(|place| ledger.claim(place).unwrap().id).collect();
        assert_eq!(held, [claim(1).id, claim(3).id]);
    }

    #[test]
    fn a_kept_claim_takes_two_cache_lines() {
        assert_eq!(size_of::<Kept>(), 128);
    }
}
