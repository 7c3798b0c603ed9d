//! Live sessions: each is told of every deal in reach and of none beyond, versions only grow, what goes goes once, and the
//! last state arrives.
//!
//! It knows positions, great circles and the hysteresis of the contract; nothing of claims.

use std::collections::HashMap;

use uuid::Uuid;

use super::Verdict;
use super::terms::Terms;
use crate::history::{Event, Final, History, Kind, Location, Micros, Noted, Sale};

/// How long a deal may take to reach a session before it counts as missed.
pub const GRACE_US: Micros = 5_000_000;

/// How long a run waits for the last news before it calls the state one of rest.
pub const SETTLE_US: Micros = 1_000_000;

/// Metres around a boundary in which the judge decides for the server: it computes with other floating-point steps.
const SLACK_M: f64 = 1.0;

/// Radius of the sphere of the contract, in metres.
const EARTH_M: f64 = 6_371_008.8;

/// Pairs of session stretch and sale that are looked at; above, every n-th session is.
const PAIRS_MAX: usize = 100_000_000;

/// Great-circle distance in metres, by the haversine formula.
#[must_use]
pub fn distance_m(a: Location, b: Location) -> f64 {
    let (lat_a, lat_b) = (a.lat.to_radians(), b.lat.to_radians());
    let (d_lat, d_lng) = (lat_b - lat_a, (b.lng - a.lng).to_radians());
    let h = (d_lat / 2.0).sin().powi(2) + lat_a.cos() * lat_b.cos() * (d_lng / 2.0).sin().powi(2);
    2.0 * EARTH_M * h.sqrt().min(1.0).asin()
}

/// Beyond which distance a deal that is shown goes, where it is shown within `reach_m`.
fn leave_m(reach_m: f64) -> f64 {
    reach_m + (reach_m * 0.05).max(50.0)
}

/// A stretch of time in which a session stayed at one place, connected.
struct Stretch {
    from_us: Micros,
    to_us: Micros,
    location: Location,
    radius_m: f64,
}

/// When a sale was live, as far as anybody can tell.
struct Life<'a> {
    /// Its index in the history.
    index: u32,
    sale: &'a Sale,
    /// From when on it had surely started.
    started_us: Micros,
    /// Tells whether its start may have been changed.
    moved: bool,
    /// The least reach that it may have had, from and to; one stretch of all time unless the reach may have been changed.
    reaches: Vec<(Micros, Micros, f64)>,
    /// The greatest of them.
    widest_m: f64,
    /// The earliest and the latest end that it may have had.
    ends_us: (Micros, Micros),
    /// When it may have been paused.
    pauses: Vec<(Micros, Micros)>,
}

impl Life<'_> {
    /// The stretches between the two moments in which it was surely live.
    fn live(&self, from_us: Micros, to_us: Micros) -> Vec<(Micros, Micros)> {
        let mut from_us = from_us.max(self.started_us).max(self.sale.launched_us);
        let to_us = to_us.min(self.ends_us.0);
        let mut live = Vec::new();
        for &(paused_us, resumed_us) in &self.pauses {
            live.push((from_us, to_us.min(paused_us)));
            from_us = from_us.max(resumed_us);
        }
        live.push((from_us, to_us));
        live
    }

    /// The stretches between the two moments in which it surely reached so far.
    fn reaching(&self, away_m: f64, from_us: Micros, to_us: Micros) -> Vec<(Micros, Micros)> {
        let mut within: Vec<(Micros, Micros)> = Vec::new();
        for &(begin_us, end_us, _) in self.reaches.iter().filter(|(.., reach_m)| away_m <= reach_m - SLACK_M)
        {
            let (begin_us, end_us) = (begin_us.max(from_us), end_us.min(to_us));
            match within.last_mut() {
                Some(last) if last.1 == begin_us => last.1 = end_us,
                _ if begin_us < end_us => within.push((begin_us, end_us)),
                _ => {}
            }
        }
        within
    }
}

/// What a session knows of one sale.
#[derive(Default)]
struct Shown {
    now: bool,
    v: u64,
    stock: (u32, u32),
    /// When it was shown, first to last; the last one may be open.
    spans: Vec<(Micros, Micros)>,
}

/// One session, as its events are read.
struct Session<'a> {
    number: u32,
    history: &'a History,
    terms: &'a Terms<'a>,
    lives: &'a [Life<'a>],
    by_id: &'a HashMap<Uuid, usize>,
    shown: HashMap<Uuid, Shown>,
    stretches: Vec<Stretch>,
    /// Where it is; while a move is in flight, also where it may be already.
    places: Vec<Location>,
    radius_m: f64,
    connected: bool,
    slowed: bool,
}

