//! Versions across reloads and restarts: `v` is stored by the commit that caused it; starts and ends take the next one
//! as a function of stored state and time. The script refuses a version that falls.

use crate::stage::{Stage, Told, pass, play, play_twice};
use flash_domain::ids::PromotionId;
use flash_domain::promotion::Status;

const HOUR_MS: i64 = 3_600_000;

#[test]
fn i26_a_start_that_is_not_durable_has_the_same_version_after_a_reload() {
    play(async |stage: Stage| {
        let id = stage.promotion(0, 1_000, 60);
        stage.engine.wake().await.unwrap();
        stage.store.hold(true);
        pass(1_100).await;
        assert_eq!(stage.feed.of(id).last(), Some(&Told::Offer(Status::Live, 2)), "shown without waiting");
        stage.store.refuse(2);
        stage.store.hold(false);
        pass(1_000).await;
        assert_eq!(stage.engine.observe().reloads, 1);
        assert_eq!(stage.record(id).await.counters.v, 2, "the same start, the same version");
        assert_eq!(stage.claim(id, 1).await.unwrap().v, 3);
        pass(200).await;
        assert_eq!(stage.feed.last_v(id), 3);
    });
}

/// A claim whose commit certainly fails: its owner is reloaded.
async fn fail(stage: &Stage, id: PromotionId) {
    stage.store.refuse(2);
    assert!(stage.claim(id, 99).await.is_err());
}

/// Claims, and lets the hold expire: two versions. Between them, something happens.
async fn round(stage: &Stage, id: PromotionId, shopper: u128, what: u128) -> u64 {
    let before = stage.record(id).await.counters.v;
    let v = stage.claim(id, shopper).await.unwrap().v;
    assert!(v > before, "{v} after {before}");
    pass(200).await;
    assert_eq!(stage.feed.last_v(id), v, "the last state is told");
    match what {
        0 => fail(stage, id).await,
        1 => stage.clock.step(-5_000),
        _ => stage.clock.step(5_000),
    }
    pass(2_500).await;
    let last = stage.record(id).await.counters.v;
    assert!(last > v, "the hold has expired, which is a version of its own");
    assert_eq!(stage.feed.last_v(id), last);
    last
}

#[test]
fn i26_versions_never_fall_across_sleep_reload_and_restart() {
    let last = std::cell::Cell::new((None, 0));
    play_twice(
        async |stage: Stage| {
            let id = stage.promotion(0, -1, 2);
            for n in 0..6 {
                last.set((Some(id), round(&stage, id, n, n % 3).await));
            }
            assert_eq!(stage.engine.observe().reloads, 2);
            stage.engine.close().await;
        },
        async |stage: Stage| {
            let (id, before) = last.take();
            let id = id.unwrap();
            stage.clock.step(-60_000);
            assert_eq!(stage.record(id).await.counters.v, before, "read from the store");
            stage.engine.wake().await.unwrap();
            assert_eq!(stage.record(id).await.counters.v, before);
            for n in 10..13 {
                round(&stage, id, n, n % 3).await;
            }
            stage.store.check(id);
        },
    );
}

#[test]
fn i26_an_end_that_nobody_saw_has_the_version_that_its_owner_gives_it() {
    let last = std::cell::Cell::new((None, 0));
    play_twice(
        async |stage: Stage| {
            let id = stage.promotion(0, -HOUR_MS + 2_000, 0);
            last.set((Some(id), stage.claim(id, 1).await.unwrap().v));
            pass(100).await;
        },
        async |stage: Stage| {
            let (id, v) = last.take();
            let id = id.unwrap();
            stage.clock.step(HOUR_MS);
            let read = stage.record(id).await;
            assert_eq!((read.counters.status, read.counters.v), (Status::Ended, v + 1), "from the store");
            stage.engine.wake().await.unwrap();
            pass(100).await;
            let read = stage.record(id).await;
            assert_eq!((read.counters.status, read.counters.v), (Status::Ended, v + 1), "from its owner");
            assert_eq!(stage.feed.last_v(id), v + 1);
        },
    );
}
