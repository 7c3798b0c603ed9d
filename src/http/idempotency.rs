//! Requests that create something and carry a key: the stored answer comes before everything but authorisation and the
//! body's form.

use super::context::{Answer, Ask, Refusal};
use crate::auth::Principal;
use crate::problem::Code;
use actix_web::HttpResponse;
use actix_web::http::StatusCode;
use actix_web::http::header::CONTENT_TYPE;
use flash_actors::ports::KeyUse;
use flash_actors::ports::catalogue::Created;
use serde::Serialize;
use serde_json::Value;
use sha2::{Digest, Sha256};

/// A request's key with everything that its stored answer needs.
pub struct Keyed {
    route: String,
    key: Option<String>,
    fingerprint: [u8; 32],
    principal: Principal,
}

impl Keyed {
    /// Reads the key and fingerprints the body. The fingerprint is over the body's meaning: the order of members and
    /// white space don't count.
    ///
    /// # Errors
    /// 422 for a key that is none.
    pub fn of(ask: &Ask<'_>, principal: Principal, body: &[u8]) -> Result<Self, Refusal> {
        let canonical: Value = serde_json::from_slice(body).unwrap_or(Value::Null);
        let text = serde_json::to_vec(&canonical).unwrap_or_default();
        Ok(Self {
            route: format!("{} {}", ask.request.method(), ask.request.path()),
            key: ask.key()?,
            fingerprint: Sha256::digest(&text).into(),
            principal,
        })
    }

    /// The stored answer, if the key was used before.
    ///
    /// # Errors
    /// 422 `idempotency_key_reused` for another request.
    pub async fn before(&self, ask: &Ask<'_>) -> Result<Option<HttpResponse>, Refusal> {
        let Some(key) = &self.key else { return Ok(None) };
        let found = ask.state.catalogue.key_use(self.principal.user_id, &self.route, key).await;
        found.map_err(|error| ask.port(error))?.map(|before| self.replay(ask, before)).transpose()
    }

    /// What to store with the thing that is created.
    pub fn uses(&self, ask: &Ask<'_>, status: StatusCode, body: &impl Serialize) -> Option<KeyUse> {
        Some(KeyUse {
            user_id: self.principal.user_id,
            route: self.route.clone(),
            key: self.key.clone()?,
            fingerprint: self.fingerprint,
            status: status.as_u16(),
            body: serde_json::to_string(body).unwrap_or_default(),
            created_at: ask.state.engine.now().wall,
        })
    }

    /// The answer to a creation.
    ///
    /// # Errors
    /// 409 `conflict`, 422 `idempotency_key_reused`.
    pub fn created(&self, ask: &Ask<'_>, created: Created, fresh: HttpResponse) -> Answer {
        match created {
            Created::Fresh => Ok(fresh),
            Created::Before(before) => self.replay(ask, before),
            Created::Conflict => Err(ask.problem(Code::Conflict)),
        }
    }

    fn replay(&self, ask: &Ask<'_>, before: KeyUse) -> Answer {
        if before.fingerprint != self.fingerprint {
            return Err(ask.problem(Code::IdempotencyKeyReused));
        }
        let status = StatusCode::from_u16(before.status).unwrap_or(StatusCode::CREATED);
        Ok(HttpResponse::build(status).insert_header((CONTENT_TYPE, "application/json")).body(before.body))
    }
}
