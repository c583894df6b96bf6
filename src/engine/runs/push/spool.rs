//! Ciphertext that waits for its upload to finish.
//!
//! age never encrypts the same twice in the same way, and an upload goes on with the same bytes
//! only: so what is encrypted for one destination is written down once, and stays until the peer
//! has it. It rests in a hidden folder of the archive's own location where there is room, else
//! beside the state. **Invariant:** a ciphertext counts once the description beside it has its name;
//! what no archive and no peer waits for any more is removed, never anything else, and nothing of
//! another instance that shares the location.

use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::archive;
use crate::durable;
use crate::engine::core::Core;
use crate::engine::locations::attend::attend;
use crate::engine::peers::contacts;
use crate::engine::runs::context::{Context, Failure, with_causes};
use crate::location::ArchiveStore;
use crate::location::signer::{Signed, Signer, is_forgotten};
use crate::model::archive::{Archive, ArchiveId, Condition, Sha256};
use crate::model::location::Location;
use crate::model::name::PlaceName;
use crate::model::observed::LocationState;
use crate::model::run::RunId;
use crate::model::size::Bytes;

/// The hidden folder in a location.
const HIDDEN: &str = ".larder-spool";
/// The folder beside the state.
const BESIDE_THE_STATE: &str = "spool";
/// What stays free on the disk of the state.
const SPARE: u64 = 1 << 30;
/// What stands behind a ciphertext's name.
const CIPHERTEXT: &str = ".age";
/// What stands behind the name of what describes it.
const DESCRIPTION: &str = ".json";
/// What stands behind the name of what is unfinished.
const PART: &str = ".part";

/// A ciphertext that is whole.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Spooled {
    pub(super) path: PathBuf,
    pub(super) size: u64,
    pub(super) sha256: Sha256,
}

/// What stands beside it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Description {
    size: u64,
    sha256: String,
    /// The SHA-256 of what was encrypted.
    of: String,
    recipients: Vec<String>,
}

impl Spooled {
    pub(super) fn open(&self) -> Result<File, Failure> {
        File::open(&self.path).map_err(|error| failed("open", &self.path, &error))
    }

    /// Removes it: the peer has it, or it is of no use. What cannot be removed now is swept later.
    pub(super) fn discard(&self) {
        remove(&self.path.with_extension("json"));
        remove(&self.path);
    }
}

/// The ciphertext of an archive for a peer: the one that an earlier attempt left, or a new one.
pub(super) fn ciphertext(
    cx: &Context,
    archive: &Archive,
    source: &dyn ArchiveStore,
    free: u64,
    peer: &PlaceName,
    recipients: &[String],
) -> Result<Spooled, Failure> {
    let of = archive.file_sha256.map(|hash| hash.to_string()).unwrap_or_default();
    let signer = Signer::of(&cx.desired.instance);
    let name = signer.sign(&format!("{}.{peer}", archive.id));
    let dirs = dirs_of(cx, archive);
    for dir in &dirs {
        let found = find(&dir.path, &name);
        if let Some((spooled, description)) = found {
            if description.of == of && description.recipients == recipients {
                cx.log("sends the ciphertext that an earlier attempt made");
                return Ok(spooled);
            }
            spooled.discard();
        }
    }
    let dir = roomy(cx, archive, dirs, free)?;
    match durable::make_dir(&dir, 0o700) {
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
        made => made.map_err(|error| failed("make the folder", &dir, &error))?,
    }
    cx.log(&format!("encrypts `{}` into `{}`", archive.name, dir.display()));
    cx.progress.enter("encrypting");
    cx.progress.expect_bytes(archive.file_size.saturating_mul(2));
    let part = dir.join(format!("{name}.{}{PART}", cx.run.id));
    remove(&part);
    let made = encrypt(cx, archive, source, recipients, &part);
    let (size, sha256) = match made {
        Ok(made) => made,
        Err(failure) => {
            remove(&part);
            return Err(failure);
        }
    };
    let path = dir.join(format!("{name}{CIPHERTEXT}"));
    let description =
        Description { size, sha256: sha256.to_string(), of, recipients: recipients.to_vec() };
    let text = serde_json::to_vec(&description).unwrap_or_default();
    let written = fs::rename(&part, &path)
        .and_then(|()| durable::sync_dir(&dir))
        .and_then(|()| durable::write_atomic(&path.with_extension("json"), &text, 0o600));
    written.map_err(|error| failed("write", &path, &error))?;
    Ok(Spooled { path, size, sha256 })
}

