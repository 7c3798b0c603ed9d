//! How the HTTP edge of the real binary treats clients with odd manners: slow ones, ones that spell an id in another way, that
//! name several kinds of answer, that want more than there is.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod common;

use common::Server;
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

fn server() -> (tempfile::TempDir, Server) {
    let directory = tempfile::tempdir().unwrap();
    let server = Server::start("sqlite:flash.db", directory.path());
    (directory, server)
}

/// A body that stays away holds its connection for a time only, and whatever comes later is no request.
#[tokio::test(flavor = "multi_thread")]
async fn a_body_that_stays_away_is_not_waited_for() {
    let (_directory, server) = server();
    let mut socket =
        tokio::net::TcpStream::connect(server.base.strip_prefix("http://").unwrap()).await.unwrap();
    let head = "POST /api/v1/auth/logout HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: 90\r\n\r\n{";
    socket.write_all(head.as_bytes()).await.unwrap();
    let mut back = String::new();
    // It ends: there is no need to say when.
    socket.read_to_string(&mut back).await.unwrap();
    assert!(back.starts_with("HTTP/1.1 408 "), "{back}");
    assert!(back.to_ascii_lowercase().contains("\r\nconnection: close\r\n"), "{back}");
    let problem: Value = serde_json::from_str(back.split_once("\r\n\r\n").unwrap().1).unwrap();
    assert_eq!(problem["code"], "request_timeout");
}

/// An id has one form; others that a UUID may be written in name nothing.
#[tokio::test(flavor = "multi_thread")]
async fn an_id_has_one_form() {
    let (_directory, server) = server();
    let shop = server.shop().await;
    let store = shop.store.as_str();
    server.must(200, "GET", &format!("/api/v1/stores/{store}"), None, None).await;
    let simple = store.replace('-', "");
    for id in [simple, format!("%7B{store}%7D"), format!("urn:uuid:{store}"), "0".to_owned()] {
        server.must(404, "GET", &format!("/api/v1/stores/{id}"), None, None).await;
    }
}

/// Claims come as CSV to whom CSV is as dear as JSON or dearer, and to nobody else.
#[tokio::test(flavor = "multi_thread")]
async fn claims_come_in_the_kind_that_is_wanted() {
    let (_directory, server) = server();
    let shop = server.shop().await;
    let sale = server.launch(&shop, json!({})).await;
    let url = format!("{}/api/v1/promotions/{sale}/claims", server.base);
    for (accept, expected) in [
        (None, "application/json"),
        (Some("*/*"), "application/json"),
        (Some("text/html"), "application/json"),
        (Some("text/csv"), "text/csv; charset=utf-8"),
        (Some("TEXT/CSV"), "text/csv; charset=utf-8"),
        (Some("text/csv, */*;q=0.1"), "text/csv; charset=utf-8"),
        (Some("text/csv;q=0"), "application/json"),
        (Some("text/csv;q=0.5, application/json"), "application/json"),
        (Some("text/csv2"), "application/json"),
        (Some("nonsense"), "application/json"),
    ] {
        let mut request = server.http.get(&url).bearer_auth(&shop.merchant.token);
        if let Some(accept) = accept {
            request = request.header("Accept", accept);
        }
        let answer = request.send().await.unwrap();
        assert_eq!(
            (answer.status().as_u16(), answer.headers()["content-type"].to_str().unwrap()),
            (200, expected),
            "{accept:?}"
        );
    }
}

