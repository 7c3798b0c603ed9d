//! The one map from what the engine and the ports say to problems.

use super::{Code, FieldError, Language, Problem};
use crate::wire::time;
use flash_actors::engine::EngineError;
use flash_actors::ports::PortError;
use flash_domain::claim::{ActRefusal, ClaimRefusal};
use flash_domain::promotion::LifeRefusal;
use flash_domain::terms::Violation;

/// What a caller is told to wait when the storage does not answer.
const STORAGE_RETRY_MS: u64 = 1_000;

impl Problem {
    /// What became of a claim.
    pub fn from_claim(error: EngineError<ClaimRefusal>, language: Language) -> Self {
        Self::from_engine(error, language, Self::from_claim_refusal)
    }

    /// What became of a confirm, cancel or redeem.
    pub fn from_act(error: EngineError<ActRefusal>, language: Language) -> Self {
        Self::from_engine(error, language, |refusal, language| Self::new(act_code(refusal), language))
    }

    /// What became of a merchant's decision.
    pub fn from_life(error: EngineError<LifeRefusal>, language: Language) -> Self {
        Self::from_engine(error, language, Self::from_life_refusal)
    }

    /// What a port could not do. The reason is for the log, not for the caller.
    pub fn from_port(error: &PortError, language: Language) -> Self {
        match error {
            PortError::Unavailable(reason) => {
                tracing::warn!(reason, "storage is unavailable");
                Self::new(Code::Unavailable, language).retry_after(STORAGE_RETRY_MS)
            }
            PortError::OutcomeUnknown(reason) => {
                tracing::error!(reason, "the outcome of a write is unknown");
                Self::new(Code::OutcomeUnknown, language).retry_after(STORAGE_RETRY_MS)
            }
            PortError::Broken(reason) => {
                tracing::error!(reason, "storage failed");
                Self::new(Code::Internal, language)
            }
        }
    }

    fn from_engine<R>(
        error: EngineError<R>,
        language: Language,
        refused: impl FnOnce(R, Language) -> Self,
    ) -> Self {
        match error {
            EngineError::Refused(refusal) => refused(refusal, language),
            EngineError::NotFound => Self::new(Code::NotFound, language),
            EngineError::Overloaded { retry_after_ms } => {
                Self::new(Code::Overloaded, language).retry_after(retry_after_ms)
            }
            EngineError::OutcomeUnknown => {
                Self::new(Code::OutcomeUnknown, language).retry_after(STORAGE_RETRY_MS)
            }
            EngineError::Unavailable { retry_after_ms } => {
                Self::new(Code::Unavailable, language).retry_after(retry_after_ms)
            }
        }
    }

    fn from_claim_refusal(refusal: ClaimRefusal, language: Language) -> Self {
        let problem = |code| Self::new(code, language);
        match refusal {
            ClaimRefusal::KeyReused => problem(Code::IdempotencyKeyReused),
            ClaimRefusal::NotStarted { starts_at } => {
                problem(Code::NotStarted).with("starts_at", time::format(starts_at))
            }
            ClaimRefusal::Ended => problem(Code::Ended),
            ClaimRefusal::Paused => problem(Code::Paused),
            ClaimRefusal::Cancelled => problem(Code::Cancelled),
            ClaimRefusal::NotEligible => problem(Code::NotEligible),
            ClaimRefusal::LocationRequired => Self {
                errors: vec![FieldError {
                    field: "/location".to_owned(),
                    code: "required",
                    detail: Code::LocationRequired.detail(language).to_owned(),
                }],
                ..problem(Code::LocationRequired)
            },
            ClaimRefusal::TooFar { distance_m, claim_within_m } => {
                problem(Code::TooFar).with("distance_m", distance_m).with("claim_within_m", claim_within_m)
            }
            ClaimRefusal::LimitReached { limit } => {
                problem(Code::LimitReached).with("per_shopper_limit", limit)
            }
            ClaimRefusal::SoldOut { remaining } => {
                let problem = problem(Code::SoldOut).with("remaining", remaining);
                if remaining == 0 {
                    return problem;
                }
                // Fewer than were asked for, and none that could come back.
                let es = format!("Solo quedan {remaining} unidades.");
                problem.detailed(&es, &format!("Only {remaining} units are left."))
            }
            ClaimRefusal::AllHeld { remaining, retry_after_ms } => {
                problem(Code::AllHeld).with("remaining", remaining).retry_after(retry_after_ms)
            }
        }
    }

