//! Stores, their people, products, series and promotions as documents: what no actor owns.
//!
//! Creating a promotion writes its first record (epoch 0, `commit_seq` 0); from then on only its owner changes it,
//! through `store::Store`. Records read here are durable ones; the reader applies [`PromotionRecord::at`].

use super::{Answer, KeyUse, Page, PortError};
use flash_domain::claim::{Claim, ClaimStatus};
use flash_domain::geo::Location;
use flash_domain::ids::{ClaimId, ProductId, PromotionId, SeriesId, StoreId, UserId};
use flash_domain::money::Money;
use flash_domain::promotion::{PromotionRecord, Status};
use flash_domain::series::DailyWindow;
use flash_domain::terms::Terms;
use flash_domain::time::UnixMillis;
use serde::{Deserialize, Serialize};

/// A merchant's place.
#[derive(Clone, Debug, PartialEq)]
pub struct StoreRow {
    /// The id.
    pub id: StoreId,
    /// Whose it is.
    pub owner_id: UserId,
    /// Its name.
    pub name: String,
    /// Its address.
    pub address: String,
    /// Where it is.
    pub location: Location,
    /// Its IANA time zone.
    pub timezone: String,
    /// When it was made.
    pub created_at: UnixMillis,
}

/// A change of a store.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct StorePatch {
    /// New name.
    pub name: Option<String>,
    /// New address.
    pub address: Option<String>,
    /// New place; running promotions keep theirs.
    pub location: Option<Location>,
    /// New time zone.
    pub timezone: Option<String>,
}

/// A thing that a store sells.
#[derive(Clone, Debug, PartialEq)]
pub struct ProductRow {
    /// The id.
    pub id: ProductId,
    /// Whose it is.
    pub store_id: StoreId,
    /// Its name.
    pub name: String,
    /// What it is.
    pub description: String,
    /// Its ordinary price.
    pub price: Money,
    /// A picture.
    pub image_url: Option<String>,
    /// Whether it can be put on sale.
    pub available: bool,
    /// When it was made.
    pub created_at: UnixMillis,
}

/// A change of a product.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ProductPatch {
    /// New name.
    pub name: Option<String>,
    /// New description.
    pub description: Option<String>,
    /// New price; running promotions keep theirs.
    pub price: Option<Money>,
    /// New picture (`Some(None)` = none).
    pub image_url: Option<Option<String>>,
    /// New availability.
    pub available: Option<bool>,
}

/// What a person may do at a store.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum StaffRole {
    /// Owns the store (not stored as staff).
    Owner,
    /// Everything but deleting the store and naming staff.
    Manager,
    /// Redeems and looks.
    Clerk,
}

impl StaffRole {
    /// The stored and JSON form.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Owner => "owner",
            Self::Manager => "manager",
            Self::Clerk => "clerk",
        }
    }

    /// The role from its stored form.
    pub fn parse(text: &str) -> Option<Self> {
        match text {
            "owner" => Some(Self::Owner),
            "manager" => Some(Self::Manager),
            "clerk" => Some(Self::Clerk),
            _ => None,
        }
    }
}

/// A person's place at a store.
#[derive(Clone, Debug, PartialEq)]
pub struct StaffRow {
    /// Who.
    pub user_id: UserId,
    /// Their display name.
    pub display_name: String,
    /// What they may do.
    pub role: StaffRole,
}

/// A daily recurring promotion: the terms of each occurrence (window aside) and the daily window.
#[derive(Clone, Debug, PartialEq)]
pub struct SeriesRow {
    /// The id.
    pub id: SeriesId,
    /// Whose it is.
    pub store_id: StoreId,
    /// What it sells.
    pub product_id: ProductId,
    /// The terms of an occurrence; `starts_at` and `ends_at` are 0 here.
    pub terms: Terms,
    /// When each day.
    pub window: DailyWindow,
    /// The local date (`YYYY-MM-DD`) of the last occurrence that was made.
    pub last_date: Option<String>,
    /// Whether it was called off.
    pub cancelled: bool,
    /// When it was made.
    pub created_at: UnixMillis,
}

/// The order of a list by when its items were made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Order {
    /// Oldest first.
    Oldest,
    /// Newest first.
    Newest,
}

/// How many claims, and units in them, a promotion has in one status.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct StatusCount {
    /// The status.
    pub status: ClaimStatus,
    /// Claims.
    pub claims: u64,
    /// Units.
    pub units: u64,
}

/// What became of creating something with a key.
#[derive(Clone, Debug, PartialEq)]
pub enum Created {
    /// It is there now.
    Fresh,
    /// The key was used before: this is that use. Nothing was created.
    Before(KeyUse),
    /// What it hangs on (store, product, series date) is gone, or the occurrence exists already. Nothing was created.
    Conflict,
}

