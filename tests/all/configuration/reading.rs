//! Reading the directory itself, whatever lies in it.

use std::fs;
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::path::Path;

use larder::config::{ConfigError, commit_of, parse, read_dir, render};
use tempfile::TempDir;

const GOOD: &str = "[instance]\nname = 'jerry'\n";

fn directory(texts: &[(&str, &str)]) -> TempDir {
    let dir = tempfile::tempdir().unwrap();
    for (name, text) in texts {
        write(dir.path(), name, text.as_bytes());
    }
    dir
}

fn write(dir: &Path, name: &str, bytes: &[u8]) {
    let path = dir.join(name);
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(path, bytes).unwrap();
}

fn names(dir: &Path) -> Vec<String> {
    read_dir(dir).unwrap().0.files.into_keys().collect()
}

#[test]
fn every_toml_below_is_read_and_nothing_else() {
    let dir = directory(&[
        ("b.toml", GOOD),
        ("jobs/deep/a.toml", GOOD),
        ("a.toml~", "x"),
        ("backup~/a.toml", "x"),
        (".hidden.toml", "x"),
        (".git/config.toml", "x"),
        ("README.md", "x"),
        ("toml", "x"),
    ]);
    assert_eq!(names(dir.path()), ["b.toml", "jobs/deep/a.toml"]);
}

#[test]
fn links_are_followed_and_a_loop_ends() {
    let dir = directory(&[("jobs/a.toml", GOOD)]);
    let elsewhere = directory(&[("b.toml", GOOD)]);
    symlink(elsewhere.path(), dir.path().join("linked")).unwrap();
    symlink(elsewhere.path().join("b.toml"), dir.path().join("one.toml")).unwrap();
    symlink("..", dir.path().join("jobs/up")).unwrap();
    assert_eq!(names(dir.path()), ["jobs/a.toml", "linked/b.toml", "one.toml"]);
}

#[test]
fn a_directory_that_is_missing_or_emptied_is_an_error_of_its_own() {
    let dir = directory(&[("README.md", "x"), (".git/HEAD", "x")]);
    assert!(matches!(read_dir(dir.path()), Err(ConfigError::Empty(_))));
    assert!(matches!(read_dir(&dir.path().join("none")), Err(ConfigError::Missing(_))));
    let file = dir.path().join("README.md");
    assert!(matches!(read_dir(&file), Err(ConfigError::NotADirectory(_))));
}

/// What is told of files that are there and cannot be used.
fn told(dir: &Path) -> String {
    let (files, diagnostics) = read_dir(dir).unwrap();
    assert!(parse(&files, dir).desired.is_none(), "what is unreadable must not be passed over");
    render(&diagnostics, false)
}

#[test]
fn a_file_of_100_mib_is_refused_without_being_read() {
    let dir = directory(&[("good.toml", GOOD)]);
    let file = fs::File::create(dir.path().join("big.toml")).unwrap();
    file.set_len(100 << 20).unwrap();
    insta::assert_snapshot!(told(dir.path()), @r"
    error: the file is larger than 1 MiB
    --> big.toml
     |
    hint: a configuration is not that long; was something else put here?
    ");
}

#[test]
fn a_file_that_is_not_utf_8_is_told_with_its_line() {
    let dir = directory(&[("good.toml", GOOD)]);
    write(dir.path(), "latin.toml", b"[job.a]\n# caf\xe9\n");
    insta::assert_snapshot!(told(dir.path()), @r"
    error: line 2 is not UTF-8
    --> latin.toml
     |
    hint: save the file as UTF-8
    ");
}

#[test]
fn a_link_that_leads_nowhere_is_told() {
    let dir = directory(&[("good.toml", GOOD)]);
    symlink("/nonexistent/x.toml", dir.path().join("lost.toml")).unwrap();
    insta::assert_snapshot!(told(dir.path()), @r"
    error: this link leads nowhere
    --> lost.toml
    ");
}

#[test]
fn a_pipe_in_place_of_a_file_does_not_hang() {
    let dir = directory(&[("good.toml", GOOD)]);
    let status = std::process::Command::new("mkfifo").arg(dir.path().join("pipe.toml")).status();
    assert!(status.unwrap().success());
    insta::assert_snapshot!(told(dir.path()), @r"
    error: this is not a regular file
    --> pipe.toml
    ");
}

#[test]
fn a_byte_order_mark_and_windows_line_ends_do_no_harm() {
    let text = format!("\u{feff}{}", GOOD.replace('\n', "\r\n"));
    let dir = directory(&[("a.toml", &text)]);
    let (files, diagnostics) = read_dir(dir.path()).unwrap();
    assert_eq!(diagnostics, []);
    assert_eq!(render(&parse(&files, dir.path()).diagnostics, false), "");
    let wrong = text.replace("name", "nmae");
    write(dir.path(), "a.toml", wrong.as_bytes());
    let (files, _) = read_dir(dir.path()).unwrap();
    let told = &parse(&files, dir.path()).diagnostics[0];
    assert_eq!((told.line, told.column, told.source_line.as_str()), (2, 1, "nmae = 'jerry'"));
}

#[test]
fn as_root_what_everyone_can_write_is_refused() {
    if !rustix::process::geteuid().is_root() {
        crate::support::skipped!("only root is told of files that others can write");
    }
    let dir = directory(&[("good.toml", GOOD), ("jobs/a.toml", "[job.a]"), ("open.toml", GOOD)]);
    let open = |name: &str, mode| {
        fs::set_permissions(dir.path().join(name), fs::Permissions::from_mode(mode)).unwrap();
    };
    open("open.toml", 0o666);
    open("jobs", 0o777);
    let (files, _) = read_dir(dir.path()).unwrap();
    assert_eq!(files.files.into_keys().collect::<Vec<_>>(), ["good.toml"]);
    insta::assert_snapshot!(told(dir.path()), @r"
    error: the directory `jobs` can be written by everyone
    --> jobs
     |
    hint: `chmod o-w` it: what stands in it is run as root

    error: the file `open.toml` can be written by everyone
    --> open.toml
     |
    hint: `chmod o-w` it: what stands in it is run as root
    ");
    open("", 0o777);
    let (files, diagnostics) = read_dir(dir.path()).unwrap();
    assert!(files.files.is_empty() && diagnostics[0].is_error());
}

#[test]
fn the_commit_of_the_directory_is_read_without_git() {
    let commit = "0123456789abcdef0123456789abcdef01234567";
    let dir = directory(&[("etc/a.toml", GOOD), (".git/HEAD", "ref: refs/heads/main\n")]);
    let etc = dir.path().join("etc");
    assert_eq!(commit_of(&etc), None);
    write(dir.path(), ".git/packed-refs", format!("# pack\n{commit} refs/heads/main\n").as_bytes());
    assert_eq!(commit_of(&etc).as_deref(), Some(commit));
    let newer = commit.replace('0', "f");
    write(dir.path(), ".git/refs/heads/main", format!("{newer}\n").as_bytes());
    assert_eq!(commit_of(&etc), Some(newer));
    write(dir.path(), ".git/HEAD", commit.as_bytes());
    assert_eq!(commit_of(&etc).as_deref(), Some(commit));
}
