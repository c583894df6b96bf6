//! The table of layers in `src/lib.rs` holds: imports go downward only.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// What each module may import, beside itself.
const TABLE: &[(&str, &[&str])] = &[
    ("model", &[]),
    ("reconcile", &["model"]),
    ("status", &["model", "reconcile"]),
    ("notices", &["model", "reconcile", "status"]),
    ("stop", &[]),
    ("causes", &[]),
    ("progress", &[]),
    ("durable", &[]),
    ("process", &["model", "stop"]),
    ("secret", &["model", "process", "stop"]),
    ("source", &["model", "stop"]),
    ("archive", &["model", "source", "stop", "progress", "durable"]),
    ("location", &["model", "durable"]),
    ("database", &["model", "stop", "progress", "process", "secret", "source"]),
    ("yunohost", &["model", "stop", "process"]),
    (
        "restore",
        &[
            "causes", "model", "stop", "progress", "process", "secret", "source", "archive",
            "database", "yunohost", "durable",
        ],
    ),
    ("coverage", &["model", "stop", "database", "source"]),
    ("peer", &["causes", "model", "stop", "progress", "process", "secret", "archive", "durable"]),
    ("delivery", &["causes", "model", "stop", "process", "secret"]),
    (
        "recover",
        &[
            "causes", "model", "stop", "progress", "archive", "location", "config", "restore",
            "yunohost",
        ],
    ),
    (
        "config",
        &["durable", "model", "secret", "source", "archive", "database", "yunohost", "stop"],
    ),
    ("state", &["model", "durable"]),
    (
        "engine",
        &[
            "causes",
            "model",
            "reconcile",
            "status",
            "notices",
            "delivery",
            "peer",
            "stop",
            "progress",
            "durable",
            "process",
            "secret",
            "source",
            "archive",
            "location",
            "config",
            "state",
            "database",
            "yunohost",
            "restore",
            "coverage",
        ],
    ),
    (
        "api",
        &[
            "causes",
            "model",
            "reconcile",
            "status",
            "stop",
            "progress",
            "config",
            "archive",
            "coverage",
            "restore",
            "engine",
        ],
    ),
    // The page is a client of the API: of the rest it needs who may come in.
    ("dashboard", &["model", "engine", "api"]),
    ("publish", &["model", "durable", "engine", "api"]),
    (
        "cli",
        &[
            "causes",
            "model",
            "reconcile",
            "status",
            "stop",
            "progress",
            "durable",
            "config",
            "archive",
            "source",
            "engine",
            "api",
            "daemon",
            "location",
            "database",
            "yunohost",
            "restore",
            "coverage",
            "peer",
            "recover",
            "peer",
            "secret",
        ],
    ),
    ("daemon", &["stop", "engine", "api", "dashboard", "publish"]),
];

fn files(dir: &Path, found: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(dir).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            files(&path, found);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            found.push(path);
        }
    }
}

#[test]
fn imports_go_downward_only() {
    let src = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let table: BTreeMap<&str, &[&str]> = TABLE.iter().copied().collect();
    let mut all = Vec::new();
    files(&src, &mut all);
    let mut wrong = Vec::new();
    for path in all {
        let relative = path.strip_prefix(&src).unwrap();
        let first = relative.iter().next().unwrap().to_str().unwrap();
        let module = first.trim_end_matches(".rs");
        if ["lib", "main"].contains(&module) {
            continue;
        }
        let allowed = table.get(module).unwrap_or_else(|| panic!("no row for `{module}`"));
        let text = std::fs::read_to_string(&path).unwrap();
        // Tests may look at anything.
        let code = text.split("#[cfg(test)]\nmod tests {").next().unwrap();
        if relative.to_str().unwrap().contains("tests") {
            continue;
        }
        for (number, line) in code.lines().enumerate() {
            if line.trim_start().starts_with("//") {
                continue;
            }
            for part in line.split("crate::").skip(1) {
                let used: String =
                    part.chars().take_while(|c| c.is_ascii_alphanumeric() || *c == '_').collect();
                if used != module && !used.is_empty() && !allowed.contains(&used.as_str()) {
                    wrong.push(format!(
                        "{}:{}: {module} uses {used}",
                        relative.display(),
                        number + 1
                    ));
                }
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn only_one_module_knows_redb_and_one_knows_cron() {
    let src = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut all = Vec::new();
    files(&src, &mut all);
    for (word, home) in
        [("redb::", "state"), ("cron::", "model/schedule"), ("chrono::", "model/schedule")]
    {
        for path in &all {
            let relative = path.strip_prefix(&src).unwrap().to_str().unwrap();
            let text = std::fs::read_to_string(path).unwrap();
            let used = text.lines().any(|line| {
                !line.trim_start().starts_with("//")
                    && line
                        .split(|c: char| !(c.is_alphanumeric() || c == '_' || c == ':'))
                        .any(|w| w.starts_with(word))
            });
            assert!(!used || relative.starts_with(home), "{relative} knows {word}");
        }
    }
}
