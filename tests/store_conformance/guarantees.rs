//! The engine's store: what a commit and a take-over promise (`actors/src/ports/store.rs`).

use crate::place::Place;
use crate::world::*;
use flash_actors::ports::PortError;
use flash_actors::ports::store::Wakeful;
use flash_domain::claim::ClaimStatus;
use flash_domain::event::Event;
use flash_domain::ids::*;
use flash_domain::promotion::Status;
use flash_domain::time::UnixMillis;
use uuid::Uuid;

/// What was committed is what is loaded, also by another process after this one is gone.
pub async fn a_commit_survives_a_restart(place: Place) {
    let world = World::new(place.ready().await).await;
    let record = world.live(10).await;
    let (first, second) = (held(&record, world.shopper().await), held(&record, world.shopper().await));
    let loaded = world.stores.store.load(record.id).await.unwrap().unwrap();
    assert_eq!((loaded.epoch, loaded.commit_seq), (1, 0));
    assert_eq!(loaded.record, record);
    let mut change = commit(&record, 1, 1, vec![first.clone(), second.clone()]);
    change.events = vec![event(record.id, 2, Event::Started), event(record.id, 3, Event::SoldOut)];
    let events = change.events.clone();
    assert!(world.stores.store.commit(vec![change.clone().into()]).await.unwrap().stale.is_empty());
    // The second claim is replaced, the first stays as it is though this commit does not name it.
    let second = confirmed(second, later(5));
    let mut next = commit(&record, 1, 2, vec![second.clone()]);
    (next.counters.held, next.counters.sold) = (1, 1);
    let counters = next.counters;
    assert!(world.stores.store.commit(vec![next.into()]).await.unwrap().stale.is_empty());
    world.stores.close().await;

    let stores = place.open().await;
    assert_eq!(stores.store.peek(record.id).await.unwrap().unwrap().counters, counters);
    let mut loaded = stores.store.load(record.id).await.unwrap().unwrap();
    assert_eq!((loaded.epoch, loaded.commit_seq), (2, 2));
    assert_eq!(loaded.record.counters, counters);
    loaded.claims.sort_by_key(|claim| claim.id);
    assert_eq!(loaded.claims, [first.clone(), second]);
    assert_eq!(stores.store.outbox_waiting(10).await.unwrap(), events);
    assert_eq!(stores.store.locate_claim(first.id).await.unwrap(), Some((record.id, first.user_id)));
    assert_eq!(stores.store.audit().await.unwrap().disagreement, None);
}

/// A dead owner's commit applies nothing of its promotion, and all of the others'.
pub async fn a_stale_owner_commits_nothing(place: Place) {
    let world = World::new(place.ready().await).await;
    let (ours, theirs) = (world.live(10).await, world.live(10).await);
    let shopper = world.shopper().await;
    for id in [ours.id, theirs.id, theirs.id] {
        world.stores.store.load(id).await.unwrap().unwrap();
    }
    let mut stale = commit(&theirs, 1, 1, vec![held(&theirs, shopper)]);
    stale.events = vec![event(theirs.id, 2, Event::SoldOut)];
    let mut terms = theirs.terms.clone();
    terms.stock = 3;
    stale.terms = Some(Box::new(terms));
    let claim = held(&ours, shopper);
    let committed = world
        .stores
        .store
        .commit(vec![stale.into(), commit(&ours, 1, 1, vec![claim.clone()]).into()])
        .await
        .unwrap();
    assert_eq!(committed.stale, [theirs.id]);
    let loaded = world.stores.store.load(theirs.id).await.unwrap().unwrap();
    assert_eq!((loaded.record, loaded.claims, loaded.commit_seq), (theirs, Vec::new(), 0));
    assert_eq!(world.stores.store.load(ours.id).await.unwrap().unwrap().claims, [claim]);
    assert!(world.stores.store.outbox_waiting(10).await.unwrap().is_empty());
}

