//! Bounds of the engine's queues and pacing, each with its reason.

use std::time::Duration;

/// Callers that may wait for one promotion's commits; more are refused as overloaded. The contract promises at least
/// 4,096.
pub const WAITING_PER_PROMOTION_MAX: usize = 16_384;
/// What an overloaded caller is told to wait: a few commits later there is room again.
pub const OVERLOADED_RETRY_MS: u64 = 250;
/// What a caller is told to wait while a promotion is reloaded.
pub const RELOAD_RETRY_MS: u64 = 200;
/// Commits start at least this far apart, so that a busy second shares transactions; a lone claim does not wait.
pub const COMMIT_SPACING: Duration = Duration::from_millis(1);
/// Decisions that share a transaction well enough: so many don't wait for the spacing. Measured: docs/benchmarks.md.
pub const COMMIT_AT_ONCE: usize = 48;
/// Claims in one transaction; beyond, the rest joins the next one. Keeps a commit's time, and so everybody's wait, bounded.
pub const BATCH_CLAIMS_MAX: usize = 2_048;
/// Promotions in one transaction.
pub const BATCH_PROMOTIONS_MAX: usize = 512;
/// Milliseconds after which a waiting caller is told that the outcome is unknown. Below the 5 s of the contract.
pub const ANSWER_DEADLINE_MS: i64 = 4_000;
/// How often deadlines of waiting callers are looked at.
pub const ANSWER_TICK: Duration = Duration::from_millis(250);
/// Least milliseconds between two stock updates of one promotion.
pub const STOCK_SPACING_MS: i64 = 100;
/// Promotions loaded from the store at the same time.
pub const LOADS_MAX: usize = 8;
/// Loads that may wait for a place; beyond, callers are refused.
pub const LOADS_WAITING_MAX: usize = 4_096;
/// A promotion that starts within this has an owner already: two scans of the check job.
pub const NEAR_MS: i64 = 10 * 60 * 1000;
/// An owner that nothing keeps awake goes to sleep after this long without a decision.
pub const IDLE_BEFORE_SLEEP_MS: i64 = 30_000;
/// How often the clocks are compared and idle owners looked for.
pub const WATCH_PERIOD: Duration = Duration::from_millis(1_000);
/// Parts of that period, in each of which its share of the owners is looked at.
pub const WATCH_TURNS: u32 = 100;
/// How far the wall clock may drift from the monotonic one before every timer is set again.
pub const CLOCK_DRIFT_MS: i64 = 2;
/// Pause before a failed reload is tried again; doubles up to the maximum.
pub const RELOAD_BACKOFF_MIN: Duration = Duration::from_millis(50);
/// Longest pause between two tries of a reload.
pub const RELOAD_BACKOFF_MAX: Duration = Duration::from_secs(2);
/// Events handed to the notifier at once.
pub const OUTBOX_BATCH_MAX: u32 = 500;
/// Pause between two looks into the outbox.
pub const OUTBOX_PERIOD: Duration = Duration::from_millis(500);
/// Promotions per page of a scan.
pub const SCAN_PAGE: u32 = 1_000;
