//! The engine among owners that close or stop. What needs no inside of it is in tests/.

#![allow(clippy::unwrap_used, clippy::panic)]
use super::*;
use crate::ports::clock::Clock;
use crate::sim::{Faults, ON_PURPOSE, SimAccounts, SimClock, SimFeed, SimMint, SimStore, promotion};
use flash_domain::promotion::Status;

fn engine() -> (Engine, Arc<SimStore>, Arc<SimClock>) {
    let clock = Arc::new(SimClock::new());
    let faults = Faults { refused: 0, unknown: 0, load_fails: 0, feed_panics: 0, clock_steps: false };
    let store = Arc::new(SimStore::new(1, faults, clock.clone()));
    let engine = Engine::start(EngineParts {
        store: store.clone(),
        accounts: Arc::new(SimAccounts),
        feed: Arc::new(SimFeed::new(1, 0, store.clone())),
        clock: clock.clone(),
        mint: Arc::new(SimMint::new(1)),
        promotions: actix_rt::Arbiter::current(),
        persistence: actix_rt::Arbiter::current(),
        timers: true,
    });
    (engine, store, clock)
}

/// The owner has closed, and the directory has not forgotten it yet: on another thread, a message falls between.
#[actix_rt::test]
async fn a_message_that_meets_a_closing_owner_is_sent_once_more() {
    tokio::time::pause();
    let (engine, store, clock) = engine();
    let id = store.insert(promotion(0, clock.now(), 3_600_000, 60_000, 5, 60, None));
    let owner = engine.0.directory.owner(id).await.unwrap();
    let now = engine.now();
    let later = Now::new(now.wall.0 + 60_000, now.mono.0 + 60_000);
    assert!(owner.close_if_idle(later, NEAR_MS as u64, IDLE_BEFORE_SLEEP_MS));
    let patch = TermsPatch { stock: Some(7), ..TermsPatch::default() };
    let edit = actix_rt::spawn({
        let engine = engine.clone();
        async move { engine.edit(id, patch).await }
    });
    tokio::time::sleep(Duration::from_millis(3)).await;
    assert!(!edit.is_finished(), "it waits for the directory");
    engine.0.directory.forget(id, &owner);
    assert_eq!(edit.await.unwrap().unwrap().terms.stock, 7);
    assert!(!Arc::ptr_eq(&engine.0.directory.owner(id).await.unwrap(), &owner));
}

#[actix_rt::test]
async fn i21_a_decision_that_panics_leaves_nothing_behind_and_the_promotion_goes_on() {
    tokio::time::pause();
    let (engine, store, clock) = engine();
    let id = store.insert(promotion(0, clock.now(), -1, 3_600_000, 5, 60, None));
    let owner = engine.0.directory.owner(id).await.unwrap();
    tokio::time::sleep(Duration::from_millis(100)).await;
    let now = engine.now();
    let half_done = |promotion: &mut Promotion| {
        promotion.cancel(now).unwrap();
        panic!("{ON_PURPOSE}");
    };
    let decided = owner.decide(now, half_done, |()| true);
    assert_eq!(decided.err(), Some(NotServing::Stopped));
    tokio::time::sleep(Duration::from_secs(1)).await;
    assert_eq!(engine.observe().reloads, 1, "without anybody's message");
    let record = engine.promotion(id).await.unwrap().unwrap();
    assert_eq!(record.counters.status, Status::Live, "half a decision is none");
    assert!(!Arc::ptr_eq(&engine.0.directory.owner(id).await.unwrap(), &owner));
    store.check(id);
}
