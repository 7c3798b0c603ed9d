//! SQS: events from a FIFO queue to the intake, and the dead-letter queue behind it.
//!
//! Long polls for batches of ten. What was taken in is deleted; what was not comes again, and after the queue's own number
//! of receives goes to the dead-letter queue. One bad message holds up nobody but later ones of its promotion.

use super::aws::{Aws, AwsError};
use flash_actors::ports::PortError;
use flash_actors::ports::notifier::Notifier;
use flash_actors::ports::store::OutboxEvent;
use flash_domain::event::Event;
use flash_domain::ids::{EventId, PromotionId};
use flash_domain::time::UnixMillis;
use serde::Deserialize;
use serde_json::{Value, json};
use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::time::Duration;

/// Messages of one receive, and entries of one batch: the service's own bound.
const BATCH: u32 = 10;
/// How long a receive waits for messages, in seconds.
const WAIT_S: u32 = 20;
/// How long received messages are nobody else's, in seconds; extended while they are worked on.
const VISIBILITY_S: u32 = 30;
/// When visibility is extended.
const EXTEND_AFTER: Duration = Duration::from_secs(15);
/// Pauses after a failed receive, doubling between these.
const BACKOFF: (Duration, Duration) = (Duration::from_millis(500), Duration::from_secs(30));

