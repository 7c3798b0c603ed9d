//! The settings as they are written down: `.env.example`, the table in docs/operations.md and the Compose file against what
//! the server reads.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use flash_promos::config::{NAMES, Settings};
use std::collections::{BTreeMap, BTreeSet};

/// Settings of the server that are not its own by name.
const FOREIGN: [&str; 4] = ["DATABASE_URL", "REDIS_URL", "AWS_REGION", "AWS_ENDPOINT_URL"];

fn file(path: &str) -> String {
    std::fs::read_to_string(format!("{}/{path}", env!("CARGO_MANIFEST_DIR"))).unwrap()
}

fn all() -> BTreeSet<String> {
    NAMES.iter().chain(&FOREIGN).map(|name| (*name).to_owned()).collect()
}

fn is_setting(name: &str) -> bool {
    name.starts_with("FLASH_") || FOREIGN.contains(&name)
}

/// The example's assignments, each commented out.
fn example() -> BTreeMap<String, String> {
    let text = file(".env.example");
    let mut found = BTreeMap::new();
    for line in text.lines().filter(|line| !line.starts_with("# ") && !line.is_empty()) {
        let (name, value) = line.strip_prefix('#').expect(line).split_once('=').expect(line);
        assert!(found.insert(name.to_owned(), value.to_owned()).is_none(), "{name} is there twice");
    }
    found
}

#[test]
fn the_example_names_every_setting_and_no_other() {
    let named: BTreeSet<String> = example().into_keys().filter(|name| is_setting(name)).collect();
    assert_eq!(named, all());
}

#[test]
fn what_the_example_shows_are_the_defaults() {
    let shown = example().into_iter().filter(|(name, _)| is_setting(name)).collect();
    let (shown, defaults) = (Settings::from(shown).unwrap(), Settings::from(BTreeMap::new()).unwrap());
    assert_eq!(format!("{shown:?}"), format!("{defaults:?}"));
}

#[test]
fn dotenv_reads_the_example_and_finds_nothing_set() {
    let path = format!("{}/.env.example", env!("CARGO_MANIFEST_DIR"));
    assert_eq!(dotenvy::from_path_iter(path).unwrap().count(), 0);
}

#[test]
fn the_manual_explains_every_setting_and_no_other() {
    let text = file("docs/operations.md");
    let table = text.split("| variable | default | meaning |").nth(1).unwrap().split("\n\n").next().unwrap();
    let mut named = BTreeSet::new();
    for row in table.lines().filter(|row| row.starts_with("| `")) {
        let cell = row.split('|').nth(1).unwrap();
        named.extend(cell.split('`').skip(1).step_by(2).map(str::to_owned));
    }
    assert_eq!(named, all());
}

#[test]
fn compose_passes_on_no_setting_that_there_is_not() {
    let text = file("docker-compose.yml");
    let server =
        text.split("environment: &flash-environment").nth(1).unwrap().split("read_only").next().unwrap();
    let passed: BTreeSet<&str> = server
        .lines()
        .filter_map(|line| line.trim().split_once(": ").map(|(name, _)| name))
        .filter(|name| !name.starts_with('#'))
        .collect();
    let unknown: Vec<_> =
        passed.iter().filter(|name| name.starts_with("FLASH_") && !NAMES.contains(name)).collect();
    assert!(passed.len() > 15 && unknown.is_empty(), "{unknown:?}");
}
