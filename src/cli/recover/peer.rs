//! `larder recover --peer`: a burned server gets its archives back from who kept them.
//!
//! The code opens the name space of the one that burned, once; from then on the token does, which
//! lies beside what was fetched. So a recovery that was interrupted goes on without another code.

use std::collections::BTreeMap;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Read as _};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use serde_json::Value;
use sha2::{Digest as _, Sha256 as Hasher};

use super::Arguments;
use super::names;
use crate::causes::with_causes;
use crate::cli::context::Context;
use crate::cli::failure::{Failure, USAGE};
use crate::cli::peer::accept::{not_taken, read};
use crate::cli::words::{clean, count, size};
use crate::durable;
use crate::location::sidecar;
use crate::model::archive::Sha256;
use crate::model::contact::RemoteCopy;
use crate::model::desired::{Desired, SecretRef};
use crate::model::job::CONFIGURATION_JOB;
use crate::model::name::PlaceName;
use crate::model::peer::PeerKind;
use crate::peer::PeerError;
use crate::peer::https::pairing::{self, Offer};
use crate::peer::https::{Https, Wanted};
use crate::peer::upload::Pace;
use crate::progress::Progress;
use crate::recover;
use crate::stop::Stop;

/// Where archives are fetched to when nothing is said.
pub(super) const USUAL_DIR: &str = "/var/lib/larder/recovered";
/// What this host is called as long as it does not know its name.
const NAMELESS: &str = "recovering";
/// The token, beside what was fetched.
const TOKEN: &str = ".peer-token";
/// How the peer is reached.
const REACHED: &str = ".peer.json";
/// What a file is called that has not come whole.
const PART: &str = ".part";

/// How the peer is reached, for the next attempt.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Reached {
    url: String,
    pin: Option<String>,
    instance: String,
}

/// Fetches the newest good archive of each job into a directory, which is then as any folder of
/// archives. Where that is.
pub(super) async fn gather(
    context: &Context,
    arguments: &Arguments,
    url: &str,
    stop: &Stop,
) -> anyhow::Result<PathBuf> {
    let into = arguments.into.clone().unwrap_or_else(|| PathBuf::from(USUAL_DIR));
    let into = std::path::absolute(into)?;
    let made = fs::DirBuilder::new().recursive(true).mode(0o700).create(&into);
    made.map_err(|error| cannot("make", &into, error))?;
    let https = enter(context, arguments, url, &into).await?;
    let listed = https.archives().await.map_err(failure)?;
    let wanted = newest(&listed.held, arguments);
    if wanted.is_empty() {
        return Err(Failure::new(format!("`{url}` holds no good archive of this instance"))
            .hint("is it the right peer, and is the code made with `--replace` for the name that burned?")
            .into());
    }
    let bytes: u64 = wanted.iter().map(|copy| copy.file_size).sum();
    context.tell(&format!(
        "{} ({}) to fetch into `{}`",
        count(wanted.len(), "archive"),
        size(bytes),
        into.display()
    ));
    for copy in wanted {
        fetch(context, &https, copy, &into, stop).await?;
    }
    Ok(into)
}

