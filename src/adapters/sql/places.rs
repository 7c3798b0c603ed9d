//! Stores, their people and products in SQL that both databases understand. Compiled once per driver.

use super::rows::{self, PRODUCT, STORE};
use super::{Adapter, certain, unsure};
use flash_actors::ports::catalogue::*;
use flash_actors::ports::{KeyUse, Page, PortError};
use flash_domain::ids::{ProductId, StoreId, UserId};
use flash_domain::time::UnixMillis;
use sqlx::{AssertSqlSafe, Row};
use uuid::Uuid;

impl Adapter {
    pub(super) async fn insert_store(
        &self,
        store: StoreRow,
        key: Option<KeyUse>,
    ) -> Result<Created, PortError> {
        let mut transaction = self.begin().await?;
        if let Some(before) = super::keys::claim_key(&mut transaction, key).await? {
            return Ok(Created::Before(before));
        }
        // The owner is locked: they can't be forgotten until this is committed, and then own a store.
        let sql = format!(
            "INSERT INTO stores (id, owner_id, name, address, lat, lng, timezone, created_at) \
             SELECT $1, u.id, $3, $4, $5, $6, $7, $8 FROM users u WHERE u.id = $2 AND u.forgotten_at IS NULL{}",
            super::FOR_SHARE_OF_U
        );
        let done = sqlx::query(AssertSqlSafe(sql))
            .bind(store.id.0)
            .bind(store.owner_id.0)
            .bind(store.name)
            .bind(store.address)
            .bind(store.location.lat())
            .bind(store.location.lng())
            .bind(store.timezone)
            .bind(store.created_at.0)
            .execute(&mut *transaction)
            .await
            .map_err(certain)?;
        if done.rows_affected() == 0 {
            return Ok(Created::Conflict);
        }
        transaction.commit().await.map_err(unsure)?;
        Ok(Created::Fresh)
    }

    pub(super) async fn fetch_store(&self, id: StoreId) -> Result<Option<StoreRow>, PortError> {
        let sql = format!("SELECT {STORE} FROM stores WHERE id = $1 AND deleted_at IS NULL");
        let row = sqlx::query(AssertSqlSafe(sql)).bind(id.0).fetch_optional(self.reader()).await;
        row.map_err(certain)?.as_ref().map(rows::store).transpose()
    }

    pub(super) async fn fetch_stores_of(
        &self,
        user: UserId,
        after: Option<StoreId>,
        limit: u32,
    ) -> Result<Page<(StoreRow, StaffRole)>, PortError> {
        let found = sqlx::query(
            "SELECT s.id, s.owner_id, s.name, s.address, s.lat, s.lng, s.timezone, s.created_at, \
             CASE WHEN s.owner_id = $1 THEN 'owner' ELSE t.role END AS staff_role \
             FROM stores s LEFT JOIN store_staff t ON t.store_id = s.id AND t.user_id = $1 \
             WHERE (s.owner_id = $1 OR t.user_id = $1) AND s.deleted_at IS NULL AND s.id > $2 \
             ORDER BY s.id LIMIT $3",
        )
        .bind(user.0)
        .bind(after.map_or(Uuid::nil(), |id| id.0))
        .bind(i64::from(limit) + 1)
        .fetch_all(self.reader())
        .await
        .map_err(certain)?;
        super::page(found, limit, |row| Ok((rows::store(row)?, rows::staff_role(row, "staff_role")?)))
    }

    pub(super) async fn fetch_stores(
        &self,
        after: Option<StoreId>,
        limit: u32,
    ) -> Result<Page<OwnedStore>, PortError> {
        let found = sqlx::query(
            "SELECT s.id, s.owner_id, s.name, s.address, s.lat, s.lng, s.timezone, s.created_at, \
             CASE WHEN u.forgotten_at IS NULL THEN u.display_name END AS owner_name \
             FROM stores s LEFT JOIN users u ON u.id = s.owner_id \
             WHERE s.deleted_at IS NULL AND s.id > $1 ORDER BY s.id LIMIT $2",
        )
        .bind(after.map_or(Uuid::nil(), |id| id.0))
        .bind(i64::from(limit) + 1)
        .fetch_all(self.reader())
        .await
        .map_err(certain)?;
        super::page(found, limit, |row| {
            let name = row.try_get("owner_name").map_err(|_| rows::corrupt("owner_name"))?;
            Ok((rows::store(row)?, name))
        })
    }

