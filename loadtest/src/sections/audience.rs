//! How fast an audience is told of a sale: people per second into inbox and delivery log, on SQLite, and what that costs in
//! memory.
//!
//! The people follow the store, each by a request of their own; the server tells all of them of one launch, and its own counter
//! says how far it is. The rate counts from the first page to the last, the memory is the growth of the server's `VmRSS`
//! while it works: an audience is walked page by page, so neither depends on its size.

use std::time::{Duration, Instant};

use serde_json::json;

use super::Options;
use super::throughput::{start, with_log};
use crate::closed_loop::Workload;
use crate::error::{Error, Result};
use crate::http::{self, Request};
use crate::open_loop::{self, Pace, WhenBusy};
use crate::report::{Row, Target};
use crate::scene::Scene;
use crate::server::Server;

const PEOPLE_PER_SECOND: f64 = 20_000.0;
/// Twice what the pages of SQLite's cache and a page of people take.
const GROWTH_MIB: f64 = 32.0;
/// Connections over which people follow the store.
const CONNECTIONS: usize = 64;
/// How long the whole audience may take before the run is given up.
const TOLD_MAX: Duration = Duration::from_secs(120);
const LOOK_EVERY: Duration = Duration::from_millis(5);
const METRIC: &str = "flash_notified_people_total ";

/// Measures it.
///
/// # Errors
/// The server fails, or somebody is never told.
pub fn measure(options: &Options, add: &mut dyn FnMut(Row)) -> Result<()> {
    let people = Options { shoppers: options.audience, ..options.clone() };
    let (server, scene, tokens) = start(None, &people)?;
    let told = follow(&server, &scene, &tokens).and_then(|()| tell(&server, &scene, options.audience));
    told.map_err(|error| with_log(error, &server))?.into_iter().for_each(add);
    Ok(())
}

/// Has each of the people follow the store.
fn follow(server: &Server, scene: &Scene, tokens: &[String]) -> Result<()> {
    let path = format!("/api/v1/stores/{}/follow", scene.store_id);
    let mut work = Workload::of("PUT", server.address, (&path, tokens, ""), 204, "")?;
    // Everybody is due at once, and waits for a connection.
    let pace = Pace {
        connections: CONNECTIONS,
        per_second: tokens.len() as f64,
        duration: Duration::from_secs(1),
        warm_up: Duration::ZERO,
        when_busy: WhenBusy::Wait,
    };
    open_loop::run(server.address, &mut work, &pace, &mut |answer| match answer.status {
        204 => Ok(()),
        other => {
            let body = String::from_utf8_lossy(answer.body).into_owned();
            Err(Error::Unexpected(format!("a follow was answered {other}: {body}")))
        }
    })
    .map(drop)
}

fn tell(server: &Server, scene: &Scene, people: usize) -> Result<Vec<Row>> {
    let before_kib = server.rss_kib()?;
    scene.launch(1000, 60)?;
    let (mut began, mut most_kib) = (None, before_kib);
    let deadline = Instant::now() + TOLD_MAX;
    let seconds = loop {
        let told = told(server)?;
        most_kib = most_kib.max(server.rss_kib()?);
        if told >= people as u64 {
            let (at, first): (Instant, u64) = began.unwrap_or_else(|| (Instant::now(), told));
            break at.elapsed().as_secs_f64() * people as f64 / (told - first).max(1) as f64;
        }
        if told > 0 {
            began.get_or_insert((Instant::now(), told));
        }
        if Instant::now() > deadline {
            return Err(Error::TimedOut(format!("{told} of {people} people were told")));
        }
        std::thread::sleep(LOOK_EVERY);
    };
    let per_second = people as f64 / seconds.max(f64::EPSILON);
    let growth_mib = most_kib.saturating_sub(before_kib) as f64 / 1024.0;
    let detail =
        json!({"people": people, "seconds": seconds, "before_kib": before_kib, "most_kib": most_kib});
    let row = |work: &str, figure: f64, target: Target| Row {
        work: work.to_owned(),
        setting: format!("sqlite, {people} followers"),
        ours: format!("{seconds:.1} s for all; {before_kib} to {most_kib} KiB RSS"),
        limit: String::new(),
        figure,
        spread: (figure, figure),
        target: Some(target),
        detail: detail.clone(),
    };
    Ok(vec![
        row("people told per second", per_second, Target::AtLeast(PEOPLE_PER_SECOND)),
        row("memory while telling, MiB more", growth_mib, Target::AtMost(GROWTH_MIB)),
    ])
}

/// How many people the server has told since its start.
fn told(server: &Server) -> Result<u64> {
    let request = Request { method: "GET", path: "/metrics", token: None, key: None, body: "" };
    let response = http::call(server.address, &request)?;
    let text = String::from_utf8_lossy(&response.body);
    let line = text.lines().find_map(|line| line.strip_prefix(METRIC));
    line.and_then(|value| value.trim().parse().ok())
        .ok_or_else(|| Error::Unexpected(format!("no {METRIC}in /metrics")))
}
