//! One's own profile.

use super::HttpState;
use super::accounts::{NAME, user_json};
use super::context::{Answer, Ask, no_content, ok};
use super::form::{Bounds, Form};
use crate::auth::Revocation;
use crate::problem::Code;
use actix_web::{HttpRequest, web};
use flash_actors::ports::accounts::{User, UserPatch};
use serde_json::{Value, json};

async fn answer(ask: &Ask<'_>, user: &User) -> Answer {
    let now = ask.state.engine.now().wall;
    let segment = ask.state.accounts.segment(user.id, now).await.map_err(|error| ask.port(error))?;
    let mut body = user_json(user);
    body["segment"] = json!(segment);
    ok(&body)
}

/// `GET /me`
pub async fn show(request: HttpRequest, state: web::Data<HttpState>) -> Answer {
    let ask = Ask::new(&request, &state);
    let principal = ask.principal()?;
    let user = state.accounts.user(principal.user_id).await.map_err(|error| ask.port(error))?;
    answer(&ask, &user.ok_or_else(|| ask.problem(Code::TokenRevoked))?).await
}

/// `PATCH /me`
pub async fn edit(request: HttpRequest, state: web::Data<HttpState>, payload: web::Payload) -> Answer {
    let ask = Ask::new(&request, &state);
    let principal = ask.principal()?;
    let mut form = Form::parse_edit(&ask, &ask.body(payload).await?)?;
    let language = form.optional_text("language", NAME).filter(|language| {
        let known = matches!(language.as_str(), "es" | "en");
        if !known {
            form.refuse("/language", "invalid", "Debe ser es o en.", "Must be es or en.");
        }
        known
    });
    let phone = form.nullable_text("phone", Bounds { min: 5, max: 20 });
    if let Some(Some(phone)) = &phone
        && !(phone.starts_with('+') && phone[1..].chars().all(|c| c.is_ascii_digit()))
    {
        form.refuse(
            "/phone",
            "invalid",
            "Debe ser E.164, como +573001234567.",
            "Must be E.164, as in +573001234567.",
        );
    }
    let preferences = form.take("notification_preferences");
    if preferences.as_ref().is_some_and(|value| !is_preferences(value)) {
        form.refuse(
            "/notification_preferences",
            "invalid",
            "Debe ser un objeto de hasta 32 valores simples.",
            "Must be an object of at most 32 plain values.",
        );
    }
    let patch = UserPatch {
        display_name: form.optional_text("display_name", NAME),
        language,
        phone,
        notification_preferences: preferences.map(|value| value.to_string()),
        last_location: form.nullable_location("last_location"),
        password_hash: None,
    };
    form.finish()?;
    let user = state.accounts.update(principal.user_id, patch).await.map_err(|error| ask.port(error))?;
    answer(&ask, &user.ok_or_else(|| ask.problem(Code::TokenRevoked))?).await
}

/// Preferences are a flat object: channels, quiet hours, caps and the like.
fn is_preferences(value: &Value) -> bool {
    value.as_object().is_some_and(|fields| {
        fields.len() <= 32
            && fields.iter().all(|(name, value)| {
                name.len() <= 64
                    && !name.chars().any(char::is_control)
                    && match value {
                        Value::String(text) => text.len() <= 64 && !text.chars().any(char::is_control),
                        Value::Array(_) | Value::Object(_) => false,
                        _ => true,
                    }
            })
    })
}

/// `DELETE /me`: forgets the person; their claims stay without a name.
pub async fn forget(request: HttpRequest, state: web::Data<HttpState>, payload: web::Payload) -> Answer {
    let ask = Ask::new(&request, &state);
    let principal = ask.principal()?;
    ask.no_fields(payload).await?;
    let now = state.engine.now().wall;
    let forgotten = state.accounts.forget(principal.user_id, now).await.map_err(|error| ask.port(error))?;
    if !forgotten {
        return Err(ask.problem(Code::StillInUse));
    }
    state.auth.revoke(Revocation::User(principal.user_id), now);
    no_content()
}
