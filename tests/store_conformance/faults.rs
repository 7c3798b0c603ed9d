//! What only one of the databases can meet: connections cut around a commit, sessions ended, locks held by others, a disk
//! that is full, a process that is killed. Nothing that was acknowledged is lost, nothing is half there, and an error
//! never says "certainly not" about what is there.

use crate::place::Place;
use crate::proxy::{Next, Proxy};
use crate::world::*;
use flash_actors::ports::PortError;
use flash_domain::promotion::PromotionRecord;
use flash_promos::adapters::{DatabaseUrl, Stores};
use sqlx::{AssertSqlSafe, Connection, PgConnection, Row};
use std::time::Duration;

type Outcome = Result<flash_actors::ports::store::Committed, PortError>;

/// A world on PostgreSQL with one owned promotion, and the same store once more through a proxy.
struct Cut {
    place: Place,
    world: World,
    record: PromotionRecord,
    proxy: Proxy,
    through: Stores,
}

impl Cut {
    async fn new() -> Self {
        let place = Place::postgres().await;
        let world = World::new(place.ready().await).await;
        let record = world.live(100).await;
        world.stores.store.load(record.id).await.unwrap().unwrap();
        let (before, rest) = place.url().split_once("127.0.0.1:").expect("a server on 127.0.0.1");
        let (port, rest) = rest.split_once('/').unwrap();
        let proxy = Proxy::before(port.parse().unwrap()).await;
        let url = format!("{before}127.0.0.1:{}/{rest}", proxy.port);
        let through = Stores::open(&DatabaseUrl::parse(&url).unwrap()).await.unwrap();
        let cut = Self { place, world, record, proxy, through };
        // The statement is prepared now: from here on a commit is one request and one answer.
        assert!(cut.commit(1, false).await.unwrap().stale.is_empty());
        cut
    }

    /// Commits number `seq` through the proxy: one more held claim each.
    async fn commit(&self, seq: i64, edits: bool) -> Outcome {
        let claim = held(&self.record, self.world.owner.id);
        let mut change = commit(&self.record, 1, seq, vec![claim]);
        change.counters.held = seq as u32;
        change.terms = edits.then(|| Box::new(self.record.terms.clone()));
        self.through.store.commit(vec![change.into()]).await
    }

    /// How many commits are there; each is all there or not at all.
    async fn count(&self) -> i64 {
        let record = self.world.stores.store.peek(self.record.id).await.unwrap().unwrap();
        let claims = self.world.stores.catalogue.claim_counts(self.record.id).await.unwrap();
        assert_eq!(claims[0].claims, u64::from(record.counters.held));
        i64::from(record.counters.held)
    }

    async fn connect(&self) -> PgConnection {
        PgConnection::connect(self.place.url()).await.unwrap()
    }
}

fn is_unknown(outcome: &Outcome) -> bool {
    matches!(outcome, Err(PortError::OutcomeUnknown(_)))
}