/// A promotion's claims go either way, oldest first unless asked otherwise; pages go on as the order goes, and CSV too.
#[tokio::test(flavor = "multi_thread")]
async fn claims_come_in_the_order_that_is_wanted() {
    let (_directory, server) = server();
    let shop = server.shop().await;
    let token = Some(shop.merchant.token.as_str());
    let sale = server.launch(&shop, json!({})).await;
    let path = format!("/api/v1/promotions/{sale}/claims");
    let mut made = Vec::new();
    for shopper in server.shoppers(5).await {
        let (status, claim) =
            server.ask("POST", &path, Some(&shopper), Some(&json!({})), Some("k")).await.unwrap();
        assert_eq!(status.as_u16(), 201, "{claim}");
        made.push(claim["id"].as_str().unwrap().to_owned());
    }
    // Ids begin with their millisecond; within the same one their order is chance.
    assert!(made.is_sorted_by_key(|id| &id[..13]), "{made:?}");
    made.sort();
    let newest: Vec<String> = made.iter().rev().cloned().collect();
    for (order, expected) in [("", &made), ("&order=oldest", &made), ("&order=newest", &newest)] {
        let (mut found, mut cursor) = (Vec::new(), String::new());
        loop {
            let page = server.must(200, "GET", &format!("{path}?limit=2{order}{cursor}"), token, None).await;
            let ids = page["items"].as_array().unwrap().iter().map(|item| item["id"].as_str().unwrap());
            found.extend(ids.map(str::to_owned));
            let Some(next) = page["next_cursor"].as_str() else { break };
            cursor = format!("&cursor={next}");
        }
        assert_eq!(&found, expected, "{order}");
        let request = server.http.get(format!("{}{path}?limit=2{order}", server.base));
        let request = request.bearer_auth(&shop.merchant.token).header("Accept", "text/csv");
        let text = request.send().await.unwrap().text().await.unwrap();
        let ids: Vec<_> = text.lines().skip(1).map(|line| line.split(',').next().unwrap()).collect();
        assert_eq!(&ids, expected, "{order}: {text}");
    }
    let problem = server.must(422, "GET", &format!("{path}?order=best"), token, None).await;
    assert_eq!(problem["errors"].as_array().unwrap().len(), 1, "{problem}");
    assert_eq!(
        (&problem["errors"][0]["field"], &problem["errors"][0]["code"]),
        (&json!("order"), &json!("invalid"))
    );
}

/// Who wants more than is left is told how much is.
#[tokio::test(flavor = "multi_thread")]
async fn more_than_there_is_is_told_what_there_is() {
    let (_directory, server) = server();
    let shop = server.shop().await;
    let sale = server.launch(&shop, json!({"stock": 3, "per_shopper_limit": null, "hold_seconds": 0})).await;
    let token = server.shoppers(1).await.remove(0);
    let path = format!("/api/v1/promotions/{sale}/claims");
    for (quantity, status, detail) in
        [(4, 409, "Only 3 units are left."), (3, 201, ""), (1, 409, "No units are left.")]
    {
        let body = json!({"quantity": quantity});
        let key = quantity.to_string();
        let (found, answer) = server.ask("POST", &path, Some(&token), Some(&body), Some(&key)).await.unwrap();
        assert_eq!(found.as_u16(), status, "{answer}");
        assert_eq!(answer["detail"].as_str().unwrap_or(""), detail);
    }
}

/// A problem's type leads to what its code means.
#[tokio::test(flavor = "multi_thread")]
async fn a_problem_s_type_leads_to_its_meaning() {
    let (_directory, server) = server();
    let problem = server.must(401, "GET", "/api/v1/me", None, None).await;
    let (page, code) = problem["type"].as_str().unwrap().split_once('#').unwrap();
    for (language, meaning) in [("en", "Sign in and send the access token."), ("es", "Inicie sesión")] {
        let request = server.http.get(format!("{}{page}", server.base)).header("Accept-Language", language);
        let answer = request.send().await.unwrap();
        assert_eq!(
            (answer.status().as_u16(), answer.headers()["content-language"].to_str().unwrap()),
            (200, language)
        );
        let text = answer.text().await.unwrap();
        assert!(text.contains(&format!("id=\"{code}\"")) && text.contains(meaning), "{text}");
    }
}

/// A problem has each member once: what a refusal adds does not go by a name that RFC 9457 has.
#[tokio::test(flavor = "multi_thread")]
async fn a_wrong_state_is_a_problem_like_others() {
    let (_directory, server) = server();
    let shop = server.shop().await;
    let sale = server.launch(&shop, json!({})).await;
    let url = format!("{}/api/v1/promotions/{sale}", server.base);
    for request in [server.http.post(format!("{url}/publish")), server.http.delete(&url)] {
        let answer = request.bearer_auth(&shop.merchant.token).send().await.unwrap();
        assert_eq!(answer.status().as_u16(), 409);
        let text = answer.text().await.unwrap();
        let body = flash_promos::http::body::read(text.as_bytes()).unwrap();
        assert!(body.repeated.is_empty(), "{text}");
        assert_eq!((&body.value["status"], &body.value["state"]), (&json!(409), &json!("live")), "{text}");
    }
}

