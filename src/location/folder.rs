//! A folder of this host as a location.

use std::fs::File;
use std::io::{self, Read, Seek, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use jiff::Timestamp;
use jiff::civil::Date;
use parking_lot::Mutex;
use rustix::fs::{CWD, Mode, OFlags};
use rustix::io::Errno;

use super::names::{self, Files};
use super::signer::Signer;
use super::{
    ArchiveStore, Incoming, LocationError, Scan, Writer, marker, publish, scan, sidecar, sweep,
    trash,
};
use crate::durable::{self, Access};
use crate::model::archive::{Archive, Condition};
use crate::model::location::Location;
use crate::model::name::{ArchiveName, InstanceName, Label, PlaceName};
use crate::model::observed::LocationState;
use crate::model::run::RunId;
use crate::patience::Attendant;

/// Where archives are written before they have a name.
pub(super) const INCOMING: &str = ".incoming";
/// Where deleted archives wait.
pub(super) const TRASH: &str = ".larder-trash";
/// The most archives of one label and day.
const NUMBERS: u32 = 9999;
/// Why the name space of a peer is not there before the peer used it.
const NOTHING_SENT: &str = "its peer has not sent anything yet";
/// The group that YunoHost's administrators are in.
const ADMINS: &str = "admins";

/// A location that is a folder.
#[derive(Debug)]
pub struct Folder {
    pub(super) name: PlaceName,
    pub(super) path: PathBuf,
    pub(super) require_mount: bool,
    /// Whether it is the name space of a peer: made by its first upload, and not before.
    pub(super) is_name_space: bool,
    /// Whether it is made by the first run that writes there, and not when it is looked at.
    pub(super) is_made_on_use: AtomicBool,
    access: Access,
    pub(super) signer: Option<Signer>,
    marker: Mutex<Option<String>>,
    pub(super) suspect: Mutex<Option<String>>,
    pub(super) twin: Mutex<Option<PlaceName>>,
    pub(super) attendant: Arc<Attendant>,
}

impl Folder {
    /// The folder of a location. `recorded_marker` is what [`ensure`](Self::ensure) returned
    /// when the location was first used. Touches nothing.
    #[must_use]
    pub fn open(location: &Location, recorded_marker: Option<&str>) -> Self {
        Self {
            name: location.name.clone(),
            path: location.path.clone(),
            require_mount: location.require_mount,
            is_name_space: location.owner.is_some(),
            is_made_on_use: AtomicBool::new(false),
            access: access(),
            signer: None,
            marker: Mutex::new(recorded_marker.map(ToOwned::to_owned)),
            suspect: Mutex::default(),
            twin: Mutex::default(),
            attendant: Arc::default(),
        }
    }

    /// The folder of an instance that may share it with others: what it has under way is signed,
    /// and what others have under way is left alone.
    #[must_use]
    pub fn signed_by(mut self, signer: Signer) -> Self {
        self.signer = Some(signer);
        self
    }

    /// Makes sure that the location is there, and returns its marker's id, to be recorded. The
    /// directory is made and marked only when no marker was ever recorded, and that of a peer's
    /// name space by [`begin_name_space`](Self::begin_name_space) alone.
    ///
    /// # Errors
    /// `Unavailable` when the recorded one is not there, or it is yet to be made; I/O when it cannot be made.
    pub fn ensure(&self) -> Result<String, LocationError> {
        if let Some(id) = self.recorded() {
            return self.require().map(|()| id);
        }
        if self.twin.lock().is_some() {
            self.require()?;
        }
        // Before anything is done there: whether it answers at all.
        self.require_answer()?;
        if self.is_name_space {
            let found = self.io("look at", &self.path, marker::read(&self.path))?;
            let id = found.ok_or_else(|| self.unavailable(NOTHING_SENT.to_owned()))?;
            self.remember(&id);
            return Ok(id);
        }
        let on_mount = marker::is_on_a_mount(&self.path);
        if self.require_mount && !self.io("look at", &self.path, on_mount)? {
            return Err(self.unavailable("nothing is mounted there".to_owned()));
        }
        if self.is_yet_to_be_made() {
            return self.found_without_making();
        }
        self.io("make the folder", &self.path, marker::make_dirs(&self.path))?;
        let id = self.io("mark the folder", &self.path, marker::place(&self.path))?;
        self.remember(&id);
        Ok(id)
    }

    /// The id in the marker that is there, whatever is recorded; `None` where nothing answers, too.
    #[must_use]
    pub fn found_marker(&self) -> Option<String> {
        self.require_answer().ok()?;
        marker::read(&self.path).ok().flatten()
    }

    /// Notes which other location this folder belongs to; it cannot be used as long as one is noted.
    pub fn note_twin(&self, twin: Option<PlaceName>) {
        *self.twin.lock() = twin;
    }

    /// Where an archive's file is, or would be.
    #[must_use]
    pub fn path_of(&self, archive: &Archive) -> PathBuf {
        let dir = match archive.condition {
            Condition::Trashed { .. } => self.trash_dir(),
            Condition::Present | Condition::Corrupt | Condition::Lost | Condition::Unavailable => {
                self.path.clone()
            }
        };
        Files::of(archive, &dir).tar
    }

    /// From now on this marker counts.
    pub(super) fn remember(&self, marker: &str) {
        *self.marker.lock() = Some(marker.to_owned());
    }

    pub(super) fn recorded(&self) -> Option<String> {
        self.marker.lock().clone()
    }

    pub(super) fn incoming_dir(&self) -> PathBuf {
        self.path.join(INCOMING)
    }

    pub(super) fn trash_dir(&self) -> PathBuf {
        self.path.join(TRASH)
    }

    pub(super) fn access(&self) -> Access {
        self.access
    }

    pub(super) fn unavailable(&self, reason: String) -> LocationError {
        LocationError::Unavailable { location: self.name.clone(), reason }
    }

    pub(super) fn taken(&self, name: &ArchiveName) -> LocationError {
        LocationError::NameTaken { location: self.name.clone(), name: name.clone() }
    }

    /// Gives an error of the system its meaning here.
    pub(super) fn io<T>(
        &self,
        what: &'static str,
        path: &Path,
        result: io::Result<T>,
    ) -> Result<T, LocationError> {
        self.attendant.moves();
        result.map_err(|source| self.failed(what, path, source))
    }

    /// Makes a hidden directory of the location that may be missing.
    pub(super) fn hidden_dir(&self, dir: &Path) -> Result<(), LocationError> {
        self.io("make the directory", dir, marker::make_dirs(dir))
    }
}

impl ArchiveStore for Folder {
    fn state(&self) -> LocationState {
        self.state_now()
    }

    fn begin(&self, run: RunId) -> Result<Incoming, LocationError> {
        self.require()?;
        self.hidden_dir(&self.incoming_dir())?;
        let writer = Writer::Run(run);
        let path = self.part(writer);
        match durable::create_new(&path, 0o600) {
            Ok(file) => Ok(Incoming { writer, file, path }),
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
                Err(LocationError::Exists { path })
            }
            Err(error) => Err(self.failed("make the file", &path, error)),
        }
    }

    fn discard(&self, run: RunId) -> Result<(), LocationError> {
        self.require()?;
        self.remove_if_there(&self.part(Writer::Run(run))).map(drop)
    }

    fn free_name(
        &self,
        instance: &InstanceName,
        label: &Label,
        day: Date,
        taken: &dyn Fn(&ArchiveName) -> bool,
    ) -> Result<ArchiveName, LocationError> {
        self.require()?;
        let trash = self.trash_dir();
        for number in 1..=NUMBERS {
            let name = ArchiveName::build(instance, label, day, number)?;
            let used = |dir| self.io("look into", dir, names::anything_taken(dir, &name));
            if !taken(&name) && !used(&self.path)? && !used(&trash)? {
                return Ok(name);
            }
        }
        Err(self.taken(&ArchiveName::build(instance, label, day, NUMBERS)?))
    }

    fn publish(
        &self,
        incoming: Incoming,
        archive: &Archive,
        info_json: &[u8],
    ) -> Result<(), LocationError> {
        publish::publish(self, &incoming, archive, info_json)
    }

    fn scan(&self) -> Result<Scan, LocationError> {
        self.require()?;
        scan::scan(self)
    }

    fn update(&self, archive: &Archive) -> Result<(), LocationError> {
        self.require()?;
        self.describe(archive)
    }

    fn adopt(&self, archive: &Archive) -> Result<(), LocationError> {
        self.require()?;
        publish::adopt(self, archive)
    }

    fn trash(&self, archive: &Archive, until: Timestamp) -> Result<(), LocationError> {
        self.require()?;
        trash::trash(self, archive, until)
    }

    fn untrash(&self, archive: &Archive) -> Result<(), LocationError> {
        self.require()?;
        trash::untrash(self, archive)
    }

    fn unlink(&self, archive: &Archive) -> Result<(), LocationError> {
        self.require()?;
        trash::unlink(self, archive)
    }

    fn open(&self, archive: &Archive) -> Result<File, LocationError> {
        self.require()?;
        let path = self.path_of(archive);
        let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
        let open = || rustix::fs::openat(CWD, &path, flags, Mode::empty());
        let file = match rustix::io::retry_on_intr(open) {
            Ok(file) => File::from(file),
            Err(Errno::NOENT) => return Err(LocationError::Gone { path }),
            Err(Errno::LOOP) => return Err(foreign(&path, "it is a link")),
            Err(error) => return Err(self.failed("open", &path, error.into())),
        };
        if !self.io("look at", &path, file.metadata())?.is_file() {
            return Err(foreign(&path, "it is not a regular file"));
        }
        Ok(file)
    }

    fn sweep(&self, keep: &[RunId]) -> Result<Vec<String>, LocationError> {
        self.require()?;
        let keep: Vec<Writer> = keep.iter().copied().map(Writer::Run).collect();
        sweep::sweep(self, &keep)
    }

    fn probe_write(&self) -> Result<(), LocationError> {
        self.require()?;
        self.hidden_dir(&self.incoming_dir())?;
        let path = self.hidden(&format!("probe{}", durable::TEMPORARY));
        self.remove_if_there(&path)?;
        let result = probe(&path);
        let removed = self.remove_if_there(&path);
        self.io("write, flush and read", &path, result)?;
        removed?;
        *self.suspect.lock() = None;
        Ok(())
    }

    fn failed(&self, what: &'static str, path: &Path, source: io::Error) -> LocationError {
        if let Some(Errno::NOSPC | Errno::DQUOT) = Errno::from_io_error(&source) {
            let location = self.name.clone();
            return LocationError::NoSpace { location, needed: None, free: self.free() };
        }
        self.doubt(what, path, &source);
        LocationError::Io { what, path: path.to_owned(), source }
    }
}

