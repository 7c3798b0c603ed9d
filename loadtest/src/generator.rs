//! The open-loop generator: one thread that sends what is due when it is due, whatever the server does.
//!
//! Latency counts from the moment an operation was due. What could not be sent is noted as such, and the generator
//! watches its own lateness. It makes the history; it does not judge it, and it does not know where the server came from.

pub mod agenda;
pub mod exchange;
pub mod fleet;
pub mod operations;
pub mod plan;
pub mod pool;
mod remembered;

use std::collections::HashMap;
use std::sync::atomic::Ordering;
use std::time::Duration;

use hdrhistogram::Histogram;
use mio::{Events, Poll};
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};

use crate::arrivals::Schedule;
use crate::error::{Context, Error, Result};
use crate::history::{Event, History, Kind, Micros, Noted, Operation, Outcome};
use crate::places::Walker;
use crate::scenario::Slowness;
use agenda::{Agenda, Clock, Task};
use fleet::{Effect, Fleet};
use plan::{Plan, Recording, Signals, Stage, Tick};
use pool::{Done, Pool, Reply};

/// Live events that are kept; some 5 GB would be more than a history should take.
const EVENTS_MAX: usize = 40_000_000;
const IN_A_ROW_MAX: usize = 64;
const SWEEP_US: Micros = 20_000;
const TICK_US: Micros = 200_000;
const DRIP_US: Micros = 20_000;
/// Rounds of asking again for what is unknown, and the pause between them.
const ASK_AGAIN_MAX: u32 = 20;
const ASK_AGAIN_US: Micros = 500_000;
/// Sessions that open their connection at once, before the run.
const OPENING_MAX: usize = 200;
/// Longest wait for them: so much, and so much more for each session.
const OPEN_TIMEOUT_US: Micros = 60_000_000;
const OPEN_EACH_US: Micros = 10_000;
/// A tokens' number: connections first, sessions from here on.
const SESSIONS_FROM: usize = 1 << 32;
/// Longest wait between attempts to come back.
const BACKOFF_MS_MAX: u64 = 2_000;

/// Why a session was cut, when the scenario did it.
const CUT: &str = "cut by the scenario";

/// A flow of the phase that runs, with its schedule.
struct Running {
    phase: u16,
    flow: usize,
    schedule: Schedule,
}

/// A running generator.
pub struct Generator<'a> {
    plan: &'a Plan,
    clock: Clock,
    poll: Poll,
    agenda: Agenda,
    rng: StdRng,
    pool: Pool,
    fleet: Fleet,
    walkers: Vec<Walker>,
    history: History,
    flows: Vec<Running>,
    phase: u16,
    next_shopper: u32,
    next_session: u32,
    next_key: u64,
    /// Codes of held claims that will be redeemed.
    codes: HashMap<uuid::Uuid, String>,
    /// Which session an rpc's operation was sent over.
    over: HashMap<u64, u32>,
    /// The `Connect` that is under way, and how often it was tried.
    connecting: HashMap<u32, (u64, u32)>,
    lateness_us: Histogram<u64>,
    counts: operations::Counts,
    launching: HashMap<u64, String>,
    events: Events,
    from_us: Micros,
    end_us: Option<Micros>,
    recent_us: Histogram<u64>,
    lost: HashMap<String, u64>,
    stage: Stage,
    ask_again: u32,
    ask_again_at_us: Micros,
}

/// Runs a plan to its end; `tell` is called a few times per second.
///
/// # Errors
/// The sockets cannot be made, or the system fails.
pub fn run(plan: &Plan, signals: &Signals, tell: &mut dyn FnMut(Tick)) -> Result<Recording> {
    let mut generator = Generator::new(plan)?;
    generator.open_all()?;
    tell(generator.tick());
    generator.wait_for_origin()?;
    let cpu = plan::cpu_ns();
    let from_us = generator.clock.now_us();
    generator.start();
    generator.turn_until_finished(signals, tell)?;
    let elapsed_us = (generator.clock.now_us() - from_us).max(1);
    let cpu_share = plan::cpu_ns().saturating_sub(cpu) as f64 / 1e3 / elapsed_us as f64;
    Ok(generator.finish(cpu_share))
}