/// Refusals that a route gives are those that its description names.
#[tokio::test(flavor = "multi_thread")]
async fn refusals_are_described() {
    let (_directory, server) = server();
    let shop = server.shop().await;
    let token = Some(shop.merchant.token.as_str());
    let sale = server.launch(&shop, json!({})).await;
    let api = server.must(200, "GET", "/openapi.json", None, None).await;
    let store = json!({"name": "S", "address": "A", "timezone": "UTC", "location": {"lat": 1, "lng": 1}});
    let product = json!({"name": "P", "description": "D", "price": {"amount": 1, "currency": "COP"}});
    let products = format!("/api/v1/stores/{}/products", shop.store);
    let resume = format!("/api/v1/promotions/{sale}/resume");
    for (path, body) in [("/api/v1/stores", &store), (products.as_str(), &product)] {
        let (status, _) = server.ask("POST", path, token, Some(body), Some("k")).await.unwrap();
        assert_eq!(status.as_u16(), 201);
    }
    let other = json!({"name": "Q", "address": "A", "timezone": "UTC", "location": {"lat": 1, "lng": 1}});
    let dearer = json!({"name": "P", "description": "D", "price": {"amount": 2, "currency": "COP"}});
    for (method, path, described, body) in [
        ("GET", "/api/v1/promotions?limit=0", "/api/v1/promotions", None),
        ("GET", "/api/v1/stores?cursor=x", "/api/v1/stores", None),
        ("POST", &resume, "/api/v1/promotions/{id}/resume", Some(json!([]))),
        ("POST", &resume, "/api/v1/promotions/{id}/resume", Some(json!({"x": 1}))),
        ("POST", &resume, "/api/v1/promotions/{id}/resume", None),
        ("POST", "/api/v1/stores", "/api/v1/stores", Some(other)),
        ("POST", &products, "/api/v1/stores/{id}/products", Some(dearer)),
    ] {
        let (status, answer) = server.ask(method, path, token, body.as_ref(), Some("k")).await.unwrap();
        let responses = &api["paths"][described][method.to_lowercase()]["responses"];
        let text = responses[status.as_str()]["description"].as_str().unwrap_or("");
        let code = answer["code"].as_str().unwrap();
        assert!(text.contains(&format!("`{code}`")), "{method} {path}: {status} {code}");
    }
}

/// Who claims too often is told so and keeps the connection: a crowd that comes again does not have to connect again.
#[tokio::test(flavor = "multi_thread")]
async fn who_claims_too_often_keeps_the_connection() {
    let (_directory, server) = server();
    let shop = server.shop().await;
    let sale = server.launch(&shop, json!({"stock": 1})).await;
    let token = server.shoppers(1).await.remove(0);
    let address = server.base.strip_prefix("http://").unwrap();
    let mut socket = tokio::net::TcpStream::connect(address).await.unwrap();
    let request = format!(
        "POST /api/v1/promotions/{sale}/claims HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {token}\r\n\
         Idempotency-Key: one\r\nContent-Type: application/json\r\nContent-Length: 2\r\n\r\n{{}}"
    );
    let (mut too_often, mut after) = (0, 0);
    let mut bytes = vec![0; 64 * 1024];
    // The last of these is only asked to see that somebody still answers.
    for _ in 0..5_000 {
        socket.write_all(request.as_bytes()).await.unwrap();
        let read = socket.read(&mut bytes).await.unwrap();
        assert!(read > 0, "the connection was closed after {too_often} answers");
        let answer = String::from_utf8_lossy(&bytes[..read]).to_ascii_lowercase();
        after += u32::from(too_often > 0);
        too_often += u32::from(answer.starts_with("http/1.1 429 "));
        assert!(!answer.contains("\r\nconnection: close\r\n"), "{answer}");
        if after == 3 {
            break;
        }
    }
    assert_eq!(after, 3, "{too_often} answers were 429");
}
