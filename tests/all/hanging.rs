//! Sources and locations whose file system hangs, for real: everything else goes on, people are
//! told, and all is as before once they answer again.
//!
//! The file system is mounted in a mount namespace of its own, which only the daemon is in.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use std::io::{BufRead as _, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

use crate::support::{full, root_or_skip, skipped};
use crate::walk::instance::{Daemon, Instance, text};

/// What hangs may cost whoever meets it first; all in all, on a machine that is busy.
const A_WHILE: Duration = Duration::from_secs(30);

const JOBS: &str = "[location.usb]\npath = \"../usb\"\nmin_free = \"1 MiB\"\n\
     [job.hangs]\ntype = \"custom_dir\"\nsource_path = \"../hangs\"\nretries = 0\n\
     [job.other]\ntype = \"custom_dir\"\nsource_path = \"../other\"\nretries = 0\n\
     [job.away]\ntype = \"custom_dir\"\nsource_path = \"../other\"\nlocation = \"usb\"\nretries = 0\n";

/// An instance, and a mount namespace in which its file systems may hang.
struct Cage {
    instance: Instance,
    holder: Child,
}

impl Cage {
    /// `Err` with the reason where nothing can be mounted.
    fn new(toml: &str) -> Result<Self, String> {
        let cage = Self::empty(toml)?;
        let probe = cage.instance.path("probe");
        std::fs::create_dir(&probe).unwrap();
        drop(cage.hang("probe", &[])?);
        Ok(cage)
    }

    /// Of which nothing can be told yet but that it has a namespace of its own.
    fn empty(toml: &str) -> Result<Self, String> {
        let instance = Instance::new(&format!("{JOBS}{toml}"));
        instance.source("hangs/a", b"alpha");
        instance.source("other/b", b"beta");
        let holder = Command::new("unshare")
            .args(["--mount", "--propagation", "private", "sh", "-c", "echo held; exec cat"])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .map_err(|error| format!("unshare: {error}"))?;
        let mut cage = Self { instance, holder };
        if said(&mut cage.holder) != "held" {
            return Err("no mount namespace here".to_owned());
        }
        Ok(cage)
    }

    /// With a disk of its own for the location `usb`.
    fn with_disk(toml: &str) -> Result<Self, String> {
        let cage = Self::empty(toml)?;
        let (image, usb) = (cage.instance.path("disk.img"), cage.instance.path("usb"));
        std::fs::create_dir(&usb).unwrap();
        let file = std::fs::File::create(&image).unwrap();
        file.set_len(64 << 20).unwrap();
        cage.try_inside("mkfs.ext4", &[Path::new("-qF"), &image])?;
        cage.try_inside("mount", &["-o".as_ref(), "loop".as_ref(), &image, &usb])?;
        // Whether it can be frozen here.
        drop(cage.freeze()?);
        Ok(cage)
    }

    fn try_inside(&self, program: &str, arguments: &[&Path]) -> Result<(), String> {
        let mut command = Command::new(program);
        command.args(arguments);
        let output = self.inside(&command).output().map_err(|error| format!("{error}"))?;
        let trouble = || format!("{program}: {}", text(&output.stderr).trim());
        if output.status.success() { Ok(()) } else { Err(trouble()) }
    }

