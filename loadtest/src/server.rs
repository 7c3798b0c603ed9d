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
    /// Further settings of the server.
    pub more: Vec<(String, String)>,
}

/// A running server with a scratch directory of its own.
#[derive(Debug)]
pub struct Server {
    guard: Guard,
    /// Where it answers.
    pub address: SocketAddr,
    settings: Settings,
    /// Signs access tokens, also after a restart.
    secret: String,
    log: PathBuf,
    scratch: tempfile::TempDir,
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
        let secret: String = (0..4).map(|_| uuid::Uuid::now_v7().simple().to_string()).collect();
        if settings.database_url.is_some() {
            let mut migrate = Command::new(&settings.binary);
            configure(&mut migrate, settings, &secret, scratch.path(), None);
            let output = migrate.arg("migrate").output().context("run flash-promos migrate")?;
            if !output.status.success() {
                let said = String::from_utf8_lossy(&output.stderr).into_owned();
                return Err(Error::Setup(format!("flash-promos migrate: {said}")));
            }
        }
        let address = free_address()?;
        let guard = spawn(settings, &secret, scratch.path(), &log, address)?;
        let mut server = Self { guard, address, settings: settings.clone(), secret, log, scratch };
        server.wait_ready()?;
        Ok(server)
    }

    /// Kills the process as `kill -9` does, and starts it again on the same database and address.
    ///
    /// # Errors
    /// As [`Server::start`].
    pub fn kill_and_restart(&mut self) -> Result<()> {
        self.guard.0.kill().context("kill the server")?;
        self.guard.0.wait().context("wait for the server")?;
        self.guard = spawn(&self.settings, &self.secret, self.scratch.path(), &self.log, self.address)?;
        self.wait_ready()
    }

    /// Stops the process where it is (SIGSTOP).
    ///
    /// # Errors
    /// It has ended.
    pub fn pause(&self) -> Result<()> {
        self.signal(rustix::process::Signal::STOP)
    }

    /// Lets the process go on (SIGCONT).
    ///
    /// # Errors
    /// It has ended.
    pub fn resume(&self) -> Result<()> {
        self.signal(rustix::process::Signal::CONT)
    }

    fn signal(&self, signal: rustix::process::Signal) -> Result<()> {
        let process = i32::try_from(self.guard.0.id()).ok().and_then(rustix::process::Pid::from_raw);
        let process = process.ok_or_else(|| Error::Setup("the server has no process".to_owned()))?;
        rustix::process::kill_process(process, signal)
            .map_err(std::io::Error::from)
            .context("signal the server")
    }

    /// Runs the server's own `audit` on its database; `Some` = what disagrees.
    ///
    /// # Errors
    /// The audit cannot be run.
    pub fn audit(&self) -> Result<Option<String>> {
        let mut command = Command::new(&self.settings.binary);
        configure(&mut command, &self.settings, &self.secret, self.scratch.path(), None);
        let output = command.arg("audit").output().context("run flash-promos audit")?;
        let said = String::from_utf8_lossy(&output.stderr).trim().to_owned();
        Ok((!output.status.success()).then_some(said))
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

    /// Where its embedded database is.
    #[must_use]
    pub fn directory(&self) -> &Path {
        self.scratch.path()
    }

    /// Returns the resident memory of the process, in KiB.
    ///
    /// # Errors
    /// The process has ended.
    pub fn rss_kib(&self) -> Result<u64> {
        self.status_kib("VmRSS:")
    }

    fn status_kib(&self, field: &str) -> Result<u64> {
        let path = format!("/proc/{}/status", self.guard.0.id());
        let status = std::fs::read_to_string(&path).context(path.clone())?;
        let line = status.lines().find_map(|line| line.strip_prefix(field));
        line.and_then(|line| line.trim().trim_end_matches(" kB").parse().ok())
            .ok_or_else(|| Error::Setup(format!("{path} has no {field}")))
    }

    /// Returns how much processor time the process' present threads have used so far, all together.
    ///
    /// # Errors
    /// The process has ended.
    pub fn cpu(&self) -> Result<Duration> {
        let path = format!("/proc/{}/task", self.guard.0.id());
        let mut used_ns = 0;
        for thread in std::fs::read_dir(&path).context(path.clone())?.flatten() {
            // A thread may have ended meanwhile.
            let text = std::fs::read_to_string(thread.path().join("schedstat")).unwrap_or_default();
            used_ns += text.split_whitespace().next().and_then(|text| text.parse().ok()).unwrap_or(0u64);
        }
        Ok(Duration::from_nanos(used_ns))
    }

    /// Returns the last lines of what the server wrote.
    #[must_use]
    pub fn log_end(&self) -> String {
        let text = std::fs::read_to_string(&self.log).unwrap_or_default();
        let lines: Vec<&str> = text.lines().collect();
        lines.get(lines.len().saturating_sub(20)..).unwrap_or_default().join("\n")
    }
}

fn spawn(
    settings: &Settings,
    secret: &str,
    scratch: &Path,
    log: &Path,
    address: SocketAddr,
) -> Result<Guard> {
    let mut command = child::command(&settings.binary);
    configure(&mut command, settings, secret, scratch, Some(address));
    let output = File::options().create(true).append(true).open(log).context("server log")?;
    let errors = output.try_clone().context("server log")?;
    command.arg("serve").stdin(Stdio::null()).stdout(output).stderr(errors);
    command.spawn().map(Guard).context(format!("start {}", settings.binary.display()))
}

/// Sets the environment, free of what the caller's holds for another server.
fn configure(
    command: &mut Command,
    settings: &Settings,
    secret: &str,
    scratch: &Path,
    bind: Option<SocketAddr>,
) {
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
    command
        .current_dir(scratch)
        .env("DATABASE_URL", database_url)
        .env("FLASH_BENCH", "1")
        .env("FLASH_LOG", "warn")
        .env("FLASH_JWT_SECRET", secret)
        .env("FLASH_WORKERS", settings.workers.to_string())
        .envs(settings.more.iter().map(|(name, value)| (name, value)));
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
