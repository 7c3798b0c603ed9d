//! One update to N subscribed sockets, held against a bare loop that writes the same bytes once per socket.
//!
//! What is fair here: the merchant's PATCH that causes the update has a commit with an fsync inside, which the bare
//! loop has not; so the clock runs from the FIRST frame received to the LAST frame received, on both sides, and a
//! throughput is sockets divided by that window. The next update starts when everybody has the last one. Server and
//! bare writer are processes with one thread that writes (`FLASH_WORKERS=1`); the receivers of both are the same code
//! in processes of the same kind; the bytes are the very frame that the server sent in the warm-up. The server also
//! keeps its sessions alive (a ping each 25 s), which is part of its work.
//!
//! A server could prepare everything before its first write and look better than it is in that window. Therefore
//! two more figures are reported: the same ratio with the window opened at the answer to the trigger, when the commit
//! is through (`from_answer`: it contains the preparation, but also whatever the server does before it fans out), and
//! the whole trip from the sending of the PATCH to the last frame.
//!
//! Updates that wait together: eight PATCHes of as many promotions at once, against a bare loop that writes eight frames
//! in one write to each socket. A socket is done when it has all eight.

use std::time::{Duration, Instant};

use serde_json::json;

use super::Options;
use crate::bare;
use crate::child::Helper;
use crate::driver::{Config, Connected, Rounds, Slice, Update};
use crate::error::Result;
use crate::http::Request;
use crate::report::{Row, Target, median, spread};
use crate::scene::{STORE, Scene};
use crate::server::{Server, Settings};
use crate::swarm::{Handshake, Round, Swarm};

/// At so many sockets; with fewer, a window is too short to tell much.
const FANOUT: f64 = 0.92;
const FANOUT_SOCKETS: usize = 10_000;
const TOGETHER: f64 = 0.85;
/// Updates that wait together.
const TOGETHER_UPDATES: usize = 8;
/// Prices that take turns; all have five digits, so that every frame has the same length.
pub(super) const PRICES: std::ops::Range<u32> = 50_000..50_064;
/// Rounds per slice in any case.
const ROUNDS_MIN: usize = 3;
/// How long a launched promotion may take to be shown, and how often that is tried.
const SHOWN_MAX: Duration = Duration::from_secs(5);
const SHOWN_POLL: Duration = Duration::from_millis(20);

/// Measures for each number of sockets.
///
/// # Errors
/// A socket is lost, an update does not reach everybody once, or the server fails.
pub fn measure(options: &Options, add: &mut dyn FnMut(Row)) -> Result<()> {
    for &sockets in &options.sockets {
        add(measure_at(sockets, 1, options)?);
    }
    Ok(())
}

/// Measures updates that wait together, for the largest number of sockets.
///
/// # Errors
/// As [`measure`].
pub fn together(options: &Options, add: &mut dyn FnMut(Row)) -> Result<()> {
    let Some(&sockets) = options.sockets.iter().max() else { return Ok(()) };
    add(measure_at(sockets, TOGETHER_UPDATES, options)?);
    Ok(())
}

fn measure_at(sockets: usize, together: usize, options: &Options) -> Result<Row> {
    let (server, scene, promotion) = start(options)?;
    let mut promotions = vec![promotion.clone()];
    while promotions.len() < together {
        let next = scene.launch(1000, 60)?;
        wait_shown(&server, &next)?;
        promotions.push(next);
    }
    let mut ours = Helper::start("driver")?;
    let connected: Connected = ours.ask(&Config {
        data: server.address,
        control: Some(server.address),
        sockets,
        handshake: Some(handshake(&promotion, Vec::new())),
        triggers: together,
        offers: together,
        updates: PRICES.map(|price| update(&scene, &promotions, price)).collect(),
    })?;
    let slice =
        Slice { duration_ms: (options.seconds * 1000.0) as u64, rounds_min: ROUNDS_MIN, timed: false };
    let warm_up = Slice { duration_ms: slice.duration_ms / 3, rounds_min: ROUNDS_MIN, timed: false };
    let warmed: Rounds = ours.ask(&warm_up)?;
    let frame_bytes = warmed.sample.len();

    let mut writer = Helper::start("bare-writer")?;
    let listening: bare::Listening =
        writer.ask(&bare::Config { sockets, payload: warmed.sample, frames: together })?;
    let mut limit = Helper::start("driver")?;
    let _: Connected = limit.ask(&Config {
        data: listening.data,
        control: Some(listening.control),
        sockets,
        handshake: None,
        triggers: 1,
        offers: together,
        updates: vec![Update {
            requests: vec!["GET / HTTP/1.1\r\n\r\n".to_owned()],
            expected: String::new(),
        }],
    })?;
    let _: Rounds = limit.ask(&warm_up)?;

    let (mut our_slices, mut limit_slices) = (Vec::new(), Vec::new());
    for _ in 0..options.slices {
        our_slices.push(ours.ask::<Rounds>(&slice)?.rounds);
        limit_slices.push(limit.ask::<Rounds>(&slice)?.rounds);
    }
    let mut row = row(sockets, frame_bytes, connected.seconds, &our_slices, &limit_slices);
    if together > 1 {
        row.work = format!("{together} updates together / bare loop");
        row.target = (sockets >= FANOUT_SOCKETS).then_some(Target::AtLeast(TOGETHER));
    }
    Ok(row)
}

