//! What a run did and what it was told: every operation and every live event, with times and ids.
//!
//! Times are microseconds since the Unix epoch, all taken from one clock of the generator. This is what the judge reads,
//! what the figures are computed from, and what processes of one run hand to their parent. It knows no IO.

use serde::{Deserialize, Serialize};
use uuid::Uuid;

/// Microseconds since the Unix epoch.
pub type Micros = i64;

/// A point on the sphere, in degrees.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Location {
    /// Latitude, −90 to 90.
    pub lat: f64,
    /// Longitude, −180 to 180.
    pub lng: f64,
}

/// What was asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// A claim over HTTP.
    Claim,
    /// A claim as an rpc of a live session.
    LiveClaim,
    /// The confirmation of a held claim.
    Confirm,
    /// The cancellation of a held claim.
    Cancel,
    /// The redemption of a confirmed claim at the store.
    Redeem,
    /// A change of a sale's terms.
    Update,
    /// A sale accepts nothing for a while.
    Pause,
    /// It accepts claims again.
    Resume,
    /// A new sale.
    Launch,
    /// A search around a point.
    Search,
    /// A live session's change of place.
    Move,
    /// A live session's way from the connection to its first snapshot.
    Connect,
}

impl Kind {
    /// Its name, as in reports and thresholds.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Claim => "claim",
            Self::LiveClaim => "live_claim",
            Self::Confirm => "confirm",
            Self::Cancel => "cancel",
            Self::Redeem => "redeem",
            Self::Update => "update",
            Self::Pause => "pause",
            Self::Resume => "resume",
            Self::Launch => "launch",
            Self::Search => "search",
            Self::Move => "move",
            Self::Connect => "connect",
        }
    }

    /// Tells whether merchants do it.
    #[must_use]
    pub fn is_merchants(self) -> bool {
        matches!(self, Self::Update | Self::Pause | Self::Resume | Self::Launch)
    }

    /// Tells whether it asks for units of a sale.
    #[must_use]
    pub fn is_claim(self) -> bool {
        matches!(self, Self::Claim | Self::LiveClaim)
    }
}

/// An accepted claim, as it was told.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Told {
    /// The claim's id.
    pub claim: Uuid,
    /// `held`, `confirmed` …
    pub status: String,
    /// Units.
    pub quantity: u32,
    /// Price of a unit, in minor units.
    pub unit_price: i64,
    /// What is shown at the store.
    pub code: String,
    /// The promotion's version.
    pub v: u64,
    /// When it was decided, by the server's clock.
    pub created_us: Micros,
    /// When the hold ends; `None` = confirmed at once.
    pub hold_expires_us: Option<Micros>,
}

/// What a merchant changes about a sale.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Change {
    /// The price of a unit, in minor units.
    Price(i64),
    /// The units.
    Stock(u32),
    /// The first moment without claims.
    Ends(Micros),
    /// Metres within which one may claim; `None` = anywhere.
    ClaimWithin(Option<u32>),
    /// Units that one shopper may have.
    Limit(Option<u32>),
    /// Metres within which it is shown.
    Reach(u32),
    /// The first moment of claims.
    Starts(Micros),
    /// Seconds that a claim stays held, for claims from then on.
    Hold(u32),
}

/// How an operation ended.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub enum Outcome {
    /// Sent, and not answered yet; at the end of a run this is unknown too.
    Pending,
    /// Done; a claim's answer comes with it.
    Ok(Option<Box<Told>>),
    /// Certainly not done.
    Refused {
        /// The HTTP status; 0 over a live session.
        status: u16,
        /// The problem's code.
        code: String,
    },
    /// Nobody knows: no answer, a cut connection, `outcome_unknown`, or an answer that is no answer.
    Unknown(String),
    /// Not sent in time: every connection was busy or there was none.
    NotSent,
}

/// One operation. A repetition with the same key is an operation of its own.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Operation {
    /// Its number in the history.
    pub id: u64,
    /// What was asked for.
    pub kind: Kind,
    /// The phase of the scenario in which it was due.
    pub phase: u16,
    /// Who asked, as a number; `u32::MAX` = a merchant.
    pub shopper: u32,
    /// Which sale, as an index into the history's; `u32::MAX` = none.
    pub sale: u32,
    /// The idempotency key, as a number; 0 = none.
    pub key: u64,
    /// Units asked for.
    pub quantity: u32,
    /// The claim that is acted on.
    pub claim: Option<Uuid>,
    /// What an update changes.
    pub change: Option<Change>,
    /// The promotion's version that an update was answered with.
    pub v: Option<u64>,
    /// Where the shopper said to be.
    pub location: Option<Location>,
    /// When it was due.
    pub intended_us: Micros,
    /// When its first byte was handed to the system; 0 = never.
    pub sent_us: Micros,
    /// When its answer was there, or was given up; 0 = never.
    pub done_us: Micros,
    /// How it ended.
    pub outcome: Outcome,
}

