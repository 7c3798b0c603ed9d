//! Launching: from a merchant's fields to a promotion, or to a series with its next occurrence.

use super::daily::take_daily;
use super::{CATEGORY, take_segments};
use crate::http::HttpState;
use crate::http::context::{Answer, Ask, Refusal, json};
use crate::http::form::Form;
use crate::http::idempotency::Keyed;
use crate::problem::{Code, Problem};
use crate::wire::promotion::PromotionJson;
use actix_web::http::StatusCode;
use actix_web::{HttpRequest, web};
use flash_actors::jobs::occurrence_terms;
use flash_actors::ports::catalogue::{Created, ProductRow, SeriesRow, StaffRole, StoreRow};
use flash_actors::ports::store::OutboxEvent;
use flash_domain::event::Event;
use flash_domain::ids::{EventId, ProductId, PromotionId, SeriesId};
use flash_domain::limits::*;
use flash_domain::money::{Currency, Money};
use flash_domain::promotion::{Counters, ProductCopy, PromotionRecord, Status, StoreCopy};
use flash_domain::segment::Segments;
use flash_domain::series::DailyWindow;
use flash_domain::terms::Terms;
use flash_domain::time::UnixMillis;

/// What the fields of a launch say, as far as they can be read. What is wrong is noted in the form, and stands here as
/// something that breaks no bound.
struct Wanted {
    product_id: Option<ProductId>,
    amount: Option<i64>,
    currency: Option<Currency>,
    stock: Option<u32>,
    per_shopper_limit: Option<u32>,
    starts_at: UnixMillis,
    ends_at: Option<UnixMillis>,
    reach_m: u32,
    claim_within_m: Option<u32>,
    hold_seconds: u32,
    segments: Segments,
    category: Option<String>,
    /// `None` as well if one was asked for and is wrong.
    daily: Option<DailyWindow>,
    draft: bool,
}

impl Wanted {
    /// The terms of the launch. In place of what is missing or wrong stands something that breaks no bound.
    fn terms(&self, product: Option<&ProductRow>) -> Terms {
        let listed = product.map(|product| product.price);
        let currency = self.currency.or(listed.map(|price| price.currency)).unwrap_or(Currency::NONE);
        let price = Money { amount: self.amount.unwrap_or(1), currency };
        Terms {
            price,
            original_price: listed.unwrap_or(price),
            stock: self.stock.unwrap_or(1),
            per_shopper_limit: self.per_shopper_limit,
            starts_at: self.starts_at,
            ends_at: self.ends_at.unwrap_or(self.starts_at),
            reach_m: self.reach_m,
            claim_within_m: self.claim_within_m,
            hold_seconds: self.hold_seconds,
            segments: self.segments,
            category: self.category.clone(),
        }
    }
}

/// `POST /stores/{id}/promotions`
pub async fn launch(request: HttpRequest, state: web::Data<HttpState>, payload: web::Payload) -> Answer {
    let ask = Ask::new(&request, &state);
    let principal = ask.principal()?;
    let store = ask.store(ask.id("id")?).await?;
    ask.staff(&principal, store.id, StaffRole::Manager).await?;
    let body = ask.body(payload).await?;
    let now = state.engine.now().wall;
    let mut form = Form::parse(&ask, &body)?;
    let wanted = read(&mut form, now);
    form.refuse_leftovers();
    form.check_key(&ask);
    // What passes its form and has a stored answer gets it, whatever became of the product and of the time since.
    let keyed = if form.is_fine() { Some(Keyed::of(&ask, principal, &body)?) } else { None };
    if let Some(keyed) = &keyed
        && let Some(before) = keyed.before(&ask).await?
    {
        return Ok(before);
    }
    let product = match wanted.product_id {
        Some(id) => find_product(&ask, &mut form, id, &store).await?,
        None => None,
    };
    let terms = wanted.terms(product.as_ref());
    check(&ask, &mut form, &wanted, &terms, now);
    form.finish()?;
    let (Some(keyed), Some(product)) = (keyed, product) else { return Err(ask.problem(Code::Internal)) };
    if !product.available {
        return Err(ask.problem(Code::ProductUnavailable));
    }
    match wanted.daily {
        None => launch_once(&ask, &keyed, &store, &product, terms, wanted.draft, now).await,
        Some(window) => launch_series(&ask, &keyed, &store, &product, terms, window, now).await,
    }
}

