//! The table of layers in `src/lib.rs` holds: imports go downward only.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

/// What each module imports, beside itself. A row names rows above it only: the order is the proof
/// that nothing imports in a circle.
const TABLE: &[(&str, &[&str])] = &[
    ("model", &[]),
    ("reconcile", &["model"]),
    ("status", &["model", "reconcile"]),
    ("notices", &["model", "reconcile", "status"]),
    ("stop", &[]),
    ("causes", &[]),
    ("progress", &[]),
    ("durable", &[]),
    ("patience", &[]),
    ("process", &["model", "stop"]),
    ("secret", &["model", "stop", "process"]),
    ("source", &["model", "stop"]),
    ("archive", &["model", "stop", "progress", "source"]),
    ("location", &["model", "durable", "patience"]),
    ("database", &["model", "stop", "progress", "process", "secret", "source"]),
    ("yunohost", &["model", "stop", "process"]),
    (
        "restore",
        &[
            "model", "stop", "causes", "progress", "durable", "process", "secret", "source",
            "archive", "database", "yunohost",
        ],
    ),
    ("coverage", &["model", "stop", "source", "database"]),
    (
        "config",
        &["model", "stop", "durable", "patience", "source", "archive", "database", "yunohost"],
    ),
    (
        "recover",
        &[
            "model", "stop", "causes", "progress", "archive", "location", "yunohost", "restore",
            "config",
        ],
    ),
    ("peer", &["model", "stop", "causes", "progress", "durable", "process", "secret"]),
    ("delivery", &["model", "stop", "causes", "process", "secret"]),
    ("state", &["model", "durable"]),
    (
        "engine",
        &[
            "model",
            "reconcile",
            "status",
            "notices",
            "stop",
            "causes",
            "progress",
            "durable",
            "patience",
            "process",
            "secret",
            "source",
            "archive",
            "location",
            "database",
            "yunohost",
            "restore",
            "coverage",
            "config",
            "peer",
            "delivery",
            "state",
        ],
    ),
    (
        "api",
        &[
            "model",
            "reconcile",
            "status",
            "stop",
            "causes",
            "progress",
            "archive",
            "restore",
            "coverage",
            "config",
            "engine",
        ],
    ),
    // The page is a client of the API: of the rest it needs who may come in.
    ("dashboard", &["model", "engine", "api"]),
    ("publish", &["model", "durable", "engine", "api"]),
    ("daemon", &["stop", "engine", "api", "dashboard", "publish"]),
    (
        "cli",
        &[
            "model",
            "reconcile",
            "stop",
            "causes",
            "progress",
            "durable",
            "secret",
            "archive",
            "location",
            "yunohost",
            "restore",
            "coverage",
            "config",
            "recover",
            "peer",
            "engine",
            "api",
            "daemon",
        ],
    ),
];

/// The source files below a directory.
pub(crate) fn files(dir: &Path, found: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(dir).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            files(&path, found);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            found.push(path);
        }
    }
}

/// The files of the program without its tests, each with the module it belongs to, its path below
/// `src` and its lines, those of comments empty. Tests may look at anything.
fn code() -> Vec<(String, PathBuf, String)> {
    let src = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut all = Vec::new();
    files(&src, &mut all);
    let relative = all.iter().map(|path| path.strip_prefix(&src).unwrap().to_owned());
    let of_program = relative.filter(|path| {
        !path.to_str().unwrap().contains("tests")
            && !["lib.rs", "main.rs"].map(Path::new).contains(&path.as_path())
    });
    let read = |path: PathBuf| {
        let text = std::fs::read_to_string(src.join(&path)).unwrap();
        let code = text.split("#[cfg(test)]\nmod tests {").next().unwrap();
        let lines =
            code.lines().map(|line| if line.trim_start().starts_with("//") { "" } else { line });
        let module = path.iter().next().unwrap().to_str().unwrap().trim_end_matches(".rs");
        (module.to_owned(), path.clone(), lines.collect::<Vec<_>>().join("\n"))
    };
    of_program.map(read).collect()
}

/// The word that a text begins with.
fn word(text: &str) -> String {
    text.chars().take_while(|c| c.is_ascii_alphanumeric() || *c == '_').collect()
}

