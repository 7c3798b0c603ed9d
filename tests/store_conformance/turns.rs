//! Turns of jobs (`actors/src/ports/jobs.rs`).

use crate::place::Place;
use crate::world::*;
use flash_actors::ports::jobs::{Bid, Turn};
use uuid::Uuid;

fn bid(holder: Uuid, ms: i64, period_ms: i64) -> Bid {
    Bid { name: "check".to_owned(), holder, now: later(ms), period_ms, held_until: later(ms + 1_000) }
}

/// A job is one holder's until it is given back or its time is over, and again only after its period.
pub async fn a_job_has_one_turn_per_period(place: Place) {
    let jobs = place.ready().await.jobs;
    let (one, other) = (Uuid::now_v7(), Uuid::now_v7());
    assert_eq!(jobs.begin(bid(one, 0, 60_000)).await.unwrap(), Turn::Yours);
    assert_eq!(jobs.begin(bid(other, 500, 100)).await.unwrap(), Turn::NotBefore(later(1_000)), "it runs");
    assert!(jobs.renew("check".to_owned(), one, later(5_000)).await.unwrap());
    assert!(!jobs.renew("check".to_owned(), other, later(5_000)).await.unwrap());
    assert_eq!(jobs.begin(bid(other, 4_999, 0)).await.unwrap(), Turn::NotBefore(later(5_000)));
    jobs.end("check".to_owned(), other).await.unwrap();
    jobs.end("check".to_owned(), one).await.unwrap();
    assert_eq!(jobs.begin(bid(other, 6_000, 60_000)).await.unwrap(), Turn::NotBefore(later(60_000)));
    assert_eq!(jobs.begin(bid(other, 6_000, 0)).await.unwrap(), Turn::Yours, "by hand, at once");
    // Whoever died with it loses it when its time is over; a day of missed periods is one turn.
    assert_eq!(jobs.begin(bid(one, 86_400_000, 60_000)).await.unwrap(), Turn::Yours);
    // A clock that was set back by a day does not hold it up for a day.
    jobs.end("check".to_owned(), one).await.unwrap();
    assert_eq!(jobs.begin(bid(one, 70_000, 60_000)).await.unwrap(), Turn::Yours);
}

/// Of many who bid at once one gets it.
pub async fn one_of_many_gets_the_turn(place: Place) {
    let jobs = place.ready().await.jobs;
    let mut bids = tokio::task::JoinSet::new();
    for _ in 0..8 {
        let jobs = jobs.clone();
        bids.spawn(async move { jobs.begin(bid(Uuid::now_v7(), 0, 60_000)).await.unwrap() });
    }
    let turns = bids.join_all().await;
    assert_eq!(turns.into_iter().filter(|turn| *turn == Turn::Yours).count(), 1);
}