impl<'a> Generator<'a> {
    fn new(plan: &'a Plan) -> Result<Self> {
        let mut rng = StdRng::seed_from_u64(plan.seed.wrapping_add(u64::from(plan.worker)));
        let sessions = (plan.sessions as usize).min(plan.shoppers.len());
        let walkers: Vec<Walker> =
            (0..sessions).map(|_| Walker::new(plan.scene.layout, plan.scene.spread_m, &mut rng)).collect();
        let people = plan.shoppers.iter().cloned().zip(walkers.iter().map(|walker| walker.place));
        let source_from = plan.worker as usize * 4 * crate::net::SOCKETS_PER_SOURCE;
        let fleet = Fleet::new(plan.server, source_from, SESSIONS_FROM, plan.scene.radius_m, people);
        let connections = (plan.scene.connections as usize).max(1);
        let pool = Pool::new(plan.server, connections, source_from + sessions);
        let histogram =
            || Histogram::new_with_bounds(1, 600_000_000, 3).map_err(|e| Error::Setup(e.to_string()));
        let history = History { sales: plan.sales.clone(), ..History::default() };
        Ok(Self {
            plan,
            clock: Clock::new(),
            poll: Poll::new().context("epoll")?,
            agenda: Agenda::default(),
            rng,
            pool,
            fleet,
            walkers,
            history,
            flows: Vec::new(),
            phase: u16::MAX,
            next_shopper: 0,
            next_session: 0,
            next_key: u64::from(plan.worker) << 40,
            codes: HashMap::new(),
            over: HashMap::new(),
            connecting: HashMap::new(),
            lateness_us: histogram()?,
            counts: operations::Counts::default(),
            launching: HashMap::new(),
            events: Events::with_capacity(1024),
            from_us: plan.origin_us,
            end_us: None,
            recent_us: histogram()?,
            lost: HashMap::new(),
            stage: Stage::Opening,
            ask_again: 0,
            ask_again_at_us: 0,
        })
    }

    /// Opens every connection and session before the run.
    fn open_all(&mut self) -> Result<()> {
        let deadline_us = self.clock.now_us() + OPEN_TIMEOUT_US + OPEN_EACH_US * self.fleet.len() as Micros;
        let mut opened = 0;
        loop {
            while opened < self.fleet.len() && opened - self.fleet.ready.min(opened) < OPENING_MAX {
                self.connect(u32::try_from(opened).unwrap_or(u32::MAX), self.clock.now_us());
                opened += 1;
            }
            let now_us = self.clock.now_us();
            self.pool.sweep(self.poll.registry(), now_us, self.plan.timeout_us)?;
            self.turn(Some(5))?;
            self.run_due()?;
            let connections = (self.plan.scene.connections as usize).max(1);
            if self.fleet.ready >= self.fleet.len() && self.pool.idle() >= connections {
                return Ok(());
            }
            if now_us > deadline_us {
                return Err(Error::TimedOut(format!(
                    "{} of {} sessions and {} of {connections} connections; {}",
                    self.fleet.ready,
                    self.fleet.len(),
                    self.pool.idle(),
                    self.losses()
                )));
            }
        }
    }

    fn losses(&self) -> String {
        let lost: Vec<String> = self.lost.iter().map(|(why, count)| format!("{count} × {why}")).collect();
        lost.join("; ")
    }

    fn wait_for_origin(&mut self) -> Result<()> {
        while self.clock.now_us() < self.plan.origin_us {
            let rest_ms = (self.plan.origin_us - self.clock.now_us()) / 1_000;
            self.turn(Some(rest_ms.clamp(1, 20)))?;
            self.run_due()?;
        }
        Ok(())
    }

    fn start(&mut self) {
        self.stage = Stage::Running;
        let mut at_us = self.plan.origin_us.max(self.clock.now_us());
        self.from_us = at_us;
        for (index, phase) in (0u16..).zip(&self.plan.phases) {
            self.agenda.add(at_us, Task::Phase(index));
            at_us += phase.duration_ms as Micros * 1_000;
        }
        self.agenda.add(at_us, Task::End);
    }

    fn turn_until_finished(&mut self, signals: &Signals, tell: &mut dyn FnMut(Tick)) -> Result<()> {
        let (mut sweep_us, mut tick_us) = (0, 0);
        while !signals.finish.load(Ordering::Acquire) {
            self.run_due()?;
            let now_us = self.clock.now_us();
            if now_us >= sweep_us {
                sweep_us = now_us + SWEEP_US;
                self.pool.sweep(self.poll.registry(), now_us, self.plan.timeout_us)?;
                self.take();
                self.drain(now_us);
            }
            if now_us >= tick_us {
                tick_us = now_us + TICK_US;
                tell(self.tick());
            }
            let next_us = self.agenda.next_us().unwrap_or(Micros::MAX).min(sweep_us).min(tick_us);
            let wait_us = next_us - self.clock.now_us();
            self.turn(Some((wait_us / 1_000).clamp(0, 20)))?;
        }
        Ok(())
    }

