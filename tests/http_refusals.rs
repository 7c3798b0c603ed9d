//! What the HTTP edge of the real binary says to requests that are wrong: in which order, about which field, all at once.
//! Also what HEAD says.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod common;

use common::{Server, Shop, in_seconds};
use flash_promos::http::routes::ROUTES;
use serde_json::{Value, json};
use std::collections::BTreeSet;

fn server() -> (tempfile::TempDir, Server) {
    let directory = tempfile::tempdir().unwrap();
    let server = Server::start("sqlite:flash.db", directory.path());
    (directory, server)
}

/// Sends a body as it is; answers with the status, the problem's code and the fields that it names.
async fn send(
    server: &Server,
    method: &str,
    path: &str,
    token: &str,
    key: Option<&str>,
    body: &str,
) -> (u16, String, BTreeSet<(String, String)>) {
    let method = reqwest::Method::from_bytes(method.as_bytes()).unwrap();
    let mut request = server.http.request(method, format!("{}{path}", server.base)).bearer_auth(token);
    if let Some(key) = key {
        request = request.header("Idempotency-Key", key);
    }
    let answer =
        request.header("Content-Type", "application/json").body(body.to_owned()).send().await.unwrap();
    let status = answer.status().as_u16();
    let answer: Value = serde_json::from_str(&answer.text().await.unwrap()).unwrap_or_default();
    let text = |value: &Value| value.as_str().unwrap_or("").to_owned();
    let none = Vec::new();
    let errors = answer["errors"].as_array().unwrap_or(&none);
    let fields = errors.iter().map(|error| (text(&error["field"]), text(&error["code"]))).collect();
    (status, text(&answer["code"]), fields)
}

fn fields<const N: usize>(expected: [(&str, &str); N]) -> BTreeSet<(String, String)> {
    expected.into_iter().map(|(field, code)| (field.to_owned(), code.to_owned())).collect()
}

/// A claim, held, of whoever's token it is.
async fn claim(server: &Server, sale: &str, token: &str, key: &str) -> String {
    let path = format!("/api/v1/promotions/{sale}/claims");
    let (status, claim) = server.ask("POST", &path, Some(token), Some(&json!({})), Some(key)).await.unwrap();
    assert_eq!(status.as_u16(), 201, "{claim}");
    claim["id"].as_str().unwrap().to_owned()
}

/// DESIGN 6.1, order of refusals: 404 comes before body and key.
#[tokio::test(flavor = "multi_thread")]
async fn what_is_not_there_comes_before_what_is_wrong_with_body_and_key() {
    let (_directory, server) = server();
    let shop = server.shop().await;
    let merchant = shop.merchant.token.as_str();
    let huge = format!("{{\"quantity\": 1, \"x\": \"{}\"}}", "x".repeat(70_000));
    let bad = ["[", "[]", "{\"unknown\": 1}", "{\"unknown\": 1, \"unknown\": 1}", huge.as_str()];
    let writes = ROUTES.iter().filter(|row| row.method != "GET" && row.path.contains("{id}"));
    let mut checked = 0;
    for row in writes.filter(|row| row.method != "DELETE" && !row.path.ends_with("/follow")) {
        let nobody = uuid::Uuid::now_v7().to_string();
        let path = format!("/api/v1{}", row.path.replace("{id}", &nobody).replace("{user_id}", &nobody));
        for body in bad {
            let (status, code, _) = send(&server, row.method, &path, merchant, None, body).await;
            let shown = &body[..body.len().min(40)];
            assert_eq!((status, code.as_str()), (404, "not_found"), "{} {} {shown}", row.method, row.path);
        }
        checked += 1;
    }
    assert!(checked >= 14, "{checked}");

    let tokens = server.shoppers(2).await;
    let sale = server.launch(&shop, json!({})).await;
    let held = claim(&server, &sale, &tokens[0], "k").await;
    let draft = server.launch(&shop, json!({"draft": true})).await;
    for (path, expected) in [
        (format!("/api/v1/promotions/{draft}/claims"), 404),
        (format!("/api/v1/promotions/{sale}/claims"), 400),
        (format!("/api/v1/claims/{held}/confirm"), 404),
        (format!("/api/v1/claims/{held}/cancel"), 404),
    ] {
        // The second shopper, to whom the claim is not there.
        let (status, _, _) = send(&server, "POST", &path, &tokens[1], None, "[").await;
        assert_eq!(status, expected, "{path}");
    }
    let (status, _, _) =
        send(&server, "POST", &format!("/api/v1/claims/{held}/confirm"), &tokens[0], None, "[").await;
    assert_eq!(status, 400, "one's own claim is there: the body is what is wrong");
    // The key is listed with the fields.
    let path = format!("/api/v1/promotions/{sale}/claims");
    let (status, _, found) =
        send(&server, "POST", &path, &tokens[1], None, "{\"quantity\": 0, \"x\": 1}").await;
    let expected =
        fields([("/quantity", "out_of_range"), ("/x", "unknown_field"), ("Idempotency-Key", "required")]);
    assert_eq!((status, found), (422, expected));
}