    /// From now on every write to the disk of `usb` hangs, and what is asked of it is answered from
    /// memory, until what is returned is dropped.
    fn freeze(&self) -> Result<Frozen<'_>, String> {
        self.try_inside("fsfreeze", &["--freeze".as_ref(), &self.instance.path("usb")])?;
        Ok(Frozen(self))
    }

    /// A command inside.
    fn inside(&self, command: &Command) -> Command {
        let namespace = format!("--mount=/proc/{}/ns/mnt", self.holder.id());
        let mut inside = Command::new("nsenter");
        inside.arg(namespace).arg(command.get_program()).args(command.get_args());
        inside.envs(command.get_envs().filter_map(|(name, value)| Some((name, value?))));
        inside.stdin(Stdio::null());
        inside
    }

    /// From now on a directory hangs, until what is returned is dropped.
    fn hang(&self, directory: &str, how: &[&str]) -> Result<Hanging<'_>, String> {
        let path = self.instance.path(directory);
        let server = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/all/hanging/server.py");
        let mut command = Command::new("python3");
        command.arg(server).arg(&path).args(how);
        let mut server = self
            .inside(&command)
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .map_err(|error| format!("nsenter: {error}"))?;
        if said(&mut server) == "mounted" {
            return Ok(Hanging { cage: self, server, path });
        }
        let output = server.wait_with_output().unwrap();
        Err(format!("no FUSE here: {}", text(&output.stderr).trim()))
    }

    fn daemon(&self) -> Daemon<'_> {
        let daemon = self.spawn_daemon();
        self.instance.wait("the daemon answers", || self.answers());
        daemon
    }

    fn spawn_daemon(&self) -> Daemon<'_> {
        self.instance.spawn(self.inside(&self.instance.command(&["daemon"])))
    }

    fn answers(&self) -> bool {
        std::os::unix::net::UnixStream::connect(self.instance.path("control.sock")).is_ok()
    }

    /// A command without a daemon.
    fn alone(&self, arguments: &[&str]) -> Output {
        self.inside(&self.instance.command(arguments)).output().unwrap()
    }

    /// Why `larder status` says that a job is at risk, and what else it says.
    fn status(&self) -> String {
        let output = self.instance.larder(&["status"]);
        assert!(output.status.success());
        format!("{}{}", text(&output.stdout), text(&output.stderr))
    }
}

impl Drop for Cage {
    fn drop(&mut self) {
        let _ = self.holder.kill();
        let _ = self.holder.wait();
    }
}

/// A directory that hangs.
struct Hanging<'a> {
    cage: &'a Cage,
    server: Child,
    path: PathBuf,
}

impl Drop for Hanging<'_> {
    fn drop(&mut self) {
        // Without a server every call to it fails, and those that wait as well.
        let _ = self.server.kill();
        let _ = self.server.wait();
        let mut umount = Command::new("umount");
        umount.arg("--lazy").arg(&self.path);
        assert!(self.cage.inside(&umount).status().unwrap().success());
    }
}

/// A disk that is frozen.
struct Frozen<'a>(&'a Cage);

impl Drop for Frozen<'_> {
    fn drop(&mut self) {
        let thawed =
            self.0.try_inside("fsfreeze", &["--unfreeze".as_ref(), &self.0.instance.path("usb")]);
        thawed.unwrap();
    }
}

/// The first line that a program says.
fn said(child: &mut Child) -> String {
    let mut line = String::new();
    BufReader::new(child.stdout.as_mut().unwrap()).read_line(&mut line).unwrap();
    line.trim_end().to_owned()
}

/// Ends the test where nothing can be mounted.
macro_rules! cage_or_skip {
    ($toml:expr) => {{
        root_or_skip!();
        if !Path::new("/dev/fuse").exists() {
            skipped!("there is no /dev/fuse");
        }
        match Cage::new($toml) {
            Ok(cage) => cage,
            Err(why) => skipped!("{why}"),
        }
    }};
}

/// Ends the test where no disk can be frozen.
macro_rules! disk_or_skip {
    ($toml:expr) => {{
        root_or_skip!();
        match Cage::with_disk($toml) {
            Ok(cage) => cage,
            Err(why) => skipped!("{why}"),
        }
    }};
}

#[track_caller]
fn is_quick(since: Instant) {
    assert!(since.elapsed() < A_WHILE, "it took {:?}", since.elapsed());
}

#[test]
fn a_source_that_hangs_keeps_nothing_else_from_running_and_is_told() {
    let cage = cage_or_skip!("");
    let instance = &cage.instance;
    let _daemon = cage.daemon();
    instance.ok(&["run", "hangs"]);
    instance.ok(&["run", "other"]);
    let hanging = cage.hang("hangs", &[]).unwrap();
    let start = Instant::now();
    let failed = instance.fails(1, &["run", "hangs"]);
    assert!(failed.contains("does not answer"), "{failed}");
    instance.ok(&["run", "other"]);
    is_quick(start);
    let status = cage.status();
    assert!(status.contains("at risk") && status.contains("does not answer"), "{status}");
    drop(hanging);
    instance
        .wait("the source is read again", || instance.larder(&["run", "hangs"]).status.success());
}