/// Looks at every session.
pub fn judge(history: &History, terms: &Terms<'_>, verdict: &mut Verdict) {
    let mut sessions: HashMap<u32, Vec<&Noted>> = HashMap::new();
    for noted in &history.events {
        sessions.entry(noted.session).or_default().push(noted);
    }
    if sessions.is_empty() {
        return;
    }
    let lives: Vec<Life<'_>> =
        (0u32..).zip(&history.sales).map(|(index, sale)| life(index, sale, terms)).collect();
    let by_id: HashMap<Uuid, usize> =
        history.sales.iter().enumerate().map(|(index, sale)| (sale.id, index)).collect();
    let finals: HashMap<Uuid, &Final> = history
        .finals
        .iter()
        .filter_map(|last| history.sales.get(last.sale as usize).map(|sale| (sale.id, last)))
        .collect();
    let moves = history.operations.iter().filter(|op| op.kind == Kind::Move).count();
    let pairs = (sessions.len() + moves).saturating_mul(history.sales.len());
    let every = u32::try_from(pairs / PAIRS_MAX + 1).unwrap_or(u32::MAX);
    let mut numbers: Vec<u32> = sessions.keys().copied().collect();
    numbers.sort_unstable();
    for number in numbers {
        let mut session = Session {
            number,
            history,
            terms,
            lives: &lives,
            by_id: &by_id,
            shown: HashMap::new(),
            stretches: Vec::new(),
            places: Vec::new(),
            radius_m: 0.0,
            connected: false,
            slowed: false,
        };
        for noted in sessions.get(&number).into_iter().flatten() {
            session.read(noted, verdict);
        }
        session.close(&finals, number % every == 0, verdict);
    }
}

fn life<'a>(index: u32, sale: &'a Sale, terms: &Terms<'_>) -> Life<'a> {
    let ends_us = terms.ends_us(index, sale, (Micros::MIN, Micros::MAX));
    let (first, last) = (ends_us.iter().min(), ends_us.iter().max());
    let ends_us = (first.copied().unwrap_or(sale.ends_us), last.copied().unwrap_or(sale.ends_us));
    let mut pauses = terms.maybe_paused(index);
    pauses.sort_unstable();
    let reaches = terms.reaches(index, sale);
    let widest_m = reaches.iter().map(|(.., reach_m)| *reach_m).fold(0.0, f64::max);
    let (started_us, moved) = (terms.started_us(index, sale), terms.is_start_changed(index));
    Life { index, sale, started_us, moved, reaches, widest_m, ends_us, pauses }
}

impl<'a> Session<'a> {
    fn life(&self, id: Uuid) -> Option<&'a Life<'a>> {
        self.by_id.get(&id).and_then(|index| self.lives.get(*index))
    }

    fn read(&mut self, noted: &Noted, verdict: &mut Verdict) {
        if self.slowed {
            return;
        }
        let at_us = noted.at_us;
        match &noted.event {
            Event::Subscribed { sent_us, location, radius_m, known, offers, gone } => {
                self.places = vec![*location];
                self.radius_m = *radius_m;
                self.connected = true;
                // What it did not say that it knows, it has forgotten.
                let forgotten: Vec<Uuid> = self
                    .shown
                    .iter()
                    .filter(|(id, s)| s.now && !known.contains(id))
                    .map(|(id, _)| *id)
                    .collect();
                forgotten.iter().chain(gone).for_each(|id| self.unshow(*id, *sent_us));
                offers.iter().for_each(|(id, v, remaining, held)| {
                    self.offer(*id, *v, (*remaining, *held), at_us, verdict);
                });
                self.begin(at_us, *location);
            }
            Event::Offer(id, v, remaining, held) => self.offer(*id, *v, (*remaining, *held), at_us, verdict),
            Event::Stock(id, v, remaining, held) => {
                if !self.by_id.contains_key(id) {
                    return;
                }
                if !self.shown.get(id).is_some_and(|shown| shown.now) {
                    self.find(
                        verdict,
                        "no_news_of_the_unseen",
                        format!("stock of {id}, which it is not shown"),
                    );
                    return;
                }
                self.beyond(*id, "heard of the stock of", (*v, at_us), true, verdict);
                self.grow(*id, *v, (*remaining, *held), verdict);
            }
            Event::Gone(id, v, left) => self.gone(*id, *v, *left, at_us, verdict),
            Event::MoveSent(location) => {
                self.end(at_us);
                self.places.push(*location);
            }
            Event::Moved(left) => {
                self.places.drain(..self.places.len().saturating_sub(1));
                left.iter().for_each(|id| self.unshow(*id, at_us));
                if let Some(place) = self.places.last().copied() {
                    self.begin(at_us, place);
                }
            }
            Event::Cut => {
                self.end(at_us);
                self.connected = false;
            }
            Event::Slowed => {
                self.end(at_us);
                self.connected = false;
                self.slowed = true;
            }
        }
    }