/// Starts a server with one worker and launches the promotion that everybody sees; returns once a shopper sees it,
/// which the answer to the launch does not promise.
pub(super) fn start(options: &Options) -> Result<(Server, Scene, String)> {
    let server = Server::start(&Settings {
        binary: options.server.clone(),
        workers: 1,
        database_url: None,
        more: Vec::new(),
    })?;
    let scene = Scene::set(server.address)?;
    let promotion = scene.launch(1000, 60)?;
    wait_shown(&server, &promotion)?;
    Ok((server, scene, promotion))
}

pub(super) fn wait_shown(server: &Server, promotion: &str) -> Result<()> {
    let deadline = Instant::now() + SHOWN_MAX;
    loop {
        match Swarm::new(Some(handshake(promotion, Vec::new())))?.connect(server.address, 1) {
            Ok(_) => return Ok(()),
            Err(error) if Instant::now() > deadline => return Err(error),
            Err(_) => std::thread::sleep(SHOWN_POLL),
        }
    }
}

/// A shopper some hundred metres from the store, with a radius of 5 km.
pub(super) fn handshake(promotion: &str, tokens: Vec<String>) -> Handshake {
    let subscription = json!({"location": {"lat": STORE.0 + 0.003, "lng": STORE.1}, "radius_m": 5000});
    Handshake {
        path: "/api/v1/live".to_owned(),
        subscription: subscription.to_string(),
        tokens,
        snapshot_contains: promotion.to_owned(),
        stalls: false,
    }
}

/// The same new price for each promotion.
pub(super) fn update(scene: &Scene, promotions: &[String], price: u32) -> Update {
    let body = json!({"price": {"amount": price, "currency": "COP"}}).to_string();
    let token = Some(scene.merchant_token.as_str());
    let request = |promotion: &String| {
        let path = format!("/api/v1/promotions/{promotion}");
        let request = Request { method: "PATCH", path: &path, token, key: None, body: &body };
        String::from_utf8_lossy(&request.encode(&scene.server.to_string())).into_owned()
    };
    Update { requests: promotions.iter().map(request).collect(), expected: format!("{price}") }
}

/// Sockets per second of a slice, with the window of a round as given, in microseconds.
fn throughput(sockets: usize, rounds: &[Round], window_us: fn(&Round) -> f64) -> f64 {
    let total_us: f64 = rounds.iter().map(window_us).sum();
    (sockets * rounds.len()) as f64 / (total_us / 1e6).max(f64::EPSILON)
}

fn first_to_last(round: &Round) -> f64 {
    round.last_us - round.first_us
}

fn from_answer(round: &Round) -> f64 {
    round.last_us - round.first_us.min(round.answered_us)
}

fn median_of(slices: &[Vec<Round>], value: fn(&Round) -> f64) -> f64 {
    median(&slices.iter().flatten().map(value).collect::<Vec<f64>>())
}

fn row(sockets: usize, frame_bytes: usize, connect_s: f64, ours: &[Vec<Round>], limit: &[Vec<Round>]) -> Row {
    let ratios = |window_us: fn(&Round) -> f64| -> Vec<f64> {
        let ratio = |(ours, limit): (&Vec<Round>, &Vec<Round>)| {
            throughput(sockets, ours, window_us) / throughput(sockets, limit, window_us).max(f64::EPSILON)
        };
        std::iter::zip(ours, limit).map(ratio).collect()
    };
    let rates = |slices: &[Vec<Round>]| -> Vec<f64> {
        slices.iter().map(|rounds| throughput(sockets, rounds, first_to_last)).collect()
    };
    let (counted, strict) = (ratios(first_to_last), ratios(from_answer));
    let summary = |slices: &[Vec<Round>]| {
        let window_ms = median_of(slices, first_to_last) / 1000.0;
        format!("{:.0} frames/s, {window_ms:.1} ms", median(&rates(slices)))
    };
    let detail = |slices: &[Vec<Round>]| {
        let wakes = median_of(slices, |round| round.wakes as f64).max(1.0);
        json!({
            "frames_per_wake": sockets as f64 / wakes,
            "frames_per_second": rates(slices),
            "rounds": slices.iter().map(Vec::len).sum::<usize>(),
            "window_ms": median_of(slices, first_to_last) / 1000.0,
            "trip_ms": median_of(slices, |round| round.last_us) / 1000.0,
            "answered_ms": median_of(slices, |round| round.answered_us) / 1000.0,
            "first_ms": median_of(slices, |round| round.first_us) / 1000.0,
        })
    };
    Row {
        work: "fan-out / bare loop".to_owned(),
        setting: format!("{sockets} sockets, trip {:.1} ms", median_of(ours, |round| round.last_us) / 1000.0),
        ours: summary(ours),
        limit: summary(limit),
        figure: median(&counted),
        spread: spread(&counted),
        target: (sockets >= FANOUT_SOCKETS).then_some(Target::AtLeast(FANOUT)),
        detail: json!({
            "ratios": counted,
            "ratios_from_answer": strict,
            "ratio_from_answer": median(&strict),
            "frame_bytes": frame_bytes,
            "connect_seconds": connect_s,
            "ours": detail(ours),
            "limit": detail(limit),
        }),
    }
}
