//! What a run does: a scene, sales, phases with flows of operations, and what shoppers do with what they got.
//!
//! A scenario is a TOML file; the built-in ones are embedded files of the same format. It knows nothing of sockets.

use serde::{Deserialize, Serialize};

use crate::error::{Context, Error, Result};
use crate::history::Kind;

/// Operations that one run may plan; the history of more would not fit into memory.
pub const OPERATIONS_MAX: f64 = 20_000_000.0;

const BUILT_IN: [(&str, &str); 8] = [
    ("spike", include_str!("scenarios/spike.toml")),
    ("drop", include_str!("scenarios/drop.toml")),
    ("fanout", include_str!("scenarios/fanout.toml")),
    ("city", include_str!("scenarios/city.toml")),
    ("storm", include_str!("scenarios/storm.toml")),
    ("slow", include_str!("scenarios/slow.toml")),
    ("soak", include_str!("scenarios/soak.toml")),
    ("ramp", include_str!("scenarios/ramp.toml")),
];

/// A whole scenario.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Scenario {
    /// Its name.
    pub name: String,
    /// What it is for, in a sentence.
    pub about: String,
    /// What is there before it starts.
    pub scene: Scene,
    /// The sales.
    #[serde(default)]
    pub sales: Vec<SaleGroup>,
    /// What happens, one after the other.
    pub phases: Vec<Phase>,
    /// What shoppers do with a claim that is held.
    #[serde(default)]
    pub follow: Follow,
    /// When a step of a ramp counts as served.
    #[serde(default)]
    pub knee: Option<Knee>,
}

/// How stores and shoppers lie.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Layout {
    /// At random in a disk.
    #[default]
    Disk,
    /// Around the stations of a metro line, along which shoppers travel.
    Stations,
}

/// What is there before a run.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Scene {
    /// Stores.
    pub stores: u32,
    /// Shoppers with an account.
    pub shoppers: u32,
    /// Live sessions, subscribed to `nearby`; the first shoppers' ones.
    pub sessions: u32,
    /// How far a session looks, in metres, 50 to 50,000.
    pub radius_m: f64,
    /// Radius of the disk, or of that around each station, in metres.
    pub spread_m: f64,
    /// How they lie.
    pub layout: Layout,
    /// Keep-alive connections for HTTP.
    pub connections: u32,
}

impl Default for Scene {
    fn default() -> Self {
        let (radius_m, spread_m) = (5_000.0, 2_000.0);
        let (stores, shoppers, sessions, connections) = (1, 1_000, 0, 256);
        Self { stores, shoppers, sessions, radius_m, spread_m, layout: Layout::Disk, connections }
    }
}

/// Sales of one kind.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct SaleGroup {
    /// Its name, by which flows choose.
    pub group: String,
    /// How many are launched before the run.
    pub count: u32,
    /// Units, 1 to 1,000,000.
    pub stock: u32,
    /// Units per shopper; 0 = no limit.
    pub per_shopper_limit: u32,
    /// Seconds that a claim stays held; 0 = confirmed at once.
    pub hold_seconds: u32,
    /// Metres within which it is shown.
    pub reach_m: u32,
    /// When it starts, in milliseconds after the first phase does; 0 = before.
    pub starts_in_ms: u64,
    /// Over how many milliseconds the starts are spread.
    pub starts_over_ms: u64,
    /// How long it lasts, in milliseconds.
    pub lasts_ms: u64,
    /// Price of a unit, in minor units.
    pub price: i64,
    /// Metres within which one may claim; absent = anywhere.
    pub claim_within_m: Option<u32>,
    /// The segments that it is for (`new`, `regular`, `frequent`); empty = everybody.
    pub segments: Vec<String>,
}

impl Default for SaleGroup {
    fn default() -> Self {
        Self {
            group: "sale".to_owned(),
            count: 1,
            stock: 1_000,
            per_shopper_limit: 1,
            hold_seconds: 60,
            reach_m: 5_000,
            starts_in_ms: 0,
            starts_over_ms: 0,
            lasts_ms: 3_600_000,
            price: 59_999,
            claim_within_m: None,
            segments: Vec::new(),
        }
    }
}

/// How arrivals are spaced.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Arrivals {
    /// At random, independently of each other, as people arrive.
    #[default]
    Poisson,
    /// At equal distances.
    Even,
}

/// What an `update` changes.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Changed {
    /// The price.
    #[default]
    Price,
    /// The stock: from half to twice of what it was launched with.
    Stock,
    /// The end: some seconds later than it was launched with.
    Window,
    /// The claim radius: from a quarter of the reach to all of it, or none.
    Radius,
    /// The limit per shopper: 1 to 3, or none.
    Limit,
    /// The reach: from half to one and a half times of what it was launched with.
    Reach,
    /// The start: up to three seconds earlier or later than it was launched with; of a sale that has not started, where there is one.
    Start,
    /// The hold time: from half to twice of what it was launched with, at least a second.
    Hold,
}

