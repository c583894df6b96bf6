//! The examples that bring a configuration to a host: run as their users run them, with the real
//! tools, against a daemon whose every path lies below a temporary directory.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};

use serde_json::Value;

use crate::support;
use crate::walk::instance::{binary, text};

mod ansible;
mod git;

/// A directory of a test, with what a configuration in it needs.
struct Host {
    dir: tempfile::TempDir,
}

impl Host {
    fn new() -> Self {
        Self { dir: support::dir() }
    }

    fn path(&self, relative: &str) -> PathBuf {
        self.dir.path().join(relative)
    }

    fn write(&self, relative: &str, text: &str) {
        let path = self.path(relative);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
    }

    fn read(&self, relative: &str) -> String {
        std::fs::read_to_string(self.path(relative)).unwrap()
    }

    /// Writes a program.
    fn script(&self, relative: &str, body: &str) {
        use std::os::unix::fs::PermissionsExt as _;
        self.write(relative, body);
        let mode = std::fs::Permissions::from_mode(0o755);
        std::fs::set_permissions(self.path(relative), mode).unwrap();
    }

    /// The tables that every configuration here begins with: nothing outside this directory.
    fn base(&self) -> String {
        let dir = self.dir.path().display();
        format!(
            "[instance]\nname = \"jerry\"\ntimezone = \"Europe/Paris\"\n\
             state_dir = \"{dir}/state\"\npublish_dir = \"{dir}/public\"\n\
             control_socket = \"{dir}/control.sock\"\n\
             [recovery]\nconfiguration = false\n\
             [defaults]\nschedule = \"0 2 * * *\"\nlocation = \"main\"\n\
             retention = {{ mode = \"count\", value = 7 }}\n\
             [location.main]\npath = \"{dir}/archives\"\nmin_free = \"1 MiB\"\n"
        )
    }

    /// A job with this name, of a directory that is there.
    fn job(&self, name: &str) -> String {
        let source = self.path("source");
        std::fs::create_dir_all(&source).unwrap();
        let source = source.display();
        format!(
            "[job.{name}]\ntype = \"custom_dir\"\nsource_path = \"{source}\"\ncatch_up = \"next\"\n"
        )
    }

    /// A command on the configuration in `etc`.
    fn larder(&self, arguments: &[&str]) -> Output {
        let mut command = Command::new(binary());
        command.arg("--config").arg(self.path("etc")).args(arguments).env("NO_COLOR", "1");
        command.stdin(Stdio::null()).output().unwrap()
    }

    /// What is in force, when it is what the files say.
    fn applied(&self) -> Value {
        let output = self.larder(&["config", "applied", "--wait", "60", "--format", "json"]);
        assert!(output.status.success(), "{}", text(&output.stderr));
        serde_json::from_slice(&output.stdout).unwrap()
    }

    /// The names of the jobs that the daemon keeps.
    fn jobs(&self) -> Vec<String> {
        let output = self.larder(&["jobs", "--format", "json"]);
        assert!(output.status.success(), "{}", text(&output.stderr));
        let jobs: Vec<Value> = serde_json::from_slice(&output.stdout).unwrap();
        jobs.iter().map(|job| job["name"].as_str().unwrap().to_owned()).collect()
    }

    /// Starts a daemon on `etc`, and waits until it has read it.
    fn daemon(&self) -> Daemon {
        let log = std::fs::File::create(self.path("daemon.log")).unwrap();
        let mut command = Command::new(binary());
        command.arg("--config").arg(self.path("etc")).arg("daemon");
        let child = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(log).spawn();
        let daemon = Daemon(child.unwrap());
        self.applied();
        daemon
    }
}

/// Killed when it is dropped.
struct Daemon(Child);

impl Drop for Daemon {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn example(relative: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("examples").join(relative)
}

#[test]
fn whether_the_files_are_in_force_is_told_with_or_without_a_daemon() {
    let host = Host::new();
    host.write("etc/base.toml", &host.base());
    let code = |arguments: &[&str]| host.larder(arguments).status.code();
    assert_eq!(code(&["config", "applied"]), Some(3), "no daemon runs");
    let _daemon = host.daemon();
    let first = host.applied()["generation"].as_u64().unwrap();
    host.write("etc/web.toml", &host.job("web"));
    assert_eq!(host.applied()["generation"].as_u64().unwrap(), first + 1);
    assert_eq!(host.jobs(), ["web"]);
    // What only a start can change is not in force, and that is said at once.
    let moved = host.base().replace("/state\"", "/elsewhere\"");
    host.write("etc/base.toml", &moved);
    let output = host.larder(&["config", "applied", "--wait", "60"]);
    let told = text(&output.stderr);
    assert_eq!(output.status.code(), Some(1), "{told}");
    assert!(told.contains("state_dir") && told.contains("hint: "), "{told}");
    // What is broken is never waited for.
    host.write("etc/base.toml", "[instance");
    assert_eq!(code(&["config", "applied", "--wait", "60"]), Some(1));
}

#[test]
fn a_directory_is_judged_with_files_that_are_not_there_yet_and_without_those_that_go() {
    let host = Host::new();
    host.write("etc/base.toml", &host.base());
    host.write("etc/web.toml", &host.job("web"));
    host.write("new/jobs/web.toml", &host.job("web"));
    let check = |more: &[&str]| {
        let mut arguments = vec!["check"];
        arguments.extend(more);
        let output = host.larder(&arguments);
        (output.status.code().unwrap(), text(&output.stdout) + &text(&output.stderr))
    };
    let new = host.path("new");
    let new = new.to_str().unwrap();
    let (code, told) = check(&["--with", new]);
    assert!(code == 1 && told.contains("web"), "the same job twice: {told}");
    assert_eq!(check(&["--with", new, "--without", "web.toml"]).0, 0, "it moves");
    assert_eq!(check(&["--without", "base.toml"]).0, 1, "its location would be gone");
    let (code, told) = check(&["--without", "../base.toml"]);
    assert!(code == 1 && told.contains("`--without ../base.toml` leads out"), "{told}");
    // A file that goes, or is replaced, has no mistakes any more.
    host.write("etc/web.toml", "[job.web");
    assert_eq!(check(&[]).0, 1);
    assert_eq!(check(&["--with", new, "--without", "web.toml"]).0, 0);
    assert_eq!(check(&["--with", "/nowhere"]).0, 1);
}
