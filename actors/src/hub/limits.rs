//! Bounds of the hubs, each with its reason. Times are counted in ticks of [`TICK`].

use std::time::Duration;

/// How often a hub looks at its clocks: one timer per hub instead of several per socket.
pub const TICK: Duration = Duration::from_millis(250);
/// Ticks in a second.
pub const TICKS_PER_SECOND: u64 = 4;
/// Ticks that are made up for after a stall; what is beyond is forgiven, so that a worker that was stuck for long does
/// not take its own silence for that of its sessions.
pub const CATCH_UP_TICKS_MAX: u64 = 4;
/// Ticks between two pings of a session (25 s).
pub const PING_TICKS: u64 = 100;
/// Ticks within which a ping must be answered (10 s).
pub const PONG_TICKS: u64 = 40;
/// Ticks within which a socket must connect (10 s).
pub const CONNECT_TICKS: u64 = 40;
/// Ticks without progress, while something waits, after which a reader counts as stalled (10 s).
pub const STALL_TICKS: u64 = 40;
/// Ticks that the other side has to end the connection once it was told to (2 s).
pub const CLOSE_TICKS: u64 = 8;
/// Bytes of replies and events of one's own that may wait for a socket; one more, of any size, may join them. Beyond,
/// the reader is too slow to be kept.
pub const WAITING_BYTES_MAX: usize = 64 * 1024;
/// Bytes of offers in the answer to a subscription of `nearby`, some four hundred of them; at least one goes in. The rest
/// follows as publications, which cost a mark each while they wait, so that a city full of deals is no burst of memory.
pub const SNAPSHOT_BYTES_MAX: usize = 256 * 1024;
/// Bytes handed to the socket in one write.
pub const WRITE_BYTES_MAX: usize = 64 * 1024;
/// Writes in a row for one socket before others get their turn.
pub const WRITES_IN_A_ROW_MAX: usize = 64;
/// Claims' changes held back for one session until its connect is answered.
pub const HELD_BACK_MAX: usize = 1_024;
/// Promotions' channels that one session may follow.
pub const TOPICS_MAX: usize = 128;
/// Claims' changes that may wait for one hub; beyond, its people are made to connect again and read anew.
pub const INBOX_CLAIMS_MAX: usize = 65_536;
/// Orders (revocations, staff) that may wait for one hub; beyond, all of its sessions are made to connect again.
pub const INBOX_ORDERS_MAX: usize = 16_384;

/// How often the hub looks for more updates before it writes those that it has to the sessions.
pub const ROUNDS_MAX: usize = 16;
