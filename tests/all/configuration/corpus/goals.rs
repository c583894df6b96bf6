//! Mistakes in a job's goals, commands and restore steps.

use insta::assert_snapshot;

use super::{told, told_of_job};

#[test]
fn a_command_without_a_program() {
    assert_snapshot!(told_of_job("before = [[]]"), @r#"
    error: the command names no program
     --> it.toml:4:11
      |
    4 | before = [[]]
      |           ^^
      |
    hint: write it like `["systemctl", "stop", "web"]`
    "#);
}

#[test]
fn commands_that_are_no_list() {
    assert_snapshot!(told_of_job(r#"before = "systemctl stop web""#), @r#"
    error: `before` must be a list, each a command, not a text
     --> it.toml:4:10
      |
    4 | before = "systemctl stop web"
      |          ^^^^^^^^^^^^^^^^^^^^
      |
    hint: write it like `[["systemctl", "stop", "web"]]`
    "#);
}

#[test]
fn a_pattern_that_never_closes() {
    assert_snapshot!(told_of_job(r#"excludes = ["[a-z", "logs/"]"#), @r#"
    error: the pattern `[a-z` opens `[` and does not close it
     --> it.toml:4:13
      |
    4 | excludes = ["[a-z", "logs/"]
      |             ^^^^^^
      |
    hint: a `[` that is meant as such is written `\\[`
    "#);
}

#[test]
fn a_pattern_that_matches_nothing() {
    assert_snapshot!(told_of_job(r#"excludes = ["./cache"]"#), @r#"
    error: the pattern `./cache` matches nothing
     --> it.toml:4:13
      |
    4 | excludes = ["./cache"]
      |             ^^^^^^^^^
      |
    hint: patterns are rooted at the source: `/cache/` is the `cache` directly in it
    "#);
}

#[test]
fn a_pattern_that_every_run_would_refuse_is_refused_before() {
    for pattern in ["# temp files", "[z-a]x", "a/../b", "!", "foo/./bar", "a//b", "[[:digits:]]"] {
        let told = told_of_job(&format!("excludes = ['ok', '{pattern}']"));
        let wanted = format!("error: the pattern `{pattern}` ");
        assert!(told.starts_with(&wanted) && told.contains(" it.toml:4:19\n"), "{told}");
    }
    assert_eq!(told_of_job("excludes = ['*.{txt,log}', '{a,b', '[[:digit:]].x', '/a/**']"), "");
}

#[test]
fn a_path_that_no_archive_can_tell_of() {
    for path in [r"/x/my\ttab", r"/x/a\nb", r"\u001b[2J"] {
        let job = format!("[job.web]\ntype = 'custom_dir'\nsource_path = \"{path}\"");
        let told = told(&job);
        assert!(told.starts_with("error: a path cannot have the control character `"), "{told}");
        assert!(told.contains(" it.toml:3:15\n"), "{told}");
    }
}

#[test]
fn more_copies_off_site_than_copies() {
    assert_snapshot!(told_of_job("protect = { copies = 1, offsite = 2 }"), @r"
    error: of 1 copies, 2 cannot be off-site
     --> it.toml:4:35
      |
    4 | protect = { copies = 1, offsite = 2 }
      |                                   ^
    ");
}

#[test]
fn a_goal_that_nothing_can_meet_is_a_warning() {
    assert_snapshot!(told_of_job("protect = { copies = 3, offsite = 1 }"), @r"
    warning: `copies = 3` cannot be met: this job has 1 place
     --> it.toml:4:1
      |
    4 | protect = { copies = 3, offsite = 1 }
      | ^^^^^^^
      |
    hint: name more of them in `send_to`

    warning: `offsite = 1` cannot be met: 0 of this job's places are off-site
     --> it.toml:4:1
      |
    4 | protect = { copies = 3, offsite = 1 }
      | ^^^^^^^
      |
    hint: send copies to a peer, or to a location with `offsite = true`
    ");
}

#[test]
fn archives_that_expire_of_a_living_job() {
    assert_snapshot!(told_of_job(r#"archives = "expire""#), @r#"
    error: `archives = "expire"` belongs to `state = "absent"`
     --> it.toml:4:12
      |
    4 | archives = "expire"
      |            ^^^^^^^^
      |
    hint: a living job's archives expire by its `retention`
    "#);
}

#[test]
fn a_mode_that_is_not_octal() {
    assert_snapshot!(told_of_job(r#"restore = { permissions = { mode = "758" } }"#), @r#"
    error: `758` is not a mode of three or four octal digits
     --> it.toml:4:36
      |
    4 | restore = { permissions = { mode = "758" } }
      |                                    ^^^^^
      |
    hint: write it like `"750"`
    "#);
}

#[test]
fn a_mode_without_quotes() {
    assert_snapshot!(told_of_job("restore = { permissions = { mode = 750 } }"), @r#"
    error: `mode` must be an octal mode in quotes, not a whole number
     --> it.toml:4:36
      |
    4 | restore = { permissions = { mode = 750 } }
      |                                    ^^^
      |
    hint: write it like `"750"`
    "#);
}

#[test]
fn a_firewall_port_beyond_the_last() {
    assert_snapshot!(told_of_job("restore = { firewall_ports = [{ port = 80800 }] }"), @r"
    error: `port` must be between 1 and 65535, and is 80800
     --> it.toml:4:40
      |
    4 | restore = { firewall_ports = [{ port = 80800 }] }
      |                                        ^^^^^
    ");
}

#[test]
fn a_unit_with_its_suffix() {
    assert_snapshot!(told_of_job(r#"restore = { systemd_service = { name = "web.service" } }"#), @r#"
    error: a unit is named without `.service` and without a path
     --> it.toml:4:40
      |
    4 | restore = { systemd_service = { name = "web.service" } }
      |                                        ^^^^^^^^^^^^^
      |
    hint: for instance `name = "web"`
    "#);
}

#[test]
fn a_label_that_cannot_be_a_name() {
    assert_snapshot!(told_of_job(r#"label = "my web""#), @r#"
    error: `my web` has the character ' '; a name has letters, digits, `_`, `-` and `.`, and begins with a letter, a digit or `_`
     --> it.toml:4:9
      |
    4 | label = "my web"
      |         ^^^^^^^^
    "#);
}

#[test]
fn a_name_too_long_for_yunohost() {
    assert_snapshot!(told_of_job(r#"label = "a-very-long-label-for-a-small-job""#), @r#"
    error: archives of `web` would be called `jerry_a-very-long-label-for-a-small-job_20260508-99`: 51 characters, 50 are allowed
     --> it.toml:4:9
      |
    4 | label = "a-very-long-label-for-a-small-job"
      |         ^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^
      |
    hint: write a `label` of at most 32 characters into this job
    "#);
}

#[test]
fn assertions_belong_to_databases() {
    let told = told_of_job(r#"drill = { schedule = "0 5 1 * *", assert = ["SELECT 1"] }"#);
    assert!(told.contains("this job has no database to run it in"), "{told}");
    assert!(told.contains("it.toml:4:"), "{told}");
    assert_eq!(told_of_job(r#"drill = { schedule = "0 5 1 * *" }"#), "");
}
