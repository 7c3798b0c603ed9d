//! Ten thousand promotions that start within one second: how late their owners decide that they have started.
//!
//! The lateness is the server's own (`flash_start_lateness_seconds`): from `starts_at` to the owner's decision. Its
//! clock has whole milliseconds, so one is added to what it says. Whether any started early is seen from outside, by a
//! shopper's session in reach of all of them that compares each offer's `starts_at` with the time at which it came.

use std::io::{ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use hdrhistogram::Histogram;
use jiff::{SignedDuration, Timestamp};
use serde_json::json;

use super::Options;
use super::fanout::handshake;
use super::throughput::{start, with_log};
use crate::error::{Context, Error, Result};
use crate::http::{self, Request, parse_head};
use crate::report::{Row, Target};
use crate::scene::Scene;
use crate::ws::{self, Opcode};

const LATE_MS: f64 = 5.0;
const METRIC: &str = "flash_start_lateness_seconds";
/// Threads that launch.
const LAUNCHERS: usize = 32;
/// Time to launch one promotion in, with much to spare, and the least for all of them.
const LAUNCH_MS_EACH: usize = 2;
const LAUNCH_MS_MIN: usize = 3_000;
/// How long the session listens after the last start.
const AFTER: Duration = Duration::from_secs(10);
const CONNECT: &str = r#"{"id":1,"connect":{}}"#;
/// Room for everything that comes while the session is not looking.
const BUFFER_BYTES: usize = 1 << 20;

/// Measures the starts.
///
/// # Errors
/// A launch is refused or comes too late, an offer is missing, or the server fails.
pub fn measure(options: &Options, add: &mut dyn FnMut(Row)) -> Result<()> {
    let (server, scene, _tokens) = start(None, &Options { shoppers: 1, ..options.clone() })?;
    add(measure_on(&scene, server.address, options.starts).map_err(|error| with_log(error, &server))?);
    Ok(())
}

fn measure_on(scene: &Scene, server: SocketAddr, starts: usize) -> Result<Row> {
    let launching_ms = (starts * LAUNCH_MS_EACH).max(LAUNCH_MS_MIN);
    let first = Timestamp::now() + SignedDuration::from_millis(launching_ms as i64);
    let mut session = Session::open(server)?;
    launch_all(scene, first, starts)?;
    if Timestamp::now() >= first {
        return Err(Error::TimedOut(format!("{starts} launches took more than {launching_ms} ms")));
    }
    let seen = session.listen(starts, first)?;
    let request = Request { method: "GET", path: "/metrics", token: None, key: None, body: "" };
    let response = http::call(server, &request)?;
    let metrics = String::from_utf8_lossy(&response.body).into_owned();
    let buckets = buckets(&metrics);
    let all = buckets.last().map_or(0, |(_, count)| *count);
    if all != starts as u64 {
        return Err(Error::Unexpected(format!("{METRIC} counts {all} starts of {starts}")));
    }
    let late_ms = quantile(&buckets, 0.999) * 1e3 + 1.0;
    let (p50_ms, max_ms) = (quantile(&buckets, 0.5) * 1e3 + 1.0, quantile(&buckets, 1.0) * 1e3 + 1.0);
    let shown_ms = |quantile: f64| seen.late_us.value_at_quantile(quantile) as f64 / 1e3;
    if seen.early > 0 {
        return Err(Error::Unexpected(format!("{} promotions started early", seen.early)));
    }
    Ok(Row {
        work: "starts: lateness p99.9, ms".to_owned(),
        setting: format!("{starts} within one second"),
        ours: format!("at most {p50_ms:.0} (p50), {max_ms:.0} (max); shown p99.9 {:.1}", shown_ms(0.999)),
        limit: "0 early".to_owned(),
        figure: late_ms,
        spread: (late_ms, late_ms),
        target: Some(Target::AtMost(LATE_MS)),
        detail: json!({
            "buckets_s": buckets, "early": seen.early,
            "shown_ms": {"p50": shown_ms(0.5), "p99": shown_ms(0.99), "p999": shown_ms(0.999)},
        }),
    })
}

/// Launches promotions that start evenly over the second from `first`.
fn launch_all(scene: &Scene, first: Timestamp, starts: usize) -> Result<()> {
    let next = AtomicUsize::new(0);
    let launch = || -> Result<()> {
        loop {
            let index = next.fetch_add(1, Ordering::Relaxed);
            if index >= starts {
                return Ok(());
            }
            let after = SignedDuration::from_millis((index * 1_000 / starts) as i64);
            scene.launch_at(Some(first + after), 10, 60)?;
        }
    };
    std::thread::scope(|scope| {
        let threads: Vec<_> = (0..LAUNCHERS).map(|_| scope.spawn(launch)).collect();
        let lost = || Err(Error::Setup("a thread of the bench panicked".to_owned()));
        threads.into_iter().try_for_each(|thread| thread.join().unwrap_or_else(|_| lost()))
    })
}

/// The cumulative buckets of the metric: upper bounds in seconds, counts.
fn buckets(metrics: &str) -> Vec<(f64, u64)> {
    let bucket = |line: &str| -> Option<(f64, u64)> {
        let rest = line.strip_prefix(METRIC)?.strip_prefix("_bucket{le=\"")?;
        let (bound, count) = rest.split_once("\"} ")?;
        let bound = if bound == "+Inf" { f64::INFINITY } else { bound.parse().ok()? };
        Some((bound, count.trim().parse().ok()?))
    };
    metrics.lines().filter_map(bucket).collect()
}

/// The bound below which this share of the values lies.
fn quantile(buckets: &[(f64, u64)], share: f64) -> f64 {
    let wanted = (buckets.last().map_or(0, |(_, count)| *count) as f64 * share).ceil();
    buckets.iter().find(|(_, count)| *count as f64 >= wanted).map_or(f64::INFINITY, |(bound, _)| *bound)
}

/// What a shopper saw.
struct Seen {
    early: usize,
    /// From `starts_at` to the frame's arrival, in microseconds.
    late_us: Histogram<u64>,
}

/// A shopper's session that is read when there is time: what it measures is an upper bound.
struct Session {
    stream: TcpStream,
    buffer: Vec<u8>,
    filled: usize,
}

impl Session {
    fn open(server: SocketAddr) -> Result<Self> {
        let stream = TcpStream::connect(server).context("connect")?;
        stream.set_nodelay(true).context("nodelay")?;
        stream.set_read_timeout(Some(AFTER)).context("timeout")?;
        let mut session = Self { stream, buffer: vec![0; BUFFER_BYTES], filled: 0 };
        let handshake = handshake("", Vec::new());
        let upgrade = ws::upgrade_request(&server.to_string(), &handshake.path);
        session.stream.write_all(&upgrade).context("upgrade")?;
        let end = loop {
            session.fill()?;
            if let Some(head) = parse_head(session.bytes())? {
                break head.end;
            }
        };
        session.buffer.copy_within(end..session.filled, 0);
        session.filled -= end;
        let subscription = &handshake.subscription;
        let subscribe = format!(r#"{{"id":2,"subscribe":{{"channel":"nearby","data":{subscription}}}}}"#);
        let text = format!("{CONNECT}\n{subscribe}");
        session.stream.write_all(&ws::client_frame(Opcode::Text, text.as_bytes())).context("subscribe")?;
        Ok(session)
    }

    fn bytes(&self) -> &[u8] {
        self.buffer.get(..self.filled).unwrap_or_default()
    }

    /// Reads once more; false when nothing came for a long time.
    fn fill(&mut self) -> Result<bool> {
        match self.stream.read(self.buffer.get_mut(self.filled..).unwrap_or_default()) {
            Ok(0) => Err(Error::Unexpected("the session was closed, or a frame is too long".to_owned())),
            Ok(read) => {
                self.filled += read;
                Ok(true)
            }
            Err(error) if error.kind() == ErrorKind::WouldBlock => Ok(false),
            Err(error) => Err(error).context("receive"),
        }
    }

    /// Listens until `starts` offers came.
    fn listen(&mut self, starts: usize, first: Timestamp) -> Result<Seen> {
        let mut late_us =
            Histogram::new_with_bounds(1, 60_000_000, 3).map_err(|error| Error::Setup(error.to_string()))?;
        let (mut early, mut offers) = (0, 0);
        let wait = first.duration_since(Timestamp::now()).unsigned_abs();
        let deadline = Instant::now() + wait + Duration::from_secs(1) + AFTER;
        while offers < starts {
            self.fill()?;
            let now = Timestamp::now();
            let (mut used, mut is_ping) = (0, false);
            while let Some(frame) = ws::parse_frame(self.bytes().get(used..).unwrap_or_default())? {
                used += frame.bytes;
                for message in frame.payload.split(|byte| *byte == b'\n') {
                    is_ping |= message == ws::PONG;
                    let Some(starts_at) = offered(message) else { continue };
                    offers += 1;
                    let late = now.duration_since(starts_at);
                    early += usize::from(late.is_negative());
                    late_us.saturating_record(u64::try_from(late.as_micros()).unwrap_or(0));
                }
            }
            self.buffer.copy_within(used..self.filled, 0);
            self.filled -= used;
            if is_ping {
                self.stream.write_all(&ws::client_frame(Opcode::Text, ws::PONG)).context("pong")?;
            }
            if Instant::now() > deadline {
                return Err(Error::TimedOut(format!("{offers} of {starts} promotions were offered")));
            }
        }
        Ok(Seen { early, late_us })
    }
}

/// When the promotion of an `offer` starts; `None` for any other message.
fn offered(message: &[u8]) -> Option<Timestamp> {
    let text = std::str::from_utf8(message).ok().filter(|text| text.starts_with("{\"push\""))?;
    let (_, rest) = text.split_once("\"type\":\"offer\"")?.1.split_once("\"starts_at\":\"")?;
    rest.split_once('"')?.0.parse().ok()
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
mod tests {
    use super::*;

    #[test]
    fn quantiles_are_the_bounds_of_buckets() {
        let metrics = "flash_start_lateness_seconds_bucket{le=\"0\"} 5\n\
                       flash_start_lateness_seconds_bucket{le=\"0.001\"} 9\n\
                       flash_start_lateness_seconds_bucket{le=\"+Inf\"} 10\nother_bucket{le=\"1\"} 3\n";
        let buckets = buckets(metrics);
        assert_eq!(quantile(&buckets, 0.5), 0.0);
        assert_eq!(quantile(&buckets, 0.9), 0.001);
        assert_eq!(quantile(&buckets, 0.95), f64::INFINITY);
    }

    #[test]
    fn only_offers_have_a_start() {
        let offer = r#"{"push":{"channel":"nearby","pub":{"data":{"type":"offer","offer":{"id":"x","starts_at":"2026-11-24T17:00:00.010Z"}}}}}"#;
        assert_eq!(offered(offer.as_bytes()).unwrap().as_millisecond() % 1_000, 10);
        assert_eq!(offered(br#"{"push":{"channel":"nearby","pub":{"data":{"type":"stock"}}}}"#), None);
    }
}
