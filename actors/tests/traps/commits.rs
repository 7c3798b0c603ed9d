//! Commits that do not come back well (DESIGN 3.3): certainly failed, unknown, stale; and owners whose actor panicked.

use crate::stage::{Stage, Unknown, pass, play, shopper};
use actix_rt::task::JoinHandle;
use flash_actors::engine::{ClaimRequest, EngineError};
use flash_actors::ports::store::Store;
use flash_domain::claim::{Claim, ClaimRefusal, ClaimStatus};
use flash_domain::ids::PromotionId;

type Answer = Result<Claim, EngineError<ClaimRefusal>>;

/// A claim that somebody waits for while other things happen.
fn ask(stage: &Stage, promotion_id: PromotionId, user: u128) -> JoinHandle<Answer> {
    let engine = stage.engine.clone();
    let idempotency_key = "key".into();
    let request =
        ClaimRequest { promotion_id, user_id: shopper(user), quantity: 1, idempotency_key, location: None };
    actix_rt::spawn(async move { engine.claim(request).await })
}

/// Fills a transaction while another one is in flight, then lets it go.
async fn in_one_batch(stage: &Stage, asks: &[(PromotionId, u128)]) -> Vec<Answer> {
    let first = stage.promotion(9, -1, 60);
    stage.engine.wake().await.unwrap();
    pass(100).await;
    stage.store.batches();
    stage.store.hold(true);
    let before = ask(stage, first, 90);
    pass(10).await;
    let waiting: Vec<_> = asks.iter().map(|(id, user)| ask(stage, *id, *user)).collect();
    pass(10).await;
    stage.store.hold(false);
    before.await.unwrap().unwrap();
    let mut answers = Vec::new();
    for answer in waiting {
        answers.push(answer.await.unwrap());
    }
    answers
}

#[test]
fn i2_one_poisoned_row_does_not_sink_the_others_of_its_batch() {
    play(async |stage: Stage| {
        let (good, bad, other) =
            (stage.promotion(0, -1, 60), stage.promotion(1, -1, 60), stage.promotion(2, -1, 60));
        stage.engine.wake().await.unwrap();
        pass(100).await;
        stage.store.poison(Some(bad));
        let answers = in_one_batch(&stage, &[(good, 1), (bad, 1), (other, 1)]).await;
        assert!(answers[0].is_ok() && answers[2].is_ok(), "{answers:?}");
        assert!(matches!(answers[1], Err(EngineError::Unavailable { .. })), "{answers:?}");
        let sizes: Vec<usize> = stage.store.batches().iter().map(Vec::len).collect();
        assert_eq!(sizes, [1, 3, 1, 1, 1], "together, then each alone, once");
        assert_eq!(stage.engine.observe().reloads, 1, "only the poisoned one is reloaded");
        stage.store.poison(None);
        pass(1_000).await;
        assert!(stage.claim(bad, 1).await.is_ok(), "it goes on when its row is good again");
        [good, bad, other].into_iter().for_each(|id| stage.store.check(id));
    });
}

#[test]
fn i1_i2_what_builds_on_a_failed_commit_is_refused_with_it() {
    play(async |stage: Stage| {
        let id = stage.promotion(0, -1, 60);
        let held = stage.claim(id, 1).await.unwrap();
        for user in 2..6 {
            stage.claim(id, user).await.unwrap();
        }
        stage.store.hold(true);
        let engine = stage.engine.clone();
        let cancel = actix_rt::spawn(async move { engine.cancel_claim(shopper(1), held.id).await });
        pass(10).await;
        // It takes the unit that the cancel has freed, and waits for a later commit.
        let later = ask(&stage, id, 7);
        pass(10).await;
        stage.store.refuse(2);
        stage.store.hold(false);
        assert!(matches!(cancel.await.unwrap(), Err(EngineError::Unavailable { .. })));
        assert!(
            matches!(later.await.unwrap(), Err(EngineError::Unavailable { .. })),
            "its unit was never freed"
        );
        pass(1_000).await;
        assert_eq!(stage.store.status(held.id), ClaimStatus::Held);
        assert!(matches!(
            stage.claim(id, 7).await,
            Err(EngineError::Refused(ClaimRefusal::AllHeld { remaining: 0, .. }))
        ));
        stage.store.check(id);
    });
}

#[test]
fn i17_an_unknown_outcome_is_told_as_such_and_the_retry_with_the_key_tells_the_truth() {
    for unknown in [Unknown::Applied, Unknown::Lost] {
        play(async |stage: Stage| {
            let (id, beside) = (stage.promotion(0, -1, 60), stage.promotion(1, -1, 60));
            stage.engine.wake().await.unwrap();
            pass(100).await;
            stage.store.hold(true);
            let first = ask(&stage, id, 1);
            let second = ask(&stage, beside, 1);
            pass(10).await;
            stage.store.lose_answer(unknown);
            stage.store.batches();
            stage.store.hold(false);
            assert_eq!(first.await.unwrap(), Err(EngineError::OutcomeUnknown));
            assert_eq!(second.await.unwrap(), Err(EngineError::OutcomeUnknown));
            assert_eq!(stage.store.batches().len(), 1, "what may have happened is not tried again");
            pass(1_000).await;
            assert_eq!(stage.engine.observe().reloads, 2, "every promotion of the batch");
            let durable = stage.record(id).await.counters.held;
            assert_eq!(durable, u32::from(unknown == Unknown::Applied));
            let again = stage.claim(id, 1).await.unwrap();
            assert_eq!(stage.store.status(again.id), ClaimStatus::Held);
            assert_eq!(stage.record(id).await.counters.held, 1, "{unknown:?}: one claim for one key");
            stage.store.check(id);
        });
    }
}

#[test]
fn i20_an_owner_whose_place_was_taken_commits_nothing_and_is_loaded_anew() {
    play(async |stage: Stage| {
        let id = stage.promotion(0, -1, 60);
        stage.claim(id, 1).await.unwrap();
        // Another process loads it: the epoch is raised.
        stage.store.load(id).await.unwrap().unwrap();
        assert!(matches!(stage.claim(id, 2).await, Err(EngineError::Unavailable { .. })));
        assert_eq!((stage.engine.observe().stale, stage.engine.observe().reloads), (1, 1));
        assert_eq!(stage.record(id).await.counters.held, 1, "nothing of it was written");
        pass(1_000).await;
        stage.claim(id, 2).await.unwrap();
        stage.store.check(id);
    });
}

#[test]
fn i21_an_owner_whose_actor_panicked_is_reloaded_and_its_timers_run_without_a_message() {
    play(async |stage: Stage| {
        let id = stage.promotion(0, -1, 2);
        stage.engine.wake().await.unwrap();
        let first = stage.claim(id, 1).await.unwrap();
        pass(200).await;
        stage.feed.panic_once();
        let second = stage.claim(id, 2).await.unwrap();
        pass(2_500).await;
        assert_eq!(stage.engine.observe().reloads, 1);
        for claim in [first, second] {
            assert_eq!(stage.store.status(claim.id), ClaimStatus::Expired, "on time, and nobody asked");
        }
        assert_eq!(stage.feed.last_v(id), stage.record(id).await.counters.v, "the last state is told");
        assert!(stage.claim(id, 3).await.is_ok());
        stage.store.check(id);
    });
}
