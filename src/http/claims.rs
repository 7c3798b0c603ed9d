//! Claims: make, look, confirm, cancel, redeem.

use super::HttpState;
use super::context::{Answer, Ask, Refusal, json, ok, page, prefers_text};
use super::form::{Bounds, Form, is_json};
use super::query::Query;
use crate::auth::Principal;
use crate::problem::{Code, Problem};
use crate::wire::claim::ClaimJson;
use crate::wire::time;
use actix_web::http::StatusCode;
use actix_web::{HttpRequest, HttpResponse, web};
use flash_actors::engine::ClaimRequest;
use flash_actors::ports::catalogue::{Order, StaffRole};
use flash_domain::claim::Claim;
use flash_domain::geo::Location;
use flash_domain::ids::{ClaimId, PromotionId, StoreId};
use flash_domain::limits::PER_SHOPPER_LIMIT_MAX;
use serde::Deserialize;
use serde_json::json as object;

/// The body of a claim, in its common form; anything else is explained field by field.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ClaimBody {
    quantity: Option<u32>,
    location: Option<Location>,
}

/// What a claim's request says.
pub struct ClaimFields {
    /// Units.
    pub quantity: u32,
    /// Where the shopper is.
    pub location: Option<Location>,
    /// The request's `Idempotency-Key`.
    pub key: String,
}

/// Reads a claim's body and key: the common form in one pass, and only what that refuses is taken apart for an
/// explanation.
///
/// # Errors
/// 400, 413, 415, 422.
pub async fn read_claim(ask: &Ask<'_>, payload: web::Payload) -> Result<ClaimFields, Refusal> {
    let body = ask.body(payload).await?;
    let key = ask.required_key();
    if let Ok(ClaimBody { quantity, location }) = serde_json::from_slice(&body) {
        let quantity = quantity.unwrap_or(1);
        // Serde also takes a sequence for an object; the contract does not.
        let fine = (1..=PER_SHOPPER_LIMIT_MAX).contains(&quantity) && !body.contains(&b'[');
        if fine && is_json(ask.request) {
            return Ok(ClaimFields { quantity, location, key: key? });
        }
    }
    let mut form = Form::parse(ask, &body)?;
    let quantity = form.number("quantity").unwrap_or(1);
    if !(1..=PER_SHOPPER_LIMIT_MAX).contains(&quantity) {
        form.refuse("/quantity", "out_of_range", "Debe estar entre 1 y 1000.", "Must be between 1 and 1000.");
    }
    let location = form.location("location");
    if let Err(Refusal(problem)) = &key {
        form.refuse_all(problem.errors.iter().cloned());
    }
    form.finish()?;
    Ok(ClaimFields { quantity, location, key: key? })
}

impl Ask<'_> {
    /// The key of a claim, which has to be there.
    ///
    /// # Errors
    /// 422.
    pub fn required_key(&self) -> Result<String, Refusal> {
        self.key()?.ok_or_else(|| {
            self.bad_field(
                "Idempotency-Key",
                "required",
                "Falta la cabecera: una clave nueva por intento de compra, la misma al repetirlo.",
                "The header is missing: a new key for a new purchase, the same one for its repetition.",
            )
        })
    }

    /// What a request about a promotion is told whose body or key is bad: that there is no such promotion comes first.
    /// A draft is not there for who claims.
    async fn unless_no_promotion(&self, id: PromotionId, refusal: Refusal) -> Refusal {
        match self.state.engine.promotion(id).await {
            Ok(Some(record)) if !record.is_hidden() => refusal,
            Ok(_) => self.problem(Code::NotFound),
            Err(error) => self.port(error),
        }
    }

    /// What a request about a claim is told whose body is bad: that it is nobody's or somebody else's comes first.
    async fn unless_no_claim(&self, principal: &Principal, id: ClaimId, refusal: Refusal) -> Refusal {
        match self.state.catalogue.claim(id).await {
            Ok(Some(claim)) if claim.user_id == principal.user_id => refusal,
            Ok(_) => self.problem(Code::NotFound),
            Err(error) => self.port(error),
        }
    }

    fn claim_rate(&self, principal: &Principal) -> Result<(), Refusal> {
        self.state.rates.claim(principal.user_id).map_err(|too_often| {
            Refusal(Problem::new(Code::RateLimited, self.language).retry_after(too_often.retry_after_ms))
        })
    }
}

