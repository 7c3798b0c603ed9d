//! Notifications: notices with their audience, people's inboxes, the delivery log, devices and pushes.
//!
//! Guarantees that an adapter gives (the conformance suite checks each):
//! * A notice exists once per event id, however often it is taken in.
//! * `deliver` is one transaction: inbox rows, log, pushes and the notice's cursor are there together or not at all. It
//!   applies only if the cursor is where the page began, so a page that is told twice (after `kill -9`, or by two nodes)
//!   tells nobody twice and leaves nobody out.
//! * A person has an event in the inbox once.

use super::catalogue::Created;
use super::{Answer, KeyUse, Page, PortError};
use flash_domain::geo::Location;
use flash_domain::ids::{EventId, PromotionId, StoreId, UserId};
use flash_domain::notice::{Notice, NoticeKind};
use flash_domain::segment::Segment;
use flash_domain::time::UnixMillis;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

/// What became of a notice for a person on a channel.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum DeliveryStatus {
    /// A push waits to be sent.
    Queued,
    /// It is in the inbox.
    Stored,
    /// The platform's service accepted it.
    Sent,
    /// There is evidence that the person saw it: they marked it as read.
    Delivered,
    /// It was given up.
    Failed,
    /// The person does not want such.
    Muted,
    /// It is in the inbox, without a sound: the person's quiet hours.
    Quiet,
    /// The person's number for the day was used up.
    Capped,
}

impl DeliveryStatus {
    /// Every status, in the order of their stored form.
    pub const ALL: [Self; 8] = [
        Self::Queued,
        Self::Stored,
        Self::Sent,
        Self::Delivered,
        Self::Failed,
        Self::Muted,
        Self::Quiet,
        Self::Capped,
    ];

    /// The JSON form.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Queued => "queued",
            Self::Stored => "stored",
            Self::Sent => "sent",
            Self::Delivered => "delivered",
            Self::Failed => "failed",
            Self::Muted => "muted",
            Self::Quiet => "quiet",
            Self::Capped => "capped",
        }
    }
}

/// How far a notice's audience was told: stage 0 are the store's followers, stage n the n-th cell of its reach.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Cursor {
    /// The stage.
    pub stage: u32,
    /// The last person of the stage who was told; nil at its beginning.
    pub after: Uuid,
}

/// A notice to work on.
#[derive(Clone, Debug, PartialEq)]
pub struct Work {
    /// What is to be told.
    pub notice: Notice,
    /// Where to go on.
    pub cursor: Cursor,
    /// How often work on it was begun before and not finished.
    pub tries: u32,
}

/// Somebody whom a notice may concern.
#[derive(Clone, Debug, PartialEq)]
pub struct Candidate {
    /// Who.
    pub user_id: UserId,
    /// Notification preferences, JSON.
    pub preferences: String,
    /// The saved place; there for everybody found by a cell.
    pub place: Option<Location>,
    /// The segment; only where the notice is not for everybody.
    pub segment: Option<Segment>,
    /// What they were told since [`AudienceAsk::since`] and counts: when the event was, and of which store.
    pub told: Vec<(UnixMillis, StoreId)>,
}

/// Which part of an audience.
#[derive(Clone, Copy, Debug)]
pub struct AudienceAsk {
    /// Followers of this store, or the people of a cell.
    pub from: AudienceFrom,
    /// By id, after this one.
    pub after: Uuid,
    /// At most this many.
    pub limit: u32,
    /// Whether segments are needed.
    pub segments: bool,
    /// From when on [`Candidate::told`] is needed.
    pub since: UnixMillis,
    /// The moment, for segments.
    pub now: UnixMillis,
}

/// Where people are looked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AudienceFrom {
    /// Followers of a store.
    Followers(StoreId),
    /// People whose saved place is in a cell of a cover resolution (4, 6 or 8).
    Cell {
        /// The resolution.
        resolution: u8,
        /// The H3 index.
        index: u64,
    },
}

/// What was decided for one person.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Verdict {
    /// Who.
    pub user_id: UserId,
    /// What the log says of the inbox: `Stored`, `Quiet`, `Muted` or `Capped`; the first two put it there.
    pub status: DeliveryStatus,
    /// Whether the person's devices are to ring.
    pub push: bool,
}

/// One page of a notice's audience, decided.
#[derive(Clone, Debug)]
pub struct Told {
    /// Of which notice.
    pub notice: EventId,
    /// Where the page began.
    pub from: Cursor,
    /// Where the next one begins; `None` = the audience is finished.
    pub to: Option<Cursor>,
    /// For whom what was decided.
    pub verdicts: Vec<Verdict>,
    /// When.
    pub at: UnixMillis,
    /// Until when who works on it keeps it.
    pub lease_until: UnixMillis,
}

/// An item of somebody's inbox.
#[derive(Clone, Debug, PartialEq)]
pub struct InboxItem {
    /// What was told; its id is the item's.
    pub notice: Notice,
    /// When it came.
    pub created_at: UnixMillis,
    /// When it was read.
    pub read_at: Option<UnixMillis>,
}

/// Which items are read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ReadWhich {
    /// All there are.
    All,
    /// These; ids that are not in the inbox are passed over.
    Ids(Vec<EventId>),
}

