//! `flash-bench`: measures the server against its limits, side by side in one run, and prints the ratios.
//!
//! Its subcommands `driver` and `bare-writer` are processes that it starts itself; they are told what to do over
//! their standard input. It deliberately exits 0 when a target is missed, unless `--strict` is given: a figure is for
//! reading. A wrong answer of the server always fails the run.

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use clap::{Parser, Subcommand};
use flash_loadtest::error::{Context, Result};
use flash_loadtest::postgres::Postgres;
use flash_loadtest::report::{self, Row};
use flash_loadtest::sections::{Options, Section};
use flash_loadtest::{bare, child, driver};

/// Open files that the connections of the overload and everything else need.
const FILES_MIN: u64 = 18_000;

/// How long the machine is watched before the run, and how busy it may be with other things.
const BUSY_WATCH: Duration = Duration::from_secs(1);
const BUSY_MAX: f64 = 0.1;

/// Benchmarks Flash Promos against its limits, as ratios.
#[derive(Debug, Parser)]
#[command(name = "flash-bench", version, args_conflicts_with_subcommands = true)]
struct Arguments {
    #[command(subcommand)]
    helper: Option<HelperCommand>,
    /// The server's binary, built with --release.
    #[arg(long, default_value = "target/release/flash-promos")]
    server: PathBuf,
    /// `auto` = a private cluster where PostgreSQL is installed, `none`, or the URL of a database to use.
    #[arg(long, default_value = "auto")]
    postgres: String,
    /// What to measure; everything when left out.
    #[arg(long, value_delimiter = ',')]
    only: Vec<Section>,
    /// Seconds per slice.
    #[arg(long, default_value_t = 3.0)]
    seconds: f64,
    /// Pairs of slices per comparison.
    #[arg(long, default_value_t = 5)]
    slices: usize,
    /// Keep-alive connections.
    #[arg(long, value_delimiter = ',', default_value = "64,256")]
    connections: Vec<usize>,
    /// Subscribed sockets of the fan-out.
    #[arg(long, value_delimiter = ',', default_value = "1000,10000")]
    sockets: Vec<usize>,
    /// Idle sessions.
    #[arg(long, default_value_t = 10_000)]
    sessions: usize,
    /// Claims on live promotions when the server is killed; a multiple of 160.
    #[arg(long, default_value_t = 1_000_000)]
    restart_claims: u32,
    /// Promotions that start within one second.
    #[arg(long, default_value_t = 10_000)]
    starts: usize,
    /// Open holds among which some expire; a multiple of 1,000.
    #[arg(long, default_value_t = 100_000)]
    holds: u32,
    /// Connections of the overload; the last are more than the server lets claims of one promotion wait.
    #[arg(long, value_delimiter = ',', default_value = "1024,17408")]
    crowd: Vec<usize>,
    /// Followers who are told of a sale.
    #[arg(long, default_value_t = 100_000)]
    audience: usize,
    /// Shoppers who claim in turn: so many that none meets the limit of claims per shopper and second.
    #[arg(long, default_value_t = 2_000)]
    shoppers: usize,
    /// A run of a few seconds that shows that everything works; its figures mean nothing.
    #[arg(long)]
    quick: bool,
    /// Exit 1 when a target is missed.
    #[arg(long)]
    strict: bool,
    /// Where the JSON goes.
    #[arg(long, default_value = "target/bench.json")]
    json: PathBuf,
}

#[derive(Debug, Subcommand)]
enum HelperCommand {
    /// Receives updates; started by the bench.
    #[command(hide = true)]
    Driver,
    /// Writes to sockets as fast as it can; started by the bench.
    #[command(hide = true)]
    BareWriter,
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let outcome = match &arguments.helper {
        Some(HelperCommand::Driver) => raise_files().and_then(|()| driver::run()).map(|()| true),
        Some(HelperCommand::BareWriter) => raise_files().and_then(|()| bare_writer()).map(|()| true),
        None => bench(&arguments),
    };
    match outcome {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("flash-bench: {error}");
            ExitCode::FAILURE
        }
    }
}

fn raise_files() -> Result<()> {
    let limit = rlimit::increase_nofile_limit(u64::MAX).context("raise the limit of open files")?;
    if limit < FILES_MIN {
        eprintln!("flash-bench: only {limit} open files are allowed; everything needs {FILES_MIN}");
    }
    Ok(())
}

fn bare_writer() -> Result<()> {
    match child::read_line()? {
        Some(config) => bare::run(&config, child::write_line),
        None => Ok(()),
    }
}

fn options(arguments: &Arguments) -> Result<Options> {
    let mut options = Options {
        server: std::path::absolute(&arguments.server).context("find the server")?,
        seconds: arguments.seconds,
        slices: arguments.slices,
        connections: arguments.connections.clone(),
        sockets: arguments.sockets.clone(),
        sessions: arguments.sessions,
        shoppers: arguments.shoppers,
        restart_claims: arguments.restart_claims,
        starts: arguments.starts,
        holds: arguments.holds,
        crowd: arguments.crowd.clone(),
        audience: arguments.audience,
    };
    if arguments.quick {
        options.seconds = 0.2;
        options.slices = 1;
        options.connections = vec![16];
        options.sockets = vec![100];
        options.sessions = 100;
        options.restart_claims = 1_600;
        options.starts = 100;
        options.holds = 2_000;
        options.crowd = vec![64];
        options.audience = 1_000;
    }
    std::fs::metadata(&options.server).context(options.server.display().to_string())?;
    Ok(options)
}

/// Measures and prints; returns whether the run counts as a success.
fn bench(arguments: &Arguments) -> Result<bool> {
    let options = options(arguments)?;
    let wanted = |section: &Section| arguments.only.is_empty() || arguments.only.contains(section);
    let mut postgres = match wanted(&Section::Claims) {
        true => Postgres::find(&arguments.postgres)?,
        false => None,
    };
    if postgres.is_none() && wanted(&Section::Claims) {
        eprintln!("flash-bench: no PostgreSQL: claims are measured on SQLite only");
    }
    let busy = report::busy_share(BUSY_WATCH);
    if busy > BUSY_MAX {
        eprintln!(
            "flash-bench: the machine is {:.0} % busy with other things: the figures mean little",
            busy * 100.0
        );
    }
    let mut rows: Vec<Row> = Vec::new();
    for section in Section::ALL.into_iter().filter(wanted) {
        section.measure(&options, postgres.as_mut(), &mut |row| {
            eprintln!(
                "{} ({}): {:.2}; {} against {}",
                row.work, row.setting, row.figure, row.ours, row.limit
            );
            rows.push(row);
        })?;
    }
    println!("\n{}", report::table(&rows));
    if let Some(directory) = arguments.json.parent().filter(|directory| !directory.as_os_str().is_empty()) {
        std::fs::create_dir_all(directory).context(directory.display().to_string())?;
    }
    let text = serde_json::to_string_pretty(&report::to_json(&rows, busy)).context("write the JSON")?;
    std::fs::write(&arguments.json, text).context(arguments.json.display().to_string())?;
    println!("details: {}", arguments.json.display());
    let met = |row: &Row| row.target.is_none_or(|target| target.is_met(row.figure));
    Ok(!arguments.strict || rows.iter().all(met))
}
