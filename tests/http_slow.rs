//! Clients that keep connections of the real binary waiting, on bare sockets: each is bounded in time, whatever it has begun
//! and goes on sending. And requests that nobody can read: refused, and no line of ours at the level of our own faults.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod common;

use common::Server;
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpSocket, TcpStream};
use tokio::time::{Instant, sleep, timeout};

/// Far beyond all deadlines; only a connection that is held for ever takes this long.
const PATIENCE: Duration = Duration::from_secs(60);

fn server() -> (tempfile::TempDir, Server) {
    let directory = tempfile::tempdir().unwrap();
    let log = directory.path().join("log");
    let server = Server::start_logging("sqlite:flash.db", directory.path(), &log);
    (directory, server)
}

fn address(server: &Server) -> &str {
    server.base.strip_prefix("http://").unwrap()
}

/// Sends the start, then `more` every now and then until the server has had enough; gives what it said.
async fn trickle(address: &str, start: &str, more: &str) -> String {
    let (mut from, mut to) = TcpStream::connect(address).await.unwrap().into_split();
    to.write_all(start.as_bytes()).await.unwrap();
    let mut said = Vec::new();
    let mut chunk = [0; 4_096];
    let began = Instant::now();
    loop {
        match timeout(Duration::from_millis(500), from.read(&mut chunk)).await {
            Err(_) => drop(to.write_all(more.as_bytes()).await),
            Ok(Ok(count @ 1..)) => said.extend_from_slice(&chunk[..count]),
            Ok(_) => return String::from_utf8_lossy(&said).into_owned(),
        }
        let said = String::from_utf8_lossy(&said);
        assert!(began.elapsed() < PATIENCE, "held for ever after {start:?}, said {said}");
    }
}

const SIGN_IN: &str = "POST /api/v1/auth/login HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n";
const CHUNKED: &str = "Transfer-Encoding: chunked\r\n\r\n";

