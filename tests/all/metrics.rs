//! `/metrics` of a real daemon, judged by Prometheus' own tool, and the examples that read it.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use std::collections::BTreeSet;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use serde_json::{Value, json};

use crate::support::answers::text_is_foreseen;
use crate::support::skipped;
use crate::walk::instance::{Instance, sh, text};

const CANARY: &str = "canary-5f1c";

fn examples() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("examples/monitoring")
}

fn example(name: &str) -> String {
    std::fs::read_to_string(examples().join(name)).unwrap()
}

fn dashboard() -> Value {
    serde_json::from_str(&example("grafana-dashboard.json")).unwrap()
}

macro_rules! promtool_or_skip {
    () => {
        if Command::new("promtool").arg("--version").output().is_err() {
            skipped!("promtool is not installed");
        }
    };
}

/// Runs promtool, which must have nothing to say against it.
fn promtool(arguments: &[&str], dir: &Path, input: &str) {
    let mut command = Command::new("promtool");
    command.args(arguments).current_dir(dir).stdin(Stdio::piped());
    let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    child.stdin.take().unwrap().write_all(input.as_bytes()).unwrap();
    let output = child.wait_with_output().unwrap();
    let said = text(&output.stdout) + &text(&output.stderr);
    assert!(output.status.success(), "promtool {arguments:?}: {said}\n{input}");
    assert!(!said.contains("FAILED") && !said.contains("error"), "{said}");
}

/// An instance where something of everything has happened, and what it tells.
fn exposition() -> (Instance, String) {
    let instance = Instance::new(&format!(
        "[job.web]\ntype = \"custom_dir\"\nsource_path = \"../www\"\n\
         drill = {{ schedule = \"0 5 1 * *\" }}\n\
         [job.{CANARY}-job]\ntype = \"mysql\"\ndatabase = \"{CANARY}\"\nuser = \"{CANARY}\"\n\
         enabled = false\npassword = {{ file = \"../secret\" }}\n\
         [peer.tom]\nkind = \"instance\"\nurl = \"http://127.0.0.1:1\"\n"
    ));
    instance.source("www/index.html", b"<h1>hello</h1>");
    let secret = instance.source("secret", CANARY.as_bytes());
    let mode = std::os::unix::fs::PermissionsExt::from_mode(0o600);
    std::fs::set_permissions(secret, mode).unwrap();
    instance.ok(&["run", "web"]);
    let daemon = instance.daemon();
    instance.ok(&["drill", "web"]);
    instance.ok(&["run", "web"]);
    let ask = "curl -s -S --fail --unix-socket control.sock";
    // The view is made anew after each run.
    sh(&format!("{ask} http://larder/api/v1/settled"), &instance.path(""));
    sh(&format!("{ask} -X POST http://larder/api/v1/peers/tom/check"), &instance.path(""));
    let exposition = |path: &str| {
        let answer = sh(&format!("{ask} --include http://larder{path}"), &instance.path(""));
        text_is_foreseen("GET", path, &answer).to_owned()
    };
    let (told, same) = (exposition("/metrics"), exposition("/api/v1/metrics"));
    assert_eq!(names(&told), names(&same));
    drop(daemon);
    (instance, told)
}

/// The names of all samples.
fn names(exposition: &str) -> BTreeSet<String> {
    let samples = exposition.lines().filter(|line| !line.starts_with('#'));
    samples.filter_map(|line| line.split(['{', ' ']).next()).map(ToOwned::to_owned).collect()
}

/// Every word that looks like a metric of ours.
fn mentioned(text: &str) -> BTreeSet<String> {
    let words = text.split(|c: char| !(c.is_ascii_alphanumeric() || c == '_'));
    words.filter(|word| word.starts_with("larder_")).map(ToOwned::to_owned).collect()
}

