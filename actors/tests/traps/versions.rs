//! Versions across reloads and restarts: `v` is stored by the commit that caused it; starts and ends take the next one
//! as a function of stored state and time. The script refuses a version that falls.

use crate::stage::{Stage, Told, pass, play, play_twice, request};
use flash_actors::feed::GoneReason;
use flash_actors::ports::clock::Clock;
use flash_domain::ids::PromotionId;
use flash_domain::promotion::{Status, TermsPatch};

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

/// What is in flight may be what prevents the start: whoever was shown it would have seen what never happened, by the
/// version that something else has then.
#[test]
fn i26_a_start_is_not_shown_while_what_may_move_it_is_in_flight() {
    play(async |stage: Stage| {
        let id = stage.promotion(0, 1_000, 60);
        stage.engine.wake().await.unwrap();
        pass(500).await;
        stage.store.hold(true);
        let later = stage.clock.now().wall.plus_ms(10_000);
        let patch = TermsPatch { starts_at: Some(later), ..TermsPatch::default() };
        let engine = stage.engine.clone();
        let edit = actix_rt::spawn(async move { engine.edit(id, patch).await });
        pass(1_000).await;
        assert!(!edit.is_finished(), "it is in flight, and the old start is over");
        assert_eq!(stage.feed.of(id), [Told::Offer(Status::Scheduled, 1)]);
        let read = stage.record(id).await.counters;
        assert_eq!((read.status, read.v), (Status::Scheduled, 1), "nor to one who asks");
        stage.store.hold(false);
        assert_eq!(edit.await.unwrap().unwrap().counters.v, 2);
        pass(100).await;
        assert_eq!(stage.feed.of(id).last(), Some(&Told::Offer(Status::Scheduled, 2)));
        pass(10_000).await;
        assert_eq!(stage.feed.of(id).last(), Some(&Told::Offer(Status::Live, 3)));
    });
}

#[test]
fn i26_a_sale_that_was_called_off_before_its_start_is_never_shown_live() {
    play(async |stage: Stage| {
        let id = stage.promotion(0, 1_000, 60);
        stage.engine.wake().await.unwrap();
        pass(500).await;
        stage.store.hold(true);
        let engine = stage.engine.clone();
        let cancel = actix_rt::spawn(async move { engine.cancel(id).await });
        pass(1_000).await;
        assert!(!cancel.is_finished());
        stage.engine.wake().await.unwrap();
        pass(100).await;
        stage.store.hold(false);
        cancel.await.unwrap().unwrap();
        pass(100).await;
        let told = [Told::Offer(Status::Scheduled, 1), Told::Gone(GoneReason::Cancelled, 2)];
        assert_eq!(stage.feed.of(id), told);
    });
}

#[test]
fn i26_a_start_that_was_shown_is_read_so_while_it_and_what_follows_are_in_flight() {
    play(async |stage: Stage| {
        let id = stage.promotion(0, 1_000, 60);
        stage.engine.wake().await.unwrap();
        stage.store.hold(true);
        pass(1_100).await;
        let engine = stage.engine.clone();
        let claim = actix_rt::spawn(async move { engine.claim(request(id, 1)).await });
        pass(100).await;
        assert!(!claim.is_finished(), "neither the start nor the claim is durable");
        assert_eq!(stage.feed.of(id).last(), Some(&Told::Offer(Status::Live, 2)));
        let read = stage.record(id).await.counters;
        assert_eq!((read.status, read.v, read.held), (Status::Live, 2, 0));
        stage.store.hold(false);
        assert_eq!(claim.await.unwrap().unwrap().v, 3);
    });
}

#[test]
fn i26_a_start_that_was_shown_stays_though_its_commit_fails_and_the_clock_goes_back() {
    play(async |stage: Stage| {
        let id = stage.promotion(0, 1_000, 60);
        stage.engine.wake().await.unwrap();
        stage.store.hold(true);
        pass(1_100).await;
        assert_eq!(stage.feed.of(id).last(), Some(&Told::Offer(Status::Live, 2)));
        stage.clock.step(-HOUR_MS);
        stage.store.refuse(2);
        stage.store.hold(false);
        pass(3_000).await;
        assert_eq!(stage.engine.observe().reloads, 1);
        let read = stage.record(id).await.counters;
        assert_eq!((read.status, read.v), (Status::Live, 2), "live never returns to scheduled");
        assert_eq!(stage.claim(id, 1).await.unwrap().v, 3);
        let told = stage.feed.of(id);
        assert!(!told[1..].contains(&Told::Offer(Status::Scheduled, 1)), "{told:?}");
    });
}