#[tokio::test(flavor = "multi_thread")]
async fn a_head_that_trickles_is_not_waited_for_be_it_the_first_or_a_later_one() {
    let (_directory, server) = server();
    let ok = "GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n";
    let slow = "GET /healthz HTTP/1.1\r\nHost: x\r\nX-Slow: ";
    let (both, answered) = (format!("{ok}{slow}"), format!("{ok}{ok}G"));
    let (first, second, third) = tokio::join!(
        trickle(address(&server), slow, "x"),
        trickle(address(&server), &both, "x"),
        trickle(address(&server), &answered, "x"),
    );
    assert!(first.starts_with("HTTP/1.1 408 ") || first.is_empty(), "{first}");
    assert_eq!((second.matches("HTTP/1.1 200 ").count(), third.matches("HTTP/1.1 200 ").count()), (1, 2));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_body_that_trickles_is_refused_with_408_and_not_waited_for() {
    let (_directory, server) = server();
    let sized = format!("{SIGN_IN}Content-Length: 60000\r\n\r\n{{");
    let chunked = format!("{SIGN_IN}{CHUNKED}1\r\n{{\r\n");
    for said in <[String; 2]>::from(tokio::join!(
        trickle(address(&server), &sized, " "),
        trickle(address(&server), &chunked, "1\r\n \r\n"),
    )) {
        assert!(said.starts_with("HTTP/1.1 408 ") && said.contains("\"code\":\"request_timeout\""), "{said}");
        assert!(said.to_ascii_lowercase().contains("\r\nconnection: close\r\n"), "{said}");
    }
}

/// A request that is refused before anybody reads its body: the rest of it is nobody's business.
#[tokio::test(flavor = "multi_thread")]
async fn the_rest_of_a_refused_body_is_not_waited_for() {
    let (_directory, server) = server();
    let head = "POST /api/v1/stores HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n";
    let sized = format!("{head}Content-Length: 1000000000\r\n\r\n");
    let chunked = format!("{head}{CHUNKED}1\r\n{{\r\n");
    let large = format!("{SIGN_IN}{CHUNKED}11170\r\n{}\r\n", " ".repeat(70_000));
    let ignored = format!("GET /healthz HTTP/1.1\r\nHost: x\r\n{CHUNKED}1\r\n{{\r\n");
    let said = <[String; 4]>::from(tokio::join!(
        trickle(address(&server), &sized, " "),
        trickle(address(&server), &chunked, "1\r\n \r\n"),
        trickle(address(&server), &large, "1\r\n \r\n"),
        trickle(address(&server), &ignored, "1\r\n \r\n"),
    ));
    let statuses: Vec<_> = said.iter().map(|said| said.split(' ').nth(1).unwrap_or(said)).collect();
    assert_eq!(statuses, ["401", "401", "413", "200"]);
    assert!(said[0].to_ascii_lowercase().contains("\r\nconnection: close\r\n"), "{}", said[0]);
}

/// Who sends more than is read gets to read why: the connection ends in order, it is not reset in the middle of the upload.
#[tokio::test(flavor = "multi_thread")]
async fn a_refused_upload_hears_why() {
    let (_directory, server) = server();
    for (path, expected) in [("/api/v1/stores", "401"), ("/api/v1/auth/login", "413")] {
        let mut socket = TcpStream::connect(address(&server)).await.unwrap();
        let bytes = 8 * 1024 * 1024;
        let head = format!(
            "POST {path} HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: {bytes}\r\n\r\n"
        );
        socket.write_all(head.as_bytes()).await.unwrap();
        socket.write_all(&vec![b' '; bytes]).await.expect("the upload is taken in");
        socket.shutdown().await.unwrap();
        let mut said = String::new();
        socket.read_to_string(&mut said).await.unwrap();
        assert_eq!(said.split(' ').nth(1), Some(expected), "{said}");
    }
}

/// A body that is announced as too large is refused by its head: nobody waits for it to come, or not to come.
#[tokio::test(flavor = "multi_thread")]
async fn a_body_that_is_too_large_by_its_own_word_is_not_waited_for() {
    let (_directory, server) = server();
    for (bytes, expected) in [(64 * 1024 + 1, "413"), (64 * 1024, "408")] {
        let mut socket = TcpStream::connect(address(&server)).await.unwrap();
        socket.write_all(format!("{SIGN_IN}Content-Length: {bytes}\r\n\r\n{{").as_bytes()).await.unwrap();
        let mut chunk = [0; 4_096];
        let read = timeout(PATIENCE, socket.read(&mut chunk)).await.expect("it answers").unwrap();
        let said = String::from_utf8_lossy(&chunk[..read]);
        assert_eq!(said.split(' ').nth(1), Some(expected), "{said}");
    }
}

/// Whether the kernel has an established connection from the server's port to ours.
fn is_served(address: &str, our_port: u16) -> bool {
    let port: u16 = address.rsplit(':').next().unwrap().parse().unwrap();
    let table = std::fs::read_to_string("/proc/net/tcp").unwrap();
    table.lines().any(|line| {
        let mut fields = line.split_whitespace().skip(1);
        let (local, remote, state) = (fields.next().unwrap(), fields.next().unwrap(), fields.next().unwrap());
        state == "01"
            && local.ends_with(&format!(":{port:04X}"))
            && remote.ends_with(&format!(":{our_port:04X}"))
    })
}

#[tokio::test(flavor = "multi_thread")]
async fn who_does_not_take_what_it_asked_for_is_not_waited_for() {
    let (_directory, server) = server();
    let socket = TcpSocket::new_v4().unwrap();
    socket.set_recv_buffer_size(4_096).unwrap();
    let mut socket = socket.connect(address(&server).parse().unwrap()).await.unwrap();
    let asked = "GET /openapi.json HTTP/1.1\r\nHost: x\r\n\r\n".repeat(1_000);
    socket.write_all(asked.as_bytes()).await.unwrap();
    let our_port = socket.local_addr().unwrap().port();
    assert!(is_served(address(&server), our_port));
    let began = Instant::now();
    while is_served(address(&server), our_port) {
        assert!(began.elapsed() < PATIENCE, "held for ever");
        sleep(Duration::from_millis(200)).await;
    }
}

/// What is no HTTP, or too much of it, is refused without a word in the log: anybody can send it as often as they like.
#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_read_is_the_client_s_fault() {
    let (directory, server) = server();
    let cases = [
        ("\u{16}\u{3}\u{1}\u{2}\0\u{1}\0\r\n\r\n".to_owned(), "400"),
        ("GET / HTTP/9.9\r\n\r\n".to_owned(), "400"),
        ("GET /\u{e9} HTTP/1.1\r\nHost\u{1}: x\r\n\r\n".to_owned(), "400"),
        (format!("{SIGN_IN}Content-Length: -1\r\n\r\n"), "400"),
        (format!("{SIGN_IN}Content-Length: 1\r\nContent-Length: 2\r\n\r\n{{}}"), "400"),
        (format!("{SIGN_IN}{CHUNKED}zz\r\n"), "400"),
        (format!("GET / HTTP/1.1\r\n{}\r\n", "X: y\r\n".repeat(200)), "431"),
        (format!("GET / HTTP/1.1\r\nX: {}", "y".repeat(200_000)), "431"),
    ];
    for (text, expected) in cases {
        let mut socket = TcpStream::connect(address(&server)).await.unwrap();
        // It may end before everything is sent.
        let _sent = socket.write_all(text.as_bytes()).await;
        let mut said = Vec::new();
        let _read = timeout(PATIENCE, socket.read_to_end(&mut said)).await.expect("it ends");
        let said = String::from_utf8_lossy(&said);
        let status = said.split(' ').nth(1).unwrap_or_default();
        assert_eq!(status, expected, "{:?}: {said}", text.chars().take(80).collect::<String>());
    }
    server.must(200, "GET", "/healthz", None, None).await;
    let log = std::fs::read_to_string(directory.path().join("log")).unwrap();
    assert!(!log.contains("ERROR"), "{log}");
}
