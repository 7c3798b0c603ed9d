//! What the HTTP edge of the real binary promises about series, segments, staff, repeated launches, query parameters, preflights.

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
    // The owner has a role already, for good.
    let owner = path(&shop.merchant.id);
    for (method, body) in [("PUT", Some(json!({"role": "clerk"}))), ("DELETE", None)] {
        assert_eq!(server.must(409, method, &owner, token, body.as_ref()).await["code"], "is_owner");
    }
    assert_eq!(server.must(200, "GET", &owner, token, None).await["role"], "owner");
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

/// Parameters are refused by the codes that fields have, all at once, with what they must be.
#[tokio::test(flavor = "multi_thread")]
async fn parameters_are_told_what_they_must_be() {
    let (_directory, server) = server();
    let shop = server.shop().await;
    let stats = format!("/api/v1/stores/{}/notification-stats", shop.store);
    let whole = "Must be a whole number.";
    let number = "Must be a number.";
    let missing = "This parameter is missing.";
    let radius = "Must be between 50 and 50000.";
    let twice = "Is there more than once.";
    let sales = "/api/v1/promotions";
    for (path, query, expected) in [
        (sales, "limit=x", vec![("limit", "wrong_type", whole)]),
        (sales, "limit=1.5", vec![("limit", "wrong_type", whole)]),
        (sales, "limit=101", vec![("limit", "out_of_range", "Must be between 1 and 100.")]),
        (sales, "limit=-1", vec![("limit", "out_of_range", "Must be between 1 and 100.")]),
        (sales, "limit=99999999999999999999", vec![("limit", "out_of_range", "Must be between 1 and 100.")]),
        (sales, "radius_m=50001&lat=1&lng=1", vec![("radius_m", "out_of_range", radius)]),
        (
            sales,
            "lat=91&lng=-181",
            vec![
                ("lat", "out_of_range", "Must be between -90 and 90."),
                ("lng", "out_of_range", "Must be between -180 and 180."),
            ],
        ),
        (sales, "lat=x", vec![("lat", "wrong_type", number), ("lng", "required", missing)]),
        (sales, "lat=NaN&lng=0", vec![("lat", "wrong_type", number)]),
        (sales, "radius_m=500", vec![("lat", "required", missing), ("lng", "required", missing)]),
        (sales, "radius_m=500&lng=1", vec![("lat", "required", missing)]),
        (
            sales,
            "status=x&store_id=7",
            vec![
                ("store_id", "wrong_type", "Must be a UUID."),
                ("status", "invalid", "Must be one of: draft, scheduled, live, paused, ended, cancelled."),
            ],
        ),
        (sales, "lat=1&lng=1&lat=2", vec![("lat", "repeated", twice)]),
        (sales, "q=a&limit=1&q=a&q=b", vec![("q", "repeated", twice)]),
        (sales, "x=1&x=2", vec![("x", "unknown_field", "There is no such parameter.")]),
        (sales, "q=%00", vec![("q", "control_characters", "Control characters are not allowed.")]),
        (sales, "cursor=x", vec![("cursor", "invalid", "Must be the next_cursor of a page of this list.")]),
        ("/api/v1/stores", "followed=1", vec![("followed", "wrong_type", "Must be true or false.")]),
        (&stats, "days=367", vec![("days", "out_of_range", "Must be between 1 and 366.")]),
    ] {
        let path = format!("{path}?{query}");
        let problem = server.must(422, "GET", &path, Some(&shop.merchant.token), None).await;
        let errors = problem["errors"].as_array().unwrap().iter();
        let found: Vec<_> = errors.map(|e| [&e["field"], &e["code"], &e["detail"]]).collect();
        let expected: Vec<_> = expected.iter().map(|(f, c, d)| [json!(f), json!(c), json!(d)]).collect();
        assert_eq!(json!(found), json!(expected), "{path}");
    }
}

/// Durations are told in words that people read, in both languages.
#[tokio::test(flavor = "multi_thread")]
async fn a_window_s_bounds_are_said_in_words() {
    let (_directory, server) = server();
    let shop = server.shop().await;
    let url = format!("{}/api/v1/stores/{}/promotions", server.base, shop.store);
    let starts_at = in_seconds(60);
    let body = |ends_at: String| {
        json!({"product_id": shop.product, "price": {"amount": 5, "currency": "COP"}, "stock": 1,
            "starts_at": starts_at, "ends_at": ends_at})
    };
    for (language, ends_at, expected) in [
        ("en", in_seconds(91 * 24 * 3600), "Must last at most 90 days."),
        ("es", in_seconds(91 * 24 * 3600), "Debe durar como mucho 90 días."),
        ("en", starts_at.clone(), "Must last at least 1 second."),
        ("es", starts_at.clone(), "Debe durar al menos 1 segundo."),
    ] {
        let request = server.http.post(&url).bearer_auth(&shop.merchant.token);
        let answer = request.header("Accept-Language", language).json(&body(ends_at)).send().await.unwrap();
        let problem: Value = serde_json::from_str(&answer.text().await.unwrap()).unwrap();
        assert_eq!(problem["errors"][0]["detail"], expected, "{problem}");
    }
}

/// What a browser asks in vain before it sends a request is answered by a problem as well.
#[tokio::test(flavor = "multi_thread")]
async fn a_refused_preflight_is_a_problem() {
    let directory = tempfile::tempdir().unwrap();
    let mut command = common::command(&["serve"], "sqlite:flash.db", directory.path());
    command.env("FLASH_CORS_ORIGINS", "https://shop.example");
    let server = Server::spawn(command);
    let (good, get) = ("https://shop.example", "GET");
    for (origin, method, header, status, detail) in [
        (
            "https://evil.example",
            get,
            "authorization",
            403,
            "A page of that origin may not send such a request.",
        ),
        (good, "PURGE", "authorization", 403, "A page of another origin may not use that method."),
        (good, get, "x-other", 403, "A page of another origin may not send those headers."),
        (good, get, "authorization", 200, ""),
    ] {
        let url = format!("{}/api/v1/me", server.base);
        let request = server.http.request(reqwest::Method::OPTIONS, url).header("Origin", origin);
        let request = request.header("Access-Control-Request-Method", method);
        let answer = request.header("Access-Control-Request-Headers", header).send().await.unwrap();
        assert_eq!(answer.status().as_u16(), status, "{origin} {method} {header}");
        let headers = answer.headers().clone();
        assert!(headers.contains_key("x-request-id"));
        let allowed = headers.get("access-control-allow-origin").map(|origin| origin.to_str().unwrap());
        assert_eq!(allowed, (status == 200).then_some(good));
        if status != 200 {
            assert_eq!(headers["content-type"], "application/problem+json");
            let problem: Value = serde_json::from_str(&answer.text().await.unwrap()).unwrap();
            assert_eq!((&problem["code"], &problem["detail"]), (&json!("preflight_refused"), &json!(detail)));
        }
    }
}
