//! One session's task: reads what comes, writes what waits, ends when it must. All sessions of a thread share one read
//! buffer; a session keeps bytes only of what is not complete.
//!
//! Waits with `poll_read_ready` (`readable()` would leave the waker of the HTTP task in place) and outside of Tokio's
//! cooperative budget, which stops loops over many sockets half-way.

use super::Worker;
use super::conversation::Conversation;
use super::frame::{self, Decoder, Event, FrameError, Opcode};
use super::protocol::Disconnect;
use crate::limits::{FRAME_BYTES_MAX, READ_BYTES, READS_IN_A_ROW_MAX};
use crate::problem::Language;
use flash_actors::hub::Sink;
use flash_actors::hub::registry::Place;
use flash_actors::hub::session::Ending;
use std::cell::RefCell;
use std::io;
use std::rc::Rc;
use std::task::{Context, Poll, Waker};
use tokio::net::TcpStream;

/// A socket and its task.
#[derive(Debug)]
struct Link {
    stream: TcpStream,
    task: RefCell<Option<Waker>>,
}

/// The hub's hold on a socket.
#[derive(Debug)]
pub(super) struct Hold(Rc<Link>);

#[cfg(test)]
impl Hold {
    /// A socket without a task: nobody waits for it to be writable.
    pub(super) fn of(stream: TcpStream) -> Self {
        Self(Rc::new(Link { stream, task: RefCell::new(None) }))
    }
}

impl Sink for Hold {
    fn try_write(&self, bytes: &[u8]) -> io::Result<usize> {
        self.0.stream.try_write(bytes)
    }

    fn wake(&self) {
        if let Some(task) = &*self.0.task.borrow() {
            task.wake_by_ref();
        }
    }
}

thread_local! {
    /// What every session of this thread reads into.
    static BUFFER: RefCell<Vec<u8>> = RefCell::new(vec![0; READ_BYTES]);
}

/// Reads once into the thread's buffer and hands the bytes over. `None`: nothing there now.
pub(super) fn read_shared<T>(stream: &TcpStream, take: impl FnOnce(&mut [u8]) -> T) -> Option<Result<T, ()>> {
    BUFFER.with_borrow_mut(|buffer| match stream.try_read(buffer) {
        Ok(0) => Some(Err(())),
        Ok(count) => Some(Ok(take(&mut buffer[..count]))),
        Err(error) if error.kind() == io::ErrorKind::WouldBlock => None,
        Err(_) => Some(Err(())),
    })
}

/// One session's task.
struct Session {
    link: Rc<Link>,
    decoder: Decoder,
    conversation: Rc<Conversation>,
    /// Whether the other side said that it ends: what is left to do is to let it.
    closed: bool,
}

/// Serves a socket until it ends. `early` came with the upgrade request already.
pub(super) async fn serve(
    worker: Rc<Worker>,
    stream: TcpStream,
    early: Vec<u8>,
    language: Language,
    _place: Place,
) {
    let link = Rc::new(Link { stream, task: RefCell::new(None) });
    let slot = worker.shard.borrow_mut().open(Hold(link.clone()));
    let conversation = Conversation::new(worker.clone(), slot, language);
    let mut session = Session {
        link,
        decoder: Decoder::new(FRAME_BYTES_MAX),
        conversation: conversation.clone(),
        closed: false,
    };
    let mut early = early;
    if !early.is_empty() {
        session.take(&mut early);
    }
    drop(early);
    std::future::poll_fn(|context| session.poll(context)).await;
    conversation.end();
    worker.shard.borrow_mut().remove(slot);
}

impl Session {
    fn poll(&mut self, context: &mut Context<'_>) -> Poll<()> {
        self.remember(context.waker());
        if self.read(context).is_ready() {
            return Poll::Ready(());
        }
        self.write(context)
    }

    fn remember(&self, waker: &Waker) {
        let mut task = self.link.task.borrow_mut();
        if !task.as_ref().is_some_and(|known| known.will_wake(waker)) {
            *task = Some(waker.clone());
        }
    }

    /// Reads until nothing is there; ready when the other side is gone.
    fn read(&mut self, context: &mut Context<'_>) -> Poll<()> {
        for _ in 0..READS_IN_A_ROW_MAX {
            match self.link.stream.poll_read_ready(context) {
                Poll::Pending => return Poll::Pending,
                Poll::Ready(Err(_)) => return Poll::Ready(()),
                Poll::Ready(Ok(())) => {}
            }
            let link = self.link.clone();
            if let Some(Err(())) = read_shared(&link.stream, |bytes| self.take(bytes)) {
                return Poll::Ready(());
            }
        }
        // Others get their turn.
        context.waker().wake_by_ref();
        Poll::Pending
    }

    /// Takes bytes as they came. After the end was said in either direction, the rest is of no interest.
    fn take(&mut self, bytes: &mut [u8]) {
        let (conversation, closed) = (&self.conversation, &mut self.closed);
        let ending = || conversation.worker.shard.borrow().attention(conversation.slot).ending.is_some();
        if *closed {
            return;
        }
        if ending() {
            // Only the other side's close is still waited for.
            let result = self.decoder.feed(bytes, |event| {
                *closed |= matches!(event, Event::Close(_));
                !*closed
            });
            *closed |= result.is_err();
            return;
        }
        let result = self.decoder.feed(bytes, |event| {
            match event {
                Event::Text(text) => conversation.message(text),
                Event::Binary(_) => conversation.close(Disconnect::BAD_REQUEST),
                Event::Ping(payload) => {
                    let pong = frame::encode(Opcode::Pong, payload);
                    if let Some(mut shard) = conversation.shard() {
                        shard.send(conversation.slot, pong);
                    }
                }
                Event::Pong => {}
                Event::Close(code) => {
                    *closed = true;
                    let answer = match code {
                        Some(code) => frame::close(code, ""),
                        None => frame::encode(Opcode::Close, &[]),
                    };
                    if let Some(mut shard) = conversation.shard() {
                        shard.close(conversation.slot, &answer);
                    }
                }
            }
            !ending()
        });
        match result {
            Ok(()) => {}
            Err(FrameError::TooBig) => conversation.close(Disconnect::TOO_BIG),
            Err(error) => {
                *closed = true;
                if let Some(mut shard) = conversation.shard() {
                    shard.close(conversation.slot, &frame::close(error.code(), &error.to_string()));
                }
            }
        }
    }

    /// Writes what waits; ready when the session is over.
    fn write(&mut self, context: &mut Context<'_>) -> Poll<()> {
        let Conversation { worker, slot, .. } = &*self.conversation;
        let attention = worker.shard.borrow().attention(*slot);
        if attention.ending == Some(Ending::Cut) {
            return Poll::Ready(());
        }
        if attention.waiting {
            match self.link.stream.poll_write_ready(context) {
                Poll::Pending => return Poll::Pending,
                Poll::Ready(Err(_)) => return Poll::Ready(()),
                Poll::Ready(Ok(())) => worker.shard.borrow_mut().flush(*slot),
            }
            // Once more, to wait for the socket or to see that all is written.
            context.waker().wake_by_ref();
            return Poll::Pending;
        }
        // Both sides have said that it ends: RFC 6455 has the server go first.
        if self.closed { Poll::Ready(()) } else { Poll::Pending }
    }
}
