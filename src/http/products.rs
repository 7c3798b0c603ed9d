//! Products.

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
use flash_actors::ports::catalogue::{ProductPatch, ProductRow, StaffRole};
use flash_domain::ids::ProductId;
use flash_domain::limits::{PRICE_AMOUNT_MAX, TEXT_CHARS_MAX};
use flash_domain::money::Money;
use serde_json::{Value, json as object};

const DESCRIPTION: Bounds = Bounds { min: 1, max: TEXT_CHARS_MAX };
const URL: Bounds = Bounds { min: 1, max: 2_000 };

fn product_json(product: &ProductRow) -> Value {
    object!({
        "id": product.id,
        "store_id": product.store_id,
        "name": product.name,
        "description": product.description,
        "price": product.price,
        "image_url": product.image_url,
        "available": product.available,
        "created_at": WireTime(product.created_at),
    })
}

fn take_price(form: &mut Form) -> Option<Money> {
    let price = form.money("price")?;
    if !(1..=PRICE_AMOUNT_MAX).contains(&price.amount) {
        form.refuse("/price/amount", "out_of_range", "Debe ser al menos 1.", "Must be at least 1.");
        return None;
    }
    Some(price)
}

fn check_url(form: &mut Form, url: Option<Option<String>>) -> Option<Option<String>> {
    if let Some(Some(url)) = &url {
        let web = url.starts_with("https://") || url.starts_with("http://");
        if !web || url.contains(char::is_whitespace) {
            form.refuse(
                "/image_url",
                "invalid",
                "Debe ser una dirección http(s).",
                "Must be an http(s) address.",
            );
        }
    }
    url
}

impl Ask<'_> {
    /// A product that is there.
    ///
    /// # Errors
    /// 404.
    pub async fn product(&self, id: ProductId) -> Result<ProductRow, Refusal> {
        let found = self.state.catalogue.product(id).await.map_err(|error| self.port(error))?;
        found.ok_or_else(|| self.problem(Code::NotFound))
    }
}

/// `POST /stores/{id}/products`
pub async fn create(request: HttpRequest, state: web::Data<HttpState>, payload: web::Payload) -> Answer {
    let ask = Ask::new(&request, &state);
    let principal = ask.principal()?;
    let store = ask.store(ask.id("id")?).await?;
    ask.staff(&principal, store.id, StaffRole::Manager).await?;
    let body = ask.body(payload).await?;
    let mut form = Form::parse(&ask, &body)?;
    let name = form.text("name", NAME);
    let description = form.text("description", DESCRIPTION);
    let price = take_price(&mut form);
    let price = form.require("price", price);
    let image_url = form.optional_text("image_url", URL);
    let image_url = check_url(&mut form, Some(image_url)).flatten();
    let available = form.flag("available").unwrap_or(true);
    form.check_key(&ask);
    form.finish()?;
    let keyed = Keyed::of(&ask, principal, &body)?;
    if let Some(before) = keyed.before(&ask).await? {
        return Ok(before);
    }
    let (Some(name), Some(description), Some(price)) = (name, description, price) else {
        return Err(ask.problem(Code::Internal));
    };
    let product = ProductRow {
        id: ProductId(state.engine.new_id()),
        store_id: store.id,
        name,
        description,
        price,
        image_url,
        available,
        created_at: state.engine.now().wall,
    };
    let body = product_json(&product);
    let uses = keyed.uses(&ask, StatusCode::CREATED, &body);
    let created = state.catalogue.create_product(product, uses).await.map_err(|error| ask.port(error))?;
    keyed.created(&ask, created, json(StatusCode::CREATED, &body))
}

/// `GET /stores/{id}/products`
pub async fn list(request: HttpRequest, state: web::Data<HttpState>) -> Answer {
    let ask = Ask::new(&request, &state);
    ask.visitor()?;
    let store = ask.store(ask.id("id")?).await?;
    let mut query = Query::of(&ask)?;
    let (limit, after) = (query.limit(), query.cursor());
    query.finish()?;
    let found = state.catalogue.products(store.id, after, limit).await.map_err(|error| ask.port(error))?;
    page(&found, product_json, |product| product.id.0)
}

/// `GET /products/{id}`
pub async fn show(request: HttpRequest, state: web::Data<HttpState>) -> Answer {
    let ask = Ask::new(&request, &state);
    ask.visitor()?;
    ok(&product_json(&ask.product(ask.id("id")?).await?))
}

/// `PATCH /products/{id}`
pub async fn edit(request: HttpRequest, state: web::Data<HttpState>, payload: web::Payload) -> Answer {
    let ask = Ask::new(&request, &state);
    let principal = ask.principal()?;
    let product = ask.product(ask.id("id")?).await?;
    ask.staff(&principal, product.store_id, StaffRole::Manager).await?;
    let mut form = Form::parse_edit(&ask, &ask.body(payload).await?)?;
    let image_url = form.nullable_text("image_url", URL);
    let patch = ProductPatch {
        name: form.optional_text("name", NAME),
        description: form.optional_text("description", DESCRIPTION),
        price: take_price(&mut form),
        image_url: check_url(&mut form, image_url),
        available: form.flag("available"),
    };
    form.finish()?;
    let product = state.catalogue.update_product(product.id, patch).await.map_err(|error| ask.port(error))?;
    ok(&product_json(&product.ok_or_else(|| ask.problem(Code::NotFound))?))
}

/// `DELETE /products/{id}`
pub async fn delete(request: HttpRequest, state: web::Data<HttpState>, payload: web::Payload) -> Answer {
    let ask = Ask::new(&request, &state);
    let principal = ask.principal()?;
    let product = ask.product(ask.id("id")?).await?;
    ask.staff(&principal, product.store_id, StaffRole::Manager).await?;
    ask.no_fields(payload).await?;
    state.catalogue.delete_product(product.id).await.map_err(|error| ask.port(error))?;
    no_content()
}
