//! A PostgreSQL for the run: a private cluster in a scratch directory, or one that the caller names.
//!
//! The private cluster keeps PostgreSQL's durability as it comes (`fsync` and `synchronous_commit` on): commits that
//! are not on disk would be no limit worth measuring against. It deliberately knows nothing of the schema.

use std::net::{SocketAddr, TcpStream};
use std::os::unix::fs::{MetadataExt, chown};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use crate::child::{self, Guard};
use crate::error::{Context, Error, Result};
use crate::server::free_address;

const START_MAX: Duration = Duration::from_secs(30);

/// Who PostgreSQL runs as; it refuses to be root.
#[derive(Debug, Clone, Copy)]
struct Owner {
    user: u32,
    group: u32,
}

/// A database server for the run.
#[derive(Debug)]
pub enum Postgres {
    /// One that somebody else runs; every section uses the same database.
    Given(String),
    /// One of our own.
    Private(Cluster),
}

/// A private cluster; it is stopped and deleted when this value is dropped.
#[derive(Debug)]
pub struct Cluster {
    programs: PathBuf,
    owner: Option<Owner>,
    scratch: tempfile::TempDir,
    address: SocketAddr,
    databases: u32,
    _process: Option<Guard>,
}

impl Postgres {
    /// Finds what `setting` says: `none`, `auto` (a private cluster if the programs are installed), or a URL.
    ///
    /// # Errors
    /// The private cluster cannot be made.
    pub fn find(setting: &str) -> Result<Option<Self>> {
        match setting {
            "none" => Ok(None),
            "auto" => installed().map(|programs| Cluster::start(programs).map(Self::Private)).transpose(),
            url => Ok(Some(Self::Given(url.to_owned()))),
        }
    }

    /// Returns the URL of a database: a fresh one where we may make it.
    ///
    /// # Errors
    /// The database cannot be made.
    pub fn database_url(&mut self) -> Result<String> {
        match self {
            Self::Given(url) => Ok(url.clone()),
            Self::Private(cluster) => cluster.create_database(),
        }
    }
}

/// The newest Debian binaries, else those on the PATH.
fn installed() -> Option<PathBuf> {
    let versions = std::fs::read_dir("/usr/lib/postgresql").into_iter().flatten().flatten();
    let newest = versions
        .filter_map(|entry| {
            Some((entry.file_name().to_str()?.parse::<u32>().ok()?, entry.path().join("bin")))
        })
        .filter(|(_, programs)| programs.join("initdb").exists())
        .max();
    let paths = std::env::var_os("PATH").unwrap_or_default();
    newest
        .map(|(_, programs)| programs)
        .or_else(|| std::env::split_paths(&paths).find(|directory| directory.join("initdb").exists()))
}

impl Cluster {
    fn start(programs: PathBuf) -> Result<Self> {
        let scratch =
            tempfile::Builder::new().prefix("flash-bench-pg-").tempdir().context("scratch directory")?;
        let is_root = std::fs::metadata("/proc/self").context("who am I")?.uid() == 0;
        let owner = if is_root { Some(postgres_user()?) } else { None };
        if let Some(owner) = owner {
            chown(scratch.path(), Some(owner.user), Some(owner.group)).context("scratch directory")?;
        }
        let address = free_address()?;
        let mut cluster = Self { programs, owner, scratch, address, databases: 0, _process: None };
        let data = cluster.data();
        let mut initdb = cluster.command("initdb");
        initdb
            .args(["--username=flash", "--auth=trust", "--encoding=UTF8", "--no-locale", "--no-sync", "-D"])
            .arg(&data);
        run(initdb)?;
        let mut postgres = child::command(&cluster.programs.join("postgres"));
        cluster.become_owner(&mut postgres);
        postgres.arg("-D").arg(&data).args(["-p", &address.port().to_string()]);
        let settings = [
            "listen_addresses=127.0.0.1",
            "unix_socket_directories=",
            "shared_buffers=256MB",
            "max_wal_size=4GB",
        ];
        for setting in settings {
            postgres.args(["-c", setting]);
        }
        let process = postgres.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).spawn();
        cluster._process = Some(Guard(process.context("start postgres")?));
        cluster.wait_ready()?;
        Ok(cluster)
    }

    fn data(&self) -> PathBuf {
        self.scratch.path().join("data")
    }

    fn become_owner(&self, command: &mut Command) {
        command.current_dir(self.scratch.path());
        if let Some(owner) = self.owner {
            command.uid(owner.user).gid(owner.group);
        }
    }

    fn command(&self, program: &str) -> Command {
        let mut command = Command::new(self.programs.join(program));
        self.become_owner(&mut command);
        command
    }

    fn wait_ready(&self) -> Result<()> {
        let deadline = Instant::now() + START_MAX;
        let port = self.address.port().to_string();
        while Instant::now() < deadline {
            if TcpStream::connect(self.address).is_ok() {
                let mut ready = self.command("pg_isready");
                ready.args(["-q", "-h", "127.0.0.1", "-p", &port]);
                if ready.status().is_ok_and(|status| status.success()) {
                    return Ok(());
                }
            }
            std::thread::sleep(Duration::from_millis(50));
        }
        Err(Error::TimedOut("the private PostgreSQL is not ready".to_owned()))
    }

    fn create_database(&mut self) -> Result<String> {
        self.databases += 1;
        let name = format!("bench_{}", self.databases);
        let port = self.address.port().to_string();
        let mut createdb = self.command("createdb");
        createdb.args(["-h", "127.0.0.1", "-p", &port, "-U", "flash", &name]);
        run(createdb)?;
        Ok(format!("postgres://flash@127.0.0.1:{port}/{name}"))
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        let mut stop = self.command("pg_ctl");
        stop.args(["stop", "-m", "immediate", "-w", "-D"]).arg(self.data());
        // What is left is killed with the guard, and the directory goes with the scratch.
        let _ = stop.stdout(Stdio::null()).stderr(Stdio::null()).status();
    }
}

fn run(mut command: Command) -> Result<()> {
    let name = Path::new(command.get_program()).display().to_string();
    let output = command.output().context(name.clone())?;
    if output.status.success() {
        return Ok(());
    }
    Err(Error::Setup(format!("{name}: {}", String::from_utf8_lossy(&output.stderr))))
}

fn postgres_user() -> Result<Owner> {
    let users = std::fs::read_to_string("/etc/passwd").context("/etc/passwd")?;
    let fields = |line: &str| -> Option<Owner> {
        let mut fields = line.strip_prefix("postgres:")?.split(':').skip(1);
        Some(Owner { user: fields.next()?.parse().ok()?, group: fields.next()?.parse().ok()? })
    };
    users.lines().find_map(fields).ok_or_else(|| Error::Setup("there is no user postgres".to_owned()))
}
