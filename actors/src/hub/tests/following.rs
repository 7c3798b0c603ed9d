//! Following one promotion: nothing falls between registration and answer; sales are for staff.

use super::*;

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
    scene.inbox.order(super::super::inbox::Order::StaffChanged(StoreId(Uuid::from_u128(9))));
    scene.shard.take_in();
    assert_eq!((watching.lines(), looking.lines()), (vec!["unsubscribed 1 true".to_owned()], vec![]));
    assert_eq!((pulse.viewers.load(Relaxed), pulse.staff.load(Relaxed)), (2, 0));
    scene.shard.remove(staff);
    scene.shard.remove(plain);
    assert_eq!(pulse.viewers.load(Relaxed), 0);
}
