//! The web app at `/`: files that Vite built into `web/dist` and the compiler put into the binary, with their headers.
//!
//! It knows which paths are pages of the app, never what a page does. Without Node there is nothing in `web/dist`; then a
//! page says how to build the app, and everything else is served all the same.

use super::HttpState;
use super::context::{answer_problem, language, prefers_text};
use super::routes::get;
use super::system::method_not_allowed;
use crate::problem::{Code, Problem};
use actix_web::http::Method;
use actix_web::http::header::{
    self, AcceptEncoding, ContentEncoding, ETag, Encoding, EntityTag, Header, IfNoneMatch,
};
use actix_web::{HttpRequest, HttpResponse, web};
use rust_embed::{Embed, EmbeddedFile};
use serde_json::json;

#[derive(Embed)]
#[folder = "web/dist/"]
struct Dist;

/// Pages of the app: the same document, which draws itself by path.
const PAGES: [&str; 9] = [
    "/",
    "/deals/{id}",
    "/claims",
    "/inbox",
    "/account",
    "/sign-in",
    "/merchant",
    "/merchant/{rest:.*}",
    "/operations",
];

/// Files that keep their name from build to build.
const ROOT_FILES: [&str; 2] = ["/favicon.svg", "/manifest.webmanifest"];

/// Assets have a hash of their contents in their name: a year, and never asked for again.
const FOREVER: &str = "public, max-age=31536000, immutable";
/// Everything else is asked for each time; the answer is mostly 304.
const ASK_AGAIN: &str = "no-cache";

/// Registers the app's pages and files.
pub fn configure(config: &mut web::ServiceConfig) {
    let mut add = |path: &str, route: actix_web::Route| {
        let resource = web::resource(path).route(route);
        config.service(resource.default_service(web::to(method_not_allowed)));
    };
    for page in PAGES {
        add(page, get().to(document));
    }
    for file in ROOT_FILES {
        add(file, get().to(root_file));
    }
    add("/assets/{name}", get().to(asset));
    add("/config.json", get().to(settings));
}

/// The app's document, or how to build it.
async fn document(request: HttpRequest, state: web::Data<HttpState>) -> HttpResponse {
    let mut response = match Dist::get("index.html") {
        Some(file) => send(&request, "index.html", &file, ASK_AGAIN),
        None => {
            return HttpResponse::Ok()
                .content_type("text/html; charset=utf-8")
                .body(include_str!("front.html"));
        }
    };
    let headers = response.headers_mut();
    if let Ok(policy) = policy(state.map_style_url.as_deref()).parse() {
        headers.insert(header::CONTENT_SECURITY_POLICY, policy);
    }
    headers.insert(
        header::PERMISSIONS_POLICY,
        header::HeaderValue::from_static("geolocation=(self), camera=(self), microphone=()"),
    );
    response
}

/// Whatever has no route, outside of the API: people who look for a page are told so on one, others by a problem.
pub async fn nowhere(request: HttpRequest) -> HttpResponse {
    let language = language(&request);
    let looks = matches!(*request.method(), Method::GET | Method::HEAD) && prefers_text(&request, "html");
    let mut response = if looks {
        let page = language.choose(include_str!("nowhere.es.html"), include_str!("nowhere.en.html"));
        HttpResponse::NotFound()
            .content_type("text/html; charset=utf-8")
            .insert_header((header::CONTENT_LANGUAGE, language.tag()))
            .body(page)
    } else {
        answer_problem(&Problem::new(Code::NotFound, language))
    };
    response.headers_mut().insert(header::VARY, header::HeaderValue::from_static("Accept, Accept-Language"));
    response
}

/// `GET /config.json`: what the operator decides about the app.
async fn settings(state: web::Data<HttpState>) -> HttpResponse {
    let mut body = json!({});
    if let Some(url) = &state.map_style_url {
        body["map_style_url"] = json!(url);
    }
    HttpResponse::Ok().insert_header((header::CACHE_CONTROL, ASK_AGAIN)).json(body)
}

async fn root_file(request: HttpRequest) -> HttpResponse {
    embedded(&request, request.path().trim_start_matches('/'), ASK_AGAIN)
}

async fn asset(request: HttpRequest) -> HttpResponse {
    embedded(&request, request.path().trim_start_matches('/'), FOREVER)
}

