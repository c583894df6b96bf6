//! Hosts that are reached over SSH: those that keep archives without a larder, and instances that
//! take large ones by rsync.
//!
//! [`hold`] says what our key can do at a host without a larder, and does it; [`rsync`] moves files
//! and lists them; [`keys`] makes the key. **Invariants:** `ssh` reads no configuration but the one
//! that is written here, offers no key but the one that is named, knows no host but the pinned ones,
//! and asks nobody; a relay passes on a connection and sees ciphertext alone; rsync never deletes,
//! and never writes into a file that has its final name.
//!
//! Blocking.

use std::fmt::Write as _;
use std::fs;
use std::io;
use std::os::unix::fs::DirBuilderExt as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::PeerError;
use crate::durable;
use crate::model::job::Command;
use crate::model::name::PlaceName;
use crate::model::peer::{self, Peer, PeerKind};
use crate::model::size::Bytes;
use crate::process::{ProcessError, Runner, Stream, explain};
use crate::stop::Stop;

pub mod hold;
pub mod keys;
pub mod rsync;

/// How long a connection may take to be made, in seconds.
const CONNECT: u32 = 20;
/// How often a silent connection is asked whether it still is one, in seconds, and how many times
/// it may stay silent.
const ALIVE: (u32, u32) = (15, 4);
/// What `ssh` answers with where there is no connection.
const NO_CONNECTION: i32 = 255;
/// The most that a host may say at once.
const SAID_MAX: usize = 16 << 20;
/// The name of the host in the configuration that is written for it, and of its relay.
const FAR: &str = "far";
const RELAY: &str = "relay";

/// A host that is reached over SSH.
#[derive(Debug, Clone)]
pub struct Ssh {
    peer: PlaceName,
    config: PathBuf,
    folder: Option<PathBuf>,
    bandwidth: Option<Bytes>,
}

/// What came of a command there.
#[derive(Debug)]
struct Said {
    /// The exit status; `None` when a signal ended it.
    code: Option<i32>,
    /// How it ended, in words.
    explanation: String,
    stdout: Vec<u8>,
    /// The end of what it complained about.
    stderr: String,
}

impl Said {
    fn is_fine(&self) -> bool {
        self.code == Some(0)
    }

    fn text(&self) -> String {
        String::from_utf8_lossy(&self.stdout).into_owned()
    }

    /// The line that says most about what went wrong.
    fn why(&self) -> String {
        let told = |line: &&str| !line.is_empty() && !line.starts_with("Warning: Permanently");
        let line = self.stderr.lines().map(str::trim).rfind(told);
        line.map_or_else(|| self.explanation.clone(), ToOwned::to_owned)
    }
}

impl Ssh {
    /// The host of a peer's table. Writes what `ssh` has to know of it below `state_dir`.
    ///
    /// # Errors
    /// The peer has no `ssh`; there is no key; a file cannot be written.
    pub fn open(peer: &Peer, state_dir: &Path) -> Result<Self, PeerError> {
        let unreached =
            |why: String| PeerError::Unreached { peer: peer.name.clone(), why: why.clone() };
        let access = match &peer.kind {
            PeerKind::Instance { ssh: Some(ssh), .. }
            | PeerKind::SshDirect(ssh)
            | PeerKind::SshViaRelay(ssh) => ssh,
            PeerKind::Instance { ssh: None, .. } | PeerKind::BackupChannel { .. } => {
                return Err(unreached("it has no `ssh`".to_owned()));
            }
        };
        let identity = access.identity.clone().unwrap_or_else(|| peer::Ssh::default_key(state_dir));
        if !identity.exists() {
            return Err(PeerError::Denied {
                peer: peer.name.clone(),
                why: format!("there is no key `{}`", identity.display()),
                hint: Some(format!(
                    "`larder peer key {}` makes one, and prints the line for the other side",
                    peer.name
                )),
            });
        }
        let dir = keys::directory(state_dir);
        let local = |what: &str, path: &Path, source: io::Error| PeerError::Local {
            what: format!("cannot {what} `{}`", path.display()),
            source,
        };
        make_private(&dir).map_err(|error| local("make the folder", &dir, error))?;
        let known_hosts = match &access.known_hosts {
            Some(text) if !is_file_name(text) => {
                let path = dir.join(format!("{}.known_hosts", peer.name));
                replace(&path, &format!("{}\n", text.trim_end()))
                    .map_err(|error| local("write", &path, error))?;
                Some(path)
            }
            Some(path) => Some(PathBuf::from(path)),
            None => None,
        };
        let text = configuration(access, &identity, known_hosts.as_deref()).map_err(unreached)?;
        let config = dir.join(format!("{}.config", peer.name));
        replace(&config, &text).map_err(|error| local("write", &config, error))?;
        Ok(Self {
            peer: peer.name.clone(),
            config,
            folder: access.path.clone(),
            bandwidth: peer.bandwidth,
        })
    }