/// One stream of operations within a phase.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Flow {
    /// What is done: `claim`, `live_claim`, `update`, `pause`, `launch`, `search` or `move`.
    pub operation: Kind,
    /// Operations per second at the start of the phase; left out with `each_shopper_once`.
    #[serde(default)]
    pub rate: f64,
    /// Operations per second at its end; absent = as at its start.
    #[serde(default)]
    pub rate_to: Option<f64>,
    /// As many as there are shoppers, one of each, over the phase.
    #[serde(default)]
    pub each_shopper_once: bool,
    /// How they are spaced.
    #[serde(default)]
    pub arrivals: Arrivals,
    /// Which group of sales; absent = all.
    #[serde(default)]
    pub sales: Option<String>,
    /// Share of claims that are sent twice with one key, at the same moment.
    #[serde(default)]
    pub repeat: f64,
    /// Units per claim.
    #[serde(default = "one")]
    pub quantity: u32,
    /// How far a `move` goes, in metres.
    #[serde(default = "step_m")]
    pub step_m: f64,
    /// What an `update` changes, one of these at random; empty = the price.
    #[serde(default)]
    pub changes: Vec<Changed>,
    /// How long a `pause` lasts, in milliseconds.
    #[serde(default = "pause_ms")]
    pub pause_ms: u64,
    /// Claims say where they come from: within 1.5 times the claim radius, half of them close to its boundary.
    #[serde(default)]
    pub with_place: bool,
}

fn one() -> u32 {
    1
}

fn pause_ms() -> u64 {
    1_000
}

fn step_m() -> f64 {
    100.0
}

/// How a slow session reads.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Slowness {
    /// Not at all any more.
    Stalled,
    /// It was upgraded and says nothing, ever.
    HalfOpen,
    /// One byte each 20 ms.
    OneByte,
}

/// Sessions that become slow.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Slow {
    /// Which share of the sessions.
    pub share: f64,
    /// How.
    pub kind: Slowness,
}

/// A stretch of the run.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Phase {
    /// Its name, as in reports.
    pub name: String,
    /// How long it takes, in milliseconds.
    pub duration_ms: u64,
    /// Into how many steps of one rate each it is cut; each is reported as a phase of its own.
    #[serde(default = "one")]
    pub steps: u32,
    /// Share of the sessions that are cut at its start, and come back.
    #[serde(default)]
    pub cut: f64,
    /// Over how many milliseconds they come back.
    #[serde(default)]
    pub back_within_ms: u64,
    /// Sessions that become slow at its start.
    #[serde(default)]
    pub slow: Vec<Slow>,
    /// Its operations.
    #[serde(default)]
    pub flows: Vec<Flow>,
}

/// What shoppers do with a held claim; what is left of 1 lets it expire.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Follow {
    /// Share that is confirmed.
    pub confirm: f64,
    /// Share that is cancelled.
    pub cancel: f64,
    /// Share of the confirmed that is redeemed.
    pub redeem: f64,
    /// Within how many milliseconds.
    pub within_ms: u64,
}

/// When a step of a ramp counts as served.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Knee {
    /// The claims' p99 is at most this, in milliseconds.
    pub p99_ms: f64,
    /// At least this share of what was offered was answered.
    pub served: f64,
}

