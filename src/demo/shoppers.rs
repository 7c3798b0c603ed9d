//! Simulated shoppers: they walk near a store, keep a live socket, claim by rpc or over HTTP, and confirm, give back or
//! forget what they claimed.

use super::DemoError;
use super::client::{Client, Person};
use super::plan::{Place, Random};
use futures_util::{SinkExt, StreamExt};
use serde_json::{Value, json};
use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;
use tokio::time::{Instant, sleep, timeout};
use tokio_tungstenite::connect_async;
use tokio_tungstenite::tungstenite::Message;

/// Codes that shoppers are about to show at the counter, by store. Bounded: a full counter turns codes away.
static CODES: Mutex<Vec<(String, String)>> = Mutex::new(Vec::new());
const CODES_MAX: usize = 500;
/// How long a shopper stays on one socket before walking on.
const VISIT: Duration = Duration::from_secs(120);

/// Takes the codes that wait at a store's counter.
pub fn codes_for(store: &str) -> Vec<String> {
    let mut codes = CODES.lock().unwrap_or_else(PoisonError::into_inner);
    let (here, elsewhere) = std::mem::take(&mut *codes).into_iter().partition(|(at, _)| at == store);
    *codes = elsewhere;
    let here: Vec<(String, String)> = here;
    here.into_iter().map(|(_, code)| code).take(5).collect()
}

/// Makes the shoppers, or finds them.
///
/// # Errors
/// See [`DemoError`].
pub async fn sign_up(client: &Client, count: u32) -> Result<Vec<Person>, DemoError> {
    let mut people = Vec::new();
    for number in 0..count {
        let email = format!("shopper-{number}@demo.flash-promos.example");
        people.push(client.sign_in(&email, &format!("Demo shopper {number}"), "shopper").await?);
    }
    Ok(people)
}

/// A shopper's life. Errors are part of it: they wait and come back.
pub async fn live(client: Client, mut person: Person, home: Place, mut random: Random) {
    sleep(Duration::from_millis(random.below(5_000))).await;
    loop {
        if let Err(error) = visit(&client, &mut person, &home, &mut random).await {
            eprintln!("demo: a shopper: {error}");
            sleep(Duration::from_millis(2_000 + random.below(4_000))).await;
            let _tried_again_at_the_next_visit = client.renew(&mut person).await;
        }
        sleep(Duration::from_millis(1_000 + random.below(5_000))).await;
    }
}

/// A place within about a kilometre of home, so that most deals there can be claimed.
fn near(home: &Place, random: &mut Random) -> Value {
    let lat = (home.lat + random.signed() * 0.008).clamp(-90.0, 90.0);
    json!({"lat": lat, "lng": home.lng + random.signed() * 0.008})
}

async fn visit(
    client: &Client,
    person: &mut Person,
    home: &Place,
    random: &mut Random,
) -> Result<(), DemoError> {
    let broken = |error: String| DemoError::Unreachable(error);
    let (mut socket, _) = connect_async(client.socket()).await.map_err(|error| broken(error.to_string()))?;
    let here = near(home, random);
    let hello = format!(
        "{}\n{}",
        json!({"id": 1, "connect": {"token": person.token}}),
        json!({"id": 2, "subscribe": {"channel": "nearby", "data": {"location": here, "radius_m": 5000}}})
    );
    socket.send(Message::text(hello)).await.map_err(|error| broken(error.to_string()))?;
    let until = Instant::now() + VISIT;
    let mut offers: HashMap<String, Value> = HashMap::new();
    let mut next_act = Instant::now() + Duration::from_millis(1_000 + random.below(6_000));
    let mut id = 2;
    while Instant::now() < until {
        match timeout(next_act.saturating_duration_since(Instant::now()), socket.next()).await {
            Ok(Some(Ok(Message::Text(text)))) => {
                for line in text.lines() {
                    let reply: Value = serde_json::from_str(line).unwrap_or(Value::Null);
                    if reply == json!({}) {
                        socket.send(Message::text("{}")).await.map_err(|error| broken(error.to_string()))?;
                    }
                    if reply["error"]["code"] == 109 {
                        client.renew(person).await?;
                        return Ok(());
                    }
                    note(&reply, &mut offers);
                }
            }
            Ok(Some(Ok(Message::Close(_))) | None) => return Ok(()),
            Ok(Some(Ok(_))) => {}
            Ok(Some(Err(error))) => return Err(broken(error.to_string())),
            Err(_) => {
                id += 1;
                next_act = Instant::now() + Duration::from_millis(3_000 + random.below(9_000));
                let command = if random.below(3) == 0 {
                    Some(
                        json!({"id": id, "rpc": {"method": "move", "data": {"location": near(home, random)}}}),
                    )
                } else {
                    claim(client, person, &offers, home, id, random).await?
                };
                if let Some(command) = command {
                    socket
                        .send(Message::text(command.to_string()))
                        .await
                        .map_err(|error| broken(error.to_string()))?;
                }
            }
        }
    }
    let _closing = socket.close(None).await;
    Ok(())
}

