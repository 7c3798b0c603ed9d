//! Problems (RFC 9457): the one table of codes and the one map from errors to answers, for HTTP and live alike.

mod code;
mod language;
mod map;

pub use code::Code;
pub use language::Language;

use crate::limits::FIELD_ERRORS_MAX;
use serde::ser::SerializeMap;
use serde::{Serialize, Serializer};
use serde_json::{Map, Value};

/// What is wrong with one field.
#[derive(Clone, Debug, PartialEq, Serialize, utoipa::ToSchema)]
pub struct FieldError {
    /// JSON pointer of the field, as in `/price/amount`, or a header's or query parameter's name.
    pub field: String,
    /// Stable code.
    pub code: &'static str,
    /// For people, in the language of the request.
    pub detail: String,
}

/// An answer that is not what was asked for.
#[derive(Clone, Debug, PartialEq)]
pub struct Problem {
    /// Stable code; status and texts follow from it.
    pub code: Code,
    /// For people; filled in from the code where empty.
    pub detail: String,
    /// What is wrong with which field.
    pub errors: Vec<FieldError>,
    /// When to try again.
    pub retry_after_ms: Option<u64>,
    /// Members of this kind of problem, as in `distance_m`.
    pub extra: Map<String, Value>,
    language: Language,
}

impl Problem {
    /// A problem with the code's own text.
    pub fn new(code: Code, language: Language) -> Self {
        Self {
            code,
            detail: code.detail(language).to_owned(),
            errors: Vec::new(),
            retry_after_ms: None,
            extra: Map::new(),
            language,
        }
    }

    /// Invalid input: every field at once, as far as anybody reads.
    pub fn invalid(mut errors: Vec<FieldError>, language: Language) -> Self {
        errors.truncate(FIELD_ERRORS_MAX);
        Self { errors, ..Self::new(Code::Invalid, language) }
    }

    /// Adds a member, of another name than RFC 9457 has and than those above.
    #[must_use]
    pub fn with(mut self, name: &str, value: impl Into<Value>) -> Self {
        self.extra.insert(name.to_owned(), value.into());
        self
    }

    /// Says when to try again.
    #[must_use]
    pub fn retry_after(mut self, ms: u64) -> Self {
        self.retry_after_ms = Some(ms);
        self
    }

    /// Replaces the text.
    #[must_use]
    pub fn detailed(mut self, spanish: &str, english: &str) -> Self {
        self.detail = self.language.choose(spanish, english).to_owned();
        self
    }

    /// The HTTP status.
    pub fn status(&self) -> u16 {
        self.code.status()
    }

    /// The language of its texts.
    pub fn language(&self) -> Language {
        self.language
    }
}

impl Serialize for Problem {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut body = serializer.serialize_map(None)?;
        body.serialize_entry("type", &DocumentLink(self.code))?;
        body.serialize_entry("title", self.code.title(self.language))?;
        body.serialize_entry("status", &self.status())?;
        body.serialize_entry("code", self.code.as_str())?;
        body.serialize_entry("detail", &self.detail)?;
        if !self.errors.is_empty() {
            body.serialize_entry("errors", &self.errors)?;
        }
        if let Some(ms) = self.retry_after_ms {
            body.serialize_entry("retry_after_ms", &ms)?;
        }
        for (name, value) in &self.extra {
            body.serialize_entry(name, value)?;
        }
        body.end()
    }
}

/// Where a code is explained.
struct DocumentLink(Code);

impl Serialize for DocumentLink {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(&format_args!("/docs/errors#{}", self.0.as_str()))
    }
}
