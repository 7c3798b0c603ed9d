//! What every handler needs: who asks, in which language, with which body; how a problem becomes an answer; pages.

use super::HttpState;
use crate::auth::{Principal, TokenError};
use crate::limits::{BODY_BYTES_MAX, REQUEST_BODY_TIMEOUT};
use crate::problem::{Code, FieldError, Language, Problem};
use actix_web::body::BoxBody;
use actix_web::http::StatusCode;
use actix_web::http::header::{
    ACCEPT_LANGUAGE, AUTHORIZATION, Accept, CONTENT_LENGTH, CONTENT_TYPE, Header, HeaderName, HeaderValue,
    Quality, RETRY_AFTER, WWW_AUTHENTICATE,
};
use actix_web::mime::Mime;
use actix_web::{HttpRequest, HttpResponse, ResponseError, web};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use flash_actors::ports::accounts::Role;
use flash_actors::ports::catalogue::StaffRole;
use flash_actors::ports::{Page, PortError};
use flash_domain::ids::StoreId;
use flash_domain::limits::IDEMPOTENCY_KEY_CHARS_MAX;
use serde::Serialize;
use serde_json::json;
use std::fmt;
use std::task::Poll;
use uuid::Uuid;
use uuid::fmt::Hyphenated;

/// A handler's answer.
pub type Answer = Result<HttpResponse, Refusal>;

/// A problem on its way out.
#[derive(Debug)]
pub struct Refusal(pub Problem);

impl From<Problem> for Refusal {
    fn from(problem: Problem) -> Self {
        Self(problem)
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0.code.as_str())
    }
}

impl ResponseError for Refusal {
    fn status_code(&self) -> StatusCode {
        StatusCode::from_u16(self.0.status()).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR)
    }

    fn error_response(&self) -> HttpResponse<BoxBody> {
        answer_problem(&self.0)
    }
}

/// The response of a problem.
pub fn answer_problem(problem: &Problem) -> HttpResponse {
    let status = StatusCode::from_u16(problem.status()).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let mut response = HttpResponse::build(status);
    response.insert_header((CONTENT_TYPE, HeaderValue::from_static("application/problem+json")));
    response.insert_header(("Content-Language", problem.language().tag()));
    if status == StatusCode::UNAUTHORIZED {
        response.insert_header((WWW_AUTHENTICATE, HeaderValue::from_static("Bearer")));
    }
    if status == StatusCode::REQUEST_TIMEOUT {
        // The rest of the body may still come, and must not be taken for the next request.
        response.force_close();
    }
    if let Some(ms) = problem.retry_after_ms {
        response.insert_header((RETRY_AFTER, ms.div_ceil(1000)));
    }
    response.body(serde_json::to_vec(problem).unwrap_or_default())
}

/// A JSON answer.
pub fn json<T: Serialize>(status: StatusCode, body: &T) -> HttpResponse {
    match serde_json::to_vec(body) {
        Ok(bytes) => HttpResponse::build(status)
            .insert_header((CONTENT_TYPE, HeaderValue::from_static("application/json")))
            .body(bytes),
        Err(error) => {
            tracing::error!(%error, "an answer could not be written as JSON");
            answer_problem(&Problem::new(Code::Internal, Language::English))
        }
    }
}

/// A 200 with JSON.
pub fn ok<T: Serialize>(body: &T) -> Answer {
    Ok(json(StatusCode::OK, body))
}

/// A 204.
pub fn no_content() -> Answer {
    Ok(HttpResponse::NoContent().finish())
}

/// One request, as handlers look at it.
pub struct Ask<'a> {
    /// The request.
    pub request: &'a HttpRequest,
    /// The server.
    pub state: &'a HttpState,
    /// The language to answer in.
    pub language: Language,
}

impl<'a> Ask<'a> {
    /// Looks at a request.
    pub fn new(request: &'a HttpRequest, state: &'a HttpState) -> Self {
        Self { request, state, language: language(request) }
    }

    /// A problem in the request's language.
    pub fn problem(&self, code: Code) -> Refusal {
        Refusal(Problem::new(code, self.language))
    }

    /// A port's error as a problem.
    pub fn port(&self, error: PortError) -> Refusal {
        Refusal(Problem::from_port(&error, self.language))
    }

    /// Who asks.
    ///
    /// # Errors
    /// 401.
    pub fn principal(&self) -> Result<Principal, Refusal> {
        self.visitor()?.ok_or_else(|| self.problem(Code::Unauthenticated))
    }

    /// Who asks, if they say so. A token that is not good is refused even where none is needed.
    ///
    /// # Errors
    /// 401.
    pub fn visitor(&self) -> Result<Option<Principal>, Refusal> {
        let Some(header) = self.request.headers().get(AUTHORIZATION) else { return Ok(None) };
        let token = header.to_str().ok().and_then(|header| {
            let (scheme, token) = header.split_once(' ')?;
            scheme.eq_ignore_ascii_case("bearer").then_some(token.trim())
        });
        let Some(token) = token else { return Err(self.problem(Code::TokenInvalid)) };
        let now = self.state.engine.now().wall;
        self.state.auth.verify_access(token, now).map(Some).map_err(|error| {
            self.problem(match error {
                TokenError::Expired => Code::TokenExpired,
                TokenError::Revoked => Code::TokenRevoked,
                TokenError::Invalid => Code::TokenInvalid,
            })
        })
    }

    /// Who asks, if they may act as a merchant.
    ///
    /// # Errors
    /// 401, 403.
    pub fn merchant(&self) -> Result<Principal, Refusal> {
        let principal = self.principal()?;
        match principal.role {
            Role::Merchant | Role::Admin => Ok(principal),
            Role::Shopper => Err(self.problem(Code::Forbidden)),
        }
    }

