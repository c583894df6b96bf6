//! The catalogue of a folder, from the folder alone.
//!
//! An archive is ours when the description beside it can be read and names its encoding.
//! Everything else that looks like an archive is foreign: listed, never touched.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::fs::{self, File, Metadata};
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use jiff::Timestamp;
use rustix::fs::{Mode, OFlags};

use super::folder::Folder;
use super::names::{self, Kind};
use super::sidecar::{self, SidecarError};
use super::{LocationError, Lone, Scan};
use crate::model::archive::{Archive, ArchiveId, Condition};
use crate::model::name::{ArchiveName, PlaceName};
use crate::model::observed::Foreign;

/// The files of one name.
#[derive(Debug, Default)]
struct Group {
    /// Extensions of archives, each with what is there.
    archives: Vec<(&'static str, Look)>,
    sidecar: bool,
}

/// What is told of a file: a folder can have a hundred thousand.
#[derive(Debug, Clone, Copy)]
struct Look {
    is_file: bool,
    size: u64,
    modified: Timestamp,
}

impl From<&Metadata> for Look {
    fn from(metadata: &Metadata) -> Self {
        let modified = metadata.modified().ok().and_then(|time| Timestamp::try_from(time).ok());
        Self {
            is_file: metadata.is_file(),
            size: metadata.len(),
            modified: modified.unwrap_or(Timestamp::UNIX_EPOCH),
        }
    }
}

type Groups = BTreeMap<String, Group>;

pub(super) fn scan(folder: &Folder) -> Result<Scan, LocationError> {
    let groups = folder.io("list", &folder.path, list(folder, &folder.path))?;
    let trash_dir = folder.trash_dir();
    let trash = folder.io("list", &trash_dir, list(folder, &trash_dir))?;
    let mut judge = Judge { folder, renamed: BTreeSet::new(), scan: Scan::default() };

    let mut sidecars = read_sidecars(folder, &trash_dir, &trash);
    for (name, group) in &trash {
        if let Some(sidecar) = group.sidecar.then(|| sidecars.next().flatten()).flatten() {
            judge.trashed(name, group, sidecar);
        }
    }
    let mut sidecars = read_sidecars(folder, &folder.path, &groups);
    for (name, group) in &groups {
        match group.sidecar.then(|| sidecars.next().flatten()).flatten() {
            Some(Ok(archive)) => judge.described(name, group, archive),
            Some(Err(error)) => {
                if let Unreadable::Io(error) = &error {
                    folder.doubt("read the description of", Path::new(name), error);
                }
                judge.problem(format!(
                    "`{name}{}` cannot be read: {}",
                    sidecar::EXTENSION,
                    error.in_words()
                ));
                judge.foreign(name, group, None, Some("its description cannot be read"));
            }
            // It was there when the folder was listed: the archive is being moved right now.
            None if group.sidecar => {}
            None => judge.foreign(name, group, None, None),
        }
    }
    Ok(judge.without_copies())
}

fn list(folder: &Folder, dir: &Path) -> io::Result<Groups> {
    let entries = match fs::read_dir(dir) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Groups::new()),
        other => other?,
    };
    let mut groups = Groups::new();
    for entry in entries {
        let entry = entry?;
        folder.attendant().moves();
        let file_name = entry.file_name();
        let Some((base, kind)) = file_name.to_str().and_then(names::split) else { continue };
        match kind {
            Kind::Sidecar => groups.entry(base.to_owned()).or_default().sidecar = true,
            Kind::Info => {}
            Kind::Archive(extension) => {
                // What vanishes between the listing and the look is not there.
                let Ok(metadata) = entry.metadata() else { continue };
                if metadata.is_file() || metadata.is_symlink() {
                    let look = Look::from(&metadata);
                    groups.entry(base.to_owned()).or_default().archives.push((extension, look));
                }
            }
        }
    }
    Ok(groups)
}

/// Why a description cannot be used.
#[derive(Debug)]
pub(super) enum Unreadable {
    Io(io::Error),
    Sidecar(SidecarError),
}

