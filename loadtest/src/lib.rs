//! Load generation and measurement over the public wire: HTTP/1.1 and the JSON form of the Centrifuge protocol.
//!
//! Everything here is a client. It deliberately knows nothing of the engine's crates: what it measures is what any
//! outside client would see. The layers, from the bottom: [`http`] and [`ws`] turn bytes into messages and back,
//! [`closed_loop`] and [`swarm`] drive many connections from one thread, [`child`], [`server`] and [`postgres`]
//! start the processes under test, [`scene`] creates what is measured, [`sections`] compare one kind of work with
//! its limit, and [`report`] prints the outcome.

pub mod arrivals;
pub mod bare;
pub mod child;
pub mod closed_loop;
pub mod closing;
pub mod connections;
pub mod crew;
pub mod driver;
pub mod error;
pub mod figures;
pub mod frames;
pub mod generator;
pub mod history;
pub mod html;
pub mod http;
pub mod judge;
pub mod net;
pub mod open_loop;
pub mod places;
pub mod postgres;
pub mod report;
pub mod rpc_loop;
pub mod run;
pub mod scenario;
pub mod scene;
pub mod sections;
pub mod server;
pub mod setting;
pub mod swarm;
pub mod threshold;
pub mod timeline;
pub mod view;
pub mod ws;
