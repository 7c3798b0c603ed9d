//! People and refresh families in SQL that both databases understand. Compiled once per driver.

use super::inbox::cells;
use super::rows::{self, USER, int, text};
use super::{Adapter, OWN_CLAIMS, certain, unsure};
use flash_actors::ports::accounts::{Accounts, Role, Rotation, User, UserPatch};
use flash_actors::ports::{Answer, Page, PortError};
use flash_domain::ids::{FamilyId, UserId};
use flash_domain::segment::{FREQUENT_WINDOW_MS, Segment};
use flash_domain::time::UnixMillis;
use sqlx::{AssertSqlSafe, Row};

const INSERT_USER: &str = "INSERT INTO users (id, email, password_hash, display_name, role, language, phone, \
     preferences, last_lat, last_lng, created_at, cell_8, cell_6, cell_4) \
     VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14) \
     ON CONFLICT (email) DO NOTHING";

impl Adapter {
    async fn insert_users(&self, users: Vec<User>, password_hash: &str) -> Result<u64, PortError> {
        let mut transaction = self.begin().await?;
        let mut inserted = 0;
        for user in users {
            let place = user.last_location;
            let [fine, middle, coarse] = cells(place);
            let done = sqlx::query(INSERT_USER)
                .bind(user.id.0)
                .bind(user.email)
                .bind(password_hash)
                .bind(user.display_name)
                .bind(user.role.as_str())
                .bind(user.language)
                .bind(user.phone)
                .bind(user.notification_preferences)
                .bind(place.map(|place| place.lat()))
                .bind(place.map(|place| place.lng()))
                .bind(user.created_at.0)
                .bind(fine)
                .bind(middle)
                .bind(coarse)
                .execute(&mut *transaction)
                .await
                .map_err(certain)?;
            inserted += done.rows_affected();
        }
        transaction.commit().await.map_err(unsure)?;
        Ok(inserted)
    }

    async fn fetch_user(&self, id: UserId) -> Result<Option<User>, PortError> {
        let sql = format!("SELECT {USER} FROM users WHERE id = $1 AND forgotten_at IS NULL");
        let row = sqlx::query(AssertSqlSafe(sql)).bind(id.0).fetch_optional(self.reader()).await;
        row.map_err(certain)?.as_ref().map(rows::user).transpose()
    }

    async fn update_user(&self, id: UserId, patch: UserPatch) -> Result<Option<User>, PortError> {
        let mut transaction = self.begin().await?;
        let sql = format!(
            "SELECT {USER}, password_hash FROM users WHERE id = $1 AND forgotten_at IS NULL{}",
            super::FOR_UPDATE
        );
        let row = sqlx::query(AssertSqlSafe(sql)).bind(id.0).fetch_optional(&mut *transaction).await;
        let Some(row) = row.map_err(certain)? else { return Ok(None) };
        let mut user = rows::user(&row)?;
        let hash = patch.password_hash.map_or_else(|| text(&row, "password_hash"), Ok)?;
        user.display_name = patch.display_name.unwrap_or(user.display_name);
        user.language = patch.language.unwrap_or(user.language);
        user.phone = patch.phone.unwrap_or(user.phone);
        user.notification_preferences =
            patch.notification_preferences.unwrap_or(user.notification_preferences);
        user.last_location = patch.last_location.unwrap_or(user.last_location);
        let [fine, middle, coarse] = cells(user.last_location);
        sqlx::query(
            "UPDATE users SET display_name = $2, language = $3, phone = $4, preferences = $5, last_lat = $6, \
             last_lng = $7, password_hash = $8, cell_8 = $9, cell_6 = $10, cell_4 = $11 WHERE id = $1",
        )
        .bind(id.0)
        .bind(user.display_name.clone())
        .bind(user.language.clone())
        .bind(user.phone.clone())
        .bind(user.notification_preferences.clone())
        .bind(user.last_location.map(|place| place.lat()))
        .bind(user.last_location.map(|place| place.lng()))
        .bind(hash)
        .bind(fine)
        .bind(middle)
        .bind(coarse)
        .execute(&mut *transaction)
        .await
        .map_err(certain)?;
        transaction.commit().await.map_err(unsure)?;
        Ok(Some(user))
    }

