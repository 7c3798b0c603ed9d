//! Which language a person reads: Spanish or English.

/// A language that this product speaks.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Language {
    /// English, the default.
    #[default]
    English,
    /// Spanish.
    Spanish,
}

impl Language {
    /// Chooses by an `Accept-Language` value: the best-weighted of the two, English where neither is named.
    pub fn negotiate(header: Option<&str>) -> Self {
        let mut best = (0.0, Self::English);
        for range in header.unwrap_or("").split(',').take(32) {
            let mut parts = range.split(';');
            let tag = parts.next().unwrap_or("").trim().to_ascii_lowercase();
            let weight = parts
                .filter_map(|part| part.trim().strip_prefix("q="))
                .find_map(|q| q.trim().parse::<f32>().ok())
                .unwrap_or(1.0);
            let language = match tag.split('-').next().unwrap_or("") {
                "es" => Self::Spanish,
                "en" | "*" => Self::English,
                _ => continue,
            };
            if weight > best.0 {
                best = (weight, language);
            }
        }
        best.1
    }

    /// The text in this language.
    pub fn choose<'a>(self, spanish: &'a str, english: &'a str) -> &'a str {
        match self {
            Self::Spanish => spanish,
            Self::English => english,
        }
    }

    /// `es` or `en`.
    pub fn tag(self) -> &'static str {
        self.choose_static("es", "en")
    }

    fn choose_static(self, spanish: &'static str, english: &'static str) -> &'static str {
        match self {
            Self::Spanish => spanish,
            Self::English => english,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Language::{self, English, Spanish};

    #[test]
    fn the_best_weighted_language_wins() {
        for (header, expected) in [
            (None, English),
            (Some("es"), Spanish),
            (Some("es-CO,es;q=0.9,en;q=0.8"), Spanish),
            (Some("en-GB,es;q=0.9"), English),
            (Some("fr,es;q=0.3"), Spanish),
            (Some("de"), English),
            (Some("es;q=0, en;q=0.1"), English),
            (Some(";;;q=x,,"), English),
        ] {
            assert_eq!(Language::negotiate(header), expected, "{header:?}");
        }
    }
}
