//! Rows to records and back. Compiled once per driver (`super` is the driver's module).

use super::DbRow;
use flash_actors::ports::PortError;
use flash_actors::ports::accounts::{Role, User};
use flash_actors::ports::catalogue::{ProductRow, SeriesRow, StaffRole, StoreRow};
use flash_domain::claim::{Claim, ClaimStatus};
use flash_domain::geo::Location;
use flash_domain::ids::*;
use flash_domain::money::Money;
use flash_domain::promotion::{Counters, ProductCopy, PromotionRecord, Status, StoreCopy};
use flash_domain::segment::Segments;
use flash_domain::terms::Terms;
use flash_domain::time::UnixMillis;
use sqlx::Row;
use uuid::Uuid;

/// Columns of a promotion, in the order that [`promotion`] reads them by name.
pub const PROMOTION: &str = "id, series_id, store_id, store_name, store_lat, store_lng, product_id, product_name, \
     product_image_url, price_amount, currency, original_amount, stock, per_shopper_limit, starts_at, ends_at, reach_m, \
     claim_within_m, hold_seconds, segments, category, status, held, sold, v, decided_at, withdrawn, created_at";

/// Columns of a claim.
pub const CLAIM: &str = "id, promotion_id, store_id, user_id, status, quantity, unit_amount, currency, \
     hold_expires_at, redemption_code, idempotency_key, first_v, v, created_at, confirmed_at, closed_at";

/// Columns of a person.
pub const USER: &str =
    "id, email, display_name, role, language, phone, preferences, last_lat, last_lng, created_at";

/// Columns of a store.
pub const STORE: &str = "id, owner_id, name, address, lat, lng, timezone, created_at";

/// Columns of a product.
pub const PRODUCT: &str =
    "id, store_id, name, description, price_amount, currency, image_url, available, created_at";

/// Columns of a series.
pub const SERIES: &str = "id, store_id, product_id, price_amount, currency, original_amount, stock, \
     per_shopper_limit, reach_m, claim_within_m, hold_seconds, segments, category, daily_window, last_date, cancelled, \
     created_at";

/// A value in the store that no version of this program writes.
pub fn corrupt(what: &str) -> PortError {
    PortError::Broken(format!("the store holds a value that is not understood: {what}"))
}

fn uuid(row: &DbRow, column: &str) -> Result<Uuid, PortError> {
    row.try_get(column).map_err(|_| corrupt(column))
}

/// Reads a text column.
pub fn text(row: &DbRow, column: &str) -> Result<String, PortError> {
    row.try_get(column).map_err(|_| corrupt(column))
}

/// Reads a text column that may be NULL.
pub fn text_or_null(row: &DbRow, column: &str) -> Result<Option<String>, PortError> {
    row.try_get(column).map_err(|_| corrupt(column))
}

/// Reads an integer column.
pub fn int(row: &DbRow, column: &str) -> Result<i64, PortError> {
    row.try_get(column).map_err(|_| corrupt(column))
}

/// Reads an integer column that may be NULL.
pub fn int_or_null(row: &DbRow, column: &str) -> Result<Option<i64>, PortError> {
    row.try_get(column).map_err(|_| corrupt(column))
}

fn unsigned(row: &DbRow, column: &str) -> Result<u32, PortError> {
    u32::try_from(int(row, column)?).map_err(|_| corrupt(column))
}

fn unsigned_or_null(row: &DbRow, column: &str) -> Result<Option<u32>, PortError> {
    int_or_null(row, column)?.map(u32::try_from).transpose().map_err(|_| corrupt(column))
}

fn version(row: &DbRow, column: &str) -> Result<u64, PortError> {
    u64::try_from(int(row, column)?).map_err(|_| corrupt(column))
}

fn flag(row: &DbRow, column: &str) -> Result<bool, PortError> {
    row.try_get(column).map_err(|_| corrupt(column))
}

fn money(row: &DbRow, amount: &str, currency: &str) -> Result<Money, PortError> {
    let code = text(row, currency)?.parse().map_err(|_| corrupt(currency))?;
    Ok(Money { amount: int(row, amount)?, currency: code })
}

fn place(row: &DbRow, lat: &str, lng: &str) -> Result<Location, PortError> {
    let read = |column: &str| row.try_get::<f64, _>(column).map_err(|_| corrupt(column));
    Location::new(read(lat)?, read(lng)?).map_err(|_| corrupt(lat))
}

/// A promotion from a row with the columns of [`PROMOTION`].
///
/// # Errors
/// `Broken` when a value is not understood.
pub fn promotion(row: &DbRow) -> Result<PromotionRecord, PortError> {
    let series: Option<Uuid> = row.try_get("series_id").map_err(|_| corrupt("series_id"))?;
    let status = i16::try_from(int(row, "status")?).ok().and_then(Status::from_i16);
    Ok(PromotionRecord {
        id: PromotionId(uuid(row, "id")?),
        series_id: series.map(SeriesId),
        store: StoreCopy {
            id: StoreId(uuid(row, "store_id")?),
            name: text(row, "store_name")?,
            location: place(row, "store_lat", "store_lng")?,
        },
        product: ProductCopy {
            id: ProductId(uuid(row, "product_id")?),
            name: text(row, "product_name")?,
            image_url: text_or_null(row, "product_image_url")?,
        },
        terms: terms(row, UnixMillis(int(row, "starts_at")?), UnixMillis(int(row, "ends_at")?))?,
        counters: Counters {
            status: status.ok_or_else(|| corrupt("status"))?,
            held: unsigned(row, "held")?,
            sold: unsigned(row, "sold")?,
            v: version(row, "v")?,
            decided_at: UnixMillis(int(row, "decided_at")?),
            withdrawn: flag(row, "withdrawn")?,
        },
        created_at: UnixMillis(int(row, "created_at")?),
    })
}

