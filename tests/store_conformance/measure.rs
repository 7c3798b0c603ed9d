//! How fast a batch is committed. No assertion on durations: `cargo test --test store_conformance measure -- --ignored
//! --nocapture` prints rows per second and the percentiles of a commit.

use crate::place::Place;
use crate::world::*;
use flash_domain::ids::UserId;
use std::time::{Duration, Instant};
use uuid::Uuid;

const BATCH: u32 = 128;
const BATCHES: u32 = 1_500;
const SHOPPERS: usize = 20_000;

async fn measure(name: &str, place: Place) {
    let world = World::new(place.ready().await).await;
    let record = world.live(1_000_000).await;
    world.stores.store.load(record.id).await.unwrap().unwrap();
    // As many shoppers, in no order: each claim lands somewhere else in the index of claims by shopper.
    let shoppers = (0..SHOPPERS).map(|_| UserId(Uuid::now_v7())).collect::<Vec<_>>();
    let mut times = Vec::new();
    for seq in 1..=BATCHES {
        let shopper = |place: u32| shoppers[((seq * BATCH + place) as usize).wrapping_mul(7_919) % SHOPPERS];
        let claims = (0..BATCH).map(|place| held(&record, shopper(place))).collect();
        let mut change = commit(&record, 1, i64::from(seq), claims);
        change.counters.held = seq * BATCH;
        let begun = Instant::now();
        world.stores.store.commit(vec![change.into()]).await.unwrap();
        times.push(begun.elapsed());
    }
    let whole: Duration = times.iter().sum();
    times.sort();
    let at = |share: f64| times[(share * f64::from(BATCHES - 1)) as usize];
    println!(
        "{name}: {:.0} claims/s in batches of {BATCH}; a commit takes p50 {:?}, p99 {:?}, at most {:?}",
        f64::from(BATCH * BATCHES) / whole.as_secs_f64(),
        at(0.5),
        at(0.99),
        at(1.0)
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "a measurement"]
async fn commits() {
    measure("SQLite", Place::sqlite().await).await;
    measure("PostgreSQL", Place::postgres().await).await;
}
