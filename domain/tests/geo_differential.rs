//! I25 for geography: cover, session cells, board and exact decision together, against brute-force great-circle
//! distances over all pairs. Nothing missed, nothing extra; distances within 1 µm of a radius count either way.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod geo_support;

use flash_domain::board::{CellBoard, OccupiedCells};
use flash_domain::geo::{Cover, Location, Reach, SessionCells, UnitVector, cover_of_reach, leave_radius_m};
use geo_support::{Rng, haversine_m, places};

const TIE_M: f64 = 1e-6;
const PROMOTIONS: usize = 12;
const SESSIONS: usize = 100;

/// From the least reach to the largest, and around every change of resolution.
const REACHES_M: [u32; 14] =
    [50, 51, 120, 400, 1_000, 2_000, 2_700, 3_300, 5_000, 12_000, 18_000, 24_000, 35_000, 50_000];

struct Promotion {
    place: Location,
    vector: UnitVector,
    reach_m: u32,
    reach: Reach,
    cover: Cover,
}

struct Session {
    place: Location,
    vector: UnitVector,
    radius_m: f64,
    radius: Reach,
    cells: SessionCells,
}

#[derive(Default, Debug)]
struct Tally {
    pairs: u64,
    within: u64,
    lingering: u64,
    near_the_boundary: u64,
    missed: u64,
    extra: u64,
}

fn promotion(rng: &mut Rng, focus: Location, scale_m: u32) -> Promotion {
    let reach_m = ((f64::from(scale_m) * rng.between(0.9, 1.1)) as u32).clamp(50, 50_000);
    let place = if rng.below(4) == 0 { focus } else { rng.near(focus, f64::from(reach_m)) };
    Promotion {
        place,
        vector: place.into(),
        reach_m,
        reach: Reach::new(f64::from(reach_m)),
        cover: cover_of_reach(place, reach_m),
    }
}

/// A session near one of the promotions: mostly next to the radius at which it enters or leaves.
fn session(rng: &mut Rng, promotions: &[Promotion]) -> Session {
    let target = &promotions[rng.below(promotions.len())];
    let reach_m = f64::from(target.reach_m);
    let radius_m =
        if rng.below(3) == 0 { rng.between(50.0, reach_m.max(50.0) * 1.2).min(50_000.0) } else { 50_000.0 };
    let edge_m = match rng.below(3) {
        0 => leave_radius_m(reach_m),
        1 => reach_m.min(radius_m),
        _ => reach_m,
    };
    let sign = if rng.below(2) == 0 { 1.0 } else { -1.0 };
    let place = match rng.below(8) {
        0 => rng.near(target.place, edge_m * 1.5),
        1 => rng.near(target.place, edge_m),
        7 => target.place,
        kind => {
            let distance_m = match kind {
                2 => edge_m * rng.between(0.99, 1.01),
                3 | 4 => edge_m + sign * rng.between(1e-5, 1e-3),
                5 => edge_m + sign * rng.between(1e-3, 1.0),
                _ => edge_m,
            };
            rng.away(target.place, distance_m)
        }
    };
    Session {
        place,
        vector: place.into(),
        radius_m,
        radius: Reach::new(radius_m),
        cells: SessionCells::of(place),
    }
}

/// Compares one session with all promotions: what the board found, decided exactly, and the plain distances.
fn compare(session: &Session, promotions: &[Promotion], found: &[bool], tally: &mut Tally) {
    for (promotion, candidate) in promotions.iter().zip(found) {
        let distance_m = haversine_m(promotion.place, session.place);
        let reach = promotion.reach.narrower(session.radius);
        let radius_m = f64::from(promotion.reach_m).min(session.radius_m);
        for (shown, limit_m) in [(false, radius_m), (true, leave_radius_m(radius_m))] {
            let told = *candidate && reach.shows(shown, &promotion.vector, &session.vector);
            let expected = distance_m <= limit_m;
            if (distance_m - limit_m).abs() >= TIE_M {
                tally.missed += u64::from(expected && !told);
                tally.extra += u64::from(told && !expected);
            }
            tally.near_the_boundary += u64::from((distance_m - limit_m).abs() < 1e-2);
            *(if shown { &mut tally.lingering } else { &mut tally.within }) += u64::from(expected);
        }
        tally.pairs += 1;
    }
}

/// One group of promotions and sessions around a focus, through the board and through the seats.
fn group(rng: &mut Rng, focus: Location, scale_m: u32, tally: &mut Tally) {
    let promotions: Vec<_> = (0..PROMOTIONS).map(|_| promotion(rng, focus, scale_m)).collect();
    let sessions: Vec<_> = (0..SESSIONS).map(|_| session(rng, &promotions)).collect();
    let (mut board, mut seats) = (CellBoard::default(), OccupiedCells::default());
    for (key, promotion) in promotions.iter().enumerate() {
        board.insert(key as u32, &promotion.cover);
    }
    for (key, session) in sessions.iter().enumerate() {
        seats.insert(key as u32, &session.cells);
    }
    let mut by_seats = vec![[false; PROMOTIONS]; SESSIONS];
    for (key, promotion) in promotions.iter().enumerate() {
        seats.candidates(&promotion.cover, |seat| {
            assert!(!std::mem::replace(&mut by_seats[seat as usize][key], true), "a session twice");
        });
    }
    for (session, by_seats) in sessions.iter().zip(&by_seats) {
        let mut by_board = [false; PROMOTIONS];
        board.candidates(&session.cells, |key| {
            assert!(!std::mem::replace(&mut by_board[key as usize], true), "a promotion twice");
        });
        // A launch finds exactly the sessions that would find it.
        assert_eq!(&by_board, by_seats);
        compare(session, &promotions, &by_board, tally);
    }
    promotions.iter().zip(0..).for_each(|(promotion, key)| board.remove(key, &promotion.cover));
    sessions.iter().zip(0..).for_each(|(session, key)| seats.remove(key, &session.cells));
    assert!(board.is_empty() && seats.is_empty());
}

#[test]
fn i25_engine_equals_brute_force_on_millions_of_pairs() {
    let mut rng = Rng::new(25);
    let mut total = Tally::default();
    for (name, focus) in places(&mut rng, 60) {
        let mut tally = Tally::default();
        for scale_m in REACHES_M {
            group(&mut rng, focus, scale_m, &mut tally);
        }
        assert_eq!(
            (tally.missed, tally.extra),
            (0, 0),
            "{name} at {}, {}: {tally:?}",
            focus.lat(),
            focus.lng()
        );
        total.pairs += tally.pairs;
        total.within += tally.within;
        total.lingering += tally.lingering;
        total.near_the_boundary += tally.near_the_boundary;
    }
    println!("{total:?}");
    assert!(total.pairs >= 1_000_000, "{total:?}");
    // The points are where it matters: on both sides of the radii, and many next to them.
    assert!(total.within > total.pairs / 4 && total.within < total.pairs * 3 / 4, "{total:?}");
    assert!(total.lingering > total.within, "{total:?}");
    assert!(total.near_the_boundary > total.pairs / 50, "{total:?}");
}
