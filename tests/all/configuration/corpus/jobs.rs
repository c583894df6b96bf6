//! Mistakes in a job.

use insta::assert_snapshot;

use super::{told, told_of_job};

#[test]
fn a_misspelt_key_is_shown_with_the_right_one() {
    assert_snapshot!(told_of_job(r#"scheduel = "0 3 * * *""#), @r#"
    error: unknown key `scheduel`
     --> it.toml:4:1
      |
    4 | scheduel = "0 3 * * *"
      | ^^^^^^^^
      |
    hint: did you mean `schedule`?
    "#);
}

#[test]
fn an_unknown_key_like_no_other_is_sent_to_the_list() {
    assert_snapshot!(told_of_job(r#"colour = "red""#), @r#"
    error: unknown key `colour`
     --> it.toml:4:1
      |
    4 | colour = "red"
      | ^^^^^^
      |
    hint: `docs/configuration.md` lists every key of `[job.NAME]`
    "#);
}

#[test]
fn a_key_of_another_type_is_named_as_such() {
    assert_snapshot!(told_of_job(r#"database = "shop""#), @r#"
    error: `database` does not belong to `type = "custom_dir"`
     --> it.toml:4:1
      |
    4 | database = "shop"
      | ^^^^^^^^
      |
    hint: it belongs to `mysql`, `postgresql`
    "#);
}

#[test]
fn a_key_below_the_wrong_header_is_sent_up() {
    assert_snapshot!(told_of_job(r"[job.web.restore]
retries = 1"), @r"
    error: unknown key `retries`
     --> it.toml:5:1
      |
    5 | retries = 1
      | ^^^^^^^
      |
    hint: it belongs to `[job.…]`: move it above this header
    ");
}

#[test]
fn a_wrong_type_says_what_it_wants() {
    assert_snapshot!(told_of_job(r#"enabled = "yes""#), @r#"
    error: `enabled` must be true or false, not a text
     --> it.toml:4:11
      |
    4 | enabled = "yes"
      |           ^^^^^
      |
    hint: write it like `true`
    "#);
}

#[test]
fn a_number_where_a_duration_belongs() {
    assert_snapshot!(told_of_job("timeout = 6"), @r#"
    error: `timeout` must be a duration, not a whole number
     --> it.toml:4:11
      |
    4 | timeout = 6
      |           ^
      |
    hint: write it like `"36h"`
    "#);
}

#[test]
fn a_duration_without_a_unit() {
    assert_snapshot!(told_of_job(r#"timeout = "6""#), @r#"
    error: `6` has no unit: s, min, h, d or w
     --> it.toml:4:11
      |
    4 | timeout = "6"
      |           ^^^
      |
    hint: write it like `"36h"`
    "#);
}

#[test]
fn a_duration_in_an_unknown_unit() {
    assert_snapshot!(told_of_job(r#"timeout = "6 fortnights""#), @r#"
    error: `fortnights` is not a unit of time: s, min, h, d or w
     --> it.toml:4:11
      |
    4 | timeout = "6 fortnights"
      |           ^^^^^^^^^^^^^^
      |
    hint: write it like `"36h"`
    "#);
}

#[test]
fn a_timeout_of_nothing() {
    assert_snapshot!(told_of_job(r#"timeout = "0s""#), @r#"
    error: a time-out of 0 ends every run at once
     --> it.toml:4:11
      |
    4 | timeout = "0s"
      |           ^^^^
      |
    hint: for instance `"6h"`
    "#);
}

#[test]
fn a_percentage_beyond_the_whole() {
    assert_snapshot!(told_of_job(r#"shrink_alarm = "150%""#), @r#"
    error: `150%` is not a whole percentage from 0% to 100%
     --> it.toml:4:16
      |
    4 | shrink_alarm = "150%"
      |                ^^^^^^
      |
    hint: write it like `"50%"`
    "#);
}

#[test]
fn a_number_out_of_its_range() {
    assert_snapshot!(told_of_job("retries = 99"), @r"
    error: `retries` must be between 0 and 10, and is 99
     --> it.toml:4:11
      |
    4 | retries = 99
      |           ^^
    ");
}

#[test]
fn an_unknown_word_of_few() {
    assert_snapshot!(told_of_job(r#"catch_up = "later""#), @r#"
    error: `catch_up` cannot be `later`
     --> it.toml:4:12
      |
    4 | catch_up = "later"
      |            ^^^^^^^
      |
    hint: allowed here: `now`, `next`
    "#);
}

#[test]
fn a_reference_to_nothing() {
    assert_snapshot!(told_of_job(r#"send_to = ["tom"]"#), @r#"
    error: job `web` uses `tom`, which no file defines
     --> it.toml:4:12
      |
    4 | send_to = ["tom"]
      |            ^^^^^
      |
    hint: define `[peer.tom]` or `[location.tom]`
    "#);
}

#[test]
fn a_reference_with_a_slip() {
    assert_snapshot!(told_of_job(r#"location = "mian""#), @r#"
    error: job `web` uses `mian`, which no file defines
     --> it.toml:4:12
      |
    4 | location = "mian"
      |            ^^^^^^
      |
    hint: did you mean `main`?
    "#);
}

#[test]
fn a_policy_that_no_file_defines() {
    assert_snapshot!(told_of_job(r#"retention = "forever""#), @r#"
    error: job `web` uses `forever`, which no file defines
     --> it.toml:4:13
      |
    4 | retention = "forever"
      |             ^^^^^^^^^
      |
    hint: define `[retention.forever]`
    "#);
}

#[test]
fn a_copy_to_where_it_is_made() {
    assert_snapshot!(told_of_job(r#"send_to = ["main"]"#), @r#"
    error: `main` is where this job's archives are made
     --> it.toml:4:12
      |
    4 | send_to = ["main"]
      |            ^^^^^^
      |
    hint: remove it from `send_to`
    "#);
}

#[test]
fn the_same_copy_twice() {
    assert_snapshot!(told_of_job(r#"send_to = ["usb", "usb"]"#), @r#"
    error: `usb` stands in `send_to` twice
     --> it.toml:4:19
      |
    4 | send_to = ["usb", "usb"]
      |                   ^^^^^
      |
    hint: remove one of them
    "#);
}

#[test]
fn a_copy_that_is_neither_name_nor_table() {
    assert_snapshot!(told_of_job("send_to = [7]"), @r"
    error: each item of `send_to` must be a name or a table, not a whole number
     --> it.toml:4:12
      |
    4 | send_to = [7]
      |            ^
    ");
}

#[test]
fn how_a_copy_travels_to_a_location() {
    assert_snapshot!(told_of_job(r#"[[job.web.send_to]]
to = "usb"
via = "http""#), @r#"
    error: `via` belongs to peers; `usb` is a location
     --> it.toml:6:7
      |
    6 | via = "http"
      |       ^^^^^^
      |
    hint: remove it
    "#);
}

#[test]
fn a_send_to_that_is_no_list() {
    assert_snapshot!(told_of_job(r#"send_to = "usb""#), @r#"
    error: `send_to` must be a list, each a name or a table, not a text
     --> it.toml:4:11
      |
    4 | send_to = "usb"
      |           ^^^^^
      |
    hint: write it like `["…"]`
    "#);
}

#[test]
fn two_jobs_with_one_label_are_told_also_while_something_else_is_wrong_with_one() {
    let job = |name: &str, more: &str| {
        format!(
            "[job.{name}]\ntype = \"custom_dir\"\nsource_path = \"/srv\"\nlabel = \"x\"\n{more}\n"
        )
    };
    let all = told(&format!("{}{}", job("a", ""), job("b", "timeout = 6")));
    assert!(all.contains("`timeout` must be a duration"), "{all}");
    assert!(all.contains("jobs `b` and `a` both put archives `jerry_x_…` at `main`"), "{all}");
}

#[test]
fn mistakes_come_with_a_remedy() {
    let long = "x".repeat(60);
    for (text, hint) in [
        (format!("[retention.{long}]\nmode = \"count\"\nvalue = 1"), "choose a shorter one"),
        (
            "[instance]\nname = \"jerry\"\nlisten = [\"unix:rel.sock\"]".to_owned(),
            "write it like `\"unix:/run/larder/web.sock\"`",
        ),
        ("[notify.me]\nmail_to = \"nobody\"".to_owned(), "write it like `\"admin@example.org\"`"),
        (
            "[job.app]\ntype = \"ynh_app\"\napp_id = \"a\"\ncore_only = \"yes\"".to_owned(),
            "write it like `true`",
        ),
    ] {
        let told = told(&text);
        assert!(told.contains(&format!("hint: {hint}\n")), "{told}");
    }
}
