//! `larder receive`: what a peer's SSH key is let in for, and nothing else.
//!
//! sshd runs it instead of the command that was asked for. That must be the receiving half of
//! rsync for one file, into an upload of that peer that is open: the daemon says so, and where the
//! file goes. rsync is then run with words of our own; of those that came, only what the two halves
//! have to agree on is passed on. **Invariants:** nothing that came is a path, an option with a
//! path, or seen by a shell; one rsync at a time writes into a place, for as long as it lives; and
//! none of its files gets larger than what was announced.

use std::os::unix::process::CommandExt as _;
use std::path::Path;
use std::process::Command;

use clap::Args;
use rustix::fs::{FlockOperation, flock};
use rustix::io::{FdFlags, fcntl_setfd};
use rustix::process::{Resource, Rlimit, setrlimit};
use serde::Deserialize;

use super::context::Context;
use super::failure::{Failure, USAGE};
use super::start;
use crate::location::landing::{LANDED, LOCK};
use crate::model::name::PlaceName;
use crate::model::upload::UploadId;

/// The variable in which sshd passes on what was asked for.
const ASKED: &str = "SSH_ORIGINAL_COMMAND";
/// Where what has arrived waits to go on; the sender says the same.
const PARTIAL: &str = ".larder-partial";
/// How long nothing may come, in seconds, where the sender does not say.
const SILENCE: u32 = 60;
/// The longest that anybody may wish for.
const SILENCE_MAX: u32 = 3600;
/// The most bytes of what is asked for.
const ASKED_MAX: usize = 1024;

#[derive(Debug, Args)]
#[command(
    after_help = "Example, in ~/.ssh/authorized_keys of the user that may write into the location:
  restrict,command=\"larder receive jerry\" ssh-ed25519 AAAA… larder@jerry"
)]
pub(super) struct Arguments {
    /// The peer that the key belongs to
    #[arg(value_name = "PEER")]
    peer: String,
}

/// What was asked for, as far as it counts.
#[derive(Debug, PartialEq, Eq)]
struct Wanted {
    upload: UploadId,
    /// The short options, which both halves have to know.
    short: String,
    timeout: u32,
}

#[derive(Deserialize)]
struct Landing {
    directory: String,
    size: u64,
}

pub(super) async fn run(context: &Context, arguments: &Arguments) -> anyhow::Result<u8> {
    let refused = |why: String| Failure::new(format!("larder receive: refused: {why}"));
    let peer: PlaceName = arguments.peer.parse().map_err(|error| Failure {
        code: USAGE,
        ..Failure::new(format!("`{}` cannot be a peer: {error}", arguments.peer.escape_debug()))
    })?;
    let asked = std::env::var(ASKED).map_err(|_| {
        refused("nothing was asked for".to_owned())
            .hint("it is for the `command=` of a line in `authorized_keys`: see `larder peer key`")
    })?;
    let wanted = read(&asked).map_err(refused)?;
    let client = start::daemon(context).await?.ok_or_else(|| {
        Failure::new("larder receive: no daemon runs for this configuration")
            .hint("start it: it says which uploads are open")
    })?;
    let path = format!("/archives/upload/{}/landing?peer={peer}", wanted.upload);
    let answer = client.post(&path, None).await.map_err(|error| {
        refused(format!("{error}")).hint("begin the upload over HTTPS first, as this peer")
    })?;
    let landing: Landing = serde_json::from_value(answer)?;
    Err(become_rsync(&landing, &wanted).into())
}

/// Reads what was asked for; why not, where it is anything else.
fn read(asked: &str) -> Result<Wanted, String> {
    if asked.len() > ASKED_MAX {
        return Err("it is too long".to_owned());
    }
    // One space between two words is how rsync says it. Nothing is quoted, since nothing needs it.
    let mut words = asked.split(' ').peekable();
    if words.next() != Some("rsync") || words.next() != Some("--server") {
        return Err("only the receiving half of rsync may be run".to_owned());
    }
    let (mut short, mut timeout) = (None, SILENCE);
    loop {
        let word = words.next().ok_or("it names no upload")?;
        match word {
            "." => break,
            "--partial-dir" if words.next() == Some(PARTIAL) => {}
            "--ignore-times" | "--fsync" => {}
            _ if word.starts_with("--timeout=") => {
                let seconds = number(&word["--timeout=".len()..])?;
                timeout = seconds.clamp(1, SILENCE_MAX);
            }
            // What it says of its own pace is no business of the half that receives.
            _ if word.starts_with("--bwlimit=") => {
                number(&word["--bwlimit=".len()..])?;
            }
            _ if word.starts_with('-') && !word.starts_with("--") && short.is_none() => {
                short = Some(short_options(word)?);
            }
            _ => return Err(format!("the option `{}` is not allowed", word.escape_debug())),
        }
    }
    let target = words.next().ok_or("it names no upload")?;
    if words.next().is_some() {
        return Err("it names more than one place".to_owned());
    }
    let upload = target.parse().map_err(|()| "its target is not the number of an upload")?;
    Ok(Wanted { upload, short: short.ok_or("its options are missing")?, timeout })
}

fn number(text: &str) -> Result<u32, String> {
    let digits = !text.is_empty() && text.len() <= 9 && text.bytes().all(|b| b.is_ascii_digit());
    digits.then(|| text.parse().ok()).flatten().ok_or_else(|| "an option has no number".to_owned())
}

/// Times, and what the two halves can do: `-te.LsfxCIvu`. No links, devices, directories or owners.
fn short_options(word: &str) -> Result<String, String> {
    let refuse = || Err(format!("the options `{}` are not allowed", word.escape_debug()));
    let Some((flags, able)) = word[1..].split_once('e') else { return refuse() };
    let fine = flags.chars().all(|c| "tvIW".contains(c))
        && able.starts_with('.')
        && able[1..].chars().all(|c| c.is_ascii_alphanumeric() || c == '.');
    if fine { Ok(word.to_owned()) } else { refuse() }
}

