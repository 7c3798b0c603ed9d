//! What the HTTP edge of the real binary promises about series, segments, staff and repeated launches.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod common;

use common::{Server, Shop, ask, in_seconds};
use serde_json::{Value, json};

fn server() -> (tempfile::TempDir, Server) {
    let directory = tempfile::tempdir().unwrap();
    let server = Server::start("sqlite:flash.db", directory.path());
    (directory, server)
}

fn daily(from: &str, to: &str, start_date: &str, end_date: Option<&str>) -> Value {
    let mut window = json!({"from": from, "to": to, "timezone": "UTC", "start_date": start_date});
    if let Some(end_date) = end_date {
        window["end_date"] = json!(end_date);
    }
    window
}

/// Launches a series; gives its id and that of the occurrence that waits.
async fn launch_series(server: &Server, shop: &Shop, window: Value) -> (String, String) {
    let path = format!("/api/v1/stores/{}/promotions", shop.store);
    let body = json!({"product_id": shop.product, "price": {"amount": 5, "currency": "COP"}, "stock": 1,
        "daily": window});
    let first = server.must(201, "POST", &path, Some(&shop.merchant.token), Some(&body)).await;
    let text = |name: &str| first[name].as_str().unwrap().to_owned();
    (text("series_id"), text("id"))
}

async fn show(server: &Server, sale: &str) -> Value {
    server.must(200, "GET", &format!("/api/v1/promotions/{sale}"), None, None).await
}

/// An edit of a series concerns the occurrence that waits, however many newer promotions the store has; its window and its
/// date follow the series' window, to an earlier date too. One that has no date any more is called off.
#[tokio::test(flavor = "multi_thread")]
async fn an_occurrence_that_waits_follows_its_series() {
    let (_directory, server) = server();
    let shop = server.shop().await;
    let token = Some(shop.merchant.token.as_str());
    let (series, sale) = launch_series(&server, &shop, daily("17:00", "19:00", "2040-01-01", None)).await;
    assert_eq!(show(&server, &sale).await["starts_at"], "2040-01-01T17:00:00.000Z");
    let path = format!("/api/v1/stores/{}/promotions", shop.store);
    let other = json!({"product_id": shop.product, "price": {"amount": 5, "currency": "COP"}, "stock": 1,
        "starts_at": in_seconds(86_400), "ends_at": in_seconds(90_000)});
    for _ in 0..53 {
        // More than a page of a thousand, all newer than the occurrence.
        let launches =
            (0..19).map(|_| ask(&server.http, &server.base, "POST", &path, token, Some(&other), None));
        for launched in futures_util::future::join_all(launches).await {
            assert_eq!(launched.unwrap().0.as_u16(), 201);
        }
    }
    let edit = async |body: Value| {
        server.must(200, "PATCH", &format!("/api/v1/series/{series}"), token, Some(&body)).await
    };
    let window = daily("09:00", "11:30", "2039-06-01", None);
    let edited = edit(json!({"price": {"amount": 4, "currency": "COP"}, "daily": window})).await;
    assert_eq!(edited["daily"], window);
    let after = show(&server, &sale).await;
    assert_eq!(after["price"]["amount"], 4);
    assert_eq!(after["starts_at"], "2039-06-01T09:00:00.000Z");
    assert_eq!(after["ends_at"], "2039-06-01T11:30:00.000Z");
    let shown = server.must(200, "GET", &format!("/api/v1/series/{series}"), token, None).await;
    assert_eq!(shown["last_date"], "2039-06-01", "the next one is made after this date");

    edit(json!({"stock": 7})).await;
    let after = show(&server, &sale).await;
    assert_eq!((&after["stock"], &after["starts_at"]), (&json!(7), &json!("2039-06-01T09:00:00.000Z")));

    edit(json!({"daily": daily("09:00", "11:30", "2020-01-01", Some("2020-01-02"))})).await;
    assert_eq!(show(&server, &sale).await["status"], "cancelled");

    let (series, sale) = launch_series(&server, &shop, daily("17:00", "19:00", "2040-01-01", None)).await;
    server.must(204, "DELETE", &format!("/api/v1/series/{series}"), token, None).await;
    assert_eq!(show(&server, &sale).await["status"], "cancelled");
    let window = json!({"daily": daily("09:00", "11:30", "2039-06-01", None)});
    server.must(409, "PATCH", &format!("/api/v1/series/{series}"), token, Some(&window)).await;
}

/// Claims a unit; gives the status and the answer.
async fn claim(server: &Server, sale: &str, token: &str) -> (u16, Value) {
    let path = format!("/api/v1/promotions/{sale}/claims");
    let key = uuid::Uuid::now_v7().to_string();
    let (status, answer) =
        server.ask("POST", &path, Some(token), Some(&json!({})), Some(&key)).await.unwrap();
    (status.as_u16(), answer)
}

