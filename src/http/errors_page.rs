//! The page that a problem's `type` names: what each code means, in the language that is asked for. Made from the table of
//! codes; knows nothing of requests that failed.

use super::context::language;
use crate::problem::Code;
use actix_web::{HttpRequest, HttpResponse};
use std::fmt::Write;

/// `GET /docs/errors`
pub async fn show(request: HttpRequest) -> HttpResponse {
    let language = language(&request);
    let mut page = format!(
        "<!doctype html><html lang=\"{}\"><meta charset=\"utf-8\"><title>{title}</title><h1>{title}</h1><dl>\n",
        language.tag(),
        title = language.choose("Errores", "Errors"),
    );
    for code in Code::ALL {
        // Names and texts are the program's own and contain nothing that HTML would read.
        let _written = writeln!(
            page,
            "<dt id=\"{name}\"><code>{name}</code> ({})</dt><dd>{}</dd>",
            code.status(),
            code.detail(language),
            name = code.as_str(),
        );
    }
    page.push_str("</dl></html>\n");
    HttpResponse::Ok()
        .content_type("text/html; charset=utf-8")
        .insert_header(("Content-Language", language.tag()))
        .insert_header(("Vary", "Accept-Language"))
        .body(page)
}
