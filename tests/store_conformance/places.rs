//! Stores, their people, their products, keys and job runs (`actors/src/ports/catalogue.rs`, `jobs.rs`).

use crate::place::Place;
use crate::world::*;
use flash_actors::ports::KeyUse;
use flash_actors::ports::accounts::Role;
use flash_actors::ports::catalogue::*;
use flash_actors::ports::jobs::JobRun;
use flash_domain::geo::Location;
use flash_domain::ids::*;
use flash_domain::promotion::Status;
use flash_promos::adapters::migrations::State;
use uuid::Uuid;

pub fn key(user: UserId, route: &str, body: &str) -> KeyUse {
    KeyUse {
        user_id: user,
        route: route.to_owned(),
        key: "k-1".to_owned(),
        fingerprint: [7; 32],
        status: 201,
        body: body.to_owned(),
        created_at: NOW,
    }
}

/// The schema goes from nothing to current, and migrating again changes nothing.
pub async fn the_schema_is_brought_up(place: Place) {
    let stores = place.open().await;
    assert_eq!(stores.schema().await.unwrap(), State::Empty);
    stores.migrate().await.unwrap();
    assert_eq!(stores.schema().await.unwrap(), State::Current);
    stores.migrate().await.unwrap();
    stores.close().await;
    let stores = place.open().await;
    assert_eq!(stores.schema().await.unwrap(), State::Current);
    place.meddle("DELETE FROM _sqlx_migrations WHERE version > 1").await;
    assert!(matches!(stores.schema().await.unwrap(), State::Old { missing: 1.. }));
    place.meddle("UPDATE _sqlx_migrations SET version = 999999").await;
    assert_eq!(stores.schema().await.unwrap(), State::Newer);
}

/// A key is used once; whoever comes second gets the first use and creates nothing.
pub async fn a_key_is_used_once(place: Place) {
    let world = World::new(place.ready().await).await;
    let catalogue = &world.stores.catalogue;
    let route = format!("POST /stores/{}/products", world.store.id);
    assert!(catalogue.key_use(world.owner.id, &route, "k-1").await.unwrap().is_none());
    let mut tasks = tokio::task::JoinSet::new();
    for n in 0..8 {
        let (catalogue, product) = (catalogue.clone(), product_of(&world.store));
        let key = key(world.owner.id, &route, &format!("body {n}"));
        tasks.spawn(async move {
            (catalogue.create_product(product.clone(), Some(key.clone())).await.unwrap(), product, key)
        });
    }
    let answers = tasks.join_all().await;
    let (_, made, used) = answers.iter().find(|(created, ..)| *created == Created::Fresh).unwrap();
    for (created, product, _) in answers.iter().filter(|(_, product, _)| product.id != made.id) {
        assert_eq!(*created, Created::Before(used.clone()));
        assert!(catalogue.product(product.id).await.unwrap().is_none());
    }
    assert_eq!(catalogue.product(made.id).await.unwrap().as_ref(), Some(made));
    assert_eq!(catalogue.key_use(world.owner.id, &route, "k-1").await.unwrap().as_ref(), Some(used));
    // Another person's, another route's: a different key.
    assert!(catalogue.key_use(world.shopper().await, &route, "k-1").await.unwrap().is_none());
    let other = key(world.owner.id, "POST /stores", "store");
    let store = store_of(&world.owner);
    let created = catalogue.create_store(store.clone(), Some(other.clone())).await.unwrap();
    assert_eq!(created, Created::Fresh);
    let again = catalogue.create_store(store_of(&world.owner), Some(other.clone())).await.unwrap();
    assert_eq!(again, Created::Before(other));
    assert_eq!(catalogue.purge_keys(NOW).await.unwrap(), 0);
    assert_eq!(catalogue.purge_keys(later(1)).await.unwrap(), 2);
}

/// What was refused uses up no key.
pub async fn a_conflict_uses_no_key(place: Place) {
    let world = World::new(place.ready().await).await;
    let catalogue = &world.stores.catalogue;
    let mut lost = world.store.clone();
    lost.id = StoreId(Uuid::now_v7());
    let used = key(world.owner.id, "route", "body");
    let answer = catalogue.create_product(product_of(&lost), Some(used.clone())).await.unwrap();
    assert_eq!(answer, Created::Conflict);
    assert!(catalogue.key_use(world.owner.id, "route", "k-1").await.unwrap().is_none());
    let answer = catalogue.create_product(product_of(&world.store), Some(used)).await.unwrap();
    assert_eq!(answer, Created::Fresh);
}