/// I13: who may claim follows from the claims one has confirmed, from the very answer of the confirmation on; held,
/// cancelled and refused claims count for nothing. (The edge of the 90 days: `segments_count_confirmed_claims`.)
#[tokio::test(flavor = "multi_thread")]
async fn i13_the_segment_follows_the_confirmed_claims() {
    let (_directory, server) = server();
    let shop = server.shop().await;
    let token = server.shoppers(1).await.remove(0);
    let mut sales = Vec::new();
    for segment in ["new", "regular", "frequent"] {
        let terms = json!({"segments": [segment], "per_shopper_limit": null});
        sales.push((segment, server.launch(&shop, terms).await));
    }
    for confirmed in 0..7 {
        let expected = match confirmed {
            0 => "new",
            1..5 => "regular",
            _ => "frequent",
        };
        let me = server.must(200, "GET", "/api/v1/me", Some(&token), None).await;
        assert_eq!(me["segment"], expected, "{confirmed} confirmed");
        let mut held = None;
        for (segment, sale) in &sales {
            let (status, answer) = claim(&server, sale, &token).await;
            if *segment == expected {
                assert_eq!(status, 201, "{confirmed} confirmed: {answer}");
                held = Some(answer["id"].as_str().unwrap().to_owned());
            } else {
                assert_eq!(
                    (status, &answer["code"]),
                    (403, &json!("not_eligible")),
                    "{confirmed}: {segment}"
                );
            }
        }
        // Held and given back: that makes nobody a regular.
        let sale = &sales.iter().find(|(segment, _)| *segment == expected).unwrap().1;
        let (status, given_back) = claim(&server, sale, &token).await;
        assert_eq!(status, 201, "a held claim does not count");
        let path = format!("/api/v1/claims/{}/cancel", given_back["id"].as_str().unwrap());
        server.must(200, "POST", &path, Some(&token), None).await;
        let path = format!("/api/v1/claims/{}/confirm", held.unwrap());
        server.must(200, "POST", &path, Some(&token), None).await;
        server.must(200, "POST", &path, Some(&token), None).await;
    }
}

/// Naming staff says whom one named; nobody is not named, whatever the body.
#[tokio::test(flavor = "multi_thread")]
async fn naming_staff_answers_with_the_name() {
    let (_directory, server) = server();
    let shop = server.shop().await;
    let token = Some(shop.merchant.token.as_str());
    let clerk = server.register("Clara", "shopper").await;
    let path = |id: &str| format!("/api/v1/stores/{}/staff/{id}", shop.store);
    let named = server.must(200, "PUT", &path(&clerk.id), token, Some(&json!({"role": "clerk"}))).await;
    assert_eq!(named, json!({"user_id": clerk.id, "display_name": "Clara", "role": "clerk"}));
    assert_eq!(server.must(200, "GET", &path(&clerk.id), token, None).await, named);
    let nobody = path(&uuid::Uuid::now_v7().to_string());
    server.must(404, "PUT", &nobody, token, Some(&json!({"role": "king"}))).await;
    server.must(422, "PUT", &path(&clerk.id), token, Some(&json!({"role": "king"}))).await;
}

/// An address without a dot in its domain registers and signs in.
#[tokio::test(flavor = "multi_thread")]
async fn an_email_needs_no_dot_in_its_domain() {
    let (_directory, server) = server();
    let body = json!({"email": "A@localhost", "password": "a good password", "display_name": "A", "role": "shopper"});
    let made = server.must(201, "POST", "/api/v1/auth/register", None, Some(&body)).await;
    assert_eq!(made["user"]["email"], "a@localhost");
    let login = json!({"email": "a@localhost", "password": "a good password"});
    server.must(200, "POST", "/api/v1/auth/login", None, Some(&login)).await;
}

/// Around a point all pages together have each promotion once, nearest first.
#[tokio::test(flavor = "multi_thread")]
async fn a_search_around_a_point_has_everything_once() {
    let (_directory, server) = server();
    let shop = server.shop().await;
    let mut sales = Vec::new();
    for _ in 0..23 {
        sales.push(server.launch(&shop, json!({"reach_m": 1000})).await);
    }
    let draft = server.launch(&shop, json!({"draft": true})).await;
    let (mut found, mut cursor) = (Vec::new(), String::new());
    loop {
        let path = format!("/api/v1/promotions?lat=6.2482&lng=-75.5812&radius_m=5000&limit=5{cursor}");
        let page = server.must(200, "GET", &path, None, None).await;
        for sale in page["items"].as_array().unwrap() {
            assert_eq!(sale["distance_m"], 444);
            found.push(sale["id"].as_str().unwrap().to_owned());
        }
        match page["next_cursor"].as_str() {
            Some(next) => cursor = format!("&cursor={next}"),
            None => break,
        }
    }
    assert!(!found.contains(&draft));
    assert!(found.is_sorted(), "of the same distance, by id");
    sales.sort();
    assert_eq!(found, sales);
    let far =
        server.must(200, "GET", "/api/v1/promotions?lat=6.26&lng=-75.5812&radius_m=5000", None, None).await;
    assert_eq!(far["items"], json!([]), "beyond their own reach");
}

/// Of many launches with one key at once one creates, and only that one wakes an owner: an owner for what the others would
/// have created is looked for in vain, and the log says so.
#[tokio::test(flavor = "multi_thread")]
async fn a_repeated_launch_wakes_nobody() {
    let directory = tempfile::tempdir().unwrap();
    let log = directory.path().join("log");
    let server = Server::start_logging("sqlite:flash.db", directory.path(), &log);
    let shop = server.shop().await;
    let path = format!("/api/v1/stores/{}/promotions", shop.store);
    let body = json!({"product_id": shop.product, "price": {"amount": 5, "currency": "COP"}, "stock": 1,
        "ends_at": in_seconds(3_600)});
    for round in 0..30 {
        let key = format!("key-{round}");
        let launches = (0..8).map(|_| {
            ask(
                &server.http,
                &server.base,
                "POST",
                &path,
                Some(&shop.merchant.token),
                Some(&body),
                Some(&key),
            )
        });
        let answers = futures_util::future::join_all(launches).await;
        let ids: std::collections::HashSet<String> =
            answers.into_iter().map(|answer| answer.unwrap().1["id"].as_str().unwrap().to_owned()).collect();
        assert_eq!(ids.len(), 1);
    }
    let log = std::fs::read_to_string(log).unwrap();
    assert!(!log.contains("has no owner yet"), "{log}");
}
