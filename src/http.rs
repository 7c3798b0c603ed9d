//! The HTTP edge: one file per resource, one table of routes, one map from errors to answers (`crate::problem`).
//!
//! Handlers authorise, check and translate; what happens is decided by the engine and the ports.

pub mod accounts;
pub mod admin;
pub mod bench;
pub mod body;
pub mod claims;
pub mod context;
pub mod devices;
pub mod errors_page;
pub mod form;
pub mod idempotency;
pub mod me;
pub mod notifications;
pub mod openapi;
pub mod products;
pub mod promotions;
pub mod query;
pub mod rates;
pub mod routes;
pub mod series;
pub mod stores;
pub mod system;
pub mod web;
pub mod webhooks;

use crate::auth::Auth;
use crate::auth::password::Passwords;
use crate::metrics::Metrics;
use flash_actors::engine::Engine;
use flash_actors::feed::Feed;
use flash_actors::ports::accounts::Accounts;
use flash_actors::ports::catalogue::Catalogue;
use flash_actors::ports::inbox::Inbox;
use flash_actors::ports::jobs::JobLog;
use flash_actors::ports::store::Store;
use flash_actors::ports::webhooks::Webhooks;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

/// What handlers work with.
pub struct HttpState {
    /// Promotions.
    pub engine: Engine,
    /// For the readiness check.
    pub store: Arc<dyn Store>,
    /// People.
    pub accounts: Arc<dyn Accounts>,
    /// Stores, products, promotions as documents.
    pub catalogue: Arc<dyn Catalogue>,
    /// Notifications.
    pub inbox: Arc<dyn Inbox>,
    /// Webhooks.
    pub webhooks: Arc<dyn Webhooks>,
    /// Whether messages may be sent to an address.
    pub webhook_allowed: Box<dyn Fn(&str) -> bool + Send + Sync>,
    /// What jobs did.
    pub jobs: Arc<dyn JobLog>,
    /// The live edge, to be told of changes of staff.
    pub feed: Arc<dyn Feed>,
    /// Tokens.
    pub auth: Arc<Auth>,
    /// Password hashes.
    pub passwords: Passwords,
    /// Rates.
    pub rates: rates::Rates,
    /// Numbers.
    pub metrics: Arc<Metrics>,
    /// Whether the server is on its way out.
    pub draining: AtomicBool,
    /// Whether the bench routes are served.
    pub bench: bool,
    /// Style of the web app's map; `None` = its own, which needs no network.
    pub map_style_url: Option<String>,
    /// Origins that browsers may call from.
    pub cors_origins: Vec<String>,
}

impl HttpState {
    /// Whether requests should be sent here.
    pub fn is_ready(&self) -> bool {
        self.engine.observe().ready && !self.draining.load(Ordering::Acquire)
    }
}