impl Operation {
    /// The accepted claim that it was told of.
    #[must_use]
    pub fn told(&self) -> Option<&Told> {
        match &self.outcome {
            Outcome::Ok(told) => told.as_deref(),
            _ => None,
        }
    }

    /// Tells whether it was done.
    #[must_use]
    pub fn is_ok(&self) -> bool {
        matches!(self.outcome, Outcome::Ok(_))
    }

    /// Tells whether it may or may not have been done.
    #[must_use]
    pub fn is_unknown(&self) -> bool {
        matches!(self.outcome, Outcome::Unknown(_) | Outcome::Pending)
    }

    /// Microseconds from the moment it was due to its answer: what a shopper waits.
    #[must_use]
    pub fn latency_us(&self) -> u64 {
        u64::try_from(self.done_us - self.intended_us).unwrap_or(0)
    }
}

/// A sale, as it was launched.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Sale {
    /// The promotion's id.
    pub id: Uuid,
    /// Its store's id.
    pub store: Uuid,
    /// Which group of the scenario it belongs to.
    pub group: String,
    /// Where the store is.
    pub location: Location,
    /// Units.
    pub stock: u32,
    /// Units that one shopper may have.
    pub per_shopper_limit: Option<u32>,
    /// Price of a unit, in minor units.
    pub price: i64,
    /// First moment of claims.
    pub starts_us: Micros,
    /// First moment without claims.
    pub ends_us: Micros,
    /// When its launch was answered: from then on, and from its start on, it is shown.
    pub launched_us: Micros,
    /// Metres within which it is shown.
    pub reach_m: f64,
    /// Seconds that a claim stays held.
    pub hold_seconds: u32,
    /// Metres within which one may claim; `None` = anywhere.
    pub claim_within_m: Option<f64>,
    /// The segments that it is for; empty = everybody.
    pub segments: Vec<String>,
}

/// What a live session was told or said.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub enum Event {
    /// Its subscription was answered with a snapshot.
    Subscribed {
        /// When the subscription was sent.
        sent_us: Micros,
        /// Where it said to be.
        location: Location,
        /// How far it looks, in metres.
        radius_m: f64,
        /// What it said that it knows.
        known: Vec<Uuid>,
        /// The offers: id, version, remaining, held.
        offers: Vec<(Uuid, u64, u32, u32)>,
        /// What it knew and is not in reach any more.
        gone: Vec<Uuid>,
    },
    /// An offer started or changed.
    Offer(Uuid, u64, u32, u32),
    /// Its stock changed: version, remaining, held.
    Stock(Uuid, u64, u32, u32),
    /// It went: version and whether the shopper left (or the sale ended).
    Gone(Uuid, u64, bool),
    /// It told where it is now.
    MoveSent(Location),
    /// That was answered; what it left.
    Moved(Vec<Uuid>),
    /// The socket was lost or cut.
    Cut,
    /// From here on it does not read as it should: nothing is expected of it any more.
    Slowed,
}

/// One event of one session; those of a session are in their order.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Noted {
    /// The session, as a number.
    pub session: u32,
    /// When.
    pub at_us: Micros,
    /// What.
    pub event: Event,
}

/// A sale's counters after the run.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Final {
    /// Which sale, as an index.
    pub sale: u32,
    /// Its state.
    pub status: String,
    /// Units.
    pub stock: u32,
    /// Units that could be claimed.
    pub remaining: u32,
    /// Units held.
    pub held: u32,
    /// Units sold.
    pub sold: u32,
    /// The version.
    pub v: u64,
    /// Tells whether nothing changed while live sessions were given time to hear of it.
    pub at_rest: bool,
}

/// A claim in the merchant's list after the run.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Listed {
    /// Which sale, as an index.
    pub sale: u32,
    /// The claim's id.
    pub claim: Uuid,
    /// Its state.
    pub status: String,
    /// Units.
    pub quantity: u32,
}

/// Everything about a run.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct History {
    /// How far apart the clocks of server and generator may be, in microseconds.
    pub clock_error_us: Micros,
    /// The sales.
    pub sales: Vec<Sale>,
    /// The operations, in the order in which they were due.
    pub operations: Vec<Operation>,
    /// The live events, in their order.
    pub events: Vec<Noted>,
    /// The counters after the run.
    pub finals: Vec<Final>,
    /// The claims that the merchant sees after the run, of those sales whose lists were read whole.
    pub listed: Vec<Listed>,
    /// The sales whose lists were read whole.
    pub listed_sales: Vec<u32>,
    /// When live sessions had been given time to hear of everything; 0 = they had not.
    pub rest_us: Micros,
    /// Events that were not kept for want of room; with any, delivery is not judged.
    pub events_dropped: u64,
}
