//! A request's JSON object, taken apart field by field: every wrong, missing or unknown field is named, all at once.

use super::body::{self, Body};
use super::context::{Ask, Refusal};
use crate::problem::{Code, FieldError, Language, Problem};
use crate::wire::time;
use actix_web::http::header::CONTENT_TYPE;
use actix_web::{HttpRequest, web};
use flash_domain::geo::Location;
use flash_domain::money::{Currency, Money};
use flash_domain::time::UnixMillis;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value};

/// A JSON object that is being read.
pub struct Form {
    fields: Map<String, Value>,
    errors: Vec<FieldError>,
    language: Language,
    edits: bool,
}

/// Text with its bounds in characters.
#[derive(Clone, Copy)]
pub struct Bounds {
    /// At least this many.
    pub min: usize,
    /// At most this many.
    pub max: usize,
}

impl Form {
    /// Reads a body that has to be a JSON object. In it, null is the same as absent.
    ///
    /// # Errors
    /// 400 `malformed_json`, 415 for another content type.
    pub fn parse(ask: &Ask<'_>, body: &[u8]) -> Result<Self, Refusal> {
        if !body.is_empty() && !is_json(ask.request) {
            return Err(ask.problem(Code::UnsupportedMediaType));
        }
        Self::of(ask, body)
    }

    /// Reads the body of an edit. In it, null clears what can be cleared, and is refused elsewhere: it is not the same
    /// as absent.
    ///
    /// # Errors
    /// 400 `malformed_json`, 415 for another content type.
    pub fn parse_edit(ask: &Ask<'_>, body: &[u8]) -> Result<Self, Refusal> {
        Ok(Self { edits: true, ..Self::parse(ask, body)? })
    }

    /// Reads an object whatever its content type. Members that are there twice are noted.
    ///
    /// # Errors
    /// 400 `malformed_json`.
    pub fn of(ask: &Ask<'_>, body: &[u8]) -> Result<Self, Refusal> {
        let (fields, repeated) = match body::read(body) {
            Ok(Body { value: Value::Object(fields), repeated }) => (fields, repeated),
            Ok(_) => return Err(ask.problem(Code::MalformedJson)),
            Err(error) => return Err(Refusal(malformed(&error, ask.language))),
        };
        let mut form = Self { fields, errors: Vec::new(), language: ask.language, edits: false };
        for pointer in repeated {
            form.refuse(&pointer, "repeated", "Está más de una vez.", "Is there more than once.");
        }
        Ok(form)
    }

    /// Whether nothing is wrong so far.
    pub fn is_fine(&self) -> bool {
        self.errors.is_empty()
    }

    /// Whether something is wrong with a field or with a part of it.
    pub fn is_refused(&self, field: &str) -> bool {
        self.errors.iter().any(|error| {
            error.field.strip_prefix(field).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
        })
    }

    /// Notes what is wrong with the request's `Idempotency-Key`, so that it is told together with the fields.
    pub fn check_key(&mut self, ask: &Ask<'_>) {
        if let Err(Refusal(problem)) = ask.key() {
            self.refuse_all(problem.errors);
        }
    }

    /// Notes that a field is wrong.
    pub fn refuse(&mut self, field: &str, code: &'static str, spanish: &str, english: &str) {
        let detail = self.language.choose(spanish, english).to_owned();
        self.errors.push(FieldError { field: field.to_owned(), code, detail });
    }

    /// Adds errors that were found elsewhere.
    pub fn refuse_all(&mut self, errors: impl IntoIterator<Item = FieldError>) {
        self.errors.extend(errors);
    }

    /// Whether a field is there, also as null.
    pub fn has(&self, name: &str) -> bool {
        self.fields.contains_key(name)
    }

    fn wrong_type(&mut self, name: &str, spanish: &str, english: &str) {
        self.refuse(&format!("/{name}"), "wrong_type", spanish, english);
    }

    fn required(&mut self, name: &str) {
        self.refuse(&format!("/{name}"), "required", "Falta este campo.", "This field is missing.");
    }

    /// Takes a field; null counts as absent, but in an edit it is refused.
    pub fn take(&mut self, name: &str) -> Option<Value> {
        let value = self.fields.remove(name)?;
        if self.edits && value.is_null() {
            self.refuse(&format!("/{name}"), "not_nullable", "No puede ser null.", "Can't be null.");
        }
        Some(value).filter(|value| !value.is_null())
    }

    /// Takes a field of a patch: absent, null, or a value.
    pub fn take_nullable(&mut self, name: &str) -> Option<Option<Value>> {
        self.fields.remove(name).map(|value| Some(value).filter(|value| !value.is_null()))
    }