/// Who is not there, or was forgotten, opens no store, joins none and follows none.
pub async fn nobody_opens_nothing(place: Place) {
    let world = World::new(place.ready().await).await;
    let (accounts, catalogue) = (&world.stores.accounts, &world.stores.catalogue);
    let (stranger, gone) = (user(Role::Merchant), user(Role::Merchant));
    assert!(accounts.register(gone.clone(), "hash".to_owned()).await.unwrap());
    assert!(accounts.forget(gone.id, NOW).await.unwrap());
    for person in [stranger, gone] {
        let used = key(person.id, "POST /stores", "body");
        let store = store_of(&person);
        let created = catalogue.create_store(store.clone(), Some(used)).await.unwrap();
        assert_eq!(created, Created::Conflict);
        assert!(catalogue.store(store.id).await.unwrap().is_none());
        assert!(catalogue.key_use(person.id, "POST /stores", "k-1").await.unwrap().is_none());
        assert!(!catalogue.put_staff(world.store.id, person.id, StaffRole::Clerk).await.unwrap());
        assert!(!catalogue.follow(world.store.id, person.id, true, NOW).await.unwrap());
    }
}

/// A store is read back as written, changed field by field, and hidden when nothing runs there.
pub async fn a_store_lives(place: Place) {
    let world = World::new(place.ready().await).await;
    let (catalogue, mut store) = (&world.stores.catalogue, world.store.clone());
    assert_eq!(catalogue.store(store.id).await.unwrap().as_ref(), Some(&store));
    let patch = StorePatch {
        name: Some("Otra".to_owned()),
        address: Some("Calle 1".to_owned()),
        location: Some(Location::new(-89.999_999, 179.999_999).unwrap()),
        timezone: Some("Asia/Kathmandu".to_owned()),
    };
    store.name = "Otra".to_owned();
    store.address = "Calle 1".to_owned();
    store.location = patch.location.unwrap();
    store.timezone = "Asia/Kathmandu".to_owned();
    assert_eq!(catalogue.update_store(store.id, patch).await.unwrap(), Some(store.clone()));
    let unchanged = catalogue.update_store(store.id, StorePatch::default()).await.unwrap();
    assert_eq!(unchanged, Some(store.clone()));
    let running = world.live(1).await;
    assert!(!catalogue.delete_store(store.id, NOW).await.unwrap());
    assert!(catalogue.delete_store(store.id, running.terms.ends_at).await.unwrap());
    assert!(!catalogue.delete_store(store.id, running.terms.ends_at).await.unwrap());
    assert!(catalogue.store(store.id).await.unwrap().is_none());
    assert!(catalogue.stores(None, 10).await.unwrap().items.is_empty());
    assert!(catalogue.update_store(store.id, StorePatch::default()).await.unwrap().is_none());
    assert!(catalogue.role_at(store.id, world.owner.id).await.unwrap().is_none());
    let answer = catalogue.create_product(product_of(&store), None).await.unwrap();
    assert_eq!(answer, Created::Conflict);
    let record = world.record(Status::Live, 1);
    let answer = catalogue.create_promotion(record, None, Vec::new(), None).await.unwrap();
    assert_eq!(answer, Created::Conflict);
    assert!(catalogue.promotion(running.id).await.unwrap().is_some());
}

/// The owner comes first, others have the role they were last given, and each sees their stores.
pub async fn staff_comes_and_goes(place: Place) {
    let world = World::new(place.ready().await).await;
    let catalogue = &world.stores.catalogue;
    let (store, owner) = (world.store.id, world.owner.clone());
    let person = user(Role::Shopper);
    world.stores.accounts.register(person.clone(), "hash".to_owned()).await.unwrap();
    assert_eq!(catalogue.role_at(store, owner.id).await.unwrap(), Some(StaffRole::Owner));
    assert_eq!(catalogue.role_at(store, person.id).await.unwrap(), None);
    assert!(catalogue.put_staff(store, person.id, StaffRole::Clerk).await.unwrap());
    assert!(catalogue.put_staff(store, person.id, StaffRole::Manager).await.unwrap());
    assert!(!catalogue.put_staff(store, UserId(Uuid::now_v7()), StaffRole::Clerk).await.unwrap());
    assert_eq!(catalogue.role_at(store, person.id).await.unwrap(), Some(StaffRole::Manager));
    let row = |id, name: &str, role| StaffRow { user_id: id, display_name: name.to_owned(), role };
    let staff = catalogue.staff(store).await.unwrap();
    let expected = [
        row(owner.id, &owner.display_name, StaffRole::Owner),
        row(person.id, &person.display_name, StaffRole::Manager),
    ];
    assert_eq!(staff, expected);
    let second = store_of(&person);
    catalogue.create_store(second.clone(), None).await.unwrap();
    let all = [(world.store.clone(), StaffRole::Manager), (second, StaffRole::Owner)];
    let page = catalogue.stores_of(person.id, None, 2).await.unwrap();
    assert_eq!((page.items.as_slice(), page.more), (all.as_slice(), false));
    let page = catalogue.stores_of(person.id, None, 1).await.unwrap();
    assert_eq!((page.items.as_slice(), page.more), (&all[..1], true));
    let page = catalogue.stores_of(person.id, Some(store), 1).await.unwrap();
    assert_eq!((page.items.as_slice(), page.more), (&all[1..], false));
    let everywhere = catalogue.stores(None, 10).await.unwrap();
    let owned = |all: &[(StoreRow, Option<String>)]| -> Vec<_> {
        all.iter().map(|(row, owner)| (row.id, owner.clone())).collect()
    };
    let expected =
        [(store, Some(owner.display_name.clone())), (all[1].0.id, Some(person.display_name.clone()))];
    assert_eq!(owned(&everywhere.items), expected);
    let page = catalogue.stores(Some(store), 1).await.unwrap();
    assert_eq!((owned(&page.items), page.more), (expected[1..].to_vec(), false));
    assert!(catalogue.remove_staff(store, person.id).await.unwrap());
    assert!(!catalogue.remove_staff(store, person.id).await.unwrap());
    assert_eq!(catalogue.role_at(store, person.id).await.unwrap(), None);
}