    fn begin(&mut self, at_us: Micros, location: Location) {
        let radius_m = self.radius_m;
        self.stretches.push(Stretch { from_us: at_us, to_us: Micros::MAX, location, radius_m });
    }

    fn end(&mut self, at_us: Micros) {
        if let Some(stretch) = self.stretches.last_mut() {
            stretch.to_us = stretch.to_us.min(at_us);
        }
    }

    fn find(&self, verdict: &mut Verdict, invariant: &str, text: String) {
        verdict.find(invariant, format!("session {}: {text}", self.number), vec![], vec![self.number]);
    }

    fn offer(&mut self, id: Uuid, v: u64, stock: (u32, u32), at_us: Micros, verdict: &mut Verdict) {
        let Some(life) = self.life(id) else { return };
        let starts_us = match life.moved {
            true => self.terms.starts_us_in(life.index, life.sale, (v, at_us)).into_iter().min(),
            false => None,
        };
        let starts_us = starts_us.unwrap_or(life.sale.starts_us);
        let shown = self.shown.entry(id).or_default();
        let was = shown.now;
        if !was {
            shown.now = true;
            shown.spans.push((at_us, Micros::MAX));
        }
        // It may have entered while the reach was wider, and be told only now that it is between that and leaving.
        self.beyond(id, "was shown", (v, at_us), was || life.reaches.len() > 1, verdict);
        if at_us < starts_us - self.history.clock_error_us {
            self.find(verdict, "none_beyond_reach", format!("was shown {id} before it started"));
        }
        self.grow(id, v, stock, verdict);
    }

    /// The least and the greatest distance within which this session was to be shown a sale in a version that it heard of.
    fn bounds_m(&self, life: &Life<'_>, told: (u64, Micros)) -> (f64, f64) {
        let (least_m, greatest_m) = match life.reaches.len() {
            1 => (life.sale.reach_m, life.sale.reach_m),
            _ => self.terms.reach_m_in(life.index, life.sale, told),
        };
        (least_m.min(self.radius_m), greatest_m.min(self.radius_m))
    }

    /// Looks whether it heard of a sale from beyond its reach; one that is `shown` has some way to go until it leaves.
    fn beyond(&self, id: Uuid, heard: &str, told: (u64, Micros), shown: bool, verdict: &mut Verdict) {
        let Some(life) = self.life(id) else { return };
        verdict.examine("none_beyond_reach", 1);
        let (near_m, (_, reach_m)) = (self.nearest_m(life.sale), self.bounds_m(life, told));
        let bound_m = if shown { leave_m(reach_m) } else { reach_m };
        if near_m > bound_m + SLACK_M {
            let text = format!("{heard} {id} from {near_m:.0} m, beyond {bound_m:.0} m");
            self.find(verdict, "none_beyond_reach", text);
        }
    }

    fn nearest_m(&self, sale: &Sale) -> f64 {
        self.places.iter().map(|place| distance_m(*place, sale.location)).fold(f64::INFINITY, f64::min)
    }

    fn grow(&mut self, id: Uuid, v: u64, stock: (u32, u32), verdict: &mut Verdict) {
        verdict.examine("versions_grow", 1);
        let Some(shown) = self.shown.get_mut(&id) else { return };
        let before = std::mem::replace(&mut shown.v, v);
        shown.stock = stock;
        if v < before {
            self.find(verdict, "versions_grow", format!("{id} went from version {before} back to {v}"));
        }
    }

