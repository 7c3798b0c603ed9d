//! Conversations by themselves: commands in, frames out, on a real store and a real socket whose other end the test
//! reads. What comes in one stretch comes before anything that has to be read for it.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use super::*;
use crate::adapters::{DatabaseUrl, Stores};
use crate::auth::Auth;
use crate::live::encode::Json;
use crate::live::{LiveSettings, LiveState};
use crate::metrics::Metrics;
use crate::mint::SystemMint;
use flash_actors::engine::{Engine, EngineParts};
use flash_actors::hub::session::Ending;
use flash_actors::hub::{HubActor, Hubs};
use flash_actors::ports::accounts::Role;
use flash_actors::ports::clock::SystemClock;
use flash_domain::ids::FamilyId;
use serde_json::{Value, json};
use std::sync::Arc;
use tokio::io::AsyncReadExt;
use tokio::net::{TcpListener, TcpStream};
use uuid::Uuid;

const UNKNOWN: &str = "01890000-0000-7000-8000-000000000000";

struct Talk {
    conversation: Rc<Conversation>,
    client: TcpStream,
    seen: Vec<u8>,
    auth: Arc<Auth>,
    _directory: tempfile::TempDir,
}

impl Talk {
    async fn begin() -> Self {
        let directory = tempfile::tempdir().unwrap();
        let stores = Stores::open(&DatabaseUrl::Sqlite(directory.path().join("talk.db"))).await.unwrap();
        stores.migrate().await.unwrap();
        let hubs = Hubs::new(Arc::new(Json), 10);
        let engine = Engine::start(EngineParts {
            store: stores.store.clone(),
            accounts: stores.accounts.clone(),
            feed: hubs.clone(),
            clock: Arc::new(SystemClock::new()),
            mint: Arc::new(SystemMint),
            promotions: actix_rt::Arbiter::current(),
            persistence: actix_rt::Arbiter::current(),
            timers: true,
        });
        let auth = Arc::new(Auth::new(&[7; 32], None, 900));
        let state = LiveState {
            engine,
            catalogue: stores.catalogue,
            inbox: stores.inbox,
            auth: auth.clone(),
            hubs: hubs.clone(),
            metrics: Arc::new(Metrics::new().unwrap()),
            claim_rate: Arc::new(|_| None),
            settings: LiveSettings { allow_anonymous: true, origins: vec![], bench: false },
        };
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let client = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
        let (stream, _) = listener.accept().await.unwrap();
        stream.writable().await.unwrap();
        let shard = HubActor::start_here(&hubs);
        let slot = shard.borrow_mut().open(Hold::of(stream));
        let worker = Rc::new(Worker { state: Arc::new(state), shard, ready: Cell::new(true) });
        let conversation = Conversation::new(worker, slot, Language::English);
        Self { conversation, client, seen: Vec::new(), auth, _directory: directory }
    }

    fn token(&self, user: u128) -> String {
        let now = self.conversation.worker.state.engine.now().wall;
        let (user, family) = (UserId(Uuid::from_u128(user)), FamilyId(Uuid::from_u128(9)));
        self.auth.issue_access(user, Role::Shopper, family, now).unwrap()
    }

    /// A token whose time was over an hour ago.
    fn old_token(&self) -> String {
        let then = self.conversation.worker.state.engine.now().wall.plus_ms(-3 * 3_600_000);
        self.auth
            .issue_access(UserId(Uuid::from_u128(1)), Role::Shopper, FamilyId(Uuid::nil()), then)
            .unwrap()
    }

    fn say(&self, commands: &[Value]) {
        let lines: Vec<String> = commands.iter().map(Value::to_string).collect();
        self.conversation.message(&lines.join("\n"));
    }

    /// The next frame: a text frame's lines as JSON, or `{"close": code}`.
    async fn hear(&mut self) -> Vec<Value> {
        loop {
            if let Some((first, start, end)) = frame_in(&self.seen) {
                let payload: Vec<u8> = self.seen.drain(..end).skip(start).collect();
                if first & 0x0f == 8 {
                    return vec![json!({"close": u16::from_be_bytes([payload[0], payload[1]])})];
                }
                let text = String::from_utf8(payload).unwrap();
                return text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
            }
            let mut bytes = [0; 4096];
            let read = tokio::time::timeout(std::time::Duration::from_secs(15), self.client.read(&mut bytes));
            let count = read.await.expect("something should have been said").unwrap();
            assert!(count > 0, "the connection ended");
            self.seen.extend_from_slice(&bytes[..count]);
        }
    }

