//! The one table of routes: what is served, to whom, and what may come back. The server's configuration, the API's
//! description and the authorisation tests read it.

mod handlers;

use super::{HttpState, bench, system};
use Access::{Admin, Anybody, Clerk, Manager, Merchant, Owner, User};
use actix_web::{Route, guard, web};
use std::sync::Arc;

/// Who gets past the authorisation of a route.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Access {
    /// Also visitors.
    Anybody,
    /// Whoever is signed in (to what is theirs).
    User,
    /// Merchants and admins.
    Merchant,
    /// The store's people.
    Clerk,
    /// The store's managers and its owner.
    Manager,
    /// The store's owner.
    Owner,
    /// Admins.
    Admin,
}

/// A row of the table.
#[derive(Clone, Copy, Debug)]
pub struct RouteRow {
    /// HTTP method.
    pub method: &'static str,
    /// Path below `/api/v1`.
    pub path: &'static str,
    /// Group in the API's description.
    pub tag: &'static str,
    /// Who may.
    pub access: Access,
    /// What it does.
    pub summary: &'static str,
    /// Schema of the body; empty = none.
    pub body: &'static str,
    /// Status of success.
    pub success: u16,
    /// Schema of the answer; empty = none.
    pub answer: &'static str,
    /// Codes besides those that every route shares.
    pub codes: &'static [&'static str],
}

const fn row(
    method: &'static str,
    path: &'static str,
    tag: &'static str,
    access: Access,
    summary: &'static str,
) -> RouteRow {
    RouteRow { method, path, tag, access, summary, body: "", success: 204, answer: "", codes: &[] }
}

impl RouteRow {
    const fn takes(mut self, schema: &'static str) -> Self {
        self.body = schema;
        self
    }

    const fn answers(mut self, status: u16, schema: &'static str) -> Self {
        self.success = status;
        self.answer = schema;
        self
    }

    const fn refuses(mut self, codes: &'static [&'static str]) -> Self {
        self.codes = codes;
        self
    }
}

