//! What admins see: jobs, people and stores. Of people neither e-mail nor phone nor place.

use super::HttpState;
use super::context::{Answer, Ask, ok, page};
use super::query::Query;
use crate::wire::time::WireTime;
use actix_web::{HttpRequest, web};
use flash_actors::ports::catalogue::OwnedStore;
use serde_json::{Value, json};

/// `GET /admin/jobs`
pub async fn jobs(request: HttpRequest, state: web::Data<HttpState>) -> Answer {
    let ask = Ask::new(&request, &state);
    ask.admin()?;
    let mut query = Query::of(&ask)?;
    let limit = query.limit();
    query.finish()?;
    let runs = state.jobs.recent(limit).await.map_err(|error| ask.port(error))?;
    let items: Vec<Value> = runs
        .iter()
        .map(|run| {
            json!({
                "id": run.id,
                "name": run.name,
                "started_at": WireTime(run.started_at),
                "finished_at": WireTime(run.finished_at),
                "ok": run.ok,
                "detail": run.detail,
            })
        })
        .collect();
    ok(&json!({ "items": items, "next_cursor": null }))
}

/// `GET /admin/users`
pub async fn users(request: HttpRequest, state: web::Data<HttpState>) -> Answer {
    let ask = Ask::new(&request, &state);
    ask.admin()?;
    let mut query = Query::of(&ask)?;
    let (limit, after) = (query.limit(), query.cursor());
    query.finish()?;
    let found = state.accounts.list(after, limit).await.map_err(|error| ask.port(error))?;
    let item = |user: &flash_actors::ports::accounts::User| {
        json!({
            "id": user.id,
            "display_name": user.display_name,
            "role": user.role,
            "created_at": WireTime(user.created_at),
        })
    };
    page(&found, item, |user| user.id.0)
}

/// `GET /admin/stores`
pub async fn stores(request: HttpRequest, state: web::Data<HttpState>) -> Answer {
    let ask = Ask::new(&request, &state);
    ask.admin()?;
    let mut query = Query::of(&ask)?;
    let (limit, after) = (query.limit(), query.cursor());
    query.finish()?;
    let found = state.catalogue.stores(after, limit).await.map_err(|error| ask.port(error))?;
    let item = |(store, owner): &OwnedStore| {
        json!({
            "id": store.id,
            "name": store.name,
            "address": store.address,
            "location": store.location,
            "owner": { "id": store.owner_id, "display_name": owner },
            "created_at": WireTime(store.created_at),
        })
    };
    page(&found, item, |(store, _)| store.id.0)
}
