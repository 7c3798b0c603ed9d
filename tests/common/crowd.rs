//! A crowd near the store of `Server::shop`, written into the database directly, and what the server counts of it.

#![allow(dead_code, clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use crate::common::Server;
use flash_actors::ports::accounts::{Role, User};
use flash_domain::geo::Location;
use flash_domain::ids::UserId;
use flash_domain::time::UnixMillis;
use flash_promos::adapters::{DatabaseUrl, Stores};
use std::path::Path;

/// The value of a metric.
pub async fn metric(server: &Server, name: &str) -> u64 {
    let text =
        server.http.get(format!("{}/metrics", server.base)).send().await.unwrap().text().await.unwrap();
    let line = text.lines().find(|line| line.starts_with(&format!("{name} "))).unwrap_or("0 0");
    line.rsplit(' ').next().unwrap().parse().unwrap()
}

/// Opens an SQLite file that no server writes, and registers so many people there.
pub async fn people(database: &Path, count: usize) -> (Stores, Vec<UserId>) {
    let stores = Stores::open(&DatabaseUrl::Sqlite(database.to_owned())).await.unwrap();
    let people: Vec<User> = (0..count)
        .map(|nth| {
            let id = UserId(uuid::Uuid::now_v7());
            User {
                id,
                email: format!("{id}@crowd.example"),
                display_name: "Somebody".to_owned(),
                role: Role::Shopper,
                language: "es".to_owned(),
                phone: None,
                notification_preferences: "{}".to_owned(),
                // Within 1.1 km of the store, in several cells.
                last_location: Location::new(6.2442 + (nth % 100) as f64 * 1e-4, -75.5812).ok(),
                created_at: UnixMillis(1_795_000_000_000),
            }
        })
        .collect();
    let ids = people.iter().map(|user| user.id).collect();
    stores.accounts.register_many(people, "!".to_owned()).await.unwrap();
    (stores, ids)
}
