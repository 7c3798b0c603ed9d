//! Who is shown what on `nearby`: reach, moves, categories, what is known (I25).

use super::*;

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

/// A client may come from another node, or from before a backup was put back: its version says nothing about which is
/// newer, only whether it is the same.
#[test]
fn a_known_version_above_the_servers_is_sent_again() {
    let mut scene = Scene::new();
    scene.publish(offer(1, 7));
    let known = Known::from([(promotion(1), 8)]);
    let knowing = || Move { known: Some(known.clone()), ..moved(10.0) };

    let (slot, socket) = scene.session();
    let snapshot = scene.shard.subscribe(slot, seat(0.0, 5_000.0), &known);
    assert_eq!(snapshot.offers, [Bytes::from("1:7")], "to who subscribes with it");
    assert_eq!(scene.shard.relocate(slot, knowing()), Some(Moved::default()));
    assert_eq!(socket.lines(), ["offer 1:7"], "to who was shown it and moves with it");

    let (slot, socket) = scene.session();
    scene.shard.subscribe(slot, Seat { place: None, ..seat(0.0, 5_000.0) }, &Known::new());
    assert_eq!(scene.shard.relocate(slot, knowing()), Some(Moved::default()));
    assert_eq!(socket.lines(), ["offer 1:7"], "to who comes back by a move");
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

/// A snapshot has a bound in bytes; what is beyond follows behind the answer, each offer once, and is gone as quietly as
/// it would have come.
#[test]
fn i25_what_does_not_fit_into_a_snapshot_follows_it() {
    let mut scene = Scene::new();
    let name = "x".repeat(SNAPSHOT_BYTES_MAX / 8);
    for id in 1..=11 {
        let mut big = record(id, 1, Status::Live, 2_000);
        big.product.name = name.clone();
        scene.publish(offer_of(big));
    }
    let (slot, socket) = scene.session();
    socket.room(0);
    let known = Known::from([(promotion(1), 1)]);
    let snapshot = scene.shard.subscribe(slot, seat(0.0, 5_000.0), &known);
    let bytes: usize = snapshot.offers.iter().map(Bytes::len).sum();
    assert!(bytes <= SNAPSHOT_BYTES_MAX && bytes + name.len() + 10 > SNAPSHOT_BYTES_MAX, "{bytes}");
    assert_eq!((snapshot.offers.len(), snapshot.rest.len()), (7, 3), "one of eleven is known");
    scene.shard.send(slot, "answer\n".into());
    scene.shard.subscribed(slot, &snapshot.rest);
    let waiting = scene.shard.sessions.get(slot).unwrap().outbox.as_ref().unwrap().len();
    assert_eq!(waiting, 1 + 3, "the answer, and a mark for each of the rest");
    for id in 1..=11 {
        scene.publish(gone(id, 2, GoneReason::Ended));
    }
    socket.room(usize::MAX);
    while scene.shard.attention(slot).waiting {
        scene.shard.flush(slot);
    }
    let lines = socket.lines();
    assert_eq!(lines.first().map(String::as_str), Some("answer"));
    assert_eq!(
        lines.len(),
        1 + 8,
        "what was known or in the snapshot is gone, the rest never came: {lines:?}"
    );
}

#[test]
fn i25_the_rest_of_a_snapshot_arrives() {
    let mut scene = Scene::new();
    for id in 1..=20 {
        let mut big = record(id, 1, Status::Live, 2_000);
        big.product.name = "x".repeat(SNAPSHOT_BYTES_MAX / 8);
        scene.publish(offer_of(big));
    }
    let (slot, socket) = scene.session();
    let snapshot = scene.shard.subscribe(slot, seat(0.0, 5_000.0), &Known::new());
    scene.shard.send(slot, "answer\n".into());
    scene.shard.subscribed(slot, &snapshot.rest);
    while scene.shard.attention(slot).waiting {
        scene.shard.flush(slot);
    }
    let lines = socket.lines();
    let mut told: Vec<&str> = lines[1..].iter().map(|line| line.split(['=', '\n']).next().unwrap()).collect();
    told.sort_unstable();
    told.dedup();
    assert_eq!(lines[0], "answer");
    assert_eq!(snapshot.offers.len() + told.len(), 20, "each offer once");
    assert_eq!(told.len(), lines.len() - 1);
}

/// Small, middle and large reaches have covers of different resolutions. A session sits in a cell of each, worked out
/// from its point: the parent of a finer cell is another one for some points, and they would miss what is in reach.
#[test]
fn i25_cells_of_several_resolutions_route_alike() {
    let mut scene = Scene::new();
    let reaches = [400u32, 6_000, 45_000];
    let mut resolutions = BTreeSet::new();
    for (id, reach_m) in (1u128..).zip(reaches) {
        let update = offer_of(record(id, 1, Status::Live, reach_m));
        let Update::Offer(offer) = &update else { unreachable!() };
        resolutions.extend(offer.cover.cells.iter().map(|cell| u8::from(cell.resolution())));
        scene.publish(update);
    }
    assert_eq!(resolutions, BTreeSet::from([4, 6, 8]));
    let (mut not_the_parent, mut shown) = (0, 0);
    for step in 0..3_000u32 {
        let metres = f64::from(step) * 16.3;
        let place = Place::from(north(metres));
        let [fine, middle, _] = *place.cells.as_array();
        not_the_parent += u32::from(fine.parent(middle.resolution()) != Some(middle));
        let (slot, socket) = scene.session();
        let snapshot = scene.shard.subscribe(slot, seat(metres, 50_000.0), &Known::new());
        let mut told: Vec<_> = snapshot.offers.iter().map(|offer| offer[0] - b'0').collect();
        told.sort_unstable();
        let expected: Vec<u8> =
            (1u8..).zip(reaches).filter(|(_, r)| metres <= f64::from(*r)).map(|(id, _)| id).collect();
        assert_eq!(told, expected, "at {metres} m");
        shown += told.len();
        drop(socket);
        scene.shard.remove(slot);
    }
    assert!(not_the_parent > 30 && shown > 3_000, "{not_the_parent} {shown}");
}
