//! Flash Promos: the composition root and the edges.

pub mod adapters;
pub mod auth;
pub mod config;
pub mod http;
pub mod limits;
pub mod metrics;
pub mod mint;
pub mod problem;
pub mod wire;
