//! Passivation: only an owner with no open hold, no commit in flight and no timer near goes to sleep.

use crate::stage::{Stage, Told, pass, play};
use flash_domain::claim::ClaimStatus;
use flash_domain::promotion::{Status, TermsPatch};

const HOUR_MS: i64 = 3_600_000;
/// Longer than an idle owner stays awake.
const IDLE_MS: u64 = 40_000;

fn more_stock(stock: u32) -> TermsPatch {
    TermsPatch { stock: Some(stock), ..TermsPatch::default() }
}

#[test]
fn an_idle_owner_far_from_its_start_sleeps_and_a_message_wakes_it() {
    play(async |stage: Stage| {
        let id = stage.promotion(0, HOUR_MS, 60);
        stage.engine.edit(id, more_stock(7)).await.unwrap();
        assert_eq!(stage.awake(), 1);
        pass(25_000).await;
        assert_eq!(stage.awake(), 1, "not before its time");
        pass(IDLE_MS).await;
        assert_eq!(stage.awake(), 0);
        assert_eq!(stage.engine.edit(id, more_stock(9)).await.unwrap().terms.stock, 9);
        assert_eq!(stage.awake(), 1);
    });
}

#[test]
fn an_owner_with_its_start_near_stays_awake() {
    play(async |stage: Stage| {
        let near = stage.promotion(0, 9 * 60_000, 60);
        stage.engine.edit(near, more_stock(7)).await.unwrap();
        pass(5 * 60_000).await;
        assert_eq!(stage.awake(), 1);
        pass(4 * 60_000 + 100).await;
        assert_eq!(
            stage.feed.of(near).last(),
            Some(&Told::Offer(Status::Live, 3)),
            "started by its own timer"
        );
    });
}

#[test]
fn an_owner_that_is_running_stays_awake() {
    play(async |stage: Stage| {
        let live = stage.promotion(0, -1, 60);
        let paused = stage.promotion(1, -1, 60);
        stage.engine.wake().await.unwrap();
        stage.engine.pause(paused).await.unwrap();
        pass(10 * IDLE_MS).await;
        assert_eq!(stage.awake(), 2);
        pass(HOUR_MS as u64).await;
        assert_eq!(stage.awake(), 0, "both have ended");
        assert_eq!(stage.record(live).await.counters.status, Status::Ended);
    });
}

#[test]
fn an_owner_with_an_open_hold_stays_awake_until_it_expires() {
    play(async |stage: Stage| {
        // Longer than what is near, so that nothing but the hold keeps it awake.
        let id = stage.promotion(0, -HOUR_MS + 1_000, 3_600);
        let claim = stage.claim(id, 1).await.unwrap();
        pass(300_000).await;
        assert_eq!(stage.record(id).await.counters.status, Status::Ended, "its window closed long ago");
        assert_eq!(stage.awake(), 1, "its hold is open");
        pass(3_300_100).await;
        assert_eq!(stage.store.status(claim.id), ClaimStatus::Expired, "on time, without anybody's message");
        pass(IDLE_MS).await;
        assert_eq!(stage.awake(), 0);
    });
}

#[test]
fn an_owner_with_a_commit_in_flight_stays_awake() {
    play(async |stage: Stage| {
        let id = stage.promotion(0, HOUR_MS, 60);
        stage.engine.edit(id, more_stock(6)).await.unwrap();
        stage.store.hold(true);
        let engine = stage.engine.clone();
        let edit = actix_rt::spawn(async move { engine.edit(id, more_stock(7)).await });
        pass(3 * IDLE_MS).await;
        assert_eq!(stage.awake(), 1);
        stage.store.hold(false);
        let _told_or_timed_out = edit.await.unwrap();
        pass(2 * IDLE_MS).await;
        assert_eq!((stage.awake(), stage.record(id).await.terms.stock), (0, 7));
    });
}

#[test]
fn loading_restores_what_shoppers_have_before_the_first_decision() {
    play(async |stage: Stage| {
        let id = stage.promotion(0, -1, 0);
        let mut claims = Vec::new();
        for shopper in 0..5 {
            claims.push(stage.claim(id, shopper).await.unwrap());
        }
        stage.engine.forget(id);
        let (first, second) = (stage.claim(id, 2).await, stage.claim(id, 9).await);
        assert_eq!(first.unwrap(), claims[2], "the first answer of the key");
        assert!(second.is_err(), "sold out, also for an owner that was just loaded");
        stage.store.check(id);
    });
}
