//! Flash Promos: the composition root and the edges.

pub mod adapters;
pub mod config;
pub mod mint;
