//! The promotion actor: timers, publishing and life cycle around one owner.
//!
//! Decisions are taken on the owner (`owner.rs`), wherever a request happens to be; this actor makes time pass for it
//! and tells the live edge what became durable. Knows no store, no session and no cell.

use crate::directory::Directory;
use crate::feed::{Feed, GoneReason, LiveOffer, Pulse, Update};
use crate::limits::{IDLE_BEFORE_SLEEP_MS, NEAR_MS, STOCK_SPACING_MS};
use crate::owner::{Glance, OwnerCell};
use crate::ports::clock::SharedClock;
use actix::prelude::*;
use flash_domain::geo::{Cover, cover_of_reach};
use flash_domain::promotion::{PromotionRecord, Status};
use flash_domain::time::{MonoMillis, Now};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

/// Look again: something became durable, the clock stepped, or a timer has to be set earlier.
#[derive(Message)]
#[rtype(result = "()")]
pub struct Nudge;

/// The owner stopped: have it reloaded.
#[derive(Message)]
#[rtype(result = "()")]
pub struct Reload;

/// A second has passed: tell the store's people how it sells, or go to sleep.
#[derive(Message)]
#[rtype(result = "()")]
pub struct Second;

/// Owns a promotion's countdown and publishes its durable state.
pub struct PromotionActor {
    owner: Arc<OwnerCell>,
    feed: Arc<dyn Feed>,
    clock: SharedClock,
    directory: Directory,
    pulse: Arc<Pulse>,
    timer: Option<SpawnHandle>,
    /// What the live edge was told last.
    told: Option<PromotionRecord>,
    cover: Option<(u32, Arc<Cover>)>,
    last_stock: Option<MonoMillis>,
    stock_timer: Option<SpawnHandle>,
    claims: u64,
    claims_told: u64,
    /// Whether it ends on purpose; otherwise its end is a panic and the directory reloads the promotion.
    dismissed: bool,
}

impl PromotionActor {
    /// Makes the actor of an owner.
    pub fn new(owner: Arc<OwnerCell>, feed: Arc<dyn Feed>, clock: SharedClock, directory: Directory) -> Self {
        let pulse = feed.pulse(owner.id());
        let mut actor = Self {
            owner,
            feed,
            clock,
            directory,
            pulse,
            timer: None,
            told: None,
            cover: None,
            last_stock: None,
            stock_timer: None,
            claims: 0,
            claims_told: 0,
            dismissed: false,
        };
        // Told before anybody can find the owner: whoever was answered after the load sees the promotion live.
        let now = actor.clock.now();
        if let Ok(glance) = actor.owner.glance(now) {
            actor.claims = glance.claims;
            actor.claims_told = glance.claims;
            actor.publish(glance.view, now);
        }
        actor
    }

    /// The owner behind it.
    pub fn owner(&self) -> &Arc<OwnerCell> {
        &self.owner
    }

    fn look(&mut self, context: &mut Context<Self>) {
        let now = self.clock.now();
        let Ok(glance) = self.owner.glance(now) else { return };
        self.arm(&glance, context);
        self.claims = glance.claims;
        if let Some(wait_ms) = self.publish(glance.view, now)
            && self.stock_timer.is_none()
        {
            let wait = Duration::from_millis(wait_ms as u64);
            self.stock_timer = Some(context.run_later(wait, |actor, context| {
                actor.stock_timer = None;
                actor.look(context);
            }));
        }
    }

    fn arm(&mut self, glance: &Glance, context: &mut Context<Self>) {
        if let Some(timer) = self.timer.take() {
            context.cancel_future(timer);
        }
        if let Some(ms) = glance.wake_in_ms
            && self.directory.has_timers()
        {
            // One more millisecond on top of Tokio's rounding would be late, none may be early by a fraction: then the
            // look finds nothing due and arms again.
            self.timer = Some(context.run_later(Duration::from_millis(ms), |actor, context| {
                actor.timer = None;
                actor.look(context);
            }));
        }
    }

