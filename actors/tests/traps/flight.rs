//! Expiry against what is in flight: the owner's decision order counts; a reload decides by the clock; no timer waits for
//! a commit.

use crate::stage::{Stage, pass, play, request, shopper};
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

#[test]
fn a_hold_that_ends_while_its_own_claims_commit_is_in_flight_ends_on_time() {
    play(async |stage: Stage| {
        let id = stage.promotion(0, -1, 2);
        stage.engine.wake().await.unwrap();
        // Until now nothing was nearer than the end of the window, an hour away.
        pass(500).await;
        stage.store.hold(true);
        let claiming = {
            let (engine, request) = (stage.engine.clone(), request(id, 1));
            actix_rt::spawn(async move { engine.claim(request).await })
        };
        pass(3_500).await;
        stage.store.hold(false);
        let claim = claiming.await.unwrap().unwrap();
        pass(500).await;
        let stored = stage.store.claim(claim.id);
        let (closed_at, due) = (stored.closed_at.unwrap(), claim.hold_expires_at.unwrap());
        assert_eq!(stored.status, ClaimStatus::Expired);
        assert!(closed_at >= due, "never early");
        assert!(closed_at - due <= 10, "{} ms late: it waited for the commit", closed_at - due);
        stage.store.check(id);
    });
}