/// The same commit twice, or one that skips another, changes nothing.
pub async fn a_commit_builds_on_the_last_one(place: Place) {
    let world = World::new(place.ready().await).await;
    let record = world.live(10).await;
    let shopper = world.shopper().await;
    world.stores.store.load(record.id).await.unwrap().unwrap();
    let first = commit(&record, 1, 1, vec![held(&record, shopper)]);
    let store = &world.stores.store;
    assert!(store.commit(vec![first.clone().into()]).await.unwrap().stale.is_empty());
    assert_eq!(store.commit(vec![first.into()]).await.unwrap().stale, [record.id]);
    let skipping = commit(&record, 1, 3, vec![held(&record, shopper)]);
    assert_eq!(store.commit(vec![skipping.into()]).await.unwrap().stale, [record.id]);
    let loaded = store.load(record.id).await.unwrap().unwrap();
    assert_eq!((loaded.claims.len(), loaded.commit_seq), (1, 1));
    // Owners may number as they like, as long as it grows.
    let mut leap = commit(&loaded.record, 2, 9, Vec::new());
    (leap.base_seq, leap.counters.held) = (1, 1);
    assert!(store.commit(vec![leap.into()]).await.unwrap().stale.is_empty());
    assert_eq!(store.load(record.id).await.unwrap().unwrap().commit_seq, 9);
    let unknown = world.record(Status::Live, 1);
    assert_eq!(
        store.commit(vec![commit(&unknown, 1, 1, Vec::new()).into()]).await.unwrap().stale,
        [unknown.id]
    );
    assert!(store.load(unknown.id).await.unwrap().is_none());
    assert!(store.peek(unknown.id).await.unwrap().is_none());
    assert!(store.locate_claim(ClaimId(Uuid::now_v7())).await.unwrap().is_none());
}

/// Whatever a batch holds, one broken part undoes all of it, and the store goes on.
pub async fn a_poisoned_row_fails_certainly(place: Place) {
    let world = World::new(place.ready().await).await;
    let (record, other) = (world.live(2).await, world.live(2).await);
    let shopper = world.shopper().await;
    for id in [record.id, other.id] {
        world.stores.store.load(id).await.unwrap().unwrap();
    }
    let good = commit(&other, 1, 1, vec![held(&other, shopper)]);
    // More units than there are: the check on the counters refuses.
    let mut oversold = commit(&record, 1, 1, vec![held(&record, shopper)]);
    oversold.counters.held = 3;
    let mut empty = held(&record, shopper);
    empty.quantity = 0;
    let mut poisons = vec![oversold, commit(&record, 1, 1, vec![empty])];
    if place.url().starts_with("postgres") {
        let mut claim = held(&record, shopper);
        claim.idempotency_key = "a\0b".into();
        poisons.push(commit(&record, 1, 1, vec![claim]));
    }
    for poison in poisons {
        let answer = world.stores.store.commit(vec![good.clone().into(), poison.into()]).await;
        assert!(matches!(answer, Err(PortError::Broken(_))), "{answer:?}");
        for id in [record.id, other.id] {
            let counters = world.stores.store.peek(id).await.unwrap().unwrap().counters;
            assert_eq!((counters.held, counters.v), (0, 1));
        }
    }
    assert!(world.stores.store.commit(vec![good.into()]).await.unwrap().stale.is_empty());
    assert_eq!(world.stores.store.load(other.id).await.unwrap().unwrap().claims.len(), 1);
    assert!(world.stores.store.load(record.id).await.unwrap().unwrap().claims.is_empty());
}

/// Edited terms are there with the counters of the same commit, both when stock grows and when it shrinks.
pub async fn terms_are_edited_in_the_commit(place: Place) {
    let world = World::new(place.ready().await).await;
    let record = world.live(5).await;
    let shopper = world.shopper().await;
    world.stores.store.load(record.id).await.unwrap().unwrap();
    let mut sold_all = commit(&record, 1, 1, (0..5).map(|_| held(&record, shopper)).collect());
    sold_all.counters.held = 5;
    world.stores.store.commit(vec![sold_all.into()]).await.unwrap();
    let mut terms = record.terms.clone();
    terms.price = money(1);
    terms.stock = 8;
    terms.per_shopper_limit = None;
    terms.ends_at = later(7_200_000);
    terms.reach_m = 50;
    terms.claim_within_m = None;
    terms.hold_seconds = 0;
    terms.category = None;
    let mut grow = commit(&record, 1, 2, (0..3).map(|_| held(&record, shopper)).collect());
    (grow.counters.held, grow.terms) = (8, Some(Box::new(terms.clone())));
    grow.events = vec![event(record.id, 3, Event::Edited)];
    assert!(world.stores.store.commit(vec![grow.into()]).await.unwrap().stale.is_empty());
    assert_eq!(world.stores.store.peek(record.id).await.unwrap().unwrap().terms, terms);
    // Seven units come back and the stock shrinks to the eighth, in one commit.
    let mut claims = world.stores.store.load(record.id).await.unwrap().unwrap().claims;
    for claim in &mut claims[1..] {
        (claim.status, claim.closed_at, claim.v) = (ClaimStatus::Cancelled, Some(later(9)), 4);
    }
    terms.stock = 1;
    let mut shrink = commit(&record, 2, 3, claims);
    shrink.claims.remove(0);
    shrink.terms = Some(Box::new(terms.clone()));
    assert_eq!(shrink.counters.held, 1);
    assert!(world.stores.store.commit(vec![shrink.into()]).await.unwrap().stale.is_empty());
    let now = world.stores.store.peek(record.id).await.unwrap().unwrap();
    assert_eq!((now.terms, now.counters.held), (terms, 1));
    assert_eq!(world.stores.store.audit().await.unwrap().disagreement, None);
}

