//! Listing promotions: newest first, or around a point, nearest first.

use crate::http::HttpState;
use crate::http::context::{Answer, Ask, ok, page};
use crate::http::query::Query;
use crate::wire::promotion::PromotionJson;
use actix_web::{HttpRequest, web};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use flash_actors::ports::catalogue::{Around, NearPlace, PromotionFilter};
use flash_domain::geo::Location;
use flash_domain::ids::PromotionId;
use flash_domain::limits::{REACH_M_DEFAULT, REACH_M_MAX, REACH_M_MIN};
use flash_domain::promotion::Status;
use serde_json::{Value, json};
use uuid::Uuid;

/// What `status` may ask for.
const STATUSES: [(&str, Status); 6] = [
    ("draft", Status::Draft),
    ("scheduled", Status::Scheduled),
    ("live", Status::Live),
    ("paused", Status::Paused),
    ("ended", Status::Ended),
    ("cancelled", Status::Cancelled),
];

/// `GET /promotions`
pub async fn list(request: HttpRequest, state: web::Data<HttpState>) -> Answer {
    let ask = Ask::new(&request, &state);
    let visitor = ask.visitor()?;
    let mut query = Query::of(&ask)?;
    let limit = query.limit();
    let radius_m = query.decimal("radius_m", f64::from(REACH_M_MIN)..=f64::from(REACH_M_MAX));
    let asks_around = radius_m.is_some() || query.is_refused("radius_m");
    let point = take_point(&mut query, asks_around);
    let mut filter = PromotionFilter {
        store_id: query.id("store_id"),
        series_id: query.id("series_id"),
        status: query.one_of("status", &STATUSES),
        category: query.text("category"),
        text: query.text("q").map(|text| text.chars().take(200).collect()),
        ..PromotionFilter::default()
    };
    let (mut before, mut place) = (None, None);
    if point.is_some() {
        place = query.cursor_of(read_place);
    } else {
        before = query.cursor::<PromotionId>();
    }
    query.finish()?;
    if let (Some(store), Some(principal)) = (filter.store_id, visitor) {
        let role =
            state.catalogue.role_at(store, principal.user_id).await.map_err(|error| ask.port(error))?;
        filter.drafts = role.is_some();
    }
    if filter.status == Some(Status::Draft) && !filter.drafts {
        return ok(&json!({"items": [], "next_cursor": null}));
    }
    match point {
        Some(point) => {
            let radius_m = radius_m.unwrap_or_else(|| f64::from(REACH_M_DEFAULT));
            around(&ask, filter, Around { point, radius_m, after: place }, limit).await
        }
        None => {
            let now = state.engine.now().wall;
            let found = state.catalogue.promotions(filter, now, before, limit).await;
            let mut found = found.map_err(|error| ask.port(error))?;
            for record in &mut found.items {
                *record = record.at(now);
            }
            page(
                &found,
                |record| serde_json::to_value(PromotionJson::from(record)).unwrap_or_default(),
                |record| record.id.0,
            )
        }
    }
}

/// Takes the point to look around, both halves of it or none; a radius without a point asks for one.
fn take_point(query: &mut Query, needed: bool) -> Option<Location> {
    let lat = query.decimal("lat", -90.0..=90.0);
    let lng = query.decimal("lng", -180.0..=180.0);
    let named =
        [("lat", lat), ("lng", lng)].iter().any(|(name, half)| half.is_some() || query.is_refused(name));
    if !needed && !named {
        return None;
    }
    let (lat, lng) = (query.require("lat", lat), query.require("lng", lng));
    Location::new(lat?, lng?).ok()
}

/// Reads where a page around a point ended.
fn read_place(bytes: &[u8]) -> Option<NearPlace> {
    let (distance, id) = bytes.split_at_checked(8)?;
    Some((u64::from_be_bytes(distance.try_into().ok()?), Uuid::from_slice(id).ok()?))
}

fn cursor_of((distance, id): NearPlace) -> String {
    let mut bytes = distance.to_be_bytes().to_vec();
    bytes.extend_from_slice(id.as_bytes());
    URL_SAFE_NO_PAD.encode(bytes)
}

/// What is within the radius and within the promotion's own reach, nearest first.
async fn around(ask: &Ask<'_>, mut filter: PromotionFilter, around: Around, limit: u32) -> Answer {
    filter.current_only = true;
    let now = ask.state.engine.now().wall;
    let found = ask.state.catalogue.promotions_around(filter, around, now, limit).await;
    let found = found.map_err(|error| ask.port(error))?;
    let next = found.items.last().filter(|_| found.more).map(|near| cursor_of(near.place));
    let items: Vec<Value> = found
        .items
        .iter()
        .map(|near| {
            let record = near.record.at(now);
            let mut body = PromotionJson::from(&record);
            body.distance_m = Some((near.place.0 / 1000) as u32);
            serde_json::to_value(body).unwrap_or_default()
        })
        .collect();
    ok(&json!({ "items": items, "next_cursor": next }))
}
