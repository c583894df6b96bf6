//! A configuration to give commands on, and their answers.

#![expect(clippy::unwrap_used, reason = "a test that cannot prepare itself has failed")]

use std::path::PathBuf;
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

use serde_json::Value;

/// The longest that a test waits for what must happen.
const PATIENCE: Duration = Duration::from_mins(1);

/// A configuration in a directory of its own.
pub(super) struct Home {
    dir: tempfile::TempDir,
}

impl Home {
    /// One instance, one location, and what is given.
    pub(super) fn new(toml: &str) -> Self {
        let dir = tempfile::Builder::new().prefix("larder-cli-").tempdir().unwrap();
        let home = Self { dir };
        std::fs::create_dir_all(home.path("etc")).unwrap();
        std::fs::create_dir_all(home.path("src")).unwrap();
        std::fs::write(home.path("src/file"), "content").unwrap();
        let base = "[instance]\nname = \"jerry\"\ntimezone = \"Europe/Paris\"\n\
            state_dir = \"../state\"\npublish_dir = \"../public\"\n\
            control_socket = \"../control.sock\"\n\
            [recovery]\nconfiguration = false\n[defaults]\nschedule = \"0 2 * * *\"\nretention = { mode = \"count\", value = 7 }\n\
            location = \"main\"\n";
        home.write("base.toml", base);
        home.write("main.toml", "[location.main]\npath = \"../main\"\nmin_free = \"1 MiB\"\n");
        home.write("jobs.toml", toml);
        home
    }

    pub(super) fn path(&self, relative: &str) -> PathBuf {
        self.dir.path().join(relative)
    }

    pub(super) fn write(&self, name: &str, toml: &str) {
        std::fs::write(self.path("etc").join(name), toml).unwrap();
    }

    pub(super) fn command(&self, line: &str) -> Command {
        let mut command = larder(line);
        command.env("LARDER_CONFIG", self.path("etc")).current_dir(self.dir.path());
        command
    }

    /// Runs a command: exit code, standard output, standard error.
    pub(super) fn run(&self, line: &str) -> (i32, String, String) {
        told(self.command(line).output().unwrap())
    }

    pub(super) fn ok(&self, line: &str) -> String {
        let (code, out, err) = self.run(line);
        assert_eq!(code, 0, "larder {line}: {out}{err}");
        out
    }

    pub(super) fn json(&self, line: &str) -> Value {
        serde_json::from_str(&self.ok(&format!("{line} --format json"))).unwrap()
    }
}

pub(super) const WEB: &str = "[job.web]\ntype = \"custom_dir\"\nsource_path = \"../src\"\n";

pub(super) fn larder(line: &str) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_larder"));
    command.args(line.split_whitespace()).env("NO_COLOR", "1").stdin(Stdio::null());
    command
}

pub(super) fn told(output: Output) -> (i32, String, String) {
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
    (output.status.code().unwrap_or(-1), text(output.stdout), text(output.stderr))
}

/// A process that is killed at the end of the test, whatever came of it.
pub(super) struct Running(pub(super) Child);

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

pub(super) fn wait_until(what: &str, mut is_so: impl FnMut() -> bool) {
    let start = Instant::now();
    while !is_so() {
        assert!(start.elapsed() < PATIENCE, "{what} did not happen");
        std::thread::sleep(Duration::from_millis(20));
    }
}

pub(super) fn interrupt(child: &Child) {
    let pid = rustix::process::Pid::from_child(child);
    rustix::process::kill_process(pid, rustix::process::Signal::INT).unwrap();
}