    /// Waits for sockets for at most this long and handles what happened.
    fn turn(&mut self, wait_ms: Option<i64>) -> Result<()> {
        let mut events = std::mem::replace(&mut self.events, Events::with_capacity(0));
        let wait = wait_ms.map(|ms| Duration::from_millis(ms.unsigned_abs()));
        match self.poll.poll(&mut events, wait) {
            Err(error) if error.kind() == std::io::ErrorKind::Interrupted => {}
            other => other.context("epoll")?,
        }
        for event in &events {
            let (token, now_us) = (event.token().0, self.clock.now_us());
            match token.checked_sub(SESSIONS_FROM) {
                Some(index) => {
                    self.fleet.event(index, now_us);
                    self.take_effects(now_us);
                }
                None => self.pool.event(token, now_us),
            }
        }
        self.events = events;
        self.take();
        Ok(())
    }

    fn take(&mut self) {
        let now_us = self.clock.now_us();
        for done in self.pool.take_done() {
            self.done(done, now_us);
        }
        self.take_effects(now_us);
    }

    /// Does what is due; after some of it, sockets get their turn.
    fn run_due(&mut self) -> Result<()> {
        for _ in 0..IN_A_ROW_MAX {
            let now_us = self.clock.now_us();
            let Some((due_us, task)) = self.agenda.pop(now_us) else { return Ok(()) };
            if let Task::Flow(_) | Task::Follow { .. } | Task::Resume { .. } = task {
                self.lateness_us.saturating_record(u64::try_from(now_us - due_us).unwrap_or(0));
            }
            match task {
                Task::Phase(index) => self.enter(index, due_us)?,
                Task::Flow(flow) => self.arrive(flow, due_us),
                Task::Follow { kind, claim, shopper, sale } => {
                    self.follow(kind, claim, shopper, sale, due_us)
                }
                Task::Resume { sale } => self.set_paused(Kind::Resume, sale, due_us),
                Task::Return(session) => self.come_back(session)?,
                Task::Drip(session) => {
                    if self.fleet.drip(session) {
                        self.agenda.add(now_us + DRIP_US, Task::Drip(session));
                    }
                }
                Task::End => {
                    self.flows.clear();
                    self.stage = Stage::Draining;
                }
            }
        }
        Ok(())
    }

    /// Begins a phase: its cuts, its slow sessions, its flows.
    fn enter(&mut self, index: u16, due_us: Micros) -> Result<()> {
        let Some(phase) = self.plan.phases.get(index as usize) else { return Ok(()) };
        self.phase = index;
        let shoppers = self.plan.shoppers.len();
        self.flows.clear();
        for (flow, described) in phase.flows.iter().enumerate() {
            let merchants = described.operation.is_merchants();
            if merchants && self.plan.worker > 0 {
                continue;
            }
            let schedule = Schedule::new(described, due_us, phase.duration_ms, shoppers);
            self.flows.push(Running { phase: index, flow, schedule });
        }
        for running in 0..self.flows.len() {
            self.plan_next(running);
        }
        let mut from = self.fleet.len();
        for slow in &phase.slow {
            let count = (slow.share * self.fleet.len() as f64).round() as usize;
            for _ in 0..count.min(from) {
                from -= 1;
                let session = u32::try_from(from).unwrap_or(u32::MAX);
                self.fleet.slow_down(session, slow.kind, self.poll.registry())?;
                if slow.kind == Slowness::OneByte {
                    self.agenda.add(due_us + DRIP_US, Task::Drip(session));
                }
            }
        }
        let cut = (phase.cut * self.fleet.len() as f64).round() as usize;
        for session in 0..cut {
            self.fleet.cut(u32::try_from(session).unwrap_or(u32::MAX));
        }
        self.take_effects(self.clock.now_us());
        Ok(())
    }

    fn plan_next(&mut self, running: usize) {
        let Some(flow) = self.flows.get_mut(running) else { return };
        if let Some(at_us) = flow.schedule.next(&mut self.rng) {
            let place = (u64::from(flow.phase) << 32) | running as u64;
            self.agenda.add(at_us, Task::Flow(place));
        }
    }

    /// Something of a flow is due.
    fn arrive(&mut self, place: u64, due_us: Micros) {
        let (phase, running) = ((place >> 32) as u16, (place & u64::from(u32::MAX)) as usize);
        // What was due in a phase that has ended meanwhile is sent as its own: late, and counted so.
        let flow = self.flows.get(running).filter(|flow| flow.phase == phase).map(|flow| flow.flow);
        let Some(flow) = flow else { return };
        self.perform(phase, flow, due_us);
        self.plan_next(running);
    }

