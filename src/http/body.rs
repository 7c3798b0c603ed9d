//! A body's JSON text as a value, with the members that an object has twice. Serde keeps the last of them, another parser
//! the first: who checks one and acts on the other is deceived, so none is taken. Knows nothing of fields and requests.

use crate::limits::FIELD_ERRORS_MAX;
use serde::de::{DeserializeSeed, Deserializer, Error, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Number, Value};
use std::fmt;

/// What a text says.
pub struct Body {
    /// The value. Of members that are there twice it has the first.
    pub value: Value,
    /// JSON pointers of the members that are there more than once, each once, in the text's order; the first
    /// [`FIELD_ERRORS_MAX`].
    pub repeated: Vec<String>,
}

/// Reads a whole text.
///
/// # Errors
/// It is not JSON, is nested too deeply, or goes on after the value.
pub fn read(text: &[u8]) -> Result<Body, serde_json::Error> {
    let mut repeated = Vec::new();
    let mut deserializer = serde_json::Deserializer::from_slice(text);
    let value =
        Reader { place: &mut String::new(), repeated: &mut repeated }.deserialize(&mut deserializer)?;
    deserializer.end()?;
    Ok(Body { value, repeated })
}

/// A member's name as it stands in a JSON pointer (RFC 6901).
pub fn escape(name: &str) -> String {
    name.replace('~', "~0").replace('/', "~1")
}

/// Reads the value at a place. The place is one text for all: a copy per value would be quadratic in a body of long names.
struct Reader<'a> {
    place: &'a mut String,
    repeated: &'a mut Vec<String>,
}

impl Reader<'_> {
    fn here(&mut self) -> Reader<'_> {
        Reader { place: self.place, repeated: self.repeated }
    }
}

impl<'de> DeserializeSeed<'de> for Reader<'_> {
    type Value = Value;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Value, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Reader<'_> {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("JSON")
    }

    fn visit_unit<E: Error>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_bool<E: Error>(self, value: bool) -> Result<Value, E> {
        Ok(Value::Bool(value))
    }

    fn visit_u64<E: Error>(self, value: u64) -> Result<Value, E> {
        Ok(Value::Number(value.into()))
    }

    fn visit_i64<E: Error>(self, value: i64) -> Result<Value, E> {
        Ok(Value::Number(value.into()))
    }

    fn visit_f64<E: Error>(self, value: f64) -> Result<Value, E> {
        Number::from_f64(value).map(Value::Number).ok_or_else(|| E::custom("number out of range"))
    }

    fn visit_str<E: Error>(self, value: &str) -> Result<Value, E> {
        Ok(Value::String(value.to_owned()))
    }

    fn visit_string<E: Error>(self, value: String) -> Result<Value, E> {
        Ok(Value::String(value))
    }

    fn visit_seq<A: SeqAccess<'de>>(mut self, mut items: A) -> Result<Value, A::Error> {
        let mut values = Vec::new();
        let end = self.place.len();
        loop {
            self.place.push('/');
            self.place.push_str(&values.len().to_string());
            let value = items.next_element_seed(self.here())?;
            self.place.truncate(end);
            match value {
                Some(value) => values.push(value),
                None => break,
            }
        }
        Ok(Value::Array(values))
    }

    fn visit_map<A: MapAccess<'de>>(mut self, mut members: A) -> Result<Value, A::Error> {
        let mut fields = Map::new();
        let end = self.place.len();
        while let Some(name) = members.next_key::<String>()? {
            self.place.push('/');
            self.place.push_str(&escape(&name));
            let value = members.next_value_seed(self.here())?;
            if !fields.contains_key(&name) {
                fields.insert(name, value);
            } else if self.repeated.len() < FIELD_ERRORS_MAX && !self.repeated.contains(self.place) {
                self.repeated.push(self.place.clone());
            }
            self.place.truncate(end);
        }
        Ok(Value::Object(fields))
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn reads_what_serde_reads() {
        for text in [
            r#"{"a": [1, -2, 3.5, "x\u00e9", null, true, {"b": {}}], "c": 18446744073709551615}"#,
            "[]",
            " 7 ",
            "\"\"",
        ] {
            let body = read(text.as_bytes()).unwrap();
            assert_eq!(body.value, serde_json::from_str::<Value>(text).unwrap(), "{text}");
            assert!(body.repeated.is_empty());
        }
        for text in ["", "{", "{} {}", "1e999", "NaN", "{\"a\" 1}", &"[".repeat(200)] {
            assert!(read(text.as_bytes()).is_err(), "{text}");
        }
        assert!(read(b"\"\xff\"").is_err());
    }

    #[test]
    fn names_every_member_that_is_there_twice() {
        let text = br#"{"a": 1, "b": [{"c/d": 1, "c/d": 2}], "a": 2, "a": 3, "\u0061": 4, "e": {"a": 1}}"#;
        let body = read(text).unwrap();
        assert_eq!(body.repeated, ["/b/0/c~1d", "/a"]);
        assert_eq!(body.value["a"], 1);
    }
}
