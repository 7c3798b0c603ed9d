//! The one table of routes: what is served, to whom, and what may come back. The server's configuration, the API's
//! description and the authorisation tests read it.

use super::{HttpState, accounts, admin, bench, claims, me, products, promotions, series, stores, system};
use actix_web::{Route, web};
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

/// Every route of the API, bench mode aside.
pub const ROUTES: [RouteRow; 45] = [
    RouteRow {
        method: "POST",
        path: "/auth/register",
        tag: "auth",
        access: Access::Anybody,
        summary: "Register",
        body: "Register",
        success: 201,
        answer: "SignedIn",
        codes: &["email_taken", "overloaded", "rate_limited"],
    },
    RouteRow {
        method: "POST",
        path: "/auth/login",
        tag: "auth",
        access: Access::Anybody,
        summary: "Sign in",
        body: "Login",
        success: 200,
        answer: "SignedIn",
        codes: &["wrong_credentials", "overloaded", "rate_limited"],
    },
    RouteRow {
        method: "POST",
        path: "/auth/refresh",
        tag: "auth",
        access: Access::Anybody,
        summary: "Rotate the refresh token",
        body: "RefreshToken",
        success: 200,
        answer: "SignedIn",
        codes: &["refresh_token_invalid", "refresh_token_reused"],
    },
    RouteRow {
        method: "POST",
        path: "/auth/logout",
        tag: "auth",
        access: Access::Anybody,
        summary: "End the sign-in",
        body: "RefreshToken",
        success: 204,
        answer: "",
        codes: &[],
    },
    RouteRow {
        method: "GET",
        path: "/me",
        tag: "me",
        access: Access::User,
        summary: "One's profile",
        body: "",
        success: 200,
        answer: "User",
        codes: &[],
    },
    RouteRow {
        method: "PATCH",
        path: "/me",
        tag: "me",
        access: Access::User,
        summary: "Edit one's profile",
        body: "UserPatch",
        success: 200,
        answer: "User",
        codes: &[],
    },
    RouteRow {
        method: "DELETE",
        path: "/me",
        tag: "me",
        access: Access::User,
        summary: "Be forgotten",
        body: "",
        success: 204,
        answer: "",
        codes: &["still_in_use"],
    },
    RouteRow {
        method: "POST",
        path: "/stores",
        tag: "stores",
        access: Access::Merchant,
        summary: "Open a store",
        body: "NewStore",
        success: 201,
        answer: "Store",
        codes: &["forbidden"],
    },
    RouteRow {
        method: "GET",
        path: "/stores",
        tag: "stores",
        access: Access::User,
        summary: "Stores where one works, or that one follows",
        body: "",
        success: 200,
        answer: "Stores",
        codes: &[],
    },
    RouteRow {
        method: "GET",
        path: "/stores/{id}",
        tag: "stores",
        access: Access::Anybody,
        summary: "A store",
        body: "",
        success: 200,
        answer: "Store",
        codes: &[],
    },
    RouteRow {
        method: "PATCH",
        path: "/stores/{id}",
        tag: "stores",
        access: Access::Manager,
        summary: "Edit a store",
        body: "StorePatch",
        success: 200,
        answer: "Store",
        codes: &["forbidden"],
    },
    RouteRow {
        method: "DELETE",
        path: "/stores/{id}",
        tag: "stores",
        access: Access::Owner,
        summary: "Close a store",
        body: "",
        success: 204,
        answer: "",
        codes: &["forbidden", "still_in_use"],
    },
    RouteRow {
        method: "PUT",
        path: "/stores/{id}/follow",
        tag: "stores",
        access: Access::User,
        summary: "Follow a store",
        body: "",
        success: 204,
        answer: "",
        codes: &[],
    },
    RouteRow {
        method: "DELETE",
        path: "/stores/{id}/follow",
        tag: "stores",
        access: Access::User,
        summary: "Stop following a store",
        body: "",
        success: 204,
        answer: "",
        codes: &[],
    },
    RouteRow {
        method: "GET",
        path: "/stores/{id}/staff",
        tag: "stores",
        access: Access::Manager,
        summary: "A store's staff",
        body: "",
        success: 200,
        answer: "StaffList",
        codes: &["forbidden"],
    },
    RouteRow {
        method: "GET",
        path: "/stores/{id}/staff/{user_id}",
        tag: "stores",
        access: Access::Manager,
        summary: "A member of staff",
        body: "",
        success: 200,
        answer: "Staff",
        codes: &["forbidden"],
    },
    RouteRow {
        method: "PUT",
        path: "/stores/{id}/staff/{user_id}",
        tag: "stores",
        access: Access::Owner,
        summary: "Name a manager or clerk",
        body: "StaffRole",
        success: 200,
        answer: "Staff",
        codes: &["forbidden", "conflict"],
    },
    RouteRow {
        method: "DELETE",
        path: "/stores/{id}/staff/{user_id}",
        tag: "stores",
        access: Access::Owner,
        summary: "Remove a member of staff",
        body: "",
        success: 204,
        answer: "",
        codes: &["forbidden"],
    },
    RouteRow {
        method: "POST",
        path: "/stores/{id}/products",
        tag: "products",
        access: Access::Manager,
        summary: "Add a product",
        body: "NewProduct",
        success: 201,
        answer: "Product",
        codes: &["forbidden"],
    },
    RouteRow {
        method: "GET",
        path: "/stores/{id}/products",
        tag: "products",
        access: Access::Anybody,
        summary: "A store's products",
        body: "",
        success: 200,
        answer: "Products",
        codes: &[],
    },
    RouteRow {
        method: "GET",
        path: "/products/{id}",
        tag: "products",
        access: Access::Anybody,
        summary: "A product",
        body: "",
        success: 200,
        answer: "Product",
        codes: &[],
    },
    RouteRow {
        method: "PATCH",
        path: "/products/{id}",
        tag: "products",
        access: Access::Manager,
        summary: "Edit a product",
        body: "ProductPatch",
        success: 200,
        answer: "Product",
        codes: &["forbidden"],
    },
    RouteRow {
        method: "DELETE",
        path: "/products/{id}",
        tag: "products",
        access: Access::Manager,
        summary: "Remove a product",
        body: "",
        success: 204,
        answer: "",
        codes: &["forbidden"],
    },
    RouteRow {
        method: "POST",
        path: "/stores/{id}/promotions",
        tag: "promotions",
        access: Access::Manager,
        summary: "Launch a flash sale or a daily series",
        body: "NewPromotion",
        success: 201,
        answer: "Promotion",
        codes: &["forbidden", "product_unavailable", "idempotency_key_reused"],
    },
    RouteRow {
        method: "GET",
        path: "/promotions",
        tag: "promotions",
        access: Access::Anybody,
        summary: "Promotions; around a point nearest first",
        body: "",
        success: 200,
        answer: "Promotions",
        codes: &[],
    },
    RouteRow {
        method: "GET",
        path: "/promotions/{id}",
        tag: "promotions",
        access: Access::Anybody,
        summary: "A promotion",
        body: "",
        success: 200,
        answer: "Promotion",
        codes: &[],
    },
    RouteRow {
        method: "PATCH",
        path: "/promotions/{id}",
        tag: "promotions",
        access: Access::Manager,
        summary: "Edit a promotion",
        body: "PromotionPatch",
        success: 200,
        answer: "Promotion",
        codes: &["forbidden", "wrong_state", "stock_below_committed", "outcome_unknown", "unavailable"],
    },
    RouteRow {
        method: "DELETE",
        path: "/promotions/{id}",
        tag: "promotions",
        access: Access::Manager,
        summary: "Delete a draft",
        body: "",
        success: 204,
        answer: "",
        codes: &["forbidden", "wrong_state"],
    },
    RouteRow {
        method: "POST",
        path: "/promotions/{id}/publish",
        tag: "promotions",
        access: Access::Manager,
        summary: "Publish a draft",
        body: "",
        success: 200,
        answer: "Promotion",
        codes: &["forbidden", "wrong_state"],
    },
    RouteRow {
        method: "POST",
        path: "/promotions/{id}/pause",
        tag: "promotions",
        access: Access::Manager,
        summary: "Pause",
        body: "",
        success: 200,
        answer: "Promotion",
        codes: &["forbidden", "wrong_state"],
    },
    RouteRow {
        method: "POST",
        path: "/promotions/{id}/resume",
        tag: "promotions",
        access: Access::Manager,
        summary: "Resume",
        body: "",
        success: 200,
        answer: "Promotion",
        codes: &["forbidden", "wrong_state"],
    },
    RouteRow {
        method: "POST",
        path: "/promotions/{id}/cancel",
        tag: "promotions",
        access: Access::Manager,
        summary: "Call off",
        body: "",
        success: 200,
        answer: "Promotion",
        codes: &["forbidden", "wrong_state"],
    },
    RouteRow {
        method: "GET",
        path: "/promotions/{id}/stats",
        tag: "promotions",
        access: Access::Clerk,
        summary: "How it sells",
        body: "",
        success: 200,
        answer: "Stats",
        codes: &["forbidden"],
    },
    RouteRow {
        method: "GET",
        path: "/promotions/{id}/claims",
        tag: "promotions",
        access: Access::Clerk,
        summary: "Its claims, also as CSV",
        body: "",
        success: 200,
        answer: "StaffClaims",
        codes: &["forbidden"],
    },
    RouteRow {
        method: "POST",
        path: "/promotions/{id}/claims",
        tag: "claims",
        access: Access::User,
        summary: "Claim units",
        body: "NewClaim",
        success: 201,
        answer: "Claim",
        codes: &[
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
        ],
    },
    RouteRow {
        method: "GET",
        path: "/claims",
        tag: "claims",
        access: Access::User,
        summary: "One's claims",
        body: "",
        success: 200,
        answer: "Claims",
        codes: &[],
    },
    RouteRow {
        method: "GET",
        path: "/claims/{id}",
        tag: "claims",
        access: Access::User,
        summary: "One's claim",
        body: "",
        success: 200,
        answer: "Claim",
        codes: &[],
    },
    RouteRow {
        method: "POST",
        path: "/claims/{id}/confirm",
        tag: "claims",
        access: Access::User,
        summary: "Confirm a held claim",
        body: "",
        success: 200,
        answer: "Claim",
        codes: &["hold_expired", "already_cancelled", "already_redeemed", "outcome_unknown", "unavailable"],
    },
    RouteRow {
        method: "POST",
        path: "/claims/{id}/cancel",
        tag: "claims",
        access: Access::User,
        summary: "Give a held claim back",
        body: "",
        success: 200,
        answer: "Claim",
        codes: &[
            "hold_expired",
            "already_confirmed",
            "already_cancelled",
            "already_redeemed",
            "outcome_unknown",
            "unavailable",
        ],
    },
    RouteRow {
        method: "POST",
        path: "/stores/{id}/redemptions",
        tag: "claims",
        access: Access::Clerk,
        summary: "Hand out a confirmed claim",
        body: "Redemption",
        success: 200,
        answer: "StaffClaim",
        codes: &["forbidden", "already_redeemed", "not_confirmed", "hold_expired", "already_cancelled"],
    },
    RouteRow {
        method: "GET",
        path: "/series/{id}",
        tag: "series",
        access: Access::Clerk,
        summary: "A daily series",
        body: "",
        success: 200,
        answer: "Series",
        codes: &["forbidden"],
    },
    RouteRow {
        method: "PATCH",
        path: "/series/{id}",
        tag: "series",
        access: Access::Manager,
        summary: "Edit future occurrences",
        body: "SeriesPatch",
        success: 200,
        answer: "Series",
        codes: &["forbidden", "wrong_state"],
    },
    RouteRow {
        method: "DELETE",
        path: "/series/{id}",
        tag: "series",
        access: Access::Manager,
        summary: "End a series",
        body: "",
        success: 204,
        answer: "",
        codes: &["forbidden"],
    },
    RouteRow {
        method: "GET",
        path: "/admin/jobs",
        tag: "admin",
        access: Access::Admin,
        summary: "What jobs did",
        body: "",
        success: 200,
        answer: "JobRuns",
        codes: &["forbidden"],
    },
    RouteRow {
        method: "GET",
        path: "/admin/users",
        tag: "admin",
        access: Access::Admin,
        summary: "People",
        body: "",
        success: 200,
        answer: "Users",
        codes: &["forbidden"],
    },
];

