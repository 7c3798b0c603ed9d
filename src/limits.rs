//! Bounds of the edges, each with its reason.

/// Bytes of a request's body; the largest thing that the contract lets anybody send is far below.
pub const BODY_BYTES_MAX: usize = 64 * 1024;
/// Fields that one refusal names; a body of nothing but short unknown ones would get an answer many times its size.
pub const FIELD_ERRORS_MAX: usize = 100;
/// Bytes of a live frame and of a message of several.
pub const FRAME_BYTES_MAX: usize = 64 * 1024;
/// Bytes of a message on `bench/echo`, which the conformance suite drives to its own bounds.
pub const ECHO_BYTES_MAX: usize = 16 * 1024 * 1024;
/// Shoppers that one call of `bench/shoppers` makes.
pub const BENCH_SHOPPERS_MAX: u32 = 10_000;
/// Requests a second of one address on the routes that hash passwords or hand out tokens.
pub const AUTH_PER_ADDRESS_PER_SECOND: u32 = 5;
/// Burst of the same.
pub const AUTH_PER_ADDRESS_BURST: u32 = 30;
/// Claims a second of one shopper.
pub const CLAIMS_PER_USER_PER_SECOND: u32 = 50;
/// Burst of the same.
pub const CLAIMS_PER_USER_BURST: u32 = 100;
/// How often limiters forget whoever has been quiet.
pub const FORGET_QUIET_PERIOD: std::time::Duration = std::time::Duration::from_secs(60);
/// Connections of one worker; actix's own default would bind below the file limit.
pub const CONNECTIONS_PER_WORKER_MAX: usize = 1_000_000;
/// Connections that wait to be accepted (the kernel keeps at most `net.core.somaxconn` of them): a spike of a few thousand
/// shoppers in one moment. Beyond that a client's first packet is dropped and sent again a second later; the standard
/// library's listeners have 128.
pub const BACKLOG: i32 = 8_192;
/// How long a client may take to send a request's head.
pub const REQUEST_HEAD_TIMEOUT: std::time::Duration = std::time::Duration::from_secs(10);
/// How long a request's body may take after its head: one that stays away would hold its connection for ever.
pub const REQUEST_BODY_TIMEOUT: std::time::Duration = std::time::Duration::from_secs(10);
/// How long a connection may be idle between requests.
pub const KEEP_ALIVE: std::time::Duration = std::time::Duration::from_secs(75);
/// How long a connection waits for its client: for the rest of a head after the first, for the rest of a body that nobody
/// reads, for room to write into. More than [`REQUEST_HEAD_TIMEOUT`], which is answered.
pub const CLIENT_PATIENCE: std::time::Duration = std::time::Duration::from_secs(15);
/// How long nothing at all may go over an HTTP connection. Idle ones end earlier, by [`KEEP_ALIVE`]; actix-http does not
/// call idle what owes the rest of a body.
pub const QUIET_MAX: std::time::Duration = std::time::Duration::from_secs(90);
/// How long a connection whose request was refused with its body unread takes in and drops what still comes, so that the
/// client can read the answer: closed at once, it would be reset.
pub const LAST_WORDS_TIMEOUT: std::time::Duration = std::time::Duration::from_secs(5);
/// Bytes that one read takes from a live socket; the buffer is shared by all sessions of a thread.
pub const READ_BYTES: usize = 64 * 1024;
/// Reads in a row from one live socket before others get their turn.
pub const READS_IN_A_ROW_MAX: usize = 8;
/// Commands of one session that may wait for a port; beyond, they are refused as too many.
pub const COMMANDS_IN_FLIGHT_MAX: usize = 32;
/// Commands that may wait for a session's connect.
pub const COMMANDS_QUEUED_MAX: usize = 64;
/// Open claims that a connect is answered with.
pub const OPEN_CLAIMS_MAX: u32 = 100;
/// Promotions that a client may say it knows.
pub const KNOWN_MAX: usize = 1_000;
/// Categories that a shopper may ask for.
pub const CATEGORIES_MAX: usize = 32;
/// How long the answer to an upgrade may take to be written.
pub const HANDSHAKE_TIMEOUT: std::time::Duration = std::time::Duration::from_secs(10);
