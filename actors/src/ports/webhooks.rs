//! Webhooks: where stores want to hear of their sales, and the messages on their way there.
//!
//! A webhook gets an event once per event id, however often the event is taken in; it is sent until it is answered with a
//! success or given up, so the receiver may get it more than once and folds it by `webhook-id`.

use super::catalogue::Created;
use super::{Answer, KeyUse, Page, PortError};
use flash_domain::ids::{EventId, PromotionId, StoreId};
use flash_domain::time::UnixMillis;
use uuid::Uuid;

/// A place that hears of a store's sales.
#[derive(Clone, PartialEq, Eq)]
pub struct Webhook {
    /// Its id.
    pub id: Uuid,
    /// Whose sales.
    pub store_id: StoreId,
    /// Where: an https address (http only where private addresses are allowed).
    pub url: String,
    /// Types of events; empty = all.
    pub events: Vec<String>,
    /// Signs: `whsec_` and base 64 of 32 bytes.
    pub secret: String,
    /// Also signs until then, while the secret is changed.
    pub previous: Option<(String, UnixMillis)>,
    /// When it was made.
    pub created_at: UnixMillis,
}

impl std::fmt::Debug for Webhook {
    /// Without secrets and address (I31).
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Webhook")
            .field("id", &self.id)
            .field("store_id", &self.store_id)
            .finish_non_exhaustive()
    }
}

/// A message for a webhook.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewMessage {
    /// For which.
    pub webhook_id: Uuid,
    /// The event's id: the message's too.
    pub event_id: EventId,
    /// The type, as in `promotion.started`.
    pub kind: String,
    /// What is sent, byte for byte.
    pub body: String,
    /// When the event happened.
    pub created_at: UnixMillis,
}

/// A message that is due.
#[derive(Clone, Debug)]
pub struct DueMessage {
    /// For which.
    pub webhook: Webhook,
    /// Its id.
    pub event_id: EventId,
    /// What is sent.
    pub body: String,
    /// Tries before this one.
    pub tries: u32,
}

/// A message as its store sees it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MessageState {
    /// What it is.
    pub message: NewMessage,
    /// How often it was sent.
    pub tries: u32,
    /// When it is sent next; absent once it is settled.
    pub due_at: Option<UnixMillis>,
    /// When it was answered with a success.
    pub delivered_at: Option<UnixMillis>,
    /// The last answer's status, or why there was none.
    pub answer: String,
}

/// What became of sending a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// Answered with a success.
    Delivered,
    /// To be sent again then.
    Later(UnixMillis),
    /// Given up; it can be sent again by hand.
    GivenUp,
}

/// See the module for the guarantees.
pub trait Webhooks: Send + Sync + 'static {
    /// Adds a webhook; `Conflict` where the store has `most` already.
    fn add_webhook(
        &self,
        webhook: Webhook,
        most: u32,
        key: Option<KeyUse>,
    ) -> Answer<'_, Result<Created, PortError>>;
    /// A store's webhooks.
    fn webhooks(&self, store: StoreId) -> Answer<'_, Result<Vec<Webhook>, PortError>>;
    /// Removes a store's webhook with its messages; says whether it was there.
    fn remove_webhook(&self, store: StoreId, id: Uuid) -> Answer<'_, Result<bool, PortError>>;
    /// Gives a store's webhook a new secret; the one before also signs until then. Says whether it was there.
    fn rotate_secret(
        &self,
        store: StoreId,
        id: Uuid,
        secret: String,
        previous_until: UnixMillis,
    ) -> Answer<'_, Result<bool, PortError>>;
    /// Which webhooks hear of these promotions.
    fn listeners(
        &self,
        promotions: Vec<PromotionId>,
    ) -> Answer<'_, Result<Vec<(PromotionId, Webhook)>, PortError>>;
    /// Takes messages in; those that are known are passed over. Says how many are new.
    fn enqueue(&self, messages: Vec<NewMessage>) -> Answer<'_, Result<u64, PortError>>;
    /// Messages that are due, oldest first; they are nobody else's until `until`.
    fn messages_due(
        &self,
        now: UnixMillis,
        until: UnixMillis,
        limit: u32,
    ) -> Answer<'_, Result<Vec<DueMessage>, PortError>>;
    /// Writes what became of a message.
    fn settle_message(
        &self,
        webhook: Uuid,
        event: EventId,
        outcome: Outcome,
        answer: String,
        at: UnixMillis,
    ) -> Answer<'_, Result<(), PortError>>;
    /// A webhook's messages, newest event first, before one.
    fn messages(
        &self,
        webhook: Uuid,
        before: Option<EventId>,
        limit: u32,
    ) -> Answer<'_, Result<Page<MessageState>, PortError>>;
    /// Sends a message again from its first try on, also one that was delivered; says whether it was there.
    fn replay(&self, webhook: Uuid, event: EventId, at: UnixMillis) -> Answer<'_, Result<bool, PortError>>;
    /// Forgets messages of events before `before` that are settled; says how many.
    fn purge_messages(&self, before: UnixMillis) -> Answer<'_, Result<u64, PortError>>;
}

/// How a call went.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Called {
    /// Whether it was answered with a success (2xx).
    pub ok: bool,
    /// The status, or why there was no answer; never more than 200 characters.
    pub answer: String,
}

/// Signs and sends.
pub trait Caller: Send + Sync + 'static {
    /// Sends a message, signed for this moment. Never to a private address unless that is allowed.
    fn call<'a>(&'a self, message: &'a DueMessage, now: UnixMillis) -> Answer<'a, Called>;
}
