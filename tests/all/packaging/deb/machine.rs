//! A fresh Debian in which anything may be done: an overlay over a root that debootstrap made, in
//! namespaces of its own, with systemd as its first process or with none. Nothing of it is left.

use std::fs;
use std::os::unix::process::CommandExt as _;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use crate::support;

/// How long a machine may take to boot while all other tests run.
const BOOTING: Duration = Duration::from_secs(90);

/// One that runs until it is dropped.
pub(super) struct Machine {
    /// `unshare`, whose end is the end of everything in the machine.
    outside: Child,
    /// The machine's first process, as this host numbers it.
    first: u32,
    booted: bool,
    dir: tempfile::TempDir,
}

/// Puts the root together: what is written goes to memory. `$1` is the fresh root, `$2` an empty
/// directory, `$3` the packages.
const ROOT: &str = r#"
mount -t tmpfs -o mode=0755,size=75% tmpfs "$2"
mkdir "$2/upper" "$2/work" "$2/root"
mount -t overlay overlay -o "lowerdir=$1,upperdir=$2/upper,workdir=$2/work" "$2/root"
mkdir "$2/root/packages"
mount --bind "$3" "$2/root/packages"
"#;

impl Machine {
    /// A machine with systemd, if one can run here.
    pub(super) fn boot(packages: &Path) -> Result<Self, String> {
        static COUNT: AtomicU64 = AtomicU64::new(0);
        if !super::has("systemd-nspawn") {
            return Err("no `systemd-nspawn` here".to_owned());
        }
        let number = COUNT.fetch_add(1, Ordering::Relaxed);
        let name = format!("larder-test-{}-{number}", std::process::id());
        let script = format!(
            "exec systemd-nspawn --quiet --directory=\"$2/root\" --machine={name} --boot \
             --register=no --keep-unit --private-network --console=pipe \
             --bind=\"$3\":/packages --link-journal=no"
        );
        let mut machine = Self::start(packages, &script, true)?;
        let start = Instant::now();
        loop {
            if let Some(status) = machine.outside.try_wait().unwrap() {
                return Err(format!(
                    "`systemd-nspawn` cannot boot here: {status}: {}",
                    machine.said()
                ));
            }
            // Its first child only prepares the machine, and is gone before that has booted.
            machine.first = child_of(machine.outside.id()).unwrap_or(0);
            let (_, state) = machine.told("systemctl is-system-running 2>&1");
            if ["running", "degraded"].contains(&state.trim()) {
                return Ok(machine);
            }
            if start.elapsed() > BOOTING {
                return Err(format!(
                    "systemd did not come up within {BOOTING:?}: {}",
                    machine.said()
                ));
            }
            std::thread::park_timeout(Duration::from_millis(50));
        }
    }

    /// A machine without a service manager.
    pub(super) fn bare(packages: &Path) -> Result<Self, String> {
        let script = "mount -t proc proc \"$2/root/proc\"
            mount --rbind /dev \"$2/root/dev\"
            mount -t tmpfs tmpfs \"$2/root/run\"
            exec chroot \"$2/root\" sleep infinity";
        let mut machine = Self::start(packages, script, false)?;
        let start = Instant::now();
        loop {
            if let Some(status) = machine.outside.try_wait().unwrap() {
                return Err(format!("no chroot in namespaces here: {status}: {}", machine.said()));
            }
            machine.first = child_of(machine.outside.id()).unwrap_or(0);
            let root = fs::read_link(format!("/proc/{}/exe", machine.first));
            if machine.first != 0 && root.is_ok_and(|exe| exe.ends_with("sleep")) {
                return Ok(machine);
            }
            if start.elapsed() > BOOTING {
                return Err(format!("no chroot within {BOOTING:?}: {}", machine.said()));
            }
            std::thread::park_timeout(Duration::from_millis(5));
        }
    }

    fn start(packages: &Path, script: &str, booted: bool) -> Result<Self, String> {
        support::root()?;
        let root = super::cache().map(|cache| cache.join("debian-12")).filter(|root| root.is_dir());
        let Some(root) = root else {
            return Err("no fresh Debian here (tests/run makes one with debootstrap)".to_owned());
        };
        let dir = tempfile::tempdir().unwrap();
        let over = dir.path().join("over");
        fs::create_dir(&over).unwrap();
        let mut command = Command::new("setpriv");
        command.args(["--pdeathsig", "KILL", "unshare", "--mount", "--propagation", "private"]);
        if !booted {
            command.args(["--pid", "--net", "--ipc", "--uts", "--fork", "--kill-child"]);
        }
        let said = fs::File::create(dir.path().join("said")).unwrap();
        let outside = command
            .args(["sh", "-euc", &format!("{ROOT}\n{script}"), "sh"])
            .arg(&root)
            .arg(&over)
            .arg(packages)
            .stdin(Stdio::null())
            .stdout(said.try_clone().unwrap())
            .stderr(said)
            .process_group(0)
            .spawn()
            .unwrap();
        Ok(Self { outside, first: 0, booted, dir })
    }

    /// What the machine printed on its console.
    fn said(&self) -> String {
        fs::read_to_string(self.dir.path().join("said")).unwrap_or_default()
    }

    pub(super) fn is_booted(&self) -> bool {
        self.booted
    }

    /// A command in the machine, as a login of root would run it.
    fn command(&self, script: &str) -> Command {
        let mut command = Command::new("nsenter");
        command.arg(format!("--target={}", self.first));
        command.args(["--mount", "--uts", "--ipc", "--net", "--pid", "--root", "--wd", "--"]);
        command.args([
            "env",
            "-i",
            "HOME=/root",
            "LC_ALL=C.UTF-8",
            "DEBIAN_FRONTEND=noninteractive",
        ]);
        command.arg("PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin");
        command.args(["sh", "-euc", script]).stdin(Stdio::null());
        command
    }

    /// Whether a script went well, and what it printed.
    pub(super) fn told(&self, script: &str) -> (bool, String) {
        let output = self.command(&format!("exec 2>&1\n{script}")).output().unwrap();
        (output.status.success(), String::from_utf8_lossy(&output.stdout).into_owned())
    }

    /// What a script printed, which must go well.
    #[track_caller]
    pub(super) fn sh(&self, script: &str) -> String {
        let (well, told) = self.told(script);
        if !well && self.booted {
            let (_, journal) = self.told("journalctl --no-pager -n 60");
            panic!("{script}\n{told}\n{journal}");
        }
        assert!(well, "{script}\n{told}");
        told
    }

    /// Whether a script ends with success.
    pub(super) fn is(&self, script: &str) -> bool {
        self.told(script).0
    }

    /// Waits until a script ends with success.
    #[track_caller]
    pub(super) fn wait_until(&self, script: &str) {
        support::wait_for(script, || self.is(script));
    }

    /// Starts what goes on.
    pub(super) fn start_there(&self, script: &str) -> Child {
        self.command(script).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap()
    }
}

impl Drop for Machine {
    fn drop(&mut self) {
        // The first process of a namespace takes all others with it.
        if let Some(first) = i32::try_from(self.first).ok().and_then(rustix::process::Pid::from_raw)
        {
            let _ = rustix::process::kill_process(first, rustix::process::Signal::KILL);
        }
        let _ = self.outside.kill();
        let _ = self.outside.wait();
    }
}

fn child_of(process: u32) -> Option<u32> {
    let children = fs::read_to_string(format!("/proc/{process}/task/{process}/children")).ok()?;
    children.split_whitespace().next()?.parse().ok()
}
