//! Demo data and a living demo: merchants and shoppers who use the public interface of a running server like anybody
//! else. Run twice, it finds what it made before.

mod client;
mod plan;
mod shoppers;

use client::{Client, Person};
use plan::{Place, Random, places};
use serde_json::{Value, json};
use std::time::Duration;
use tokio::time::sleep;

/// How the demo is run.
#[derive(Clone, Debug)]
pub struct DemoOptions {
    /// Where the server is.
    pub url: String,
    /// Whether it goes on until it is stopped.
    pub live: bool,
    /// How many simulated shoppers.
    pub shoppers: u32,
    /// Makes a run repeatable.
    pub seed: u64,
}

/// Why the demo stopped.
#[derive(Debug, thiserror::Error)]
pub enum DemoError {
    /// No answer, or one that is no HTTP.
    #[error("the server does not answer: {0}")]
    Unreachable(String),
    /// The server said no.
    #[error("{0}")]
    Refused(String),
}

/// A store of the demo with what it sells.
#[derive(Clone, Debug)]
struct Shop {
    id: String,
    place: Place,
    merchant: usize,
    products: Vec<(String, i64)>,
}

/// Sales that are live at the same time, besides those in the three Colombian stores.
const CITIES_AT_ONCE: usize = 24;

/// Makes the demo; with `live` goes on until it is stopped.
///
/// # Errors
/// See [`DemoError`]. Once the demo lives, errors are reported and tried again.
pub async fn run(options: DemoOptions) -> Result<(), DemoError> {
    let client = Client::new(&options.url);
    client.wait_until_ready().await?;
    let mut random = Random::new(options.seed);
    let (mut merchants, shops) = build(&client, &mut random).await?;
    println!("demo: {} merchants, {} stores", merchants.len(), shops.len());
    launch_series(&client, &mut merchants, &shops).await?;
    let mut launched = 0;
    for shop in shops.iter().take(3 + CITIES_AT_ONCE) {
        launched += usize::from(relaunch(&client, &mut merchants, shop, &mut random).await?);
    }
    println!("demo: {launched} flash sales were launched");
    if !options.live {
        return Ok(());
    }
    let people = shoppers::sign_up(&client, options.shoppers).await?;
    println!("demo: {} shoppers are out; stop with Ctrl-C", people.len());
    for (number, person) in people.into_iter().enumerate() {
        let seed = options.seed ^ ((number as u64 + 1) << 20);
        let home = shops
            [if number % 2 == 0 { number / 2 % 3 } else { number % shops.len().min(3 + CITIES_AT_ONCE) }]
        .place
        .clone();
        tokio::spawn(shoppers::live(client.clone(), person, home, Random::new(seed)));
    }
    let mut turn = 0;
    loop {
        sleep(Duration::from_millis(1_500)).await;
        // The three Colombian stores most of the time; the others in turn, so that the world keeps moving.
        let shop = &shops[if turn % 3 == 0 { turn / 3 % 3 } else { 3 + turn % (shops.len() - 3) }];
        turn += 1;
        if turn % 4 == 0
            && let Err(error) = redeem_some(&client, &mut merchants, shop).await
        {
            eprintln!("demo: {error}");
        }
        if let Err(error) = relaunch(&client, &mut merchants, shop, &mut random).await {
            eprintln!("demo: {error}");
            client.wait_until_ready().await?;
        }
    }
}

/// Merchants, stores and products: found, or made.
async fn build(client: &Client, random: &mut Random) -> Result<(Vec<Person>, Vec<Shop>), DemoError> {
    let places = places();
    let count = 1 + places.iter().map(|place| place.merchant).max().unwrap_or(0);
    let mut merchants = Vec::new();
    for number in 0..count {
        let name = if number == 0 { "TechShop".to_owned() } else { format!("Demo merchant {number}") };
        merchants.push(
            client
                .sign_in(&format!("merchant-{number}@demo.flash-promos.example"), &name, "merchant")
                .await?,
        );
    }
    let mut shops = Vec::new();
    for (number, merchant) in merchants.iter_mut().enumerate() {
        let known = client.all(merchant, "/api/v1/stores?limit=100").await?;
        for place in places.iter().filter(|place| place.merchant == number) {
            let id = match known.iter().find(|store| store["name"] == place.name.as_str()) {
                Some(store) => text(&store["id"]),
                None => {
                    let body = json!({"name": place.name, "address": place.address, "timezone": place.timezone,
                        "location": {"lat": place.lat, "lng": place.lng}});
                    text(&client.post(merchant, "/api/v1/stores", &body).await?["id"])
                }
            };
            let path = format!("/api/v1/stores/{id}/products");
            let mut products = client.all(merchant, &format!("{path}?limit=100")).await?;
            if products.is_empty() {
                for (name, price) in plan::products(place, random) {
                    let body = json!({"name": name, "description": format!("{name}, at {}", place.name),
                        "price": {"amount": price, "currency": place.currency}});
                    products.push(client.post(merchant, &path, &body).await?);
                }
            }
            let products = products
                .iter()
                .map(|product| (text(&product["id"]), product["price"]["amount"].as_i64().unwrap_or(1)));
            shops.push(Shop { id, place: place.clone(), merchant: number, products: products.collect() });
        }
    }
    Ok((merchants, shops))
}

