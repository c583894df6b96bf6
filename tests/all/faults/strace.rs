//! The real program with its n-th system call failing, or with its death before it.
//!
//! `strace` counts the calls of each thread by itself, so a point may strike several threads.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::path::Path;
use std::process::{Command, Stdio};

/// What becomes of a call.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Fault {
    /// It fails once.
    Once(&'static str),
    /// It fails, and so does every one that follows.
    ForEver(&'static str),
    /// The process is killed before it.
    Kill,
}

/// A place where something goes wrong.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Point {
    pub(super) call: String,
    pub(super) nth: usize,
    pub(super) fault: Fault,
}

impl fmt::Display for Point {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { call, nth, fault } = self;
        match fault {
            Fault::Once(error) => write!(f, "{call}:error={error}:when={nth}"),
            Fault::ForEver(error) => write!(f, "{call}:error={error}:when={nth}+"),
            Fault::Kill => write!(f, "{call}:signal=KILL:when={nth}"),
        }
    }
}

/// What a program did under a fault.
#[derive(Debug)]
pub(super) struct Struck {
    /// Its exit code; `None` when it was killed.
    pub(super) code: Option<i32>,
    /// Everything it said.
    pub(super) said: String,
    /// The calls that failed.
    pub(super) failed: Vec<String>,
}

impl Struck {
    /// Whether the fault struck something that can fail in reality, and struck this program: not
    /// the counter by which threads wake each other, and not the loader before `main`.
    pub(super) fn counts(&self) -> bool {
        !self.failed.is_empty()
            && !self.failed.iter().any(|line| {
                // Directories are opened by the standard library, which does not try again; the
                // kernel interrupts no such call.
                line.contains("anon_inode:")
                    || (line.contains("EINTR") && line.contains("O_DIRECTORY"))
            })
            && !self.said.contains("error while loading shared libraries")
    }
}

/// The reason why system calls cannot be made to fail here.
pub(super) fn missing() -> Option<&'static str> {
    let run = |arguments: &[&str]| {
        Command::new("strace")
            .args(arguments)
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .status()
            .map(|status| status.success())
    };
    match run(&["-V"]) {
        Err(_) => Some("strace is not installed"),
        Ok(_) if run(&["-f", "--seccomp-bpf", "-o", "/dev/null", "true"]).is_ok_and(|ok| ok) => {
            None
        }
        Ok(_) => Some("strace may not trace here"),
    }
}

/// The names that [`faults`] knows, for strace.
const CALLS: &str = "write,pwrite64,fsync,fdatasync,/^rename,/^open,/^mkdir,/^unlink,/^link,\
                     getdents64,read,pread64,ftruncate";

/// What may become of a call of this name.
fn faults(call: &str) -> &'static [Fault] {
    use Fault::{ForEver, Kill, Once};
    match call {
        // For ever, it would also strike the counters by which threads wake each other.
        "write" => &[Once("EIO"), Once("ENOSPC"), Once("EINTR"), Kill],
        "pwrite64" => {
            &[Once("EIO"), Kill, Once("ENOSPC"), ForEver("ENOSPC"), Once("EINTR"), ForEver("EIO")]
        }
        "fsync" | "fdatasync" => {
            &[Once("EIO"), ForEver("EIO"), Once("ENOSPC"), Once("EINTR"), Kill]
        }
        "read" => &[Once("EIO"), Once("EINTR")],
        "pread64" => &[Once("EIO"), Once("EINTR"), ForEver("EIO")],
        // Only death interrupts the reading of a directory.
        "getdents64" => &[Once("EIO"), ForEver("EIO")],
        "ftruncate" => &[Once("EIO"), Once("ENOSPC"), Once("EINTR")],
        name if name.starts_with("open") => &[
            Once("EMFILE"),
            Once("EIO"),
            ForEver("EMFILE"),
            Once("EROFS"),
            Once("EINTR"),
            Once("ENOSPC"),
            ForEver("EROFS"),
        ],
        name if name.starts_with("unlink") => &[Once("EIO"), Once("EROFS"), Kill],
        _ => &[Once("EIO"), Once("ENOSPC"), Once("EROFS"), Kill, ForEver("EROFS")],
    }
}

fn strace(command: &Command, log: &Path, more: &[&str]) -> Command {
    let mut traced = Command::new("timeout");
    traced.args(["--signal=KILL", "60", "strace", "-f", "-qq", "-y", "-o"]).arg(log).args(more);
    traced.arg(command.get_program()).args(command.get_args());
    for (key, value) in command.get_envs() {
        traced.env(key, value.unwrap_or_default());
    }
    traced.env_remove("RUST_BACKTRACE").stdin(Stdio::null());
    traced
}

/// Every point on the way of a command that works below `dir` or says something, and succeeds.
pub(super) fn points(command: &Command, dir: &Path, log: &Path) -> Vec<Point> {
    let output =
        strace(command, log, &["--seccomp-bpf", "-e", &format!("trace={CALLS}")]).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let dir = dir.to_str().unwrap();
    let config = format!("{dir}etc");
    let mut counts: BTreeMap<(String, String), usize> = BTreeMap::new();
    let (mut good, mut inner) = (BTreeSet::new(), BTreeSet::new());
    for line in std::fs::read_to_string(log).unwrap().lines() {
        let Some((thread, rest)) = line.split_once(' ') else { continue };
        let Some((call, arguments)) = rest.trim_start().split_once('(') else { continue };
        if call.contains(|letter: char| !letter.is_ascii_alphanumeric()) {
            continue;
        }
        let nth = counts.entry((thread.to_owned(), call.to_owned())).or_default();
        *nth += 1;
        let says = call == "write" && (arguments.starts_with("1<") || arguments.starts_with("2<"));
        // What a configuration that cannot be read does is told elsewhere.
        if arguments.contains("anon_inode:") || arguments.contains(&config) {
            inner.insert((call.to_owned(), *nth));
        } else if says || arguments.contains(dir) {
            good.insert((call.to_owned(), *nth));
        }
    }
    let places = good.difference(&inner);
    places
        .flat_map(|(call, nth)| {
            faults(call).iter().map(|fault| Point { call: call.clone(), nth: *nth, fault: *fault })
        })
        .collect()
}

/// Runs a command with a fault.
pub(super) fn strike(command: &Command, point: &Point, log: &Path) -> Struck {
    let inject = format!("inject={point}");
    let mut options = vec!["-e", &inject];
    if point.fault != Fault::Kill {
        // Quicker, but deaf to signals.
        options.push("--seccomp-bpf");
    }
    let mut struck = run(command, &point.call, &options, log);
    if struck.code.is_none() && point.fault == Fault::Kill {
        struck.failed.push("killed".to_owned());
    }
    struck
}

/// Runs a command and writes its calls of these names into the log.
pub(super) fn watch(command: &Command, calls: &str, log: &Path) -> Struck {
    run(command, calls, &[], log)
}

fn run(command: &Command, calls: &str, options: &[&str], log: &Path) -> Struck {
    let only = format!("trace={calls}");
    let output =
        strace(command, log, &[&["-e", only.as_str()], options].concat()).output().unwrap();
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    let traced = std::fs::read_to_string(log).unwrap();
    let injected = traced.lines().filter(|line| line.contains("(INJECTED)"));
    Struck {
        // What `timeout` says of a killed child, be it killed by itself.
        code: output.status.code().filter(|code| *code != 137),
        said: text(&output.stdout) + &text(&output.stderr),
        failed: injected.map(|line| line.chars().take(160).collect()).collect(),
    }
}
