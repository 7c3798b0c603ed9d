//! Sockets to services: the listener, the App with its middleware, and what ties the live edge in.

mod connection;

use crate::config::Settings;
use crate::http::context::{answer_problem, language};
use crate::http::{HttpState, routes};
use crate::limits::*;
use crate::live::LiveEdge;
use crate::problem::{Code, Problem};
use crate::proxies::Proxies;
use crate::telemetry;
use actix_cors::{Cors, CorsError};
use actix_http::HttpService;
use actix_rt::net::TcpStream;
use actix_server::Server;
use actix_service::{ServiceFactoryExt, fn_service, map_config};
use actix_web::body::{BodySize, EitherBody, MessageBody};
use actix_web::dev::{AppConfig, ServiceRequest, ServiceResponse};
use actix_web::http::header::{self, HeaderName, HeaderValue};
use actix_web::http::{ConnectionType, Method, StatusCode};
use actix_web::middleware::{Next, from_fn};
use actix_web::{App, Error, web};
use connection::{Connection, Progress};
use std::convert::Infallible;
use std::net::{SocketAddr, TcpListener};
use std::pin::Pin;
use std::rc::Rc;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Instant;
use tracing::Instrument;

const REQUEST_ID: HeaderName = HeaderName::from_static(telemetry::REQUEST_ID);

/// Starts the workers on a bound listener.
///
/// # Errors
/// The system's.
pub fn listen(
    settings: &Settings,
    listener: TcpListener,
    state: Arc<HttpState>,
    live: LiveEdge,
) -> std::io::Result<Server> {
    let proxies = settings.trusted_proxies.clone();
    let server = Server::build()
        .workers(settings.workers)
        .max_concurrent_connections(CONNECTIONS_PER_WORKER_MAX)
        .shutdown_timeout(3)
        .disable_signals()
        .listen("http", listener, move || {
            let state = state.clone();
            let app = App::new()
                .app_data(proxies.clone())
                .wrap(cors(&state.cors_origins))
                .wrap(from_fn(dress))
                .configure(move |config| routes::configure(config, state));
            let http = HttpService::build()
                .keep_alive(KEEP_ALIVE)
                .client_request_timeout(REQUEST_HEAD_TIMEOUT)
                .client_disconnect_timeout(LAST_WORDS_TIMEOUT)
                .on_connect_ext(|connection: &Connection<TcpStream>, data| {
                    // Without it an answer's last packet waits for the client's delayed acknowledgement.
                    let _best_effort = connection.io().set_nodelay(true);
                    data.insert(connection.progress());
                })
                .upgrade(live.upgrades())
                .h1(map_config(app, |_| AppConfig::default()));
            fn_service(async |socket: TcpStream| {
                let peer = socket.peer_addr().ok();
                Ok((Connection::new(socket), peer))
            })
            .and_then(http)
        })?;
    Ok(server.run())
}

fn cors(origins: &[String]) -> Cors {
    let cors = Cors::default()
        .allowed_methods(["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE"])
        .allowed_headers([
            header::AUTHORIZATION,
            header::CONTENT_TYPE,
            header::ACCEPT_LANGUAGE,
            HeaderName::from_static("idempotency-key"),
            REQUEST_ID,
        ])
        .expose_headers([header::RETRY_AFTER, REQUEST_ID])
        .block_on_origin_mismatch(false)
        .max_age(3600);
    if origins.iter().any(|origin| origin == "*") {
        return cors.allow_any_origin();
    }
    origins.iter().fold(cors, |cors, origin| cors.allowed_origin(origin))
}

