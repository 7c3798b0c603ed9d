//! `flash-loadtest` against the real server: scenarios in small pass, and a server that lies is caught.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::PathBuf;
use std::process::{Command, Output};
use std::sync::{Arc, Mutex};

use flash_loadtest::http::parse_head;
use flash_loadtest::server::{Server, Settings};
use serde_json::Value;

/// The server's binary: what the test script names, or the one that was built beside the load tester.
fn server_binary() -> PathBuf {
    let beside = || PathBuf::from(env!("CARGO_BIN_EXE_flash-loadtest")).with_file_name("flash-promos");
    std::env::var_os("FLASH_TEST_BIN").map_or_else(beside, PathBuf::from)
}

/// Runs it quietly; returns what it said and its JSON, if it came so far.
fn load(arguments: &[&str]) -> (Output, Value) {
    let scratch = tempfile::tempdir().unwrap();
    let json = scratch.path().join("report.json");
    let output = Command::new(env!("CARGO_BIN_EXE_flash-loadtest"))
        .args(arguments)
        .arg("--quiet")
        .arg("--server-bin")
        .arg(server_binary())
        .arg("--json")
        .arg(&json)
        .output()
        .unwrap();
    let report = std::fs::read(&json).ok().and_then(|bytes| serde_json::from_slice(&bytes).ok());
    (output, report.unwrap_or(Value::Null))
}

fn said(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr)
}

fn examined(report: &Value, invariant: &str) -> u64 {
    report["verdict"]["examined"][invariant].as_u64().unwrap_or(0)
}

fn sum(report: &Value, operation: &str, field: &str) -> u64 {
    let rows = report["figures"]["rows"].as_array().unwrap();
    rows.iter()
        .filter(|row| row["operation"] == operation && row["phase"] == "all")
        .filter_map(|row| row[field].as_u64())
        .sum()
}

fn passes(arguments: &[&str], invariants: &[&str]) -> Value {
    let (output, report) = load(arguments);
    assert_eq!(output.status.code(), Some(0), "{}", said(&output));
    for invariant in invariants {
        assert!(examined(&report, invariant) > 0, "{invariant} was not examined: {}", said(&output));
    }
    report
}

const SMALL: [&str; 7] = ["spike", "--shoppers", "400", "--stock", "60", "--sessions", "20"];

#[test]
fn a_spike_is_sound_and_sells_every_unit() {
    let claims =
        ["never_oversold", "refused_rightly", "limit_per_shopper", "nothing_lost", "nothing_unheard_of"];
    let more = ["all_in_reach", "last_state_arrives", "counters_add_up", "servers_audit", "versions_grow"];
    let report = passes(&[&SMALL[..], &["--verify"]].concat(), &[&claims[..], &more].concat());
    assert!(sum(&report, "claim", "ok") >= 60, "{report}");
    assert_eq!(sum(&report, "claim", "unknown") + sum(&report, "claim", "not_sent"), 0);
}

#[test]
fn a_server_that_is_killed_in_the_middle_loses_nothing() {
    let disturbed = ["--chaos", "kill -9", "--chaos-at", "0.15", "--verify"];
    let report =
        passes(&[&SMALL[..], &disturbed].concat(), &["nothing_lost", "servers_audit", "never_oversold"]);
    let lost = report["effort"]["lost"].as_array().unwrap();
    assert!(!lost.is_empty(), "nobody noticed the kill: {report}");
}

#[test]
fn a_server_that_is_paused_is_only_late() {
    let disturbed = ["--chaos", "pause", "--chaos-at", "0.1", "--pause-ms", "500"];
    passes(&[&SMALL[..], &disturbed].concat(), &["nothing_lost", "last_state_arrives"]);
}

#[test]
fn two_processes_are_judged_as_one() {
    let report = passes(&[&SMALL[..], &["--processes", "2"]].concat(), &["never_oversold", "all_in_reach"]);
    assert!(sum(&report, "claim", "due") >= 400, "{report}");
}

#[test]
fn sessions_that_are_cut_come_back_with_what_they_know() {
    let small = ["storm", "--sessions", "60", "--time-factor", "0.3"];
    let report = passes(&small, &["versions_grow", "last_state_arrives", "all_in_reach"]);
    assert!(sum(&report, "connect", "ok") >= 120, "{report}");
}

