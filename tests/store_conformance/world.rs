//! A small world to test in: a merchant with a store and a product, and promotions, claims and commits made to order.

use flash_actors::ports::accounts::{Role, User};
use flash_actors::ports::catalogue::{Created, ProductRow, StoreRow};
use flash_actors::ports::store::{Commit, OutboxEvent};
use flash_domain::claim::{Claim, ClaimStatus};
use flash_domain::event::Event;
use flash_domain::geo::Location;
use flash_domain::ids::*;
use flash_domain::money::Money;
use flash_domain::promotion::{Counters, ProductCopy, PromotionRecord, Status, StoreCopy};
use flash_domain::segment::Segments;
use flash_domain::terms::Terms;
use flash_domain::time::UnixMillis;
use flash_promos::adapters::Stores;
use uuid::Uuid;

/// The moment at which these tests play.
pub const NOW: UnixMillis = UnixMillis(1_795_000_000_000);

/// The moment `ms` after [`NOW`].
pub fn later(ms: i64) -> UnixMillis {
    UnixMillis(NOW.0 + ms)
}

pub fn user(role: Role) -> User {
    let id = UserId(Uuid::now_v7());
    User {
        id,
        email: format!("{id}@example.com"),
        display_name: "Ana María Ñ".to_owned(),
        role,
        language: "es".to_owned(),
        phone: None,
        notification_preferences: r#"{"push":true}"#.to_owned(),
        last_location: None,
        created_at: NOW,
    }
}

pub fn money(amount: i64) -> Money {
    Money { amount, currency: "COP".parse().unwrap() }
}

pub fn medellin() -> Location {
    Location::new(6.2442, -75.5812).unwrap()
}

/// A merchant, their store and one product, all stored.
pub struct World {
    pub stores: Stores,
    pub owner: User,
    pub store: StoreRow,
    pub product: ProductRow,
}

impl World {
    pub async fn new(stores: Stores) -> Self {
        let owner = user(Role::Merchant);
        assert!(stores.accounts.register(owner.clone(), "hash".to_owned()).await.unwrap());
        let store = store_of(&owner);
        assert_eq!(stores.catalogue.create_store(store.clone(), None).await.unwrap(), Created::Fresh);
        let product = product_of(&store);
        assert_eq!(stores.catalogue.create_product(product.clone(), None).await.unwrap(), Created::Fresh);
        Self { stores, owner, store, product }
    }

    /// A shopper who is registered.
    pub async fn shopper(&self) -> UserId {
        let shopper = user(Role::Shopper);
        assert!(self.stores.accounts.register(shopper.clone(), "hash".to_owned()).await.unwrap());
        shopper.id
    }

    pub fn record(&self, status: Status, stock: u32) -> PromotionRecord {
        PromotionRecord {
            id: PromotionId(Uuid::now_v7()),
            series_id: None,
            store: StoreCopy {
                id: self.store.id,
                name: self.store.name.clone(),
                location: self.store.location,
            },
            product: ProductCopy {
                id: self.product.id,
                name: self.product.name.clone(),
                image_url: self.product.image_url.clone(),
            },
            terms: terms(stock),
            counters: Counters { status, held: 0, sold: 0, v: 1, decided_at: NOW, withdrawn: false },
            created_at: NOW,
        }
    }

    /// A live promotion that is stored, of which one shopper may have as many units as they like.
    pub async fn live(&self, stock: u32) -> PromotionRecord {
        let mut record = self.record(Status::Live, stock);
        record.terms.per_shopper_limit = None;
        self.stored(record).await
    }

    pub async fn stored(&self, record: PromotionRecord) -> PromotionRecord {
        let created = self.stores.catalogue.create_promotion(record.clone(), None, Vec::new(), None).await;
        assert_eq!(created.unwrap(), Created::Fresh);
        record
    }
}

pub fn store_of(owner: &User) -> StoreRow {
    StoreRow {
        id: StoreId(Uuid::now_v7()),
        owner_id: owner.id,
        name: "Panadería 50 % “El Sol”".to_owned(),
        address: "Carrera 43A #1-50".to_owned(),
        location: medellin(),
        timezone: "America/Bogota".to_owned(),
        created_at: NOW,
    }
}

pub fn product_of(store: &StoreRow) -> ProductRow {
    ProductRow {
        id: ProductId(Uuid::now_v7()),
        store_id: store.id,
        name: "Pan de bono".to_owned(),
        description: "Recién horneado".to_owned(),
        price: money(5_000),
        image_url: Some("https://example.com/pan.jpg".to_owned()),
        available: true,
        created_at: NOW,
    }
}

pub fn terms(stock: u32) -> Terms {
    Terms {
        price: money(2_500),
        original_price: money(5_000),
        stock,
        per_shopper_limit: Some(3),
        starts_at: later(-1_000),
        ends_at: later(3_600_000),
        reach_m: 5_000,
        claim_within_m: Some(2_000),
        hold_seconds: 60,
        segments: Segments::from_bits(0),
        category: Some("food".to_owned()),
    }
}

pub fn held(record: &PromotionRecord, user: UserId) -> Claim {
    let id = ClaimId(Uuid::now_v7());
    let text = id.0.simple().to_string();
    Claim {
        id,
        promotion_id: record.id,
        store_id: record.store.id,
        user_id: user,
        status: ClaimStatus::Held,
        quantity: 1,
        unit_price: record.terms.price,
        hold_expires_at: Some(later(60_000)),
        redemption_code: code_of(id).into(),
        idempotency_key: text.into(),
        first_v: 2,
        v: 2,
        created_at: NOW,
        confirmed_at: None,
        closed_at: None,
    }
}

/// The code of a claim, made at the moment that its id begins with.
fn code_of(id: ClaimId) -> String {
    let bits = id.0.as_u128();
    flash_domain::code::compose(UnixMillis((bits >> 80) as i64), bits as u32)
}

pub fn confirmed(mut claim: Claim, at: UnixMillis) -> Claim {
    claim.status = ClaimStatus::Confirmed;
    claim.confirmed_at = Some(at);
    claim.v += 1;
    claim
}

pub fn event(promotion: PromotionId, v: u64, event: Event) -> OutboxEvent {
    OutboxEvent { id: EventId(Uuid::now_v7()), promotion_id: promotion, v, event, created_at: NOW }
}

/// The commit number `seq` of an owner with `epoch`, whose counters count `claims` alone.
pub fn commit(record: &PromotionRecord, epoch: i64, seq: i64, claims: Vec<Claim>) -> Commit {
    let units = |wanted: &[ClaimStatus]| {
        claims.iter().filter(|claim| wanted.contains(&claim.status)).map(|claim| claim.quantity).sum()
    };
    Commit {
        promotion_id: record.id,
        epoch,
        base_seq: seq - 1,
        seq,
        counters: Counters {
            held: units(&[ClaimStatus::Held]),
            sold: units(&[ClaimStatus::Confirmed, ClaimStatus::Redeemed]),
            v: seq as u64 + 1,
            decided_at: later(seq),
            ..record.counters
        },
        terms: None,
        claims,
        events: Vec::new(),
    }
}
