//! The way to AWS, or to an emulator: region, endpoint, credentials, retries and timeouts of the official SDK. Knows neither
//! topics nor queues.
//!
//! Credentials are looked for where the SDK looks for them: environment, profile, web identity, the container's or the
//! machine's role.

use aws_config::retry::RetryConfig;
use aws_config::timeout::TimeoutConfig;
use aws_config::{BehaviorVersion, Region, SdkConfig};
use std::error::Error;
use std::time::Duration;

const CONNECT_TIMEOUT: Duration = Duration::from_secs(3);
/// Longer than a long poll of 20 s.
const ATTEMPT_TIMEOUT: Duration = Duration::from_secs(30);
/// Attempts of one call, with the SDK's backoff and jitter between them. What fails beyond that waits for the caller's next
/// round: relay, consumer and sender come back by themselves.
const ATTEMPTS_MAX: u32 = 3;
/// What an emulator is told where there is no `AWS_REGION`.
const REGION_OF_EMULATORS: &str = "us-east-1";

/// The SDK's configuration for the settings' region and endpoint; the region is needed unless there is an endpoint.
///
/// # Errors
/// A sentence that names the missing setting.
pub async fn configuration(region: Option<&str>, endpoint: Option<&str>) -> Result<SdkConfig, String> {
    let region = match (region, endpoint) {
        (Some(region), _) => region.to_owned(),
        (None, Some(_)) => REGION_OF_EMULATORS.to_owned(),
        (None, None) => return Err("AWS_REGION is not set".to_owned()),
    };
    let timeouts =
        TimeoutConfig::builder().connect_timeout(CONNECT_TIMEOUT).operation_attempt_timeout(ATTEMPT_TIMEOUT);
    let mut loader = aws_config::defaults(BehaviorVersion::latest())
        .region(Region::new(region))
        .timeout_config(timeouts.build())
        .retry_config(RetryConfig::standard().with_max_attempts(ATTEMPTS_MAX));
    if let Some(endpoint) = endpoint {
        loader = loader.endpoint_url(endpoint);
    }
    Ok(loader.load().await)
}

/// Why a call failed: an error of the SDK says so in its sources only.
pub fn reason(error: &(dyn Error + 'static)) -> String {
    let (mut text, mut source) = (error.to_string(), error.source());
    while let Some(error) = source {
        text = format!("{text}: {error}");
        source = error.source();
    }
    text
}
