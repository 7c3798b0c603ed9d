//! Sets the stage of a run through the front door: a merchant, stores, products, shoppers, sales.
//!
//! Shoppers come from `POST /api/v1/bench/shoppers` where the server offers it, and from ordinary registration where it
//! does not. It knows the contract, not the generator.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};

use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use serde_json::{Value, json};

use crate::error::{Error, Result};
use crate::generator::agenda::Clock;
use crate::generator::operations::{launch_body, sale};
use crate::generator::plan::StorePlace;
use crate::history::{Micros, Sale};
use crate::http::{self, Request, Response};
use crate::places;
use crate::scenario::{SaleGroup, Scenario};
use crate::scene;

/// Launches in flight at a time: they share commits.
const LAUNCHES_AT_ONCE: usize = 8;
/// Registrations in flight at a time; each costs the server a password hash.
const REGISTRATIONS_AT_ONCE: usize = 4;
/// Sales that are launched out of everybody's reach to learn how long a launch takes here and now.
const PILOTS: usize = 64;
/// How much longer than that the launches may take.
const SLACK: f64 = 3.0;
/// Time between the last launch and the first phase.
const LEAD_US: Micros = 1_500_000;

/// What was set.
#[derive(Debug, Clone)]
pub struct Setting {
    /// The merchant's access token.
    pub merchant_token: String,
    /// The stores.
    pub stores: Vec<StorePlace>,
    /// The shoppers' access tokens.
    pub shoppers: Vec<String>,
    /// The sales.
    pub sales: Vec<Sale>,
    /// When the first phase begins.
    pub origin_us: Micros,
}

/// Sends one request with a fresh key.
///
/// # Errors
/// As [`http::call`].
pub fn ask(
    server: SocketAddr,
    method: &str,
    path: &str,
    token: Option<&str>,
    body: &str,
) -> Result<Response> {
    let key = uuid::Uuid::now_v7().to_string();
    let key = (method == "POST").then_some(key.as_str());
    http::call(server, &Request { method, path, token, key, body })
}

/// Does `count` pieces of work on a few threads; the first error ends it.
fn together<T: Send>(
    count: usize,
    threads: usize,
    work: impl Fn(usize) -> Result<T> + Sync,
) -> Result<Vec<T>> {
    let next = AtomicUsize::new(0);
    let results: Mutex<Vec<(usize, T)>> = Mutex::new(Vec::with_capacity(count));
    let failure: Mutex<Option<Error>> = Mutex::new(None);
    std::thread::scope(|scope| {
        for _ in 0..threads.min(count) {
            scope.spawn(|| {
                loop {
                    let index = next.fetch_add(1, Ordering::Relaxed);
                    if index >= count {
                        return;
                    }
                    match work(index) {
                        Ok(result) => {
                            results.lock().unwrap_or_else(PoisonError::into_inner).push((index, result))
                        }
                        Err(error) => {
                            next.store(count, Ordering::Relaxed);
                            failure.lock().unwrap_or_else(PoisonError::into_inner).get_or_insert(error);
                            return;
                        }
                    }
                }
            });
        }
    });
    if let Some(error) = failure.into_inner().unwrap_or_else(PoisonError::into_inner) {
        return Err(error);
    }
    let mut results = results.into_inner().unwrap_or_else(PoisonError::into_inner);
    results.sort_by_key(|(index, _)| *index);
    Ok(results.into_iter().map(|(_, result)| result).collect())
}

/// Sets the stage for a scenario; `tell` hears of progress.
///
/// # Errors
/// The server refuses a step, or launching took so long that sales have started.
pub fn set(server: SocketAddr, scenario: &Scenario, seed: u64, tell: &dyn Fn(&str)) -> Result<Setting> {
    tell("merchant and stores");
    let merchant_token = register(server, "merchant")?;
    let mut rng = StdRng::seed_from_u64(seed);
    let scene = &scenario.scene;
    let mut stores = Vec::new();
    let clock = Clock::new();
    for number in 0..scene.stores as usize {
        let location = places::store(scene.layout, number, scene.spread_m, &mut rng);
        stores.push(open_store(server, &merchant_token, number, location)?);
    }
    tell("shoppers");
    let shoppers = shoppers(server, scene.shoppers as usize)?;
    let groups: Vec<&SaleGroup> =
        scenario.sales.iter().flat_map(|group| std::iter::repeat_n(group, group.count as usize)).collect();
    let late = groups.iter().any(|group| group.starts_in_ms > 0);
    let give_us = if late { LEAD_US + launching_us(server, &merchant_token, groups.len())? } else { 0 };
    let origin_us = clock.now_us() + give_us;
    let starts: Vec<Option<Micros>> = groups
        .iter()
        .map(|group| {
            let spread_us = rng.random_range(0..=group.starts_over_ms as Micros * 1_000);
            (group.starts_in_ms > 0).then_some(origin_us + group.starts_in_ms as Micros * 1_000 + spread_us)
        })
        .collect();
    tell(&format!("{} sales", groups.len()));
    let launch = |index: usize| {
        let missing = || Error::Setup("a sale without a store".to_owned());
        let group = groups.get(index).ok_or_else(missing)?;
        let place = stores.get(index % stores.len().max(1)).ok_or_else(missing)?;
        let starts_us = starts.get(index).copied().flatten();
        let body = launch_body(group, place.product, clock.now_us(), starts_us);
        let path = format!("/api/v1/stores/{}/promotions", place.store);
        let answer = ask(server, "POST", &path, Some(&merchant_token), &body)?.json(&path, 201)?;
        sale(&answer, &group.group, clock.now_us())
            .ok_or_else(|| Error::Unexpected(format!("a launch was answered: {answer}")))
    };
    let sales = together(groups.len(), LAUNCHES_AT_ONCE, launch)?;
    if late && clock.now_us() > origin_us {
        return Err(Error::Setup("launching took longer than planned; take fewer sales".to_owned()));
    }
    Ok(Setting { merchant_token, stores, shoppers, sales, origin_us })
}

