//! `docs/configuration.md`: one table of every key.

use std::fmt::Write as _;

use crate::config::keys::{Form, Key, Kind, Need, Table};

const HEAD: &str = "\
# Configuration

<!-- Generated from the descriptions in `src/config/keys/`; a test fails when it is stale. -->

larder reads every `*.toml` below its configuration directory (`/etc/larder`, `--config DIR`,
`LARDER_CONFIG`), hidden files and `*~` aside. Files may be laid out in any way: what counts is the
name of each table. The same table twice is an error that names both places. Relative paths are
relative to the file that names them. `larder check` tells every mistake of every file at once;
`larder config show` prints what is in force, with every default filled in.

- **Sizes** are texts with a unit: `\"512 MiB\"`, `\"1.5 TiB\"` (or `kB`, `MB`, `GB`, `TB`, in thousands).
- **Durations** are texts with a unit: `\"90 min\"`, `\"6h\"`, `\"14d\"`, `\"1d 12h\"`. A day has 24 hours.
- **Schedules** have the five fields of crontab(5), or are one of `@hourly`, `@daily`, `@weekly`, `@monthly`, `@yearly`.
- **Names** have up to 50 letters, digits, `_`, `-` and `.`, and begin with a letter, a digit or `_`.
- **Secrets** never stand in the configuration: they are
  `{ file = \"…\" }`, `{ credential = \"…\" }` (systemd), `{ env = \"…\" }` or `{ command = [\"…\"] }`.
- **Commands** are lists of arguments; a text is a line for `/bin/sh -c`.
- **Recipients** are age recipients, `\"age1…\"`.

An editor that knows `#:schema` checks while you type when a file begins with
`#:schema /usr/share/larder/larder.schema.json`.
";

/// The documentation of every key, as Markdown.
#[must_use]
pub fn docs() -> String {
    let mut text = HEAD.to_owned();
    for kind in Kind::ALL {
        add_table(&mut text, kind.table(), "##");
    }
    text
}

fn add_table(text: &mut String, table: &'static Table, level: &str) {
    let _ = writeln!(text, "\n{level} `[{}]`\n\n{}\n", table.title, table.doc);
    let _ = writeln!(text, "| key | type | unit | default | example | meaning |");
    let _ = writeln!(text, "|---|---|---|---|---|---|");
    for key in table.keys {
        let _ = writeln!(
            text,
            "| `{}` | {} | {} | {} | {} | {} |",
            key.name,
            cell(&kind_of(key)),
            if key.unit.is_empty() { key.form.unit() } else { key.unit },
            cell(&default_of(key)),
            code(key.example),
            cell(&meaning(table, key)),
        );
    }
    for below in table.keys.iter().filter_map(|key| key.form.below()) {
        add_table(text, below, "###");
    }
}

fn kind_of(key: &Key) -> String {
    match &key.form {
        Form::Integer(least, 100_000) => format!("a whole number, {least} or more"),
        form => form.words(),
    }
}

fn default_of(key: &Key) -> String {
    match key.need {
        Need::Required => "**required**".to_owned(),
        Need::Default(text) => code(text),
        Need::Optional(words) => words.to_owned(),
    }
}

fn meaning(table: &Table, key: &Key) -> String {
    let (Some(switch), [_, ..]) = (table.switch, key.only) else { return key.doc.to_owned() };
    let only: Vec<_> = key.only.iter().map(|word| format!("`{word}`")).collect();
    format!("{} Only with `{switch}` {}.", key.doc, only.join(", "))
}

fn code(text: &str) -> String {
    cell(&format!("`{text}`"))
}

fn cell(text: &str) -> String {
    text.replace('|', "\\|")
}
