//! People and their refresh families (`actors/src/ports/accounts.rs`).

use crate::place::Place;
use crate::world::*;
use flash_actors::ports::accounts::{Role, Rotation, UserPatch};
use flash_actors::ports::catalogue::{Order, StaffRole};
use flash_domain::ids::{FamilyId, UserId};
use flash_domain::segment::{FREQUENT_WINDOW_MS, Segment};
use uuid::Uuid;

const GRACE_MS: i64 = 10_000;

/// Registered once per e-mail, found by it and by id, changed field by field.
pub async fn a_person_registers_and_changes(place: Place) {
    let accounts = place.ready().await.accounts;
    let mut person = user(Role::Shopper);
    assert!(accounts.register(person.clone(), "first".to_owned()).await.unwrap());
    let mut same = user(Role::Shopper);
    same.email.clone_from(&person.email);
    assert!(!accounts.register(same.clone(), "other".to_owned()).await.unwrap());
    assert!(accounts.user(same.id).await.unwrap().is_none());
    let found = accounts.by_email(&person.email).await.unwrap();
    assert_eq!(found, Some((person.clone(), "first".to_owned())));
    assert!(accounts.by_email("nobody@example.com").await.unwrap().is_none());

    let patch = UserPatch {
        display_name: Some("Luz".to_owned()),
        language: Some("en".to_owned()),
        phone: Some(Some("+573001112233".to_owned())),
        notification_preferences: Some("{}".to_owned()),
        last_location: Some(Some(medellin())),
        password_hash: Some("second".to_owned()),
    };
    person.display_name = "Luz".to_owned();
    person.language = "en".to_owned();
    person.phone = Some("+573001112233".to_owned());
    person.notification_preferences = "{}".to_owned();
    person.last_location = Some(medellin());
    assert_eq!(accounts.update(person.id, patch).await.unwrap(), Some(person.clone()));
    assert_eq!(accounts.update(person.id, UserPatch::default()).await.unwrap(), Some(person.clone()));
    let found = accounts.by_email(&person.email).await.unwrap();
    assert_eq!(found, Some((person.clone(), "second".to_owned())));
    let clear = UserPatch { phone: Some(None), last_location: Some(None), ..UserPatch::default() };
    (person.phone, person.last_location) = (None, None);
    assert_eq!(accounts.update(person.id, clear).await.unwrap(), Some(person.clone()));
    assert!(accounts.set_role(person.id, Role::Admin).await.unwrap());
    person.role = Role::Admin;
    assert_eq!(accounts.user(person.id).await.unwrap(), Some(person));
    let nobody = UserId(Uuid::now_v7());
    assert!(!accounts.set_role(nobody, Role::Admin).await.unwrap());
    assert!(accounts.update(nobody, UserPatch::default()).await.unwrap().is_none());
}

/// Of many who register one e-mail at once, one succeeds.
pub async fn one_of_many_gets_the_email(place: Place) {
    let accounts = place.ready().await.accounts;
    let mut tasks = tokio::task::JoinSet::new();
    for _ in 0..8 {
        let (accounts, mut person) = (accounts.clone(), user(Role::Shopper));
        person.email = "one@example.com".to_owned();
        tasks.spawn(async move { accounts.register(person, "hash".to_owned()).await.unwrap() });
    }
    assert_eq!(tasks.join_all().await.into_iter().filter(|fresh| *fresh).count(), 1);
}

/// People by id, in pages, the forgotten left out.
pub async fn people_are_listed(place: Place) {
    let accounts = place.ready().await.accounts;
    let people = (0..5).map(|_| user(Role::Shopper)).collect::<Vec<_>>();
    accounts.register_many(people.clone(), "hash".to_owned()).await.unwrap();
    let page = accounts.list(None, 2).await.unwrap();
    assert_eq!((page.items.as_slice(), page.more), (&people[..2], true));
    assert!(accounts.forget(people[3].id, NOW).await.unwrap());
    let page = accounts.list(Some(people[1].id), 2).await.unwrap();
    assert_eq!((page.items, page.more), (vec![people[2].clone(), people[4].clone()], false));
}

