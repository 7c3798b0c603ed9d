//! Health, readiness and metrics.

use super::HttpState;
use super::context::{Answer, Ask, answer_problem, language, ok};
use crate::problem::{Code, Problem};
use actix_web::http::header::{self, HeaderValue};
use actix_web::{HttpRequest, HttpResponse, web};
use serde_json::json;
use std::time::Duration;

/// How long the readiness check waits for the store.
const PATIENCE: Duration = Duration::from_secs(2);

/// `GET /healthz`: the process answers.
pub async fn healthz() -> HttpResponse {
    HttpResponse::Ok().content_type("text/plain; charset=utf-8").body("ok\n")
}

/// `GET /readyz`: requests should be sent here.
pub async fn readyz(request: HttpRequest, state: web::Data<HttpState>) -> Answer {
    let ask = Ask::new(&request, &state);
    if !state.is_ready() {
        return Err(ask.problem(Code::Unavailable));
    }
    match tokio::time::timeout(PATIENCE, state.store.ping()).await {
        Ok(Ok(())) => ok(&json!({ "status": "ready" })),
        Ok(Err(error)) => Err(ask.port(error)),
        Err(_) => Err(ask.problem(Code::Unavailable)),
    }
}

/// `GET /metrics`
pub async fn metrics(state: web::Data<HttpState>) -> HttpResponse {
    let text = state.metrics.render(&state.engine.observe());
    HttpResponse::Ok().content_type("text/plain; version=0.0.4; charset=utf-8").body(text)
}

/// Whatever has no route.
pub async fn not_found(request: HttpRequest) -> HttpResponse {
    answer_problem(&Problem::new(Code::NotFound, language(&request)))
}

/// `GET /api/v1/live` by a request that asks for no upgrade; those that do never come here.
pub async fn live(request: HttpRequest) -> HttpResponse {
    let mut response = answer_problem(&Problem::new(Code::UpgradeRequired, language(&request)));
    let headers = response.headers_mut();
    headers.insert(header::UPGRADE, HeaderValue::from_static("websocket"));
    headers.insert(header::SEC_WEBSOCKET_VERSION, HeaderValue::from_static("13"));
    response
}

/// A route that does not take this method.
pub async fn method_not_allowed(request: HttpRequest) -> HttpResponse {
    let mut response = answer_problem(&Problem::new(Code::MethodNotAllowed, language(&request)));
    if let Some(pattern) = request.match_pattern()
        && let Ok(allowed) = super::routes::methods_of(&pattern).join(", ").parse()
    {
        response.headers_mut().insert(header::ALLOW, allowed);
    }
    response
}