/// Where claims are made: the path that a spike is about.
const CLAIMS_OF_PROMOTION: &str = "/promotions/{id}/claims";

/// The handler of a row.
fn handler(row: &RouteRow) -> Option<Route> {
    Some(match (row.method, row.path) {
        ("POST", "/auth/register") => web::post().to(accounts::register),
        ("POST", "/auth/login") => web::post().to(accounts::login),
        ("POST", "/auth/refresh") => web::post().to(accounts::refresh),
        ("POST", "/auth/logout") => web::post().to(accounts::logout),
        ("GET", "/me") => web::get().to(me::show),
        ("PATCH", "/me") => web::patch().to(me::edit),
        ("DELETE", "/me") => web::delete().to(me::forget),
        ("POST", "/stores") => web::post().to(stores::create),
        ("GET", "/stores") => web::get().to(stores::list),
        ("GET", "/stores/{id}") => web::get().to(stores::show),
        ("PATCH", "/stores/{id}") => web::patch().to(stores::edit),
        ("DELETE", "/stores/{id}") => web::delete().to(stores::delete),
        ("PUT", "/stores/{id}/follow") => web::put().to(stores::follow),
        ("DELETE", "/stores/{id}/follow") => web::delete().to(stores::unfollow),
        ("GET", "/stores/{id}/staff") => web::get().to(stores::staff),
        ("GET", "/stores/{id}/staff/{user_id}") => web::get().to(stores::staff_member),
        ("PUT", "/stores/{id}/staff/{user_id}") => web::put().to(stores::put_staff),
        ("DELETE", "/stores/{id}/staff/{user_id}") => web::delete().to(stores::remove_staff),
        ("POST", "/stores/{id}/products") => web::post().to(products::create),
        ("GET", "/stores/{id}/products") => web::get().to(products::list),
        ("GET", "/products/{id}") => web::get().to(products::show),
        ("PATCH", "/products/{id}") => web::patch().to(products::edit),
        ("DELETE", "/products/{id}") => web::delete().to(products::delete),
        ("POST", "/stores/{id}/promotions") => web::post().to(promotions::launch),
        ("GET", "/promotions") => web::get().to(promotions::list),
        ("GET", "/promotions/{id}") => web::get().to(promotions::show),
        ("PATCH", "/promotions/{id}") => web::patch().to(promotions::edit),
        ("DELETE", "/promotions/{id}") => web::delete().to(promotions::delete),
        ("POST", "/promotions/{id}/publish") => web::post().to(promotions::publish),
        ("POST", "/promotions/{id}/pause") => web::post().to(promotions::pause),
        ("POST", "/promotions/{id}/resume") => web::post().to(promotions::resume),
        ("POST", "/promotions/{id}/cancel") => web::post().to(promotions::cancel),
        ("GET", "/promotions/{id}/stats") => web::get().to(promotions::stats),
        ("GET", "/promotions/{id}/claims") => web::get().to(claims::of_promotion),
        ("POST", "/promotions/{id}/claims") => web::post().to(claims::create),
        ("GET", "/claims") => web::get().to(claims::list),
        ("GET", "/claims/{id}") => web::get().to(claims::show),
        ("POST", "/claims/{id}/confirm") => web::post().to(claims::confirm),
        ("POST", "/claims/{id}/cancel") => web::post().to(claims::cancel),
        ("POST", "/stores/{id}/redemptions") => web::post().to(claims::redeem),
        ("GET", "/series/{id}") => web::get().to(series::show),
        ("PATCH", "/series/{id}") => web::patch().to(series::edit),
        ("DELETE", "/series/{id}") => web::delete().to(series::cancel),
        ("GET", "/admin/jobs") => web::get().to(admin::jobs),
        ("GET", "/admin/users") => web::get().to(admin::users),
        _ => return None,
    })
}

