//! SNS: committed events to a FIFO topic, and pushes to the platform endpoints of devices.
//!
//! Knows neither the store nor who is told.

use super::aws::{Aws, AwsError, texts};
use crate::wire::notification::title;
use flash_actors::ports::inbox::Push;
use flash_actors::ports::notifier::Notifier;
use flash_actors::ports::pusher::{PushResult, Pusher};
use flash_actors::ports::store::OutboxEvent;
use flash_actors::ports::{Answer, PortError};
use flash_domain::ids::{EventId, PromotionId};
use flash_domain::notice::Notice;
use serde_json::json;
use std::collections::{HashMap, HashSet, VecDeque};
use std::sync::Arc;

/// Entries of one batch: the service's own bound.
const BATCH: usize = 10;
/// Bytes of the entries of one batch together: the service's bound is 256 KiB, and envelopes need room.
const BATCH_BYTES: usize = 200 * 1024;

/// Publishes committed events. Group = promotion, deduplication = event: the topic keeps the order of a promotion's events
/// and drops what it was given twice within five minutes; consumers drop the rest.
pub struct SnsNotifier {
    aws: Arc<Aws>,
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
    pub fn new(aws: Arc<Aws>, topic_arn: String) -> Self {
        Self { aws, topic_arn }
    }

    /// One batch; the ids that the topic took. What it refused is handed over again by the relay, alone.
    async fn publish(&self, batch: &[OutboxEvent]) -> Result<Vec<EventId>, PortError> {
        let mut fields = vec![("TopicArn".to_owned(), self.topic_arn.clone())];
        for (nth, event) in batch.iter().enumerate() {
            let mut field = |name: &str, value: String| {
                fields.push((format!("PublishBatchRequestEntries.member.{}.{name}", nth + 1), value));
            };
            field("Id", nth.to_string());
            field("Message", event_text(event));
            field("MessageGroupId", event.promotion_id.to_string());
            field("MessageDeduplicationId", event.id.to_string());
        }
        let answer = self.aws.sns("PublishBatch", &fields).await;
        let answer = answer.map_err(|error| PortError::Unavailable(error.to_string()))?;
        for code in texts(&answer, "Code") {
            tracing::warn!(code, "the topic refused an event for now");
        }
        let successful = texts(&answer, "Successful").concat();
        let taken = texts(&successful, "Id").into_iter().filter_map(|id| id.parse::<usize>().ok());
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
    aws: Arc<Aws>,
    applications: HashMap<String, String>,
}

impl SnsPusher {
    /// A pusher with the ARN of each platform's application.
    pub fn new(aws: Arc<Aws>, applications: HashMap<String, String>) -> Self {
        Self { aws, applications }
    }

    async fn endpoint(&self, push: &Push) -> Result<String, PushResult> {
        let application = self.applications.get(&push.device.platform).ok_or(PushResult::GivenUp)?;
        let fields = fields([("PlatformApplicationArn", application), ("Token", &push.device.token)]);
        let made = self.aws.sns("CreatePlatformEndpoint", &fields).await.map_err(|error| verdict(&error))?;
        texts(&made, "EndpointArn").into_iter().next().ok_or(PushResult::Later)
    }

    async fn send(&self, push: &Push, endpoint: &str) -> PushResult {
        let message = payload(&push.notice, &push.language);
        let fields = fields([("TargetArn", endpoint), ("MessageStructure", "json"), ("Message", &message)]);
        match self.aws.sns("Publish", &fields).await {
            Ok(_) => PushResult::Sent,
            Err(error) => verdict(&error),
        }
    }
}

fn fields<const N: usize>(pairs: [(&str, &str); N]) -> Vec<(String, String)> {
    pairs.map(|(name, value)| (name.to_owned(), value.to_owned())).to_vec()
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
                let gone = self.aws.sns("DeleteEndpoint", &fields([("EndpointArn", &endpoint)])).await;
                if let Err(error) = gone {
                    tracing::debug!(%error, "a disabled endpoint stays");
                }
            }
            (result, made)
        })
    }
}

/// What an error of the service means for a push.
fn verdict(error: &AwsError) -> PushResult {
    match error.code.as_str() {
        "EndpointDisabled" | "EndpointDisabledException" | "NotFound" | "NotFoundException" => {
            PushResult::Disabled
        }
        "InvalidParameter" | "InvalidParameterException" | "ParameterValueInvalid" | "ValidationError" => {
            PushResult::GivenUp
        }
        _ => PushResult::Later,
    }
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
