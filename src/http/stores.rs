//! Stores, their followers and staff.

use super::HttpState;
use super::accounts::NAME;
use super::context::{Answer, Ask, Refusal, json, no_content, ok, page};
use super::form::{Bounds, Form};
use super::idempotency::Keyed;
use super::query::Query;
use crate::problem::Code;
use crate::wire::time::WireTime;
use actix_web::http::StatusCode;
use actix_web::{HttpRequest, web};
use flash_actors::ports::catalogue::{Created, StaffRole, StorePatch, StoreRow};
use flash_domain::ids::{StoreId, UserId};
use flash_domain::limits::TEXT_CHARS_MAX;
use flash_domain::series::canonical_timezone;
use serde_json::{Value, json as object};

const ADDRESS: Bounds = Bounds { min: 1, max: TEXT_CHARS_MAX };

fn store_json(store: &StoreRow) -> Value {
    object!({
        "id": store.id,
        "name": store.name,
        "address": store.address,
        "location": store.location,
        "timezone": store.timezone,
        "created_at": WireTime(store.created_at),
    })
}

fn check_timezone(form: &mut Form, name: Option<String>) -> Option<String> {
    let name = name?;
    let known = canonical_timezone(&name);
    if known.is_none() {
        form.refuse(
            "/timezone",
            "invalid",
            "Debe ser una zona IANA, como America/Bogota.",
            "Must be an IANA time zone, as in America/Bogota.",
        );
    }
    known
}

impl Ask<'_> {
    /// A store that is there.
    ///
    /// # Errors
    /// 404.
    pub async fn store(&self, id: StoreId) -> Result<StoreRow, Refusal> {
        let found = self.state.catalogue.store(id).await.map_err(|error| self.port(error))?;
        found.ok_or_else(|| self.problem(Code::NotFound))
    }
}

/// `POST /stores`
pub async fn create(request: HttpRequest, state: web::Data<HttpState>, payload: web::Payload) -> Answer {
    let ask = Ask::new(&request, &state);
    let principal = ask.merchant()?;
    let body = ask.body(payload).await?;
    let mut form = Form::parse(&ask, &body)?;
    let name = form.text("name", NAME);
    let address = form.text("address", ADDRESS);
    let location = form.location("location");
    let location = form.require("location", location);
    let timezone = form.text("timezone", NAME);
    let timezone = check_timezone(&mut form, timezone);
    form.check_key(&ask);
    form.finish()?;
    let keyed = Keyed::of(&ask, principal, &body)?;
    if let Some(before) = keyed.before(&ask).await? {
        return Ok(before);
    }
    let (Some(name), Some(address), Some(location), Some(timezone)) = (name, address, location, timezone)
    else {
        return Err(ask.problem(Code::Internal));
    };
    let store = StoreRow {
        id: StoreId(state.engine.new_id()),
        owner_id: principal.user_id,
        name,
        address,
        location,
        timezone,
        created_at: state.engine.now().wall,
    };
    let body = store_json(&store);
    let uses = keyed.uses(&ask, StatusCode::CREATED, &body);
    let created = state.catalogue.create_store(store, uses).await.map_err(|error| ask.port(error))?;
    if created == Created::Conflict {
        // The person was forgotten meanwhile.
        return Err(ask.problem(Code::TokenRevoked));
    }
    keyed.created(&ask, created, json(StatusCode::CREATED, &body))
}

/// `GET /stores`: those where the caller works; with `followed=true` those that the caller follows.
pub async fn list(request: HttpRequest, state: web::Data<HttpState>) -> Answer {
    let ask = Ask::new(&request, &state);
    let principal = ask.principal()?;
    let mut query = Query::of(&ask)?;
    let (limit, after) = (query.limit(), query.cursor::<StoreId>());
    let followed = query.flag("followed").unwrap_or(false);
    query.finish()?;
    if followed {
        let found = state.catalogue.followed_by(principal.user_id, after, limit).await;
        return page(&found.map_err(|error| ask.port(error))?, store_json, |store| store.id.0);
    }
    let found =
        state.catalogue.stores_of(principal.user_id, after, limit).await.map_err(|error| ask.port(error))?;
    let item = |(store, role): &(StoreRow, StaffRole)| {
        let mut body = store_json(store);
        body["your_role"] = object!(role);
        body
    };
    page(&found, item, |(store, _)| store.id.0)
}

/// `GET /stores/{id}`
pub async fn show(request: HttpRequest, state: web::Data<HttpState>) -> Answer {
    let ask = Ask::new(&request, &state);
    ask.visitor()?;
    ok(&store_json(&ask.store(ask.id("id")?).await?))
}

/// `PATCH /stores/{id}`
pub async fn edit(request: HttpRequest, state: web::Data<HttpState>, payload: web::Payload) -> Answer {
    let ask = Ask::new(&request, &state);
    let principal = ask.principal()?;
    let store = ask.store(ask.id("id")?).await?;
    ask.staff(&principal, store.id, StaffRole::Manager).await?;
    let mut form = Form::parse_edit(&ask, &ask.body(payload).await?)?;
    let timezone = form.optional_text("timezone", NAME);
    let patch = StorePatch {
        name: form.optional_text("name", NAME),
        address: form.optional_text("address", ADDRESS),
        location: form.location("location"),
        timezone: check_timezone(&mut form, timezone),
    };
    form.finish()?;
    let store = state.catalogue.update_store(store.id, patch).await.map_err(|error| ask.port(error))?;
    ok(&store_json(&store.ok_or_else(|| ask.problem(Code::NotFound))?))
}

