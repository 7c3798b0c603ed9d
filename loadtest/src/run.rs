//! A whole run: server, stage, generators, disturbance, closing questions, verdict.
//!
//! It puts the parts together; what each knows stays there.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};

use crate::closing;
use crate::crew::{self, Crew};
use crate::error::{Context, Error, Result};
use crate::figures::Figures;
use crate::generator::plan::{Effort, Plan, Recording, Tick};
use crate::history::{History, Operation};
use crate::judge::{self, Verdict};
use crate::scenario::Scenario;
use crate::server::{Server, Settings};
use crate::setting::{self, Setting};
use crate::threshold::Compared;

/// Open files that a process needs besides sessions and connections.
const FILES_SPARE: u64 = 64;
/// Nothing but publications for this long, and sessions have heard of everything.
const QUIET: Duration = Duration::from_millis(1_200);
/// Longest wait for that.
const QUIET_MAX: Duration = Duration::from_secs(10);
/// Longest wait for what is in flight after the last phase.
const DRAIN_MAX: Duration = Duration::from_secs(120);
/// A generator that is later than this, 1 time in 100, measures itself.
const LATENESS_P99_US_MAX: u64 = 10_000;
/// Share of a core above which a generator is the bottleneck.
const CPU_SHARE_MAX: f64 = 0.9;

/// Which server is driven.
#[derive(Debug, Clone)]
pub enum Target {
    /// One that the run starts, and ends.
    Own(Settings),
    /// One that is there.
    Other(SocketAddr),
}

/// What is done to the run's own server in the middle of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Chaos {
    /// Killed as `kill -9` does, and started again.
    Kill,
    /// Stopped, and let go on.
    Pause,
}

impl std::str::FromStr for Chaos {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        match text.trim() {
            "kill -9" | "kill" => Ok(Self::Kill),
            "pause" => Ok(Self::Pause),
            other => Err(Error::Setup(format!("not a disturbance: {other} (expected 'kill -9' or pause)"))),
        }
    }
}

/// How a scenario is run.
#[derive(Debug, Clone)]
pub struct Options {
    /// What is done.
    pub scenario: Scenario,
    /// Makes it repeatable.
    pub seed: u64,
    /// Which server.
    pub target: Target,
    /// How many processes generate; 1 = a thread of this one.
    pub processes: u32,
    /// What is done to the server, and after which share of the run.
    pub chaos: Option<(Chaos, f64)>,
    /// How long a pause takes.
    pub pause: Duration,
    /// Whether the server's own audit is asked.
    pub verify: bool,
    /// How long an answer may take.
    pub timeout: Duration,
}

/// The last rate of a ramp that was served in time.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct KneeFound {
    /// The step.
    pub phase: String,
    /// Claims per second.
    pub per_second: f64,
    /// Their 99th percentile, in milliseconds.
    pub p99_ms: f64,
    /// Whether the next step was not served: else the ramp ended below the knee.
    pub reached: bool,
}

/// What a run says.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Report {
    /// The scenario's name.
    pub scenario: String,
    /// What it is for.
    pub about: String,
    /// Which seed makes it again.
    pub seed: u64,
    /// When it began.
    pub began_at: String,
    /// Processors of the machine.
    pub processors: usize,
    /// What was measured.
    pub figures: Figures,
    /// What was judged.
    pub verdict: Verdict,
    /// The operations that violations name.
    #[serde(default)]
    pub named: Vec<Operation>,
    /// How the generator did.
    pub effort: Effort,
    /// What makes the figures worth less.
    pub warnings: Vec<String>,
    /// The knee of a ramp.
    pub knee: Option<KneeFound>,
    /// Thresholds that were crossed.
    pub crossed: Vec<String>,
    /// Beside a saved run.
    #[serde(default, skip_deserializing)]
    pub compared: Vec<Compared>,
}

impl Report {
    /// 0 = fine, 1 = a threshold was crossed, 2 = an invariant is broken.
    #[must_use]
    pub fn exit_code(&self) -> u8 {
        match (self.verdict.is_clean(), self.crossed.is_empty()) {
            (false, _) => 2,
            (true, false) => 1,
            (true, true) => 0,
        }
    }
}

/// What a run tells while it goes on.
pub trait Watch {
    /// A step of the preparation or of the closing.
    fn step(&self, text: &str);
    /// How it stands.
    fn tick(&self, tick: &Tick);
}

