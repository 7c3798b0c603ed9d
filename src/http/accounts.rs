//! Register, login, refresh, logout.

use super::HttpState;
use super::context::{Answer, Ask, Refusal, json, no_content};
use super::form::{Bounds, Form};
use crate::auth::Revocation;
use crate::auth::password::{PasswordError, QUEUE_RETRY_MS};
use crate::auth::refresh::{GRACE_MS, LIFETIME_MS, RefreshToken};
use crate::problem::{Code, Problem};
use actix_web::http::StatusCode;
use actix_web::{HttpRequest, web};
use flash_actors::ports::accounts::{Role, Rotation, User};
use flash_domain::ids::{FamilyId, UserId};
use flash_domain::limits::NAME_CHARS_MAX;
use serde_json::{Value, json as object};

/// Characters of a password.
pub const PASSWORD: Bounds = Bounds { min: 8, max: 128 };
/// Characters of an e-mail address.
const EMAIL: Bounds = Bounds { min: 3, max: 254 };
/// Characters of a name.
pub const NAME: Bounds = Bounds { min: 1, max: NAME_CHARS_MAX };

/// A person as they see themselves.
pub fn user_json(user: &User) -> Value {
    let mut body = object!({
        "id": user.id,
        "email": user.email,
        "display_name": user.display_name,
        "role": user.role,
        "language": user.language,
        "phone": user.phone,
        "notification_preferences": serde_json::from_str::<Value>(&user.notification_preferences).unwrap_or_default(),
        "created_at": crate::wire::time::WireTime(user.created_at),
    });
    body["last_location"] = user.last_location.map_or(Value::Null, |place| object!(place));
    body
}

/// Whether a text can be an e-mail address: something, one @, a domain (without a dot too, as in `a@localhost`), no
/// spaces, no control characters.
pub fn is_email(text: &str) -> bool {
    let shaped = text.split_once('@').is_some_and(|(local, domain)| {
        !local.is_empty()
            && !domain.is_empty()
            && !domain.contains("..")
            && !domain.contains('@')
            && !domain.starts_with('.')
            && !domain.ends_with('.')
    });
    shaped
        && text.chars().count() <= EMAIL.max
        && !text.contains(|c: char| c.is_whitespace() || c.is_control() || is_invisible(c))
}

/// What is not seen, and makes two addresses look like one: zero-width characters, marks of direction.
fn is_invisible(c: char) -> bool {
    matches!(c, '\u{ad}' | '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}')
}

/// Takes an e-mail address, in lower case.
fn take_email(form: &mut Form) -> Option<String> {
    let text = form.text("email", EMAIL)?.trim().to_lowercase();
    let valid = is_email(&text);
    if !valid {
        form.refuse("/email", "invalid", "Debe ser un correo electrónico.", "Must be an e-mail address.");
    }
    valid.then_some(text)
}

impl Ask<'_> {
    /// A password hasher's error as a problem.
    pub fn password(&self, error: PasswordError) -> Refusal {
        match error {
            PasswordError::Overloaded => {
                Refusal(Problem::new(Code::Overloaded, self.language).retry_after(QUEUE_RETRY_MS))
            }
            PasswordError::Failed => self.problem(Code::Internal),
        }
    }

    fn rate(&self) -> Result<(), Refusal> {
        let address = self.request.peer_addr().map(|address| address.ip());
        self.state.rates.account(address).map_err(|too_often| {
            Refusal(Problem::new(Code::RateLimited, self.language).retry_after(too_often.retry_after_ms))
        })
    }

    fn signed_in(&self, user: &User, token: &RefreshToken) -> Result<Value, Refusal> {
        let auth = &self.state.auth;
        let now = self.state.engine.now().wall;
        let access = auth.issue_access(user.id, user.role, token.family, now);
        Ok(object!({
            "user": user_json(user),
            "access_token": access.ok_or_else(|| self.problem(Code::Internal))?,
            "refresh_token": token.text(),
            "token_type": "Bearer",
            "expires_in": auth.access_seconds(),
        }))
    }

    async fn begin_login(&self, user: &User, status: StatusCode) -> Answer {
        let now = self.state.engine.now().wall;
        let token = RefreshToken::begin(FamilyId(self.state.engine.new_id()));
        let begun = self.state.accounts.begin_family(
            token.family,
            user.id,
            token.digest(),
            now,
            now.plus_ms(LIFETIME_MS),
        );
        begun.await.map_err(|error| self.port(error))?;
        Ok(json(status, &self.signed_in(user, &token)?))
    }
}

