//! Promotions, series and claims as documents (`actors/src/ports/catalogue.rs`).

use crate::place::Place;
use crate::places::key;
use crate::world::*;
use flash_actors::ports::catalogue::*;
use flash_domain::claim::ClaimStatus;
use flash_domain::event::Event;
use flash_domain::geo::Location;
use flash_domain::ids::*;
use flash_domain::promotion::{PromotionRecord, Status};
use flash_domain::segment::Segments;
use flash_domain::series::DailyWindow;
use flash_domain::time::UnixMillis;
use uuid::Uuid;

fn series(world: &World) -> SeriesRow {
    let mut terms = terms(9);
    (terms.starts_at, terms.ends_at) = (UnixMillis(0), UnixMillis(0));
    SeriesRow {
        id: SeriesId(Uuid::now_v7()),
        store_id: world.store.id,
        product_id: world.product.id,
        terms,
        window: DailyWindow {
            from: "17:00".parse().unwrap(),
            to: "01:30:15".parse().unwrap(),
            timezone: "America/Bogota".to_owned(),
            start_date: "2026-11-24".parse().unwrap(),
            end_date: None,
        },
        last_date: None,
        cancelled: false,
        created_at: NOW,
    }
}

fn occurrence(world: &World, series: &SeriesRow, date: &str) -> PromotionRecord {
    let mut record = world.record(Status::Scheduled, 9);
    record.series_id = Some(series.id);
    (record.terms.starts_at, record.terms.ends_at) =
        series.window.occurrence_on(date.parse().unwrap()).unwrap();
    record
}

/// A launch writes record, event and key together; the key's second use writes nothing.
pub async fn a_launch_is_one_transaction(place: Place) {
    let world = World::new(place.ready().await).await;
    let catalogue = &world.stores.catalogue;
    let mut record = world.record(Status::Scheduled, 5);
    record.terms.segments = Segments::from_bits(0b101);
    record.terms.per_shopper_limit = None;
    record.terms.claim_within_m = None;
    record.terms.category = None;
    record.product.image_url = None;
    let launched = vec![event(record.id, 1, Event::Launched)];
    let used = key(world.owner.id, "launch", "{}");
    let created =
        catalogue.create_promotion(record.clone(), None, launched.clone(), Some(used.clone())).await.unwrap();
    assert_eq!(created, Created::Fresh);
    let again = world.record(Status::Scheduled, 5);
    let events = vec![event(again.id, 1, Event::Launched)];
    let answer = catalogue.create_promotion(again.clone(), None, events, Some(used.clone())).await.unwrap();
    assert_eq!(answer, Created::Before(used));
    assert!(catalogue.promotion(again.id).await.unwrap().is_none());
    assert_eq!(catalogue.promotion(record.id).await.unwrap(), Some(record));
    assert_eq!(world.stores.store.outbox_waiting(10).await.unwrap(), launched);
}

/// Only drafts can be deleted.
pub async fn a_draft_is_deleted(place: Place) {
    let world = World::new(place.ready().await).await;
    let catalogue = &world.stores.catalogue;
    let draft = world.stored(world.record(Status::Draft, 1)).await;
    let scheduled = world.stored(world.record(Status::Scheduled, 1)).await;
    assert!(catalogue.delete_draft(draft.id).await.unwrap());
    assert!(!catalogue.delete_draft(draft.id).await.unwrap());
    assert!(!catalogue.delete_draft(scheduled.id).await.unwrap());
    assert!(catalogue.promotion(draft.id).await.unwrap().is_none());
    assert!(catalogue.promotion(scheduled.id).await.unwrap().is_some());
}

