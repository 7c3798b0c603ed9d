//! SQS: events from a FIFO queue to the intake, and the dead-letter queue behind it.
//!
//! Long polls for batches of ten. What was taken in is deleted; what was not comes again, and after the queue's own number
//! of receives goes to the dead-letter queue. One bad message holds up nobody but later ones of its promotion.

use super::aws::reason;
use aws_config::SdkConfig;
use aws_sdk_sqs::Client;
use aws_sdk_sqs::error::BuildError;
use aws_sdk_sqs::types::{
    ChangeMessageVisibilityBatchRequestEntry, DeleteMessageBatchRequestEntry, Message,
    MessageSystemAttributeName, QueueAttributeName,
};
use flash_actors::ports::PortError;
use flash_actors::ports::notifier::Notifier;
use flash_actors::ports::store::OutboxEvent;
use flash_domain::event::Event;
use flash_domain::ids::{EventId, PromotionId};
use flash_domain::time::UnixMillis;
use serde::Deserialize;
use std::collections::HashSet;
use std::error::Error;
use std::sync::Arc;
use std::time::Duration;

/// Messages of one receive, and entries of one batch: the service's own bound.
const BATCH: i32 = 10;
/// How long a receive waits for messages, in seconds.
const WAIT_S: i32 = 20;
/// How long received messages are nobody else's, in seconds; extended while they are worked on.
const VISIBILITY_S: i32 = 30;
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

/// What is needed of a message that was received.
struct Received {
    id: String,
    receipt: String,
    body: String,
    group: Option<String>,
    /// How often it was received, this time included.
    times: u32,
}

