//! A real SSH server with keys of its own, on an address of its own.

use std::fs;
use std::os::unix::fs::DirBuilderExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use rustix::process::{Pid, Signal, kill_process};

use super::address::Address;
use crate::support::wait_for;

/// The server; it and all its sessions are killed when it is dropped.
pub(crate) struct Sshd {
    dir: tempfile::TempDir,
    home: Address,
    port: u16,
    child: Child,
}

/// The SSH server, or the end of the test with a remark.
macro_rules! sshd_or_skip {
    () => {
        match $crate::peers::sshd::Sshd::start() {
            Ok(sshd) => sshd,
            Err(why) => $crate::support::skipped!("{why}"),
        }
    };
}
pub(crate) use sshd_or_skip;

/// Debian keeps it beside what everybody has in the path.
const PROGRAM: &str = "/usr/sbin/sshd";

impl Sshd {
    /// A server that lets in who has [`Sshd::identity`], as the user of this process; the reason
    /// where there can be none.
    pub(crate) fn start() -> Result<Self, String> {
        for program in [PROGRAM, "/usr/bin/ssh", "/usr/bin/ssh-keygen"] {
            if !Path::new(program).exists() {
                return Err(format!("`{program}` is not installed"));
            }
        }
        // Where root's server locks up its helper; packages leave it to their service.
        if rustix::process::geteuid().is_root() && !Path::new("/run/sshd").exists() {
            let made = fs::DirBuilder::new().mode(0o755).create("/run/sshd");
            made.map_err(|error| format!("`/run/sshd` cannot be made: {error}"))?;
        }
        let dir = crate::support::dir();
        let path = |name: &str| dir.path().join(name);
        key(&path("host_key"));
        key(&path("identity"));
        fs::copy(path("identity.pub"), path("authorized_keys")).unwrap();
        fs::create_dir(path("home")).unwrap();
        let home = Address::claim();
        let address = home.with_port();
        let (ip, port) = (home.ip(), address.port());
        let host = fs::read_to_string(path("host_key.pub")).unwrap();
        // Also by way of a wire.
        fs::write(path("known_hosts"), format!("[{ip}]:{port},[{ip}]:* {host}")).unwrap();
        fs::write(path("sshd_config"), configuration(dir.path(), &home, port)).unwrap();
        let log = fs::File::create(path("log")).unwrap();
        let child = Command::new(PROGRAM)
            .args(["-D", "-e", "-f"])
            .arg(path("sshd_config"))
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(log)
            .spawn()
            .unwrap();
        let mut sshd = Self { dir, home, port, child };
        // Not by connecting: newer servers keep a record of who says nothing.
        wait_for("the SSH server listens", || {
            let ended = sshd.child.try_wait().unwrap();
            assert_eq!(ended, None, "the SSH server ended: {}", sshd.log());
            sshd.log().contains("Server listening on")
        });
        Ok(sshd)
    }

    pub(crate) fn home(&self) -> &Address {
        &self.home
    }

    /// Where it listens.
    pub(crate) fn address(&self) -> std::net::SocketAddr {
        (self.home.ip(), self.port).into()
    }

    /// The private key that it knows from its start.
    pub(crate) fn identity(&self) -> PathBuf {
        self.path("identity")
    }

    /// Its own key, as a file of known hosts.
    pub(crate) fn known_hosts(&self) -> PathBuf {
        self.path("known_hosts")
    }

    /// The user that it lets in.
    pub(crate) fn user() -> String {
        let user = nix::unistd::User::from_uid(nix::unistd::geteuid()).unwrap();
        user.expect("this process has a user").name
    }

    /// What `ssh`, `scp` and rsync's remote shell need: the key, the server's key, the port.
    pub(crate) fn options(&self) -> Vec<String> {
        self.options_at(self.port)
    }

    /// The same by way of another port, which leads to it.
    pub(crate) fn options_at(&self, port: u16) -> Vec<String> {
        let known_hosts = format!("UserKnownHostsFile={}", self.known_hosts().display());
        let identity = self.identity().display().to_string();
        let port = format!("Port={port}");
        let mut all = vec!["-F".to_owned(), "none".to_owned(), "-i".to_owned(), identity];
        for option in [
            "BatchMode=yes",
            "IdentitiesOnly=yes",
            "IdentityAgent=none",
            "StrictHostKeyChecking=yes",
            "GlobalKnownHostsFile=none",
            &known_hosts,
            &port,
        ] {
            all.extend(["-o".to_owned(), option.to_owned()]);
        }
        all
    }

