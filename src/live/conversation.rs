//! One session's side of the protocol: connect, refresh, subscribe, call; commands in, replies out.
//!
//! Decides in synchronous stretches; what needs a port runs as a task of the same thread and comes back here. Knows
//! bytes only as text messages; sockets are `socket.rs`.

use super::encode::json;
use super::protocol::{Call, Disconnect, Replies, ReplyError, Request, WithChannel, WithToken};
use super::rpc::NearbyData;
use super::socket::Hold;
use super::{Worker, rpc, rules, topic};
use crate::auth::{Principal, TokenError};
use crate::limits::{COMMANDS_IN_FLIGHT_MAX, COMMANDS_QUEUED_MAX, FRAME_BYTES_MAX, OPEN_CLAIMS_MAX};
use crate::problem::Language;
use crate::wire::claim::ClaimJson;
use crate::wire::time;
use flash_actors::hub::Shard;
use flash_domain::geo::Location;
use flash_domain::ids::{ClaimId, PromotionId, UserId};
use serde_json::value::RawValue;
use std::cell::{Cell, RefCell, RefMut};
use std::future::Future;
use std::rc::Rc;
use tracing::Instrument;

/// Seconds between pings, as the connect result says.
const PING_SECONDS: u64 = 25;
/// Seconds before its end at which a client is asked to refresh its token.
const REFRESH_EARLY_SECONDS: i64 = 25;

/// Where a session is in its life.
#[derive(Debug)]
enum Phase {
    /// Nothing was said yet.
    Fresh,
    /// The connect is being answered; what comes meanwhile waits.
    Connecting { queued: Vec<String>, bytes: usize },
    /// Connected, as nobody or as somebody.
    Connected(Option<UserId>),
    /// The connect was refused or the session ends: the rest is ignored.
    Over,
}

/// One session.
pub(super) struct Conversation {
    pub(super) worker: Rc<Worker>,
    pub(super) slot: u32,
    pub(super) language: Language,
    phase: RefCell<Phase>,
    place: Cell<Option<Location>>,
    in_flight: Cell<usize>,
    gone: Cell<bool>,
    /// Replies of commands that had to wait, until the others that were answered in the same turn are there too.
    answered: RefCell<Replies>,
}

impl Conversation {
    /// Begins.
    pub fn new(worker: Rc<Worker>, slot: u32, language: Language) -> Rc<Self> {
        Rc::new(Self {
            worker,
            slot,
            language,
            phase: RefCell::new(Phase::Fresh),
            place: Cell::new(None),
            in_flight: Cell::new(0),
            gone: Cell::new(false),
            answered: RefCell::default(),
        })
    }

    /// The socket is gone: nothing that still runs may touch the slot.
    pub fn end(&self) {
        self.gone.set(true);
        *self.phase.borrow_mut() = Phase::Over;
    }

    /// Ends the session with a close frame.
    pub fn close(&self, why: Disconnect) {
        *self.phase.borrow_mut() = Phase::Over;
        if let Some(mut shard) = self.shard() {
            shard.close(self.slot, &why.frame());
        }
    }

