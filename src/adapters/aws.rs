//! Calls to AWS services: Signature Version 4, credentials, and errors by their code. Knows neither topics nor queues.
//!
//! Credentials come from the environment (`AWS_ACCESS_KEY_ID`, `AWS_SECRET_ACCESS_KEY`, `AWS_SESSION_TOKEN`) or from the
//! container's role (`AWS_CONTAINER_CREDENTIALS_RELATIVE_URI` or `…_FULL_URI`), fetched anew before they expire.

use hmac::{Hmac, KeyInit, Mac};
use jiff::Timestamp;
use jiff::tz::TimeZone;
use reqwest::Client;
use serde::Deserialize;
use serde_json::Value;
use sha2::{Digest, Sha256};
use std::fmt::Write as _;
use std::time::Duration;
use tokio::sync::Mutex;

/// Longer than a long poll of 20 s.
const TIMEOUT: Duration = Duration::from_secs(30);
const CONNECT_TIMEOUT: Duration = Duration::from_secs(3);
/// The address of a container's role, by its relative path.
const CONTAINER_HOST: &str = "http://169.254.170.2";
/// Credentials are fetched anew this long before they expire, in seconds.
const RENEW_BEFORE_S: i64 = 300;

/// Why a call failed.
#[derive(Debug, thiserror::Error)]
#[error("{code}: {message}")]
pub struct AwsError {
    /// The service's code, or `Unreachable`.
    pub code: String,
    /// What it says.
    pub message: String,
}

impl AwsError {
    fn new(code: &str, message: impl ToString) -> Self {
        Self { code: code.to_owned(), message: message.to_string() }
    }
}

/// Who calls.
#[derive(Clone, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Credentials {
    access_key_id: String,
    secret_access_key: String,
    token: Option<String>,
    expiration: Option<String>,
}

impl Credentials {
    /// Whether they still hold for a while; `now` in seconds. What can't be read as a time has passed.
    fn is_good_at(&self, now: i64) -> bool {
        let ends = |text: &String| text.parse::<Timestamp>().map_or(0, |at| at.as_second());
        self.expiration.as_ref().is_none_or(|text| ends(text) - RENEW_BEFORE_S > now)
    }
}

/// A way to AWS, or to an emulator.
pub struct Aws {
    http: Client,
    region: String,
    endpoint: Option<String>,
    credentials: Mutex<Option<Credentials>>,
}

impl Aws {
    /// A way with the settings' region and endpoint; the region is needed unless there is an endpoint.
    ///
    /// # Errors
    /// A sentence that names the missing setting.
    pub fn new(region: Option<&str>, endpoint: Option<&str>) -> Result<Self, String> {
        let region = match (region, endpoint) {
            (Some(region), _) => region.to_owned(),
            (None, Some(_)) => "us-east-1".to_owned(),
            (None, None) => return Err("AWS_REGION is not set".to_owned()),
        };
        let http = Client::builder().timeout(TIMEOUT).connect_timeout(CONNECT_TIMEOUT).build();
        Ok(Self {
            http: http.map_err(|error| error.to_string())?,
            region,
            endpoint: endpoint.map(|endpoint| endpoint.trim_end_matches('/').to_owned()),
            credentials: Mutex::default(),
        })
    }

    /// A call of SNS (Query protocol): the XML of the answer.
    ///
    /// # Errors
    /// The service's.
    pub async fn sns(&self, action: &str, fields: &[(String, String)]) -> Result<String, AwsError> {
        let mut form = format!("Action={action}&Version=2010-03-31");
        for (name, value) in fields {
            let _infallible = write!(form, "&{}={}", encode(name), encode(value));
        }
        let kind = "application/x-www-form-urlencoded; charset=utf-8";
        let (ok, text) = self.send("sns", kind, None, form).await?;
        if ok {
            return Ok(text);
        }
        let first = |tag| texts(&text, tag).into_iter().next().unwrap_or_default();
        Err(AwsError { code: first("Code"), message: first("Message") })
    }

