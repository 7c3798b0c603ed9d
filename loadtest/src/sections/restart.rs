//! A restart after `kill -9` with a million claims on live promotions: how long until every promotion answers.
//!
//! Ten promotions take a hundred thousand claims each over rpc; the process is killed with nothing in flight and
//! started again on the same database. Ready is when each of them has accepted a claim and shows exactly the units
//! that were acknowledged before, plus that one: what is loaded on the first message is in the time.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use serde_json::json;

use super::Options;
use super::throughput::{start, with_log};
use crate::error::{Error, Result};
use crate::http::{self, Request};
use crate::report::{Row, Target};
use crate::rpc_loop::{Pace, Sessions};
use crate::scene::Scene;

const READY_SECONDS: f64 = 2.0;
const PROMOTIONS: usize = 10;
const HOLD_SECONDS: u32 = 3600;
/// Units that are left to each promotion.
const SPARE: u32 = 1_000;
const COMMANDS: usize = 16;
const FRAMES: usize = 64;
/// How long filling may take.
const FILL_MAX: Duration = Duration::from_secs(120);

/// Measures the restart.
///
/// # Errors
/// A claim is refused or lost, or the server fails.
pub fn measure(options: &Options, add: &mut dyn FnMut(Row)) -> Result<()> {
    let more = Options { shoppers: options.shoppers * 2, ..options.clone() };
    let (mut server, scene, tokens) = start(None, &more)?;
    let each = options.restart_claims / PROMOTIONS as u32;
    let promotions = fill(&scene, server.address, &tokens, each).map_err(|error| with_log(error, &server))?;
    let began = Instant::now();
    server.kill_and_restart()?;
    let listening_s = began.elapsed().as_secs_f64();
    let token = tokens.first().map_or("", String::as_str);
    let ask = |promotion: &String| -> Result<f64> {
        claim(server.address, token, promotion)?;
        let answered_s = began.elapsed().as_secs_f64();
        match scene.taken(promotion)? {
            (held, 0) if held == u64::from(each) + 1 => Ok(answered_s),
            taken => Err(Error::Unexpected(format!("{} were held, now {taken:?}", each + 1))),
        }
    };
    let answers: Vec<Result<f64>> = std::thread::scope(|scope| {
        let asked: Vec<_> = promotions.iter().map(|promotion| scope.spawn(|| ask(promotion))).collect();
        let lost = || Err(Error::Setup("a thread of the bench panicked".to_owned()));
        asked.into_iter().map(|thread| thread.join().unwrap_or_else(|_| lost())).collect()
    });
    let ready_s = began.elapsed().as_secs_f64();
    let answered: Vec<f64> =
        answers.into_iter().collect::<Result<_>>().map_err(|error| with_log(error, &server))?;
    let first_s = answered.iter().copied().fold(f64::INFINITY, f64::min);
    add(Row {
        work: "restart after kill -9, seconds".to_owned(),
        setting: format!("sqlite, {} claims on {PROMOTIONS} live promotions", each * PROMOTIONS as u32),
        ours: format!("listening {listening_s:.2}, first claim {first_s:.2}, all {ready_s:.2} s"),
        limit: String::new(),
        figure: ready_s,
        spread: (ready_s, ready_s),
        target: Some(Target::AtMost(READY_SECONDS)),
        detail: json!({"listening_s": listening_s, "answered_s": answered, "ready_s": ready_s}),
    });
    Ok(())
}

/// Launches the promotions and claims `each` units of every one.
fn fill(scene: &Scene, server: SocketAddr, tokens: &[String], each: u32) -> Result<Vec<String>> {
    let mut sessions = Sessions::connect(server, tokens)?;
    let mut promotions = Vec::new();
    for _ in 0..PROMOTIONS {
        let promotion = scene.launch(each + SPARE, HOLD_SECONDS)?;
        let pace = Pace {
            frames: FRAMES,
            commands: COMMANDS,
            warm_up: Duration::ZERO,
            counted: FILL_MAX,
            claims_max: u64::from(each),
        };
        let accepted = sessions.run(&promotion, &pace)?.accepted;
        if accepted != u64::from(each) {
            return Err(Error::TimedOut(format!("{accepted} of {each} claims were made")));
        }
        promotions.push(promotion);
    }
    Ok(promotions)
}

fn claim(server: SocketAddr, token: &str, promotion: &str) -> Result<()> {
    let path = format!("/api/v1/promotions/{promotion}/claims");
    let key = uuid::Uuid::now_v7().to_string();
    let request = Request { method: "POST", path: &path, token: Some(token), key: Some(&key), body: "{}" };
    http::call(server, &request)?.json(&path, 201).map(|_| ())
}
