//! Where stores stand and shoppers walk.
//!
//! The stations are those of Medellín's metro line A, to about 100 m: people travel along a line and scatter around it,
//! which loads geographic cells as unevenly as a city does. It knows no sockets.

use rand::{Rng, RngExt};

use crate::history::Location;
use crate::scenario::Layout;

/// The middle of the disk.
pub const CENTRE: Location = Location { lat: 6.2442, lng: -75.5812 };

/// Metres per degree of latitude, on the sphere of the contract.
const METRES_PER_DEGREE: f64 = 111_195.08;

const STATIONS: [(f64, f64); 21] = [
    (6.3378, -75.5443),
    (6.3304, -75.5536),
    (6.3159, -75.5552),
    (6.3000, -75.5586),
    (6.2904, -75.5647),
    (6.2777, -75.5695),
    (6.2695, -75.5658),
    (6.2641, -75.5632),
    (6.2569, -75.5661),
    (6.2504, -75.5683),
    (6.2473, -75.5697),
    (6.2429, -75.5714),
    (6.2384, -75.5732),
    (6.2301, -75.5757),
    (6.2127, -75.5781),
    (6.1938, -75.5818),
    (6.1865, -75.5856),
    (6.1747, -75.5971),
    (6.1631, -75.6057),
    (6.1573, -75.6166),
    (6.1527, -75.6264),
];

/// Moves a point by metres; good to a metre over city distances.
fn moved(from: Location, east_m: f64, north_m: f64) -> Location {
    let lat = from.lat + north_m / METRES_PER_DEGREE;
    let lng = from.lng + east_m / (METRES_PER_DEGREE * from.lat.to_radians().cos());
    Location { lat, lng }
}

/// The point so many metres away in a direction, in radians from the east; good to a metre over city distances.
#[must_use]
pub fn away(from: Location, away_m: f64, direction: f64) -> Location {
    moved(from, direction.cos() * away_m, direction.sin() * away_m)
}

/// A random point of the disk around a point.
fn scattered(around: Location, radius_m: f64, rng: &mut impl Rng) -> Location {
    let (turn, away) =
        (rng.random_range(0.0..std::f64::consts::TAU), rng.random_range(0.0..1.0f64).sqrt() * radius_m);
    moved(around, turn.cos() * away, turn.sin() * away)
}

/// The point at `along` of the line, 0 = its northern end, 1 = its southern.
fn on_line(along: f64) -> Location {
    let position = along.clamp(0.0, 1.0) * (STATIONS.len() - 1) as f64;
    let from = (position.floor() as usize).min(STATIONS.len() - 2);
    let share = position - from as f64;
    let (a, b) = (STATIONS[from], STATIONS[from + 1]);
    Location { lat: a.0 + (b.0 - a.0) * share, lng: a.1 + (b.1 - a.1) * share }
}

/// Where the store with this number stands.
#[must_use]
pub fn store(layout: Layout, number: usize, spread_m: f64, rng: &mut impl Rng) -> Location {
    match layout {
        Layout::Disk if number == 0 => CENTRE,
        Layout::Disk => scattered(CENTRE, spread_m, rng),
        Layout::Stations => {
            let (lat, lng) = STATIONS[number % STATIONS.len()];
            scattered(Location { lat, lng }, spread_m, rng)
        }
    }
}

/// Somebody who walks.
#[derive(Debug, Clone)]
pub struct Walker {
    layout: Layout,
    spread_m: f64,
    /// Along the line, and which way.
    along: f64,
    forward: bool,
    /// How far beside the line, to the east and to the north, in metres.
    beside_m: (f64, f64),
    /// Where they are.
    pub place: Location,
}

impl Walker {
    /// Somebody at a random place.
    pub fn new(layout: Layout, spread_m: f64, rng: &mut impl Rng) -> Self {
        let along = rng.random_range(0.0..1.0);
        let beside_m =
            (rng.random_range(-1.0..1.0) * spread_m / 1.5, rng.random_range(-1.0..1.0) * spread_m / 1.5);
        let place = match layout {
            Layout::Disk => scattered(CENTRE, spread_m, rng),
            Layout::Stations => moved(on_line(along), beside_m.0, beside_m.1),
        };
        Self { layout, spread_m, along, forward: rng.random_bool(0.5), beside_m, place }
    }

    /// Walks about this far.
    pub fn walk(&mut self, step_m: f64, rng: &mut impl Rng) {
        match self.layout {
            Layout::Disk => {
                let turn: f64 = rng.random_range(0.0..std::f64::consts::TAU);
                let next = moved(self.place, turn.cos() * step_m, turn.sin() * step_m);
                let home_m = crate::judge::delivery::distance_m(next, CENTRE);
                self.place =
                    if home_m <= self.spread_m { next } else { scattered(CENTRE, self.spread_m, rng) };
            }
            Layout::Stations => {
                // The line is about 23 km long.
                let step = step_m / 23_000.0;
                self.along += if self.forward { step } else { -step };
                if !(0.0..=1.0).contains(&self.along) {
                    self.forward = !self.forward;
                    self.along = self.along.clamp(0.0, 1.0);
                }
                self.place = moved(on_line(self.along), self.beside_m.0, self.beside_m.1);
            }
        }
    }
}
