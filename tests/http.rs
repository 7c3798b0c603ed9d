//! The HTTP edge of the real binary: who may do what, the main flows, bad input, and the defects of the system that this
//! one replaces.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod common;

use common::{Server, ask, command, in_seconds};
use flash_promos::http::routes::{Access, ROUTES};
use serde_json::{Value, json};
use std::io::Write;
use std::process::Stdio;

fn server() -> (tempfile::TempDir, Server) {
    let directory = tempfile::tempdir().unwrap();
    let server = Server::start("sqlite:flash.db", directory.path());
    (directory, server)
}

/// A body that passes the form of a route, so that authorisation is what decides.
fn body_of(schema: &str, product: &str) -> Option<Value> {
    let location = json!({"lat": 6.2, "lng": -75.5});
    Some(match schema {
        "" => return None,
        "NewStore" => json!({"name": "S", "address": "A", "location": location, "timezone": "UTC"}),
        "NewProduct" => json!({"name": "P", "description": "D", "price": {"amount": 10, "currency": "COP"}}),
        "NewPromotion" => {
            json!({"product_id": product, "price": {"amount": 5, "currency": "COP"}, "stock": 1,
            "ends_at": in_seconds(600), "draft": true})
        }
        "StaffRole" => json!({"role": "clerk"}),
        "Redemption" => json!({"code": "NOSUCHCODE00"}),
        "Register" => json!({"email": "not an e-mail"}),
        "Login" => json!({"email": "nobody@test.example", "password": "wrong password"}),
        "RefreshToken" => json!({"refresh_token": "none"}),
        _ => json!({}),
    })
}

/// I9, I30: every route × role. Each role is somebody of its own; the store, its product, sale and series are the owner's.
#[tokio::test(flavor = "multi_thread")]
async fn i30_every_route_lets_in_whom_it_should_and_nobody_else() {
    let (directory, server) = server();
    let shop = server.shop().await;
    let owner = &shop.merchant;
    let sale = server.launch(&shop, json!({})).await;
    let daily = json!({"from": "17:00", "to": "19:00", "timezone": "UTC", "start_date": "2026-01-01"});
    let body = json!({"product_id": shop.product, "price": {"amount": 5, "currency": "COP"}, "stock": 1, "daily": daily});
    let path = format!("/api/v1/stores/{}/promotions", shop.store);
    let series = server.must(201, "POST", &path, Some(&owner.token), Some(&body)).await;
    let series = series["series_id"].as_str().unwrap().to_owned();
    let (shopper, other) =
        (server.register("shopper", "shopper").await, server.register("other", "merchant").await);
    let (clerk, manager) =
        (server.register("clerk", "shopper").await, server.register("manager", "shopper").await);
    for (person, role) in [(&clerk, "clerk"), (&manager, "manager")] {
        let path = format!("/api/v1/stores/{}/staff/{}", shop.store, person.id);
        server.must(200, "PUT", &path, Some(&owner.token), Some(&json!({"role": role}))).await;
    }
    let hired = server.register("hired", "shopper").await;
    let admin = admin(&server, &directory).await;
    let claim = server
        .ask(
            "POST",
            &format!("/api/v1/promotions/{sale}/claims"),
            Some(&owner.token),
            Some(&json!({})),
            Some("k"),
        )
        .await
        .unwrap()
        .1;
    let claim = claim["id"].as_str().unwrap();
    let roles = [
        ("anonymous", None),
        ("shopper", Some(shopper.token.as_str())),
        ("other merchant", Some(other.token.as_str())),
        ("clerk", Some(clerk.token.as_str())),
        ("manager", Some(manager.token.as_str())),
        ("owner", Some(owner.token.as_str())),
        ("admin", Some(admin.as_str())),
    ];
    let emails = [&owner.email, &shopper.email, &other.email, &clerk.email, &manager.email];
    // What destroys comes last, or the rest would have nothing to ask for.
    let mut rows: Vec<_> = ROUTES.iter().collect();
    rows.sort_by_key(|row| {
        (
            row.method == "DELETE" || row.path.ends_with("/cancel"),
            row.path == "/stores/{id}",
            row.path == "/me",
        )
    });
    for row in rows {
        for (role, token) in roles {
            let rank = match role {
                "clerk" => 1,
                "manager" => 2,
                "owner" => 3,
                _ => 0,
            };
            let may = match row.access {
                Access::Anybody => true,
                Access::User => token.is_some(),
                Access::Merchant => matches!(role, "other merchant" | "owner" | "admin"),
                Access::Clerk => rank >= 1,
                Access::Manager => rank >= 2,
                Access::Owner => rank >= 3,
                Access::Admin => role == "admin",
            };
            let own_claim = !row.path.starts_with("/claims/") || role == "owner";
            let id = match row.path.split('/').nth(1).unwrap() {
                "stores" => shop.store.as_str(),
                "products" => shop.product.as_str(),
                "series" => series.as_str(),
                "claims" => claim,
                _ => sale.as_str(),
            };
            let path = format!("/api/v1{}", row.path.replace("{id}", id).replace("{user_id}", &hired.id));
            if may && row.method == "DELETE" && (row.path == "/me" || role != "owner") {
                continue; // Allowed, and it would take the scene away from the roles after it.
            }
            let (status, answer) = server
                .ask(row.method, &path, token, body_of(row.body, &shop.product).as_ref(), Some("key"))
                .await
                .unwrap();
            let status = status.as_u16();
            let what = format!("{} {} as {role}: {status} {answer}", row.method, row.path);
            assert!(status < 500, "{what}");
            match (token.is_some(), may && own_claim) {
                (false, false) => assert_eq!(status, 401, "{what}"),
                (true, false) => assert!(matches!(status, 403 | 404), "{what}"),
                // A wrong password is a 401 of its own.
                (_, true) => assert!(status != 403 && (status != 401 || row.tag == "auth"), "{what}"),
            }
            let text = answer.to_string();
            for email in emails {
                let own = token == Some(owner.token.as_str()) && *email == owner.email
                    || token == Some(shopper.token.as_str()) && *email == shopper.email
                    || token == Some(other.token.as_str()) && *email == other.email
                    || token == Some(clerk.token.as_str()) && *email == clerk.email
                    || token == Some(manager.token.as_str()) && *email == manager.email;
                assert!(own || !text.contains(email.as_str()), "I30: {what} shows {email}");
            }
        }
    }
}

