//! The live edge: sockets taken over from the HTTP server's upgrade service, the Centrifuge protocol on them, and one hub
//! per worker thread behind them.
//!
//! Translates between the wire and the hubs, the engine and the ports. Knows no storage and nothing of the HTTP edge.

mod conversation;
mod echo;
pub mod encode;
pub mod frame;
pub mod protocol;
mod rpc;
mod rules;
mod socket;
mod topic;
mod upgrade;

use crate::auth::{Auth, Revocation};
use crate::metrics::Metrics;
use crate::problem::Problem;
use actix_codec::Framed;
use actix_http::{Request, h1};
use actix_rt::net::TcpStream;
use actix_service::{ServiceFactory, fn_factory, fn_service};
use flash_actors::engine::Engine;
use flash_actors::hub::{HubActor, Hubs};
use flash_actors::ports::catalogue::Catalogue;
use flash_actors::ports::inbox::Inbox;
use flash_domain::ids::UserId;
use socket::Hold;
use std::cell::Cell;
use std::convert::Infallible;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::time::Duration;

/// Tells whether a shopper claims too often, and if so after how many milliseconds they may again.
pub type ClaimRate = Arc<dyn Fn(UserId) -> Option<u64> + Send + Sync>;

/// What can be set.
#[derive(Clone, Debug)]
pub struct LiveSettings {
    /// Whether visitors without a token may watch.
    pub allow_anonymous: bool,
    /// Origins that browsers may connect from besides the server's own; `*` = any.
    pub origins: Vec<String>,
    /// Whether `bench/echo` is served.
    pub bench: bool,
}

/// What the edge works with.
pub struct LiveState {
    /// Promotions.
    pub engine: Engine,
    /// Open claims, and who works where.
    pub catalogue: Arc<dyn Catalogue>,
    /// How much is unread.
    pub inbox: Arc<dyn Inbox>,
    /// Tokens.
    pub auth: Arc<Auth>,
    /// All hubs.
    pub hubs: Arc<Hubs>,
    /// Numbers.
    pub metrics: Arc<Metrics>,
    /// The rate of claims, shared with HTTP.
    pub claim_rate: ClaimRate,
    /// What can be set.
    pub settings: LiveSettings,
}

/// One worker's part of the edge.
struct Worker {
    state: Arc<LiveState>,
    shard: flash_actors::hub::SharedShard<Hold>,
    /// Whether the engine was seen ready; it never is not again.
    ready: Cell<bool>,
}

impl Worker {
    /// Whether every live promotion is on the boards. Before that a client that says what it knows would be told that
    /// it is gone.
    fn is_ready(&self) -> bool {
        if !self.ready.get() {
            self.ready.set(self.state.engine.observe().ready);
        }
        self.ready.get()
    }
}

/// The live edge. Clones are cheap and are one edge.
#[derive(Clone)]
pub struct LiveEdge(Arc<LiveState>);

impl LiveEdge {
    /// Makes the edge: sessions of logins that are revoked end from now on.
    pub fn new(state: LiveState) -> Self {
        let hubs = state.hubs.clone();
        state.auth.on_revocation(Arc::new(move |what| match what {
            Revocation::Family(family) => hubs.disconnect_family(family),
            Revocation::User(user) => hubs.disconnect_user(user),
        }));
        let hubs = state.hubs.clone();
        state.metrics.also(Box::new(move |lines| {
            let counts = hubs.counts();
            lines.extend([
                ("flash_live_sessions", "Live sessions now", hubs.sessions() as u64),
                ("flash_live_connects_total", "Sessions that connected", counts.connects.load(Relaxed)),
                ("flash_live_frames_total", "Frames written by fan-out", counts.frames.load(Relaxed)),
                (
                    "flash_live_conflated_total",
                    "Updates that replaced one that waited",
                    counts.conflated.load(Relaxed),
                ),
                ("flash_live_evicted_total", "Readers cut for being too slow", counts.evicted.load(Relaxed)),
                ("flash_live_ended_total", "Sessions ended by the server", counts.ended.load(Relaxed)),
            ]);
        }));
        Self(Arc::new(state))
    }

    /// The upgrade service of the HTTP server, whose connections sessions only want the socket of. Each worker that makes it
    /// gets a hub of its own, at once.
    pub fn upgrades<C: Into<TcpStream> + 'static>(
        &self,
    ) -> impl ServiceFactory<
        (Request, Framed<C, h1::Codec>),
        Config = (),
        Response = (),
        Error = Infallible,
        InitError = (),
        Service: 'static,
    > + use<C> {
        let state = self.0.clone();
        fn_factory(move || {
            let worker = Rc::new(Worker {
                state: state.clone(),
                shard: HubActor::start_here(&state.hubs),
                ready: Cell::new(false),
            });
            async move {
                Ok::<_, ()>(fn_service(move |(request, framed): (Request, Framed<C, h1::Codec>)| {
                    let worker = worker.clone();
                    async move {
                        upgrade::take_over(worker, request, framed).await;
                        Ok::<_, Infallible>(())
                    }
                }))
            }
        })
    }
}

/// Waits until so many hubs have joined, or for `patience`; says whether they have.
pub async fn wait_for_hubs(hubs: &Hubs, count: usize, patience: Duration) -> bool {
    wait_until(patience, || hubs.hubs() >= count).await
}

/// Ends every session, spread over a time, and waits for their end at most two seconds longer.
pub async fn drain(hubs: &Hubs, over: Duration) {
    hubs.drain(over);
    if !wait_until(over + Duration::from_secs(2), || hubs.sessions() == 0).await {
        tracing::warn!(sessions = hubs.sessions(), "sessions did not end in time");
    }
}

async fn wait_until(patience: Duration, done: impl Fn() -> bool) -> bool {
    let waited = async {
        while !done() {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    tokio::time::timeout(patience, waited).await.is_ok()
}

/// A problem as a reply's data.
fn problem_json(problem: &Problem) -> String {
    format!(r#"{{"problem":{}}}"#, encode::json(problem))
}