impl Folder {
    /// Replaces the description of an archive by what it was, for work that wrote another one and
    /// was left behind meanwhile: the place answers again, although it does not count as there
    /// before that work is over.
    ///
    /// # Errors
    /// `Foreign` when the one that is there has another id, `Gone` when there is none.
    pub fn take_back(&self, archive: &Archive) -> Result<(), LocationError> {
        self.describe(archive)
    }

    fn describe(&self, archive: &Archive) -> Result<(), LocationError> {
        let dir = match archive.condition {
            Condition::Trashed { .. } => self.trash_dir(),
            Condition::Present | Condition::Corrupt | Condition::Lost | Condition::Unavailable => {
                self.path.clone()
            }
        };
        let files = Files::of(archive, &dir);
        match self.owner(&files.sidecar)? {
            Some(id) if id == archive.id => {}
            Some(_) => return Err(not_ours(&files.sidecar)),
            None => return Err(LocationError::Gone { path: files.sidecar }),
        }
        let text = sidecar::to_text(archive);
        let result = durable::write_atomic(&files.sidecar, text.as_bytes(), self.access);
        self.io("replace", &files.sidecar, result)
    }

    /// Makes the place suspect when an error says that the disk is bad.
    pub(super) fn doubt(&self, what: &str, path: &Path, error: &io::Error) {
        let bad = [
            Errno::IO,
            Errno::ROFS,
            Errno::NODEV,
            Errno::NXIO,
            Errno::STALE,
            Errno::REMOTEIO,
            Errno::UCLEAN,
        ];
        if Errno::from_io_error(error).is_some_and(|errno| bad.contains(&errno)) {
            let reason = format!("could not {what} `{}`: {error}", path.display());
            *self.suspect.lock() = Some(reason);
        }
    }

