//! Notices, audiences, inboxes and the delivery log (`actors/src/ports/inbox.rs`).

use crate::place::Place;
use crate::world::*;
use flash_actors::ports::accounts::{Role, UserPatch};
use flash_actors::ports::catalogue::Created;
use flash_actors::ports::inbox::*;
use flash_domain::event::Event;
use flash_domain::geo::{Location, SessionCells};
use flash_domain::ids::{EventId, UserId};
use flash_domain::notice::{Notice, NoticeKind};
use flash_domain::promotion::{PromotionRecord, Status};
use flash_domain::segment::Segment;
use flash_domain::time::UnixMillis;
use uuid::{Builder, Uuid};

fn event_id(at: UnixMillis, salt: u8) -> EventId {
    EventId(Builder::from_unix_timestamp_millis(at.0 as u64, &[salt; 10]).into_uuid())
}

fn notice_of(record: &PromotionRecord, salt: u8) -> Notice {
    let zone = "America/Bogota".to_owned();
    Notice::about(record, event_id(NOW, salt), NoticeKind::SaleStarted, zone, NOW)
}

fn page(notice: EventId, from: Cursor, to: Option<Cursor>, verdicts: Vec<Verdict>) -> Told {
    Told { notice, from, to, verdicts, at: later(5), lease_until: later(10_000) }
}

fn verdict(user_id: UserId, status: DeliveryStatus, push: bool) -> Verdict {
    Verdict { user_id, status, push }
}

/// A notice is taken in once, worked on by one, in order per promotion, and never again once it is finished.
pub async fn a_notice_is_leased_in_order(place: Place) {
    let world = World::new(place.ready().await).await;
    let inbox = &world.stores.inbox;
    let (one, other) = (world.live(5).await, world.live(5).await);
    let (first, second, third) = (notice_of(&one, 1), notice_of(&one, 2), notice_of(&other, 3));
    assert_eq!(inbox.take_in(vec![second.clone(), first.clone(), third.clone()]).await.unwrap(), 3);
    assert_eq!(inbox.take_in(vec![first.clone()]).await.unwrap(), 0);
    let latest = inbox.latest_notice(one.id, NoticeKind::SaleStarted).await.unwrap();
    assert_eq!(latest, Some(NOW));
    assert_eq!(inbox.latest_notice(one.id, NoticeKind::BackInStock).await.unwrap(), None);

    let lease = async |ms| inbox.lease(later(ms), later(ms + 100)).await.unwrap();
    let work = lease(0).await.unwrap();
    assert_eq!(work, Work { notice: first.clone(), cursor: Cursor::default(), tries: 0 });
    assert_eq!(lease(1).await.unwrap().notice, third, "the second waits for the first");
    assert_eq!(lease(2).await, None);
    let again = lease(200).await.unwrap();
    assert_eq!((again.notice.id, again.tries), (first.id, 1));
    inbox.abandon(first.id, later(201)).await.unwrap();
    assert_eq!(lease(202).await.unwrap().notice, second, "what was tried less comes first");
    assert_eq!(lease(203).await.unwrap().notice.id, third.id);
    inbox.forget_leases().await.unwrap();
    assert!(lease(204).await.is_some());
}

