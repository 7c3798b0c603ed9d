//! An open loop over keep-alive connections: requests are due at a fixed rate, whatever becomes of them.
//!
//! A request that finds no free connection waits for one, or is given up, and its time counts from when it was due. epoll
//! waits for whole milliseconds; where the next request is due before, the loop looks, and sleeps for a moment. What that
//! is late by adds to what is measured and never takes any away; how late it is, is told. It does not know what the
//! requests mean.

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::ops::Range;
use std::time::{Duration, Instant};

use hdrhistogram::Histogram;

use crate::closed_loop::Workload;
use crate::connections::{Answer, Connections};
use crate::error::{Error, Result};

/// Nothing answered for this long ends the run.
const SILENCE_MAX: Duration = Duration::from_secs(15);
/// The shortest time for which epoll waits, and the longest for which the loop looks away from the answers instead.
const WAIT_MIN: Duration = Duration::from_millis(1);
const LOOK_AWAY: Duration = Duration::from_micros(100);
/// Requests that are sent in a row before answers are looked at.
const SENDS_IN_A_ROW: usize = 128;
/// Largest lateness that is told apart, in microseconds.
const LATE_US_MAX: u64 = 60_000_000;

/// What becomes of a request that is due while every connection has one in flight.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum WhenBusy {
    /// It waits for a connection.
    Wait,
    /// It is given up, and counted.
    GiveUp,
}

/// What is asked for.
#[derive(Debug, Clone, Copy)]
pub struct Pace {
    /// Connections, each with at most one request in flight.
    pub connections: usize,
    /// Requests that are due per second.
    pub per_second: f64,
    /// For how long.
    pub duration: Duration,
    /// How much of that, at its start, is in no figure.
    pub warm_up: Duration,
    /// When there are too few connections.
    pub when_busy: WhenBusy,
}

/// What was done of what was due after the warm-up.
#[derive(Debug, Clone)]
pub struct Offered {
    /// When the warm-up ended, and when the last request was due.
    pub counted: Range<Instant>,
    /// Requests that were due.
    pub due: u64,
    /// Those of them that were given up, since every connection was busy.
    pub given_up: u64,
    /// How late requests were sent, in microseconds. Where what finds no connection is given up, this is the loop's own
    /// lateness; else waiting for a connection is in it.
    pub late_us: Histogram<u64>,
}

/// Sends `workload` at the given pace and hands over every answer; ends when the last one is there.
///
/// # Errors
/// A connection fails or is closed, an answer is unreadable, nothing is answered for 15 s, or what takes the answers
/// fails.
pub fn run(
    server: SocketAddr,
    workload: &mut Workload,
    pace: &Pace,
    take: &mut dyn FnMut(&Answer<'_>) -> Result<()>,
) -> Result<Offered> {
    let mut pool = Connections::open(server, pace.connections)?;
    // Each in its turn: a server takes a connection that is never used for one that sends too slowly.
    let mut idle: VecDeque<usize> = (0..pace.connections).collect();
    let mut waiting: VecDeque<Instant> = VecDeque::new();
    let start = Instant::now();
    let all = (pace.per_second * pace.duration.as_secs_f64()).round() as u64;
    let due_at = |nth: u64| start + Duration::from_secs_f64(nth as f64 / pace.per_second);
    let mut offered = Offered::new(start, pace)?;
    let gives_up = pace.when_busy == WhenBusy::GiveUp;
    let (mut next, mut open) = (0, 0);
    while next < all || open > 0 {
        let now = Instant::now();
        while next < all && due_at(next) <= now {
            let is_given_up = gives_up && waiting.len() >= idle.len();
            offered.note_due(due_at(next), is_given_up);
            if !is_given_up {
                open += 1;
                waiting.push_back(due_at(next));
            }
            next += 1;
        }
        for _ in 0..waiting.len().min(idle.len()).min(SENDS_IN_A_ROW) {
            let (Some(due), Some(index)) = (waiting.pop_front(), idle.pop_front()) else { break };
            offered.note_sent(due);
            pool.send(index, workload.next_request(), due)?;
        }
        let wait = match next {
            _ if !waiting.is_empty() && !idle.is_empty() => Duration::ZERO,
            // What is due before a connection is free is given up: there is nothing to do until then.
            _ if next < all && gives_up && idle.is_empty() => due_at(all).saturating_duration_since(now),
            _ if next < all => due_at(next).saturating_duration_since(now),
            _ => SILENCE_MAX,
        };
        let waits = wait >= WAIT_MIN;
        let ready = pool.wait(if waits { wait } else { Duration::ZERO })?;
        if ready == 0 && !waits {
            std::thread::sleep(wait.min(LOOK_AWAY));
        } else if ready == 0 && next >= all {
            return Err(Error::TimedOut(format!("{open} requests without an answer")));
        }
        let now = Instant::now();
        while gives_up && idle.is_empty() && next < all && due_at(next) <= now {
            offered.note_due(due_at(next), true);
            next += 1;
        }
        for nth in 0..ready {
            let Some((index, answer)) = pool.answer(nth)? else { continue };
            take(&answer)?;
            open -= 1;
            idle.push_back(index);
        }
    }
    Ok(offered)
}

impl Offered {
    fn new(start: Instant, pace: &Pace) -> Result<Self> {
        let late_us =
            Histogram::new_with_bounds(1, LATE_US_MAX, 3).map_err(|error| Error::Setup(error.to_string()))?;
        let counted = start + pace.warm_up..start + pace.duration;
        Ok(Self { counted, due: 0, given_up: 0, late_us })
    }

    fn note_due(&mut self, due: Instant, is_given_up: bool) {
        let counts = u64::from(due >= self.counted.start);
        self.due += counts;
        self.given_up += if is_given_up { counts } else { 0 };
    }

    fn note_sent(&mut self, due: Instant) {
        if due >= self.counted.start {
            let late_us = due.elapsed().as_micros();
            self.late_us.saturating_record(u64::try_from(late_us).unwrap_or(u64::MAX));
        }
    }
}
