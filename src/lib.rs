//! Flash Promos: the composition root and the edges.

pub mod adapters;
pub mod auth;
pub mod commands;
pub mod config;
pub mod demo;
pub mod edge;
pub mod http;
pub mod limits;
pub mod live;
pub mod metrics;
pub mod mint;
pub mod problem;
pub mod proxies;
pub mod serve;
pub mod telemetry;
pub mod wire;