    /// Who asks, if they are an admin.
    ///
    /// # Errors
    /// 401, 403.
    pub fn admin(&self) -> Result<Principal, Refusal> {
        let principal = self.principal()?;
        if principal.role == Role::Admin { Ok(principal) } else { Err(self.problem(Code::Forbidden)) }
    }

    /// The caller's role at a store, at least `least`.
    ///
    /// # Errors
    /// 403.
    pub async fn staff(
        &self,
        principal: &Principal,
        store: StoreId,
        least: StaffRole,
    ) -> Result<StaffRole, Refusal> {
        let role =
            self.state.catalogue.role_at(store, principal.user_id).await.map_err(|error| self.port(error))?;
        match role {
            Some(role) if rank(role) >= rank(least) => Ok(role),
            _ => Err(self.problem(Code::Forbidden)),
        }
    }

    /// An id from the path, in the one form that answers have. What is not a UUID is nothing that exists.
    ///
    /// # Errors
    /// 404.
    pub fn id<T: From<Uuid>>(&self, name: &str) -> Result<T, Refusal> {
        let text = self.request.match_info().get(name).unwrap_or("");
        let id = Uuid::try_parse(text).ok().filter(|_| text.len() == Hyphenated::LENGTH);
        id.map(T::from).ok_or_else(|| self.problem(Code::NotFound))
    }

    /// The whole body, at most 64 KiB, within [`REQUEST_BODY_TIMEOUT`]. One that says that it is larger is not waited for.
    ///
    /// # Errors
    /// 413, 400 when it breaks off, 408 when it does not come.
    pub async fn body(&self, payload: web::Payload) -> Result<web::Bytes, Refusal> {
        let length = self.request.headers().get(CONTENT_LENGTH).and_then(|length| length.to_str().ok());
        if length
            .and_then(|length| length.parse().ok())
            .is_some_and(|length: u64| length > BODY_BYTES_MAX as u64)
        {
            return Err(self.problem(Code::BodyTooLarge));
        }
        let mut reading = std::pin::pin!(payload.to_bytes_limited(BODY_BYTES_MAX));
        // Most bodies come with their head, and need no timer.
        let read = match futures_util::poll!(reading.as_mut()) {
            Poll::Ready(read) => read,
            Poll::Pending => match tokio::time::timeout(REQUEST_BODY_TIMEOUT, reading).await {
                Ok(read) => read,
                Err(_) => return Err(self.problem(Code::RequestTimeout)),
            },
        };
        match read {
            Ok(Ok(bytes)) => Ok(bytes),
            Ok(Err(_)) => Err(self.problem(Code::BadRequest)),
            Err(_) => Err(self.problem(Code::BodyTooLarge)),
        }
    }

    /// The request's `Idempotency-Key`, checked.
    ///
    /// # Errors
    /// 422 naming the header.
    pub fn key(&self) -> Result<Option<String>, Refusal> {
        let Some(value) = self.request.headers().get(IDEMPOTENCY_KEY) else { return Ok(None) };
        let text = std::str::from_utf8(value.as_bytes()).ok();
        match text.filter(|key| is_key(key)) {
            Some(key) => Ok(Some(key.to_owned())),
            None => Err(self.bad_field(
                "Idempotency-Key",
                "invalid",
                "Entre 1 y 255 caracteres, sin caracteres de control.",
                "1 to 255 characters without control characters.",
            )),
        }
    }

    /// A 422 about one field.
    pub fn bad_field(&self, field: &str, code: &'static str, spanish: &str, english: &str) -> Refusal {
        let detail = self.language.choose(spanish, english).to_owned();
        Refusal(Problem::invalid(vec![FieldError { field: field.to_owned(), code, detail }], self.language))
    }
}

/// The header that makes a request repeatable.
pub const IDEMPOTENCY_KEY: HeaderName = HeaderName::from_static("idempotency-key");

/// Whether a text can be an idempotency key.
pub fn is_key(key: &str) -> bool {
    !key.is_empty() && key.chars().count() <= IDEMPOTENCY_KEY_CHARS_MAX && !key.chars().any(char::is_control)
}

/// Whether a request would rather have `text/{subtype}` than JSON, which is what it gets if it does not mind.
pub fn prefers_text(request: &HttpRequest, subtype: &str) -> bool {
    let Ok(mut accept) = Accept::parse(request) else { return false };
    accept.retain(|kind| kind.quality > Quality::ZERO);
    let known = |kind: &Mime| match (kind.type_().as_str(), kind.subtype().as_str()) {
        ("text", known) if known == subtype || known == "*" => Some(true),
        ("application", "json" | "problem+json" | "*") | ("*", "*") => Some(false),
        _ => None,
    };
    accept.ranked().iter().find_map(known).unwrap_or(false)
}

/// The language that a request asks for.
pub fn language(request: &HttpRequest) -> Language {
    Language::negotiate(request.headers().get(ACCEPT_LANGUAGE).and_then(|value| value.to_str().ok()))
}

fn rank(role: StaffRole) -> u8 {
    match role {
        StaffRole::Clerk => 0,
        StaffRole::Manager => 1,
        StaffRole::Owner => 2,
    }
}

/// A cursor that continues after an id.
pub fn cursor_after(id: Uuid) -> String {
    URL_SAFE_NO_PAD.encode(id.as_bytes())
}

/// A page of a list.
pub fn page<T, J: Serialize>(page: &Page<T>, item: impl Fn(&T) -> J, id: impl Fn(&T) -> Uuid) -> Answer {
    let items: Vec<J> = page.items.iter().map(item).collect();
    let next = page.items.last().filter(|_| page.more).map(|last| cursor_after(id(last)));
    ok(&json!({ "items": items, "next_cursor": next }))
}
