//! Holds the table "Invariants and their tests" of docs/architecture.md: every invariant of this house is there, and every
//! test that the table names exists.
//!
//! Knows tests by their names in the sources only; running them is the runners' business.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

/// The invariants that this product holds.
const HELD: std::ops::RangeInclusive<u32> = 1..=31;

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

/// The rows of the table: what is named in the first cell, the file and the tests named in the others.
fn rows() -> Vec<(String, String)> {
    let text = fs::read_to_string(root().join("docs/architecture.md")).unwrap();
    let (_, table) = text.split_once("## Invariants and their tests").expect("the table's heading");
    let rows = table.lines().filter(|line| line.starts_with("| I")).map(|line| {
        let (first, rest) = line.trim_matches('|').split_once('|').unwrap();
        (first.trim().to_owned(), rest.to_owned())
    });
    let rows: Vec<_> = rows.filter(|(first, _)| first != "Invariant").collect();
    assert!(!rows.is_empty());
    rows
}

/// `I7` → 7.
fn numbers(cell: &str) -> Vec<u32> {
    cell.split(|c: char| !c.is_alphanumeric())
        .filter_map(|word| word.strip_prefix('I')?.parse().ok())
        .collect()
}

/// What stands between backquotes.
fn quoted(cell: &str) -> Vec<&str> {
    cell.split('`').skip(1).step_by(2).collect()
}

/// The text of a file, or of all files below a directory.
fn sources(path: &Path) -> String {
    if path.is_dir() {
        let mut entries: Vec<PathBuf> = fs::read_dir(path).unwrap().map(|e| e.unwrap().path()).collect();
        entries.retain(|entry| !entry.ends_with("node_modules"));
        return entries.iter().map(|entry| sources(entry)).collect();
    }
    fs::read_to_string(path).unwrap_or_default()
}

/// Whether the text defines a test of this name: a Rust or Python function, or a JavaScript test with this title.
fn defines(text: &str, name: &str) -> bool {
    let heads =
        [format!("fn {name}("), format!("def {name}("), format!("test('{name}'"), format!("test(\"{name}\"")];
    heads.iter().any(|head| text.contains(head.as_str()))
}

#[test]
fn the_table_names_every_invariant_and_tests_that_exist() {
    let mut files: BTreeMap<String, String> = BTreeMap::new();
    let mut missing = Vec::new();
    let mut held = Vec::new();
    for (invariant, rest) in rows() {
        held.extend(numbers(&invariant));
        let named = quoted(&rest);
        let mut tests = 0;
        let mut file = None;
        for name in named {
            if name.contains('/') {
                assert!(root().join(name).exists(), "{invariant}: {name} does not exist");
                file = Some(name.to_owned());
                files.entry(name.to_owned()).or_insert_with(|| sources(&root().join(name)));
                continue;
            }
            tests += 1;
            let file = file.as_ref().unwrap_or_else(|| panic!("{invariant}: {name} stands in no file"));
            if !defines(&files[file], name) {
                missing.push(format!("{invariant}: {file} has no test {name}"));
            }
        }
        assert!(tests > 0, "{invariant} names no test");
    }
    assert!(missing.is_empty(), "{}", missing.join("\n"));
    let absent: Vec<u32> = HELD.filter(|number| !held.contains(number)).collect();
    assert!(absent.is_empty(), "the table lacks {absent:?}");
}
