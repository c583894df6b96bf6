//! `larder archive`: the archives, whatever their location.

use std::path::PathBuf;

use clap::{Args, Subcommand};

use super::client::Client;
use super::context::Context;
use super::start;
use super::words::{query, segment};
use crate::engine::Autonomy;
use crate::model::job::Via;

mod change;
mod contents;
mod export;
mod list;
mod show;
mod stream;

#[derive(Debug, Subcommand)]
#[command(after_help = "Examples:
  larder archive list --job web
  larder archive show web@latest
  larder archive export web@latest --plain | tar tf -

An archive is named by its name, its id, ORIGIN/NAME, JOB@latest or JOB@DAY (web@2026-05-08).")]
pub(super) enum Command {
    /// List the archives, newest first
    List(ListArguments),
    /// Show everything that is known of an archive
    Show(OneArguments),
    /// Compare archives with their recorded hash
    Verify(VerifyArguments),
    /// List what is in an archive
    Contents(ContentsArguments),
    /// Copy an archive's file out
    Export(ExportArguments),
    /// Copy an archive to another location, or to a peer
    Send(SendArguments),
    /// Bring an archive here that peers hold alone, and pin it
    Fetch(FetchArguments),
    /// Keep an archive until it is unpinned
    Pin(PinArguments),
    /// Let retention judge an archive again
    Unpin(UnpinArguments),
    /// Delete a copy; it stays in the trash for a while
    Delete(DeleteArguments),
    /// Take a deleted copy back from the trash, pinned
    Undelete(UndeleteArguments),
    /// Take another program's archive into the catalogue
    Adopt(AdoptArguments),
}

#[derive(Debug, Args)]
#[command(after_help = "Examples:
  larder archive list
  larder archive list --job web --location usb
  larder archive list --foreign            also files that larder did not make
  larder archive list --format json")]
pub(super) struct ListArguments {
    /// Of this job only
    #[arg(long, value_name = "JOB")]
    job: Option<String>,
    /// At this location only
    #[arg(long, value_name = "LOCATION")]
    location: Option<String>,
    /// Made by this instance only
    #[arg(long, value_name = "INSTANCE")]
    origin: Option<String>,
    /// Only those that are present, corrupt, lost, unavailable or trashed
    #[arg(long, value_name = "CONDITION")]
    condition: Option<String>,
    /// Also files that larder did not make
    #[arg(long)]
    foreign: bool,
    /// At most so many
    #[arg(long, value_name = "N")]
    limit: Option<usize>,
}

#[derive(Debug, Args)]
#[command(after_help = "Examples:
  larder archive show jerry_web_20260508
  larder archive show web@latest --location usb")]
pub(super) struct OneArguments {
    /// Its name, its id, ORIGIN/NAME, JOB@latest or JOB@DAY
    archive: String,
    /// The copy at this location
    #[arg(long, value_name = "LOCATION")]
    location: Option<String>,
}

#[derive(Debug, Args)]
pub(super) struct ManyArguments {
    /// Names, ids, ORIGIN/NAME, JOB@latest or JOB@DAY
    #[arg(required = true, value_name = "ARCHIVE")]
    archives: Vec<String>,
    /// The copies at this location
    #[arg(long, value_name = "LOCATION")]
    location: Option<String>,
}

/// Archives of which every copy is meant where no location is named.
#[derive(Debug, Args)]
pub(super) struct CopiesArguments {
    /// Names, ids, ORIGIN/NAME, JOB@latest or JOB@DAY
    #[arg(required = true, value_name = "ARCHIVE")]
    archives: Vec<String>,
    /// The copies at this location only; every copy without
    #[arg(long, value_name = "LOCATION")]
    location: Option<String>,
}

#[derive(Debug, Args)]
#[command(after_help = "Examples:
  larder archive pin web@latest                        every copy of it
  larder archive pin jerry_web_20260508 --location usb")]
pub(super) struct PinArguments {
    #[command(flatten)]
    copies: CopiesArguments,
}

