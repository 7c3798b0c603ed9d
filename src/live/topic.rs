//! Subscribing to one promotion: who may, the snapshot, and what came while it was read.

use super::conversation::Conversation;
use super::encode::json;
use super::protocol::{Replies, ReplyError};
use crate::wire::offer::OfferJson;
use flash_actors::hub::topics::FollowError;
use flash_domain::ids::PromotionId;
use flash_domain::promotion::{PromotionRecord, Status};
use std::rc::Rc;

/// Registers first, then reads; the answer leaves before what came since.
pub(super) fn subscribe(session: &Rc<Conversation>, id: u32, promotion: PromotionId, replies: &mut Replies) {
    let followed = match session.shard() {
        Some(mut shard) => shard.follow(session.slot, promotion),
        None => return,
    };
    let registration = match followed {
        Err(FollowError::Twice) => return replies.error(id, ReplyError::ALREADY_SUBSCRIBED),
        Err(FollowError::TooMany) => return replies.error(id, ReplyError::LIMIT_EXCEEDED),
        Ok(registration) => registration,
    };
    let this = session.clone();
    let accepted = session.later(id, replies, async move {
        let found = read(&this, promotion).await;
        let Some(mut shard) = this.shard() else { return Ok(None) };
        match found {
            // The client has left again: the board may have forgotten what it was told of the promotion.
            Ok(_) if !shard.follows(this.slot, promotion, registration) => Err(ReplyError::NOT_AVAILABLE),
            Ok((record, staff)) => {
                let record = shard.newest(record);
                let (time, offer) = (this.server_time(), json(&OfferJson::from(&record)));
                let mut reply = Replies::default();
                let result = format!(r#"{{"data":{{"server_time":"{time}","offer":{offer}}}}}"#);
                reply.result(id, "subscribe", &result);
                if let Some(frame) = reply.take() {
                    shard.send(this.slot, frame);
                }
                shard.followed(this.slot, &record, staff);
                Ok(None)
            }
            Err(error) => {
                if shard.follows(this.slot, promotion, registration) {
                    shard.unfollow(this.slot, promotion);
                }
                Err(error)
            }
        }
    });
    if !accepted && let Some(mut shard) = session.shard() {
        shard.unfollow(session.slot, promotion);
    }
}

/// The promotion, and whether the person works at its store. Drafts are for those only.
async fn read(session: &Conversation, id: PromotionId) -> Result<(PromotionRecord, bool), ReplyError> {
    let failed = |error| {
        tracing::warn!(%error, "a promotion could not be read for a subscription");
        ReplyError::INTERNAL
    };
    let state = &session.worker.state;
    let record = state.engine.promotion(id).await.map_err(failed)?.ok_or(ReplyError::UNKNOWN_CHANNEL)?;
    let staff = match session.user() {
        Some(user) => state.catalogue.role_at(record.store.id, user).await.map_err(failed)?.is_some(),
        None => false,
    };
    if record.is_hidden() && !staff {
        return Err(ReplyError::PERMISSION_DENIED);
    }
    // What is durable may be ahead of what watchers were told: an update that is on its way must not seem old then.
    let shown =
        state.engine.shown(id).await.map_err(failed)?.filter(|shown| shown.counters.status != Status::Draft);
    Ok((shown.unwrap_or(record), staff))
}
