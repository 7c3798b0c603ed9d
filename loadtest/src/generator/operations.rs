//! What each operation is when it is due, and what follows from its end.
//!
//! The other half of the generator; it knows neither sockets nor phases' timing.

use std::collections::{BTreeMap, HashMap};

use rand::RngExt;
use serde_json::{Value, json};
use uuid::Uuid;

use super::agenda::Task;
use super::exchange::{self, Call};
use super::plan::{Effort, Recording, Stage, Tick};
use super::{ASK_AGAIN_MAX, ASK_AGAIN_US, Generator};
use crate::history::{Change, Event, Kind, Location, Micros, Operation, Outcome, Sale};
use crate::http::Request;
use crate::scenario::{Changed, Flow, SaleGroup};

/// How long sessions may take to come back after the last phase.
const COME_BACK_MAX_US: Micros = 15_000_000;

/// The least and the greatest reach that the contract allows, in metres.
const REACH_M: (u32, u32) = (50, 50_000);

/// The longest hold that the contract allows, in seconds.
const HOLD_MAX_S: u32 = 3_600;

/// Counts that a view shows while the run goes on.
#[derive(Debug, Default)]
pub struct Counts {
    ok: u64,
    refused: u64,
    unknown: u64,
    not_sent: u64,
}

/// Reads a sale from what its launch was answered.
#[must_use]
pub fn sale(answer: &Value, group: &str, launched_us: Micros) -> Option<Sale> {
    let text = |field: &str| answer.get(field).and_then(Value::as_str);
    let number = |field: &str| answer.get(field).and_then(Value::as_u64).and_then(|n| u32::try_from(n).ok());
    Some(Sale {
        id: text("id")?.parse().ok()?,
        store: text("store_id")?.parse().ok()?,
        group: group.to_owned(),
        location: serde_json::from_value(answer.get("location")?.clone()).ok()?,
        stock: number("stock")?,
        per_shopper_limit: number("per_shopper_limit"),
        price: answer.pointer("/price/amount")?.as_i64()?,
        starts_us: exchange::micros(text("starts_at")?)?,
        ends_us: exchange::micros(text("ends_at")?)?,
        launched_us,
        reach_m: f64::from(number("reach_m")?),
        hold_seconds: number("hold_seconds")?,
        claim_within_m: number("claim_within_m").map(f64::from),
        segments: serde_json::from_value(answer.get("segments").cloned().unwrap_or_default())
            .unwrap_or_default(),
    })
}

/// The body of a launch; `starts_us` absent = at once.
#[must_use]
pub fn launch_body(group: &SaleGroup, product: Uuid, now_us: Micros, starts_us: Option<Micros>) -> String {
    let ends_us = starts_us.unwrap_or(now_us) + group.lasts_ms as Micros * 1_000;
    let mut body = json!({
        "product_id": product, "price": {"amount": group.price, "currency": "COP"}, "stock": group.stock,
        "per_shopper_limit": (group.per_shopper_limit > 0).then_some(group.per_shopper_limit),
        "ends_at": exchange::time(ends_us), "reach_m": group.reach_m, "claim_within_m": group.claim_within_m,
        "hold_seconds": group.hold_seconds, "category": "loadtest",
    });
    if !group.segments.is_empty() {
        body["segments"] = json!(group.segments);
    }
    if let Some(starts_us) = starts_us {
        body["starts_at"] = json!(exchange::time(starts_us));
    }
    body.to_string()
}

