//! What idempotency keys and origins mean over HTTP, asked of the real binary. Knows nothing of how keys are stored.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod common;

use common::{Server, ask, command};
use serde_json::{Value, json};

fn server() -> (tempfile::TempDir, Server) {
    let directory = tempfile::tempdir().unwrap();
    let server = Server::start("sqlite:flash.db", directory.path());
    (directory, server)
}

/// Claims with a key; gives the status and the answer.
async fn claim(server: &Server, sale: &str, token: &str, quantity: u32, key: &str) -> (u16, Value) {
    let path = format!("/api/v1/promotions/{sale}/claims");
    let body = json!({"quantity": quantity});
    let (status, answer) =
        ask(&server.http, &server.base, "POST", &path, Some(token), Some(&body), Some(key)).await.unwrap();
    (status.as_u16(), answer)
}

/// What a promotion shows of its stock: remaining, held and version.
async fn stock(server: &Server, sale: &str) -> (Value, Value, Value) {
    let shown = server.must(200, "GET", &format!("/api/v1/promotions/{sale}"), None, None).await;
    (shown["remaining"].clone(), shown["held"].clone(), shown["v"].clone())
}

async fn claims_of(server: &Server, token: &str) -> usize {
    let mine = server.must(200, "GET", "/api/v1/claims?limit=100", Some(token), None).await;
    mine["items"].as_array().unwrap().len()
}

/// I14: 32 claims with one key at once are one claim, answered 32 times alike.
#[tokio::test(flavor = "multi_thread")]
async fn i14_claims_with_one_key_at_once_are_one_claim() {
    let (_directory, server) = server();
    let shop = server.shop().await;
    for at_once in [2, 32] {
        let token = server.shoppers(1).await.remove(0);
        let sale = server.launch(&shop, json!({"per_shopper_limit": null})).await;
        let asked = (0..at_once).map(|_| claim(&server, &sale, &token, 1, "one-key"));
        let answers = futures_util::future::join_all(asked).await;
        assert_eq!(answers[0].0, 201, "{}", answers[0].1);
        assert!(answers.iter().all(|answer| *answer == answers[0]), "{answers:?}");
        let (remaining, held, _) = stock(&server, &sale).await;
        assert_eq!((remaining, held), (json!(99), json!(1)));
        assert_eq!(claims_of(&server, &token).await, 1);
    }
}

/// I15: the same key with another request is refused, and nothing has changed by it.
#[tokio::test(flavor = "multi_thread")]
async fn i15_another_request_with_the_same_key_has_no_effect() {
    let (_directory, server) = server();
    let shop = server.shop().await;
    let token = server.shoppers(1).await.remove(0);
    let sale = server.launch(&shop, json!({"per_shopper_limit": 5})).await;
    let first = claim(&server, &sale, &token, 1, "key").await;
    assert_eq!(first.0, 201, "{}", first.1);
    let before = stock(&server, &sale).await;
    let (status, refused) = claim(&server, &sale, &token, 2, "key").await;
    assert_eq!((status, &refused["code"]), (422, &json!("idempotency_key_reused")));
    assert_eq!(stock(&server, &sale).await, before);
    assert_eq!(claims_of(&server, &token).await, 1);
    assert_eq!(claim(&server, &sale, &token, 1, "key").await, first, "the first answer stands");
    let (status, rest) = claim(&server, &sale, &token, 4, "other").await;
    assert_eq!(status, 201, "the refusal took nothing of the limit: {rest}");

    let path = format!("/api/v1/stores/{}/products", shop.store);
    let body =
        |name| json!({"name": name, "description": "A thing", "price": {"amount": 1, "currency": "COP"}});
    let make = async |name| {
        let token = Some(shop.merchant.token.as_str());
        let (status, answer) =
            server.ask("POST", &path, token, Some(&body(name)), Some("made")).await.unwrap();
        (status.as_u16(), answer)
    };
    assert_eq!(make("One").await.0, 201);
    let (status, refused) = make("Two").await;
    assert_eq!((status, &refused["code"]), (422, &json!("idempotency_key_reused")));
    let products = server.must(200, "GET", &path, Some(&shop.merchant.token), None).await;
    assert_eq!(products["items"].as_array().unwrap().len(), 2, "the shop's own and One: {products}");
}