/// `DELETE /stores/{id}`
pub async fn delete(request: HttpRequest, state: web::Data<HttpState>, payload: web::Payload) -> Answer {
    let ask = Ask::new(&request, &state);
    let principal = ask.principal()?;
    let store = ask.store(ask.id("id")?).await?;
    ask.staff(&principal, store.id, StaffRole::Owner).await?;
    ask.no_fields(payload).await?;
    let now = state.engine.now().wall;
    if !state.catalogue.delete_store(store.id, now).await.map_err(|error| ask.port(error))? {
        return Err(ask.problem(Code::StillInUse));
    }
    no_content()
}

async fn set_follow(
    request: HttpRequest,
    state: web::Data<HttpState>,
    payload: web::Payload,
    follows: bool,
) -> Answer {
    let ask = Ask::new(&request, &state);
    let principal = ask.principal()?;
    let store = ask.store(ask.id("id")?).await?;
    ask.no_fields(payload).await?;
    let now = state.engine.now().wall;
    state
        .catalogue
        .follow(store.id, principal.user_id, follows, now)
        .await
        .map_err(|error| ask.port(error))?;
    no_content()
}

/// `PUT /stores/{id}/follow`
pub async fn follow(request: HttpRequest, state: web::Data<HttpState>, payload: web::Payload) -> Answer {
    set_follow(request, state, payload, true).await
}

/// `DELETE /stores/{id}/follow`
pub async fn unfollow(request: HttpRequest, state: web::Data<HttpState>, payload: web::Payload) -> Answer {
    set_follow(request, state, payload, false).await
}

/// `GET /stores/{id}/staff`
pub async fn staff(request: HttpRequest, state: web::Data<HttpState>) -> Answer {
    let ask = Ask::new(&request, &state);
    let principal = ask.principal()?;
    let store = ask.store(ask.id("id")?).await?;
    ask.staff(&principal, store.id, StaffRole::Manager).await?;
    let found = state.catalogue.staff(store.id).await.map_err(|error| ask.port(error))?;
    let items: Vec<Value> = found
        .iter()
        .map(|member| object!({"user_id": member.user_id, "display_name": member.display_name, "role": member.role}))
        .collect();
    ok(&object!({ "items": items, "next_cursor": null }))
}

/// `GET /stores/{id}/staff/{user_id}`
pub async fn staff_member(request: HttpRequest, state: web::Data<HttpState>) -> Answer {
    let ask = Ask::new(&request, &state);
    let principal = ask.principal()?;
    let store = ask.store(ask.id("id")?).await?;
    let user: UserId = ask.id("user_id")?;
    if user != principal.user_id {
        ask.staff(&principal, store.id, StaffRole::Manager).await?;
    }
    let found = state.catalogue.staff(store.id).await.map_err(|error| ask.port(error))?;
    let member =
        found.iter().find(|member| member.user_id == user).ok_or_else(|| ask.problem(Code::NotFound))?;
    ok(&object!({"user_id": member.user_id, "display_name": member.display_name, "role": member.role}))
}

/// `PUT /stores/{id}/staff/{user_id}`: names a manager or clerk.
pub async fn put_staff(request: HttpRequest, state: web::Data<HttpState>, payload: web::Payload) -> Answer {
    let ask = Ask::new(&request, &state);
    let principal = ask.principal()?;
    let store = ask.store(ask.id("id")?).await?;
    let user: UserId = ask.id("user_id")?;
    ask.staff(&principal, store.id, StaffRole::Owner).await?;
    let person = state.accounts.user(user).await.map_err(|error| ask.port(error))?;
    let person = person.ok_or_else(|| ask.problem(Code::NotFound))?;
    let mut form = Form::parse(&ask, &ask.body(payload).await?)?;
    let role = form.text("role", NAME).and_then(|role| match role.as_str() {
        "manager" => Some(StaffRole::Manager),
        "clerk" => Some(StaffRole::Clerk),
        _ => {
            form.refuse("/role", "invalid", "Debe ser manager o clerk.", "Must be manager or clerk.");
            None
        }
    });
    form.finish()?;
    let role = role.ok_or_else(|| ask.problem(Code::Internal))?;
    if user == store.owner_id {
        return Err(ask.problem(Code::IsOwner));
    }
    if !state.catalogue.put_staff(store.id, user, role).await.map_err(|error| ask.port(error))? {
        return Err(ask.problem(Code::NotFound));
    }
    state.feed.staff_changed(store.id);
    ok(&object!({ "user_id": user, "display_name": person.display_name, "role": role }))
}

/// `DELETE /stores/{id}/staff/{user_id}`: the owner removes anybody, a member of staff themself.
pub async fn remove_staff(
    request: HttpRequest,
    state: web::Data<HttpState>,
    payload: web::Payload,
) -> Answer {
    let ask = Ask::new(&request, &state);
    let principal = ask.principal()?;
    let store = ask.store(ask.id("id")?).await?;
    let user: UserId = ask.id("user_id")?;
    if user != principal.user_id {
        ask.staff(&principal, store.id, StaffRole::Owner).await?;
    }
    if let Err(refusal) = ask.no_fields(payload).await {
        let staff = state.catalogue.staff(store.id).await.map_err(|error| ask.port(error))?;
        let known = staff.iter().any(|member| member.user_id == user);
        return Err(if known { refusal } else { ask.problem(Code::NotFound) });
    }
    if user == store.owner_id {
        return Err(ask.problem(Code::IsOwner));
    }
    if !state.catalogue.remove_staff(store.id, user).await.map_err(|error| ask.port(error))? {
        return Err(ask.problem(Code::NotFound));
    }
    state.feed.staff_changed(store.id);
    no_content()
}