impl Generator<'_> {
    /// Begins an operation of a flow.
    pub(super) fn perform(&mut self, phase: u16, flow: usize, due_us: Micros) {
        let plan = self.plan;
        let Some(flow) = plan.phases.get(phase as usize).and_then(|phase| phase.flows.get(flow)) else {
            return;
        };
        match flow.operation {
            Kind::Claim => self.claim(flow, due_us),
            Kind::LiveClaim => self.live_claim(flow, due_us),
            Kind::Update => self.update(flow, due_us),
            Kind::Pause => self.pause(flow, due_us),
            Kind::Launch => self.launch(flow, due_us),
            Kind::Search => {
                let place = match self.walkers.len() {
                    0 => crate::places::CENTRE,
                    count => self
                        .walkers
                        .get(self.rng.random_range(0..count))
                        .map_or(crate::places::CENTRE, |w| w.place),
                };
                let operation = self.operation(Kind::Search, due_us);
                let number = self.add(operation);
                self.send(number, &exchange::search(place, plan.scene.radius_m), None);
            }
            Kind::Move => self.step(flow, due_us),
            // They follow from other operations and have no flow (Scenario::check).
            Kind::Confirm | Kind::Cancel | Kind::Redeem | Kind::Resume | Kind::Connect => {}
        }
    }

    /// Chooses a sale of the flow's group, one that is on if there is any.
    fn choose(&mut self, flow: &Flow, now_us: Micros) -> Option<u32> {
        self.choose_where(flow, |sale| sale.starts_us <= now_us && now_us < sale.ends_us)
    }

    /// Chooses a sale of the flow's group, one that is `wanted` if a few tries find any.
    fn choose_where(&mut self, flow: &Flow, wanted: impl Fn(&Sale) -> bool) -> Option<u32> {
        let sales = &self.history.sales;
        let fits = |sale: &Sale| flow.sales.as_ref().is_none_or(|group| sale.group == *group);
        let mut chosen = None;
        for _ in 0..16 {
            let index = self.rng.random_range(0..sales.len().max(1));
            let Some(sale) = sales.get(index).filter(|sale| fits(sale)) else { continue };
            chosen = Some(index);
            if wanted(sale) {
                break;
            }
        }
        chosen.or_else(|| sales.iter().position(fits)).and_then(|index| u32::try_from(index).ok())
    }

    fn claim(&mut self, flow: &Flow, due_us: Micros) {
        let Some(sale) = self.choose(flow, due_us) else { return };
        let shopper = self.next_shopper;
        self.next_shopper =
            (shopper + 1) % u32::try_from(self.plan.shoppers.len()).unwrap_or(u32::MAX).max(1);
        self.next_key += 1;
        let place = flow.with_place.then(|| self.place_near(sale));
        let times = if flow.repeat > 0.0 && self.rng.random_bool(flow.repeat) { 2 } else { 1 };
        for _ in 0..times {
            let mut operation = self.operation(Kind::Claim, due_us);
            operation.shopper = self.plan.first_shopper + shopper;
            (operation.sale, operation.key, operation.quantity) = (sale, self.next_key, flow.quantity);
            operation.location = place;
            let number = self.add(operation);
            self.send_claim(number);
        }
    }

    /// A place within some 1.5 times the claim radius of a sale, half of them close to that boundary.
    fn place_near(&mut self, sale: u32) -> Location {
        let Some(sale) = self.history.sales.get(sale as usize) else { return crate::places::CENTRE };
        let radius_m = sale.claim_within_m.unwrap_or(sale.reach_m);
        let away_m = match self.rng.random_bool(0.5) {
            true => radius_m * self.rng.random_range(0.0..1.5),
            false => radius_m + self.rng.random_range(-0.5..0.5),
        };
        let direction = self.rng.random_range(0.0..std::f64::consts::TAU);
        crate::places::away(sale.location, away_m, direction)
    }

    /// Sends a claim that the history holds over HTTP.
    fn send_claim(&mut self, number: u64) {
        let Some(operation) = self.history.operations.get(number as usize) else { return };
        let Some(sale) = self.history.sales.get(operation.sale as usize) else { return };
        let (call, shopper) =
            (exchange::claim(sale.id, operation.quantity, operation.location), operation.shopper);
        self.send(number, &call, Some(shopper));
    }

    /// Sends a request: a shopper's, or else the merchant's.
    fn send(&mut self, number: u64, call: &Call, shopper: Option<u32>) {
        let token = shopper
            .and_then(|shopper| self.plan.shoppers.get((shopper - self.plan.first_shopper) as usize))
            .unwrap_or(&self.plan.merchant_token);
        let key = self.history.operations.get(number as usize).map_or(0, |operation| operation.key);
        let key = (key > 0).then(|| self.key(key));
        let request = Request {
            method: call.method,
            path: &call.path,
            token: Some(token),
            key: key.as_deref(),
            body: &call.body,
        };
        let bytes = request.encode(&self.plan.server.to_string());
        self.pool.submit(number, bytes, self.clock.now_us());
    }

    fn key(&self, key: u64) -> String {
        format!("{}-{key:x}", self.plan.run)
    }

    /// The next session that is subscribed.
    fn session(&mut self) -> Option<u32> {
        let count = u32::try_from(self.fleet.len()).unwrap_or(u32::MAX);
        for _ in 0..count {
            let session = self.next_session;
            self.next_session = (session + 1) % count.max(1);
            if self.fleet.is_ready(session) && !self.over.values().any(|over| *over == session) {
                return Some(session);
            }
        }
        None
    }

    fn live_claim(&mut self, flow: &Flow, due_us: Micros) {
        let Some(sale) = self.choose(flow, due_us) else { return };
        let session = self.session();
        self.next_key += 1;
        let mut operation = self.operation(Kind::LiveClaim, due_us);
        (operation.sale, operation.key, operation.quantity) = (sale, self.next_key, flow.quantity);
        operation.shopper = self.plan.first_shopper + session.unwrap_or(0);
        let id = self.history.sales.get(sale as usize).map(|sale| sale.id);
        let mut data = json!({"promotion_id": id, "quantity": flow.quantity, "idempotency_key": self.key(self.next_key)});
        if flow.with_place {
            let place = self.place_near(sale);
            operation.location = Some(place);
            data["location"] = json!(place);
        }
        let number = self.add(operation);
        self.ask(number, session, "claim", &data);
    }

    fn step(&mut self, flow: &Flow, due_us: Micros) {
        let session = self.session();
        let mut operation = self.operation(Kind::Move, due_us);
        operation.shopper = self.plan.first_shopper + session.unwrap_or(0);
        let Some(session) = session else {
            let number = self.add(operation);
            self.close(number, Outcome::NotSent, due_us);
            return;
        };
        let Some(walker) = self.walkers.get_mut(session as usize) else { return };
        walker.walk(flow.step_m, &mut self.rng);
        let place = walker.place;
        operation.location = Some(place);
        let number = self.add(operation);
        self.fleet.place(session, place);
        self.note(session, Event::MoveSent(place), self.clock.now_us());
        self.ask(number, Some(session), "move", &json!({"location": place}));
    }

    fn ask(&mut self, number: u64, session: Option<u32>, method: &str, data: &Value) {
        let now_us = self.clock.now_us();
        let Some(session) = session else {
            self.close(number, Outcome::NotSent, now_us);
            return;
        };
        if let Some(operation) = self.history.operations.get_mut(number as usize) {
            operation.sent_us = now_us;
        }
        self.over.insert(number, session);
        if !self.fleet.ask(session, number, method, data) {
            self.over.remove(&number);
            self.close(number, Outcome::NotSent, now_us);
        }
    }

    fn update(&mut self, flow: &Flow, due_us: Micros) {
        let which = flow.changes.get(self.rng.random_range(0..flow.changes.len().max(1))).copied();
        let which = which.unwrap_or_default();
        let chosen = match which {
            Changed::Start => self.choose_where(flow, |sale| sale.starts_us > due_us),
            _ => self.choose(flow, due_us),
        };
        let Some(sale) = chosen else { return };
        let Some(launched) = self.history.sales.get(sale as usize) else { return };
        let (id, stock, starts_us, ends_us) =
            (launched.id, launched.stock, launched.starts_us, launched.ends_us);
        let (reach_m, hold_seconds) = (launched.reach_m as u32, launched.hold_seconds);
        let change = match which {
            Changed::Price => Change::Price(self.rng.random_range(10_000..60_000)),
            Changed::Stock => Change::Stock(self.rng.random_range(stock.div_ceil(2)..=stock * 2)),
            Changed::Window => Change::Ends(ends_us + self.rng.random_range(1..=10) * 1_000_000),
            Changed::Radius => {
                let within_m = self.rng.random_range(reach_m / 4..=reach_m).max(1);
                Change::ClaimWithin(self.rng.random_bool(0.8).then_some(within_m))
            }
            Changed::Limit => Change::Limit(self.rng.random_bool(0.8).then(|| self.rng.random_range(1..=3))),
            Changed::Reach => Change::Reach(
                self.rng.random_range(reach_m / 2..=reach_m + reach_m / 2).clamp(REACH_M.0, REACH_M.1),
            ),
            Changed::Start => Change::Starts(starts_us + self.rng.random_range(-3_000..=3_000) * 1_000),
            Changed::Hold => {
                Change::Hold(self.rng.random_range(hold_seconds / 2..=hold_seconds * 2).clamp(1, HOLD_MAX_S))
            }
        };
        let mut operation = self.operation(Kind::Update, due_us);
        (operation.sale, operation.change) = (sale, Some(change));
        let number = self.add(operation);
        self.send(number, &exchange::update(id, change), None);
    }

    /// Pauses a sale, and plans its resumption.
    fn pause(&mut self, flow: &Flow, due_us: Micros) {
        let Some(sale) = self.choose(flow, due_us) else { return };
        self.set_paused(Kind::Pause, sale, due_us);
        let resume_us = due_us + flow.pause_ms as Micros * 1_000;
        self.agenda.add(resume_us, Task::Resume { sale });
    }

    /// Pauses or resumes a sale.
    pub(super) fn set_paused(&mut self, kind: Kind, sale: u32, due_us: Micros) {
        let mut operation = self.operation(kind, due_us);
        operation.sale = sale;
        let id = self.history.sales.get(sale as usize).map(|sale| sale.id).unwrap_or_default();
        let number = self.add(operation);
        self.send(number, &exchange::pause(kind, id), None);
    }

    fn launch(&mut self, flow: &Flow, due_us: Micros) {
        let groups = &self.plan.groups;
        let group =
            groups.iter().position(|group| flow.sales.as_ref().is_none_or(|name| group.group == *name));
        let Some(group) = group.and_then(|index| groups.get(index)) else { return };
        let Some(place) = self.plan.stores.get(self.rng.random_range(0..self.plan.stores.len().max(1)))
        else {
            return;
        };
        self.next_key += 1;
        let mut operation = self.operation(Kind::Launch, due_us);
        operation.key = self.next_key;
        let number = self.add(operation);
        let body = launch_body(group, place.product, self.clock.now_us(), None);
        let path = format!("/api/v1/stores/{}/promotions", place.store);
        self.launching.insert(number, group.group.clone());
        self.send(number, &Call { method: "POST", path, body }, None);
    }

    /// A launch was accepted.
    pub(super) fn launched(&mut self, number: u64, body: &[u8], now_us: Micros) {
        let group = self.launching.remove(&number).unwrap_or_default();
        let answer: Value = serde_json::from_slice(body).unwrap_or(Value::Null);
        self.history.sales.extend(sale(&answer, &group, now_us));
    }

    /// A shopper acts on a claim, or the store redeems it.
    pub(super) fn follow(&mut self, kind: Kind, claim: Uuid, shopper: u32, sale: u32, due_us: Micros) {
        let mut operation = self.operation(kind, due_us);
        (operation.claim, operation.shopper, operation.sale) = (Some(claim), shopper, sale);
        let store = self.history.sales.get(sale as usize).map(|sale| sale.store).unwrap_or_default();
        let code = self.codes.get(&claim).cloned().unwrap_or_default();
        let number = self.add(operation);
        let by = (kind != Kind::Redeem).then_some(shopper);
        self.send(number, &exchange::act(kind, claim, store, &code), by);
    }

    /// An operation has ended; what follows is planned.
    pub(super) fn close(&mut self, number: u64, outcome: Outcome, now_us: Micros) {
        let Some(operation) = self.history.operations.get_mut(number as usize) else { return };
        if operation.outcome != Outcome::Pending {
            return;
        }
        operation.done_us = now_us;
        operation.outcome = outcome;
        match &operation.outcome {
            Outcome::Ok(_) => self.counts.ok += 1,
            Outcome::Refused { .. } => self.counts.refused += 1,
            Outcome::Unknown(_) | Outcome::Pending => self.counts.unknown += 1,
            Outcome::NotSent => self.counts.not_sent += 1,
        }
        if operation.sent_us > 0 {
            self.recent_us.saturating_record(operation.latency_us().max(1));
        }
        let operation = operation.clone();
        self.plan_follow(&operation, now_us);
    }

    fn plan_follow(&mut self, operation: &Operation, now_us: Micros) {
        let follow = self.plan.follow;
        let within_us = (follow.within_ms as Micros * 1_000).max(1);
        let (shopper, sale) = (operation.shopper, operation.sale);
        if let Some(told) = operation.told().filter(|told| told.status == "held") {
            // A repetition gets the same claim, which is acted on once.
            if self.codes.insert(told.claim, told.code.clone()).is_some() {
                return;
            }
            let chance: f64 = self.rng.random_range(0.0..1.0);
            let kind = match chance {
                _ if chance < follow.confirm => Kind::Confirm,
                _ if chance < follow.confirm + follow.cancel => Kind::Cancel,
                _ => return,
            };
            let due_us = now_us + self.rng.random_range(0..within_us);
            self.agenda.add(due_us, Task::Follow { kind, claim: told.claim, shopper, sale });
        } else if let Some(claim) = operation.claim
            && operation.kind == Kind::Confirm
            && operation.is_ok()
            && follow.redeem > 0.0
            && self.rng.random_bool(follow.redeem)
        {
            let due_us = now_us + self.rng.random_range(0..within_us);
            self.agenda.add(due_us, Task::Follow { kind: Kind::Redeem, claim, shopper, sale });
        }
    }

    /// After the last phase: waits for what is in flight, and asks again for what is unknown.
    pub(super) fn drain(&mut self, now_us: Micros) {
        if self.stage != Stage::Draining {
            return;
        }
        let end_us = *self.end_us.get_or_insert(now_us);
        let back = self.connecting.is_empty() || now_us > end_us + COME_BACK_MAX_US;
        if self.agenda.follows() > 0 || !self.pool.is_quiet() || !self.over.is_empty() || !back {
            return;
        }
        if now_us < self.ask_again_at_us {
            return;
        }
        let open = self.unsettled();
        if open.is_empty() || self.ask_again >= ASK_AGAIN_MAX {
            self.stage = Stage::Drained;
            return;
        }
        self.ask_again += 1;
        self.ask_again_at_us = now_us + ASK_AGAIN_US;
        for number in open {
            let Some(first) = self.history.operations.get(number as usize) else { continue };
            let mut again = first.clone();
            again.kind = Kind::Claim;
            (again.intended_us, again.sent_us, again.done_us) = (now_us, 0, 0);
            again.outcome = Outcome::Pending;
            again.phase = u16::MAX;
            let number = self.add(again);
            self.send_claim(number);
        }
    }

    /// One operation of each key of which nobody knows what became.
    fn unsettled(&self) -> Vec<u64> {
        let mut unknown: BTreeMap<u64, &Operation> = BTreeMap::new();
        let claims = || self.history.operations.iter().filter(|op| op.kind.is_claim());
        for op in claims().filter(|op| op.is_unknown()) {
            let last = unknown.entry(op.key).or_insert(op);
            if op.sent_us > last.sent_us {
                *last = op;
            }
        }
        for op in claims() {
            let settled = match &op.outcome {
                Outcome::Ok(_) => true,
                Outcome::Refused { status, .. } => {
                    !matches!(status, 0 | 429 | 503)
                        && unknown.get(&op.key).is_some_and(|last| op.sent_us >= last.sent_us)
                }
                _ => false,
            };
            if settled {
                unknown.remove(&op.key);
            }
        }
        unknown.values().map(|op| op.id).collect()
    }

    /// How the run stands.
    pub(super) fn tick(&mut self) -> Tick {
        let phases = &self.plan.phases;
        let recent_us = (self.recent_us.value_at_quantile(0.5), self.recent_us.value_at_quantile(0.99));
        self.recent_us.reset();
        Tick {
            worker: self.plan.worker,
            stage: self.stage,
            elapsed_ms: (self.clock.now_us() - self.from_us) / 1_000,
            phase: phases.get(self.phase as usize).map(|phase| phase.name.clone()).unwrap_or_default(),
            begun: self.history.operations.len() as u64,
            ok: self.counts.ok,
            refused: self.counts.refused,
            unknown: self.counts.unknown,
            not_sent: self.counts.not_sent,
            sessions: self.fleet.ready as u64,
            publications: self.fleet.publications,
            recent_us,
        }
    }

    /// Hands the recording over.
    pub(super) fn finish(mut self, cpu_share: f64) -> Recording {
        self.history.rest_us = self.clock.now_us();
        self.history.clock_error_us = crate::generator::plan::CLOCK_ERROR_US;
        let lost: HashMap<String, u64> = self.lost;
        let effort = Effort {
            lateness_p99_us: self.lateness_us.value_at_quantile(0.99),
            lateness_max_us: self.lateness_us.max(),
            cpu_share,
            waited: self.pool.waited,
            lost: lost.into_iter().collect(),
        };
        Recording { history: self.history, effort }
    }
}
