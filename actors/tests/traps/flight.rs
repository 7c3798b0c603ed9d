//! Expiry against a confirm in flight: the owner's decision order counts; a reload decides by the clock.

use crate::stage::{Stage, pass, play, shopper};
use flash_actors::engine::EngineError;
use flash_domain::claim::{ActRefusal, Claim, ClaimStatus};
use flash_domain::ids::PromotionId;
use tokio::task::JoinHandle;

/// A hold of 2 s that is confirmed 0.1 s before its end, by a commit that does not come through; its time is over now.
async fn confirm_in_flight(
    stage: &Stage,
) -> (PromotionId, Claim, JoinHandle<Result<Claim, EngineError<ActRefusal>>>) {
    let id = stage.promotion(0, -1, 2);
    let claim = stage.claim(id, 1).await.unwrap();
    pass(1_900).await;
    stage.store.hold(true);
    let (engine, claim_id) = (stage.engine.clone(), claim.id);
    let confirm = actix_rt::spawn(async move { engine.confirm(shopper(1), claim_id).await });
    pass(1_000).await;
    (id, claim, confirm)
}

#[test]
fn i8_a_confirm_decided_before_the_expiry_wins_though_it_commits_later() {
    play(async |stage: Stage| {
        let (id, claim, confirm) = confirm_in_flight(&stage).await;
        assert_eq!(stage.store.status(claim.id), ClaimStatus::Held, "nothing of it is durable yet");
        stage.store.hold(false);
        assert_eq!(confirm.await.unwrap().unwrap().status, ClaimStatus::Confirmed);
        pass(5_000).await;
        assert_eq!(stage.store.status(claim.id), ClaimStatus::Confirmed);
        stage.store.check(id);
    });
}

#[test]
fn i6_i7_when_its_commit_fails_the_reload_decides_by_the_clock() {
    play(async |stage: Stage| {
        let (id, claim, confirm) = confirm_in_flight(&stage).await;
        // The batch, and the promotion alone.
        stage.store.refuse(2);
        stage.store.hold(false);
        assert!(matches!(confirm.await.unwrap(), Err(EngineError::Unavailable { .. })));
        pass(1_000).await;
        assert_eq!(
            stage.store.status(claim.id),
            ClaimStatus::Expired,
            "its time was over when it was loaded"
        );
        let again = stage.engine.confirm(shopper(1), claim.id).await;
        assert_eq!(again, Err(EngineError::Refused(ActRefusal::HoldExpired)));
        let record = stage.record(id).await;
        assert_eq!((record.counters.held, record.counters.sold), (0, 0), "its unit has returned, once");
        stage.store.check(id);
    });
}

#[test]
fn i6_a_confirm_after_the_expiry_was_decided_gets_that_outcome_though_nothing_is_durable_yet() {
    play(async |stage: Stage| {
        let id = stage.promotion(0, -1, 2);
        let claim = stage.claim(id, 1).await.unwrap();
        stage.store.hold(true);
        pass(2_100).await;
        let engine = stage.engine.clone();
        let confirm = actix_rt::spawn(async move { engine.confirm(shopper(1), claim.id).await });
        pass(100).await;
        assert!(!confirm.is_finished(), "what a refusal refers to must be durable before it is told");
        stage.store.hold(false);
        assert_eq!(confirm.await.unwrap(), Err(EngineError::Refused(ActRefusal::HoldExpired)));
        assert_eq!(stage.store.status(claim.id), ClaimStatus::Expired);
    });
}