/// How long so many launches take: some are tried at a store in the far south, in whose reach nobody is.
fn launching_us(server: SocketAddr, token: &str, count: usize) -> Result<Micros> {
    let far = crate::history::Location { lat: -75.0, lng: 0.0 };
    let place = open_store(server, token, 0, far)?;
    let group = SaleGroup { lasts_ms: 5_000, ..SaleGroup::default() };
    let path = format!("/api/v1/stores/{}/promotions", place.store);
    let clock = Clock::new();
    let from_us = clock.now_us();
    let starts_us = Some(from_us + 1_000_000_000);
    together(PILOTS, LAUNCHES_AT_ONCE, |_| {
        let body = launch_body(&group, place.product, clock.now_us(), starts_us);
        ask(server, "POST", &path, Some(token), &body)?.json(&path, 201)
    })?;
    let each_us = (clock.now_us() - from_us) as f64 / PILOTS as f64;
    Ok((each_us * SLACK * count as f64) as Micros)
}

fn open_store(
    server: SocketAddr,
    token: &str,
    number: usize,
    location: crate::history::Location,
) -> Result<StorePlace> {
    let id = |answer: &Value| answer.get("id").and_then(Value::as_str).and_then(|id| id.parse().ok());
    let missing = || Error::Unexpected("an answer without an id".to_owned());
    let store = json!({
        "name": format!("Load test store {number}"), "address": "Calle 10 # 43", "timezone": "America/Bogota",
        "location": location
    });
    let answer =
        ask(server, "POST", "/api/v1/stores", Some(token), &store.to_string())?.json("store", 201)?;
    let store = id(&answer).ok_or_else(missing)?;
    let product = json!({
        "name": "Headphones", "description": "Wireless", "price": {"amount": 99_999, "currency": "COP"}
    });
    let path = format!("/api/v1/stores/{store}/products");
    let answer = ask(server, "POST", &path, Some(token), &product.to_string())?.json("product", 201)?;
    Ok(StorePlace { store, product: id(&answer).ok_or_else(missing)?, location })
}

fn register(server: SocketAddr, role: &str) -> Result<String> {
    let email = format!("loadtest-{}@example.com", uuid::Uuid::now_v7().simple());
    let body = json!({
        "email": email, "password": "a long bench pass phrase 7", "display_name": "Load test", "role": role
    });
    let answer =
        ask(server, "POST", "/api/v1/auth/register", None, &body.to_string())?.json("register", 201)?;
    let token = answer.get("access_token").and_then(Value::as_str).map(str::to_owned);
    token.ok_or_else(|| Error::Unexpected("a registration without an access token".to_owned()))
}

/// Makes shoppers: by the thousand where the server runs in bench mode, else one by one.
fn shoppers(server: SocketAddr, count: usize) -> Result<Vec<String>> {
    let probe = ask(server, "POST", "/api/v1/bench/shoppers", None, r#"{"count":1}"#)?;
    match probe.status {
        404 | 405 => together(count, REGISTRATIONS_AT_ONCE, |_| register(server, "shopper")),
        _ => scene::shoppers(server, count),
    }
}

/// Reads a promotion as the merchant sees it.
///
/// # Errors
/// The server refuses or cannot be reached.
pub fn show(server: SocketAddr, token: &str, sale: &Sale) -> Result<Value> {
    let path = format!("/api/v1/promotions/{}", sale.id);
    ask(server, "GET", &path, Some(token), "")?.json(&path, 200)
}
