//! A catalogue with one daily series, and the jobs' diary. Creating an occurrence puts it into the staged store, once per
//! local date, as the stores' unique index has it.

use crate::stage::Gated;
use flash_actors::ports::catalogue::*;
use flash_actors::ports::inbox::*;
use flash_actors::ports::jobs::{Bid, JobLog, JobRun, Turn};
use flash_actors::ports::store::OutboxEvent;
use flash_actors::ports::webhooks::*;
use flash_actors::ports::{Answer, KeyUse, Page, PortError};
use flash_domain::claim::Claim;
use flash_domain::ids::*;
use flash_domain::notice::{Notice, NoticeKind};
use flash_domain::promotion::PromotionRecord;
use flash_domain::series::DailyWindow;
use flash_domain::time::{Now, UnixMillis};
use std::sync::{Arc, Mutex};
use uuid::Uuid;

type Ask<'a, T> = Answer<'a, Result<T, PortError>>;

/// The catalogue.
pub struct Shelf {
    store: Arc<Gated>,
    window: DailyWindow,
    made: Mutex<Vec<(PromotionRecord, String)>>,
}

impl Shelf {
    pub fn new(store: Arc<Gated>, window: DailyWindow) -> Self {
        Self { store, window, made: Mutex::default() }
    }

    /// Occurrences, in the order in which they were made.
    pub fn made(&self) -> Vec<(PromotionRecord, String)> {
        self.made.lock().unwrap().clone()
    }

    fn template(&self) -> PromotionRecord {
        crate::sim::promotion(0, Now::new(0, 0), 0, 1, 5, 60, None)
    }

    fn row(&self) -> SeriesRow {
        let template = self.template();
        let made = self.made.lock().unwrap();
        SeriesRow {
            id: SeriesId(Uuid::from_u128(70)),
            store_id: template.store.id,
            product_id: template.product.id,
            terms: template.terms,
            window: self.window.clone(),
            last_date: made.iter().map(|(_, date)| date.clone()).max(),
            cancelled: false,
            created_at: UnixMillis(0),
        }
    }
}

/// Methods that no job asks for.
macro_rules! nobody_asks {
    ($($name:ident($($type:ty),*) -> $answer:ty;)*) => {$(
        fn $name(&self, $(_: $type),*) -> Ask<'_, $answer> {
            Box::pin(async { Err(PortError::Broken("not staged".into())) })
        }
    )*};
}

impl Catalogue for Shelf {
    fn store(&self, id: StoreId) -> Ask<'_, Option<StoreRow>> {
        let copy = self.template().store;
        let row = StoreRow {
            id,
            owner_id: UserId(Uuid::from_u128(80)),
            name: copy.name,
            address: String::new(),
            location: copy.location,
            timezone: "Europe/Berlin".into(),
            created_at: UnixMillis(0),
        };
        Box::pin(async { Ok(Some(row)) })
    }

    fn product(&self, id: ProductId) -> Ask<'_, Option<ProductRow>> {
        let template = self.template();
        let row = ProductRow {
            id,
            store_id: template.store.id,
            name: template.product.name,
            description: String::new(),
            price: template.terms.original_price,
            image_url: None,
            available: true,
            created_at: UnixMillis(0),
        };
        Box::pin(async { Ok(Some(row)) })
    }

    fn running_series(&self, after: Option<SeriesId>, _: u32) -> Ask<'_, Vec<SeriesRow>> {
        let page = if after.is_none() { vec![self.row()] } else { vec![] };
        Box::pin(async {
            // Others run between the look and what follows from it.
            tokio::task::yield_now().await;
            Ok(page)
        })
    }

    fn create_promotion(
        &self,
        record: PromotionRecord,
        date: Option<String>,
        _: Vec<OutboxEvent>,
        _: Option<KeyUse>,
    ) -> Ask<'_, Created> {
        let date = date.unwrap();
        let mut made = self.made.lock().unwrap();
        let created = if made.iter().any(|(_, known)| *known == date) {
            Created::Conflict
        } else {
            self.store.insert(record.clone());
            made.push((record, date));
            Created::Fresh
        };
        Box::pin(async { Ok(created) })
    }

    fn key_use<'a>(&'a self, _: UserId, _: &'a str, _: &'a str) -> Ask<'a, Option<KeyUse>> {
        Box::pin(async { Ok(None) })
    }

    fn claim_by_code<'a>(&'a self, _: StoreId, _: &'a str, _: UnixMillis) -> Ask<'a, Option<Claim>> {
        Box::pin(async { Ok(None) })
    }

    nobody_asks! {
        purge_keys(UnixMillis) -> u64;
        create_store(StoreRow, Option<KeyUse>) -> Created;
        stores(Option<StoreId>, u32) -> Page<OwnedStore>;
        stores_of(UserId, Option<StoreId>, u32) -> Page<(StoreRow, StaffRole)>;
        followed_by(UserId, Option<StoreId>, u32) -> Page<StoreRow>;
        update_store(StoreId, StorePatch) -> Option<StoreRow>;
        delete_store(StoreId, UnixMillis) -> bool;
        role_at(StoreId, UserId) -> Option<StaffRole>;
        staff(StoreId) -> Vec<StaffRow>;
        put_staff(StoreId, UserId, StaffRole) -> bool;
        remove_staff(StoreId, UserId) -> bool;
        follow(StoreId, UserId, bool, UnixMillis) -> bool;
        create_product(ProductRow, Option<KeyUse>) -> Created;
        products(StoreId, Option<ProductId>, u32) -> Page<ProductRow>;
        update_product(ProductId, ProductPatch) -> Option<ProductRow>;
        delete_product(ProductId) -> bool;
        create_series(SeriesRow, Option<(PromotionRecord, String)>, Vec<OutboxEvent>, Option<KeyUse>) -> Created;
        series(SeriesId) -> Option<SeriesRow>;
        update_series(SeriesRow) -> bool;
        last_date_but(SeriesId, PromotionId) -> Option<String>;
        move_occurrence(SeriesId, PromotionId, String) -> bool;
        delete_draft(PromotionId) -> bool;
        promotion(PromotionId) -> Option<PromotionRecord>;
        promotions(PromotionFilter, UnixMillis, Option<PromotionId>, u32) -> Page<PromotionRecord>;
        promotions_around(PromotionFilter, Around, UnixMillis, u32) -> Page<Near>;
        claim(ClaimId) -> Option<Claim>;
        claims_of(UserId, Option<String>, Option<ClaimId>, u32) -> Page<Claim>;
        open_claims(UserId, u32) -> Vec<Claim>;
        claims_on(PromotionId, Order, Option<ClaimId>, u32) -> Page<(Claim, String)>;
        claim_counts(PromotionId) -> Vec<StatusCount>;
    }
}

