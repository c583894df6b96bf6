//! A machine of its own for an app: namespaces over the files of this one, with stand-ins for
//! YunoHost's command, its helpers and systemctl. What is done there is gone with it.

use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};

use super::ours;
use crate::support::wait_for;

/// The directory with YunoHost's real helpers (`helpers`, `helpers.v2.1.d`, and in `python` the modules
/// that they want), to be taken instead of the stand-in.
const REAL_HELPERS: &str = "LARDER_YUNOHOST_HELPERS";

pub(super) struct Stage {
    dir: tempfile::TempDir,
    holder: Child,
    pid: String,
}

impl Stage {
    /// A machine to which `bring` has been brought as `/stage/…`, or why there cannot be one.
    pub(super) fn new(bring: &[&Path]) -> Result<Self, String> {
        crate::support::root()?;
        let dir = tempfile::tempdir().unwrap();
        let stage = dir.path().join("stage");
        std::fs::create_dir_all(stage.join("helpers")).unwrap();
        std::fs::create_dir(dir.path().join("space")).unwrap();
        std::fs::write(stage.join("administrators"), "alice\nbob\n").unwrap();
        for name in ["core.py", "systemctl"] {
            std::fs::copy(ours(name), stage.join(name)).unwrap();
        }
        if let Some(real) = std::env::var_os(REAL_HELPERS).map(PathBuf::from) {
            copy(&real.join("."), &stage.join("helpers"));
            if real.join("python").is_dir() {
                copy(&real.join("python"), &stage);
            }
        } else {
            std::fs::copy(ours("helpers"), stage.join("helpers/helpers")).unwrap();
        }
        for one in bring {
            copy(one, &stage);
        }
        let log = dir.path().join("log");
        let mut holder = Command::new("unshare")
            .args(["--mount", "--pid", "--fork", "--net", "--uts", "--ipc", "--kill-child", "bash"])
            .arg(ours("stage.sh"))
            .arg(dir.path())
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(std::fs::File::create(&log).unwrap())
            .spawn()
            .map_err(|error| format!("unshare: {error}"))?;
        let pid = dir.path().join("pid");
        wait_for("a stage", || pid.exists() || holder.try_wait().unwrap().is_some());
        if !pid.exists() {
            let said = std::fs::read_to_string(log).unwrap();
            return Err(format!("no namespaces or overlay here: {}", said.trim()));
        }
        let pid = std::fs::read_to_string(pid).unwrap().trim().to_owned();
        let stage = Self { dir, holder, pid };
        // It is another root as soon as it was entered.
        wait_for("its root", || stage.shell("test -d /stage").status.success());
        Ok(stage)
    }

    /// The command that runs this line there.
    fn command(&self, line: &str) -> Command {
        let mut command = Command::new("nsenter");
        command
            .args(["--target", &self.pid, "--mount", "--uts", "--ipc", "--net", "--pid"])
            .args(["--root", "--wd", "/bin/bash", "-c", line])
            .env_clear()
            .env("PATH", "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin")
            .env("LC_ALL", "C.UTF-8")
            .env("NO_COLOR", "1")
            .stdin(Stdio::null());
        command
    }

    pub(super) fn shell(&self, line: &str) -> Output {
        self.command(line).output().unwrap()
    }

    /// Runs a line that must succeed; what it printed.
    #[track_caller]
    pub(super) fn ok(&self, line: &str) -> String {
        let output = self.shell(line);
        let out = String::from_utf8_lossy(&output.stdout).into_owned();
        let err = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{line}\n{out}\n{err}\n{}", self.trace());
        out.trim_end().to_owned()
    }

    /// Starts what goes on until the end.
    pub(super) fn start(&self, line: &str) {
        let mut command = self.command(&format!("exec setsid --fork {line}"));
        command.stdout(Stdio::null()).stderr(Stdio::null());
        assert!(command.status().unwrap().success(), "{line}");
    }

    /// The end of what the scripts traced.
    pub(super) fn trace(&self) -> String {
        let output = self.shell("tail -n 60 /stage/trace /var/log/stage-larder.log");
        String::from_utf8_lossy(&output.stdout).into_owned()
    }
}

impl Drop for Stage {
    fn drop(&mut self) {
        // With `--kill-child` the first process there ends with it, and all others with that.
        let _ = self.holder.kill();
        let _ = self.holder.wait();
        let root = self.dir.path().to_owned();
        wait_for("the stage to be gone", || {
            !Path::new("/proc").join(&self.pid).exists() || !root.exists()
        });
    }
}

fn copy(from: &Path, to: &Path) {
    let copied = Command::new("cp").arg("-a").args([from, to]).status().unwrap();
    assert!(copied.success(), "cannot copy {} to {}", from.display(), to.display());
}