/// I14: a claim's key belongs to the shopper and the promotion: others' equal keys are other requests.
#[tokio::test(flavor = "multi_thread")]
async fn i14_claim_keys_are_per_shopper_and_promotion() {
    let (_directory, server) = server();
    let shop = server.shop().await;
    let tokens = server.shoppers(2).await;
    let sales = [server.launch(&shop, json!({})).await, server.launch(&shop, json!({})).await];
    let mut ids = std::collections::BTreeSet::new();
    for token in &tokens {
        for sale in &sales {
            let (status, made) = claim(&server, sale, token, 1, "everybody's").await;
            assert_eq!((status, &made["promotion_id"]), (201, &json!(sale)), "{made}");
            ids.insert(made["id"].as_str().unwrap().to_owned());
        }
    }
    assert_eq!(ids.len(), 4, "four claims");
    for sale in &sales {
        assert_eq!(stock(&server, sale).await.1, 2);
    }
}

/// Registering ignores keys, since tokens are never stored: a repeat is told that the e-mail is taken, and the key is as
/// good as new for somebody else.
#[tokio::test(flavor = "multi_thread")]
async fn registering_ignores_a_key() {
    let (_directory, server) = server();
    let register = async |email: &str| {
        let body =
            json!({"email": email, "password": "a good password", "display_name": "A", "role": "shopper"});
        let (status, answer) =
            server.ask("POST", "/api/v1/auth/register", None, Some(&body), Some("key")).await.unwrap();
        (status.as_u16(), answer)
    };
    assert_eq!(register("a@test.example").await.0, 201);
    let (status, repeated) = register("a@test.example").await;
    assert_eq!((status, &repeated["code"]), (409, &json!("email_taken")));
    let (status, other) = register("b@test.example").await;
    assert_eq!((status, &other["user"]["email"]), (201, &json!("b@test.example")));
}

/// A page of an allowed origin may ask, any other page's browser is told nothing that would let it.
#[tokio::test(flavor = "multi_thread")]
async fn only_allowed_origins_may_ask_from_a_page() {
    let directory = tempfile::tempdir().unwrap();
    let mut command = command(&["serve"], "sqlite:flash.db", directory.path());
    command.env("FLASH_CORS_ORIGINS", "https://shop.example");
    let server = Server::spawn(command);
    let preflight = async |origin: &str| {
        let url = format!("{}/api/v1/promotions/x/claims", server.base);
        let asked = server.http.request(reqwest::Method::OPTIONS, url).header("Origin", origin);
        let asked = asked.header("Access-Control-Request-Method", "POST");
        let asked =
            asked.header("Access-Control-Request-Headers", "authorization,content-type,idempotency-key");
        asked.send().await.unwrap()
    };
    let header = |answer: &reqwest::Response, name: &str| {
        answer.headers().get(name).map(|value| value.to_str().unwrap().to_lowercase())
    };
    let allowed = preflight("https://shop.example").await;
    assert!(allowed.status().is_success(), "{allowed:?}");
    assert_eq!(header(&allowed, "access-control-allow-origin").as_deref(), Some("https://shop.example"));
    assert!(header(&allowed, "access-control-allow-methods").unwrap().contains("post"));
    let headers = header(&allowed, "access-control-allow-headers").unwrap();
    for name in ["authorization", "content-type", "idempotency-key"] {
        assert!(headers.contains(name), "{name} in {headers}");
    }
    for origin in ["https://evil.example", "http://shop.example", "https://shop.example.evil.example", "null"]
    {
        let refused = preflight(origin).await;
        assert!(refused.status().is_client_error(), "{origin}: {refused:?}");
        assert_eq!(header(&refused, "access-control-allow-origin"), None, "{origin}");
        let url = format!("{}/api/v1/promotions", server.base);
        let asked = server.http.get(url).header("Origin", origin).send().await.unwrap();
        assert_eq!(header(&asked, "access-control-allow-origin"), None, "{origin}");
    }
}
