//! What may happen to an existing claim: confirm, cancel, redeem. The window plays no part here: a claim follows its
//! own times, also after the promotion's end or while it is paused.

use super::Promotion;
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
        let claim = self.own_claim(user_id, id)?;
        match claim.status {
            ClaimStatus::Held => {}
            ClaimStatus::Confirmed => return Ok(claim.clone()),
            ClaimStatus::Redeemed => return Err(ActRefusal::AlreadyRedeemed),
            ClaimStatus::Expired => return Err(ActRefusal::HoldExpired),
            ClaimStatus::Cancelled => return Err(ActRefusal::AlreadyCancelled),
        }
        let v = self.bump(now.wall);
        let claim = self.claims.get_mut(&id).ok_or(ActRefusal::NotFound)?;
        claim.status = ClaimStatus::Confirmed;
        claim.v = v;
        claim.confirmed_at = Some(now.wall);
        let claim = claim.clone();
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
        let claim = self.own_claim(user_id, id)?;
        match claim.status {
            ClaimStatus::Held => {}
            ClaimStatus::Confirmed => return Err(ActRefusal::AlreadyConfirmed),
            ClaimStatus::Redeemed => return Err(ActRefusal::AlreadyRedeemed),
            ClaimStatus::Expired => return Err(ActRefusal::HoldExpired),
            ClaimStatus::Cancelled => return Err(ActRefusal::AlreadyCancelled),
        }
        self.release(id, ClaimStatus::Cancelled, now.wall);
        self.claims.get(&id).cloned().ok_or(ActRefusal::NotFound)
    }

    /// Hands out a confirmed claim's units at the store, once. Who may do so is checked by the caller.
    ///
    /// # Errors
    /// `NotFound`, `NotConfirmed` (held), `AlreadyRedeemed`, `HoldExpired`, `AlreadyCancelled`.
    pub fn redeem(&mut self, id: ClaimId, now: Now) -> Result<Claim, ActRefusal> {
        let now = self.observe(now);
        self.advance(now);
        match self.claims.get(&id).ok_or(ActRefusal::NotFound)?.status {
            ClaimStatus::Confirmed => {}
            ClaimStatus::Held => return Err(ActRefusal::NotConfirmed),
            ClaimStatus::Redeemed => return Err(ActRefusal::AlreadyRedeemed),
            ClaimStatus::Expired => return Err(ActRefusal::HoldExpired),
            ClaimStatus::Cancelled => return Err(ActRefusal::AlreadyCancelled),
        }
        let v = self.bump(now.wall);
        let claim = self.claims.get_mut(&id).ok_or(ActRefusal::NotFound)?;
        claim.status = ClaimStatus::Redeemed;
        claim.v = v;
        claim.closed_at = Some(now.wall);
        let claim = claim.clone();
        self.pending.events.push((v, Event::ClaimRedeemed { claim_id: id, user_id: claim.user_id }));
        self.pending.claims.push(claim.clone());
        Ok(claim)
    }

    fn own_claim(&self, user_id: UserId, id: ClaimId) -> Result<&Claim, ActRefusal> {
        self.claims.get(&id).filter(|claim| claim.user_id == user_id).ok_or(ActRefusal::NotFound)
    }
}
