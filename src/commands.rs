//! What each command of the command line does, `serve` aside.

use crate::adapters::aws;
use crate::adapters::sqs::Queue;
use crate::adapters::{DatabaseUrl, Stores};
use crate::auth::password::Passwords;
use crate::config::Settings;
use crate::mint::SystemMint;
use crate::serve;
use crate::telemetry::{self, Telemetry};
use flash_actors::jobs::{self, Job, JobParts};
use flash_actors::ports::accounts::{Role, User};
use flash_actors::ports::clock::{Clock, Mint, SystemClock};
use flash_actors::ports::jobs::Turn;
use flash_domain::ids::UserId;
use std::fmt::Display;
use std::io::Read;
use std::net::{Ipv4Addr, Ipv6Addr};
use std::time::Duration;

/// How long a health check waits for an answer.
const HEALTH_PATIENCE: Duration = Duration::from_secs(3);
use std::sync::Arc;

/// What a command has to say when it fails.
pub type Outcome = Result<(), String>;

fn text(error: impl Display) -> String {
    error.to_string()
}

fn settings() -> Result<Settings, String> {
    let settings = Settings::from_env().map_err(text)?;
    telemetry::start_logs(&settings);
    Ok(settings)
}

/// `serve`
///
/// # Errors
/// A sentence for people.
pub async fn serve() -> Outcome {
    let settings = Settings::from_env().map_err(text)?;
    let telemetry = Telemetry::start(&settings)?;
    let outcome = serve::serve(settings).await.map_err(text);
    telemetry.finish().await;
    outcome
}

/// `migrate`
///
/// # Errors
/// A sentence for people.
pub async fn migrate() -> Outcome {
    let settings = settings()?;
    let stores = Stores::open(&settings.database).await.map_err(text)?;
    stores.migrate().await.map_err(text)?;
    stores.close().await;
    println!("the schema is current");
    Ok(())
}

async fn queue() -> Result<Queue, String> {
    let settings = settings()?.aws;
    let url = settings.sqs_queue_url.ok_or("FLASH_SQS_QUEUE_URL is not set: there is no queue")?;
    let way = aws::configuration(settings.region.as_deref(), settings.endpoint_url.as_deref()).await?;
    Ok(Queue::new(&way, url))
}

/// `dlq list`
///
/// # Errors
/// A sentence for people.
pub async fn dlq_list(limit: usize) -> Outcome {
    let dead = queue().await?.dead_letters().await.map_err(text)?;
    for (received, body) in dead.list(limit).await.map_err(text)? {
        println!("{received} {}", body.replace(['\n', '\r'], " "));
    }
    Ok(())
}

/// `dlq redrive`
///
/// # Errors
/// A sentence for people.
pub async fn dlq_redrive() -> Outcome {
    let queue = queue().await?;
    let moved = queue.dead_letters().await.map_err(text)?.redrive_to(&queue).await.map_err(text)?;
    println!("{moved} messages were sent to the queue again");
    Ok(())
}

/// `job run`
///
/// # Errors
/// A sentence for people: no such job, somebody runs it, or why it failed.
pub async fn job_run(name: &str) -> Outcome {
    let job = Job::parse(name)
        .ok_or_else(|| format!("there is no job {name}; there are {}", Job::ALL.map(Job::name).join(", ")))?;
    let settings = settings()?;
    let stores = serve::open(&settings).await.map_err(text)?;
    let parts = JobParts {
        engine: None,
        catalogue: stores.catalogue.clone(),
        inbox: stores.inbox.clone(),
        webhooks: stores.webhooks.clone(),
        ending_soon_ms: settings.notifications.ending_soon.as_millis() as i64,
        accounts: stores.accounts.clone(),
        log: stores.jobs.clone(),
        counts: Arc::default(),
        clock: Arc::new(SystemClock::new()),
        mint: Arc::new(SystemMint),
    };
    let turn = jobs::run(&parts, job, 0).await.map_err(text)?;
    let last = stores.jobs.recent(100).await.map_err(text)?.into_iter().find(|run| run.name == name);
    stores.close().await;
    match (turn, last) {
        (Turn::NotBefore(_), _) => Err(format!("{name} is running; try again when it is done")),
        (Turn::Yours, Some(run)) if run.ok => {
            println!("{name}: {}", run.detail);
            Ok(())
        }
        (Turn::Yours, Some(run)) => Err(format!("{name}: {}", run.detail)),
        (Turn::Yours, None) => Err(format!("{name}: its result was not kept")),
    }
}

