//! What only this host can tell about a configuration: paths, secret files, programs, mounts.
//!
//! An error is what makes runs fail as things are; a warning is what may be meant so.

use std::fs;
use std::io;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

use super::diagnostic::{self, Diagnostic, Severity};
use crate::database::{self, Kind};
use crate::model::desired::{Desired, NotifyTarget, Place, SecretRef};
use crate::model::job::{Command, Database, Job, JobSource};
use crate::model::location::Location;
use crate::model::peer::{PeerKind, Ssh};
use crate::patience::Asker;
use crate::stop::Stop;

mod answers;
mod listen;
mod yunohost;

/// Compares a configuration with this host. Each diagnostic stands at the object that it is about.
#[must_use]
pub fn check_live(desired: &Desired) -> Vec<Diagnostic> {
    let mut host = Host {
        user: rustix::process::geteuid().as_raw(),
        found: Vec::new(),
        asker: Asker::new(answers::touch),
    };
    host.look_ahead(desired);
    let nowhere = Place::default();
    if jiff::tz::TimeZone::try_system().is_err() && desired.instance.timezone.iana_name().is_none()
    {
        host.warning(
            &nowhere,
            "the system's time zone is unknown: UTC is used",
            "write `timezone` into `[instance]`",
        );
    }
    for dir in [&desired.instance.state_dir, &desired.instance.publish_dir] {
        host.can_be_made(dir, &nowhere, Severity::Error);
    }
    listen::check(&mut host, &desired.instance);
    // The name space of a peer is made when the peer first sends something.
    for location in desired.locations.values().filter(|location| location.owner.is_none()) {
        host.location(location);
    }
    let server = yunohost::Server::default();
    for job in desired.jobs.values().filter(|job| job.ended.is_none() && job.enabled) {
        if !job.is_built_in() {
            host.job(job);
        }
        let location = desired.locations.get(&job.location);
        if location.is_none_or(|location| host.asker.ask(&location.path).is_some()) {
            server.check(&mut host, job, location);
        }
    }
    for peer in desired.peers.values() {
        match &peer.kind {
            PeerKind::Instance { token, ca, ssh, .. } => {
                if let Some(ssh) = ssh {
                    host.ssh(ssh, &Ssh::default_key(&desired.instance.state_dir), &peer.place);
                }
                if let Some(token) = token {
                    host.secret(token, &peer.place);
                }
                if let Some(ca) = ca {
                    host.readable(ca, &peer.place);
                }
            }
            PeerKind::SshDirect(ssh) | PeerKind::SshViaRelay(ssh) => {
                host.ssh(ssh, &Ssh::default_key(&desired.instance.state_dir), &peer.place);
            }
            PeerKind::BackupChannel { .. } => {}
        }
    }
    for notify in desired.notify.values() {
        match &notify.target {
            NotifyTarget::Url(secret) | NotifyTarget::PingUrl(secret) => {
                host.secret(secret, &notify.place);
            }
            NotifyTarget::MailTo(_) => {
                if found("sendmail").is_none() && !Path::new("/usr/lib/sendmail").exists() {
                    let hint = "`apt install msmtp-mta` hands mail to your provider, \
                        `apt install postfix` delivers it itself";
                    host.error(&notify.place, "the program `sendmail` is not there", hint);
                }
            }
        }
    }
    let mut found = host.found;
    diagnostic::sort(&mut found);
    found
}

struct Host {
    user: u32,
    found: Vec<Diagnostic>,
    /// Asked about a path before anything is done there that could hang.
    asker: Asker<()>,
}

impl Host {
    fn report(&mut self, severity: Severity, place: &Place, message: String, hint: &str) {
        let mut diagnostic = Diagnostic::of_file(&place.file, severity, message).with_hint(hint);
        (diagnostic.line, diagnostic.column) = (place.line, place.column);
        diagnostic.end_column = place.column;
        self.found.push(diagnostic);
    }

    fn error(&mut self, place: &Place, message: impl Into<String>, hint: &str) {
        self.report(Severity::Error, place, message.into(), hint);
    }

    fn warning(&mut self, place: &Place, message: impl Into<String>, hint: &str) {
        self.report(Severity::Warning, place, message.into(), hint);
    }

    fn job(&mut self, job: &Job) {
        match &job.source {
            JobSource::CustomDir(dir) => self.source(&dir.source_path, &job.place),
            JobSource::Mysql(database) => self.database(Kind::Mysql, database, &job.place),
            JobSource::Postgresql(database) => {
                self.database(Kind::Postgresql, database, &job.place);
            }
            // The server is asked once, for all of them.
            JobSource::YnhApp { .. } | JobSource::YnhSystem { .. } => {}
        }
        for command in job.before.iter().chain(&job.after) {
            match command {
                Command::Argv(argv) => {
                    if let Some(name) = argv.first() {
                        self.program(name, &job.place);
                    }
                }
                Command::Shell(_) => self.program("/bin/sh", &job.place),
            }
        }
    }