/// The modules that are named behind `crate::`: one, or several in braces.
fn named(behind: &str) -> Vec<String> {
    let Some(group) = behind.strip_prefix('{') else { return vec![word(behind)] };
    let (mut depth, mut item, mut names) = (1, String::new(), Vec::new());
    for letter in group.chars() {
        match letter {
            '{' => depth += 1,
            '}' => depth -= 1,
            _ => {}
        }
        if depth == 0 || (depth == 1 && letter == ',') {
            names.push(word(item.trim_start()));
            item.clear();
        } else {
            item.push(letter);
        }
        if depth == 0 {
            break;
        }
    }
    names.retain(|name| !name.is_empty());
    names
}

#[test]
fn what_stands_in_braces_is_an_import_like_any_other() {
    assert_eq!(named("config::{a, b};"), ["config"]);
    assert_eq!(named("{config, reconcile::{self, b}, status};"), ["config", "reconcile", "status"]);
    assert_eq!(named("{\n    config::a,\n    status,\n};"), ["config", "status"]);
}

/// Which module uses which, with the places.
fn edges() -> BTreeMap<(String, String), Vec<String>> {
    let mut edges: BTreeMap<(String, String), Vec<String>> = BTreeMap::new();
    for (module, path, code) in code() {
        for (at, found) in code.match_indices("crate::") {
            let place = || format!("{}:{}", path.display(), code[..at].matches('\n').count() + 1);
            for used in named(&code[at + found.len()..]).into_iter().filter(|used| *used != module)
            {
                edges.entry((module.clone(), used)).or_default().push(place());
            }
        }
    }
    edges
}

#[test]
fn imports_go_downward_only_and_every_row_says_what_is_imported() {
    let permitted: BTreeSet<(String, String)> = TABLE
        .iter()
        .flat_map(|(module, below)| {
            below.iter().map(|one| ((*module).to_owned(), (*one).to_owned()))
        })
        .collect();
    let edges = edges();
    let mut wrong = Vec::new();
    for ((module, used), places) in &edges {
        if !permitted.contains(&(module.clone(), used.clone())) {
            wrong.push(format!("{module} uses {used}: {}", places.join(", ")));
        }
    }
    for (module, used) in &permitted {
        if !edges.contains_key(&(module.clone(), used.clone())) {
            wrong.push(format!("{module} may use {used}, and does not"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn each_row_names_rows_above_it_only_and_each_module_has_one() {
    let mut above: Vec<&str> = Vec::new();
    for (module, below) in TABLE {
        assert!(!above.contains(module), "`{module}` has two rows");
        let mut seen = BTreeSet::new();
        for one in *below {
            assert!(above.contains(one), "`{module}` names `{one}`, which is not above it");
            assert!(seen.insert(one), "`{module}` names `{one}` twice");
        }
        above.push(module);
    }
    let modules: BTreeSet<String> = code().into_iter().map(|(module, ..)| module).collect();
    let rows: BTreeSet<String> = above.into_iter().map(str::to_owned).collect();
    assert_eq!(modules, rows);
}

/// `super::super::…` that leads out of a module of the table would be an import that nobody sees.
#[test]
fn nobody_leaves_its_module_upward() {
    let mut wrong = Vec::new();
    for (_, path, code) in code() {
        let depth = path.components().count();
        for (number, line) in code.lines().enumerate() {
            let Some((_, rest)) = line.split_once("use super::") else { continue };
            // What is further in stands in a module of this file, one level deeper.
            let inner = usize::from(line.starts_with(' '));
            let up = 1 + rest.split("::").take_while(|part| *part == "super").count();
            if up >= depth + inner {
                wrong.push(format!("{}:{}: {line}", path.display(), number + 1));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// The table in `src/lib.rs` that people read says the same in fewer rows.
#[test]
fn the_layers_that_are_told_are_those_that_hold() {
    let text = std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("src/lib.rs"));
    let text = text.unwrap();
    let mut layer = BTreeMap::new();
    for (height, name) in ["decide", "touch", "run", "show"].into_iter().enumerate() {
        let row = text.lines().find(|line| line.starts_with(&format!("//! | {name} |"))).unwrap();
        let modules = row.split('|').nth(2).unwrap();
        for module in modules.split("[`").skip(1) {
            let before = layer.insert(word(module), height);
            assert_eq!(before, None, "{module} stands in two rows");
        }
    }
    let rows: Vec<&str> = TABLE.iter().map(|(module, _)| *module).collect();
    assert_eq!(layer.len(), rows.len(), "{layer:?}");
    for (module, below) in TABLE {
        for one in *below {
            assert!(
                layer[*one] <= layer[*module],
                "{module} uses {one}, which is told as above it"
            );
        }
    }
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
