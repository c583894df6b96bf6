//! An instance of larder in a directory of its own, and its daemon.

use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

use serde_json::Value;

/// The longest time that a test waits for something that must happen. Generous: it bounds a test
/// that failed, and is no measure of speed.
const PATIENCE: Duration = Duration::from_mins(1);

/// The binary under test.
pub(crate) fn binary() -> &'static str {
    env!("CARGO_BIN_EXE_larder")
}

/// An instance in a directory of its own. Its configuration, state, socket and archives lie below it.
pub(crate) struct Instance {
    dir: tempfile::TempDir,
}

impl Instance {
    /// An instance named `jerry` with one location `main` and the given further configuration.
    pub(crate) fn new(toml: &str) -> Self {
        Self::below(crate::support::dir(), toml)
    }

    /// The same, in this directory.
    pub(crate) fn below(dir: tempfile::TempDir, toml: &str) -> Self {
        let instance = Self { dir };
        std::fs::create_dir_all(instance.path("etc")).unwrap();
        instance.write(
            "base.toml",
            "[instance]\nname = \"jerry\"\ntimezone = \"Europe/Paris\"\nstate_dir = \"../state\"\n\
             publish_dir = \"../public\"\ncontrol_socket = \"../control.sock\"\n\
             [defaults]\nschedule = \"0 2 * * *\"\nretention = { mode = \"count\", value = 7 }\nlocation = \"main\"\n\
             [location.main]\npath = \"../archives\"\nmin_free = \"1 MiB\"\n",
        );
        // Its own archive of the configuration has tests of its own.
        instance.write("recovery.toml", "[recovery]\nconfiguration = false\n");
        instance.write("jobs.toml", toml);
        instance
    }

    /// A path below the instance's directory.
    pub(crate) fn path(&self, relative: &str) -> PathBuf {
        self.dir.path().join(relative)
    }

    /// Writes a file of the configuration.
    pub(crate) fn write(&self, name: &str, toml: &str) {
        std::fs::write(self.path("etc").join(name), toml).unwrap();
    }

    /// Writes a file of a source, with its directories.
    pub(crate) fn source(&self, relative: &str, content: &[u8]) -> PathBuf {
        let path = self.path(relative);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(&path, content).unwrap();
        path
    }

    /// The command line on this instance.
    pub(crate) fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(binary());
        command
            .arg("--config")
            .arg(self.path("etc"))
            .args(arguments)
            .env("LC_ALL", "C.UTF-8")
            .env("NO_COLOR", "1")
            .stdin(Stdio::null());
        // Programs of this instance stand before those of the machine.
        if let Ok(bin) = self.path("bin").canonicalize() {
            let path = std::env::var("PATH").unwrap();
            command.env("PATH", format!("{}:{path}", bin.display()));
        }
        command
    }

    /// Runs a command and returns what it printed.
    pub(crate) fn larder(&self, arguments: &[&str]) -> Output {
        self.command(arguments).output().unwrap()
    }

    /// Runs a command that must succeed, and returns its standard output.
    pub(crate) fn ok(&self, arguments: &[&str]) -> String {
        let output = self.larder(arguments);
        assert!(
            output.status.success(),
            "larder {arguments:?} ended with {}\n{}\n{}",
            output.status,
            text(&output.stdout),
            text(&output.stderr)
        );
        text(&output.stdout)
    }

    /// Runs a command that must fail with this exit code, and returns what it said.
    pub(crate) fn fails(&self, code: i32, arguments: &[&str]) -> String {
        let output = self.larder(arguments);
        assert_eq!(
            output.status.code(),
            Some(code),
            "larder {arguments:?}\n{}\n{}",
            text(&output.stdout),
            text(&output.stderr)
        );
        format!("{}{}", text(&output.stdout), text(&output.stderr))
    }

    /// Runs a command with `--format json` that must succeed.
    pub(crate) fn json(&self, arguments: &[&str]) -> Value {
        let mut all = arguments.to_vec();
        all.extend(["--format", "json"]);
        let json = serde_json::from_str(&self.ok(&all)).unwrap();
        crate::support::answers::is_its_resource(arguments, &json);
        json
    }

    /// The archives of the catalogue.
    pub(crate) fn archives(&self) -> Vec<Value> {
        self.json(&["archive", "list"]).as_array().unwrap().clone()
    }

    /// The runs, newest first.
    pub(crate) fn runs(&self) -> Vec<Value> {
        self.json(&["runs"]).as_array().unwrap().clone()
    }

    /// The names of the files in the location `main` that are not hidden.
    pub(crate) fn files(&self) -> Vec<String> {
        let mut names: Vec<String> = std::fs::read_dir(self.path("archives"))
            .map(|entries| {
                entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect()
            })
            .unwrap_or_default();
        names.retain(|name| !name.starts_with('.'));
        names.sort();
        names
    }

    /// The names of the archives' tar files in the location `main`.
    pub(crate) fn tars(&self) -> Vec<String> {
        self.files().into_iter().filter(|name| name.contains(".tar")).collect()
    }

    /// Starts the daemon and waits until it answers.
    pub(crate) fn daemon(&self) -> Daemon<'_> {
        self.answering(self.spawn_daemon())
    }

    /// Waits until a daemon answers.
    fn answering<'a>(&'a self, daemon: Daemon<'a>) -> Daemon<'a> {
        self.wait("the daemon answers", || {
            std::os::unix::net::UnixStream::connect(self.path("control.sock")).is_ok()
        });
        daemon
    }

    /// Starts the daemon and does not wait.
    pub(crate) fn spawn_daemon(&self) -> Daemon<'_> {
        self.spawn(self.command(&["daemon"]))
    }

    /// Starts the daemon through a program that runs what it is given, and waits until it answers.
    pub(crate) fn daemon_through(&self, mut program: Command) -> Daemon<'_> {
        let plain = self.command(&["daemon"]);
        program.arg(plain.get_program()).args(plain.get_args()).stdin(Stdio::null());
        program.envs(plain.get_envs().filter_map(|(name, value)| Some((name, value?))));
        self.answering(self.spawn(program))
    }

    /// Starts a daemon whose files can be made too large by [`Daemon::limit_files`], and waits
    /// until it answers.
    pub(crate) fn daemon_with_limits(&self) -> Daemon<'_> {
        let mut command = Command::new("sh");
        // Without this the signal ends it before the write fails.
        command.args(["-c", "trap '' XFSZ; exec \"$0\" \"$@\""]);
        self.daemon_through(command)
    }

    /// Starts this daemon.
    pub(crate) fn spawn(&self, mut command: Command) -> Daemon<'_> {
        let log = std::fs::OpenOptions::new()
            .create(true)
            .append(true)
            .open(self.path("daemon.log"))
            .unwrap();
        let child = command.stdout(Stdio::null()).stderr(log).spawn().unwrap();
        Daemon { instance: self, child }
    }

    /// Waits until a condition holds.
    pub(crate) fn wait(&self, what: &str, mut condition: impl FnMut() -> bool) {
        let start = Instant::now();
        while !condition() {
            assert!(
                start.elapsed() < crate::support::patience(PATIENCE),
                "never happened: {what}\n{}",
                std::fs::read_to_string(self.path("daemon.log")).unwrap_or_default()
            );
            std::thread::park_timeout(Duration::from_millis(20));
        }
    }
}

