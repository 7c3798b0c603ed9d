//! Settings: every one from the environment (or a `.env` file), documented by its field. A bad value, or an unknown
//! `FLASH_*`, stops the start and names the variable.

mod source;

pub use source::ConfigError;

use crate::adapters::{DatabaseUrl, OpenError};
use crate::proxies::Proxies;
use source::{Source, bad, check_secret, parse};
use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

/// The database unless `DATABASE_URL` names one.
pub const DEFAULT_DATABASE: &str = "sqlite:data/flash-promos.db";

/// Everything that can be set.
#[derive(Clone, Debug)]
pub struct Settings {
    /// `FLASH_BIND`: address and port to serve on. Default 127.0.0.1:8080; port 0 takes a free one.
    pub bind: SocketAddr,
    /// `FLASH_WORKERS`: worker threads. Default: one per core.
    pub workers: usize,
    /// `DATABASE_URL`: where the state is kept. Default: SQLite in ./data.
    pub database: DatabaseUrl,
    /// `REDIS_URL`: checked at start and otherwise unused until several nodes are supported.
    pub redis_url: Option<String>,
    /// `FLASH_JWT_SECRET` or `FLASH_JWT_SECRET_FILE`: signs access tokens, at least 32 bytes. Default: a random one, kept
    /// beside the embedded database.
    pub jwt_secret: Option<Vec<u8>>,
    /// `FLASH_JWT_PREVIOUS_SECRET` or `FLASH_JWT_PREVIOUS_SECRET_FILE`: still verifies, while the secret is changed.
    pub jwt_previous_secret: Option<Vec<u8>>,
    /// `FLASH_ENV`: `development` (default) or `production`, which refuses weak secrets and bench mode.
    pub production: bool,
    /// `FLASH_ACCESS_TOKEN_SECONDS`: life of an access token, 60 to 86,400 (from 30 with bench mode). Default 900.
    pub access_token_seconds: u32,
    /// `FLASH_CORS_ORIGINS`: origins that browsers may call from, separated by commas; `*` = any. Default: none.
    pub cors_origins: Vec<String>,
    /// `FLASH_TRUSTED_PROXIES`: addresses and networks, separated by commas, whose `X-Forwarded-For` is believed. Default:
    /// none.
    pub trusted_proxies: Proxies,
    /// `FLASH_MAP_STYLE_URL`: MapLibre style of the web app's map, by https. Default: none, an own one that needs no network.
    pub map_style_url: Option<String>,
    /// `FLASH_ALLOW_ANONYMOUS`: whether visitors without a token may watch. Default true.
    pub allow_anonymous: bool,
    /// `FLASH_SESSIONS_MAX`: live sessions at most. Default: 8 in 10 of the file limit.
    pub sessions_max: usize,
    /// `FLASH_BENCH`: the bench routes, for load tests. Default false; production refuses it.
    pub bench: bool,
    /// `FLASH_LOG`: an EnvFilter, as in `info,flash_promos=debug`. Default info.
    pub log: String,
    /// `FLASH_LOG_FORMAT`: `pretty` (default) or `json`.
    pub log_json: bool,
    /// `FLASH_OTLP_ENDPOINT`, `FLASH_TRACE_RATIO`: where traces go.
    pub trace: TraceSettings,
    /// `FLASH_CHECK_SECONDS`: period of the check job. Default 60.
    pub check_period: Duration,
    /// `FLASH_CLEANUP_SECONDS`: period of the cleanup job. Default 3600.
    pub cleanup_period: Duration,
    /// `FLASH_NOTIFICATIONS_SECONDS`, `FLASH_NOTIFICATIONS_PER_DAY`, …: who is told how often.
    pub notifications: NotificationSettings,
    /// `FLASH_WEBHOOKS_ALLOW_PRIVATE`: whether webhooks may be at private addresses, and without TLS. Default false;
    /// production refuses it.
    pub webhooks_allow_private: bool,
    /// `AWS_REGION`, `AWS_ENDPOINT_URL`, `FLASH_SNS_TOPIC_ARN`, `FLASH_SQS_QUEUE_URL`, …: where events and pushes go.
    pub aws: AwsSettings,
}

