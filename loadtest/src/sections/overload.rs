//! Five times as many claims as the server can take: how many still succeed, and how soon the others are refused.
//!
//! **Goodput.** The peak is what a closed loop gets out of the server, slice by slice beside the overload. The overload is an
//! open loop: claims are due at five times that rate, over a thousand connections, and over more than the server lets claims
//! of one promotion wait. A claim that is due while every connection waits for an answer is not sent: it stands for the shopper whose
//! connection is not taken. So what is sent is what server and kernel take, and a time counts from when a claim was due.
//! With so many connections in flight nobody's answer is quick, a refusal's neither: in flight / answers per second is how
//! long one takes (Little's law), whatever the answer says. Refusals are told where there are any, and have no target there.
//!
//! **Refusals.** A hundred shoppers claim five times as often as one may (50 a second), so that four of five claims are
//! refused with 429, at a rate that the machine can take. What their limits allow must still succeed.
//!
//! Generator and server share the machine, and the generator is one thread. Which of the two is the limit is told: the
//! server where connections are the scarce thing, the generator where claims are sent late though connections are free.

use std::time::{Duration, Instant};

use hdrhistogram::Histogram;
use serde_json::json;

use super::Options;
use super::throughput::{STOCK_MAX, WARM_UP_SHARE, start, with_log};
use crate::closed_loop::{self, Workload};
use crate::error::{Error, Result};
use crate::generator::plan::cpu_ns;
use crate::open_loop::{self, Pace, WhenBusy};
use crate::report::{Row, Target, median, spread};
use crate::scene::Scene;
use crate::server::Server;

const GOODPUT: f64 = 0.9;
const REFUSED_MS: f64 = 20.0;
/// How many times the peak, or the limits, are offered.
const TIMES: f64 = 5.0;
/// Connections at which the peak is measured, and over which refusals are.
const CONNECTIONS: usize = 256;
/// Until all connections have been used and answered once; then the overload is what it stays.
const CROWD_WARM_UP: Duration = Duration::from_secs(2);
/// Until the shoppers have used up what they may claim at once (100).
const LIMITS_WARM_UP: Duration = Duration::from_secs(1);
/// Claims per second that the contract's limit allows a shopper, and the shoppers who claim more often.
const ALLOWED_PER_SECOND: f64 = 50.0;
const HASTY_SHOPPERS: usize = 100;
const HOLD_SECONDS: u32 = 3600;

/// What one slice of an open loop brought, within the counted time.
struct Slice {
    offered_per_second: f64,
    sent_share: f64,
    /// At any time.
    accepted: u64,
    accepted_per_second: f64,
    refused: u64,
    late_p99_ms: f64,
    server_cores: f64,
    generator_cores: f64,
}

/// How long answers took, in microseconds, from when their claims were due.
struct Took {
    accepted_us: Histogram<u64>,
    refused_us: Histogram<u64>,
}

/// Measures it.
///
/// # Errors
/// A claim is answered anything but 201, 429 or 503, or the server fails.
pub fn measure(options: &Options, add: &mut dyn FnMut(Row)) -> Result<()> {
    let (server, scene, tokens) = start(None, options)?;
    for &crowd in &options.crowd {
        let row = goodput(&server, &scene, &tokens, crowd, options);
        add(row.map_err(|error| with_log(error, &server))?);
    }
    add(refusals(&server, &scene, &tokens, options).map_err(|error| with_log(error, &server))?);
    Ok(())
}

fn goodput(
    server: &Server,
    scene: &Scene,
    tokens: &[String],
    crowd: usize,
    options: &Options,
) -> Result<Row> {
    let counted = Duration::from_secs_f64(options.seconds);
    let (mut peaks, mut slices, mut took) = (Vec::new(), Vec::new(), Took::new()?);
    for _ in 0..options.slices {
        let promotion = scene.launch(STOCK_MAX, HOLD_SECONDS)?;
        let mut work = claims(server, &promotion, tokens)?;
        let connections = CONNECTIONS.min(crowd);
        let warm_up = counted.mul_f64(WARM_UP_SHARE);
        let peak = closed_loop::run(server.address, &mut work, connections, warm_up, counted)?;
        if let Some(sample) = peak.other_sample {
            return Err(Error::Unexpected(sample));
        }
        let warm_up = CROWD_WARM_UP.min(counted);
        let pace = Pace {
            connections: crowd,
            per_second: peak.per_second() * TIMES,
            duration: warm_up + counted,
            warm_up,
            when_busy: WhenBusy::GiveUp,
        };
        let slice = offer(server, &mut work, &pace, &mut took)?;
        all_there(scene, &promotion, peak.expected + slice.accepted)?;
        peaks.push(peak.per_second());
        slices.push(slice);
    }
    Ok(goodput_row(&peaks, &slices, &took, crowd))
}

