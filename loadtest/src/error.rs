//! The one error type of the load tools; it says what went wrong in words for the person who runs them.
//!
//! It deliberately carries no codes: nothing here is recovered from, a run either measures or stops.

/// A failure that ends the run.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// An operation of the system failed.
    #[error("{what}: {source}")]
    Io {
        /// What was being done.
        what: String,
        /// What the system answered.
        source: std::io::Error,
    },
    /// JSON could not be read or written.
    #[error("{what}: {source}")]
    Json {
        /// What was being done.
        what: String,
        /// Where it stopped.
        source: serde_json::Error,
    },
    /// The other side answered something that the contract does not allow here.
    #[error("unexpected answer: {0}")]
    Unexpected(String),
    /// Something did not happen within its time.
    #[error("timed out: {0}")]
    TimedOut(String),
    /// A setting or the environment does not allow the run.
    #[error("{0}")]
    Setup(String),
}

/// The result of everything here.
pub type Result<T> = std::result::Result<T, Error>;

/// Adds what was being done to an error of the system.
pub trait Context<T> {
    /// Names the operation that failed.
    ///
    /// # Errors
    /// The error it was called on, with the name.
    fn context(self, what: impl Into<String>) -> Result<T>;
}

impl<T> Context<T> for std::io::Result<T> {
    fn context(self, what: impl Into<String>) -> Result<T> {
        self.map_err(|source| Error::Io { what: what.into(), source })
    }
}

impl<T> Context<T> for serde_json::Result<T> {
    fn context(self, what: impl Into<String>) -> Result<T> {
        self.map_err(|source| Error::Json { what: what.into(), source })
    }
}
