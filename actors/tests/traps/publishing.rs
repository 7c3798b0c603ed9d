//! What the live edge is told and when: stock spaced but for its edges, the last state always, gone once.

use crate::stage::{Stage, Told, pass, play, shopper};

const HOUR_MS: i64 = 3_600_000;

#[test]
fn i26_stock_is_told_at_once_then_once_in_100_ms_and_the_last_state_always() {
    play(async |stage: Stage| {
        let id = stage.promotion(0, -1, 60);
        stage.engine.wake().await.unwrap();
        pass(500).await;
        let before = stage.feed.of(id).len();
        for user in 1..4 {
            stage.claim(id, user).await.unwrap();
            pass(20).await;
            assert_eq!(stage.feed.of(id).len(), before + 1, "the first at once, the others wait");
        }
        pass(100).await;
        assert_eq!(stage.feed.of(id).len(), before + 2);
        assert_eq!(stage.feed.last_v(id), stage.record(id).await.counters.v);
    });
}

#[test]
fn sold_out_and_back_from_it_do_not_wait() {
    play(async |stage: Stage| {
        let id = stage.promotion(0, -1, 60);
        stage.engine.wake().await.unwrap();
        pass(500).await;
        let mut last = None;
        for user in 1..6 {
            last = Some(stage.claim(id, user).await.unwrap());
        }
        pass(10).await;
        let record = stage.record(id).await;
        assert_eq!((record.remaining(), stage.feed.last_v(id)), (0, record.counters.v));
        stage.engine.cancel_claim(shopper(5), last.unwrap().id).await.unwrap();
        pass(10).await;
        let record = stage.record(id).await;
        assert_eq!((record.remaining(), stage.feed.last_v(id)), (1, record.counters.v));
    });
}

#[test]
fn i25_that_it_is_gone_is_told_once() {
    play(async |stage: Stage| {
        let id = stage.promotion(0, -HOUR_MS + 1_000, 30);
        stage.engine.wake().await.unwrap();
        stage.claim(id, 1).await.unwrap();
        pass(1_500).await;
        assert!(matches!(stage.feed.of(id).last(), Some(Told::Gone(..))));
        let told = stage.feed.of(id).len();
        pass(31_000).await;
        assert_eq!(stage.record(id).await.counters.held, 0, "its hold has expired since");
        assert_eq!(stage.feed.of(id).len(), told, "which is nobody's live news");
    });
}
