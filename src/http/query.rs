//! A list's query string, taken apart parameter by parameter: every wrong, repeated, missing or unknown one is named with what it
//! must be, all at once and by the codes that bodies have. Knows no list.

use super::context::{Ask, Refusal};
use crate::problem::{Code, FieldError, Language, Problem};
use actix_web::web;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use std::ops::RangeInclusive;
use uuid::Uuid;

/// The query of a list: what it asks for, checked.
pub struct Query {
    pairs: Vec<(String, String)>,
    errors: Vec<FieldError>,
    language: Language,
}

impl Query {
    /// Reads the query string.
    ///
    /// # Errors
    /// 400 when it can't be decoded.
    pub fn of(ask: &Ask<'_>) -> Result<Self, Refusal> {
        let pairs = web::Query::<Vec<(String, String)>>::from_query(ask.request.query_string())
            .map_err(|_| ask.problem(Code::BadRequest))?
            .into_inner();
        Ok(Self { pairs, errors: Vec::new(), language: ask.language })
    }

    /// Takes a parameter's text. An empty one counts as absent; one that is there more than once is refused.
    pub fn text(&mut self, name: &str) -> Option<String> {
        let place = self.pairs.iter().position(|(known, _)| known == name)?;
        let value = self.pairs.remove(place).1;
        let others = self.pairs.len();
        self.pairs.retain(|(known, _)| known != name);
        if self.pairs.len() < others {
            self.refuse(name, "repeated", "Está más de una vez.", "Is there more than once.");
            return None;
        }
        if value.chars().any(char::is_control) {
            self.refuse(
                name,
                "control_characters",
                "No admite caracteres de control.",
                "Control characters are not allowed.",
            );
            return None;
        }
        Some(value).filter(|value| !value.is_empty())
    }

    /// Takes a whole number within a range.
    pub fn number(&mut self, name: &str, range: RangeInclusive<u32>) -> Option<u32> {
        let text = self.text(name)?;
        match text.parse::<u32>() {
            Ok(number) if range.contains(&number) => return Some(number),
            Err(_) if !is_whole(&text) => {
                self.refuse(name, "wrong_type", "Debe ser un número entero.", "Must be a whole number.");
            }
            _ => self.refuse_range(name, *range.start(), *range.end()),
        }
        None
    }

    /// Takes a number within a range.
    pub fn decimal(&mut self, name: &str, range: RangeInclusive<f64>) -> Option<f64> {
        let text = self.text(name)?;
        match text.parse::<f64>() {
            Ok(number) if range.contains(&number) => return Some(number),
            Ok(number) if !number.is_nan() => self.refuse_range(name, *range.start(), *range.end()),
            _ => self.refuse(name, "wrong_type", "Debe ser un número.", "Must be a number."),
        }
        None
    }

    /// Takes yes or no.
    pub fn flag(&mut self, name: &str) -> Option<bool> {
        let text = self.text(name)?;
        let flag = text.parse().ok();
        if flag.is_none() {
            self.refuse(name, "wrong_type", "Debe ser true o false.", "Must be true or false.");
        }
        flag
    }

    /// Takes an id.
    pub fn id<T: From<Uuid>>(&mut self, name: &str) -> Option<T> {
        let text = self.text(name)?;
        let id = Uuid::try_parse(&text).ok();
        if id.is_none() {
            self.refuse(name, "wrong_type", "Debe ser un UUID.", "Must be a UUID.");
        }
        id.map(T::from)
    }

    /// Takes one of a few words.
    pub fn one_of<T: Copy>(&mut self, name: &str, words: &[(&str, T)]) -> Option<T> {
        let text = self.text(name)?;
        let found = words.iter().find(|(word, _)| *word == text).map(|(_, value)| *value);
        if found.is_none() {
            let known: Vec<&str> = words.iter().map(|(word, _)| *word).collect();
            let known = known.join(", ");
            self.refuse(
                name,
                "invalid",
                &format!("Debe ser uno de: {known}."),
                &format!("Must be one of: {known}."),
            );
        }
        found
    }

    /// Notes that a parameter is needed beside others, unless something is known to be wrong with it.
    pub fn require<T>(&mut self, name: &str, value: Option<T>) -> Option<T> {
        if value.is_none() {
            self.refuse(name, "required", "Falta este parámetro.", "This parameter is missing.");
        }
        value
    }

    /// Notes what is wrong with a parameter; the first thing that is.
    pub fn refuse(&mut self, name: &str, code: &'static str, spanish: &str, english: &str) {
        if !self.is_refused(name) {
            let detail = self.language.choose(spanish, english).to_owned();
            self.errors.push(FieldError { field: name.to_owned(), code, detail });
        }
    }

    /// Whether something is wrong with a parameter.
    pub fn is_refused(&self, name: &str) -> bool {
        self.errors.iter().any(|error| error.field == name)
    }

    fn refuse_range<T: std::fmt::Display>(&mut self, name: &str, min: T, max: T) {
        self.refuse(
            name,
            "out_of_range",
            &format!("Debe estar entre {min} y {max}."),
            &format!("Must be between {min} and {max}."),
        );
    }

    /// Takes `limit`: 1 to 100, 20 if absent.
    pub fn limit(&mut self) -> u32 {
        self.number("limit", 1..=100).unwrap_or(20)
    }

    /// Takes `cursor` as the id that a page ended with.
    pub fn cursor<T: From<Uuid>>(&mut self) -> Option<T> {
        self.cursor_of(|bytes| Uuid::from_slice(bytes).ok()).map(T::from)
    }

    /// Takes `cursor` as whatever a page of this list ended with.
    pub fn cursor_of<T>(&mut self, read: impl Fn(&[u8]) -> Option<T>) -> Option<T> {
        let text = self.text("cursor")?;
        let place = URL_SAFE_NO_PAD.decode(text).ok().and_then(|bytes| read(&bytes));
        if place.is_none() {
            self.refuse(
                "cursor",
                "invalid",
                "Debe ser el next_cursor de una página de esta lista.",
                "Must be the next_cursor of a page of this list.",
            );
        }
        place
    }

    /// Refuses what is left over or was bad, all at once.
    ///
    /// # Errors
    /// 422.
    pub fn finish(mut self) -> Result<(), Refusal> {
        for (name, _) in std::mem::take(&mut self.pairs) {
            self.refuse(&name, "unknown_field", "No existe ese parámetro.", "There is no such parameter.");
        }
        if self.errors.is_empty() {
            Ok(())
        } else {
            Err(Refusal(Problem::invalid(self.errors, self.language)))
        }
    }
}

/// Whether a text is a whole number of any size.
fn is_whole(text: &str) -> bool {
    let digits = text.strip_prefix('-').unwrap_or(text);
    !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit())
}