/// A device that can be pushed to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Device {
    /// Its id.
    pub id: Uuid,
    /// Whose.
    pub user_id: UserId,
    /// `fcm`, `apns` or `apns_sandbox`.
    pub platform: String,
    /// The platform's token.
    pub token: String,
    /// The SNS platform endpoint, once there is one.
    pub endpoint_arn: Option<String>,
    /// When it was registered.
    pub created_at: UnixMillis,
}

/// A push to send.
#[derive(Clone, Debug, PartialEq)]
pub struct Push {
    /// What.
    pub notice: Notice,
    /// To which device.
    pub device: Device,
    /// The person's language, `es` or `en`.
    pub language: String,
    /// Tries before this one.
    pub tries: u32,
}

/// What became of a push.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PushOutcome {
    /// Accepted.
    Sent,
    /// To be tried again then.
    Later(UnixMillis),
    /// Given up: if no device of the person got it, it counts against nothing.
    GivenUp,
    /// Given up since the platform does not know the token any more: the device is forgotten.
    Disabled,
}

/// Numbers of deliveries.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct DeliveryStats {
    /// Entries of the log.
    pub total: u64,
    /// By status.
    pub by_status: Vec<(DeliveryStatus, u64)>,
    /// People in them.
    pub unique_users: u64,
    /// By day (UTC; the moment it began), ascending.
    pub by_day: Vec<(UnixMillis, u64)>,
    /// By kind of notice.
    pub by_kind: Vec<(NoticeKind, u64)>,
}

/// See the module for the guarantees.
pub trait Inbox: Send + Sync + 'static {
    /// Takes notices in; those that are known by their id are passed over. Says how many are new.
    fn take_in(&self, notices: Vec<Notice>) -> Answer<'_, Result<u64, PortError>>;
    /// When the latest notice of this kind about a promotion was caused.
    fn latest_notice(
        &self,
        promotion: PromotionId,
        kind: NoticeKind,
    ) -> Answer<'_, Result<Option<UnixMillis>, PortError>>;
    /// Takes the oldest unfinished notice that nobody works on and that no older one of the same promotion is ahead of.
    fn lease(&self, now: UnixMillis, until: UnixMillis) -> Answer<'_, Result<Option<Work>, PortError>>;
    /// Gives back what others work on: for a process that is the only one, after those before it have ended.
    fn forget_leases(&self) -> Answer<'_, Result<(), PortError>>;
    /// Finishes a notice without telling anybody any more: its sale is over, or it can't be told.
    fn abandon(&self, notice: EventId, at: UnixMillis) -> Answer<'_, Result<(), PortError>>;
    /// A page of an audience, by id.
    fn audience(&self, ask: AudienceAsk) -> Answer<'_, Result<Vec<Candidate>, PortError>>;
    /// Writes a page; the people who had not been told before, and whose inbox it is in now. `None` if the cursor was
    /// elsewhere: somebody else works on it.
    fn deliver(&self, page: Told) -> Answer<'_, Result<Option<Vec<UserId>>, PortError>>;

    /// Somebody's inbox, newest first, before an item.
    fn items(
        &self,
        user: UserId,
        unread_only: bool,
        before: Option<EventId>,
        limit: u32,
    ) -> Answer<'_, Result<Page<InboxItem>, PortError>>;
    /// How many items are not read.
    fn unread(&self, user: UserId) -> Answer<'_, Result<u64, PortError>>;
    /// Marks items as read (and their delivery as proven).
    fn mark_read(&self, user: UserId, which: ReadWhich, at: UnixMillis) -> Answer<'_, Result<(), PortError>>;

    /// The id of a person's device with this token, if it is registered.
    fn device_with(&self, user: UserId, token: String) -> Answer<'_, Result<Option<Uuid>, PortError>>;
    /// Registers a device; one whose token is known becomes this person's, and has this id then.
    fn register_device(&self, device: Device, key: Option<KeyUse>) -> Answer<'_, Result<Created, PortError>>;
    /// Forgets a device of a person; says whether there was one.
    fn remove_device(&self, user: UserId, id: Uuid) -> Answer<'_, Result<bool, PortError>>;
    /// Pushes that are due, oldest first; they are nobody else's until `until`.
    fn pushes_due(
        &self,
        now: UnixMillis,
        until: UnixMillis,
        limit: u32,
    ) -> Answer<'_, Result<Vec<Push>, PortError>>;
    /// Writes what became of a push, and the endpoint that was made for its device.
    fn push_done(
        &self,
        notice: EventId,
        device: Uuid,
        endpoint: Option<String>,
        outcome: PushOutcome,
        at: UnixMillis,
    ) -> Answer<'_, Result<(), PortError>>;

    /// Numbers since a moment, of one store's notices or of all.
    fn delivery_stats(
        &self,
        store: Option<StoreId>,
        since: UnixMillis,
    ) -> Answer<'_, Result<DeliveryStats, PortError>>;
    /// Puts an event `EndingSoon` into the outbox for live promotions that end between `now` and `until`, once per
    /// promotion and end. Says how many.
    fn warn_of_ends(&self, now: UnixMillis, until: UnixMillis) -> Answer<'_, Result<u64, PortError>>;
    /// Forgets finished notices older than `before` with inbox items and log, at most `limit`; says how many.
    fn purge_notices(&self, before: UnixMillis, limit: u32) -> Answer<'_, Result<u64, PortError>>;
    /// Computes missing cells of saved places, at most `limit`; says how many.
    fn backfill_cells(&self, limit: u32) -> Answer<'_, Result<u64, PortError>>;
}
