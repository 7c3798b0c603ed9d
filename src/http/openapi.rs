//! The API's description: OpenAPI 3.1 from the table of routes and the schemas beside it, and Swagger UI to try it out.

use super::routes::{Access, ROUTES, RouteRow};
use crate::problem::{Code, Language};
use actix_web::{HttpResponse, web};
use serde_json::{Map, Value, json};
use std::sync::LazyLock;
use utoipa_swagger_ui::{Config, SwaggerUi};

const SCHEMAS: &str = include_str!("schemas.json");

static DOCUMENT: LazyLock<String> = LazyLock::new(|| describe().to_string());

/// `GET /openapi.json`
pub async fn document() -> HttpResponse {
    HttpResponse::Ok().content_type("application/json").body(DOCUMENT.as_str())
}

/// Serves Swagger UI at `/docs/`, from files that are part of the binary.
pub fn configure(config: &mut web::ServiceConfig) {
    config.service(web::redirect("/docs", "/docs/"));
    config.service(SwaggerUi::new("/docs/{_:.*}").config(Config::from("/openapi.json")));
}

/// The whole description as JSON.
pub fn describe() -> Value {
    let mut paths = Map::new();
    for row in &ROUTES {
        let path = paths.entry(format!("/api/v1{}", row.path)).or_insert_with(|| json!({}));
        path[row.method.to_lowercase()] = operation(row);
    }
    let schemas: Value = serde_json::from_str(SCHEMAS).unwrap_or_default();
    json!({
        "openapi": "3.1.0",
        "info": {
            "title": "Flash Promos",
            "version": env!("CARGO_PKG_VERSION"),
            "description": "Flash promotions nearby. Times are RFC 3339 UTC with milliseconds, money is integer minor \
                units, lists are pages with an opaque cursor. Errors are RFC 9457 problems with a stable `code`. The live \
                socket is at /api/v1/live and speaks the Centrifuge client protocol.",
            "license": {"name": "MIT OR Apache-2.0", "identifier": "MIT OR Apache-2.0"}
        },
        "paths": paths,
        "components": {
            "schemas": schemas,
            "securitySchemes": {"bearer": {"type": "http", "scheme": "bearer", "bearerFormat": "JWT"}}
        }
    })
}

fn operation(row: &RouteRow) -> Value {
    let mut operation = json!({
        "summary": row.summary,
        "tags": [row.tag],
        "operationId": operation_id(row),
        "responses": responses(row),
    });
    let parameters = parameters(row);
    if !parameters.is_empty() {
        operation["parameters"] = Value::Array(parameters);
    }
    operation["security"] = match row.access {
        Access::Anybody => json!([{}, {"bearer": []}]),
        _ => json!([{"bearer": []}]),
    };
    if !row.body.is_empty() {
        let schema = json!({"$ref": format!("#/components/schemas/{}", row.body)});
        operation["requestBody"] =
            json!({"required": true, "content": {"application/json": {"schema": schema}}});
    }
    operation
}

fn operation_id(row: &RouteRow) -> String {
    let words = row.path.split('/').filter(|part| !part.is_empty());
    let path: Vec<String> = words.map(|part| part.trim_matches(['{', '}']).to_owned()).collect();
    format!("{}_{}", row.method.to_lowercase(), path.join("_"))
}

/// Whether a route honours `Idempotency-Key`: what creates something, tokens aside.
fn takes_key(row: &RouteRow) -> bool {
    row.success == 201 && row.tag != "auth"
}

fn parameters(row: &RouteRow) -> Vec<Value> {
    let mut found: Vec<Value> = row
        .path
        .split('/')
        .filter_map(|part| part.strip_prefix('{')?.strip_suffix('}'))
        .map(|name| json!({"name": name, "in": "path", "required": true, "schema": {"type": "string", "format": "uuid"}}))
        .collect();
    let mut query = |name: &str, schema: Value| {
        found.push(json!({"name": name, "in": "query", "required": false, "schema": schema}))
    };
    let is_list = row.method == "GET"
        && row.answer.ends_with('s')
        && !row.answer.ends_with("Stats")
        && row.answer != "Series";
    if is_list && row.path != "/admin/jobs" {
        query("cursor", json!({"type": "string"}));
    }
    if is_list {
        query("limit", json!({"type": "integer", "minimum": 1, "maximum": 100, "default": 20}));
    }
    match row.path {
        "/promotions" => {
            query("lat", json!({"type": "number", "minimum": -90, "maximum": 90}));
            query("lng", json!({"type": "number", "minimum": -180, "maximum": 180}));
            query("radius_m", json!({"type": "number", "minimum": 50, "maximum": 50000, "default": 5000}));
            query(
                "status",
                json!({"type": "string", "enum": ["draft", "scheduled", "live", "paused", "ended", "cancelled"]}),
            );
            query("category", json!({"type": "string"}));
            query("store_id", json!({"type": "string", "format": "uuid"}));
            query("series_id", json!({"type": "string", "format": "uuid"}));
            query("q", json!({"type": "string"}));
        }
        "/stores" if row.method == "GET" => query("followed", json!({"type": "boolean"})),
        "/notifications" => query("unread", json!({"type": "boolean"})),
        "/stores/{id}/notification-stats" | "/admin/notification-stats" => {
            query("days", json!({"type": "integer", "minimum": 1, "maximum": 366, "default": 30}));
        }
        "/promotions/{id}/claims" if row.method == "GET" => {
            query("order", json!({"type": "string", "enum": ["oldest", "newest"], "default": "oldest"}));
        }
        "/claims" => query("idempotency_key", json!({"type": "string"})),
        _ => {}
    }
    if takes_key(row) {
        let required = row.answer == "Claim";
        let schema = json!({"type": "string", "minLength": 1, "maxLength": 255});
        found
            .push(json!({"name": "Idempotency-Key", "in": "header", "required": required, "schema": schema}));
    }
    found
}

