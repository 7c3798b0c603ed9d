//! Clock steps: owner time never goes back, holds run on monotonic time, timers re-read the wall clock.

use crate::stage::{Stage, Told, pass, play, play_twice, shopper};
use flash_domain::claim::ClaimStatus;
use flash_domain::promotion::Status;

const HOUR_MS: i64 = 3_600_000;

#[test]
fn a_live_promotion_stays_live_when_the_wall_clock_goes_back() {
    play(async |stage: Stage| {
        let id = stage.promotion(0, 1_000, 60);
        stage.engine.wake().await.unwrap();
        pass(1_500).await;
        assert_eq!(stage.feed.of(id), [Told::Offer(Status::Scheduled, 1), Told::Offer(Status::Live, 2)]);
        stage.clock.step(-HOUR_MS);
        pass(5_000).await;
        assert_eq!(stage.record(id).await.counters.status, Status::Live);
        let first = stage.claim(id, 1).await.unwrap();
        stage.engine.forget(id);
        assert_eq!(stage.record(id).await.counters.status, Status::Live, "also for one who reads the store");
        let second = stage.claim(id, 2).await.unwrap();
        assert!(second.v > first.v && second.created_at >= first.created_at, "also across a reload");
    });
}

#[test]
fn a_live_promotion_stays_live_across_a_restart_after_which_the_wall_clock_is_behind() {
    let told = std::cell::Cell::new(None);
    play_twice(
        async |stage: Stage| {
            let id = stage.promotion(0, 1_000, 60);
            stage.engine.wake().await.unwrap();
            pass(1_500).await;
            told.set(Some((id, stage.claim(id, 1).await.unwrap())));
        },
        async |stage: Stage| {
            let (id, before) = told.take().unwrap();
            stage.clock.step(-HOUR_MS);
            assert_eq!(stage.record(id).await.counters.status, Status::Live, "for one who reads the store");
            stage.engine.wake().await.unwrap();
            assert_eq!(stage.record(id).await.counters.status, Status::Live);
            let after = stage.claim(id, 2).await.unwrap();
            assert!(after.v > before.v && after.created_at >= before.created_at);
        },
    );
}

#[test]
fn holds_run_on_monotonic_time() {
    play(async |stage: Stage| {
        let id = stage.promotion(0, -1, 2);
        let back = stage.claim(id, 1).await.unwrap();
        stage.clock.step(-HOUR_MS / 2);
        pass(2_100).await;
        assert_eq!(
            stage.store.status(back.id),
            ClaimStatus::Expired,
            "the clock going back prolongs nothing"
        );
        let forth = stage.claim(id, 2).await.unwrap();
        stage.clock.step(HOUR_MS / 2);
        pass(1_500).await;
        assert_eq!(
            stage.store.status(forth.id),
            ClaimStatus::Held,
            "the clock going forth ends nothing early"
        );
        stage.engine.confirm(shopper(2), forth.id).await.unwrap();
        stage.store.check(id);
    });
}

#[test]
fn timers_read_the_wall_clock_again_within_a_second() {
    play(async |stage: Stage| {
        let id = stage.promotion(0, 5 * 60_000, 60);
        stage.engine.wake().await.unwrap();
        pass(5_300).await;
        assert_eq!(stage.feed.last_v(id), 1);
        stage.clock.step(5 * 60_000);
        pass(1_100).await;
        assert_eq!(stage.feed.of(id).last(), Some(&Told::Offer(Status::Live, 2)), "started");
        stage.clock.step(HOUR_MS);
        pass(1_100).await;
        assert_eq!(stage.record(id).await.counters.status, Status::Ended);
        assert!(matches!(stage.feed.of(id).last(), Some(Told::Gone(_, 3))), "and ended");
    });
}

#[test]
fn nothing_starts_early_when_the_wall_clock_goes_back_before_the_start() {
    play(async |stage: Stage| {
        let id = stage.promotion(0, 5_000, 60);
        stage.engine.wake().await.unwrap();
        pass(2_000).await;
        stage.clock.step(-10_000);
        pass(12_900).await;
        assert_eq!(stage.feed.last_v(id), 1, "I11: not before its start on the wall");
        assert!(stage.claim(id, 1).await.is_err());
        pass(200).await;
        assert_eq!(stage.feed.of(id).last(), Some(&Told::Offer(Status::Live, 2)));
    });
}