/// Whatever a test let an instance publish is what the schemas say.
impl Drop for Instance {
    fn drop(&mut self) {
        if !std::thread::panicking() {
            crate::support::answers::are_valid(&self.path("public"));
        }
    }
}

/// A running daemon; killed when it is dropped.
pub(crate) struct Daemon<'a> {
    instance: &'a Instance,
    child: Child,
}

impl Daemon<'_> {
    /// Its process id.
    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Fails its writes behind so many bytes of a file, as a full disk does; `unlimited` ends that.
    pub(crate) fn limit_files(&self, most: &str) {
        let (pid, limit) = (self.pid().to_string(), format!("--fsize={most}:"));
        let status = Command::new("prlimit").args(["--pid", &pid, &limit]).status();
        assert!(status.unwrap().success());
    }

    /// Sends it a signal by name.
    pub(crate) fn signal(&self, name: &str) {
        let status =
            Command::new("kill").args([&format!("-{name}"), &self.pid().to_string()]).status();
        assert!(status.unwrap().success());
    }

    /// Ends it with SIGTERM and returns how long that took.
    pub(crate) fn terminate(mut self) -> Duration {
        let start = Instant::now();
        self.signal("TERM");
        let status = self.child.wait().unwrap();
        assert!(status.success(), "the daemon ended with {status}");
        start.elapsed()
    }

    /// Kills it.
    pub(crate) fn kill(mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    /// Waits until it ends by itself.
    pub(crate) fn wait_for_exit(&mut self) -> Option<i32> {
        let mut code = None;
        let child = &mut self.child;
        self.instance.wait("the daemon ends", || {
            child.try_wait().unwrap().inspect(|status| code = status.code()).is_some()
        });
        code
    }
}

impl Drop for Daemon<'_> {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A small file system of its own in memory; unmounted when it is dropped.
pub(crate) struct TmpFs(PathBuf);

impl TmpFs {
    /// Mounts one. `None` where that is not allowed.
    pub(crate) fn mount(path: &Path) -> Option<Self> {
        Self::mount_of(path, "4m")
    }

    /// Mounts one of this size.
    pub(crate) fn mount_of(path: &Path, size: &str) -> Option<Self> {
        let mut mount = Command::new("mount");
        let size = format!("size={size}");
        let status = mount.args(["-t", "tmpfs", "-o", &size, "tmpfs"]).arg(path).status();
        status.is_ok_and(|status| status.success()).then(|| Self(path.to_owned()))
    }
}

impl Drop for TmpFs {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("-l").arg(&self.0).status();
    }
}

/// Bytes as text.
pub(crate) fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// Runs a program that must succeed, and returns its standard output.
pub(crate) fn sh(line: &str, dir: &Path) -> String {
    let output = Command::new("sh").args(["-ec", line]).current_dir(dir).output().unwrap();
    assert!(output.status.success(), "{line}\n{}\n{}", text(&output.stdout), text(&output.stderr));
    text(&output.stdout)
}
