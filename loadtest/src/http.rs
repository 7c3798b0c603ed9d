//! The least HTTP/1.1 that a load client needs: build a request, find the end of a response, one blocking call.
//!
//! It deliberately knows neither redirects, chunked bodies nor TLS: the server under test answers loopback clients
//! with a `Content-Length`, and anything else is an error worth seeing.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use serde_json::Value;

use crate::error::{Context, Error, Result};

/// Longest response that a client here accepts, in bytes; 10,000 access tokens take some 5 MB.
pub const RESPONSE_BYTES_MAX: usize = 64 << 20;

/// How long a blocking call may take; making 10,000 shoppers is the slowest.
pub const CALL_TIMEOUT: Duration = Duration::from_secs(60);

/// Where a response ends and what it says, as far as a load client cares.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Head {
    /// The status code.
    pub status: u16,
    /// Where the body starts, in bytes from the start of the response.
    pub body_start: usize,
    /// Where the response ends; 101 and 204 have no body.
    pub end: usize,
}

/// Parses the head of the response at the start of `bytes`; `None` while the head is not complete.
///
/// # Errors
/// The bytes are not HTTP/1.1, or the length of the body is not given by `Content-Length`.
pub fn parse_head(bytes: &[u8]) -> Result<Option<Head>> {
    let mut line_start = 0;
    let mut status = 0;
    let mut body_bytes = None;
    for newline in memchr::memchr_iter(b'\n', bytes) {
        let line = bytes.get(line_start..newline).unwrap_or_default();
        let line = line.strip_suffix(b"\r").unwrap_or(line);
        if line_start == 0 {
            status = parse_status(line)?;
        } else if line.is_empty() {
            let body_start = newline + 1;
            let bodiless = status == 101 || status == 204;
            let length = match body_bytes {
                _ if bodiless => 0,
                Some(length) if length <= RESPONSE_BYTES_MAX => length,
                _ => return Err(unexpected("a response without a usable content-length", bytes)),
            };
            return Ok(Some(Head { status, body_start, end: body_start + length }));
        } else if line.len() > 15 && line[..15].eq_ignore_ascii_case(b"content-length:") {
            let digits = std::str::from_utf8(&line[15..]).unwrap_or_default().trim();
            body_bytes = digits.parse().ok();
        }
        line_start = newline + 1;
    }
    Ok(None)
}

fn parse_status(line: &[u8]) -> Result<u16> {
    let digits = line.strip_prefix(b"HTTP/1.1 ").and_then(|rest| rest.get(..3));
    digits
        .and_then(|digits| std::str::from_utf8(digits).ok())
        .and_then(|digits| digits.parse().ok())
        .ok_or_else(|| unexpected("not an HTTP/1.1 response", line))
}

fn unexpected(what: &str, bytes: &[u8]) -> Error {
    let shown = bytes.get(..bytes.len().min(300)).unwrap_or_default();
    Error::Unexpected(format!("{what}: {}", String::from_utf8_lossy(shown)))
}

/// A request that is put together once and sent many times.
#[derive(Debug, Clone)]
pub struct Request<'a> {
    /// The method, in capitals.
    pub method: &'a str,
    /// The path with its query.
    pub path: &'a str,
    /// The access token of who asks; `None` = nobody.
    pub token: Option<&'a str>,
    /// The value of `Idempotency-Key`; `None` = no such header.
    pub key: Option<&'a str>,
    /// The JSON body; empty = none.
    pub body: &'a str,
}

impl Request<'_> {
    /// Encodes the request for `host`.
    #[must_use]
    pub fn encode(&self, host: &str) -> Vec<u8> {
        let mut text = format!("{} {} HTTP/1.1\r\nhost: {host}\r\n", self.method, self.path);
        if let Some(token) = self.token {
            text.push_str(&format!("authorization: Bearer {token}\r\n"));
        }
        if let Some(key) = self.key {
            text.push_str(&format!("idempotency-key: {key}\r\n"));
        }
        if !self.body.is_empty() {
            text.push_str("content-type: application/json\r\n");
        }
        if !self.body.is_empty() || self.method != "GET" {
            text.push_str(&format!("content-length: {}\r\n", self.body.len()));
        }
        text.push_str("\r\n");
        text.push_str(self.body);
        text.into_bytes()
    }
}