#[derive(Debug, Args)]
#[command(after_help = "Examples:
  larder archive unpin jerry_web_20260508              every copy of it
  larder archive unpin jerry_web_20260508 --location usb")]
pub(super) struct UnpinArguments {
    #[command(flatten)]
    copies: CopiesArguments,
}

#[derive(Debug, Args)]
#[command(after_help = "Examples:
  larder archive list --condition trashed
  larder archive undelete jerry_web_20260508 --location main

What is taken back is pinned, or the next expiry would delete it again: `larder archive unpin` lets
retention judge it.")]
pub(super) struct UndeleteArguments {
    #[command(flatten)]
    many: ManyArguments,
}

#[derive(Debug, Args)]
#[command(after_help = "Examples:
  larder archive verify web@latest                    every copy of it
  larder archive verify --all --location usb
  larder verify web@latest")]
pub(super) struct VerifyArguments {
    /// Names, ids, ORIGIN/NAME, JOB@latest or JOB@DAY
    #[arg(required_unless_present = "all", value_name = "ARCHIVE")]
    archives: Vec<String>,
    /// Every archive that is present
    #[arg(long, conflicts_with = "archives")]
    all: bool,
    /// The copies at this location only; every copy that is present without
    #[arg(long, value_name = "LOCATION")]
    location: Option<String>,
    /// Archives at this other instance, by their names there; do not wait
    #[arg(long, value_name = "PEER", conflicts_with = "all")]
    peer: Option<String>,
}

#[derive(Debug, Args)]
#[command(after_help = "Examples:
  larder archive contents web@latest                        every member
  larder archive contents web@latest /                      what is uppermost in it
  larder archive contents web@latest /opt/app/etc           one directory, as it was on the host
  larder archive contents web@latest --search nginx.conf    where is that file?
  larder archive contents web@latest --format json
  larder archive contents web@latest --identity key.txt     an encrypted one

A directory is named as it was on the host, or as it is in the archive (data/custom/opt/app/etc). A
search looks at names, in any case; with a slash, at paths. `larder restore --path` brings one back.")]
pub(super) struct ContentsArguments {
    #[command(flatten)]
    one: OneArguments,
    /// Only what lies in this directory
    #[arg(value_name = "DIR")]
    directory: Option<String>,
    /// Only what has this in its name, below DIR or anywhere
    #[arg(long, value_name = "TEXT")]
    search: Option<String>,
    /// The age identity that opens an encrypted archive
    #[arg(long, value_name = "FILE")]
    identity: Option<PathBuf>,
}

#[derive(Debug, Args)]
#[command(after_help = "Examples:
  larder archive export web@latest --plain --to web.tar
  larder archive export web@latest --plain | tar xf - -C /tmp/web
  larder archive export web@latest --plain --identity key.txt --to web.tar    an encrypted one
  larder archive export web@latest --to web.copy     as it rests: compressed, encrypted

What is written is compared with the recorded SHA-256. A damaged archive never gets the name behind
`--to`; to standard output it is written all the same. Exit code 1 when it is damaged.")]
pub(super) struct ExportArguments {
    #[command(flatten)]
    one: OneArguments,
    /// Into this file, which must not exist, once it is whole; to standard output without
    #[arg(long, value_name = "FILE")]
    to: Option<PathBuf>,
    /// As a plain tar stream: decompressed and decrypted
    #[arg(long)]
    plain: bool,
    /// The age identity that opens an encrypted archive
    #[arg(long, value_name = "FILE", requires = "plain")]
    identity: Option<PathBuf>,
}

#[derive(Debug, Args)]
#[command(after_help = "Example:
  larder archive send web@latest usb
  larder archive send web@latest tom --via rsync")]
pub(super) struct SendArguments {
    #[command(flatten)]
    one: OneArguments,
    /// The location or peer that gets the copy
    to: String,
    /// How it travels to a peer: auto (as the configuration says), http or rsync
    #[arg(long, value_parser = Via::ALL.map(Via::word))]
    via: Option<String>,
}

