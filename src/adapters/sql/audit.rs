//! The audit of limits per shopper, in SQL that both databases understand. Compiled once per driver.

use super::rows::int;
use super::{DbConnection, certain};
use flash_actors::ports::PortError;

/// A shopper who has more units than one may have, and whom no lowered limit explains.
///
/// A claim that counts now (held, confirmed or redeemed) has counted ever since it was made: so when a shopper's latest one
/// was accepted, all of those before it counted. If it was accepted after the last change of the limit, their sum was within
/// today's limit. If not, an earlier limit may have allowed them.
pub(super) async fn audit_limits(connection: &mut DbConnection) -> Result<Option<String>, PortError> {
    let beyond = sqlx::query(
        "SELECT c.promotion_id, c.user_id, c.units, p.per_shopper_limit FROM \
         (SELECT promotion_id, user_id, CAST(SUM(quantity) AS BIGINT) AS units, MAX(first_v) AS last_v FROM claims \
         WHERE status IN (0, 1, 2) GROUP BY promotion_id, user_id) c \
         JOIN promotions p ON p.id = c.promotion_id \
         WHERE c.units > p.per_shopper_limit AND c.last_v > p.limit_v LIMIT 1",
    )
    .fetch_optional(&mut *connection)
    .await
    .map_err(certain)?;
    beyond
        .map(|row| {
            Ok(format!(
                "promotion {}: user {} has {} units, the limit is {}",
                super::id(&row, "promotion_id")?,
                super::id(&row, "user_id")?,
                int(&row, "units")?,
                int(&row, "per_shopper_limit")?
            ))
        })
        .transpose()
}