async fn admin(server: &Server, directory: &tempfile::TempDir) -> String {
    let mut create =
        command(&["create-admin", "--email", "root@test.example"], "sqlite:flash.db", directory.path())
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .spawn()
            .unwrap();
    create.stdin.take().unwrap().write_all(b"an admin's password\n").unwrap();
    assert!(create.wait().unwrap().success());
    let login = json!({"email": "root@test.example", "password": "an admin's password"});
    let answer = server.must(200, "POST", "/api/v1/auth/login", None, Some(&login)).await;
    answer["access_token"].as_str().unwrap().to_owned()
}

/// The original gave up to 25 of 32 concurrent shoppers the one unit there was; and 2,000 at once get exactly 100.
#[tokio::test(flavor = "multi_thread")]
async fn i2_a_spike_sells_out_exactly() {
    let (_directory, server) = server();
    let shop = server.shop().await;
    for (shoppers, stock) in [(32, 1), (2_000, 100)] {
        let sale = server.launch(&shop, json!({"stock": stock})).await;
        let path = format!("/api/v1/promotions/{sale}/claims");
        let claims = server.shoppers(shoppers).await.into_iter().map(|token| {
            let (http, base, path) = (server.http.clone(), server.base.clone(), path.clone());
            tokio::spawn(async move {
                ask(&http, &base, "POST", &path, Some(&token), Some(&json!({})), Some("k")).await
            })
        });
        let mut won = 0;
        for claim in futures_util::future::join_all(claims).await {
            let (status, body) = claim.unwrap().unwrap();
            match status.as_u16() {
                201 => won += 1,
                409 => assert_eq!(body["code"], "all_held"),
                _ => panic!("{status} {body}"),
            }
        }
        assert_eq!(won, stock);
        let after = server.must(200, "GET", &format!("/api/v1/promotions/{sale}"), None, None).await;
        assert_eq!((after["remaining"].as_u64(), after["held"].as_u64()), (Some(0), Some(stock)));
    }
}