/// Keeps in mind what the socket said about offers.
fn note(reply: &Value, offers: &mut HashMap<String, Value>) {
    for offer in reply["subscribe"]["data"]["offers"].as_array().into_iter().flatten() {
        offers.insert(offer["id"].as_str().unwrap_or("").to_owned(), offer.clone());
    }
    let event = &reply["push"]["pub"]["data"];
    match event["type"].as_str() {
        Some("offer") => {
            offers.insert(event["offer"]["id"].as_str().unwrap_or("").to_owned(), event["offer"].clone());
        }
        Some("stock") => {
            if let Some(offer) = offers.get_mut(event["id"].as_str().unwrap_or("")) {
                offer["remaining"] = event["remaining"].clone();
            }
        }
        Some("gone") => {
            offers.remove(event["id"].as_str().unwrap_or(""));
        }
        _ => {}
    }
}

/// Claims something: half of the time by rpc (the command is returned), half over HTTP with what follows it.
async fn claim(
    client: &Client,
    person: &mut Person,
    offers: &HashMap<String, Value>,
    home: &Place,
    id: u64,
    random: &mut Random,
) -> Result<Option<Value>, DemoError> {
    let mut open: Vec<&Value> =
        offers.values().filter(|offer| offer["remaining"].as_u64() != Some(0)).collect();
    open.sort_by_key(|offer| offer["id"].as_str().unwrap_or("").to_owned());
    if open.is_empty() {
        return Ok(None);
    }
    let offer = open[random.below(open.len() as u64) as usize];
    let promotion = offer["id"].as_str().unwrap_or("");
    if random.below(2) == 0 {
        let key = uuid::Uuid::new_v4().to_string();
        let data = json!({"promotion_id": promotion, "idempotency_key": key});
        return Ok(Some(json!({"id": id, "rpc": {"method": "claim", "data": data}})));
    }
    let body = json!({"location": near(home, random)});
    let claim = match client.post(person, &format!("/api/v1/promotions/{promotion}/claims"), &body).await {
        Ok(claim) => claim,
        Err(DemoError::Refused(_)) => return Ok(None),
        Err(error) => return Err(error),
    };
    sleep(Duration::from_millis(500 + random.below(3_000))).await;
    let path = format!("/api/v1/claims/{}", claim["id"].as_str().unwrap_or(""));
    let act = match random.below(10) {
        0..7 => "confirm",
        7 => "cancel",
        _ => return Ok(None),
    };
    match client.post(person, &format!("{path}/{act}"), &json!({})).await {
        Ok(claim) if act == "confirm" => {
            let mut codes = CODES.lock().unwrap_or_else(PoisonError::into_inner);
            if codes.len() < CODES_MAX {
                let text = |name: &str| claim[name].as_str().unwrap_or("").to_owned();
                codes.push((text("store_id"), text("redemption_code")));
            }
        }
        Ok(_) | Err(DemoError::Refused(_)) => {}
        Err(error) => return Err(error),
    }
    Ok(None)
}
