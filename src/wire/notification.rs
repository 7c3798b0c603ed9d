//! A notification on the wire, the same over HTTP and live: facts, and over HTTP a title and a
//! sentence in the reader's language.

use super::time::WireTime;
use flash_domain::ids::{EventId, PromotionId, StoreId};
use flash_domain::money::Money;
use flash_domain::notice::{Notice, NoticeKind};
use flash_domain::time::UnixMillis;
use serde::Serialize;

/// An item of one's inbox.
#[derive(Debug, Serialize)]
pub struct NotificationJson<'a> {
    /// The event's id: the item's too.
    pub id: EventId,
    /// `sale_started`, `ending_soon` or `back_in_stock`.
    #[serde(rename = "type")]
    pub kind: NoticeKind,
    /// A title in the reader's language; absent in what many readers are sent at once.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub title: Option<&'static str>,
    /// A sentence under it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub body: Option<String>,
    /// Which sale.
    pub promotion_id: PromotionId,
    /// At which store.
    pub store: StoreJson<'a>,
    /// What is sold.
    pub product: ProductJson<'a>,
    /// The price of the sale.
    pub price: Money,
    /// The price otherwise.
    pub original_price: Money,
    /// When the sale ends.
    pub ends_at: WireTime,
    /// When it came.
    pub created_at: WireTime,
    /// When it was read.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub read_at: Option<WireTime>,
}

/// The store of a notification.
#[derive(Debug, Serialize)]
pub struct StoreJson<'a> {
    /// Its id.
    pub id: StoreId,
    /// Its name.
    pub name: &'a str,
}

/// The product of a notification.
#[derive(Debug, Serialize)]
pub struct ProductJson<'a> {
    /// Its name.
    pub name: &'a str,
    /// Its picture.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub image_url: Option<&'a str>,
}

impl<'a> NotificationJson<'a> {
    /// A notice as one person has it.
    pub fn of(notice: &'a Notice, created_at: UnixMillis, read_at: Option<UnixMillis>) -> Self {
        Self {
            id: notice.id,
            kind: notice.kind,
            title: None,
            body: None,
            promotion_id: notice.promotion_id,
            store: StoreJson { id: notice.store_id, name: &notice.store_name },
            product: ProductJson { name: &notice.product_name, image_url: notice.image_url.as_deref() },
            price: notice.price,
            original_price: notice.original_price,
            ends_at: WireTime(notice.ends_at),
            created_at: WireTime(created_at),
            read_at: read_at.map(WireTime),
        }
    }

    /// Adds title and body in a language.
    #[must_use]
    pub fn in_words(mut self, notice: &Notice, spanish: bool) -> Self {
        self.title = Some(title(notice.kind, spanish));
        self.body = Some(format!("{} · {}", notice.product_name, notice.store_name));
        self
    }
}

/// The title of a kind of notice.
pub fn title(kind: NoticeKind, spanish: bool) -> &'static str {
    match (kind, spanish) {
        (NoticeKind::SaleStarted, true) => "¡Oferta en marcha!",
        (NoticeKind::SaleStarted, false) => "A flash sale has started",
        (NoticeKind::EndingSoon, true) => "Termina pronto",
        (NoticeKind::EndingSoon, false) => "Ending soon",
        (NoticeKind::BackInStock, true) => "Hay unidades otra vez",
        (NoticeKind::BackInStock, false) => "Back in stock",
    }
}
