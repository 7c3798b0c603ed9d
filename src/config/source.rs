//! Where settings come from: variables of the environment and of a `.env` file, secrets also from files. Reads and checks
//! single values; knows nothing of what they are for.

use std::collections::BTreeMap;
use std::path::Path;

/// A setting that can't be used.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// A value that is not understood or out of range.
    #[error("{name}: {reason}")]
    Bad {
        /// The variable.
        name: String,
        /// What is wrong and what would be right.
        reason: String,
    },
    /// A `FLASH_*` that there is not.
    #[error("{0}: there is no such setting")]
    Unknown(String),
    /// The `.env` file can't be read.
    #[error(".env: {0}")]
    DotEnv(String),
}

/// Variables with this prefix belong to tests and tools and are left alone.
const TEST_PREFIX: &str = "FLASH_TEST_";

/// Variables by name.
pub(super) struct Source(BTreeMap<String, String>);

impl Source {
    /// Takes variables, of which only `names` may begin with `FLASH_`.
    ///
    /// # Errors
    /// The first unknown one.
    pub fn of(variables: BTreeMap<String, String>, names: &[&str]) -> Result<Self, ConfigError> {
        let unknown = variables.keys().find(|name| {
            name.starts_with("FLASH_") && !name.starts_with(TEST_PREFIX) && !names.contains(&name.as_str())
        });
        match unknown {
            Some(name) => Err(ConfigError::Unknown(name.clone())),
            None => Ok(Self(variables)),
        }
    }

    /// A value; one that is empty counts as absent.
    pub fn text(&self, name: &str) -> Option<&str> {
        self.0.get(name).map(String::as_str).filter(|value| !value.is_empty())
    }

    /// A whole number within bounds.
    ///
    /// # Errors
    /// It is none, or out of them.
    pub fn number(&self, name: &str, default: u64, min: u64, max: u64) -> Result<u64, ConfigError> {
        let Some(text) = self.text(name) else { return Ok(default) };
        let number = text.parse().map_err(|_| bad(name, "expected a whole number"))?;
        if (min..=max).contains(&number) {
            Ok(number)
        } else {
            Err(bad(name, &format!("expected {min} to {max}")))
        }
    }

    /// Yes or no.
    ///
    /// # Errors
    /// It is neither.
    pub fn flag(&self, name: &str, default: bool) -> Result<bool, ConfigError> {
        match self.text(name) {
            None => Ok(default),
            Some("1" | "true") => Ok(true),
            Some("0" | "false") => Ok(false),
            Some(_) => Err(bad(name, "expected 1 or 0, true or false")),
        }
    }

    /// A secret, or that of the file that `{name}_FILE` names.
    ///
    /// # Errors
    /// Both are there, or the file can't be read.
    pub fn secret(&self, name: &str) -> Result<Option<Vec<u8>>, ConfigError> {
        let file_name = format!("{name}_FILE");
        match (self.text(name), self.text(&file_name)) {
            (Some(_), Some(_)) => Err(bad(&file_name, &format!("give this or {name}, not both"))),
            (Some(secret), None) => Ok(Some(secret.as_bytes().to_vec())),
            (None, Some(path)) => {
                let bytes = std::fs::read(path).map_err(|error| bad(&file_name, &error.to_string()))?;
                Ok(Some(bytes.trim_ascii().to_vec()))
            }
            (None, None) => Ok(None),
        }
    }
}

/// A bad value and why it is.
pub(super) fn bad(name: &str, reason: &str) -> ConfigError {
    ConfigError::Bad { name: name.to_owned(), reason: reason.to_owned() }
}

/// The environment, and `.env` for what it does not set.
///
/// # Errors
/// `.env` can't be read, or a setting is not UTF-8.
pub(super) fn environment() -> Result<BTreeMap<String, String>, ConfigError> {
    let mut variables = BTreeMap::new();
    match dotenvy::from_path_iter(Path::new(".env")) {
        Ok(entries) => {
            for entry in entries {
                let (name, value) = entry.map_err(|error| ConfigError::DotEnv(error.to_string()))?;
                variables.insert(name, value);
            }
        }
        Err(error) if error.not_found() => {}
        Err(error) => return Err(ConfigError::DotEnv(error.to_string())),
    }
    for (name, value) in std::env::vars_os() {
        let Ok(name) = name.into_string() else { continue };
        match value.into_string() {
            Ok(value) => {
                variables.insert(name, value);
            }
            Err(_) if name.starts_with("FLASH_") => return Err(bad(&name, "expected UTF-8")),
            Err(_) => {}
        }
    }
    Ok(variables)
}

/// A value as a type reads it; `default` where it is absent.
///
/// # Errors
/// The type can't read it.
pub(super) fn parse<T: std::str::FromStr>(
    source: &Source,
    name: &str,
    default: &str,
    reason: &str,
) -> Result<T, ConfigError> {
    source.text(name).unwrap_or(default).parse().map_err(|_| bad(name, reason))
}

/// Refuses secrets that are short or, in production, plainly not random.
///
/// # Errors
/// It is.
pub(super) fn check_secret(name: &str, secret: &[u8], production: bool) -> Result<(), ConfigError> {
    if secret.len() < 32 {
        return Err(bad(name, "expected at least 32 bytes"));
    }
    let mut seen = [false; 256];
    secret.iter().for_each(|byte| seen[usize::from(*byte)] = true);
    let distinct = seen.iter().filter(|seen| **seen).count();
    let lower = String::from_utf8_lossy(secret).to_lowercase();
    let default =
        ["secret", "changeme", "change-me", "password", "example"].iter().any(|word| lower.contains(word));
    if production && (distinct < 10 || default) {
        return Err(bad(name, "production needs a random one; make it with: openssl rand -base64 48"));
    }
    Ok(())
}