/// A series and its first occurrence are written together; each date has one occurrence, whoever makes it.
pub async fn a_date_has_one_occurrence(place: Place) {
    let world = World::new(place.ready().await).await;
    let catalogue = &world.stores.catalogue;
    let mut row = series(&world);
    let first = occurrence(&world, &row, "2026-11-24");
    let launched = vec![event(first.id, 1, Event::Launched)];
    let used = key(world.owner.id, "series", "{}");
    let with_first = Some((first.clone(), "2026-11-24".to_owned()));
    let created =
        catalogue.create_series(row.clone(), with_first, launched.clone(), Some(used.clone())).await.unwrap();
    assert_eq!(created, Created::Fresh);
    row.last_date = Some("2026-11-24".to_owned());
    assert_eq!(catalogue.series(row.id).await.unwrap().as_ref(), Some(&row));
    assert_eq!(catalogue.promotion(first.id).await.unwrap(), Some(first));
    let answer = catalogue.create_series(series(&world), None, Vec::new(), Some(used.clone())).await.unwrap();
    assert_eq!(answer, Created::Before(used));

    let mut tasks = tokio::task::JoinSet::new();
    for _ in 0..6 {
        let (catalogue, next) = (catalogue.clone(), occurrence(&world, &row, "2026-11-25"));
        let events = vec![event(next.id, 1, Event::Launched)];
        let date = Some("2026-11-25".to_owned());
        tasks.spawn(async move { catalogue.create_promotion(next, date, events, None).await.unwrap() });
    }
    let answers = tasks.join_all().await;
    assert_eq!(answers.iter().filter(|answer| **answer == Created::Fresh).count(), 1, "{answers:?}");
    assert_eq!(answers.iter().filter(|answer| **answer == Created::Conflict).count(), 5);
    assert_eq!(world.stores.store.outbox_waiting(10).await.unwrap().len(), 2);
    row.last_date = Some("2026-11-25".to_owned());
    assert_eq!(catalogue.series(row.id).await.unwrap(), Some(row));
}

/// An occurrence that its series would not have any more is not made: the series was edited or ended meanwhile. One that
/// waits moves to another date, and the series goes on from there.
pub async fn an_occurrence_follows_its_series(place: Place) {
    let world = World::new(place.ready().await).await;
    let catalogue = &world.stores.catalogue;
    let mut row = series(&world);
    let first = occurrence(&world, &row, "2026-11-24");
    let with_first = Some((first.clone(), "2026-11-24".to_owned()));
    catalogue.create_series(row.clone(), with_first, Vec::new(), None).await.unwrap();
    let make = async |record: PromotionRecord, date: &str| {
        catalogue.create_promotion(record, Some(date.to_owned()), Vec::new(), None).await.unwrap()
    };
    let next = occurrence(&world, &row, "2026-11-25");
    assert_eq!(make(next.clone(), "2026-11-26").await, Created::Conflict, "another day's window");
    let mut dearer = row.clone();
    dearer.terms.price = money(2_600);
    assert!(catalogue.update_series(dearer).await.unwrap());
    assert_eq!(
        make(next.clone(), "2026-11-25").await,
        Created::Conflict,
        "made of the terms before the edit"
    );
    assert!(catalogue.update_series(row.clone()).await.unwrap());
    assert_eq!(make(next.clone(), "2026-11-25").await, Created::Fresh);

    let last = async |but: &PromotionRecord| catalogue.last_date_but(row.id, but.id).await.unwrap();
    assert_eq!(last(&next).await.as_deref(), Some("2026-11-24"));
    assert_eq!(last(&first).await.as_deref(), Some("2026-11-25"));
    assert!(catalogue.move_occurrence(row.id, next.id, "2026-12-01".to_owned()).await.unwrap());
    assert_eq!(last(&first).await.as_deref(), Some("2026-12-01"));
    row.last_date = Some("2026-12-01".to_owned());
    assert_eq!(catalogue.series(row.id).await.unwrap().as_ref(), Some(&row));
    assert!(
        !catalogue.move_occurrence(SeriesId(Uuid::now_v7()), next.id, "2026-12-02".to_owned()).await.unwrap()
    );

    let of_series = PromotionFilter { series_id: Some(row.id), ..PromotionFilter::default() };
    world.live(1).await;
    let page = catalogue.promotions(of_series, NOW, None, 10).await.unwrap();
    assert_eq!(page.items.iter().map(|record| record.id).collect::<Vec<_>>(), [next.id, first.id]);
    row.cancelled = true;
    assert!(catalogue.update_series(row.clone()).await.unwrap());
    let late = occurrence(&world, &row, "2026-12-02");
    assert_eq!(make(late, "2026-12-02").await, Created::Conflict, "the series has ended");
}

