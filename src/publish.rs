//! The generated JSON: what a static page, a script or another host may read without asking.
//!
//! Each file is replaced in one step, and only when it says something new (or when an hour has
//! passed, so that its age tells whether anybody is still there). **Invariant:** nothing here is a
//! secret: no log, no configuration table, no path of a secret.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use jiff::{SignedDuration, Timestamp};
use serde::Serialize;
use serde_json::{Value, json};
use sha2::Digest as _;

use crate::api::dto;
use crate::durable;
use crate::engine::View;
use crate::model::run::Run;

pub use schema::{schema_text, schemas};

/// The version of the files' form.
const SCHEMA: u32 = 1;
/// How many runs are published.
pub const RUNS: usize = 100;
/// How old an unchanged file may get.
const REFRESH: SignedDuration = SignedDuration::from_hours(1);
/// Anybody may read a file.
const FILE_MODE: u32 = 0o644;
/// Anybody may list the directory.
const DIR_MODE: u32 = 0o755;

/// A SHA-256 over what a file says.
type Digest = [u8; 32];

/// What was published last, and where, so that unchanged files are left alone.
#[derive(Debug, Clone, Default)]
pub struct Published {
    dir: PathBuf,
    files: BTreeMap<&'static str, (Digest, Timestamp)>,
}

/// Writes those files that say something new, and names them. `runs` are the newest, newest first.
///
/// # Errors
/// The directory or a file in it cannot be written; what was written before that stays.
pub fn publish(
    view: &View,
    runs: &[Run],
    dir: &Path,
    last: &mut Published,
) -> io::Result<Vec<&'static str>> {
    let now = view.at.timestamp();
    if last.dir != dir {
        sweep(dir)?;
        *last = Published { dir: dir.to_owned(), files: BTreeMap::new() };
    }
    let mut written = Vec::new();
    let mut show = |name: &'static str, content: Vec<u8>| -> io::Result<()> {
        let path = dir.join(format!("{name}.json"));
        let digest: Digest = sha2::Sha256::digest(&content).into();
        let current = last.files.get(name).is_some_and(|(known, at)| {
            let age = now.duration_since(*at);
            *known == digest && age < REFRESH && !age.is_negative() && path.is_file()
        });
        if current {
            return Ok(());
        }
        if written.is_empty() {
            durable::make_dirs(dir, DIR_MODE)?;
        }
        let text = envelope(view, name, &content)?;
        drop(content);
        durable::write_atomic(&path, &text, FILE_MODE)?;
        last.files.insert(name, (digest, now));
        written.push(name);
        Ok(())
    };
    contents(view, runs, &mut show)?;
    Ok(written)
}

/// Removes what was under way when a process was killed: whoever has the state is the only one who
/// writes there.
fn sweep(dir: &Path) -> io::Result<()> {
    let entries = match fs::read_dir(dir) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        entries => entries?,
    };
    for entry in entries {
        let name = entry?.file_name();
        if name.to_str().is_some_and(is_temporary) {
            durable::remove(&dir.join(name))?;
        }
    }
    Ok(())
}

/// Whether it is the name of a file until it is complete: `.NAME.json.UUID.larder-tmp`.
fn is_temporary(name: &str) -> bool {
    let inner = name.strip_prefix('.').and_then(|name| name.strip_suffix(durable::TEMPORARY));
    let parts = inner.and_then(|inner| inner.rsplit_once('.'));
    parts.is_some_and(|(file, id)| {
        let is_id = id.len() == 32 && id.bytes().all(|byte| byte.is_ascii_hexdigit());
        is_id && file.strip_suffix(".json").is_some()
    })
}

fn envelope(view: &View, name: &str, content: &[u8]) -> io::Result<Vec<u8>> {
    let generated_at = dto::Moment::new(view.at.timestamp(), view.at.time_zone());
    let head = json!({
        "generated_at": generated_at,
        "instance": view.desired.instance.name.as_str(),
        "schema": SCHEMA,
    });
    let mut text = serde_json::to_vec(&head)?;
    text.pop();
    text.reserve_exact(name.len() + content.len() + 8);
    text.extend_from_slice(format!(",\n\"{name}\":").as_bytes());
    text.extend_from_slice(content);
    text.extend_from_slice(b"}\n");
    Ok(text)
}

/// A list as JSON, made and written item by item, one in a line.
fn list<T: Serialize>(items: impl Iterator<Item = T>) -> io::Result<Vec<u8>> {
    let mut text = vec![b'['];
    for (nth, item) in items.enumerate() {
        text.extend_from_slice(if nth == 0 { b"\n" } else { b",\n" });
        serde_json::to_writer(&mut text, &item)?;
    }
    text.extend_from_slice(b"\n]");
    Ok(text)
}

/// The files by name, one after the other: a list of archives is long.
fn contents(
    view: &View,
    runs: &[Run],
    show: &mut dyn FnMut(&'static str, Vec<u8>) -> io::Result<()>,
) -> io::Result<()> {
    let runs = dto::Run::list(view, &runs[..runs.len().min(RUNS)], |_| None);
    let verdicts = view.verdicts.iter().map(|verdict| dto::Verdict::new(view, verdict));
    let jobs = view.desired.jobs.values().map(|job| {
        let last = runs
            .iter()
            .find(|run| run.kind == "backup" && run.job_id.as_deref() == Some(job.name.as_str()));
        let mut job = dto::Job::new(view, job, &view.verdicts, last.cloned());
        // The table has paths, users and commands of this host: for administrators, not for a page.
        job.config = Value::Null;
        job
    });
    let mut archives: Vec<_> = view.observed.archives.iter().collect();
    archives
        .sort_by(|a, b| (b.created_at, b.id, &a.location).cmp(&(a.created_at, a.id, &b.location)));
    let archives = archives.into_iter().map(|archive| dto::Archive::new(view, archive, None));
    show("status", list(verdicts)?)?;
    show("jobs", list(jobs)?)?;
    show("archives", list(archives)?)?;
    let peers = || view.desired.peers.values();
    let shares = dto::Shares::of(view);
    let shown = |peer| dto::Peer::new(view, peer, &shares).published();
    show("peers", list(peers().map(shown))?)?;
    let newest = |job: &str| {
        let of_job = |run: &&dto::Run| run.kind == "backup" && run.job_id.as_deref() == Some(job);
        runs.iter().find(of_job).cloned()
    };
    let this = dto::Member::this(view, None, newest);
    let known = peers().map(|peer| dto::Member::of_peer(view, peer, &shares).published());
    show("network", list(std::iter::once(this).chain(known))?)?;
    show("runs", list(runs.iter())?)
}

mod schema;
#[cfg(test)]
mod tests;
