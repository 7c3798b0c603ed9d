//! JSON shapes that HTTP and the live protocol share. Says how things look on the wire; decides nothing.

pub mod claim;
pub mod notification;
pub mod offer;
pub mod promotion;
pub mod time;
