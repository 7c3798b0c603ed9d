//! A proxy in front of the emulator that misbehaves when it is told to. Knows just enough of SNS' forms and SQS' JSON to fail
//! one entry of a batch.

use std::collections::VecDeque;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

/// What goes wrong with one request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// It is carried out, and the connection breaks before the answer.
    LoseAnswer,
    /// The connection breaks and it never arrives.
    LoseRequest,
    /// Its first entry is not carried out and reported as failed; the others are.
    FailEntry,
    /// It takes a second longer.
    Delay,
    /// It is carried out twice; what is received comes twice in one answer.
    Twice,
    /// What is received comes in the opposite order.
    Reverse,
}

/// The action that brings messages.
pub const RECEIVE: &str = "ReceiveMessage";

type Plan = Arc<Mutex<VecDeque<(Fault, &'static str)>>>;

/// The proxy; ends with the process.
pub struct Proxy {
    pub url: String,
    plan: Plan,
    away: Arc<AtomicBool>,
}

impl Proxy {
    pub fn start(upstream: &str) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let (plan, away) = (Plan::default(), Arc::new(AtomicBool::new(false)));
        let upstream = upstream.trim_start_matches("http://").to_owned();
        let (plans, gone) = (plan.clone(), away.clone());
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                let (stream, upstream) = (stream.unwrap(), upstream.clone());
                let (plan, away) = (plans.clone(), gone.clone());
                std::thread::spawn(move || {
                    let mut client = BufReader::new(stream);
                    while let Some(request) = Message::read(&mut client) {
                        if away.load(Ordering::Acquire) || !serve(&mut client, &upstream, request, &plan) {
                            break;
                        }
                    }
                });
            }
        });
        Self { url, plan, away }
    }

    /// Plans a fault for the next `times` requests that name this action.
    pub fn fault(&self, fault: Fault, action: &'static str, times: usize) {
        self.plan.lock().unwrap().extend(std::iter::repeat_n((fault, action), times));
    }

    pub fn faults_left(&self) -> usize {
        self.plan.lock().unwrap().len()
    }

    /// Whether every connection breaks.
    pub fn away(&self, away: bool) {
        self.away.store(away, Ordering::Release);
    }
}

struct Message {
    head: Vec<String>,
    body: Vec<u8>,
}

impl Message {
    fn read(stream: &mut BufReader<TcpStream>) -> Option<Self> {
        let mut head = Vec::new();
        loop {
            let mut line = String::new();
            if stream.read_line(&mut line).ok()? == 0 {
                return None;
            }
            if line == "\r\n" {
                break;
            }
            head.push(line);
        }
        let length = head
            .iter()
            .find_map(|line| line.to_lowercase().strip_prefix("content-length:")?.trim().parse().ok());
        let mut body = vec![0; length.unwrap_or(0)];
        stream.read_exact(&mut body).ok()?;
        Some(Self { head, body })
    }

    fn write(&self, stream: &mut TcpStream) -> std::io::Result<()> {
        let lengthless = |line: &&String| !line.to_lowercase().starts_with("content-length:");
        let mut bytes: Vec<u8> = self.head.iter().filter(lengthless).flat_map(|line| line.bytes()).collect();
        bytes.extend(format!("Content-Length: {}\r\n\r\n", self.body.len()).bytes());
        bytes.extend(&self.body);
        stream.write_all(&bytes)
    }

    fn text(&self) -> String {
        format!("{}{}", self.head.concat(), String::from_utf8_lossy(&self.body))
    }
}