/// Waits until this many sessions of the database wait for a lock.
async fn blocked(connection: &mut PgConnection, count: i64) {
    for _ in 0..1_000 {
        let row = sqlx::query(
            "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'",
        )
        .fetch_one(&mut *connection)
        .await
        .unwrap();
        if row.get::<i64, _>(0) >= count {
            return;
        }
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    panic!("nobody waits for the lock");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_lost_answer_is_an_unknown_outcome() {
    let cut = Cut::new().await;
    cut.proxy.set(Next::LoseAnswer);
    let outcome = cut.commit(2, false).await;
    assert!(is_unknown(&outcome), "{outcome:?}");
    assert_eq!(cut.count().await, 2, "it was committed all the same");
    assert!(cut.commit(3, false).await.unwrap().stale.is_empty(), "on a fresh connection");
    assert_eq!(cut.count().await, 3);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_lost_request_is_an_unknown_outcome() {
    let cut = Cut::new().await;
    cut.proxy.set(Next::LoseRequest);
    let outcome = cut.commit(2, false).await;
    assert!(is_unknown(&outcome), "{outcome:?}");
    assert_eq!(cut.count().await, 1);
    assert!(cut.commit(2, false).await.unwrap().stale.is_empty(), "on a fresh connection");
    assert_eq!(cut.count().await, 2);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_edit_is_cut_at_every_step() {
    let cut = Cut::new().await;
    let mut seq = 1;
    assert!(cut.commit(seq + 1, true).await.unwrap().stale.is_empty());
    seq += 1;
    // BEGIN, the terms, the batch, COMMIT: the cut meets each of them at least once.
    for pause_us in [0, 200, 400, 600, 800, 1_000, 1_500, 2_000, 3_000, 5_000] {
        for fault in [Next::LoseRequest, Next::LoseAnswer] {
            let (outcome, ()) = tokio::join!(cut.commit(seq + 1, true), async {
                tokio::time::sleep(Duration::from_micros(pause_us)).await;
                cut.proxy.set(fault);
            });
            cut.proxy.set(Next::Pass);
            let there = cut.count().await;
            match outcome {
                Ok(committed) => assert_eq!((committed.stale, there), (Vec::new(), seq + 1)),
                Err(PortError::OutcomeUnknown(_)) => assert!(there == seq || there == seq + 1),
                Err(_) => assert_eq!(there, seq, "certainly not"),
            }
            seq = there;
        }
    }
    // A fault that came too late waits for the next request.
    let _met = cut.through.store.ping().await;
    assert!(cut.commit(seq + 1, true).await.unwrap().stale.is_empty());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_ended_session_is_an_unknown_outcome() {
    let cut = Cut::new().await;
    let mut other = cut.connect().await;
    let mut lock = cut.connect().await;
    sqlx::query("BEGIN").execute(&mut lock).await.unwrap();
    sqlx::query("SELECT 1 FROM promotions FOR UPDATE").fetch_all(&mut lock).await.unwrap();
    let (outcome, ()) = tokio::join!(cut.commit(2, false), async {
        blocked(&mut other, 1).await;
        let end = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = current_database() \
             AND wait_event_type = 'Lock'";
        sqlx::query(end).fetch_all(&mut other).await.unwrap();
    });
    assert!(is_unknown(&outcome), "{outcome:?}");
    sqlx::query("ROLLBACK").execute(&mut lock).await.unwrap();
    assert_eq!(cut.count().await, 1);
    assert!(cut.commit(2, false).await.unwrap().stale.is_empty());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_lock_held_too_long_fails_certainly() {
    let cut = Cut::new().await;
    let mut lock = cut.connect().await;
    sqlx::query("BEGIN").execute(&mut lock).await.unwrap();
    sqlx::query("SELECT 1 FROM promotions FOR UPDATE").fetch_all(&mut lock).await.unwrap();
    let outcome = cut.commit(2, false).await;
    assert!(matches!(outcome, Err(PortError::Unavailable(_))), "{outcome:?}");
    sqlx::query("ROLLBACK").execute(&mut lock).await.unwrap();
    assert_eq!(cut.count().await, 1);
    assert!(cut.commit(2, false).await.unwrap().stale.is_empty());
}

/// A commit that waits for the row behind a take-over finds the epoch raised.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_late_commit_waits_behind_the_take_over() {
    let cut = Cut::new().await;
    let mut other = cut.connect().await;
    let mut lock = cut.connect().await;
    let lock_row = format!("SELECT 1 FROM promotions WHERE id = '{}' FOR UPDATE", cut.record.id);
    sqlx::query("BEGIN").execute(&mut lock).await.unwrap();
    sqlx::query(AssertSqlSafe(lock_row)).fetch_all(&mut lock).await.unwrap();
    let load = cut.world.stores.store.load(cut.record.id);
    let late = async {
        blocked(&mut other, 1).await;
        let release = async {
            let mut watch = cut.connect().await;
            blocked(&mut watch, 2).await;
            sqlx::query("ROLLBACK").execute(&mut lock).await.unwrap();
        };
        tokio::join!(cut.commit(2, false), release).0
    };
    let (loaded, late) = tokio::join!(load, late);
    let loaded = loaded.unwrap().unwrap();
    assert_eq!(late.unwrap().stale, [cut.record.id]);
    assert_eq!((loaded.epoch, loaded.commit_seq, loaded.claims.len()), (2, 1, 1));
    assert_eq!(cut.count().await, 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_server_is_no_store() {
    let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let url = DatabaseUrl::Postgres(format!("postgres://nobody@127.0.0.1:{port}/nothing"));
    assert!(Stores::open(&url).await.is_err());
}
