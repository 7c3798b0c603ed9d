//! SIGTERM and the live edge of the real binary: sessions are told to reconnect, spread over a time, and while some are
//! told already the others are still served; nobody new is let in.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

#[path = "common/live.rs"]
mod live;

use live::{Server, Socket};

const HEADERS: [&str; 2] = ["Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==", "Sec-WebSocket-Version: 13"];
const SESSIONS: usize = 60;
const PING: &str = r#"{"id":7,"ping":{}}"#;

/// Sends a ping; false if the session was told to reconnect instead.
fn is_served(socket: &mut Socket) -> bool {
    // The server may have ended the connection behind its close frame.
    let _sent_or_ended = socket.try_send(&live::text_frame(PING));
    let (opcode, payload) = socket.frame();
    if opcode != 8 {
        assert_eq!(String::from_utf8(payload).unwrap(), PING);
        return true;
    }
    assert_eq!(u16::from_be_bytes([payload[0], payload[1]]), 3001);
    assert_eq!(&payload[2..], b"shutdown");
    false
}

#[test]
fn i22_a_drain_ends_sessions_with_3001_not_all_at_once() {
    let mut server = Server::start(&[]);
    let mut sessions: Vec<Socket> = (0..SESSIONS)
        .map(|_| {
            let (status, head, mut socket) = server.upgrade("GET", "/api/v1/live", &HEADERS);
            assert_eq!(status, 101, "{head}");
            socket.text(r#"{"id":1,"connect":{}}"#);
            assert!(socket.line().starts_with(r#"{"id":1,"connect":"#));
            socket
        })
        .collect();
    server.terminate();
    let (mut ended, mut rounds_with_ends, mut served_after_the_first) = (0, 0, 0);
    while !sessions.is_empty() {
        let before = sessions.len();
        sessions.retain_mut(is_served);
        let now = before - sessions.len();
        if now > 0 && ended == 0 && !sessions.is_empty() {
            let (status, _, _) = server.upgrade("GET", "/api/v1/live", &HEADERS);
            assert_eq!(status, 503, "nobody new is let in, so that an SDK's backoff is not reset");
        }
        ended += now;
        rounds_with_ends += usize::from(now > 0);
        served_after_the_first += if ended > 0 { sessions.len() } else { 0 };
    }
    assert_eq!(ended, SESSIONS);
    assert!(
        rounds_with_ends > 2 && served_after_the_first > 0,
        "{rounds_with_ends} {served_after_the_first}"
    );
    assert!(server.wait().success());
}
