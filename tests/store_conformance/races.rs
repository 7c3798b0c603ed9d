//! Two transactions that meet on PostgreSQL, held in the order that hurts by a lock of the test's own. (SQLite has one
//! writer: there they can't.)

use crate::place::Place;
use crate::world::*;
use flash_actors::ports::accounts::Role;
use flash_actors::ports::catalogue::{Created, StaffRole};
use sqlx::{Connection, PgConnection};
use std::time::Duration;

/// Waits until so many statements of this database wait for a lock.
async fn waiting(place: &Place, count: i64) {
    let mut connection = PgConnection::connect(place.url()).await.unwrap();
    let sql = "SELECT COUNT(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'";
    for _ in 0..2_000 {
        let found: i64 = sqlx::query_scalar(sql).fetch_one(&mut connection).await.unwrap();
        if found >= count {
            return;
        }
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    panic!("{count} statements should wait for a lock");
}

/// Somebody is being forgotten: it has looked for stores, found none, and is half way. Meanwhile they open a store, join one
/// and follow one. No store is left without an owner, no staff and no follower without a name.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_is_being_forgotten_opens_no_store() {
    let place = Place::postgres().await;
    let world = World::new(place.ready().await).await;
    let person = user(Role::Merchant);
    assert!(world.stores.accounts.register(person.clone(), "hash".to_owned()).await.unwrap());
    let mut gate = PgConnection::connect(place.url()).await.unwrap();
    // Forgetting ends with the login families: that statement waits here.
    sqlx::query("BEGIN").execute(&mut gate).await.unwrap();
    sqlx::query("LOCK TABLE refresh_families IN SHARE MODE").execute(&mut gate).await.unwrap();
    let accounts = world.stores.accounts.clone();
    let id = person.id;
    let forgets = tokio::spawn(async move { accounts.forget(id, NOW).await.unwrap() });
    waiting(&place, 1).await;
    let (store, catalogue) = (store_of(&person), world.stores.catalogue.clone());
    let opened = store.clone();
    let opens = tokio::spawn(async move { catalogue.create_store(opened, None).await.unwrap() });
    let (catalogue, at) = (world.stores.catalogue.clone(), world.store.id);
    let joins = tokio::spawn(async move { catalogue.put_staff(at, id, StaffRole::Clerk).await.unwrap() });
    let catalogue = world.stores.catalogue.clone();
    let follows = tokio::spawn(async move { catalogue.follow(at, id, true, NOW).await.unwrap() });
    waiting(&place, 4).await;
    sqlx::query("COMMIT").execute(&mut gate).await.unwrap();
    assert!(forgets.await.unwrap());
    assert_eq!(opens.await.unwrap(), Created::Conflict);
    assert_eq!((joins.await.unwrap(), follows.await.unwrap()), (false, false));
    assert!(world.stores.catalogue.store(store.id).await.unwrap().is_none());
}