/// Every route of the API, bench mode aside. A row that names no answer answers 204.
pub const ROUTES: [RouteRow; 58] = [
    row("POST", "/auth/register", "auth", Anybody, "Register")
        .takes("Register")
        .answers(201, "SignedIn")
        .refuses(&["email_taken", "overloaded", "rate_limited"]),
    row("POST", "/auth/login", "auth", Anybody, "Sign in")
        .takes("Login")
        .answers(200, "SignedIn")
        .refuses(&["wrong_credentials", "overloaded", "rate_limited"]),
    row("POST", "/auth/refresh", "auth", Anybody, "Rotate the refresh token")
        .takes("RefreshToken")
        .answers(200, "SignedIn")
        .refuses(&["refresh_token_invalid", "refresh_token_reused"]),
    row("POST", "/auth/logout", "auth", Anybody, "End the sign-in").takes("RefreshToken"),
    row("GET", "/me", "me", User, "One's profile").answers(200, "User"),
    row("PATCH", "/me", "me", User, "Edit one's profile").takes("UserPatch").answers(200, "User"),
    row("DELETE", "/me", "me", User, "Be forgotten").refuses(&["still_in_use"]),
    row("POST", "/stores", "stores", Merchant, "Open a store")
        .takes("NewStore")
        .answers(201, "Store")
        .refuses(&["forbidden"]),
    row("GET", "/stores", "stores", User, "Stores where one works, or that one follows")
        .answers(200, "Stores"),
    row("GET", "/stores/{id}", "stores", Anybody, "A store").answers(200, "Store"),
    row("PATCH", "/stores/{id}", "stores", Manager, "Edit a store")
        .takes("StorePatch")
        .answers(200, "Store")
        .refuses(&["forbidden"]),
    row("DELETE", "/stores/{id}", "stores", Owner, "Close a store").refuses(&["forbidden", "still_in_use"]),
    row("PUT", "/stores/{id}/follow", "stores", User, "Follow a store"),
    row("DELETE", "/stores/{id}/follow", "stores", User, "Stop following a store"),
    row("GET", "/stores/{id}/staff", "stores", Manager, "A store's staff")
        .answers(200, "StaffList")
        .refuses(&["forbidden"]),
    row("GET", "/stores/{id}/staff/{user_id}", "stores", Manager, "A member of staff")
        .answers(200, "Staff")
        .refuses(&["forbidden"]),
    row("PUT", "/stores/{id}/staff/{user_id}", "stores", Owner, "Name a manager or clerk")
        .takes("StaffRole")
        .answers(200, "Staff")
        .refuses(&["forbidden", "is_owner"]),
    row("DELETE", "/stores/{id}/staff/{user_id}", "stores", Owner, "Remove a member of staff")
        .refuses(&["forbidden", "is_owner"]),
    row("POST", "/stores/{id}/products", "products", Manager, "Add a product")
        .takes("NewProduct")
        .answers(201, "Product")
        .refuses(&["forbidden"]),
    row("GET", "/stores/{id}/products", "products", Anybody, "A store's products").answers(200, "Products"),
    row("GET", "/products/{id}", "products", Anybody, "A product").answers(200, "Product"),
    row("PATCH", "/products/{id}", "products", Manager, "Edit a product")
        .takes("ProductPatch")
        .answers(200, "Product")
        .refuses(&["forbidden"]),
    row("DELETE", "/products/{id}", "products", Manager, "Remove a product").refuses(&["forbidden"]),
    row("POST", "/stores/{id}/promotions", "promotions", Manager, "Launch a flash sale or a daily series")
        .takes("NewPromotion")
        .answers(201, "Promotion")
        .refuses(&["forbidden", "product_unavailable", "idempotency_key_reused"]),
    row("GET", "/promotions", "promotions", Anybody, "Promotions; around a point nearest first")
        .answers(200, "Promotions"),
    row("GET", "/promotions/{id}", "promotions", Anybody, "A promotion").answers(200, "Promotion"),
    row("PATCH", "/promotions/{id}", "promotions", Manager, "Edit a promotion")
        .takes("PromotionPatch")
        .answers(200, "Promotion")
        .refuses(&["forbidden", "wrong_state", "stock_below_committed", "outcome_unknown", "unavailable"]),
    row("DELETE", "/promotions/{id}", "promotions", Manager, "Delete a draft")
        .refuses(&["forbidden", "wrong_state"]),
    row("POST", "/promotions/{id}/publish", "promotions", Manager, "Publish a draft")
        .answers(200, "Promotion")
        .refuses(&["forbidden", "wrong_state"]),
    row("POST", "/promotions/{id}/pause", "promotions", Manager, "Pause")
        .answers(200, "Promotion")
        .refuses(&["forbidden", "wrong_state"]),
    row("POST", "/promotions/{id}/resume", "promotions", Manager, "Resume")
        .answers(200, "Promotion")
        .refuses(&["forbidden", "wrong_state"]),
    row("POST", "/promotions/{id}/cancel", "promotions", Manager, "Call off")
        .answers(200, "Promotion")
        .refuses(&["forbidden", "wrong_state"]),
    row("GET", "/promotions/{id}/stats", "promotions", Clerk, "How it sells")
        .answers(200, "Stats")
        .refuses(&["forbidden"]),
    row("GET", "/promotions/{id}/claims", "promotions", Clerk, "Its claims, also as CSV")
        .answers(200, "StaffClaims")
        .refuses(&["forbidden"]),
    row("POST", "/promotions/{id}/claims", "claims", User, "Claim units")
        .takes("NewClaim")
        .answers(201, "Claim")
        .refuses(&[
            "not_started",
            "ended",
            "paused",
            "cancelled",
            "not_eligible",
            "location_required",
            "too_far",
            "limit_reached",
            "sold_out",
            "all_held",
            "idempotency_key_reused",
            "rate_limited",
            "overloaded",
            "outcome_unknown",
            "unavailable",
        ]),
    row("GET", "/claims", "claims", User, "One's claims").answers(200, "Claims"),
    row("GET", "/claims/{id}", "claims", User, "One's claim").answers(200, "Claim"),
    row("POST", "/claims/{id}/confirm", "claims", User, "Confirm a held claim")
        .answers(200, "Claim")
        .refuses(&[
            "hold_expired",
            "already_cancelled",
            "already_redeemed",
            "outcome_unknown",
            "unavailable",
        ]),
    row("POST", "/claims/{id}/cancel", "claims", User, "Give a held claim back")
        .answers(200, "Claim")
        .refuses(&[
            "hold_expired",
            "already_confirmed",
            "already_cancelled",
            "already_redeemed",
            "outcome_unknown",
            "unavailable",
        ]),
    row("POST", "/stores/{id}/redemptions", "claims", Clerk, "Hand out a confirmed claim")
        .takes("Redemption")
        .answers(200, "StaffClaim")
        .refuses(&["forbidden", "already_redeemed", "not_confirmed", "hold_expired", "already_cancelled"]),
    row("GET", "/series/{id}", "series", Clerk, "A daily series")
        .answers(200, "Series")
        .refuses(&["forbidden"]),
    row("PATCH", "/series/{id}", "series", Manager, "Edit future occurrences")
        .takes("SeriesPatch")
        .answers(200, "Series")
        .refuses(&["forbidden", "wrong_state"]),
    row("DELETE", "/series/{id}", "series", Manager, "End a series").refuses(&["forbidden"]),
    row("GET", "/admin/jobs", "admin", Admin, "What jobs did")
        .answers(200, "JobRuns")
        .refuses(&["forbidden"]),
    row("GET", "/admin/users", "admin", Admin, "People").answers(200, "Users").refuses(&["forbidden"]),
    row("GET", "/notifications", "notifications", User, "One's inbox, newest first")
        .answers(200, "Notifications"),
    row("POST", "/notifications/read", "notifications", User, "Mark notifications as read")
        .takes("ReadNotifications")
        .answers(200, "Unread"),
    row("POST", "/devices", "notifications", User, "Register a device to be pushed to")
        .takes("NewDevice")
        .answers(201, "Device")
        .refuses(&["idempotency_key_reused"]),
    row("DELETE", "/devices/{id}", "notifications", User, "Forget a device"),
    row(
        "GET",
        "/stores/{id}/notification-stats",
        "notifications",
        Clerk,
        "Numbers of a store's notifications",
    )
    .answers(200, "NotificationStats")
    .refuses(&["forbidden"]),
    row("GET", "/admin/notification-stats", "admin", Admin, "Numbers of all notifications")
        .answers(200, "NotificationStats")
        .refuses(&["forbidden"]),
    row("POST", "/stores/{id}/webhooks", "webhooks", Manager, "Hear of a store's sales at an address")
        .takes("NewWebhook")
        .answers(201, "NewWebhookAnswer")
        .refuses(&["forbidden", "conflict", "idempotency_key_reused"]),
    row("GET", "/stores/{id}/webhooks", "webhooks", Manager, "A store's webhooks")
        .answers(200, "WebhookList")
        .refuses(&["forbidden"]),
    row("DELETE", "/stores/{id}/webhooks/{webhook_id}", "webhooks", Manager, "Remove a webhook")
        .refuses(&["forbidden"]),
    row(
        "POST",
        "/stores/{id}/webhooks/{webhook_id}/rotate",
        "webhooks",
        Manager,
        "Change a webhook's secret; the one before also signs for a day",
    )
    .answers(200, "NewWebhookAnswer")
    .refuses(&["forbidden"]),
    row(
        "GET",
        "/stores/{id}/webhooks/{webhook_id}/messages",
        "webhooks",
        Manager,
        "What was sent to a webhook, newest first",
    )
    .answers(200, "WebhookMessages")
    .refuses(&["forbidden"]),
    row(
        "POST",
        "/stores/{id}/webhooks/{webhook_id}/messages/{message_id}/replay",
        "webhooks",
        Manager,
        "Send a message again",
    )
    .refuses(&["forbidden"]),
    row("GET", "/admin/stores", "admin", Admin, "Stores").answers(200, "AdminStores").refuses(&["forbidden"]),
];