fn responses(row: &RouteRow) -> Value {
    let mut responses = Map::new();
    let mut success = json!({"description": "Done"});
    if !row.answer.is_empty() {
        let schema = json!({"$ref": format!("#/components/schemas/{}", row.answer)});
        success["content"] = json!({"application/json": {"schema": schema}});
        if row.answer == "StaffClaims" {
            success["content"]["text/csv"] = json!({"schema": {"type": "string"}});
        }
    }
    responses.insert(row.success.to_string(), success);
    let mut codes: Vec<Code> = row
        .codes
        .iter()
        .filter_map(|name| Code::ALL.into_iter().find(|code| code.as_str() == *name))
        .collect();
    codes.extend([Code::TokenExpired, Code::TokenInvalid, Code::TokenRevoked, Code::Unavailable]);
    if row.access != Access::Anybody {
        codes.push(Code::Unauthenticated);
    }
    if row.path.contains('{') {
        codes.push(Code::NotFound);
    }
    if row.method != "GET" {
        // Without fields it refuses some.
        codes.extend([
            Code::BadRequest,
            Code::MalformedJson,
            Code::RequestTimeout,
            Code::BodyTooLarge,
            Code::Invalid,
        ]);
    }
    if !row.body.is_empty() {
        codes.push(Code::UnsupportedMediaType);
    }
    if parameters(row).iter().any(|parameter| parameter["in"] == "query") {
        codes.extend([Code::BadRequest, Code::Invalid]);
    }
    if takes_key(row) {
        codes.push(Code::IdempotencyKeyReused);
    }
    codes.sort_by_key(|code| (code.status(), code.as_str()));
    codes.dedup();
    for code in codes {
        let text = format!("`{}`: {}", code.as_str(), code.detail(Language::English));
        let response = responses.entry(code.status().to_string()).or_insert_with(|| {
            let schema = json!({"$ref": "#/components/schemas/Problem"});
            json!({"description": "", "content": {"application/problem+json": {"schema": schema}}})
        });
        let known = response["description"].as_str().unwrap_or("").to_owned();
        response["description"] =
            if known.is_empty() { text.into() } else { format!("{known}\n\n{text}").into() };
    }
    Value::Object(responses)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn the_description_is_openapi_and_has_every_route_and_code() {
        let document = describe();
        for (name, schema) in document["components"]["schemas"].as_object().unwrap() {
            let parsed =
                serde_json::from_value::<utoipa::openapi::RefOr<utoipa::openapi::Schema>>(schema.clone());
            assert!(parsed.is_ok(), "{name}: {schema}");
        }
        for (path, item) in document["paths"].as_object().unwrap() {
            let parsed = serde_json::from_value::<utoipa::openapi::PathItem>(item.clone());
            assert!(parsed.is_ok(), "{path}: {:?} {item}", parsed.err());
        }
        let parsed: utoipa::openapi::OpenApi = serde_json::from_value(document.clone()).unwrap();
        let text = document.to_string();
        for row in &ROUTES {
            let path = &parsed.paths.paths[&format!("/api/v1{}", row.path)];
            let there = serde_json::to_value(path).unwrap();
            assert!(there.get(row.method.to_lowercase()).is_some(), "{} {}", row.method, row.path);
            for code in row.codes {
                assert!(Code::ALL.iter().any(|known| known.as_str() == *code), "{code} is not a code");
            }
            for schema in [row.body, row.answer] {
                assert!(
                    schema.is_empty() || document["components"]["schemas"].get(schema).is_some(),
                    "{schema}"
                );
            }
        }
        let sales = &document["paths"]["/api/v1/promotions/{id}/claims"]["get"];
        assert!(sales["responses"]["200"]["content"].get("text/csv").is_some());
        for row in ROUTES.iter().filter(|row| !row.body.is_empty()) {
            let schema = &document["components"]["schemas"][row.body];
            assert_eq!(schema["additionalProperties"], false, "{}: unknown fields are refused", row.body);
            let most = &schema["properties"]["claim_within_m"]["anyOf"][0]["maximum"];
            assert!(most.is_null() || *most == flash_domain::limits::CLAIM_WITHIN_M_MAX, "{}", row.body);
        }
        let launch = &document["components"]["schemas"]["NewPromotion"]["properties"]["claim_within_m"];
        assert_eq!(launch["anyOf"][0]["maximum"], flash_domain::limits::CLAIM_WITHIN_M_MAX);
        for reference in text.split("#/components/schemas/").skip(1) {
            let name = reference.split('"').next().unwrap();
            assert!(document["components"]["schemas"].get(name).is_some(), "{name}");
        }
    }
}
