//! Requests and answers of the contract: what an operation says on the wire, and what its answer means.
//!
//! It knows shapes and codes; when something is sent is not its business.

use serde::Deserialize;
use serde_json::{Value, json};
use uuid::Uuid;

use crate::history::{Change, Kind, Location, Micros, Outcome, Told};

/// Reads a time of the wire.
#[must_use]
pub fn micros(text: &str) -> Option<Micros> {
    text.parse::<jiff::Timestamp>().ok().map(jiff::Timestamp::as_microsecond)
}

/// Writes a time for the wire.
#[must_use]
pub fn time(at_us: Micros) -> String {
    jiff::Timestamp::from_microsecond(at_us).map(|time| format!("{time:.3}")).unwrap_or_default()
}

/// Reads an accepted claim.
#[must_use]
pub fn told(claim: &Value) -> Option<Told> {
    let text = |field: &str| claim.get(field).and_then(Value::as_str);
    let hold = match text("hold_expires_at") {
        Some(text) => Some(micros(text)?),
        None => None,
    };
    Some(Told {
        claim: text("id")?.parse().ok()?,
        status: text("status")?.to_owned(),
        quantity: u32::try_from(claim.get("quantity")?.as_u64()?).ok()?,
        unit_price: claim.pointer("/unit_price/amount")?.as_i64()?,
        code: text("redemption_code")?.to_owned(),
        v: claim.get("v")?.as_u64()?,
        created_us: micros(text("created_at")?)?,
        hold_expires_us: hold,
    })
}

/// Says what an answer over HTTP means for an operation.
#[must_use]
pub fn outcome(kind: Kind, status: u16, body: &[u8]) -> Outcome {
    let accepted = match kind {
        Kind::Claim | Kind::LiveClaim | Kind::Launch => 201,
        _ => 200,
    };
    let value: Value = serde_json::from_slice(body).unwrap_or(Value::Null);
    if status == accepted {
        return accept(kind, &value);
    }
    refuse(status, &value)
}

/// Says what the result of an rpc means for an operation.
#[must_use]
pub fn live_outcome(kind: Kind, data: &Value) -> Outcome {
    match data.get("problem") {
        Some(problem) => {
            let status = problem.get("status").and_then(Value::as_u64).and_then(|n| u16::try_from(n).ok());
            refuse(status.unwrap_or(409), problem)
        }
        None => accept(kind, data),
    }
}

/// Reads the version of a promotion from an answer.
#[must_use]
pub fn version(body: &[u8]) -> Option<u64> {
    serde_json::from_slice::<Value>(body).ok()?.get("v")?.as_u64()
}

fn accept(kind: Kind, value: &Value) -> Outcome {
    if !kind.is_claim() {
        return Outcome::Ok(None);
    }
    match told(value) {
        Some(told) => Outcome::Ok(Some(Box::new(told))),
        None => Outcome::Unknown(format!("an answer that is no claim: {}", short(value))),
    }
}

fn refuse(status: u16, value: &Value) -> Outcome {
    let code = value.get("code").and_then(Value::as_str).unwrap_or_default();
    match (status, code) {
        (_, "outcome_unknown") | (500.., "internal" | "") => Outcome::Unknown(format!("{status} {code}")),
        (400.., code) if !code.is_empty() => Outcome::Refused { status, code: code.to_owned() },
        _ => Outcome::Unknown(format!("status {status}: {}", short(value))),
    }
}

fn short(value: &Value) -> String {
    value.to_string().chars().take(200).collect()
}

/// One request, before it is encoded.
#[derive(Debug, Clone)]
pub struct Call {
    /// The method.
    pub method: &'static str,
    /// The path with its query.
    pub path: String,
    /// The body; empty = none.
    pub body: String,
}

/// The request of a claim.
#[must_use]
pub fn claim(sale: Uuid, quantity: u32, location: Option<Location>) -> Call {
    let body = match location {
        Some(place) => json!({"quantity": quantity, "location": place}),
        None => json!({"quantity": quantity}),
    };
    Call { method: "POST", path: format!("/api/v1/promotions/{sale}/claims"), body: body.to_string() }
}

