//! The daily window of a series as a request names it. Knows nothing of promotions and of occurrences.

use crate::http::form::Form;
use flash_domain::series::{DailyWindow, InvalidDailyWindow, RawDailyWindow};
use serde_json::{Map, Value};

/// `None`: no daily window asked for. `Some(None)`: asked for, but wrong (every part that is, is noted).
pub(crate) fn take_daily(form: &mut Form) -> Option<Option<DailyWindow>> {
    let Value::Object(mut parts) = form.take("daily")? else {
        form.refuse(
            "/daily",
            "wrong_type",
            "Debe ser {from, to, timezone, start_date, end_date?}.",
            "Must be {from, to, timezone, start_date, end_date?}.",
        );
        return Some(None);
    };
    let raw = RawDailyWindow {
        from: take_part(form, &mut parts, "from"),
        to: take_part(form, &mut parts, "to"),
        timezone: take_part(form, &mut parts, "timezone"),
        start_date: take_part(form, &mut parts, "start_date"),
        end_date: match parts.get("end_date") {
            None | Some(Value::Null) => parts.remove("end_date").and(None),
            Some(_) => Some(take_part(form, &mut parts, "end_date")),
        },
    };
    form.refuse_rest("daily", parts);
    match raw.check() {
        Ok(window) => Some(Some(window).filter(|_| !form.is_refused("/daily"))),
        Err(errors) => {
            for error in errors {
                let field = format!("/daily{}", error.field());
                // What is missing or no text was noted, and is not explained once more.
                if !form.is_refused(&field) {
                    form.refuse(&field, "invalid", spanish(error), &error.to_string());
                }
            }
            Some(None)
        }
    }
}

/// A part's text; where there is none that is noted, and the empty text passes no check.
fn take_part(form: &mut Form, parts: &mut Map<String, Value>, name: &str) -> String {
    let field = format!("/daily/{name}");
    match parts.remove(name) {
        Some(Value::String(text)) => return text,
        None | Some(Value::Null) => {
            form.refuse(&field, "required", "Falta este campo.", "This field is missing.");
        }
        Some(_) => form.refuse(&field, "wrong_type", "Debe ser un texto.", "Must be a text."),
    }
    String::new()
}

fn spanish(error: InvalidDailyWindow) -> &'static str {
    match error {
        InvalidDailyWindow::From | InvalidDailyWindow::To => "Debe ser una hora del día, como 17:00.",
        InvalidDailyWindow::Timezone => "Debe ser una zona IANA, como America/Bogota.",
        InvalidDailyWindow::StartDate | InvalidDailyWindow::EndDate => "Debe ser una fecha, como 2026-11-24.",
        InvalidDailyWindow::EndBeforeStart => "No puede ser anterior a start_date.",
    }
}
