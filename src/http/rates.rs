//! How often one address or one shopper may ask.

use crate::limits::*;
use flash_domain::ids::UserId;
use governor::{DefaultKeyedRateLimiter, Quota, RateLimiter};
use std::net::IpAddr;
use std::num::NonZeroU32;

/// The limiters. Keys that have been quiet are forgotten by `forget_quiet`.
pub struct Rates {
    by_address: DefaultKeyedRateLimiter<IpAddr>,
    claims_by_user: DefaultKeyedRateLimiter<UserId>,
}

/// Too often: wait this long.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TooOften {
    /// Milliseconds.
    pub retry_after_ms: u64,
}

fn quota(per_second: u32, burst: u32) -> Quota {
    let at_least_one = |number| NonZeroU32::new(number).unwrap_or(NonZeroU32::MIN);
    Quota::per_second(at_least_one(per_second)).allow_burst(at_least_one(burst))
}

impl Default for Rates {
    fn default() -> Self {
        Self {
            by_address: RateLimiter::keyed(quota(AUTH_PER_ADDRESS_PER_SECOND, AUTH_PER_ADDRESS_BURST)),
            claims_by_user: RateLimiter::keyed(quota(CLAIMS_PER_USER_PER_SECOND, CLAIMS_PER_USER_BURST)),
        }
    }
}

impl Rates {
    /// One more request of an address on the routes about accounts. Loopback clients are not limited.
    ///
    /// # Errors
    /// [`TooOften`].
    pub fn account(&self, address: Option<IpAddr>) -> Result<(), TooOften> {
        match address {
            Some(address) if !address.is_loopback() => check(&self.by_address, &address),
            _ => Ok(()),
        }
    }

    /// One more claim of a shopper.
    ///
    /// # Errors
    /// [`TooOften`].
    pub fn claim(&self, user: UserId) -> Result<(), TooOften> {
        check(&self.claims_by_user, &user)
    }

    /// Forgets whoever has been quiet.
    pub fn forget_quiet(&self) {
        self.by_address.retain_recent();
        self.claims_by_user.retain_recent();
    }
}

fn check<K: std::hash::Hash + Eq + Clone>(
    limiter: &DefaultKeyedRateLimiter<K>,
    key: &K,
) -> Result<(), TooOften> {
    limiter.check_key(key).map_err(|not_until| {
        use governor::clock::{Clock, DefaultClock};
        let wait = not_until.wait_time_from(DefaultClock::default().now());
        TooOften { retry_after_ms: (wait.as_millis() as u64).max(1) }
    })
}
