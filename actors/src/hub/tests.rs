//! Hubs held to I25–I27: the scene that every test plays on, with sockets that take what a test lets them take.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod channels;
mod following;
mod inbox;
mod model;
mod outboxes;
mod reach;
mod sessions;

use super::inbox::Inbox;
use super::limits::*;
use super::nearby::{Known, Move, Moved, Snapshot};
use super::session::{Ending, Place, Seat};
use super::topics::FollowError;
use super::wire::{Channel, Closing, Sales, Wire};
use super::{Hubs, Shard, Sink, WorkerLoad};
use crate::feed::{Feed, GoneReason, LiveOffer, Update};
use bytes::Bytes;
use flash_domain::claim::{Claim, ClaimStatus};
use flash_domain::geo::{Location, Reach, cover_of_reach, leave_radius_m};
use flash_domain::ids::{ClaimId, FamilyId, ProductId, PromotionId, StoreId, UserId};
use flash_domain::notice::Notice;
use flash_domain::promotion::{Counters, ProductCopy, PromotionRecord, Status, StoreCopy};
use flash_domain::segment::Segments;
use flash_domain::terms::Terms;
use flash_domain::time::UnixMillis;
use proptest::prelude::*;
use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::time::Duration;
use uuid::Uuid;

/// A wire format that tests can read: one line per frame, the promotion's number instead of its id.
struct Lines;

fn number(id: PromotionId) -> u128 {
    id.0.as_u128()
}

impl Wire for Lines {
    fn offer(&self, record: &PromotionRecord) -> Bytes {
        // A long name makes a large offer.
        let name =
            if record.product.name.len() > 1 { format!("={}", record.product.name) } else { String::new() };
        format!("{}:{}{name}", number(record.id), record.counters.v).into()
    }
    fn offer_event(&self, offer: &[u8]) -> Bytes {
        [b"offer ", offer].concat().into()
    }
    fn stock_event(&self, id: PromotionId, v: u64, remaining: u32, _: u32) -> Bytes {
        format!("stock {}:{v} {remaining}", number(id)).into()
    }
    fn gone_event(&self, id: PromotionId, v: u64, reason: GoneReason) -> Bytes {
        format!("gone {}:{v} {reason:?}", number(id)).into()
    }
    fn sales_event(&self, sales: &Sales) -> Bytes {
        format!("sales {} {}", sales.claims, sales.viewers).into()
    }
    fn notification_event(&self, notice: &Notice, at: UnixMillis) -> Bytes {
        format!("notification {} {}", notice.id, at.0).into()
    }

    fn claim_event(&self, claim: &Claim) -> Bytes {
        format!("claim {}:{}", claim.id.0.as_u128(), claim.v).into()
    }
    fn publication(&self, channel: Channel, event: &[u8]) -> Bytes {
        let channel = match channel {
            Channel::Nearby => "",
            Channel::Promotion(_) => "topic ",
            Channel::Me => "me ",
        };
        [channel.as_bytes(), event, b"\n"].concat().into()
    }
    fn unsubscribed(&self, id: PromotionId, again: bool) -> Bytes {
        format!("unsubscribed {} {again}\n", number(id)).into()
    }
    fn ping(&self) -> Bytes {
        "ping\n".into()
    }
    fn close(&self, closing: Closing) -> Bytes {
        format!("close {closing:?}\n").into()
    }
}

/// A socket that takes `room` more bytes.
#[derive(Clone)]
struct Socket(Rc<RefCell<Pipe>>);

struct Pipe {
    room: usize,
    out: Vec<u8>,
    woken: usize,
    writes: usize,
    /// What other threads publish as soon as this socket is written to.
    meanwhile: Vec<(Arc<Inbox>, Update)>,
}

impl Socket {
    fn open() -> Self {
        Self(Rc::new(RefCell::new(Pipe {
            room: usize::MAX,
            out: Vec::new(),
            woken: 0,
            writes: 0,
            meanwhile: Vec::new(),
        })))
    }
    fn room(&self, bytes: usize) {
        self.0.borrow_mut().room = bytes;
    }
    /// The frames that came since the last call, whole ones only.
    fn lines(&self) -> Vec<String> {
        let mut wire = self.0.borrow_mut();
        let end = wire.out.iter().rposition(|byte| *byte == b'\n').map_or(0, |place| place + 1);
        let whole: Vec<u8> = wire.out.drain(..end).collect();
        String::from_utf8(whole).unwrap().lines().map(str::to_owned).collect()
    }
}

