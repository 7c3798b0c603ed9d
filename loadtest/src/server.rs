//! The server under test: started from its binary on a free loopback port, watched, and killed at the end.
//!
//! It deliberately uses nothing but the command line and settings of the contract (DESIGN 6.2).

use std::fs::File;
use std::net::{SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use crate::child::{self, Guard};
use crate::error::{Context, Error, Result};
use crate::http::{self, Request};

/// How long a start may take.
const START_MAX: Duration = Duration::from_secs(30);

/// How a server is started.
#[derive(Debug, Clone)]
pub struct Settings {
    /// The binary `flash-promos`.
    pub binary: PathBuf,
    /// `FLASH_WORKERS`.
    pub workers: usize,
    /// `DATABASE_URL`; `None` = an SQLite file of its own.
    pub database_url: Option<String>,
}

/// A running server with a scratch directory of its own.
#[derive(Debug)]
pub struct Server {
    guard: Guard,
    /// Where it answers.
    pub address: SocketAddr,
    log: PathBuf,
    _scratch: tempfile::TempDir,
}

impl Server {
    /// Starts a server and waits until it is ready.
    ///
    /// # Errors
    /// It cannot be started, ends, or is not ready within 30 s; the error shows the end of its log.
    pub fn start(settings: &Settings) -> Result<Self> {
        let scratch =
            tempfile::Builder::new().prefix("flash-bench-").tempdir().context("scratch directory")?;
        let log = scratch.path().join("server.log");
        if settings.database_url.is_some() {
            let mut migrate = Command::new(&settings.binary);
            configure(&mut migrate, settings, scratch.path(), None);
            let output = migrate.arg("migrate").output().context("run flash-promos migrate")?;
            if !output.status.success() {
                let said = String::from_utf8_lossy(&output.stderr).into_owned();
                return Err(Error::Setup(format!("flash-promos migrate: {said}")));
            }
        }
        let address = free_address()?;
        let mut command = child::command(&settings.binary);
        configure(&mut command, settings, scratch.path(), Some(address));
        let output = File::create(&log).context("server log")?;
        let errors = output.try_clone().context("server log")?;
        command.arg("serve").stdin(Stdio::null()).stdout(output).stderr(errors);
        let child = command.spawn().context(format!("start {}", settings.binary.display()))?;
        let mut server = Self { guard: Guard(child), address, log, _scratch: scratch };
        server.wait_ready()?;
        Ok(server)
    }

    fn wait_ready(&mut self) -> Result<()> {
        let deadline = Instant::now() + START_MAX;
        let request = Request { method: "GET", path: "/readyz", token: None, key: None, body: "" };
        while Instant::now() < deadline {
            if let Some(status) = self.guard.0.try_wait().context("wait")? {
                return Err(Error::Setup(format!("the server ended ({status}): {}", self.log_end())));
            }
            if http::call(self.address, &request).is_ok_and(|response| response.status == 200) {
                return Ok(());
            }
            std::thread::sleep(Duration::from_millis(20));
        }
        Err(Error::TimedOut(format!("the server is not ready: {}", self.log_end())))
    }

    /// Returns the resident memory of the process, in KiB.
    ///
    /// # Errors
    /// The process has ended.
    pub fn rss_kib(&self) -> Result<u64> {
        let path = format!("/proc/{}/status", self.guard.0.id());
        let status = std::fs::read_to_string(&path).context(path.clone())?;
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
        line.and_then(|line| line.trim().trim_end_matches(" kB").parse().ok())
            .ok_or_else(|| Error::Setup(format!("{path} has no VmRSS")))
    }

    /// Returns the last lines of what the server wrote.
    #[must_use]
    pub fn log_end(&self) -> String {
        let text = std::fs::read_to_string(&self.log).unwrap_or_default();
        let lines: Vec<&str> = text.lines().collect();
        lines.get(lines.len().saturating_sub(20)..).unwrap_or_default().join("\n")
    }
}

/// Sets the environment, free of what the caller's holds for another server.
fn configure(command: &mut Command, settings: &Settings, scratch: &Path, bind: Option<SocketAddr>) {
    for (name, _) in std::env::vars_os() {
        let text = name.to_string_lossy();
        if text.starts_with("FLASH_") || text.starts_with("AWS_") || text == "REDIS_URL" {
            command.env_remove(&name);
        }
    }
    let database_url = match &settings.database_url {
        Some(url) => url.clone(),
        None => format!("sqlite://{}", scratch.join("bench.db").display()),
    };
    let secret: String = (0..4).map(|_| uuid::Uuid::now_v7().simple().to_string()).collect();
    command
        .current_dir(scratch)
        .env("DATABASE_URL", database_url)
        .env("FLASH_BENCH", "1")
        .env("FLASH_LOG", "warn")
        .env("FLASH_JWT_SECRET", secret)
        .env("FLASH_WORKERS", settings.workers.to_string());
    if let Some(bind) = bind {
        command.env("FLASH_BIND", bind.to_string());
    }
}

/// Returns a loopback address that was free a moment ago.
///
/// # Errors
/// No port is free.
pub fn free_address() -> Result<SocketAddr> {
    let listener = TcpListener::bind(("127.0.0.1", 0)).context("find a free port")?;
    listener.local_addr().context("find a free port")
}
