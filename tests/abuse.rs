//! Clients that mean no good, on bare sockets to the real binary: slow heads, slow bodies, readers who stall, garbage, huge
//! and fragmented frames, numbers that are none. Never a 5xx, the right close code, and nobody else notices.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

#[path = "abuse/codes.rs"]
mod codes;
mod common;
#[path = "common/live.rs"]
mod live;

use common::Server;
use live::{Socket, text_frame};
use serde_json::{Value, json};
use std::time::{Duration, Instant};

const UPGRADE: &str = "GET /api/v1/live HTTP/1.1\r\nHost: h\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
    Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n";

struct Place {
    server: Server,
    _directory: tempfile::TempDir,
}

impl Place {
    async fn open() -> Self {
        let directory = tempfile::tempdir().unwrap();
        let database = format!("sqlite://{}", directory.path().join("abuse.db").display());
        let server = Server::start(&database, directory.path());
        let place = Self { server, _directory: directory };
        while place.status("/readyz").await != 200 {
            tokio::task::yield_now().await;
        }
        place
    }

    async fn status(&self, path: &str) -> u16 {
        self.server.ask("GET", path, None, None, None).await.unwrap().0.as_u16()
    }

    fn socket(&self, room: Option<usize>) -> Socket {
        Socket::to(self.server.base.strip_prefix("http://").unwrap(), room)
    }

    /// A connected session, as a visitor.
    fn session(&self, room: Option<usize>) -> Socket {
        let mut socket = self.socket(room);
        socket.send(UPGRADE.as_bytes());
        assert_eq!(socket.head().0, 101);
        socket.text(r#"{"id":1,"connect":{}}"#);
        assert!(socket.line().starts_with(r#"{"id":1,"connect":"#));
        socket
    }

    /// A connected session of somebody.
    fn session_of(&self, token: &str) -> Socket {
        let mut socket = self.socket(None);
        socket.send(UPGRADE.as_bytes());
        assert_eq!(socket.head().0, 101);
        socket.text(&json!({"id": 1, "connect": {"token": token}}).to_string());
        assert!(socket.line().starts_with(r#"{"id":1,"connect":"#));
        socket
    }

    async fn metric(&self, name: &str) -> u64 {
        let (_, text) = self.server.ask("GET", "/metrics", None, None, None).await.unwrap();
        let text = text.as_str().unwrap().to_owned();
        let line = text.lines().find(|line| line.starts_with(name) && !line.starts_with('#')).unwrap();
        line.rsplit(' ').next().unwrap().parse::<f64>().unwrap() as u64
    }

    /// Resident memory of the server in KiB.
    fn resident_kib(&self) -> u64 {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.server.child.id())).unwrap();
        let line = status.lines().find(|line| line.starts_with("VmRSS:")).unwrap();
        line.split_whitespace().nth(1).unwrap().parse().unwrap()
    }
}

const NEARBY: &str = r#"{"id":2,"subscribe":{"channel":"nearby","data":{"location":{"lat":6.2442,"lng":-75.5812},"radius_m":5000}}}"#;

/// Many frames of commands, each a subscription that is answered with everything in reach.
fn greedy() -> Vec<u8> {
    let pair = format!("{NEARBY}\n{{\"id\":3,\"unsubscribe\":{{\"channel\":\"nearby\"}}}}\n");
    text_frame(&pair.repeat(200))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn i27_readers_who_stall_are_cut_and_delay_nobody() {
    const STALLED: u64 = 8;
    let place = Place::open().await;
    let shop = place.server.shop().await;
    let mut sales = Vec::new();
    for _ in 0..20 {
        sales.push(place.server.launch(&shop, json!({"hold_seconds": 0, "stock": 1000})).await);
    }
    let mut healthy = place.session(None);
    healthy.text(NEARBY);
    let answer: Value = serde_json::from_str(&healthy.line()).unwrap();
    assert_eq!(answer["subscribe"]["data"]["offers"].as_array().unwrap().len(), 20);
    let shopper = place.server.shoppers(1).await.remove(0);
    let before = place.resident_kib();
    let frame = greedy();
    for round in 0..STALLED {
        // It asks for much and reads nothing, until the server cuts it.
        let mut stalled = place.session(Some(4_096));
        let cut = (0..500).any(|_| stalled.try_send(&frame).is_err());
        assert!(cut, "a reader who takes nothing was never cut");
        let path = format!("/api/v1/promotions/{}/claims", sales[round as usize]);
        let key = format!("key-{round}");
        let (status, claim) =
            place.server.ask("POST", &path, Some(&shopper), Some(&json!({})), Some(&key)).await.unwrap();
        assert_eq!(status.as_u16(), 201, "{claim}");
        let told = std::iter::repeat_with(|| healthy.line()).find(|line| line != "{}").unwrap();
        let told: Value = serde_json::from_str(&told).unwrap();
        let stock = &told["push"]["pub"]["data"];
        assert_eq!((&stock["type"], &stock["id"]), (&json!("stock"), &claim["promotion_id"]), "{told}");
    }
    assert_eq!(place.metric("flash_live_evicted_total").await, STALLED);
    let grown = place.resident_kib().saturating_sub(before);
    assert!(grown < 64 * 1024, "{STALLED} stalled readers cost {grown} KiB");
}

/// Heads and bodies that come a byte at a time, or stop: others are served, and the connections end by themselves.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn slow_heads_and_slow_bodies_delay_nobody_and_end() {
    let place = Place::open().await;
    let head = "POST /api/v1/auth/refresh HTTP/1.1\r\nHost: h\r\nContent-Type: application/json\r\n";
    let with_body = format!("{head}Content-Length: 4000\r\n\r\n{{\"refresh");
    let upgrade = &UPGRADE[..UPGRADE.len() - 2];
    let mut slow = Vec::new();
    for text in [&head[..20], head, &with_body, upgrade] {
        for _ in 0..60 {
            let mut socket = place.socket(None);
            socket.send(text.as_bytes());
            slow.push(socket);
        }
    }
    let began = Instant::now();
    let mut served = 0;
    while !slow.is_empty() {
        assert_eq!(place.status("/healthz").await, 200, "others are served");
        served += 1;
        // Who is still let wait sends one byte more, as slowly as it likes.
        slow.retain_mut(|socket| !socket.has_ended() && socket.try_send(b"x").is_ok());
        assert!(began.elapsed() < Duration::from_secs(60), "{} slow clients are held for ever", slow.len());
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
    assert!(served > 1);
}
