//! JSON bodies of every route that takes one, against the real binary: an answer below 500, a problem where it is
//! refused, field errors where it is invalid.

use crate::Plan;
use crate::common::{self, Server, Shop, in_seconds};
use crate::mutate;
use reqwest::Method;
use serde_json::{Value, json};

/// A route and bodies that it takes.
struct Route {
    method: &'static str,
    path: String,
    token: Option<String>,
    bodies: Vec<Value>,
}

fn routes(shop: &Shop, shopper: &str, promotion: &str) -> Vec<Route> {
    let merchant = Some(shop.merchant.token.clone());
    let price = json!({"amount": 500, "currency": "COP"});
    let place = json!({"lat": 6.2442, "lng": -75.5812});
    let route = |method, path: &str, token: &Option<String>, bodies: Vec<Value>| Route {
        method,
        path: format!("/api/v1{path}"),
        token: token.clone(),
        bodies,
    };
    let launch = json!({"product_id": shop.product, "price": price, "stock": 5, "per_shopper_limit": 2,
        "ends_at": in_seconds(3600), "reach_m": 5000, "claim_within_m": null, "hold_seconds": 60,
        "segments": ["new"], "category": "food", "draft": true});
    let mut daily = launch.clone();
    daily["daily"] =
        json!({"from": "17:00", "to": "19:00", "timezone": "America/Bogota", "start_date": "2027-01-01"});
    daily.as_object_mut().unwrap().remove("ends_at");
    let promotion = format!("/promotions/{promotion}");
    let store = format!("/stores/{}", shop.store);
    vec![
        route("POST", "/auth/refresh", &None, vec![json!({"refresh_token": "a.b.c"})]),
        route(
            "PATCH",
            "/me",
            &merchant,
            vec![json!({"display_name": "N", "language": "es", "last_location": place})],
        ),
        route(
            "POST",
            "/stores",
            &merchant,
            vec![json!({"name": "S", "address": "A", "timezone": "UTC", "location": place})],
        ),
        route("PATCH", &store, &merchant, vec![json!({"name": "S", "location": place})]),
        route(
            "POST",
            &format!("{store}/products"),
            &merchant,
            vec![
                json!({"name": "P", "description": "D", "price": price, "image_url": "https://a.example/b.png", "available": true}),
            ],
        ),
        route(
            "PATCH",
            &format!("/products/{}", shop.product),
            &merchant,
            vec![json!({"price": price, "available": true})],
        ),
        route("POST", &format!("{store}/promotions"), &merchant, vec![launch, daily]),
        route(
            "PATCH",
            &promotion,
            &merchant,
            vec![json!({"stock": 900, "ends_at": in_seconds(7200), "reach_m": 600})],
        ),
        route(
            "POST",
            &format!("{promotion}/claims"),
            &Some(shopper.to_owned()),
            vec![json!({"quantity": 1, "location": place})],
        ),
        route("POST", &format!("{store}/redemptions"), &merchant, vec![json!({"code": "ABCD-EFGH"})]),
    ]
}

async fn try_one(server: &Server, route: &Route, body: Vec<u8>, blame: &str) -> u16 {
    let method = Method::from_bytes(route.method.as_bytes()).unwrap();
    let mut request = server.http.request(method, format!("{}{}", server.base, route.path));
    request = request
        .header("Content-Type", "application/json")
        .header("Idempotency-Key", uuid::Uuid::now_v7().to_string());
    if let Some(token) = &route.token {
        request = request.bearer_auth(token);
    }
    let answer = request.body(body).send().await.unwrap_or_else(|error| panic!("{error}: {blame}"));
    let status = answer.status().as_u16();
    let kind = answer.headers().get("content-type").map(|kind| kind.to_str().unwrap().to_owned());
    let text = answer.text().await.unwrap();
    assert!(status < 500, "{status} {text}: {blame}");
    if status >= 400 {
        assert_eq!(kind.as_deref(), Some("application/problem+json"), "{blame}");
        let problem: Value = serde_json::from_str(&text).unwrap();
        assert!(problem["code"].is_string() && problem["detail"].is_string(), "{text}: {blame}");
        let fields = problem["errors"].as_array().map_or(0, Vec::len);
        assert!(problem["code"] != "invalid" || fields > 0, "{text}: {blame}");
    }
    status
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn bodies_never_get_a_500_and_refusals_name_what_is_wrong() {
    let plan = Plan::new(3_000);
    let directory = tempfile::tempdir().unwrap();
    let database = format!("sqlite://{}", directory.path().join("fuzz.db").display());
    let server = Server::start(&database, directory.path());
    let shop = server.shop().await;
    let promotion = server.launch(&shop, json!({"stock": 1000})).await;
    let shopper = server.shoppers(1).await.remove(0);
    let routes = routes(&shop, &shopper, &promotion);
    let mut good = 0u64;
    for n in 0..plan.inputs {
        let mut chance = plan.chance(n);
        let route = chance.pick(&routes);
        let body = mutate::input(&route.bodies, &mut chance);
        let blame = format!("{} {} {}", route.method, route.path, plan.blame(n, &body));
        good += u64::from(try_one(&server, route, body, &blame).await < 300);
    }
    assert!(plan.inputs < 1_000 || good > plan.inputs / 50, "too little is accepted to be a test: {good}");
    let (status, _) =
        common::ask(&server.http, &server.base, "GET", "/healthz", None, None, None).await.unwrap();
    assert_eq!(status.as_u16(), 200);
}
