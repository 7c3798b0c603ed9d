//! Holds the arrows: which part of the sources may name which other part (docs/architecture.md).
//!
//! Reads `use` trees and inline paths of the sources and the `[dependencies]` of each crate, and compares
//! them with one table. Knows nothing of what the code does; test modules may name what they like.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

#[path = "arrows/paths.rs"]
mod paths;

use paths::paths_of;
use std::fs;
use std::path::{Path, PathBuf};

/// Sources under one of `from` never name a path that begins with one of `never` (`*` ends an open name).
struct Arrow {
    from: &'static [&'static str],
    never: &'static [&'static str],
}

const ADAPTERS: [&str; 5] = ["postgres", "sqlite", "redis", "sns", "sqs"];

const DRIVERS: [&str; 4] = ["sqlx", "redis", "aws_sdk_sns", "aws_sdk_sqs"];

const ARROWS: [Arrow; 11] = [
    // The core is a function of state, arguments and `now`: no runtime, no driver, no clock, no chance, no IO.
    Arrow {
        from: &["domain/src"],
        never: &[
            "actix*",
            "tokio",
            "futures*",
            "sqlx",
            "redis",
            "aws_*",
            "tracing",
            "rand*",
            "getrandom",
            "std::fs",
            "std::net",
            "std::env",
            "std::io",
            "std::process",
            "std::thread",
            "std::time::Instant",
            "std::time::SystemTime",
            "Instant::now",
            "SystemTime::now",
            "Timestamp::now",
            "Zoned::now",
            "Uuid::now_v7",
            "Uuid::new_v4",
            "jiff::Timestamp::now",
            "jiff::Zoned::now",
            "uuid::Uuid::now_v7",
            "uuid::Uuid::new_v4",
            "async",
            "await",
        ],
    },
    Arrow {
        from: &["actors/src"],
        never: &[
            "actix_web*",
            "actix_http*",
            "sqlx",
            "redis",
            "aws_*",
            "jsonwebtoken",
            "flash_promos",
            "std::fs",
            "std::net",
        ],
    },
    // The owner hands commits over; where they go and who looks on is not its business.
    Arrow {
        from: &[
            "actors/src/promotion.rs",
            "actors/src/promotion/",
            "actors/src/owner.rs",
            "actors/src/owner/",
        ],
        never: &[
            "crate::cell",
            "crate::hub",
            "crate::ports::store::Store",
            "crate::ports::store::SharedStore",
        ],
    },
    Arrow {
        from: &["actors/src/hub.rs", "actors/src/hub/", "actors/src/cell.rs", "actors/src/cell/"],
        never: &[
            "crate::promotion",
            "crate::owner",
            "crate::persistence",
            "crate::directory",
            "crate::ports::store",
            "crate::ports::catalogue",
            "crate::ports::accounts",
        ],
    },
    Arrow { from: &["src/http", "src/live"], never: &["crate::adapters", "sqlx", "redis", "aws_*"] },
    // Shapes, problems and tokens serve both edges and know neither.
    Arrow {
        from: &["src/wire", "src/problem", "src/auth"],
        never: &["crate::adapters", "crate::http", "crate::live", "sqlx", "redis", "aws_*"],
    },
    Arrow { from: &["src/http"], never: &["crate::live"] },
    Arrow { from: &["src/live"], never: &["crate::http"] },
    Arrow { from: &["src/adapters"], never: &["crate::http", "crate::live", "actix_web*", "actix_http*"] },
    // Whoever plays a client knows the public surface only.
    Arrow { from: &["loadtest/src"], never: &["flash_domain", "flash_actors", "flash_promos", "sqlx"] },
    Arrow {
        from: &["src/demo"],
        never: &[
            "flash_domain",
            "flash_actors",
            "crate::adapters",
            "crate::http",
            "crate::live",
            "crate::wire",
            "crate::auth",
            "sqlx",
        ],
    },
];

/// The dependencies of a crate: exactly these are allowed (`None`: all but the never-list).
struct Dependencies {
    manifest: &'static str,
    only: Option<&'static [&'static str]>,
    never: &'static [&'static str],
}

const DEPENDENCIES: [Dependencies; 3] = [
    Dependencies {
        manifest: "domain/Cargo.toml",
        // jiff: time zones and daylight saving of daily windows; its clock is not used (see above).
        only: Some(&["h3o", "hashbrown", "jiff", "serde", "thiserror", "uuid"]),
        never: &[],
    },
    Dependencies {
        manifest: "actors/Cargo.toml",
        only: None,
        never: &[
            "actix-web*",
            "actix-http*",
            "sqlx",
            "redis",
            "aws-*",
            "jsonwebtoken",
            "reqwest",
            "flash-promos",
        ],
    },
    Dependencies {
        manifest: "loadtest/Cargo.toml",
        only: None,
        never: &["flash-domain", "flash-actors", "flash-promos", "sqlx"],
    },
];

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

/// The Rust files below a directory, or the one file; relative to the root. Test files are left out.
fn sources(under: &str) -> Vec<String> {
    fn walk(path: &Path, found: &mut Vec<PathBuf>) {
        if path.is_dir() {
            for entry in fs::read_dir(path).unwrap() {
                walk(&entry.unwrap().path(), found);
            }
        } else if path.extension().is_some_and(|e| e == "rs") {
            found.push(path.to_path_buf());
        }
    }
    let mut found = Vec::new();
    let whole = root().join(under);
    if whole.exists() {
        walk(&whole, &mut found);
    } else if under.starts_with("src/") && root().join(format!("{under}.rs")).exists() {
        found.push(root().join(format!("{under}.rs")));
    }
    let mut names: Vec<String> =
        found.iter().map(|p| p.strip_prefix(root()).unwrap().to_string_lossy().into_owned()).collect();
    names.retain(|n| !n.ends_with("/tests.rs") && !n.contains("/tests/"));
    names.sort();
    names
}