/// Where traces go.
#[derive(Clone, Debug)]
pub struct TraceSettings {
    /// `FLASH_OTLP_ENDPOINT`: base address of an OpenTelemetry collector that takes OTLP over HTTP, as in
    /// http://127.0.0.1:4318. Default: none, and no traces.
    pub endpoint: Option<String>,
    /// `FLASH_TRACE_RATIO`: the share of requests that are traced, 0 to 1. Default 0.1.
    pub ratio: f64,
}

/// Who is told how often.
#[derive(Clone, Copy, Debug)]
pub struct NotificationSettings {
    /// `FLASH_NOTIFICATIONS_SECONDS`: period of the notifications job. Default 30.
    pub period: Duration,
    /// `FLASH_NOTIFICATIONS_PER_DAY`: notifications of one person and day, 0 to 100; a person may want fewer. Default 3.
    pub per_day: u32,
    /// `FLASH_NOTIFICATIONS_PER_STORE_DAY`: those of one store among them. Default 2.
    pub per_store_and_day: u32,
    /// `FLASH_ENDING_SOON_SECONDS`: how long before its end people are warned of it, 10 to 86,400. Default 600.
    pub ending_soon: Duration,
}

/// Where events and pushes go. Without them events stay in this process and nothing is pushed.
#[derive(Clone, Debug, Default)]
pub struct AwsSettings {
    /// `AWS_REGION`: needed for a topic or platform applications, unless there is an endpoint.
    pub region: Option<String>,
    /// `AWS_ENDPOINT_URL`: an emulator. Default: the region's own.
    pub endpoint_url: Option<String>,
    /// `FLASH_SNS_TOPIC_ARN`: a FIFO topic for events; goes with a queue.
    pub sns_topic_arn: Option<String>,
    /// `FLASH_SQS_QUEUE_URL`: the FIFO queue that is subscribed to it.
    pub sqs_queue_url: Option<String>,
    /// `FLASH_SNS_FCM_ARN`: the platform application for Android and web.
    pub fcm_arn: Option<String>,
    /// `FLASH_SNS_APNS_ARN`: the one for Apple's devices.
    pub apns_arn: Option<String>,
    /// `FLASH_SNS_APNS_SANDBOX_ARN`: the one for Apple's devices in development.
    pub apns_sandbox_arn: Option<String>,
}

/// Settings that `Settings::from` reads, to tell unknown ones.
pub const NAMES: &[&str] = &[
    "FLASH_BIND",
    "FLASH_WORKERS",
    "FLASH_JWT_SECRET",
    "FLASH_JWT_SECRET_FILE",
    "FLASH_JWT_PREVIOUS_SECRET",
    "FLASH_JWT_PREVIOUS_SECRET_FILE",
    "FLASH_ENV",
    "FLASH_ACCESS_TOKEN_SECONDS",
    "FLASH_CORS_ORIGINS",
    "FLASH_TRUSTED_PROXIES",
    "FLASH_MAP_STYLE_URL",
    "FLASH_ALLOW_ANONYMOUS",
    "FLASH_SESSIONS_MAX",
    "FLASH_BENCH",
    "FLASH_LOG",
    "FLASH_LOG_FORMAT",
    "FLASH_OTLP_ENDPOINT",
    "FLASH_TRACE_RATIO",
    "FLASH_CHECK_SECONDS",
    "FLASH_CLEANUP_SECONDS",
    "FLASH_NOTIFICATIONS_SECONDS",
    "FLASH_NOTIFICATIONS_PER_DAY",
    "FLASH_NOTIFICATIONS_PER_STORE_DAY",
    "FLASH_ENDING_SOON_SECONDS",
    "FLASH_WEBHOOKS_ALLOW_PRIVATE",
    "FLASH_SNS_TOPIC_ARN",
    "FLASH_SQS_QUEUE_URL",
    "FLASH_SNS_FCM_ARN",
    "FLASH_SNS_APNS_ARN",
    "FLASH_SNS_APNS_SANDBOX_ARN",
];

