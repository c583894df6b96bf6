//! What holds for every command.

use clap::{Command, CommandFactory as _, Parser as _};

use super::Cli;

#[test]
fn the_command_line_is_well_formed() {
    Cli::command().debug_assert();
}

fn each(command: &Command, path: &str, check: &mut impl FnMut(&str, &Command)) {
    let path = format!("{path} {}", command.get_name());
    check(path.trim(), command);
    for below in command.get_subcommands() {
        each(below, &path, check);
    }
}

#[test]
fn the_help_of_every_command_has_an_example() {
    each(&Cli::command(), "", &mut |path, command| {
        let help = command.get_after_help().map(ToString::to_string).unwrap_or_default();
        assert!(help.contains("Example"), "`{path} --help` has no example");
        assert!(help.contains("larder"), "the example of `{path}` does not call larder");
    });
}

#[test]
fn every_command_says_what_it_does_in_one_line_without_a_full_stop() {
    each(&Cli::command(), "", &mut |path, command| {
        let about = command.get_about().map(ToString::to_string).unwrap_or_default();
        assert!(!about.is_empty() && !about.ends_with('.'), "{path}: {about:?}");
        assert!(!about.contains('\n'), "{path}: {about:?}");
    });
}

#[test]
fn every_example_of_a_help_text_is_a_command_that_is_understood() {
    let mut seen = 0;
    each(&Cli::command(), "", &mut |path, command| {
        let help = command.get_after_help().map(ToString::to_string).unwrap_or_default();
        let lines = help.lines().filter_map(|line| line.strip_prefix("  larder "));
        for line in lines {
            // Comments stand behind two blanks; what is behind a pipe is another program's.
            let line = line.split("  ").next().unwrap_or_default();
            let line = line.split(['|', '>']).next().unwrap_or_default();
            let words = line.split_whitespace();
            let parsed = Cli::try_parse_from(std::iter::once("larder").chain(words));
            assert!(parsed.is_ok(), "{path}: `larder {line}`: {}", parsed.err().unwrap());
            seen += 1;
        }
    });
    assert!(seen > 40, "only {seen} examples were found");
}

#[test]
fn backup_is_run_and_verify_is_archive_verify() {
    for words in [
        &["larder", "backup", "web"][..],
        &["larder", "verify", "web@latest"],
        &["larder", "archive", "verify", "--all", "--config", "/tmp/x", "-q"],
    ] {
        let parsed = Cli::try_parse_from(words);
        assert!(parsed.is_ok(), "{words:?}: {}", parsed.err().unwrap());
    }
}

#[test]
fn a_time_that_is_none_is_a_usage_error() {
    let error = Cli::try_parse_from(["larder", "jobs", "--at", "tomorrow"]).err().unwrap();
    assert_eq!(error.exit_code(), 2);
    assert!(error.to_string().contains("RFC 3339"), "{error}");
}
