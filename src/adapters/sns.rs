//! SNS: committed events to a FIFO topic, and pushes to the platform endpoints of devices.
//!
//! Knows neither the store nor who is told.

use super::aws::reason;
use crate::wire::notification::title;
use aws_config::SdkConfig;
use aws_sdk_sns::Client;
use aws_sdk_sns::error::ProvideErrorMetadata;
use aws_sdk_sns::types::PublishBatchRequestEntry;
use flash_actors::ports::inbox::Push;
use flash_actors::ports::notifier::Notifier;
use flash_actors::ports::pusher::{PushResult, Pusher};
use flash_actors::ports::store::OutboxEvent;
use flash_actors::ports::{Answer, PortError};
use flash_domain::ids::{EventId, PromotionId};
use flash_domain::notice::Notice;
use serde_json::json;
use std::collections::{HashMap, HashSet, VecDeque};
use std::error::Error;

/// Entries of one batch: the service's own bound.
const BATCH: usize = 10;
/// Bytes of the entries of one batch together: the service's bound is 256 KiB, and envelopes need room.
const BATCH_BYTES: usize = 200 * 1024;

/// Publishes committed events. Group = promotion, deduplication = event: the topic keeps the order of a promotion's events
/// and drops what it was given twice within five minutes; consumers drop the rest.
pub struct SnsNotifier {
    sns: Client,
    topic_arn: String,
}

/// The text of an event on the topic; what the consumer reads.
pub fn event_text(event: &OutboxEvent) -> String {
    json!({
        "id": event.id,
        "promotion_id": event.promotion_id,
        "v": event.v,
        "created_at": event.created_at,
        "event": event.event,
    })
    .to_string()
}

impl SnsNotifier {
    /// A notifier for a topic.
    pub fn new(aws: &SdkConfig, topic_arn: String) -> Self {
        Self { sns: Client::new(aws), topic_arn }
    }

    /// One batch; the ids that the topic took. What it refused is handed over again by the relay, alone.
    async fn publish(&self, batch: &[OutboxEvent]) -> Result<Vec<EventId>, PortError> {
        let entries = batch.iter().enumerate().map(|(nth, event)| {
            PublishBatchRequestEntry::builder()
                .id(nth.to_string())
                .message(event_text(event))
                .message_group_id(event.promotion_id.to_string())
                .message_deduplication_id(event.id.to_string())
                .build()
        });
        let entries = entries.collect::<Result<Vec<_>, _>>();
        let entries = entries.map_err(|error| PortError::Broken(error.to_string()))?;
        let call = self.sns.publish_batch().topic_arn(&self.topic_arn);
        let answer = call.set_publish_batch_request_entries(Some(entries)).send().await;
        let answer = answer.map_err(|error| PortError::Unavailable(reason(&error)))?;
        for refused in answer.failed() {
            tracing::warn!(code = refused.code(), "the topic refused an event for now");
        }
        let taken = answer.successful().iter().filter_map(|entry| entry.id()?.parse::<usize>().ok());
        Ok(taken.filter_map(|nth| batch.get(nth)).map(|event| event.id).collect())
    }
}

impl Notifier for SnsNotifier {
    /// At most one event of a promotion is in a batch, and after one that failed no later one of its promotion is sent: a
    /// batch is not ordered when part of it fails.
    fn notify(&self, events: Vec<OutboxEvent>) -> Answer<'_, Result<Vec<EventId>, PortError>> {
        Box::pin(async move {
            let mut waiting: HashMap<PromotionId, VecDeque<OutboxEvent>> = HashMap::new();
            let mut order = Vec::new();
            for event in events {
                let queue = waiting.entry(event.promotion_id).or_default();
                if queue.is_empty() {
                    order.push(event.promotion_id);
                }
                queue.push_back(event);
            }
            let mut taken = Vec::new();
            while !order.is_empty() {
                let heads =
                    order.iter().filter_map(|id| waiting.get_mut(id)?.pop_front()).collect::<Vec<_>>();
                let mut stuck = HashSet::new();
                for batch in batches(heads) {
                    match self.publish(&batch).await {
                        Ok(ids) => {
                            let missing = batch.iter().filter(|event| !ids.contains(&event.id));
                            stuck.extend(missing.map(|event| event.promotion_id));
                            taken.extend(ids);
                        }
                        Err(error) if taken.is_empty() => return Err(error),
                        Err(error) => {
                            tracing::warn!(%error, "the topic does not answer");
                            return Ok(taken);
                        }
                    }
                }
                order.retain(|id| {
                    !stuck.contains(id) && waiting.get(id).is_some_and(|queue| !queue.is_empty())
                });
            }
            Ok(taken)
        })
    }
}