impl Settings {
    /// Reads the environment, and `.env` for what the environment does not set.
    ///
    /// # Errors
    /// The first bad or unknown setting.
    pub fn from_env() -> Result<Self, ConfigError> {
        Self::from(source::environment()?)
    }

    /// Reads settings from a map of variables.
    ///
    /// # Errors
    /// The first bad or unknown setting.
    pub fn from(variables: BTreeMap<String, String>) -> Result<Self, ConfigError> {
        let source = Source::of(variables, NAMES)?;
        let production = match source.text("FLASH_ENV") {
            None | Some("development") => false,
            Some("production") => true,
            Some(_) => return Err(bad("FLASH_ENV", "expected development or production")),
        };
        let bench = source.flag("FLASH_BENCH", false)?;
        let cores = std::thread::available_parallelism().map_or(1, usize::from) as u64;
        let token_seconds_min = if bench { 30 } else { 60 };
        let settings = Self {
            bind: parse(
                &source,
                "FLASH_BIND",
                "127.0.0.1:8080",
                "expected address:port, as in 127.0.0.1:8080",
            )?,
            workers: source.number("FLASH_WORKERS", cores, 1, 256)? as usize,
            database: DatabaseUrl::parse(source.text("DATABASE_URL").unwrap_or(DEFAULT_DATABASE)).map_err(
                |error| match error {
                    OpenError::Url(reason) => bad("DATABASE_URL", &reason),
                    other => bad("DATABASE_URL", &other.to_string()),
                },
            )?,
            redis_url: source.text("REDIS_URL").map(str::to_owned),
            jwt_secret: source.secret("FLASH_JWT_SECRET")?,
            jwt_previous_secret: source.secret("FLASH_JWT_PREVIOUS_SECRET")?,
            production,
            access_token_seconds: source.number(
                "FLASH_ACCESS_TOKEN_SECONDS",
                900,
                token_seconds_min,
                86_400,
            )? as u32,
            cors_origins: origins(source.text("FLASH_CORS_ORIGINS").unwrap_or(""))?,
            trusted_proxies: Proxies::parse(source.text("FLASH_TRUSTED_PROXIES").unwrap_or(""))
                .map_err(|error| bad("FLASH_TRUSTED_PROXIES", &error.to_string()))?,
            map_style_url: source.text("FLASH_MAP_STYLE_URL").map(str::to_owned),
            allow_anonymous: source.flag("FLASH_ALLOW_ANONYMOUS", true)?,
            sessions_max: source.number("FLASH_SESSIONS_MAX", default_sessions_max(), 1, 10_000_000)?
                as usize,
            bench,
            log: source.text("FLASH_LOG").unwrap_or("info").to_owned(),
            log_json: match source.text("FLASH_LOG_FORMAT") {
                None | Some("pretty") => false,
                Some("json") => true,
                Some(_) => return Err(bad("FLASH_LOG_FORMAT", "expected pretty or json")),
            },
            trace: TraceSettings {
                endpoint: source.text("FLASH_OTLP_ENDPOINT").map(str::to_owned),
                ratio: parse(&source, "FLASH_TRACE_RATIO", "0.1", "expected 0 to 1")?,
            },
            check_period: Duration::from_secs(source.number("FLASH_CHECK_SECONDS", 60, 1, 86_400)?),
            cleanup_period: Duration::from_secs(source.number("FLASH_CLEANUP_SECONDS", 3_600, 1, 604_800)?),
            notifications: NotificationSettings {
                period: Duration::from_secs(source.number("FLASH_NOTIFICATIONS_SECONDS", 30, 1, 86_400)?),
                per_day: source.number("FLASH_NOTIFICATIONS_PER_DAY", 3, 0, 100)? as u32,
                per_store_and_day: source.number("FLASH_NOTIFICATIONS_PER_STORE_DAY", 2, 0, 100)? as u32,
                ending_soon: Duration::from_secs(source.number(
                    "FLASH_ENDING_SOON_SECONDS",
                    600,
                    10,
                    86_400,
                )?),
            },
            webhooks_allow_private: source.flag("FLASH_WEBHOOKS_ALLOW_PRIVATE", false)?,
            aws: AwsSettings {
                region: source.text("AWS_REGION").map(str::to_owned),
                endpoint_url: source.text("AWS_ENDPOINT_URL").map(str::to_owned),
                sns_topic_arn: source.text("FLASH_SNS_TOPIC_ARN").map(str::to_owned),
                sqs_queue_url: source.text("FLASH_SQS_QUEUE_URL").map(str::to_owned),
                fcm_arn: source.text("FLASH_SNS_FCM_ARN").map(str::to_owned),
                apns_arn: source.text("FLASH_SNS_APNS_ARN").map(str::to_owned),
                apns_sandbox_arn: source.text("FLASH_SNS_APNS_SANDBOX_ARN").map(str::to_owned),
            },
        };
        settings.check()?;
        Ok(settings)
    }