/// A forgotten person leaves nothing but claims without a name; who owns a store stays.
pub async fn a_person_is_forgotten(place: Place) {
    let world = World::new(place.ready().await).await;
    let (accounts, catalogue) = (&world.stores.accounts, &world.stores.catalogue);
    assert!(!accounts.forget(world.owner.id, NOW).await.unwrap());
    assert!(accounts.user(world.owner.id).await.unwrap().is_some());
    let person = user(Role::Shopper);
    accounts.register(person.clone(), "hash".to_owned()).await.unwrap();
    let family = FamilyId(Uuid::now_v7());
    accounts.begin_family(family, person.id, [1; 32], NOW, later(1_000_000)).await.unwrap();
    assert!(catalogue.put_staff(world.store.id, person.id, StaffRole::Clerk).await.unwrap());
    assert!(catalogue.follow(world.store.id, person.id, true, NOW).await.unwrap());
    let record = world.live(5).await;
    world.stores.store.load(record.id).await.unwrap();
    let claim = held(&record, person.id);
    world.stores.store.commit(vec![commit(&record, 1, 1, vec![claim.clone()]).into()]).await.unwrap();

    assert!(accounts.forget(person.id, later(7)).await.unwrap());
    assert!(!accounts.forget(person.id, later(8)).await.unwrap());
    assert!(accounts.user(person.id).await.unwrap().is_none());
    assert!(accounts.by_email(&person.email).await.unwrap().is_none());
    assert!(accounts.update(person.id, UserPatch::default()).await.unwrap().is_none());
    assert!(!accounts.family_is_live(family).await.unwrap());
    assert_eq!(accounts.revoked_since(later(7)).await.unwrap(), [family]);
    let turned = accounts.rotate(family, [1; 32], [2; 32], later(9), GRACE_MS).await.unwrap();
    assert_eq!(turned, Rotation::Unknown);
    assert!(catalogue.role_at(world.store.id, person.id).await.unwrap().is_none());
    assert!(catalogue.followed_by(person.id, None, 10).await.unwrap().items.is_empty());
    let claims = catalogue.claims_on(record.id, Order::Oldest, None, 10).await.unwrap().items;
    assert_eq!(claims, [(claim, String::new())]);
    let mut again = user(Role::Shopper);
    again.email.clone_from(&person.email);
    assert!(accounts.register(again, "hash".to_owned()).await.unwrap());
}

/// A token turns into its successor once; within the grace the one before gets the same answer, later it revokes.
pub async fn a_family_rotates(place: Place) {
    let world = World::new(place.ready().await).await;
    let (accounts, owner) = (&world.stores.accounts, world.owner.id);
    let family = FamilyId(Uuid::now_v7());
    accounts.begin_family(family, owner, [1; 32], NOW, later(1_000_000)).await.unwrap();
    assert!(accounts.family_is_live(family).await.unwrap());
    let rotate = async |from: u8, to: u8, ms| {
        accounts.rotate(family, [from; 32], [to; 32], later(ms), GRACE_MS).await.unwrap()
    };
    assert_eq!(rotate(1, 2, 0).await, Rotation::Rotated(owner));
    assert_eq!(rotate(1, 2, GRACE_MS).await, Rotation::Repeated(owner));
    assert_eq!(rotate(2, 3, 20_000).await, Rotation::Rotated(owner));
    assert_eq!(rotate(2, 3, 20_000 + GRACE_MS).await, Rotation::Repeated(owner));
    assert_eq!(rotate(2, 3, 20_001 + GRACE_MS).await, Rotation::Reused);
    assert_eq!(rotate(3, 4, 20_002 + GRACE_MS).await, Rotation::Unknown);
    assert!(!accounts.family_is_live(family).await.unwrap());
    assert!(!accounts.revoke_family(family, later(40_000)).await.unwrap());

    // Two steps back is never within the grace, and neither is a token that was never given.
    for presented in [1, 9] {
        let family = FamilyId(Uuid::now_v7());
        accounts.begin_family(family, owner, [1; 32], NOW, later(1_000_000)).await.unwrap();
        for step in 1..3 {
            accounts.rotate(family, [step; 32], [step + 1; 32], NOW, GRACE_MS).await.unwrap();
        }
        let answer = accounts.rotate(family, [presented; 32], [5; 32], NOW, GRACE_MS).await.unwrap();
        assert_eq!(answer, Rotation::Reused, "{presented}");
    }
    let answer = accounts.rotate(FamilyId(Uuid::now_v7()), [1; 32], [2; 32], NOW, GRACE_MS).await.unwrap();
    assert_eq!(answer, Rotation::Unknown);
}