#[derive(Debug, Args)]
#[command(after_help = "Examples:
  larder archive fetch web@2026-05-08
  larder archive fetch jerry_web_20260508 --from vps --to usb

For archives of this instance that expired here and are still kept at a peer. Afterwards they are
restored like any other; `larder archive unpin` lets them expire again.")]
pub(super) struct FetchArguments {
    /// Its name there, its id, ORIGIN/NAME, JOB@latest or JOB@DAY
    archive: String,
    /// The peer that holds it; whoever does, and answers, without
    #[arg(long, value_name = "PEER")]
    from: Option<String>,
    /// The location that it goes to; that of its job without
    #[arg(long, value_name = "LOCATION")]
    to: Option<String>,
}

#[derive(Debug, Args)]
#[command(after_help = "Example:
  larder archive delete jerry_web_20260508 --location main

Refused are the last good archive of a series, pinned ones, and more good archives of a series
within a week than three, or 30 % of them where that is more. Of several archives, those that are
not refused are deleted all the same; exit code 1. `larder archive undelete` takes one back, pinned,
while it is in the trash (24 hours by default).")]
pub(super) struct DeleteArguments {
    #[command(flatten)]
    many: ManyArguments,
    /// Do not ask
    #[arg(short, long)]
    yes: bool,
}

#[derive(Debug, Args)]
#[command(after_help = "Example:
  larder archive list --foreign
  larder archive adopt main old-web.tar --job web

What larder made of the same source becomes one of the job's archives. Any other tar archive with
relative names is kept beside them: pinned, no copy, and in no rule of retention;
`larder restore old-web --to DIR` lays its files below DIR. Names that are absolute or have `..` in
them are refused.")]
pub(super) struct AdoptArguments {
    /// The location where the file is
    location: String,
    /// Its file name
    file: String,
    /// The job whose series it joins
    #[arg(long, value_name = "JOB")]
    job: String,
}

pub(super) async fn run(context: &Context, command: &Command) -> anyhow::Result<u8> {
    start::with(context, Autonomy::OnRequest, async |client| match command {
        Command::List(arguments) => list::list(context, client, arguments).await,
        Command::Show(arguments) => show::show(context, client, arguments).await,
        Command::Verify(arguments) => change::verify(context, client, arguments).await,
        Command::Contents(arguments) => contents::contents(context, client, arguments).await,
        Command::Export(arguments) => export::export(context, client, arguments).await,
        Command::Send(arguments) => change::send(context, client, arguments).await,
        Command::Fetch(arguments) => change::fetch(context, client, arguments).await,
        Command::Pin(PinArguments { copies }) => {
            let location = copies.location.as_deref();
            change::pin(context, client, &copies.archives, location, "pin").await
        }
        Command::Unpin(UnpinArguments { copies }) => {
            let location = copies.location.as_deref();
            change::pin(context, client, &copies.archives, location, "unpin").await
        }
        Command::Delete(arguments) => change::delete(context, client, arguments).await,
        Command::Undelete(arguments) => change::undelete(context, client, arguments).await,
        Command::Adopt(arguments) => change::adopt(context, client, arguments).await,
    })
    .await
}

pub(super) async fn verify(context: &Context, arguments: &VerifyArguments) -> anyhow::Result<u8> {
    start::with(context, Autonomy::OnRequest, async |client| {
        change::verify(context, client, arguments).await
    })
    .await
}

/// The path of something about an archive.
fn path(archive: &str, what: &str, location: Option<&str>) -> String {
    query(&format!("/archives/{}{what}", segment(archive)), &[("location", location)])
}

/// One archive.
async fn one(
    client: &Client,
    arguments: &OneArguments,
) -> anyhow::Result<crate::api::dto::Archive> {
    client.get(&path(&arguments.archive, "/info", arguments.location.as_deref())).await
}
