//! Flash Promos: the composition root and the edges.

pub mod adapters;
pub mod auth;
pub mod config;
pub mod mint;
pub mod problem;
pub mod wire;
