//! The catalogue port: each method is one function of `places.rs`, `promotions.rs` or `keys.rs`. Compiled once per
//! driver.

use super::Adapter;
use flash_actors::ports::catalogue::*;
use flash_actors::ports::store::OutboxEvent;
use flash_actors::ports::{Answer, KeyUse, Page, PortError};
use flash_domain::claim::Claim;
use flash_domain::ids::*;
use flash_domain::promotion::PromotionRecord;
use flash_domain::time::UnixMillis;
use std::time::{SystemTime, UNIX_EPOCH};

type Ask<'a, T> = Answer<'a, Result<T, PortError>>;

impl Catalogue for Adapter {
    fn key_use<'a>(&'a self, user: UserId, route: &'a str, key: &'a str) -> Ask<'a, Option<KeyUse>> {
        Box::pin(self.fetch_key(user, route, key))
    }

    fn purge_keys(&self, before: UnixMillis) -> Ask<'_, u64> {
        Box::pin(self.delete_keys(before))
    }

    fn create_store(&self, store: StoreRow, key: Option<KeyUse>) -> Ask<'_, Created> {
        Box::pin(self.insert_store(store, key))
    }

    fn store(&self, id: StoreId) -> Ask<'_, Option<StoreRow>> {
        Box::pin(self.fetch_store(id))
    }

    fn stores_of(
        &self,
        user: UserId,
        after: Option<StoreId>,
        limit: u32,
    ) -> Ask<'_, Page<(StoreRow, StaffRole)>> {
        Box::pin(self.fetch_stores_of(user, after, limit))
    }

    fn stores(&self, after: Option<StoreId>, limit: u32) -> Ask<'_, Page<OwnedStore>> {
        Box::pin(self.fetch_stores(after, limit))
    }

    fn followed_by(&self, user: UserId, after: Option<StoreId>, limit: u32) -> Ask<'_, Page<StoreRow>> {
        Box::pin(self.fetch_followed(user, after, limit))
    }

    fn update_store(&self, id: StoreId, patch: StorePatch) -> Ask<'_, Option<StoreRow>> {
        Box::pin(self.change_store(id, patch))
    }

    fn delete_store(&self, id: StoreId, now: UnixMillis) -> Ask<'_, bool> {
        Box::pin(self.hide_store(id, now))
    }

    fn role_at(&self, store: StoreId, user: UserId) -> Ask<'_, Option<StaffRole>> {
        Box::pin(self.fetch_role(store, user))
    }

    fn staff(&self, store: StoreId) -> Ask<'_, Vec<StaffRow>> {
        Box::pin(self.fetch_staff(store))
    }

    fn put_staff(&self, store: StoreId, user: UserId, role: StaffRole) -> Ask<'_, bool> {
        Box::pin(self.set_staff(store, user, role))
    }

    fn remove_staff(&self, store: StoreId, user: UserId) -> Ask<'_, bool> {
        Box::pin(self.drop_staff(store, user))
    }

    fn follow(&self, store: StoreId, user: UserId, follows: bool, at: UnixMillis) -> Ask<'_, bool> {
        Box::pin(self.set_follow(store, user, follows, at))
    }

    fn create_product(&self, product: ProductRow, key: Option<KeyUse>) -> Ask<'_, Created> {
        Box::pin(self.insert_product(product, key))
    }

    fn product(&self, id: ProductId) -> Ask<'_, Option<ProductRow>> {
        Box::pin(self.fetch_product(id))
    }

    fn products(&self, store: StoreId, after: Option<ProductId>, limit: u32) -> Ask<'_, Page<ProductRow>> {
        Box::pin(self.fetch_products(store, after, limit))
    }

    fn update_product(&self, id: ProductId, patch: ProductPatch) -> Ask<'_, Option<ProductRow>> {
        Box::pin(self.change_product(id, patch))
    }

    fn delete_product(&self, id: ProductId) -> Ask<'_, bool> {
        // The time of a deletion is a note for people; nothing is decided by it.
        let at = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_millis() as i64);
        Box::pin(self.hide_product(id, UnixMillis(at)))
    }

    fn create_promotion(
        &self,
        record: PromotionRecord,
        series_date: Option<String>,
        events: Vec<OutboxEvent>,
        key: Option<KeyUse>,
    ) -> Ask<'_, Created> {
        Box::pin(self.insert_launch(record, series_date, events, key))
    }

    fn create_series(
        &self,
        series: SeriesRow,
        first: Option<(PromotionRecord, String)>,
        events: Vec<OutboxEvent>,
        key: Option<KeyUse>,
    ) -> Ask<'_, Created> {
        Box::pin(self.insert_series(series, first, events, key))
    }

    fn series(&self, id: SeriesId) -> Ask<'_, Option<SeriesRow>> {
        Box::pin(self.fetch_series(id))
    }

    fn update_series(&self, series: SeriesRow) -> Ask<'_, bool> {
        Box::pin(self.change_series(series))
    }

    fn last_date_but(&self, series: SeriesId, promotion: PromotionId) -> Ask<'_, Option<String>> {
        Box::pin(self.fetch_last_date_but(series, promotion))
    }

    fn move_occurrence(&self, series: SeriesId, promotion: PromotionId, date: String) -> Ask<'_, bool> {
        Box::pin(async move { self.change_date(series, promotion, &date).await })
    }

    fn running_series(&self, after: Option<SeriesId>, limit: u32) -> Ask<'_, Vec<SeriesRow>> {
        Box::pin(self.fetch_running_series(after, limit))
    }

    fn delete_draft(&self, id: PromotionId) -> Ask<'_, bool> {
        Box::pin(self.drop_draft(id))
    }

    fn promotion(&self, id: PromotionId) -> Ask<'_, Option<PromotionRecord>> {
        Box::pin(self.fetch_promotion(id))
    }

    fn promotions(
        &self,
        filter: PromotionFilter,
        now: UnixMillis,
        before: Option<PromotionId>,
        limit: u32,
    ) -> Ask<'_, Page<PromotionRecord>> {
        Box::pin(self.fetch_promotions(filter, now, before, limit))
    }

    fn promotions_around(
        &self,
        filter: PromotionFilter,
        around: Around,
        now: UnixMillis,
        limit: u32,
    ) -> Ask<'_, Page<Near>> {
        Box::pin(self.fetch_nearest(filter, around, now, limit))
    }

    fn claim(&self, id: ClaimId) -> Ask<'_, Option<Claim>> {
        Box::pin(self.fetch_claim(id))
    }

    fn claims_of(
        &self,
        user: UserId,
        key: Option<String>,
        before: Option<ClaimId>,
        limit: u32,
    ) -> Ask<'_, Page<Claim>> {
        Box::pin(self.fetch_claims_of(user, key, before, limit))
    }

    fn open_claims(&self, user: UserId, limit: u32) -> Ask<'_, Vec<Claim>> {
        Box::pin(self.fetch_open_claims(user, limit))
    }

    fn claims_on(
        &self,
        promotion: PromotionId,
        order: Order,
        after: Option<ClaimId>,
        limit: u32,
    ) -> Ask<'_, Page<(Claim, String)>> {
        Box::pin(self.fetch_claims_on(promotion, order, after, limit))
    }

    fn claim_counts(&self, promotion: PromotionId) -> Ask<'_, Vec<StatusCount>> {
        Box::pin(self.count_claims(promotion))
    }

    fn claim_by_code<'a>(&'a self, store: StoreId, code: &'a str, now: UnixMillis) -> Ask<'a, Option<Claim>> {
        Box::pin(self.fetch_claim_by_code(store, code, now))
    }
}
