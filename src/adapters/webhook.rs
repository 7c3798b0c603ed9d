//! Calls to webhooks: signed by the Standard Webhooks scheme, and never to an address inside (SSRF).
//!
//! Names are resolved here and private addresses are dropped before a connection is made, so a name that changes between
//! check and use gains nothing. Redirects are not followed; proxies of the environment are not used.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use flash_actors::ports::Answer;
use flash_actors::ports::webhooks::{Called, Caller, DueMessage};
use flash_domain::time::UnixMillis;
use hmac::{Hmac, KeyInit, Mac};
use reqwest::dns::{Addrs, Name, Resolve, Resolving};
use reqwest::{Client, Url, redirect};
use sha2::Sha256;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

/// How long a call may take: a receiver takes the message and answers, and works on it later.
const TIMEOUT: Duration = Duration::from_secs(15);
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
/// Characters of what the log of messages says of an answer.
const ANSWER_CHARS: usize = 200;

/// Whether an address is one that anybody may reach: not this machine, not a private network, not a special purpose.
pub fn is_public(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(v4) => is_public_v4(v4),
        IpAddr::V6(v6) => is_public_v6(v6),
    }
}

fn is_public_v4(address: Ipv4Addr) -> bool {
    let [a, b, c, _] = address.octets();
    !(address.is_private()
        || address.is_loopback()
        || address.is_link_local()
        || address.is_multicast()
        || address.is_broadcast()
        || address.is_documentation()
        || a == 0
        || a >= 240
        || (a == 100 && (64..128).contains(&b)) // shared with carriers (RFC 6598)
        || (a == 192 && b == 0 && c == 0) // protocol assignments
        || (a == 192 && b == 88 && c == 99) // 6to4 relays
        || (a == 198 && (b == 18 || b == 19))) // benchmarks
}

fn is_public_v6(address: Ipv6Addr) -> bool {
    let [first, second, ..] = address.segments();
    // Global unicast is 2000::/3; within it: 6to4 and Teredo wrap other addresses, 2001:db8::/32 is for documentation.
    (first & 0xe000) == 0x2000
        && first != 0x2002
        && !(first == 0x2001
            && (second == 0
                || second == 0x0db8
                || (second & 0xfff0) == 0x0010
                || (second & 0xfff0) == 0x0020))
        && first != 0x3fff
}

/// Whether messages may be sent there: https to a name or a public address; where private addresses are allowed also http
/// and every address. No user, no password.
pub fn is_allowed(text: &str, allow_private: bool) -> bool {
    let Ok(url) = Url::parse(text) else { return false };
    let scheme = url.scheme() == "https" || (allow_private && url.scheme() == "http");
    let Some(name) = url.host_str() else { return false };
    // The parser has turned every spelling of an IPv4 address into the usual one.
    let host = match name.trim_matches(['[', ']']).parse::<IpAddr>() {
        Ok(address) => allow_private || is_public(address),
        Err(_) => allow_private || name.contains('.'),
    };
    scheme && host && url.username().is_empty() && url.password().is_none()
}

/// Resolves names to public addresses only.
struct PublicOnly;

impl Resolve for PublicOnly {
    fn resolve(&self, name: Name) -> Resolving {
        Box::pin(async move {
            let found = tokio::net::lookup_host((name.as_str(), 0)).await?;
            let public: Vec<SocketAddr> = found.filter(|address| is_public(address.ip())).collect();
            if public.is_empty() {
                return Err("the name has no public address".into());
            }
            let found: Addrs = Box::new(public.into_iter());
            Ok::<Addrs, Box<dyn std::error::Error + Send + Sync>>(found)
        })
    }
}

/// The caller of a running server.
pub struct WebhookCaller {
    client: Client,
    allow_private: bool,
}

impl WebhookCaller {
    /// Makes a caller.
    ///
    /// # Errors
    /// The TLS library's, when it can't be set up.
    pub fn new(allow_private: bool) -> Result<Self, String> {
        let mut builder = Client::builder()
            .timeout(TIMEOUT)
            .connect_timeout(CONNECT_TIMEOUT)
            .redirect(redirect::Policy::none())
            .no_proxy()
            .user_agent(concat!("flash-promos/", env!("CARGO_PKG_VERSION")));
        if !allow_private {
            builder = builder.dns_resolver(Arc::new(PublicOnly));
        }
        Ok(Self { client: builder.build().map_err(|error| error.to_string())?, allow_private })
    }

