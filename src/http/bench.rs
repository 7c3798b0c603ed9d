//! Routes for load tests, with `FLASH_BENCH=1` only: people without Argon2id, and a no-op to hold claims against.

use super::HttpState;
use super::claims::read_claim;
use super::context::{Answer, Ask, json};
use super::form::Form;
use crate::limits::BENCH_SHOPPERS_MAX;
use crate::problem::Code;
use crate::wire::claim::ClaimJson;
use actix_web::http::StatusCode;
use actix_web::{HttpRequest, web};
use flash_actors::ports::accounts::{Role, User};
use flash_domain::claim::{Claim, ClaimStatus};
use flash_domain::ids::{ClaimId, FamilyId, PromotionId, StoreId, UserId};
use flash_domain::money::Money;
use serde_json::json as object;

/// `POST /bench/shoppers` `{count}` → `{tokens}`
pub async fn shoppers(request: HttpRequest, state: web::Data<HttpState>, payload: web::Payload) -> Answer {
    let ask = Ask::new(&request, &state);
    let mut form = Form::parse(&ask, &ask.body(payload).await?)?;
    let count = form.number("count");
    let count = form.require("count", count).unwrap_or(0);
    if !(1..=BENCH_SHOPPERS_MAX).contains(&count) {
        form.refuse("/count", "out_of_range", "Debe estar entre 1 y 10000.", "Must be between 1 and 10000.");
    }
    form.finish()?;
    let now = state.engine.now().wall;
    let users: Vec<User> = (0..count)
        .map(|_| {
            let id = UserId(state.engine.new_id());
            User {
                id,
                email: format!("{}@bench.invalid", id.0.simple()),
                display_name: "Bench shopper".to_owned(),
                role: Role::Shopper,
                language: "en".to_owned(),
                phone: None,
                notification_preferences: "{}".to_owned(),
                last_location: None,
                created_at: now,
            }
        })
        .collect();
    let tokens: Option<Vec<String>> = users
        .iter()
        .map(|user| state.auth.issue_access(user.id, user.role, FamilyId(state.engine.new_id()), now))
        .collect();
    // Nobody can log in with this: it is no PHC string.
    state.accounts.register_many(users, "!".to_owned()).await.map_err(|error| ask.port(error))?;
    let tokens = tokens.ok_or_else(|| ask.problem(Code::Internal))?;
    Ok(json(StatusCode::CREATED, &object!({ "tokens": tokens })))
}

/// `POST /bench/noop`: everything that a claim does on its way in and out, and nothing in between.
pub async fn noop(request: HttpRequest, state: web::Data<HttpState>, payload: web::Payload) -> Answer {
    let ask = Ask::new(&request, &state);
    let principal = ask.principal()?;
    let fields = read_claim(&ask, payload).await?;
    let now = state.engine.now().wall;
    let claim = Claim {
        id: ClaimId(principal.user_id.0),
        promotion_id: PromotionId(principal.user_id.0),
        store_id: StoreId(principal.user_id.0),
        user_id: principal.user_id,
        status: ClaimStatus::Held,
        quantity: fields.quantity,
        unit_price: Money { amount: 1, currency: "COP".parse().map_err(|_| ask.problem(Code::Internal))? },
        hold_expires_at: Some(now),
        redemption_code: "000000000000".into(),
        idempotency_key: fields.key.into(),
        first_v: 1,
        v: 1,
        created_at: now,
        confirmed_at: None,
        closed_at: None,
    };
    Ok(json(StatusCode::OK, &ClaimJson::from(&claim)))
}