#[test]
fn a_location_that_hangs_is_not_available_and_keeps_nothing_else_from_running() {
    let cage = cage_or_skip!("");
    let instance = &cage.instance;
    let _daemon = cage.daemon();
    instance.ok(&["run", "away"]);
    instance.ok(&["run", "other"]);
    let archives = instance.archives();
    let away = archives.iter().find(|archive| archive["job"] == "away").unwrap();
    let away = away["name"].as_str().unwrap();
    let hanging = cage.hang("usb", &[]).unwrap();
    let start = Instant::now();
    instance.ok(&["run", "other"]);
    instance.fails(1, &["archive", "pin", away]);
    let failed = instance.fails(1, &["run", "away"]);
    assert!(failed.contains("does not answer"), "{failed}");
    is_quick(start);
    let status = cage.status();
    assert!(status.contains("location `usb` is not there"), "{status}");
    assert!(status.contains("does not answer"), "{status}");
    drop(hanging);
    instance
        .wait("the location is used again", || instance.larder(&["run", "away"]).status.success());
    instance.ok(&["archive", "pin", away]);
}

#[test]
fn a_daemon_starts_and_commands_work_beside_a_source_and_a_location_that_hang() {
    let cage = cage_or_skip!("");
    let instance = &cage.instance;
    instance.ok(&["run", "away"]);
    let hanging = [cage.hang("hangs", &[]).unwrap(), cage.hang("usb", &[]).unwrap()];

    let start = Instant::now();
    let listed = cage.alone(&["archive", "list"]);
    assert!(listed.status.success(), "{}", text(&listed.stderr));
    let ran = cage.alone(&["run", "other"]);
    assert!(ran.status.success(), "{}", text(&ran.stderr));
    let checked = text(&cage.alone(&["check", "--live"]).stdout);
    assert_eq!(checked.matches("does not answer").count(), 2, "{checked}");
    is_quick(start);

    let start = Instant::now();
    let daemon = cage.daemon();
    is_quick(start);
    instance.ok(&["run", "other"]);
    let status = cage.status();
    assert!(status.contains("location `usb` is not there"), "{status}");
    let taken = daemon.terminate();
    assert!(taken < Duration::from_secs(10), "{taken:?}");

    drop(hanging);
    let _daemon = cage.daemon();
    instance.ok(&["run", "away"]);
}

#[test]
fn a_daemon_whose_run_hangs_in_its_source_ends_within_10_seconds() {
    let cage = cage_or_skip!("");
    let instance = &cage.instance;
    let daemon = cage.daemon();
    let _hanging = cage.hang("hangs", &["look"]).unwrap();
    instance.ok(&["run", "hangs", "--detach"]);
    instance.wait("the run is under way", || instance.runs()[0]["status"] == "running");
    // It does not stand in the way of what is no run.
    cage.status();
    let taken = daemon.terminate();
    assert!(taken < Duration::from_secs(10), "{taken:?}");
}

#[test]
fn a_run_that_hangs_in_its_source_is_given_up_and_told_and_its_lane_goes_on() {
    if !full() {
        skipped!("it waits for a minute: only with LARDER_FULL=1");
    }
    let cage = cage_or_skip!(
        "[job.slow]\ntype = \"custom_dir\"\nsource_path = \"../hangs\"\n\
         timeout = \"1 s\"\nretries = 0\n"
    );
    let instance = &cage.instance;
    let _daemon = cage.daemon();
    let hanging = cage.hang("hangs", &["look"]).unwrap();
    instance.ok(&["run", "slow", "--detach"]);
    instance.ok(&["run", "other"]);
    let runs = instance.runs();
    let given_up = runs.iter().find(|run| run["status"] == "error").unwrap();
    assert!(given_up["summary"].as_str().unwrap().contains("was given up"), "{given_up}");
    let status = cage.status();
    assert!(status.contains("was given up and hangs still"), "{status}");
    drop(hanging);
    instance.wait("it has come to its end", || !cage.status().contains("hangs still"));
}