/// Runs a scenario.
///
/// # Errors
/// The server cannot be started or reached, refuses what the stage needs, or the generators fail.
pub fn run(options: &Options, watch: &dyn Watch) -> Result<Report> {
    options.scenario.check()?;
    let files = files(&options.scenario, options.processes)?;
    let began_at = format!("{:.0}", jiff::Timestamp::now());
    let mut own = None;
    let server = match &options.target {
        Target::Other(address) => *address,
        Target::Own(settings) => {
            watch.step("starting the server");
            own.insert(Server::start(&own_settings(settings, &options.scenario))?).address
        }
    };
    let set = setting::set(server, &options.scenario, options.seed, &|text| watch.step(text))?;
    let plan = plan(options, server, &set);
    watch.step("opening sockets");
    let mut crew = Crew::start(crew::share(&plan, options.processes))?;
    let mut warnings = files;
    drive(options, &mut crew, own.as_mut(), watch)?;
    let Recording { mut history, effort } = close(server, &set, crew, watch)?;
    let left_out = closing::lists(server, &set.merchant_token, &mut history)?;
    if left_out > 0 {
        warnings.push(format!("the claims of {left_out} sales were too many to be read back and compared"));
    }
    watch.step("judging");
    let mut verdict = judge::judge(&history);
    if options.verify {
        let server =
            own.as_ref().ok_or_else(|| Error::Setup("only a server of the run is audited".to_owned()))?;
        verdict.add("servers_audit", server.audit()?);
    }
    let origin_us = origin(&history, &set);
    let figures = Figures::of(&history, &plan.phases, origin_us)?;
    warnings.extend(doubts(&effort, &figures, &history));
    Ok(Report {
        scenario: options.scenario.name.clone(),
        about: options.scenario.about.clone(),
        seed: options.seed,
        began_at,
        processors: std::thread::available_parallelism().map_or(1, usize::from),
        knee: knee(&options.scenario, &figures),
        figures,
        named: named(&verdict, &history),
        verdict,
        effort,
        warnings,
        crossed: Vec::new(),
        compared: Vec::new(),
    })
}

/// Raises the limit of open files; says what is short.
fn files(scenario: &Scenario, processes: u32) -> Result<Vec<String>> {
    let limit = rlimit::increase_nofile_limit(u64::MAX).context("raise the limit of open files")?;
    let sockets = u64::from(scenario.scene.sessions) + u64::from(scenario.scene.connections);
    let needed = sockets.div_ceil(u64::from(processes.max(1))) + FILES_SPARE;
    if needed > limit {
        let enough = sockets.div_ceil(limit.saturating_sub(FILES_SPARE).max(1));
        return Err(Error::Setup(format!(
            "{sockets} sockets need {needed} open files per process, and the limit is {limit}: take --processes \
             {enough}, fewer sessions, or a higher limit (ulimit -n)"
        )));
    }
    let server =
        u64::from(scenario.scene.sessions) + u64::from(scenario.scene.connections) + FILES_SPARE > limit;
    Ok(if server {
        vec![format!("a server with the same limit of {limit} open files cannot hold all of these sockets")]
    } else {
        Vec::new()
    })
}

fn own_settings(settings: &Settings, scenario: &Scenario) -> Settings {
    let mut settings = settings.clone();
    let mut add = |name: &str, value: String| settings.more.push((name.to_owned(), value));
    // Tokens outlast any run, and no session is refused for the room that is kept for other files.
    add("FLASH_ACCESS_TOKEN_SECONDS", "86400".to_owned());
    add("FLASH_SESSIONS_MAX", (u64::from(scenario.scene.sessions) + 1_000).to_string());
    settings
}

fn plan(options: &Options, server: SocketAddr, set: &Setting) -> Plan {
    let scenario = &options.scenario;
    let run = uuid::Uuid::now_v7().simple().to_string();
    Plan {
        server,
        worker: 0,
        run,
        seed: options.seed,
        origin_us: set.origin_us,
        scene: scenario.scene.clone(),
        phases: scenario.steps(),
        follow: scenario.follow,
        groups: scenario.sales.clone(),
        sales: set.sales.clone(),
        stores: set.stores.clone(),
        merchant_token: set.merchant_token.clone(),
        first_shopper: 0,
        shoppers: set.shoppers.clone(),
        sessions: scenario.scene.sessions,
        timeout_us: i64::try_from(options.timeout.as_micros()).unwrap_or(i64::MAX),
    }
}

/// Waits for the phases to end and everything in flight with them; disturbs the server when it is time.
fn drive(options: &Options, crew: &mut Crew, mut own: Option<&mut Server>, watch: &dyn Watch) -> Result<()> {
    let duration_ms: u64 = options.scenario.phases.iter().map(|phase| phase.duration_ms).sum();
    let most = Duration::from_millis(duration_ms) + DRAIN_MAX + Duration::from_secs(60);
    let begun = Instant::now();
    let mut chaos = options.chaos;
    while !crew.is_drained() {
        if begun.elapsed() > most {
            return Err(Error::TimedOut("the generators do not come to an end".to_owned()));
        }
        if crew.wait(Duration::from_millis(50))? {
            watch.tick(&crew.tick());
        }
        let elapsed_ms = crew.tick().elapsed_ms as f64;
        if let Some((kind, share)) = chaos
            && crew.tick().stage > crate::generator::plan::Stage::Opening
            && elapsed_ms >= share * duration_ms as f64
        {
            chaos = None;
            let server = own.as_deref_mut();
            let server =
                server.ok_or_else(|| Error::Setup("only a server of the run is disturbed".to_owned()))?;
            match kind {
                Chaos::Kill => {
                    watch.step("kill -9");
                    server.kill_and_restart()?;
                    watch.step("the server is back");
                }
                Chaos::Pause => {
                    watch.step("pause");
                    server.pause()?;
                    std::thread::sleep(options.pause);
                    server.resume()?;
                    watch.step("resume");
                }
            }
        }
    }
    Ok(())
}

