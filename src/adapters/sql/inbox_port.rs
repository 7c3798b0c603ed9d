//! The port of notifications, handed to the functions that do it. Compiled once per driver.

use super::Adapter;
use flash_actors::ports::catalogue::Created;
use flash_actors::ports::inbox::*;
use flash_actors::ports::{Answer, KeyUse, Page, PortError};
use flash_domain::ids::{EventId, PromotionId, StoreId, UserId};
use flash_domain::notice::{Notice, NoticeKind};
use flash_domain::time::UnixMillis;
use uuid::Uuid;

type Ask<'a, T> = Answer<'a, Result<T, PortError>>;

impl Inbox for Adapter {
    fn take_in(&self, notices: Vec<Notice>) -> Ask<'_, u64> {
        Box::pin(self.insert_notices(notices))
    }

    fn latest_notice(&self, promotion: PromotionId, kind: NoticeKind) -> Ask<'_, Option<UnixMillis>> {
        Box::pin(self.fetch_latest_notice(promotion, kind))
    }

    fn lease(&self, now: UnixMillis, until: UnixMillis) -> Ask<'_, Option<Work>> {
        Box::pin(self.lease_notice(now, until))
    }

    fn forget_leases(&self) -> Ask<'_, ()> {
        Box::pin(self.end_leases())
    }

    fn abandon(&self, notice: EventId, at: UnixMillis) -> Ask<'_, ()> {
        Box::pin(self.finish_notice(notice, at))
    }

    fn audience(&self, ask: AudienceAsk) -> Ask<'_, Vec<Candidate>> {
        Box::pin(self.fetch_audience(ask))
    }

    fn deliver(&self, page: Told) -> Ask<'_, Option<Vec<UserId>>> {
        Box::pin(self.deliver_page(page))
    }

    fn items(
        &self,
        user: UserId,
        unread_only: bool,
        before: Option<EventId>,
        limit: u32,
    ) -> Ask<'_, Page<InboxItem>> {
        Box::pin(self.fetch_items(user, unread_only, before, limit))
    }

    fn unread(&self, user: UserId) -> Ask<'_, u64> {
        Box::pin(self.count_unread(user))
    }

    fn mark_read(&self, user: UserId, which: ReadWhich, at: UnixMillis) -> Ask<'_, ()> {
        Box::pin(self.set_read(user, which, at))
    }

    fn device_with(&self, user: UserId, token: String) -> Ask<'_, Option<Uuid>> {
        Box::pin(self.find_device(user, token))
    }

    fn register_device(&self, device: Device, key: Option<KeyUse>) -> Ask<'_, Created> {
        Box::pin(self.put_device(device, key))
    }

    fn remove_device(&self, user: UserId, id: Uuid) -> Ask<'_, bool> {
        Box::pin(self.delete_device(user, id))
    }

    fn pushes_due(&self, now: UnixMillis, until: UnixMillis, limit: u32) -> Ask<'_, Vec<Push>> {
        Box::pin(self.take_pushes(now, until, limit))
    }

    fn push_done(
        &self,
        notice: EventId,
        device: Uuid,
        endpoint: Option<String>,
        outcome: PushOutcome,
        at: UnixMillis,
    ) -> Ask<'_, ()> {
        Box::pin(self.settle_push(notice, device, endpoint, outcome, at))
    }

    fn delivery_stats(&self, store: Option<StoreId>, since: UnixMillis) -> Ask<'_, DeliveryStats> {
        Box::pin(self.count_deliveries(store, since))
    }

    fn warn_of_ends(&self, now: UnixMillis, until: UnixMillis) -> Ask<'_, u64> {
        Box::pin(self.note_ends(now, until))
    }

    fn purge_notices(&self, before: UnixMillis, limit: u32) -> Ask<'_, u64> {
        Box::pin(self.delete_notices(before, limit))
    }

    fn backfill_cells(&self, limit: u32) -> Ask<'_, u64> {
        Box::pin(self.fill_cells(limit))
    }
}