fn refusals(server: &Server, scene: &Scene, tokens: &[String], options: &Options) -> Result<Row> {
    let hasty = tokens.get(..HASTY_SHOPPERS.min(tokens.len())).unwrap_or_default();
    let allowed = hasty.len() as f64 * ALLOWED_PER_SECOND;
    let (mut slices, mut took) = (Vec::new(), Took::new()?);
    for _ in 0..options.slices {
        let promotion = scene.launch(STOCK_MAX, HOLD_SECONDS)?;
        let mut work = claims(server, &promotion, hasty)?;
        let pace = Pace {
            connections: CONNECTIONS,
            per_second: allowed * TIMES,
            duration: LIMITS_WARM_UP + Duration::from_secs_f64(options.seconds),
            warm_up: LIMITS_WARM_UP,
            when_busy: WhenBusy::Wait,
        };
        let slice = offer(server, &mut work, &pace, &mut took)?;
        all_there(scene, &promotion, slice.accepted)?;
        slices.push(slice);
    }
    Ok(refusals_row(&slices, &took, allowed))
}

fn claims(server: &Server, promotion: &str, tokens: &[String]) -> Result<Workload> {
    let path = format!("/api/v1/promotions/{promotion}/claims");
    Workload::new(server.address, &path, tokens, "{}", 201, "")
}

/// Looks whether the promotion has exactly the units held that were acknowledged.
fn all_there(scene: &Scene, promotion: &str, acknowledged: u64) -> Result<()> {
    match scene.taken(promotion)? {
        (held, 0) if held == acknowledged => Ok(()),
        taken => {
            Err(Error::Unexpected(format!("{acknowledged} claims were acknowledged, taken are {taken:?}")))
        }
    }
}

fn offer(server: &Server, work: &mut Workload, pace: &Pace, took: &mut Took) -> Result<Slice> {
    // Both are read when the warm-up is over, and when the time is: the connecting before and the answers after are not in it.
    let mut used: [Option<(Instant, Duration, u64)>; 2] = [None, None];
    let mut began: Option<Instant> = None;
    let (mut accepted, mut counted, mut refused) = (0, Vec::new(), 0);
    let offered = open_loop::run(server.address, work, pace, &mut |answer| {
        let began = *began.get_or_insert(answer.since);
        for (used, after) in used.iter_mut().zip([pace.warm_up, pace.duration]) {
            if used.is_none() && answer.at >= began + after {
                *used = Some((answer.at, server.cpu()?, cpu_ns()));
            }
        }
        let took_us = u64::try_from(answer.at.duration_since(answer.since).as_micros()).unwrap_or(u64::MAX);
        match answer.status {
            201 => {
                accepted += 1;
                counted.push(answer.at);
                took.accepted_us.saturating_record(took_us);
            }
            429 | 503 => {
                refused += 1;
                took.refused_us.saturating_record(took_us);
            }
            other => {
                let body = String::from_utf8_lossy(answer.body).into_owned();
                return Err(Error::Unexpected(format!("a claim was answered {other}: {body}")));
            }
        }
        Ok(())
    })?;
    let span_s = (offered.counted.end - offered.counted.start).as_secs_f64().max(f64::EPSILON);
    let in_time = counted.iter().filter(|at| offered.counted.contains(at)).count();
    let (server_cores, generator_cores) = match used {
        [Some((from, server_from, own_from)), Some((to, server_to, own_to))] => {
            let span_s = (to - from).as_secs_f64().max(f64::EPSILON);
            let own = Duration::from_nanos(own_to.saturating_sub(own_from));
            (server_to.saturating_sub(server_from).as_secs_f64() / span_s, own.as_secs_f64() / span_s)
        }
        _ => (0.0, 0.0),
    };
    Ok(Slice {
        offered_per_second: pace.per_second,
        sent_share: 1.0 - offered.given_up as f64 / offered.due.max(1) as f64,
        accepted,
        accepted_per_second: in_time as f64 / span_s,
        refused,
        late_p99_ms: offered.late_us.value_at_quantile(0.99) as f64 / 1e3,
        server_cores,
        generator_cores,
    })
}

