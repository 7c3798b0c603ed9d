//! Routing by H3 cells: the cover of a disk and the cells of a point.
//!
//! A cover may hold a cell too many, never one too few: what is in reach is decided by distance (the parent
//! module). Knows nothing of who is indexed by the cells (`board`).

use super::{
    CellHasher, EARTH_RADIUS_M, Location, UnitVector, chord_to_m, leave_radius_m, m_to_chord_squared,
};
use h3o::{CellIndex, LatLng, Resolution};
use std::collections::HashSet;
use std::fmt;
use std::hash::BuildHasherDefault;

/// The resolutions of covers, finest first: cells of about 0.7, 36 and 1,770 km².
pub const COVER_RESOLUTIONS: [Resolution; 3] = [Resolution::Eight, Resolution::Six, Resolution::Four];

/// The most cells a cover of a legal reach has: bounds what a launch costs every worker.
pub const COVER_CELLS_MAX: usize = 64;

/// Added to the radius when cells are tested, in metres: more than every rounding error on the way.
///
/// H3 draws its cells on the faces of an icosahedron in gnomonic projection, where straight lines *are* great
/// circles, and at even resolutions (Class II, all of ours) the edges of the icosahedron meet cells only along
/// lines between their vertices. So a cell is exactly the polygon of great-circle arcs between its vertices, in
/// real numbers. In f64 the largest error is in the latitude of a vertex, an arc sine: √(2 · 2⁻⁵²) rad = 0.13 m
/// in the worst case, at a pole; everything else stays below a millimetre (`tests/geo_cover.rs` measures it).
pub const COVER_MARGIN_M: f64 = 1.0;

/// The set of cells that a disk touches, all of one resolution.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cover {
    /// The resolution of every cell, one of [`COVER_RESOLUTIONS`].
    pub resolution: Resolution,
    /// The cells, each once, that of the centre first.
    pub cells: Vec<CellIndex>,
}

/// Covers what a promotion of reach `reach_m` metres may be shown to: the disk of the *leave* radius, so that a
/// session which drifted out a little (hysteresis) is still found by its cells.
#[must_use]
pub fn cover_of_reach(center: Location, reach_m: u32) -> Cover {
    cover(center, leave_radius_m(f64::from(reach_m)))
}

/// Covers the disk of `radius_m` metres: the finest of [`COVER_RESOLUTIONS`] that needs at most
/// [`COVER_CELLS_MAX`] cells.
///
/// For a promotion the radius must be the leave radius r + max(5 %, 50 m), not its bare reach: see
/// [`cover_of_reach`]. Every radius up to that of the largest legal reach fits; a larger one gets as many cells
/// of the coarsest resolution as it takes (the whole sphere has 288,122).
#[must_use]
pub fn cover(center: Location, radius_m: f64) -> Cover {
    let [finest, middle, coarsest] = COVER_RESOLUTIONS;
    for resolution in [finest, middle] {
        if let Some(cells) = walk(center, radius_m, resolution, COVER_CELLS_MAX) {
            return Cover { resolution, cells };
        }
    }
    let cells = walk(center, radius_m, coarsest, usize::MAX).unwrap_or_default();
    Cover { resolution: coarsest, cells }
}

/// Walks breadth first from the centre's cell over all cells that the disk touches; `None` if they are more than
/// `cells_max`. Complete, because a disk is connected and cells that share a point of it share an edge or meet a
/// third cell there which neighbours both.
fn walk(center: Location, radius_m: f64, resolution: Resolution, cells_max: usize) -> Option<Vec<CellIndex>> {
    let disk = Disk::new(center, radius_m + COVER_MARGIN_M);
    let start = lat_lng(center).to_cell(resolution);
    let mut kept = vec![start];
    let mut seen = HashSet::<_, BuildHasherDefault<CellHasher>>::from_iter([start]);
    let mut next = 0;
    while let Some(&cell) = kept.get(next) {
        next += 1;
        // Neighbours by grid_disk, which is right around pentagons too.
        for neighbour in cell.grid_disk::<Vec<_>>(1) {
            if seen.insert(neighbour) && disk.touches(neighbour) {
                if kept.len() >= cells_max {
                    return None;
                }
                kept.push(neighbour);
            }
        }
    }
    kept.shrink_to_fit();
    Some(kept)
}

/// A disk on the sphere, ready to be tested against cells.
struct Disk {
    center: UnitVector,
    radius_m: f64,
    chord_squared: f64,
}

impl Disk {
    fn new(center: Location, radius_m: f64) -> Self {
        Self { center: center.into(), radius_m, chord_squared: m_to_chord_squared(radius_m) }
    }

    /// Decides whether a cell that does not contain the disk's centre has a point in the disk: its own centre,
    /// which is cheaper to compute, or some point of its boundary.
    fn touches(&self, cell: CellIndex) -> bool {
        if self.center.chord_squared(&vector(LatLng::from(cell))) <= self.chord_squared {
            return true;
        }
        let boundary = cell.boundary();
        let Some(last) = boundary.last() else { return true };
        let mut from = vector(*last);
        boundary.iter().any(|vertex| {
            let to = vector(*vertex);
            let near = segment_distance_m(&self.center, &from, &to) <= self.radius_m;
            from = to;
            near
        })
    }
}

