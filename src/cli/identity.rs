//! `larder identity new`: a key pair for encrypted archives.

use std::fs::OpenOptions;
use std::io::Write as _;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::PathBuf;

use anyhow::Context as _;
use clap::{Args, Subcommand};
use secrecy::ExposeSecret as _;

use super::context::Context;
use super::failure::Failure;
use crate::archive::identity;

#[derive(Debug, Subcommand)]
#[command(after_help = "Example:
  larder identity new          print it, write it down, keep it off this host")]
pub(super) enum Command {
    /// Make an age identity, to keep off this host
    New(Arguments),
}

#[derive(Debug, Args)]
#[command(after_help = "Examples:
  larder identity new                        print both halves
  larder identity new --to larder-key.txt    the secret half into a new file

The public half goes into `encrypt_to` or `[recovery] recipients`. Without the secret half nobody
can open the archives: print it on paper and keep it away from this host. A file with it is what
`--identity` of `larder restore`, `larder archive contents`, `larder archive export --plain` and
`larder recover` takes, and `age --decrypt --identity` as well.")]
pub(super) struct Arguments {
    /// Write the secret half to this file, which must not exist
    #[arg(long, value_name = "FILE")]
    to: Option<PathBuf>,
}

pub(super) fn run(context: &Context, command: &Command) -> anyhow::Result<u8> {
    let Command::New(arguments) = command;
    let identity =
        identity::new().map_err(|error| Failure::new(error.to_string()).hint(error.hint()))?;
    let recipient = &identity.recipient;
    let secret = identity.secret.expose_secret();
    let text =
        format!("# larder identity, keep it off the host\n# public key: {recipient}\n{secret}\n");
    match &arguments.to {
        None => context.print(&text)?,
        Some(path) => {
            let file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(path);
            file.and_then(|mut file| {
                file.write_all(text.as_bytes()).and_then(|()| file.sync_all())
            })
            .with_context(|| format!("cannot write `{}`", path.display()))?;
            context.print(&format!("{recipient}\n"))?;
        }
    }
    context.tell(&format!(
        "the public half goes into the configuration:\n  [location.NAME]\n  encrypt_to = \
         [\"{recipient}\"]"
    ));
    let file =
        arguments.to.as_ref().map_or_else(|| "KEY".to_owned(), |to| to.display().to_string());
    context.tell("what is encrypted to it is opened with the secret half:");
    for line in [
        format!("larder restore JOB@latest --identity {file}"),
        format!("larder archive export JOB@latest --plain --identity {file} --to JOB.tar"),
        format!("age --decrypt --identity {file} ARCHIVE.age    (without larder)"),
    ] {
        context.tell(&format!("  {line}"));
    }
    Ok(0)
}