    /// `ssh` to it; what it is to run there follows.
    pub(crate) fn ssh(&self) -> Command {
        let mut command = Command::new("ssh");
        command.args(self.options()).arg(self.target()).stdin(Stdio::null());
        command
    }

    /// `USER@HOST`.
    pub(crate) fn target(&self) -> String {
        format!("{}@{}", Self::user(), self.home.ip())
    }

    /// rsync with this as its remote shell; sources and target follow, there as
    /// [`Sshd::target`]`:PATH`.
    pub(crate) fn rsync(&self) -> Command {
        let mut command = Command::new("rsync");
        let shell = format!("ssh {}", self.options().join(" "));
        command.args(["-e", &shell]).stdin(Stdio::null());
        command
    }

    /// The value of a peer's `ssh`, with the folder there and more keys, each after a comma.
    pub(crate) fn toml(&self, path: &Path, more: &str) -> String {
        format!(
            "{{ host = \"{}\", port = {}, user = \"{}\", path = \"{}\", identity = \"{}\", known_hosts = \"{}\"{more} }}",
            self.home.ip(),
            self.port,
            Self::user(),
            path.display(),
            self.identity().display(),
            self.known_hosts().display(),
        )
    }

    /// Lets in exactly whom these lines say, from now on.
    pub(crate) fn authorize(&self, lines: &str) {
        fs::write(self.path("authorized_keys"), lines).unwrap();
    }

    /// The line of [`Sshd::identity`], for instance to put options before it.
    pub(crate) fn public_key(&self) -> String {
        fs::read_to_string(self.path("identity.pub")).unwrap()
    }

    /// Breaks every session now. New ones pass.
    pub(crate) fn cut(&self) {
        for pid in below(self.child.id()) {
            kill(pid);
        }
    }

    /// What it logged.
    pub(crate) fn log(&self) -> String {
        fs::read_to_string(self.path("log")).unwrap()
    }

    fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }
}

impl Drop for Sshd {
    fn drop(&mut self) {
        // Its sessions are only known as long as it lives.
        if let Some(pid) = Pid::from_raw(self.child.id().cast_signed()) {
            let _ = kill_process(pid, Signal::STOP);
        }
        self.cut();
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The sessions have a home of their own: a shell that a server starts reads `.bashrc`, and what
/// somebody's does there may take long, or leave something behind when it is killed.
fn configuration(dir: &Path, home: &Address, port: u16) -> String {
    let dir = dir.display();
    format!(
        "ListenAddress {}:{port}\nHostKey {dir}/host_key\nAuthorizedKeysFile {dir}/authorized_keys\n\
         PidFile none\nUsePAM no\nStrictModes no\nUseDNS no\nPermitRootLogin yes\n\
         PasswordAuthentication no\nKbdInteractiveAuthentication no\nAllowTcpForwarding yes\n\
         MaxStartups 100\nMaxSessions 100\nPrintMotd no\nSubsystem sftp internal-sftp\n\
         SetEnv HOME={dir}/home\n",
        home.ip()
    )
}

/// A new key without a passphrase.
pub(crate) fn key(path: &Path) {
    let status = Command::new("ssh-keygen")
        .args(["-q", "-t", "ed25519", "-N", "", "-C", "larder's tests", "-f"])
        .arg(path)
        .status();
    assert!(status.unwrap().success());
}

/// The processes that a process started, and what those started.
fn below(pid: u32) -> Vec<u32> {
    let mut parents = Vec::new();
    for entry in fs::read_dir("/proc").unwrap().flatten() {
        let name = entry.file_name();
        let Some(child) = name.to_str().and_then(|name| name.parse::<u32>().ok()) else { continue };
        // It may have ended.
        let Ok(stat) = fs::read_to_string(entry.path().join("stat")) else { continue };
        // The name, in parentheses, may hold anything.
        let parent = stat.rsplit_once(')').and_then(|(_, rest)| rest.split(' ').nth(2));
        parents.push((child, parent.and_then(|parent| parent.parse::<u32>().ok())));
    }
    let mut found = vec![pid];
    let mut at = 0;
    while let Some(parent) = found.get(at).copied() {
        let children = parents.iter().filter(|(_, of)| *of == Some(parent));
        found.extend(children.map(|(child, _)| *child));
        at += 1;
    }
    found.split_off(1)
}

fn kill(pid: u32) {
    if let Some(pid) = Pid::from_raw(pid.cast_signed()) {
        // It may have ended.
        let _ = kill_process(pid, Signal::KILL);
    }
}
