//! Redis: until several nodes are supported it is only checked.

use std::time::Duration;

/// How long the check may take.
const PATIENCE: Duration = Duration::from_secs(2);

/// Connects and asks for a PONG.
///
/// # Errors
/// A sentence about what went wrong.
pub async fn check(url: &str) -> Result<(), String> {
    let client = redis::Client::open(url).map_err(|error| error.to_string())?;
    let ask = async {
        let mut connection = client.get_multiplexed_async_connection().await?;
        redis::cmd("PING").query_async::<String>(&mut connection).await
    };
    match tokio::time::timeout(PATIENCE, ask).await {
        Ok(Ok(_)) => Ok(()),
        Ok(Err(error)) => Err(error.to_string()),
        Err(_) => Err(format!("no answer within {} s", PATIENCE.as_secs())),
    }
}
