//! What the HTTP edge of the real binary says at the contract's edges: content types, daily windows, drafts that were called
//! off, stores that close, HEAD among pipelined requests, bodies that are made to cost.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod common;

use common::{Server, ask};
use flash_promos::http::routes::ROUTES;
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

fn server() -> (tempfile::TempDir, Server) {
    let directory = tempfile::tempdir().unwrap();
    let server = Server::start("sqlite:flash.db", directory.path());
    (directory, server)
}

fn named(answer: &Value) -> Vec<(&str, &str)> {
    let errors = answer["errors"].as_array().unwrap();
    let mut fields: Vec<_> = errors
        .iter()
        .map(|error| (error["field"].as_str().unwrap(), error["code"].as_str().unwrap()))
        .collect();
    fields.sort_unstable();
    fields
}

/// A claim's body is JSON by its content type, as other bodies are.
#[tokio::test(flavor = "multi_thread")]
async fn a_claim_is_json() {
    let (_directory, server) = server();
    let shop = server.shop().await;
    let sale = server.launch(&shop, json!({})).await;
    let tokens = server.shoppers(8).await;
    let url = format!("{}/api/v1/promotions/{sale}/claims", server.base);
    let kinds = [
        (Some("text/plain"), 415),
        (Some("application/x-www-form-urlencoded"), 415),
        (Some("application/jsonp"), 415),
        (Some(""), 415),
        (Some("application/json"), 201),
        (Some("Application/JSON ; charset=utf-8"), 201),
        (Some("application/merge-patch+json"), 201),
        (None, 201),
    ];
    for ((kind, expected), token) in kinds.into_iter().zip(&tokens) {
        let mut request = server.http.post(&url).bearer_auth(token).header("Idempotency-Key", "k").body("{}");
        if let Some(kind) = kind {
            request = request.header("Content-Type", kind);
        }
        assert_eq!(request.send().await.unwrap().status().as_u16(), expected, "{kind:?}");
    }
}

/// Every wrong part of a daily window is named, in the language asked for.
#[tokio::test(flavor = "multi_thread")]
async fn a_daily_window_is_told_its_wrong_parts() {
    let (_directory, server) = server();
    let shop = server.shop().await;
    let path = format!("/api/v1/stores/{}/promotions", shop.store);
    let launch = async |daily: Value| {
        let body = json!({"product_id": shop.product, "price": {"amount": 5, "currency": "COP"}, "stock": 1,
            "daily": daily});
        let (status, answer) =
            server.ask("POST", &path, Some(&shop.merchant.token), Some(&body), None).await.unwrap();
        assert_eq!(status.as_u16(), 422, "{answer}");
        answer
    };
    let answer =
        launch(json!({"from": 17, "to": "25:00", "start_date": "2040-02-30", "end_date": [], "until": 1}))
            .await;
    assert_eq!(
        named(&answer),
        [
            ("/daily/end_date", "wrong_type"),
            ("/daily/from", "wrong_type"),
            ("/daily/start_date", "invalid"),
            ("/daily/timezone", "required"),
            ("/daily/to", "invalid"),
            ("/daily/until", "unknown_field"),
        ]
    );
    assert_eq!(named(&launch(json!("17:00")).await), [("/daily", "wrong_type")]);
    let window = |more: Value| {
        let mut window =
            json!({"from": "17:00", "to": "19:00", "timezone": "UTC", "start_date": "2040-01-01"});
        window.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        window
    };
    let unknown = launch(window(json!({"end_date": null, "until": "x"}))).await;
    assert_eq!(named(&unknown), [("/daily/until", "unknown_field")]);
    let before = launch(window(json!({"end_date": "2039-01-01"}))).await;
    assert_eq!(named(&before), [("/daily/end_date", "invalid")]);

    let body = json!({"daily": window(json!({"timezone": "Nowhere/Here"}))});
    let request = server.http.post(format!("{}{path}", server.base)).bearer_auth(&shop.merchant.token);
    let answer = request.header("Accept-Language", "es").json(&body).send().await.unwrap();
    let answer: Value = serde_json::from_str(&answer.text().await.unwrap()).unwrap();
    let errors = answer["errors"].as_array().unwrap();
    let detail = errors.iter().find(|error| error["field"] == "/daily/timezone").unwrap()["detail"].as_str();
    assert_eq!(detail, Some("Debe ser una zona IANA, como America/Bogota."));
}