/// A page is applied once: its cursor says where it began. Who has the notice already does not get it again.
pub async fn a_page_is_told_once(place: Place) {
    let world = World::new(place.ready().await).await;
    let inbox = &world.stores.inbox;
    let record = world.live(5).await;
    let notice = notice_of(&record, 1);
    inbox.take_in(vec![notice.clone()]).await.unwrap();
    let (a, b, c, d) =
        (world.shopper().await, world.shopper().await, world.shopper().await, world.shopper().await);
    let middle = Cursor { stage: 1, after: a.0 };
    let verdicts = vec![
        verdict(a, DeliveryStatus::Stored, true),
        verdict(b, DeliveryStatus::Quiet, false),
        verdict(c, DeliveryStatus::Muted, false),
        verdict(d, DeliveryStatus::Capped, false),
    ];
    let first = page(notice.id, Cursor::default(), Some(middle), verdicts);
    let mut fresh = inbox.deliver(first.clone()).await.unwrap().unwrap();
    fresh.sort();
    assert_eq!(fresh, [a, b]);
    assert_eq!(inbox.deliver(first).await.unwrap(), None, "the cursor has moved");
    let work = inbox.lease(later(20_000), later(20_001)).await.unwrap().unwrap();
    assert_eq!(work.cursor, middle);
    let second = page(
        notice.id,
        middle,
        None,
        vec![verdict(a, DeliveryStatus::Stored, true), verdict(c, DeliveryStatus::Stored, true)],
    );
    assert_eq!(inbox.deliver(second).await.unwrap(), Some(vec![c]));
    assert_eq!(inbox.lease(later(90_000), later(90_001)).await.unwrap(), None, "it is finished");

    let items = inbox.items(a, false, None, 10).await.unwrap();
    assert_eq!(items.items, [InboxItem { notice: notice.clone(), created_at: later(5), read_at: None }]);
    assert_eq!(inbox.unread(a).await.unwrap(), 1);
    assert!(inbox.items(d, false, None, 10).await.unwrap().items.is_empty());
    inbox.mark_read(a, ReadWhich::Ids(vec![notice.id, event_id(NOW, 9)]), later(9)).await.unwrap();
    assert_eq!(inbox.unread(a).await.unwrap(), 0);
    assert!(inbox.items(a, true, None, 10).await.unwrap().items.is_empty());
    assert_eq!(inbox.items(a, false, None, 10).await.unwrap().items[0].read_at, Some(later(9)));
    inbox.mark_read(b, ReadWhich::All, later(9)).await.unwrap();
    assert_eq!(inbox.unread(b).await.unwrap(), 0);

    let stats = inbox.delivery_stats(Some(record.store.id), later(-1)).await.unwrap();
    assert_eq!((stats.total, stats.unique_users), (4, 4));
    let expected = [
        (DeliveryStatus::Delivered, 1),
        (DeliveryStatus::Muted, 1),
        (DeliveryStatus::Quiet, 1),
        (DeliveryStatus::Capped, 1),
    ];
    assert_eq!(stats.by_status, expected);
    assert_eq!(stats.by_kind, [(NoticeKind::SaleStarted, 4)]);
    assert_eq!(stats.by_day, [(UnixMillis(NOW.0 / 86_400_000 * 86_400_000), 4)]);
    assert_eq!(inbox.delivery_stats(None, later(-1)).await.unwrap(), stats);
    assert_eq!(inbox.delivery_stats(None, later(1)).await.unwrap(), DeliveryStats::default());

    assert_eq!(inbox.purge_notices(later(1), 10).await.unwrap(), 1);
    assert!(inbox.items(c, false, None, 10).await.unwrap().items.is_empty());
    assert_eq!(inbox.delivery_stats(None, later(-1)).await.unwrap(), DeliveryStats::default());
}

/// Followers, and the people of a cell, by id in pages, with what they were told and their segment.
pub async fn audiences_are_found_in_pages(place: Place) {
    let world = World::new(place.ready().await).await;
    let stores = &world.stores;
    let mut people = Vec::new();
    for _ in 0..5 {
        people.push(world.shopper().await);
    }
    people.sort();
    for person in &people[..3] {
        stores.catalogue.follow(world.store.id, *person, true, NOW).await.unwrap();
    }
    let ask = |from, after: Uuid, limit| AudienceAsk {
        from,
        after,
        limit,
        segments: true,
        since: later(-1_000),
        now: later(1_000),
    };
    let followers = AudienceFrom::Followers(world.store.id);
    let found = stores.inbox.audience(ask(followers, Uuid::nil(), 2)).await.unwrap();
    assert_eq!(found.iter().map(|person| person.user_id).collect::<Vec<_>>(), people[..2]);
    assert!(found.iter().all(|person| person.segment == Some(Segment::New) && person.told.is_empty()));
    let found = stores.inbox.audience(ask(followers, people[1].0, 2)).await.unwrap();
    assert_eq!(found.iter().map(|person| person.user_id).collect::<Vec<_>>(), people[2..3]);

    let here = medellin();
    let [fine, ..] = *SessionCells::of(here).as_array();
    let cell = AudienceFrom::Cell { resolution: 8, index: fine.into() };
    assert!(stores.inbox.audience(ask(cell, Uuid::nil(), 9)).await.unwrap().is_empty());
    let patch = |place: Option<Location>| UserPatch { last_location: Some(place), ..UserPatch::default() };
    for person in &people[2..] {
        stores.accounts.update(*person, patch(Some(here))).await.unwrap();
    }
    stores.accounts.update(people[4], patch(None)).await.unwrap();
    let mut born_here = user(Role::Shopper);
    born_here.last_location = Some(here);
    stores.accounts.register(born_here.clone(), "hash".to_owned()).await.unwrap();

    let record = world.live(5).await;
    let notice = notice_of(&record, 1);
    stores.inbox.take_in(vec![notice.clone()]).await.unwrap();
    let told =
        page(notice.id, Cursor::default(), None, vec![verdict(people[2], DeliveryStatus::Stored, false)]);
    stores.inbox.deliver(told).await.unwrap();
    let found = stores.inbox.audience(ask(cell, Uuid::nil(), 9)).await.unwrap();
    let ids: Vec<_> = found.iter().map(|person| person.user_id).collect();
    assert_eq!(ids, [people[2], people[3], born_here.id]);
    assert_eq!(found[0].told, [(NOW, record.store.id)]);
    assert_eq!(found[0].place, Some(here));
    assert!(found[1].told.is_empty());
    assert_eq!(stores.inbox.backfill_cells(10).await.unwrap(), 0);
    stores.accounts.forget(people[2], NOW).await.unwrap();
    let found = stores.inbox.audience(ask(cell, Uuid::nil(), 9)).await.unwrap();
    assert_eq!(found.len(), 2, "who is forgotten is not told");
    assert!(stores.inbox.items(people[2], false, None, 9).await.unwrap().items.is_empty());
}

