//! Demo data through the public interface of a running server.

/// How the demo is run.
#[derive(Clone, Debug)]
pub struct DemoOptions {
    /// Where the server is.
    pub url: String,
    /// Whether it goes on until it is stopped.
    pub live: bool,
    /// How many simulated shoppers.
    pub shoppers: u32,
    /// Makes a run repeatable.
    pub seed: u64,
}

/// Why the demo stopped.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct DemoError(pub String);

/// Placeholder.
///
/// # Errors
/// Always.
pub async fn run(_: DemoOptions) -> Result<(), DemoError> {
    Err(DemoError("not there yet".to_owned()))
}