/// A refusal names a bounded number of fields: many short ones would get an answer many times the request's size.
#[tokio::test(flavor = "multi_thread")]
async fn a_refusal_names_a_bounded_number_of_fields() {
    let (_directory, server) = server();
    let token = server.register("many", "merchant").await.token;
    let unknown = (0..6_000).map(|n| format!("\"{n}\":1")).collect::<Vec<_>>().join(",");
    let twice = (0..3_000).map(|n| format!("\"{n}\":1,\"{n}\":1")).collect::<Vec<_>>().join(",");
    for fields in [unknown, twice] {
        let request = server.http.post(format!("{}/api/v1/stores", server.base)).bearer_auth(&token);
        let request = request.header("Content-Type", "application/json").body(format!("{{{fields}}}"));
        let answer = request.send().await.unwrap();
        assert_eq!(answer.status().as_u16(), 422);
        let answer: Value = serde_json::from_str(&answer.text().await.unwrap()).unwrap();
        assert_eq!(answer["errors"].as_array().unwrap().len(), 100);
    }
}

/// A draft that is called off stays what it was: visible to the store's people, to nobody else.
#[tokio::test(flavor = "multi_thread")]
async fn a_draft_that_was_called_off_stays_hidden() {
    let directory = tempfile::tempdir().unwrap();
    let mut server = Server::start("sqlite:flash.db", directory.path());
    let shop = server.shop().await;
    let merchant = Some(shop.merchant.token.as_str());
    let stranger = server.shoppers(1).await.remove(0);
    let draft = server.launch(&shop, json!({"draft": true})).await;
    let shown = server.launch(&shop, json!({"draft": true})).await;
    server.must(200, "POST", &format!("/api/v1/promotions/{shown}/publish"), merchant, None).await;
    for sale in [&draft, &shown] {
        let path = format!("/api/v1/promotions/{sale}/cancel");
        assert_eq!(server.must(200, "POST", &path, merchant, None).await["status"], "cancelled");
    }
    // From memory, and as the database has it.
    for restarted in [false, true] {
        if restarted {
            server.kill();
            server = Server::start("sqlite:flash.db", directory.path());
        }
        let path = format!("/api/v1/promotions/{draft}");
        for visitor in [None, Some(stranger.as_str())] {
            server.must(404, "GET", &path, visitor, None).await;
        }
        assert_eq!(server.must(200, "GET", &path, merchant, None).await["status"], "cancelled");
        let claim = format!("{path}/claims");
        for body in [json!({}), json!([])] {
            let (status, _) =
                server.ask("POST", &claim, Some(&stranger), Some(&body), Some("k")).await.unwrap();
            assert_eq!(status.as_u16(), 404, "{body}");
        }
        for query in ["status=cancelled", "q=thing", &format!("store_id={}", shop.store)] {
            let list = async |token: Option<&str>| {
                let answer =
                    server.must(200, "GET", &format!("/api/v1/promotions?{query}"), token, None).await;
                let items = answer["items"].as_array().unwrap().clone();
                items.iter().map(|item| item["id"].as_str().unwrap().to_owned()).collect::<Vec<_>>()
            };
            assert_eq!(list(Some(&stranger)).await, [shown.as_str()], "{query}");
            if query.starts_with("store_id") {
                assert_eq!(list(merchant).await, [shown.as_str(), draft.as_str()], "{query}");
            }
        }
        let path = format!("/api/v1/promotions/{shown}");
        assert_eq!(server.must(200, "GET", &path, None, None).await["status"], "cancelled");
    }
}

