//! Promotions: launch, look, edit, life cycle, statistics.

mod daily;
mod launch;
mod search;

pub(crate) use daily::take_daily;
pub use launch::launch;
pub use search::list;

use super::HttpState;
use super::context::{Answer, Ask, Refusal, no_content, ok};
use super::form::{Bounds, Form};
use crate::problem::{Code, Problem};
use crate::wire::promotion::PromotionJson;
use actix_web::{HttpRequest, web};
use flash_actors::engine::EngineError;
use flash_actors::ports::catalogue::StaffRole;
use flash_domain::claim::ClaimStatus;
use flash_domain::ids::PromotionId;
use flash_domain::limits::NAME_CHARS_MAX;
use flash_domain::promotion::{LifeRefusal, PromotionRecord, Status, TermsPatch};
use flash_domain::segment::Segments;
use serde_json::json;

const CATEGORY: Bounds = Bounds { min: 1, max: NAME_CHARS_MAX };

/// The fields that a launch and an edit share.
fn take_segments(form: &mut Form) -> Option<Segments> {
    form.typed(
        "segments",
        "Debe ser una lista de new, regular, frequent.",
        "Must be a list of new, regular, frequent.",
    )
}

impl Ask<'_> {
    /// A promotion that the caller may see: a draft, also one that was called off, only the store's people.
    ///
    /// # Errors
    /// 404.
    pub async fn promotion(&self, id: PromotionId) -> Result<PromotionRecord, Refusal> {
        let visitor = self.visitor()?;
        let found = self.state.engine.promotion(id).await.map_err(|error| self.port(error))?;
        let record = found.ok_or_else(|| self.problem(Code::NotFound))?;
        if record.is_hidden() {
            let role = match visitor {
                Some(principal) => {
                    let role = self.state.catalogue.role_at(record.store.id, principal.user_id).await;
                    role.map_err(|error| self.port(error))?
                }
                None => None,
            };
            role.ok_or_else(|| self.problem(Code::NotFound))?;
        }
        Ok(record)
    }

    /// A promotion whose store's people the caller is one of.
    ///
    /// # Errors
    /// 401, 403, 404.
    pub async fn own_promotion(&self, least: StaffRole) -> Result<PromotionRecord, Refusal> {
        let principal = self.principal()?;
        let record = self.promotion(self.id("id")?).await?;
        self.staff(&principal, record.store.id, least).await?;
        Ok(record)
    }

    fn life(&self, result: Result<PromotionRecord, EngineError<LifeRefusal>>) -> Answer {
        match result {
            Ok(record) => ok(&PromotionJson::from(&record)),
            Err(error) => Err(Refusal(Problem::from_life(error, self.language))),
        }
    }
}

/// `GET /promotions/{id}`
pub async fn show(request: HttpRequest, state: web::Data<HttpState>) -> Answer {
    let ask = Ask::new(&request, &state);
    let record = ask.promotion(ask.id("id")?).await?;
    ok(&PromotionJson::from(&record))
}

/// `PATCH /promotions/{id}`
pub async fn edit(request: HttpRequest, state: web::Data<HttpState>, payload: web::Payload) -> Answer {
    let ask = Ask::new(&request, &state);
    let record = ask.own_promotion(StaffRole::Manager).await?;
    let mut form = Form::parse_edit(&ask, &ask.body(payload).await?)?;
    let patch = TermsPatch {
        price: form.money("price"),
        stock: form.number("stock"),
        per_shopper_limit: form.nullable_number("per_shopper_limit"),
        starts_at: form.time("starts_at"),
        ends_at: form.time("ends_at"),
        reach_m: form.number("reach_m"),
        claim_within_m: form.nullable_number("claim_within_m"),
        hold_seconds: form.number("hold_seconds"),
        segments: take_segments(&mut form),
        category: form.nullable_text("category", CATEGORY),
    };
    let broken = patch.apply(&record.terms).violations();
    form.refuse_all(broken.iter().map(|violation| Problem::violation(violation, ask.language)));
    form.finish()?;
    ask.life(state.engine.edit(record.id, patch).await)
}