impl Unreadable {
    fn in_words(&self) -> String {
        match self {
            Unreadable::Io(error) => error.to_string(),
            Unreadable::Sidecar(SidecarError::Json(error)) => {
                format!("not a description of an archive: {error}")
            }
            Unreadable::Sidecar(error) => error.to_string(),
        }
    }
}

pub(super) fn read_sidecar(path: &Path, location: &PlaceName) -> Result<Archive, Unreadable> {
    let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
    let open = rustix::io::retry_on_intr(|| rustix::fs::open(path, flags, Mode::empty()));
    let file = File::from(open.map_err(|error| Unreadable::Io(error.into()))?);
    let mut text = Vec::with_capacity(4096);
    file.take(sidecar::MAX).read_to_end(&mut text).map_err(Unreadable::Io)?;
    sidecar::from_text(&text, location).map_err(Unreadable::Sidecar)
}

/// Reads all descriptions, on as many threads as there are processors: one item for each group
/// that has one, in the order of the groups; `None` where it is gone by now.
fn read_sidecars(
    folder: &Folder,
    dir: &Path,
    groups: &Groups,
) -> impl Iterator<Item = Option<Result<Archive, Unreadable>>> + use<> {
    let names: Vec<&String> =
        groups.iter().filter(|(_, group)| group.sidecar).map(|(name, _)| name).collect();
    let threads = std::thread::available_parallelism().map_or(1, usize::from).min(8);
    let share = names.len().div_ceil(threads).max(64);
    let read = |name: &&String| {
        let path = dir.join(format!("{name}{}", sidecar::EXTENSION));
        let read = read_sidecar(&path, &folder.name);
        folder.attendant().moves();
        match read {
            Err(Unreadable::Io(error)) if error.kind() == io::ErrorKind::NotFound => None,
            sidecar => Some(sidecar),
        }
    };
    let read: Vec<Vec<_>> = std::thread::scope(|scope| {
        let workers: Vec<_> = names
            .chunks(share)
            .map(|names| scope.spawn(move || names.iter().map(read).collect()))
            .collect();
        let done = workers.into_iter().map(std::thread::ScopedJoinHandle::join);
        done.map(|read| read.expect("reading does not panic")).collect()
    });
    read.into_iter().flatten()
}

/// A scan while it is made.
struct Judge<'a> {
    folder: &'a Folder,
    /// Archives whose description was written for another name.
    renamed: BTreeSet<ArchiveName>,
    scan: Scan,
}

