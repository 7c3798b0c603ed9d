//! What covers and session cells rest on: the geometry of H3's cells, the bound on a cover, and the traps that
//! the rules of DESIGN section 4 (Geo) avoid, each shown to be one.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod geo_support;

use flash_domain::geo::{
    COVER_CELLS_MAX, COVER_MARGIN_M, COVER_RESOLUTIONS, Location, SessionCells, cover, cover_of_reach,
};
use geo_support::{RADIUS_M, Rng, haversine_m, places};
use h3o::{CellIndex, LatLng, Resolution};
use std::collections::HashSet;

fn point(location: Location) -> LatLng {
    LatLng::new(location.lat(), location.lng()).unwrap()
}

fn vector(point: LatLng) -> [f64; 3] {
    let (lat, lng) = (point.lat_radians(), point.lng_radians());
    [lat.cos() * lng.cos(), lat.cos() * lng.sin(), lat.sin()]
}

/// How far outside the polygon of great-circle arcs around `cell` a point lies, in metres; negative = inside.
fn outside_m(cell: CellIndex, place: Location) -> f64 {
    let boundary = cell.boundary();
    let place = vector(point(place));
    let mut worst = f64::NEG_INFINITY;
    for n in 0..boundary.len() {
        let (a, b) = (vector(boundary[n]), vector(boundary[(n + 1) % boundary.len()]));
        let normal = [a[1] * b[2] - a[2] * b[1], a[2] * b[0] - a[0] * b[2], a[0] * b[1] - a[1] * b[0]];
        let length = normal.iter().map(|x| x * x).sum::<f64>().sqrt();
        // Counter-clockwise: the inside is on the side of the normal.
        let height: f64 = normal.iter().zip(place).map(|(n, p)| n * p).sum();
        worst = worst.max(-height / length * RADIUS_M);
    }
    worst
}

#[test]
fn cells_are_great_circle_polygons_far_within_the_margin() {
    let mut rng = Rng::new(1);
    let mut worst = f64::NEG_INFINITY;
    let mut inside = 0u32;
    for (name, focus) in places(&mut rng, 60) {
        for resolution in COVER_RESOLUTIONS {
            let edge_m = resolution.edge_length_m();
            for _ in 0..300 {
                let base = rng.near(focus, 4.0 * edge_m);
                let cell = point(base).to_cell(resolution);
                // Next to a vertex or along an edge of the cell, where another cell might claim the point.
                let boundary = cell.boundary();
                let n = rng.below(boundary.len());
                let (a, b) = (boundary[n], boundary[(n + 1) % boundary.len()]);
                let [a, b] = [a, b].map(|p| geo_support::location(p.lat_radians(), p.lng_radians()));
                let on_edge = match rng.below(3) {
                    0 => a,
                    1 => geo_support::middle(a, b),
                    _ => geo_support::middle(a, geo_support::middle(a, b)),
                };
                let step_m = 10f64.powf(rng.between(-6.0, 1.0));
                let place = rng.away(on_edge, step_m);
                let excess_m = outside_m(point(place).to_cell(resolution), place);
                inside += u32::from(excess_m < 0.0);
                assert!(excess_m < COVER_MARGIN_M / 100.0, "{name}, {resolution}: {excess_m} m outside");
                worst = worst.max(excess_m);
            }
        }
    }
    println!("worst: {worst:e} m outside; {inside} inside");
}

#[test]
fn i25_every_legal_reach_fits_in_a_bounded_cover() {
    let mut rng = Rng::new(2);
    let mut largest = [0; 3];
    for (name, focus) in places(&mut rng, 300) {
        for reach_m in [50, 300, 1_000, 2_700, 5_000, 12_000, 18_000, 30_000, 49_999, 50_000] {
            let place = rng.near(focus, f64::from(reach_m));
            let found = cover_of_reach(place, reach_m);
            assert!(found.cells.len() <= COVER_CELLS_MAX, "{name}, {reach_m} m: {} cells", found.cells.len());
            let rank = COVER_RESOLUTIONS.iter().position(|r| *r == found.resolution).unwrap();
            largest[rank] = largest[rank].max(found.cells.len());
        }
    }
    println!("largest covers at {COVER_RESOLUTIONS:?}: {largest:?}");
    // The coarsest resolution has room to spare: the largest reach is nowhere near the bound.
    assert!(largest[2] <= COVER_CELLS_MAX / 2 && largest[0] > COVER_CELLS_MAX * 3 / 4, "{largest:?}");
}

#[test]
fn i25_a_cover_contains_the_cell_of_every_point_of_the_disk() {
    let mut rng = Rng::new(3);
    for (name, focus) in places(&mut rng, 40) {
        for radius_m in [100.0, 650.0, 2_500.0, 4_400.0, 15_000.0, 27_000.0, 52_500.0] {
            let center = rng.near(focus, radius_m);
            let found = cover(center, radius_m);
            let cells: HashSet<_> = found.cells.iter().copied().collect();
            for n in 0..200 {
                let place = if n % 2 == 0 { rng.near(center, radius_m) } else { rng.away(center, radius_m) };
                let cell = point(place).to_cell(found.resolution);
                assert!(cells.contains(&cell), "{name}, {radius_m} m: {cell} missing");
            }
        }
    }
}

#[test]
fn trap_parent_is_not_the_cell_of_the_point() {
    let mut rng = Rng::new(4);
    let points = 20_000;
    let mut differing = 0;
    for _ in 0..points {
        let place = rng.anywhere();
        let [finest, _, _] = *SessionCells::of(place).as_array();
        for (cell, resolution) in SessionCells::of(place).as_array().iter().zip(COVER_RESOLUTIONS) {
            assert_eq!(*cell, point(place).to_cell(resolution), "each cell is the point's own");
        }
        differing += u32::from(finest.parent(Resolution::Six) != Some(SessionCells::of(place).as_array()[1]));
    }
    let share = f64::from(differing) / f64::from(points);
    println!("parent differs for {:.2} % of points", share * 100.0);
    assert!((0.03..0.15).contains(&share), "{share}");
}

#[test]
fn trap_disk_by_average_edge_misses_shoppers_in_reach() {
    let mut rng = Rng::new(5);
    let (mut missed, mut in_reach) = (0u32, 0u32);
    for _ in 0..300 {
        let (center, reach_m) = (rng.anywhere(), 5_000.0);
        let start = point(center).to_cell(Resolution::Eight);
        // Rings are an inner radius apart on average: edge · √3.
        let rings = (reach_m / (Resolution::Eight.edge_length_m() * 3f64.sqrt())).ceil() as u32;
        let disk: HashSet<_> = start.grid_disk::<Vec<_>>(rings).into_iter().collect();
        let found = cover(center, reach_m);
        for _ in 0..100 {
            let place = rng.near(center, reach_m);
            if haversine_m(center, place) > reach_m {
                continue;
            }
            in_reach += 1;
            missed += u32::from(!disk.contains(&point(place).to_cell(Resolution::Eight)));
            assert!(found.cells.contains(&point(place).to_cell(found.resolution)));
        }
    }
    let share = f64::from(missed) / f64::from(in_reach);
    println!("a disk by the average edge misses {:.2} % of those in reach", share * 100.0);
    assert!(share > 0.01, "{share}");
}