/// The peer with its token: that of an earlier attempt, or the one that the code gets.
async fn enter(
    context: &Context,
    arguments: &Arguments,
    url: &str,
    into: &Path,
) -> anyhow::Result<Https> {
    let token = into.join(TOKEN);
    let earlier: Option<Reached> = fs::read(into.join(REACHED))
        .ok()
        .and_then(|bytes| serde_json::from_slice(&bytes).ok())
        .filter(|reached: &Reached| is_same(&reached.url, url) && token.exists());
    let reached = match (earlier, &arguments.code) {
        (Some(earlier), _) => {
            context.tell(&format!("going on with the token in `{}`", token.display()));
            earlier
        }
        (None, None) => {
            let failure = Failure::new("a peer lets nobody in without a code");
            return Err(Failure { code: USAGE, ..failure }
                .hint("whoever runs it makes one: `larder peer invite NAME --replace`; give it with `--code`")
                .into());
        }
        (None, Some(code)) => {
            let code = read(code)?;
            if !is_same(&code.url, url) {
                return Err(Failure::new(format!(
                    "the code is one of `{}`, not of `{url}`",
                    code.url
                ))
                .into());
            }
            let name: PlaceName = place_name(code.instance.as_str());
            let offer = Offer {
                secret: code.secret.hex(),
                instance: NAMELESS.to_owned(),
                ..Offer::default()
            };
            let welcome = pairing::pair(&code, name, &offer).await.map_err(not_taken)?;
            let secret = welcome.token.ok_or_else(|| Failure::new("the peer gave no token"))?;
            let reached = Reached {
                url: code.url.clone(),
                pin: code.pin.map(|pin| pin.to_string()),
                instance: code.instance.to_string(),
            };
            // The code is used up: what it got must outlive this process.
            durable::write_atomic(&token, format!("{secret}\n").as_bytes(), 0o600)
                .map_err(|error| cannot("write", &token, error))?;
            let kept = into.join(REACHED);
            durable::write_atomic(&kept, &serde_json::to_vec(&reached)?, 0o600)
                .map_err(|error| cannot("write", &kept, error))?;
            context.tell(&format!(
                "`{}` lets this host in as `{}`",
                code.instance,
                clean(&welcome.peer)
            ));
            reached
        }
    };
    let mut peer = pairing::stranger(place_name(&reached.instance), &reached.url, reached.pin);
    if let PeerKind::Instance { token: named, .. } = &mut peer.kind {
        *named = Some(SecretRef::File(token));
    }
    tokio::task::spawn_blocking(move || Https::open(&peer)).await?.map_err(failure)
}

/// The newest good archive of each job.
fn newest<'a>(listed: &'a [RemoteCopy], arguments: &Arguments) -> Vec<&'a RemoteCopy> {
    let mut newest: BTreeMap<_, &RemoteCopy> = BTreeMap::new();
    for copy in listed.iter().filter(|copy| copy.is_good) {
        let is_asked = arguments.jobs.is_empty()
            || copy.job.as_str() == CONFIGURATION_JOB
            || arguments.jobs.iter().any(|job| names(job, &copy.job));
        let is_theirs =
            arguments.instance.as_ref().is_none_or(|instance| copy.origin.as_str() == instance);
        if !is_asked || !is_theirs {
            continue;
        }
        let held = newest.entry((&copy.origin, &copy.job)).or_insert(copy);
        if (copy.created_at, copy.id) > (held.created_at, held.id) {
            *held = copy;
        }
    }
    newest.into_values().collect()
}

/// Fetches one archive: its file first, then what describes it, which makes it one.
async fn fetch(
    context: &Context,
    https: &Https,
    copy: &RemoteCopy,
    into: &Path,
    stop: &Stop,
) -> anyhow::Result<()> {
    let told = https.description(copy.id).await.map_err(failure)?;
    let place: PlaceName = place_name(NAMELESS);
    let archive = sidecar::from_text(&serde_json::to_vec(&told)?, &place).map_err(|error| {
        Failure::new(format!("what is said of `{}`: {}", clean(&copy.name), with_causes(&error)))
    })?;
    if archive.id != copy.id {
        return Err(Failure::new(format!(
            "`{}` is described as another archive",
            clean(&copy.name)
        ))
        .into());
    }
    // Names are those of the type, which hold no path.
    let folder = into.join(archive.origin.as_str());
    recover::make_ready(&folder).map_err(super::told)?;
    let extension = archive.codec.extension(!archive.recipients.is_empty());
    let file = folder.join(format!("{}{extension}", archive.name));
    let beside = folder.join(format!("{}{}", archive.name, sidecar::EXTENSION));
    if file.exists() && beside.exists() {
        return Ok(());
    }
    context.tell(&format!("  {} ({})", archive.name, size(copy.file_size)));
    let part = folder.join(format!(".{}{PART}", archive.id));
    let opened = OpenOptions::new()
        .read(true)
        .write(true)
        .create(true)
        .truncate(false)
        .mode(0o600)
        .open(&part);
    let partial = opened.map_err(|error| cannot("write", &part, error))?;
    let wanted = Wanted { id: copy.id, size: copy.file_size, sha256: copy.file_sha256 };
    let (unbounded, progress) = (Arc::new(Pace::new(None)), Progress::new());
    let log = |line: &str| context.tell(&format!("    {}", clean(line)));
    let filling = https.fill(wanted, &partial, &unbounded, &progress, &log);
    tokio::select! {
        filled = filling => filled.map_err(failure)?,
        // What came so far is in the file.
        stopped = stop.requested() => return Err(failure(PeerError::Stopped(stopped))),
    }
    partial.sync_all().map_err(|error| cannot("write", &part, error))?;
    let (path, expected) = (part.clone(), archive.file_sha256.or(copy.file_sha256));
    let found = tokio::task::spawn_blocking(move || hash(&path)).await?;
    let found = found.map_err(|error| cannot("read", &part, error))?;
    if expected.is_some_and(|expected| expected != found) {
        fs::remove_file(&part).map_err(|error| cannot("remove", &part, error))?;
        return Err(Failure::new(format!(
            "`{}` came with other bytes than its hash says",
            archive.name
        ))
        .hint("run it again: it is fetched anew")
        .into());
    }
    let mut text = told;
    if let Some(info) = text.as_object_mut().and_then(|told| told.remove("info_json"))
        && let Value::String(info) = info
    {
        let path = folder.join(format!("{}.info.json", archive.name));
        durable::write_atomic(&path, info.as_bytes(), 0o600)
            .map_err(|error| cannot("write", &path, error))?;
    }
    durable::write_atomic(&beside, sidecar::to_text(&archive).as_bytes(), 0o600)
        .map_err(|error| cannot("write", &beside, error))?;
    fs::rename(&part, &file).map_err(|error| cannot("write", &file, error))?;
    durable::sync_dir(&folder).map_err(|error| cannot("write", &folder, error))
}

