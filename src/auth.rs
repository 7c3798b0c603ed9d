//! Who somebody is: access tokens, refresh tokens, passwords. Knows no HTTP; the edges hand in what they were given.

pub mod password;
pub mod refresh;

use flash_actors::ports::accounts::Role;
use flash_domain::ids::{FamilyId, UserId};
use flash_domain::time::UnixMillis;
use hmac::{Hmac, KeyInit, Mac};
use jsonwebtoken::errors::ErrorKind;
use jsonwebtoken::{Algorithm, DecodingKey, EncodingKey, Header, Validation};
use serde::{Deserialize, Serialize};
use sha2::Sha256;
use std::collections::HashMap;
use std::sync::{Arc, OnceLock, PoisonError, RwLock};

const ISSUER: &str = "flash-promos";
const AUDIENCE: &str = "flash-promos-api";
const PURPOSE: &str = "access";

/// Somebody whose access token is good.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Principal {
    /// Who.
    pub user_id: UserId,
    /// What they may do, as of the token's issue.
    pub role: Role,
    /// The login that it belongs to.
    pub family: FamilyId,
    /// When it ends.
    pub expires_at: UnixMillis,
}

/// Why a token is not good.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TokenError {
    /// It was good once.
    #[error("the token has expired")]
    Expired,
    /// Its login was ended.
    #[error("the token was revoked")]
    Revoked,
    /// Malformed, or signed by somebody else, or for another audience or purpose, or by another algorithm.
    #[error("the token is invalid")]
    Invalid,
}

#[derive(Serialize, Deserialize)]
struct AccessClaims {
    iss: String,
    aud: String,
    purpose: String,
    sub: UserId,
    role: Role,
    fam: FamilyId,
    iat: i64,
    exp: i64,
}

struct Key {
    id: String,
    encoding: EncodingKey,
    decoding: DecodingKey,
}

impl Key {
    fn new(secret: &[u8]) -> Self {
        let id = derive(secret, b"key id");
        Self {
            id: id.iter().take(6).map(|byte| format!("{byte:02x}")).collect(),
            encoding: EncodingKey::from_secret(secret),
            decoding: DecodingKey::from_secret(secret),
        }
    }
}

/// Called when a login ends, so that its live sessions end too.
pub type RevocationHook = Arc<dyn Fn(Revocation) + Send + Sync>;

/// What was revoked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Revocation {
    /// One login.
    Family(FamilyId),
    /// Everything of a person.
    User(UserId),
}

/// Issues and verifies tokens.
pub struct Auth {
    current: Key,
    previous: Option<Key>,
    validation: Validation,
    refresh_key: [u8; 32],
    access_seconds: u32,
    revoked_families: RwLock<Revoked<FamilyId>>,
    revoked_users: RwLock<Revoked<UserId>>,
    hook: OnceLock<RevocationHook>,
}

/// What was revoked, each until the last token that it could concern has expired by itself.
type Revoked<Id> = HashMap<Id, UnixMillis>;

/// Added to the life of a token: one may still be issued by a request that was under way at the revocation.
const REVOKED_SLACK_MS: i64 = 60_000;

/// HMAC-SHA256 of a label under a key: independent keys from one secret.
pub(crate) fn derive(key: &[u8], label: &[u8]) -> [u8; 32] {
    // HMAC takes keys of any length; the error can't happen and an all-zero key would verify nothing.
    let Ok(mut mac) = Hmac::<Sha256>::new_from_slice(key) else { return [0; 32] };
    mac.update(label);
    mac.finalize().into_bytes().into()
}

impl Auth {
    /// Makes an issuer of tokens from a secret of at least 32 bytes; tokens signed with the previous secret still
    /// verify.
    pub fn new(secret: &[u8], previous: Option<&[u8]>, access_seconds: u32) -> Self {
        let mut validation = Validation::new(Algorithm::HS256);
        validation.set_audience(&[AUDIENCE]);
        validation.set_issuer(&[ISSUER]);
        validation.set_required_spec_claims(&["exp", "aud", "iss", "sub"]);
        // Expiry is decided here, against the engine's clock.
        validation.validate_exp = false;
        validation.leeway = 0;
        Self {
            current: Key::new(secret),
            previous: previous.map(Key::new),
            validation,
            refresh_key: derive(secret, b"refresh tokens"),
            access_seconds,
            revoked_families: RwLock::default(),
            revoked_users: RwLock::default(),
            hook: OnceLock::new(),
        }
    }

