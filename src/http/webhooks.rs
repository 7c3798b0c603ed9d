//! A store's webhooks: where it hears of its sales. Secrets are shown once, when they are made.

use super::HttpState;
use super::context::{Answer, Ask, json, no_content, ok, page};
use super::form::{Bounds, Form};
use super::idempotency::Keyed;
use super::query::Query;
use crate::problem::Code;
use crate::wire::time::WireTime;
use actix_web::http::StatusCode;
use actix_web::{HttpRequest, web};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use flash_actors::ports::catalogue::StaffRole;
use flash_actors::ports::webhooks::{MessageState, Webhook};
use flash_actors::webhooks::TYPES;
use flash_domain::ids::{EventId, StoreId};
use rand::Rng;
use serde_json::{Value, json as object};
use uuid::Uuid;

const ADDRESS: Bounds = Bounds { min: 1, max: 2_048 };
/// Webhooks of one store: each costs a message per event.
const WEBHOOKS_MAX: u32 = 5;
/// How long the secret before also signs: receivers have a day to change theirs.
const ROTATION_MS: i64 = 24 * 3600 * 1000;

fn fresh_secret() -> String {
    let mut random = [0; 32];
    rand::rng().fill_bytes(&mut random);
    format!("whsec_{}", STANDARD.encode(random))
}

fn webhook_json(webhook: &Webhook) -> Value {
    object!({
        "id": webhook.id,
        "url": webhook.url,
        "events": webhook.events,
        "created_at": WireTime(webhook.created_at),
    })
}

/// The store of the path, if the caller manages it.
async fn managed(ask: &Ask<'_>) -> Result<(crate::auth::Principal, StoreId), super::context::Refusal> {
    let principal = ask.principal()?;
    let store = ask.store(ask.id("id")?).await?;
    ask.staff(&principal, store.id, StaffRole::Manager).await?;
    Ok((principal, store.id))
}

/// The webhook of the path, of a store that the caller manages.
async fn webhook(ask: &Ask<'_>) -> Result<Webhook, super::context::Refusal> {
    let (_, store) = managed(ask).await?;
    let id: Uuid = ask.id("webhook_id")?;
    let found = ask.state.webhooks.webhooks(store).await.map_err(|error| ask.port(error))?;
    found.into_iter().find(|webhook| webhook.id == id).ok_or_else(|| ask.problem(Code::NotFound))
}

/// `POST /stores/{id}/webhooks`: `{url, events?}`; the answer shows the secret.
pub async fn create(request: HttpRequest, state: web::Data<HttpState>, payload: web::Payload) -> Answer {
    let ask = Ask::new(&request, &state);
    let (principal, store_id) = managed(&ask).await?;
    let body = ask.body(payload).await?;
    let mut form = Form::parse(&ask, &body)?;
    let url = form.text("url", ADDRESS);
    if url.as_deref().is_some_and(|url| !(state.webhook_allowed)(url)) {
        form.refuse(
            "/url",
            "invalid",
            "Debe ser una dirección https pública.",
            "Must be a public https address.",
        );
    }
    let events = form.take("events").map_or(Ok(Vec::new()), serde_json::from_value::<Vec<String>>);
    let events = events.ok().filter(|events| {
        events.len() <= TYPES.len() && events.iter().all(|event| TYPES.contains(&event.as_str()))
    });
    if events.is_none() {
        let types = TYPES.join(", ");
        form.refuse(
            "/events",
            "invalid",
            &format!("Una lista de: {types}."),
            &format!("A list of: {types}."),
        );
    }
    form.finish()?;
    let keyed = Keyed::of(&ask, principal, &body)?;
    if let Some(before) = keyed.before(&ask).await? {
        return Ok(before);
    }
    let (Some(url), Some(events)) = (url, events) else { return Err(ask.problem(Code::Internal)) };
    let created_at = state.engine.now().wall;
    let webhook = Webhook {
        id: state.engine.new_id(),
        store_id,
        url,
        events,
        secret: fresh_secret(),
        previous: None,
        created_at,
    };
    let shown = webhook_json(&webhook);
    let mut answer = shown.clone();
    answer["secret"] = object!(webhook.secret);
    // What is stored for a repetition has no secret: it is shown once.
    let uses = keyed.uses(&ask, StatusCode::CREATED, &shown);
    let created = state.webhooks.add_webhook(webhook, WEBHOOKS_MAX, uses).await;
    keyed.created(&ask, created.map_err(|error| ask.port(error))?, json(StatusCode::CREATED, &answer))
}