    fn take_effects(&mut self, now_us: Micros) {
        for effect in self.fleet.take_effects() {
            match effect {
                Effect::Note(session, event) => self.note(session, event, now_us),
                Effect::Ready(session) => {
                    if let Some((operation, _)) = self.connecting.remove(&session) {
                        self.close(operation, Outcome::Ok(None), now_us);
                    }
                }
                Effect::Lost(session, why) => self.lost(session, &why, now_us),
                Effect::Answered(operation, reply) => self.answered(operation, &reply, now_us),
            }
        }
    }

    fn note(&mut self, session: u32, event: Event, at_us: Micros) {
        if self.history.events.len() < EVENTS_MAX {
            let session = self.plan.first_shopper + session;
            self.history.events.push(Noted { session, at_us, event });
        } else {
            self.history.events_dropped += 1;
        }
    }

    /// A session's socket is gone: what was asked over it is unknown, and it comes back.
    fn lost(&mut self, session: u32, why: &str, now_us: Micros) {
        if self.lost.len() < 100 || self.lost.contains_key(why) {
            *self.lost.entry(why.to_owned()).or_default() += 1;
        }
        let open: Vec<u64> =
            self.over.iter().filter(|(_, over)| **over == session).map(|(id, _)| *id).collect();
        for operation in open {
            self.over.remove(&operation);
            self.close(operation, Outcome::Unknown(why.to_owned()), now_us);
        }
        if self.fleet.is_apart(session) {
            return;
        }
        let tried = self.connecting.get(&session).map_or(0, |(_, tried)| *tried);
        let within_ms = if why == CUT {
            self.plan.phases.get(self.phase as usize).map_or(0, |phase| phase.back_within_ms)
        } else {
            (100 << tried.min(5)).min(BACKOFF_MS_MAX)
        };
        let due_us = now_us + self.rng.random_range(0..=within_ms as Micros * 1_000);
        if tried == 0 {
            self.connect(session, due_us);
        } else {
            if let Some((_, tried)) = self.connecting.get_mut(&session) {
                *tried += 1;
            }
            self.agenda.add(due_us, Task::Return(session));
        }
    }

    /// Plans that a session connects.
    fn connect(&mut self, session: u32, due_us: Micros) {
        let mut operation = self.operation(Kind::Connect, due_us);
        operation.shopper = self.plan.first_shopper + session;
        let number = self.add(operation);
        self.connecting.insert(session, (number, 1));
        self.agenda.add(due_us, Task::Return(session));
    }

    fn come_back(&mut self, session: u32) -> Result<()> {
        let now_us = self.clock.now_us();
        if let Some((number, _)) = self.connecting.get(&session)
            && let Some(operation) = self.history.operations.get_mut(*number as usize)
            && operation.sent_us == 0
        {
            operation.sent_us = now_us;
        }
        self.fleet.open(session, self.poll.registry())
    }

    fn done(&mut self, done: Done, now_us: Micros) {
        let Some(operation) = self.history.operations.get_mut(done.operation as usize) else { return };
        operation.sent_us = done.sent_us;
        let (kind, number) = (operation.kind, done.operation);
        let outcome = match done.reply {
            Reply::Answer(status, body) => {
                if kind == Kind::Update {
                    operation.v = exchange::version(&body);
                }
                if kind == Kind::Launch && status == 201 {
                    self.launched(number, &body, now_us);
                }
                exchange::outcome(kind, status, &body)
            }
            Reply::Lost(why) => Outcome::Unknown(why),
            Reply::NotSent => Outcome::NotSent,
        };
        self.close(number, outcome, now_us);
    }

    fn answered(&mut self, number: u64, reply: &serde_json::Value, now_us: Micros) {
        self.over.remove(&number);
        let Some(kind) = self.history.operations.get(number as usize).map(|op| op.kind) else { return };
        let outcome = match (reply.pointer("/rpc/data"), reply.get("error")) {
            (Some(data), _) => exchange::live_outcome(kind, data),
            (None, Some(error)) => Outcome::Refused { status: 0, code: format!("live {error}") },
            _ => Outcome::Unknown("a reply without a result".to_owned()),
        };
        self.close(number, outcome, now_us);
    }

    fn operation(&self, kind: Kind, intended_us: Micros) -> Operation {
        Operation {
            id: 0,
            kind,
            phase: self.phase,
            shopper: u32::MAX,
            sale: u32::MAX,
            key: 0,
            quantity: 0,
            claim: None,
            change: None,
            v: None,
            location: None,
            intended_us,
            sent_us: 0,
            done_us: 0,
            outcome: Outcome::Pending,
        }
    }

    fn add(&mut self, mut operation: Operation) -> u64 {
        let number = self.history.operations.len() as u64;
        operation.id = number;
        self.history.operations.push(operation);
        number
    }
}
