//! `flash-loadtest`: throws a scenario at a server and gives a verdict.
//!
//! Exit status: 0 sound, 1 a threshold was crossed, 2 an invariant is broken, 3 the run could not be made. The subcommand
//! `worker` is what it starts itself with `--processes`.

use std::net::{SocketAddr, ToSocketAddrs};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

use clap::{Parser, Subcommand};
use flash_loadtest::crew;
use flash_loadtest::error::{Context, Error, Result};
use flash_loadtest::html;
use flash_loadtest::run::{self, Chaos, Options, Report, Target};
use flash_loadtest::scenario::Scenario;
use flash_loadtest::threshold::{self, Threshold};
use flash_loadtest::view::{self, View};

/// Throws a scenario at a server, measures it, and judges what it was told.
#[derive(Debug, Parser)]
#[command(name = "flash-loadtest", version, args_conflicts_with_subcommands = true)]
struct Arguments {
    #[command(subcommand)]
    command: Option<Command>,
    /// spike, drop, fanout, city, storm, slow, soak, ramp, or a TOML file.
    scenario: Option<String>,
    /// A server that is there, as in 127.0.0.1:8080; else one is started from --server-bin.
    #[arg(long)]
    target: Option<String>,
    /// The target may be driven though it is not on this machine.
    #[arg(long)]
    i_own_this_target: bool,
    /// The server's binary, built with --release.
    #[arg(long, default_value = "target/release/flash-promos")]
    server_bin: PathBuf,
    /// Worker threads of the server that is started; 0 = one per processor.
    #[arg(long, default_value_t = 0)]
    server_workers: usize,
    /// The database of the server that is started; an SQLite file of its own when left out.
    #[arg(long)]
    database_url: Option<String>,
    /// Makes the same arrivals, places and choices again.
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Shoppers instead of the scenario's.
    #[arg(long)]
    shoppers: Option<u32>,
    /// Live sessions instead of the scenario's.
    #[arg(long)]
    sessions: Option<u32>,
    /// HTTP connections instead of the scenario's.
    #[arg(long)]
    connections: Option<u32>,
    /// Units per sale instead of the scenario's.
    #[arg(long)]
    stock: Option<u32>,
    /// Sales of each group that has any, instead of the scenario's.
    #[arg(long)]
    sales: Option<u32>,
    /// Multiplies every rate.
    #[arg(long, default_value_t = 1.0)]
    rate_factor: f64,
    /// Multiplies the length of every phase.
    #[arg(long, default_value_t = 1.0)]
    time_factor: f64,
    /// Processes that generate; 1 = this one.
    #[arg(long, default_value_t = 1)]
    processes: u32,
    /// 'kill -9' or pause: done to the server that was started, in the middle of the run.
    #[arg(long)]
    chaos: Option<Chaos>,
    /// After which share of the run.
    #[arg(long, default_value_t = 0.5)]
    chaos_at: f64,
    /// How long a pause takes, in milliseconds.
    #[arg(long, default_value_t = 2_000)]
    pause_ms: u64,
    /// Asks the audit of the server that was started, too.
    #[arg(long)]
    verify: bool,
    /// Fails the run where this is true, as in 'claim.p99>20ms' or 'slow/update.max>1s'; may be repeated.
    #[arg(long = "fail-if")]
    fail_if: Vec<Threshold>,
    /// How long an answer may take, in milliseconds.
    #[arg(long, default_value_t = 10_000)]
    timeout_ms: u64,
    /// Where the JSON goes.
    #[arg(long)]
    json: Option<PathBuf>,
    /// Where the HTML report goes.
    #[arg(long)]
    html: Option<PathBuf>,
    /// The JSON of another run to compare with.
    #[arg(long)]
    baseline: Option<PathBuf>,
    /// Shows nothing while the run goes on.
    #[arg(long)]
    quiet: bool,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Generates a part of a run; started by the run.
    #[command(hide = true)]
    Worker,
    /// Prints a built-in scenario, to start one's own from; without a name, lists them.
    Show {
        /// Its name.
        name: Option<String>,
    },
}

fn main() -> ExitCode {
    let arguments = match Arguments::try_parse() {
        Ok(arguments) => arguments,
        Err(error) => {
            let _ = error.print();
            return if error.use_stderr() { ExitCode::from(3) } else { ExitCode::SUCCESS };
        }
    };
    let outcome = match &arguments.command {
        Some(Command::Worker) => rlimit::increase_nofile_limit(u64::MAX)
            .context("raise the limit of open files")
            .and_then(|_| crew::work())
            .map(|()| 0),
        Some(Command::Show { name }) => show(name.as_deref()).map(|()| 0),
        None => load(&arguments),
    };
    match outcome {
        Ok(code) => ExitCode::from(code),
        Err(error) => {
            eprintln!("flash-loadtest: {error}");
            ExitCode::from(3)
        }
    }
}

