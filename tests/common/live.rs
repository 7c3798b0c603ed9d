//! The real binary on a database of its own, and bare sockets to it. Knows no SDK: what it sends is what a test wrote.

#![allow(dead_code, clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

/// How long anything is waited for; only a hang takes this long.
const PATIENCE: Duration = Duration::from_secs(15);

/// A running server, ended with the test.
pub struct Server {
    child: Child,
    address: String,
    _data: tempfile::TempDir,
}

impl Server {
    /// Starts it on a free port with these settings besides its own.
    pub fn start(settings: &[(&str, &str)]) -> Self {
        let data = tempfile::tempdir().unwrap();
        let mut child = Command::new(env!("CARGO_BIN_EXE_flash-promos"))
            .arg("serve")
            .current_dir(data.path())
            .env_clear()
            .env("FLASH_BIND", "127.0.0.1:0")
            .env("FLASH_BENCH", "1")
            .env("FLASH_LOG", "error")
            .envs(settings.iter().copied())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
        let address = line.trim().strip_prefix("listening on http://").expect(&line).to_owned();
        let server = Self { child, address, _data: data };
        server.wait_until_ready();
        server
    }

    /// Sockets are taken once every live promotion is on the boards.
    fn wait_until_ready(&self) {
        let until = std::time::Instant::now() + PATIENCE;
        let ready = || {
            let mut socket = self.connect();
            socket.send(format!("GET /readyz HTTP/1.1\r\nHost: {}\r\n\r\n", self.address).as_bytes());
            socket.head().0 == 200
        };
        while !ready() {
            assert!(std::time::Instant::now() < until, "the server did not get ready");
            std::thread::sleep(Duration::from_millis(10));
        }
    }

    /// Connects.
    pub fn connect(&self) -> Socket {
        let stream = TcpStream::connect(&self.address).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        Socket { stream, seen: Vec::new() }
    }

    /// Sends an upgrade for a path with these header lines besides `Host`, and gives what came back.
    pub fn upgrade(&self, method: &str, path: &str, headers: &[&str]) -> (u16, String, Socket) {
        let mut socket = self.connect();
        let head = format!(
            "{method} {path} HTTP/1.1\r\nHost: {}\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n{}\r\n\r\n",
            self.address,
            headers.join("\r\n")
        );
        socket.send(head.as_bytes());
        let (status, head) = socket.head();
        (status, head, socket)
    }

    /// SIGTERM.
    pub fn terminate(&self) {
        let pid = self.child.id().to_string();
        assert!(Command::new("kill").args(["-TERM", &pid]).status().unwrap().success());
    }

    /// Waits for its end.
    pub fn wait(&mut self) -> std::process::ExitStatus {
        self.child.wait().unwrap()
    }

    /// Where it listens, as `host:port`.
    pub fn address(&self) -> &str {
        &self.address
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ended = self.child.kill();
        let _status = self.child.wait();
    }
}

/// A bare connection.
pub struct Socket {
    stream: TcpStream,
    seen: Vec<u8>,
}

impl Socket {
    /// Writes bytes as they are.
    pub fn send(&mut self, bytes: &[u8]) {
        self.stream.write_all(bytes).unwrap();
    }

    /// Writes bytes as they are, to a server that may have ended the connection.
    ///
    /// # Errors
    /// The socket's.
    pub fn try_send(&mut self, bytes: &[u8]) -> std::io::Result<()> {
        self.stream.write_all(bytes)
    }

    /// A connection to a server that was started elsewhere; `room` bounds what the kernel takes in for it.
    pub fn to(address: &str, room: Option<usize>) -> Self {
        let address: std::net::SocketAddr = address.parse().unwrap();
        let socket = socket2::Socket::new(socket2::Domain::IPV4, socket2::Type::STREAM, None).unwrap();
        if let Some(room) = room {
            socket.set_recv_buffer_size(room).unwrap();
        }
        socket.connect(&address.into()).unwrap();
        let stream: TcpStream = socket.into();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        stream.set_write_timeout(Some(PATIENCE)).unwrap();
        Self { stream, seen: Vec::new() }
    }