impl Sink for Socket {
    fn try_write(&self, bytes: &[u8]) -> io::Result<usize> {
        let mut wire = self.0.borrow_mut();
        let count = bytes.len().min(wire.room);
        if count == 0 {
            return Err(io::ErrorKind::WouldBlock.into());
        }
        if wire.room != usize::MAX {
            wire.room -= count;
        }
        wire.writes += 1;
        wire.out.extend_from_slice(&bytes[..count]);
        for (inbox, update) in wire.meanwhile.drain(..) {
            inbox.publish(&Arc::new(super::wire::Published::new(update, &Lines)));
        }
        Ok(count)
    }
    fn wake(&self) {
        self.0.borrow_mut().woken += 1;
    }
}

struct Scene {
    hubs: Arc<Hubs>,
    shard: Shard<Socket>,
    inbox: Arc<Inbox>,
}

impl Scene {
    fn new() -> Self {
        let hubs = Hubs::new(Arc::new(Lines), 100);
        Self::beside(hubs)
    }

    /// One more worker of the same process. What owners publish is put into its inbox by hand: no actor runs here.
    fn beside(hubs: Arc<Hubs>) -> Self {
        let inbox = Arc::new(Inbox::default());
        let shard = Shard::new(hubs.clone(), inbox.clone());
        Self { hubs, shard, inbox }
    }

    fn publish(&mut self, update: Update) {
        self.inbox.publish(&Arc::new(super::wire::Published::new(update, &Lines)));
        self.shard.take_in();
    }

    fn session(&mut self) -> (u32, Socket) {
        let socket = Socket::open();
        let slot = self.shard.open(socket.clone());
        self.shard.connected(slot);
        (slot, socket)
    }

    fn nearby(&mut self, metres: f64, radius_m: f64) -> (u32, Socket, Snapshot) {
        let (slot, socket) = self.session();
        let snapshot = self.shard.subscribe(slot, seat(metres, radius_m), &Known::new());
        (slot, socket, snapshot)
    }

    fn ticks(&mut self, count: u64) {
        (0..count).for_each(|_| self.shard.tick());
    }
}

const STORE: (f64, f64) = (6.2442, -75.5812);

fn north(metres: f64) -> Location {
    Location::new(STORE.0 + (metres / 6_371_008.8).to_degrees(), STORE.1).unwrap()
}

fn seat(metres: f64, radius_m: f64) -> Seat {
    Seat { place: Some(north(metres).into()), radius: Reach::new(radius_m), categories: None }
}

fn moved(metres: f64) -> Move {
    Move { place: Place::from(north(metres)), radius: None, categories: None, known: None }
}

fn promotion(id: u128) -> PromotionId {
    PromotionId(Uuid::from_u128(id))
}

fn record(id: u128, v: u64, status: Status, reach_m: u32) -> PromotionRecord {
    let money = serde_json::from_str(r#"{"amount":1,"currency":"COP"}"#).unwrap();
    PromotionRecord {
        id: promotion(id),
        series_id: None,
        store: StoreCopy { id: StoreId(Uuid::from_u128(9)), name: "s".into(), location: north(0.0) },
        product: ProductCopy { id: ProductId(Uuid::from_u128(8)), name: "p".into(), image_url: None },
        terms: Terms {
            price: money,
            original_price: money,
            stock: 1_000_000,
            per_shopper_limit: None,
            starts_at: UnixMillis(0),
            ends_at: UnixMillis(1),
            reach_m,
            claim_within_m: None,
            hold_seconds: 60,
            segments: Segments::default(),
            category: Some(if id.is_multiple_of(2) { "even" } else { "odd" }.to_owned()),
        },
        counters: Counters { status, held: 0, sold: 0, v, decided_at: UnixMillis(0), withdrawn: false },
        created_at: UnixMillis(0),
    }
}

fn offer_of(record: PromotionRecord) -> Update {
    let cover = Arc::new(cover_of_reach(record.store.location, record.terms.reach_m));
    Update::Offer(Arc::new(LiveOffer { cover, point: record.store.location.unit_vector(), record }))
}

fn offer(id: u128, v: u64) -> Update {
    offer_of(record(id, v, Status::Live, 2_000))
}

fn stock(id: u128, v: u64, remaining: u32) -> Update {
    Update::Stock { id: promotion(id), v, remaining, held: 0 }
}

fn gone(id: u128, v: u64, reason: GoneReason) -> Update {
    Update::Gone { id: promotion(id), v, reason }
}

fn claim(id: u128, user: u128, v: u64) -> Claim {
    Claim {
        id: ClaimId(Uuid::from_u128(id)),
        promotion_id: promotion(1),
        store_id: StoreId(Uuid::from_u128(9)),
        user_id: UserId(Uuid::from_u128(user)),
        status: ClaimStatus::Held,
        quantity: 1,
        unit_price: serde_json::from_str(r#"{"amount":1,"currency":"COP"}"#).unwrap(),
        hold_expires_at: None,
        redemption_code: "c".into(),
        idempotency_key: "k".into(),
        first_v: v,
        v,
        created_at: UnixMillis(0),
        confirmed_at: None,
        closed_at: None,
    }
}