/// Devices ring once; a push that is given up does not count against the person's day.
pub async fn pushes_are_settled(place: Place) {
    let world = World::new(place.ready().await).await;
    let inbox = &world.stores.inbox;
    let (person, other) = (world.shopper().await, world.shopper().await);
    let device = |user_id, token: &str| Device {
        id: Uuid::now_v7(),
        user_id,
        platform: "fcm".to_owned(),
        token: token.to_owned(),
        endpoint_arn: None,
        created_at: NOW,
    };
    let (phone, tablet) = (device(person, "token-phone"), device(person, "token-tablet"));
    for one in [&phone, &tablet] {
        assert_eq!(inbox.register_device(one.clone(), None).await.unwrap(), Created::Fresh);
    }
    assert_eq!(inbox.device_with(person, "token-phone".to_owned()).await.unwrap(), Some(phone.id));
    assert_eq!(inbox.device_with(other, "token-phone".to_owned()).await.unwrap(), None);
    let record = world.live(5).await;
    let notice = notice_of(&record, 1);
    inbox.take_in(vec![notice.clone()]).await.unwrap();
    let verdicts =
        vec![verdict(person, DeliveryStatus::Stored, true), verdict(other, DeliveryStatus::Stored, true)];
    inbox.deliver(page(notice.id, Cursor::default(), None, verdicts)).await.unwrap();

    let due = inbox.pushes_due(later(10), later(1_000), 10).await.unwrap();
    assert_eq!(due.len(), 2);
    assert!(due.iter().all(|push| push.device.user_id == person && push.notice == notice && push.tries == 0));
    assert!(inbox.pushes_due(later(11), later(1_000), 10).await.unwrap().is_empty(), "they are taken");
    let settle = async |device: Uuid, outcome| {
        inbox.push_done(notice.id, device, Some("arn:x".to_owned()), outcome, later(20)).await.unwrap();
    };
    settle(phone.id, PushOutcome::Later(later(30))).await;
    let due = inbox.pushes_due(later(30), later(1_000), 10).await.unwrap();
    assert_eq!((due.len(), due[0].tries), (1, 1));
    assert_eq!(due[0].device.endpoint_arn.as_deref(), Some("arn:x"));
    let counts = async || {
        let [fine, ..] = *SessionCells::of(medellin()).as_array();
        world
            .stores
            .accounts
            .update(person, UserPatch { last_location: Some(Some(medellin())), ..UserPatch::default() })
            .await
            .unwrap();
        let from = AudienceFrom::Cell { resolution: 8, index: fine.into() };
        let since = later(-1_000);
        let ask = AudienceAsk { from, after: Uuid::nil(), limit: 1, segments: false, since, now: NOW };
        inbox.audience(ask).await.unwrap()[0].told.len()
    };
    settle(phone.id, PushOutcome::Disabled).await;
    assert_eq!(counts().await, 1, "the tablet may still get it");
    settle(tablet.id, PushOutcome::GivenUp).await;
    assert_eq!(counts().await, 0);
    let stats = inbox.delivery_stats(None, later(-1)).await.unwrap();
    assert_eq!(stats.by_status, [(DeliveryStatus::Stored, 2), (DeliveryStatus::Failed, 1)]);
    assert!(inbox.remove_device(person, tablet.id).await.unwrap());
    assert!(!inbox.remove_device(other, phone.id).await.unwrap());
}

/// An end is warned of once, however often it is looked at.
pub async fn ends_are_warned_of_once(place: Place) {
    let world = World::new(place.ready().await).await;
    let (inbox, store) = (&world.stores.inbox, &world.stores.store);
    let mut soon = world.record(Status::Live, 5);
    soon.terms.ends_at = later(300_000);
    let soon = world.stored(soon).await;
    world.live(5).await;
    let mut over = world.record(Status::Live, 5);
    over.terms.ends_at = later(-1);
    world.stored(over).await;
    assert_eq!(inbox.warn_of_ends(NOW, later(600_000)).await.unwrap(), 1);
    assert_eq!(inbox.warn_of_ends(later(30_000), later(630_000)).await.unwrap(), 0);
    let waiting = store.outbox_waiting(10).await.unwrap();
    let events: Vec<_> = waiting.iter().map(|event| (event.promotion_id, event.event.clone())).collect();
    assert_eq!(events, [(soon.id, Event::EndingSoon)]);
    let notice = Notice { id: waiting[0].id, kind: NoticeKind::EndingSoon, ..notice_of(&soon, 1) };
    inbox.take_in(vec![notice]).await.unwrap();
    store.outbox_done(vec![waiting[0].id], NOW).await.unwrap();
    assert_eq!(inbox.warn_of_ends(later(60_000), later(660_000)).await.unwrap(), 0);
}