fn read(form: &mut Form, now: UnixMillis) -> Wanted {
    let product_id = form.typed::<uuid::Uuid>("product_id", "Debe ser un UUID.", "Must be a UUID.");
    let product_id = form.require("product_id", product_id).map(ProductId);
    let price = form.money_parts("price");
    let (amount, currency) = form.require("price", price).unwrap_or_default();
    let stock = form.number("stock");
    let stock = form.require("stock", stock);
    let daily = take_daily(form);
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
    let ends_at = if is_daily { None } else { form.require("ends_at", ends_at) };
    let draft = form.flag("draft").unwrap_or(false);
    if is_daily && draft {
        form.refuse("/draft", "invalid", "Una serie no puede ser borrador.", "A series can't be a draft.");
    }
    Wanted {
        product_id,
        amount,
        currency,
        stock,
        per_shopper_limit: form.nullable_number("per_shopper_limit").unwrap_or(Some(1)),
        starts_at,
        ends_at,
        reach_m: form.number("reach_m").unwrap_or(REACH_M_DEFAULT),
        claim_within_m: form.nullable_number("claim_within_m").unwrap_or(Some(CLAIM_WITHIN_M_DEFAULT)),
        hold_seconds: form.number("hold_seconds").unwrap_or(HOLD_SECONDS_DEFAULT),
        segments: take_segments(form).unwrap_or_default(),
        category: form.optional_text("category", CATEGORY),
        daily: daily.flatten(),
        draft,
    }
}

async fn find_product(
    ask: &Ask<'_>,
    form: &mut Form,
    id: ProductId,
    store: &StoreRow,
) -> Result<Option<ProductRow>, Refusal> {
    let found = ask.state.catalogue.product(id).await.map_err(|error| ask.port(error))?;
    let found = found.filter(|product| product.store_id == store.id);
    if found.is_none() {
        form.refuse(
            "/product_id",
            "invalid",
            "No es un producto de esta tienda.",
            "Is not a product of this store.",
        );
    }
    Ok(found)
}

/// Notes every bound that the terms break, and a sale that is over before it begins.
fn check(ask: &Ask<'_>, form: &mut Form, wanted: &Wanted, terms: &Terms, now: UnixMillis) {
    let mut violations = terms.violations();
    let is_over = wanted.ends_at.is_some_and(|ends_at| ends_at <= now);
    if wanted.ends_at.is_none() || is_over || form.is_refused("/starts_at") {
        violations.retain(|violation| violation.field != "/ends_at");
    }
    form.refuse_all(violations.iter().map(|violation| Problem::violation(violation, ask.language)));
    if is_over {
        form.refuse("/ends_at", "in_the_past", "Debe estar en el futuro.", "Must be in the future.");
    }
    if wanted.daily.as_ref().is_some_and(|window| window.next_occurrence(now, None).is_none()) {
        form.refuse("/daily", "in_the_past", "No queda ninguna ocurrencia.", "No occurrence is left.");
    }
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
    // A repetition was activated by the request that made it, or will be by the scan.
    if !draft && created == Created::Fresh {
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
    let Some(occurrence) = window.next_occurrence(now, None) else { return Err(ask.problem(Code::Internal)) };
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
    if created == Created::Fresh {
        ask.state.engine.activate(id, starts_at).await;
    }
    keyed.created(ask, created, json(StatusCode::CREATED, &body))
}