    /// A call of SQS (JSON protocol): the answer.
    ///
    /// # Errors
    /// The service's.
    pub async fn sqs(&self, action: &str, body: &Value) -> Result<Value, AwsError> {
        let target = format!("AmazonSQS.{action}");
        let (ok, text) =
            self.send("sqs", "application/x-amz-json-1.0", Some(target), body.to_string()).await?;
        let answer: Value =
            if text.is_empty() { Value::Null } else { serde_json::from_str(&text).unwrap_or_default() };
        if ok {
            return Ok(answer);
        }
        let code = answer["__type"].as_str().unwrap_or("Unknown").rsplit('#').next().unwrap_or_default();
        Err(AwsError::new(code, answer["message"].as_str().unwrap_or_default()))
    }

    async fn send(
        &self,
        service: &str,
        kind: &str,
        target: Option<String>,
        body: String,
    ) -> Result<(bool, String), AwsError> {
        let unreachable = |error: reqwest::Error| AwsError::new("Unreachable", error.without_url());
        let credentials = self.credentials().await?;
        let base = match &self.endpoint {
            Some(endpoint) => endpoint.clone(),
            None => format!("https://{service}.{}.amazonaws.com", self.region),
        };
        let host = base.split_once("://").map_or("", |(_, host)| host);
        let mut headers = vec![("content-type", kind.to_owned()), ("host", host.to_owned())];
        let time = Timestamp::now().to_zoned_datetime(TimeZone::UTC).strftime("%Y%m%dT%H%M%SZ").to_string();
        headers.push(("x-amz-date", time.clone()));
        if let Some(token) = &credentials.token {
            headers.push(("x-amz-security-token", token.clone()));
        }
        if let Some(target) = target {
            headers.push(("x-amz-target", target));
        }
        let signature = authorization(&credentials, (&self.region, service), &time, "POST", &headers, &body);
        let mut request = self.http.post(format!("{base}/")).header("authorization", signature);
        for (name, value) in headers.into_iter().filter(|(name, _)| *name != "host") {
            request = request.header(name, value);
        }
        let answer = request.body(body).send().await.map_err(unreachable)?;
        let ok = answer.status().is_success();
        Ok((ok, answer.text().await.map_err(unreachable)?))
    }

    async fn credentials(&self) -> Result<Credentials, AwsError> {
        let mut known = self.credentials.lock().await;
        let now = Timestamp::now().as_second();
        if let Some(credentials) = known.as_ref()
            && credentials.is_good_at(now)
        {
            return Ok(credentials.clone());
        }
        let fresh = self.find_credentials().await?;
        Ok(known.insert(fresh).clone())
    }

    async fn find_credentials(&self) -> Result<Credentials, AwsError> {
        let variable = |name: &str| std::env::var(name).ok().filter(|value| !value.is_empty());
        if let (Some(access_key_id), Some(secret_access_key)) =
            (variable("AWS_ACCESS_KEY_ID"), variable("AWS_SECRET_ACCESS_KEY"))
        {
            let token = variable("AWS_SESSION_TOKEN");
            return Ok(Credentials { access_key_id, secret_access_key, token, expiration: None });
        }
        let relative =
            variable("AWS_CONTAINER_CREDENTIALS_RELATIVE_URI").map(|path| format!("{CONTAINER_HOST}{path}"));
        let Some(address) = relative.or_else(|| variable("AWS_CONTAINER_CREDENTIALS_FULL_URI")) else {
            return Err(AwsError::new(
                "NoCredentials",
                "neither the environment nor a container's role has any",
            ));
        };
        let failed = |error: reqwest::Error| AwsError::new("NoCredentials", error.without_url());
        let mut request = self.http.get(address);
        if let Some(token) = variable("AWS_CONTAINER_AUTHORIZATION_TOKEN") {
            request = request.header("authorization", token);
        }
        let answer = request.send().await.and_then(reqwest::Response::error_for_status).map_err(failed)?;
        answer.json().await.map_err(failed)
    }
}

