//! Webhooks and their messages (`actors/src/ports/webhooks.rs`).

use crate::place::Place;
use crate::world::*;
use flash_actors::ports::catalogue::Created;
use flash_actors::ports::webhooks::*;
use flash_domain::ids::{EventId, PromotionId};
use uuid::Uuid;

/// A webhook hears of its store's promotions; a message is there once, is taken by one, and is settled or comes again.
pub async fn a_webhook_gets_a_message_once(place: Place) {
    let world = World::new(place.ready().await).await;
    let hooks = &world.stores.webhooks;
    let record = world.live(5).await;
    let hook = Webhook {
        id: Uuid::now_v7(),
        store_id: world.store.id,
        url: "https://shop.example/hook".to_owned(),
        events: vec!["promotion.started".to_owned()],
        secret: "whsec_one".to_owned(),
        previous: None,
        created_at: NOW,
    };
    assert_eq!(hooks.add_webhook(hook.clone(), 1, None).await.unwrap(), Created::Fresh);
    let another = Webhook { id: Uuid::now_v7(), ..hook.clone() };
    assert_eq!(hooks.add_webhook(another, 1, None).await.unwrap(), Created::Conflict);
    assert_eq!(hooks.webhooks(world.store.id).await.unwrap(), std::slice::from_ref(&hook));
    let heard = hooks.listeners(vec![record.id, PromotionId(Uuid::now_v7())]).await.unwrap();
    assert_eq!(heard, [(record.id, hook.clone())]);

    let message = |nth: u128| NewMessage {
        webhook_id: hook.id,
        event_id: EventId(Uuid::from_u128(nth)),
        kind: "promotion.started".to_owned(),
        body: format!("{{\"n\":{nth}}}"),
        created_at: NOW,
    };
    assert_eq!(hooks.enqueue(vec![message(1), message(2)]).await.unwrap(), 2);
    assert_eq!(hooks.enqueue(vec![message(2), message(3)]).await.unwrap(), 1);
    let due = hooks.messages_due(NOW, later(100), 2).await.unwrap();
    assert_eq!(
        due.iter().map(|one| (one.event_id.0.as_u128(), one.tries)).collect::<Vec<_>>(),
        [(1, 0), (2, 0)]
    );
    assert_eq!(due[0].body, "{\"n\":1}");
    assert_eq!(hooks.messages_due(NOW, later(100), 9).await.unwrap().len(), 1, "the third is left");
    let settle = async |nth: u128, outcome| {
        let id = EventId(Uuid::from_u128(nth));
        hooks.settle_message(hook.id, id, outcome, "503".to_owned(), later(9)).await.unwrap();
    };
    settle(1, Outcome::Delivered).await;
    settle(2, Outcome::Later(later(50))).await;
    settle(3, Outcome::GivenUp).await;
    let due = hooks.messages_due(later(200), later(300), 9).await.unwrap();
    assert_eq!(due.iter().map(|one| (one.event_id.0.as_u128(), one.tries)).collect::<Vec<_>>(), [(2, 1)]);
    let page = hooks.messages(hook.id, None, 2).await.unwrap();
    assert!(page.more);
    assert_eq!((&page.items[0].message, page.items[0].due_at), (&message(3), None));
    let page = hooks.messages(hook.id, Some(EventId(Uuid::from_u128(2))), 2).await.unwrap();
    assert_eq!((page.items.len(), page.items[0].delivered_at), (1, Some(later(9))));
    assert!(hooks.replay(hook.id, EventId(Uuid::from_u128(1)), later(400)).await.unwrap());
    assert!(!hooks.replay(hook.id, EventId(Uuid::from_u128(7)), later(400)).await.unwrap());
    let due = hooks.messages_due(later(400), later(500), 9).await.unwrap();
    let mut tries: Vec<_> = due.iter().map(|one| (one.event_id.0.as_u128(), one.tries)).collect();
    tries.sort_unstable();
    assert_eq!(tries, [(1, 0), (2, 2)], "it begins anew; the other was left with its taker for too long");

    assert!(
        hooks.rotate_secret(world.store.id, hook.id, "whsec_two".to_owned(), later(1_000)).await.unwrap()
    );
    let rotated = &hooks.webhooks(world.store.id).await.unwrap()[0];
    assert_eq!(rotated.secret, "whsec_two");
    assert_eq!(rotated.previous, Some(("whsec_one".to_owned(), later(1_000))));
    assert_eq!(hooks.purge_messages(later(1)).await.unwrap(), 1, "only what is settled");
    assert!(hooks.remove_webhook(world.store.id, hook.id).await.unwrap());
    assert!(!hooks.remove_webhook(world.store.id, hook.id).await.unwrap());
    assert!(hooks.messages(hook.id, None, 9).await.unwrap().items.is_empty());
}