    fn check(&self) -> Result<(), ConfigError> {
        if self.log.parse::<tracing_subscriber::EnvFilter>().is_err() {
            return Err(bad("FLASH_LOG", "expected an EnvFilter, as in info,flash_promos=debug"));
        }
        if !(0.0..=1.0).contains(&self.trace.ratio) {
            return Err(bad("FLASH_TRACE_RATIO", "expected 0 to 1"));
        }
        let endpoint = self.trace.endpoint.as_deref().unwrap_or("http://");
        if !endpoint.starts_with("http://") && !endpoint.starts_with("https://") {
            return Err(bad("FLASH_OTLP_ENDPOINT", "expected an address, as in http://127.0.0.1:4318"));
        }
        if self.map_style_url.as_deref().is_some_and(|url| !url.starts_with("https://")) {
            return Err(bad("FLASH_MAP_STYLE_URL", "expected an address by https"));
        }
        self.aws.check()?;
        for (name, secret) in
            [("FLASH_JWT_SECRET", &self.jwt_secret), ("FLASH_JWT_PREVIOUS_SECRET", &self.jwt_previous_secret)]
        {
            if let Some(secret) = secret {
                check_secret(name, secret, self.production)?;
            }
        }
        if self.production && self.webhooks_allow_private {
            return Err(bad("FLASH_WEBHOOKS_ALLOW_PRIVATE", "production sends nothing to private addresses"));
        }
        if self.production && self.bench {
            return Err(bad("FLASH_BENCH", "production does not serve the bench routes"));
        }
        if self.production && self.jwt_secret.is_none() && matches!(self.database, DatabaseUrl::Postgres(_)) {
            return Err(bad("FLASH_JWT_SECRET", "production on PostgreSQL needs one of at least 32 bytes"));
        }
        if !self.production && self.jwt_secret.is_none() && matches!(self.database, DatabaseUrl::Postgres(_))
        {
            tracing::warn!("FLASH_JWT_SECRET is not set: sign-ins end when this process does");
        }
        Ok(())
    }

    /// Where a generated secret is kept: beside the embedded database.
    pub fn secret_path(&self) -> Option<PathBuf> {
        match &self.database {
            DatabaseUrl::Sqlite(path) => {
                let mut name = path.as_os_str().to_owned();
                name.push(".jwt-secret");
                Some(PathBuf::from(name))
            }
            DatabaseUrl::Postgres(_) => None,
        }
    }
}

impl AwsSettings {
    fn check(&self) -> Result<(), ConfigError> {
        match (&self.sns_topic_arn, &self.sqs_queue_url) {
            (Some(_), None) => {
                Err(bad("FLASH_SQS_QUEUE_URL", "a topic needs the queue that is subscribed to it"))
            }
            (None, Some(_)) => {
                Err(bad("FLASH_SNS_TOPIC_ARN", "a queue needs the topic that it is subscribed to"))
            }
            (Some(topic), _) if !topic.ends_with(".fifo") => Err(bad(
                "FLASH_SNS_TOPIC_ARN",
                "expected a FIFO topic: a promotion's events keep their order",
            )),
            (_, Some(queue)) if !queue.ends_with(".fifo") => Err(bad(
                "FLASH_SQS_QUEUE_URL",
                "expected a FIFO queue: a promotion's events keep their order",
            )),
            _ => Ok(()),
        }
    }