    async fn send(&self, message: &DueMessage, now: UnixMillis) -> Result<Called, String> {
        // Looked at again: the setting may have changed since the webhook was made, and an address in numbers is not resolved.
        if !is_allowed(&message.webhook.url, self.allow_private) {
            return Err("the address is not allowed".to_owned());
        }
        let id = message.event_id.to_string();
        let timestamp = now.0 / 1_000;
        let signatures = signatures(message, &id, timestamp, now);
        let request = self
            .client
            .post(&message.webhook.url)
            .header("content-type", "application/json")
            .header("webhook-id", &id)
            .header("webhook-timestamp", timestamp.to_string())
            .header("webhook-signature", signatures)
            .body(message.body.clone());
        let answer = request.send().await.map_err(|error| reason(&error))?;
        Ok(Called { ok: answer.status().is_success(), answer: answer.status().as_u16().to_string() })
    }
}

/// A sentence without the address, which may hold a token of the receiver's.
fn reason(error: &reqwest::Error) -> String {
    let what = if error.is_timeout() {
        "no answer in time"
    } else if error.is_connect() {
        "no connection"
    } else {
        "the request failed"
    };
    let mut cause: &dyn std::error::Error = error;
    while let Some(deeper) = cause.source() {
        cause = deeper;
    }
    if error.is_connect() { format!("{what}: {cause}") } else { what.to_owned() }
}

fn signatures(message: &DueMessage, id: &str, timestamp: i64, now: UnixMillis) -> String {
    let mut signatures = vec![sign(&message.webhook.secret, id, timestamp, &message.body)];
    if let Some((previous, until)) = &message.webhook.previous
        && now < *until
    {
        signatures.push(sign(previous, id, timestamp, &message.body));
    }
    signatures.join(" ")
}

/// `v1,` and base 64 of HMAC-SHA256 over `id.timestamp.body`, keyed by what follows `whsec_` (Standard Webhooks 1.0).
pub fn sign(secret: &str, id: &str, timestamp: i64, body: &str) -> String {
    let key = STANDARD.decode(secret.trim_start_matches("whsec_")).unwrap_or_default();
    let Ok(mut mac) = Hmac::<Sha256>::new_from_slice(&key) else { return String::new() };
    mac.update(format!("{id}.{timestamp}.{body}").as_bytes());
    format!("v1,{}", STANDARD.encode(mac.finalize().into_bytes()))
}

impl Caller for WebhookCaller {
    fn call<'a>(&'a self, message: &'a DueMessage, now: UnixMillis) -> Answer<'a, Called> {
        Box::pin(async move {
            self.send(message, now).await.unwrap_or_else(|reason| Called {
                ok: false,
                answer: reason.chars().take(ANSWER_CHARS).collect(),
            })
        })
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn a_signature_is_that_of_the_scheme() {
        // The example of the scheme's own documentation and libraries.
        let signed = sign(
            "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw",
            "msg_p5jXN8AQM9LWM0D4loKWxJek",
            1_614_265_330,
            r#"{"test": 2432232314}"#,
        );
        assert_eq!(signed, "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=");
    }

    #[test]
    fn addresses_inside_are_refused() {
        for inside in [
            "127.0.0.1",
            "10.1.2.3",
            "172.16.0.1",
            "192.168.1.1",
            "169.254.169.254",
            "0.0.0.0",
            "100.64.0.1",
            "192.0.0.8",
            "198.18.0.1",
            "224.0.0.1",
            "255.255.255.255",
            "::1",
            "::",
            "fc00::1",
            "fe80::1",
            "::ffff:10.0.0.1",
            "64:ff9b::a00:1",
            "2002:a00:1::",
            "2001:db8::1",
            "ff02::1",
            "2001::1",
        ] {
            assert!(!is_public(inside.parse().unwrap()), "{inside}");
        }
        for outside in ["8.8.8.8", "172.32.0.1", "100.128.0.1", "2606:4700::1", "2001:4860:4860::8888"] {
            assert!(is_public(outside.parse().unwrap()), "{outside}");
        }
    }

    #[test]
    fn only_https_to_the_outside_is_allowed() {
        for good in ["https://shop.example/hooks?x=1", "https://8.8.8.8/", "https://shop.example:8443/"] {
            assert!(is_allowed(good, false), "{good}");
        }
        for bad in [
            "http://shop.example/",
            "https://127.0.0.1/",
            "https://2130706433/",
            "https://0x7f.1/",
            "https://[::1]/",
            "https://localhost/",
            "https://user:pass@shop.example/",
            "ftp://shop.example/",
            "file:///etc/passwd",
            "shop",
            "",
        ] {
            assert!(!is_allowed(bad, false), "{bad}");
        }
        assert!(is_allowed("http://127.0.0.1:9000/", true));
        assert!(!is_allowed("file:///etc/passwd", true));
    }
}