/// Which promotions to list.
#[derive(Clone, Debug, Default)]
pub struct PromotionFilter {
    /// Only of this store.
    pub store_id: Option<StoreId>,
    /// Only occurrences of this series.
    pub series_id: Option<SeriesId>,
    /// Only in this state at `now`.
    pub status: Option<Status>,
    /// Only with this category.
    pub category: Option<String>,
    /// Only whose product or store name contains this, case-insensitively.
    pub text: Option<String>,
    /// Whether to include drafts (the caller may see them); otherwise none are listed.
    pub drafts: bool,
    /// Leave out what has ended or was cancelled (unless `status` asks for it).
    pub current_only: bool,
}

/// A place in a list that is sorted by distance: millimetres, then the promotion's id.
pub type NearPlace = (u64, uuid::Uuid);

/// A search around a point.
#[derive(Clone, Debug)]
pub struct Around {
    /// The point.
    pub point: Location,
    /// Metres; a promotion with a smaller reach is found within that only.
    pub radius_m: f64,
    /// Only what comes after this place: where the last page ended.
    pub after: Option<NearPlace>,
}

/// A promotion and where it stands in the list.
#[derive(Clone, Debug, PartialEq)]
pub struct Near {
    /// Distance and id.
    pub place: NearPlace,
    /// The durable record.
    pub record: PromotionRecord,
}

/// A store with its owner's display name; none once they are forgotten.
pub type OwnedStore = (StoreRow, Option<String>);