/// A folder for ciphertext, and what must stay free on its disk.
struct Dir {
    path: PathBuf,
    spare: u64,
}

/// Where ciphertext of an archive may rest, the first choice first.
fn dirs_of(cx: &Context, archive: &Archive) -> Vec<Dir> {
    let beside = Dir { path: cx.core.state.dir().join(BESIDE_THE_STATE), spare: SPARE };
    let folder = cx.core.folder(&archive.location);
    let near = folder.and_then(|folder| Some(hidden(folder.path_of(archive).parent()?)));
    let spare = |location: &Location| location.min_free.0;
    let spare = cx.desired.locations.get(&archive.location).map_or(SPARE, spare);
    near.map(|path| Dir { path, spare }).into_iter().chain([beside]).collect()
}

fn hidden(location: &Path) -> PathBuf {
    location.join(HIDDEN)
}

/// The first folder that has room for it.
fn roomy(cx: &Context, archive: &Archive, dirs: Vec<Dir>, free: u64) -> Result<PathBuf, Failure> {
    // 16 bytes for each 64 KiB, and a head.
    let needed = archive.file_size.saturating_add(archive.file_size >> 11).saturating_add(1 << 16);
    let beside = rustix::fs::statvfs(cx.core.state.dir())
        .map_or(0, |stat| stat.f_bavail.saturating_mul(stat.f_frsize));
    let all = dirs.len();
    for (index, dir) in dirs.into_iter().enumerate() {
        let free = if index + 1 < all { free } else { beside };
        if free >= needed.saturating_add(dir.spare) {
            return Ok(dir.path);
        }
    }
    Err(Failure::new(format!(
        "not enough space to encrypt `{}` before it is sent: needs {} beside what is to stay free, at `{}` ({} free) or beside the state ({} free)",
        archive.name,
        Bytes(needed),
        archive.location,
        Bytes(free),
        Bytes(beside)
    ))
    .hint("make room there, lower `min_free`, or encrypt at the location itself (`encrypt_to`)"))
}

/// Encrypts an archive into a new file; its length and hash.
fn encrypt(
    cx: &Context,
    archive: &Archive,
    source: &dyn ArchiveStore,
    recipients: &[String],
    part: &Path,
) -> Result<(u64, Sha256), Failure> {
    let input = source.open(archive)?;
    let file = durable::create_new(part, 0o600).map_err(|error| failed("make", part, &error))?;
    let copied = archive::encrypt(input, recipients, file, &cx.stop, &cx.progress);
    let copied = copied.map_err(|error| match error {
        archive::WriteError::Stopped(stopped) => Failure::from(stopped),
        archive::WriteError::Destination(error) => failed("write", part, &error),
        error => {
            Failure::new(format!("cannot encrypt `{}`: {}", archive.name, with_causes(&error)))
        }
    })?;
    if copied.stream_sha256 == archive.file_sha256 {
        return Ok((copied.file_size, copied.file_sha256));
    }
    let key = archive.key();
    cx.core.catalogue.set_condition(&cx.core.state, &key, Condition::Corrupt)?;
    Err(Failure::new(format!(
        "`{}` at `{}` is corrupt: what was read is not what was written",
        archive.name, archive.location
    ))
    .hint("nothing was sent"))
}

/// A ciphertext that an earlier attempt left, if it is whole.
fn find(dir: &Path, name: &str) -> Option<(Spooled, Description)> {
    let path = dir.join(format!("{name}{CIPHERTEXT}"));
    let text = fs::read(path.with_extension("json")).ok()?;
    let description: Description = serde_json::from_slice(&text).ok()?;
    let metadata = path.symlink_metadata().ok()?;
    let is_whole = metadata.is_file() && metadata.len() == description.size;
    let sha256 = description.sha256.parse().ok().filter(|_| is_whole)?;
    Some((Spooled { path, size: description.size, sha256 }, description))
}