/// The texts of every element of a name, without markup inside; what AWS puts into ids, ARNs and codes needs no unescaping.
pub fn texts(xml: &str, tag: &str) -> Vec<String> {
    let (open, close) = (format!("<{tag}>"), format!("</{tag}>"));
    xml.split(&open).skip(1).filter_map(|rest| Some(rest.split_once(&close)?.0.to_owned())).collect()
}

/// Percent-encoding of everything but unreserved characters (RFC 3986).
fn encode(text: &str) -> String {
    let mut encoded = String::with_capacity(text.len());
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_' | b'~') {
            encoded.push(char::from(byte));
        } else {
            let _infallible = write!(encoded, "%{byte:02X}");
        }
    }
    encoded
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::with_capacity(bytes.len() * 2), |mut text, byte| {
        let _infallible = write!(text, "{byte:02x}");
        text
    })
}

fn sha256(text: &str) -> [u8; 32] {
    Sha256::digest(text.as_bytes()).into()
}

fn keyed(key: &[u8], text: &str) -> Vec<u8> {
    let Ok(mut mac) = Hmac::<Sha256>::new_from_slice(key) else { return Vec::new() };
    mac.update(text.as_bytes());
    mac.finalize().into_bytes().to_vec()
}

/// The `Authorization` of Signature Version 4 for a request to `/` without a query. `headers` are in lower case and sorted;
/// all of them are signed.
fn authorization(
    credentials: &Credentials,
    (region, service): (&str, &str),
    time: &str,
    method: &str,
    headers: &[(&str, String)],
    body: &str,
) -> String {
    let names = headers.iter().map(|(name, _)| *name).collect::<Vec<_>>().join(";");
    let lines: String = headers.iter().map(|(name, value)| format!("{name}:{}\n", value.trim())).collect();
    let payload = hex(&sha256(body));
    let request = format!("{method}\n/\n\n{lines}\n{names}\n{payload}");
    let day = time.get(..8).unwrap_or_default();
    let scope = format!("{day}/{region}/{service}/aws4_request");
    let digest = hex(&sha256(&request));
    let to_sign = format!("AWS4-HMAC-SHA256\n{time}\n{scope}\n{digest}");
    let key = keyed(format!("AWS4{}", credentials.secret_access_key).as_bytes(), day);
    let key = [region, service, "aws4_request"].iter().fold(key, |key, part| keyed(&key, part));
    let signature = hex(&keyed(&key, &to_sign));
    format!(
        "AWS4-HMAC-SHA256 Credential={}/{scope}, SignedHeaders={names}, Signature={signature}",
        credentials.access_key_id
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `get-vanilla` and `post-vanilla` of the test suite that AWS publishes for Signature Version 4.
    #[test]
    fn signatures_are_those_of_the_published_suite() {
        let credentials = Credentials {
            access_key_id: "AKIDEXAMPLE".to_owned(),
            secret_access_key: "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY".to_owned(),
            token: None,
            expiration: None,
        };
        let time = "20150830T123600Z";
        let headers = [("host", "example.amazonaws.com".to_owned()), ("x-amz-date", time.to_owned())];
        for (method, signature) in [
            ("GET", "5fa00fa31553b73ebf1942676e86291e8372ff2a2260956d9b8aae1d763fbf31"),
            ("POST", "5da7c1a2acd57cee7505fc6676e4e544621c30862966e37dddb68e92efbe5d6b"),
        ] {
            let expected = format!(
                "AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/20150830/us-east-1/service/aws4_request, \
                 SignedHeaders=host;x-amz-date, Signature={signature}"
            );
            assert_eq!(
                authorization(&credentials, ("us-east-1", "service"), time, method, &headers, ""),
                expected
            );
        }
    }

    #[test]
    fn forms_are_encoded_and_answers_read() {
        assert_eq!(encode("a b+c/ñ~"), "a%20b%2Bc%2F%C3%B1~");
        let xml = "<R><Successful><member><Id>0</Id></member><member><Id>2</Id></member></Successful></R>";
        assert_eq!(texts(xml, "Id"), ["0", "2"]);
        assert!(texts(xml, "Code").is_empty());
    }
}
