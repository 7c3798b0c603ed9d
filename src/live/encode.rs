//! The live protocol's JSON as the hubs write it: events, pushes and the ends of things, framed and ready to be shared.

use super::frame::{self, Opcode};
use super::protocol::Disconnect;
use crate::wire::claim::ClaimJson;
use crate::wire::notification::NotificationJson;
use crate::wire::offer::OfferJson;
use bytes::Bytes;
use flash_actors::feed::GoneReason;
use flash_actors::hub::wire::{Channel, Closing, Sales, Wire};
use flash_domain::claim::Claim;
use flash_domain::ids::PromotionId;
use flash_domain::notice::Notice;
use flash_domain::promotion::PromotionRecord;
use flash_domain::time::UnixMillis;
use serde::Serialize;

/// Centrifuge's JSON form.
#[derive(Clone, Copy, Debug, Default)]
pub struct Json;

/// The JSON text of a value whose serialisation cannot fail.
pub(super) fn json(value: &impl Serialize) -> String {
    serde_json::to_string(value).unwrap_or_else(|error| {
        tracing::error!(%error, "a value could not be written as JSON");
        "{}".to_owned()
    })
}

fn reason_name(reason: GoneReason) -> &'static str {
    match reason {
        GoneReason::Ended => "ended",
        GoneReason::Cancelled => "cancelled",
        GoneReason::Paused => "paused",
        GoneReason::Left => "left",
    }
}

fn text(parts: &[&[u8]]) -> Bytes {
    frame::encode(Opcode::Text, &parts.concat())
}

impl Wire for Json {
    fn offer(&self, record: &PromotionRecord) -> Bytes {
        json(&OfferJson::from(record)).into()
    }

    fn offer_event(&self, offer: &[u8]) -> Bytes {
        [br#"{"type":"offer","offer":"#, offer, b"}"].concat().into()
    }

    fn stock_event(&self, id: PromotionId, v: u64, remaining: u32, held: u32) -> Bytes {
        format!(r#"{{"type":"stock","id":"{id}","v":{v},"remaining":{remaining},"held":{held}}}"#).into()
    }

    fn gone_event(&self, id: PromotionId, v: u64, reason: GoneReason) -> Bytes {
        format!(r#"{{"type":"gone","id":"{id}","v":{v},"reason":"{}"}}"#, reason_name(reason)).into()
    }

    fn sales_event(&self, sales: &Sales) -> Bytes {
        let Sales { claims, per_second, viewers, held, sold } = sales;
        format!(
            r#"{{"type":"sales","claims":{claims},"per_second":{per_second},"viewers":{viewers},"held":{held},"sold":{sold}}}"#
        )
        .into()
    }

    fn claim_event(&self, claim: &Claim) -> Bytes {
        format!(r#"{{"type":"claim","claim":{}}}"#, json(&ClaimJson::from(claim))).into()
    }

    fn notification_event(&self, notice: &Notice, at: UnixMillis) -> Bytes {
        format!(
            r#"{{"type":"notification","notification":{}}}"#,
            json(&NotificationJson::of(notice, at, None))
        )
        .into()
    }

    fn publication(&self, channel: Channel, event: &[u8]) -> Bytes {
        let name = match channel {
            Channel::Nearby => "nearby".to_owned(),
            Channel::Me => "me".to_owned(),
            Channel::Promotion(id) => format!("promotion:{id}"),
        };
        text(&[br#"{"push":{"channel":""#, name.as_bytes(), br#"","pub":{"data":"#, event, b"}}}"])
    }

    fn unsubscribed(&self, id: PromotionId, again: bool) -> Bytes {
        let (code, reason) = if again { (2500, "subscribe again") } else { (2000, "the promotion is over") };
        let push = format!(
            r#"{{"push":{{"channel":"promotion:{id}","unsubscribe":{{"code":{code},"reason":"{reason}"}}}}}}"#
        );
        text(&[push.as_bytes()])
    }

    fn ping(&self) -> Bytes {
        text(&[b"{}"])
    }

    fn close(&self, closing: Closing) -> Bytes {
        match closing {
            Closing::Shutdown => Disconnect::SHUTDOWN,
            Closing::Expired => Disconnect::EXPIRED,
            Closing::NoPong => Disconnect::NO_PONG,
            Closing::Stale => Disconnect::STALE,
            Closing::Behind => Disconnect::BEHIND,
        }
        .frame()
    }
}