/// The request of a confirmation, a cancellation or a redemption.
#[must_use]
pub fn act(kind: Kind, claim: Uuid, store: Uuid, code: &str) -> Call {
    match kind {
        Kind::Redeem => Call {
            method: "POST",
            path: format!("/api/v1/stores/{store}/redemptions"),
            body: json!({"code": code}).to_string(),
        },
        _ => {
            let verb = if kind == Kind::Cancel { "cancel" } else { "confirm" };
            Call { method: "POST", path: format!("/api/v1/claims/{claim}/{verb}"), body: String::new() }
        }
    }
}

/// The request of a change.
#[must_use]
pub fn update(sale: Uuid, change: Change) -> Call {
    let body = match change {
        Change::Price(price) => json!({"price": {"amount": price, "currency": "COP"}}),
        Change::Stock(stock) => json!({"stock": stock}),
        Change::Ends(ends_us) => json!({"ends_at": time(ends_us)}),
        Change::ClaimWithin(within_m) => json!({"claim_within_m": within_m}),
        Change::Limit(limit) => json!({"per_shopper_limit": limit}),
        Change::Reach(reach_m) => json!({"reach_m": reach_m}),
        Change::Starts(starts_us) => json!({"starts_at": time(starts_us)}),
        Change::Hold(seconds) => json!({"hold_seconds": seconds}),
    };
    Call { method: "PATCH", path: format!("/api/v1/promotions/{sale}"), body: body.to_string() }
}

/// The request of a pause, or of its end.
#[must_use]
pub fn pause(kind: Kind, sale: Uuid) -> Call {
    let verb = if kind == Kind::Pause { "pause" } else { "resume" };
    Call { method: "POST", path: format!("/api/v1/promotions/{sale}/{verb}"), body: String::new() }
}

/// The request of a search around a point.
#[must_use]
pub fn search(place: Location, radius_m: f64) -> Call {
    let Location { lat, lng } = place;
    let path = format!("/api/v1/promotions?lat={lat:.6}&lng={lng:.6}&radius_m={radius_m:.0}&limit=20");
    Call { method: "GET", path, body: String::new() }
}

/// A publication on `nearby`, as far as a judge cares.
#[derive(Debug, Clone, Deserialize)]
pub struct Publication {
    /// `offer`, `stock` or `gone`.
    #[serde(rename = "type", default)]
    pub kind: String,
    /// Of `stock` and `gone`: the promotion.
    pub id: Option<Uuid>,
    /// Of `stock` and `gone`: its version.
    pub v: Option<u64>,
    /// Of `stock`: units that can be claimed.
    pub remaining: Option<u32>,
    /// Of `stock`: units held.
    pub held: Option<u32>,
    /// Of `gone`: why.
    pub reason: Option<String>,
    /// Of `offer`: the offer.
    pub offer: Option<Offer>,
}

/// An offer, as far as a judge cares.
#[derive(Debug, Clone, Deserialize)]
pub struct Offer {
    /// The promotion.
    pub id: Uuid,
    /// Its version.
    pub v: u64,
    /// Units that can be claimed.
    pub remaining: u32,
    /// Units held.
    pub held: u32,
}

#[derive(Deserialize)]
struct Message {
    push: Push,
}

#[derive(Deserialize)]
struct Push {
    channel: String,
    #[serde(rename = "pub")]
    publication: Option<Envelope>,
}

#[derive(Deserialize)]
struct Envelope {
    data: Publication,
}

/// Reads a push; `None` = none on `nearby`.
///
/// # Errors
/// It is a push on `nearby` that cannot be read.
pub fn publication(message: &[u8]) -> serde_json::Result<Option<Publication>> {
    if memchr::memmem::find(message, br#""channel":"nearby""#).is_none() {
        return Ok(None);
    }
    let message: Message = serde_json::from_slice(message)?;
    let nearby = message.push.channel == "nearby";
    Ok(message.push.publication.map(|envelope| envelope.data).filter(|_| nearby))
}
