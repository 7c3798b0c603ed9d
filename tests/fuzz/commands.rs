//! Commands of the live protocol against the real binary: each gets a reply with its id, or a close with a code of the
//! protocol; others on the same server notice nothing.

use crate::Plan;
use crate::live::{Server, Socket, frame_of};
use crate::mutate;
use serde_json::{Value, json};

const HEADERS: [&str; 2] = ["Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==", "Sec-WebSocket-Version: 13"];
/// The server's own ping, which a long run meets, and its answer.
const PING: &str = "{}";
const CODES: [u16; 5] = [1002, 1007, 3501, 4500, 4501];

fn corpus() -> Vec<Value> {
    let place = json!({"lat": 6.2442, "lng": -75.5812});
    let id = "01890000-0000-7000-8000-000000000000";
    let rpc = |method: &str, data: Value| json!({"id": 7, "rpc": {"method": method, "data": data}});
    vec![
        json!({"id": 7, "connect": {"token": "", "name": "js", "version": "5"}}),
        json!({"id": 7, "subscribe": {"channel": "nearby", "data": {"location": place, "radius_m": 500,
            "categories": ["food"], "known": {id: 3}}}}),
        json!({"id": 7, "subscribe": {"channel": format!("promotion:{id}"), "flag": 1}}),
        json!({"id": 7, "unsubscribe": {"channel": "nearby"}}),
        json!({"id": 7, "refresh": {"token": "a.b.c"}}),
        json!({"id": 7, "publish": {"channel": "nearby", "data": {}}}),
        json!({"id": 7, "ping": {}}),
        rpc("move", json!({"location": place, "radius_m": 900, "known": {id: 1}})),
        rpc("claim", json!({"promotion_id": id, "quantity": 1, "location": place, "idempotency_key": "k"})),
        rpc("confirm", json!({"claim_id": id})),
    ]
}

fn connected(server: &Server) -> Socket {
    let (status, head, mut socket) = server.upgrade("GET", "/api/v1/live", &HEADERS);
    assert_eq!(status, 101, "{head}");
    socket.text(r#"{"id":1,"connect":{}}"#);
    assert!(socket.line().starts_with(r#"{"id":1,"connect":"#));
    socket
}

fn has_null(value: &Value) -> bool {
    match value {
        Value::Null => true,
        Value::Array(items) => items.iter().any(has_null),
        Value::Object(members) => members.values().any(has_null),
        Value::Bool(_) | Value::Number(_) | Value::String(_) => false,
    }
}

/// Sends an input and a ping behind it; true if the session goes on.
fn try_one(socket: &mut Socket, input: &[u8], blame: &str) -> bool {
    const END: &str = r#"{"id":4294967295,"ping":{}}"#;
    // A session that ends does not read on.
    if socket.try_send(&frame_of(0x81, input)).is_err()
        || socket.try_send(&frame_of(0x81, END.as_bytes())).is_err()
    {
        return false;
    }
    loop {
        let (opcode, payload) = socket.frame();
        if opcode == 8 {
            let code = u16::from_be_bytes([payload[0], payload[1]]);
            assert!(CODES.contains(&code) || code == 3500 || code == 3005, "{code}: {blame}");
            assert!(payload.len() > 2, "a reason: {blame}");
            return false;
        }
        let text = String::from_utf8(payload).unwrap();
        if text.lines().any(|line| line == PING) && socket.try_send(&frame_of(0x81, PING.as_bytes())).is_err()
        {
            return false;
        }
        if text.lines().any(|line| line == END) {
            return true;
        }
        for line in text.lines() {
            let reply: Value = serde_json::from_str(line).unwrap_or_else(|_| panic!("{line}: {blame}"));
            assert!(!has_null(&reply), "a null stops SDKs for good: {line}: {blame}");
            assert!(reply["error"]["code"] != 100, "internal error: {line}: {blame}");
        }
    }
}

#[test]
fn commands_get_a_reply_or_a_close_with_a_code_of_the_protocol() {
    let plan = Plan::new(3_000);
    let server = Server::start(&[]);
    let corpus = corpus();
    let mut witness = connected(&server);
    let mut socket = connected(&server);
    let mut survived = 0u64;
    for n in 0..plan.inputs {
        let mut chance = plan.chance(n);
        let input = mutate::input(&corpus, &mut chance);
        if try_one(&mut socket, &input, &plan.blame(n, &input)) {
            survived += 1;
        } else {
            socket = connected(&server);
        }
        if n % 500 == 0 {
            witness.text(r#"{"id":9,"ping":{}}"#);
            let mut answer = witness.line();
            while answer == PING {
                witness.text(PING);
                answer = witness.line();
            }
            assert_eq!(answer, r#"{"id":9,"ping":{}}"#);
        }
    }
    assert!(plan.inputs < 1_000 || survived > plan.inputs / 10, "too little is a command: {survived}");
}