    async fn forget_user(&self, id: UserId, at: UnixMillis) -> Result<bool, PortError> {
        let mut transaction = self.begin().await?;
        // First the lock, which waits for what the person is just opening or joining, then statements that see it.
        let sql = format!("SELECT 1 FROM users WHERE id = $1{}", super::FOR_UPDATE);
        sqlx::query(AssertSqlSafe(sql)).bind(id.0).fetch_all(&mut *transaction).await.map_err(certain)?;
        let owns = sqlx::query("SELECT 1 FROM stores WHERE owner_id = $1 AND deleted_at IS NULL LIMIT 1")
            .bind(id.0)
            .fetch_optional(&mut *transaction)
            .await
            .map_err(certain)?;
        if owns.is_some() {
            return Ok(false);
        }
        let erased = sqlx::query(
            "UPDATE users SET email = NULL, password_hash = NULL, display_name = '', phone = NULL, \
             preferences = '{}', last_lat = NULL, last_lng = NULL, cell_8 = NULL, cell_6 = NULL, cell_4 = NULL, \
             forgotten_at = $2 \
             WHERE id = $1 AND forgotten_at IS NULL",
        )
        .bind(id.0)
        .bind(at.0)
        .execute(&mut *transaction)
        .await
        .map_err(certain)?;
        for statement in [
            "DELETE FROM store_follows WHERE user_id = $1",
            "DELETE FROM store_staff WHERE user_id = $1",
            "DELETE FROM key_uses WHERE user_id = $1",
            "DELETE FROM inbox WHERE user_id = $1",
            "DELETE FROM devices WHERE user_id = $1",
        ] {
            sqlx::query(statement).bind(id.0).execute(&mut *transaction).await.map_err(certain)?;
        }
        sqlx::query("UPDATE refresh_families SET revoked_at = $2 WHERE user_id = $1 AND revoked_at IS NULL")
            .bind(id.0)
            .bind(at.0)
            .execute(&mut *transaction)
            .await
            .map_err(certain)?;
        transaction.commit().await.map_err(unsure)?;
        Ok(erased.rows_affected() == 1)
    }

    async fn rotate_family(
        &self,
        family: FamilyId,
        presented: [u8; 32],
        successor: [u8; 32],
        now: UnixMillis,
        grace_ms: i64,
    ) -> Result<Rotation, PortError> {
        let mut transaction = self.begin().await?;
        let sql = format!(
            "SELECT f.user_id, f.digest, f.previous_digest, f.rotated_at, f.expires_at, f.revoked_at, u.forgotten_at \
             FROM refresh_families f JOIN users u ON u.id = f.user_id WHERE f.id = $1{}",
            super::FOR_UPDATE_OF_F
        );
        let row = sqlx::query(AssertSqlSafe(sql)).bind(family.0).fetch_optional(&mut *transaction).await;
        let Some(row) = row.map_err(certain)? else { return Ok(Rotation::Unknown) };
        let column =
            |name: &str| row.try_get::<Option<i64>, _>(name).map_err(|_| rows::corrupt("refresh family"));
        if column("revoked_at")?.is_some()
            || column("forgotten_at")?.is_some()
            || int(&row, "expires_at")? <= now.0
        {
            return Ok(Rotation::Unknown);
        }
        let user = UserId(row.try_get("user_id").map_err(|_| rows::corrupt("user_id"))?);
        let current: Vec<u8> = row.try_get("digest").map_err(|_| rows::corrupt("digest"))?;
        let previous: Option<Vec<u8>> =
            row.try_get("previous_digest").map_err(|_| rows::corrupt("digest"))?;
        let rotation = if current == presented {
            sqlx::query(
                "UPDATE refresh_families SET previous_digest = digest, digest = $2, rotated_at = $3 WHERE id = $1",
            )
            .bind(family.0)
            .bind(successor.to_vec())
            .bind(now.0)
            .execute(&mut *transaction)
            .await
            .map_err(certain)?;
            Rotation::Rotated(user)
        } else if previous.as_deref() == Some(&presented) && now.0 - int(&row, "rotated_at")? <= grace_ms {
            Rotation::Repeated(user)
        } else {
            sqlx::query("UPDATE refresh_families SET revoked_at = $2 WHERE id = $1")
                .bind(family.0)
                .bind(now.0)
                .execute(&mut *transaction)
                .await
                .map_err(certain)?;
            Rotation::Reused
        };
        transaction.commit().await.map_err(unsure)?;
        Ok(rotation)
    }

    async fn count_changes(
        &self,
        sql: &'static str,
        id: uuid::Uuid,
        at: UnixMillis,
    ) -> Result<bool, PortError> {
        let done =
            sqlx::query(sql).bind(id).bind(at.0).execute(&mut *self.writer().await?).await.map_err(unsure)?;
        Ok(done.rows_affected() > 0)
    }
}