    /// Tells what is new about the durable state; gives the milliseconds after which to look again where stock has to
    /// wait.
    fn publish(&mut self, view: PromotionRecord, now: Now) -> Option<i64> {
        let told = self.told.as_ref();
        if told.is_some_and(|told| told.counters.v >= view.counters.v) {
            return None;
        }
        if view.counters.status == Status::Live
            && told.is_some_and(|told| told.counters.status == Status::Scheduled)
        {
            let late_ms = u64::try_from(now.wall - view.terms.starts_at).unwrap_or(0);
            self.directory.start_lateness().add_time(Duration::from_millis(late_ms));
        }
        let shown_before = told.is_some_and(|told| told.counters.status == Status::Live);
        match view.counters.status {
            Status::Live if shown_before && told.is_some_and(|told| told.terms == view.terms) => {
                return self.publish_stock(view, now);
            }
            Status::Scheduled | Status::Live => {
                let offer = Arc::new(LiveOffer {
                    cover: self.cover_for(&view),
                    point: view.store.location.unit_vector(),
                    record: view.clone(),
                });
                self.tell(Update::Offer(offer), view);
            }
            Status::Paused => self.tell_gone(view, GoneReason::Paused),
            Status::Ended => self.tell_gone(view, GoneReason::Ended),
            Status::Cancelled => self.tell_gone(view, GoneReason::Cancelled),
            Status::Draft => self.note(view),
        }
        None
    }

    fn tell_gone(&mut self, view: PromotionRecord, reason: GoneReason) {
        let (id, v) = (view.id, view.counters.v);
        // Gone once: what happens to a promotion that is gone (an expiring hold) is nobody's live news.
        let again = self.told.as_ref().is_some_and(|told| told.counters.status == view.counters.status);
        if again {
            self.note(view);
        } else {
            self.tell(Update::Gone { id, v, reason }, view);
        }
    }

    fn tell(&mut self, update: Update, view: PromotionRecord) {
        self.feed.publish(update);
        self.note(view);
    }

    fn note(&mut self, view: PromotionRecord) {
        self.owner.note_told(&view);
        self.told = Some(view);
    }

    /// The first stock update at once, then one per 100 ms, the last state always; sold out and back from zero do not
    /// wait.
    fn publish_stock(&mut self, view: PromotionRecord, now: Now) -> Option<i64> {
        let remaining = view.remaining();
        let edge = self.told.as_ref().is_some_and(|told| (told.remaining() == 0) != (remaining == 0));
        let wait_ms = self.last_stock.map_or(0, |last| STOCK_SPACING_MS - (now.mono - last));
        if !edge && wait_ms > 0 {
            return Some(wait_ms);
        }
        self.last_stock = Some(now.mono);
        let (id, v, held) = (view.id, view.counters.v, view.counters.held);
        self.tell(Update::Stock { id, v, remaining, held }, view);
        None
    }

    fn cover_for(&mut self, view: &PromotionRecord) -> Arc<Cover> {
        let reach_m = view.terms.reach_m;
        match &self.cover {
            Some((known, cover)) if *known == reach_m => cover.clone(),
            _ => {
                let cover = Arc::new(cover_of_reach(view.store.location, reach_m));
                self.cover = Some((reach_m, cover.clone()));
                cover
            }
        }
    }
}

impl Actor for PromotionActor {
    type Context = Context<Self>;

    fn started(&mut self, context: &mut Self::Context) {
        self.owner.set_actor(context.address());
        self.look(context);
    }
}

impl Drop for PromotionActor {
    fn drop(&mut self) {
        if !self.dismissed {
            self.owner.stop();
            self.directory.reload(self.owner.id(), &self.owner);
        }
    }
}

impl Handler<Nudge> for PromotionActor {
    type Result = ();

    fn handle(&mut self, _: Nudge, context: &mut Self::Context) {
        self.look(context);
    }
}

impl Handler<Reload> for PromotionActor {
    type Result = ();

    fn handle(&mut self, _: Reload, context: &mut Self::Context) {
        self.dismissed = true;
        self.directory.reload(self.owner.id(), &self.owner);
        context.stop();
    }
}

impl Handler<Second> for PromotionActor {
    type Result = ();

    fn handle(&mut self, _: Second, context: &mut Self::Context) {
        let now = self.clock.now();
        let made = self.claims - self.claims_told;
        self.claims_told = self.claims;
        if self.pulse.staff.load(Ordering::Relaxed) > 0
            && let Some(told) = &self.told
        {
            self.feed.publish(Update::Sales {
                id: told.id,
                claims: self.claims,
                per_second: u32::try_from(made).unwrap_or(u32::MAX),
                held: told.counters.held,
                sold: told.counters.sold,
            });
        }
        if self.owner.close_if_idle(now, NEAR_MS as u64, IDLE_BEFORE_SLEEP_MS) {
            self.dismissed = true;
            self.directory.forget(self.owner.id(), &self.owner);
            context.stop();
        }
    }
}
