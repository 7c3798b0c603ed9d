//! Notifications of the real binary: who is told of a sale and who is not, and that `kill -9` in the middle of an audience
//! tells nobody twice and leaves nobody out.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod common;
#[path = "common/crowd.rs"]
mod crowd;

use common::{Server, command, in_seconds};
use crowd::{metric, people};
use flash_domain::time::UnixMillis;
use futures_util::{SinkExt, StreamExt};
use serde_json::{Value, json};
use std::collections::HashSet;
use std::time::{Duration, Instant};
use tokio_tungstenite::tungstenite::Message;

/// How long anything is waited for; only a hang takes this long.
const PATIENCE: Duration = Duration::from_secs(60);

fn server() -> (tempfile::TempDir, Server) {
    let directory = tempfile::tempdir().unwrap();
    let server =
        Server::start(&format!("sqlite:{}", directory.path().join("t.db").display()), directory.path());
    (directory, server)
}

/// Waits until every notice was told to its end; `notices` of them since the start.
async fn told(server: &Server, shop: &common::Shop, token: &str, total: u64) -> Value {
    let path = format!("/api/v1/stores/{}/notification-stats", shop.store);
    let until = Instant::now() + PATIENCE;
    loop {
        let stats = server.must(200, "GET", &path, Some(token), None).await;
        if stats["total"] == total {
            return stats;
        }
        assert!(Instant::now() < until, "expected {total}: {stats}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

async fn inbox(server: &Server, token: &str) -> Vec<Value> {
    let answer = server.must(200, "GET", "/api/v1/notifications", Some(token), None).await;
    answer["items"].as_array().unwrap().clone()
}

async fn edit(server: &Server, token: &str, profile: Value) {
    server.must(200, "PATCH", "/api/v1/me", Some(token), Some(&profile)).await;
}

/// Followers anywhere and shoppers in reach are told once; who is far, or does not want it, is not. Days are capped.
#[tokio::test(flavor = "multi_thread")]
async fn whom_a_sale_concerns_is_told() {
    let (_directory, server) = server();
    let shop = server.shop().await;
    let (follower, near, far, muted, quiet) = (
        server.register("follower", "shopper").await,
        server.register("near", "shopper").await,
        server.register("far", "shopper").await,
        server.register("muted", "shopper").await,
        server.register("quiet", "shopper").await,
    );
    let follow = format!("/api/v1/stores/{}/follow", shop.store);
    server.must(204, "PUT", &follow, Some(&follower.token), None).await;
    // 4.9 km and 5.1 km north of the store; the reach is 5 km.
    let at = |lat: f64| json!({"last_location": {"lat": lat, "lng": -75.5812}});
    edit(&server, &near.token, at(6.2442 + 4_900.0 / 111_195.0)).await;
    edit(&server, &far.token, at(6.2442 + 5_100.0 / 111_195.0)).await;
    edit(&server, &muted.token, at(6.2442)).await;
    edit(&server, &muted.token, json!({"notification_preferences": {"sale_started": false}})).await;
    edit(&server, &quiet.token, at(6.2442)).await;
    let hours = json!({"quiet_from": "00:00", "quiet_to": "23:59", "timezone": "UTC", "mute": false});
    edit(&server, &quiet.token, json!({"notification_preferences": hours})).await;

    let url = format!("{}/api/v1/live", server.base.replacen("http", "ws", 1));
    let (mut socket, _) = tokio_tungstenite::connect_async(url).await.unwrap();
    let connect = json!({"id": 1, "connect": {"token": near.token}}).to_string();
    socket.send(Message::text(connect)).await.unwrap();
    let mut next = async || loop {
        let message = tokio::time::timeout(PATIENCE, socket.next()).await.unwrap().unwrap().unwrap();
        let Message::Text(text) = message else { panic!("said {message:?}") };
        let value: Value = serde_json::from_str(&text).unwrap();
        if value != json!({}) {
            return value;
        }
    };
    let welcome = next().await;
    assert_eq!(welcome["connect"]["subs"]["me"]["data"]["unread"], 0, "{welcome}");

    let sale = server.launch(&shop, json!({})).await;
    let pushed = next().await;
    let data = &pushed["push"]["pub"]["data"];
    assert_eq!(pushed["push"]["channel"], "me", "{pushed}");
    assert_eq!(
        (&data["type"], &data["notification"]["promotion_id"]),
        (&json!("notification"), &json!(sale))
    );
    let stats = told(&server, &shop, &shop.merchant.token, 4).await;
    assert_eq!(
        stats["by_status"],
        json!({"stored": 2, "muted": 1, "quiet": 1}),
        "unless it is 23:59: {stats}"
    );
    assert_eq!((&stats["unique_users"], &stats["by_type"]), (&json!(4), &json!({"sale_started": 4})));

    for (person, expected) in [(&follower, 1), (&near, 1), (&quiet, 1), (&far, 0), (&muted, 0)] {
        let items = inbox(&server, &person.token).await;
        assert_eq!(items.len(), expected, "{}: {items:?}", person.email);
    }
    let item = &inbox(&server, &near.token).await[0];
    assert_eq!((&item["id"], &item["type"]), (&data["notification"]["id"], &json!("sale_started")));
    assert_eq!((&item["store"]["id"], item.get("read_at")), (&json!(shop.store), None));
    let read = json!({"ids": [item["id"]]});
    let answer = server.must(200, "POST", "/api/v1/notifications/read", Some(&near.token), Some(&read)).await;
    assert_eq!(answer, json!({"unread": 0}));
    assert!(inbox(&server, &near.token).await[0]["read_at"].is_string());
    server.must(422, "POST", "/api/v1/notifications/read", Some(&near.token), Some(&json!({}))).await;

    // A second of the same store is within the number of the day, a third is not.
    server.launch(&shop, json!({})).await;
    told(&server, &shop, &shop.merchant.token, 8).await;
    server.launch(&shop, json!({})).await;
    let stats = told(&server, &shop, &shop.merchant.token, 12).await;
    assert_eq!(stats["by_status"]["capped"], 2, "{stats}");
    assert_eq!(inbox(&server, &follower.token).await.len(), 2);
    // A draft, and what starts tomorrow, is nobody's news.
    server.launch(&shop, json!({"draft": true})).await;
    server.launch(&shop, json!({"starts_at": in_seconds(86_400), "ends_at": in_seconds(90_000)})).await;
    assert_eq!(metric(&server, "flash_notices_total").await, 3);
}

/// A device is registered once, keeps its id, and is its owner's alone.
#[tokio::test(flavor = "multi_thread")]
async fn a_device_belongs_to_who_registered_it_last() {
    let (_directory, server) = server();
    let (one, other) = (server.register("one", "shopper").await, server.register("other", "shopper").await);
    let device = json!({"platform": "fcm", "token": "a-token-of-a-phone"});
    let first = server.must(201, "POST", "/api/v1/devices", Some(&one.token), Some(&device)).await;
    let again = server.must(201, "POST", "/api/v1/devices", Some(&one.token), Some(&device)).await;
    assert_eq!(first["id"], again["id"]);
    assert!(first.get("token").is_none());
    let path = format!("/api/v1/devices/{}", first["id"].as_str().unwrap());
    server.must(404, "DELETE", &path, Some(&other.token), None).await;
    let theirs = server.must(201, "POST", "/api/v1/devices", Some(&other.token), Some(&device)).await;
    assert_ne!(theirs["id"], first["id"]);
    server.must(404, "DELETE", &path, Some(&one.token), None).await;
    let path = format!("/api/v1/devices/{}", theirs["id"].as_str().unwrap());
    server.must(204, "DELETE", &path, Some(&other.token), None).await;
    let bad = json!({"platform": "pager", "token": "x"});
    let problem = server.must(422, "POST", "/api/v1/devices", Some(&one.token), Some(&bad)).await;
    assert_eq!(problem["errors"].as_array().unwrap().len(), 2);
}

/// `kill -9` in the middle of an audience of 10,000, again and again: everybody has it once.
#[tokio::test(flavor = "multi_thread")]
async fn i23_a_kill_in_the_middle_tells_nobody_twice_and_leaves_nobody_out() {
    const PEOPLE: usize = 10_000;
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("t.db");
    let database = format!("sqlite:{}", file.display());
    assert!(command(&["migrate"], &database, directory.path()).status().unwrap().success());
    let (stores, ids) = people(&file, PEOPLE).await;
    stores.close().await;
    let mut server = Server::start(&database, directory.path());
    let shop = server.shop().await;
    server.launch(&shop, json!({})).await;
    let mut kills = 0;
    let until = Instant::now() + PATIENCE;
    for goal in [500, 500, 500] {
        let mut reached = 0;
        while reached < goal && Instant::now() < until {
            reached = metric(&server, "flash_notified_people_total").await;
        }
        server.kill();
        let (stores, _) = people(&file, 0).await;
        let stats = stores.inbox.delivery_stats(None, UnixMillis(0)).await.unwrap();
        stores.close().await;
        kills += u32::from(stats.total < PEOPLE as u64);
        server = Server::start(&database, directory.path());
    }
    assert!(kills > 0, "the audience was finished before the first kill");
    let stats = told(&server, &shop, &shop.merchant.token, PEOPLE as u64).await;
    assert_eq!(stats["unique_users"], PEOPLE, "{stats}");
    let (stores, _) = people(&file, 0).await;
    let mut reached = HashSet::new();
    for id in ids {
        let items = stores.inbox.items(id, false, None, 10).await.unwrap().items;
        assert_eq!(items.len(), 1);
        reached.insert(id);
    }
    assert_eq!(reached.len(), PEOPLE);
}

/// How fast an audience of 100,000 is told on SQLite; a measurement, not a test: run with --run-ignored and --no-capture.
#[tokio::test(flavor = "multi_thread")]
#[ignore = "a measurement"]
async fn measure_an_audience_of_100_000() {
    const PEOPLE: usize = 100_000;
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("t.db");
    let database = format!("sqlite:{}", file.display());
    assert!(command(&["migrate"], &database, directory.path()).status().unwrap().success());
    let (stores, _) = people(&file, PEOPLE).await;
    stores.close().await;
    let server = Server::start(&database, directory.path());
    let memory = |server: &Server| {
        let status = std::fs::read_to_string(format!("/proc/{}/status", server.child.id())).unwrap();
        status.lines().find(|line| line.starts_with("VmRSS")).unwrap().to_owned()
    };
    let shop = server.shop().await;
    let before = memory(&server);
    server.launch(&shop, json!({})).await;
    let mut began = None;
    loop {
        let reached = metric(&server, "flash_notified_people_total").await;
        if reached > 0 && began.is_none() {
            began = Some((Instant::now(), reached));
        }
        if reached == PEOPLE as u64 {
            break;
        }
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    let (at, first) = began.unwrap();
    let rate = (PEOPLE as u64 - first) as f64 / at.elapsed().as_secs_f64();
    println!("{rate:.0} persons/s into inbox and log; {before} before, {} after", memory(&server));
}