    fn gone(&mut self, id: Uuid, v: u64, left: bool, at_us: Micros, verdict: &mut Verdict) {
        let Some(life) = self.life(id) else { return };
        let (sale, ends_us) = (life.sale, life.ends_us);
        let may_pause = life.pauses.iter().any(|(paused_us, _)| *paused_us <= at_us);
        verdict.examine("gone_once", 1);
        if !self.shown.get(&id).is_some_and(|shown| shown.now) {
            self.find(verdict, "gone_once", format!("{id} went, and was not there"));
            return;
        }
        let farthest_m =
            self.places.iter().map(|place| distance_m(*place, sale.location)).fold(0.0, f64::max);
        if left && farthest_m < self.bounds_m(life, (v, at_us)).0 - SLACK_M {
            self.find(verdict, "gone_once", format!("{id} was said to be left, from {farthest_m:.0} m"));
        }
        if !left && !may_pause && at_us < ends_us.0 - self.history.clock_error_us {
            self.find(verdict, "gone_once", format!("{id} was said to have ended before its time"));
        }
        let before = self.shown.get(&id).map_or(0, |shown| shown.v);
        if v < before {
            self.find(verdict, "versions_grow", format!("{id} went with version {v} after {before}"));
        }
        self.unshow(id, at_us);
    }

    fn unshow(&mut self, id: Uuid, at_us: Micros) {
        if let Some(shown) = self.shown.get_mut(&id)
            && shown.now
        {
            shown.now = false;
            if let Some(span) = shown.spans.last_mut() {
                span.1 = at_us;
            }
        }
    }

    /// Looks at what it should have seen, and at what it knows at the end.
    fn close(&mut self, finals: &HashMap<Uuid, &Final>, look_back: bool, verdict: &mut Verdict) {
        let rest_us = self.history.rest_us;
        if look_back && rest_us > 0 {
            self.missed(rest_us, verdict);
        }
        if rest_us == 0 || !self.connected {
            return;
        }
        for (id, shown) in self.shown.iter().filter(|(_, shown)| shown.now) {
            let (Some(last), Some(life)) = (finals.get(id), self.life(*id)) else { continue };
            let (sale, ends_us) = (life.sale, life.ends_us);
            let settled = self.stretches.last().filter(|stretch| rest_us - stretch.from_us >= SETTLE_US);
            let away_m = settled.map_or(0.0, |stretch| distance_m(stretch.location, sale.location));
            let reach_m = match life.reaches.len() {
                1 => sale.reach_m,
                _ => self.terms.reach_m(life.index, sale, (rest_us - SETTLE_US, Micros::MAX)).1,
            };
            if away_m > leave_m(reach_m.min(self.radius_m)) + SLACK_M {
                self.find(
                    verdict,
                    "none_beyond_reach",
                    format!("{id} did not go, though it is {away_m:.0} m away"),
                );
            } else if ends_us.1 < rest_us - GRACE_US && last.status == "ended" {
                self.find(verdict, "gone_once", format!("{id} has ended and did not go"));
            } else if last.at_rest && last.status == "paused" {
                self.find(verdict, "gone_once", format!("{id} is paused and did not go"));
            } else if last.at_rest && last.status == "live" {
                verdict.examine("last_state_arrives", 1);
                if shown.stock != (last.remaining, last.held) || shown.v > last.v {
                    let text = format!(
                        "{id} has {} left and {} held, the last it heard of are {} and {}",
                        last.remaining, last.held, shown.stock.0, shown.stock.1
                    );
                    self.find(verdict, "last_state_arrives", text);
                }
            }
        }
    }

    /// Every sale that was live for long enough while the session stayed in reach was shown meanwhile.
    fn missed(&self, rest_us: Micros, verdict: &mut Verdict) {
        for stretch in &self.stretches {
            let to_us = stretch.to_us.min(rest_us);
            if to_us - stretch.from_us < SETTLE_US {
                continue;
            }
            for life in self.lives {
                let sale = life.sale;
                let away_m = distance_m(stretch.location, sale.location);
                if away_m > life.widest_m.min(stretch.radius_m) - SLACK_M {
                    continue;
                }
                let spans = self.shown.get(&sale.id).map(|shown| shown.spans.as_slice()).unwrap_or_default();
                let reaching = life.reaching(away_m, stretch.from_us, to_us);
                for (from_us, until_us) in reaching.into_iter().flat_map(|(from, to)| life.live(from, to)) {
                    // What lasts until everything was given time needs no more of it.
                    let to_the_end = stretch.to_us > rest_us && until_us == rest_us;
                    if until_us - from_us < if to_the_end { SETTLE_US } else { GRACE_US } {
                        continue;
                    }
                    verdict.examine("all_in_reach", 1);
                    if !spans.iter().any(|(shown_us, gone_us)| *shown_us <= until_us && *gone_us >= from_us) {
                        let text = format!("was never shown {}, which is {away_m:.0} m away", sale.id);
                        self.find(verdict, "all_in_reach", text);
                    }
                }
            }
        }
    }
}
