//! The methods: `move`, `claim`, `confirm`, `cancel`; and the data of `nearby`. Our own data refuses unknown members.

use super::conversation::Conversation;
use super::encode::json;
use super::problem_json;
use super::protocol::{Replies, ReplyError};
use super::rules;
use crate::limits::{CATEGORIES_MAX, KNOWN_MAX};
use crate::problem::{Code, Problem};
use crate::wire::claim::ClaimJson;
use flash_actors::engine::ClaimRequest;
use flash_actors::hub::nearby::{Known, Move};
use flash_actors::hub::session::{Place, Seat};
use flash_domain::claim::Claim;
use flash_domain::geo::{Location, Reach};
use flash_domain::ids::{ClaimId, PromotionId};
use flash_domain::limits::{
    IDEMPOTENCY_KEY_CHARS_MAX, NAME_CHARS_MAX, PER_SHOPPER_LIMIT_MAX, REACH_M_MAX, REACH_M_MIN,
};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::value::RawValue;
use std::rc::Rc;

/// Reads our own data. Absent, null and `{}` mean the same; anything but an object is refused.
fn read<T: DeserializeOwned>(data: Option<&RawValue>) -> Option<T> {
    let text = match data.map(RawValue::get) {
        None | Some("null") => "{}",
        Some(text) => text,
    };
    // serde would also take a sequence for a struct.
    if !text.starts_with('{') {
        return None;
    }
    serde_json::from_str(text).ok()
}

fn is_radius(radius_m: u32) -> bool {
    (REACH_M_MIN..=REACH_M_MAX).contains(&radius_m)
}

fn are_categories(categories: &[String]) -> bool {
    let fits = |name: &String| (1..=NAME_CHARS_MAX).contains(&name.chars().count());
    categories.len() <= CATEGORIES_MAX && categories.iter().all(fits)
}

/// The data of a subscription to `nearby`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct NearbyData {
    pub location: Option<Location>,
    radius_m: u32,
    categories: Option<Vec<String>>,
    known: Option<Known>,
}

impl NearbyData {
    /// Reads and checks it.
    pub fn read(data: Option<&RawValue>) -> Option<Self> {
        let data: Self = read(data)?;
        let fine = is_radius(data.radius_m)
            && data.categories.as_deref().is_none_or(are_categories)
            && data.known.as_ref().is_none_or(|known| known.len() <= KNOWN_MAX);
        fine.then_some(data)
    }

    /// What the hub needs of it.
    pub fn into_seat(self) -> (Seat, Known) {
        let seat = Seat {
            place: self.location.map(Place::from),
            radius: Reach::new(f64::from(self.radius_m)),
            categories: self.categories,
        };
        (seat, self.known.unwrap_or_default())
    }
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct MoveData {
    location: Location,
    radius_m: Option<u32>,
    categories: Option<Vec<String>>,
    known: Option<Known>,
}

/// `move`: the publications leave before the reply.
pub(super) fn relocate(session: &Conversation, id: u32, data: Option<&RawValue>, replies: &mut Replies) {
    let read = read::<MoveData>(data).filter(|data| {
        data.radius_m.is_none_or(is_radius)
            && data.categories.as_deref().is_none_or(are_categories)
            && data.known.as_ref().is_none_or(|known| known.len() <= KNOWN_MAX)
    });
    let Some(data) = read else { return replies.bad_data(id, &rules::explain(data, rules::MOVE)) };
    session.be_at(data.location);
    let to = Move {
        place: data.location.into(),
        radius: data.radius_m.map(|radius_m| Reach::new(f64::from(radius_m))),
        categories: data.categories,
        known: data.known,
    };
    let Some(mut shard) = session.shard() else { return };
    // Without a subscription it only tells where the shopper is, for claims.
    let moved = shard.relocate(session.slot, to).unwrap_or_default();
    let result = format!(
        r#"{{"data":{{"server_time":"{}","entered":{},"left":{}}}}}"#,
        session.server_time(),
        json(&moved.entered),
        json(&moved.left)
    );
    replies.result(id, "rpc", &result);
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct ClaimData {
    promotion_id: PromotionId,
    quantity: Option<u32>,
    location: Option<Location>,
    idempotency_key: String,
}

impl ClaimData {
    fn fits(&self) -> bool {
        let key = &self.idempotency_key;
        (1..=PER_SHOPPER_LIMIT_MAX).contains(&self.quantity.unwrap_or(1))
            && (1..=IDEMPOTENCY_KEY_CHARS_MAX).contains(&key.chars().count())
            && !key.chars().any(char::is_control)
    }
}

fn outcome(result: Result<Claim, Problem>) -> String {
    let data = match result {
        Ok(claim) => json(&ClaimJson::from(&claim)),
        Err(problem) => problem_json(&problem),
    };
    format!(r#"{{"data":{data}}}"#)
}

/// `claim`: as over HTTP, with the session's last place where the request names none.
pub(super) fn claim(session: &Rc<Conversation>, id: u32, data: Option<&RawValue>, replies: &mut Replies) {
    let Some(user_id) = session.user() else { return replies.error(id, ReplyError::UNAUTHORIZED) };
    let Some(data) = read::<ClaimData>(data).filter(ClaimData::fits) else {
        return replies.bad_data(id, &rules::explain(data, rules::CLAIM));
    };
    if let Some(retry_after_ms) = (session.worker.state.claim_rate)(user_id) {
        let problem = Problem::new(Code::RateLimited, session.language).retry_after(retry_after_ms);
        return replies.result(id, "rpc", &outcome(Err(problem)));
    }
    let request = ClaimRequest {
        promotion_id: data.promotion_id,
        user_id,
        quantity: data.quantity.unwrap_or(1),
        idempotency_key: data.idempotency_key,
        location: data.location.or(session.place()),
    };
    let this = session.clone();
    session.later(id, replies, async move {
        let state = &this.worker.state;
        let began = std::time::Instant::now();
        let result = state.engine.claim(request).await;
        state.metrics.claim(result.is_ok(), began.elapsed());
        Ok(Some(outcome(result.map_err(|error| Problem::from_claim(error, this.language)))))
    });
}

/// What to do with a claim.
#[derive(Clone, Copy, Debug)]
pub(super) enum Act {
    Confirm,
    Cancel,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct ActData {
    claim_id: ClaimId,
}

/// `confirm` and `cancel`.
pub(super) fn act(
    session: &Rc<Conversation>,
    id: u32,
    data: Option<&RawValue>,
    act: Act,
    replies: &mut Replies,
) {
    let Some(user) = session.user() else { return replies.error(id, ReplyError::UNAUTHORIZED) };
    let Some(ActData { claim_id }) = read(data) else {
        return replies.bad_data(id, &rules::explain(data, rules::ACT));
    };
    let this = session.clone();
    session.later(id, replies, async move {
        let engine = &this.worker.state.engine;
        let result = match act {
            Act::Confirm => engine.confirm(user, claim_id).await,
            Act::Cancel => engine.cancel_claim(user, claim_id).await,
        };
        Ok(Some(outcome(result.map_err(|error| Problem::from_act(error, this.language)))))
    });
}
