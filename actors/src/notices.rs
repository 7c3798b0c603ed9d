//! Notices: from committed events to people's inboxes.
//!
//! The intake turns events into notices, once per event id, whichever transport brings them. The teller works on notices
//! page by page: audience, verdicts, one transaction, then the live event. Where it stops, the cursor says where to go on.
//! Knows neither the transport of events nor that of pushes.

use crate::audience::{Caps, DAY_MS_MAX, Judge};
use crate::feed::Feed;
use crate::ports::catalogue::Catalogue;
use crate::ports::clock::SharedClock;
use crate::ports::inbox::{AudienceAsk, AudienceFrom, Cursor, Inbox, Told, Verdict, Work};
use crate::ports::notifier::Notifier;
use crate::ports::store::{OutboxEvent, Store};
use crate::ports::webhooks::Webhooks;
use crate::ports::{Answer, PortError};
use flash_domain::geo::cover_of_reach;
use flash_domain::ids::EventId;
use flash_domain::notice::{Notice, NoticeKind};
use flash_domain::promotion::{PromotionRecord, Status};
use flash_domain::time::UnixMillis;
use std::collections::HashSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;
use tokio::sync::Notify;
use uuid::Uuid;

/// People per page: one transaction, in which commits of claims wait on the embedded store.
pub const PAGE: u32 = 500;
/// How long who works on a notice keeps it without finishing a page: after a crash somebody else goes on then.
const LEASE_MS: i64 = 30_000;
/// How often work on a notice is begun before it is given up as poison.
const TRIES_MAX: u32 = 20;
/// "Back in stock" is told at most this often per promotion: units come and go many times a minute.
const BACK_IN_STOCK_SPACING_MS: i64 = 10 * 60 * 1000;
/// How often the teller looks without being told.
const LOOK_PERIOD: Duration = Duration::from_secs(2);

/// Counters since the start.
#[derive(Debug, Default)]
pub struct NoticeCounts {
    /// Notices taken in.
    pub notices: AtomicU64,
    /// People whom a notice reached.
    pub told: AtomicU64,
    /// Notices given up.
    pub poison: AtomicU64,
}

/// What the intake and the teller work with.
#[derive(Clone)]
pub struct NoticeParts {
    /// Records of promotions.
    pub store: Arc<dyn Store>,
    /// Stores' time zones.
    pub catalogue: Arc<dyn Catalogue>,
    /// Notices, audiences, inboxes.
    pub inbox: Arc<dyn Inbox>,
    /// Who hears of events besides people.
    pub webhooks: Arc<dyn Webhooks>,
    /// How webhooks' bodies write a time.
    pub rfc3339: fn(UnixMillis) -> String,
    /// The live edge.
    pub feed: Arc<dyn Feed>,
    /// The clocks.
    pub clock: SharedClock,
    /// How many notices a person may get.
    pub caps: Caps,
    /// Whether devices are pushed to.
    pub pushes: bool,
    /// Counters.
    pub counts: Arc<NoticeCounts>,
    /// Rings when a notice was taken in.
    pub bell: Arc<Notify>,
}

/// Takes events in: the end of every transport. Without a transport it is the outbox relay's notifier itself.
pub struct Intake(pub NoticeParts);

impl Notifier for Intake {
    fn notify(&self, events: Vec<OutboxEvent>) -> Answer<'_, Result<Vec<EventId>, PortError>> {
        Box::pin(async move {
            let mut notices = Vec::new();
            for event in &events {
                let Some(kind) = NoticeKind::of(&event.event) else { continue };
                notices.extend(self.0.notice(event, kind).await?);
            }
            crate::webhooks::take_in(self.0.webhooks.as_ref(), &events, self.0.rfc3339).await?;
            let fresh = self.0.inbox.take_in(notices).await?;
            if fresh > 0 {
                self.0.counts.notices.fetch_add(fresh, Ordering::Relaxed);
                self.0.bell.notify_one();
            }
            Ok(events.iter().map(|event| event.id).collect())
        })
    }
}

impl NoticeParts {
    /// The notice that an event causes, if its promotion is still on.
    async fn notice(&self, event: &OutboxEvent, kind: NoticeKind) -> Result<Option<Notice>, PortError> {
        let Some(record) = self.store.peek(event.promotion_id).await? else { return Ok(None) };
        if !is_on(&record, kind, self.clock.now().wall) {
            return Ok(None);
        }
        if kind == NoticeKind::BackInStock {
            let latest = self.inbox.latest_notice(record.id, kind).await?;
            if latest.is_some_and(|latest| (event.created_at - latest).abs() < BACK_IN_STOCK_SPACING_MS) {
                return Ok(None);
            }
        }
        let store = self.catalogue.store(record.store.id).await?;
        let timezone = store.map_or_else(|| "UTC".to_owned(), |store| store.timezone);
        Ok(Some(Notice::about(&record, event.id, kind, timezone, event.created_at)))
    }

