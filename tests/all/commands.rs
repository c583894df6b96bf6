//! What is shipped beside the program: the unit and its companions.

#![expect(clippy::unwrap_used, reason = "a test may end by panicking")]

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

fn shipped(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("systemd").join(name)
}

/// The output of a program of systemd, or nothing where there is none.
fn systemd(program: &str, arguments: &[&str], path: &Path) -> Option<Output> {
    let output = Command::new(program).args(arguments).arg(path).output();
    if output.is_err() {
        crate::support::say_skipped(&format!("there is no `{program}` here"));
    }
    output.ok()
}

fn text(output: &Output) -> String {
    let (out, err) = (&output.stdout, &output.stderr);
    format!("{}{}", String::from_utf8_lossy(out), String::from_utf8_lossy(err))
}

/// The unit as it is shipped, with the program that was just built: the packaged one is not there.
fn unit_with_this_program(dir: &Path) -> PathBuf {
    let unit = std::fs::read_to_string(shipped("larder.service")).unwrap();
    let installed = "ExecStart=/usr/bin/larder daemon";
    assert!(unit.contains(installed));
    let built = format!("ExecStart={} daemon", env!("CARGO_BIN_EXE_larder"));
    let path = dir.join("larder.service");
    std::fs::write(&path, unit.replace(installed, &built)).unwrap();
    path
}

#[test]
fn systemd_accepts_the_unit() {
    let dir = tempfile::tempdir().unwrap();
    let unit = unit_with_this_program(dir.path());
    let arguments = ["verify", "--man=no", "--recursive-errors=no"];
    let Some(output) = systemd("systemd-analyze", &arguments, &unit) else { return };
    let said = text(&output);
    assert!(output.status.success(), "{said}");
    assert!(!said.contains("larder"), "{said}");
}

#[test]
fn the_unit_leaves_little_to_an_intruder() {
    let dir = tempfile::tempdir().unwrap();
    let unit = unit_with_this_program(dir.path());
    let arguments = ["security", "--offline=true", "--no-pager", "--threshold=30"];
    let Some(output) = systemd("systemd-analyze", &arguments, &unit) else { return };
    let said = text(&output);
    let score = said.lines().find(|line| line.contains("Overall exposure level")).unwrap();
    println!("{score}");
    let number = score.split(':').next_back().unwrap().split_whitespace().next().unwrap();
    assert!(number.parse::<f64>().unwrap() <= 3.0, "{score}");
    // With the threshold the program judges the same by its exit status.
    assert!(output.status.success(), "{said}");
}

#[test]
fn the_unit_gives_the_daemon_what_it_counts_on() {
    let unit = std::fs::read_to_string(shipped("larder.service")).unwrap();
    for promise in [
        "Type=notify",
        "WatchdogSec=",
        "ExecReload=/bin/sh -c 'kill -HUP $MAINPID'",
        "TimeoutStopSec=15",
        "Restart=on-failure",
        "RestartSec=5",
        "StartLimitIntervalSec=0",
        "StateDirectory=larder",
        "RuntimeDirectory=larder",
        "UMask=0077",
        "ProtectSystem=strict",
        "CAP_DAC_READ_SEARCH",
    ] {
        assert!(unit.contains(promise), "`{promise}` is missing");
    }
    // A command has the state only for a while: a daemon that met one must come up after it.
    assert!(!unit.contains("RestartPreventExitStatus"), "it stays down for good");
}

#[test]
fn the_group_and_the_directories_are_made_as_written() {
    let root = tempfile::tempdir().unwrap();
    let at_root = format!("--root={}", root.path().display());
    std::fs::create_dir(root.path().join("etc")).unwrap();
    let sysusers = systemd("systemd-sysusers", &[&at_root], &shipped("larder.sysusers"));
    let Some(output) = sysusers else { return };
    assert!(output.status.success(), "{}", text(&output));
    let groups = std::fs::read_to_string(root.path().join("etc/group")).unwrap();
    assert!(groups.lines().any(|line| line.starts_with("larder:")), "{groups}");

    if !rustix::process::geteuid().is_root() {
        crate::support::skipped!("directories of root are made by root");
    }
    std::fs::write(root.path().join("etc/passwd"), "root:x:0:0::/root:/bin/sh\n").unwrap();
    std::fs::write(root.path().join("etc/group"), "root:x:0:\n").unwrap();
    let tmpfiles =
        systemd("systemd-tmpfiles", &["--create", &at_root], &shipped("larder.tmpfiles"));
    let Some(output) = tmpfiles else { return };
    assert!(output.status.success(), "{}", text(&output));
    let mode = |path: &str| {
        use std::os::unix::fs::PermissionsExt;
        root.path().join(path).metadata().unwrap().permissions().mode() & 0o777
    };
    assert_eq!(mode("etc/larder"), 0o750);
    assert_eq!(mode("etc/larder/secrets"), 0o700);
    assert_eq!(mode("var/lib/larder/state"), 0o700);
    assert_eq!(mode("var/lib/larder/public"), 0o755);
    assert_eq!(mode("var/cache/larder"), 0o711);
}
