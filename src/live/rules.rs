//! What our own data must be, in words for developers: which field is wrong, and what would be right. Looked at only when the
//! data was refused; it decides nothing.

use crate::limits::{CATEGORIES_MAX, KNOWN_MAX};
use flash_actors::hub::nearby::Known;
use flash_domain::geo::Location;
use flash_domain::limits::{
    IDEMPOTENCY_KEY_CHARS_MAX, NAME_CHARS_MAX, PER_SHOPPER_LIMIT_MAX, REACH_M_MAX, REACH_M_MIN,
};
use serde::de::DeserializeOwned;
use serde_json::value::RawValue;
use serde_json::{Map, Value};
use uuid::Uuid;

/// Characters of a client's own name that a message repeats at most.
const NAME_SHOWN_MAX: usize = 64;

/// One member of an object.
#[derive(Clone, Copy)]
pub(super) struct Rule {
    name: &'static str,
    required: bool,
    fits: fn(&Value) -> bool,
    /// What it must be, bounds included.
    must_be: fn() -> String,
}

impl Rule {
    const fn optional(self) -> Self {
        Self { required: false, ..self }
    }
}

fn read<T: DeserializeOwned>(value: &Value) -> Option<T> {
    T::deserialize(value).ok()
}

const fn id(name: &'static str) -> Rule {
    let fits = |value: &Value| read::<Uuid>(value).is_some();
    Rule { name, required: true, fits, must_be: || "a UUID".to_owned() }
}

const LOCATION: Rule = Rule {
    name: "location",
    required: true,
    fits: |value| value.is_object() && read::<Location>(value).is_some(),
    must_be: || "{lat, lng}, numbers of -90 to 90 and -180 to 180".to_owned(),
};

const RADIUS: Rule = Rule {
    name: "radius_m",
    required: true,
    fits: |value| read::<u32>(value).is_some_and(|radius_m| (REACH_M_MIN..=REACH_M_MAX).contains(&radius_m)),
    must_be: || format!("a whole number from {REACH_M_MIN} to {REACH_M_MAX}"),
};

const CATEGORIES: Rule = Rule {
    name: "categories",
    required: false,
    fits: |value| {
        let fits = |name: &String| (1..=NAME_CHARS_MAX).contains(&name.chars().count());
        read::<Vec<String>>(value).is_some_and(|all| all.len() <= CATEGORIES_MAX && all.iter().all(fits))
    },
    must_be: || format!("at most {CATEGORIES_MAX} texts of 1 to {NAME_CHARS_MAX} characters"),
};

const KNOWN: Rule = Rule {
    name: "known",
    required: false,
    fits: |value| value.is_object() && read::<Known>(value).is_some_and(|known| known.len() <= KNOWN_MAX),
    must_be: || format!("an object of at most {KNOWN_MAX} versions by promotion"),
};

const QUANTITY: Rule = Rule {
    name: "quantity",
    required: false,
    fits: |value| read::<u32>(value).is_some_and(|units| (1..=PER_SHOPPER_LIMIT_MAX).contains(&units)),
    must_be: || format!("a whole number from 1 to {PER_SHOPPER_LIMIT_MAX}"),
};

const KEY: Rule = Rule {
    name: "idempotency_key",
    required: true,
    fits: |value| {
        let fits = |key: &str| {
            (1..=IDEMPOTENCY_KEY_CHARS_MAX).contains(&key.chars().count())
                && !key.chars().any(char::is_control)
        };
        value.as_str().is_some_and(fits)
    },
    must_be: || format!("a text of 1 to {IDEMPOTENCY_KEY_CHARS_MAX} characters without control characters"),
};

/// The data of a subscription to `nearby`.
pub(super) const NEARBY: &[Rule] = &[LOCATION.optional(), RADIUS, CATEGORIES, KNOWN];
/// The data of `move`.
pub(super) const MOVE: &[Rule] = &[LOCATION, RADIUS.optional(), CATEGORIES, KNOWN];
/// The data of `claim`.
pub(super) const CLAIM: &[Rule] = &[id("promotion_id"), QUANTITY, LOCATION.optional(), KEY];
/// The data of `confirm` and `cancel`.
pub(super) const ACT: &[Rule] = &[id("claim_id")];

/// Says what is wrong with data that was refused: about the first field that breaks its rule, as in
/// `/quantity must be a whole number from 1 to 1000`.
pub(super) fn explain(data: Option<&RawValue>, rules: &[Rule]) -> String {
    let fields = match data.map(|data| serde_json::from_str::<Value>(data.get())) {
        None | Some(Ok(Value::Null)) => Map::new(),
        Some(Ok(Value::Object(fields))) => fields,
        Some(_) => return "must be an object".to_owned(),
    };
    for rule in rules {
        let name = rule.name;
        match fields.get(name).filter(|value| !value.is_null()) {
            None if rule.required => return format!("/{name} is missing: must be {}", (rule.must_be)()),
            Some(value) if !(rule.fits)(value) => return format!("/{name} must be {}", (rule.must_be)()),
            _ => {}
        }
    }
    match fields.keys().find(|name| rules.iter().all(|rule| rule.name != name.as_str())) {
        Some(name) => format!("there is no /{}", name.chars().take(NAME_SHOWN_MAX).collect::<String>()),
        // Every member by itself is fine: then one is there more than once.
        None => "a member is there more than once".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn explained(rules: &[Rule], data: &str) -> String {
        explain(Some(serde_json::from_str(data).unwrap()), rules)
    }

    #[test]
    fn the_first_wrong_field_is_named_with_what_it_must_be() {
        let claim = r#""promotion_id":"01890000-0000-7000-8000-000000000000","idempotency_key":"k""#;
        for (more, expected) in [
            (r#""quantity":0"#, "/quantity must be a whole number from 1 to 1000"),
            (r#""quantity":1.5"#, "/quantity must be a whole number from 1 to 1000"),
            (r#""location":[6,-75]"#, "/location must be {lat, lng}, numbers of -90 to 90 and -180 to 180"),
            (r#""price":1"#, "there is no /price"),
            (r#""quantity":1,"quantity":1"#, "a member is there more than once"),
        ] {
            assert_eq!(explained(CLAIM, &format!("{{{claim},{more}}}")), expected);
        }
        assert_eq!(explained(CLAIM, "{}"), "/promotion_id is missing: must be a UUID");
        assert_eq!(explain(None, ACT), "/claim_id is missing: must be a UUID");
        assert_eq!(explained(ACT, "[]"), "must be an object");
        assert_eq!(
            explained(NEARBY, r#"{"radius_m":49}"#),
            "/radius_m must be a whole number from 50 to 50000"
        );
        let long = format!(r#"{{"radius_m":50,"{}":1}}"#, "é".repeat(500));
        assert_eq!(explained(NEARBY, &long).chars().count(), "there is no /".len() + NAME_SHOWN_MAX);
    }
}