    /// Seconds that an access token lasts.
    pub fn access_seconds(&self) -> u32 {
        self.access_seconds
    }

    /// Has the hook called at every revocation. Only the first call counts.
    pub fn on_revocation(&self, hook: RevocationHook) {
        let _only_once = self.hook.set(hook);
    }

    /// Issues an access token; `None` if it can't be signed, which is a defect.
    pub fn issue_access(
        &self,
        user: UserId,
        role: Role,
        family: FamilyId,
        now: UnixMillis,
    ) -> Option<String> {
        let issued = now.0.div_euclid(1000);
        let claims = AccessClaims {
            iss: ISSUER.to_owned(),
            aud: AUDIENCE.to_owned(),
            purpose: PURPOSE.to_owned(),
            sub: user,
            role,
            fam: family,
            iat: issued,
            exp: issued + i64::from(self.access_seconds),
        };
        let header = Header { kid: Some(self.current.id.clone()), ..Header::new(Algorithm::HS256) };
        jsonwebtoken::encode(&header, &claims, &self.current.encoding).ok()
    }

    /// Verifies an access token.
    ///
    /// # Errors
    /// See [`TokenError`].
    pub fn verify_access(&self, token: &str, now: UnixMillis) -> Result<Principal, TokenError> {
        let claims = match self.decode(token, &self.current) {
            Err(TokenError::Invalid) => match &self.previous {
                Some(previous) => self.decode(token, previous)?,
                None => return Err(TokenError::Invalid),
            },
            other => other?,
        };
        if claims.purpose != PURPOSE || claims.exp > i64::MAX / 1000 {
            return Err(TokenError::Invalid);
        }
        if claims.exp * 1000 <= now.0 {
            return Err(TokenError::Expired);
        }
        if self.is_revoked(claims.fam, claims.sub) {
            return Err(TokenError::Revoked);
        }
        Ok(Principal {
            user_id: claims.sub,
            role: claims.role,
            family: claims.fam,
            expires_at: UnixMillis(claims.exp * 1000),
        })
    }

    fn decode(&self, token: &str, key: &Key) -> Result<AccessClaims, TokenError> {
        match jsonwebtoken::decode::<AccessClaims>(token, &key.decoding, &self.validation) {
            Ok(data) => Ok(data.claims),
            Err(error) => match error.kind() {
                ErrorKind::ExpiredSignature => Err(TokenError::Expired),
                _ => Err(TokenError::Invalid),
            },
        }
    }

    /// Whether tokens of this login are not good any more.
    pub fn is_revoked(&self, family: FamilyId, user: UserId) -> bool {
        self.revoked_families.read().unwrap_or_else(PoisonError::into_inner).contains_key(&family)
            || self.revoked_users.read().unwrap_or_else(PoisonError::into_inner).contains_key(&user)
    }

    /// Makes a login's access tokens bad from now on, and ends its live sessions.
    pub fn revoke(&self, what: Revocation, now: UnixMillis) {
        let until = self.forgotten_at(now);
        match what {
            Revocation::Family(family) => {
                self.revoked_families.write().unwrap_or_else(PoisonError::into_inner).insert(family, until);
            }
            Revocation::User(user) => {
                self.revoked_users.write().unwrap_or_else(PoisonError::into_inner).insert(user, until);
            }
        }
        if let Some(hook) = self.hook.get() {
            hook(what);
        }
    }

    /// Adds revoked families from the store: those whose access tokens may still be unexpired.
    pub fn know_revoked(&self, families: Vec<FamilyId>, now: UnixMillis) {
        let until = self.forgotten_at(now);
        let known = families.into_iter().map(|family| (family, until));
        self.revoked_families.write().unwrap_or_else(PoisonError::into_inner).extend(known);
    }

    /// Forgets revocations whose tokens have all expired by themselves. To be called now and then.
    pub fn forget_expired(&self, now: UnixMillis) {
        self.revoked_families.write().unwrap_or_else(PoisonError::into_inner).retain(|_, until| *until > now);
        self.revoked_users.write().unwrap_or_else(PoisonError::into_inner).retain(|_, until| *until > now);
    }

