//! Daily series. Edits concern future occurrences.

use super::HttpState;
use super::context::{Answer, Ask, Refusal, no_content, ok};
use super::form::{Bounds, Form};
use super::promotions::take_daily;
use crate::auth::Principal;
use crate::problem::{Code, Problem};
use crate::wire::time::WireTime;
use actix_web::{HttpRequest, web};
use flash_actors::engine::EngineError;
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

/// Records looked at per page.
const PAGE: u32 = 100;

/// Occurrences that were made but have not started.
async fn upcoming(ask: &Ask<'_>, series: &SeriesRow) -> Result<Vec<PromotionRecord>, Refusal> {
    let now = ask.state.engine.now().wall;
    let filter = PromotionFilter {
        series_id: Some(series.id),
        status: Some(Status::Scheduled),
        ..PromotionFilter::default()
    };
    let (mut waiting, mut before) = (Vec::new(), None);
    loop {
        let page = ask.state.catalogue.promotions(filter.clone(), now, before, PAGE).await;
        let page = page.map_err(|error| ask.port(error))?;
        before = page.items.last().map(|record| record.id);
        waiting.extend(page.items);
        if !page.more {
            return Ok(waiting);
        }
    }
}

/// Has an occurrence that waits follow its series: the terms, and the window if that was changed. Its date is then the
/// first that the new window has after all dates that were used; without one it is called off.
async fn follow(
    ask: &Ask<'_>,
    series: &SeriesRow,
    record: &PromotionRecord,
    patch: &TermsPatch,
    moved: bool,
) -> Result<(), Refusal> {
    let catalogue = &ask.state.catalogue;
    let mut patch = patch.clone();
    let mut date = None;
    if moved {
        let last = catalogue.last_date_but(series.id, record.id).await.map_err(|error| ask.port(error))?;
        let last = last.and_then(|date| date.parse().ok());
        let Some(next) = series.window.next_occurrence(ask.state.engine.now().wall, last) else {
            return match ask.state.engine.cancel(record.id).await {
                Err(EngineError::Refused(_)) | Ok(_) => Ok(()),
                Err(error) => Err(Refusal(Problem::from_life(error, ask.language))),
            };
        };
        (patch.starts_at, patch.ends_at) = (Some(next.starts_at), Some(next.ends_at));
        date = Some(next.local_date.to_string());
    }
    match ask.state.engine.edit(record.id, patch).await {
        Ok(_) => {}
        // One that starts in this very moment keeps its terms: it is not a future occurrence any more.
        Err(EngineError::Refused(refusal)) => {
            tracing::info!(promotion = %record.id, %refusal, "an occurrence kept its terms");
            return Ok(());
        }
        Err(error) => return Err(Refusal(Problem::from_life(error, ask.language))),
    }
    if let Some(date) = date {
        let done = catalogue.move_occurrence(series.id, record.id, date).await;
        done.map_err(|error| ask.port(error))?;
    }
    Ok(())
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
    let moved = daily.as_ref().is_some_and(|window| *window != series.window);
    let series = SeriesRow { terms, window: daily.unwrap_or_else(|| series.window.clone()), ..series };
    if !state.catalogue.update_series(series.clone()).await.map_err(|error| ask.port(error))? {
        return Err(ask.problem(Code::NotFound));
    }
    // Only now: an occurrence that the check job makes from here on is made of the new terms.
    for record in upcoming(&ask, &series).await? {
        follow(&ask, &series, &record, &patch, moved).await?;
    }
    ok(&series_json(&series))
}

/// `DELETE /series/{id}`: no further occurrences; one that has started goes on, one that waits is cancelled.
pub async fn cancel(request: HttpRequest, state: web::Data<HttpState>, payload: web::Payload) -> Answer {
    let ask = Ask::new(&request, &state);
    let (_, series) = own(&ask, StaffRole::Manager).await?;
    ask.no_fields(payload).await?;
    let series = SeriesRow { cancelled: true, ..series };
    state.catalogue.update_series(series.clone()).await.map_err(|error| ask.port(error))?;
    // Only now: from here on the check job makes none.
    for record in upcoming(&ask, &series).await? {
        match state.engine.cancel(record.id).await {
            // One that started or was called off in this very moment is not waiting any more.
            Ok(_) | Err(EngineError::Refused(_)) => {}
            Err(error) => return Err(Refusal(Problem::from_life(error, ask.language))),
        }
    }
    no_content()
}
