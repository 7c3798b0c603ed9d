//! A hub's clockwork: pings in a ring, deadlines by tick. Knows slots and generations, not sessions.

use super::limits::{PING_TICKS, PONG_TICKS};
use std::collections::BTreeMap;

/// What is due.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Due {
    /// It should have connected by now.
    Connect,
    /// Its token may have run out.
    Expiry,
    /// Its turn to leave has come.
    Drain,
    /// The other side had its time to end the connection.
    Cut,
}

/// A session that something is due for: slot and generation.
pub type Whom = (u32, u32);

/// The clockwork.
#[derive(Debug)]
pub struct Timers {
    ring: Vec<Vec<Whom>>,
    deadlines: BTreeMap<u64, Vec<(Whom, Due)>>,
    now: u64,
}

/// Everything that a tick brings.
#[derive(Debug, Default)]
pub struct Tick {
    /// Sessions to ping.
    pub ping: Vec<Whom>,
    /// Sessions whose last ping must have been answered by now.
    pub pong: Vec<Whom>,
    /// Deadlines that have come.
    pub due: Vec<(Whom, Due)>,
}

impl Default for Timers {
    fn default() -> Self {
        Self { ring: vec![Vec::new(); PING_TICKS as usize], deadlines: BTreeMap::new(), now: 0 }
    }
}

impl Timers {
    /// The current tick.
    pub fn now(&self) -> u64 {
        self.now
    }

    /// Pings a session from now on, for the first time after a whole period.
    pub fn ping(&mut self, whom: Whom) {
        self.ring[(self.now % PING_TICKS) as usize].push(whom);
    }

    /// Sets a deadline `ticks` from now, at least one.
    pub fn after(&mut self, ticks: u64, whom: Whom, due: Due) {
        self.deadlines.entry(self.now.saturating_add(ticks.max(1))).or_default().push((whom, due));
    }

    /// Goes on by one tick. `alive` tells which sessions still are; the others are forgotten.
    pub fn tick(&mut self, alive: impl Fn(Whom) -> bool) -> Tick {
        self.now += 1;
        let ring = &mut self.ring[(self.now % PING_TICKS) as usize];
        ring.retain(|whom| alive(*whom));
        let ping = ring.clone();
        let before = (self.now + PING_TICKS - PONG_TICKS) % PING_TICKS;
        let pong = if self.now > PONG_TICKS { self.ring[before as usize].clone() } else { Vec::new() };
        let mut due = Vec::new();
        while let Some(first) = self.deadlines.first_entry() {
            if *first.key() > self.now {
                break;
            }
            due.extend(first.remove());
        }
        Tick { ping, pong, due }
    }
}
