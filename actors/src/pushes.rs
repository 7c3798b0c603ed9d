//! Pushes: what waits in the store goes to the pusher, a few at a time, with backoff and jitter.
//!
//! A push that was accepted and whose answer was lost is sent again: at least once. Knows no platform.

use crate::ports::PortError;
use crate::ports::clock::{SharedClock, SharedMint};
use crate::ports::inbox::{Inbox, Push, PushOutcome};
use crate::ports::pusher::{PushResult, Pusher};
use flash_domain::time::UnixMillis;
use futures_util::StreamExt;
use std::sync::Arc;
use std::time::Duration;

/// Pushes taken at once.
const BATCH: u32 = 100;
/// Pushes under way at the same time: the service answers in tens of milliseconds.
const AT_ONCE: usize = 8;
/// How long a push is nobody else's.
const LEASE_MS: i64 = 60_000;
/// Tries before a push is given up: with the backoff below this is about half an hour.
const TRIES_MAX: u32 = 10;
/// First backoff; doubles up to the maximum.
const BACKOFF_MIN_MS: i64 = 2_000;
/// Longest backoff.
const BACKOFF_MAX_MS: i64 = 600_000;
/// Pause between two looks.
const LOOK_PERIOD: Duration = Duration::from_secs(1);

/// What the sender works with.
#[derive(Clone)]
pub struct PushParts {
    /// Pushes that wait.
    pub inbox: Arc<dyn Inbox>,
    /// Where they go.
    pub pusher: Arc<dyn Pusher>,
    /// The clocks.
    pub clock: SharedClock,
    /// For jitter.
    pub mint: SharedMint,
}

impl PushParts {
    /// Sends what is due; says how many were looked at.
    ///
    /// # Errors
    /// The store's.
    pub async fn send_due(&self) -> Result<u64, PortError> {
        let mut sent = 0;
        loop {
            let now = self.clock.now().wall;
            let due = self.inbox.pushes_due(now, now.plus_ms(LEASE_MS), BATCH).await?;
            if due.is_empty() {
                return Ok(sent);
            }
            sent += due.len() as u64;
            let mut under_way =
                futures_util::stream::iter(due.iter().map(|push| self.send(push))).buffer_unordered(AT_ONCE);
            while let Some(result) = under_way.next().await {
                result?;
            }
        }
    }

    async fn send(&self, push: &Push) -> Result<(), PortError> {
        let (result, endpoint) = self.pusher.push(push).await;
        let now = self.clock.now().wall;
        let outcome = match result {
            PushResult::Sent => PushOutcome::Sent,
            PushResult::Later if push.tries + 1 < TRIES_MAX => {
                PushOutcome::Later(self.next_try(push.tries, now))
            }
            PushResult::Later | PushResult::GivenUp => PushOutcome::GivenUp,
            PushResult::Disabled => PushOutcome::Disabled,
        };
        self.inbox.push_done(push.notice.id, push.device.id, endpoint, outcome, now).await
    }

    /// Between half of the backoff and all of it, so that what failed together does not come back together.
    fn next_try(&self, tries: u32, now: UnixMillis) -> UnixMillis {
        let backoff = BACKOFF_MIN_MS.saturating_mul(1 << tries.min(20)).min(BACKOFF_MAX_MS);
        let shake = (self.mint.uuid(now).as_u128() & 0xffff) as i64;
        now.plus_ms(backoff / 2 + backoff * shake / (2 * 0xffff))
    }
}

/// Sends what is due, every second. Ends with its runtime.
pub async fn sender(parts: PushParts) {
    loop {
        if let Err(error) = parts.send_due().await {
            tracing::warn!(%error, "pushes wait");
        }
        tokio::time::sleep(LOOK_PERIOD).await;
    }
}