/// `DELETE /promotions/{id}`: drafts only.
pub async fn delete(request: HttpRequest, state: web::Data<HttpState>, payload: web::Payload) -> Answer {
    let ask = Ask::new(&request, &state);
    let record = ask.own_promotion(StaffRole::Manager).await?;
    ask.no_fields(payload).await?;
    let status = record.counters.status;
    if status != Status::Draft {
        return Err(Refusal(Problem::new(Code::WrongState, ask.language).with("state", status.as_str())));
    }
    state.engine.forget(record.id);
    if !state.catalogue.delete_draft(record.id).await.map_err(|error| ask.port(error))? {
        return Err(ask.problem(Code::Conflict));
    }
    no_content()
}

/// `POST /promotions/{id}/publish`
pub async fn publish(request: HttpRequest, state: web::Data<HttpState>, payload: web::Payload) -> Answer {
    let ask = Ask::new(&request, &state);
    let record = ask.own_promotion(StaffRole::Manager).await?;
    ask.no_fields(payload).await?;
    let published = state.engine.publish(record.id).await;
    if published.is_ok() {
        // A store that closed since it was looked up has nobody who could call the sale off.
        let found = state.catalogue.store(record.store.id).await.map_err(|error| ask.port(error))?;
        if found.is_none() {
            let called_off = state.engine.cancel(record.id).await;
            called_off.map_err(|error| Refusal(Problem::from_life(error, ask.language)))?;
            return Err(ask.problem(Code::NotFound));
        }
    }
    ask.life(published)
}

/// `POST /promotions/{id}/pause`
pub async fn pause(request: HttpRequest, state: web::Data<HttpState>, payload: web::Payload) -> Answer {
    let ask = Ask::new(&request, &state);
    let record = ask.own_promotion(StaffRole::Manager).await?;
    ask.no_fields(payload).await?;
    ask.life(state.engine.pause(record.id).await)
}

/// `POST /promotions/{id}/resume`
pub async fn resume(request: HttpRequest, state: web::Data<HttpState>, payload: web::Payload) -> Answer {
    let ask = Ask::new(&request, &state);
    let record = ask.own_promotion(StaffRole::Manager).await?;
    ask.no_fields(payload).await?;
    ask.life(state.engine.resume(record.id).await)
}

/// `POST /promotions/{id}/cancel`
pub async fn cancel(request: HttpRequest, state: web::Data<HttpState>, payload: web::Payload) -> Answer {
    let ask = Ask::new(&request, &state);
    let record = ask.own_promotion(StaffRole::Manager).await?;
    ask.no_fields(payload).await?;
    ask.life(state.engine.cancel(record.id).await)
}

/// `GET /promotions/{id}/stats`
pub async fn stats(request: HttpRequest, state: web::Data<HttpState>) -> Answer {
    let ask = Ask::new(&request, &state);
    let record = ask.own_promotion(StaffRole::Clerk).await?;
    let counts = state.catalogue.claim_counts(record.id).await.map_err(|error| ask.port(error))?;
    let of = |status| counts.iter().find(|count| count.status == status);
    let claims = |status| of(status).map_or(0, |count| count.claims);
    let total: u64 = counts.iter().map(|count| count.claims).sum();
    let kept = claims(ClaimStatus::Confirmed) + claims(ClaimStatus::Redeemed);
    let pulse = state.feed.pulse(record.id);
    let by_status: serde_json::Map<_, _> = [
        ClaimStatus::Held,
        ClaimStatus::Confirmed,
        ClaimStatus::Redeemed,
        ClaimStatus::Expired,
        ClaimStatus::Cancelled,
    ]
    .into_iter()
    .map(|status| {
        let count = json!({"claims": claims(status), "units": of(status).map_or(0, |count| count.units)});
        (status.as_str().to_owned(), count)
    })
    .collect();
    ok(&json!({
        "promotion_id": record.id,
        "status": record.counters.status,
        "v": record.counters.v,
        "stock": record.terms.stock,
        "remaining": record.remaining(),
        "held": record.counters.held,
        "sold": record.counters.sold,
        "claims": total,
        "by_status": by_status,
        "conversion": if total == 0 { 0.0 } else { kept as f64 / total as f64 },
        "viewers": pulse.viewers.load(std::sync::atomic::Ordering::Relaxed),
    }))
}
