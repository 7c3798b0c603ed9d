//! `kill -9` of the real binary, again and again under load: no acknowledgement is lost, nothing is oversold, nothing
//! returns twice. On SQLite and on PostgreSQL.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod common;

use common::{Server, Shop, ask, command};
use serde_json::{Value, json};
use std::collections::{HashMap, HashSet};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::time::sleep;

/// Kills per database unless `FLASH_TEST_KILLS` says otherwise; the two databases together make more than fifty.
const KILLS: u32 = 26;

fn kills() -> u32 {
    std::env::var("FLASH_TEST_KILLS").map_or(KILLS, |kills| kills.parse().unwrap())
}
/// Units of each sale. One that has sold out is followed by the next, so that there is always something to lose.
const STOCK: u64 = 400;

#[derive(Default)]
struct History {
    /// Claims that were acknowledged: id → units.
    acked: HashMap<String, u64>,
    confirmed: HashSet<String>,
    cancelled: HashSet<String>,
    /// Acts whose answer never came.
    doubtful: HashSet<String>,
}

struct Load {
    base: Mutex<String>,
    stop: AtomicBool,
    history: Mutex<History>,
    /// The sales, the newest last.
    sales: Mutex<Vec<String>>,
}

impl Load {
    async fn shopper(self: Arc<Self>, token: String, number: u64) {
        let http = reqwest::Client::builder().timeout(Duration::from_secs(6)).build().unwrap();
        let mut step = 0_u64;
        while !self.stop.load(Ordering::Relaxed) {
            step += 1;
            let key = format!("key-{step}");
            let sale = self.sales.lock().unwrap().last().unwrap().clone();
            let path = format!("/api/v1/promotions/{sale}/claims");
            let Some(claim) = self.until_known(&http, &token, &path, &key, 201).await else { continue };
            let id = claim["id"].as_str().unwrap().to_owned();
            let units = claim["quantity"].as_u64().unwrap();
            if let Some(before) = self.history.lock().unwrap().acked.insert(id.clone(), units) {
                panic!("I14: claim {id} was acknowledged for two keys ({before} units)");
            }
            let act = match (number + step) % 4 {
                0 => continue,
                1 => "cancel",
                _ => "confirm",
            };
            let path = format!("/api/v1/claims/{id}/{act}");
            match self.until_known(&http, &token, &path, &key, 200).await {
                Some(_) if act == "confirm" => drop(self.history.lock().unwrap().confirmed.insert(id)),
                Some(_) => drop(self.history.lock().unwrap().cancelled.insert(id)),
                None => drop(self.history.lock().unwrap().doubtful.insert(id)),
            }
        }
    }

    /// Repeats a request until the server says what became of it; `None` if it was refused.
    async fn until_known(
        &self,
        http: &reqwest::Client,
        token: &str,
        path: &str,
        key: &str,
        done: u16,
    ) -> Option<Value> {
        for _ in 0..2_000 {
            let base = self.base.lock().unwrap().clone();
            match ask(http, &base, "POST", path, Some(token), Some(&json!({})), Some(key)).await {
                Ok((status, body)) if status.as_u16() == done => return Some(body),
                Ok((status, _)) if status.as_u16() == 503 || status.as_u16() == 429 => {}
                Ok((status, body)) => {
                    assert!(status.as_u16() < 500 && status.as_u16() != 404, "{path}: {status} {body}");
                    sleep(Duration::from_millis(5)).await;
                    return None;
                }
                Err(_) => {}
            }
            sleep(Duration::from_millis(20)).await;
        }
        panic!("I17: {path} never ended");
    }
}

async fn launch(server: &Server, shop: &Shop) -> String {
    server.launch(shop, json!({"stock": STOCK, "hold_seconds": 2, "per_shopper_limit": null})).await
}

/// Waits until the server that runs now has acknowledged a claim, of the next sale where the last one sold out.
async fn until_more_is_acknowledged(server: &Server, shop: &Shop, load: &Load) {
    let acked = || load.history.lock().unwrap().acked.len();
    let before = acked();
    for attempt in 1..=3_000 {
        if acked() > before {
            return;
        }
        sleep(Duration::from_millis(5)).await;
        if attempt % 20 == 0 {
            let path = format!("/api/v1/promotions/{}", load.sales.lock().unwrap().last().unwrap());
            let sale = server.must(200, "GET", &path, None, None).await;
            if sale["sold"] == STOCK {
                let next = launch(server, shop).await;
                load.sales.lock().unwrap().push(next);
            }
        }
    }
    panic!("I3: nothing was acknowledged any more");
}

