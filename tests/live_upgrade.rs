//! The upgrade and the first bytes after it, on bare sockets to the real binary: what no SDK sends.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

#[path = "common/live.rs"]
mod live;

use live::{Server, text_frame};

const LIVE: &str = "/api/v1/live";
const KEY: &str = "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==";
const VERSION: &str = "Sec-WebSocket-Version: 13";

#[test]
fn upgrades_that_cannot_be_are_refused_with_a_problem() {
    let server = Server::start(&[]);
    let cases: &[(u16, &str, &str, &str, &[&str])] = &[
        (404, "not_found", "GET", "/api/v1/elsewhere", &[KEY, VERSION]),
        (404, "not_found", "GET", "/", &[KEY, VERSION]),
        (405, "method_not_allowed", "PUT", LIVE, &[KEY, VERSION]),
        (426, "upgrade_required", "GET", LIVE, &[KEY]),
        (426, "upgrade_required", "GET", LIVE, &[KEY, "Sec-WebSocket-Version: 8"]),
        (400, "bad_request", "GET", LIVE, &[VERSION]),
        (400, "bad_request", "GET", LIVE, &["Sec-WebSocket-Key: short", VERSION]),
        (400, "bad_request", "GET", LIVE, &[KEY, VERSION, "Sec-WebSocket-Protocol: centrifuge-protobuf"]),
        (403, "forbidden", "GET", LIVE, &[KEY, VERSION, "Origin: https://elsewhere.example"]),
        (403, "forbidden", "GET", LIVE, &[KEY, VERSION, "Origin: null"]),
    ];
    for (status, code, method, path, headers) in cases {
        let (told, head, socket) = server.upgrade(method, path, headers);
        assert_eq!(told, *status, "{method} {path} {headers:?}");
        assert!(head.contains("Content-Type: application/problem+json"), "{head}");
        assert_eq!(*status == 426, head.contains("Sec-WebSocket-Version: 13"), "{head}");
        let body: serde_json::Value = serde_json::from_str(&socket.rest()).unwrap();
        assert_eq!(body["code"], *code);
    }
    let (_, _, socket) = server.upgrade("GET", "/nowhere", &[KEY, VERSION, "Accept-Language: es"]);
    let body: serde_json::Value = serde_json::from_str(&socket.rest()).unwrap();
    assert!(body["detail"].as_str().unwrap().contains(' '), "{body}");
}

#[test]
fn upgrades_that_can_be_are_answered_by_the_letter() {
    let server = Server::start(&[("FLASH_CORS_ORIGINS", "https://shop.example")]);
    let own = format!("Origin: http://{}", server.address());
    for headers in [
        vec![KEY, VERSION],
        vec![KEY, VERSION, "Origin: https://shop.example"],
        vec![KEY, VERSION, &own],
        vec![KEY, VERSION, "Sec-WebSocket-Extensions: permessage-deflate; client_max_window_bits"],
    ] {
        let (status, head, _) = server.upgrade("GET", LIVE, &headers);
        assert_eq!(status, 101, "{head}");
        assert!(head.contains("Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n"), "{head}");
        assert!(!head.contains("Extensions") && !head.contains("Protocol:"), "{head}");
    }
    let both = "Sec-WebSocket-Protocol: centrifuge-protobuf, centrifuge-json";
    let (status, head, _) = server.upgrade("GET", LIVE, &[KEY, VERSION, both]);
    assert_eq!(status, 101);
    assert!(head.contains("Sec-WebSocket-Protocol: centrifuge-json\r\n"), "{head}");
}

#[test]
fn what_came_with_the_upgrade_is_not_lost() {
    let server = Server::start(&[]);
    let mut socket = server.connect();
    let commands = "{\"id\":1,\"connect\":{}}\n{\"id\":2,\"subscribe\":{\"channel\":\"nearby\",\"data\":{\"radius_m\":500}}}";
    let head = format!(
        "GET {LIVE} HTTP/1.1\r\nHost: h\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n{KEY}\r\n{VERSION}\r\n\r\n"
    );
    socket.send(&[head.as_bytes(), &text_frame(commands)].concat());
    assert_eq!(socket.head().0, 101);
    let lines = socket.line();
    let replies: Vec<serde_json::Value> =
        lines.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(replies.len(), 2, "{lines}");
    assert_eq!(replies[0]["connect"]["ping"], 25);
    assert_eq!(replies[1]["subscribe"]["data"]["offers"], serde_json::json!([]));
}

#[test]
fn frames_may_come_byte_by_byte_and_many_at_once() {
    let server = Server::start(&[]);
    let (_, _, mut socket) = server.upgrade("GET", LIVE, &[KEY, VERSION]);
    for byte in text_frame("{\"id\":1,\"connect\":{}}") {
        socket.send(&[byte]);
    }
    assert!(socket.line().starts_with("{\"id\":1,\"connect\":"));
    let many: Vec<u8> =
        (2..102).flat_map(|id| text_frame(&format!("{{\"id\":{id},\"ping\":{{}}}}"))).collect();
    socket.send(&many);
    for id in 2..102 {
        assert_eq!(socket.line(), format!("{{\"id\":{id},\"ping\":{{}}}}"));
    }
}

#[test]
fn beyond_the_cap_the_upgrade_is_refused_and_a_place_is_given_back() {
    let server = Server::start(&[("FLASH_SESSIONS_MAX", "2")]);
    let upgrade = || server.upgrade("GET", LIVE, &[KEY, VERSION]);
    let (first, second) = (upgrade(), upgrade());
    assert_eq!((first.0, second.0), (101, 101));
    let (status, head, socket) = upgrade();
    assert_eq!(status, 503, "{head}");
    assert!(head.contains("Retry-After: 1"), "{head}");
    let body: serde_json::Value = serde_json::from_str(&socket.rest()).unwrap();
    assert_eq!((&body["code"], &body["retry_after_ms"]), (&"overloaded".into(), &1_000.into()));
    drop(first);
    // The server learns of the end when it reads it.
    let again = (0..500).any(|_| {
        std::thread::sleep(std::time::Duration::from_millis(10));
        upgrade().0 == 101
    });
    assert!(again, "the place of an ended session was not given back");
}

#[test]
fn a_close_is_answered_and_the_server_goes_first() {
    let server = Server::start(&[]);
    let (_, _, mut socket) = server.upgrade("GET", LIVE, &[KEY, VERSION]);
    // A masked close with code 1000; the mask is zero.
    socket.send(&[0x88, 0x82, 0, 0, 0, 0, 0x03, 0xe8]);
    assert_eq!(socket.frame(), (8, vec![0x03, 0xe8]));
    assert_eq!(socket.rest(), "");
}

#[test]
fn visitors_are_turned_away_where_they_are_not_wanted() {
    let server = Server::start(&[("FLASH_ALLOW_ANONYMOUS", "false")]);
    let (_, _, mut socket) = server.upgrade("GET", LIVE, &[KEY, VERSION]);
    socket.text("{\"id\":1,\"connect\":{}}\n{\"id\":2,\"ping\":{}}");
    assert_eq!(socket.line(), "{\"id\":1,\"error\":{\"code\":101,\"message\":\"unauthorized\"}}");
    // The rest is dropped; a ping of RFC 6455 is answered all the same.
    socket.send(&[0x89, 0x81, 0, 0, 0, 0, b'!']);
    assert_eq!(socket.frame(), (10, vec![b'!']));
}
