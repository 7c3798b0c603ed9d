//! What is no frame, no text, no command or no number, and how each is answered.

use crate::Place;
use crate::live::{Socket, frame_of};
use serde_json::{Value, json};

const ALIVE: &str = r#"{"id":99,"ping":{}}"#;

fn masked_head(first: u8, length: u64) -> Vec<u8> {
    let mut head = vec![first, 0x80 | 127];
    head.extend(length.to_be_bytes());
    head.extend([1, 2, 3, 4]);
    head
}

/// Reads until the close frame; gives its code.
fn closed_with(mut socket: Socket, what: &str) -> u16 {
    loop {
        let (opcode, payload) = socket.frame();
        if opcode == 8 {
            assert!(payload.len() > 2 && payload.len() <= 125, "{what}: a reason of 1 to 123 bytes");
            return u16::from_be_bytes([payload[0], payload[1]]);
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn garbage_gets_the_right_close_code_and_the_server_goes_on() {
    let place = Place::open().await;
    let fragments = |first: u8, count: usize, bytes: &[u8]| {
        let mut all = frame_of(first, bytes);
        (1..count).for_each(|_| all.extend(frame_of(0x00, bytes)));
        all
    };
    let deep = format!(r#"{{"id":2,"rpc":{{"method":"move","data":{}}}}}"#, "[".repeat(20_000));
    let cases: Vec<(&str, Vec<u8>, u16)> = vec![
        ("an unmasked frame", b"\x81\x02{}".to_vec(), 1002),
        ("a reserved bit", frame_of(0xc1, b"{}"), 1002),
        ("a reserved opcode", frame_of(0x83, b"{}"), 1002),
        ("a fragmented ping", frame_of(0x09, b"x"), 1002),
        ("a long ping", frame_of(0x89, &[0; 126]), 1002),
        ("a continuation of nothing", frame_of(0x80, b"x"), 1002),
        ("two messages interleaved", [frame_of(0x01, b"{"), frame_of(0x81, b"{}")].concat(), 1002),
        ("an HTTP request", b"GET / HTTP/1.1\r\n\r\n".to_vec(), 1002),
        ("text that is not UTF-8", frame_of(0x81, &[0xff, 0xfe]), 1007),
        ("a surrogate in UTF-8", frame_of(0x01, &[0xed, 0xa0, 0x80]), 1007),
        ("a frame of a terabyte", masked_head(0x81, 1 << 40), 4500),
        ("a frame just above the bound", masked_head(0x81, 64 * 1024 + 1), 4500),
        ("a message above it in fragments", fragments(0x01, 66, &[b' '; 1_024]), 4500),
        ("a message above it in tiny fragments", fragments(0x01, 70_000, b" "), 4500),
        ("a binary message", frame_of(0x82, b"{}"), 3501),
        ("an empty message", frame_of(0x81, b""), 3501),
        ("not JSON", frame_of(0x81, b"hello"), 3501),
        ("a sequence", frame_of(0x81, b"[1]"), 3501),
        ("no id", frame_of(0x81, br#"{"ping":{}}"#), 3501),
        ("an id below zero", frame_of(0x81, br#"{"id":-1,"ping":{}}"#), 3501),
        ("an id of a float", frame_of(0x81, br#"{"id":1.5,"ping":{}}"#), 3501),
        ("an id beyond 32 bits", frame_of(0x81, br#"{"id":4294967296,"ping":{}}"#), 3501),
        ("no method", frame_of(0x81, br#"{"id":2}"#), 3501),
        (
            "NaN",
            frame_of(0x81, br#"{"id":2,"rpc":{"method":"move","data":{"location":{"lat":NaN,"lng":0}}}}"#),
            3501,
        ),
        ("unclosed nesting", frame_of(0x81, deep.as_bytes()), 3501),
        ("a second connect", frame_of(0x81, br#"{"id":2,"connect":{}}"#), 3501),
    ];
    for (what, bytes, code) in cases {
        let mut socket = place.session(None);
        // The server may have ended the connection before everything was sent.
        let _sent_or_cut = socket.try_send(&bytes);
        assert_eq!(closed_with(socket, what), code, "{what}");
        let mut fine = place.session(None);
        fine.text(ALIVE);
        assert_eq!(fine.line(), ALIVE, "after {what}");
    }
}

/// A place, a radius or a count that cannot be: 107 over the socket, which goes on.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn i13_numbers_that_cannot_be_are_refused_with_107_and_the_session_goes_on() {
    let place = Place::open().await;
    let token = place.server.shoppers(1).await.remove(0);
    let mut socket = place.session_of(&token);
    let many: serde_json::Map<String, Value> =
        (0..1_001).map(|n| (uuid::Uuid::from_u128(n).to_string(), json!(1))).collect();
    let at = |location: &str| format!(r#"{{"location":{location}}}"#);
    let mut moves: Vec<String> = [
        r#"{"lat":90.000001,"lng":0}"#,
        r#"{"lat":-91,"lng":0}"#,
        r#"{"lat":0,"lng":180.5}"#,
        r#"{"lat":1e999,"lng":0}"#,
        r#"{"lat":-1e999,"lng":0}"#,
        r#"{"lat":null,"lng":0}"#,
        r#"{"lat":"6.2","lng":0}"#,
        r#"{"lat":6.2}"#,
        r#"{"lat":6.2,"lng":0,"alt":1}"#,
        "[6.2,0]",
        "null",
    ]
    .iter()
    .map(|location| at(location))
    .collect();
    for radius in ["49", "50001", "-1", "0", "1.5", "1e3", "18446744073709551616", "\"500\""] {
        moves.push(format!(r#"{{"location":{{"lat":0,"lng":0}},"radius_m":{radius}}}"#));
    }
    moves.push(json!({"location": {"lat": 0, "lng": 0}, "known": many}).to_string());
    moves.push(r#"{"location":{"lat":0,"lng":0},"known":{"not-an-id":1}}"#.into());
    moves
        .push(r#"{"location":{"lat":0,"lng":0},"known":{"01890000-0000-7000-8000-000000000000":-1}}"#.into());
    moves.push(format!(r#"{{"location":{{"lat":0,"lng":0}},"categories":{}}}"#, json!(vec!["c"; 33])));
    let claim = |quantity: &str, key: &str| {
        format!(
            r#"{{"promotion_id":"01890000-0000-7000-8000-000000000000","quantity":{quantity},"idempotency_key":{}}}"#,
            json!(key)
        )
    };
    let claims = [
        claim("0", "k"),
        claim("-1", "k"),
        claim("1.5", "k"),
        claim("1001", "k"),
        claim("4294967296", "k"),
        claim("1", ""),
        claim("1", "a\u{0}b"),
        claim("1", &"k".repeat(256)),
    ];
    let calls = moves.iter().map(|data| ("move", data)).chain(claims.iter().map(|data| ("claim", data)));
    for (method, data) in calls {
        socket.text(&format!(r#"{{"id":5,"rpc":{{"method":"{method}","data":{data}}}}}"#));
        let reply: Value = serde_json::from_str(&socket.line()).unwrap();
        assert_eq!(reply["error"]["code"], 107, "{method} {data}: {reply}");
    }
    for data in &moves {
        let mut data: Value = serde_json::from_str(data).unwrap_or_else(|_| json!({"location": 1}));
        data.as_object_mut().unwrap().entry("radius_m").or_insert(json!(500));
        if data["location"].is_null() {
            // A subscription may do without.
            continue;
        }
        socket.text(&json!({"id": 6, "subscribe": {"channel": "nearby", "data": data}}).to_string());
        let reply: Value = serde_json::from_str(&socket.line()).unwrap();
        assert_eq!(reply["error"]["code"], 107, "nearby {data}: {reply}");
    }
    socket.text(ALIVE);
    assert_eq!(socket.line(), ALIVE);
}