/// One answer of a blocking call.
#[derive(Debug, Clone)]
pub struct Response {
    /// The status code.
    pub status: u16,
    /// The body as it came.
    pub body: Vec<u8>,
}

impl Response {
    /// Returns the body as JSON, when the status is the expected one.
    ///
    /// # Errors
    /// Another status, or no JSON.
    pub fn json(&self, what: &str, status: u16) -> Result<Value> {
        if self.status != status {
            let body = String::from_utf8_lossy(&self.body);
            let shown: String = body.chars().take(500).collect();
            return Err(Error::Unexpected(format!(
                "{what}: status {} instead of {status}: {shown}",
                self.status
            )));
        }
        serde_json::from_slice(&self.body).context(what)
    }
}

/// Sends one request over a connection of its own and waits for the answer.
///
/// # Errors
/// The server cannot be reached, does not answer within [`CALL_TIMEOUT`], or answers something unreadable.
pub fn call(server: SocketAddr, request: &Request<'_>) -> Result<Response> {
    let what = || format!("{} {}", request.method, request.path);
    let mut stream = TcpStream::connect_timeout(&server, Duration::from_secs(5)).context(what())?;
    stream.set_read_timeout(Some(CALL_TIMEOUT)).context(what())?;
    stream.set_nodelay(true).context(what())?;
    stream.write_all(&request.encode(&server.to_string())).context(what())?;
    let mut bytes = Vec::new();
    let mut chunk = vec![0; 64 << 10];
    loop {
        let read = stream.read(&mut chunk).context(what())?;
        bytes.extend_from_slice(chunk.get(..read).unwrap_or_default());
        if let Some(head) = parse_head(&bytes)?
            && bytes.len() >= head.end
        {
            let body = bytes.get(head.body_start..head.end).unwrap_or_default().to_vec();
            return Ok(Response { status: head.status, body });
        }
        if read == 0 || bytes.len() > RESPONSE_BYTES_MAX {
            return Err(unexpected(&format!("{}: the response is not complete", what()), &bytes));
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
mod tests {
    use super::*;

    #[test]
    fn finds_the_end_of_a_response() {
        let bytes = b"HTTP/1.1 201 Created\r\nContent-Length: 2\r\nx: y\r\n\r\n{}HTTP/1.1";
        let head = parse_head(bytes).unwrap().unwrap();
        assert_eq!((head.status, &bytes[head.body_start..head.end]), (201, &b"{}"[..]));
        assert_eq!(parse_head(&bytes[..40]).unwrap(), None);
    }

    #[test]
    fn switching_protocols_has_no_body() {
        let bytes = b"HTTP/1.1 101 Switching Protocols\r\nupgrade: websocket\r\n\r\n\x81\x02{}";
        let head = parse_head(bytes).unwrap().unwrap();
        assert_eq!((head.status, head.end), (101, bytes.len() - 4));
    }

    #[test]
    fn refuses_what_it_cannot_measure() {
        assert!(parse_head(b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n").is_err());
        assert!(parse_head(b"SSH-2.0-OpenSSH\r\n").is_err());
    }

    #[test]
    fn encodes_a_post_without_a_body() {
        let request = Request { method: "POST", path: "/x", token: Some("t"), key: Some("k"), body: "" };
        let text = String::from_utf8(request.encode("h:1")).unwrap();
        assert_eq!(
            text,
            "POST /x HTTP/1.1\r\nhost: h:1\r\nauthorization: Bearer t\r\nidempotency-key: k\r\n\
             content-length: 0\r\n\r\n"
        );
    }
}