/// Puts the token to where the recovered configuration looks for it, if nothing is there; else says
/// what to do with it.
pub(super) fn keep_token(context: &Context, desired: &Desired, url: &str, into: &Path) {
    let token = into.join(TOKEN);
    let named = desired.peers.values().find_map(|peer| match &peer.kind {
        PeerKind::Instance { url: Some(named), token: Some(SecretRef::File(path)), .. }
            if is_same(named, url) =>
        {
            Some((peer, path))
        }
        _ => None,
    });
    let Some((peer, path)) = named else {
        context.tell(&format!("the new token for `{url}` is in `{}`", token.display()));
        return;
    };
    if path.exists() {
        context.tell(&format!(
            "the old token of peer `{0}` opens nothing any more; put the new one in its place: `install -m 600 {1} {2}`",
            peer.name,
            token.display(),
            path.display()
        ));
        return;
    }
    let put = path
        .parent()
        .map_or(Ok(()), fs::create_dir_all)
        .and_then(|()| durable::write_new(path, &fs::read(&token)?, 0o600));
    match put {
        Ok(()) => context.tell(&format!(
            "the new token of peer `{}` is in `{}`",
            peer.name,
            path.display()
        )),
        Err(error) => context.warn(&format!(
            "the new token of peer `{}` is not in `{}` ({error}), but in `{}`",
            peer.name,
            path.display(),
            token.display()
        )),
    }
}

fn is_same(one: &str, other: &str) -> bool {
    one.trim_end_matches('/').eq_ignore_ascii_case(other.trim_end_matches('/'))
}

/// A name for what is told of it.
fn place_name(text: &str) -> PlaceName {
    text.parse().unwrap_or_else(|_| "peer".parse().expect("a name"))
}

fn hash(path: &Path) -> io::Result<Sha256> {
    let mut file = File::open(path)?;
    let mut hasher = Hasher::new();
    let mut buffer = vec![0; 1 << 20];
    loop {
        let length = file.read(&mut buffer)?;
        if length == 0 {
            return Ok(Sha256(hasher.finalize().into()));
        }
        hasher.update(&buffer[..length]);
    }
}

fn cannot(what: &str, path: &Path, error: io::Error) -> anyhow::Error {
    anyhow::Error::new(error).context(format!("cannot {what} `{}`", path.display()))
}

#[expect(clippy::needless_pass_by_value, reason = "for `map_err`")]
fn failure(error: PeerError) -> anyhow::Error {
    let failure = Failure::new(with_causes(&error));
    match error.hint() {
        Some(hint) => failure.hint(hint).into(),
        None => failure.hint("what came so far stays: run it again").into(),
    }
}