async fn rounds(database: &str, directory: &std::path::Path) {
    let mut server = Server::start(database, directory);
    let shop = server.shop().await;
    let load = Arc::new(Load {
        base: Mutex::new(server.base.clone()),
        stop: AtomicBool::new(false),
        history: Mutex::default(),
        sales: Mutex::new(vec![launch(&server, &shop).await]),
    });
    let tokens = server.shoppers(16).await;
    let shoppers: Vec<_> = tokens
        .iter()
        .enumerate()
        .map(|(number, token)| tokio::spawn(load.clone().shopper(token.clone(), number as u64)))
        .collect();
    let kills = kills();
    for round in 0..kills {
        until_more_is_acknowledged(&server, &shop, &load).await;
        // Any moment will do; this only spreads them.
        sleep(Duration::from_millis(20 + (u64::from(round) * 7_919) % 230)).await;
        server.kill();
        server = Server::start(database, directory);
        *load.base.lock().unwrap() = server.base.clone();
    }
    until_more_is_acknowledged(&server, &shop, &load).await;
    load.stop.store(true, Ordering::Relaxed);
    for shopper in shoppers {
        shopper.await.unwrap();
    }
    check(&server, &load, &tokens).await;
    let audit = command(&["audit"], database, directory).output().unwrap();
    assert!(audit.status.success(), "{}", String::from_utf8_lossy(&audit.stderr));
}

/// Everybody's claims, by id.
async fn claims_of_all(server: &Server, tokens: &[String]) -> HashMap<String, Value> {
    let mut found = HashMap::new();
    for token in tokens {
        let mut cursor = String::new();
        loop {
            let page = server
                .must(200, "GET", &format!("/api/v1/claims?limit=100{cursor}"), Some(token), None)
                .await;
            for claim in page["items"].as_array().unwrap() {
                let id = claim["id"].as_str().unwrap().to_owned();
                assert!(found.insert(id, claim.clone()).is_none(), "listed twice: {claim}");
            }
            match page["next_cursor"].as_str() {
                Some(next) => cursor = format!("&cursor={next}"),
                None => break,
            }
        }
    }
    found
}

/// At rest one sale's counters follow from its claims, no hold is open, and what remains can be claimed.
async fn check_sale(server: &Server, id: &str, found: &HashMap<String, Value>, token: &str) -> u64 {
    let sale = server.must(200, "GET", &format!("/api/v1/promotions/{id}"), None, None).await;
    let number = |name: &str| sale[name].as_u64().unwrap();
    assert_eq!(number("held"), 0, "I7: a hold did not return");
    assert_eq!(number("remaining") + number("sold"), STOCK, "I1");
    let confirmed =
        found.values().filter(|claim| claim["promotion_id"] == id && claim["status"] == "confirmed");
    let sold: u64 = confirmed.map(|claim| claim["quantity"].as_u64().unwrap()).sum();
    assert_eq!(sold, number("sold"), "I2");
    if number("remaining") > 0 {
        let path = format!("/api/v1/promotions/{id}/claims");
        let (status, body) =
            server.ask("POST", &path, Some(token), Some(&json!({})), Some("at rest")).await.unwrap();
        assert_eq!(status.as_u16(), 201, "I3: {body}");
    }
    sold
}

async fn check(server: &Server, load: &Load, tokens: &[String]) {
    let sales = load.sales.lock().unwrap().clone();
    // The last sale's holds expire, two seconds after they were made.
    let path = format!("/api/v1/promotions/{}", sales.last().unwrap());
    for _ in 0..200 {
        if server.must(200, "GET", &path, None, None).await["held"] == 0 {
            break;
        }
        sleep(Duration::from_millis(50)).await;
    }
    let found = claims_of_all(server, tokens).await;
    let (mut sold, mut sold_out) = (0, 0);
    for sale in &sales {
        let units = check_sale(server, sale, &found, &tokens[0]).await;
        sold += units;
        sold_out += u32::from(units == STOCK);
    }
    let history = std::mem::take(&mut *load.history.lock().unwrap());
    for id in history.acked.keys() {
        let claim = found.get(id).unwrap_or_else(|| panic!("I18: acknowledged claim {id} was lost"));
        let status = claim["status"].as_str().unwrap();
        assert_ne!(status, "held", "I6");
        if history.confirmed.contains(id) {
            assert_eq!(status, "confirmed", "I18: an acknowledged confirm was lost");
        }
        if history.cancelled.contains(id) {
            assert_eq!(status, "cancelled", "I18: an acknowledged cancel was lost");
        }
    }
    println!(
        "{} kills, {} sales ({sold_out} sold out, {sold} units): {} claims acknowledged, {} confirmed, {} cancelled, \
         {} in doubt, {} in the store",
        kills(),
        sales.len(),
        history.acked.len(),
        history.confirmed.len(),
        history.cancelled.len(),
        history.doubtful.len(),
        found.len()
    );
    assert!(history.confirmed.len() > 100, "the load was no load: {}", history.confirmed.len());
}