/// A store with sales that run or wait does not close; one that closed has none, also when a draft is published in the same
/// moment.
#[tokio::test(flavor = "multi_thread")]
async fn a_store_closes_when_nothing_sells() {
    let (_directory, server) = server();
    let shop = server.shop().await;
    let merchant = Some(shop.merchant.token.as_str());
    let store = format!("/api/v1/stores/{}", shop.store);
    let sale = server.launch(&shop, json!({})).await;
    assert_eq!(server.must(409, "DELETE", &store, merchant, None).await["code"], "still_in_use");
    let token = server.shoppers(1).await.remove(0);
    let claims = format!("/api/v1/promotions/{sale}/claims");
    let (status, claim) =
        server.ask("POST", &claims, Some(&token), Some(&json!({})), Some("k")).await.unwrap();
    assert_eq!(status.as_u16(), 201, "a refused closing changes nothing");
    server.must(200, "POST", &format!("/api/v1/promotions/{sale}/cancel"), merchant, None).await;
    server.must(204, "DELETE", &store, merchant, None).await;
    server.must(404, "DELETE", &store, merchant, None).await;
    server.must(404, "GET", &store, None, None).await;
    server.must(404, "GET", &format!("/api/v1/products/{}", shop.product), None, None).await;
    let path = format!("/api/v1/promotions/{sale}");
    assert_eq!(server.must(200, "GET", &path, None, None).await["status"], "cancelled");
    server.must(403, "PATCH", &path, merchant, Some(&json!({"stock": 5}))).await;
    let path = format!("/api/v1/claims/{}", claim["id"].as_str().unwrap());
    assert_eq!(server.must(200, "GET", &path, Some(&token), None).await["status"], "cancelled");

    for _ in 0..40 {
        let shop = server.shop().await;
        let merchant = Some(shop.merchant.token.as_str());
        let draft = server.launch(&shop, json!({"draft": true})).await;
        let (publish, close) =
            (format!("/api/v1/promotions/{draft}/publish"), format!("/api/v1/stores/{}", shop.store));
        let (published, closed) = tokio::join!(
            ask(&server.http, &server.base, "POST", &publish, merchant, None, None),
            ask(&server.http, &server.base, "DELETE", &close, merchant, None, None),
        );
        let (published, closed) = (published.unwrap().0.as_u16(), closed.unwrap().0.as_u16());
        let path = format!("/api/v1/promotions/{draft}");
        let (status, after) = server.ask("GET", &path, None, None, None).await.unwrap();
        let sells = status.as_u16() == 200 && after["status"] == "live";
        assert_eq!(sells, closed != 204, "publish {published}, close {closed}, then {status} {after}");
    }
}

/// Splits what came back into status, length of the body as the header says it, and body, response by response.
fn responses(mut bytes: &[u8], is_head: &[bool]) -> Vec<(u16, usize)> {
    let mut found = Vec::new();
    for head in is_head {
        let Some(end) = bytes.windows(4).position(|window| window == b"\r\n\r\n") else { break };
        let text = std::str::from_utf8(&bytes[..end]).unwrap().to_ascii_lowercase();
        let status = text.split(' ').nth(1).unwrap().parse().unwrap();
        let length = text.lines().find_map(|line| line.strip_prefix("content-length: "));
        let length: usize = length.map_or(0, |length| length.parse().unwrap());
        let body = if *head { 0 } else { length };
        assert!(bytes.len() >= end + 4 + body, "a body is cut off or missing: {text}");
        bytes = &bytes[end + 4 + body..];
        found.push((status, length));
        assert!(bytes.is_empty() || bytes.starts_with(b"HTTP/1.1 "), "{:?}", String::from_utf8_lossy(bytes));
    }
    assert!(bytes.is_empty(), "{:?}", String::from_utf8_lossy(bytes));
    found
}