    pub(super) async fn fetch_followed(
        &self,
        user: UserId,
        after: Option<StoreId>,
        limit: u32,
    ) -> Result<Page<StoreRow>, PortError> {
        let found = sqlx::query(
            "SELECT s.id, s.owner_id, s.name, s.address, s.lat, s.lng, s.timezone, s.created_at \
             FROM store_follows f JOIN stores s ON s.id = f.store_id \
             WHERE f.user_id = $1 AND s.deleted_at IS NULL AND s.id > $2 ORDER BY s.id LIMIT $3",
        )
        .bind(user.0)
        .bind(after.map_or(Uuid::nil(), |id| id.0))
        .bind(i64::from(limit) + 1)
        .fetch_all(self.reader())
        .await
        .map_err(certain)?;
        super::page(found, limit, rows::store)
    }

    pub(super) async fn change_store(
        &self,
        id: StoreId,
        patch: StorePatch,
    ) -> Result<Option<StoreRow>, PortError> {
        let mut transaction = self.begin().await?;
        let sql =
            format!("SELECT {STORE} FROM stores WHERE id = $1 AND deleted_at IS NULL{}", super::FOR_UPDATE);
        let row = sqlx::query(AssertSqlSafe(sql)).bind(id.0).fetch_optional(&mut *transaction).await;
        let Some(row) = row.map_err(certain)? else { return Ok(None) };
        let mut store = rows::store(&row)?;
        store.name = patch.name.unwrap_or(store.name);
        store.address = patch.address.unwrap_or(store.address);
        store.location = patch.location.unwrap_or(store.location);
        store.timezone = patch.timezone.unwrap_or(store.timezone);
        sqlx::query(
            "UPDATE stores SET name = $2, address = $3, lat = $4, lng = $5, timezone = $6 WHERE id = $1",
        )
        .bind(id.0)
        .bind(store.name.clone())
        .bind(store.address.clone())
        .bind(store.location.lat())
        .bind(store.location.lng())
        .bind(store.timezone.clone())
        .execute(&mut *transaction)
        .await
        .map_err(certain)?;
        transaction.commit().await.map_err(unsure)?;
        Ok(Some(store))
    }

    pub(super) async fn hide_store(&self, id: StoreId, now: UnixMillis) -> Result<bool, PortError> {
        let mut transaction = self.begin().await?;
        // First the lock, which waits for launches under way, then a statement that sees what they wrote.
        let sql = format!("SELECT 1 FROM stores WHERE id = $1{}", super::FOR_UPDATE);
        sqlx::query(AssertSqlSafe(sql)).bind(id.0).fetch_all(&mut *transaction).await.map_err(certain)?;
        let done = sqlx::query(
            "UPDATE stores SET deleted_at = $2 WHERE id = $1 AND deleted_at IS NULL \
             AND NOT EXISTS (SELECT 1 FROM promotions WHERE store_id = $1 AND status IN (1, 2, 3) AND ends_at > $2) \
             AND NOT EXISTS (SELECT 1 FROM series WHERE store_id = $1 AND NOT cancelled)",
        )
        .bind(id.0)
        .bind(now.0)
        .execute(&mut *transaction)
        .await
        .map_err(certain)?;
        transaction.commit().await.map_err(unsure)?;
        Ok(done.rows_affected() == 1)
    }