/// Following twice is following once; a hidden store is followed by nobody.
pub async fn stores_are_followed(place: Place) {
    let world = World::new(place.ready().await).await;
    let catalogue = &world.stores.catalogue;
    let shopper = world.shopper().await;
    let second = store_of(&world.owner);
    catalogue.create_store(second.clone(), None).await.unwrap();
    for store in [world.store.id, second.id] {
        assert!(catalogue.follow(store, shopper, true, NOW).await.unwrap());
        assert!(!catalogue.follow(store, shopper, true, NOW).await.unwrap());
    }
    let page = catalogue.followed_by(shopper, None, 1).await.unwrap();
    assert_eq!((page.items, page.more), (vec![world.store.clone()], true));
    let page = catalogue.followed_by(shopper, Some(world.store.id), 1).await.unwrap();
    assert_eq!((page.items, page.more), (vec![second.clone()], false));
    assert!(catalogue.delete_store(second.id, NOW).await.unwrap());
    assert!(catalogue.follow(world.store.id, shopper, false, NOW).await.unwrap());
    assert!(!catalogue.follow(world.store.id, shopper, false, NOW).await.unwrap());
    assert!(catalogue.followed_by(shopper, None, 10).await.unwrap().items.is_empty());
}

/// A product is read back as written, changed field by field, listed in pages, hidden.
pub async fn a_product_lives(place: Place) {
    let world = World::new(place.ready().await).await;
    let (catalogue, mut product) = (&world.stores.catalogue, world.product.clone());
    assert_eq!(catalogue.product(product.id).await.unwrap().as_ref(), Some(&product));
    let patch = ProductPatch {
        name: Some("Buñuelo".to_owned()),
        description: Some("Frito".to_owned()),
        price: Some(money(i64::from(u32::MAX) * 1_000)),
        image_url: Some(None),
        available: Some(false),
    };
    product.name = "Buñuelo".to_owned();
    product.description = "Frito".to_owned();
    product.price = patch.price.unwrap();
    product.image_url = None;
    product.available = false;
    assert_eq!(catalogue.update_product(product.id, patch).await.unwrap(), Some(product.clone()));
    let unchanged = catalogue.update_product(product.id, ProductPatch::default()).await.unwrap();
    assert_eq!(unchanged, Some(product.clone()));
    let second = product_of(&world.store);
    catalogue.create_product(second.clone(), None).await.unwrap();
    let page = catalogue.products(world.store.id, None, 1).await.unwrap();
    assert_eq!((page.items, page.more), (vec![product.clone()], true));
    let page = catalogue.products(world.store.id, Some(product.id), 1).await.unwrap();
    assert_eq!((page.items, page.more), (vec![second.clone()], false));
    assert!(catalogue.delete_product(product.id).await.unwrap());
    assert!(!catalogue.delete_product(product.id).await.unwrap());
    assert!(catalogue.product(product.id).await.unwrap().is_none());
    assert!(catalogue.update_product(product.id, ProductPatch::default()).await.unwrap().is_none());
    assert_eq!(catalogue.products(world.store.id, None, 10).await.unwrap().items, [second]);
    let answer = catalogue.create_promotion(world.record(Status::Live, 1), None, Vec::new(), None).await;
    assert_eq!(answer.unwrap(), Created::Conflict);
}

/// Job runs, newest first, until they are forgotten.
pub async fn job_runs_are_kept(place: Place) {
    let jobs = place.ready().await.jobs;
    let run = |name: &str, ms, ok| JobRun {
        id: Uuid::now_v7(),
        name: name.to_owned(),
        started_at: later(ms),
        finished_at: later(ms + 5),
        ok,
        detail: "12 keys forgotten".to_owned(),
    };
    let runs = [run("check", 0, true), run("cleanup", 10, false), run("check", 20, true)];
    for run in &runs {
        jobs.record(run.clone()).await.unwrap();
    }
    assert_eq!(jobs.recent(2).await.unwrap(), [runs[2].clone(), runs[1].clone()]);
    assert_eq!(jobs.purge(later(10)).await.unwrap(), 1);
    assert_eq!(jobs.recent(10).await.unwrap().len(), 2);
}
