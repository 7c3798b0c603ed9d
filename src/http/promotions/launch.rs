//! Launching: from a merchant's fields to a promotion, or to a series with its next occurrence.

use super::{CATEGORY, take_segments};
use crate::http::HttpState;
use crate::http::context::{Answer, Ask, Refusal, json};
use crate::http::form::Form;
use crate::http::idempotency::Keyed;
use crate::problem::{Code, FieldError, Problem};
use crate::wire::promotion::PromotionJson;
use actix_web::http::StatusCode;
use actix_web::{HttpRequest, web};
use flash_actors::jobs::occurrence_terms;
use flash_actors::ports::catalogue::{ProductRow, SeriesRow, StaffRole, StoreRow};
use flash_actors::ports::store::OutboxEvent;
use flash_domain::event::Event;
use flash_domain::ids::{EventId, ProductId, PromotionId, SeriesId};
use flash_domain::limits::*;
use flash_domain::promotion::{Counters, ProductCopy, PromotionRecord, Status, StoreCopy};
use flash_domain::series::{DailyWindow, RawDailyWindow};
use flash_domain::terms::Terms;
use flash_domain::time::UnixMillis;

/// What the fields of a launch say, before the product is known.
struct Wanted {
    product_id: ProductId,
    terms: Terms,
    daily: Option<DailyWindow>,
    draft: bool,
}

/// `POST /stores/{id}/promotions`
pub async fn launch(request: HttpRequest, state: web::Data<HttpState>, payload: web::Payload) -> Answer {
    let ask = Ask::new(&request, &state);
    let principal = ask.principal()?;
    let store = ask.store(ask.id("id")?).await?;
    ask.staff(&principal, store.id, StaffRole::Manager).await?;
    let body = ask.body(payload).await?;
    let now = state.engine.now().wall;
    let form = Form::parse(&ask, &body)?;
    let wanted = read(&ask, form, now)?;
    let keyed = Keyed::of(&ask, principal, &body)?;
    if let Some(before) = keyed.before(&ask).await? {
        return Ok(before);
    }
    let product = state.catalogue.product(wanted.product_id).await.map_err(|error| ask.port(error))?;
    let Some(product) = product.filter(|product| product.store_id == store.id) else {
        return Err(ask.bad_field(
            "/product_id",
            "invalid",
            "No es un producto de esta tienda.",
            "Is not a product of this store.",
        ));
    };
    if !product.available {
        return Err(ask.problem(Code::ProductUnavailable));
    }
    let terms = Terms { original_price: product.price, ..wanted.terms };
    check(&ask, &terms, now, wanted.daily.is_some())?;
    match wanted.daily {
        None => launch_once(&ask, &keyed, &store, &product, terms, wanted.draft, now).await,
        Some(window) => launch_series(&ask, &keyed, &store, &product, terms, window, now).await,
    }
}

fn read(ask: &Ask<'_>, mut form: Form, now: UnixMillis) -> Result<Wanted, Refusal> {
    let product_id = form.typed::<uuid::Uuid>("product_id", "Debe ser un UUID.", "Must be a UUID.");
    let product_id = form.require("product_id", product_id);
    let price = form.money("price");
    let price = form.require("price", price);
    let stock = form.number("stock");
    let stock = form.require("stock", stock);
    let per_shopper_limit = form.nullable_number("per_shopper_limit").unwrap_or(Some(1));
    let daily = take_daily(&mut form);
    let is_daily = daily.is_some();
    if is_daily && (form.has("starts_at") || form.has("ends_at")) {
        form.refuse(
            "/daily",
            "invalid",
            "daily excluye starts_at y ends_at.",
            "daily excludes starts_at and ends_at.",
        );
    }
    let starts_at = form.time("starts_at").unwrap_or(now);
    let ends_at = form.time("ends_at");
    let ends_at = if is_daily { Some(now) } else { form.require("ends_at", ends_at) };
    let draft = form.flag("draft").unwrap_or(false);
    if is_daily && draft {
        form.refuse("/draft", "invalid", "Una serie no puede ser borrador.", "A series can't be a draft.");
    }
    let (reach_m, hold_seconds) = (form.number("reach_m"), form.number("hold_seconds"));
    let claim_within_m = form.nullable_number("claim_within_m");
    let segments = take_segments(&mut form);
    let category = form.optional_text("category", CATEGORY);
    form.finish()?;
    let (Some(product_id), Some(price), Some(stock), Some(ends_at)) = (product_id, price, stock, ends_at)
    else {
        return Err(ask.problem(Code::Internal));
    };
    let terms = Terms {
        price,
        original_price: price,
        stock,
        per_shopper_limit,
        starts_at,
        ends_at,
        reach_m: reach_m.unwrap_or(REACH_M_DEFAULT),
        claim_within_m: claim_within_m.unwrap_or(Some(CLAIM_WITHIN_M_DEFAULT)),
        hold_seconds: hold_seconds.unwrap_or(HOLD_SECONDS_DEFAULT),
        segments: segments.unwrap_or_default(),
        category,
    };
    Ok(Wanted { product_id: ProductId(product_id), terms, daily: daily.flatten(), draft })
}