    /// Runs a command there; what it is told has no secret.
    fn run(&self, command: &str, timeout: Duration, stop: &Stop) -> Result<Said, PeerError> {
        let config = self.config.display().to_string();
        let argv = ["ssh", "-F", &config, "-T", FAR, command].map(str::to_owned);
        let said = self.call(argv.into(), timeout, stop, &mut |_| {})?;
        if said.code == Some(NO_CONNECTION) {
            return Err(self.no_connection(&said));
        }
        Ok(said)
    }

    /// Runs a program here that talks to it. `progress` gets its output as it comes.
    fn call(
        &self,
        argv: Vec<String>,
        timeout: Duration,
        stop: &Stop,
        progress: &mut dyn FnMut(&[u8]),
    ) -> Result<Said, PeerError> {
        let mut stdout = Vec::new();
        let mut is_too_much = false;
        // An agent, a display or somebody's habits with rsync are none of its business.
        let env = ["SSH_AUTH_SOCK", "DISPLAY", "RSYNC_RSH", "RSYNC_PROTECT_ARGS", "RSYNC_OLD_ARGS"];
        let ended = Runner::Direct.run_seen(
            &Command::Argv(without(&env, argv)),
            &[],
            timeout,
            stop,
            &mut |stream, bytes| {
                if stream == Stream::Stdout {
                    progress(bytes);
                    is_too_much |= stdout.len() + bytes.len() > SAID_MAX;
                    if !is_too_much {
                        stdout.extend_from_slice(bytes);
                    }
                }
            },
            &mut |_, _| {},
        );
        let outcome = ended.map_err(|error| self.trouble(error))?;
        if is_too_much {
            return Err(PeerError::Unintelligible {
                peer: self.peer.clone(),
                why: format!("it says more than {SAID_MAX} bytes"),
            });
        }
        Ok(Said {
            code: outcome.status.code(),
            explanation: explain(outcome.status),
            stdout,
            stderr: outcome.stderr_tail,
        })
    }

    fn trouble(&self, error: ProcessError) -> PeerError {
        let peer = self.peer.clone();
        match error {
            ProcessError::Stopped { reason, .. } => PeerError::Stopped(reason),
            ProcessError::TimedOut { after, .. } => PeerError::Offline {
                peer,
                why: format!("it did not answer within {} s", after.as_secs()),
            },
            error => {
                let hint = error.hint();
                PeerError::Denied { peer, why: crate::causes::with_causes(&error), hint }
            }
        }
    }

    /// There is no connection: nobody is there, or somebody who will not let us in.
    fn no_connection(&self, said: &Said) -> PeerError {
        let peer = self.peer.clone();
        let refused = |why: &str, hint: &str| PeerError::Denied {
            peer: peer.clone(),
            why: why.to_owned(),
            hint: Some(hint.to_owned()),
        };
        let says = |words: &str| said.stderr.contains(words);
        if says("Host key verification failed") || says("host key is known") {
            return refused(
                "it shows another host key than the pinned one, or none is pinned",
                "compare `ssh-keyscan HOST` with the host's own `/etc/ssh/ssh_host_ed25519_key.pub` before `known_hosts` is changed",
            );
        }
        if says("Permission denied") {
            return refused(
                "it does not let our key in",
                "put the line of `larder peer key NAME` into `~/.ssh/authorized_keys` of the user there",
            );
        }
        if says("UNPROTECTED PRIVATE KEY") || says("bad permissions") {
            return refused("our key is open to others", "`chmod 600` the private key");
        }
        PeerError::Offline { peer, why: said.why() }
    }

