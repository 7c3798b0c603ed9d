//! Devices that can be pushed to. Their tokens are never given back.

use super::HttpState;
use super::context::{Answer, Ask, json, no_content};
use super::form::{Bounds, Form};
use super::idempotency::Keyed;
use crate::problem::Code;
use crate::wire::time::WireTime;
use actix_web::http::StatusCode;
use actix_web::{HttpRequest, web};
use flash_actors::ports::inbox::Device;
use serde_json::json;

/// What the platforms' tokens are within.
const TOKEN: Bounds = Bounds { min: 8, max: 4_096 };
const PLATFORM: Bounds = Bounds { min: 1, max: 32 };

/// `POST /devices`: registers a device, or again: then it keeps its id.
pub async fn register(request: HttpRequest, state: web::Data<HttpState>, payload: web::Payload) -> Answer {
    let ask = Ask::new(&request, &state);
    let principal = ask.principal()?;
    let body = ask.body(payload).await?;
    let mut form = Form::parse(&ask, &body)?;
    let platform = form.text("platform", PLATFORM);
    if platform.as_deref().is_some_and(|name| !matches!(name, "fcm" | "apns" | "apns_sandbox")) {
        form.refuse(
            "/platform",
            "invalid",
            "Debe ser fcm, apns o apns_sandbox.",
            "Must be fcm, apns or apns_sandbox.",
        );
    }
    let token = form.text("token", TOKEN);
    form.finish()?;
    let keyed = Keyed::of(&ask, principal, &body)?;
    if let Some(before) = keyed.before(&ask).await? {
        return Ok(before);
    }
    let (Some(platform), Some(token)) = (platform, token) else { return Err(ask.problem(Code::Internal)) };
    let known = state.inbox.device_with(principal.user_id, token.clone()).await;
    let known = known.map_err(|error| ask.port(error))?;
    let created_at = state.engine.now().wall;
    let id = known.unwrap_or_else(|| state.engine.new_id());
    let answer = json!({ "id": id, "platform": platform, "created_at": WireTime(created_at) });
    let uses = keyed.uses(&ask, StatusCode::CREATED, &answer);
    let device = Device { id, user_id: principal.user_id, platform, token, endpoint_arn: None, created_at };
    let created = state.inbox.register_device(device, uses).await.map_err(|error| ask.port(error))?;
    keyed.created(&ask, created, json(StatusCode::CREATED, &answer))
}

/// `DELETE /devices/{id}`
pub async fn remove(request: HttpRequest, state: web::Data<HttpState>, payload: web::Payload) -> Answer {
    let ask = Ask::new(&request, &state);
    let principal = ask.principal()?;
    let id = ask.id("id")?;
    ask.no_fields(payload).await?;
    let removed = state.inbox.remove_device(principal.user_id, id).await;
    if removed.map_err(|error| ask.port(error))? { no_content() } else { Err(ask.problem(Code::NotFound)) }
}