async fn launch_with(
    server: &Server,
    shop: &Shop,
    key: Option<&str>,
    body: &Value,
) -> BTreeSet<(String, String)> {
    let path = format!("/api/v1/stores/{}/promotions", shop.store);
    let (status, code, found) =
        send(server, "POST", &path, &shop.merchant.token, key, &body.to_string()).await;
    assert_eq!((status, code.as_str()), (422, "invalid"), "{body}");
    found
}

/// Fields of a wrong type, bounds, a product that is none, a key that is none: one answer.
#[tokio::test(flavor = "multi_thread")]
async fn a_launch_is_told_everything_that_is_wrong_at_once() {
    let (_directory, server) = server();
    let shop = server.shop().await;
    let (nobody, long_key) = (uuid::Uuid::now_v7(), "k".repeat(256));
    let body = json!({"product_id": nobody, "price": {"amount": 0, "currency": "cop"}, "stock": 0, "reach_m": 1,
        "claim_within_m": 0, "hold_seconds": 4000, "per_shopper_limit": 0, "ends_at": "2020-01-01T00:00:00Z",
        "segments": ["vip"], "category": "", "draft": 1, "unknown": true});
    let found = launch_with(&server, &shop, Some(&long_key), &body).await;
    let expected = fields([
        ("/product_id", "invalid"),
        ("/price/amount", "out_of_range"),
        ("/price/currency", "invalid"),
        ("/stock", "out_of_range"),
        ("/reach_m", "out_of_range"),
        ("/claim_within_m", "out_of_range"),
        ("/hold_seconds", "out_of_range"),
        ("/per_shopper_limit", "out_of_range"),
        ("/ends_at", "in_the_past"),
        ("/segments", "wrong_type"),
        ("/category", "too_short"),
        ("/draft", "wrong_type"),
        ("/unknown", "unknown_field"),
        ("Idempotency-Key", "invalid"),
    ]);
    assert_eq!(found, expected);

    // Against the product's price, though another field can't be read.
    let body = json!({"product_id": shop.product, "price": {"amount": "5", "currency": "USD"}, "stock": "1",
        "starts_at": "soon", "ends_at": "2020-01-01T00:00:00Z"});
    let expected = fields([
        ("/price/amount", "wrong_type"),
        ("/price/currency", "currency_mismatch"),
        ("/stock", "wrong_type"),
        ("/starts_at", "invalid"),
        ("/ends_at", "in_the_past"),
    ]);
    assert_eq!(launch_with(&server, &shop, None, &body).await, expected);

    let daily = json!({"from": "17:00", "to": "19:00", "timezone": "UTC", "start_date": "2020-01-01",
        "end_date": "2020-01-02"});
    let body = json!({"product_id": shop.product, "price": {"amount": 0, "currency": "COP"}, "daily": daily});
    let expected =
        fields([("/daily", "in_the_past"), ("/price/amount", "out_of_range"), ("/stock", "required")]);
    assert_eq!(launch_with(&server, &shop, None, &body).await, expected);
    let found = launch_with(&server, &shop, None, &json!({})).await;
    let expected = ["/product_id", "/price", "/stock", "/ends_at"].map(|field| (field, "required"));
    assert_eq!(found, fields(expected));

    // An edit as well.
    let sale = server.launch(&shop, json!({})).await;
    let path = format!("/api/v1/promotions/{sale}");
    let body = "{\"stock\": \"x\", \"reach_m\": 1, \"price\": {\"amount\": 5, \"currency\": \"USD\"}}";
    let (status, _, found) = send(&server, "PATCH", &path, &shop.merchant.token, None, body).await;
    let expected = fields([
        ("/stock", "wrong_type"),
        ("/reach_m", "out_of_range"),
        ("/price/currency", "currency_mismatch"),
    ]);
    assert_eq!((status, found), (422, expected));
}

