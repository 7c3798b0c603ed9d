//! The receiving half of a fan-out: a process (`flash-bench driver`) with a [`Swarm`] that does rounds when asked.
//!
//! Receivers live in processes of their own so that the server's and the bare writer's can both stay connected while
//! they take turns, below the limit of open files, and so that an idle one costs nothing but its pongs.

use std::net::SocketAddr;
use std::os::fd::AsRawFd;
use std::time::{Duration, Instant};

use mio::Interest;
use mio::unix::SourceFd;
use serde::{Deserialize, Serialize};

use crate::child::{read_line, write_line};
use crate::error::{Context, Error, Result};
use crate::swarm::{CONTROL, Handshake, Round, Swarm};

/// One way to cause an update.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Update {
    /// The encoded HTTP requests, sent at once, each over a connection of its own.
    pub requests: Vec<String>,
    /// What the first frame must contain.
    pub expected: String,
}

/// What the driver is told first, as one JSON line.
#[derive(Debug, Serialize, Deserialize)]
pub struct Config {
    /// Where the sockets connect.
    pub data: SocketAddr,
    /// Where updates are triggered; `None` = never.
    pub control: Option<SocketAddr>,
    /// How many sockets.
    pub sockets: usize,
    /// How many connections trigger updates, and how many offers one update brings to each socket.
    pub triggers: usize,
    /// See `triggers`.
    pub offers: usize,
    /// How they are made ready; `None` = they are when they are connected.
    pub handshake: Option<Handshake>,
    /// The updates, in turn.
    pub updates: Vec<Update>,
}

/// What the driver says once its sockets are subscribed.
#[derive(Debug, Serialize, Deserialize)]
pub struct Connected {
    /// How long that took, in seconds.
    pub seconds: f64,
}

/// Asks for rounds.
#[derive(Debug, Serialize, Deserialize)]
pub struct Slice {
    /// For how long rounds are started, in milliseconds.
    pub duration_ms: u64,
    /// How many rounds are done in any case.
    pub rounds_min: usize,
    /// Each delivery is timed.
    pub timed: bool,
}

/// The rounds of one slice.
#[derive(Debug, Serialize, Deserialize)]
pub struct Rounds {
    /// In the order in which they were done.
    pub rounds: Vec<Round>,
    /// The payload that the last one's first frame carried.
    pub sample: String,
    /// Pings of the server answered so far.
    pub pings: u64,
    /// From the trigger to each socket's last offer of the round, p50 and p99 in microseconds; `None` = not asked for.
    pub delivered_us: Option<(u64, u64)>,
}

/// Runs the driver until its standard input ends.
///
/// # Errors
/// Whatever goes wrong with a socket; the process then ends, and who asked sees it.
pub fn run() -> Result<()> {
    let config: Config = read_line()?.ok_or_else(|| Error::Setup("no configuration".to_owned()))?;
    let mut swarm = Swarm::new(config.handshake)?;
    let took = swarm.connect(config.data, config.sockets)?;
    if let Some(control) = config.control {
        for _ in 0..config.triggers {
            swarm.connect_trigger(control)?;
        }
    }
    let stdin = std::io::stdin().as_raw_fd();
    swarm.poll().registry().register(&mut SourceFd(&stdin), CONTROL, Interest::READABLE).context("epoll")?;
    write_line(&Connected { seconds: took.as_secs_f64() })?;
    let mut updates = config.updates.iter().cycle();
    loop {
        if !swarm.turn(None)? {
            continue;
        }
        let Some(slice) = read_line::<Slice>()? else { return Ok(()) };
        if slice.timed {
            swarm.time_deliveries()?;
        }
        let until = Instant::now() + Duration::from_millis(slice.duration_ms);
        let mut rounds = Vec::new();
        while rounds.len() < slice.rounds_min || Instant::now() < until {
            let update = updates.next().ok_or_else(|| Error::Setup("no updates".to_owned()))?;
            rounds.push(swarm.round(&update.requests, config.offers, update.expected.as_bytes())?);
        }
        let sample = String::from_utf8_lossy(swarm.sample()).into_owned();
        let delivered_us = match slice.timed {
            true => {
                swarm.time_deliveries()?.map(|all| (all.value_at_quantile(0.5), all.value_at_quantile(0.99)))
            }
            false => None,
        };
        write_line(&Rounds { rounds, sample, pings: swarm.pings(), delivered_us })?;
    }
}