    fn check_text(&mut self, name: &str, value: Value, bounds: Bounds) -> Option<String> {
        let Value::String(text) = value else {
            self.wrong_type(name, "Debe ser un texto.", "Must be a text.");
            return None;
        };
        let field = format!("/{name}");
        let chars = text.chars().count();
        if text.chars().any(|c| c.is_control() && !(bounds.max > 200 && c == '\n')) {
            self.refuse(
                &field,
                "control_characters",
                "No admite caracteres de control.",
                "Control characters are not allowed.",
            );
        } else if chars < bounds.min || (bounds.min > 0 && text.trim().is_empty()) {
            let (es, en) = (
                format!("Al menos {} {}.", bounds.min, plural(bounds.min, "carácter", "caracteres")),
                format!("At least {} {}.", bounds.min, plural(bounds.min, "character", "characters")),
            );
            self.refuse(&field, "too_short", &es, &en);
        } else if chars > bounds.max {
            let (es, en) = (
                format!("Como mucho {} {}.", bounds.max, plural(bounds.max, "carácter", "caracteres")),
                format!("At most {} {}.", bounds.max, plural(bounds.max, "character", "characters")),
            );
            self.refuse(&field, "too_long", &es, &en);
        } else {
            return Some(text);
        }
        None
    }

    /// Takes a text that must be there.
    pub fn text(&mut self, name: &str, bounds: Bounds) -> Option<String> {
        match self.take(name) {
            Some(value) => self.check_text(name, value, bounds),
            None => self.require(name, None),
        }
    }

    /// Takes a text that may be absent.
    pub fn optional_text(&mut self, name: &str, bounds: Bounds) -> Option<String> {
        let value = self.take(name)?;
        self.check_text(name, value, bounds)
    }

    /// Takes a text of a patch: `Some(None)` clears.
    pub fn nullable_text(&mut self, name: &str, bounds: Bounds) -> Option<Option<String>> {
        match self.take_nullable(name)? {
            None => Some(None),
            Some(value) => self.check_text(name, value, bounds).map(Some),
        }
    }

    /// Takes a field that a type reads by itself, with a text about what is expected.
    pub fn typed<T: DeserializeOwned>(&mut self, name: &str, spanish: &str, english: &str) -> Option<T> {
        let value = self.take(name)?;
        match serde_json::from_value(value) {
            Ok(value) => Some(value),
            Err(_) => {
                self.wrong_type(name, spanish, english);
                None
            }
        }
    }

    /// Takes a whole number that may be absent; its bounds are checked by whoever knows them.
    pub fn number(&mut self, name: &str) -> Option<u32> {
        let value = self.take(name)?;
        self.check_number(name, &value)
    }

    /// Takes a whole number of a patch or with an explicit null.
    pub fn nullable_number(&mut self, name: &str) -> Option<Option<u32>> {
        match self.take_nullable(name)? {
            None => Some(None),
            Some(value) => self.check_number(name, &value).map(Some),
        }
    }

    fn check_number(&mut self, name: &str, value: &Value) -> Option<u32> {
        match value {
            Value::Number(number) => match number.as_u64().map(u32::try_from) {
                Some(Ok(number)) => return Some(number),
                _ if number.is_f64() => {
                    self.wrong_type(name, "Debe ser un número entero.", "Must be a whole number.")
                }
                _ => self.refuse(
                    &format!("/{name}"),
                    "out_of_range",
                    "Está fuera de rango.",
                    "Is out of range.",
                ),
            },
            _ => self.wrong_type(name, "Debe ser un número entero.", "Must be a whole number."),
        }
        None
    }

    /// Takes yes or no.
    pub fn flag(&mut self, name: &str) -> Option<bool> {
        self.typed(name, "Debe ser true o false.", "Must be true or false.")
    }

    /// Takes a time that may be absent.
    pub fn time(&mut self, name: &str) -> Option<UnixMillis> {
        let value = self.take(name)?;
        let at = value.as_str().and_then(time::parse);
        if at.is_none() {
            self.refuse(
                &format!("/{name}"),
                "invalid",
                "Debe ser una hora RFC 3339, como 2026-11-24T17:00:00Z.",
                "Must be an RFC 3339 time, as in 2026-11-24T17:00:00Z.",
            );
        }
        at
    }

    /// Takes money that may be absent.
    pub fn money(&mut self, name: &str) -> Option<Money> {
        let (amount, currency) = self.money_parts(name)?;
        Some(Money { amount: amount?, currency: currency? })
    }

    /// Takes money that may be absent, as far as it can be read; what can't is noted.
    pub fn money_parts(&mut self, name: &str) -> Option<(Option<i64>, Option<Currency>)> {
        let value = self.take(name)?;
        let Value::Object(mut parts) = value else {
            self.wrong_type(name, "Debe ser {amount, currency}.", "Must be {amount, currency}.");
            return None;
        };
        let amount = match parts.remove("amount") {
            None | Some(Value::Null) => {
                self.required(&format!("{name}/amount"));
                None
            }
            Some(amount) => self.check_amount(&format!("{name}/amount"), &amount),
        };
        let currency = match parts.remove("currency") {
            None | Some(Value::Null) => {
                self.required(&format!("{name}/currency"));
                None
            }
            Some(code) => self.check_currency(&format!("{name}/currency"), &code),
        };
        self.refuse_rest(name, parts);
        Some((amount, currency))
    }

