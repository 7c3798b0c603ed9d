//! Jobs on a real store, with the engine's timers turned off: the check job starts and ends sales by itself, and says so to the
//! outbox; once per period, however many bid. And of the real binary: jobs run again and again, and by hand beside it.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod common;

use actix_rt::Arbiter;
use common::{Server, command};
use flash_actors::engine::{Engine, EngineParts};
use flash_actors::feed::{Feed, Pulse, Update};
use flash_actors::jobs::{self, Job, JobParts};
use flash_actors::ports::accounts::{Role, User};
use flash_actors::ports::catalogue::{Created, ProductRow, StoreRow};
use flash_actors::ports::clock::{Clock, Mint, SystemClock};
use flash_actors::ports::jobs::Turn;
use flash_actors::ports::store::OutboxEvent;
use flash_domain::claim::Claim;
use flash_domain::event::Event;
use flash_domain::geo::Location;
use flash_domain::ids::{EventId, ProductId, PromotionId, StoreId, UserId};
use flash_domain::money::Money;
use flash_domain::promotion::{Counters, ProductCopy, PromotionRecord, Status, StoreCopy};
use flash_domain::segment::Segments;
use flash_domain::terms::Terms;
use flash_domain::time::{Now, UnixMillis};
use flash_promos::adapters::{DatabaseUrl, Stores};
use flash_promos::mint::SystemMint;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::{Duration, Instant};
use uuid::Uuid;

/// How long anything is waited for; only a hang takes this long.
const PATIENCE: Duration = Duration::from_secs(60);

/// A clock that stands still but for what the test adds; both of its faces together, as when time passes.
struct HandClock {
    origin: Now,
    added_ms: AtomicI64,
}

impl HandClock {
    fn add_ms(&self, ms: i64) {
        self.added_ms.fetch_add(ms, Ordering::Relaxed);
    }
}

impl Clock for HandClock {
    fn now(&self) -> Now {
        let added_ms = self.added_ms.load(Ordering::Relaxed);
        Now::new(self.origin.wall.0 + added_ms, self.origin.mono.0 + added_ms)
    }
}

/// Nobody is connected.
struct NoFeed;

impl Feed for NoFeed {
    fn publish(&self, _: Update) {}
    fn claims_changed(&self, _: &[Claim]) {}
    fn pulse(&self, _: PromotionId) -> Arc<Pulse> {
        Arc::default()
    }
}

/// A sale that starts in a minute and lasts two, stored with its store and product.
async fn sale(stores: &Stores, now: UnixMillis) -> PromotionRecord {
    let place = Location::new(6.2442, -75.5812).unwrap();
    let owner = User {
        id: UserId(Uuid::now_v7()),
        email: "merchant@test.example".to_owned(),
        display_name: "Merchant".to_owned(),
        role: Role::Merchant,
        language: "es".to_owned(),
        phone: None,
        notification_preferences: "{}".to_owned(),
        last_location: None,
        created_at: now,
    };
    assert!(stores.accounts.register(owner.clone(), "!".to_owned()).await.unwrap());
    let price = Money { amount: 1_000, currency: "COP".parse().unwrap() };
    let store = StoreRow {
        id: StoreId(Uuid::now_v7()),
        owner_id: owner.id,
        name: "Store".to_owned(),
        address: "Street 1".to_owned(),
        location: place,
        timezone: "America/Bogota".to_owned(),
        created_at: now,
    };
    assert_eq!(stores.catalogue.create_store(store.clone(), None).await.unwrap(), Created::Fresh);
    let product = ProductRow {
        id: ProductId(Uuid::now_v7()),
        store_id: store.id,
        name: "Thing".to_owned(),
        description: String::new(),
        price,
        image_url: None,
        available: true,
        created_at: now,
    };
    assert_eq!(stores.catalogue.create_product(product.clone(), None).await.unwrap(), Created::Fresh);
    let record = PromotionRecord {
        id: PromotionId(Uuid::now_v7()),
        series_id: None,
        store: StoreCopy { id: store.id, name: store.name, location: place },
        product: ProductCopy { id: product.id, name: product.name, image_url: None },
        terms: Terms {
            price,
            original_price: price,
            stock: 5,
            per_shopper_limit: None,
            starts_at: now.plus_ms(60_000),
            ends_at: now.plus_ms(180_000),
            reach_m: 5_000,
            claim_within_m: None,
            hold_seconds: 60,
            segments: Segments::default(),
            category: None,
        },
        counters: Counters { status: Status::Scheduled, v: 1, decided_at: now, ..Counters::default() },
        created_at: now,
    };
    let id = EventId(Uuid::now_v7());
    let event = OutboxEvent { id, promotion_id: record.id, v: 1, event: Event::Launched, created_at: now };
    let created = stores.catalogue.create_promotion(record.clone(), None, vec![event], None).await;
    assert_eq!(created.unwrap(), Created::Fresh);
    record
}