#[tokio::test(flavor = "multi_thread")]
async fn i18_no_acknowledgement_is_lost_by_kill_9_on_sqlite() {
    let directory = tempfile::tempdir().unwrap();
    rounds("sqlite:flash.db", directory.path()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn i18_no_acknowledgement_is_lost_by_kill_9_on_postgres() {
    let directory = tempfile::tempdir().unwrap();
    let admin =
        std::env::var("FLASH_TEST_POSTGRES_URL").expect("scripts/with-services sets FLASH_TEST_POSTGRES_URL");
    let name = format!("kill_{}", uuid::Uuid::now_v7().simple());
    let pool = sqlx::PgPool::connect(&admin).await.unwrap();
    sqlx::query(sqlx::AssertSqlSafe(format!("CREATE DATABASE {name}"))).execute(&pool).await.unwrap();
    let (head, query) =
        admin.split_once('?').map_or((admin.as_str(), None), |(head, query)| (head, Some(query)));
    let (server, _) = head.rsplit_once('/').unwrap();
    let url = format!("{server}/{name}{}", query.map(|query| format!("?{query}")).unwrap_or_default());
    let old = command(&["serve"], &url, directory.path()).output().unwrap();
    assert!(!old.status.success() && String::from_utf8_lossy(&old.stderr).contains("flash-promos migrate"));
    for _ in 0..2 {
        assert!(command(&["migrate"], &url, directory.path()).output().unwrap().status.success());
    }
    rounds(&url, directory.path()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn i22_sigterm_ends_in_time_and_one_server_serves_a_file() {
    let directory = tempfile::tempdir().unwrap();
    let mut server = Server::start("sqlite:flash.db", directory.path());
    let second = command(&["serve"], "sqlite:flash.db", directory.path()).output().unwrap();
    assert!(!second.status.success());
    assert!(String::from_utf8_lossy(&second.stderr).contains("another process serves this database"));
    let shop = server.shop().await;
    let promotion = server.launch(&shop, json!({"stock": 50})).await;
    let tokens = server.shoppers(50).await;
    let path = format!("/api/v1/promotions/{promotion}/claims");
    let claims: Vec<_> = tokens
        .iter()
        .map(|token| {
            let (http, base, path, token) =
                (server.http.clone(), server.base.clone(), path.clone(), token.clone());
            tokio::spawn(async move {
                ask(&http, &base, "POST", &path, Some(&token), Some(&json!({})), Some("k")).await
            })
        })
        .collect();
    let begun = std::time::Instant::now();
    let pid = server.child.id().to_string();
    assert!(std::process::Command::new("kill").args(["-TERM", &pid]).status().unwrap().success());
    let mut acked = 0;
    for claim in claims {
        match claim.await.unwrap() {
            Ok((status, _)) if status.as_u16() == 201 => acked += 1,
            Ok((status, body)) => assert_eq!(status.as_u16(), 503, "{body}"),
            Err(_) => {}
        }
    }
    let status = server.child.wait().unwrap();
    assert!(status.success(), "{status}");
    assert!(begun.elapsed() < Duration::from_secs(10), "I22: it did not end in time");
    let server = Server::start("sqlite:flash.db", directory.path());
    let sale = server.must(200, "GET", &format!("/api/v1/promotions/{promotion}"), None, None).await;
    let taken = sale["held"].as_u64().unwrap() + sale["sold"].as_u64().unwrap();
    assert!(taken >= acked, "I22: {acked} were acknowledged, {taken} are there");
}