    fn check_amount(&mut self, name: &str, value: &Value) -> Option<i64> {
        let Value::Number(number) = value else {
            self.wrong_type(name, "Debe ser un número entero.", "Must be a whole number.");
            return None;
        };
        if number.is_f64() {
            self.wrong_type(name, "Debe ser un número entero.", "Must be a whole number.");
        } else if number.as_i64().is_none() {
            self.refuse(&format!("/{name}"), "out_of_range", "Está fuera de rango.", "Is out of range.");
        }
        number.as_i64()
    }

    fn check_currency(&mut self, name: &str, value: &Value) -> Option<Currency> {
        let currency = value.as_str().and_then(|code| code.parse().ok());
        if currency.is_none() {
            self.refuse(
                &format!("/{name}"),
                "invalid",
                "Debe ser un código ISO 4217, como COP.",
                "Must be an ISO 4217 code, as in COP.",
            );
        }
        currency
    }

    /// Takes a place that may be absent.
    pub fn location(&mut self, name: &str) -> Option<Location> {
        let value = self.take(name)?;
        self.check_location(name, value)
    }

    /// Takes a place of a patch.
    pub fn nullable_location(&mut self, name: &str) -> Option<Option<Location>> {
        match self.take_nullable(name)? {
            None => Some(None),
            Some(value) => self.check_location(name, value).map(Some),
        }
    }

    fn check_location(&mut self, name: &str, value: Value) -> Option<Location> {
        let Value::Object(mut parts) = value else {
            self.wrong_type(name, "Debe ser {lat, lng}.", "Must be {lat, lng}.");
            return None;
        };
        let mut read = |form: &mut Self, part: &str| match parts.remove(part) {
            Some(Value::Number(number)) => number.as_f64(),
            Some(_) => {
                form.wrong_type(&format!("{name}/{part}"), "Debe ser un número.", "Must be a number.");
                None
            }
            None => {
                form.required(&format!("{name}/{part}"));
                None
            }
        };
        let (lat, lng) = (read(self, "lat"), read(self, "lng"));
        self.refuse_rest(name, parts);
        let (lat, lng) = (lat?, lng?);
        match Location::new(lat, lng) {
            Ok(location) => Some(location),
            Err(invalid) => {
                for part in invalid.fields() {
                    let max = if *part == "/lat" { 90 } else { 180 };
                    self.refuse(
                        &format!("/{name}{part}"),
                        "out_of_range",
                        &format!("Debe estar entre -{max} y {max}."),
                        &format!("Must be between -{max} and {max}."),
                    );
                }
                None
            }
        }
    }

    /// Notes that a field that had to be there is not.
    pub fn require<T>(&mut self, name: &str, value: Option<T>) -> Option<T> {
        if value.is_none() && !self.is_refused(&format!("/{name}")) {
            self.required(name);
        }
        value
    }

    pub(super) fn refuse_rest(&mut self, within: &str, rest: Map<String, Value>) {
        for name in rest.keys() {
            self.refuse(
                &format!("/{within}/{}", body::escape(name)),
                "unknown_field",
                "No existe ese campo.",
                "There is no such field.",
            );
        }
    }

    /// Notes every field that nobody took.
    pub fn refuse_leftovers(&mut self) {
        for name in std::mem::take(&mut self.fields).keys() {
            self.refuse(
                &format!("/{}", body::escape(name)),
                "unknown_field",
                "No existe ese campo.",
                "There is no such field.",
            );
        }
    }

    /// Refuses what was wrong or is left over, all at once.
    ///
    /// # Errors
    /// 422.
    pub fn finish(mut self) -> Result<(), Refusal> {
        self.refuse_leftovers();
        if self.errors.is_empty() {
            Ok(())
        } else {
            Err(Refusal(Problem::invalid(self.errors, self.language)))
        }
    }
}

impl Ask<'_> {
    /// What a POST, PUT or DELETE without fields takes: an empty body or an empty object, whatever its content type.
    ///
    /// # Errors
    /// 400, 413, 422.
    pub async fn no_fields(&self, payload: web::Payload) -> Result<(), Refusal> {
        let body = self.body(payload).await?;
        if body.trim_ascii().is_empty() {
            return Ok(());
        }
        Form::of(self, &body)?.finish()
    }
}

/// Whether a request's body is JSON by its content type, or none is named.
pub fn is_json(request: &HttpRequest) -> bool {
    let Some(kind) = request.headers().get(CONTENT_TYPE) else { return true };
    let kind = kind.as_bytes();
    // What nearly everybody sends, without a further look.
    if kind == b"application/json" {
        return true;
    }
    let kind = kind.split(|byte| *byte == b';').next().unwrap_or_default().trim_ascii().to_ascii_lowercase();
    kind == b"application/json" || kind.ends_with(b"+json")
}

fn plural<'a>(count: usize, one: &'a str, many: &'a str) -> &'a str {
    if count == 1 { one } else { many }
}

fn malformed(error: &serde_json::Error, language: Language) -> Problem {
    let place = format!(" ({}:{})", error.line(), error.column());
    let mut problem = Problem::new(Code::MalformedJson, language);
    problem.detail.push_str(&place);
    problem
}