    fn from_life_refusal(refusal: LifeRefusal, language: Language) -> Self {
        let at = |field: &str, code, spanish, english| {
            let detail = language.choose(spanish, english).to_owned();
            Self::invalid(vec![FieldError { field: field.to_owned(), code, detail }], language)
        };
        match refusal {
            LifeRefusal::WrongState { status } => {
                Self::new(Code::WrongState, language).with("state", status.as_str())
            }
            LifeRefusal::StockBelowCommitted { committed } => {
                Self::new(Code::StockBelowCommitted, language).with("committed", committed)
            }
            LifeRefusal::Fixed { field } => {
                at(field, "fixed", "No puede cambiar una vez empezada.", "Can't change once it has started.")
            }
            LifeRefusal::EndsInThePast => {
                at("/ends_at", "in_the_past", "Debe estar en el futuro.", "Must be in the future.")
            }
            LifeRefusal::Invalid(violations) => Self::invalid(
                violations.iter().map(|violation| Self::violation(violation, language)).collect(),
                language,
            ),
        }
    }

    /// A broken bound as a field's error.
    pub fn violation(violation: &Violation, language: Language) -> FieldError {
        let detail = match (violation.min, violation.max) {
            (Some(min), Some(max)) => {
                format!(
                    "{} {min} {} {max}.",
                    language.choose("Debe estar entre", "Must be between"),
                    language.choose("y", "and")
                )
            }
            (Some(min), None) => {
                let least = duration(min, language);
                format!("{} {least}.", language.choose("Debe durar al menos", "Must last at least"))
            }
            (None, Some(max)) => {
                let most = duration(max, language);
                format!("{} {most}.", language.choose("Debe durar como mucho", "Must last at most"))
            }
            (None, None) => language
                .choose(
                    "Debe ser la moneda del precio del producto.",
                    "Must be the currency of the product's price.",
                )
                .to_owned(),
        };
        FieldError { field: violation.field.to_owned(), code: violation.code, detail }
    }
}

/// A duration as people say it, in the largest unit that it is a whole number of.
fn duration(ms: i64, language: Language) -> String {
    const UNITS: [(i64, [&str; 2], [&str; 2]); 5] = [
        (24 * 3_600_000, ["día", "días"], ["day", "days"]),
        (3_600_000, ["hora", "horas"], ["hour", "hours"]),
        (60_000, ["minuto", "minutos"], ["minute", "minutes"]),
        (1_000, ["segundo", "segundos"], ["second", "seconds"]),
        (1, ["milisegundo", "milisegundos"], ["millisecond", "milliseconds"]),
    ];
    let whole = UNITS.iter().find(|(unit, ..)| ms >= *unit && ms % unit == 0).unwrap_or(&UNITS[4]);
    let (unit, [un, unos], [one, many]) = *whole;
    let count = ms / unit;
    let word = if count == 1 { language.choose(un, one) } else { language.choose(unos, many) };
    format!("{count} {word}")
}

fn act_code(refusal: ActRefusal) -> Code {
    match refusal {
        ActRefusal::NotFound => Code::NotFound,
        ActRefusal::HoldExpired => Code::HoldExpired,
        ActRefusal::AlreadyConfirmed => Code::AlreadyConfirmed,
        ActRefusal::AlreadyCancelled => Code::AlreadyCancelled,
        ActRefusal::AlreadyRedeemed => Code::AlreadyRedeemed,
        ActRefusal::NotConfirmed => Code::NotConfirmed,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_are_said_in_the_largest_unit_that_fits() {
        for (ms, spanish, english) in [
            (1_000, "1 segundo", "1 second"),
            (90 * 24 * 3_600_000, "90 días", "90 days"),
            (36 * 3_600_000, "36 horas", "36 hours"),
            (90_000, "90 segundos", "90 seconds"),
            (60_000, "1 minuto", "1 minute"),
            (1_500, "1500 milisegundos", "1500 milliseconds"),
        ] {
            assert_eq!(duration(ms, Language::Spanish), spanish);
            assert_eq!(duration(ms, Language::English), english);
        }
    }
}