/// Series are changed, found while they run, and hold their store until they are called off.
pub async fn a_series_lives(place: Place) {
    let world = World::new(place.ready().await).await;
    let catalogue = &world.stores.catalogue;
    let rows = [series(&world), series(&world), series(&world)];
    for row in &rows {
        let created = catalogue.create_series(row.clone(), None, Vec::new(), None).await.unwrap();
        assert_eq!(created, Created::Fresh);
    }
    let mut row = rows[1].clone();
    row.terms.stock = 1_000_000;
    row.terms.price = money(1);
    row.window.from = "00:00".parse().unwrap();
    row.window.end_date = Some("2027-01-01".parse().unwrap());
    assert!(catalogue.update_series(row.clone()).await.unwrap());
    assert_eq!(catalogue.series(row.id).await.unwrap(), Some(row.clone()));
    assert!(!catalogue.update_series(series(&world)).await.unwrap());
    assert!(catalogue.series(SeriesId(Uuid::now_v7())).await.unwrap().is_none());
    assert_eq!(catalogue.running_series(None, 2).await.unwrap(), [rows[0].clone(), row.clone()]);
    assert_eq!(catalogue.running_series(Some(row.id), 2).await.unwrap(), [rows[2].clone()]);
    for mut row in [rows[0].clone(), rows[2].clone(), row] {
        assert!(!catalogue.delete_store(world.store.id, NOW).await.unwrap());
        row.cancelled = true;
        assert!(catalogue.update_series(row).await.unwrap());
    }
    assert!(catalogue.running_series(None, 10).await.unwrap().is_empty());
    assert!(catalogue.delete_store(world.store.id, NOW).await.unwrap());
    let answer = catalogue.create_series(series(&world), None, Vec::new(), None).await.unwrap();
    assert_eq!(answer, Created::Conflict);
}

/// Lists say what is so now, whatever was stored when: the newest first, in pages, filtered.
pub async fn promotions_are_listed(place: Place) {
    let world = World::new(place.ready().await).await;
    let catalogue = &world.stores.catalogue;
    let with = |status, starts_ms, ends_ms, category: &str| {
        let mut record = world.record(status, 5);
        record.terms.starts_at = later(starts_ms);
        record.terms.ends_at = later(ends_ms);
        record.terms.category = Some(category.to_owned());
        record
    };
    let mut all = Vec::new();
    for record in [
        with(Status::Draft, 0, 9_000, "food"),
        with(Status::Scheduled, 1, 9_000, "food"),
        with(Status::Scheduled, 0, 9_000, "food"),
        with(Status::Live, -9, 9_000, "drink"),
        with(Status::Live, -9, 0, "food"),
        with(Status::Paused, -9, 9_000, "food"),
        with(Status::Paused, -9, 0, "food"),
        with(Status::Ended, -9, -1, "food"),
        with(Status::Cancelled, 5, 9_000, "food"),
    ] {
        all.push(world.stored(record).await.id);
    }
    let list = async |filter: PromotionFilter| {
        let page = catalogue.promotions(filter, NOW, None, 100).await.unwrap();
        assert!(!page.more);
        let position = |record: PromotionRecord| all.iter().position(|id| *id == record.id).unwrap();
        page.items.into_iter().map(position).collect::<Vec<_>>()
    };
    let base = PromotionFilter::default;
    assert_eq!(list(base()).await, [8, 7, 6, 5, 4, 3, 2, 1]);
    assert_eq!(list(PromotionFilter { drafts: true, ..base() }).await, [8, 7, 6, 5, 4, 3, 2, 1, 0]);
    assert_eq!(list(PromotionFilter { current_only: true, ..base() }).await, [5, 3, 2, 1]);
    for (status, expected) in [
        (Status::Draft, vec![]),
        (Status::Scheduled, vec![1]),
        (Status::Live, vec![3, 2]),
        (Status::Paused, vec![5]),
        (Status::Ended, vec![7, 6, 4]),
        (Status::Cancelled, vec![8]),
    ] {
        let filter = PromotionFilter { status: Some(status), current_only: true, ..base() };
        assert_eq!(list(filter).await, expected, "{status:?}");
    }
    let drafts = PromotionFilter { status: Some(Status::Draft), drafts: true, ..base() };
    assert_eq!(list(drafts).await, [0]);
    assert_eq!(list(PromotionFilter { category: Some("drink".to_owned()), ..base() }).await, [3]);
    let elsewhere = PromotionFilter { store_id: Some(StoreId(Uuid::now_v7())), ..base() };
    assert!(list(elsewhere).await.is_empty());
    let here = PromotionFilter { store_id: Some(world.store.id), ..base() };
    assert_eq!(list(here.clone()).await.len(), 8);
    let page = catalogue.promotions(here.clone(), NOW, None, 3).await.unwrap();
    assert_eq!((page.items.len(), page.more, page.items[2].id), (3, true, all[6]));
    let page = catalogue.promotions(here, NOW, Some(all[3]), 3).await.unwrap();
    assert_eq!((page.items.len(), page.more, page.items[0].id), (2, false, all[2]));
}