/// Of many who present one token at once, one rotates and all others repeat.
pub async fn one_of_many_rotates(place: Place) {
    let world = World::new(place.ready().await).await;
    let family = FamilyId(Uuid::now_v7());
    let accounts = &world.stores.accounts;
    accounts.begin_family(family, world.owner.id, [1; 32], NOW, later(1_000_000)).await.unwrap();
    let mut tasks = tokio::task::JoinSet::new();
    for _ in 0..8 {
        let accounts = accounts.clone();
        tasks.spawn(async move { accounts.rotate(family, [1; 32], [2; 32], NOW, GRACE_MS).await.unwrap() });
    }
    let answers = tasks.join_all().await;
    let count = |wanted| answers.iter().filter(|answer| **answer == wanted).count();
    assert_eq!(count(Rotation::Rotated(world.owner.id)), 1, "{answers:?}");
    assert_eq!(count(Rotation::Repeated(world.owner.id)), 7, "{answers:?}");
}

/// Families end: by hand, by time, by the cleanup.
pub async fn families_end(place: Place) {
    let world = World::new(place.ready().await).await;
    let accounts = &world.stores.accounts;
    let families = [(); 3].map(|()| FamilyId(Uuid::now_v7()));
    for (family, expires_in_ms) in families.into_iter().zip([1_000, 50_000, 50_000]) {
        accounts.begin_family(family, world.owner.id, [1; 32], NOW, later(expires_in_ms)).await.unwrap();
    }
    let [expired, revoked, _] = families;
    let at_expiry = accounts.rotate(expired, [1; 32], [2; 32], later(1_000), GRACE_MS).await.unwrap();
    assert_eq!(at_expiry, Rotation::Unknown);
    assert!(accounts.revoke_family(revoked, later(10)).await.unwrap());
    assert!(!accounts.revoke_family(revoked, later(11)).await.unwrap());
    assert!(!accounts.revoke_family(FamilyId(Uuid::now_v7()), later(11)).await.unwrap());
    assert_eq!(accounts.revoked_since(later(10)).await.unwrap(), [revoked]);
    assert!(accounts.revoked_since(later(11)).await.unwrap().is_empty());
    assert_eq!(accounts.purge_families(later(10)).await.unwrap(), 0);
    assert_eq!(accounts.purge_families(later(2_000)).await.unwrap(), 2);
    assert!(accounts.revoked_since(NOW).await.unwrap().is_empty());
    assert!(accounts.family_is_live(families[2]).await.unwrap());
}

/// New until a claim is confirmed, frequent from five within the window, the edge of the window outside.
pub async fn segments_count_confirmed_claims(place: Place) {
    let world = World::new(place.ready().await).await;
    let accounts = &world.stores.accounts;
    let shopper = world.shopper().await;
    let record = world.live(100).await;
    world.stores.store.load(record.id).await.unwrap();
    let mut seq = 0;
    let mut claims = vec![held(&record, shopper)];
    for (confirmed_at, expected) in [
        (None, Segment::New),
        (Some(NOW), Segment::Regular),
        (Some(later(1)), Segment::Regular),
        (Some(later(1)), Segment::Regular),
        (Some(later(1)), Segment::Regular),
        (Some(later(1)), Segment::Regular),
        (Some(later(2)), Segment::Frequent),
    ] {
        claims.extend(confirmed_at.map(|at| confirmed(held(&record, shopper), at)));
        seq += 1;
        let mut change = commit(&record, 1, seq, claims.clone());
        change.claims.drain(..claims.len() - 1);
        world.stores.store.commit(vec![change.into()]).await.unwrap();
        // The first confirmation is exactly as old as the window here: not recent any more.
        let found = accounts.segment(shopper, later(FREQUENT_WINDOW_MS)).await.unwrap();
        assert_eq!(found, expected, "{seq}");
    }
    let stranger = accounts.segment(UserId(Uuid::now_v7()), NOW).await.unwrap();
    assert_eq!(stranger, Segment::New);
}
