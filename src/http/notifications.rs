//! One's inbox, and the numbers of deliveries for a store's people and for admins.

use super::HttpState;
use super::context::{Answer, Ask, ok, page};
use super::form::Form;
use super::query::Query;
use crate::problem::Language;
use crate::wire::notification::NotificationJson;
use crate::wire::time::WireTime;
use actix_web::{HttpRequest, web};
use flash_actors::ports::catalogue::StaffRole;
use flash_actors::ports::inbox::{DeliveryStats, ReadWhich};
use flash_domain::ids::{EventId, StoreId};
use serde_json::{Map, Value, json};

const DAY_MS: i64 = 24 * 3600 * 1000;
/// Items that one request marks.
const READ_MAX: usize = 1_000;
/// Days that statistics look back at most: notices are not kept longer.
const DAYS_MAX: u32 = 366;

/// `GET /notifications`
pub async fn list(request: HttpRequest, state: web::Data<HttpState>) -> Answer {
    let ask = Ask::new(&request, &state);
    let principal = ask.principal()?;
    let mut query = Query::of(&ask)?;
    let (limit, before) = (query.limit(), query.cursor());
    let unread_only = query.flag("unread").unwrap_or(false);
    query.finish()?;
    let found = state.inbox.items(principal.user_id, unread_only, before, limit).await;
    let found = found.map_err(|error| ask.port(error))?;
    page(
        &found,
        |item| {
            let shown = NotificationJson::of(&item.notice, item.created_at, item.read_at);
            json!(shown.in_words(&item.notice, ask.language == Language::Spanish))
        },
        |item| item.notice.id.0,
    )
}

/// `POST /notifications/read`: `{ids: […]}`, or `{all: true}`.
pub async fn read(request: HttpRequest, state: web::Data<HttpState>, payload: web::Payload) -> Answer {
    let ask = Ask::new(&request, &state);
    let principal = ask.principal()?;
    let mut form = Form::parse(&ask, &ask.body(payload).await?)?;
    let (all, ids) = (form.take("all"), form.take("ids"));
    let which = match (all, ids) {
        (Some(Value::Bool(true)), None) => Some(ReadWhich::All),
        (None, Some(ids)) => serde_json::from_value::<Vec<EventId>>(ids)
            .ok()
            .filter(|ids| ids.len() <= READ_MAX)
            .map(ReadWhich::Ids),
        _ => None,
    };
    if which.is_none() {
        form.refuse(
            "/ids",
            "invalid",
            "Una lista de hasta 1000 identificadores, o all: true.",
            "A list of at most 1000 ids, or all: true.",
        );
    }
    form.finish()?;
    let now = state.engine.now().wall;
    let user = principal.user_id;
    let which = which.unwrap_or(ReadWhich::Ids(Vec::new()));
    state.inbox.mark_read(user, which, now).await.map_err(|error| ask.port(error))?;
    let unread = state.inbox.unread(user).await.map_err(|error| ask.port(error))?;
    ok(&json!({ "unread": unread }))
}

fn numbers<K>(entries: &[(K, u64)], name: impl Fn(&K) -> &'static str) -> Value {
    Value::Object(
        entries.iter().map(|(key, count)| (name(key).to_owned(), json!(count))).collect::<Map<_, _>>(),
    )
}

fn stats_json(stats: &DeliveryStats) -> Value {
    let days: Vec<Value> = stats
        .by_day
        .iter()
        .map(|(day, count)| {
            let day = json!(WireTime(*day));
            json!({ "day": day.as_str().map_or("", |day| &day[..10]), "total": count })
        })
        .collect();
    json!({
        "total": stats.total,
        "by_status": numbers(&stats.by_status, |status| status.as_str()),
        "unique_users": stats.unique_users,
        "by_day": days,
        "by_type": numbers(&stats.by_kind, |kind| kind.as_str()),
    })
}

async fn stats(ask: &Ask<'_>, store: Option<StoreId>) -> Answer {
    let mut query = Query::of(ask)?;
    let days = query.number("days", 1..=DAYS_MAX).unwrap_or(30);
    query.finish()?;
    let since = ask.state.engine.now().wall.plus_ms(-DAY_MS * i64::from(days));
    let found = ask.state.inbox.delivery_stats(store, since).await.map_err(|error| ask.port(error))?;
    ok(&stats_json(&found))
}

/// `GET /stores/{id}/notification-stats`
pub async fn store_stats(request: HttpRequest, state: web::Data<HttpState>) -> Answer {
    let ask = Ask::new(&request, &state);
    let principal = ask.principal()?;
    let store = ask.store(ask.id("id")?).await?;
    ask.staff(&principal, store.id, StaffRole::Clerk).await?;
    stats(&ask, Some(store.id)).await
}

/// `GET /admin/notification-stats`
pub async fn all_stats(request: HttpRequest, state: web::Data<HttpState>) -> Answer {
    let ask = Ask::new(&request, &state);
    ask.admin()?;
    stats(&ask, None).await
}
