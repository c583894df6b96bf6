//! The scratch place of a drill: a directory that only we can enter, on a disk that has room, gone
//! when the drill is over.
//!
//! **Invariant:** what a crash left is removed at the next start, a server that outlived it included;
//! nothing is ever followed out of the directory.

use std::fs::{self, Permissions};
use std::io;
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};
use sha2::{Digest as _, Sha256 as Hasher};

use crate::database::place_for_servers;
use crate::durable;
use crate::engine::core::Core;
use crate::engine::locations::attend::attend;
use crate::engine::runs::context::{Context, with_causes};
use crate::location::ArchiveStore as _;
use crate::model::archive::{Archive, Sha256};
use crate::model::observed::LocationState;
use crate::model::size::Bytes;

/// Below the state's directory.
const HERE: &str = "drill";
/// Where drills write at a location, which other instances may share.
const AT_LOCATION: &str = ".larder-drill";
/// Where a throw-away server has its files when we are root and nobody says another place: on a
/// disk, and open to the user that it runs as, who cannot enter the state's directory.
const FOR_SERVERS: &str = "/var/tmp";
/// What must stay free beside what is restored.
const SPARE: u64 = 64 << 20;
/// How long a killed process may take to be gone.
const DYING: Duration = Duration::from_secs(5);

/// A directory that is gone with this value.
#[derive(Debug)]
pub(super) struct Scratch {
    path: PathBuf,
    server: Option<PathBuf>,
}