fn terms(row: &DbRow, starts_at: UnixMillis, ends_at: UnixMillis) -> Result<Terms, PortError> {
    Ok(Terms {
        price: money(row, "price_amount", "currency")?,
        original_price: money(row, "original_amount", "currency")?,
        stock: unsigned(row, "stock")?,
        per_shopper_limit: unsigned_or_null(row, "per_shopper_limit")?,
        starts_at,
        ends_at,
        reach_m: unsigned(row, "reach_m")?,
        claim_within_m: unsigned_or_null(row, "claim_within_m")?,
        hold_seconds: unsigned(row, "hold_seconds")?,
        segments: Segments::from_bits(int(row, "segments")? as u8),
        category: text_or_null(row, "category")?,
    })
}

/// A claim from a row with the columns of [`CLAIM`].
///
/// # Errors
/// `Broken` when a value is not understood.
pub fn claim(row: &DbRow) -> Result<Claim, PortError> {
    let status = i16::try_from(int(row, "status")?).ok().and_then(ClaimStatus::from_i16);
    let time = |column| int_or_null(row, column).map(|ms| ms.map(UnixMillis));
    Ok(Claim {
        id: ClaimId(uuid(row, "id")?),
        promotion_id: PromotionId(uuid(row, "promotion_id")?),
        store_id: StoreId(uuid(row, "store_id")?),
        user_id: UserId(uuid(row, "user_id")?),
        status: status.ok_or_else(|| corrupt("status"))?,
        quantity: unsigned(row, "quantity")?,
        unit_price: money(row, "unit_amount", "currency")?,
        hold_expires_at: time("hold_expires_at")?,
        redemption_code: text(row, "redemption_code")?.into(),
        idempotency_key: text(row, "idempotency_key")?.into(),
        first_v: version(row, "first_v")?,
        v: version(row, "v")?,
        created_at: UnixMillis(int(row, "created_at")?),
        confirmed_at: time("confirmed_at")?,
        closed_at: time("closed_at")?,
    })
}

/// A person from a row with the columns of [`USER`].
///
/// # Errors
/// `Broken` when a value is not understood.
pub fn user(row: &DbRow) -> Result<User, PortError> {
    let lat: Option<f64> = row.try_get("last_lat").map_err(|_| corrupt("last_lat"))?;
    Ok(User {
        id: UserId(uuid(row, "id")?),
        email: text(row, "email")?,
        display_name: text(row, "display_name")?,
        role: Role::parse(&text(row, "role")?).ok_or_else(|| corrupt("role"))?,
        language: text(row, "language")?,
        phone: text_or_null(row, "phone")?,
        notification_preferences: text(row, "preferences")?,
        last_location: lat.map(|_| place(row, "last_lat", "last_lng")).transpose()?,
        created_at: UnixMillis(int(row, "created_at")?),
    })
}

/// A store from a row with the columns of [`STORE`].
///
/// # Errors
/// `Broken` when a value is not understood.
pub fn store(row: &DbRow) -> Result<StoreRow, PortError> {
    Ok(StoreRow {
        id: StoreId(uuid(row, "id")?),
        owner_id: UserId(uuid(row, "owner_id")?),
        name: text(row, "name")?,
        address: text(row, "address")?,
        location: place(row, "lat", "lng")?,
        timezone: text(row, "timezone")?,
        created_at: UnixMillis(int(row, "created_at")?),
    })
}

/// What a person may do at a store, from a text column.
///
/// # Errors
/// `Broken` when a value is not understood.
pub fn staff_role(row: &DbRow, column: &str) -> Result<StaffRole, PortError> {
    StaffRole::parse(&text(row, column)?).ok_or_else(|| corrupt(column))
}

/// A product from a row with the columns of [`PRODUCT`].
///
/// # Errors
/// `Broken` when a value is not understood.
pub fn product(row: &DbRow) -> Result<ProductRow, PortError> {
    Ok(ProductRow {
        id: ProductId(uuid(row, "id")?),
        store_id: StoreId(uuid(row, "store_id")?),
        name: text(row, "name")?,
        description: text(row, "description")?,
        price: money(row, "price_amount", "currency")?,
        image_url: text_or_null(row, "image_url")?,
        available: flag(row, "available")?,
        created_at: UnixMillis(int(row, "created_at")?),
    })
}

/// A series from a row with the columns of [`SERIES`].
///
/// # Errors
/// `Broken` when a value is not understood.
pub fn series(row: &DbRow) -> Result<SeriesRow, PortError> {
    let window = serde_json::from_str(&text(row, "daily_window")?).map_err(|_| corrupt("daily_window"))?;
    Ok(SeriesRow {
        id: SeriesId(uuid(row, "id")?),
        store_id: StoreId(uuid(row, "store_id")?),
        product_id: ProductId(uuid(row, "product_id")?),
        terms: terms(row, UnixMillis(0), UnixMillis(0))?,
        window,
        last_date: text_or_null(row, "last_date")?,
        cancelled: flag(row, "cancelled")?,
        created_at: UnixMillis(int(row, "created_at")?),
    })
}
