//! The Centrifuge client protocol, JSON form: commands as clients write them, replies as they must look, and every code.
//!
//! Envelopes ignore unknown members; a member that is absent is left out of replies, never null. Knows no session.

use super::frame::{self, Opcode};
use bytes::Bytes;
use serde::Deserialize;
use serde_json::value::RawValue;

/// One command. Exactly one method is expected; the first in the protocol's order counts.
#[derive(Debug, Default, Deserialize)]
pub struct Command<'a> {
    /// Its number; replies carry it. Absent for `send` and the pong.
    #[serde(default)]
    pub id: Option<u32>,
    #[serde(borrow, default)]
    connect: Option<&'a RawValue>,
    #[serde(borrow, default)]
    subscribe: Option<&'a RawValue>,
    #[serde(borrow, default)]
    unsubscribe: Option<&'a RawValue>,
    #[serde(borrow, default)]
    publish: Option<&'a RawValue>,
    #[serde(borrow, default)]
    presence: Option<&'a RawValue>,
    #[serde(borrow, default)]
    presence_stats: Option<&'a RawValue>,
    #[serde(borrow, default)]
    history: Option<&'a RawValue>,
    #[serde(borrow, default)]
    ping: Option<&'a RawValue>,
    #[serde(borrow, default)]
    send: Option<&'a RawValue>,
    #[serde(borrow, default)]
    rpc: Option<&'a RawValue>,
    #[serde(borrow, default)]
    refresh: Option<&'a RawValue>,
    #[serde(borrow, default)]
    sub_refresh: Option<&'a RawValue>,
}

/// A connect or refresh request.
#[derive(Debug, Default, Deserialize)]
pub struct WithToken<'a> {
    /// The access token; absent, null or empty: none.
    #[serde(borrow, default)]
    pub token: Option<std::borrow::Cow<'a, str>>,
}

/// A subscribe or unsubscribe request.
#[derive(Debug, Deserialize)]
pub struct WithChannel<'a> {
    /// The channel.
    #[serde(borrow)]
    pub channel: std::borrow::Cow<'a, str>,
    /// Our own data.
    #[serde(borrow, default)]
    pub data: Option<&'a RawValue>,
}

/// A call of a method.
#[derive(Debug, Deserialize)]
pub struct Call<'a> {
    /// Which.
    #[serde(borrow, default)]
    pub method: std::borrow::Cow<'a, str>,
    /// Its arguments.
    #[serde(borrow, default)]
    pub data: Option<&'a RawValue>,
}

