//! Logs and traces of the real binary: a collector of the test's own takes OTLP over HTTP, and the log is read line by
//! line. Knows nothing of what requests do.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::common::v1::{KeyValue, any_value::Value as AnyValue};
use opentelemetry_proto::tonic::trace::v1::Span;
use prost::Message;
use serde_json::Value;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};

const TRACE: &str = "4bf92f3577b34da6a3ce929d0e0e4736";
const PARENT: &str = "00f067aa0ba902b7";

/// A server with these settings besides its own, ended by the test.
struct Server {
    child: Child,
    address: String,
    _data: tempfile::TempDir,
}

impl Server {
    fn start(settings: &[(&str, &str)]) -> Self {
        let data = tempfile::tempdir().unwrap();
        let binary = std::env::var("FLASH_TEST_BIN").unwrap_or(env!("CARGO_BIN_EXE_flash-promos").to_owned());
        let mut child = Command::new(binary)
            .arg("serve")
            .current_dir(data.path())
            .env_clear()
            .env("FLASH_BIND", "127.0.0.1:0")
            .envs(settings.iter().copied())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
        let address = line.trim().strip_prefix("listening on http://").expect(&line).to_owned();
        Self { child, address, _data: data }
    }

    /// One request on a connection of its own; gives the answer's text.
    fn ask(&self, path: &str, headers: &str) -> String {
        let mut stream = TcpStream::connect(&self.address).unwrap();
        let head = format!("GET {path} HTTP/1.1\r\nHost: shop.test\r\nConnection: close\r\n{headers}\r\n");
        stream.write_all(head.as_bytes()).unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        answer
    }

    /// SIGTERM; gives the log after a clean end.
    fn stop(mut self) -> String {
        Command::new("kill").arg(self.child.id().to_string()).status().unwrap();
        let mut log = String::new();
        self.child.stderr.take().unwrap().read_to_string(&mut log).unwrap();
        assert!(self.child.wait().unwrap().success(), "{log}");
        log
    }
}

/// Takes exports and answers them as a collector does; gives its address and what comes.
fn collector() -> (String, Receiver<(String, ExportTraceServiceRequest)>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = format!("http://{}", listener.local_addr().unwrap());
    let (sender, receiver) = channel();
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let sender = sender.clone();
            std::thread::spawn(move || {
                let mut stream = BufReader::new(stream.unwrap());
                while let Some(export) = one_export(&mut stream) {
                    if sender.send(export).is_err() {
                        break;
                    }
                }
            });
        }
    });
    (address, receiver)
}