/// What the jobs have written down.
#[derive(Default)]
pub struct Diary(Mutex<Vec<JobRun>>);

impl Diary {
    pub fn runs(&self) -> Vec<JobRun> {
        self.0.lock().unwrap().clone()
    }
}

/// Nobody is to be told of anything.
pub struct Silence;

impl Inbox for Silence {
    nobody_asks! {
        take_in(Vec<Notice>) -> u64;
        latest_notice(PromotionId, NoticeKind) -> Option<UnixMillis>;
        lease(UnixMillis, UnixMillis) -> Option<Work>;
        forget_leases() -> ();
        abandon(EventId, UnixMillis) -> ();
        audience(AudienceAsk) -> Vec<Candidate>;
        deliver(Told) -> Option<Vec<UserId>>;
        items(UserId, bool, Option<EventId>, u32) -> Page<InboxItem>;
        unread(UserId) -> u64;
        mark_read(UserId, ReadWhich, UnixMillis) -> ();
        device_with(UserId, String) -> Option<Uuid>;
        register_device(Device, Option<KeyUse>) -> Created;
        remove_device(UserId, Uuid) -> bool;
        pushes_due(UnixMillis, UnixMillis, u32) -> Vec<Push>;
        push_done(EventId, Uuid, Option<String>, PushOutcome, UnixMillis) -> ();
        delivery_stats(Option<StoreId>, UnixMillis) -> DeliveryStats;
        warn_of_ends(UnixMillis, UnixMillis) -> u64;
        purge_notices(UnixMillis, u32) -> u64;
        backfill_cells(u32) -> u64;
    }
}

impl Webhooks for Silence {
    nobody_asks! {
        add_webhook(Webhook, u32, Option<KeyUse>) -> Created;
        webhooks(StoreId) -> Vec<Webhook>;
        remove_webhook(StoreId, Uuid) -> bool;
        rotate_secret(StoreId, Uuid, String, UnixMillis) -> bool;
        listeners(Vec<PromotionId>) -> Vec<(PromotionId, Webhook)>;
        enqueue(Vec<NewMessage>) -> u64;
        messages_due(UnixMillis, UnixMillis, u32) -> Vec<DueMessage>;
        settle_message(Uuid, EventId, Outcome, String, UnixMillis) -> ();
        messages(Uuid, Option<EventId>, u32) -> Page<MessageState>;
        replay(Uuid, EventId, UnixMillis) -> bool;
        purge_messages(UnixMillis) -> u64;
    }
}

impl JobLog for Diary {
    fn begin(&self, _: Bid) -> Ask<'_, Turn> {
        Box::pin(async { Ok(Turn::Yours) })
    }
    fn renew(&self, _: String, _: Uuid, _: UnixMillis) -> Ask<'_, bool> {
        Box::pin(async { Ok(true) })
    }
    fn end(&self, _: String, _: Uuid) -> Ask<'_, ()> {
        Box::pin(async { Ok(()) })
    }
    fn record(&self, run: JobRun) -> Ask<'_, ()> {
        self.0.lock().unwrap().push(run);
        Box::pin(async { Ok(()) })
    }
    fn recent(&self, _: u32) -> Ask<'_, Vec<JobRun>> {
        Box::pin(async { Ok(vec![]) })
    }
    fn purge(&self, _: UnixMillis) -> Ask<'_, u64> {
        Box::pin(async { Ok(0) })
    }
}
