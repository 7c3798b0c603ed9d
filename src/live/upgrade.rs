//! The upgrade: checks path, method, version, key, origin, subprotocol and room, answers, and moves the socket into a task
//! of its own, so that nothing of the HTTP connection remains.

use super::{LiveSettings, Worker, echo, encode, socket};
use crate::limits::HANDSHAKE_TIMEOUT;
use crate::problem::{Code, Language, Problem};
use actix_codec::Framed;
use actix_http::header::{self, HeaderMap, HeaderName};
use actix_http::{HttpMessage, Method, Request, h1};
use actix_rt::net::TcpStream;
use base64::Engine as _;
use std::io;
use std::rc::Rc;
use tokio::io::AsyncWriteExt;
use tokio_tungstenite::tungstenite::handshake::derive_accept_key;

const LIVE: &str = "/api/v1/live";
const ECHO: &str = "/api/v1/bench/echo";
const JSON_PROTOCOL: &str = "centrifuge-json";
const PROTOBUF_PROTOCOL: &str = "centrifuge-protobuf";

/// An upgrade that may go on.
struct Handshake {
    accept: String,
    json_protocol: bool,
}

/// Takes a connection over. The HTTP connection's task ends when this returns.
pub(super) async fn take_over<C: Into<TcpStream>>(
    worker: Rc<Worker>,
    request: Request,
    framed: Framed<C, h1::Codec>,
) {
    let parts = framed.into_parts();
    let (mut stream, early) = (parts.io.into(), parts.read_buf.to_vec());
    let headers = request.headers();
    let language = Language::negotiate(text(headers, &header::ACCEPT_LANGUAGE));
    let is_echo = request.path() == ECHO && worker.state.settings.bench;
    let checked = check(&request, &worker.state.settings, is_echo, language);
    drop(request);
    let handshake = match checked {
        Ok(handshake) => handshake,
        Err(problem) => return refuse(&mut stream, &problem).await,
    };
    let admitted = if is_echo || worker.is_ready() { worker.state.hubs.admit() } else { None };
    let Some(place) = admitted else {
        let problem = Problem::new(Code::Overloaded, language).retry_after(1_000);
        return refuse(&mut stream, &problem).await;
    };
    if within(accept(&mut stream, &handshake)).await.is_err() {
        return;
    }
    if is_echo {
        actix_rt::spawn(tokio::task::unconstrained(async move {
            let _place = place;
            if let Err(error) = echo::serve(stream, early).await {
                tracing::debug!(%error, "an echo ended");
            }
        }));
    } else {
        actix_rt::spawn(tokio::task::unconstrained(socket::serve(worker, stream, early, language, place)));
    }
}

fn text<'a>(headers: &'a HeaderMap, name: &HeaderName) -> Option<&'a str> {
    headers.get(name)?.to_str().ok()
}

fn check(
    request: &Request,
    settings: &LiveSettings,
    is_echo: bool,
    language: Language,
) -> Result<Handshake, Problem> {
    let problem = |code| Problem::new(code, language);
    let headers = request.headers();
    if !is_echo && request.path() != LIVE {
        return Err(problem(Code::NotFound));
    }
    if request.method() != Method::GET {
        return Err(problem(Code::MethodNotAllowed));
    }
    let is_websocket = text(headers, &header::UPGRADE)
        .is_some_and(|value| value.split(',').any(|name| name.trim().eq_ignore_ascii_case("websocket")));
    if !is_websocket || text(headers, &header::SEC_WEBSOCKET_VERSION) != Some("13") {
        return Err(problem(Code::UpgradeRequired));
    }
    let key = text(headers, &header::SEC_WEBSOCKET_KEY).filter(|key| is_key(key));
    let key = key.ok_or_else(|| problem(Code::BadRequest))?;
    if !origin_fits(headers, &settings.origins) {
        return Err(problem(Code::Forbidden));
    }
    let offered: Vec<&str> = headers
        .get_all(header::SEC_WEBSOCKET_PROTOCOL)
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(',').map(str::trim))
        .collect();
    let json_protocol = offered.contains(&JSON_PROTOCOL);
    if !json_protocol && offered.contains(&PROTOBUF_PROTOCOL) {
        return Err(problem(Code::BadRequest).detailed(
            "Por ahora solo se habla centrifuge-json.",
            "Only centrifuge-json is spoken for now.",
        ));
    }
    let accept = derive_accept_key(key.as_bytes());
    Ok(Handshake { accept, json_protocol })
}

/// 16 bytes in base 64.
fn is_key(key: &str) -> bool {
    base64::engine::general_purpose::STANDARD.decode(key).is_ok_and(|bytes| bytes.len() == 16)
}

/// Browsers say where a page came from: from here, or from an origin that is allowed. Others say nothing.
fn origin_fits(headers: &HeaderMap, allowed: &[String]) -> bool {
    let Some(origin) = headers.get(header::ORIGIN) else { return true };
    let Ok(origin) = origin.to_str() else { return false };
    if allowed.iter().any(|one| one == "*" || one.eq_ignore_ascii_case(origin)) {
        return true;
    }
    let host = origin.split_once("://").map(|(_, host)| host);
    host.is_some_and(|host| text(headers, &header::HOST).is_some_and(|own| own.eq_ignore_ascii_case(host)))
}

async fn within(io: impl Future<Output = io::Result<()>>) -> io::Result<()> {
    tokio::time::timeout(HANDSHAKE_TIMEOUT, io).await.unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into()))
}

async fn accept(stream: &mut TcpStream, handshake: &Handshake) -> io::Result<()> {
    // Without it a frame waits for the client's delayed acknowledgement of the one before.
    stream.set_nodelay(true)?;
    let protocol = if handshake.json_protocol { "Sec-WebSocket-Protocol: centrifuge-json\r\n" } else { "" };
    let head = format!(
        "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: {}\r\n{protocol}\r\n",
        handshake.accept
    );
    stream.write_all(head.as_bytes()).await
}

async fn refuse(stream: &mut TcpStream, problem: &Problem) {
    let (status, body) = (problem.status(), encode::json(problem));
    let reason = actix_http::StatusCode::from_u16(status).ok().and_then(|status| status.canonical_reason());
    let mut more = String::new();
    if status == 426 {
        more.push_str("Upgrade: websocket\r\nSec-WebSocket-Version: 13\r\n");
    }
    if let Some(ms) = problem.retry_after_ms {
        more.push_str(&format!("Retry-After: {}\r\n", ms.div_ceil(1000)));
    }
    let head = format!(
        "HTTP/1.1 {status} {}\r\nContent-Type: application/problem+json\r\nContent-Length: {}\r\nCache-Control: no-store\r\n\
         X-Content-Type-Options: nosniff\r\nConnection: close\r\n{more}\r\n{body}",
        reason.unwrap_or("Error"),
        body.len()
    );
    let written = within(async {
        stream.write_all(head.as_bytes()).await?;
        stream.shutdown().await
    });
    if let Err(error) = written.await {
        tracing::debug!(%error, "a refusal could not be written");
    }
}