    fn forgotten_at(&self, now: UnixMillis) -> UnixMillis {
        now.plus_ms(i64::from(self.access_seconds) * 1000 + REVOKED_SLACK_MS)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use serde_json::json;
    use uuid::Uuid;

    const SECRET: &[u8] = b"0123456789abcdef0123456789abcdef";
    const NOW: UnixMillis = UnixMillis(1_795_539_600_000);

    fn ids() -> (UserId, FamilyId) {
        (UserId(Uuid::from_u128(1)), FamilyId(Uuid::from_u128(2)))
    }

    #[test]
    fn i29_a_token_is_good_until_it_expires_or_is_revoked() {
        let auth = Auth::new(SECRET, None, 900);
        let (user, family) = ids();
        let token = auth.issue_access(user, Role::Shopper, family, NOW).unwrap();
        let principal = auth.verify_access(&token, NOW.plus_ms(899_999)).unwrap();
        assert_eq!((principal.user_id, principal.family), (user, family));
        assert_eq!(auth.verify_access(&token, NOW.plus_ms(900_000)), Err(TokenError::Expired));
        auth.revoke(Revocation::Family(family), NOW);
        assert_eq!(auth.verify_access(&token, NOW), Err(TokenError::Revoked));
    }

    #[test]
    fn revocations_are_forgotten_when_their_tokens_have_expired() {
        let auth = Auth::new(SECRET, None, 900);
        let (user, family) = ids();
        let known = FamilyId(Uuid::from_u128(3));
        auth.revoke(Revocation::Family(family), NOW);
        auth.revoke(Revocation::User(user), NOW);
        auth.know_revoked(vec![known], NOW);
        let sizes =
            || (auth.revoked_families.read().unwrap().len(), auth.revoked_users.read().unwrap().len());
        auth.forget_expired(NOW.plus_ms(900_000));
        assert_eq!(sizes(), (2, 1), "a token issued in the same moment may still be good");
        let late = auth.issue_access(user, Role::Shopper, family, NOW.plus_ms(REVOKED_SLACK_MS)).unwrap();
        let expired = NOW.plus_ms(900_000 + REVOKED_SLACK_MS);
        assert_eq!(auth.verify_access(&late, expired.plus_ms(-1)), Err(TokenError::Revoked));
        auth.forget_expired(expired);
        assert_eq!(sizes(), (0, 0));
        assert_eq!(auth.verify_access(&late, expired), Err(TokenError::Expired));
        auth.know_revoked(vec![known], expired);
        assert!(auth.is_revoked(known, user));
    }

    #[test]
    fn i29_wrong_algorithm_audience_issuer_purpose_or_key_is_refused() {
        let auth = Auth::new(SECRET, None, 900);
        let (user, family) = ids();
        let good = json!({"iss": ISSUER, "aud": AUDIENCE, "purpose": "access", "sub": user, "role": "shopper",
            "fam": family, "iat": 1_795_539_600, "exp": 1_795_540_500});
        let sign = |claims: &serde_json::Value, algorithm, secret: &[u8]| {
            jsonwebtoken::encode(&Header::new(algorithm), claims, &EncodingKey::from_secret(secret)).unwrap()
        };
        assert!(auth.verify_access(&sign(&good, Algorithm::HS256, SECRET), NOW).is_ok());
        assert_eq!(auth.verify_access(&sign(&good, Algorithm::HS512, SECRET), NOW), Err(TokenError::Invalid));
        assert_eq!(
            auth.verify_access(&sign(&good, Algorithm::HS256, &[7; 32]), NOW),
            Err(TokenError::Invalid)
        );
        for (name, value) in [("aud", json!("other")), ("iss", json!("other")), ("purpose", json!("refresh"))]
        {
            let mut bad = good.clone();
            bad[name] = value;
            assert_eq!(
                auth.verify_access(&sign(&bad, Algorithm::HS256, SECRET), NOW),
                Err(TokenError::Invalid),
                "{name}"
            );
        }
        let parts: Vec<String> =
            sign(&good, Algorithm::HS256, SECRET).split('.').map(str::to_owned).collect();
        let none = format!("eyJhbGciOiJub25lIn0.{}.", parts[1]);
        for bad in ["", "a.b.c", "…", none.as_str()] {
            assert_eq!(auth.verify_access(bad, NOW), Err(TokenError::Invalid), "{bad}");
        }
    }

    #[test]
    fn a_previous_secret_still_verifies() {
        let (user, family) = ids();
        let token = Auth::new(SECRET, None, 900).issue_access(user, Role::Merchant, family, NOW).unwrap();
        let next = Auth::new(&[9; 32], Some(SECRET), 900);
        assert!(next.verify_access(&token, NOW).is_ok());
        assert!(Auth::new(&[9; 32], None, 900).verify_access(&token, NOW).is_err());
    }
}