/// Batches of every size between none and several statements' worth.
pub async fn batches_of_every_size(place: Place) {
    let world = World::new(place.ready().await).await;
    let record = world.live(1_000).await;
    let shopper = world.shopper().await;
    world.stores.store.load(record.id).await.unwrap().unwrap();
    let (mut all, mut events) = (0, Vec::new());
    assert!(world.stores.store.commit(Vec::new()).await.unwrap().stale.is_empty());
    for (seq, size) in [0, 1, 3, 4, 15, 17, 63, 64, 65, 149, 250].into_iter().enumerate() {
        all += size;
        let claims = (0..size).map(|_| held(&record, shopper)).collect();
        let mut change = commit(&record, 1, seq as i64 + 1, claims);
        change.counters.held = all;
        change.events = (0..size).map(|_| event(record.id, 2, Event::Edited)).collect();
        events.extend(change.events.clone());
        assert!(world.stores.store.commit(vec![change.into()]).await.unwrap().stale.is_empty());
        assert_eq!(world.stores.store.load(record.id).await.unwrap().unwrap().claims.len(), all as usize);
        // The load above raised the epoch: take the ownership back by writing it down as it was.
        place.meddle("UPDATE promotions SET epoch = 1").await;
    }
    assert_eq!(world.stores.store.audit().await.unwrap().claims, u64::from(all));
    assert_eq!(world.stores.store.outbox_waiting(10_000).await.unwrap(), events);
    world.stores.store.outbox_done(events.iter().map(|event| event.id).collect(), NOW).await.unwrap();
    assert!(world.stores.store.outbox_waiting(10).await.unwrap().is_empty());
}

/// Many owners commit at once, each its own; everything is there in the end.
pub async fn commits_of_many_owners_at_once(place: Place) {
    let world = World::new(place.ready().await).await;
    let shopper = world.shopper().await;
    let mut tasks = tokio::task::JoinSet::new();
    for _ in 0..8 {
        let record = world.live(100).await;
        let store = world.stores.store.clone();
        tasks.spawn(async move {
            store.load(record.id).await.unwrap().unwrap();
            for seq in 1..=10_u32 {
                let mut change = commit(&record, 1, i64::from(seq), vec![held(&record, shopper)]);
                change.counters.held = seq;
                assert!(store.commit(vec![change.into()]).await.unwrap().stale.is_empty());
            }
        });
    }
    while let Some(done) = tasks.join_next().await {
        done.unwrap();
    }
    let report = world.stores.store.audit().await.unwrap();
    assert_eq!((report.promotions, report.claims, report.disagreement), (8, 80, None));
}

