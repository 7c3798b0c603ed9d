//! The command line.

use clap::{Parser, Subcommand};
use flash_promos::commands;
use std::process::ExitCode;

/// A marketplace for flash promotions, built as a real-time engine of actors. Settings are environment variables; see
/// docs/operations.md.
#[derive(Parser)]
#[command(name = "flash-promos", version)]
struct CommandLine {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Serves. Migrates the embedded database by itself; on PostgreSQL it refuses an old schema.
    Serve,
    /// Brings the database's schema up to date.
    Migrate,
    /// Makes demo data through the public interface of a running server.
    SeedDemo {
        /// Where the server is.
        #[arg(long, default_value = "http://127.0.0.1:8080")]
        url: String,
        /// Keeps sales starting and shoppers claiming until it is stopped.
        #[arg(long)]
        live: bool,
        /// How many simulated shoppers.
        #[arg(long, default_value_t = 60)]
        shoppers: u32,
        /// Makes a run repeatable.
        #[arg(long, default_value_t = 1)]
        seed: u64,
    },
    /// Makes somebody an admin, registering them if there is no such account. Reads a new account's password from the
    /// standard input.
    CreateAdmin {
        /// The account's e-mail.
        #[arg(long)]
        email: String,
        /// The display name of a new account.
        #[arg(long, default_value = "Admin")]
        name: String,
    },
    /// Periodic work, by hand.
    Job {
        #[command(subcommand)]
        command: JobCommand,
    },
    /// Messages that the queue gave up.
    Dlq {
        #[command(subcommand)]
        command: DlqCommand,
    },
    /// Re-derives every promotion's counters from its claims; exit code 1 at the first disagreement.
    Audit,
    /// Prints the API's description (OpenAPI 3.1).
    Openapi,
    /// Reads the settings, says what they are (secrets aside), and exits 1 if one can't be used.
    CheckConfig,
    /// Asks the server of these settings how it is: exit code 0 if requests should go there. For container health checks.
    Health {
        /// Asks only whether the process answers: for whoever ends it otherwise.
        #[arg(long)]
        live: bool,
    },
}

/// Answers of a batch and the rows of a commit are allocated on one thread and freed on another, and large buffers come
/// and go with each commit: the system's allocator gives their pages back each time. Measured: docs/decisions/0011-claims.md.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

#[derive(Subcommand)]
enum DlqCommand {
    /// Prints them, one a line: how often each was received, and its body.
    List {
        /// At most so many.
        #[arg(long, default_value_t = 100)]
        limit: usize,
    },
    /// Sends them to the queue again.
    Redrive,
}

#[derive(Subcommand)]
enum JobCommand {
    /// Runs a job once, now, beside a running server or without one; never while somebody else runs it.
    Run {
        /// check, cleanup or notifications.
        name: String,
    },
}

/// Takes memory in small pages only. To clear a huge one takes milliseconds in a virtual machine whose host has to find
/// it first, and whatever starts on that thread in the meantime is late. Measured: docs/decisions/0011-claims.md.
fn do_without_huge_pages() {
    #[cfg(target_os = "linux")]
    let _as_before = rustix::thread::disable_transparent_huge_pages(true);
}

fn main() -> ExitCode {
    do_without_huge_pages();
    let command = CommandLine::parse().command;
    let system = actix_rt::System::new();
    let result = system.block_on(async move {
        match command {
            Command::Serve => commands::serve().await,
            Command::Migrate => commands::migrate().await,
            Command::SeedDemo { url, live, shoppers, seed } => {
                commands::seed_demo(url, live, shoppers, seed).await
            }
            Command::CreateAdmin { email, name } => commands::create_admin(email, name).await,
            Command::Job { command: JobCommand::Run { name } } => commands::job_run(&name).await,
            Command::Dlq { command: DlqCommand::List { limit } } => commands::dlq_list(limit).await,
            Command::Dlq { command: DlqCommand::Redrive } => commands::dlq_redrive().await,
            Command::Audit => commands::audit().await,
            Command::Openapi => commands::openapi(),
            Command::Health { live } => commands::health(live).await,
            Command::CheckConfig => commands::check_config(),
        }
    });
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(reason) => {
            eprintln!("flash-promos: {reason}");
            ExitCode::FAILURE
        }
    }
}