/// Requests that come all at once on one connection, HEAD among them, are answered in order and each framed as it should
/// be, or the connection ends before.
#[tokio::test(flavor = "multi_thread")]
async fn head_among_pipelined_requests_is_framed() {
    let (_directory, server) = server();
    let shop = server.shop().await;
    server.launch(&shop, json!({})).await;
    let address = server.base.strip_prefix("http://").unwrap();
    for methods in [&["HEAD"][..], &["HEAD", "GET"], &["HEAD", "HEAD", "GET"], &["GET", "GET", "GET"]] {
        for path in ["/api/v1/promotions", "/healthz", "/", "/api/v1/nothing"] {
            let mut text = String::new();
            for (place, method) in methods.iter().enumerate() {
                let close = if place + 1 == methods.len() { "Connection: close\r\n" } else { "" };
                text += &format!("{method} {path} HTTP/1.1\r\nHost: x\r\n{close}\r\n");
            }
            let mut socket = tokio::net::TcpStream::connect(address).await.unwrap();
            socket.write_all(text.as_bytes()).await.unwrap();
            let mut back = Vec::new();
            let read = socket.read_to_end(&mut back);
            tokio::time::timeout(std::time::Duration::from_secs(20), read).await.expect("it ends").unwrap();
            let is_head: Vec<bool> = methods.iter().map(|method| *method == "HEAD").collect();
            let found = responses(&back, &is_head);
            assert!(!found.is_empty(), "{methods:?} {path}");
            if !is_head[0] {
                assert_eq!(found.len(), methods.len(), "{methods:?} {path}");
            }
        }
    }
}

/// One thing of each kind that a path may name, the caller's own: `{promotion}` and so on by the word before `{id}`.
async fn things(server: &Server, shop: &common::Shop) -> Value {
    let token = Some(shop.merchant.token.as_str());
    let hook = json!({"url": "https://hooks.example/sales"});
    let path = format!("/api/v1/stores/{}/webhooks", shop.store);
    let hook = server.must(201, "POST", &path, token, Some(&hook)).await["id"].clone();
    let sale = server.launch(shop, json!({})).await;
    let path = format!("{path}/{}/messages", hook.as_str().unwrap());
    let until = std::time::Instant::now() + std::time::Duration::from_secs(60);
    let message = loop {
        let found = server.must(200, "GET", &path, token, None).await;
        if let Some(message) = found["items"].get(0) {
            break message["id"].clone();
        }
        assert!(std::time::Instant::now() < until, "no message");
        tokio::time::sleep(std::time::Duration::from_millis(20)).await;
    };
    let path = format!("/api/v1/promotions/{sale}/claims");
    let (status, claim) = server.ask("POST", &path, token, Some(&json!({})), Some("k")).await.unwrap();
    assert_eq!(status.as_u16(), 201, "{claim}");
    json!({"stores": shop.store, "promotions": sale, "claims": claim["id"], "webhook_id": hook, "message_id": message})
}

/// A POST without fields takes an empty body whatever its content type, and an empty object; anything else is refused, and
/// that what the path names is not there comes first.
#[tokio::test(flavor = "multi_thread")]
async fn a_post_without_fields_takes_nothing() {
    let (_directory, server) = server();
    let shop = server.shop().await;
    let ids = things(&server, &shop).await;
    let rows = || ROUTES.iter().filter(|row| row.method == "POST" && row.body.is_empty());
    assert!(rows().count() >= 8, "{}", rows().count());
    for row in rows() {
        let kind = row.path.split('/').nth(1).unwrap();
        let mut path =
            format!("{}/api/v1{}", server.base, row.path).replace("{id}", ids[kind].as_str().unwrap());
        for name in ["webhook_id", "message_id"] {
            path = path.replace(&format!("{{{name}}}"), ids[name].as_str().unwrap());
        }
        let send = async |path: &str, kind: Option<&str>, body: &'static str| {
            let mut request = server.http.post(path).bearer_auth(&shop.merchant.token).body(body);
            if let Some(kind) = kind {
                request = request.header("Content-Type", kind);
            }
            let answer = request.send().await.unwrap();
            let status = answer.status().as_u16();
            let answer: Value = serde_json::from_str(&answer.text().await.unwrap()).unwrap_or_default();
            (status, answer["code"].as_str().unwrap_or("").to_owned())
        };
        let elsewhere = format!("{}{}", &path[..path.rfind('/').unwrap() - 36], uuid::Uuid::now_v7());
        let elsewhere = format!("{elsewhere}/{}", path.rsplit('/').next().unwrap());
        for kind in [None, Some("text/plain"), Some("application/x-www-form-urlencoded"), Some("")] {
            for (body, expected) in [
                ("[]", (400, "malformed_json")),
                ("x", (400, "malformed_json")),
                ("{\"x\": 1}", (422, "invalid")),
            ] {
                let (status, code) = send(&path, kind, body).await;
                assert_eq!((status, code.as_str()), expected, "{path} {kind:?} {body}");
                let (status, code) = send(&elsewhere, kind, body).await;
                assert_eq!((status, code.as_str()), (404, "not_found"), "{elsewhere} {kind:?} {body}");
            }
            for body in ["", " \n", "{}"] {
                // Done, or not possible in this state: never about the body.
                let (status, code) = send(&path, kind, body).await;
                assert!(matches!(status, 200 | 204 | 409), "{path} {kind:?} {body:?}: {status} {code}");
            }
        }
    }
}