/// Promotion documents, claims as lists, and everything around them.
pub trait Catalogue: Send + Sync + 'static {
    /// The use of a key, if there was one.
    fn key_use<'a>(
        &'a self,
        user: UserId,
        route: &'a str,
        key: &'a str,
    ) -> Answer<'a, Result<Option<KeyUse>, PortError>>;
    /// Forgets key uses older than `before`; says how many.
    fn purge_keys(&self, before: UnixMillis) -> Answer<'_, Result<u64, PortError>>;

    /// Opens a store; a conflict if its owner is not there (any more).
    fn create_store(&self, store: StoreRow, key: Option<KeyUse>) -> Answer<'_, Result<Created, PortError>>;
    /// A store that is not deleted.
    fn store(&self, id: StoreId) -> Answer<'_, Result<Option<StoreRow>, PortError>>;
    /// Stores that a person owns or works at, by id after `after`, with their role there.
    fn stores_of(
        &self,
        user: UserId,
        after: Option<StoreId>,
        limit: u32,
    ) -> Answer<'_, Result<Page<(StoreRow, StaffRole)>, PortError>>;
    /// Every store that is not deleted, by id after `after`.
    fn stores(&self, after: Option<StoreId>, limit: u32) -> Answer<'_, Result<Page<OwnedStore>, PortError>>;
    /// Stores that a person follows.
    fn followed_by(
        &self,
        user: UserId,
        after: Option<StoreId>,
        limit: u32,
    ) -> Answer<'_, Result<Page<StoreRow>, PortError>>;
    /// Changes a store.
    fn update_store(&self, id: StoreId, patch: StorePatch)
    -> Answer<'_, Result<Option<StoreRow>, PortError>>;
    /// Deletes a store (it is hidden, its history stays). `Ok(false)` while it has promotions that are scheduled, live
    /// or paused at `now`, or a series that is not cancelled.
    fn delete_store(&self, id: StoreId, now: UnixMillis) -> Answer<'_, Result<bool, PortError>>;
    /// What a person may do at a store; `None` = nothing more than anybody.
    fn role_at(&self, store: StoreId, user: UserId) -> Answer<'_, Result<Option<StaffRole>, PortError>>;
    /// A store's staff, the owner first.
    fn staff(&self, store: StoreId) -> Answer<'_, Result<Vec<StaffRow>, PortError>>;
    /// Names a member of staff or changes their role. `Ok(false)` if there is no such person.
    fn put_staff(&self, store: StoreId, user: UserId, role: StaffRole)
    -> Answer<'_, Result<bool, PortError>>;
    /// Removes a member of staff; says whether they were.
    fn remove_staff(&self, store: StoreId, user: UserId) -> Answer<'_, Result<bool, PortError>>;
    /// Follows or unfollows; says whether that changed anything.
    fn follow(
        &self,
        store: StoreId,
        user: UserId,
        follows: bool,
        at: UnixMillis,
    ) -> Answer<'_, Result<bool, PortError>>;

    /// Adds a product.
    fn create_product(
        &self,
        product: ProductRow,
        key: Option<KeyUse>,
    ) -> Answer<'_, Result<Created, PortError>>;
    /// A product that is not deleted.
    fn product(&self, id: ProductId) -> Answer<'_, Result<Option<ProductRow>, PortError>>;
    /// A store's products by id after `after`.
    fn products(
        &self,
        store: StoreId,
        after: Option<ProductId>,
        limit: u32,
    ) -> Answer<'_, Result<Page<ProductRow>, PortError>>;
    /// Changes a product.
    fn update_product(
        &self,
        id: ProductId,
        patch: ProductPatch,
    ) -> Answer<'_, Result<Option<ProductRow>, PortError>>;
    /// Deletes a product (hidden, history stays); says whether it was there.
    fn delete_product(&self, id: ProductId) -> Answer<'_, Result<bool, PortError>>;

    /// Writes a promotion's first record with its `Launched` event unless it is a draft (the adapter gets the event in `events`). An occurrence of a
    /// series also moves the series' `last_date` to `series_date`, which is unique per series; it is a conflict if the
    /// series was cancelled or edited meanwhile, so that it would not have this occurrence any more.
    fn create_promotion(
        &self,
        record: PromotionRecord,
        series_date: Option<String>,
        events: Vec<super::store::OutboxEvent>,
        key: Option<KeyUse>,
    ) -> Answer<'_, Result<Created, PortError>>;
    /// Writes a series and its first occurrence (if one is due to be made) in one transaction.
    fn create_series(
        &self,
        series: SeriesRow,
        first: Option<(PromotionRecord, String)>,
        events: Vec<super::store::OutboxEvent>,
        key: Option<KeyUse>,
    ) -> Answer<'_, Result<Created, PortError>>;
    /// A series.
    fn series(&self, id: SeriesId) -> Answer<'_, Result<Option<SeriesRow>, PortError>>;
    /// Replaces terms and window of a series (future occurrences), or cancels it.
    fn update_series(&self, series: SeriesRow) -> Answer<'_, Result<bool, PortError>>;
    /// The latest local date that a series has an occurrence on, another than this one's.
    fn last_date_but(
        &self,
        series: SeriesId,
        promotion: PromotionId,
    ) -> Answer<'_, Result<Option<String>, PortError>>;
    /// Moves an occurrence to another local date, which is the series' last one from then on; `Ok(false)` if it is no
    /// occurrence of that series.
    fn move_occurrence(
        &self,
        series: SeriesId,
        promotion: PromotionId,
        date: String,
    ) -> Answer<'_, Result<bool, PortError>>;
    /// Series that are not cancelled and may need their next occurrence, by id after `after`.
    fn running_series(
        &self,
        after: Option<SeriesId>,
        limit: u32,
    ) -> Answer<'_, Result<Vec<SeriesRow>, PortError>>;
    /// Deletes a draft; `Ok(false)` if it is not a draft (any more).
    fn delete_draft(&self, id: PromotionId) -> Answer<'_, Result<bool, PortError>>;
    /// A promotion's durable record.
    fn promotion(&self, id: PromotionId) -> Answer<'_, Result<Option<PromotionRecord>, PortError>>;
    /// Promotions by descending id (newest first) before `before`; states are those at `now`.
    fn promotions(
        &self,
        filter: PromotionFilter,
        now: UnixMillis,
        before: Option<PromotionId>,
        limit: u32,
    ) -> Answer<'_, Result<Page<PromotionRecord>, PortError>>;
    /// Promotions around a point, nearest first, however many there are: what is within the radius and within its own
    /// reach (great circles, bounds included). States are those at `now`.
    fn promotions_around(
        &self,
        filter: PromotionFilter,
        around: Around,
        now: UnixMillis,
        limit: u32,
    ) -> Answer<'_, Result<Page<Near>, PortError>>;

    /// A claim.
    fn claim(&self, id: ClaimId) -> Answer<'_, Result<Option<Claim>, PortError>>;
    /// A shopper's claims, newest first, before `before`; only the one with this key if given.
    fn claims_of(
        &self,
        user: UserId,
        key: Option<String>,
        before: Option<ClaimId>,
        limit: u32,
    ) -> Answer<'_, Result<Page<Claim>, PortError>>;
    /// A shopper's claims that are held or confirmed, newest first, at most `limit`.
    fn open_claims(&self, user: UserId, limit: u32) -> Answer<'_, Result<Vec<Claim>, PortError>>;
    /// A promotion's claims with the shoppers' display names, in this order, after `after` as the order goes.
    fn claims_on(
        &self,
        promotion: PromotionId,
        order: Order,
        after: Option<ClaimId>,
        limit: u32,
    ) -> Answer<'_, Result<Page<(Claim, String)>, PortError>>;
    /// How many claims and units a promotion has per status.
    fn claim_counts(&self, promotion: PromotionId) -> Answer<'_, Result<Vec<StatusCount>, PortError>>;
    /// The claim of a store with this redemption code (see [`flash_domain::code`]), made in the last two years.
    fn claim_by_code<'a>(
        &'a self,
        store: StoreId,
        code: &'a str,
        now: UnixMillis,
    ) -> Answer<'a, Result<Option<Claim>, PortError>>;
}