impl Scratch {
    /// Makes one with room for `needed` bytes: beside the state, or else at the location of the
    /// archive.
    pub(super) fn make(cx: &Context, archive: &Archive, needed: u64) -> Result<Self, String> {
        let here = cx.core.state.dir().join(HERE);
        let spared = needed.saturating_add(needed / 10).saturating_add(SPARE);
        let mut places = vec![(here, cx.run.id.to_string(), spared)];
        if let Some(location) = cx.desired.locations.get(&archive.location) {
            let name = format!("{}-{}", cx.desired.instance.name, cx.run.id);
            let spared = spared.saturating_add(location.min_free.0);
            places.push((location.path.join(AT_LOCATION), name, spared));
        }
        let mut told = Vec::new();
        for (parent, name, spared) in places {
            let above = parent.parent().unwrap_or(&parent);
            let free = free(above);
            if free < spared {
                told.push(format!("{} of {} at `{}`", Bytes(free), Bytes(spared), above.display()));
                continue;
            }
            return match make(&parent, &name) {
                Ok(path) => Ok(Self { path, server: None }),
                Err(error) => {
                    Err(format!("cannot make `{name}` in `{}`: {error}", parent.display()))
                }
            };
        }
        Err(format!("there is no room for a restore: {}", told.join(", ")))
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// An empty directory for a server that takes so many bytes.
    pub(super) fn for_server(&mut self, cx: &Context, needed: u64) -> io::Result<PathBuf> {
        let is_root = rustix::process::geteuid().is_root();
        let above = place_for_servers(Path::new(FOR_SERVERS));
        let above = if is_root && free(&above) > needed.saturating_add(SPARE) {
            let prefix = format!("{}{}-", prefix_for_servers(cx.core.state.dir()), cx.run.id);
            let made = tempfile::Builder::new().prefix(&prefix).tempdir_in(above)?.keep();
            self.server = Some(made.clone());
            // It stays ours, and lets the server's user through to what that is given.
            fs::set_permissions(&made, Permissions::from_mode(0o711))?;
            made
        } else {
            self.path.clone()
        };
        let path = above.join("server");
        durable::make_dir(&path, 0o700)?;
        Ok(path)
    }

    /// Whether a disk of it has run full.
    pub(super) fn is_full(&self) -> bool {
        let places = std::iter::once(&self.path).chain(&self.server);
        places.into_iter().any(|place| free(place) < SPARE / 4)
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        if let Some(server) = &self.server {
            clear(server);
        }
        clear(&self.path);
        // The directory above stays while another drill has its place there.
        if let Some(parent) = self.path.parent() {
            let _ = fs::remove_dir(parent);
        }
    }
}

fn free(path: &Path) -> u64 {
    rustix::fs::statvfs(path).map_or(0, |stat| stat.f_bavail * stat.f_frsize)
}

/// How the directories of an instance's servers begin, which no other instance shares.
fn prefix_for_servers(state_dir: &Path) -> String {
    let state_dir = state_dir.canonicalize().unwrap_or_else(|_| state_dir.to_owned());
    let hash = Sha256(Hasher::digest(state_dir.as_os_str().as_bytes()).into()).to_string();
    format!("larder-drill-{}-", &hash[..12])
}

/// Makes the directory `name` in `parent`, which is made as well.
fn make(parent: &Path, name: &str) -> io::Result<PathBuf> {
    match durable::make_dir(parent, 0o700) {
        // It must be a directory of its own, not a way to somewhere else.
        Err(error)
            if error.kind() == io::ErrorKind::AlreadyExists
                && fs::symlink_metadata(parent)?.is_dir() => {}
        other => other?,
    }
    // Without `..`, which the configuration may have and a restore refuses.
    let path = parent.canonicalize()?.join(name);
    durable::make_dir(&path, 0o700)?;
    Ok(path)
}

/// Removes what drills left that a crash ended. To be called while no drill can be under way.
pub(crate) fn sweep(core: &Arc<Core>) {
    let (state_dir, desired) = (core.state.dir(), core.desired());
    remove_all(&state_dir.join(HERE), "");
    let servers = place_for_servers(Path::new(FOR_SERVERS));
    sweep_servers(&servers, &prefix_for_servers(state_dir));
    let own = format!("{}-", desired.instance.name);
    for location in desired.locations.values() {
        let Some(folder) = core.folder(&location.name) else { continue };
        let (place, own) = (location.path.join(AT_LOCATION), own.clone());
        // What hangs is swept at another start.
        let _ = attend(core, &location.name, &folder, move |_, folder| {
            if !matches!(folder.state(), LocationState::Unavailable(_)) {
                remove_all(&place, &own);
            }
        });
    }
}

/// Everybody may write where the servers were, and give what they make any name.
fn sweep_servers(parent: &Path, prefix: &str) {
    let us = rustix::process::geteuid().as_raw();
    for entry in fs::read_dir(parent).into_iter().flatten().flatten() {
        let is_called_so = entry.file_name().to_str().is_some_and(|name| name.starts_with(prefix));
        // Of the entry itself, never of what a link leads to.
        if is_called_so && entry.metadata().is_ok_and(|metadata| metadata.uid() == us) {
            clear(&entry.path());
        }
    }
}

fn remove_all(parent: &Path, prefix: &str) {
    // Whoever may write above may have put a link there.
    if !is_directory(parent) {
        return;
    }
    let Ok(entries) = fs::read_dir(parent) else { return };
    for entry in entries.flatten() {
        let name = entry.file_name();
        let number = name.to_str().and_then(|name| name.strip_prefix(prefix));
        if number.is_some_and(|number| number.bytes().all(|byte| byte.is_ascii_digit())) {
            tracing::info!(dir = %entry.path().display(), "sweeping what an interrupted drill left");
            clear(&entry.path());
        }
    }
    let _ = fs::remove_dir(parent);
}

/// Whether it is a directory itself, rather than a way to one.
fn is_directory(path: &Path) -> bool {
    fs::symlink_metadata(path).is_ok_and(|metadata| metadata.is_dir())
}

/// Ends what still works in a directory, and removes it. What is no directory has nobody in it: a
/// link is removed, and what it leads to is left alone.
fn clear(dir: &Path) {
    let removed = if is_directory(dir) {
        end_processes(dir);
        remove(dir)
    } else {
        match fs::remove_file(dir) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
            other => other,
        }
    };
    if let Err(error) = removed {
        tracing::warn!(dir = %dir.display(), error = %with_causes(&error), "a scratch place cannot be removed; it is tried again at the next start");
    }
}

fn remove(dir: &Path) -> io::Result<()> {
    match fs::remove_dir_all(dir) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        // Without root, a directory that was restored read-only keeps its entries.
        Err(error) if error.kind() == io::ErrorKind::PermissionDenied => {
            open_up(dir)?;
            fs::remove_dir_all(dir)
        }
        other => other,
    }
}

fn open_up(dir: &Path) -> io::Result<()> {
    fs::set_permissions(dir, Permissions::from_mode(0o700))?;
    for entry in fs::read_dir(dir)? {
        let entry = entry?;
        if entry.file_type()?.is_dir() {
            open_up(&entry.path())?;
        }
    }
    Ok(())
}