/// Removes what nobody waits for: what a crash left unfinished, what its peer has or is no peer any
/// more, and what was encrypted of an archive that is gone.
pub(crate) fn sweep(core: &Arc<Core>) {
    sweep_folder(core, &core.state.dir().join(BESIDE_THE_STATE));
    for (name, folder) in core.stores() {
        let Some(dir) = core.desired().locations.get(&name).map(|one| hidden(&one.path)) else {
            continue;
        };
        // What hangs is swept another time.
        let _ = attend(core, &name, &folder, move |core, folder| {
            if let LocationState::Available { .. } = folder.state() {
                sweep_folder(core, &dir);
            }
        });
    }
}

fn sweep_folder(core: &Core, dir: &Path) {
    let busy: Vec<RunId> = core
        .running()
        .values()
        .map(|running| running.run.id)
        .chain(core.given_up().keys().copied())
        .collect();
    let Ok(entries) = fs::read_dir(dir) else { return };
    for entry in entries.flatten() {
        let file_name = entry.file_name();
        let Some(name) = file_name.to_str() else { continue };
        if !is_owned(core, dir, name, &busy) {
            tracing::info!(file = %entry.path().display(), "removed ciphertext that nobody waits for");
            remove(&entry.path());
        }
    }
    // It stays while anything is in it.
    let _ = fs::remove_dir(dir);
}

/// Whether anybody waits for a file of a spool. What has another name than ours stays.
fn is_owned(core: &Core, dir: &Path, file_name: &str, busy: &[RunId]) -> bool {
    let unsigned = match Signer::of(&core.desired().instance).read(file_name) {
        Signed::Ours(rest) => rest,
        Signed::Anothers => return true,
        // An earlier version made it, here or at another instance.
        Signed::Unsigned if !is_forgotten(&dir.join(file_name)) => return true,
        Signed::Unsigned => file_name,
    };
    let Some((id, rest)) = unsigned.split_once('.') else { return true };
    let Ok(id) = id.parse().map(ArchiveId) else { return true };
    if let Some(rest) = rest.strip_suffix(PART) {
        let run = rest.rsplit_once('.').and_then(|(_, run)| run.parse().ok()).map(RunId);
        return run.is_none_or(|run| busy.contains(&run));
    }
    let peer = rest.strip_suffix(CIPHERTEXT).or_else(|| rest.strip_suffix(DESCRIPTION));
    let Some(peer) = peer.and_then(|peer| peer.parse::<PlaceName>().ok()) else { return true };
    // Called before anything is spooled in the one lane that does so.
    if let Some(name) = file_name.strip_suffix(CIPHERTEXT)
        && find(dir, name).is_none()
    {
        return false;
    }
    let is_there = |archive: &Archive| {
        archive.id == id && matches!(archive.condition, Condition::Present | Condition::Unavailable)
    };
    let stream = core.catalogue.select(is_there);
    let is_wanted = core.desired().peers.contains_key(&peer);
    let known = contacts::known(core);
    let is_held = |archive: &Archive| {
        known.get(&peer).is_some_and(|contact| contact.holds(id, archive.stream_sha256))
    };
    is_wanted && stream.first().is_some_and(|archive| !is_held(archive))
}

/// Removes a file that may not be there.
fn remove(path: &Path) {
    match durable::remove(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => {
            tracing::warn!(file = %path.display(), %error, "what is of no use any more cannot be removed");
        }
        _ => {}
    }
}

fn failed(what: &str, path: &Path, error: &io::Error) -> Failure {
    let failure = Failure::new(format!("cannot {what} `{}`: {error}", path.display()));
    match error.kind() {
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => {
            failure.hint("make room there: ciphertext waits there until it was sent")
        }
        _ => failure,
    }
}