/// A draft that was called off is told from a sale that was: only who sees drafts finds it.
pub async fn what_was_withdrawn_is_hidden(place: Place) {
    let world = World::new(place.ready().await).await;
    let (catalogue, engine) = (&world.stores.catalogue, &world.stores.store);
    let draft = world.stored(world.record(Status::Draft, 5)).await;
    let sale = world.stored(world.record(Status::Scheduled, 5)).await;
    for record in [&draft, &sale] {
        let loaded = engine.load(record.id).await.unwrap().unwrap().record;
        assert!(!loaded.counters.withdrawn);
        let mut called_off = commit(&loaded, 1, 1, Vec::new());
        called_off.counters.status = Status::Cancelled;
        if record.id == draft.id {
            called_off.counters.withdrawn = true;
            called_off.terms = Some(Box::new(record.terms.clone()));
        }
        assert!(engine.commit(vec![called_off.into()]).await.unwrap().stale.is_empty());
        let now = engine.peek(record.id).await.unwrap().unwrap();
        assert_eq!(now.counters.status, Status::Cancelled);
        assert_eq!(now.is_hidden(), record.id == draft.id);
    }
    for status in [None, Some(Status::Cancelled)] {
        let ids = async |drafts: bool| {
            let filter = PromotionFilter { status, drafts, ..PromotionFilter::default() };
            let page = catalogue.promotions(filter, NOW, None, 100).await.unwrap();
            page.items.into_iter().map(|record| record.id).collect::<Vec<_>>()
        };
        assert_eq!(ids(false).await, [sale.id]);
        assert_eq!(ids(true).await, [sale.id, draft.id]);
    }
}

/// Promotions are found around a place and by a part of a name; what means something in LIKE means
/// nothing here.
pub async fn promotions_are_searched(place: Place) {
    let world = World::new(place.ready().await).await;
    let catalogue = &world.stores.catalogue;
    let near = world.live(1).await;
    let mut far = world.record(Status::Live, 1);
    far.store.location = Location::new(4.711, -74.0721).unwrap();
    far.store.name = "Cafe_Bogota".to_owned();
    far.product.name = "Tinto".to_owned();
    world.stored(far.clone()).await;
    let ids = async |filter: PromotionFilter| {
        let page = catalogue.promotions(filter, NOW, None, 100).await.unwrap();
        page.items.into_iter().map(|record| record.id).collect::<Vec<_>>()
    };
    let around = async |at: Location, radius_m: f64| {
        let around = Around { point: at, radius_m, after: None };
        let page = catalogue.promotions_around(PromotionFilter::default(), around, NOW, 100).await.unwrap();
        page.items.into_iter().map(|near| near.record.id).collect::<Vec<_>>()
    };
    for radius_m in [50.0, 800.0, 5_000.0, 50_000.0] {
        assert_eq!(around(medellin(), radius_m).await, [near.id], "{radius_m}");
        assert_eq!(around(far.store.location, radius_m).await, [far.id], "{radius_m}");
    }
    let named = |text: &str| PromotionFilter { text: Some(text.to_owned()), ..PromotionFilter::default() };
    assert_eq!(ids(named("TINT")).await, [far.id]);
    assert_eq!(ids(named("e_b")).await, [far.id]);
    assert_eq!(ids(named("50 %")).await, [near.id]);
    assert_eq!(ids(named("pan")).await, [near.id]);
    assert_eq!(ids(named("PANADERÍA")).await, [near.id]);
    for nothing in ["t_nto", "%tinto", "\\", "' OR 1=1 --"] {
        assert!(ids(named(nothing)).await.is_empty(), "{nothing}");
    }
}