fn one_export(stream: &mut BufReader<TcpStream>) -> Option<(String, ExportTraceServiceRequest)> {
    let (mut path, mut length) = (String::new(), 0);
    loop {
        let mut line = String::new();
        stream.read_line(&mut line).ok().filter(|read| *read > 0)?;
        if line.trim().is_empty() {
            break;
        }
        if path.is_empty() {
            path = line.split(' ').nth(1).unwrap().to_owned();
        }
        if let Some(value) = line.to_lowercase().strip_prefix("content-length:") {
            length = value.trim().parse().unwrap();
        }
    }
    let mut body = vec![0; length];
    stream.read_exact(&mut body).ok()?;
    let answer = b"HTTP/1.1 200 OK\r\nContent-Type: application/x-protobuf\r\nContent-Length: 0\r\n\r\n";
    stream.get_mut().write_all(answer).ok()?;
    Some((path, ExportTraceServiceRequest::decode(&*body).unwrap()))
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn text(attributes: &[KeyValue], key: &str) -> String {
    let value = attributes.iter().find(|pair| pair.key == key).and_then(|pair| pair.value.clone());
    match value.and_then(|value| value.value) {
        Some(AnyValue::StringValue(text)) => text,
        Some(AnyValue::IntValue(number)) => number.to_string(),
        other => panic!("{key}: {other:?} in {attributes:?}"),
    }
}

/// Every span of what came, by the time that the server has ended.
fn spans(exports: &Receiver<(String, ExportTraceServiceRequest)>) -> Vec<Span> {
    let mut spans = Vec::new();
    for (path, export) in exports.try_iter() {
        assert_eq!(path, "/v1/traces");
        for resource in export.resource_spans {
            assert_eq!(text(&resource.resource.unwrap().attributes, "service.name"), "flash-promos");
            spans.extend(resource.scope_spans.into_iter().flat_map(|scope| scope.spans));
        }
    }
    spans
}

fn ask_traced(server: &Server) {
    let headers = format!(
        "traceparent: 00-{TRACE}-{PARENT}-00\r\nX-Request-Id: wanted-1\r\nAuthorization: Bearer s3cr3t\r\n"
    );
    let answer = server.ask("/api/v1/promotions?lat=6.25&lng=-75.5", &headers);
    assert!(answer.to_lowercase().contains("x-request-id: wanted-1"), "{answer}");
}

#[test]
fn a_request_is_a_span_of_its_callers_trace() {
    let (address, exports) = collector();
    let server = Server::start(&[("FLASH_OTLP_ENDPOINT", &address), ("FLASH_TRACE_RATIO", "1")]);
    ask_traced(&server);
    server.stop();
    let spans = spans(&exports);
    let span = spans.iter().find(|span| hex(&span.trace_id) == TRACE).unwrap_or_else(|| panic!("{spans:?}"));
    assert_eq!(hex(&span.parent_span_id), PARENT);
    assert_eq!(span.name, "GET /api/v1/promotions");
    assert_eq!(text(&span.attributes, "request_id"), "wanted-1");
    assert_eq!(text(&span.attributes, "http.route"), "/api/v1/promotions");
    assert_eq!(text(&span.attributes, "http.response.status_code"), "401");
    let everything = format!("{spans:?}");
    assert!(!everything.contains("s3cr3t") && !everything.contains("6.25"), "I31: {everything}");
}

#[test]
fn the_ratio_decides_whatever_the_caller_says_about_sampling() {
    let (address, exports) = collector();
    let server = Server::start(&[("FLASH_OTLP_ENDPOINT", &address), ("FLASH_TRACE_RATIO", "0")]);
    let sampled = format!("traceparent: 00-{TRACE}-{PARENT}-01\r\n");
    assert!(server.ask("/healthz", &sampled).starts_with("HTTP/1.1 200"));
    server.stop();
    assert_eq!(spans(&exports), []);
}

#[test]
fn a_collector_that_is_away_costs_nothing_but_its_spans() {
    let nobody = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = format!("http://{}", nobody.local_addr().unwrap());
    drop(nobody);
    let server = Server::start(&[("FLASH_OTLP_ENDPOINT", &address), ("FLASH_TRACE_RATIO", "1")]);
    assert!(server.ask("/healthz", "").starts_with("HTTP/1.1 200"));
    assert!(server.stop().contains("bye"));
}

#[test]
fn every_line_about_a_request_carries_its_id_and_no_secret() {
    let server =
        Server::start(&[("FLASH_LOG", "info,flash_promos::access=debug"), ("FLASH_LOG_FORMAT", "json")]);
    ask_traced(&server);
    let given = server.ask("/healthz", "X-Request-Id: bad id; drop\r\n").to_lowercase();
    let fresh = given.split("x-request-id: ").nth(1).unwrap().split('\r').next().unwrap().to_owned();
    assert_eq!(fresh.len(), 16, "{given}");
    let log = server.stop();
    let lines: Vec<Value> = log.lines().map(|line| serde_json::from_str(line).expect(line)).collect();
    let id_of = |line: &Value| line["spans"][0]["request_id"].as_str().map(str::to_owned);
    let answered: Vec<_> = lines.iter().filter(|line| line["message"] == "answered").collect();
    let ids: Vec<_> = answered.iter().map(|line| id_of(line).unwrap()).collect();
    assert_eq!(ids, ["wanted-1".to_owned(), fresh], "{log}");
    assert_eq!(answered[0]["path"], "/api/v1/promotions");
    assert!(!log.contains("s3cr3t") && !log.contains("6.25"), "I31: {log}");
}
