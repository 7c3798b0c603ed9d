//! Hubs held to I25–I27 with sockets that take what a test lets them take, and against a naive model of who sees what.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use super::inbox::Inbox;
use super::limits::*;
use super::nearby::{Known, Move, Snapshot};
use super::session::{Ending, Place, Seat};
use super::topics::FollowError;
use super::wire::{Channel, Closing, Sales, Wire};
use super::{Hubs, Shard, Sink};
use crate::feed::{Feed, GoneReason, LiveOffer, Update};
use bytes::Bytes;
use flash_domain::claim::{Claim, ClaimStatus};
use flash_domain::geo::{Location, Reach, cover_of_reach, leave_radius_m};
use flash_domain::ids::{ClaimId, FamilyId, ProductId, PromotionId, StoreId, UserId};
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
        format!("{}:{}", number(record.id), record.counters.v).into()
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
}

impl Socket {
    fn open() -> Self {
        Self(Rc::new(RefCell::new(Pipe { room: usize::MAX, out: Vec::new(), woken: 0, writes: 0 })))
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
        counters: Counters { status, held: 0, sold: 0, v, decided_at: UnixMillis(0) },
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

#[test]
fn i25_an_offer_is_entered_at_its_reach_and_left_beyond_the_slack() {
    let mut scene = Scene::new();
    let (slot, socket, snapshot) = scene.nearby(2_001.0, 5_000.0);
    scene.publish(offer(1, 3));
    assert_eq!((snapshot, socket.lines()), (Snapshot::default(), vec![]));
    for (metres, entered, left, lines) in [
        (1_999.0, vec![promotion(1)], vec![], vec!["offer 1:3"]),
        (2_099.0, vec![], vec![], vec![]),
        (2_101.0, vec![], vec![promotion(1)], vec!["gone 1:3 Left"]),
        (2_050.0, vec![], vec![], vec![]),
    ] {
        let told = scene.shard.relocate(slot, moved(metres)).unwrap();
        assert_eq!((told.entered, told.left), (entered, left), "{metres}");
        assert_eq!(socket.lines(), lines, "{metres}");
    }
    scene.publish(gone(1, 4, GoneReason::Ended));
    assert_eq!(socket.lines(), Vec::<String>::new(), "who left is told no more");
}

#[test]
fn i25_scheduled_offers_are_not_shown_and_unsubscribing_ends_it() {
    let mut scene = Scene::new();
    let (slot, socket, _) = scene.nearby(0.0, 5_000.0);
    scene.publish(offer_of(record(1, 1, Status::Scheduled, 2_000)));
    assert!(socket.lines().is_empty());
    scene.publish(offer(1, 2));
    assert_eq!(socket.lines(), ["offer 1:2"]);
    assert!(scene.shard.unsubscribe(slot));
    scene.publish(stock(1, 3, 5));
    scene.publish(gone(1, 4, GoneReason::Ended));
    assert!(socket.lines().is_empty());
    assert_eq!(scene.shard.sizes(), (0, 0), "nothing is left behind");
}

#[test]
fn an_edited_reach_lets_go_and_lets_in() {
    let mut scene = Scene::new();
    scene.publish(offer(1, 1));
    let (_, near, _) = scene.nearby(100.0, 50_000.0);
    let (_, middle, _) = scene.nearby(1_500.0, 50_000.0);
    let (_, far, _) = scene.nearby(4_000.0, 50_000.0);
    scene.publish(offer_of(record(1, 2, Status::Live, 1_000)));
    assert_eq!(
        [near.lines(), middle.lines(), far.lines()],
        [vec!["offer 1:2"], vec!["gone 1:2 Left"], vec![]]
    );
    scene.publish(offer_of(record(1, 3, Status::Live, 5_000)));
    assert_eq!(
        [near.lines(), middle.lines(), far.lines()],
        [vec!["offer 1:3"], vec!["offer 1:3"], vec!["offer 1:3"]]
    );
}

#[test]
fn a_known_version_is_left_out_and_what_is_not_in_reach_is_gone() {
    let mut scene = Scene::new();
    (1..=3).for_each(|id| scene.publish(offer(id, 7)));
    let (slot, _) = scene.session();
    let known = Known::from([(promotion(1), 7), (promotion(2), 8), (promotion(9), 1)]);
    let mut snapshot = scene.shard.subscribe(slot, seat(0.0, 5_000.0), &known);
    snapshot.offers.sort();
    assert_eq!(snapshot.offers, [Bytes::from("2:7"), Bytes::from("3:7")]);
    assert_eq!(snapshot.gone, [promotion(9)]);
}

#[test]
fn a_move_with_known_tells_the_difference_once() {
    let mut scene = Scene::new();
    (1..=3).for_each(|id| scene.publish(offer(id, 7)));
    let (slot, socket) = scene.session();
    scene.shard.subscribe(slot, Seat { place: None, ..seat(0.0, 5_000.0) }, &Known::new());
    let known = Known::from([(promotion(1), 7), (promotion(2), 6), (promotion(9), 4)]);
    let told = scene.shard.relocate(slot, Move { known: Some(known.clone()), ..moved(0.0) }).unwrap();
    assert_eq!((told.entered, told.left), (vec![promotion(3)], vec![promotion(9)]));
    let mut lines = socket.lines();
    lines.sort();
    assert_eq!(lines, ["gone 9:4 Left", "offer 2:7", "offer 3:7"]);
}

#[test]
fn categories_filter_and_may_change() {
    let mut scene = Scene::new();
    (1..=2).for_each(|id| scene.publish(offer(id, 1)));
    let (slot, socket) = scene.session();
    let odd = Seat { categories: Some(vec!["odd".into()]), ..seat(0.0, 5_000.0) };
    assert_eq!(scene.shard.subscribe(slot, odd, &Known::new()).offers, [Bytes::from("1:1")]);
    let told =
        scene.shard.relocate(slot, Move { categories: Some(vec!["even".into()]), ..moved(0.0) }).unwrap();
    assert_eq!((told.entered, told.left), (vec![promotion(2)], vec![promotion(1)]));
    assert_eq!(socket.lines(), ["gone 1:1 Left", "offer 2:1"]);
}

#[test]
fn i26_a_busy_socket_gets_the_latest_state_once_and_in_one_write() {
    let mut scene = Scene::new();
    scene.publish(offer(1, 1));
    let (slot, socket, _) = scene.nearby(0.0, 5_000.0);
    socket.room(0);
    for v in 2..500 {
        scene.publish(stock(1, v, 1_000 - v as u32));
    }
    scene.publish(offer(2, 1));
    assert!(socket.lines().is_empty());
    socket.room(usize::MAX);
    scene.shard.flush(slot);
    assert_eq!(socket.lines(), ["stock 1:499 501", "offer 2:1"]);
    assert_eq!(socket.0.borrow().writes, 1);
    assert!(!scene.shard.attention(slot).waiting);
    assert_eq!(scene.hubs.counts().conflated.load(Relaxed), 497);
}

#[test]
fn i26_an_older_update_is_not_told() {
    let mut scene = Scene::new();
    scene.publish(offer(1, 5));
    let (_, socket, _) = scene.nearby(0.0, 5_000.0);
    scene.publish(stock(1, 4, 1));
    scene.publish(stock(1, 5, 1));
    scene.publish(offer(1, 5));
    scene.publish(gone(1, 5, GoneReason::Ended));
    assert!(socket.lines().is_empty());
    scene.publish(stock(1, 6, 1));
    assert_eq!(socket.lines(), ["stock 1:6 1"]);
}

#[test]
fn gone_is_told_once_for_each_time_it_was_shown_and_never_dropped() {
    let mut scene = Scene::new();
    scene.publish(offer(1, 1));
    let (slot, socket, _) = scene.nearby(0.0, 5_000.0);
    socket.room(0);
    scene.publish(stock(1, 2, 9));
    scene.publish(gone(1, 3, GoneReason::Paused));
    scene.publish(offer(1, 4));
    scene.publish(gone(1, 5, GoneReason::Paused));
    scene.publish(offer(2, 1));
    scene.publish(gone(2, 2, GoneReason::Ended));
    socket.room(usize::MAX);
    scene.shard.flush(slot);
    assert_eq!(socket.lines(), ["gone 1:3 Paused"], "the second showing and offer 2 were never seen");
    scene.publish(offer(1, 6));
    scene.publish(gone(1, 7, GoneReason::Cancelled));
    assert_eq!(socket.lines(), ["offer 1:6", "gone 1:7 Cancelled"]);
}

#[test]
fn i27_a_stalled_reader_costs_little_delays_nobody_and_is_cut() {
    let mut scene = Scene::new();
    (1..=50).for_each(|id| scene.publish(offer(id, 1)));
    let (stalled, blocked, _) = scene.nearby(0.0, 5_000.0);
    let (other, fine, _) = scene.nearby(0.0, 5_000.0);
    blocked.room(0);
    for v in 2..200 {
        (1..=50).for_each(|id| scene.publish(stock(id, v, 1)));
    }
    assert_eq!(fine.lines().len(), 198 * 50, "nobody waits for the other");
    let waiting = scene.shard.sessions.get(stalled).unwrap().outbox.as_ref().unwrap().len();
    assert_eq!(waiting, 50, "one mark per promotion");
    scene.ticks(STALL_TICKS - 1);
    assert_eq!(scene.shard.attention(stalled).ending, None);
    scene.ticks(TICKS_PER_SECOND + 2);
    assert_eq!(scene.shard.attention(stalled).ending, Some(Ending::Cut));
    assert_eq!(scene.shard.attention(other).ending, None);
    assert_eq!(scene.hubs.counts().evicted.load(Relaxed), 1);
    scene.shard.remove(stalled);
    scene.publish(stock(1, 1_000, 1));
    assert_eq!(fine.lines(), ["stock 1:1000 1"]);
}

#[test]
fn i27_replies_that_nobody_reads_are_bounded() {
    let mut scene = Scene::new();
    let (slot, socket) = scene.session();
    socket.room(0);
    let reply = Bytes::from(vec![b'x'; 1_000]);
    let fitting = (0..200).take_while(|_| {
        scene.shard.send(slot, reply.clone());
        scene.shard.attention(slot).ending.is_none()
    });
    assert_eq!(fitting.count(), WAITING_BYTES_MAX / 1_000 + 1);
    assert_eq!(scene.hubs.counts().evicted.load(Relaxed), 1);
}

#[test]
fn replies_keep_their_order_among_publications() {
    let mut scene = Scene::new();
    scene.publish(offer(1, 1));
    let (slot, socket, _) = scene.nearby(0.0, 5_000.0);
    socket.room(0);
    scene.shard.send(slot, "reply 1\n".into());
    scene.publish(stock(1, 2, 1));
    scene.shard.send(slot, "reply 2\n".into());
    scene.publish(stock(1, 3, 1));
    socket.room(usize::MAX);
    scene.shard.flush(slot);
    assert_eq!(socket.lines(), ["reply 1", "stock 1:3 1", "reply 2"]);
}

#[test]
fn pings_come_every_period_and_must_be_answered() {
    let mut scene = Scene::new();
    let (slot, socket) = scene.session();
    scene.ticks(PING_TICKS - 1);
    assert!(socket.lines().is_empty());
    scene.ticks(1);
    assert_eq!(socket.lines(), ["ping"]);
    scene.shard.pong(slot);
    scene.ticks(PING_TICKS);
    assert_eq!(socket.lines(), ["ping"]);
    scene.ticks(PONG_TICKS);
    assert_eq!(socket.lines(), ["close NoPong"]);
    assert_eq!(scene.shard.attention(slot).ending, Some(Ending::Closing));
    scene.ticks(CLOSE_TICKS);
    assert_eq!(scene.shard.attention(slot).ending, Some(Ending::Cut));
}

#[test]
fn who_does_not_connect_is_let_go() {
    let mut scene = Scene::new();
    let socket = Socket::open();
    scene.shard.open(socket.clone());
    let (_, connected) = scene.session();
    scene.ticks(CONNECT_TICKS);
    assert_eq!((socket.lines(), connected.lines()), (vec!["close Stale".to_owned()], vec![]));
}

#[test]
fn i29_a_session_ends_with_its_token_never_before_and_a_refresh_prolongs_it() {
    let mut scene = Scene::new();
    let (slot, socket) = scene.session();
    let (user, family) = (UserId(Uuid::from_u128(1)), FamilyId(Uuid::from_u128(2)));
    scene.shard.login(slot, user, family, 2_000);
    scene.ticks(6);
    scene.shard.renew(slot, family, 3_000);
    scene.ticks(12);
    assert!(socket.lines().is_empty(), "three seconds may have begun in the middle of a tick");
    scene.ticks(1);
    assert_eq!(socket.lines(), ["close Expired"]);
}

#[test]
fn i28_a_revoked_login_ends_its_sessions_only() {
    let mut scene = Scene::new();
    let user = UserId(Uuid::from_u128(1));
    let sessions: Vec<_> = (1..=2)
        .map(|family| {
            let (slot, socket) = scene.session();
            scene.shard.login(slot, user, FamilyId(Uuid::from_u128(family)), 60_000);
            socket
        })
        .collect();
    scene.inbox.order(super::inbox::Order::DisconnectFamily(FamilyId(Uuid::from_u128(1))));
    scene.shard.take_in();
    assert_eq!((sessions[0].lines(), sessions[1].lines()), (vec!["close Expired".to_owned()], vec![]));
    scene.inbox.order(super::inbox::Order::DisconnectUser(user));
    scene.shard.take_in();
    assert_eq!(sessions[1].lines(), ["close Expired"]);
}

#[test]
fn nothing_falls_between_following_and_the_answer() {
    let mut scene = Scene::new();
    let (slot, socket) = scene.session();
    scene.publish(offer(1, 1));
    scene.shard.follow(slot, promotion(1)).unwrap();
    assert_eq!(scene.shard.follow(slot, promotion(1)), Err(FollowError::Twice));
    scene.publish(stock(1, 2, 9));
    scene.publish(stock(1, 3, 8));
    assert!(socket.lines().is_empty(), "not before the answer");
    scene.shard.followed(slot, &record(1, 2, Status::Live, 2_000), false);
    assert_eq!(socket.lines(), ["topic offer 1:3"]);
    scene.publish(stock(1, 4, 7));
    scene.publish(gone(1, 5, GoneReason::Cancelled));
    assert_eq!(socket.lines(), ["topic stock 1:4 7", "topic gone 1:5 Cancelled", "unsubscribed 1 false"]);
    scene.publish(offer(1, 6));
    assert!(socket.lines().is_empty());
}

#[test]
fn what_ended_while_the_answer_was_made_is_told_after_it() {
    let mut scene = Scene::new();
    scene.publish(offer(1, 1));
    let (slot, socket) = scene.session();
    scene.shard.follow(slot, promotion(1)).unwrap();
    scene.publish(gone(1, 2, GoneReason::Ended));
    scene.shard.followed(slot, &record(1, 1, Status::Live, 2_000), false);
    assert_eq!(socket.lines(), ["topic gone 1:2 Ended", "unsubscribed 1 false"]);
    scene.shard.follow(slot, promotion(1)).unwrap();
    scene.shard.followed(slot, &record(1, 2, Status::Ended, 2_000), false);
    assert_eq!(socket.lines(), ["unsubscribed 1 false"]);
    assert_eq!(scene.shard.sizes().1, 0);
}

#[test]
fn sales_are_for_staff_and_viewers_are_counted_once() {
    let mut scene = Scene::new();
    scene.publish(offer(1, 1));
    let (staff, watching, _) = scene.nearby(0.0, 5_000.0);
    let (plain, looking) = scene.session();
    for (slot, is_staff) in [(staff, true), (plain, false)] {
        scene.shard.follow(slot, promotion(1)).unwrap();
        scene.shard.followed(slot, &record(1, 1, Status::Live, 2_000), is_staff);
    }
    let pulse = scene.hubs.pulse(promotion(1));
    assert_eq!((pulse.viewers.load(Relaxed), pulse.staff.load(Relaxed)), (2, 1));
    let sales = Update::Sales { id: promotion(1), claims: 7, per_second: 1, held: 0, sold: 0 };
    scene.publish(sales);
    assert_eq!((watching.lines(), looking.lines()), (vec!["topic sales 7 2".to_owned()], vec![]));
    scene.inbox.order(super::inbox::Order::StaffChanged(StoreId(Uuid::from_u128(9))));
    scene.shard.take_in();
    assert_eq!((watching.lines(), looking.lines()), (vec!["unsubscribed 1 true".to_owned()], vec![]));
    assert_eq!((pulse.viewers.load(Relaxed), pulse.staff.load(Relaxed)), (2, 0));
    scene.shard.remove(staff);
    scene.shard.remove(plain);
    assert_eq!(pulse.viewers.load(Relaxed), 0);
}

#[test]
fn changes_of_ones_claims_wait_for_the_connect_and_are_not_told_twice() {
    let mut scene = Scene::new();
    let (slot, socket) = scene.session();
    scene.shard.login(slot, UserId(Uuid::from_u128(5)), FamilyId(Uuid::from_u128(2)), 60_000);
    let news = |id, user, v| {
        let claim = claim(id, user, v);
        let frame = Lines.publication(Channel::Me, &Lines.claim_event(&claim));
        Arc::new(super::wire::ClaimNews { user: claim.user_id, claim: claim.id, v, frame })
    };
    scene.inbox.claims(&[news(1, 5, 3), news(2, 5, 4), news(3, 6, 4)]);
    scene.shard.take_in();
    assert!(socket.lines().is_empty());
    scene.shard.own_ready(slot, &[(ClaimId(Uuid::from_u128(1)), 3)]);
    assert_eq!(socket.lines(), ["me claim 2:4"]);
    scene.inbox.claims(&[news(1, 5, 6), news(1, 5, 5)]);
    scene.shard.take_in();
    assert_eq!(socket.lines(), ["me claim 1:6"], "the older change does not replace the newer");
}

#[test]
fn a_drain_spreads_the_ends() {
    let mut scene = Scene::new();
    let sockets: Vec<_> = (0..40).map(|_| scene.session().1).collect();
    scene.hubs.drain(Duration::from_secs(2));
    assert!(scene.hubs.admit().is_none());
    scene.inbox.order(super::inbox::Order::Drain { over_ticks: 8 });
    scene.shard.take_in();
    let mut closed = Vec::new();
    for _ in 0..10 {
        scene.ticks(1);
        closed.push(sockets.iter().filter(|socket| socket.lines() == ["close Shutdown"]).count());
    }
    assert_eq!(closed.iter().sum::<usize>(), 40);
    assert!(closed.iter().all(|count| *count <= 12), "{closed:?}");
}

#[test]
fn sessions_have_a_bound_and_give_their_places_back() {
    let hubs = Hubs::new(Arc::new(Lines), 2);
    let (first, second) = (hubs.admit(), hubs.admit());
    assert!(first.is_some() && second.is_some() && hubs.admit().is_none());
    drop(first);
    assert!(hubs.admit().is_some());
    drop(second);
    assert_eq!(hubs.sessions(), 0);
}

#[actix_rt::test]
async fn a_hub_that_joins_late_knows_the_board_as_it_is() {
    let hubs = Hubs::new(Arc::new(Lines), 10);
    hubs.publish(offer(1, 1));
    hubs.publish(stock(1, 2, 9));
    hubs.publish(offer(2, 1));
    hubs.publish(gone(2, 2, GoneReason::Ended));
    let shard = super::HubActor::<Socket>::start_here(&hubs);
    tokio::task::yield_now().await;
    hubs.publish(offer(3, 1));
    let socket = Socket::open();
    let slot = shard.borrow_mut().open(socket.clone());
    let mut snapshot = shard.borrow_mut().subscribe(slot, seat(0.0, 5_000.0), &Known::new());
    snapshot.offers.sort();
    assert_eq!(snapshot.offers, [Bytes::from("1:2"), Bytes::from("3:1")]);
    hubs.publish(stock(3, 2, 5));
    tokio::time::timeout(Duration::from_secs(5), async {
        while socket.0.borrow().out.is_empty() {
            tokio::task::yield_now().await;
        }
    })
    .await
    .unwrap();
    assert_eq!(socket.lines(), ["stock 3:2 5"]);
}

#[test]
fn an_inbox_keeps_a_few_updates_per_promotion_however_long_nobody_looks() {
    let inbox = Inbox::default();
    let publish = |update| inbox.publish(&Arc::new(super::wire::Published::new(update, &Lines)));
    assert!(publish(offer(1, 1)), "the first one tells the hub");
    for v in 2..1_000 {
        assert!(!publish(stock(1, v, 1)));
    }
    publish(gone(1, 1_000, GoneReason::Paused));
    publish(offer(1, 1_001));
    publish(stock(1, 1_002, 1));
    publish(offer(2, 1));
    let told: Vec<u64> = inbox.take().updates.iter().map(|published| published.v()).collect();
    assert_eq!(told, [1_000, 1_001, 1_002, 1]);
    assert!(inbox.take().updates.is_empty());
    assert!(publish(offer(3, 1)), "and again");
}

/// What a test does to one session and to the promotions around it.
#[derive(Clone, Debug)]
enum Step {
    Offer(u128, u32),
    Stock(u128),
    Gone(u128, bool),
    Move(f64),
    Resubscribe(f64),
    Room(usize),
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let id = 1u128..5;
    let place = || 0.0..3_000f64;
    proptest::collection::vec(
        prop_oneof![
            (id.clone(), 500u32..2_500).prop_map(|(id, reach_m)| Step::Offer(id, reach_m)),
            id.clone().prop_map(Step::Stock),
            (id, any::<bool>()).prop_map(|(id, last)| Step::Gone(id, last)),
            place().prop_map(Step::Move),
            place().prop_map(Step::Resubscribe),
            prop_oneof![Just(0usize), 1usize..60, Just(usize::MAX)].prop_map(Step::Room),
        ],
        1..60,
    )
}

/// The naive model: every live promotion's version and reach, and what the rules say is shown.
#[derive(Default)]
struct Model {
    live: BTreeMap<u128, (u64, u32)>,
    shown: BTreeSet<u128>,
    at: f64,
}

impl Model {
    fn settle(&mut self, fresh: bool) {
        let radius = |reach_m: u32| f64::from(reach_m).min(2_000.0);
        let before = if fresh { BTreeSet::new() } else { std::mem::take(&mut self.shown) };
        self.shown = self
            .live
            .iter()
            .filter(|(id, (_, reach_m))| {
                let r = radius(*reach_m);
                self.at <= if before.contains(id) { leave_radius_m(r) } else { r }
            })
            .map(|(id, _)| *id)
            .collect();
    }
}

/// What the client has understood from what came.
fn read(lines: &[String], board: &mut BTreeMap<u128, u64>, newest: &mut BTreeMap<u128, u64>) {
    for line in lines {
        let (kind, rest) = line.split_once(' ').unwrap();
        let (id, v) = rest.split(' ').next().unwrap().split_once(':').unwrap();
        let (id, v): (u128, u64) = (id.parse().unwrap(), v.parse().unwrap());
        let last = newest.entry(id).or_default();
        assert!(v >= *last, "I26: {line} after version {last}");
        *last = v;
        match kind {
            "offer" => {
                board.insert(id, v);
            }
            "stock" => {
                assert!(board.insert(id, v).is_some(), "stock of what is not shown: {line}");
            }
            "gone" => assert!(board.remove(&id).is_some(), "gone without being shown: {line}"),
            _ => panic!("{line}"),
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    /// I25 and I26: whatever happens, however the socket takes its bytes, in the end the client sees exactly what is in
    /// reach, each in its latest version; versions never fall; `gone` only for what was shown.
    #[test]
    fn i25_i26_the_client_sees_what_is_in_reach_whatever_the_socket_takes(steps in steps()) {
        let mut scene = Scene::new();
        let (slot, socket, _) = scene.nearby(0.0, 2_000.0);
        let mut model = Model::default();
        let (mut board, mut newest) = (BTreeMap::new(), BTreeMap::new());
        let mut v = 0u64;
        for step in steps {
            match step {
                Step::Offer(id, reach_m) => {
                    v += 1;
                    model.live.insert(id, (v, reach_m));
                    scene.publish(offer_of(record(id, v, Status::Live, reach_m)));
                    model.settle(false);
                }
                Step::Stock(id) => {
                    v += 1;
                    if let Some((version, _)) = model.live.get_mut(&id) {
                        *version = v;
                        scene.publish(stock(id, v, 5));
                    }
                }
                Step::Gone(id, last) => {
                    v += 1;
                    if model.live.remove(&id).is_some() {
                        let reason = if last { GoneReason::Ended } else { GoneReason::Paused };
                        scene.publish(gone(id, v, reason));
                    }
                    model.settle(false);
                }
                Step::Move(to) => {
                    model.at = to;
                    model.settle(false);
                    scene.shard.relocate(slot, moved(to));
                }
                Step::Resubscribe(to) => {
                    // A client asks again only on a socket that works, and forgets what it had.
                    socket.room(usize::MAX);
                    while scene.shard.attention(slot).waiting {
                        scene.shard.flush(slot);
                    }
                    read(&socket.lines(), &mut board, &mut newest);
                    board.clear();
                    model.at = to;
                    model.settle(true);
                    let snapshot = scene.shard.subscribe(slot, seat(to, 2_000.0), &Known::new());
                    for offer in snapshot.offers {
                        read(&[format!("offer {}", String::from_utf8_lossy(&offer))], &mut board, &mut newest);
                    }
                }
                Step::Room(bytes) => {
                    socket.room(bytes);
                    scene.shard.flush(slot);
                }
            }
            read(&socket.lines(), &mut board, &mut newest);
        }
        socket.room(usize::MAX);
        while scene.shard.attention(slot).waiting {
            scene.shard.flush(slot);
        }
        read(&socket.lines(), &mut board, &mut newest);
        let expected: BTreeMap<u128, u64> = model.shown.iter().map(|id| (*id, model.live[id].0)).collect();
        prop_assert_eq!(board, expected);
    }
}