/// The archives of `away`, the oldest first, and whether each is pinned.
fn away(instance: &Instance) -> Vec<(String, bool)> {
    let mut archives = instance.archives();
    archives.retain(|archive| archive["job"] == "away");
    let mut away: Vec<_> = archives
        .iter()
        .map(|archive| (archive["name"].as_str().unwrap().to_owned(), archive["pinned"] == true))
        .collect();
    away.sort();
    away
}

#[test]
fn a_disk_that_writes_nothing_any_more_keeps_the_loop_from_nothing() {
    let cage = disk_or_skip!("");
    let instance = &cage.instance;
    let daemon = cage.daemon();
    for _ in 0..4 {
        instance.ok(&["run", "away"]);
    }
    let names: Vec<String> = away(instance).into_iter().map(|(name, _)| name).collect();
    // A run hangs at it, and has its door; another order for it ends, and so does what comes next.
    let frozen = cage.freeze().unwrap();
    let start = Instant::now();
    let mut deletion = instance.command(&["archive", "delete", &names[0], "--yes"]);
    let mut deletion = deletion.stdin(Stdio::null()).stdout(Stdio::null()).spawn().unwrap();
    instance.wait("the deletion is under way", || {
        instance.runs().iter().any(|run| run["kind"] == "expire" && run["status"] == "running")
    });
    let refused = instance.fails(1, &["archive", "pin", &names[1]]);
    assert!(refused.contains("something else is under way at location `usb`"), "{refused}");
    let runs = instance.runs();
    let hangs = runs.iter().find(|run| run["status"] == "running").unwrap();
    // It waits for the end of the run; that it was asked to stop is in its answer.
    let mut cancel = instance.command(&["cancel", &hangs["id"].to_string()]);
    let mut cancel = cancel.stdin(Stdio::null()).stdout(Stdio::null()).spawn().unwrap();
    cage.status();
    is_quick(start);
    drop(frozen);
    deletion.wait().unwrap();
    assert!(cancel.wait().unwrap().code().is_some());
    instance.wait("it has come to its end", || {
        instance.runs().iter().all(|run| run["status"] != "running")
    });
    instance.wait("it is looked at again", || {
        instance.larder(&["archive", "pin", &names[1]]).status.success()
    });
    let taken = daemon.terminate();
    assert!(taken < Duration::from_secs(10), "{taken:?}");
}

#[test]
fn what_was_told_of_an_order_to_a_disk_that_does_not_answer_is_what_becomes_of_it() {
    if !full() {
        skipped!("it waits for a minute: only with LARDER_FULL=1");
    }
    let cage = disk_or_skip!("");
    let instance = &cage.instance;
    let _daemon = cage.daemon();
    for _ in 0..2 {
        instance.ok(&["run", "away"]);
    }
    let names: Vec<String> = away(instance).into_iter().map(|(name, _)| name).collect();
    instance.ok(&["archive", "pin", &names[0]]);

    let frozen = cage.freeze().unwrap();
    let said = instance.fails(1, &["archive", "unpin", &names[0]]);
    assert!(said.contains(&format!("does not answer: `{}` stays pinned", names[0])), "{said}");
    let start = Instant::now();
    // Nothing is begun beside it.
    let said = instance.fails(1, &["archive", "pin", &names[1]]);
    assert!(said.contains(&format!("nothing was done with `{}`", names[1])), "{said}");
    instance.ok(&["run", "other"]);
    is_quick(start);
    drop(frozen);
    instance.wait("it is used again", || {
        instance.larder(&["archive", "pin", &names[0]]).status.success()
    });
    let pinned = |index: usize| away(instance)[index].1;
    assert!(pinned(0) && !pinned(1));
    let frozen = cage.freeze().unwrap();
    let said = instance.fails(1, &["archive", "pin", &names[1]]);
    assert!(said.contains(&format!("`{}` is pinned as soon as it does", names[1])), "{said}");
    drop(frozen);
    instance.wait("it is pinned", || pinned(1));
}