impl Scenario {
    /// The names of the built-in ones.
    pub fn names() -> impl Iterator<Item = &'static str> {
        BUILT_IN.iter().map(|(name, _)| *name)
    }

    /// The text of a built-in one.
    #[must_use]
    pub fn built_in(name: &str) -> Option<&'static str> {
        BUILT_IN.iter().find(|(known, _)| *known == name).map(|(_, text)| *text)
    }

    /// Finds a built-in scenario by its name, or reads a file.
    ///
    /// # Errors
    /// There is neither, or it is not a scenario.
    pub fn find(name: &str) -> Result<Self> {
        match Self::built_in(name) {
            Some(text) => Self::parse(text),
            None => Self::parse(&std::fs::read_to_string(name).context(format!("scenario {name}"))?),
        }
    }

    /// Reads a scenario and looks whether it makes sense.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn parse(text: &str) -> Result<Self> {
        let scenario: Self =
            toml::from_str(text).map_err(|error| Error::Setup(format!("scenario: {error}")))?;
        scenario.check()?;
        Ok(scenario)
    }

    /// Looks whether it makes sense.
    ///
    /// # Errors
    /// What does not.
    pub fn check(&self) -> Result<()> {
        let wrong = |text: String| Err(Error::Setup(format!("scenario {}: {text}", self.name)));
        if self.scene.sessions > self.scene.shoppers || self.scene.shoppers == 0 || self.scene.stores == 0 {
            return wrong("it needs a store, and a shopper per session".to_owned());
        }
        if self.phases.is_empty()
            || self.phases.iter().any(|phase| phase.duration_ms == 0 || phase.steps == 0)
        {
            return wrong("it needs phases, each of some milliseconds and at least one step".to_owned());
        }
        let share = |value: f64| (0.0..=1.0).contains(&value);
        for phase in &self.phases {
            let slow: f64 = phase.slow.iter().map(|slow| slow.share).sum();
            if !share(phase.cut) || !share(slow) {
                return wrong(format!("phase {}: shares are from 0 to 1", phase.name));
            }
            for flow in &phase.flows {
                self.check_flow(flow)?;
            }
        }
        let follow = &self.follow;
        if !share(follow.confirm + follow.cancel) || !share(follow.redeem) {
            return wrong("follow: shares are from 0 to 1".to_owned());
        }
        if self.operations() > OPERATIONS_MAX {
            return wrong(format!("{:.0} operations are more than {OPERATIONS_MAX}", self.operations()));
        }
        Ok(())
    }

    fn check_flow(&self, flow: &Flow) -> Result<()> {
        let name = flow.operation.name();
        let wrong = |text: &str| Err(Error::Setup(format!("scenario {}: {name}: {text}", self.name)));
        let by_rate = flow.rate > 0.0 || flow.rate_to.is_some_and(|rate| rate > 0.0);
        if flow.rate < 0.0 || flow.rate_to.is_some_and(|rate| rate < 0.0) || by_rate == flow.each_shopper_once
        {
            return wrong("give a rate, or each_shopper_once");
        }
        if !(0.0..=1.0).contains(&flow.repeat) || flow.quantity == 0 {
            return wrong("repeat is from 0 to 1, quantity at least 1");
        }
        if flow.sales.as_ref().is_some_and(|name| !self.sales.iter().any(|sale| sale.group == *name)) {
            return wrong("there is no such group of sales");
        }
        match flow.operation {
            Kind::Confirm | Kind::Cancel | Kind::Redeem | Kind::Resume | Kind::Connect => {
                wrong("it follows, it has no flow")
            }
            Kind::LiveClaim | Kind::Move if self.scene.sessions == 0 => wrong("it needs sessions"),
            Kind::Search | Kind::Move => Ok(()),
            _ if self.sales.is_empty() => wrong("it needs sales"),
            _ => Ok(()),
        }
    }

    /// About how many operations its flows will bring.
    #[must_use]
    pub fn operations(&self) -> f64 {
        let shoppers = f64::from(self.scene.shoppers);
        let of = |phase: &Phase, flow: &Flow| match flow.each_shopper_once {
            true => shoppers,
            false => (flow.rate + flow.rate_to.unwrap_or(flow.rate)) / 2.0 * phase.duration_ms as f64 / 1e3,
        };
        self.phases.iter().flat_map(|phase| phase.flows.iter().map(move |flow| of(phase, flow))).sum()
    }

    /// The phases with their steps taken apart.
    #[must_use]
    pub fn steps(&self) -> Vec<Phase> {
        let mut all = Vec::new();
        for phase in &self.phases {
            for step in 0..phase.steps {
                let mut one = phase.clone();
                if phase.steps > 1 {
                    one.name = format!("{}-{}", phase.name, step + 1);
                    one.duration_ms = (phase.duration_ms / u64::from(phase.steps)).max(1);
                    let share = f64::from(step) / f64::from(phase.steps - 1);
                    for flow in &mut one.flows {
                        let to = flow.rate_to.take().unwrap_or(flow.rate);
                        flow.rate += (to - flow.rate) * share;
                    }
                    if step > 0 {
                        (one.cut, one.slow) = (0.0, Vec::new());
                    }
                }
                one.steps = 1;
                all.push(one);
            }
        }
        all
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
mod tests {
    use super::*;

    #[test]
    fn every_built_in_scenario_is_one() {
        for name in Scenario::names() {
            let scenario = Scenario::find(name).unwrap();
            assert_eq!(scenario.name, name);
            assert!(scenario.operations() > 0.0);
        }
    }

    #[test]
    fn steps_rise_from_the_first_rate_to_the_last() {
        let steps = Scenario::find("ramp").unwrap().steps();
        let rates: Vec<f64> = steps.iter().map(|step| step.flows[0].rate).collect();
        assert_eq!((steps.len(), rates[0], rates[9]), (10, 1_000.0, 19_000.0));
        assert!(rates.windows(2).all(|pair| pair[1] - pair[0] == 2_000.0));
        assert_eq!(steps.iter().map(|step| step.duration_ms).sum::<u64>(), 40_000);
    }

    #[test]
    fn what_makes_no_sense_is_refused_and_says_why() {
        let good = Scenario::built_in("spike").unwrap();
        for (from, to, why) in [
            ("shoppers = 5000", "shoppers = 0", "a shopper per session"),
            ("repeat = 0.02", "repeat = 2.0", "repeat"),
            ("each_shopper_once = true", "", "give a rate"),
            ("operation = \"claim\"", "operation = \"redeem\"", "has no flow"),
            ("operation = \"claim\"", "operation = \"claim\"\nsales = \"cold\"", "no such group"),
            ("confirm = 0.7", "confirm = 0.99", "shares"),
            ("stock = 1000", "stok = 1000", "stok"),
        ] {
            let error = Scenario::parse(&good.replacen(from, to, 1)).unwrap_err().to_string();
            assert!(error.contains(why), "{to}: {error}");
        }
    }
}
