//! The scene of a measurement, set by the public contract: a merchant, a store, a product, promotions, shoppers.
//!
//! It deliberately goes through the front door for everything but the shoppers, whose passwords would take minutes
//! to hash (`/api/v1/bench/shoppers`).

use std::net::SocketAddr;

use jiff::{Timestamp, ToSpan};
use serde_json::{Value, json};

use crate::error::{Error, Result};
use crate::http::{self, Request};

/// Where the store stands.
pub const STORE: (f64, f64) = (6.2442, -75.5812);

/// Most shoppers that one call makes.
const SHOPPERS_PER_CALL_MAX: usize = 10_000;

/// A merchant with a store and a product.
#[derive(Debug)]
pub struct Scene {
    /// The server that it was set on.
    pub server: SocketAddr,
    /// The merchant's access token.
    pub merchant_token: String,
    /// The store.
    pub store_id: String,
    product_id: String,
}

impl Scene {
    /// Registers a merchant and makes a store and a product.
    ///
    /// # Errors
    /// The server refuses a step.
    pub fn set(server: SocketAddr) -> Result<Self> {
        let email = format!("bench-{}@example.com", uuid::Uuid::now_v7().simple());
        let registration = json!({
            "email": email, "password": "a long bench pass phrase 7", "display_name": "Bench", "role": "merchant"
        });
        let merchant = post(server, None, "/api/v1/auth/register", &registration, 201)?;
        let merchant_token = text(&merchant, "access_token")?;
        let store = json!({
            "name": "Bench store", "address": "Calle 10 # 43", "timezone": "America/Bogota",
            "location": {"lat": STORE.0, "lng": STORE.1}
        });
        let store_id = text(&post(server, Some(&merchant_token), "/api/v1/stores", &store, 201)?, "id")?;
        let product = json!({
            "name": "Bench headphones", "description": "Wireless", "price": {"amount": 99_999, "currency": "COP"}
        });
        let path = format!("/api/v1/stores/{store_id}/products");
        let product_id = text(&post(server, Some(&merchant_token), &path, &product, 201)?, "id")?;
        Ok(Self { server, merchant_token, store_id, product_id })
    }

    /// Launches a promotion that is live at once and for an hour, open to everybody anywhere, whose claims are held for
    /// `hold_seconds`; returns its id.
    ///
    /// # Errors
    /// The server refuses it.
    pub fn launch(&self, stock: u32, hold_seconds: u32) -> Result<String> {
        self.launch_at(None, stock, hold_seconds)
    }

    /// As [`Scene::launch`], but it starts at `starts_at`, where one is given.
    ///
    /// # Errors
    /// The server refuses it.
    pub fn launch_at(&self, starts_at: Option<Timestamp>, stock: u32, hold_seconds: u32) -> Result<String> {
        let ends_at = starts_at.unwrap_or_else(Timestamp::now) + 1.hour();
        let mut promotion = json!({
            "product_id": self.product_id, "price": {"amount": 59_999, "currency": "COP"}, "stock": stock,
            "per_shopper_limit": null, "ends_at": format!("{ends_at:.3}"), "reach_m": 5000,
            "claim_within_m": null, "hold_seconds": hold_seconds
        });
        if let (Some(starts_at), Some(members)) = (starts_at, promotion.as_object_mut()) {
            members.insert("starts_at".to_owned(), format!("{starts_at:.3}").into());
        }
        let path = format!("/api/v1/stores/{}/promotions", self.store_id);
        text(&post(self.server, Some(&self.merchant_token), &path, &promotion, 201)?, "id")
    }

    /// Returns how many units of the promotion are held and how many are sold.
    ///
    /// # Errors
    /// The server refuses, or its counters do not add up to the stock.
    pub fn taken(&self, promotion: &str) -> Result<(u64, u64)> {
        let path = format!("/api/v1/promotions/{promotion}");
        let token = Some(self.merchant_token.as_str());
        let request = Request { method: "GET", path: &path, token, key: None, body: "" };
        let shown = http::call(self.server, &request)?.json(&path, 200)?;
        let count = |field: &str| shown.get(field).and_then(Value::as_u64);
        match (count("stock"), count("remaining"), count("held"), count("sold")) {
            (Some(stock), Some(remaining), Some(held), Some(sold)) if remaining + held + sold == stock => {
                Ok((held, sold))
            }
            _ => Err(Error::Unexpected(format!("counters that do not add up: {shown}"))),
        }
    }

    /// Makes fresh shoppers; returns their access tokens.
    ///
    /// # Errors
    /// As [`shoppers`].
    pub fn shoppers(&self, count: usize) -> Result<Vec<String>> {
        shoppers(self.server, count)
    }

    /// Claims one unit for the shopper and confirms it.
    ///
    /// # Errors
    /// The server refuses.
    pub fn buy(&self, token: &str, promotion: &str) -> Result<()> {
        let path = format!("/api/v1/promotions/{promotion}/claims");
        let claim = post(self.server, Some(token), &path, &json!({}), 201)?;
        let path = format!("/api/v1/claims/{}/confirm", text(&claim, "id")?);
        let request = Request { method: "POST", path: &path, token: Some(token), key: None, body: "" };
        http::call(self.server, &request)?.json(&path, 200).map(|_| ())
    }
}

/// Makes fresh shoppers; returns their access tokens.
///
/// # Errors
/// The server refuses, or does not run with `FLASH_BENCH=1`.
pub fn shoppers(server: SocketAddr, count: usize) -> Result<Vec<String>> {
    let mut tokens = Vec::with_capacity(count);
    while tokens.len() < count {
        let wanted = (count - tokens.len()).min(SHOPPERS_PER_CALL_MAX);
        let body = json!({"count": wanted}).to_string();
        let path = "/api/v1/bench/shoppers";
        let request = Request { method: "POST", path, token: None, key: None, body: &body };
        let response = http::call(server, &request)?;
        let answer = response.json(path, if response.status == 200 { 200 } else { 201 })?;
        let list = answer.get("tokens").or_else(|| answer.get("items")).and_then(Value::as_array);
        let token =
            |item: &Value| item.as_str().or_else(|| item.get("access_token")?.as_str()).map(str::to_owned);
        let made: Vec<String> = list.into_iter().flatten().filter_map(token).collect();
        if made.len() != wanted {
            return Err(Error::Unexpected(format!("{} shoppers instead of {wanted}", made.len())));
        }
        tokens.extend(made);
    }
    Ok(tokens)
}

fn post(server: SocketAddr, token: Option<&str>, path: &str, body: &Value, status: u16) -> Result<Value> {
    let key = uuid::Uuid::now_v7().to_string();
    let body = body.to_string();
    http::call(server, &Request { method: "POST", path, token, key: Some(&key), body: &body })?
        .json(path, status)
}

fn text(value: &Value, field: &str) -> Result<String> {
    let found = value.get(field).and_then(Value::as_str).map(str::to_owned);
    found.ok_or_else(|| Error::Unexpected(format!("no {field} in {value}")))
}