    /// It answered, and what it answered is a refusal.
    fn denied(&self, why: impl Into<String>, hint: Option<&str>) -> PeerError {
        PeerError::Denied {
            peer: self.peer.clone(),
            why: why.into(),
            hint: hint.map(ToOwned::to_owned),
        }
    }
}

/// A program that is started without these variables.
fn without(variables: &[&str], argv: Vec<String>) -> Vec<String> {
    let mut words = vec!["env".to_owned()];
    for variable in variables {
        words.extend(["-u".to_owned(), (*variable).to_owned()]);
    }
    words.extend(argv);
    words
}

/// A `known_hosts` that names a file; the other form is the text of its lines.
fn is_file_name(known_hosts: &str) -> bool {
    known_hosts.starts_with('/') && !known_hosts.trim().contains('\n')
}

/// What `ssh` has to know of a host and of the relay before it. A relay's own connection is made
/// by the same file: the options of a command line would not reach it.
fn configuration(
    access: &peer::Ssh,
    identity: &Path,
    known_hosts: Option<&Path>,
) -> Result<String, String> {
    let mut text = String::from("# Written anew for every connection.\n");
    let mut line = |key: &str, value: &str| {
        writeln!(text, "{key} {value}").expect("a string takes everything");
    };
    line("Host", FAR);
    line("HostName", &plain("host", &access.host)?);
    line("Port", &access.port.to_string());
    line("User", &plain("user", &access.user)?);
    if let Some(relay) = &access.relay {
        let (user, host, port) = relay_of(relay)?;
        line("ProxyJump", RELAY);
        line("Host", RELAY);
        line("HostName", &plain("relay", &host)?);
        line("Port", &port.to_string());
        line("User", &plain("relay", &user)?);
    }
    line("Host", "*");
    line("IdentityFile", &quoted(identity)?);
    if let Some(known_hosts) = known_hosts {
        line("UserKnownHostsFile", &quoted(known_hosts)?);
        line("GlobalKnownHostsFile", "none");
    }
    for (key, value) in [
        ("BatchMode", "yes"),
        ("IdentitiesOnly", "yes"),
        ("IdentityAgent", "none"),
        ("PreferredAuthentications", "publickey"),
        ("StrictHostKeyChecking", "yes"),
        ("UpdateHostKeys", "no"),
        ("CheckHostIP", "no"),
        ("ForwardAgent", "no"),
        ("ForwardX11", "no"),
        ("ClearAllForwardings", "yes"),
        ("PermitLocalCommand", "no"),
        ("ControlMaster", "no"),
        ("ControlPath", "none"),
        ("EscapeChar", "none"),
        ("Compression", "no"),
        ("LogLevel", "ERROR"),
    ] {
        line(key, value);
    }
    line("ConnectTimeout", &CONNECT.to_string());
    line("ServerAliveInterval", &ALIVE.0.to_string());
    line("ServerAliveCountMax", &ALIVE.1.to_string());
    Ok(text)
}

/// `USER@HOST[:PORT]`.
fn relay_of(relay: &str) -> Result<(String, String, u16), String> {
    let wrong = || format!("`relay` is not `USER@HOST[:PORT]`: `{relay}`");
    let (user, rest) = relay.rsplit_once('@').ok_or_else(wrong)?;
    let (host, port) = match rest.strip_prefix('[') {
        Some(rest) => {
            let (host, port) = rest.split_once(']').ok_or_else(wrong)?;
            (host, port.strip_prefix(':'))
        }
        // More than one colon is an address without a port.
        None if rest.matches(':').count() == 1 => {
            rest.split_once(':').map(|(host, port)| (host, Some(port))).ok_or_else(wrong)?
        }
        None => (rest, None),
    };
    let port = port.map_or(Ok(22), str::parse).map_err(|_| wrong())?;
    if user.is_empty() || host.is_empty() {
        return Err(wrong());
    }
    Ok((user.to_owned(), host.to_owned(), port))
}

