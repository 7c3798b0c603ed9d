//! The ports: small traits through which the engine and the edges reach what lies outside, each with its guarantee.
//!
//! Adapters implement them with one driver each; only the composition root lets an adapter meet a port. Nothing here
//! knows SQL, HTTP or a wire format.

pub mod accounts;
pub mod catalogue;
pub mod clock;
pub mod inbox;
pub mod jobs;
pub mod notifier;
pub mod pusher;
pub mod store;
pub mod webhooks;

use std::future::Future;
use std::pin::Pin;

/// A boxed future, so that ports stay object-safe.
pub type Answer<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

/// A request's idempotency record for what no promotion owns: scoped to (user, route), see DESIGN 4 "Idempotency".
/// Written in the transaction that creates the thing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeyUse {
    /// Whose key.
    pub user_id: flash_domain::ids::UserId,
    /// The route with its path parameters, as in `POST /stores/…/products`.
    pub route: String,
    /// The key, 1 to 255 characters.
    pub key: String,
    /// SHA-256 of the request's body in canonical form.
    pub fingerprint: [u8; 32],
    /// Status of the answer.
    pub status: u16,
    /// Body of the answer, JSON.
    pub body: String,
    /// When, for the cleanup (kept at least 24 h).
    pub created_at: flash_domain::time::UnixMillis,
}

/// Why a port could not answer.
#[derive(Debug, thiserror::Error)]
pub enum PortError {
    /// Certainly nothing was changed; trying again may help.
    #[error("storage is unavailable: {0}")]
    Unavailable(String),
    /// The connection broke while committing: the change may or may not be there.
    #[error("the outcome is unknown: {0}")]
    OutcomeUnknown(String),
    /// What is stored can't be understood, or the statement is wrong: a defect, trying again won't help.
    #[error("storage failed: {0}")]
    Broken(String),
}

/// A page of a list and the cursor of the next one.
#[derive(Clone, Debug)]
pub struct Page<T> {
    /// The items, in order.
    pub items: Vec<T>,
    /// Whether more follow after the last item.
    pub more: bool,
}