    async fn connected(user: u128) -> Self {
        let mut talk = Self::begin().await;
        talk.say(&[json!({"id": 1, "connect": {"token": talk.token(user)}})]);
        assert!(talk.hear().await[0]["connect"]["client"].is_string());
        talk
    }
}

/// The first byte of the first whole frame, where its payload starts and where it ends.
fn frame_in(seen: &[u8]) -> Option<(u8, usize, usize)> {
    let (start, length) = match *seen.get(1)? {
        126 => (4, usize::from(u16::from_be_bytes([*seen.get(2)?, *seen.get(3)?]))),
        127 => (10, u64::from_be_bytes(seen.get(2..10)?.try_into().unwrap()) as usize),
        short => (2, usize::from(short)),
    };
    (seen.len() >= start + length).then_some((seen[0], start, start + length))
}

fn code(reply: &Value) -> &Value {
    &reply["error"]["code"]
}

#[actix_web::test]
async fn commands_wait_while_the_connect_is_answered_and_keep_their_order() {
    let mut talk = Talk::begin().await;
    let subscribe = json!({"id": 2, "subscribe": {"channel": "nearby", "data": {"radius_m": 500}}});
    talk.say(&[json!({"id": 1, "connect": {"token": talk.token(1)}}), subscribe]);
    talk.say(&[json!({"id": 3, "ping": {}})]);
    talk.conversation.message("{}");
    assert!(talk.conversation.user().is_none(), "nothing was read yet");
    let connect = talk.hear().await;
    assert_eq!((connect.len(), &connect[0]["id"]), (1, &json!(1)), "the connect's answer goes first, alone");
    assert_eq!(connect[0]["connect"]["subs"]["me"]["data"], json!({"claims": [], "unread": 0}));
    let mut rest = talk.hear().await;
    while rest.len() < 2 {
        rest.extend(talk.hear().await);
    }
    assert_eq!((&rest[0]["id"], &rest[1]["id"]), (&json!(2), &json!(3)));
    assert_eq!(talk.conversation.user(), Some(UserId(Uuid::from_u128(1))));
}

#[actix_web::test]
async fn more_commands_than_are_kept_end_the_connection() {
    let mut talk = Talk::begin().await;
    talk.say(&[json!({"id": 1, "connect": {"token": talk.token(1)}})]);
    for id in 0..COMMANDS_QUEUED_MAX {
        talk.say(&[json!({"id": 2 + id, "ping": {}})]);
    }
    assert!(matches!(&*talk.conversation.phase.borrow(), Phase::Connecting { .. }));
    talk.say(&[json!({"id": 999, "ping": {}})]);
    assert_eq!(talk.hear().await, [json!({"close": 4501})]);
    let mut large = Talk::begin().await;
    large.say(&[json!({"id": 1, "connect": {"token": large.token(1)}})]);
    large.say(&[json!({"id": 2, "ping": {"pad": "x".repeat(FRAME_BYTES_MAX)}})]);
    assert_eq!(large.hear().await, [json!({"close": 4501})]);
}

#[actix_web::test]
async fn after_a_connect_error_the_rest_is_dropped() {
    let mut talk = Talk::begin().await;
    talk.say(&[json!({"id": 1, "connect": {"token": talk.old_token()}}), json!({"id": 2, "ping": {}})]);
    talk.say(&[json!({"id": 3, "ping": {}}), json!("not a command")]);
    let said = talk.hear().await;
    assert_eq!((said.len(), code(&said[0])), (1, &json!(109)), "{said:?}");
    talk.conversation.close(Disconnect::STALE);
    assert_eq!(talk.hear().await, [json!({"close": 3502})], "nothing else was said");
}

#[actix_web::test]
async fn a_token_that_is_not_ours_ends_the_connection_and_what_came_with_it() {
    let mut talk = Talk::begin().await;
    talk.say(&[json!({"id": 1, "connect": {"token": "a.b.c"}}), json!({"id": 2, "ping": {}})]);
    assert_eq!(talk.hear().await, [json!({"close": 3500})]);
    let shard = talk.conversation.shard().unwrap();
    assert_eq!(shard.attention(talk.conversation.slot).ending, Some(Ending::Closing));
}