#[derive(Deserialize)]
struct EventText {
    id: EventId,
    promotion_id: PromotionId,
    v: u64,
    created_at: UnixMillis,
    event: Event,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Envelope {
    message: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Message {
    message_id: String,
    receipt_handle: String,
    body: String,
    #[serde(default)]
    attributes: HashMap<String, String>,
}

impl Message {
    fn group(&self) -> Option<&str> {
        self.attributes.get("MessageGroupId").map(String::as_str)
    }

    fn received(&self) -> u32 {
        self.attributes.get("ApproximateReceiveCount").and_then(|text| text.parse().ok()).unwrap_or(1)
    }
}

/// Reads a message: raw, or in the envelope that a topic puts around it without raw delivery.
fn read(body: &str) -> Result<OutboxEvent, serde_json::Error> {
    let raw = serde_json::from_str::<EventText>(body);
    let text = match (raw, serde_json::from_str::<Envelope>(body)) {
        (Ok(text), _) => text,
        (Err(_), Ok(envelope)) => serde_json::from_str(&envelope.message)?,
        (Err(error), Err(_)) => return Err(error),
    };
    let EventText { id, promotion_id, v, created_at, event } = text;
    Ok(OutboxEvent { id, promotion_id, v, event, created_at })
}

fn failed(error: AwsError) -> PortError {
    PortError::Unavailable(error.to_string())
}

/// A queue of events.
#[derive(Clone)]
pub struct Queue {
    aws: Arc<Aws>,
    url: String,
}

impl Queue {
    /// A queue by its URL.
    pub fn new(aws: Arc<Aws>, url: String) -> Self {
        Self { aws, url }
    }

    async fn call(&self, action: &str, mut body: Value) -> Result<Value, AwsError> {
        body["QueueUrl"] = json!(self.url);
        self.aws.sqs(action, &body).await
    }

    /// Consumes until the task is dropped.
    pub async fn consume(self, intake: Arc<dyn Notifier>) {
        let mut pause = BACKOFF.0;
        loop {
            match self.step(intake.as_ref()).await {
                Ok(_) => pause = BACKOFF.0,
                Err(error) => {
                    tracing::warn!(%error, "the queue does not answer");
                    // Shaken by the clock's last digits, so that nodes don't come back together.
                    let shake = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
                    let shake = shake.map_or(0, |since| since.subsec_nanos() % 100);
                    tokio::time::sleep(pause * (100 + shake) / 200).await;
                    pause = (pause * 2).min(BACKOFF.1);
                }
            }
        }
    }

    /// Receives once, hands over, deletes what was done and gives back the rest; says how many were done with.
    ///
    /// # Errors
    /// The queue's.
    pub async fn step(&self, intake: &dyn Notifier) -> Result<usize, PortError> {
        let messages = self.receive(WAIT_S).await?;
        if messages.is_empty() {
            return Ok(0);
        }
        let mut work = std::pin::pin!(hand_over(intake, &messages));
        let done = loop {
            tokio::select! {
                done = &mut work => break done,
                () = tokio::time::sleep(EXTEND_AFTER) => {
                    let all = messages.iter().map(|message| (message, VISIBILITY_S));
                    self.set_visibility(all.collect()).await;
                }
            }
        };
        self.delete(&done).await?;
        self.give_back(&messages, &done).await;
        Ok(done.len())
    }

    async fn receive(&self, wait_s: u32) -> Result<Vec<Message>, PortError> {
        let ask = json!({
            "MaxNumberOfMessages": BATCH,
            "WaitTimeSeconds": wait_s,
            "VisibilityTimeout": VISIBILITY_S,
            "AttributeNames": ["All"],
            "MessageSystemAttributeNames": ["All"],
        });
        let mut answer = self.call("ReceiveMessage", ask).await.map_err(failed)?;
        match answer.get_mut("Messages").map(Value::take) {
            None | Some(Value::Null) => Ok(Vec::new()),
            Some(list) => serde_json::from_value(list).map_err(|error| PortError::Broken(error.to_string())),
        }
    }

    /// Keeps messages from coming again for so many seconds.
    async fn set_visibility(&self, messages: Vec<(&Message, u32)>) {
        let entry = |(nth, (message, seconds)): (usize, &(&Message, u32))| json!({"Id": nth.to_string(), "ReceiptHandle": message.receipt_handle, "VisibilityTimeout": seconds});
        let entries: Vec<Value> = messages.iter().enumerate().map(entry).collect();
        if entries.is_empty() {
            return;
        }
        if let Err(error) = self.call("ChangeMessageVisibilityBatch", json!({"Entries": entries})).await {
            tracing::warn!(%error, "the visibility of messages could not be changed");
        }
    }

    /// Lets what was not done come again soon, and later each time: 1 s, 2 s, 4 s … a minute.
    async fn give_back(&self, messages: &[Message], done: &[&str]) {
        let rest = messages.iter().filter(|message| !done.contains(&message.receipt_handle.as_str()));
        let pause_s = |message: &Message| (1 << message.received().saturating_sub(1).min(6)).min(60);
        self.set_visibility(rest.map(|message| (message, pause_s(message))).collect()).await;
    }

    /// Deletes in one batch, and alone once more what the batch did not delete. What stays comes again and is known.
    async fn delete(&self, receipts: &[&str]) -> Result<(), PortError> {
        if receipts.is_empty() {
            return Ok(());
        }
        let entry = |(nth, receipt): (usize, &&str)| json!({"Id": nth.to_string(), "ReceiptHandle": receipt});
        let entries: Vec<Value> = receipts.iter().enumerate().map(entry).collect();
        let answer = self.call("DeleteMessageBatch", json!({"Entries": entries})).await.map_err(failed)?;
        for refused in answer["Failed"].as_array().into_iter().flatten() {
            let nth = refused["Id"].as_str().and_then(|id| id.parse::<usize>().ok());
            let Some(receipt) = nth.and_then(|nth| receipts.get(nth)) else { continue };
            if let Err(error) = self.call("DeleteMessage", json!({"ReceiptHandle": receipt})).await {
                tracing::warn!(%error, "a message that was done stays");
            }
        }
        Ok(())
    }

    /// The dead-letter queue behind this one.
    ///
    /// # Errors
    /// The queue's, or that there is none.
    pub async fn dead_letters(&self) -> Result<Self, PortError> {
        let ask = json!({"AttributeNames": ["RedrivePolicy"]});
        let answer = self.call("GetQueueAttributes", ask).await.map_err(failed)?;
        let policy = answer["Attributes"]["RedrivePolicy"].as_str().unwrap_or("{}");
        let policy: Value = serde_json::from_str(policy).unwrap_or_default();
        let name = policy["deadLetterTargetArn"].as_str().and_then(|arn| arn.rsplit(':').next());
        let name = name.ok_or_else(|| PortError::Broken("the queue has no dead-letter queue".to_owned()))?;
        let found = self.aws.sqs("GetQueueUrl", &json!({"QueueName": name})).await.map_err(failed)?;
        let url =
            found["QueueUrl"].as_str().ok_or_else(|| PortError::Broken("a queue without URL".to_owned()))?;
        Ok(Self { aws: self.aws.clone(), url: url.to_owned() })
    }

    /// Bodies of messages that are here, at most `limit`, each with how often it was received. They stay, and are not seen
    /// again for half a minute.
    ///
    /// # Errors
    /// The queue's.
    pub async fn list(&self, limit: usize) -> Result<Vec<(u32, String)>, PortError> {
        let mut found = Vec::new();
        while found.len() < limit {
            let messages = self.receive(1).await?;
            if messages.is_empty() {
                break;
            }
            found.extend(messages.into_iter().map(|message| (message.received(), message.body)));
        }
        found.truncate(limit);
        Ok(found)
    }

    /// Sends every message that is here to another queue, and then deletes it here; says how many.
    ///
    /// # Errors
    /// A queue's; what was sent and not deleted is there twice, and is known when it comes the second time.
    pub async fn redrive_to(&self, to: &Self) -> Result<usize, PortError> {
        let mut moved = 0;
        loop {
            let messages = self.receive(1).await?;
            if messages.is_empty() {
                return Ok(moved);
            }
            for message in &messages {
                // A fresh deduplication id: the queue may still remember the old one and would drop it.
                let sent = json!({
                    "MessageBody": message.body,
                    "MessageGroupId": message.group(),
                    "MessageDeduplicationId": format!("redrive-{}", message.message_id),
                });
                to.call("SendMessage", sent).await.map_err(failed)?;
                let delete = json!({"ReceiptHandle": message.receipt_handle});
                self.call("DeleteMessage", delete).await.map_err(failed)?;
                moved += 1;
            }
        }
    }
}

/// Hands messages over, each by itself and in order; the receipts of those that are done with. After one that failed no
/// later one of its group is handed over.
async fn hand_over<'a>(intake: &dyn Notifier, messages: &'a [Message]) -> Vec<&'a str> {
    let mut done = Vec::new();
    let mut stuck = HashSet::new();
    for message in messages {
        if stuck.contains(&message.group()) {
            continue;
        }
        let outcome = match read(&message.body) {
            Ok(event) => intake.notify(vec![event]).await.map_err(|error| error.to_string()),
            Err(error) => Err(format!("not understood: {error}")),
        };
        match outcome {
            Ok(taken) if !taken.is_empty() => done.push(message.receipt_handle.as_str()),
            Ok(_) => drop(stuck.insert(message.group())),
            Err(error) => {
                tracing::warn!(message = message.message_id, error, "a message stays in the queue");
                stuck.insert(message.group());
            }
        }
    }
    done
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::adapters::sns::event_text;
    use uuid::Uuid;

    #[test]
    fn raw_and_enveloped_messages_are_the_same() {
        let event = OutboxEvent {
            id: EventId(Uuid::now_v7()),
            promotion_id: PromotionId(Uuid::now_v7()),
            v: 7,
            event: Event::Started,
            created_at: UnixMillis(1_795_000_000_123),
        };
        let text = event_text(&event);
        assert_eq!(read(&text).unwrap(), event);
        let envelope = json!({"Type": "Notification", "MessageId": "x", "Message": text}).to_string();
        assert_eq!(read(&envelope).unwrap(), event);
        for bad in ["", "{}", "[]", r#"{"Message":"no"}"#, r#"{"id":"x"}"#] {
            assert!(read(bad).is_err(), "{bad}");
        }
    }
}