fn embedded(request: &HttpRequest, path: &str, caching: &'static str) -> HttpResponse {
    // The compressed copies are answers to Accept-Encoding, not files of their own.
    let is_copy = path.ends_with(".br") || path.ends_with(".gz");
    match Dist::get(path).filter(|_| !is_copy) {
        Some(file) => send(request, path, &file, caching),
        None => answer_problem(&Problem::new(Code::NotFound, language(request))),
    }
}

/// Scripts, styles and workers only from here; pictures of products from wherever merchants keep them. A map style of the
/// operator's may name any host for its tiles and glyphs, so with one connections go anywhere by https.
fn policy(map_style_url: Option<&str>) -> String {
    let elsewhere = if map_style_url.is_some() { " https:" } else { "" };
    format!(
        "default-src 'none'; script-src 'self'; style-src 'self'; font-src 'self'; worker-src 'self'; \
         img-src 'self' data: blob: https:; connect-src 'self'{elsewhere}; manifest-src 'self'; media-src 'self' blob:; \
         base-uri 'none'; form-action 'self'; frame-ancestors 'none'"
    )
}

/// A file in the best encoding that the client takes, or 304.
fn send(request: &HttpRequest, path: &str, file: &EmbeddedFile, caching: &'static str) -> HttpResponse {
    let accepts = AcceptEncoding::parse(request).unwrap_or(AcceptEncoding(Vec::new()));
    let copies: Vec<(Encoding, EmbeddedFile)> = [(Encoding::brotli(), "br"), (Encoding::gzip(), "gz")]
        .into_iter()
        .filter_map(|(encoding, suffix)| Some((encoding, Dist::get(&format!("{path}.{suffix}"))?)))
        .collect();
    let supported = copies.iter().map(|(encoding, _)| encoding);
    let chosen = accepts.negotiate(supported.chain([&Encoding::identity()]));
    let copy = copies.into_iter().find(|(encoding, _)| Some(encoding) == chosen.as_ref());
    let tag = EntityTag::new_weak(hex(&file.metadata.sha256_hash()[..12]));
    let mut response = HttpResponse::Ok();
    response
        .insert_header((header::CACHE_CONTROL, caching))
        .insert_header((header::VARY, "Accept-Encoding"))
        .insert_header(ETag(tag.clone()));
    if is_known(request, &tag) {
        return response.status(actix_web::http::StatusCode::NOT_MODIFIED).finish();
    }
    response.content_type(kind(path));
    match copy {
        Some((encoding, copy)) => {
            let encoding =
                if encoding == Encoding::brotli() { ContentEncoding::Brotli } else { ContentEncoding::Gzip };
            response.insert_header(encoding).body(copy.data.into_owned())
        }
        None => response.body(file.data.clone().into_owned()),
    }
}

fn is_known(request: &HttpRequest, tag: &EntityTag) -> bool {
    match IfNoneMatch::parse(request) {
        Ok(IfNoneMatch::Any) => true,
        Ok(IfNoneMatch::Items(known)) => known.iter().any(|other| other.weak_eq(tag)),
        Err(_) => false,
    }
}

/// The media type by suffix; Vite makes no others.
fn kind(path: &str) -> &'static str {
    match path.rsplit('.').next().unwrap_or("") {
        "html" => "text/html; charset=utf-8",
        "js" | "mjs" => "text/javascript; charset=utf-8",
        "css" => "text/css; charset=utf-8",
        "svg" => "image/svg+xml",
        "json" => "application/json",
        "webmanifest" => "application/manifest+json",
        "woff2" => "font/woff2",
        "png" => "image/png",
        _ => "application/octet-stream",
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scripts_come_from_here_only() {
        for policy in [policy(None), policy(Some("https://maps.example/style.json"))] {
            assert!(policy.contains("script-src 'self';"), "{policy}");
            assert!(!policy.contains("unsafe"), "{policy}");
        }
        assert!(policy(None).contains("connect-src 'self';"));
        assert!(policy(Some("https://maps.example/style.json")).contains("connect-src 'self' https:;"));
    }

    #[test]
    fn whatever_vite_builds_has_a_media_type() {
        let hidden = [".br", ".gz", ".gitkeep"];
        for path in Dist::iter().filter(|path| !hidden.iter().any(|end| path.ends_with(end))) {
            assert_ne!(kind(&path), "application/octet-stream", "{path}");
        }
    }
}
