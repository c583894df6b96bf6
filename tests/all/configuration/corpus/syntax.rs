//! Mistakes in TOML itself, and in the shape of a file.

use insta::assert_snapshot;

use super::told;

#[test]
fn a_job_that_is_no_table() {
    assert_snapshot!(told(r#"[job]
a = "custom_dir""#), @r#"
    error: expected a table, found a text
     --> it.toml:2:5
      |
    2 | a = "custom_dir"
      |     ^^^^^^^^^^^^
    "#);
}

#[test]
fn jobs_that_are_a_list() {
    assert_snapshot!(told(r#"[[job]]
type = "custom_dir"
source_path = "/srv""#), @r"
    error: `job` must be tables with names, and is a list
     --> it.toml:1:3
      |
    1 | [[job]]
      |   ^^^
      |
    hint: write `[job.NAME]`
    ");
}

#[test]
fn an_unknown_table() {
    assert_snapshot!(told(r#"[locations.main]
path = "/srv""#), @r"
    error: unknown table `locations`
     --> it.toml:1:2
      |
    1 | [locations.main]
      |  ^^^^^^^^^
      |
    hint: did you mean `location`?
    ");
}

#[test]
fn a_key_outside_of_every_table() {
    assert_snapshot!(told("retries = 3"), @r"
    error: unknown table `retries`
     --> it.toml:1:1
      |
    1 | retries = 3
      | ^^^^^^^
      |
    hint: known here: `instance`, `recovery`, `defaults`, `retention`, `location`, `job`, `peer`, `token`, `notify`
    ");
}

#[test]
fn a_quote_that_never_closes() {
    assert_snapshot!(told(r#"[job.a]
type = "custom_dir
source_path = "/a""#), @r#"
    error: invalid basic string, expected `"`
     --> it.toml:2:19
      |
    2 | type = "custom_dir
      |                   ^
      |
    hint: is the closing quote missing?
    "#);
}

#[test]
fn a_header_that_never_closes() {
    assert_snapshot!(told(r#"[job.a
type = "custom_dir""#), @r"
    error: unclosed table, expected `]`
     --> it.toml:1:7
      |
    1 | [job.a
      |       ^
    ");
}

#[test]
fn a_text_without_quotes() {
    assert_snapshot!(told(r#"[job.a]
type = custom_dir
source_path = "/a""#), @r#"
    error: string values must be quoted, expected literal string
     --> it.toml:2:8
      |
    2 | type = custom_dir
      |        ^^^^^^^^^^
      |
    hint: texts stand in quotes: key = "text"
    "#);
}

#[test]
fn the_same_key_twice() {
    assert_snapshot!(told(r#"[location.x]
path = "/a"
path = "/b""#), @r#"
    error: duplicate key
     --> it.toml:3:1
      |
    3 | path = "/b"
      | ^^^^
      |
    hint: a key, and a table, is written once; add to the first one
    "#);
}

#[test]
fn a_merge_conflict() {
    assert_snapshot!(told(r#"[location.x]
<<<<<<< HEAD
path = "/a"
=======
path = "/b"
>>>>>>> other"#), @r"
    error: a merge conflict was left in this file
     --> it.toml:2:1
      |
    2 | <<<<<<< HEAD
      | ^^^^^^^^^^^^
      |
    hint: keep one side of it and delete the marker lines

    error: a merge conflict was left in this file
     --> it.toml:4:1
      |
    4 | =======
      | ^^^^^^^
      |
    hint: keep one side of it and delete the marker lines

    error: a merge conflict was left in this file
     --> it.toml:6:1
      |
    6 | >>>>>>> other
      | ^^^^^^^^^^^^^
      |
    hint: keep one side of it and delete the marker lines
    ");
}

#[test]
fn an_error_behind_wide_letters_points_at_its_column() {
    assert_snapshot!(told(r#"[location.x]
path = "/données" # é
"clé" = 1"#), @r#"
    error: unknown key `clé`
     --> it.toml:3:1
      |
    3 | "clé" = 1
      | ^^^^^
      |
    hint: known here: `type`, `path`, `compress`, `encrypt_to`, `removable`, `require_mount`, `min_free`, `offsite`, `identity`, `trash`
    "#);
}
