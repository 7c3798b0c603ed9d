//! Listing promotions: newest first, or around a point, nearest first.

use crate::http::HttpState;
use crate::http::context::{Answer, Ask, Query, ok, page};
use crate::limits::SEARCH_MAX;
use crate::wire::promotion::PromotionJson;
use actix_web::{HttpRequest, web};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use flash_actors::ports::catalogue::PromotionFilter;
use flash_domain::geo::{Location, Reach, cover};
use flash_domain::ids::{PromotionId, StoreId};
use flash_domain::limits::{REACH_M_DEFAULT, REACH_M_MAX, REACH_M_MIN};
use flash_domain::promotion::{PromotionRecord, Status};
use serde_json::{Value, json};
use uuid::Uuid;

/// A place in a list that is sorted by distance: millimetres, then id.
type Place = (u64, Uuid);

/// `GET /promotions`
pub async fn list(request: HttpRequest, state: web::Data<HttpState>) -> Answer {
    let ask = Ask::new(&request, &state);
    let visitor = ask.visitor()?;
    let mut query = Query::of(&ask)?;
    let limit = query.limit();
    let point = take_point(&mut query);
    let radius_m = query.parsed::<f64>("radius_m");
    if radius_m.is_some_and(|radius_m| !(f64::from(REACH_M_MIN)..=f64::from(REACH_M_MAX)).contains(&radius_m))
    {
        query.refuse("radius_m");
    }
    let mut filter = PromotionFilter {
        store_id: query.parsed::<Uuid>("store_id").map(StoreId),
        status: take_status(&mut query),
        category: query.text("category"),
        text: query.text("q").map(|text| text.chars().take(200).collect()),
        ..PromotionFilter::default()
    };
    let (mut before, mut place) = (None, None);
    if point.is_some() {
        place = take_place(&mut query);
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
            around(&ask, filter, point, radius_m, place, limit as usize).await
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

fn take_point(query: &mut Query) -> Option<Location> {
    let (lat, lng) = (query.parsed::<f64>("lat"), query.parsed::<f64>("lng"));
    match (lat, lng) {
        (Some(lat), Some(lng)) => match Location::new(lat, lng) {
            Ok(point) => Some(point),
            Err(invalid) => {
                invalid.fields().iter().for_each(|field| query.refuse(field.trim_start_matches('/')));
                None
            }
        },
        (Some(_), None) => {
            query.refuse("lng");
            None
        }
        (None, Some(_)) => {
            query.refuse("lat");
            None
        }
        (None, None) => None,
    }
}

fn take_status(query: &mut Query) -> Option<Status> {
    let text = query.text("status")?;
    let status = serde_json::from_value(Value::String(text)).ok();
    if status.is_none() {
        query.refuse("status");
    }
    status
}

fn take_place(query: &mut Query) -> Option<Place> {
    let text = query.text("cursor")?;
    let place = URL_SAFE_NO_PAD.decode(text).ok().and_then(|bytes| {
        let (distance, id) = bytes.split_at_checked(8)?;
        Some((u64::from_be_bytes(distance.try_into().ok()?), Uuid::from_slice(id).ok()?))
    });
    if place.is_none() {
        query.refuse("cursor");
    }
    place
}

fn cursor_of((distance, id): Place) -> String {
    let mut bytes = distance.to_be_bytes().to_vec();
    bytes.extend_from_slice(id.as_bytes());
    URL_SAFE_NO_PAD.encode(bytes)
}

/// Routes by cell, decides by distance: within the radius, and within the promotion's own reach.
async fn around(
    ask: &Ask<'_>,
    mut filter: PromotionFilter,
    point: Location,
    radius_m: f64,
    after: Option<Place>,
    limit: usize,
) -> Answer {
    let cover = cover(point, radius_m);
    let cells = cover.cells.iter().map(|cell| u64::from(*cell)).collect();
    filter.cells = Some((u8::from(cover.resolution), cells));
    filter.current_only = true;
    let now = ask.state.engine.now().wall;
    let found = ask.state.catalogue.promotions(filter, now, None, SEARCH_MAX).await;
    let found = found.map_err(|error| ask.port(error))?;
    let here = point.unit_vector();
    let radius = Reach::new(radius_m);
    let mut near: Vec<(Place, PromotionRecord)> = found
        .items
        .into_iter()
        .filter(|record| {
            let there = record.store.location.unit_vector();
            radius.narrower(Reach::new(f64::from(record.terms.reach_m))).within(&here, &there)
        })
        .map(|record| {
            let distance_mm = (record.store.location.distance_m(point) * 1000.0).round() as u64;
            ((distance_mm, record.id.0), record.at(now))
        })
        .filter(|(place, _)| after.is_none_or(|after| *place > after))
        .collect();
    near.sort_unstable_by_key(|(place, _)| *place);
    let more = near.len() > limit;
    near.truncate(limit);
    let next = near.last().filter(|_| more).map(|(place, _)| cursor_of(*place));
    let items: Vec<Value> = near
        .iter()
        .map(|((distance_mm, _), record)| {
            let mut body = PromotionJson::from(record);
            body.distance_m = Some((distance_mm / 1000) as u32);
            serde_json::to_value(body).unwrap_or_default()
        })
        .collect();
    ok(&json!({ "items": items, "next_cursor": next }))
}