/// `POST /promotions/{id}/claims`
pub async fn create(request: HttpRequest, state: web::Data<HttpState>, payload: web::Payload) -> Answer {
    let ask = Ask::new(&request, &state);
    let principal = ask.principal()?;
    if let Err(too_often) = ask.claim_rate(&principal) {
        // An answer before the body would cost the connection, and a crowd that has to come again would have to connect, too.
        let _unneeded = ask.body(payload).await;
        return Err(too_often);
    }
    let promotion_id: PromotionId = ask.id("id")?;
    // Only a bad request pays for the look-up; a good one learns from the engine.
    let fields = match read_claim(&ask, payload).await {
        Ok(fields) => fields,
        Err(refusal) => return Err(ask.unless_no_promotion(promotion_id, refusal).await),
    };
    let request = ClaimRequest {
        promotion_id,
        user_id: principal.user_id,
        quantity: fields.quantity,
        idempotency_key: fields.key,
        location: fields.location,
    };
    let began = std::time::Instant::now();
    let result = state.engine.claim(request).await;
    state.metrics.claim(result.is_ok(), began.elapsed());
    match result {
        Ok(claim) => Ok(json(StatusCode::CREATED, &ClaimJson::from(&claim))),
        Err(error) => Err(Refusal(Problem::from_claim(error, ask.language))),
    }
}

/// `GET /claims`: one's own, newest first.
pub async fn list(request: HttpRequest, state: web::Data<HttpState>) -> Answer {
    let ask = Ask::new(&request, &state);
    let principal = ask.principal()?;
    let mut query = Query::of(&ask)?;
    let (limit, before) = (query.limit(), query.cursor());
    let key = query.text("idempotency_key");
    query.finish()?;
    let found = state.catalogue.claims_of(principal.user_id, key, before, limit).await;
    let found = found.map_err(|error| ask.port(error))?;
    page(&found, |claim| serde_json::to_value(ClaimJson::from(claim)).unwrap_or_default(), |claim| claim.id.0)
}

/// `GET /claims/{id}`
pub async fn show(request: HttpRequest, state: web::Data<HttpState>) -> Answer {
    let ask = Ask::new(&request, &state);
    let principal = ask.principal()?;
    let found = state.catalogue.claim(ask.id("id")?).await.map_err(|error| ask.port(error))?;
    let claim = found.filter(|claim| claim.user_id == principal.user_id);
    ok(&ClaimJson::from(&claim.ok_or_else(|| ask.problem(Code::NotFound))?))
}

/// `POST /claims/{id}/confirm`
pub async fn confirm(request: HttpRequest, state: web::Data<HttpState>, payload: web::Payload) -> Answer {
    let ask = Ask::new(&request, &state);
    let principal = ask.principal()?;
    let id: ClaimId = ask.id("id")?;
    if let Err(refusal) = ask.no_fields(payload).await {
        return Err(ask.unless_no_claim(&principal, id, refusal).await);
    }
    match state.engine.confirm(principal.user_id, id).await {
        Ok(claim) => ok(&ClaimJson::from(&claim)),
        Err(error) => Err(Refusal(Problem::from_act(error, ask.language))),
    }
}

/// `POST /claims/{id}/cancel`
pub async fn cancel(request: HttpRequest, state: web::Data<HttpState>, payload: web::Payload) -> Answer {
    let ask = Ask::new(&request, &state);
    let principal = ask.principal()?;
    let id: ClaimId = ask.id("id")?;
    if let Err(refusal) = ask.no_fields(payload).await {
        return Err(ask.unless_no_claim(&principal, id, refusal).await);
    }
    match state.engine.cancel_claim(principal.user_id, id).await {
        Ok(claim) => ok(&ClaimJson::from(&claim)),
        Err(error) => Err(Refusal(Problem::from_act(error, ask.language))),
    }
}

/// A claim as the store's people see it: of the shopper the display name only.
fn staff_json(claim: &Claim, name: &str) -> serde_json::Value {
    let mut body = object!({
        "id": claim.id,
        "promotion_id": claim.promotion_id,
        "store_id": claim.store_id,
        "status": claim.status,
        "quantity": claim.quantity,
        "unit_price": claim.unit_price,
        "v": claim.v,
        "created_at": time::WireTime(claim.created_at),
        "shopper": {"display_name": name},
    });
    for (member, at) in [
        ("hold_expires_at", claim.hold_expires_at),
        ("confirmed_at", claim.confirmed_at),
        ("closed_at", claim.closed_at),
    ] {
        if let Some(at) = at {
            body[member] = object!(time::WireTime(at));
        }
    }
    body
}

