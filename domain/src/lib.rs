//! Skeleton.
pub mod board;
pub mod geo;
pub mod series;
pub mod time;