/// Defects of the original: claims outside the window, self-granted segments, a refresh token usable three times, lists
/// that crash on bad parameters, an owner of two stores.
#[tokio::test(flavor = "multi_thread")]
async fn the_replaced_systems_defects_are_gone() {
    let (_directory, server) = server();
    let shop = server.shop().await;
    let shopper = server.register("shopper", "shopper").await;
    let token = Some(shopper.token.as_str());

    let later = server.launch(&shop, json!({"starts_at": in_seconds(60)})).await;
    let path = format!("/api/v1/promotions/{later}/claims");
    let (status, answer) = server.ask("POST", &path, token, Some(&json!({})), Some("k")).await.unwrap();
    assert_eq!((status.as_u16(), answer["code"].as_str()), (409, Some("not_started")), "I11");

    let draft = server.launch(&shop, json!({"draft": true})).await;
    let path = format!("/api/v1/promotions/{draft}/claims");
    let (status, _) = server.ask("POST", &path, token, Some(&json!({})), Some("k")).await.unwrap();
    assert_eq!(status.as_u16(), 404, "a draft is not there for shoppers");

    let frequent = server.launch(&shop, json!({"segments": ["frequent"]})).await;
    let path = format!("/api/v1/promotions/{frequent}/claims");
    let (status, answer) = server.ask("POST", &path, token, Some(&json!({})), Some("k")).await.unwrap();
    assert_eq!((status.as_u16(), answer["code"].as_str()), (403, Some("not_eligible")), "I13");
    let (status, answer) =
        server.ask("PATCH", "/api/v1/me", token, Some(&json!({"segment": "frequent"})), None).await.unwrap();
    assert_eq!((status.as_u16(), answer["errors"][0]["field"].as_str()), (422, Some("/segment")));

    let refresh = json!({"refresh_token": shopper.refresh_token});
    let first = server.must(200, "POST", "/api/v1/auth/refresh", None, Some(&refresh)).await;
    let again = server.must(200, "POST", "/api/v1/auth/refresh", None, Some(&refresh)).await;
    assert_eq!(first["refresh_token"], again["refresh_token"], "within the grace: the same successor");
    let second = json!({"refresh_token": first["refresh_token"]});
    server.must(200, "POST", "/api/v1/auth/refresh", None, Some(&second)).await;
    let reused = server.must(401, "POST", "/api/v1/auth/refresh", None, Some(&refresh)).await;
    assert_eq!(reused["code"], "refresh_token_reused", "I28");
    server.must(401, "POST", "/api/v1/auth/refresh", None, Some(&second)).await;
    let revoked =
        server.must(401, "GET", "/api/v1/me", Some(first["access_token"].as_str().unwrap()), None).await;
    assert_eq!(revoked["code"], "token_revoked");

    for query in [
        "limit=0",
        "limit=x",
        "limit=101",
        "cursor=%21",
        "lat=1",
        "lat=x&lng=2",
        "lat=91&lng=0",
        "lat=NaN&lng=0",
        "radius_m=1&lat=1&lng=1",
        "status=nope",
        "store_id=7",
        "zzz=1",
        "q=%00",
    ] {
        let answer = server.must(422, "GET", &format!("/api/v1/promotions?{query}"), None, None).await;
        assert!(answer["errors"][0]["field"].is_string(), "{query}: {answer}");
    }

    let second = json!({"name": "Second", "address": "B", "location": {"lat": 4.7, "lng": -74.0}, "timezone": "America/Bogota"});
    server.must(201, "POST", "/api/v1/stores", Some(&shop.merchant.token), Some(&second)).await;
    let page = server.must(200, "GET", "/api/v1/stores?limit=1", Some(&shop.merchant.token), None).await;
    let next = format!("/api/v1/stores?limit=1&cursor={}", page["next_cursor"].as_str().unwrap());
    let rest = server.must(200, "GET", &next, Some(&shop.merchant.token), None).await;
    assert_eq!((rest["items"][0]["name"].as_str(), &rest["next_cursor"]), (Some("Second"), &Value::Null));
}

