//! People and their sessions' refresh tokens. Passwords arrive hashed; tokens arrive as digests.

use super::{Answer, Page, PortError};
use flash_domain::geo::Location;
use flash_domain::ids::{FamilyId, UserId};
use flash_domain::segment::Segment;
use flash_domain::time::UnixMillis;
use serde::{Deserialize, Serialize};

/// What a person may do. Who may act as a merchant may also shop.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Role {
    /// Claims.
    Shopper,
    /// Also opens stores and launches promotions.
    Merchant,
    /// Also operates the system. Never by registration.
    Admin,
}

impl Role {
    /// The stored and JSON form.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Shopper => "shopper",
            Self::Merchant => "merchant",
            Self::Admin => "admin",
        }
    }

    /// The role from its stored form.
    pub fn parse(text: &str) -> Option<Self> {
        match text {
            "shopper" => Some(Self::Shopper),
            "merchant" => Some(Self::Merchant),
            "admin" => Some(Self::Admin),
            _ => None,
        }
    }
}

/// A person.
#[derive(Clone, Debug, PartialEq)]
pub struct User {
    /// The id.
    pub id: UserId,
    /// E-mail, lower case; unique.
    pub email: String,
    /// What others see.
    pub display_name: String,
    /// What they may do.
    pub role: Role,
    /// `es` or `en`.
    pub language: String,
    /// E.164, only ever shown to the person.
    pub phone: Option<String>,
    /// Notification preferences, a JSON object that the edge checks.
    pub notification_preferences: String,
    /// The place that the person saved.
    pub last_location: Option<Location>,
    /// When they registered.
    pub created_at: UnixMillis,
}

/// A change of one's profile; `None` stays, `Some(None)` clears.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct UserPatch {
    /// New name.
    pub display_name: Option<String>,
    /// New language.
    pub language: Option<String>,
    /// New phone.
    pub phone: Option<Option<String>>,
    /// New preferences.
    pub notification_preferences: Option<String>,
    /// New saved place.
    pub last_location: Option<Option<Location>>,
    /// New password hash (PHC string); revokes nothing by itself.
    pub password_hash: Option<String>,
}

/// What became of presenting a refresh token.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Rotation {
    /// It was the current one; the successor is current now.
    Rotated(UserId),
    /// It was the one before, within the grace: the same successor is to be given again.
    Repeated(UserId),
    /// It was used before, outside the grace: the family is revoked now.
    Reused,
    /// No such family, revoked, expired, or the person is gone.
    Unknown,
}

/// People.
pub trait Accounts: Send + Sync + 'static {
    /// Registers a person. `Ok(false)` if the e-mail is taken.
    fn register(&self, user: User, password_hash: String) -> Answer<'_, Result<bool, PortError>>;
    /// Registers many people at once without e-mail conflicts (bench mode).
    fn register_many(&self, users: Vec<User>, password_hash: String) -> Answer<'_, Result<(), PortError>>;
    /// A person and their password hash by e-mail (lower case). Deleted people are not found.
    fn by_email<'a>(&'a self, email: &'a str) -> Answer<'a, Result<Option<(User, String)>, PortError>>;
    /// A person. Deleted people are not found.
    fn user(&self, id: UserId) -> Answer<'_, Result<Option<User>, PortError>>;
    /// Changes a person; `None` if there is none.
    fn update(&self, id: UserId, patch: UserPatch) -> Answer<'_, Result<Option<User>, PortError>>;
    /// Forgets a person: e-mail, name, phone, place and hash are erased, follows, staff entries and families removed;
    /// claims stay without a name. `Ok(false)` if there is none, or while they own a store (that is not deleted).
    fn forget(&self, id: UserId, at: UnixMillis) -> Answer<'_, Result<bool, PortError>>;
    /// Gives a person a role (create-admin). `Ok(false)` if there is none.
    fn set_role(&self, id: UserId, role: Role) -> Answer<'_, Result<bool, PortError>>;
    /// People by id after `after`.
    fn list(&self, after: Option<UserId>, limit: u32) -> Answer<'_, Result<Page<User>, PortError>>;
    /// The segment, from the confirmed claims that are durable now.
    fn segment(&self, id: UserId, now: UnixMillis) -> Answer<'_, Result<Segment, PortError>>;
    /// Starts a family of refresh tokens with the digest of its first token.
    fn begin_family(
        &self,
        family: FamilyId,
        user: UserId,
        digest: [u8; 32],
        now: UnixMillis,
        expires_at: UnixMillis,
    ) -> Answer<'_, Result<(), PortError>>;
    /// Presents a token: see [`Rotation`]. Atomic: of two concurrent presentations one rotates, the other repeats.
    fn rotate(
        &self,
        family: FamilyId,
        presented: [u8; 32],
        successor: [u8; 32],
        now: UnixMillis,
        grace_ms: i64,
    ) -> Answer<'_, Result<Rotation, PortError>>;
    /// Revokes a family; says whether it was there and not revoked.
    fn revoke_family(&self, family: FamilyId, at: UnixMillis) -> Answer<'_, Result<bool, PortError>>;
    /// Whether access tokens of this family are still good: not revoked, the person not deleted.
    fn family_is_live(&self, family: FamilyId) -> Answer<'_, Result<bool, PortError>>;
    /// Families revoked since `since`, to know them in memory after a start.
    fn revoked_since(&self, since: UnixMillis) -> Answer<'_, Result<Vec<FamilyId>, PortError>>;
    /// Removes families that expired or were revoked before `before`; says how many.
    fn purge_families(&self, before: UnixMillis) -> Answer<'_, Result<u64, PortError>>;
}