#[actix_web::test]
async fn nothing_may_be_said_before_the_connect_nor_connect_twice() {
    for first in [json!({"id": 1, "ping": {}}), json!({"id": 1, "subscribe": {"channel": "nearby"}})] {
        let mut talk = Talk::begin().await;
        talk.say(&[first]);
        assert_eq!(talk.hear().await, [json!({"close": 3501})]);
    }
    let mut talk = Talk::connected(1).await;
    talk.say(&[json!({"id": 2, "ping": {}}), json!({"id": 3, "connect": {}}), json!({"id": 4, "ping": {}})]);
    assert_eq!(talk.hear().await, [json!({"id": 2, "ping": {}})], "what came before is answered");
    assert_eq!(talk.hear().await, [json!({"close": 3501})]);
}

#[actix_web::test]
async fn unknown_channels_and_double_subscriptions_are_refused() {
    let mut talk = Talk::connected(1).await;
    let subscribe = |id: u32, channel: &str| json!({"id": id, "subscribe": {"channel": channel, "data": {"radius_m": 500}}});
    let upper = format!("promotion:{}", UNKNOWN.to_uppercase());
    for channel in ["elsewhere", "", "promotion:", "promotion:1", "nearby ", "Nearby", upper.as_str()] {
        talk.say(&[subscribe(2, channel)]);
        assert_eq!(code(&talk.hear().await[0]), 102, "{channel}");
    }
    talk.say(&[subscribe(3, "me")]);
    assert_eq!(code(&talk.hear().await[0]), 105);
    talk.say(&[subscribe(4, "nearby"), subscribe(5, "nearby")]);
    let (first, second) = (talk.hear().await, talk.hear().await);
    assert!(first[0]["subscribe"]["data"]["offers"].is_array(), "{first:?}");
    assert_eq!((&second[0]["id"], code(&second[0])), (&json!(5), &json!(105)));
    let promotion = format!("promotion:{UNKNOWN}");
    talk.say(&[subscribe(6, &promotion), subscribe(7, &promotion)]);
    let (twice, unknown) = (talk.hear().await, talk.hear().await);
    assert_eq!(
        (&twice[0]["id"], code(&twice[0])),
        (&json!(7), &json!(105)),
        "while the first is being answered"
    );
    assert_eq!((&unknown[0]["id"], code(&unknown[0])), (&json!(6), &json!(102)));
    talk.say(&[subscribe(8, &promotion)]);
    assert_eq!(code(&talk.hear().await[0]), 102, "a refused subscription leaves nothing behind");
}

#[actix_web::test]
async fn unsubscribing_always_works() {
    let mut talk = Talk::connected(1).await;
    let promotion = format!("promotion:{UNKNOWN}");
    for channel in ["nearby", "me", "elsewhere", promotion.as_str()] {
        talk.say(&[json!({"id": 2, "unsubscribe": {"channel": channel}})]);
        assert_eq!(talk.hear().await, [json!({"id": 2, "unsubscribe": {}})], "{channel}");
    }
}

#[actix_web::test]
async fn what_is_not_offered_unknown_or_bad_has_its_code() {
    let mut talk = Talk::connected(1).await;
    for (method, expected) in [("publish", 108), ("presence", 108), ("presence_stats", 108), ("history", 108)]
    {
        talk.say(&[json!({"id": 2, method: {"channel": "nearby"}})]);
        assert_eq!(code(&talk.hear().await[0]), expected, "{method}");
    }
    for (method, data, expected) in [
        ("teleport", json!({}), 104),
        ("", json!({}), 104),
        ("move", json!({}), 107),
        ("move", json!([]), 107),
        ("move", json!({"location": {"lat": 1, "lng": 1}, "altitude": 3}), 107),
        ("claim", json!(null), 107),
        ("confirm", json!({"claim_id": "x"}), 107),
    ] {
        talk.say(&[json!({"id": 3, "rpc": {"method": method, "data": data}})]);
        assert_eq!(code(&talk.hear().await[0]), expected, "{method} {data}");
    }
    for (data, expected) in [
        (
            json!({"promotion_id": UNKNOWN, "idempotency_key": "k", "quantity": 0}),
            "bad data: /quantity must be a whole number from 1 to 1000",
        ),
        (json!({"idempotency_key": "k"}), "bad data: /promotion_id is missing: must be a UUID"),
    ] {
        talk.say(&[json!({"id": 3, "rpc": {"method": "claim", "data": data}})]);
        let said = talk.hear().await;
        assert_eq!(said[0]["error"], json!({"code": 107, "message": expected}));
    }
    talk.say(&[json!({"id": 0, "send": {"data": {}}}), json!({"id": 4, "ping": {}})]);
    assert_eq!(talk.hear().await, [json!({"id": 4, "ping": {}})], "send is ignored");
}