/// Gives live sessions time to hear of everything, then ends the generators and reads the counters.
fn close(server: SocketAddr, set: &Setting, mut crew: Crew, watch: &dyn Watch) -> Result<Recording> {
    watch.step("listening until nothing is said any more");
    // Holds that expire meanwhile are news, too: the versions are read once it is quiet.
    quiet(&mut crew, QUIET, QUIET_MAX)?;
    let before = closing::versions(server, &set.merchant_token, &set.sales)?;
    quiet(&mut crew, QUIET, QUIET)?;
    let mut recording = crew.finish()?;
    watch.step("asking the server what became of it");
    closing::counters(server, &set.merchant_token, &before, &mut recording.history)?;
    Ok(recording)
}

/// Waits until no session has heard anything for `quiet`, or `most` has passed.
fn quiet(crew: &mut Crew, quiet: Duration, most: Duration) -> Result<()> {
    let begun = Instant::now();
    let mut since = begun;
    let mut heard = crew.tick().publications;
    while since.elapsed() < quiet && begun.elapsed() < most {
        crew.wait(Duration::from_millis(50))?;
        let now = crew.tick().publications;
        if now != heard {
            (heard, since) = (now, Instant::now());
        }
    }
    Ok(())
}

/// When the first phase began: when its first operation was due, or when it was to begin.
fn origin(history: &History, set: &Setting) -> i64 {
    let first =
        history.operations.iter().filter(|operation| operation.phase == 0).map(|op| op.intended_us).min();
    first.unwrap_or(set.origin_us).max(set.origin_us)
}

/// The operations that violations name, for whoever looks into them.
fn named(verdict: &Verdict, history: &History) -> Vec<Operation> {
    let mut numbers: Vec<u64> =
        verdict.violations.iter().flat_map(|one| one.operations.iter().copied()).collect();
    numbers.sort_unstable();
    numbers.dedup();
    numbers.iter().filter_map(|number| history.operations.get(*number as usize)).cloned().collect()
}

/// What makes the figures worth less.
fn doubts(effort: &Effort, figures: &Figures, history: &History) -> Vec<String> {
    let mut doubts = Vec::new();
    let late = format!(
        "1 in 100 operations began {:.1} ms late or more; it used {:.0} % of a core",
        effort.lateness_p99_us as f64 / 1e3,
        effort.cpu_share * 100.0
    );
    if effort.cpu_share > CPU_SHARE_MAX {
        doubts.push(format!(
            "the generator was the bottleneck: {late}: latencies say more about it than about the server"
        ));
    } else if effort.lateness_p99_us > LATENESS_P99_US_MAX {
        doubts.push(format!("the generator had to wait for a processor: {late}: latencies hold that, too"));
    }
    let not_sent: u64 =
        figures.rows.iter().filter(|row| row.phase == crate::figures::ALL).map(|row| row.not_sent).sum();
    if not_sent > 0 {
        doubts
            .push(format!("{not_sent} operations could not be sent in time; their waiting is in no latency"));
    }
    if history.events_dropped > 0 {
        doubts.push(format!(
            "{} live events did not fit into the history: delivery was not judged",
            history.events_dropped
        ));
    }
    doubts
}

/// The last step before the first one that was not served in time.
fn knee(scenario: &Scenario, figures: &Figures) -> Option<KneeFound> {
    let bound = scenario.knee?;
    let mut found: Option<KneeFound> = None;
    for phase in scenario.steps() {
        let Some(row) = figures.row(&phase.name, "claim") else { continue };
        let p99_ms = row.latency.p99_us as f64 / 1e3;
        if row.served_per_second < bound.served * row.offered_per_second || p99_ms > bound.p99_ms {
            let none = KneeFound { phase: "none".to_owned(), per_second: 0.0, p99_ms: 0.0, reached: true };
            return Some(KneeFound { reached: true, ..found.unwrap_or(none) });
        }
        found =
            Some(KneeFound { phase: phase.name, per_second: row.served_per_second, p99_ms, reached: false });
    }
    found
}

/// The settings of a server that a run starts.
#[must_use]
pub fn own(binary: PathBuf, workers: usize, database_url: Option<String>) -> Target {
    Target::Own(Settings { binary, workers, database_url, more: Vec::new() })
}