    /// Writes a text frame.
    pub fn text(&mut self, text: &str) {
        self.send(&text_frame(text));
    }

    /// Reads a response's head: its status and all of it.
    pub fn head(&mut self) -> (u16, String) {
        let end =
            self.until(|seen| seen.windows(4).position(|four| four == b"\r\n\r\n").map(|place| place + 4));
        let head = String::from_utf8(self.seen.drain(..end).collect()).unwrap();
        (head.split(' ').nth(1).unwrap().parse().unwrap(), head)
    }

    /// Reads one frame: its opcode and payload.
    pub fn frame(&mut self) -> (u8, Vec<u8>) {
        let (start, end) = self.until(|seen| {
            let short = usize::from(*seen.get(1)?);
            let (start, length) = match short {
                126 => (4, usize::from(u16::from_be_bytes([*seen.get(2)?, *seen.get(3)?]))),
                127 => (10, u64::from_be_bytes(seen.get(2..10)?.try_into().unwrap()) as usize),
                _ => (2, short),
            };
            (seen.len() >= start + length).then_some((start, start + length))
        });
        let frame: Vec<u8> = self.seen.drain(..end).collect();
        (frame[0] & 0x0f, frame[start..].to_vec())
    }

    /// Reads one text frame.
    pub fn line(&mut self) -> String {
        let (opcode, payload) = self.frame();
        assert_eq!(opcode, 1, "{payload:?}");
        String::from_utf8(payload).unwrap()
    }

    /// Reads until the server has ended the connection; gives what came.
    pub fn rest(mut self) -> String {
        self.stream.read_to_end(&mut self.seen).unwrap();
        String::from_utf8_lossy(&self.seen).into_owned()
    }

    /// Whether the server has ended the connection; takes in what it said.
    pub fn has_ended(&mut self) -> bool {
        self.stream.set_nonblocking(true).unwrap();
        let mut bytes = [0; 4096];
        let ended = loop {
            match self.stream.read(&mut bytes) {
                Ok(0) => break true,
                Ok(count) => self.seen.extend_from_slice(&bytes[..count]),
                Err(error) => break error.kind() != std::io::ErrorKind::WouldBlock,
            }
        };
        self.stream.set_nonblocking(false).unwrap();
        ended
    }

    fn until<T>(&mut self, done: impl Fn(&[u8]) -> Option<T>) -> T {
        loop {
            if let Some(value) = done(&self.seen) {
                return value;
            }
            let mut bytes = [0; 4096];
            let count = self.stream.read(&mut bytes).expect("the server should have answered");
            assert!(
                count > 0,
                "the server ended the connection after {:?}",
                String::from_utf8_lossy(&self.seen)
            );
            self.seen.extend_from_slice(&bytes[..count]);
        }
    }
}

/// A masked text frame.
pub fn text_frame(text: &str) -> Vec<u8> {
    frame_of(0x81, text.as_bytes())
}

/// A masked frame with this first byte.
pub fn frame_of(first: u8, payload: &[u8]) -> Vec<u8> {
    let mask = [1, 2, 3, 4];
    let mut frame = vec![first];
    match payload.len() {
        length @ 0..=125 => frame.push(0x80 | length as u8),
        length @ 126..=65_535 => {
            frame.push(0x80 | 126);
            frame.extend_from_slice(&(length as u16).to_be_bytes());
        }
        length => {
            frame.push(0x80 | 127);
            frame.extend_from_slice(&(length as u64).to_be_bytes());
        }
    }
    frame.extend_from_slice(&mask);
    frame.extend(payload.iter().enumerate().map(|(nth, byte)| byte ^ mask[nth % 4]));
    frame
}