impl From<Message> for Received {
    fn from(message: Message) -> Self {
        let attribute = |name| message.attributes()?.get(&name).cloned();
        let times = attribute(MessageSystemAttributeName::ApproximateReceiveCount);
        Self {
            group: attribute(MessageSystemAttributeName::MessageGroupId),
            times: times.and_then(|text| text.parse().ok()).unwrap_or(1),
            id: message.message_id.unwrap_or_default(),
            receipt: message.receipt_handle.unwrap_or_default(),
            body: message.body.unwrap_or_default(),
        }
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

fn failed(error: impl Error + 'static) -> PortError {
    PortError::Unavailable(reason(&error))
}

/// Entries that lack nothing.
fn entries<T>(made: impl Iterator<Item = Result<T, BuildError>>) -> Result<Option<Vec<T>>, PortError> {
    made.collect::<Result<_, _>>().map(Some).map_err(|error| PortError::Broken(error.to_string()))
}

/// A queue of events.
#[derive(Clone)]
pub struct Queue {
    sqs: Client,
    url: String,
}

impl Queue {
    /// A queue by its URL.
    pub fn new(aws: &SdkConfig, url: String) -> Self {
        Self { sqs: Client::new(aws), url }
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
                    let all: Vec<_> = messages.iter().map(|message| (message, VISIBILITY_S)).collect();
                    self.set_visibility(&all).await;
                }
            }
        };
        self.delete(&done).await?;
        self.give_back(&messages, &done).await;
        Ok(done.len())
    }

    async fn receive(&self, wait_s: i32) -> Result<Vec<Received>, PortError> {
        let call = self.sqs.receive_message().queue_url(&self.url).max_number_of_messages(BATCH);
        let call = call
            .wait_time_seconds(wait_s)
            .visibility_timeout(VISIBILITY_S)
            .message_system_attribute_names(MessageSystemAttributeName::All);
        let answer = call.send().await.map_err(failed)?;
        Ok(answer.messages.unwrap_or_default().into_iter().map(Received::from).collect())
    }

    /// Keeps messages from coming again for so many seconds. Where that fails they come again after what they had.
    async fn set_visibility(&self, messages: &[(&Received, i32)]) {
        if messages.is_empty() {
            return;
        }
        let entry = |(nth, (message, seconds)): (usize, &(&Received, i32))| {
            ChangeMessageVisibilityBatchRequestEntry::builder()
                .id(nth.to_string())
                .receipt_handle(&message.receipt)
                .visibility_timeout(*seconds)
                .build()
        };
        let result = match entries(messages.iter().enumerate().map(entry)) {
            Ok(entries) => {
                let call = self.sqs.change_message_visibility_batch().queue_url(&self.url);
                call.set_entries(entries).send().await.map_err(failed)
            }
            Err(error) => Err(error),
        };
        match result {
            Ok(answer) => answer.failed.iter().for_each(|refused| {
                tracing::warn!(code = refused.code, "the visibility of a message could not be changed");
            }),
            Err(error) => tracing::warn!(%error, "the visibility of messages could not be changed"),
        }
    }

    /// Lets what was not done come again soon, and later each time: 1 s, 2 s, 4 s … a minute.
    async fn give_back(&self, messages: &[Received], done: &[&str]) {
        let rest = messages.iter().filter(|message| !done.contains(&message.receipt.as_str()));
        let pause_s = |message: &Received| (1 << message.times.saturating_sub(1).min(6)).min(60);
        let rest: Vec<_> = rest.map(|message| (message, pause_s(message))).collect();
        self.set_visibility(&rest).await;
    }

    /// Deletes in one batch, and alone once more what the batch did not delete. What stays comes again and is known.
    async fn delete(&self, receipts: &[&str]) -> Result<(), PortError> {
        if receipts.is_empty() {
            return Ok(());
        }
        let entry = |(nth, receipt): (usize, &&str)| {
            DeleteMessageBatchRequestEntry::builder().id(nth.to_string()).receipt_handle(*receipt).build()
        };
        let entries = entries(receipts.iter().enumerate().map(entry))?;
        let call = self.sqs.delete_message_batch().queue_url(&self.url).set_entries(entries);
        let answer = call.send().await.map_err(failed)?;
        for refused in answer.failed {
            let Some(receipt) = refused.id.parse::<usize>().ok().and_then(|nth| receipts.get(nth)) else {
                continue;
            };
            if let Err(error) = self.delete_one(receipt).await {
                tracing::warn!(%error, "a message that was done stays");
            }
        }
        Ok(())
    }

    async fn delete_one(&self, receipt: &str) -> Result<(), PortError> {
        let call = self.sqs.delete_message().queue_url(&self.url).receipt_handle(receipt);
        call.send().await.map(drop).map_err(failed)
    }

    /// The dead-letter queue behind this one.
    ///
    /// # Errors
    /// The queue's, or that there is none.
    pub async fn dead_letters(&self) -> Result<Self, PortError> {
        let name = QueueAttributeName::RedrivePolicy;
        let call = self.sqs.get_queue_attributes().queue_url(&self.url).attribute_names(name.clone());
        let answer = call.send().await.map_err(failed)?;
        let policy = answer.attributes.as_ref().and_then(|all| all.get(&name)).map_or("{}", String::as_str);
        let policy: serde_json::Value = serde_json::from_str(policy).unwrap_or_default();
        let name = policy["deadLetterTargetArn"].as_str().and_then(|arn| arn.rsplit(':').next());
        let name = name.ok_or_else(|| PortError::Broken("the queue has no dead-letter queue".to_owned()))?;
        let found = self.sqs.get_queue_url().queue_name(name).send().await.map_err(failed)?;
        let url = found.queue_url.ok_or_else(|| PortError::Broken("a queue without URL".to_owned()))?;
        Ok(Self { sqs: self.sqs.clone(), url })
    }

    /// Bodies of messages that are here, at most `limit` and ten per promotion, each with how often it was received. They stay,
    /// and others can receive them as soon as this returns.
    ///
    /// # Errors
    /// The queue's.
    pub async fn list(&self, limit: usize) -> Result<Vec<(u32, String)>, PortError> {
        let mut found = Vec::new();
        let outcome = loop {
            match self.receive(1).await {
                Ok(messages) if messages.is_empty() => break Ok(()),
                Ok(messages) => found.extend(messages),
                Err(error) => break Err(error),
            }
            if found.len() >= limit {
                break Ok(());
            }
        };
        for batch in found.chunks(BATCH as usize) {
            let shown: Vec<_> = batch.iter().map(|message| (message, 0)).collect();
            self.set_visibility(&shown).await;
        }
        outcome?;
        found.truncate(limit);
        Ok(found.into_iter().map(|message| (message.times, message.body)).collect())
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
            for message in messages {
                // A fresh deduplication id: the queue may still remember the old one and would drop it.
                let call = to.sqs.send_message().queue_url(&to.url).message_body(message.body);
                let call = call
                    .set_message_group_id(message.group)
                    .message_deduplication_id(format!("redrive-{}", message.id));
                call.send().await.map_err(failed)?;
                self.delete_one(&message.receipt).await?;
                moved += 1;
            }
        }
    }
}

/// Hands messages over, each by itself and in order; the receipts of those that are done with. After one that failed no
/// later one of its group is handed over.
async fn hand_over<'a>(intake: &dyn Notifier, messages: &'a [Received]) -> Vec<&'a str> {
    let mut done = Vec::new();
    let mut stuck = HashSet::new();
    for message in messages {
        if stuck.contains(&&message.group) {
            continue;
        }
        let outcome = match read(&message.body) {
            Ok(event) => intake.notify(vec![event]).await.map_err(|error| error.to_string()),
            Err(error) => Err(format!("not understood: {error}")),
        };
        match outcome {
            Ok(taken) if !taken.is_empty() => done.push(message.receipt.as_str()),
            Ok(_) => drop(stuck.insert(&message.group)),
            Err(error) => {
                tracing::warn!(message = message.id, error, "a message stays in the queue");
                stuck.insert(&message.group);
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
    use serde_json::json;
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
