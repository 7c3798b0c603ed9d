//! The generators of one run: a thread of this process, or several processes of this program.
//!
//! It shares a plan out, passes on what they tell, and puts their recordings together. It knows neither judge nor figures.

use std::io::{BufRead, BufReader, Write};
use std::process::{ChildStdin, Stdio};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::child::{self, Guard};
use crate::error::{Context, Error, Result};
use crate::generator;
use crate::generator::plan::{Plan, Recording, Signals, Stage, Tick};
use crate::history::History;

/// The subcommand under which a process of a run is started.
pub const WORKER: &str = "worker";

/// What a generator tells.
#[derive(Debug, Serialize, Deserialize)]
pub enum Message {
    /// How it stands.
    Tick(Tick),
    /// It is done.
    Finished(Box<Recording>),
    /// It had to stop.
    Failed(String),
}

enum Member {
    Thread(Arc<Signals>),
    Process { _guard: Guard, stdin: ChildStdin },
}

/// The generators.
pub struct Crew {
    members: Vec<Member>,
    messages: Receiver<Message>,
    ticks: Vec<Tick>,
    recordings: Vec<Recording>,
}

/// Shares a plan out among generators: shoppers and sessions in stretches, rates in equal parts.
#[must_use]
pub fn share(plan: &Plan, count: u32) -> Vec<Plan> {
    let part = |total: usize, worker: u32| {
        let at = |worker: u32| total * worker as usize / count as usize;
        at(worker)..at(worker + 1)
    };
    (0..count)
        .map(|worker| {
            let mut own = plan.clone();
            let shoppers = part(plan.shoppers.len(), worker);
            own.worker = worker;
            own.first_shopper = plan.first_shopper + u32::try_from(shoppers.start).unwrap_or(u32::MAX);
            own.shoppers = plan.shoppers.get(shoppers).unwrap_or_default().to_vec();
            own.sessions = u32::try_from(part(plan.sessions as usize, worker).len()).unwrap_or(u32::MAX);
            own.scene.connections = plan.scene.connections.div_ceil(count);
            for flow in own.phases.iter_mut().flat_map(|phase| &mut phase.flows) {
                // What merchants do, the first one does alone.
                if !flow.operation.is_merchants() {
                    flow.rate /= f64::from(count);
                    flow.rate_to = flow.rate_to.map(|rate| rate / f64::from(count));
                }
            }
            own
        })
        .collect()
}

impl Crew {
    /// Starts one thread for one plan, and a process each for several.
    ///
    /// # Errors
    /// A process cannot be started.
    pub fn start(plans: Vec<Plan>) -> Result<Self> {
        let (sender, messages) = channel();
        let ticks = vec![Tick::default(); plans.len()];
        let alone = plans.len() == 1;
        let mut members = Vec::new();
        for plan in plans {
            members.push(if alone { thread(plan, sender.clone())? } else { process(&plan, sender.clone())? });
        }
        Ok(Self { members, messages, ticks, recordings: Vec::new() })
    }

    /// Waits for what is told next, for at most this long; tells whether anything was.
    ///
    /// # Errors
    /// A generator failed.
    pub fn wait(&mut self, most: Duration) -> Result<bool> {
        match self.messages.recv_timeout(most) {
            Ok(Message::Tick(tick)) => {
                if let Some(last) = self.ticks.get_mut(tick.worker as usize) {
                    *last = tick;
                }
                Ok(true)
            }
            Ok(Message::Finished(recording)) => {
                self.recordings.push(*recording);
                Ok(true)
            }
            Ok(Message::Failed(why)) => Err(Error::Unexpected(format!("the generator: {why}"))),
            Err(RecvTimeoutError::Timeout) => Ok(false),
            Err(RecvTimeoutError::Disconnected) => {
                Err(Error::Unexpected("the generators have ended".to_owned()))
            }
        }
    }

    /// How the run stands, all generators together: the stage of the last, the sums of the counts.
    #[must_use]
    pub fn tick(&self) -> Tick {
        let mut sum = self.ticks.first().cloned().unwrap_or_default();
        for tick in self.ticks.iter().skip(1) {
            sum.stage = sum.stage.min(tick.stage);
            sum.begun += tick.begun;
            sum.ok += tick.ok;
            sum.refused += tick.refused;
            sum.unknown += tick.unknown;
            sum.not_sent += tick.not_sent;
            sum.sessions += tick.sessions;
            sum.publications += tick.publications;
            sum.recent_us = (sum.recent_us.0.max(tick.recent_us.0), sum.recent_us.1.max(tick.recent_us.1));
        }
        sum
    }

    /// Tells whether nothing is in flight any more.
    #[must_use]
    pub fn is_drained(&self) -> bool {
        self.tick().stage == Stage::Drained
    }

