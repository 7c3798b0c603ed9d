//! Refresh tokens: opaque, rotating. The successor of a token is derived from it, so that within the grace it can be
//! given again without ever being stored.

use super::{Auth, derive};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use flash_domain::ids::FamilyId;
use rand::Rng;
use sha2::{Digest, Sha256};
use uuid::Uuid;

/// Milliseconds within which the token before is answered with the same successor again: a lost answer, two tabs.
pub const GRACE_MS: i64 = 10_000;
/// Milliseconds that a login lasts without being used.
pub const LIFETIME_MS: i64 = 30 * 24 * 3600 * 1000;

/// A refresh token: its family and its secret.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct RefreshToken {
    /// The login that it belongs to.
    pub family: FamilyId,
    secret: [u8; 32],
}

impl RefreshToken {
    /// Makes the first token of a family.
    pub fn begin(family: FamilyId) -> Self {
        let mut secret = [0; 32];
        rand::rng().fill_bytes(&mut secret);
        Self { family, secret }
    }

    /// Understands a token's text; `None` if it is not one.
    pub fn parse(text: &str) -> Option<Self> {
        let (family, secret) = text.split_once('.')?;
        let family = FamilyId(Uuid::try_parse(family).ok()?);
        let secret = URL_SAFE_NO_PAD.decode(secret).ok()?.try_into().ok()?;
        Some(Self { family, secret })
    }

    /// The text that the client keeps.
    pub fn text(&self) -> String {
        format!("{}.{}", self.family.0.simple(), URL_SAFE_NO_PAD.encode(self.secret))
    }

    /// What is stored of it.
    pub fn digest(&self) -> [u8; 32] {
        Sha256::digest(self.secret).into()
    }

    /// The token that follows it; the same every time.
    pub fn successor(&self, auth: &Auth) -> Self {
        Self { family: self.family, secret: derive(&auth.refresh_key, &self.secret) }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn i28_the_successor_is_a_function_of_the_token_and_the_server() {
        let auth = Auth::new(&[3; 32], None, 900);
        let token = RefreshToken::begin(FamilyId(Uuid::from_u128(7)));
        let parsed = RefreshToken::parse(&token.text()).unwrap();
        assert!(parsed.successor(&auth).text() == token.successor(&auth).text());
        assert!(token.successor(&auth).text() != token.text());
        assert!(token.successor(&Auth::new(&[4; 32], None, 900)).text() != token.successor(&auth).text());
        for bad in ["", ".", "x.y", "00000000000000000000000000000007.AAAA"] {
            assert!(RefreshToken::parse(bad).is_none(), "{bad}");
        }
    }
}