/// Kills processes that have their working directory here: a throw-away server whose daemon was
/// killed goes on. Both kinds of server work in the directory of their data.
///
/// Its own name is never followed: were it exchanged for a link meanwhile, nobody would be there.
fn end_processes(dir: &Path) {
    let (Some(parent), Some(name)) = (dir.parent(), dir.file_name()) else { return };
    let Ok(dir) = parent.canonicalize().map(|parent| parent.join(name)) else { return };
    let deadline = Instant::now() + DYING;
    loop {
        let alive = processes_in(&dir);
        for pid in &alive {
            let _ = kill_process(*pid, Signal::KILL);
        }
        if alive.is_empty() || Instant::now() > deadline {
            return;
        }
        std::thread::sleep(Duration::from_millis(10));
    }
}

fn processes_in(dir: &Path) -> Vec<Pid> {
    let Ok(entries) = fs::read_dir("/proc") else { return Vec::new() };
    let works_here =
        |path: PathBuf| fs::read_link(path.join("cwd")).is_ok_and(|at| at.starts_with(dir));
    entries
        .flatten()
        .filter_map(|entry| {
            let pid: i32 = entry.file_name().to_str()?.parse().ok()?;
            works_here(entry.path()).then(|| Pid::from_raw(pid)).flatten()
        })
        .filter(|pid| *pid != rustix::process::getpid())
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_works_in_a_scratch_place_ends_with_it() {
        let dir = tempfile::tempdir().unwrap();
        let scratch = dir.path().join("7");
        fs::create_dir_all(scratch.join("server/data")).unwrap();
        let mut server = std::process::Command::new("sleep")
            .arg("600")
            .current_dir(scratch.join("server/data"))
            .spawn()
            .unwrap();
        // A zombie has no working directory any more: it is ours to reap.
        clear(&scratch);
        assert!(!server.wait().unwrap().success());
        assert!(!scratch.exists());
    }

    #[test]
    fn a_link_is_removed_and_nobody_dies_where_it_leads() {
        let dir = tempfile::tempdir().unwrap();
        let target = dir.path().join("target");
        fs::create_dir_all(target.join("jerry-8/data")).unwrap();
        let mut bystander = std::process::Command::new("sleep")
            .arg("600")
            .current_dir(target.join("jerry-8/data"))
            .spawn()
            .unwrap();
        let places = dir.path().join("places");
        fs::create_dir(&places).unwrap();
        // At a location: the place itself, and the directory that all places are in.
        std::os::unix::fs::symlink(&target, places.join("jerry-7")).unwrap();
        remove_all(&places, "jerry-");
        std::os::unix::fs::symlink(&target, &places).unwrap();
        remove_all(&places, "jerry-");
        // Among the servers.
        let link = dir.path().join("larder-drill-0-1-x");
        std::os::unix::fs::symlink(&target, &link).unwrap();
        sweep_servers(dir.path(), "larder-drill-0-");
        assert!(fs::symlink_metadata(&link).is_err());
        assert!(target.join("jerry-8/data").is_dir());
        assert!(bystander.try_wait().unwrap().is_none(), "it was killed");
        bystander.kill().unwrap();
        bystander.wait().unwrap();
    }

    #[test]
    fn what_somebody_else_made_among_the_servers_is_left_alone() {
        if !rustix::process::geteuid().is_root() {
            return;
        }
        let dir = tempfile::tempdir().unwrap();
        let place = |name: &str| dir.path().join(format!("larder-drill-0-{name}"));
        for name in ["1-ours", "2-theirs"] {
            fs::create_dir_all(place(name).join("server")).unwrap();
        }
        // As a server's directory is: its user's, inside of ours.
        std::os::unix::fs::chown(place("1-ours").join("server"), Some(12345), None).unwrap();
        std::os::unix::fs::chown(place("2-theirs"), Some(12345), None).unwrap();
        sweep_servers(dir.path(), "larder-drill-0-");
        assert!(!place("1-ours").exists() && place("2-theirs").exists());
    }

    #[test]
    fn only_own_places_are_swept() {
        let dir = tempfile::tempdir().unwrap();
        for name in ["jerry-7", "jerry-x", "tom-7"] {
            fs::create_dir_all(dir.path().join(name).join("deep")).unwrap();
        }
        let read_only = dir.path().join("jerry-7/deep");
        fs::set_permissions(&read_only, Permissions::from_mode(0o500)).unwrap();
        remove_all(dir.path(), "jerry-");
        let left = |name: &str| dir.path().join(name).exists();
        assert!(!left("jerry-7") && left("jerry-x") && left("tom-7"));
    }
}