/// Where claims are made: the path that a spike is about.
const CLAIMS_OF_PROMOTION: &str = "/promotions/{id}/claims";

/// Methods that a path (with its prefix) takes. What answers GET also answers HEAD.
pub fn methods_of(pattern: &str) -> Vec<&'static str> {
    let path = pattern.strip_prefix("/api/v1").unwrap_or(pattern);
    let mut known: Vec<_> = ROUTES.iter().filter(|row| row.path == path).map(|row| row.method).collect();
    if known.is_empty() {
        known.push(if path.starts_with("/bench") { "POST" } else { "GET" });
    }
    if known.contains(&"GET") {
        known.push("HEAD");
    }
    known
}

/// A route for GET, and for HEAD: the same answer, whose body the server leaves out.
pub(super) fn get() -> Route {
    web::route().guard(guard::Any(guard::Get()).or(guard::Head()))
}

/// Registers every route.
pub fn configure(config: &mut web::ServiceConfig, state: Arc<HttpState>) {
    let serves_bench = state.bench;
    config.app_data(web::Data::from(state));
    let mut api = web::scope("/api/v1");
    if serves_bench {
        for (path, route) in [
            ("/bench/shoppers", web::post().to(bench::shoppers)),
            ("/bench/noop", web::post().to(bench::noop)),
        ] {
            let resource = web::resource(path).route(route);
            api = api.service(resource.default_service(web::to(system::method_not_allowed)));
        }
    }
    let mut paths: Vec<&str> = Vec::new();
    // Routes are tried in order: the hot one first.
    let hot = ROUTES.iter().filter(|row| row.path == CLAIMS_OF_PROMOTION);
    for row in hot.chain(&ROUTES) {
        if paths.contains(&row.path) {
            continue;
        }
        paths.push(row.path);
        let mut resource = web::resource(row.path).default_service(web::to(system::method_not_allowed));
        for route in ROUTES.iter().filter(|other| other.path == row.path).filter_map(handlers::handler) {
            resource = resource.route(route);
        }
        api = api.service(resource);
    }
    let live = web::resource("/live").route(get().to(system::live));
    let api = api.service(live.default_service(web::to(system::method_not_allowed)));
    config.service(api.default_service(web::to(system::not_found)));
    for (path, route) in [
        ("/healthz", get().to(system::healthz)),
        ("/readyz", get().to(system::readyz)),
        ("/metrics", get().to(system::metrics)),
        ("/openapi.json", get().to(super::openapi::document)),
        ("/docs/errors", get().to(super::errors_page::show)),
    ] {
        let resource = web::resource(path).route(route);
        config.service(resource.default_service(web::to(system::method_not_allowed)));
    }
    super::openapi::configure(config);
    super::web::configure(config);
    config.default_service(web::to(super::web::nowhere));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_row_has_a_handler() {
        for row in &ROUTES {
            assert!(handlers::handler(row).is_some(), "{} {}", row.method, row.path);
        }
    }
}
