//! Patterns against what is promised of them, and against git itself.

use std::io::Write as _;
use std::path::Path;
use std::process::{Command, Stdio};

use proptest::prelude::*;
use proptest::sample::select;
use proptest::test_runner::Config;

use super::*;

fn left_out(patterns: &[&str], path: &str, is_directory: bool) -> bool {
    let patterns: Vec<String> = patterns.iter().map(ToString::to_string).collect();
    Excludes::new(&patterns).expect("valid").leave_out(path.as_bytes(), is_directory)
}

#[test]
fn patterns_mean_what_they_mean_in_a_gitignore() {
    assert!(left_out(&["cache/"], "a/cache", true));
    assert!(!left_out(&["cache/"], "a/cache", false));
    assert!(left_out(&["/cache"], "cache", false));
    assert!(!left_out(&["/cache"], "a/cache", false));
    assert!(left_out(&["*.tmp"], "a/b.tmp", false));
    assert!(!left_out(&["*.tmp", "!keep.tmp"], "a/keep.tmp", false));
    assert!(left_out(&["a/**/z"], "a/b/c/z", false));
    assert!(left_out(&["[ab].x"], "b.x", false));
    assert!(left_out(&["a/**"], "a/b", false) && !left_out(&["a/**"], "a", true));
    assert!(!left_out(&[], "anything", true));
}

#[test]
fn only_what_leaves_out_every_name_leaves_out_everything() {
    for everything in ["*", "**", "/*", "/**", "**/*", "?*"] {
        assert!(leaves_out_everything(everything), "{everything}");
    }
    for some in ["!*", "*/", "*.*", ".*", "a*", "*.tmp", "/*/*", "cache/", "[a-z]*", "["] {
        assert!(!leaves_out_everything(some), "{some}");
    }
}

#[test]
fn braces_are_letters_as_they_are_to_git() {
    assert!(!left_out(&["*.{txt,log}"], "a.txt", false));
    assert!(left_out(&["*.{txt,log}"], "a.{txt,log}", false));
    assert!(!left_out(&["a{b}"], "ab", false));
    assert!(left_out(&["a{b"], "a{b", false));
}

#[test]
fn patterns_that_only_look_like_patterns_are_refused() {
    for pattern in [
        "[x",
        "a[",
        "[]",
        "[!]",
        "a\\",
        "",
        "  ",
        "# note",
        "# temp files",
        "/",
        "!",
        "!/",
        "//",
        "../x",
        "./x",
        "a/../b",
        "foo/./bar",
        "..",
        ".",
        "\\.",
        "a//b",
        "a//",
        "a\nb",
        "a\r",
        "a\\/b",
        "[z-a]x",
        "[a/b]",
        "[+-/]",
        "[é]",
        "[[:digits:]]",
        "[[:digit]",
        "[[:",
        "[:digit:]",
        "a/b**",
        "**b/c",
        "a/***b/c",
    ] {
        let error = check_pattern(pattern);
        assert!(error.as_ref().is_err_and(|e| e.pattern == pattern), "{pattern:?}: {error:?}");
    }
}

#[test]
fn a_pattern_of_many_stars_is_answered_at_once() {
    let name = "a".repeat(250);
    let path = vec![name.as_str(); 15].join("/");
    let stars = format!("{}b", "*a".repeat(120));
    assert!(!left_out(&[&stars, &format!("{}b", "**/*a*/".repeat(14))], &path, false));
}

#[test]
fn the_first_directory_that_is_left_out_is_found() {
    let excludes = Excludes::new(&["cache/".to_owned()]).unwrap();
    let found = |path: &'static str| excludes.on_the_way(Path::new(path));
    assert_eq!(found("a/cache/b"), Some(Path::new("a/cache")));
    assert_eq!(found("a/cached"), None);
    assert_eq!(found(""), None);
}

/// Which of the paths a walk leaves out, asking for directories on the way as it does.
fn ours(patterns: &[String], paths: &[Vec<u8>]) -> Vec<bool> {
    let excludes = Excludes::new(patterns).expect("accepted patterns");
    let is_out = |path: &Vec<u8>| {
        let mut ends = path.iter().enumerate().filter(|(_, byte)| **byte == b'/');
        ends.any(|(end, _)| excludes.leave_out(&path[..end], true))
            || excludes.leave_out(path, false)
    };
    paths.iter().map(is_out).collect()
}

/// A repository whose only rules are those that a test writes.
struct Git(tempfile::TempDir);

