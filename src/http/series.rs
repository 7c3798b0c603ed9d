//! Daily series. Edits concern future occurrences.

use super::HttpState;
use super::context::{Answer, Ask, Refusal, no_content, ok};
use super::form::{Bounds, Form};
use super::promotions::take_daily;
use crate::auth::Principal;
use crate::problem::{Code, Problem};
use crate::wire::time::WireTime;
use actix_web::{HttpRequest, web};
use flash_actors::ports::catalogue::{PromotionFilter, SeriesRow, StaffRole};
use flash_domain::ids::SeriesId;
use flash_domain::limits::NAME_CHARS_MAX;
use flash_domain::promotion::{PromotionRecord, Status, TermsPatch};
use flash_domain::segment::Segments;
use serde_json::{Value, json};

fn series_json(series: &SeriesRow) -> Value {
    let terms = &series.terms;
    json!({
        "id": series.id,
        "store_id": series.store_id,
        "product_id": series.product_id,
        "price": terms.price,
        "original_price": terms.original_price,
        "stock": terms.stock,
        "per_shopper_limit": terms.per_shopper_limit,
        "reach_m": terms.reach_m,
        "claim_within_m": terms.claim_within_m,
        "hold_seconds": terms.hold_seconds,
        "segments": terms.segments,
        "category": terms.category,
        "daily": series.window,
        "last_date": series.last_date,
        "status": if series.cancelled { "cancelled" } else { "running" },
        "created_at": WireTime(series.created_at),
    })
}

async fn own(ask: &Ask<'_>, least: StaffRole) -> Result<(Principal, SeriesRow), Refusal> {
    let principal = ask.principal()?;
    let id: SeriesId = ask.id("id")?;
    let found = ask.state.catalogue.series(id).await.map_err(|error| ask.port(error))?;
    let series = found.ok_or_else(|| ask.problem(Code::NotFound))?;
    ask.staff(&principal, series.store_id, least).await?;
    Ok((principal, series))
}

/// Occurrences that were made but have not started.
async fn upcoming(ask: &Ask<'_>, series: &SeriesRow) -> Result<Vec<PromotionRecord>, Refusal> {
    let now = ask.state.engine.now().wall;
    let filter = PromotionFilter {
        store_id: Some(series.store_id),
        status: Some(Status::Scheduled),
        ..PromotionFilter::default()
    };
    let found =
        ask.state.catalogue.promotions(filter, now, None, 1_000).await.map_err(|error| ask.port(error))?;
    Ok(found.items.into_iter().filter(|record| record.series_id == Some(series.id)).collect())
}

/// `GET /series/{id}`
pub async fn show(request: HttpRequest, state: web::Data<HttpState>) -> Answer {
    let ask = Ask::new(&request, &state);
    let (_, series) = own(&ask, StaffRole::Clerk).await?;
    ok(&series_json(&series))
}

/// `PATCH /series/{id}`
pub async fn edit(request: HttpRequest, state: web::Data<HttpState>, payload: web::Payload) -> Answer {
    let ask = Ask::new(&request, &state);
    let (_, series) = own(&ask, StaffRole::Manager).await?;
    let mut form = Form::parse_edit(&ask, &ask.body(payload).await?)?;
    let patch = TermsPatch {
        price: form.money("price"),
        stock: form.number("stock"),
        per_shopper_limit: form.nullable_number("per_shopper_limit"),
        reach_m: form.number("reach_m"),
        claim_within_m: form.nullable_number("claim_within_m"),
        hold_seconds: form.number("hold_seconds"),
        segments: form.typed::<Segments>(
            "segments",
            "Debe ser una lista de new, regular, frequent.",
            "Must be a list of new, regular, frequent.",
        ),
        category: form.nullable_text("category", Bounds { min: 1, max: NAME_CHARS_MAX }),
        ..TermsPatch::default()
    };
    let daily = take_daily(&mut form).flatten();
    let terms = patch.apply(&series.terms);
    let broken: Vec<_> = terms
        .violations()
        .iter()
        .filter(|violation| violation.field != "/ends_at")
        .map(|violation| Problem::violation(violation, ask.language))
        .collect();
    form.refuse_all(broken);
    form.finish()?;
    if series.cancelled {
        return Err(ask.problem(Code::WrongState));
    }
    let waiting = upcoming(&ask, &series).await?;
    let moved = daily.as_ref().is_some_and(|window| *window != series.window);
    let series = SeriesRow { terms, window: daily.unwrap_or_else(|| series.window.clone()), ..series };
    if !state.catalogue.update_series(series.clone()).await.map_err(|error| ask.port(error))? {
        return Err(ask.problem(Code::NotFound));
    }
    for record in waiting {
        let window = series.last_date.as_deref().and_then(|date| date.parse().ok());
        let window = window.and_then(|date| series.window.occurrence_on(date)).filter(|_| moved);
        let patch = TermsPatch {
            starts_at: window.map(|(starts_at, _)| starts_at),
            ends_at: window.map(|(_, ends_at)| ends_at),
            ..patch.clone()
        };
        // One that starts in this very moment keeps its terms: it is not a future occurrence any more.
        if let Err(error) = state.engine.edit(record.id, patch).await {
            tracing::info!(promotion = %record.id, ?error, "an occurrence kept its terms");
        }
    }
    ok(&series_json(&series))
}

/// `DELETE /series/{id}`: no further occurrences; one that has started goes on, one that waits is cancelled.
pub async fn cancel(request: HttpRequest, state: web::Data<HttpState>) -> Answer {
    let ask = Ask::new(&request, &state);
    let (_, series) = own(&ask, StaffRole::Manager).await?;
    let waiting = upcoming(&ask, &series).await?;
    let series = SeriesRow { cancelled: true, ..series };
    state.catalogue.update_series(series).await.map_err(|error| ask.port(error))?;
    for record in waiting {
        if let Err(error) = state.engine.cancel(record.id).await {
            return Err(Refusal(Problem::from_life(error, ask.language)));
        }
    }
    no_content()
}
