//! Which function serves which row of the table. Knows nothing of who may.

use super::{RouteRow, get};
use crate::http::{
    accounts, admin, claims, devices, me, notifications, products, promotions, series, stores, webhooks,
};
use actix_web::{Route, web};

/// The handler of a row.
pub(super) fn handler(row: &RouteRow) -> Option<Route> {
    Some(match (row.method, row.path) {
        ("POST", "/auth/register") => web::post().to(accounts::register),
        ("POST", "/auth/login") => web::post().to(accounts::login),
        ("POST", "/auth/refresh") => web::post().to(accounts::refresh),
        ("POST", "/auth/logout") => web::post().to(accounts::logout),
        ("GET", "/me") => get().to(me::show),
        ("PATCH", "/me") => web::patch().to(me::edit),
        ("DELETE", "/me") => web::delete().to(me::forget),
        ("POST", "/stores") => web::post().to(stores::create),
        ("GET", "/stores") => get().to(stores::list),
        ("GET", "/stores/{id}") => get().to(stores::show),
        ("PATCH", "/stores/{id}") => web::patch().to(stores::edit),
        ("DELETE", "/stores/{id}") => web::delete().to(stores::delete),
        ("PUT", "/stores/{id}/follow") => web::put().to(stores::follow),
        ("DELETE", "/stores/{id}/follow") => web::delete().to(stores::unfollow),
        ("GET", "/stores/{id}/staff") => get().to(stores::staff),
        ("GET", "/stores/{id}/staff/{user_id}") => get().to(stores::staff_member),
        ("PUT", "/stores/{id}/staff/{user_id}") => web::put().to(stores::put_staff),
        ("DELETE", "/stores/{id}/staff/{user_id}") => web::delete().to(stores::remove_staff),
        ("POST", "/stores/{id}/products") => web::post().to(products::create),
        ("GET", "/stores/{id}/products") => get().to(products::list),
        ("GET", "/products/{id}") => get().to(products::show),
        ("PATCH", "/products/{id}") => web::patch().to(products::edit),
        ("DELETE", "/products/{id}") => web::delete().to(products::delete),
        ("POST", "/stores/{id}/promotions") => web::post().to(promotions::launch),
        ("GET", "/promotions") => get().to(promotions::list),
        ("GET", "/promotions/{id}") => get().to(promotions::show),
        ("PATCH", "/promotions/{id}") => web::patch().to(promotions::edit),
        ("DELETE", "/promotions/{id}") => web::delete().to(promotions::delete),
        ("POST", "/promotions/{id}/publish") => web::post().to(promotions::publish),
        ("POST", "/promotions/{id}/pause") => web::post().to(promotions::pause),
        ("POST", "/promotions/{id}/resume") => web::post().to(promotions::resume),
        ("POST", "/promotions/{id}/cancel") => web::post().to(promotions::cancel),
        ("GET", "/promotions/{id}/stats") => get().to(promotions::stats),
        ("GET", "/promotions/{id}/claims") => get().to(claims::of_promotion),
        ("POST", "/promotions/{id}/claims") => web::post().to(claims::create),
        ("GET", "/claims") => get().to(claims::list),
        ("GET", "/claims/{id}") => get().to(claims::show),
        ("POST", "/claims/{id}/confirm") => web::post().to(claims::confirm),
        ("POST", "/claims/{id}/cancel") => web::post().to(claims::cancel),
        ("POST", "/stores/{id}/redemptions") => web::post().to(claims::redeem),
        ("GET", "/series/{id}") => get().to(series::show),
        ("PATCH", "/series/{id}") => web::patch().to(series::edit),
        ("DELETE", "/series/{id}") => web::delete().to(series::cancel),
        ("GET", "/notifications") => get().to(notifications::list),
        ("POST", "/notifications/read") => web::post().to(notifications::read),
        ("POST", "/devices") => web::post().to(devices::register),
        ("DELETE", "/devices/{id}") => web::delete().to(devices::remove),
        ("GET", "/stores/{id}/notification-stats") => get().to(notifications::store_stats),
        ("GET", "/admin/notification-stats") => get().to(notifications::all_stats),
        ("POST", "/stores/{id}/webhooks") => web::post().to(webhooks::create),
        ("GET", "/stores/{id}/webhooks") => get().to(webhooks::list),
        ("DELETE", "/stores/{id}/webhooks/{webhook_id}") => web::delete().to(webhooks::remove),
        ("POST", "/stores/{id}/webhooks/{webhook_id}/rotate") => web::post().to(webhooks::rotate),
        ("GET", "/stores/{id}/webhooks/{webhook_id}/messages") => get().to(webhooks::messages),
        ("POST", "/stores/{id}/webhooks/{webhook_id}/messages/{message_id}/replay") => {
            web::post().to(webhooks::replay)
        }
        ("GET", "/admin/jobs") => get().to(admin::jobs),
        ("GET", "/admin/users") => get().to(admin::users),
        ("GET", "/admin/stores") => get().to(admin::stores),
        _ => return None,
    })
}