/// A launch's stored answer is given again also when the product is gone and the sale over by the time of the repeat.
#[tokio::test(flavor = "multi_thread")]
async fn a_repeated_launch_gets_its_answer_though_its_product_is_gone() {
    let (_directory, server) = server();
    let shop = server.shop().await;
    let token = Some(shop.merchant.token.as_str());
    let path = format!("/api/v1/stores/{}/promotions", shop.store);
    let body = json!({"product_id": shop.product, "price": {"amount": 5, "currency": "COP"}, "stock": 1,
        "ends_at": in_seconds(600)});
    let first = server.ask("POST", &path, token, Some(&body), Some("k")).await.unwrap();
    assert_eq!(first.0.as_u16(), 201);
    server.must(204, "DELETE", &format!("/api/v1/products/{}", shop.product), token, None).await;
    let again = server.ask("POST", &path, token, Some(&body), Some("k")).await.unwrap();
    assert_eq!(first, again);
    let (status, other) = server.ask("POST", &path, token, Some(&body), Some("other")).await.unwrap();
    assert_eq!((status.as_u16(), other["errors"][0]["field"].as_str()), (422, Some("/product_id")));
}

/// Of two members of one name parsers take the first, the last, or neither; here it is neither.
#[tokio::test(flavor = "multi_thread")]
async fn a_member_that_is_there_twice_is_refused() {
    let (_directory, server) = server();
    let shop = server.shop().await;
    let merchant = shop.merchant.token.as_str();
    let sale = server.launch(&shop, json!({"per_shopper_limit": 5})).await;
    let token = server.shoppers(1).await.remove(0);
    let claims = format!("/api/v1/promotions/{sale}/claims");
    for (method, path, token, body, field) in [
        ("POST", claims.as_str(), token.as_str(), r#"{"quantity": 1, "quantity": 2}"#, "/quantity"),
        ("POST", &claims, &token, r#"{"location": {"lat": 6.2, "lng": -75.5, "lat": 7}}"#, "/location/lat"),
        ("POST", &claims, &token, r#"{"quantity": 1, "\u0071uantity": 1}"#, "/quantity"),
        ("PATCH", "/api/v1/me", merchant, r#"{"language": "es", "language": "en"}"#, "/language"),
        (
            "PATCH",
            "/api/v1/me",
            merchant,
            r#"{"notification_preferences": {"a/b": 1, "a/b": 2}}"#,
            "/notification_preferences/a~1b",
        ),
        (
            "POST",
            "/api/v1/auth/login",
            merchant,
            r#"{"email": "a@b.example", "password": "x", "password": "y"}"#,
            "/password",
        ),
        (
            "PATCH",
            &format!("/api/v1/promotions/{sale}"),
            merchant,
            r#"{"price": {"amount": 5, "amount": 6, "currency": "COP"}}"#,
            "/price/amount",
        ),
    ] {
        let (status, code, found) = send(&server, method, path, token, Some("k"), body).await;
        assert_eq!((status, code.as_str()), (422, "invalid"), "{path} {body}");
        assert_eq!(found, fields([(field, "repeated")]), "{path} {body}");
    }
    let after = server.must(200, "GET", &format!("/api/v1/promotions/{sale}"), None, None).await;
    assert_eq!((after["held"].as_u64(), after["price"]["amount"].as_u64()), (Some(0), Some(500)));
}

/// Null clears what can be absent. Elsewhere it is an error, not an edit that changes nothing.
#[tokio::test(flavor = "multi_thread")]
async fn null_is_refused_where_an_edit_can_not_clear() {
    let (_directory, server) = server();
    let shop = server.shop().await;
    let token = shop.merchant.token.as_str();
    let sale = server.launch(&shop, json!({"category": "food", "per_shopper_limit": 3})).await;
    let daily = json!({"from": "17:00", "to": "19:00", "timezone": "UTC", "start_date": "2026-01-01"});
    let body = json!({"product_id": shop.product, "price": {"amount": 5, "currency": "COP"}, "stock": 1, "daily": daily});
    let path = format!("/api/v1/stores/{}/promotions", shop.store);
    let first = server.must(201, "POST", &path, Some(token), Some(&body)).await;
    let series = first["series_id"].as_str().unwrap();
    let fixed = ["price", "stock", "reach_m", "hold_seconds", "segments"];
    let nullable = ["per_shopper_limit", "claim_within_m", "category"];
    let with = |more: &[&'static str]| fixed.iter().chain(more).copied().collect::<Vec<_>>();
    let edits: [(String, Vec<&str>, &[&str]); 5] = [
        (
            "/api/v1/me".to_owned(),
            vec!["display_name", "language", "notification_preferences"],
            &["phone", "last_location"],
        ),
        (format!("/api/v1/stores/{}", shop.store), vec!["name", "address", "location", "timezone"], &[]),
        (
            format!("/api/v1/products/{}", shop.product),
            vec!["name", "description", "price", "available"],
            &["image_url"],
        ),
        (format!("/api/v1/promotions/{sale}"), with(&["starts_at", "ends_at"]), &nullable),
        (format!("/api/v1/series/{series}"), with(&["daily"]), &nullable),
    ];
    for (path, fixed, nullable) in edits {
        let all: serde_json::Map<String, Value> =
            fixed.iter().chain(nullable).map(|name| ((*name).to_owned(), Value::Null)).collect();
        let (status, _, found) =
            send(&server, "PATCH", &path, token, None, &Value::Object(all).to_string()).await;
        let expected =
            fixed.iter().map(|name| (format!("/{name}"), "not_nullable".to_owned())).collect::<BTreeSet<_>>();
        assert_eq!((status, found), (422, expected), "{path}");
        let clears: serde_json::Map<String, Value> =
            nullable.iter().map(|name| ((*name).to_owned(), Value::Null)).collect();
        let answer = server.must(200, "PATCH", &path, Some(token), Some(&Value::Object(clears))).await;
        for name in nullable {
            assert_eq!(answer[*name], Value::Null, "{path}: {answer}");
        }
    }
}

/// RFC 9110: HEAD is GET without the content, and says its length.
#[tokio::test(flavor = "multi_thread")]
async fn head_answers_as_get_without_the_body() {
    let (_directory, server) = server();
    let shop = server.shop().await;
    let token = shop.merchant.token.as_str();
    let sale = server.launch(&shop, json!({})).await;
    let claim = claim(&server, &sale, token, "k").await;
    let gets = ROUTES.iter().filter(|row| row.method == "GET").map(|row| format!("/api/v1{}", row.path));
    let outside = ["/healthz", "/readyz", "/openapi.json", "/"].map(str::to_owned);
    for path in gets.chain(outside) {
        let id = match path.split('/').nth(3).unwrap_or("") {
            "stores" => shop.store.as_str(),
            "products" => shop.product.as_str(),
            "claims" => claim.as_str(),
            _ => sale.as_str(),
        };
        let url = format!("{}{}", server.base, path.replace("{id}", id).replace("{user_id}", id));
        let get = server.http.get(&url).bearer_auth(token).send().await.unwrap();
        let head = server.http.head(&url).bearer_auth(token).send().await.unwrap();
        assert_eq!(head.status(), get.status(), "{path}");
        assert_ne!(head.status().as_u16(), 405, "{path}");
        for name in ["content-type", "content-length"] {
            assert_eq!(head.headers().get(name), get.headers().get(name), "{path}");
        }
        assert!(!get.bytes().await.unwrap().is_empty(), "{path}");
        assert!(head.bytes().await.unwrap().is_empty(), "{path}");
    }
    // A streamed answer, whose length nobody knows beforehand, ends as well.
    let csv = format!("{}/api/v1/promotions/{sale}/claims", server.base);
    let head = server.http.head(&csv).bearer_auth(token).header("Accept", "text/csv").send().await.unwrap();
    assert_eq!(head.status().as_u16(), 200);
    assert!(head.headers()["content-type"].to_str().unwrap().starts_with("text/csv"));
    assert!(head.bytes().await.unwrap().is_empty());
    let post_only = server.http.head(format!("{}/api/v1/auth/login", server.base)).send().await.unwrap();
    assert_eq!((post_only.status().as_u16(), post_only.headers()["allow"].to_str().unwrap()), (405, "POST"));
}

/// A place is an object: of two bare numbers nobody knows which is the latitude.
#[tokio::test(flavor = "multi_thread")]
async fn i13_a_place_of_two_bare_numbers_is_refused() {
    let (_directory, server) = server();
    let shop = server.shop().await;
    let shopper = server.shoppers(1).await.remove(0);
    let sale = server.launch(&shop, json!({"claim_within_m": 2000})).await;
    let merchant = shop.merchant.token.as_str();
    let new_store =
        r#"{"name": "S", "address": "A", "timezone": "UTC", "location": [6.2442, -75.5812]}"#.to_owned();
    let place = r#"{"location": [6.2442, -75.5812]}"#.to_owned();
    let profile = r#"{"last_location": [6.2442, -75.5812]}"#.to_owned();
    for (method, path, token, body, field) in [
        ("POST", format!("/api/v1/promotions/{sale}/claims"), shopper.as_str(), &place, "/location"),
        ("POST", "/api/v1/stores".to_owned(), merchant, &new_store, "/location"),
        ("PATCH", format!("/api/v1/stores/{}", shop.store), merchant, &place, "/location"),
        ("PATCH", "/api/v1/me".to_owned(), shopper.as_str(), &profile, "/last_location"),
    ] {
        let (status, _, found) = send(&server, method, &path, token, Some("k"), body).await;
        assert_eq!((status, found), (422, fields([(field, "wrong_type")])), "{method} {path}");
    }
    let counts = server.must(200, "GET", &format!("/api/v1/promotions/{sale}"), None, None).await;
    assert_eq!((&counts["held"], &counts["sold"]), (&json!(0), &json!(0)), "nothing was claimed");
}

/// An end in the past is called that, whenever the start would be.
#[tokio::test(flavor = "multi_thread")]
async fn an_end_in_the_past_is_called_that() {
    let (_directory, server) = server();
    let shop = server.shop().await;
    let price = json!({"amount": 5, "currency": "COP"});
    for (starts_in, ends_in, expected) in [
        (None, -3_600, "in_the_past"),
        (Some(3_600), -3_600, "in_the_past"),
        (Some(-7_200), -3_600, "in_the_past"),
        (Some(7_200), 3_600, "too_short"),
    ] {
        let mut body =
            json!({"product_id": shop.product, "price": price, "stock": 1, "ends_at": in_seconds(ends_in)});
        if let Some(starts_in) = starts_in {
            body["starts_at"] = json!(in_seconds(starts_in));
        }
        let found = launch_with(&server, &shop, None, &body).await;
        assert_eq!(found, fields([("/ends_at", expected)]), "{body}");
    }
}

/// What is wrong with a parameter or a text is said once, and as people say it.
#[tokio::test(flavor = "multi_thread")]
async fn what_is_wrong_is_said_once_and_well() {
    let (_directory, server) = server();
    for query in ["lat=abc&lng=1", "lat=91&lng=1", "lng=1", "lat=&lng=1"] {
        let problem = server.must(422, "GET", &format!("/api/v1/promotions?{query}"), None, None).await;
        let errors = problem["errors"].as_array().unwrap();
        assert_eq!((errors.len(), &errors[0]["field"]), (1, &json!("lat")), "{query}: {problem}");
    }
    let merchant = server.register("merchant", "merchant").await;
    let body = json!({"name": "", "address": "A", "timezone": "UTC", "location": {"lat": 1, "lng": 1}});
    for (language, expected) in [("en", "At least 1 character."), ("es", "Al menos 1 carácter.")] {
        let request = server.http.post(format!("{}/api/v1/stores", server.base)).bearer_auth(&merchant.token);
        let answer = request.header("Accept-Language", language).json(&body).send().await.unwrap();
        let problem: Value = serde_json::from_str(&answer.text().await.unwrap()).unwrap();
        assert_eq!(problem["errors"][0]["detail"], expected);
    }
}

/// The live path asks for the upgrade that is missing.
#[tokio::test(flavor = "multi_thread")]
async fn the_live_path_without_an_upgrade_asks_for_it() {
    let (_directory, server) = server();
    let url = format!("{}/api/v1/live", server.base);
    let answer = server.http.get(&url).header("Accept", "text/html").send().await.unwrap();
    let headers = answer.headers().clone();
    assert_eq!(answer.status().as_u16(), 426);
    for (name, value) in [
        ("upgrade", "websocket"),
        ("sec-websocket-version", "13"),
        ("content-type", "application/problem+json"),
    ] {
        assert_eq!(headers[name].to_str().unwrap(), value);
    }
    let problem: Value = serde_json::from_str(&answer.text().await.unwrap()).unwrap();
    assert_eq!((&problem["code"], &problem["status"]), (&json!("upgrade_required"), &json!(426)));
    let answer = server.http.post(&url).send().await.unwrap();
    assert_eq!((answer.status().as_u16(), answer.headers()["allow"].to_str().unwrap()), (405, "GET, HEAD"));
}

/// Who looks for a page that is not there is told so on one; who wants JSON, and whoever calls the API, by a problem.
#[tokio::test(flavor = "multi_thread")]
async fn a_page_that_is_not_there_is_told_by_a_page() {
    let (_directory, server) = server();
    const BROWSER: &str = "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8";
    const PROBLEM: &str = "application/problem+json";
    let page = "text/html; charset=utf-8";
    for (method, path, accept, expected) in [
        ("GET", "/nowhere", BROWSER, page),
        ("HEAD", "/nowhere", BROWSER, page),
        ("GET", "/deals/1/2", "text/html", page),
        ("POST", "/nowhere", BROWSER, PROBLEM),
        ("GET", "/nowhere", "*/*", PROBLEM),
        ("GET", "/nowhere", "application/json", PROBLEM),
        ("GET", "/nowhere", "application/json, text/html;q=0.9", PROBLEM),
        ("GET", "/nowhere", "nonsense", PROBLEM),
        ("GET", "/api/v1/nowhere", BROWSER, PROBLEM),
        ("GET", "/assets/nowhere.js", BROWSER, PROBLEM),
    ] {
        let method = reqwest::Method::from_bytes(method.as_bytes()).unwrap();
        let request = server.http.request(method, format!("{}{path}", server.base)).header("Accept", accept);
        let answer = request.send().await.unwrap();
        let kind = answer.headers()["content-type"].to_str().unwrap().to_owned();
        assert_eq!((answer.status().as_u16(), kind.as_str()), (404, expected), "{path} {accept}");
    }
    for (language, title) in [("es-CO", "Esta página no existe"), ("en", "There is no such page")] {
        let request = server.http.get(format!("{}/nowhere", server.base)).header("Accept", BROWSER);
        let answer = request.header("Accept-Language", language).send().await.unwrap();
        assert_eq!(answer.headers()["content-language"].to_str().unwrap(), &language[..2]);
        assert!(answer.text().await.unwrap().contains(title));
    }
}