/// PUT and DELETE without fields are like POST: an empty body or an empty object, and what else is sent is refused before
/// anything happens.
#[tokio::test(flavor = "multi_thread")]
async fn a_put_or_delete_without_fields_takes_nothing() {
    let (_directory, server) = server();
    let shop = server.shop().await;
    let token = Some(shop.merchant.token.as_str());
    let mut ids = things(&server, &shop).await;
    let clerk = server.register("clerk", "shopper").await;
    let path = format!("/api/v1/stores/{}/staff/{}", shop.store, clerk.id);
    server.must(200, "PUT", &path, token, Some(&json!({"role": "clerk"}))).await;
    let device = json!({"platform": "fcm", "token": "t".repeat(40)});
    ids["devices"] = server.must(201, "POST", "/api/v1/devices", token, Some(&device)).await["id"].clone();
    let daily =
        json!({"from": "17:00", "to": "19:00", "timezone": "America/Bogota", "start_date": "2099-01-01"});
    let series = json!({"product_id": shop.product, "price": {"amount": 500, "currency": "COP"}, "stock": 1, "daily": daily});
    let path = format!("/api/v1/stores/{}/promotions", shop.store);
    let first = server.must(201, "POST", &path, token, Some(&series)).await;
    ids["series"] = first["series_id"].clone();
    ids["promotions"] = json!(server.launch(&shop, json!({"draft": true})).await);
    ids["products"] = json!(shop.product);
    ids["user_id"] = json!(clerk.id);
    let rows = ROUTES.iter().filter(|row| matches!(row.method, "PUT" | "DELETE") && row.body.is_empty());
    let mut rows: Vec<_> = rows.collect();
    assert!(rows.len() >= 9, "{}", rows.len());
    // What others stand on comes last.
    rows.sort_by_key(|row| (["/me", "/stores/{id}", "/products/{id}"].contains(&row.path), row.method));
    for refuse in [true, false] {
        for row in &rows {
            let kind = row.path.split('/').nth(1).unwrap();
            let mut path = format!("/api/v1{}", row.path).replace("{id}", ids[kind].as_str().unwrap_or(""));
            for name in ["webhook_id", "user_id"] {
                path = path.replace(&format!("{{{name}}}"), ids[name].as_str().unwrap());
            }
            if refuse {
                for (body, expected) in [(json!([]), 400), (json!("x"), 400), (json!({"x": 1}), 422)] {
                    let answer = server.must(expected, row.method, &path, token, Some(&body)).await;
                    assert!(expected == 400 || named(&answer) == [("/x", "unknown_field")], "{answer}");
                }
            } else {
                let (status, answer) =
                    server.ask(row.method, &path, token, Some(&json!({})), None).await.unwrap();
                // Done, or not possible in this state: never about the body, and never done before.
                assert!(matches!(status.as_u16(), 204 | 409), "{} {path}: {answer}", row.method);
            }
        }
    }
}