fn text(value: &Value) -> String {
    value.as_str().unwrap_or("").to_owned()
}

/// One daily series, 17:00 to 19:00, in each Colombian store.
async fn launch_series(client: &Client, merchants: &mut [Person], shops: &[Shop]) -> Result<(), DemoError> {
    for shop in shops.iter().take(3) {
        let merchant = &mut merchants[shop.merchant];
        let path = format!("/api/v1/promotions?store_id={}&category=happy-hour&limit=1", shop.id);
        let known = client.get(merchant, &path).await?;
        let Some((product, price)) = shop.products.first() else { continue };
        if known["items"].as_array().is_some_and(Vec::is_empty) {
            let today = plan::in_seconds(0);
            let body = json!({"product_id": product, "stock": 40, "category": "happy-hour",
                "price": {"amount": (price * 7 / 10).max(1), "currency": shop.place.currency},
                "daily": {"from": "17:00", "to": "19:00", "timezone": shop.place.timezone, "start_date": &today[..10]}});
            client.post(merchant, &format!("/api/v1/stores/{}/promotions", shop.id), &body).await?;
        }
    }
    Ok(())
}

/// Launches a sale where none is live or waiting, besides the series.
async fn relaunch(
    client: &Client,
    merchants: &mut [Person],
    shop: &Shop,
    random: &mut Random,
) -> Result<bool, DemoError> {
    let merchant = &mut merchants[shop.merchant];
    for status in ["live", "scheduled"] {
        let path = format!("/api/v1/promotions?store_id={}&status={status}&category=flash&limit=1", shop.id);
        let found = client.get(merchant, &path).await?;
        let item = &found["items"][0];
        // A sold-out sale makes room for the next one; a busy shop is never without.
        if !item.is_null() && item["remaining"].as_u64() != Some(0) {
            return Ok(false);
        }
    }
    let Some((product, price)) = shop.products.get(random.below(shop.products.len() as u64) as usize) else {
        return Ok(false);
    };
    let starts_in_s = if random.below(4) == 0 { 20 + random.below(60) } else { 0 };
    let lasts_s = 60 + random.below(240);
    let body = json!({
        "product_id": product,
        "price": {"amount": (price * (40 + random.below(45) as i64) / 100).max(1), "currency": shop.place.currency},
        "stock": 10 + random.below(60),
        "per_shopper_limit": 2,
        "starts_at": plan::in_seconds(starts_in_s),
        "ends_at": plan::in_seconds(starts_in_s + lasts_s),
        "hold_seconds": 15 + random.below(30),
        "category": "flash",
    });
    client.post(merchant, &format!("/api/v1/stores/{}/promotions", shop.id), &body).await?;
    Ok(true)
}

/// At the counter: shoppers who came show their codes, and the merchant looks how the sale goes.
async fn redeem_some(client: &Client, merchants: &mut [Person], shop: &Shop) -> Result<(), DemoError> {
    let merchant = &mut merchants[shop.merchant];
    let found =
        client.get(merchant, &format!("/api/v1/promotions?store_id={}&status=live&limit=1", shop.id)).await?;
    if let Some(id) = found["items"][0]["id"].as_str() {
        client.get(merchant, &format!("/api/v1/promotions/{id}/stats")).await?;
    }
    for code in shoppers::codes_for(&shop.id) {
        match client
            .post(merchant, &format!("/api/v1/stores/{}/redemptions", shop.id), &json!({"code": code}))
            .await
        {
            Ok(_) | Err(DemoError::Refused(_)) => {}
            Err(error) => return Err(error),
        }
    }
    Ok(())
}