/// The queries of a dashboard.
fn queries(value: &Value, found: &mut Vec<String>) {
    match value {
        Value::Object(fields) => {
            for (name, value) in fields {
                match value {
                    Value::String(query) if name == "expr" => found.push(query.clone()),
                    other => queries(other, found),
                }
            }
        }
        Value::Array(items) => items.iter().for_each(|item| queries(item, found)),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

#[test]
fn the_exposition_of_a_daemon_is_in_order_and_the_examples_read_what_is_there() {
    if Command::new("curl").arg("--version").output().is_err() {
        skipped!("curl is not installed");
    }
    let (instance, told) = exposition();
    let names = names(&told);
    assert!(names.iter().all(|name| name.starts_with("larder_")), "{names:?}");
    let has = |line: &str| assert!(told.lines().any(|one| one == line), "{line}\n{told}");
    has("larder_runs_total{kind=\"backup\",status=\"success\"} 1");
    has("larder_runs_total{kind=\"drill\",status=\"success\"} 1");
    has("larder_run_duration_seconds_count{kind=\"backup\"} 1");
    has("larder_job_archives{job_id=\"web\",location=\"main\"} 2");
    has("larder_job_verdict{job_id=\"web\",verdict=\"protected\"} 1");
    has("larder_job_last_run_success{job_id=\"web\"} 1");
    has("larder_drill_last_outcome{job_id=\"web\",outcome=\"proven\"} 1");
    has("larder_config_valid 1");
    has("larder_location_available{location=\"main\"} 1");

    // Names of objects may stand in labels; what they hold may not.
    let text = told.replace(&format!("{CANARY}-job"), "job");
    let dir = instance.path("").display().to_string();
    for secret in [CANARY, dir.trim_end_matches('/'), "sha256", "index.html"] {
        assert!(!text.contains(secret), "{secret}\n{told}");
    }

    let mut used = mentioned(&example("larder.rules.yml"));
    used.extend(mentioned(&example("larder.rules.test.yml")));
    used.extend(mentioned(&example("README.md")));
    let mut found = Vec::new();
    queries(&dashboard(), &mut found);
    assert!(found.len() > 10, "{found:?}");
    used.extend(found.iter().flat_map(|query| mentioned(query)));
    let unknown: Vec<_> = used.difference(&names).collect();
    assert!(unknown.is_empty(), "no such metrics: {unknown:?}");

    promtool_or_skip!();
    promtool(&["check", "metrics"], &instance.path(""), &told);
}

#[test]
fn the_alert_rules_fire_when_they_should_and_the_scrape_configuration_is_one() {
    promtool_or_skip!();
    let dir = examples();
    promtool(&["check", "rules", "larder.rules.yml"], &dir, "");
    promtool(&["test", "rules", "larder.rules.test.yml"], &dir, "");
    promtool(&["check", "config", "--syntax-only", "prometheus.yml"], &dir, "");
    // Every alert has a test.
    let (rules, tests) = (example("larder.rules.yml"), example("larder.rules.test.yml"));
    let alerts = |text: &str, key: &str| -> BTreeSet<String> {
        let lines = text.lines().filter_map(|line| line.trim().strip_prefix(key));
        lines.map(|name| name.trim().to_owned()).collect()
    };
    assert_eq!(alerts(&rules, "- alert:"), alerts(&tests, "- alertname:"));
}

#[test]
fn every_query_of_the_dashboard_is_one() {
    promtool_or_skip!();
    let mut found = Vec::new();
    queries(&dashboard(), &mut found);
    let dir = crate::support::dir();
    let rules: Vec<Value> = (0..)
        .zip(&found)
        .map(
            |(number, query): (u32, _)| json!({"record": format!("query:{number}"), "expr": query}),
        )
        .collect();
    // JSON is YAML.
    let rules = json!({"groups": [{"name": "dashboard", "rules": rules}]});
    std::fs::write(dir.path().join("rules.yml"), rules.to_string()).unwrap();
    promtool(&["check", "rules", "rules.yml"], dir.path(), "");
}
