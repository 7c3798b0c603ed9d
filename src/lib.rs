//! Flash Promos: the composition root and the edges.

pub mod adapters;