    /// The archive that a description belongs to; `None` when it is not there.
    pub(super) fn owner(
        &self,
        sidecar: &Path,
    ) -> Result<Option<crate::model::archive::ArchiveId>, LocationError> {
        self.attendant.moves();
        match scan::read_sidecar(sidecar, &self.name) {
            Ok(archive) => Ok(Some(archive.id)),
            Err(scan::Unreadable::Io(error)) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(scan::Unreadable::Io(error)) => Err(self.failed("read", sidecar, error)),
            Err(scan::Unreadable::Sidecar(error)) => Err(foreign(sidecar, &error.to_string())),
        }
    }

    /// Removes a name if it is there, and says whether it was.
    pub(super) fn remove_if_there(&self, path: &Path) -> Result<bool, LocationError> {
        match durable::remove(path) {
            Ok(()) => Ok(true),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
            Err(error) => Err(self.failed("remove", path, error)),
        }
    }

    pub(super) fn is_there(&self, path: &Path) -> Result<bool, LocationError> {
        self.io("look at", path, names::is_there(path))
    }

    pub(super) fn sync(&self, dir: &Path) -> Result<(), LocationError> {
        self.io("flush", dir, durable::sync_dir(dir))
    }
}

pub(super) fn foreign(path: &Path, why: &str) -> LocationError {
    LocationError::Foreign { path: path.to_owned(), why: why.to_owned() }
}

pub(super) fn not_ours(path: &Path) -> LocationError {
    foreign(path, "it describes another archive")
}

fn probe(path: &Path) -> io::Result<()> {
    const TEXT: &[u8; 4096] = &[b'?'; 4096];
    let mut file = durable::create_new(path, 0o600)?;
    file.write_all(TEXT)?;
    durable::sync_file(&file, path)?;
    file.rewind()?;
    let mut found = Vec::new();
    file.read_to_end(&mut found)?;
    if found == TEXT { Ok(()) } else { Err(Errno::IO.into()) }
}

/// 0640 `root:admins` where YunoHost's administrators may read, else 0600.
fn access() -> Access {
    let admins = nix::unistd::Group::from_name(ADMINS).ok().flatten();
    match admins {
        Some(group) if rustix::process::geteuid().is_root() => {
            Access { mode: 0o640, group: Some(group.gid.as_raw()) }
        }
        Some(_) | None => Access::from(0o600),
    }
}