/// Who needs an owner: running, soon to start, or with units that must come back. In pages, by id.
pub async fn the_wakeful_are_found(place: Place) {
    let world = World::new(place.ready().await).await;
    let starting = |status, ms| {
        let mut record = world.record(status, 5);
        record.terms.starts_at = later(ms);
        record
    };
    let live = world.stored(starting(Status::Live, -5)).await.id;
    let paused = world.stored(starting(Status::Paused, -5)).await.id;
    let soon = world.stored(starting(Status::Scheduled, 999)).await.id;
    for (status, ms) in
        [(Status::Draft, -5), (Status::Scheduled, 1_000), (Status::Ended, -5), (Status::Cancelled, -5)]
    {
        world.stored(starting(status, ms)).await;
    }
    let mut holding = starting(Status::Ended, -5);
    holding.counters.held = 1;
    let holding = world.stored(holding).await.id;
    let now = UnixMillis(0);
    let expected = [
        Wakeful { id: live, at: now },
        Wakeful { id: paused, at: now },
        Wakeful { id: soon, at: later(999) },
        Wakeful { id: holding, at: now },
    ];
    let store = &world.stores.store;
    assert_eq!(store.wakeful(later(1_000), None, 10).await.unwrap(), expected);
    assert_eq!(store.wakeful(later(1_000), None, 2).await.unwrap(), expected[..2]);
    assert_eq!(store.wakeful(later(1_000), Some(paused), 10).await.unwrap(), expected[2..]);
}

/// Events wait in the order of their commits until they are handed over.
pub async fn the_outbox_keeps_order(place: Place) {
    let world = World::new(place.ready().await).await;
    let store = &world.stores.store;
    let mut record = world.record(Status::Live, 5);
    record.counters.v = 1;
    let launched = vec![event(record.id, 1, Event::Launched)];
    let created = world.stores.catalogue.create_promotion(record.clone(), None, launched.clone(), None).await;
    created.unwrap();
    store.load(record.id).await.unwrap().unwrap();
    let mut change = commit(&record, 1, 1, Vec::new());
    let told = Event::ClaimConfirmed { claim_id: ClaimId(Uuid::now_v7()), user_id: world.owner.id };
    // One version, several events: insertion order decides, whatever their ids say.
    change.events = vec![event(record.id, 2, told), event(record.id, 2, Event::SoldOut)];
    change.events.swap(0, 1);
    let expected = [launched, change.events.clone()].concat();
    store.commit(vec![change.into()]).await.unwrap();
    assert_eq!(store.outbox_waiting(10).await.unwrap(), expected);
    assert_eq!(store.outbox_waiting(2).await.unwrap(), expected[..2]);
    store.outbox_done(Vec::new(), NOW).await.unwrap();
    store.outbox_done(vec![expected[0].id, expected[2].id], NOW).await.unwrap();
    store.outbox_done(vec![expected[0].id], NOW).await.unwrap();
    assert_eq!(store.outbox_waiting(10).await.unwrap(), expected[1..2]);
    store.ping().await.unwrap();
}

/// The audit sees a lost claim, a claim too many, a key that was accepted twice and a claim of nothing.
pub async fn the_audit_finds_what_is_wrong(place: Place) {
    let world = World::new(place.ready().await).await;
    let record = world.live(5).await;
    let shopper = world.shopper().await;
    world.stores.store.load(record.id).await.unwrap().unwrap();
    let (first, second) = (held(&record, shopper), held(&record, shopper));
    world.stores.store.commit(vec![commit(&record, 1, 1, vec![first.clone(), second]).into()]).await.unwrap();
    let audit = async || world.stores.store.audit().await.unwrap();
    let clean = audit().await;
    assert_eq!((clean.promotions, clean.claims, clean.disagreement), (1, 2, None));
    let id = place.literal(first.id.0);
    let nobody = place.literal(Uuid::nil());
    for (wrong, undo, sign) in [
        ("UPDATE promotions SET held = 1".to_owned(), "UPDATE promotions SET held = 2".to_owned(), "held 1"),
        (
            format!("UPDATE claims SET status = 3 WHERE id = {id}"),
            format!("UPDATE claims SET status = 0 WHERE id = {id}"),
            "claims say held 1",
        ),
        (
            "UPDATE claims SET idempotency_key = 'same'".to_owned(),
            format!("UPDATE claims SET idempotency_key = 'other' WHERE id = {id}"),
            "one idempotency key",
        ),
        (
            format!(
                "UPDATE claims SET promotion_id = {nobody}, status = 3, idempotency_key = 'lone' WHERE id = {id}"
            ),
            String::new(),
            "claims say held 1",
        ),
        ("UPDATE promotions SET held = 1".to_owned(), String::new(), "there is no promotion"),
    ] {
        place.meddle(&wrong).await;
        let found = audit().await.disagreement.unwrap_or_default();
        assert!(found.contains(sign), "{wrong}: {found}");
        if !undo.is_empty() {
            place.meddle(&undo).await;
            assert_eq!(audit().await.disagreement, None, "{undo}");
        }
    }
}