/// `None`: no daily window asked for. `Some(None)`: asked for, but wrong (and noted).
pub(crate) fn take_daily(form: &mut Form) -> Option<Option<DailyWindow>> {
    let value = form.take("daily")?;
    let raw: Result<RawDailyWindow, _> = serde_json::from_value(value);
    let window = match raw {
        Ok(raw) => raw.check(),
        Err(_) => {
            form.refuse(
                "/daily",
                "wrong_type",
                "Debe ser {from, to, timezone, start_date, end_date?}.",
                "Must be {from, to, timezone, start_date, end_date?}.",
            );
            return Some(None);
        }
    };
    match window {
        Ok(window) => Some(Some(window)),
        Err(errors) => {
            for error in errors {
                let text = error.to_string();
                form.refuse(&format!("/daily{}", error.field()), "invalid", &text, &text);
            }
            Some(None)
        }
    }
}

/// Bounds, and that it is not over before it begins.
fn check(ask: &Ask<'_>, terms: &Terms, now: UnixMillis, daily: bool) -> Result<(), Refusal> {
    let mut violations = terms.violations();
    if daily {
        violations.retain(|violation| violation.field != "/ends_at");
    }
    let mut errors: Vec<FieldError> =
        violations.iter().map(|violation| Problem::violation(violation, ask.language)).collect();
    if !daily && terms.ends_at <= now && !errors.iter().any(|error| error.field == "/ends_at") {
        let detail = ask.language.choose("Debe estar en el futuro.", "Must be in the future.").to_owned();
        errors.push(FieldError { field: "/ends_at".to_owned(), code: "in_the_past", detail });
    }
    if errors.is_empty() { Ok(()) } else { Err(Refusal(Problem::invalid(errors, ask.language))) }
}

fn record(
    ask: &Ask<'_>,
    store: &StoreRow,
    product: &ProductRow,
    terms: Terms,
    series_id: Option<SeriesId>,
    draft: bool,
    now: UnixMillis,
) -> PromotionRecord {
    // What starts now is live from its first version; the same start is not counted again.
    let status = match draft {
        true => Status::Draft,
        false if terms.starts_at <= now => Status::Live,
        false => Status::Scheduled,
    };
    PromotionRecord {
        id: PromotionId(ask.state.engine.new_id()),
        series_id,
        store: StoreCopy { id: store.id, name: store.name.clone(), location: store.location },
        product: ProductCopy {
            id: product.id,
            name: product.name.clone(),
            image_url: product.image_url.clone(),
        },
        terms,
        counters: Counters { status, v: 1, decided_at: now, ..Counters::default() },
        created_at: now,
    }
}

fn launch_events(ask: &Ask<'_>, record: &PromotionRecord, now: UnixMillis) -> Vec<OutboxEvent> {
    let told = match record.counters.status {
        Status::Draft => vec![],
        Status::Live => vec![Event::Launched, Event::Started],
        _ => vec![Event::Launched],
    };
    let event = |event| OutboxEvent {
        id: EventId(ask.state.engine.new_id()),
        promotion_id: record.id,
        v: record.counters.v,
        event,
        created_at: now,
    };
    told.into_iter().map(event).collect()
}

async fn launch_once(
    ask: &Ask<'_>,
    keyed: &Keyed,
    store: &StoreRow,
    product: &ProductRow,
    terms: Terms,
    draft: bool,
    now: UnixMillis,
) -> Answer {
    let record = record(ask, store, product, terms, None, draft, now);
    let (id, starts_at) = (record.id, record.terms.starts_at);
    let body = serde_json::to_value(PromotionJson::from(&record)).unwrap_or_default();
    let uses = keyed.uses(ask, StatusCode::CREATED, &body);
    let events = launch_events(ask, &record, now);
    let created = ask.state.catalogue.create_promotion(record, None, events, uses).await;
    let created = created.map_err(|error| ask.port(error))?;
    if !draft {
        ask.state.engine.activate(id, starts_at).await;
    }
    keyed.created(ask, created, json(StatusCode::CREATED, &body))
}

async fn launch_series(
    ask: &Ask<'_>,
    keyed: &Keyed,
    store: &StoreRow,
    product: &ProductRow,
    terms: Terms,
    window: DailyWindow,
    now: UnixMillis,
) -> Answer {
    let Some(occurrence) = window.next_occurrence(now, None) else {
        return Err(ask.bad_field(
            "/daily",
            "in_the_past",
            "No queda ninguna ocurrencia.",
            "No occurrence is left.",
        ));
    };
    let series = SeriesRow {
        id: SeriesId(ask.state.engine.new_id()),
        store_id: store.id,
        product_id: product.id,
        terms: Terms { starts_at: UnixMillis(0), ends_at: UnixMillis(0), ..terms.clone() },
        window,
        last_date: None,
        cancelled: false,
        created_at: now,
    };
    let first =
        record(ask, store, product, occurrence_terms(&terms, &occurrence), Some(series.id), false, now);
    let (id, starts_at) = (first.id, first.terms.starts_at);
    let body = serde_json::to_value(PromotionJson::from(&first)).unwrap_or_default();
    let uses = keyed.uses(ask, StatusCode::CREATED, &body);
    let events = launch_events(ask, &first, now);
    let first = Some((first, occurrence.local_date.to_string()));
    let created = ask.state.catalogue.create_series(series, first, events, uses).await;
    let created = created.map_err(|error| ask.port(error))?;
    ask.state.engine.activate(id, starts_at).await;
    keyed.created(ask, created, json(StatusCode::CREATED, &body))
}
