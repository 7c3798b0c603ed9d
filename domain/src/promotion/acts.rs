//! What may happen to an existing claim: confirm, cancel, redeem. The window plays no part here: a claim follows its
//! own times, also after the promotion's end or while it is paused.

use super::Promotion;
use super::ledger::{Kept, Place};
use crate::claim::{ActRefusal, Claim, ClaimStatus};
use crate::event::Event;
use crate::ids::{ClaimId, UserId};
use crate::time::Now;

impl Promotion {
    /// Confirms a held claim: its units are sold. Confirming again answers the same.
    ///
    /// # Errors
    /// `NotFound` also for somebody else's claim; `HoldExpired`, `AlreadyCancelled`, `AlreadyRedeemed`.
    pub fn confirm(&mut self, user_id: UserId, id: ClaimId, now: Now) -> Result<Claim, ActRefusal> {
        let now = self.observe(now);
        self.advance(now);
        let place = self.own_claim(user_id, id)?;
        match self.status_of(place)? {
            ClaimStatus::Held => {}
            ClaimStatus::Confirmed => return self.claims.claim(place).ok_or(ActRefusal::NotFound),
            ClaimStatus::Redeemed => return Err(ActRefusal::AlreadyRedeemed),
            ClaimStatus::Expired => return Err(ActRefusal::HoldExpired),
            ClaimStatus::Cancelled => return Err(ActRefusal::AlreadyCancelled),
        }
        let v = self.bump(now.wall);
        let confirmed = self.claims.move_on(place, ClaimStatus::Confirmed, v, now.wall);
        let claim = confirmed.ok_or(ActRefusal::NotFound)?;
        self.record.counters.held -= claim.quantity;
        self.record.counters.sold += claim.quantity;
        self.note_confirmed(&claim, v);
        self.pending.claims.push(claim.clone());
        Ok(claim)
    }

    /// Gives a held claim's units back.
    ///
    /// # Errors
    /// `NotFound` also for somebody else's claim; `HoldExpired`, `AlreadyConfirmed`, `AlreadyCancelled`,
    /// `AlreadyRedeemed`.
    pub fn cancel_claim(&mut self, user_id: UserId, id: ClaimId, now: Now) -> Result<Claim, ActRefusal> {
        let now = self.observe(now);
        self.advance(now);
        let place = self.own_claim(user_id, id)?;
        match self.status_of(place)? {
            ClaimStatus::Held => {}
            ClaimStatus::Confirmed => return Err(ActRefusal::AlreadyConfirmed),
            ClaimStatus::Redeemed => return Err(ActRefusal::AlreadyRedeemed),
            ClaimStatus::Expired => return Err(ActRefusal::HoldExpired),
            ClaimStatus::Cancelled => return Err(ActRefusal::AlreadyCancelled),
        }
        self.release(place, ClaimStatus::Cancelled, now.wall).ok_or(ActRefusal::NotFound)
    }

    /// Hands out a confirmed claim's units at the store, once. Who may do so is checked by the caller.
    ///
    /// # Errors
    /// `NotFound`, `NotConfirmed` (held), `AlreadyRedeemed`, `HoldExpired`, `AlreadyCancelled`.
    pub fn redeem(&mut self, id: ClaimId, now: Now) -> Result<Claim, ActRefusal> {
        let now = self.observe(now);
        self.advance(now);
        let place = self.claims.find(id).ok_or(ActRefusal::NotFound)?;
        match self.status_of(place)? {
            ClaimStatus::Confirmed => {}
            ClaimStatus::Held => return Err(ActRefusal::NotConfirmed),
            ClaimStatus::Redeemed => return Err(ActRefusal::AlreadyRedeemed),
            ClaimStatus::Expired => return Err(ActRefusal::HoldExpired),
            ClaimStatus::Cancelled => return Err(ActRefusal::AlreadyCancelled),
        }
        let v = self.bump(now.wall);
        let redeemed = self.claims.move_on(place, ClaimStatus::Redeemed, v, now.wall);
        let claim = redeemed.ok_or(ActRefusal::NotFound)?;
        self.pending.events.push((v, Event::ClaimRedeemed { claim_id: id, user_id: claim.user_id }));
        self.pending.claims.push(claim.clone());
        Ok(claim)
    }

    fn own_claim(&self, user_id: UserId, id: ClaimId) -> Result<Place, ActRefusal> {
        let own = |place: &Place| self.claims.kept(*place).is_some_and(|kept| kept.user_id() == user_id);
        self.claims.find(id).filter(own).ok_or(ActRefusal::NotFound)
    }

    fn status_of(&self, place: Place) -> Result<ClaimStatus, ActRefusal> {
        self.claims.kept(place).map(Kept::status).ok_or(ActRefusal::NotFound)
    }
}
