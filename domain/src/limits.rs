//! Bounds of what may be asked for, each with its reason. The contract (DESIGN 6.1 "Bounds") names them.

/// Units of one promotion; keeps counters in u32 and one promotion's claims in memory.
pub const STOCK_MAX: u32 = 1_000_000;
/// Units one shopper may hold or have bought of one promotion.
pub const PER_SHOPPER_LIMIT_MAX: u32 = 1_000;
/// Minor units; the largest integer that JavaScript reads exactly.
pub const PRICE_AMOUNT_MAX: i64 = (1 << 53) - 1;
/// Metres; below this GPS noise decides, not the merchant.
pub const REACH_M_MIN: u32 = 50;
/// Metres; a cover of 64 cells of resolution 4 still holds it.
pub const REACH_M_MAX: u32 = 50_000;
/// Metres; what a launch gets that names no reach.
pub const REACH_M_DEFAULT: u32 = 5_000;
/// Metres; what a launch gets that names no claim radius.
pub const CLAIM_WITHIN_M_DEFAULT: u32 = 2_000;
/// Metres; the smallest claim radius.
pub const CLAIM_WITHIN_M_MIN: u32 = 1;
/// Metres; half of the Earth's circumference is below it, so any radius a merchant can mean fits.
pub const CLAIM_WITHIN_M_MAX: u32 = 20_100_000;
/// Milliseconds; a shorter window can't be met by people.
pub const WINDOW_MS_MIN: i64 = 1_000;
/// Milliseconds; 90 days, longer is not a flash sale.
pub const WINDOW_MS_MAX: i64 = 90 * 24 * 3600 * 1000;
/// Seconds a claim may be held.
pub const HOLD_SECONDS_MAX: u32 = 3_600;
/// Seconds a claim is held unless the launch says otherwise.
pub const HOLD_SECONDS_DEFAULT: u32 = 60;
/// Characters of an idempotency key.
pub const IDEMPOTENCY_KEY_CHARS_MAX: usize = 255;
/// Characters of a name (store, product, person, category).
pub const NAME_CHARS_MAX: usize = 200;
/// Characters of an address or description.
pub const TEXT_CHARS_MAX: usize = 2_000;