/// `audit`
///
/// # Errors
/// The first disagreement, or why it could not look.
pub async fn audit() -> Outcome {
    let settings = settings()?;
    if let DatabaseUrl::Sqlite(path) = &settings.database
        && !path.exists()
    {
        return Err(format!("there is no database at {}", path.display()));
    }
    let stores = Stores::open(&settings.database).await.map_err(text)?;
    let report = stores.store.audit().await.map_err(text)?;
    stores.close().await;
    match report.disagreement {
        Some(disagreement) => Err(disagreement),
        None => {
            println!("{} promotions and {} claims agree", report.promotions, report.claims);
            Ok(())
        }
    }
}

/// `create-admin`
///
/// # Errors
/// A sentence for people.
pub async fn create_admin(email: String, name: String) -> Outcome {
    let settings = settings()?;
    let stores = serve::open(&settings).await.map_err(text)?;
    let email = email.trim().to_lowercase();
    if !crate::http::accounts::is_email(&email) {
        return Err("--email: expected an e-mail address".to_owned());
    }
    let id = match stores.accounts.by_email(&email).await.map_err(text)? {
        Some((user, _)) => user.id,
        None => register(&stores, email, name).await?,
    };
    if !stores.accounts.set_role(id, Role::Admin).await.map_err(text)? {
        return Err("the account disappeared meanwhile".to_owned());
    }
    stores.close().await;
    println!("{id} is an admin from the next sign-in or refresh on");
    Ok(())
}

async fn register(stores: &Stores, email: String, name: String) -> Result<UserId, String> {
    let mut password = String::new();
    std::io::stdin().take(1024).read_to_string(&mut password).map_err(text)?;
    let password = password.trim_end_matches(['\n', '\r']).to_owned();
    if !(8..=128).contains(&password.chars().count()) {
        return Err("the password (standard input): expected 8 to 128 characters".to_owned());
    }
    let hash = Passwords::new(1).hash(password).await.map_err(text)?;
    let now = SystemClock::new().now().wall;
    let user = User {
        id: UserId(SystemMint.uuid(now)),
        email,
        display_name: name,
        role: Role::Admin,
        language: "en".to_owned(),
        phone: None,
        notification_preferences: "{}".to_owned(),
        last_location: None,
        created_at: now,
    };
    let id = user.id;
    match stores.accounts.register(user, hash).await.map_err(text)? {
        true => Ok(id),
        false => Err("the e-mail was taken meanwhile".to_owned()),
    }
}

/// `openapi`
///
/// # Errors
/// None.
pub fn openapi() -> Outcome {
    println!("{:#}", crate::http::openapi::describe());
    Ok(())
}

/// `check-config`
///
/// # Errors
/// The setting that can't be used.
pub fn check_config() -> Outcome {
    let settings = settings()?;
    let database = match &settings.database {
        DatabaseUrl::Sqlite(path) => format!("SQLite at {}", path.display()),
        DatabaseUrl::Postgres(_) => "PostgreSQL".to_owned(),
    };
    println!("bind {}, {} workers, {database}", settings.bind, settings.workers);
    println!(
        "at most {} live sessions, access tokens of {} s",
        settings.sessions_max, settings.access_token_seconds
    );
    println!("the settings are fine");
    Ok(())
}

/// `health`
///
/// # Errors
/// What the server answered, or that it did not.
pub async fn health(live: bool) -> Outcome {
    let mut address = settings()?.bind;
    if address.ip().is_unspecified() {
        address.set_ip(if address.is_ipv4() {
            Ipv4Addr::LOCALHOST.into()
        } else {
            Ipv6Addr::LOCALHOST.into()
        });
    }
    let url = format!("http://{address}{}", if live { "/healthz" } else { "/readyz" });
    let client = reqwest::Client::builder().timeout(HEALTH_PATIENCE).no_proxy().build().map_err(text)?;
    let status = client.get(&url).send().await.map_err(text)?.status();
    if status.is_success() { Ok(()) } else { Err(format!("{url} answered {status}")) }
}

/// `seed-demo`
///
/// # Errors
/// A sentence for people.
pub async fn seed_demo(url: String, live: bool, shoppers: u32, seed: u64) -> Outcome {
    settings()?;
    let options = crate::demo::DemoOptions { url, live, shoppers, seed };
    crate::demo::run(options).await.map_err(text)
}