impl Accounts for Adapter {
    fn register(&self, user: User, password_hash: String) -> Answer<'_, Result<bool, PortError>> {
        Box::pin(async move { Ok(self.insert_users(vec![user], &password_hash).await? == 1) })
    }

    fn register_many(&self, users: Vec<User>, password_hash: String) -> Answer<'_, Result<(), PortError>> {
        Box::pin(async move { self.insert_users(users, &password_hash).await.map(drop) })
    }

    fn by_email<'a>(&'a self, email: &'a str) -> Answer<'a, Result<Option<(User, String)>, PortError>> {
        Box::pin(async move {
            let sql = format!("SELECT {USER}, password_hash FROM users WHERE email = $1");
            let row = sqlx::query(AssertSqlSafe(sql)).bind(email).fetch_optional(self.reader()).await;
            let Some(row) = row.map_err(certain)? else { return Ok(None) };
            Ok(Some((rows::user(&row)?, text(&row, "password_hash")?)))
        })
    }

    fn user(&self, id: UserId) -> Answer<'_, Result<Option<User>, PortError>> {
        Box::pin(self.fetch_user(id))
    }

    fn update(&self, id: UserId, patch: UserPatch) -> Answer<'_, Result<Option<User>, PortError>> {
        Box::pin(self.update_user(id, patch))
    }

    fn forget(&self, id: UserId, at: UnixMillis) -> Answer<'_, Result<bool, PortError>> {
        Box::pin(self.forget_user(id, at))
    }

    fn set_role(&self, id: UserId, role: Role) -> Answer<'_, Result<bool, PortError>> {
        Box::pin(async move {
            let done = sqlx::query("UPDATE users SET role = $2 WHERE id = $1 AND forgotten_at IS NULL")
                .bind(id.0)
                .bind(role.as_str())
                .execute(&mut *self.writer().await?)
                .await
                .map_err(unsure)?;
            Ok(done.rows_affected() == 1)
        })
    }

    fn list(&self, after: Option<UserId>, limit: u32) -> Answer<'_, Result<Page<User>, PortError>> {
        Box::pin(async move {
            let sql = format!(
                "SELECT {USER} FROM users WHERE forgotten_at IS NULL AND id > $1 ORDER BY id LIMIT $2"
            );
            let found = sqlx::query(AssertSqlSafe(sql))
                .bind(after.map_or(uuid::Uuid::nil(), |id| id.0))
                .bind(i64::from(limit) + 1)
                .fetch_all(self.reader())
                .await
                .map_err(certain)?;
            super::page(found, limit, rows::user)
        })
    }

    fn segment(&self, id: UserId, now: UnixMillis) -> Answer<'_, Result<Segment, PortError>> {
        Box::pin(async move {
            let sql = format!(
                "SELECT COUNT(*) AS ever, COUNT(CASE WHEN confirmed_at > $3 THEN 1 END) AS recently \
                 FROM claims WHERE {OWN_CLAIMS} AND confirmed_at IS NOT NULL"
            );
            let row = sqlx::query(AssertSqlSafe(sql))
                .bind(id.0)
                .bind(self.recent_claims(id.0).await?)
                .bind(now.0 - FREQUENT_WINDOW_MS)
                .fetch_one(self.reader())
                .await
                .map_err(certain)?;
            Ok(Segment::of(int(&row, "ever")? as u64, int(&row, "recently")? as u64))
        })
    }

    fn begin_family(
        &self,
        family: FamilyId,
        user: UserId,
        digest: [u8; 32],
        now: UnixMillis,
        expires_at: UnixMillis,
    ) -> Answer<'_, Result<(), PortError>> {
        Box::pin(async move {
            sqlx::query(
                "INSERT INTO refresh_families (id, user_id, digest, rotated_at, expires_at) VALUES ($1, $2, $3, $4, $5)",
            )
            .bind(family.0)
            .bind(user.0)
            .bind(digest.to_vec())
            .bind(now.0)
            .bind(expires_at.0)
            .execute(&mut *self.writer().await?)
            .await
            .map_err(unsure)?;
            Ok(())
        })
    }

    fn rotate(
        &self,
        family: FamilyId,
        presented: [u8; 32],
        successor: [u8; 32],
        now: UnixMillis,
        grace_ms: i64,
    ) -> Answer<'_, Result<Rotation, PortError>> {
        Box::pin(self.rotate_family(family, presented, successor, now, grace_ms))
    }

    fn revoke_family(&self, family: FamilyId, at: UnixMillis) -> Answer<'_, Result<bool, PortError>> {
        let sql = "UPDATE refresh_families SET revoked_at = $2 WHERE id = $1 AND revoked_at IS NULL";
        Box::pin(self.count_changes(sql, family.0, at))
    }

    fn family_is_live(&self, family: FamilyId) -> Answer<'_, Result<bool, PortError>> {
        Box::pin(async move {
            let found = sqlx::query(
                "SELECT 1 FROM refresh_families f JOIN users u ON u.id = f.user_id \
                 WHERE f.id = $1 AND f.revoked_at IS NULL AND u.forgotten_at IS NULL",
            )
            .bind(family.0)
            .fetch_optional(self.reader())
            .await
            .map_err(certain)?;
            Ok(found.is_some())
        })
    }

    fn revoked_since(&self, since: UnixMillis) -> Answer<'_, Result<Vec<FamilyId>, PortError>> {
        Box::pin(async move {
            let found = sqlx::query("SELECT id FROM refresh_families WHERE revoked_at >= $1")
                .bind(since.0)
                .fetch_all(self.reader())
                .await
                .map_err(certain)?;
            found.iter().map(|row| row.try_get("id").map(FamilyId).map_err(|_| rows::corrupt("id"))).collect()
        })
    }

    fn purge_families(&self, before: UnixMillis) -> Answer<'_, Result<u64, PortError>> {
        Box::pin(async move {
            let done = sqlx::query("DELETE FROM refresh_families WHERE expires_at < $1 OR revoked_at < $1")
                .bind(before.0)
                .execute(&mut *self.writer().await?)
                .await
                .map_err(unsure)?;
            Ok(done.rows_affected())
        })
    }
}
