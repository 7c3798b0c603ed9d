//! Searches around a point (`promotions_around` of `actors/src/ports/catalogue.rs`): all that is in reach, nearest first,
//! each once over all pages, however many there are.

use crate::place::Place;
use crate::world::*;
use flash_actors::ports::catalogue::{Around, NearPlace, PromotionFilter};
use flash_domain::geo::Location;
use flash_domain::promotion::{PromotionRecord, Status};

/// As many as once were too many for one search.
const CROWD: u32 = 6_000;

const COLUMNS: &str = "store_id, store_name, store_lat, store_lng, cell_8, cell_6, cell_4, product_id, product_name, \
     price_amount, currency, original_amount, stock, starts_at, ends_at, reach_m, hold_seconds, segments, status, held, \
     sold, v, decided_at, created_at, epoch, commit_seq";

/// A point some metres away, about north-east.
fn away(north_m: f64, east_m: f64) -> Location {
    let here = medellin();
    let degree_m = 111_195.0;
    let lng = here.lng() + east_m / (degree_m * here.lat().to_radians().cos());
    Location::new(here.lat() + north_m / degree_m, lng).unwrap()
}

fn at(world: &World, place: Location, reach_m: u32, status: Status) -> PromotionRecord {
    let mut record = world.record(status, 5);
    (record.store.location, record.terms.reach_m) = (place, reach_m);
    record
}

/// All pages of a search.
async fn search(world: &World, radius_m: f64, limit: u32) -> Vec<NearPlace> {
    let (mut found, mut after) = (Vec::new(), None);
    loop {
        let around = Around { point: medellin(), radius_m, after };
        let filter = PromotionFilter { current_only: true, ..PromotionFilter::default() };
        let page = world.stores.catalogue.promotions_around(filter, around, NOW, limit).await.unwrap();
        for near in &page.items {
            assert_eq!(near.record.id.0, near.place.1);
            let distance_m = near.record.store.location.distance_m(medellin());
            assert!((distance_m * 1000.0 - near.place.0 as f64).abs() <= 1.0);
            found.push(near.place);
        }
        assert!(page.items.len() <= limit as usize);
        after = page.items.last().map(|near| near.place);
        if !page.more {
            return found;
        }
    }
}

pub async fn the_nearest_come_first_however_many(place: Place) {
    let world = World::new(place.ready().await).await;
    // The nearest is the oldest: who looks at the newest so many only misses it.
    let nearest = world.stored(at(&world, away(90.0, 0.0), 5_000, Status::Live)).await;
    let first = world.stored(at(&world, away(900.0, 0.0), 5_000, Status::Live)).await;
    let id = if place.url().starts_with("sqlite") { "randomblob(16)" } else { "gen_random_uuid()" };
    place
        .meddle(&format!(
            "WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < {CROWD}) \
             INSERT INTO promotions (id, {COLUMNS}) SELECT {id}, {COLUMNS} FROM promotions, n WHERE id = {}",
            place.literal(first.id.0)
        ))
        .await;
    // Some at many distances and with many reaches, beyond the rings' edges too; and what is never found.
    let mut expected = Vec::new();
    for step in 0..80_u32 {
        let (angle, distance_m) = (f64::from(step) * 2.4, 7.0 * f64::from(step).powf(1.9));
        let there = away(distance_m * angle.sin(), distance_m * angle.cos());
        let reach_m = [50, 600, 5_000, 50_000][step as usize % 4];
        let record = world.stored(at(&world, there, reach_m, Status::Scheduled)).await;
        expected.push((there.distance_m(medellin()), f64::from(reach_m), record.id.0));
    }
    for status in [Status::Draft, Status::Ended, Status::Cancelled] {
        world.stored(at(&world, away(1.0, 1.0), 5_000, status)).await;
    }
    for (radius_m, limit) in [(60.0, 3), (500.0, 7), (800.0, 100), (4_000.0, 100), (50_000.0, 100)] {
        let found = search(&world, radius_m, limit).await;
        assert!(found.is_sorted_by(|a, b| a < b), "{radius_m}: nearest first, each once");
        let scattered: Vec<_> = expected
            .iter()
            .filter(|(d, reach_m, _)| *d <= radius_m.min(*reach_m))
            .map(|(_, _, id)| *id)
            .collect();
        for id in &scattered {
            assert!(found.iter().any(|(_, found)| found == id), "{radius_m}: one is missing");
        }
        let crowd = if radius_m >= 900.0 { CROWD as usize + 1 } else { 0 };
        let alone = usize::from(radius_m >= 90.0);
        assert_eq!(found.len(), scattered.len() + crowd + alone, "{radius_m}");
    }
    let page = search(&world, 5_000.0, 100).await;
    assert!(page.iter().position(|(_, id)| *id == nearest.id.0).unwrap() < 20);
}