/// `GET /stores/{id}/webhooks`
pub async fn list(request: HttpRequest, state: web::Data<HttpState>) -> Answer {
    let ask = Ask::new(&request, &state);
    let (_, store) = managed(&ask).await?;
    let found = state.webhooks.webhooks(store).await.map_err(|error| ask.port(error))?;
    ok(&object!({ "items": found.iter().map(webhook_json).collect::<Vec<_>>(), "next_cursor": null }))
}

/// `DELETE /stores/{id}/webhooks/{webhook_id}`
pub async fn remove(request: HttpRequest, state: web::Data<HttpState>, payload: web::Payload) -> Answer {
    let ask = Ask::new(&request, &state);
    let webhook = webhook(&ask).await?;
    ask.no_fields(payload).await?;
    let removed = state.webhooks.remove_webhook(webhook.store_id, webhook.id).await;
    if removed.map_err(|error| ask.port(error))? { no_content() } else { Err(ask.problem(Code::NotFound)) }
}

/// `POST /stores/{id}/webhooks/{webhook_id}/rotate`: a new secret; the one before also signs for a day.
pub async fn rotate(request: HttpRequest, state: web::Data<HttpState>, payload: web::Payload) -> Answer {
    let ask = Ask::new(&request, &state);
    let webhook = webhook(&ask).await?;
    ask.no_fields(payload).await?;
    let (secret, until) = (fresh_secret(), state.engine.now().wall.plus_ms(ROTATION_MS));
    let rotated = state.webhooks.rotate_secret(webhook.store_id, webhook.id, secret.clone(), until).await;
    if !rotated.map_err(|error| ask.port(error))? {
        return Err(ask.problem(Code::NotFound));
    }
    let mut answer = webhook_json(&webhook);
    answer["secret"] = object!(secret);
    answer["previous_secret_until"] = object!(WireTime(until));
    ok(&answer)
}

fn message_json(state: &MessageState) -> Value {
    let status = match (state.delivered_at, state.due_at) {
        (Some(_), None) => "delivered",
        (_, Some(_)) => "waiting",
        (None, None) => "failed",
    };
    let mut message = object!({
        "id": state.message.event_id,
        "type": state.message.kind,
        "status": status,
        "tries": state.tries,
        "answer": state.answer,
        "created_at": WireTime(state.message.created_at),
    });
    if let Some(at) = state.due_at {
        message["due_at"] = object!(WireTime(at));
    }
    if let Some(at) = state.delivered_at {
        message["delivered_at"] = object!(WireTime(at));
    }
    message
}

/// `GET /stores/{id}/webhooks/{webhook_id}/messages`
pub async fn messages(request: HttpRequest, state: web::Data<HttpState>) -> Answer {
    let ask = Ask::new(&request, &state);
    let webhook = webhook(&ask).await?;
    let mut query = Query::of(&ask)?;
    let (limit, before) = (query.limit(), query.cursor::<EventId>());
    query.finish()?;
    let found = state.webhooks.messages(webhook.id, before, limit).await.map_err(|error| ask.port(error))?;
    page(&found, message_json, |state| state.message.event_id.0)
}

/// `POST /stores/{id}/webhooks/{webhook_id}/messages/{message_id}/replay`
pub async fn replay(request: HttpRequest, state: web::Data<HttpState>, payload: web::Payload) -> Answer {
    let ask = Ask::new(&request, &state);
    let webhook = webhook(&ask).await?;
    let message: EventId = ask.id("message_id")?;
    if let Err(refusal) = ask.no_fields(payload).await {
        // That there is no such message comes first; only a bad request pays for the look-up.
        let after = EventId(Uuid::from_u128(message.0.as_u128().saturating_add(1)));
        let found =
            state.webhooks.messages(webhook.id, Some(after), 1).await.map_err(|error| ask.port(error))?;
        let known = found.items.first().is_some_and(|state| state.message.event_id == message);
        return Err(if known { refusal } else { ask.problem(Code::NotFound) });
    }
    let now = state.engine.now().wall;
    let found = state.webhooks.replay(webhook.id, message, now).await;
    if found.map_err(|error| ask.port(error))? { no_content() } else { Err(ask.problem(Code::NotFound)) }
}