/// Batches within the service's bounds.
fn batches(events: Vec<OutboxEvent>) -> Vec<Vec<OutboxEvent>> {
    let mut batches: Vec<Vec<OutboxEvent>> = Vec::new();
    let mut bytes = 0;
    for event in events {
        let size = event_text(&event).len();
        match batches.last_mut() {
            Some(batch) if batch.len() < BATCH && bytes + size <= BATCH_BYTES => {
                bytes += size;
                batch.push(event);
            }
            _ => {
                bytes = size;
                batches.push(vec![event]);
            }
        }
    }
    batches
}

/// Pushes through platform applications, by the platform's name in `devices`.
pub struct SnsPusher {
    sns: Client,
    applications: HashMap<String, String>,
}

impl SnsPusher {
    /// A pusher with the ARN of each platform's application.
    pub fn new(aws: &SdkConfig, applications: HashMap<String, String>) -> Self {
        Self { sns: Client::new(aws), applications }
    }

    async fn endpoint(&self, push: &Push) -> Result<String, PushResult> {
        let application = self.applications.get(&push.device.platform).ok_or(PushResult::GivenUp)?;
        let call = self.sns.create_platform_endpoint().platform_application_arn(application);
        let made = call.token(&push.device.token).send().await.map_err(|error| match verdict(&error) {
            // It is the application that is not found: that says nothing of the device.
            PushResult::Disabled => PushResult::Later,
            result => result,
        })?;
        made.endpoint_arn.ok_or(PushResult::Later)
    }

    async fn send(&self, push: &Push, endpoint: &str) -> PushResult {
        let message = payload(&push.notice, &push.language);
        let call = self.sns.publish().target_arn(endpoint).message_structure("json").message(message);
        match call.send().await {
            Ok(_) => PushResult::Sent,
            Err(error) => verdict(&error),
        }
    }
}

impl Pusher for SnsPusher {
    fn push<'a>(&'a self, push: &'a Push) -> Answer<'a, (PushResult, Option<String>)> {
        Box::pin(async move {
            let (endpoint, made) = match &push.device.endpoint_arn {
                Some(endpoint) => (endpoint.clone(), None),
                None => match self.endpoint(push).await {
                    Ok(endpoint) => (endpoint.clone(), Some(endpoint)),
                    Err(result) => return (result, None),
                },
            };
            let result = self.send(push, &endpoint).await;
            if result == PushResult::Disabled {
                let gone = self.sns.delete_endpoint().endpoint_arn(&endpoint).send().await;
                if let Err(error) = gone {
                    tracing::debug!(error = reason(&error), "a disabled endpoint stays");
                }
            }
            (result, made)
        })
    }
}

/// What an error of the service means for a push.
fn verdict(error: &(impl ProvideErrorMetadata + Error + 'static)) -> PushResult {
    let result = match error.code().unwrap_or_default() {
        "EndpointDisabled" | "EndpointDisabledException" | "NotFound" | "NotFoundException" => {
            PushResult::Disabled
        }
        "InvalidParameter" | "InvalidParameterException" | "ParameterValueInvalid" | "ValidationError" => {
            PushResult::GivenUp
        }
        _ => PushResult::Later,
    };
    tracing::debug!(error = reason(error), ?result, "a push was not taken");
    result
}

/// What a device shows, in the person's language, for each platform.
fn payload(notice: &Notice, language: &str) -> String {
    let title = title(notice.kind, language != "en");
    let body = format!("{} · {}", notice.product_name, notice.store_name);
    let data =
        json!({"notification_id": notice.id, "promotion_id": notice.promotion_id, "type": notice.kind});
    let fcm = json!({"notification": {"title": title, "body": body}, "data": data}).to_string();
    let apns = json!({"aps": {"alert": {"title": title, "body": body}, "thread-id": notice.promotion_id}, "data": data})
        .to_string();
    json!({"default": format!("{title}: {body}"), "GCM": fcm, "APNS": apns, "APNS_SANDBOX": apns}).to_string()
}
