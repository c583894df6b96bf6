//! `larder token new`.

use std::os::unix::fs::PermissionsExt as _;

use super::*;
use crate::walk::instance::text;

#[test]
fn a_new_token_is_printed_once_and_its_table_makes_it_valid() {
    let instance = Instance::new("");
    let printed = instance.ok(&["token", "new", "grafana"]);
    let (token, toml) = printed.split_once("\n\n").unwrap();
    assert!(token.starts_with("larder_") && token.len() == 71, "{token}");
    assert!(toml.starts_with("[token.grafana]\nhash = \"$2b$12$"), "{toml}");
    assert!(toml.ends_with("scopes = [\"status\"]\n"), "{toml}");
    assert!(!toml.contains(&token[7..]));
    instance.write("grafana.toml", toml);
    instance.ok(&["check"]);
    let shown = instance.ok(&["config", "show"]);
    assert!(shown.contains("$2b$12$") && !shown.contains(&token[7..]));
    let hash = toml.split('"').nth(1).unwrap();
    assert!(::bcrypt::verify(token, hash).unwrap());
}

#[test]
fn a_table_is_written_into_a_file_of_its_own_and_never_over_another() {
    let instance = Instance::new("");
    let arguments = ["token", "new", "ci", "--scope", "run", "--scope", "list", "--write"];
    let output = instance.larder(&[&arguments[..], &["--hash", "sha256"]].concat());
    assert!(output.status.success(), "{}", text(&output.stderr));
    let token = text(&output.stdout);
    let token = token.strip_suffix('\n').unwrap();
    assert!(!text(&output.stderr).contains(token));
    let path = instance.path("etc/tokens/ci.toml");
    let written = std::fs::read_to_string(&path).unwrap();
    assert_eq!(written, table("ci", &sha256(token), &["list", "run"]));
    let mode = std::fs::metadata(&path).unwrap().permissions().mode();
    assert_eq!(mode & 0o022, 0, "{mode:o}");
    instance.ok(&["check"]);
    // Nothing is overwritten, and nothing half-made is left.
    let said = instance.fails(1, &arguments);
    assert!(said.contains("there is a file already") && !said.contains("larder_"), "{said}");
    assert_eq!(std::fs::read_to_string(&path).unwrap(), written);
    let names: Vec<_> = std::fs::read_dir(instance.path("etc/tokens")).unwrap().collect();
    assert_eq!(names.len(), 1, "{names:?}");
}

#[test]
fn a_table_that_the_configuration_does_not_take_is_not_written() {
    let instance = Instance::new("");
    instance.write("elsewhere.toml", &table("ci", &sha256("ci"), &["status"]));
    let said = instance.fails(1, &["token", "new", "ci", "--write", "--hash", "sha256"]);
    assert!(said.contains("`[token.ci]` is defined twice, first at"), "{said}");
    assert!(!instance.path("etc/tokens").exists() && !said.contains("larder_"), "{said}");
    instance.write("elsewhere.toml", "[job.x]\n");
    let said = instance.fails(1, &["token", "new", "ci", "--write", "--hash", "sha256"]);
    assert!(said.contains("larder check") && !instance.path("etc/tokens").exists(), "{said}");
}

#[test]
fn words_that_are_no_scope_or_name_are_usage_errors() {
    let instance = Instance::new("");
    let said = instance.fails(2, &["token", "new", "ci", "--scope", "stauts"]);
    assert!(said.contains("status"), "{said}");
    instance.fails(2, &["token", "new", "../ci"]);
    instance.fails(2, &["token", "new", "a b"]);
    instance.fails(2, &["token", "new"]);
}

#[test]
fn the_same_as_json() {
    let instance = Instance::new("");
    let made = instance.json(&["token", "new", "a.b", "--hash", "sha256", "--scope", "admin"]);
    let token = made["token"].as_str().unwrap();
    assert_eq!(made["hash"], sha256(token));
    assert_eq!(made["scopes"], serde_json::json!(["admin"]));
    assert_eq!(made["file"], serde_json::Value::Null);
    instance.write("a.toml", made["toml"].as_str().unwrap());
    let shown = instance.ok(&["config", "show"]);
    assert!(shown.contains("[token.\"a.b\"]"), "{shown}");
}
