//! Hubs among other threads: who joins late, and an inbox that nobody looks into.

use super::*;

#[actix_rt::test]
async fn a_hub_that_joins_late_knows_the_board_as_it_is() {
    let hubs = Hubs::new(Arc::new(Lines), 10);
    hubs.publish(offer(1, 1));
    hubs.publish(stock(1, 2, 9));
    hubs.publish(offer(2, 1));
    hubs.publish(gone(2, 2, GoneReason::Ended));
    let shard = super::super::HubActor::<Socket>::start_here(&hubs);
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
    let publish = |update| inbox.publish(&Arc::new(super::super::wire::Published::new(update, &Lines)));
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
