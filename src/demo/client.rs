//! A client of the public interface: signs in, signs in again when its token has expired, waits when told to.

use super::DemoError;
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};
use std::time::Duration;
use tokio::time::sleep;

/// Everybody's password in the demo.
const PASSWORD: &str = "demo-password-please-change";
/// How often a request is repeated when the server says "later".
const TRIES: usize = 20;

/// A client.
#[derive(Clone)]
pub struct Client {
    base: String,
    http: reqwest::Client,
}

/// Somebody who is signed in.
#[derive(Clone, Debug)]
pub struct Person {
    email: String,
    /// The access token.
    pub token: String,
}

impl Client {
    /// Talks to the server at `url`.
    pub fn new(url: &str) -> Self {
        let http = reqwest::Client::builder().timeout(Duration::from_secs(10)).build().unwrap_or_default();
        Self { base: url.trim_end_matches('/').to_owned(), http }
    }

    /// The live socket's address.
    pub fn socket(&self) -> String {
        format!("{}/api/v1/live", self.base.replacen("http", "ws", 1))
    }

    /// Waits up to two minutes for the server.
    ///
    /// # Errors
    /// `Unreachable`.
    pub async fn wait_until_ready(&self) -> Result<(), DemoError> {
        let mut last = String::new();
        for _ in 0..240 {
            match self.http.get(format!("{}/readyz", self.base)).send().await {
                Ok(answer) if answer.status().is_success() => return Ok(()),
                Ok(answer) => last = answer.status().to_string(),
                Err(error) => last = error.to_string(),
            }
            sleep(Duration::from_millis(500)).await;
        }
        Err(DemoError::Unreachable(last))
    }

    /// Signs in, registering first where there is no such account.
    ///
    /// # Errors
    /// See [`DemoError`].
    pub async fn sign_in(&self, email: &str, name: &str, role: &str) -> Result<Person, DemoError> {
        let login = json!({"email": email, "password": PASSWORD});
        let (status, body) = self.send(Method::POST, "/api/v1/auth/login", None, Some(&login), None).await?;
        let body = if status == StatusCode::OK {
            body
        } else {
            let register = json!({"email": email, "password": PASSWORD, "display_name": name, "role": role});
            let (status, body) =
                self.send(Method::POST, "/api/v1/auth/register", None, Some(&register), None).await?;
            check(status, body)?
        };
        Ok(Person { email: email.to_owned(), token: body["access_token"].as_str().unwrap_or("").to_owned() })
    }

    /// Signs in again.
    ///
    /// # Errors
    /// See [`DemoError`].
    pub async fn renew(&self, person: &mut Person) -> Result<(), DemoError> {
        let login = json!({"email": person.email, "password": PASSWORD});
        let (status, body) = self.send(Method::POST, "/api/v1/auth/login", None, Some(&login), None).await?;
        person.token = check(status, body)?["access_token"].as_str().unwrap_or("").to_owned();
        Ok(())
    }

    /// `GET`.
    ///
    /// # Errors
    /// See [`DemoError`].
    pub async fn get(&self, person: &mut Person, path: &str) -> Result<Value, DemoError> {
        let (status, body) = self.ask(person, Method::GET, path, None, None).await?;
        check(status, body)
    }

    /// `POST` with a key of its own.
    ///
    /// # Errors
    /// See [`DemoError`].
    pub async fn post(&self, person: &mut Person, path: &str, body: &Value) -> Result<Value, DemoError> {
        let key = uuid::Uuid::new_v4().to_string();
        let (status, body) = self.ask(person, Method::POST, path, Some(body), Some(&key)).await?;
        check(status, body)
    }

    /// Every item of a list.
    ///
    /// # Errors
    /// See [`DemoError`].
    pub async fn all(&self, person: &mut Person, path: &str) -> Result<Vec<Value>, DemoError> {
        let mut items = Vec::new();
        let mut cursor = String::new();
        loop {
            let page = self.get(person, &format!("{path}{cursor}")).await?;
            items.extend(page["items"].as_array().cloned().unwrap_or_default());
            match page["next_cursor"].as_str() {
                Some(next) => cursor = format!("&cursor={next}"),
                None => return Ok(items),
            }
        }
    }

    async fn ask(
        &self,
        person: &mut Person,
        method: Method,
        path: &str,
        body: Option<&Value>,
        key: Option<&str>,
    ) -> Result<(StatusCode, Value), DemoError> {
        for _ in 0..TRIES {
            let (status, answer) = self.send(method.clone(), path, Some(&person.token), body, key).await?;
            match status {
                StatusCode::UNAUTHORIZED => self.renew(person).await?,
                StatusCode::TOO_MANY_REQUESTS | StatusCode::SERVICE_UNAVAILABLE => {
                    let ms = answer["retry_after_ms"].as_u64().unwrap_or(500);
                    sleep(Duration::from_millis(ms.clamp(50, 5_000))).await;
                }
                status => return Ok((status, answer)),
            }
        }
        Err(DemoError::Unreachable(format!("{path}: told to wait {TRIES} times")))
    }

    async fn send(
        &self,
        method: Method,
        path: &str,
        token: Option<&str>,
        body: Option<&Value>,
        key: Option<&str>,
    ) -> Result<(StatusCode, Value), DemoError> {
        let mut request = self.http.request(method, format!("{}{path}", self.base));
        if let Some(token) = token {
            request = request.bearer_auth(token);
        }
        if let Some(body) = body {
            request = request.json(body);
        }
        if let Some(key) = key {
            request = request.header("Idempotency-Key", key);
        }
        let answer = request.send().await.map_err(|error| DemoError::Unreachable(error.to_string()))?;
        let status = answer.status();
        let text = answer.text().await.map_err(|error| DemoError::Unreachable(error.to_string()))?;
        Ok((status, serde_json::from_str(&text).unwrap_or(Value::Null)))
    }
}

fn check(status: StatusCode, body: Value) -> Result<Value, DemoError> {
    if status.is_success() { Ok(body) } else { Err(DemoError::Refused(format!("{status}: {body}"))) }
}
