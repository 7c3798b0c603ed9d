//! Deadlines of a connection, in paused time: they run from what the client did, and are met to the millisecond.
#![allow(clippy::unwrap_used)]

use super::*;
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream, duplex};
use tokio::time::sleep;

fn pair(room: usize) -> (Connection<DuplexStream>, DuplexStream) {
    let (ours, client) = duplex(room);
    (Connection::new(ours), client)
}

/// Reads to the end, which has to be the deadline; after how long it came.
async fn read_until_late(connection: &mut Connection<DuplexStream>) -> Duration {
    let began = Instant::now();
    let mut bytes = Vec::new();
    assert_eq!(connection.read_to_end(&mut bytes).await.unwrap_err().kind(), io::ErrorKind::TimedOut);
    began.elapsed()
}

/// Less than the timer's resolution.
fn is_at(found: Duration, expected: Duration) -> bool {
    found >= expected && found < expected + Duration::from_millis(3)
}

#[tokio::test(start_paused = true)]
async fn what_a_client_begins_it_completes_in_time() {
    let (mut connection, mut client) = pair(64);
    let quiet = Duration::from_secs(40);
    tokio::spawn(async move {
        sleep(quiet).await;
        // A byte now and then does not help.
        while client.write_all(b"x").await.is_ok() {
            sleep(Duration::from_secs(4)).await;
        }
    });
    let took = read_until_late(&mut connection).await;
    assert!(is_at(took, quiet + CLIENT_PATIENCE), "{took:?}");
}

#[tokio::test(start_paused = true)]
async fn a_request_that_is_handled_takes_the_server_s_time() {
    let (mut connection, mut client) = pair(64);
    client.write_all(b"x").await.unwrap();
    connection.read_u8().await.unwrap();
    let first = connection.progress().handle();
    let second = connection.progress().handle();
    let handled = Duration::from_secs(100);
    let handle = async move {
        sleep(handled).await;
        drop(first);
        sleep(handled).await;
        drop(second);
    };
    let (took, ()) = tokio::join!(read_until_late(&mut connection), handle);
    assert!(is_at(took, 2 * handled + CLIENT_PATIENCE), "{took:?}");
}

#[tokio::test(start_paused = true)]
async fn who_asks_and_is_answered_may_go_on() {
    let (mut connection, mut client) = pair(64);
    tokio::spawn(async move {
        for _ in 0..20 {
            client.write_all(b"x").await.unwrap();
            sleep(Duration::from_secs(14)).await;
        }
        // Kept: it is quiet from here on, not gone.
        std::future::pending::<()>().await;
        drop(client);
    });
    for _ in 0..20 {
        connection.read_u8().await.unwrap();
        connection.write_all(b"y").await.unwrap();
    }
    let took = read_until_late(&mut connection).await;
    assert!(is_at(took, QUIET_MAX), "{took:?}");
}

#[tokio::test(start_paused = true)]
async fn who_takes_nothing_is_not_waited_for() {
    let (mut connection, mut client) = pair(64);
    tokio::spawn(async move {
        let mut bytes = [0; 32];
        for _ in 0..5 {
            sleep(Duration::from_secs(14)).await;
            client.read_exact(&mut bytes).await.unwrap();
        }
        std::future::pending::<()>().await;
        drop(client);
    });
    let began = Instant::now();
    // Also while a request is being handled: the server does not keep it from reading.
    let _handling = connection.progress().handle();
    assert_eq!(connection.write_all(&[0; 1_000]).await.unwrap_err().kind(), io::ErrorKind::TimedOut);
    let took = began.elapsed();
    assert!(is_at(took, Duration::from_secs(5 * 14) + CLIENT_PATIENCE), "{took:?}");
}