    fn source(&mut self, path: &Path, place: &Place) {
        if !self.answers(path, "the source", Severity::Error, place) {
            return;
        }
        let problem = match fs::metadata(path) {
            Ok(meta) if meta.is_dir() => fs::read_dir(path).err(),
            Ok(_) => fs::File::open(path).err(),
            Err(error) => Some(error),
        };
        let Some(error) = problem else { return };
        if error.kind() == io::ErrorKind::NotFound {
            let message = format!("the source `{}` does not exist", path.display());
            self.error(place, message, "every run of this job fails until it does");
        } else {
            let message = format!("the source `{}` cannot be read: {error}", path.display());
            self.error(place, message, "run as root, or give this user the right to read it");
        }
    }

    fn database(&mut self, kind: Kind, access: &Database, place: &Place) {
        let errors_before = self.errors();
        if let Some(missing) = database::missing_program(kind) {
            let message = format!("`{}` is not installed", missing.program);
            self.error(place, message, &format!("`apt install {}`", missing.package));
        }
        if let Some(password) = &access.password {
            self.secret(password, place);
        }
        if let Some(socket) = &access.socket
            && !socket.exists()
        {
            let message = format!("the socket `{}` does not exist", socket.display());
            self.error(place, message, "does the server run?");
        }
        // The server would say the same again, less clearly.
        if self.errors() == errors_before {
            self.server(kind, access, place);
        }
    }

    /// Whether the server lets us in, and the database is there.
    fn server(&mut self, kind: Kind, access: &Database, place: &Place) {
        let stop = Stop::new();
        let name = access.database.as_str();
        let size = if name == "*" {
            database::list(kind, access, &stop).map(|_| Some(0))
        } else {
            database::size(kind, access, name, &stop)
        };
        match size {
            Ok(Some(_)) => {}
            Ok(None) => {
                let message = format!(
                    "there is no {} database `{name}`, or none that the user may see",
                    kind.name()
                );
                self.error(place, message, "check `database` and `user`");
            }
            Err(error) => {
                let message =
                    format!("the {} database `{name}` cannot be reached: {error}", kind.name());
                self.error(place, message, &error.hint());
            }
        }
    }

    fn errors(&self) -> usize {
        self.found.iter().filter(|found| found.severity == Severity::Error).count()
    }

    fn location(&mut self, location: &Location) {
        let place = &location.place;
        if let Some(identity) = &location.identity {
            self.secret(identity, place);
        }
        let severity = if location.removable { Severity::Warning } else { Severity::Error };
        if !self.answers(&location.path, "the directory", severity, place) {
            return;
        }
        self.can_be_made(&location.path, place, severity);
        if location.require_mount
            && let (Some(there), Ok(root)) = (nearest(&location.path), fs::metadata("/"))
            && fs::metadata(&there).is_ok_and(|meta| meta.dev() == root.dev())
        {
            let message = format!("`{}` is not on a mounted file system", location.path.display());
            self.report(
                severity,
                place,
                message,
                "mount it: until then the location is unavailable",
            );
        }
        if let Ok(free) = rustix::fs::statvfs(&location.path) {
            let free = free.f_bavail.saturating_mul(free.f_frsize);
            if free < location.min_free.0 {
                let message = format!(
                    "`{}` has {} free, and `min_free` is {}",
                    location.path.display(),
                    crate::model::size::Bytes(free),
                    location.min_free
                );
                self.warning(place, message, "every run fails while that is so");
            }
        }
    }

    /// A directory that is there and can be written, or whose nearest parent can.
    fn can_be_made(&mut self, dir: &Path, place: &Place, severity: Severity) {
        let Some(there) = nearest(dir) else { return };
        let rights = rustix::fs::Access::WRITE_OK | rustix::fs::Access::EXEC_OK;
        let problem = if !there.is_dir() {
            Some(format!("`{}` is not a directory", there.display()))
        } else if let Err(error) = rustix::fs::access(&there, rights) {
            let error = io::Error::from(error);
            Some(format!("`{}` cannot be written: {error}", there.display()))
        } else {
            None
        };
        if let Some(problem) = problem {
            self.report(
                severity,
                place,
                problem,
                "run as root, or give this user the right to write there",
            );
        }
    }