/// `POST /auth/register`
pub async fn register(request: HttpRequest, state: web::Data<HttpState>, payload: web::Payload) -> Answer {
    let ask = Ask::new(&request, &state);
    ask.rate()?;
    let mut form = Form::parse(&ask, &ask.body(payload).await?)?;
    let email = take_email(&mut form);
    let password = form.text("password", PASSWORD);
    let display_name = form.text("display_name", NAME);
    let role = form.text("role", NAME).and_then(|role| match role.as_str() {
        "shopper" => Some(Role::Shopper),
        "merchant" => Some(Role::Merchant),
        _ => {
            form.refuse("/role", "invalid", "Debe ser shopper o merchant.", "Must be shopper or merchant.");
            None
        }
    });
    form.finish()?;
    let (Some(email), Some(password), Some(display_name), Some(role)) = (email, password, display_name, role)
    else {
        return Err(ask.problem(Code::Internal));
    };
    let hash = state.passwords.hash(password).await.map_err(|error| ask.password(error))?;
    let user = User {
        id: UserId(state.engine.new_id()),
        email,
        display_name,
        role,
        language: ask.language.tag().to_owned(),
        phone: None,
        notification_preferences: "{}".to_owned(),
        last_location: None,
        created_at: state.engine.now().wall,
    };
    if !state.accounts.register(user.clone(), hash).await.map_err(|error| ask.port(error))? {
        return Err(ask.problem(Code::EmailTaken));
    }
    ask.begin_login(&user, StatusCode::CREATED).await
}

/// `POST /auth/login`
pub async fn login(request: HttpRequest, state: web::Data<HttpState>, payload: web::Payload) -> Answer {
    let ask = Ask::new(&request, &state);
    ask.rate()?;
    let mut form = Form::parse(&ask, &ask.body(payload).await?)?;
    let email = take_email(&mut form);
    let password = form.text("password", Bounds { min: 1, max: PASSWORD.max });
    form.finish()?;
    let (Some(email), Some(password)) = (email, password) else { return Err(ask.problem(Code::Internal)) };
    let found = state.accounts.by_email(&email).await.map_err(|error| ask.port(error))?;
    let (user, hash) = found.map_or((None, None), |(user, hash)| (Some(user), Some(hash)));
    let right = state.passwords.verify(password, hash).await.map_err(|error| ask.password(error))?;
    match user {
        Some(user) if right => ask.begin_login(&user, StatusCode::OK).await,
        _ => Err(ask.problem(Code::WrongCredentials)),
    }
}

fn take_refresh_token(ask: &Ask<'_>, body: &[u8]) -> Result<Option<RefreshToken>, Refusal> {
    let mut form = Form::parse(ask, body)?;
    let text = form.text("refresh_token", Bounds { min: 1, max: 512 });
    form.finish()?;
    Ok(text.and_then(|text| RefreshToken::parse(&text)))
}

/// `POST /auth/refresh`
pub async fn refresh(request: HttpRequest, state: web::Data<HttpState>, payload: web::Payload) -> Answer {
    let ask = Ask::new(&request, &state);
    ask.rate()?;
    let token = take_refresh_token(&ask, &ask.body(payload).await?)?;
    let token = token.ok_or_else(|| ask.problem(Code::RefreshTokenInvalid))?;
    let successor = token.successor(&state.auth);
    let now = state.engine.now().wall;
    let rotation =
        state.accounts.rotate(token.family, token.digest(), successor.digest(), now, GRACE_MS).await;
    let user = match rotation.map_err(|error| ask.port(error))? {
        Rotation::Rotated(user) | Rotation::Repeated(user) => user,
        Rotation::Reused => {
            state.auth.revoke(Revocation::Family(token.family), now);
            return Err(ask.problem(Code::RefreshTokenReused));
        }
        Rotation::Unknown => return Err(ask.problem(Code::RefreshTokenInvalid)),
    };
    let user = state.accounts.user(user).await.map_err(|error| ask.port(error))?;
    let user = user.ok_or_else(|| ask.problem(Code::RefreshTokenInvalid))?;
    Ok(json(StatusCode::OK, &ask.signed_in(&user, &successor)?))
}

/// `POST /auth/logout`: ends the login; saying it twice is fine.
pub async fn logout(request: HttpRequest, state: web::Data<HttpState>, payload: web::Payload) -> Answer {
    let ask = Ask::new(&request, &state);
    let Some(token) = take_refresh_token(&ask, &ask.body(payload).await?)? else { return no_content() };
    let now = state.engine.now().wall;
    // Only who holds the login's current token, or the one before, may end it: a family's id alone is no secret.
    let rotation = state.accounts.rotate(token.family, token.digest(), token.digest(), now, GRACE_MS).await;
    if rotation.map_err(|error| ask.port(error))? != Rotation::Unknown {
        state.accounts.revoke_family(token.family, now).await.map_err(|error| ask.port(error))?;
        state.auth.revoke(Revocation::Family(token.family), now);
    }
    no_content()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_email_needs_no_dot_in_its_domain() {
        for good in ["a@localhost", "a@b.co", "ana.maría+x@correo.example", "a@xn--bcher-kva.example"] {
            assert!(is_email(good), "{good}");
        }
        for bad in [
            "",
            "a",
            "@",
            "a@",
            "@b",
            "a@b@c",
            "a@.b",
            "a@b.",
            "a@b..c",
            "a b@c",
            "a@b c",
            "a@b\u{0}",
            "a@b\u{200b}",
        ] {
            assert!(!is_email(bad), "{bad}");
        }
    }
}