/// Methods that a path (with its prefix) takes.
pub fn methods_of(pattern: &str) -> Vec<&'static str> {
    let path = pattern.strip_prefix("/api/v1").unwrap_or(pattern);
    let known: Vec<_> = ROUTES.iter().filter(|row| row.path == path).map(|row| row.method).collect();
    if known.is_empty() { vec![if path.starts_with("/bench") { "POST" } else { "GET" }] } else { known }
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
        for route in ROUTES.iter().filter(|other| other.path == row.path).filter_map(handler) {
            resource = resource.route(route);
        }
        api = api.service(resource);
    }
    config.service(api.default_service(web::to(system::not_found)));
    for (path, route) in [
        ("/healthz", web::get().to(system::healthz)),
        ("/readyz", web::get().to(system::readyz)),
        ("/metrics", web::get().to(system::metrics)),
        ("/openapi.json", web::get().to(super::openapi::document)),
        ("/", web::get().to(system::front)),
    ] {
        let resource = web::resource(path).route(route);
        config.service(resource.default_service(web::to(system::method_not_allowed)));
    }
    super::openapi::configure(config);
    config.default_service(web::to(system::not_found));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_row_has_a_handler() {
        for row in &ROUTES {
            assert!(handler(row).is_some(), "{} {}", row.method, row.path);
        }
    }
}