/// `GET /promotions/{id}/claims`: for the store's people; as CSV with `Accept: text/csv`.
pub async fn of_promotion(request: HttpRequest, state: web::Data<HttpState>) -> Answer {
    let ask = Ask::new(&request, &state);
    let record = ask.own_promotion(StaffRole::Clerk).await?;
    let mut query = Query::of(&ask)?;
    let (limit, after) = (query.limit(), query.cursor::<ClaimId>());
    let order = order(&mut query);
    query.finish()?;
    if prefers_text(&request, "csv") {
        return csv(&ask, record.id, order).await;
    }
    let found =
        state.catalogue.claims_on(record.id, order, after, limit).await.map_err(|error| ask.port(error))?;
    page(&found, |(claim, name)| staff_json(claim, name), |(claim, _)| claim.id.0)
}

/// Takes `order`: `oldest` first if absent.
fn order(query: &mut Query) -> Order {
    let words = [("oldest", Order::Oldest), ("newest", Order::Newest)];
    query.one_of("order", &words).unwrap_or(Order::Oldest)
}

/// Claims per page of the CSV; it is written page by page.
const CSV_PAGE: u32 = 1_000;

async fn csv(ask: &Ask<'_>, promotion: PromotionId, order: Order) -> Answer {
    let catalogue = ask.state.catalogue.clone();
    let header = "id,status,quantity,unit_amount,currency,shopper,created_at,confirmed_at,closed_at\r\n";
    // The first page decides whether this works at all; from then on the answer is under way.
    let first =
        catalogue.claims_on(promotion, order, None, CSV_PAGE).await.map_err(|error| ask.port(error))?;
    let begin = (Some(first), None::<ClaimId>, catalogue);
    let pages = futures_util::stream::try_unfold(begin, move |(page, after, catalogue)| async move {
        let page = match (page, after) {
            (Some(page), _) => page,
            (None, None) => return Ok(None),
            (None, after) => catalogue
                .claims_on(promotion, order, after, CSV_PAGE)
                .await
                .map_err(|error| std::io::Error::other(error.to_string()))?,
        };
        let rows: String = page.items.iter().map(|(claim, name)| csv_row(claim, name)).collect();
        let next = page.items.last().filter(|_| page.more).map(|(claim, _)| claim.id);
        Ok::<_, std::io::Error>(Some((web::Bytes::from(rows), (None, next, catalogue))))
    });
    let head = futures_util::stream::once(async move { Ok(web::Bytes::from_static(header.as_bytes())) });
    Ok(HttpResponse::Ok()
        .insert_header(("Content-Type", "text/csv; charset=utf-8"))
        .insert_header(("Content-Disposition", "attachment; filename=\"claims.csv\""))
        .streaming(futures_util::StreamExt::chain(head, pages)))
}

fn csv_row(claim: &Claim, name: &str) -> String {
    let at = |at: Option<flash_domain::time::UnixMillis>| at.map(time::format).unwrap_or_default();
    format!(
        "{},{},{},{},{},{},{},{},{}\r\n",
        claim.id,
        claim.status.as_str(),
        claim.quantity,
        claim.unit_price.amount,
        claim.unit_price.currency,
        csv_text(name),
        time::format(claim.created_at),
        at(claim.confirmed_at),
        at(claim.closed_at),
    )
}

/// Quotes a text; one that a spreadsheet would run as a formula gets an apostrophe in front.
fn csv_text(text: &str) -> String {
    let guarded = if text.starts_with(['=', '+', '-', '@']) { format!("'{text}") } else { text.to_owned() };
    format!("\"{}\"", guarded.replace('"', "\"\""))
}

/// `POST /stores/{id}/redemptions`
pub async fn redeem(request: HttpRequest, state: web::Data<HttpState>, payload: web::Payload) -> Answer {
    let ask = Ask::new(&request, &state);
    let principal = ask.principal()?;
    let store = ask.store(ask.id::<StoreId>("id")?).await?;
    ask.staff(&principal, store.id, StaffRole::Clerk).await?;
    let mut form = Form::parse(&ask, &ask.body(payload).await?)?;
    let code = form.text("code", Bounds { min: 1, max: 64 });
    form.finish()?;
    let code: String =
        code.unwrap_or_default().to_uppercase().chars().filter(|c| !matches!(c, '-' | ' ')).collect();
    let now = state.engine.now().wall;
    let found = state.catalogue.claim_by_code(store.id, &code, now).await.map_err(|error| ask.port(error))?;
    let claim = found.ok_or_else(|| ask.problem(Code::NotFound))?;
    match state.engine.redeem(claim.promotion_id, claim.id).await {
        Ok(claim) => {
            let shopper = state.accounts.user(claim.user_id).await.map_err(|error| ask.port(error))?;
            ok(&staff_json(&claim, &shopper.map(|user| user.display_name).unwrap_or_default()))
        }
        Err(error) => Err(Refusal(Problem::from_act(error, ask.language))),
    }
}