    /// The hub's state, unless the session is gone.
    pub fn shard(&self) -> Option<RefMut<'_, Shard<Hold>>> {
        (!self.gone.get()).then(|| self.worker.shard.borrow_mut())
    }

    /// Who is connected.
    pub fn user(&self) -> Option<UserId> {
        match &*self.phase.borrow() {
            Phase::Connected(user) => *user,
            _ => None,
        }
    }

    /// Where the shopper said to be last.
    pub fn place(&self) -> Option<Location> {
        self.place.get()
    }

    /// Notes where the shopper is.
    pub fn be_at(&self, place: Location) {
        self.place.set(Some(place));
    }

    /// Takes a text message.
    pub fn message(self: &Rc<Self>, text: &str) {
        let mut replies = Replies::default();
        let mut lines = text.split('\n').map(str::trim).filter(|line| !line.is_empty()).peekable();
        if lines.peek().is_none() {
            return self.close(Disconnect::BAD_REQUEST);
        }
        for line in lines {
            self.line(line, &mut replies);
        }
        self.reply(&mut replies);
    }

    fn line(self: &Rc<Self>, line: &str, replies: &mut Replies) {
        if line == "{}" {
            return self.pong();
        }
        {
            let mut phase = self.phase.borrow_mut();
            match &mut *phase {
                Phase::Over => return,
                Phase::Connecting { queued, bytes } => {
                    *bytes += line.len();
                    if queued.len() < COMMANDS_QUEUED_MAX && *bytes <= FRAME_BYTES_MAX {
                        queued.push(line.to_owned());
                        return;
                    }
                    drop(phase);
                    return self.close(Disconnect::TOO_MANY_COMMANDS);
                }
                Phase::Fresh | Phase::Connected(_) => {}
            }
        }
        match Request::parse(line) {
            Ok(request) => self.command(request, replies),
            Err(_) => self.refuse(replies),
        }
    }

    /// Ends the session for something that is no command, after what was answered already.
    fn refuse(&self, replies: &mut Replies) {
        self.reply(replies);
        self.close(Disconnect::BAD_REQUEST);
    }

    fn command(self: &Rc<Self>, request: Request<'_>, replies: &mut Replies) {
        let connected = matches!(&*self.phase.borrow(), Phase::Connected(_));
        match request {
            Request::Pong => self.pong(),
            Request::Connect(id, body) if !connected => self.connect(id, &body, replies),
            _ if !connected => self.refuse(replies),
            Request::Connect(..) => self.refuse(replies),
            Request::Ignored => {}
            Request::Refresh(id, body) => self.refresh(id, &body, replies),
            Request::Subscribe(id, body) => self.subscribe(id, &body, replies),
            Request::Unsubscribe(id, body) => self.unsubscribe(id, &body, replies),
            Request::Rpc(id, call) => self.call(id, &call, replies),
            Request::Ping(id) => replies.result(id, "ping", "{}"),
            Request::NotAvailable(id) => replies.error(id, ReplyError::NOT_AVAILABLE),
        }
    }

    fn pong(&self) {
        if let Some(mut shard) = self.shard() {
            shard.pong(self.slot);
        }
    }

    /// Sends what was gathered.
    pub fn reply(&self, replies: &mut Replies) {
        if let Some(frame) = replies.take()
            && let Some(mut shard) = self.shard()
        {
            shard.send(self.slot, frame);
        }
    }

    fn connect(self: &Rc<Self>, id: u32, body: &WithToken<'_>, replies: &mut Replies) {
        let token = body.token.as_deref().unwrap_or("");
        let state = &self.worker.state;
        if token.is_empty() {
            return match state.settings.allow_anonymous {
                true => self.welcome(id, None, "", replies),
                false => self.turn_away(id, ReplyError::UNAUTHORIZED, replies),
            };
        }
        match state.auth.verify_access(token, state.engine.now().wall) {
            Err(TokenError::Expired | TokenError::Revoked) => {
                self.turn_away(id, ReplyError::TOKEN_EXPIRED, replies);
            }
            Err(TokenError::Invalid) => self.close(Disconnect::INVALID_TOKEN),
            Ok(principal) => self.log_in(id, principal),
        }
    }

    /// Answers with an error and lets the client go by itself; if it does not, the connect deadline ends it.
    fn turn_away(&self, id: u32, error: ReplyError, replies: &mut Replies) {
        *self.phase.borrow_mut() = Phase::Over;
        replies.error(id, error);
    }

    fn log_in(self: &Rc<Self>, id: u32, principal: Principal) {
        *self.phase.borrow_mut() = Phase::Connecting { queued: Vec::new(), bytes: 0 };
        let left_ms = principal.expires_at - self.worker.state.engine.now().wall;
        if let Some(mut shard) = self.shard() {
            // Registered before the claims are read, so that no change falls between.
            shard.login(self.slot, principal.user_id, principal.family, left_ms);
        }
        let this = self.clone();
        actix_rt::spawn(async move {
            let state = &this.worker.state;
            let open = state.catalogue.open_claims(principal.user_id, OPEN_CLAIMS_MAX);
            let (open, unread) =
                futures_util::future::join(open, state.inbox.unread(principal.user_id)).await;
            if this.gone.get() {
                return;
            }
            let mut replies = Replies::default();
            match open.and_then(|claims| Ok((claims, unread?))) {
                Ok((claims, unread)) => {
                    let shown: Vec<(ClaimId, u64)> = claims.iter().map(|claim| (claim.id, claim.v)).collect();
                    let claims: Vec<_> = claims.iter().map(ClaimJson::from).collect();
                    let more = format!(
                        r#","subs":{{"me":{{"data":{{"claims":{},"unread":{unread}}}}}}},"expires":true,"ttl":{}"#,
                        json(&claims),
                        this.ttl(&principal)
                    );
                    this.serve_queue(id, principal.user_id, &more, &shown, &mut replies);
                }
                Err(error) => {
                    tracing::warn!(%error, "open claims and unread notifications could not be read for a connect");
                    this.turn_away(id, ReplyError::INTERNAL, &mut replies);
                    this.reply(&mut replies);
                }
            }
        });
    }

    /// Answers the connect, then what came meanwhile.
    fn serve_queue(
        self: &Rc<Self>,
        id: u32,
        user: UserId,
        more: &str,
        shown: &[(ClaimId, u64)],
        replies: &mut Replies,
    ) {
        let before = std::mem::replace(&mut *self.phase.borrow_mut(), Phase::Over);
        let Phase::Connecting { queued, .. } = before else { return };
        self.welcome(id, Some(user), more, replies);
        self.reply(replies);
        if let Some(mut shard) = self.shard() {
            shard.own_ready(self.slot, shown);
        }
        for line in queued {
            self.line(&line, replies);
        }
        self.reply(replies);
    }

    fn welcome(&self, id: u32, user: Option<UserId>, more: &str, replies: &mut Replies) {
        *self.phase.borrow_mut() = Phase::Connected(user);
        if let Some(mut shard) = self.shard() {
            shard.connected(self.slot);
        }
        let client = self.worker.state.engine.new_id();
        let result = format!(
            r#"{{"client":"{client}","ping":{PING_SECONDS},"pong":true,"data":{{"server_time":"{}"}}{more}}}"#,
            self.server_time()
        );
        replies.result(id, "connect", &result);
    }

    fn refresh(&self, id: u32, body: &WithToken<'_>, replies: &mut Replies) {
        let state = &self.worker.state;
        let now = state.engine.now().wall;
        match state.auth.verify_access(body.token.as_deref().unwrap_or(""), now) {
            Err(TokenError::Expired | TokenError::Revoked) => self.close(Disconnect::EXPIRED),
            Err(TokenError::Invalid) => self.close(Disconnect::INVALID_TOKEN),
            Ok(principal) if self.user() != Some(principal.user_id) => self.close(Disconnect::INVALID_TOKEN),
            Ok(principal) => {
                if let Some(mut shard) = self.shard() {
                    shard.renew(self.slot, principal.family, principal.expires_at - now);
                }
                let ttl = self.ttl(&principal);
                replies.result(id, "refresh", &format!(r#"{{"expires":true,"ttl":{ttl}}}"#));
            }
        }
    }

    /// Seconds until the client is to refresh its token: at least one, since SDKs storm at zero.
    fn ttl(&self, principal: &Principal) -> i64 {
        let left_ms = principal.expires_at - self.worker.state.engine.now().wall;
        (left_ms / 1000 - REFRESH_EARLY_SECONDS).max(1)
    }

    /// The time as clients are told it.
    pub fn server_time(&self) -> String {
        time::format(self.worker.state.engine.now().wall)
    }

    fn subscribe(self: &Rc<Self>, id: u32, body: &WithChannel<'_>, replies: &mut Replies) {
        match &*body.channel {
            "nearby" => self.subscribe_nearby(id, body.data, replies),
            "me" if self.user().is_some() => replies.error(id, ReplyError::ALREADY_SUBSCRIBED),
            "me" => replies.error(id, ReplyError::PERMISSION_DENIED),
            channel => match promotion_of(channel) {
                Some(promotion) => topic::subscribe(self, id, promotion, replies),
                None => replies.error(id, ReplyError::UNKNOWN_CHANNEL),
            },
        }
    }

    fn subscribe_nearby(&self, id: u32, data: Option<&RawValue>, replies: &mut Replies) {
        let Some(mut shard) = self.shard() else { return };
        if shard.is_subscribed(self.slot) {
            return replies.error(id, ReplyError::ALREADY_SUBSCRIBED);
        }
        let Some(asked) = NearbyData::read(data) else {
            return replies.bad_data(id, &rules::explain(data, rules::NEARBY));
        };
        if let Some(location) = asked.location {
            self.be_at(location);
        }
        let (seat, known) = asked.into_seat();
        let snapshot = shard.subscribe(self.slot, seat, &known);
        let mut result = format!(r#"{{"data":{{"server_time":"{}","offers":["#, self.server_time());
        for (nth, offer) in snapshot.offers.iter().enumerate() {
            if nth > 0 {
                result.push(',');
            }
            result.push_str(std::str::from_utf8(offer).unwrap_or("{}"));
        }
        result.push_str(&format!(r#"],"gone":{}}}}}"#, json(&snapshot.gone)));
        replies.result(id, "subscribe", &result);
        // Before anything else can be published on the channel.
        if let Some(frame) = replies.take() {
            shard.send(self.slot, frame);
        }
        shard.subscribed(self.slot, &snapshot.rest);
    }

    fn unsubscribe(&self, id: u32, body: &WithChannel<'_>, replies: &mut Replies) {
        if let Some(mut shard) = self.shard() {
            if body.channel == "nearby" {
                shard.unsubscribe(self.slot);
            } else if let Some(promotion) = promotion_of(&body.channel) {
                shard.unfollow(self.slot, promotion);
            }
        }
        replies.result(id, "unsubscribe", "{}");
    }

    fn call(self: &Rc<Self>, id: u32, call: &Call<'_>, replies: &mut Replies) {
        let methods = ["move", "claim", "confirm", "cancel"];
        let Some(method) = methods.into_iter().find(|method| *method == call.method) else {
            return replies.error(id, ReplyError::METHOD_NOT_FOUND);
        };
        let _inside = tracing::info_span!("rpc", method, session = self.slot, command = id).entered();
        match method {
            "move" => {
                // Replies so far go out before the move's publications.
                self.reply(replies);
                rpc::relocate(self, id, call.data, replies);
            }
            "claim" => rpc::claim(self, id, call.data, replies),
            "confirm" => rpc::act(self, id, call.data, rpc::Act::Confirm, replies),
            _ => rpc::act(self, id, call.data, rpc::Act::Cancel, replies),
        }
    }

    /// Runs what needs a port; the result of an rpc leaves when it is there. Too many at once are refused.
    pub fn later(
        self: &Rc<Self>,
        id: u32,
        replies: &mut Replies,
        what: impl Future<Output = Result<Option<String>, ReplyError>> + 'static,
    ) -> bool {
        if self.in_flight.get() >= COMMANDS_IN_FLIGHT_MAX {
            replies.error(id, ReplyError::TOO_MANY_REQUESTS);
            return false;
        }
        self.in_flight.set(self.in_flight.get() + 1);
        let this = self.clone();
        let what = what.instrument(tracing::Span::current());
        actix_rt::spawn(async move {
            let outcome = what.await;
            this.in_flight.set(this.in_flight.get() - 1);
            // It has answered by itself.
            if matches!(outcome, Ok(None)) {
                return;
            }
            let mut answered = this.answered.borrow_mut();
            let is_first = answered.is_empty();
            match outcome {
                Ok(None) => {}
                Ok(Some(result)) => answered.result(id, "rpc", &result),
                Err(error) => answered.error(id, error),
            }
            drop(answered);
            if is_first {
                this.reply_soon();
            }
        });
        true
    }

    /// Sends the gathered replies once the tasks that are ready now have had their turn: a commit answers many commands
    /// of a frame at once, and one write is cheaper than many.
    fn reply_soon(self: &Rc<Self>) {
        let this = self.clone();
        actix_rt::spawn(async move {
            let mut answered = this.answered.take();
            this.reply(&mut answered);
        });
    }
}

/// The promotion of a `promotion:{id}` channel; only the canonical form of the id, so that one channel has one name.
fn promotion_of(channel: &str) -> Option<PromotionId> {
    let name = channel.strip_prefix("promotion:")?;
    let id: PromotionId = name.parse().ok()?;
    (id.to_string() == name).then_some(id)
}

#[cfg(test)]
mod tests;