/// What every request gets: an id, a span that carries it into the log and the trace, and its numbers. What every
/// response carries: the id, and headers that keep browsers from guessing, framing and leaking.
async fn dress<B: MessageBody + 'static>(
    mut request: ServiceRequest,
    next: Next<B>,
) -> Result<ServiceResponse<EitherBody<EitherBody<B>, Unsaid>>, Error> {
    let began = Instant::now();
    let _handling = request.conn_data::<Rc<Progress>>().map(Progress::handle);
    let id =
        request.headers().get(REQUEST_ID).filter(|id| is_request_id(id)).cloned().unwrap_or_else(fresh_id);
    let span = telemetry::request_span(
        request.method().as_str(),
        request.headers(),
        id.to_str().unwrap_or_default(),
    );
    come_from_client(&mut request);
    let docs = request.path().starts_with("/docs");
    let metrics = request.app_data::<web::Data<HttpState>>().map(|state| state.metrics.clone());
    let mut response = name_cors_refusal(next.call(request).instrument(span.clone()).await?);
    let status = response.status().as_u16();
    let (asked, took) = (response.request(), began.elapsed());
    if let Some(metrics) = metrics {
        metrics.response(status, took);
    }
    telemetry::answered(&span, asked.method().as_str(), || asked.match_pattern(), status);
    span.in_scope(|| {
        if status >= 500 && status != 503 {
            tracing::error!(path = asked.path(), status, language = language(asked).tag(), "failed");
        }
        tracing::debug!(target: "flash_promos::access", path = asked.path(), status, took_us = took.as_micros(), "answered");
    });
    let headers = response.headers_mut();
    headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    headers.insert(header::REFERRER_POLICY, HeaderValue::from_static("no-referrer"));
    if !headers.contains_key(header::CONTENT_SECURITY_POLICY) {
        headers.insert(
            header::CONTENT_SECURITY_POLICY,
            HeaderValue::from_static(if docs { DOCS_POLICY } else { POLICY }),
        );
    }
    if !headers.contains_key(header::CACHE_CONTROL) && !docs {
        headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    }
    headers.insert(REQUEST_ID, id);
    Ok(if response.request().method() == Method::HEAD {
        leave_body_out(response)
    } else {
        response.map_into_left_body()
    })
}

/// The middleware for CORS says what it refuses in a text of its own; here it becomes a problem.
fn name_cors_refusal<B: MessageBody + 'static>(
    response: ServiceResponse<B>,
) -> ServiceResponse<EitherBody<B>> {
    let Some(error) = response.response().error().and_then(|error| error.as_error::<CorsError>()) else {
        return response.map_into_left_body();
    };
    let new = |code| Problem::new(code, language(response.request()));
    let problem = match error {
        CorsError::OriginNotAllowed => new(Code::PreflightRefused),
        CorsError::MethodNotAllowed => new(Code::PreflightRefused).detailed(
            "Una página de otro origen no puede usar ese método.",
            "A page of another origin may not use that method.",
        ),
        CorsError::HeadersNotAllowed => new(Code::PreflightRefused).detailed(
            "Una página de otro origen no puede enviar esas cabeceras.",
            "A page of another origin may not send those headers.",
        ),
        _ => new(Code::BadRequest),
    };
    response.into_response(answer_problem(&problem)).map_into_right_body()
}

/// The body of an answer to HEAD: none, whatever the encoder thinks it should be.
struct Unsaid;

impl MessageBody for Unsaid {
    type Error = Infallible;

    fn size(&self) -> BodySize {
        BodySize::Stream
    }

    fn poll_next(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<Result<web::Bytes, Self::Error>>> {
        Poll::Ready(None)
    }
}

/// Leaves the body out here already, and ends the connection. actix-http does it too, but by the request that it read last:
/// among pipelined ones that may be a later one, and the client would take the body for the next answer's head.
fn leave_body_out<B: MessageBody>(response: ServiceResponse<B>) -> ServiceResponse<EitherBody<B, Unsaid>> {
    response.map_body(|head, body| {
        let size = if head.status == StatusCode::NOT_MODIFIED { BodySize::None } else { body.size() };
        if let BodySize::Sized(bytes) = size {
            head.headers_mut().insert(header::CONTENT_LENGTH, HeaderValue::from(bytes));
        }
        head.no_chunking(true);
        head.set_connection_type(ConnectionType::Close);
        EitherBody::right(Unsaid)
    })
}

/// From here on the peer of a request that trusted proxies passed on is its client.
fn come_from_client(request: &mut ServiceRequest) {
    let client = match (request.app_data::<Proxies>(), request.peer_addr()) {
        (Some(proxies), Some(peer)) => {
            SocketAddr::new(proxies.client(peer.ip(), request.headers()), peer.port())
        }
        _ => return,
    };
    request.head_mut().peer_addr = Some(client);
}

const POLICY: &str = "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";
/// Swagger UI brings its own scripts and styles, and draws with inline ones.
const DOCS_POLICY: &str = "default-src 'self'; script-src 'self' 'unsafe-inline'; style-src 'self' 'unsafe-inline'; \
     img-src 'self' data:; frame-ancestors 'none'";

fn is_request_id(id: &HeaderValue) -> bool {
    (1..=64).contains(&id.len())
        && id.as_bytes().iter().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.'))
}

fn fresh_id() -> HeaderValue {
    use rand::Rng;
    let id = format!("{:016x}", rand::rng().next_u64());
    // Hexadecimal digits always are a header's value.
    HeaderValue::from_str(&id).unwrap_or_else(|_| HeaderValue::from_static("none"))
}