#[actix_web::test]
async fn visitors_may_look_and_not_act() {
    let mut talk = Talk::begin().await;
    talk.say(&[json!({"id": 1, "connect": {}}), json!({"id": 2, "subscribe": {"channel": "me"}})]);
    let said = talk.hear().await;
    assert!(said[0]["connect"].get("expires").is_none() && said[0]["connect"].get("subs").is_none());
    assert_eq!(code(&said[1]), 103);
    for (method, data) in [
        ("claim", json!({"promotion_id": UNKNOWN, "idempotency_key": "k"})),
        ("confirm", json!({"claim_id": UNKNOWN})),
        ("cancel", json!({"claim_id": UNKNOWN})),
    ] {
        talk.say(&[json!({"id": 3, "rpc": {"method": method, "data": data}})]);
        assert_eq!(code(&talk.hear().await[0]), 101, "{method}");
    }
}

#[actix_web::test]
async fn more_commands_at_once_than_may_wait_are_refused_for_now() {
    let mut talk = Talk::connected(1).await;
    for id in 0..=COMMANDS_IN_FLIGHT_MAX {
        talk.say(&[json!({"id": 10 + id, "rpc": {"method": "confirm", "data": {"claim_id": UNKNOWN}}})]);
    }
    let mut said = talk.hear().await;
    let first = said.remove(0);
    assert_eq!(code(&first), 111, "{first:?}");
    assert_eq!(first["error"]["temporary"], true);
    // Replies that are ready together come in one frame.
    while said.len() < COMMANDS_IN_FLIGHT_MAX {
        said.extend(talk.hear().await);
    }
    assert_eq!(said.len(), COMMANDS_IN_FLIGHT_MAX);
    assert!(said.iter().all(|reply| reply["rpc"]["data"]["problem"]["code"] == "not_found"), "{said:?}");
    assert_eq!(talk.conversation.in_flight.get(), 0);
}

#[actix_web::test]
async fn i29_a_refresh_takes_the_same_persons_valid_token_only() {
    for (token, close) in [("a.b.c".to_owned(), 3500), (Talk::begin().await.old_token(), 3005)] {
        let mut talk = Talk::connected(1).await;
        talk.say(&[json!({"id": 2, "refresh": {"token": token}})]);
        assert_eq!(talk.hear().await, [json!({"close": close})]);
    }
    let mut talk = Talk::connected(1).await;
    talk.say(&[json!({"id": 2, "refresh": {"token": talk.token(1)}})]);
    let refreshed = talk.hear().await.remove(0);
    // 25 s before its end; the token's times are whole seconds.
    assert!((870..=875).contains(&refreshed["refresh"]["ttl"].as_i64().unwrap()), "{refreshed}");
    assert_eq!(refreshed["refresh"]["expires"], true);
    talk.say(&[json!({"id": 3, "refresh": {"token": talk.token(2)}})]);
    assert_eq!(talk.hear().await, [json!({"close": 3500})]);
}

#[actix_web::test]
async fn what_still_runs_when_the_socket_is_gone_touches_nothing() {
    let talk = Talk::connected(1).await;
    let promotion = format!("promotion:{UNKNOWN}");
    talk.say(&[json!({"id": 2, "subscribe": {"channel": promotion}})]);
    assert_eq!(talk.conversation.in_flight.get(), 1);
    talk.conversation.end();
    let slot = talk.conversation.slot;
    talk.conversation.worker.shard.borrow_mut().remove(slot);
    let patience = tokio::time::timeout(std::time::Duration::from_secs(15), async {
        while talk.conversation.in_flight.get() > 0 {
            tokio::task::yield_now().await;
        }
    });
    patience.await.unwrap();
    assert!(talk.conversation.shard().is_none());
    assert_eq!(talk.conversation.worker.shard.borrow().sizes(), (0, 0));
}