fn show(name: Option<&str>) -> Result<()> {
    match name {
        Some(name) => {
            let text = Scenario::built_in(name).ok_or_else(|| Error::Setup(format!("no scenario {name}")))?;
            print!("{text}");
        }
        None => {
            for name in Scenario::names() {
                println!("{name:8} {}", Scenario::find(name)?.about);
            }
        }
    }
    Ok(())
}

fn load(arguments: &Arguments) -> Result<u8> {
    let name = arguments.scenario.as_deref();
    let name =
        name.ok_or_else(|| Error::Setup("which scenario? `flash-loadtest show` lists them".to_owned()))?;
    let options = options(arguments, scenario(arguments, name)?)?;
    let baseline = arguments.baseline.as_deref().map(read).transpose()?;
    let duration_ms = options.scenario.phases.iter().map(|phase| phase.duration_ms).sum();
    let view = View::new(duration_ms, arguments.quiet);
    let outcome = run::run(&options, &view);
    view.end();
    let mut report = outcome?;
    for threshold in &arguments.fail_if {
        report.crossed.extend(threshold.failure(&report.figures)?);
    }
    if let Some(baseline) = baseline {
        report.compared = threshold::compare(&baseline.figures, &report.figures);
    }
    print!("{}", view::table(&report));
    if let Some(path) = &arguments.json {
        write(path, &serde_json::to_string_pretty(&report).context("write the JSON")?)?;
    }
    if let Some(path) = &arguments.html {
        write(path, &html::page(&report))?;
    }
    Ok(report.exit_code())
}

fn read(path: &Path) -> Result<Report> {
    let text = std::fs::read_to_string(path).context(path.display().to_string())?;
    serde_json::from_str(&text).context(path.display().to_string())
}

fn write(path: &Path, text: &str) -> Result<()> {
    if let Some(directory) = path.parent().filter(|directory| !directory.as_os_str().is_empty()) {
        std::fs::create_dir_all(directory).context(directory.display().to_string())?;
    }
    std::fs::write(path, text).context(path.display().to_string())
}

fn scenario(arguments: &Arguments, name: &str) -> Result<Scenario> {
    let mut scenario = Scenario::find(name)?;
    let scene = &mut scenario.scene;
    scene.sessions = arguments.sessions.unwrap_or(scene.sessions);
    scene.shoppers = arguments.shoppers.unwrap_or(scene.shoppers.max(scene.sessions));
    scene.connections = arguments.connections.unwrap_or(scene.connections);
    for sale in &mut scenario.sales {
        sale.stock = arguments.stock.unwrap_or(sale.stock);
        if sale.count > 0 {
            sale.count = arguments.sales.unwrap_or(sale.count);
        }
    }
    for phase in &mut scenario.phases {
        phase.duration_ms = (phase.duration_ms as f64 * arguments.time_factor) as u64;
        for flow in &mut phase.flows {
            flow.rate *= arguments.rate_factor;
            flow.rate_to = flow.rate_to.map(|rate| rate * arguments.rate_factor);
        }
    }
    scenario.check()?;
    Ok(scenario)
}

fn options(arguments: &Arguments, scenario: Scenario) -> Result<Options> {
    let processors = std::thread::available_parallelism().map_or(1, usize::from);
    let target = match &arguments.target {
        Some(text) => Target::Other(address(text, arguments.i_own_this_target)?),
        None => {
            let binary = std::path::absolute(&arguments.server_bin).context("find the server")?;
            std::fs::metadata(&binary).context(binary.display().to_string())?;
            let workers = if arguments.server_workers == 0 { processors } else { arguments.server_workers };
            run::own(binary, workers, arguments.database_url.clone())
        }
    };
    if matches!(target, Target::Other(_)) && (arguments.chaos.is_some() || arguments.verify) {
        return Err(Error::Setup("--chaos and --verify need a server that the run starts itself".to_owned()));
    }
    if arguments.processes == 0 || !(0.0..=1.0).contains(&arguments.chaos_at) {
        return Err(Error::Setup("--processes is at least 1, --chaos-at from 0 to 1".to_owned()));
    }
    Ok(Options {
        scenario,
        seed: arguments.seed,
        target,
        processes: arguments.processes,
        chaos: arguments.chaos.map(|chaos| (chaos, arguments.chaos_at)),
        pause: Duration::from_millis(arguments.pause_ms),
        verify: arguments.verify,
        timeout: Duration::from_millis(arguments.timeout_ms),
    })
}

/// Resolves a target, and refuses one on another machine unless its owner says so.
fn address(text: &str, owned: bool) -> Result<SocketAddr> {
    let host = text.trim_start_matches("http://").trim_end_matches('/');
    let address = host.to_socket_addrs().context(format!("--target {text}"))?.next();
    let address = address.ok_or_else(|| Error::Setup(format!("--target {text}: no such host")))?;
    if !address.ip().is_loopback() && !owned {
        return Err(Error::Setup(format!(
            "{address} is not this machine. Loading what one does not own is an attack: give --i-own-this-target if \
             you do"
        )));
    }
    Ok(address)
}