#[test]
fn slow_readers_are_not_held_to_anything_and_the_others_are() {
    let report = passes(&["slow", "--sessions", "50", "--time-factor", "0.15"], &["last_state_arrives"]);
    assert!(report["figures"]["delivery"]["count"].as_u64().unwrap() > 0);
}

#[test]
fn a_drop_starts_no_sale_early() {
    let small = ["drop", "--sales", "200", "--sessions", "20", "--shoppers", "200"];
    let report = passes(&small, &["none_beyond_reach", "all_in_reach"]);
    assert!(report["figures"]["start"]["count"].as_u64().unwrap() > 0);
}

#[test]
fn a_city_walks_launches_and_lets_holds_end_in_every_way() {
    let small = ["city", "--sessions", "100", "--shoppers", "500", "--time-factor", "0.1"];
    let shown = ["none_beyond_reach", "gone_once", "one_end_per_hold", "one_answer_per_key"];
    let may = ["within_claim_radius", "right_segment", "none_while_paused"];
    let report = passes(&small, &[shown.as_slice(), may.as_slice()].concat());
    for operation in [
        "claim",
        "live_claim",
        "confirm",
        "cancel",
        "redeem",
        "move",
        "launch",
        "search",
        "update",
        "pause",
        "resume",
    ] {
        assert!(sum(&report, operation, "ok") > 0, "{operation}: {report}");
    }
}

#[test]
fn an_update_reaches_every_session() {
    let report = passes(&["fanout", "--sessions", "100", "--time-factor", "0.1"], &["last_state_arrives"]);
    let updates = sum(&report, "update", "ok");
    assert_eq!(report["figures"]["delivery"]["count"].as_u64().unwrap(), updates * 100);
}

#[test]
fn a_ramp_reports_how_far_it_came() {
    let report = passes(
        &["ramp", "--time-factor", "0.05", "--rate-factor", "0.02", "--shoppers", "100"],
        &["price_in_force"],
    );
    assert!(report["knee"]["phase"].is_string());
}

#[test]
fn a_crossed_threshold_fails_the_run_and_a_misspelt_one_stops_it() {
    let (output, _) =
        load(&[&SMALL[..], &["--fail-if", "claim.ok>1", "--fail-if", "claim.unknown>0"]].concat());
    assert_eq!(output.status.code(), Some(1), "{}", said(&output));
    assert!(said(&output).contains("threshold crossed: claim.ok>1"));
    assert_eq!(load(&["spike", "--fail-if", "claim.p98>1ms"]).0.status.code(), Some(3));
}

#[test]
fn a_report_shows_charts_and_a_baseline() {
    let scratch = tempfile::tempdir().unwrap();
    let (html, json) = (scratch.path().join("report.html"), scratch.path().join("before.json"));
    let (_, before) = load(&SMALL);
    std::fs::write(&json, before.to_string()).unwrap();
    let files = ["--html", html.to_str().unwrap(), "--baseline", json.to_str().unwrap()];
    let report = passes(&[&SMALL[..], &files].concat(), &["never_oversold"]);
    assert!(report["compared"].as_array().unwrap().len() > 3);
    let page = std::fs::read_to_string(&html).unwrap();
    assert!(page.matches("<svg").count() >= 4 && page.contains("Against the baseline"));
    assert!(!page.contains("<script") && !page.contains("src=") && !page.contains("href="));
}

#[test]
fn other_machines_are_refused() {
    let (output, _) = load(&["spike", "--target", "192.0.2.1:80"]);
    assert_eq!(output.status.code(), Some(3));
    assert!(said(&output).contains("--i-own-this-target"), "{}", said(&output));
}

/// Stands between the load tester and a server, and changes answers.
fn proxy(
    server: SocketAddr,
    forge: impl Fn(u16, &[u8]) -> Option<(u16, Vec<u8>)> + Send + Sync + 'static,
) -> SocketAddr {
    let listener = TcpListener::bind(("127.0.0.1", 0)).unwrap();
    let address = listener.local_addr().unwrap();
    let forge = Arc::new(forge);
    std::thread::spawn(move || {
        for client in listener.incoming().flatten() {
            let forge = Arc::clone(&forge);
            let upstream = TcpStream::connect(server).unwrap();
            let (mut from, mut to) = (client.try_clone().unwrap(), upstream.try_clone().unwrap());
            std::thread::spawn(move || std::io::copy(&mut from, &mut to));
            std::thread::spawn(move || answer(upstream, client, &*forge));
        }
    });
    address
}

