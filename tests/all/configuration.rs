//! The configuration: what is good is understood, what is wrong is told, what is broken harms
//! nothing.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::fs;
use std::path::{Path, PathBuf};

use larder::config::{Diagnostic, Files, Parsed, parse, read_dir, render, schema, show};

mod corpus;
mod last_good;
mod properties;
mod reading;

/// The directory that in-line configurations are said to be in.
const DIR: &str = "/etc/larder";

fn files(texts: &[(&str, &str)]) -> Files {
    texts.iter().fold(Files::default(), |files, (name, text)| files.with(name, *text))
}

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

fn errors(diagnostics: &[Diagnostic]) -> Vec<String> {
    diagnostics.iter().filter(|d| d.is_error()).map(|d| d.message.clone()).collect()
}

fn example_dirs() -> Vec<PathBuf> {
    let mut dirs: Vec<PathBuf> = fs::read_dir(root().join("examples"))
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.is_dir() && read_dir(path).is_ok())
        .collect();
    dirs.sort();
    dirs
}

fn read_example(dir: &Path) -> (Files, Parsed) {
    let (files, _) = read_dir(dir).unwrap();
    let parsed = parse(&files, dir);
    (files, parsed)
}

#[test]
fn every_example_loads_without_a_word_of_complaint() {
    let dirs = example_dirs();
    assert!(dirs.len() >= 3, "{dirs:?}");
    for dir in dirs {
        let (_, parsed) = read_example(&dir);
        assert_eq!(render(&parsed.diagnostics, false), "", "{}", dir.display());
        assert!(parsed.desired.is_some());
    }
}

#[test]
fn every_example_validates_against_the_schema() {
    let validator = jsonschema::validator_for(&schema::schema()).unwrap();
    for dir in example_dirs() {
        for (name, text) in read_example(&dir).0.files {
            let value: serde_json::Value = toml::from_str(&text).unwrap();
            let problems: Vec<String> =
                validator.iter_errors(&value).map(|error| error.to_string()).collect();
            assert_eq!(problems, Vec::<String>::new(), "{}/{name}", dir.display());
        }
    }
}

#[test]
fn the_schema_sees_what_does_not_belong() {
    let validator = jsonschema::validator_for(&schema::schema()).unwrap();
    let is_valid = |text: &str| {
        let value: serde_json::Value = toml::from_str(text).unwrap();
        validator.is_valid(&value)
    };
    assert!(is_valid("[job.web]\ntype = 'custom_dir'\nsource_path = '/srv'"));
    assert!(!is_valid("[job.web]\ntype = 'custom_dir'"));
    assert!(!is_valid("[job.web]\ntype = 'custom_dir'\nsource_path = '/srv'\ndatabase = 'x'"));
    assert!(!is_valid("[job.web]\ntype = 'custom_dir'\nsource_path = '/srv'\nscheduel = 'x'"));
    assert!(!is_valid("[job.web]\ntype = 'mysql'\ndatabase = 'x'\npassword = 'plain'"));
    assert!(!is_valid("[location.main]\npath = '/srv'\ncompress = 'xz'"));
    assert!(!is_valid("[retention.x]\nmode = 'count'"));
    assert!(is_valid("[defaults]\nretention = { mode = 'count', value = 7 }"));
    assert!(is_valid("[defaults]\nretention = 'standard'"));
    assert!(!is_valid("[defaults]\nretention = { mode = 'count', daily = 7 }"));
}

/// Compares a generated file with what is checked in; `LARDER_BLESS=1` writes it instead.
pub(crate) fn is_fresh(file: &str, text: &str) {
    let path = root().join(file);
    if std::env::var_os("LARDER_BLESS").is_some() {
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, text).unwrap();
    }
    let there = fs::read_to_string(&path).unwrap_or_default();
    assert!(there == text, "{file} is stale: run this test with LARDER_BLESS=1 and commit it");
}

#[test]
fn the_schema_that_is_checked_in_is_the_one_that_is_generated() {
    is_fresh("schema/larder.schema.json", &schema::schema_text());
}

#[test]
fn the_documentation_of_keys_is_the_one_that_is_generated() {
    is_fresh("docs/configuration.md", &schema::docs());
}

#[test]
fn what_is_shown_of_an_example_loads_again_as_the_same() {
    for dir in example_dirs() {
        let desired = read_example(&dir).1.desired.unwrap();
        let shown = show::toml(&desired);
        let again = parse(&Files::default().with("shown.toml", shown.as_str()), &dir);
        let again = again.desired.unwrap_or_else(|| panic!("{shown}"));
        let without_places = |text: &str| -> String {
            text.lines().filter(|line| !line.starts_with("# ")).collect::<Vec<_>>().join("\n")
        };
        assert_eq!(without_places(&show::toml(&again)), without_places(&shown));
    }
}

#[test]
fn the_quickstart_reads_files_of_the_project_and_writes_below_target() {
    let dir = root().join("examples/quickstart");
    let desired = read_example(&dir).1.desired.unwrap();
    let target = root().join("target/quickstart");
    for location in desired.locations.values() {
        assert!(location.path.starts_with(&target), "{}", location.path.display());
    }
    let instance = &desired.instance;
    for path in [&instance.state_dir, &instance.publish_dir, &instance.control_socket] {
        assert!(path.starts_with(&target), "{}", path.display());
    }
    assert_eq!(errors(&larder::config::check_live(&desired)), Vec::<String>::new());
}
