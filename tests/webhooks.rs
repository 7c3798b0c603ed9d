//! Webhooks of the real binary against a receiver of the test's own: signed, retried, sent again by hand, with two secrets
//! while one is changed, and never to an address inside unless that is allowed.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod common;

use common::{Server, command};
use flash_promos::adapters::webhook::sign;
use serde_json::{Value, json};
use std::collections::HashMap;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpListener;
use std::sync::mpsc::{Receiver, channel};
use std::time::Duration;

/// How long anything is waited for; only a hang takes this long.
const PATIENCE: Duration = Duration::from_secs(60);

/// What a receiver got.
struct Got {
    headers: HashMap<String, String>,
    body: String,
}

impl Got {
    fn event(&self) -> Value {
        serde_json::from_str(&self.body).unwrap()
    }

    fn is_signed_with(&self, secret: &str) -> bool {
        let timestamp: i64 = self.headers["webhook-timestamp"].parse().unwrap();
        let expected = sign(secret, &self.headers["webhook-id"], timestamp, &self.body);
        self.headers["webhook-signature"].split(' ').any(|signature| signature == expected)
    }
}

/// A receiver that answers with these statuses, one per request, then 204.
fn receiver(statuses: &'static [u16]) -> (String, Receiver<Got>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}/hook?token=1", listener.local_addr().unwrap());
    let (sender, got) = channel();
    std::thread::spawn(move || {
        let mut statuses = statuses.iter();
        for stream in listener.incoming() {
            let mut stream = BufReader::new(stream.unwrap());
            let mut lines = Vec::new();
            loop {
                let mut line = String::new();
                if stream.read_line(&mut line).unwrap_or(0) == 0 || line == "\r\n" {
                    break;
                }
                lines.push(line);
            }
            if lines.is_empty() {
                continue;
            }
            let pairs = lines[1..].iter().filter_map(|line| line.split_once(':'));
            let headers: HashMap<_, _> =
                pairs.map(|(name, value)| (name.to_lowercase(), value.trim().to_owned())).collect();
            let mut body = vec![0; headers["content-length"].parse().unwrap()];
            stream.read_exact(&mut body).unwrap();
            let status = statuses.next().unwrap_or(&204);
            let answer = format!(
                "HTTP/1.1 {status} X\r\nContent-Length: 0\r\nLocation: http://127.0.0.1:1/\r\nConnection: close\r\n\r\n"
            );
            stream.get_mut().write_all(answer.as_bytes()).unwrap();
            if sender.send(Got { headers, body: String::from_utf8(body).unwrap() }).is_err() {
                break;
            }
        }
    });
    (url, got)
}

fn server(allow_private: &str) -> (tempfile::TempDir, Server) {
    let directory = tempfile::tempdir().unwrap();
    let database = format!("sqlite:{}", directory.path().join("t.db").display());
    let mut serve = command(&["serve"], &database, directory.path());
    serve.env("FLASH_WEBHOOKS_ALLOW_PRIVATE", allow_private);
    (directory, Server::spawn(serve))
}

#[tokio::test(flavor = "multi_thread")]
async fn a_store_hears_of_its_sales() {
    let (_directory, server) = server("1");
    let shop = server.shop().await;
    let token = Some(shop.merchant.token.as_str());
    // 302 is no success and is not followed; the second try comes after five seconds.
    let (url, got) = receiver(&[302]);
    let hooks = format!("/api/v1/stores/{}/webhooks", shop.store);
    let body = json!({"url": url, "events": ["promotion.started", "claim.confirmed"]});
    let hook = server.must(201, "POST", &hooks, token, Some(&body)).await;
    let secret = hook["secret"].as_str().unwrap().to_owned();
    let listed = server.must(200, "GET", &hooks, token, None).await;
    assert!(listed["items"][0].get("secret").is_none(), "shown once: {listed}");
    let one = format!("{hooks}/{}", hook["id"].as_str().unwrap());

    let sale = server.launch(&shop, json!({"hold_seconds": 0})).await;
    let (first, second) = (got.recv_timeout(PATIENCE).unwrap(), got.recv_timeout(PATIENCE).unwrap());
    assert!(first.is_signed_with(&secret) && second.is_signed_with(&secret));
    assert_eq!(first.headers["webhook-id"], second.headers["webhook-id"], "the same message again");
    let event = first.event();
    assert_eq!((&event["type"], &event["data"]["promotion_id"]), (&json!("promotion.started"), &json!(sale)));
    assert_eq!(event["data"]["store_id"], json!(shop.store));

    let path = format!("/api/v1/promotions/{sale}/claims");
    let (status, claim) = server.ask("POST", &path, token, Some(&json!({})), Some("k")).await.unwrap();
    assert_eq!(status.as_u16(), 201, "{claim}");
    let third = got.recv_timeout(PATIENCE).unwrap();
    let event = third.event();
    assert_eq!((&event["type"], &event["data"]["claim_id"]), (&json!("claim.confirmed"), &claim["id"]));
    assert!(event["data"].get("user_id").is_none(), "who claimed is nobody's business");

    // Both secrets sign for a day; a message that was delivered can be sent again.
    let rotated = server.must(200, "POST", &format!("{one}/rotate"), token, None).await;
    let fresh = rotated["secret"].as_str().unwrap();
    assert_ne!(fresh, secret);
    let messages = server.must(200, "GET", &format!("{one}/messages"), token, None).await;
    let id = third.headers["webhook-id"].as_str();
    let message = messages["items"].as_array().unwrap().iter().find(|message| message["id"] == id).unwrap();
    assert_eq!(message["type"], "claim.confirmed");
    server.must(204, "POST", &format!("{one}/messages/{id}/replay"), token, None).await;
    let again = got.recv_timeout(PATIENCE).unwrap();
    assert_eq!((again.headers["webhook-id"].as_str(), &again.body), (id, &third.body));
    assert!(again.is_signed_with(fresh) && again.is_signed_with(&secret));

    let other = server.register("other", "merchant").await;
    server.must(403, "GET", &format!("{one}/messages"), Some(&other.token), None).await;
    for _ in 1..5 {
        server.must(201, "POST", &hooks, token, Some(&body)).await;
    }
    server.must(409, "POST", &hooks, token, Some(&body)).await;
    server.must(204, "DELETE", &one, token, None).await;
    server.must(404, "GET", &format!("{one}/messages"), token, None).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn addresses_inside_are_refused() {
    let (_directory, server) = server("0");
    let shop = server.shop().await;
    let hooks = format!("/api/v1/stores/{}/webhooks", shop.store);
    for url in [
        "http://shop.example/",
        "https://127.0.0.1/",
        "https://[::1]/",
        "https://169.254.169.254/latest",
        "x",
    ] {
        let body = json!({"url": url});
        let problem = server.must(422, "POST", &hooks, Some(&shop.merchant.token), Some(&body)).await;
        assert_eq!(problem["errors"][0]["field"], "/url", "{url}");
    }
    let body = json!({"url": "https://shop.example/", "events": ["promotion.exploded"]});
    server.must(422, "POST", &hooks, Some(&shop.merchant.token), Some(&body)).await;
}