    pub(super) async fn fetch_role(
        &self,
        store: StoreId,
        user: UserId,
    ) -> Result<Option<StaffRole>, PortError> {
        let row = sqlx::query(
            "SELECT 'owner' AS role FROM stores WHERE id = $1 AND owner_id = $2 AND deleted_at IS NULL \
             UNION ALL SELECT t.role FROM store_staff t JOIN stores s ON s.id = t.store_id \
             WHERE t.store_id = $1 AND t.user_id = $2 AND s.deleted_at IS NULL",
        )
        .bind(store.0)
        .bind(user.0)
        .fetch_optional(self.reader())
        .await
        .map_err(certain)?;
        row.as_ref().map(|row| rows::staff_role(row, "role")).transpose()
    }

    pub(super) async fn fetch_staff(&self, store: StoreId) -> Result<Vec<StaffRow>, PortError> {
        let found = sqlx::query(
            "SELECT u.id, u.display_name, 'owner' AS role, 0 AS place FROM stores s JOIN users u ON u.id = s.owner_id \
             WHERE s.id = $1 UNION ALL SELECT u.id, u.display_name, t.role, 1 AS place \
             FROM store_staff t JOIN users u ON u.id = t.user_id WHERE t.store_id = $1 ORDER BY place, id",
        )
        .bind(store.0)
        .fetch_all(self.reader())
        .await
        .map_err(certain)?;
        let staff = |row| {
            Ok(StaffRow {
                user_id: UserId(super::id(row, "id")?),
                display_name: rows::text(row, "display_name")?,
                role: rows::staff_role(row, "role")?,
            })
        };
        found.iter().map(staff).collect()
    }

    pub(super) async fn set_staff(
        &self,
        store: StoreId,
        user: UserId,
        role: StaffRole,
    ) -> Result<bool, PortError> {
        let sql = format!(
            "INSERT INTO store_staff (store_id, user_id, role) \
             SELECT $1, u.id, $3 FROM users u WHERE u.id = $2 AND u.forgotten_at IS NULL{} \
             ON CONFLICT (store_id, user_id) DO UPDATE SET role = excluded.role",
            super::FOR_SHARE_OF_U
        );
        let done = sqlx::query(AssertSqlSafe(sql))
            .bind(store.0)
            .bind(user.0)
            .bind(role.as_str())
            .execute(&mut *self.writer().await?)
            .await
            .map_err(unsure)?;
        Ok(done.rows_affected() == 1)
    }

    pub(super) async fn drop_staff(&self, store: StoreId, user: UserId) -> Result<bool, PortError> {
        let done = sqlx::query("DELETE FROM store_staff WHERE store_id = $1 AND user_id = $2")
            .bind(store.0)
            .bind(user.0)
            .execute(&mut *self.writer().await?)
            .await
            .map_err(unsure)?;
        Ok(done.rows_affected() == 1)
    }

    pub(super) async fn set_follow(
        &self,
        store: StoreId,
        user: UserId,
        follows: bool,
        at: UnixMillis,
    ) -> Result<bool, PortError> {
        let done = if follows {
            let sql = format!(
                "INSERT INTO store_follows (store_id, user_id, created_at) \
                 SELECT $1, u.id, $3 FROM users u WHERE u.id = $2 AND u.forgotten_at IS NULL{} \
                 ON CONFLICT (user_id, store_id) DO NOTHING",
                super::FOR_SHARE_OF_U
            );
            sqlx::query(AssertSqlSafe(sql))
                .bind(store.0)
                .bind(user.0)
                .bind(at.0)
                .execute(&mut *self.writer().await?)
                .await
        } else {
            sqlx::query("DELETE FROM store_follows WHERE store_id = $1 AND user_id = $2")
                .bind(store.0)
                .bind(user.0)
                .execute(&mut *self.writer().await?)
                .await
        };
        Ok(done.map_err(unsure)?.rows_affected() == 1)
    }