/// Replaces this process by rsync; returns why that did not happen.
fn become_rsync(landing: &Landing, wanted: &Wanted) -> Failure {
    let dir = Path::new(&landing.directory);
    let failed = |what: &str, error: &dyn std::fmt::Display| {
        Failure::new(format!("larder receive: cannot {what} `{}`: {error}", dir.display())).hint(
            "the user of this key has to be the one that the daemon runs as, for instance root with `PermitRootLogin forced-commands-only`",
        )
    };
    let mut options = std::fs::OpenOptions::new();
    let lock = match options.read(true).write(true).open(dir.join(LOCK)) {
        Ok(lock) => lock,
        Err(error) => return failed("write into", &error),
    };
    if flock(&lock, FlockOperation::NonBlockingLockExclusive).is_err() {
        return Failure::new("larder receive: refused: another rsync is writing this upload")
            .hint("it ends by itself when its connection is gone");
    }
    // It stays locked as long as any process of rsync lives.
    if let Err(error) = fcntl_setfd(&lock, FdFlags::empty()) {
        return failed("lock", &error);
    }
    let most = Some(landing.size.max(1));
    if let Err(error) = setrlimit(Resource::Fsize, Rlimit { current: most, maximum: most }) {
        return failed("bound what is written into", &error);
    }
    let error = Command::new("rsync")
        .arg("--server")
        .arg(&wanted.short)
        .arg(format!("--timeout={}", wanted.timeout))
        .arg(format!("--max-size={}", landing.size))
        .args(["--partial-dir", PARTIAL, ".", LANDED])
        .current_dir(dir)
        .env_clear()
        .env("PATH", "/usr/local/bin:/usr/bin:/bin")
        .env("LC_ALL", "C.UTF-8")
        .exec();
    drop(lock);
    Failure::new(format!("larder receive: cannot run rsync: {error}")).hint("install it here")
}

#[cfg(test)]
mod tests {
    use super::*;

    const ID: &str = "00000000-0000-0000-0000-000000000007";

    #[test]
    fn what_our_rsync_asks_for_is_read() {
        let asked = format!(
            "rsync --server -tIe.LsfxCIvu --timeout=60 --bwlimit=100 --partial-dir .larder-partial . {ID}"
        );
        let wanted = read(&asked).unwrap();
        assert_eq!(wanted.upload.to_string(), ID);
        assert_eq!((wanted.short.as_str(), wanted.timeout), ("-tIe.LsfxCIvu", 60));
        assert!(read(&format!("rsync --server -te.iLsfxC . {ID}")).is_ok());
    }

    #[test]
    fn whatever_else_is_asked_for_is_refused() {
        let with = |options: &str| format!("rsync --server -te.LsfxCIvu {options} . {ID}");
        let mut all = vec![
            String::new(),
            "sh".to_owned(),
            "rsync".to_owned(),
            "rsync --server".to_owned(),
            format!("rsync --server . {ID}"),
            format!("rsync --server --sender -te.LsfxCIvu . {ID}"),
            format!("rsync --server --daemon . {ID}"),
            format!("/tmp/rsync --server -te.LsfxCIvu . {ID}"),
            format!("rsync --server -te.LsfxCIvu . {ID}/"),
            format!("rsync --server -te.LsfxCIvu . ../{ID}"),
            format!("rsync --server -te.LsfxCIvu . /srv/{ID}"),
            format!("rsync --server -te.LsfxCIvu . {ID} {ID}"),
            format!("rsync --server -te.LsfxCIvu . {ID}; rm -rf /"),
            format!("rsync --server -te.LsfxCIvu . {ID}\nrm"),
            format!("rsync --server -te.LsfxCIvu . $(id){ID}"),
            format!("rsync --server  -te.LsfxCIvu . {ID}"),
            format!("rsync --server -te.LsfxCIvu\t. {ID}"),
            format!("rsync --server -te.LsfxCIvu -te.x . {ID}"),
            "rsync --server -te.LsfxCIvu . .".to_owned(),
            "rsync --server -te.LsfxCIvu . *".to_owned(),
            "rsync --server -te.LsfxCIvu .".to_owned(),
            format!("rsync --server -te.LsfxCIvu . {}", "x".repeat(2000)),
        ];
        for flags in [
            "-lte.x", "-rte.x", "-ate.x", "-Dte.x", "-Rte.x", "-Kte.x", "-bte.x", "-t", "-te",
            "-te/x",
        ] {
            all.push(format!("rsync --server {flags} . {ID}"));
        }
        for option in [
            "--delete",
            "--delete-after",
            "--inplace",
            "--append",
            "--append-verify",
            "--backup",
            "--backup-dir=x",
            "--remove-source-files",
            "--write-devices",
            "--log-file=/etc/passwd",
            "--log-file=x",
            "--temp-dir=/tmp",
            "--partial-dir=/tmp",
            "--partial-dir ..",
            "--partial-dir /etc",
            "--files-from=/etc/shadow",
            "--link-dest=/",
            "--copy-dest=..",
            "--compare-dest=/",
            "--max-size=1",
            "--timeout=",
            "--timeout=x",
            "--timeout=-1",
            "--bwlimit=1m",
            "--rsync-path=x",
            "--super",
            "--fake-super",
            "--chown=root",
            "--usermap=*:root",
            "--mkpath",
        ] {
            all.push(with(option));
        }
        for asked in all {
            assert!(read(&asked).is_err(), "{asked:?} was taken");
        }
    }
}
