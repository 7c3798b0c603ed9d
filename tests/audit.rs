//! `flash-promos audit` against what a real server wrote, and against what only a defect could have written. On SQLite and
//! on PostgreSQL.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod common;

use common::{Server, command};
use serde_json::{Value, json};
use sqlx::{AssertSqlSafe, Connection};
use std::path::Path;

/// Runs the audit; gives whether it agrees, and what it says.
fn audit(database: &str, directory: &Path) -> (bool, String) {
    let output = command(&["audit"], database, directory).output().unwrap();
    let said = [output.stdout, output.stderr].concat();
    (output.status.success(), String::from_utf8_lossy(&said).into_owned())
}

async fn claim(server: &Server, sale: &str, token: &str, quantity: u32, key: &str) -> (u16, Value) {
    let path = format!("/api/v1/promotions/{sale}/claims");
    let body = json!({"quantity": quantity});
    let (status, answer) = server.ask("POST", &path, Some(token), Some(&body), Some(key)).await.unwrap();
    (status.as_u16(), answer)
}

/// Changes rows behind the server's back.
async fn meddle(database: &str, directory: &Path, statements: &[String]) {
    if database.starts_with("sqlite") {
        let options = sqlx::sqlite::SqliteConnectOptions::new().filename(directory.join("flash.db"));
        let mut connection = sqlx::SqliteConnection::connect_with(&options).await.unwrap();
        for sql in statements {
            let done = sqlx::query(AssertSqlSafe(sql.clone())).execute(&mut connection).await.unwrap();
            assert_eq!(done.rows_affected(), 1, "{sql}");
        }
        connection.close().await.unwrap();
    } else {
        let mut connection = sqlx::PgConnection::connect(database).await.unwrap();
        for sql in statements {
            let done = sqlx::query(AssertSqlSafe(sql.clone())).execute(&mut connection).await.unwrap();
            assert_eq!(done.rows_affected(), 1, "{sql}");
        }
        connection.close().await.unwrap();
    }
}

/// I10: who has more than the limit is reported, unless the merchant lowered it after they had them.
async fn limits_are_audited(database: &str, directory: &Path) {
    let mut server = Server::start(database, directory);
    let shop = server.shop().await;
    let sale = server.launch(&shop, json!({"per_shopper_limit": 3, "hold_seconds": 0})).await;
    let other = server.launch(&shop, json!({"per_shopper_limit": null, "hold_seconds": 0})).await;
    let tokens = server.shoppers(4).await;
    let merchant = Some(shop.merchant.token.as_str());
    let edit = async |body: Value| {
        server.must(200, "PATCH", &format!("/api/v1/promotions/{sale}"), merchant, Some(&body)).await
    };
    assert_eq!(claim(&server, &sale, &tokens[0], 3, "k").await.0, 201);
    assert_eq!(claim(&server, &sale, &tokens[1], 1, "k").await.0, 201);
    assert_eq!(claim(&server, &other, &tokens[0], 9, "k").await.0, 201);
    assert!(audit(database, directory).0, "{}", audit(database, directory).1);
    edit(json!({"per_shopper_limit": 1})).await;
    let (status, answer) = claim(&server, &sale, &tokens[1], 1, "more").await;
    assert_eq!((status, &answer["code"]), (409, &json!("limit_reached")));
    let (status, last) = claim(&server, &sale, &tokens[2], 1, "k").await;
    assert_eq!(status, 201);
    // Editing something else is no change of the limit.
    edit(json!({"stock": 90})).await;
    let (agrees, said) = audit(database, directory);
    assert!(agrees, "a limit that was lowered later explains three units: {said}");
    server.kill();

    let literal = |id: &str| {
        let id: uuid::Uuid = id.parse().unwrap();
        if database.starts_with("sqlite") { format!("X'{}'", id.simple()) } else { format!("'{id}'") }
    };
    let claim = literal(last["id"].as_str().unwrap());
    let one_more = [
        format!("UPDATE claims SET quantity = 2 WHERE id = {claim}"),
        format!("UPDATE promotions SET sold = sold + 1 WHERE id = {}", literal(&sale)),
    ];
    meddle(database, directory, &one_more).await;
    let (agrees, said) = audit(database, directory);
    assert!(!agrees && said.contains("has 2 units, the limit is 1") && said.contains(&sale), "{said}");
}

#[tokio::test(flavor = "multi_thread")]
async fn i10_limits_are_audited_on_sqlite() {
    let directory = tempfile::tempdir().unwrap();
    limits_are_audited("sqlite:flash.db", directory.path()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn i10_limits_are_audited_on_postgres() {
    let directory = tempfile::tempdir().unwrap();
    let admin =
        std::env::var("FLASH_TEST_POSTGRES_URL").expect("scripts/with-services sets FLASH_TEST_POSTGRES_URL");
    let name = format!("audit_{}", uuid::Uuid::now_v7().simple());
    let mut connection = sqlx::PgConnection::connect(&admin).await.unwrap();
    sqlx::query(AssertSqlSafe(format!("CREATE DATABASE {name}"))).execute(&mut connection).await.unwrap();
    let (head, query) = admin.split_once('?').unwrap_or((&admin, "sslmode=disable"));
    let (server, _) = head.rsplit_once('/').unwrap();
    let url = format!("{server}/{name}?{query}");
    assert!(command(&["migrate"], &url, directory.path()).output().unwrap().status.success());
    limits_are_audited(&url, directory.path()).await;
}
