//! Sockets that take their time: conflation, order, `gone`, and readers who are too slow (I26, I27).

use super::*;

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
fn i26_updates_that_wait_together_go_out_in_one_write() {
    let mut scene = Scene::new();
    scene.publish(offer(1, 1));
    scene.publish(offer(5, 1));
    let (slot, socket, _) = scene.nearby(0.0, 5_000.0);
    let (full_slot, full, _) = scene.nearby(0.0, 5_000.0);
    full.room(4);
    let updates = [
        offer(1, 2),
        offer(2, 1),
        offer(3, 1),
        stock(5, 2, 9),
        gone(3, 2, GoneReason::Ended),
        stock(1, 3, 8),
    ];
    for update in updates {
        scene.inbox.publish(&Arc::new(super::super::wire::Published::new(update, &Lines)));
    }
    scene.shard.take_in();
    assert_eq!(
        socket.lines(),
        ["offer 1:3", "offer 2:1", "stock 5:2 9"],
        "offer 3 was gone before anybody saw it"
    );
    assert_eq!(socket.0.borrow().writes, 1);
    assert!(!scene.shard.attention(slot).waiting);
    assert_eq!(socket.0.borrow().woken, 0);
    assert!(full.0.borrow().woken > 0, "the rest waits for the socket");
    full.room(usize::MAX);
    scene.shard.flush(full_slot);
    assert_eq!(full.lines(), ["offer 1:3", "offer 2:1", "stock 5:2 9"]);
}

#[test]
fn i26_updates_that_arrive_while_one_is_written_join_it_where_it_is_not_written_yet() {
    let mut scene = Scene::new();
    for id in 1..=3 {
        scene.publish(offer(id, 1));
    }
    let sockets: Vec<Socket> = (0..200).map(|_| scene.nearby(0.0, 5_000.0).1).collect();
    let meanwhile = [offer(2, 2), stock(3, 2, 9), gone(1, 3, GoneReason::Ended)];
    sockets[0].0.borrow_mut().meanwhile =
        meanwhile.into_iter().map(|update| (scene.inbox.clone(), update)).collect();
    scene.publish(offer(1, 2));
    let told: Vec<Vec<String>> = sockets.iter().map(Socket::lines).collect();
    let writes: Vec<usize> = sockets.iter().map(|socket| socket.0.borrow().writes).collect();
    assert_eq!(told[0], ["offer 1:2", "offer 2:2", "stock 3:2 9", "gone 1:3 Ended"]);
    assert_eq!(
        told[199],
        ["offer 2:2", "stock 3:2 9", "gone 1:3 Ended"],
        "seen live before, so told that it is gone"
    );
    let apart = writes.iter().filter(|writes| **writes > 1).count();
    assert!((1..64).contains(&apart), "{apart} of 200 sessions were written to more than once");
    scene.publish(stock(3, 3, 8));
    assert!(sockets.iter().all(|socket| socket.lines() == ["stock 3:3 8"]), "nothing gathers any more");
}

#[test]
fn i25_an_edit_that_moves_no_border_is_told_to_those_who_see_it_and_to_nobody_else() {
    let mut scene = Scene::new();
    scene.publish(offer(1, 1));
    let (_, near, _) = scene.nearby(0.0, 5_000.0);
    let (_, far, _) = scene.nearby(2_500.0, 5_000.0);
    scene.publish(offer(1, 2));
    assert_eq!((near.lines(), far.lines()), (vec!["offer 1:2".to_owned()], vec![]));
    let mut wider = record(1, 3, Status::Live, 3_000);
    scene.publish(offer_of(wider.clone()));
    assert_eq!((near.lines(), far.lines()), (vec!["offer 1:3".to_owned()], vec!["offer 1:3".to_owned()]));
    wider.counters.v = 4;
    wider.terms.category = Some("another".to_owned());
    scene.publish(offer_of(wider));
    assert_eq!(near.lines(), ["offer 1:4"]);
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
