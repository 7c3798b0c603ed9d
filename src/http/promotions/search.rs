//! Listing promotions: newest first, or around a point, nearest first.

use crate::http::HttpState;
use crate::http::context::{Answer, Ask, Query, ok, page};
use crate::wire::promotion::PromotionJson;
use actix_web::{HttpRequest, web};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use flash_actors::ports::catalogue::{Around, NearPlace, PromotionFilter};
use flash_domain::geo::Location;
use flash_domain::ids::{PromotionId, SeriesId, StoreId};
use flash_domain::limits::{REACH_M_DEFAULT, REACH_M_MAX, REACH_M_MIN};
use flash_domain::promotion::Status;
use serde_json::{Value, json};
use uuid::Uuid;

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
        series_id: query.parsed::<Uuid>("series_id").map(SeriesId),
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

fn take_place(query: &mut Query) -> Option<NearPlace> {
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