    /// Ends the generators and puts their recordings together.
    ///
    /// # Errors
    /// One fails, or does not hand its recording over.
    pub fn finish(mut self) -> Result<Recording> {
        for member in &mut self.members {
            match member {
                Member::Thread(signals) => signals.finish.store(true, Ordering::Release),
                Member::Process { stdin, .. } => {
                    stdin.write_all(b"finish\n").and_then(|()| stdin.flush()).context("finish a process")?;
                }
            }
        }
        while self.recordings.len() < self.members.len() {
            if !self.wait(Duration::from_secs(120))? {
                return Err(Error::TimedOut("a generator does not hand its recording over".to_owned()));
            }
        }
        Ok(merge(std::mem::take(&mut self.recordings)))
    }
}

fn thread(plan: Plan, sender: Sender<Message>) -> Result<Member> {
    let signals = Arc::new(Signals::default());
    let given = Arc::clone(&signals);
    std::thread::Builder::new()
        .name("generator".to_owned())
        .spawn(move || {
            let tell = |message| {
                // Nobody listens only when the run has failed already.
                let _ = sender.send(message);
            };
            match generator::run(&plan, &given, &mut |tick| tell(Message::Tick(tick))) {
                Ok(recording) => tell(Message::Finished(Box::new(recording))),
                Err(error) => tell(Message::Failed(error.to_string())),
            }
        })
        .context("start a thread")?;
    Ok(Member::Thread(signals))
}

fn process(plan: &Plan, sender: Sender<Message>) -> Result<Member> {
    let program = std::env::current_exe().context("find this program")?;
    let mut child = child::command(&program)
        .arg(WORKER)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .context("start a process")?;
    let pipe = || Error::Setup("no pipe".to_owned());
    let stdout = child.stdout.take().ok_or_else(pipe)?;
    let mut stdin = child.stdin.take().ok_or_else(pipe)?;
    let mut line = serde_json::to_vec(plan).context("encode a plan")?;
    line.push(b'\n');
    stdin.write_all(&line).and_then(|()| stdin.flush()).context("tell a process its plan")?;
    std::thread::Builder::new()
        .name("listener".to_owned())
        .spawn(move || {
            for line in BufReader::new(stdout).lines() {
                let message = line
                    .map_err(|error| error.to_string())
                    .and_then(|line| serde_json::from_str(&line).map_err(|error| error.to_string()))
                    .unwrap_or_else(Message::Failed);
                if sender.send(message).is_err() {
                    return;
                }
            }
        })
        .context("start a thread")?;
    Ok(Member::Process { _guard: Guard(child), stdin })
}

/// What a process of a run does: reads its plan, runs it, tells.
///
/// # Errors
/// Standard input or output fails.
pub fn work() -> Result<()> {
    let plan: Plan = child::read_line()?.ok_or_else(|| Error::Setup("no plan".to_owned()))?;
    let signals = Arc::new(Signals::default());
    let given = Arc::clone(&signals);
    std::thread::Builder::new()
        .name("orders".to_owned())
        .spawn(move || {
            let mut line = String::new();
            // Told to finish, or left alone.
            let _ = std::io::stdin().read_line(&mut line);
            given.finish.store(true, Ordering::Release);
        })
        .context("start a thread")?;
    let mut broken = None;
    let outcome = generator::run(&plan, &signals, &mut |tick| {
        if let Err(error) = child::write_line(&Message::Tick(tick)) {
            broken.get_or_insert(error);
            signals.finish.store(true, Ordering::Release);
        }
    });
    if let Some(error) = broken {
        return Err(error);
    }
    match outcome {
        Ok(recording) => child::write_line(&Message::Finished(Box::new(recording))),
        Err(error) => child::write_line(&Message::Failed(error.to_string())),
    }
}

/// Puts recordings together: operations are numbered anew; only the first generator adds sales.
fn merge(recordings: Vec<Recording>) -> Recording {
    let mut all = Recording::default();
    for Recording { history, effort } in recordings {
        let History { sales, operations, events, .. } = history;
        if sales.len() > all.history.sales.len() {
            all.history.sales = sales;
        }
        let from = all.history.operations.len() as u64;
        all.history.operations.extend(operations.into_iter().map(|mut operation| {
            operation.id += from;
            operation
        }));
        all.history.events.extend(events);
        all.history.clock_error_us = all.history.clock_error_us.max(history.clock_error_us);
        all.history.events_dropped += history.events_dropped;
        all.history.rest_us = match all.history.rest_us {
            0 => history.rest_us,
            other => other.min(history.rest_us),
        };
        all.effort.lateness_p99_us = all.effort.lateness_p99_us.max(effort.lateness_p99_us);
        all.effort.lateness_max_us = all.effort.lateness_max_us.max(effort.lateness_max_us);
        all.effort.cpu_share = all.effort.cpu_share.max(effort.cpu_share);
        all.effort.waited += effort.waited;
        all.effort.lost.extend(effort.lost);
    }
    all
}