async fn until(what: &str, mut done: impl AsyncFnMut() -> bool) {
    let end = Instant::now() + PATIENCE;
    while !done().await {
        assert!(Instant::now() < end, "never: {what}");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

/// The jobs are the safety net of the timers: without those, they alone start and end a sale.
#[test]
fn jobs_alone_start_and_end_sales() {
    actix_rt::System::new().block_on(async {
        let directory = tempfile::tempdir().unwrap();
        let stores = Stores::open(&DatabaseUrl::Sqlite(directory.path().join("t.db"))).await.unwrap();
        stores.migrate().await.unwrap();
        let clock = Arc::new(HandClock { origin: SystemClock::new().now(), added_ms: AtomicI64::new(0) });
        let sale = sale(&stores, clock.now().wall).await;
        let mint: Arc<dyn Mint> = Arc::new(SystemMint);
        let engine = Engine::start(EngineParts {
            store: stores.store.clone(),
            accounts: stores.accounts.clone(),
            feed: Arc::new(NoFeed),
            clock: clock.clone(),
            mint: mint.clone(),
            promotions: Arbiter::current(),
            persistence: Arbiter::current(),
            timers: false,
        });
        let parts = JobParts {
            engine: Some(engine.clone()),
            catalogue: stores.catalogue.clone(),
            inbox: stores.inbox.clone(),
            webhooks: stores.webhooks.clone(),
            ending_soon_ms: 600_000,
            accounts: stores.accounts.clone(),
            log: stores.jobs.clone(),
            counts: Arc::default(),
            clock: clock.clone(),
            mint,
        };
        let status = async || stores.store.peek(sale.id).await.unwrap().unwrap().counters.status;
        let check = async || jobs::run(&parts, Job::Check, 60_000).await.unwrap();

        assert_eq!(check().await, Turn::Yours);
        assert!(matches!(check().await, Turn::NotBefore(_)), "once per period");
        assert_eq!(status().await, Status::Scheduled);
        clock.add_ms(61_000);
        assert_eq!(check().await, Turn::Yours);
        until("the sale starts", async || status().await == Status::Live).await;
        // Three periods are missed: one run makes up for them.
        clock.add_ms(180_000);
        assert_eq!(check().await, Turn::Yours);
        until("the sale ends", async || status().await == Status::Ended).await;
        assert!(matches!(check().await, Turn::NotBefore(_)));

        let events = stores.store.outbox_waiting(100).await.unwrap();
        let events: Vec<_> = events.into_iter().map(|event| (event.v, event.event)).collect();
        assert_eq!(events, [(1, Event::Launched), (2, Event::Started), (3, Event::Ended)]);
        let runs = stores.jobs.recent(10).await.unwrap();
        assert_eq!(runs.iter().filter(|run| run.ok && run.name == "check").count(), 3);
        engine.close().await;
        stores.close().await;
    });
}

/// A server's jobs go on period after period, its outbox is emptied, and `job run` runs one beside it.
#[tokio::test(flavor = "multi_thread")]
async fn jobs_go_on_and_run_by_hand() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("t.db");
    let database = format!("sqlite:{}", file.display());
    let mut serve = command(&["serve"], &database, directory.path());
    serve.env("FLASH_CHECK_SECONDS", "1");
    let server = Server::spawn(serve);
    let shop = server.shop().await;
    server.launch(&shop, serde_json::json!({})).await;
    let stores = Stores::open(&DatabaseUrl::Sqlite(file)).await.unwrap();
    let runs = async |name: &str| {
        let all = stores.jobs.recent(100).await.unwrap();
        all.into_iter().filter(|run| run.ok && run.name == name).count()
    };
    until("the check runs three times", async || runs("check").await >= 3).await;
    until("the outbox is empty", async || stores.store.outbox_waiting(1).await.unwrap().is_empty()).await;
    let before = runs("cleanup").await;
    let output = command(&["job", "run", "cleanup"], &database, directory.path()).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    assert!(String::from_utf8_lossy(&output.stdout).starts_with("cleanup: "));
    assert_eq!(runs("cleanup").await, before + 1);
    let output = command(&["job", "run", "dishes"], &database, directory.path()).output().unwrap();
    assert!(!output.status.success());
    stores.close().await;
}