    pub(super) async fn insert_product(
        &self,
        product: ProductRow,
        key: Option<KeyUse>,
    ) -> Result<Created, PortError> {
        let mut transaction = self.begin().await?;
        if let Some(before) = super::keys::claim_key(&mut transaction, key).await? {
            return Ok(Created::Before(before));
        }
        let done = sqlx::query(
            "INSERT INTO products (id, store_id, name, description, price_amount, currency, image_url, available, \
             created_at) SELECT $1, id, $3, $4, $5, $6, $7, $8, $9 FROM stores WHERE id = $2 AND deleted_at IS NULL",
        )
        .bind(product.id.0)
        .bind(product.store_id.0)
        .bind(product.name)
        .bind(product.description)
        .bind(product.price.amount)
        .bind(product.price.currency.as_str().to_owned())
        .bind(product.image_url)
        .bind(product.available)
        .bind(product.created_at.0)
        .execute(&mut *transaction)
        .await
        .map_err(certain)?;
        if done.rows_affected() == 0 {
            return Ok(Created::Conflict);
        }
        transaction.commit().await.map_err(unsure)?;
        Ok(Created::Fresh)
    }

    pub(super) async fn fetch_product(&self, id: ProductId) -> Result<Option<ProductRow>, PortError> {
        let sql = format!(
            "SELECT {PRODUCT} FROM products WHERE id = $1 AND deleted_at IS NULL \
             AND EXISTS (SELECT 1 FROM stores s WHERE s.id = products.store_id AND s.deleted_at IS NULL)"
        );
        let row = sqlx::query(AssertSqlSafe(sql)).bind(id.0).fetch_optional(self.reader()).await;
        row.map_err(certain)?.as_ref().map(rows::product).transpose()
    }

    pub(super) async fn fetch_products(
        &self,
        store: StoreId,
        after: Option<ProductId>,
        limit: u32,
    ) -> Result<Page<ProductRow>, PortError> {
        let sql = format!(
            "SELECT {PRODUCT} FROM products WHERE store_id = $1 AND deleted_at IS NULL AND id > $2 ORDER BY id LIMIT $3"
        );
        let found = sqlx::query(AssertSqlSafe(sql))
            .bind(store.0)
            .bind(after.map_or(Uuid::nil(), |id| id.0))
            .bind(i64::from(limit) + 1)
            .fetch_all(self.reader())
            .await
            .map_err(certain)?;
        super::page(found, limit, rows::product)
    }

    pub(super) async fn change_product(
        &self,
        id: ProductId,
        patch: ProductPatch,
    ) -> Result<Option<ProductRow>, PortError> {
        let mut transaction = self.begin().await?;
        let sql = format!(
            "SELECT {PRODUCT} FROM products WHERE id = $1 AND deleted_at IS NULL{}",
            super::FOR_UPDATE
        );
        let row = sqlx::query(AssertSqlSafe(sql)).bind(id.0).fetch_optional(&mut *transaction).await;
        let Some(row) = row.map_err(certain)? else { return Ok(None) };
        let mut product = rows::product(&row)?;
        product.name = patch.name.unwrap_or(product.name);
        product.description = patch.description.unwrap_or(product.description);
        product.price = patch.price.unwrap_or(product.price);
        product.image_url = patch.image_url.unwrap_or(product.image_url);
        product.available = patch.available.unwrap_or(product.available);
        sqlx::query(
            "UPDATE products SET name = $2, description = $3, price_amount = $4, currency = $5, image_url = $6, \
             available = $7 WHERE id = $1",
        )
        .bind(id.0)
        .bind(product.name.clone())
        .bind(product.description.clone())
        .bind(product.price.amount)
        .bind(product.price.currency.as_str().to_owned())
        .bind(product.image_url.clone())
        .bind(product.available)
        .execute(&mut *transaction)
        .await
        .map_err(certain)?;
        transaction.commit().await.map_err(unsure)?;
        Ok(Some(product))
    }

    pub(super) async fn hide_product(&self, id: ProductId, at: UnixMillis) -> Result<bool, PortError> {
        let done = sqlx::query("UPDATE products SET deleted_at = $2 WHERE id = $1 AND deleted_at IS NULL")
            .bind(id.0)
            .bind(at.0)
            .execute(&mut *self.writer().await?)
            .await
            .map_err(unsure)?;
        Ok(done.rows_affected() == 1)
    }
}