/// Answers one request; says whether the connection goes on.
fn serve(client: &mut BufReader<TcpStream>, upstream: &str, mut request: Message, plan: &Plan) -> bool {
    let text = request.text();
    let fault = {
        let mut plan = plan.lock().unwrap();
        let place = plan.iter().position(|(_, action)| text.contains(action));
        place.and_then(|place| plan.remove(place)).map(|(fault, _)| fault)
    };
    if fault == Some(Fault::LoseRequest) {
        return false;
    }
    if fault == Some(Fault::Delay) {
        std::thread::sleep(Duration::from_secs(1));
    }
    let is_sns = text.contains("Action=PublishBatch");
    if fault == Some(Fault::FailEntry) {
        if !is_sns {
            // The only entry or the first of several: the emulator never sees it.
            return fail_entry_of_sqs(client, upstream, request);
        }
        // All entries: a batch may hold one only, and an empty batch is an error of its own.
        let failed = b"<PublishBatchResponse xmlns=\"http://sns.amazonaws.com/doc/2010-03-31/\"><PublishBatchResult><Successful/>\
            <Failed><member><Id>0</Id><Code>InternalError</Code><Message>x</Message><SenderFault>false</SenderFault></member>\
            </Failed></PublishBatchResult><ResponseMetadata><RequestId>x</RequestId></ResponseMetadata></PublishBatchResponse>";
        let head = vec!["HTTP/1.1 200 OK\r\n".to_owned(), "Content-Type: text/xml\r\n".to_owned()];
        return Message { head, body: failed.to_vec() }.write(client.get_mut()).is_ok();
    }
    if fault == Some(Fault::Twice) && !text.contains(RECEIVE) && forward(upstream, &mut request).is_none() {
        return false;
    }
    let Some(mut answer) = forward(upstream, &mut request) else { return false };
    if fault == Some(Fault::LoseAnswer) {
        return false;
    }
    if let Some(fault @ (Fault::Twice | Fault::Reverse)) = fault
        && text.contains(RECEIVE)
        && !shuffle(&mut answer, fault)
    {
        // Nothing was received: the fault is still to come.
        plan.lock().unwrap().push_back((fault, RECEIVE));
    }
    answer.write(client.get_mut()).is_ok()
}

/// Has what was received come twice or in the opposite order; false if that changes nothing.
fn shuffle(answer: &mut Message, fault: Fault) -> bool {
    let mut body: serde_json::Value = serde_json::from_slice(&answer.body).unwrap();
    let Some(messages) = body["Messages"].as_array_mut() else { return false };
    if fault == Fault::Twice {
        messages.extend(messages.clone());
    } else if messages.len() < 2 {
        return false;
    } else {
        messages.reverse();
    }
    answer.body = serde_json::to_vec(&body).unwrap();
    true
}

fn forward(upstream: &str, request: &mut Message) -> Option<Message> {
    request.head.retain(|line| !line.to_lowercase().starts_with("connection:"));
    request.head.push("Connection: close\r\n".to_owned());
    let mut stream = TcpStream::connect(upstream).ok()?;
    request.write(&mut stream).ok()?;
    let mut answer = Message::read(&mut BufReader::new(stream))?;
    answer.head.retain(|line| !line.to_lowercase().starts_with("connection:"));
    Some(answer)
}

/// Takes the first entry out and reports it as failed.
fn fail_entry_of_sqs(client: &mut BufReader<TcpStream>, upstream: &str, mut request: Message) -> bool {
    let mut body: serde_json::Value = serde_json::from_slice(&request.body).unwrap();
    let entry = body["Entries"].as_array_mut().unwrap().remove(0);
    let failed = serde_json::json!({"Id": entry["Id"], "Code": "InternalError", "SenderFault": false});
    let mut answer = if body["Entries"].as_array().unwrap().is_empty() {
        let head =
            vec!["HTTP/1.1 200 OK\r\n".to_owned(), "Content-Type: application/x-amz-json-1.0\r\n".to_owned()];
        Message { head, body: br#"{"Successful": []}"#.to_vec() }
    } else {
        request.body = serde_json::to_vec(&body).unwrap();
        let Some(answer) = forward(upstream, &mut request) else { return false };
        answer
    };
    let mut told: serde_json::Value = serde_json::from_slice(&answer.body).unwrap();
    told["Failed"] = serde_json::json!([failed]);
    answer.body = serde_json::to_vec(&told).unwrap();
    answer.write(client.get_mut()).is_ok()
}