    fn readable(&mut self, file: &Path, place: &Place) {
        if let Err(error) = fs::File::open(file) {
            let message = format!("`{}` cannot be read: {error}", file.display());
            self.error(place, message, "look at its owner and its mode");
        }
    }

    fn ssh(&mut self, ssh: &Ssh, own_key: &Path, place: &Place) {
        self.program("ssh", place);
        self.program("rsync", place);
        match &ssh.identity {
            Some(file) => self.readable(file, place),
            None if own_key.exists() => {}
            None => {
                let message = format!("there is no SSH key at `{}`", own_key.display());
                self.error(place, message, "`larder peer key` makes it, and prints its line");
            }
        }
        if let Some(file) = ssh.known_hosts.as_deref().filter(|text| text.starts_with('/')) {
            self.readable(Path::new(file), place);
        }
    }

    fn secret(&mut self, secret: &SecretRef, place: &Place) {
        match secret {
            SecretRef::File(file) => {
                self.readable(file, place);
                let Ok(meta) = fs::metadata(file) else { return };
                if meta.mode() & 0o027 != 0 {
                    let message = format!(
                        "the secret `{}` has mode {:03o}: others can read or write it",
                        file.display(),
                        meta.mode() & 0o777
                    );
                    let severity = if self.user == 0 { Severity::Error } else { Severity::Warning };
                    self.report(severity, place, message, "`chmod 600` it");
                }
            }
            SecretRef::Command(argv) => {
                if let Some(name) = argv.first() {
                    self.program(name, place);
                }
            }
            SecretRef::Env(name) => {
                if std::env::var_os(name).is_none() {
                    let message = format!("the variable `{name}` is not set here");
                    self.warning(place, message, "the daemon needs it in its own environment");
                }
            }
            SecretRef::Credential(name) => {
                let there = std::env::var_os("CREDENTIALS_DIRECTORY")
                    .is_some_and(|dir| Path::new(&dir).join(name).exists());
                if !there {
                    let message = format!("the credential `{name}` is not there");
                    self.warning(place, message, "the daemon's unit needs `LoadCredential=`");
                }
            }
        }
    }

    fn program(&mut self, name: &str, place: &Place) {
        if found(name).is_none() {
            let message = format!("the program `{name}` is not there");
            self.error(place, message, "install it, or name it by its full path");
        }
    }
}

/// Whether this host can have peers of a kind.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KindHere {
    /// The kind.
    pub kind: &'static str,
    /// Why not, and what to do about it.
    pub lacks: Option<(String, &'static str)>,
}

/// Which kinds of peer this host can have, as it is: cheap enough to be asked with every page.
#[must_use]
pub fn peer_kinds(desired: &Desired) -> Vec<KindHere> {
    let without_ssh = || {
        let missing = ["ssh", "rsync"].into_iter().filter(|name| found(name).is_none());
        let missing: Vec<String> = missing.map(|name| format!("`{name}`")).collect();
        let are = if missing.len() == 1 { "program is" } else { "programs are" };
        let why = format!("the {are} not on this host: {}", missing.join(", "));
        (!missing.is_empty()).then_some((why, "`apt install openssh-client rsync`"))
    };
    let without_place = || {
        let is_shared = |location: &&Location| location.owner.is_none();
        desired.locations.values().find(is_shared).is_none().then(|| {
            let why = "no location is configured in which another host's archives could be seen";
            (why.to_owned(), "write a `[location.NAME]` with its `path`")
        })
    };
    let lacks = |kind: &str| match kind {
        "backup-channel" => without_place(),
        "direct-ssh-direct" | "direct-ssh-via-relay" => without_ssh(),
        _ => None,
    };
    let kinds = super::keys::Kind::Peer.table().variants();
    kinds.iter().map(|kind| KindHere { kind, lacks: lacks(kind) }).collect()
}

/// The path itself, or the nearest one above it that is there.
fn nearest(path: &Path) -> Option<PathBuf> {
    path.ancestors().find(|path| path.exists()).map(Path::to_owned)
}

/// Where a program is, looked for as the daemon does.
fn found(name: &str) -> Option<PathBuf> {
    let is_program = |path: &Path| {
        path.is_file() && rustix::fs::access(path, rustix::fs::Access::EXEC_OK).is_ok()
    };
    if name.contains('/') {
        return Some(PathBuf::from(name)).filter(|path| is_program(path));
    }
    let path = std::env::var_os("PATH").unwrap_or_default();
    let usual = ["/usr/local/sbin", "/usr/sbin", "/sbin"].map(PathBuf::from);
    std::env::split_paths(&path)
        .chain(usual)
        .map(|dir| dir.join(name))
        .find(|path| is_program(path))
}