/// `actors/src/hub/outbox.rs` → `["hub", "outbox"]`.
fn module_of(file: &str) -> Vec<String> {
    let inside = file.split_once("src/").map_or(file, |(_, rest)| rest).trim_end_matches(".rs");
    inside.split('/').filter(|s| !matches!(*s, "lib" | "main" | "mod")).map(str::to_owned).collect()
}

/// Whether the path is the pattern's or below it.
fn begins_with(path: &str, pattern: &str) -> bool {
    match pattern.strip_suffix('*') {
        Some(open) => path.starts_with(open),
        None => path == pattern || path.strip_prefix(pattern).is_some_and(|rest| rest.starts_with("::")),
    }
}

fn named_in(file: &str) -> Vec<(usize, String)> {
    paths_of(&fs::read_to_string(root().join(file)).unwrap(), &module_of(file))
}

#[test]
fn arrows() {
    let mut broken = Vec::new();
    for arrow in &ARROWS {
        for file in arrow.from.iter().flat_map(|from| sources(from)) {
            for (line, path) in named_in(&file) {
                for never in arrow.never.iter().filter(|n| begins_with(&path, n)) {
                    broken.push(format!("{file}:{line}: names {path}, must never name {never}"));
                }
            }
        }
    }
    assert!(broken.is_empty(), "{}", broken.join("\n"));
}

#[test]
fn every_adapter_knows_one_driver_and_no_other_adapter() {
    let mut broken = Vec::new();
    for file in sources("src/adapters") {
        let module = module_of(&file);
        let Some(own) = module.get(1) else { continue };
        let named = named_in(&file);
        let drivers: Vec<_> =
            DRIVERS.iter().filter(|d| named.iter().any(|(_, path)| begins_with(path, d))).collect();
        if drivers.len() > 1 {
            broken.push(format!("{file}: uses several drivers: {drivers:?}"));
        }
        // What several adapters share (errors, migrations, rows) is no adapter.
        for (line, path) in &named {
            let other = path.strip_prefix("crate::adapters::").and_then(|rest| rest.split("::").next());
            if other.is_some_and(|other| ADAPTERS.contains(&other) && other != own) {
                broken.push(format!("{file}:{line}: names another adapter: {path}"));
            }
        }
    }
    assert!(broken.is_empty(), "{}", broken.join("\n"));
}

#[test]
fn crates_depend_on_what_they_may() {
    let mut broken = Vec::new();
    for rule in &DEPENDENCIES {
        let manifest = fs::read_to_string(root().join(rule.manifest)).unwrap();
        for name in dependencies(&manifest) {
            if rule.only.is_some_and(|only| !only.contains(&name.as_str())) {
                broken.push(format!("{}: {name} is not among the allowed ones", rule.manifest));
            }
            if rule.never.iter().any(|never| begins_with(&name, never)) {
                broken.push(format!("{}: must never depend on {name}", rule.manifest));
            }
        }
    }
    assert!(broken.is_empty(), "{}", broken.join("\n"));
}

/// The names in `[dependencies]` and `[build-dependencies]`; dev-dependencies are the tests' business.
fn dependencies(manifest: &str) -> Vec<String> {
    let mut inside = false;
    let mut names = Vec::new();
    for line in manifest.lines().map(str::trim) {
        if line.starts_with('[') {
            let table = line.trim_matches(['[', ']']);
            inside = matches!(table, "dependencies" | "build-dependencies");
            for kind in ["dependencies.", "build-dependencies."] {
                names.extend(table.strip_prefix(kind).map(str::to_owned));
            }
        } else if inside && !line.is_empty() && !line.starts_with('#') {
            names.extend(line.split(['.', '=', ' ']).next().map(str::to_owned));
        }
    }
    names
}

#[test]
fn the_reader_sees_paths_however_they_are_written() {
    let source = r##"
        //! use sqlx::in_a_comment;
        /* use sqlx::nested /* deeper */ ; */
        use crate::{cell::{self, Cell as C}, hub::*};
        use super::limits::A;
        pub(crate) use ::redis as store;
        fn f() { let x = "use sqlx::text"; let y = r#"sqlx::raw"#; let c = ':'; crate::adapters::sqlite::open::<u8>(x) }
        #[cfg(test)]
        mod tests { use sqlx::fine; }
        fn g<'a>(x: &'a str) { self::deep::call(x); Instant::now() }
    "##;
    let module = ["hub".to_owned(), "outbox".to_owned()];
    let named: Vec<String> = paths_of(source, &module).into_iter().map(|(_, path)| path).collect();
    for expected in [
        "crate::cell",
        "crate::cell::Cell",
        "crate::hub::*",
        "crate::hub::limits::A",
        "redis",
        "crate::adapters::sqlite::open",
        "crate::hub::outbox::deep::call",
        "Instant::now",
    ] {
        assert!(named.iter().any(|n| n == expected), "{expected} is missing in {named:?}");
    }
    assert!(!named.iter().any(|n| n.contains("sqlx")), "{named:?}");
    assert!(begins_with("aws_sdk_sns::Client", "aws_*") && begins_with("sqlx::query", "sqlx"));
    assert!(!begins_with("sqlx_like::query", "sqlx"));
}

#[test]
fn the_sources_are_where_the_table_says() {
    for arrow in &ARROWS[..2] {
        for from in arrow.from {
            assert!(!sources(from).is_empty(), "no sources under {from}");
        }
    }
}