/// I14, I15 over HTTP, across a restart.
#[tokio::test(flavor = "multi_thread")]
async fn i14_the_same_key_gets_the_same_answer_also_after_kill_9() {
    let (directory, mut server) = server();
    let shop = server.shop().await;
    let sale = server.launch(&shop, json!({"hold_seconds": 1, "per_shopper_limit": 2})).await;
    let token = server.shoppers(1).await.remove(0);
    let path = format!("/api/v1/promotions/{sale}/claims");
    let body = json!({"quantity": 2});
    let first = server.ask("POST", &path, Some(&token), Some(&body), Some("k")).await.unwrap();
    assert_eq!(first.0.as_u16(), 201);
    server.kill();
    let server = Server::start("sqlite:flash.db", directory.path());
    for with_place in [body.clone(), json!({"quantity": 2, "location": {"lat": 1.0, "lng": 1.0}})] {
        let again = server.ask("POST", &path, Some(&token), Some(&with_place), Some("k")).await.unwrap();
        assert_eq!(again, first, "a fresh position is the same request");
    }
    let other =
        server.ask("POST", &path, Some(&token), Some(&json!({"quantity": 1})), Some("k")).await.unwrap();
    assert_eq!((other.0.as_u16(), other.1["code"].as_str()), (422, Some("idempotency_key_reused")));
    let store = json!({"name": "A", "address": "B", "location": {"lat": 4.7, "lng": -74.0}, "timezone": "America/Bogota"});
    let merchant = Some(shop.merchant.token.as_str());
    let made = server.ask("POST", "/api/v1/stores", merchant, Some(&store), Some("s")).await.unwrap();
    assert_eq!(server.ask("POST", "/api/v1/stores", merchant, Some(&store), Some("s")).await.unwrap(), made);
    let changed = json!({"name": "C", "address": "B", "location": {"lat": 4.7, "lng": -74.0}, "timezone": "America/Bogota"});
    let (status, _) =
        server.ask("POST", "/api/v1/stores", merchant, Some(&changed), Some("s")).await.unwrap();
    assert_eq!(status.as_u16(), 422);
}