    /// Tells everybody whom the waiting notices concern; says how many people were told.
    ///
    /// # Errors
    /// The store's, when it can't even be asked what waits. A notice that can't be told waits for another try, and holds
    /// up no other.
    pub async fn tell_waiting(&self) -> Result<u64, PortError> {
        let mut told = 0;
        loop {
            let now = self.clock.now().wall;
            let Some(work) = self.inbox.lease(now, now.plus_ms(LEASE_MS)).await? else { return Ok(told) };
            let id = work.notice.id;
            if work.tries >= TRIES_MAX {
                tracing::error!(notice = %id, "a notice was given up");
                self.counts.poison.fetch_add(1, Ordering::Relaxed);
                self.inbox.abandon(id, now).await?;
                continue;
            }
            match self.tell(work).await {
                Ok(count) => told += count,
                Err(error) => tracing::warn!(notice = %id, %error, "a notice waits for another try"),
            }
        }
    }

    /// Tells one notice's audience from its cursor to the end.
    async fn tell(&self, work: Work) -> Result<u64, PortError> {
        let Work { notice, mut cursor, .. } = work;
        let mut told = 0;
        let sources = sources(&notice);
        loop {
            let now = self.clock.now().wall;
            if !self.still_on(&notice, now).await? {
                self.inbox.abandon(notice.id, now).await?;
                return Ok(told);
            }
            let page = self.page(&notice, &sources, cursor, now).await?;
            let (to, verdicts) = (page.to, page.verdicts.clone());
            let Some(fresh) = self.inbox.deliver(page).await? else { return Ok(told) };
            told += fresh.len() as u64;
            self.counts.told.fetch_add(fresh.len() as u64, Ordering::Relaxed);
            let shown: HashSet<_> =
                verdicts.iter().filter(|one| Judge::shows(one)).map(|one| one.user_id).collect();
            let shown: Vec<_> = fresh.into_iter().filter(|user| shown.contains(user)).collect();
            if !shown.is_empty() {
                self.feed.notified(&notice, now, &shown);
            }
            let Some(next) = to else { return Ok(told) };
            cursor = next;
        }
    }

    async fn still_on(&self, notice: &Notice, now: UnixMillis) -> Result<bool, PortError> {
        let record = self.store.peek(notice.promotion_id).await?;
        Ok(record.is_some_and(|record| is_on(&record, notice.kind, now)))
    }

    /// One page, decided. Stages with few people share a page, so that a sparse city does not cost a transaction per cell.
    async fn page(
        &self,
        notice: &Notice,
        sources: &[AudienceFrom],
        from: Cursor,
        now: UnixMillis,
    ) -> Result<Told, PortError> {
        let judge = Judge::new(notice, self.caps, now);
        let mut verdicts: Vec<Verdict> = Vec::new();
        let mut seen = HashSet::new();
        let (mut cursor, mut looked_at) = (from, 0);
        let to = loop {
            let Some(source) = sources.get(cursor.stage as usize) else { break None };
            let limit = PAGE - looked_at;
            let people = self
                .inbox
                .audience(AudienceAsk {
                    from: *source,
                    after: cursor.after,
                    limit,
                    segments: !notice.segments.is_everybody(),
                    since: now.plus_ms(-DAY_MS_MAX),
                    now,
                })
                .await?;
            let follows = matches!(source, AudienceFrom::Followers(_));
            for person in &people {
                if let Some(mut verdict) = judge.verdict(person, follows)
                    && seen.insert(verdict.user_id)
                {
                    verdict.push &= self.pushes;
                    verdicts.push(verdict);
                }
            }
            looked_at += people.len() as u32;
            cursor = match people.last() {
                Some(last) if people.len() as u32 == limit => Cursor { after: last.user_id.0, ..cursor },
                _ => Cursor { stage: cursor.stage + 1, after: Uuid::nil() },
            };
            if looked_at >= PAGE {
                break Some(cursor);
            }
        };
        let lease_until = now.plus_ms(LEASE_MS);
        Ok(Told { notice: notice.id, from, to, verdicts, at: now, lease_until })
    }
}

/// Whether a notice of this kind is still worth telling. Starts follow from durable state and time.
fn is_on(record: &PromotionRecord, kind: NoticeKind, now: UnixMillis) -> bool {
    let is_live =
        matches!(record.counters.status, Status::Live | Status::Scheduled) && now < record.terms.ends_at;
    is_live && (kind != NoticeKind::BackInStock || record.remaining() > 0)
}

/// Where a notice's audience is looked for, stage by stage; the same list whoever computes it.
fn sources(notice: &Notice) -> Vec<AudienceFrom> {
    let cover = cover_of_reach(notice.location, notice.reach_m);
    let resolution = u8::from(cover.resolution);
    let cells = cover.cells.into_iter().map(|cell| AudienceFrom::Cell { resolution, index: cell.into() });
    std::iter::once(AudienceFrom::Followers(notice.store_id)).chain(cells).collect()
}

/// Tells what waits whenever the bell rings, and every two seconds. Ends with its runtime.
pub async fn teller(parts: NoticeParts) {
    loop {
        match parts.tell_waiting().await {
            Ok(0) => {}
            Ok(told) => tracing::debug!(told, "people were told"),
            Err(error) => tracing::warn!(%error, "notices wait"),
        }
        let _either = tokio::time::timeout(LOOK_PERIOD, parts.bell.notified()).await;
    }
}