    /// Platform applications by the name of the platform.
    pub fn applications(&self) -> std::collections::HashMap<String, String> {
        [("fcm", &self.fcm_arn), ("apns", &self.apns_arn), ("apns_sandbox", &self.apns_sandbox_arn)]
            .into_iter()
            .filter_map(|(name, arn)| Some((name.to_owned(), arn.clone()?)))
            .collect()
    }
}

/// Eight in ten of the files that this process may open: the rest is for the database, requests and the system.
fn default_sessions_max() -> u64 {
    rlimit::Resource::NOFILE.get_hard().map_or(8_000, |hard| (hard.min(1_000_000) * 8 / 10).max(64))
}

fn origins(text: &str) -> Result<Vec<String>, ConfigError> {
    let list: Vec<String> =
        text.split(',').map(|origin| origin.trim().to_owned()).filter(|o| !o.is_empty()).collect();
    for origin in &list {
        let valid = origin == "*"
            || ((origin.starts_with("https://") || origin.starts_with("http://"))
                && origin.matches('/').count() == 2
                && !origin.contains(char::is_whitespace));
        if !valid {
            return Err(bad(
                "FLASH_CORS_ORIGINS",
                &format!("{origin} is not an origin, as in https://shop.example"),
            ));
        }
    }
    Ok(list)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn settings(pairs: &[(&str, &str)]) -> Result<Settings, ConfigError> {
        Settings::from(pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect())
    }

    #[test]
    fn nothing_needs_to_be_set() {
        let defaults = settings(&[]).unwrap();
        assert_eq!(defaults.bind, "127.0.0.1:8080".parse().unwrap());
        assert_eq!(defaults.database, DatabaseUrl::Sqlite("data/flash-promos.db".into()));
        assert!(!defaults.bench && !defaults.production);
    }

    #[test]
    fn a_bad_or_unknown_setting_names_its_variable() {
        for (name, value) in [
            ("FLASH_BIND", "nowhere"),
            ("FLASH_WORKERS", "0"),
            ("FLASH_WORKERS", "many"),
            ("DATABASE_URL", "mysql://x"),
            ("FLASH_JWT_SECRET", "short"),
            ("FLASH_ENV", "prod"),
            ("FLASH_ACCESS_TOKEN_SECONDS", "5"),
            ("FLASH_CORS_ORIGINS", "shop.example"),
            ("FLASH_LOG", "a=b=c"),
            ("FLASH_BENCH", "yes"),
            ("FLASH_TRUSTED_PROXIES", "10.0.0.0/64"),
            ("FLASH_OTLP_ENDPOINT", "collector:4318"),
            ("FLASH_TRACE_RATIO", "1.5"),
            ("FLASH_TRACE_RATIO", "NaN"),
            ("FLASH_TYPO", "1"),
        ] {
            let error = settings(&[(name, value)]).unwrap_err().to_string();
            assert!(error.starts_with(name), "{error}");
        }
    }

    #[test]
    fn production_refuses_what_is_for_development() {
        let production = ("FLASH_ENV", "production");
        assert!(settings(&[production, ("FLASH_BENCH", "1")]).is_err());
        assert!(settings(&[production, ("FLASH_JWT_SECRET", &"ab".repeat(20))]).is_err());
        assert!(
            settings(&[production, ("FLASH_JWT_SECRET", "change-me-change-me-0123456789abcdef")]).is_err()
        );
        assert!(settings(&[production, ("DATABASE_URL", "postgres://localhost/flash")]).is_err());
        assert!(settings(&[production, ("FLASH_JWT_SECRET", "q8Zr2vL0tYb6Nw4xKc9Hf1Gd7Sj3Pm5A")]).is_ok());
    }
}