/// From an answer's status and body to what is told instead, if anything.
type Forge = dyn Fn(u16, &[u8]) -> Option<(u16, Vec<u8>)>;

/// Passes answers on until either side is gone.
fn answer(mut server: TcpStream, mut client: TcpStream, forge: &Forge) {
    let mut bytes = Vec::new();
    let mut chunk = vec![0; 64 << 10];
    loop {
        while let Some(head) = parse_head(&bytes).unwrap().filter(|head| head.end <= bytes.len()) {
            let whole: Vec<u8> = bytes.drain(..head.end).collect();
            let out = match forge(head.status, &whole[head.body_start..]) {
                None => whole,
                Some((status, body)) => {
                    let head = format!("HTTP/1.1 {status} Forged\r\ncontent-length: {}\r\n\r\n", body.len());
                    [head.into_bytes(), body].concat()
                }
            };
            if client.write_all(&out).is_err() {
                return;
            }
        }
        match server.read(&mut chunk) {
            Ok(0) | Err(_) => return,
            Ok(read) => bytes.extend_from_slice(&chunk[..read]),
        }
    }
}

/// A claim like this one, of which the server knows nothing.
fn forged(claim: &Value) -> Vec<u8> {
    let mut claim = claim.clone();
    claim["id"] = uuid::Uuid::now_v7().to_string().into();
    claim["redemption_code"] = uuid::Uuid::now_v7().to_string().into();
    claim.to_string().into_bytes()
}

fn honest_server() -> Server {
    Server::start(&Settings { binary: server_binary(), workers: 1, database_url: None, more: vec![] })
        .unwrap()
}

/// Runs a spike through a proxy; returns what the judge found.
fn caught(
    forge: impl Fn(u16, &[u8]) -> Option<(u16, Vec<u8>)> + Send + Sync + 'static,
) -> (Vec<String>, String) {
    let server = honest_server();
    let address = proxy(server.address, forge).to_string();
    let arguments = ["spike", "--shoppers", "200", "--stock", "20", "--sessions", "0", "--connections", "8"];
    let (output, report) = load(&[&arguments[..], &["--target", &address]].concat());
    assert_eq!(output.status.code(), Some(2), "{}", said(&output));
    let violations = report["verdict"]["violations"].as_array().unwrap();
    assert!(violations.iter().any(|one| !one["operations"].as_array().unwrap().is_empty()), "{violations:?}");
    assert!(!report["named"].as_array().unwrap().is_empty() && said(&output).contains("  operation "));
    let counts = report["verdict"]["counts"].as_object().unwrap();
    (counts.keys().cloned().collect(), said(&output))
}

#[test]
fn a_server_that_sells_what_it_does_not_have_is_caught() {
    let last: Mutex<Option<Value>> = Mutex::new(None);
    let (found, said) = caught(move |status, body| {
        let value: Value = serde_json::from_slice(body).unwrap_or(Value::Null);
        if status == 201 && value.get("redemption_code").is_some() {
            *last.lock().unwrap() = Some(value);
            return None;
        }
        let refused = status == 409 && matches!(value["code"].as_str(), Some("sold_out" | "all_held"));
        let accepted = last.lock().unwrap().clone().filter(|_| refused)?;
        Some((201, forged(&accepted)))
    });
    assert!(found.iter().any(|invariant| invariant == "never_oversold"), "{said}");
    assert!(found.iter().any(|invariant| invariant == "nothing_lost"), "{said}");
}

#[test]
fn a_server_that_hides_free_units_is_caught() {
    let (found, said) = caught(|status, body| {
        let value: Value = serde_json::from_slice(body).unwrap_or(Value::Null);
        let accepted = status == 201 && value.get("redemption_code").is_some();
        accepted.then(|| (409, br#"{"code":"sold_out","status":409}"#.to_vec()))
    });
    assert!(found.iter().any(|invariant| invariant == "refused_rightly"), "{said}");
    assert!(found.iter().any(|invariant| invariant == "nothing_unheard_of"), "{said}");
}
