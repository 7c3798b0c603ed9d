//! The two clients against servers of a few lines: what they count is what was sent.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener};
use std::sync::mpsc;
use std::time::Duration;

use flash_loadtest::bare;
use flash_loadtest::closed_loop::{self, Workload};
use flash_loadtest::swarm::Swarm;

const OFFER: &str =
    r#"{"push":{"channel":"nearby","pub":{"data":{"type":"offer","offer":{"price":51234}}}}}"#;

fn trigger() -> [String; 1] {
    ["GET / HTTP/1.1\r\n\r\n".to_owned()]
}

fn bare_writer(sockets: usize, payload: &str) -> bare::Listening {
    let (announce, listening) = mpsc::channel();
    let config = bare::Config { sockets, payload: payload.to_owned(), frames: 1 };
    std::thread::spawn(move || {
        bare::run(&config, |addresses| {
            announce.send((addresses.data, addresses.control)).unwrap();
            Ok(())
        })
    });
    let (data, control) = listening.recv_timeout(Duration::from_secs(5)).unwrap();
    bare::Listening { data, control }
}

#[test]
fn a_round_ends_when_every_socket_got_its_frame() {
    let listening = bare_writer(50, OFFER);
    let mut swarm = Swarm::new(None).unwrap();
    swarm.connect(listening.data, 50).unwrap();
    swarm.connect_trigger(listening.control).unwrap();
    for _ in 0..20 {
        let round = swarm.round(&trigger(), 1, b"51234").unwrap();
        assert!(round.first_us > 0.0 && round.first_us <= round.last_us);
    }
    assert_eq!(swarm.sample(), OFFER.as_bytes());
}

#[test]
fn a_frame_without_the_updates_value_is_an_error() {
    let listening = bare_writer(3, OFFER);
    let mut swarm = Swarm::new(None).unwrap();
    swarm.connect(listening.data, 3).unwrap();
    swarm.connect_trigger(listening.control).unwrap();
    assert!(swarm.round(&trigger(), 1, b"99999").is_err());
}

#[test]
fn two_offers_in_one_round_are_an_error() {
    let twice = format!("{OFFER}\n{OFFER}");
    let listening = bare_writer(3, &twice);
    let mut swarm = Swarm::new(None).unwrap();
    swarm.connect(listening.data, 3).unwrap();
    swarm.connect_trigger(listening.control).unwrap();
    let error = swarm.round(&trigger(), 1, b"").unwrap_err().to_string();
    assert!(error.contains("2 offers"), "{error}");
}

/// Answers every request of every connection with `answer`, for as long as the test runs.
fn http_stub(answer: &'static str) -> SocketAddr {
    let listener = TcpListener::bind(("127.0.0.1", 0)).unwrap();
    let address = listener.local_addr().unwrap();
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = stream.unwrap();
            std::thread::spawn(move || {
                let mut bytes = [0; 8192];
                while stream.read(&mut bytes).is_ok_and(|read| read > 0) {
                    if stream.write_all(answer.as_bytes()).is_err() {
                        return;
                    }
                }
            });
        }
    });
    address
}

fn workload(address: SocketAddr) -> Workload {
    Workload::new(address, "/claims", &["token".to_owned()], "{}", 201, "code").unwrap()
}

#[test]
fn a_closed_loop_counts_the_expected_status() {
    let address = http_stub("HTTP/1.1 201 Created\r\ncontent-length: 8\r\n\r\n{\"code\"}");
    let mut workload = workload(address);
    let slice =
        closed_loop::run(address, &mut workload, 8, Duration::from_millis(20), Duration::from_millis(100))
            .unwrap();
    assert!(slice.completed > 0 && slice.other_statuses.is_empty());
    assert_eq!(slice.latency_us.len(), slice.completed);
    assert_eq!(slice.body_bytes, 8);
    // Eight requests are in flight all the time: Little's law ties the mean latency to the rate.
    let expected_us = 8.0 * slice.elapsed.as_micros() as f64 / slice.completed as f64;
    let mean_us = slice.latency_us.mean();
    assert!(mean_us > expected_us / 4.0 && mean_us < expected_us * 4.0, "{mean_us} instead of {expected_us}");
}

#[test]
fn another_status_is_reported_and_not_counted() {
    let address = http_stub("HTTP/1.1 503 Service Unavailable\r\nContent-Length: 2\r\n\r\n{}");
    let mut workload = workload(address);
    let slice =
        closed_loop::run(address, &mut workload, 2, Duration::ZERO, Duration::from_millis(50)).unwrap();
    assert_eq!(slice.completed, 0);
    assert!(slice.other_statuses.get(&503).is_some_and(|count| *count >= 2));
    assert!(slice.other_sample.unwrap().contains("503"));
}

#[test]
fn an_answer_without_what_it_must_contain_is_an_error() {
    let address = http_stub("HTTP/1.1 201 Created\r\ncontent-length: 2\r\n\r\n{}");
    let mut workload = workload(address);
    assert!(closed_loop::run(address, &mut workload, 1, Duration::ZERO, Duration::from_millis(50)).is_err());
}
