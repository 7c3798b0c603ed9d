//! A proxy between the store and its server that can lose an answer, or a request, and cuts the connection then.

use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

/// What the next request meets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Next {
    /// It passes, and so does its answer.
    Pass,
    /// It passes; its answer is lost and the connection is cut.
    LoseAnswer,
    /// It is lost and the connection is cut.
    LoseRequest,
}

/// Listens on a loopback port of its own until the test's runtime ends.
pub struct Proxy {
    pub port: u16,
    next: Arc<AtomicU8>,
}

impl Proxy {
    /// In front of the server on a loopback port.
    pub async fn before(server: u16) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let next = Arc::new(AtomicU8::new(Next::Pass as u8));
        let shared = next.clone();
        tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                tokio::spawn(carry(client, server, shared.clone()));
            }
        });
        Self { port, next }
    }

    /// Decides what the next request meets; those after it pass.
    pub fn set(&self, next: Next) {
        self.next.store(next as u8, Ordering::SeqCst);
    }
}

async fn carry(mut client: TcpStream, server: u16, next: Arc<AtomicU8>) {
    let Ok(mut server) = TcpStream::connect(("127.0.0.1", server)).await else { return };
    let (mut request, mut answer) = (vec![0; 1 << 16], vec![0; 1 << 16]);
    let mut losing = false;
    loop {
        tokio::select! {
            read = client.read(&mut request) => {
                let Ok(size @ 1..) = read else { return };
                // A Sync alone is how the pool asks, whenever it likes, whether the connection still works.
                let is_asked = request[0] != b'S';
                let met = if is_asked { next.swap(Next::Pass as u8, Ordering::SeqCst) } else { 0 };
                if met == Next::LoseRequest as u8 {
                    return;
                }
                losing |= met == Next::LoseAnswer as u8;
                if server.write_all(&request[..size]).await.is_err() {
                    return;
                }
            }
            read = server.read(&mut answer) => {
                // The answer to a statement comes in one piece, after its commit: none of it is passed on.
                let Ok(size @ 1..) = read else { return };
                if losing || client.write_all(&answer[..size]).await.is_err() {
                    return;
                }
            }
        }
    }
}