impl Judge<'_> {
    fn problem(&mut self, text: String) {
        self.scan.problems.push(text);
    }

    /// A description in the main folder, with whatever lies beside it.
    fn described(&mut self, name: &str, group: &Group, mut archive: Archive) {
        let Ok(archive_name) = name.parse::<ArchiveName>() else {
            self.problem(format!("`{name}{}` has a name that no archive has", sidecar::EXTENSION));
            return self.foreign(name, group, None, None);
        };
        if archive.name != archive_name {
            self.renamed.insert(archive_name.clone());
            archive.name = archive_name.clone();
        }
        let extension = archive.codec.extension(!archive.recipients.is_empty());
        match group.archives.iter().find(|(ending, _)| *ending == extension) {
            Some((_, look)) if look.is_file => {
                let (found, recorded) = (look.size, archive.file_size);
                if found != recorded {
                    self.problem(format!(
                        "`{name}{extension}` has {found} bytes, {recorded} were recorded: it is damaged"
                    ));
                    archive.condition = Condition::Corrupt;
                }
                self.scan.archives.push(archive);
                self.foreign(name, group, Some(extension), None);
            }
            Some(_) => {
                self.problem(format!("`{name}{extension}` is a link, and was a file when made"));
                self.foreign(name, group, None, None);
            }
            None if !group.archives.is_empty() => {
                self.problem(format!(
                    "`{name}{}` describes `{name}{extension}`, which is not there",
                    sidecar::EXTENSION
                ));
                self.foreign(name, group, None, Some("its description is of another file"));
            }
            // On its way into the trash or back.
            None if self.scan.trashed.iter().any(|trashed| trashed.id == archive.id) => {}
            None => self.scan.lone.push(Lone {
                id: archive.id,
                name: archive_name,
                archive: Archive { condition: Condition::Lost, ..archive },
            }),
        }
    }

    fn trashed(&mut self, name: &str, group: &Group, sidecar: Result<Archive, Unreadable>) {
        let archive = match sidecar {
            Ok(archive) => archive,
            Err(error) => {
                return self.problem(format!(
                    "`{name}{}` in the trash cannot be read: {}",
                    sidecar::EXTENSION,
                    error.in_words()
                ));
            }
        };
        let extension = archive.codec.extension(!archive.recipients.is_empty());
        let file = group.archives.iter().find(|(ending, _)| *ending == extension);
        // Without the file it is an intent that was not carried out: the sweep's concern.
        let (Ok(name), Some((_, look))) = (name.parse(), file) else { return };
        let until = match archive.condition {
            Condition::Trashed { until } => until,
            // Somebody moved it there by hand.
            Condition::Present | Condition::Corrupt | Condition::Lost | Condition::Unavailable => {
                look.modified
            }
        };
        let condition = Condition::Trashed { until };
        self.scan.trashed.push(Archive { name, condition, ..archive });
    }

    /// Lists what lies under a name and is not ours, each real file once.
    fn foreign(&mut self, name: &str, group: &Group, ours: Option<&str>, note: Option<&str>) {
        self.folder.attendant().moves();
        let mut seen: BTreeSet<PathBuf> = BTreeSet::new();
        let here = |extension: &str| self.folder.path.join(format!("{name}{extension}"));
        let (files, links): (Vec<&(_, Look)>, Vec<&(_, Look)>) =
            group.archives.iter().partition(|(_, look)| look.is_file);
        for (extension, look) in files {
            // Only a link can be a second way to a file; resolving a path costs a walk along it.
            if !links.is_empty() {
                seen.extend(here(extension).canonicalize());
            }
            if Some(*extension) != ours {
                let note = note.or(ours.map(|_| "it lies beside an archive of the same name"));
                self.list(format!("{name}{extension}"), *look, note);
            }
        }
        for (extension, link) in links {
            let file_name = format!("{name}{extension}");
            let real = here(extension).canonicalize();
            let Ok((look, real)) =
                real.and_then(|real| Ok((Look::from(&fs::metadata(&real)?), real)))
            else {
                self.list(file_name, *link, Some("a link to nothing"));
                continue;
            };
            let target = real.file_name().unwrap_or_default().to_string_lossy().into_owned();
            let same_name = names::split(&target).is_some_and(|(base, _)| base == name);
            if same_name && !seen.insert(real) {
                continue;
            }
            let linked = (!same_name).then(|| format!("a link to `{target}`"));
            self.list(file_name, look, linked.as_deref().or(note));
        }
    }

    fn list(&mut self, file_name: String, look: Look, note: Option<&str>) {
        self.scan.foreign.push(Foreign {
            location: self.folder.name.clone(),
            file_name,
            size: look.size,
            modified: look.modified,
            note: note.map(ToOwned::to_owned),
        });
    }

    /// Where somebody copied an archive with its description, two files have one id. The one
    /// that has the name it was made with stays the archive, the others are foreign.
    fn without_copies(mut self) -> Scan {
        let archives = std::mem::take(&mut self.scan.archives);
        let (renamed, mut original): (Vec<_>, Vec<_>) =
            archives.into_iter().partition(|archive| self.renamed.contains(&archive.name));
        let mut names: HashMap<ArchiveId, ArchiveName> =
            original.iter().map(|archive| (archive.id, archive.name.clone())).collect();
        for archive in renamed {
            let Some(first) = names.get(&archive.id) else {
                names.insert(archive.id, archive.name.clone());
                original.push(archive);
                continue;
            };
            let path = self.folder.path_of(&archive);
            let file_name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
            self.scan.problems.push(format!("`{file_name}` is a copy of `{first}`, with its id"));
            if let Ok(metadata) = path.symlink_metadata() {
                self.list(file_name, Look::from(&metadata), Some(&format!("a copy of `{first}`")));
            }
        }
        original.sort_by(|one, other| one.name.cmp(&other.name));
        self.scan.archives = original;
        self.scan
    }
}