/// Returns the distance in metres from a point to the nearest point of the great-circle arc `from`–`to`, which is
/// shorter than half a circle.
fn segment_distance_m(point: &UnitVector, from: &UnitVector, to: &UnitVector) -> f64 {
    let normal = from.cross(to);
    let length = normal.dot(&normal).sqrt();
    // The foot of the perpendicular lies between the ends, seen along the arc from either of them.
    let between = normal.cross(from).dot(point) >= 0.0 && to.cross(&normal).dot(point) >= 0.0;
    if between && length > 0.0 {
        return EARTH_RADIUS_M * (normal.dot(point) / length).abs().min(1.0).asin();
    }
    chord_to_m(point.chord_squared(from).min(point.chord_squared(to)))
}

/// The cells in which a session at a point sits: one per cover resolution, each computed from the point.
///
/// Never `parent()` of a finer one: H3 cells do not nest exactly, for 6 to 7 % of points it is another cell. Its
/// `Debug` form hides the cells, which tell a place to a few hundred metres (I31).
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct SessionCells([CellIndex; COVER_RESOLUTIONS.len()]);

impl SessionCells {
    /// Computes the cells of a point.
    #[must_use]
    pub fn of(location: Location) -> Self {
        let point = lat_lng(location);
        Self(COVER_RESOLUTIONS.map(|resolution| point.to_cell(resolution)))
    }

    /// Returns the cells in the order of [`COVER_RESOLUTIONS`].
    #[must_use]
    pub const fn as_array(&self) -> &[CellIndex; COVER_RESOLUTIONS.len()] {
        &self.0
    }
}

impl From<Location> for SessionCells {
    fn from(location: Location) -> Self {
        Self::of(location)
    }
}

impl fmt::Debug for SessionCells {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SessionCells(hidden)")
    }
}

fn vector(point: LatLng) -> UnitVector {
    UnitVector::from_radians(point.lat_radians(), point.lng_radians())
}

/// Converts to h3o's type, whose constructor refuses only what a `Location` cannot hold.
fn lat_lng(location: Location) -> LatLng {
    LatLng::new(location.lat(), location.lng()).unwrap_or_default()
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
mod tests {
    use super::*;

    #[test]
    fn a_cover_takes_the_finest_resolution_that_fits() {
        let mut seen = [0; 3];
        for (lat, lng) in [(6.2442, -75.5812), (90.0, 0.0), (0.3, 179.999), (-33.9, 151.2), (58.28, 18.75)] {
            let center = Location::new(lat, lng).unwrap();
            for reach_m in [50, 400, 1_500, 2_500, 2_800, 3_200, 5_000, 15_000, 20_000, 25_000, 50_000] {
                let found = cover_of_reach(center, reach_m);
                let radius_m = leave_radius_m(f64::from(reach_m));
                let place = COVER_RESOLUTIONS.iter().position(|r| *r == found.resolution).unwrap();
                seen[place] += 1;
                assert!(found.cells.len() <= COVER_CELLS_MAX);
                assert!(found.cells.iter().all(|cell| cell.resolution() == found.resolution));
                assert_eq!(HashSet::<_>::from_iter(&found.cells).len(), found.cells.len());
                assert_eq!(found.cells[0], lat_lng(center).to_cell(found.resolution));
                for finer in &COVER_RESOLUTIONS[..place] {
                    let needed = walk(center, radius_m, *finer, 100_000).unwrap().len();
                    assert!(needed > COVER_CELLS_MAX, "{reach_m} m at {lat},{lng} fits in {finer}: {needed}");
                }
            }
        }
        assert!(seen.iter().all(|count| *count > 0), "{seen:?}");
    }

    #[test]
    fn a_segment_is_nearest_at_its_foot_or_at_an_end() {
        let at = |lat, lng| Location::new(lat, lng).unwrap().unit_vector();
        let degree_m = EARTH_RADIUS_M.to_radians();
        let (from, to) = (at(0.0, -1.0), at(0.0, 1.0));
        for (point, degrees) in
            [(at(2.0, 0.0), 2.0), (at(-2.0, 0.5), 2.0), (at(0.0, 3.0), 2.0), (at(0.0, 0.0), 0.0)]
        {
            let distance_m = segment_distance_m(&point, &from, &to);
            assert!((distance_m - degrees * degree_m).abs() < 1e-6, "{distance_m}");
            assert!((segment_distance_m(&point, &to, &from) - distance_m).abs() < 1e-6);
        }
        // The far side of the sphere is not "between".
        assert!(segment_distance_m(&at(0.0, 180.0), &from, &to) > 178.0 * degree_m);
        assert_eq!(segment_distance_m(&from, &from, &from), 0.0);
    }

    #[test]
    fn an_absurd_radius_still_ends() {
        let center = Location::new(10.0, 20.0).unwrap();
        assert!(cover(center, 400_000.0).cells.len() > COVER_CELLS_MAX);
        assert_eq!(cover(center, 0.0).cells.len(), 1);
        assert!(!cover(center, f64::NAN).cells.is_empty());
    }
}
