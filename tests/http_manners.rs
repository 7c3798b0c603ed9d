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