impl Git {
    fn new() -> Self {
        let git = Self(tempfile::tempdir().unwrap());
        let made = git.command(&["init", "--quiet", "."]).status().unwrap();
        assert!(made.success());
        git
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new("git");
        let nobody = [("GIT_CONFIG_NOSYSTEM", "1"), ("GIT_CONFIG_GLOBAL", "/dev/null")];
        command.args(arguments).current_dir(self.0.path()).env_clear().envs(nobody);
        command.env("PATH", std::env::var_os("PATH").unwrap());
        command
    }

    /// Which of these files, none of which is there, git would ignore.
    fn ignores(&self, patterns: &[String], paths: &[Vec<u8>]) -> Vec<bool> {
        let rules = patterns.join("\n") + "\n";
        let info = self.0.path().join(".git/info");
        std::fs::create_dir_all(&info).unwrap();
        std::fs::write(info.join("exclude"), rules).unwrap();
        let asked = ["check-ignore", "--no-index", "--verbose", "--non-matching", "-z", "--stdin"];
        let mut child = self
            .command(&asked)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut stdin = child.stdin.take().unwrap();
        // Without `./`, a `:` at the beginning would be magic.
        let asked = paths.iter().flat_map(|path| [&b"./"[..], path, b"\0"].concat());
        stdin.write_all(&asked.collect::<Vec<u8>>()).unwrap();
        drop(stdin);
        let output = child.wait_with_output().unwrap();
        assert!(output.stderr.is_empty(), "{}", String::from_utf8_lossy(&output.stderr));
        // Source, line, pattern and path of each.
        let fields: Vec<&[u8]> = output.stdout.split(|byte| *byte == 0).collect();
        let answers: Vec<bool> = fields
            .chunks_exact(4)
            .map(|answer| !answer[2].is_empty() && !answer[2].starts_with(b"!"))
            .collect();
        assert_eq!(answers.len(), paths.len(), "{patterns:?} {paths:?}");
        answers
    }
}

const PIECES: &[&str] = &[
    "*",
    "**",
    "?",
    "/",
    "/",
    "a",
    "b",
    "ab",
    ".",
    "!",
    "#",
    "-",
    ",",
    "{",
    "}",
    "[",
    "]",
    "[ab]",
    "[!a]",
    "[^b]",
    "[]a]",
    "[a-c]",
    "[!-.]",
    "[[:alpha:]]",
    "[[:punct:]b]",
    "[\\]b]",
    "\\",
    "\\*",
    "\\ ",
    " ",
    ":",
    "^",
    "é",
    "1",
];
const NAMES: &[&str] = &[
    "a", "b", "ab", "ba", "aab", "c", "1", "a.b", ".a", "*", "**", "?", "{a,b}", "{", "}", "a{b}",
    "[ab]", "[", "]", "!", "!a", "#", "#a", "-", "\\", "a\\", " ", "a ", ",", ":", "^", "é", "\t",
];

fn pattern() -> impl Strategy<Value = String> {
    proptest::collection::vec(select(PIECES), 1..7).prop_map(|pieces| pieces.concat())
}

fn path() -> impl Strategy<Value = Vec<u8>> {
    proptest::collection::vec(select(NAMES), 1..5).prop_map(|names| names.join("/").into_bytes())
}

#[test]
fn whatever_is_accepted_means_what_it_means_to_git() {
    let git = Git::new();
    let several = proptest::collection::vec(
        pattern().prop_filter("refused", |pattern| check_pattern(pattern).is_ok()),
        1..4,
    );
    let paths = proptest::collection::vec(path(), 1..40);
    let mut runner = proptest::test_runner::TestRunner::new(Config {
        cases: 250,
        failure_persistence: None,
        ..Config::default()
    });
    let outcome = runner.run(&(several, paths), |(patterns, paths)| {
        let told = git.ignores(&patterns, &paths);
        let wrong = ours(&patterns, &paths).into_iter().zip(told).zip(&paths);
        for ((ours, gits), path) in wrong {
            let path = String::from_utf8_lossy(path);
            prop_assert!(ours == gits, "{patterns:?} on {path:?}: git says {gits}");
        }
        Ok(())
    });
    outcome.unwrap();
}

#[test]
fn every_class_of_letters_has_the_members_that_git_gives_it() {
    let git = Git::new();
    let names: Vec<Vec<u8>> =
        (1..=255_u8).filter(|byte| *byte != b'/').map(|b| vec![b'n', b]).collect();
    for class in [
        "alnum", "alpha", "blank", "cntrl", "digit", "graph", "lower", "print", "punct", "space",
        "upper", "xdigit",
    ] {
        for pattern in [format!("n[[:{class}:]]"), format!("n[![:{class}:]]")] {
            let patterns = [pattern];
            assert_eq!(ours(&patterns, &names), git.ignores(&patterns, &names), "{class}");
        }
    }
}
