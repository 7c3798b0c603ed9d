//! What a session lives by: pings, deadlines, logins, its own claims, the drain and the bound.

use super::*;

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
    scene.inbox.order(super::super::inbox::Order::DisconnectFamily(FamilyId(Uuid::from_u128(1))));
    scene.shard.take_in();
    assert_eq!((sessions[0].lines(), sessions[1].lines()), (vec!["close Expired".to_owned()], vec![]));
    scene.inbox.order(super::super::inbox::Order::DisconnectUser(user));
    scene.shard.take_in();
    assert_eq!(sessions[1].lines(), ["close Expired"]);
}

#[test]
fn changes_of_ones_claims_wait_for_the_connect_and_are_not_told_twice() {
    let mut scene = Scene::new();
    let (slot, socket) = scene.session();
    scene.shard.login(slot, UserId(Uuid::from_u128(5)), FamilyId(Uuid::from_u128(2)), 60_000);
    let news = |id, user, v| {
        let claim = claim(id, user, v);
        let frame = Lines.publication(Channel::Me, &Lines.claim_event(&claim));
        Arc::new(super::super::wire::ClaimNews { user: claim.user_id, claim: claim.id, v, frame })
    };
    scene.inbox.claims(&[news(1, 5, 3), news(2, 5, 4), news(3, 6, 4)]);
    scene.shard.take_in();
    assert!(socket.lines().is_empty());
    scene.shard.own_ready(slot, &[(ClaimId(Uuid::from_u128(1)), 3)]);
    assert_eq!(socket.lines(), ["me claim 2:4"]);
    scene.inbox.claims(&[news(1, 5, 6), news(1, 5, 5)]);
    scene.shard.take_in();
    assert_eq!(socket.lines(), ["me claim 1:6"], "the older change does not replace the newer");
    let before = socket.0.borrow().writes;
    scene.inbox.claims(&[news(7, 5, 7), news(8, 6, 7), news(9, 5, 8)]);
    scene.shard.take_in();
    assert_eq!(socket.lines(), ["me claim 7:7", "me claim 9:8"]);
    assert_eq!(socket.0.borrow().writes - before, 1, "what is told together is one write");
}

#[test]
fn a_drain_spreads_the_ends() {
    let mut scene = Scene::new();
    let sockets: Vec<_> = (0..40).map(|_| scene.session().1).collect();
    scene.hubs.drain(Duration::from_secs(2));
    assert!(scene.hubs.admit().is_none());
    scene.inbox.order(super::super::inbox::Order::Drain { over_ticks: 8 });
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

#[test]
fn a_worker_says_how_many_sessions_it_has_what_it_wrote_and_what_waits() {
    let mut scene = Scene::new();
    scene.publish(offer(1, 1));
    let (slot, _, _) = scene.nearby(100.0, 1_000.0);
    scene.session();
    let now = |scene: &Scene| scene.shard.load.with_waiting(scene.inbox.len());
    assert_eq!(now(&scene), WorkerLoad { sessions: 2, frames: 0, waiting: 0 });
    scene.inbox.publish(&Arc::new(crate::hub::wire::Published::new(stock(1, 2, 9), &Lines)));
    assert_eq!(now(&scene), WorkerLoad { sessions: 2, frames: 0, waiting: 1 });
    scene.shard.take_in();
    scene.shard.remove(slot);
    assert_eq!(now(&scene), WorkerLoad { sessions: 1, frames: 1, waiting: 0 });
}