/// Claims as lists: a shopper's own, a promotion's, by key, by code, and counted.
pub async fn claims_are_listed(place: Place) {
    let world = World::new(place.ready().await).await;
    let (catalogue, store) = (&world.stores.catalogue, &world.stores.store);
    let (ana, luz) = (world.shopper().await, world.shopper().await);
    let (one, two) = (world.live(9).await, world.live(9).await);
    let mut claims = [held(&one, ana), held(&two, ana), held(&one, ana), held(&one, luz), held(&one, ana)];
    claims[1].quantity = 3;
    claims[2] = confirmed(claims[2].clone(), later(1));
    (claims[4].status, claims[4].closed_at) = (ClaimStatus::Expired, Some(later(2)));
    claims[1].idempotency_key = claims[0].idempotency_key.clone();
    for record in [&one, &two] {
        store.load(record.id).await.unwrap();
        let theirs = claims.iter().filter(|claim| claim.promotion_id == record.id).cloned().collect();
        store.commit(vec![commit(record, 1, 1, theirs).into()]).await.unwrap();
    }
    let [c0, c1, c2, c3, c4] = claims;
    assert_eq!(catalogue.claim(c2.id).await.unwrap().as_ref(), Some(&c2));
    assert!(catalogue.claim(ClaimId(Uuid::now_v7())).await.unwrap().is_none());
    let page = catalogue.claims_of(ana, None, None, 3).await.unwrap();
    assert_eq!((page.items, page.more), (vec![c4.clone(), c2.clone(), c1.clone()], true));
    let page = catalogue.claims_of(ana, None, Some(c1.id), 3).await.unwrap();
    assert_eq!((page.items, page.more), (vec![c0.clone()], false));
    let page = catalogue.claims_of(ana, Some(c0.idempotency_key.to_string()), None, 3).await.unwrap();
    assert_eq!(page.items, [c1.clone(), c0.clone()]);
    let foreign = catalogue.claims_of(luz, Some(c0.idempotency_key.to_string()), None, 3).await.unwrap();
    assert!(foreign.items.is_empty());
    let open = catalogue.open_claims(ana, 10).await.unwrap();
    assert_eq!(open, [c2.clone(), c1.clone(), c0.clone()]);
    assert_eq!(catalogue.open_claims(ana, 1).await.unwrap(), open[..1]);
    let page = catalogue.claims_on(one.id, Order::Oldest, Some(c0.id), 2).await.unwrap();
    let ids = page.items.iter().map(|(claim, name)| (claim.id, name.as_str())).collect::<Vec<_>>();
    assert_eq!((ids, page.more), (vec![(c2.id, "Ana María Ñ"), (c3.id, "Ana María Ñ")], true));
    let mut all = catalogue.claims_on(one.id, Order::Oldest, None, 10).await.unwrap();
    let mut newest = catalogue.claims_on(one.id, Order::Newest, None, 3).await.unwrap();
    assert!(newest.more);
    let last = newest.items[2].0.id;
    let rest = catalogue.claims_on(one.id, Order::Newest, Some(last), 3).await.unwrap();
    newest.items.extend(rest.items);
    all.items.reverse();
    assert_eq!((newest.items, rest.more), (all.items, false));
    let counts = catalogue.claim_counts(one.id).await.unwrap();
    let count = |status, claims| StatusCount { status, claims, units: claims };
    let expected =
        [count(ClaimStatus::Held, 2), count(ClaimStatus::Confirmed, 1), count(ClaimStatus::Expired, 1)];
    assert_eq!(counts, expected);
    assert_eq!(catalogue.claim_counts(two.id).await.unwrap()[0].units, 3);
    let code = c3.redemption_code.to_string();
    let now = UnixMillis((c3.id.0.as_u128() >> 80) as i64 + 3_600_000);
    assert_eq!(catalogue.claim_by_code(world.store.id, &code, now).await.unwrap(), Some(c3));
    assert!(catalogue.claim_by_code(StoreId(Uuid::now_v7()), &code, now).await.unwrap().is_none());
    assert!(catalogue.claim_by_code(world.store.id, "NOSUCH", now).await.unwrap().is_none());
}

/// However a launch and the end of its store meet, a store that is gone has nothing running.
pub async fn a_store_ends_or_launches(place: Place) {
    let world = World::new(place.ready().await).await;
    for _ in 0..20 {
        let store = store_of(&world.owner);
        let product = product_of(&store);
        let catalogue = world.stores.catalogue.clone();
        catalogue.create_store(store.clone(), None).await.unwrap();
        catalogue.create_product(product.clone(), None).await.unwrap();
        let mut record = world.record(Status::Live, 1);
        (record.store.id, record.product.id) = (store.id, product.id);
        let launcher = catalogue.clone();
        let launch = tokio::spawn(async move {
            launcher.create_promotion(record, None, Vec::new(), None).await.unwrap() == Created::Fresh
        });
        let deleted = catalogue.delete_store(store.id, NOW).await.unwrap();
        assert_ne!(launch.await.unwrap(), deleted);
    }
}