/// A word of the configuration, which must not be able to be two.
fn plain(key: &str, value: &str) -> Result<String, String> {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || "._:@-+\\$".contains(c);
    if value.is_empty() || value.starts_with('-') || !value.chars().all(is_plain) {
        return Err(format!("`{value}` cannot be used as `{key}`"));
    }
    Ok(value.to_owned())
}

/// A path in the configuration, where `%`, `$` and `~` mean more.
fn quoted(path: &Path) -> Result<String, String> {
    let unfit = || format!("the path `{}` cannot be told to `ssh`", path.display());
    let text = path.to_str().ok_or_else(unfit)?;
    if !text.starts_with('/') || text.contains(|c: char| c.is_control() || "\"\\$".contains(c)) {
        return Err(unfit());
    }
    Ok(format!("\"{}\"", text.replace('%', "%%")))
}

/// A directory that is nobody else's.
fn make_private(dir: &Path) -> io::Result<()> {
    fs::DirBuilder::new().recursive(true).mode(0o700).create(dir)
}

/// Writes a file that says something else, in one step: somebody may be reading it.
fn replace(path: &Path, text: &str) -> io::Result<()> {
    if fs::read(path).is_ok_and(|there| there == text.as_bytes()) {
        return Ok(());
    }
    durable::write_atomic(path, text.as_bytes(), 0o600)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn access(relay: Option<&str>) -> peer::Ssh {
        peer::Ssh {
            host: "vps.example.org".to_owned(),
            port: 2222,
            user: "backup".to_owned(),
            path: None,
            identity: None,
            known_hosts: None,
            relay: relay.map(ToOwned::to_owned),
        }
    }

    #[test]
    fn ssh_is_told_everything_and_asks_nobody() {
        let text = configuration(
            &access(Some("me@relay.example.org:23")),
            Path::new("/state 100%/id"),
            Some(Path::new("/known")),
        )
        .unwrap();
        let (hosts, all) = text.split_once("Host *\n").unwrap();
        assert_eq!(
            hosts,
            "# Written anew for every connection.\nHost far\nHostName vps.example.org\nPort 2222\n\
             User backup\nProxyJump relay\nHost relay\nHostName relay.example.org\nPort 23\nUser me\n"
        );
        assert!(
            all.starts_with("IdentityFile \"/state 100%%/id\"\nUserKnownHostsFile \"/known\"\n")
        );
        for line in ["BatchMode yes", "StrictHostKeyChecking yes", "ClearAllForwardings yes"] {
            assert!(all.contains(line), "{all}");
        }
    }

    #[test]
    fn what_could_be_two_words_is_refused() {
        for host in ["", "-oProxyCommand=x", "a b", "a\nProxyCommand x", "a\"b", "a%h"] {
            let access = peer::Ssh { host: host.to_owned(), ..access(None) };
            assert!(configuration(&access, Path::new("/id"), None).is_err(), "{host:?}");
        }
        for path in ["relative", "/a\nb", "/a\"b", "/$HOME/x"] {
            assert!(configuration(&access(None), Path::new(path), None).is_err(), "{path:?}");
        }
    }

    #[test]
    fn a_relay_is_read_with_and_without_its_port() {
        let parts =
            |relay| relay_of(relay).map(|(user, host, port)| format!("{user} {host} {port}"));
        assert_eq!(parts("a@h").as_deref(), Ok("a h 22"));
        assert_eq!(parts("a@h:2222").as_deref(), Ok("a h 2222"));
        assert_eq!(parts("a@[::1]:2222").as_deref(), Ok("a ::1 2222"));
        assert_eq!(parts("a@::1").as_deref(), Ok("a ::1 22"));
        for relay in ["h", "@h", "a@", "a@h:x", "a@h:99999", "a@[::1"] {
            assert!(relay_of(relay).is_err(), "{relay}");
        }
    }
}