/// Bad input: the field named, never a 500, and the server goes on.
#[tokio::test(flavor = "multi_thread")]
async fn bad_input_gets_a_clear_answer() {
    let (_directory, server) = server();
    let shop = server.shop().await;
    let sale = server.launch(&shop, json!({"claim_within_m": 2000})).await;
    let token = server.shoppers(1).await.remove(0);
    let path = format!("{}/api/v1/promotions/{sale}/claims", server.base);
    let deep = format!("{}{}", "[".repeat(20_000), "]".repeat(20_000));
    let huge = format!("{{\"quantity\": 1, \"x\": \"{}\"}}", "x".repeat(70_000));
    let cases: Vec<(Vec<u8>, u16, &str)> = vec![
        (b"".to_vec(), 400, "malformed_json"),
        (b"{".to_vec(), 400, "malformed_json"),
        (b"[]".to_vec(), 400, "malformed_json"),
        (b"null".to_vec(), 400, "malformed_json"),
        (b"{\"quantity\": NaN}".to_vec(), 400, "malformed_json"),
        (b"{\"quantity\": 1e999}".to_vec(), 400, "malformed_json"),
        (b"{\"quantity\": \xff}".to_vec(), 400, "malformed_json"),
        (deep.into_bytes(), 400, "malformed_json"),
        (huge.into_bytes(), 413, "body_too_large"),
        (b"{\"quantity\": \"1\"}".to_vec(), 422, "/quantity"),
        (b"{\"quantity\": 0}".to_vec(), 422, "/quantity"),
        (b"{\"quantity\": -1}".to_vec(), 422, "/quantity"),
        (b"{\"quantity\": 1.5}".to_vec(), 422, "/quantity"),
        (b"{\"quantity\": 4294967297}".to_vec(), 422, "/quantity"),
        (b"{\"unknown\": 1}".to_vec(), 422, "/unknown"),
        (b"{\"location\": {\"lat\": 91, \"lng\": 0}}".to_vec(), 422, "/location/lat"),
        (b"{\"location\": {\"lat\": 1}}".to_vec(), 422, "/location/lng"),
        (b"{\"location\": [1, 2]}".to_vec(), 422, "/location"),
        (b"{}".to_vec(), 422, "/location"),
    ];
    for (body, status, what) in cases {
        let shown = String::from_utf8_lossy(&body[..body.len().min(60)]).into_owned();
        let request = server.http.post(&path).bearer_auth(&token).header("Idempotency-Key", "k");
        let answer = request.header("Content-Type", "application/json").body(body).send().await.unwrap();
        assert_eq!(answer.status().as_u16(), status, "{shown}");
        assert_eq!(answer.headers()["content-type"], "application/problem+json");
        let problem: Value = answer.json().await.unwrap();
        let found = if status == 422 { &problem["errors"][0]["field"] } else { &problem["code"] };
        assert_eq!(found, what, "{shown}: {problem}");
    }
    let no_key = server.http.post(&path).bearer_auth(&token).json(&json!({})).send().await.unwrap();
    assert_eq!(no_key.json::<Value>().await.unwrap()["errors"][0]["field"], "Idempotency-Key");
    let text = server
        .http
        .post(&path)
        .bearer_auth(&token)
        .header("Idempotency-Key", "k")
        .header("Content-Type", "text/plain");
    assert_eq!(text.body("x").send().await.unwrap().status().as_u16(), 415);
    let put = server.http.put(format!("{}/api/v1/stores", server.base)).send().await.unwrap();
    assert_eq!((put.status().as_u16(), put.headers()["allow"].to_str().unwrap()), (405, "POST, GET, HEAD"));
    server.must(404, "GET", "/api/v1/nothing", None, None).await;
    server.must(404, "GET", "/api/v1/promotions/not-a-uuid", None, None).await;

    let launch = format!("/api/v1/stores/{}/promotions", shop.store);
    for (field, value, pointer) in [
        ("price", json!({"amount": 0, "currency": "COP"}), "/price/amount"),
        ("price", json!({"amount": 5, "currency": "USD"}), "/price/currency"),
        ("price", json!({"amount": 1.5, "currency": "COP"}), "/price/amount"),
        ("stock", json!(0), "/stock"),
        ("stock", json!(1_000_001), "/stock"),
        ("reach_m", json!(49), "/reach_m"),
        ("reach_m", json!(50_001), "/reach_m"),
        ("hold_seconds", json!(3_601), "/hold_seconds"),
        ("per_shopper_limit", json!(1_001), "/per_shopper_limit"),
        ("ends_at", json!("yesterday"), "/ends_at"),
        ("ends_at", json!("2020-01-01T00:00:00Z"), "/ends_at"),
        ("ends_at", json!(in_seconds(91 * 24 * 3600)), "/ends_at"),
        ("segments", json!(["vip"]), "/segments"),
        ("category", json!("a\u{0}b"), "/category"),
        ("product_id", json!("00000000-0000-7000-8000-000000000000"), "/product_id"),
        ("draft", json!("yes"), "/draft"),
    ] {
        let mut body = json!({"product_id": shop.product, "price": {"amount": 5, "currency": "COP"}, "stock": 1,
            "ends_at": in_seconds(600)});
        body[field] = value;
        let answer = server.must(422, "POST", &launch, Some(&shop.merchant.token), Some(&body)).await;
        let fields: Vec<&str> = answer["errors"]
            .as_array()
            .unwrap()
            .iter()
            .map(|error| error["field"].as_str().unwrap())
            .collect();
        assert!(fields.contains(&pointer), "{pointer}: {answer}");
    }
    let spanish =
        server.http.get(format!("{}/api/v1/me", server.base)).header("Accept-Language", "es-CO").send();
    assert!(spanish.await.unwrap().text().await.unwrap().contains("Inicie sesión"));
    server.must(200, "GET", "/readyz", None, None).await;
}
