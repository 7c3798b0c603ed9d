//! The real binary as a child process, and a small client of its public interface.

#![allow(dead_code, clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use reqwest::{Method, StatusCode};
use serde_json::{Value, json};
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};

pub const SECRET: &str = "tests-only-0123456789-abcdefghij-KLMNOP";

/// The binary under test.
pub fn binary() -> String {
    std::env::var("FLASH_TEST_BIN").unwrap_or_else(|_| env!("CARGO_BIN_EXE_flash-promos").to_owned())
}

/// A command of the binary with a clean set of settings.
pub fn command(arguments: &[&str], database: &str, directory: &Path) -> Command {
    let mut command = Command::new(binary());
    command
        .args(arguments)
        .current_dir(directory)
        .env("DATABASE_URL", database)
        .env("FLASH_JWT_SECRET", SECRET)
        .env("FLASH_BIND", "127.0.0.1:0")
        .env("FLASH_BENCH", "1")
        .env("FLASH_LOG", "warn")
        // The tests' own settings, which the server does not know.
        .env_remove("FLASH_FUZZ_INPUTS")
        .env_remove("FLASH_FUZZ_SEED");
    command
}

/// A running server; killed when dropped.
pub struct Server {
    pub child: Child,
    pub base: String,
    pub http: reqwest::Client,
}

impl Drop for Server {
    fn drop(&mut self) {
        let _gone = self.child.kill();
        let _reaped = self.child.wait();
    }
}

impl Server {
    /// Starts the binary and waits for its address.
    pub fn start(database: &str, directory: &Path) -> Self {
        Self::spawn(command(&["serve"], database, directory))
    }

    /// The same, with its log in a file.
    pub fn start_logging(database: &str, directory: &Path, log: &Path) -> Self {
        let mut command = command(&["serve"], database, directory);
        command.stderr(std::fs::File::create(log).unwrap());
        Self::spawn(command)
    }

    /// Starts a `serve` with settings of its own and waits for its address.
    pub fn spawn(mut command: Command) -> Self {
        let mut child = command.stdout(Stdio::piped()).spawn().unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
        let base =
            line.trim().strip_prefix("listening on ").unwrap_or_else(|| panic!("said {line:?}")).to_owned();
        let http = reqwest::Client::builder().timeout(std::time::Duration::from_secs(10)).build().unwrap();
        Self { child, base, http }
    }

    /// SIGKILL.
    pub fn kill(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    /// One request; the error is the connection's.
    pub async fn ask(
        &self,
        method: &str,
        path: &str,
        token: Option<&str>,
        body: Option<&Value>,
        key: Option<&str>,
    ) -> Result<(StatusCode, Value), reqwest::Error> {
        ask(&self.http, &self.base, method, path, token, body, key).await
    }

    /// One request that has to be answered with `expected`.
    pub async fn must(
        &self,
        expected: u16,
        method: &str,
        path: &str,
        token: Option<&str>,
        body: Option<&Value>,
    ) -> Value {
        let (status, answer) = self.ask(method, path, token, body, None).await.unwrap();
        assert_eq!(status.as_u16(), expected, "{method} {path}: {answer}");
        answer
    }

    /// Registers somebody.
    pub async fn register(&self, name: &str, role: &str) -> Person {
        let email = format!("{name}-{}@test.example", uuid::Uuid::now_v7().simple());
        let body = json!({"email": email, "password": "a good password", "display_name": name, "role": role});
        let answer = self.must(201, "POST", "/api/v1/auth/register", None, Some(&body)).await;
        let text = |value: &Value| value.as_str().unwrap().to_owned();
        Person {
            token: text(&answer["access_token"]),
            refresh_token: text(&answer["refresh_token"]),
            id: text(&answer["user"]["id"]),
            email,
        }
    }

    /// Tokens of fresh shoppers.
    pub async fn shoppers(&self, count: u32) -> Vec<String> {
        let answer =
            self.must(201, "POST", "/api/v1/bench/shoppers", None, Some(&json!({"count": count}))).await;
        answer["tokens"].as_array().unwrap().iter().map(|token| token.as_str().unwrap().to_owned()).collect()
    }

    /// A merchant with a store and a product.
    pub async fn shop(&self) -> Shop {
        let merchant = self.register("merchant", "merchant").await;
        let token = Some(merchant.token.as_str());
        let store = json!({"name": "Store", "address": "Street 1", "timezone": "America/Bogota",
            "location": {"lat": 6.2442, "lng": -75.5812}});
        let store = self.must(201, "POST", "/api/v1/stores", token, Some(&store)).await;
        let store = store["id"].as_str().unwrap().to_owned();
        let product =
            json!({"name": "Thing", "description": "A thing", "price": {"amount": 1000, "currency": "COP"}});
        let path = format!("/api/v1/stores/{store}/products");
        let product = self.must(201, "POST", &path, token, Some(&product)).await;
        Shop { merchant, store, product: product["id"].as_str().unwrap().to_owned() }
    }

    /// Launches a sale of an hour; `with` overrides fields.
    pub async fn launch(&self, shop: &Shop, with: Value) -> String {
        let mut body = json!({"product_id": shop.product, "price": {"amount": 500, "currency": "COP"}, "stock": 100,
            "ends_at": in_seconds(3600), "claim_within_m": null});
        body.as_object_mut().unwrap().extend(with.as_object().unwrap().clone());
        let path = format!("/api/v1/stores/{}/promotions", shop.store);
        let answer = self.must(201, "POST", &path, Some(&shop.merchant.token), Some(&body)).await;
        answer["id"].as_str().unwrap().to_owned()
    }
}

/// One request to a server at `base`.
pub async fn ask(
    http: &reqwest::Client,
    base: &str,
    method: &str,
    path: &str,
    token: Option<&str>,
    body: Option<&Value>,
    key: Option<&str>,
) -> Result<(StatusCode, Value), reqwest::Error> {
    let method = Method::from_bytes(method.as_bytes()).unwrap();
    let mut request = http.request(method, format!("{base}{path}"));
    if let Some(token) = token {
        request = request.bearer_auth(token);
    }
    if let Some(key) = key {
        request = request.header("Idempotency-Key", key);
    }
    if let Some(body) = body {
        request = request.json(body);
    }
    let answer = request.send().await?;
    let status = answer.status();
    let text = answer.text().await?;
    Ok((status, serde_json::from_str(&text).unwrap_or(Value::String(text))))
}

/// Somebody who registered.
pub struct Person {
    pub token: String,
    pub refresh_token: String,
    pub id: String,
    pub email: String,
}

/// A merchant's store with one product.
pub struct Shop {
    pub merchant: Person,
    pub store: String,
    pub product: String,
}

/// A time from now in its wire form.
pub fn in_seconds(seconds: i64) -> String {
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap().as_millis() as i64;
    flash_promos::wire::time::format(flash_domain::time::UnixMillis(now + seconds * 1000))
}
