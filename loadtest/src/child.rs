//! Processes that the bench starts: they end with it, and the bench's own helpers are asked questions by line.
//!
//! It deliberately does not know what the processes do.

use std::ffi::OsStr;
use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Child, ChildStdout, Command, Stdio};

use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::error::{Context, Error, Result};

/// Returns a command for `program` whose process is killed when the bench dies, however it dies.
///
/// Without util-linux's `setpriv` the process ends only with an orderly end of the bench.
#[must_use]
pub fn command(program: &Path) -> Command {
    if Path::new("/usr/bin/setpriv").exists() {
        let mut command = Command::new("/usr/bin/setpriv");
        command.args([OsStr::new("--pdeathsig"), OsStr::new("KILL"), program.as_os_str()]);
        command
    } else {
        Command::new(program)
    }
}

/// A process that is killed when this value is dropped.
#[derive(Debug)]
pub struct Guard(pub Child);

impl Drop for Guard {
    fn drop(&mut self) {
        // Fails only when the process is gone already.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Another process of this program, told and asked in JSON lines over its standard input and output.
#[derive(Debug)]
pub struct Helper {
    name: String,
    guard: Guard,
    answers: BufReader<ChildStdout>,
}

impl Helper {
    /// Starts this program's subcommand `name`.
    ///
    /// # Errors
    /// The process cannot be started.
    pub fn start(name: &str) -> Result<Self> {
        let program = std::env::current_exe().context("find this program")?;
        let mut child = command(&program)
            .arg(name)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .context(format!("start {name}"))?;
        let stdout = child.stdout.take().ok_or_else(|| Error::Setup("no pipe".to_owned()))?;
        Ok(Self { name: name.to_owned(), guard: Guard(child), answers: BufReader::new(stdout) })
    }

    /// Tells the process one thing.
    ///
    /// # Errors
    /// The process has ended.
    pub fn tell(&mut self, message: &impl Serialize) -> Result<()> {
        let mut line = serde_json::to_vec(message).context("encode")?;
        line.push(b'\n');
        let stdin = self.guard.0.stdin.as_mut().ok_or_else(|| Error::Setup("no pipe".to_owned()))?;
        stdin.write_all(&line).context(format!("tell {}", self.name))
    }

    /// Waits for the next thing that the process says.
    ///
    /// # Errors
    /// The process has ended (it wrote why to its standard error), or says something else.
    pub fn hear<T: DeserializeOwned>(&mut self) -> Result<T> {
        let mut line = String::new();
        let read = self.answers.read_line(&mut line).context(format!("hear {}", self.name))?;
        if read == 0 {
            return Err(Error::Unexpected(format!("{} has ended", self.name)));
        }
        serde_json::from_str(&line).context(format!("hear {}", self.name))
    }

    /// Tells, then hears.
    ///
    /// # Errors
    /// As [`Helper::tell`] and [`Helper::hear`].
    pub fn ask<T: DeserializeOwned>(&mut self, message: &impl Serialize) -> Result<T> {
        self.tell(message)?;
        self.hear()
    }
}

/// Reads one JSON line from this process' standard input; `None` at its end.
///
/// # Errors
/// The line is not what was expected.
pub fn read_line<T: DeserializeOwned>() -> Result<Option<T>> {
    let mut line = String::new();
    let read = std::io::stdin().lock().read_line(&mut line).context("read standard input")?;
    if read == 0 { Ok(None) } else { serde_json::from_str(&line).context("read standard input").map(Some) }
}

/// Writes one JSON line to this process' standard output.
///
/// # Errors
/// Nobody reads it any more.
pub fn write_line(message: &impl Serialize) -> Result<()> {
    let mut line = serde_json::to_vec(message).context("encode")?;
    line.push(b'\n');
    let mut stdout = std::io::stdout().lock();
    stdout.write_all(&line).context("write standard output")?;
    stdout.flush().context("write standard output")
}