/// What a command asks for.
#[derive(Debug)]
pub enum Request<'a> {
    /// The answer to our ping.
    Pong,
    /// Something that is not answered and does nothing here.
    Ignored,
    /// Connect.
    Connect(u32, WithToken<'a>),
    /// Refresh the token.
    Refresh(u32, WithToken<'a>),
    /// Subscribe.
    Subscribe(u32, WithChannel<'a>),
    /// Unsubscribe.
    Unsubscribe(u32, WithChannel<'a>),
    /// Call a method.
    Rpc(u32, Call<'a>),
    /// A ping of the client's own.
    Ping(u32),
    /// Something of the protocol that is not offered.
    NotAvailable(u32),
}

/// The line is no command: the connection ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not a command")]
pub struct NotACommand;

impl<'a> Request<'a> {
    /// Reads one line of a frame.
    ///
    /// # Errors
    /// It is no command.
    pub fn parse(line: &'a str) -> Result<Self, NotACommand> {
        // serde would also take a sequence for a struct.
        if !line.starts_with('{') {
            return Err(NotACommand);
        }
        let command: Command<'a> = serde_json::from_str(line).map_err(|_| NotACommand)?;
        let id = command.id.filter(|id| *id > 0);
        if command.send.is_some() {
            return Ok(Self::Ignored);
        }
        let Some(id) = id else {
            return if line.trim_start_matches('{').trim() == "}" {
                Ok(Self::Pong)
            } else {
                Err(NotACommand)
            };
        };
        let request = if let Some(raw) = command.connect {
            Self::Connect(id, body(raw)?)
        } else if let Some(raw) = command.subscribe {
            Self::Subscribe(id, body(raw)?)
        } else if let Some(raw) = command.unsubscribe {
            Self::Unsubscribe(id, body(raw)?)
        } else if let Some(raw) = command.rpc {
            Self::Rpc(id, body(raw)?)
        } else if let Some(raw) = command.refresh {
            Self::Refresh(id, body(raw)?)
        } else if command.ping.is_some() {
            Self::Ping(id)
        } else if [
            command.publish,
            command.presence,
            command.presence_stats,
            command.history,
            command.sub_refresh,
        ]
        .iter()
        .any(Option::is_some)
        {
            Self::NotAvailable(id)
        } else {
            return Err(NotACommand);
        };
        Ok(request)
    }
}

fn body<'a, T: Deserialize<'a>>(raw: &'a RawValue) -> Result<T, NotACommand> {
    if !raw.get().starts_with('{') {
        return Err(NotACommand);
    }
    serde_json::from_str(raw.get()).map_err(|_| NotACommand)
}

/// An error as a reply tells it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ReplyError {
    /// 100–399: the protocol's.
    pub code: u16,
    /// For developers.
    pub message: &'static str,
    /// Whether the same may succeed later.
    pub temporary: bool,
}

impl ReplyError {
    /// Something failed here.
    pub const INTERNAL: Self = Self::temporary(100, "internal server error");
    /// Nobody is logged in.
    pub const UNAUTHORIZED: Self = Self::of(101, "unauthorized");
    /// There is no such channel.
    pub const UNKNOWN_CHANNEL: Self = Self::of(102, "unknown channel");
    /// The channel is not for this person.
    pub const PERMISSION_DENIED: Self = Self::of(103, "permission denied");
    /// There is no such method.
    pub const METHOD_NOT_FOUND: Self = Self::of(104, "method not found");
    /// Subscribed already.
    pub const ALREADY_SUBSCRIBED: Self = Self::of(105, "already subscribed");
    /// Too many subscriptions.
    pub const LIMIT_EXCEEDED: Self = Self::of(106, "limit exceeded");
    /// The data is not what is expected: the code of a message that says why.
    pub const BAD_DATA: u16 = 107;
    /// Not offered.
    pub const NOT_AVAILABLE: Self = Self::of(108, "not available");
    /// The token has run out or was revoked: get a new one.
    pub const TOKEN_EXPIRED: Self = Self::of(109, "token expired");
    /// Too many commands at once.
    pub const TOO_MANY_REQUESTS: Self = Self::temporary(111, "too many requests");

    const fn of(code: u16, message: &'static str) -> Self {
        Self { code, message, temporary: false }
    }

    const fn temporary(code: u16, message: &'static str) -> Self {
        Self { code, message, temporary: true }
    }
}

/// A close code with its reason.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Disconnect {
    /// 3000–3499 and 4000–4499: clients connect again; 3500–3999 and 4500–4999: they don't.
    pub code: u16,
    /// Never empty, never JSON.
    pub reason: &'static str,
}

impl Disconnect {
    /// The server goes down.
    pub const SHUTDOWN: Self = Self { code: 3001, reason: "shutdown" };
    /// The token ran out.
    pub const EXPIRED: Self = Self { code: 3005, reason: "connection expired" };
    /// A ping was not answered.
    pub const NO_PONG: Self = Self { code: 3012, reason: "no pong" };
    /// The token is not ours, or somebody else's.
    pub const INVALID_TOKEN: Self = Self { code: 3500, reason: "invalid token" };
    /// Something that is no command.
    pub const BAD_REQUEST: Self = Self { code: 3501, reason: "bad request" };
    /// No connect came in time.
    pub const STALE: Self = Self { code: 3502, reason: "stale" };
    /// The session missed something.
    pub const BEHIND: Self = Self { code: 4000, reason: "read anew" };
    /// A frame or message above the bound.
    pub const TOO_BIG: Self = Self { code: 4500, reason: "message too big" };
    /// More commands before the connect was answered than are kept.
    pub const TOO_MANY_COMMANDS: Self = Self { code: 4501, reason: "too many commands" };

    /// The close frame.
    pub fn frame(self) -> Bytes {
        frame::close(self.code, self.reason)
    }
}

/// Replies of one incoming frame, to go out as one frame: objects joined by newlines.
#[derive(Debug, Default)]
pub struct Replies(String);

impl Replies {
    /// Adds a result: the method's member with a JSON object in it.
    pub fn result(&mut self, id: u32, method: &str, result: &str) {
        self.line(&format!(r#"{{"id":{id},"{method}":{result}}}"#));
    }

    /// Adds an error.
    pub fn error(&mut self, id: u32, error: ReplyError) {
        let temporary = if error.temporary { r#","temporary":true"# } else { "" };
        let (code, message) = (error.code, error.message);
        self.line(&format!(r#"{{"id":{id},"error":{{"code":{code},"message":"{message}"{temporary}}}}}"#));
    }

    /// Adds that the data of a command is not what is expected, and why: text that may repeat what a client wrote.
    pub fn bad_data(&mut self, id: u32, why: &str) {
        let message = serde_json::Value::from(format!("bad data: {why}"));
        let code = ReplyError::BAD_DATA;
        self.line(&format!(r#"{{"id":{id},"error":{{"code":{code},"message":{message}}}}}"#));
    }

    /// Whether there is nothing to say.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The frame; `None` if there is nothing to say.
    pub fn take(&mut self) -> Option<Bytes> {
        let text = std::mem::take(&mut self.0);
        (!text.is_empty()).then(|| frame::encode(Opcode::Text, text.as_bytes()))
    }

    fn line(&mut self, object: &str) {
        if !self.0.is_empty() {
            self.0.push('\n');
        }
        self.0.push_str(object);
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::panic)]
mod tests {
    use super::*;

    #[test]
    fn commands_are_read_as_the_sdks_write_them() {
        let js = r#"{"connect":{"token":"t","name":"js","unheard_of":[1]},"id":17}"#;
        assert!(
            matches!(Request::parse(js), Ok(Request::Connect(17, body)) if body.token.as_deref() == Some("t"))
        );
        let py = r#"{"id": 2, "subscribe": {"channel": "nearb\u0079", "flag": 1}}"#;
        assert!(
            matches!(Request::parse(py), Ok(Request::Subscribe(2, body)) if body.channel == "nearby" && body.data.is_none())
        );
        let null = r#"{"id":3,"rpc":{"method":"move","data":null}}"#;
        assert!(matches!(Request::parse(null), Ok(Request::Rpc(3, call)) if call.data.is_none()));
        assert!(matches!(Request::parse("{}"), Ok(Request::Pong)));
        assert!(matches!(Request::parse("{ }"), Ok(Request::Pong)));
        assert!(matches!(Request::parse(r#"{"send":{"data":1}}"#), Ok(Request::Ignored)));
        assert!(matches!(Request::parse(r#"{"id":4,"publish":{}}"#), Ok(Request::NotAvailable(4))));
    }

    #[test]
    fn what_is_no_command_is_refused() {
        for line in [
            "hello",
            "[]",
            "1",
            "null",
            r#"{"id":1,"connect":{}"#,
            r#"{"connect":{}}"#,
            r#"{"id":0,"connect":{}}"#,
            r#"{"id":-1,"connect":{}}"#,
            r#"{"id":4294967296,"connect":{}}"#,
            r#"{"id":1}"#,
            r#"{"id":1,"connect":[]}"#,
            r#"{"id":1,"connect":null}"#,
            r#"{"id":1,"subscribe":{}}"#,
            r#"{"id":1,"connect":{"token":7}}"#,
        ] {
            assert!(Request::parse(line).is_err(), "{line}");
        }
    }

    #[test]
    fn replies_leave_in_one_frame_without_empty_lines() {
        let mut replies = Replies::default();
        assert!(replies.take().is_none());
        replies.result(1, "unsubscribe", "{}");
        replies.error(2, ReplyError::TOO_MANY_REQUESTS);
        let frame = replies.take().unwrap();
        assert_eq!(
            std::str::from_utf8(&frame[2..]).unwrap(),
            "{\"id\":1,\"unsubscribe\":{}}\n{\"id\":2,\"error\":{\"code\":111,\"message\":\"too many requests\",\"temporary\":true}}"
        );
        assert!(replies.take().is_none());
        replies.bad_data(3, "there is no /\"\n");
        assert_eq!(
            std::str::from_utf8(&replies.take().unwrap()[2..]).unwrap(),
            r#"{"id":3,"error":{"code":107,"message":"bad data: there is no /\"\n"}}"#
        );
    }

    #[test]
    fn close_reasons_are_short_and_not_json() {
        for disconnect in [
            Disconnect::SHUTDOWN,
            Disconnect::EXPIRED,
            Disconnect::NO_PONG,
            Disconnect::INVALID_TOKEN,
            Disconnect::BAD_REQUEST,
            Disconnect::STALE,
            Disconnect::BEHIND,
            Disconnect::TOO_BIG,
            Disconnect::TOO_MANY_COMMANDS,
        ] {
            assert!((1..=123).contains(&disconnect.reason.len()));
            assert!(serde_json::from_str::<serde_json::Value>(disconnect.reason).is_err());
        }
    }
}