impl Took {
    fn new() -> Result<Self> {
        let histogram =
            || Histogram::new_with_bounds(1, 60_000_000, 3).map_err(|error| Error::Setup(error.to_string()));
        Ok(Self { accepted_us: histogram()?, refused_us: histogram()? })
    }
}

fn ms(histogram: &Histogram<u64>, quantile: f64) -> f64 {
    histogram.value_at_quantile(quantile) as f64 / 1e3
}

fn medians(slices: &[Slice], value: fn(&Slice) -> f64) -> f64 {
    median(&slices.iter().map(value).collect::<Vec<f64>>())
}

/// Who was the limit, in words.
fn limited_by(slices: &[Slice]) -> String {
    let (server, generator) = (medians(slices, |s| s.server_cores), medians(slices, |s| s.generator_cores));
    let late_ms = medians(slices, |slice| slice.late_p99_ms);
    format!("cores: server {server:.2}, generator {generator:.2} (late p99 {late_ms:.1} ms)")
}

fn detail(slices: &[Slice], took: &Took) -> serde_json::Value {
    let of = |value: fn(&Slice) -> f64| slices.iter().map(value).collect::<Vec<f64>>();
    let (accepted_us, refused_us) = (&took.accepted_us, &took.refused_us);
    json!({
        "offered_per_second": of(|s| s.offered_per_second), "sent_share": of(|s| s.sent_share),
        "accepted_per_second": of(|s| s.accepted_per_second), "refused": of(|s| s.refused as f64),
        "accepted_ms": {"p50": ms(accepted_us, 0.5), "p99": ms(accepted_us, 0.99)},
        "refused_ms": {"p50": ms(refused_us, 0.5), "p99": ms(refused_us, 0.99), "max": ms(refused_us, 1.0)},
        "late_p99_ms": of(|s| s.late_p99_ms),
        "server_cores": of(|s| s.server_cores), "generator_cores": of(|s| s.generator_cores),
    })
}

fn goodput_row(peaks: &[f64], slices: &[Slice], took: &Took, connections: usize) -> Row {
    let ratios: Vec<f64> = std::iter::zip(slices, peaks)
        .map(|(slice, peak)| slice.accepted_per_second / peak.max(f64::EPSILON))
        .collect();
    let refused: u64 = slices.iter().map(|slice| slice.refused).sum();
    let sent = medians(slices, |slice| slice.sent_share) * 100.0;
    let per_second = medians(slices, |slice| slice.accepted_per_second);
    let (accepted_ms, limited) = (ms(&took.accepted_us, 0.99), limited_by(slices));
    let mut detail = detail(slices, took);
    detail["peak_per_second"] = json!(peaks);
    detail["ratios"] = json!(ratios);
    Row {
        work: "overload 5x: goodput / peak".to_owned(),
        setting: format!("sqlite, {connections} connections, {sent:.0} % could be sent"),
        ours: format!("{per_second:.0}/s, p99 {accepted_ms:.0} ms, {refused} refused; {limited}"),
        limit: format!("{:.0}/s", median(peaks)),
        figure: median(&ratios),
        spread: spread(&ratios),
        target: Some(Target::AtLeast(GOODPUT)),
        detail,
    }
}

fn refusals_row(slices: &[Slice], took: &Took, allowed: f64) -> Row {
    let per_second = medians(slices, |slice| slice.accepted_per_second);
    let limited = limited_by(slices);
    Row {
        work: "limits 5x: refusals p99, ms".to_owned(),
        setting: format!("sqlite, {:.0} claims/s due, {allowed:.0} allowed", allowed * TIMES),
        ours: format!("{per_second:.0}/s accepted, p50 {:.1} ms; {limited}", ms(&took.refused_us, 0.5)),
        limit: String::new(),
        figure: ms(&took.refused_us, 0.99),
        spread: (ms(&took.refused_us, 0.0), ms(&took.refused_us, 1.0)),
        target: Some(Target::AtMost(REFUSED_MS)),
        detail: detail(slices, took),
    }
}
