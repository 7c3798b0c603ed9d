//! The latency of durable claims that arrive at a given rate, held against what the disk takes for a sync.
//!
//! An open loop: a claim's time counts from when it was due. Between the slices the bench appends 16 KiB to a file
//! beside the database and syncs it, over and over: the 99th percentile of that is what the machine allows at that time.

use std::fs::File;
use std::io::Write;
use std::path::Path;
use std::time::{Duration, Instant};

use hdrhistogram::Histogram;
use serde_json::json;

use super::Options;
use super::throughput::{STOCK_MAX, WARM_UP_SHARE, start, with_log};
use crate::closed_loop::Workload;
use crate::error::{Context, Error, Result};
use crate::open_loop::{self, Pace, WhenBusy};
use crate::report::{Row, Target, spread};
use crate::scene::Scene;
use crate::server::Server;

const PER_SECOND: f64 = 10_000.0;
const CONNECTIONS: usize = 256;
const HOLD_SECONDS: u32 = 3600;
/// The claims' p99 may take so many of the disk's, and so much more.
const SYNCS: f64 = 2.0;
const MORE_MS: f64 = 5.0;
/// Syncs between two slices, and what each appends.
const SYNCS_EACH: usize = 200;
const SYNC_BYTES: usize = 16 << 10;

/// Measures the latency of claims at a fixed rate.
///
/// # Errors
/// A claim is answered anything but 201, or the server fails.
pub fn measure(options: &Options, add: &mut dyn FnMut(Row)) -> Result<()> {
    let (server, scene, tokens) = start(None, options)?;
    add(measure_on(&server, &scene, &tokens, options).map_err(|error| with_log(error, &server))?);
    Ok(())
}

fn measure_on(server: &Server, scene: &Scene, tokens: &[String], options: &Options) -> Result<Row> {
    let promotion = scene.launch(STOCK_MAX, HOLD_SECONDS)?;
    let path = format!("/api/v1/promotions/{promotion}/claims");
    let mut work = Workload::new(server.address, &path, tokens, "{}", 201, "")?;
    let counted = Duration::from_secs_f64(options.seconds);
    let warm_up = counted.mul_f64(WARM_UP_SHARE);
    let (mut syncs_us, mut claims_us, mut p99_ms) = (histogram()?, histogram()?, Vec::new());
    let syncs_path = server.directory().join("syncs");
    sync_for_a_while(&syncs_path, &mut syncs_us)?;
    for _ in 0..options.slices {
        let mut of_slice = histogram()?;
        let counts_from = Instant::now() + warm_up;
        let pace = Pace {
            connections: CONNECTIONS,
            per_second: PER_SECOND,
            duration: warm_up + counted,
            warm_up,
            when_busy: WhenBusy::Wait,
        };
        open_loop::run(server.address, &mut work, &pace, &mut |answer| {
            if answer.status != 201 {
                let body = String::from_utf8_lossy(answer.body).into_owned();
                return Err(Error::Unexpected(format!("a claim was answered {}: {body}", answer.status)));
            }
            if answer.since >= counts_from {
                of_slice.saturating_record(micros(answer.at.duration_since(answer.since)));
            }
            Ok(())
        })?;
        p99_ms.push(of_slice.value_at_quantile(0.99) as f64 / 1e3);
        claims_us.add(&of_slice).map_err(|error| Error::Setup(error.to_string()))?;
        sync_for_a_while(&syncs_path, &mut syncs_us)?;
    }
    let ms = |histogram: &Histogram<u64>, quantile: f64| histogram.value_at_quantile(quantile) as f64 / 1e3;
    let (figure, sync_ms) = (ms(&claims_us, 0.99), ms(&syncs_us, 0.99));
    Ok(Row {
        work: "claim p99 at 10,000/s, ms".to_owned(),
        setting: format!("sqlite, open loop, {CONNECTIONS} connections"),
        ours: format!("p50 {:.1} p99.9 {:.1} ms", ms(&claims_us, 0.5), ms(&claims_us, 0.999)),
        limit: format!("fdatasync p50 {:.2} p99 {sync_ms:.2} ms", ms(&syncs_us, 0.5)),
        figure,
        spread: spread(&p99_ms),
        target: Some(Target::AtMost(SYNCS * sync_ms + MORE_MS)),
        detail: json!({
            "p99_ms": p99_ms, "claims": claims_us.len(), "max_ms": claims_us.max() as f64 / 1e3,
            "sync_p50_ms": ms(&syncs_us, 0.5), "sync_p99_ms": sync_ms, "syncs": syncs_us.len(),
        }),
    })
}

fn histogram() -> Result<Histogram<u64>> {
    Histogram::new_with_bounds(1, 60_000_000, 3).map_err(|error| Error::Setup(error.to_string()))
}

fn micros(time: Duration) -> u64 {
    u64::try_from(time.as_micros()).unwrap_or(u64::MAX)
}

/// Appends and syncs, and notes how long each took.
fn sync_for_a_while(path: &Path, took_us: &mut Histogram<u64>) -> Result<()> {
    let mut file = File::options().create(true).append(true).open(path).context("file to sync")?;
    let bytes = vec![7; SYNC_BYTES];
    for _ in 0..SYNCS_EACH {
        let began = Instant::now();
        file.write_all(&bytes).context("append")?;
        file.sync_data().context("sync")?;
        took_us.saturating_record(micros(began.elapsed()));
    }
    Ok(())
}
