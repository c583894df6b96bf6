//! The first pass: every header is read and judged before anything is written.

use std::collections::{HashMap, HashSet};
use std::fs::File;
use std::path::PathBuf;

use super::names::{self, Belongs, Selection, Wanted};
use super::order::{Keys, Order, Role};
use super::owners::Names;
use super::place::Place;
use super::tree::Tree;
use super::{Extraction, FilesError, MOST_LISTED, MOST_OVERWRITTEN, Original, Owners, Preview};
use crate::archive::{self, Entry, EntryKind, OpenError, Reader};
use crate::progress::Progress;
use crate::source::printable;
use crate::stop::Stop;

/// What is known of an archive that was read once.
#[derive(Debug)]
pub(super) struct Survey {
    /// How many members are wanted.
    pub(super) members: u64,
    /// Bytes of content that are wanted.
    pub(super) bytes: u64,
    /// Device nodes that are wanted.
    pub(super) devices: u64,
    /// The hashing of paths below the prefix.
    pub(super) keys: Keys,
    /// The hashes of all targets of hard links that are wanted, sorted.
    pub(super) linked: Vec<u64>,
    /// Files that are not wanted themselves and whose hard links are: the path of the first link,
    /// which gets the content.
    pub(super) instead: HashMap<u64, Vec<u8>>,
}

/// Opens an archive's file once more, from its beginning: a duplicate would share the offset.
pub(super) fn reopen(original: &Original<'_>) -> std::io::Result<File> {
    use std::os::fd::AsRawFd as _;
    File::open(format!("/proc/self/fd/{}", original.file.as_raw_fd()))
}

fn reader(original: &Original<'_>) -> Result<Reader, OpenError> {
    Reader::open(reopen(original)?, original.codec, original.identity)
}

/// What may be done with what is known before the hash is: until when, and whether it is still awaited.
pub(super) type Meanwhile<'a> = dyn FnMut(&Survey, &Stop, &dyn Fn() -> bool) + 'a;

/// Reads the members of the whole archive, and at the same time compares its hash. With `look`
/// nothing will be written yet: then the hash is compared only when a member is not as it must be,
/// to tell damage from deceit. `meanwhile` gets what is known once no member is refused, while the
/// hash is still computed (the last argument tells whether).
pub(super) fn survey(
    original: &Original<'_>,
    extraction: &Extraction<'_>,
    forbidden: Option<&[u8]>,
    look: Option<&mut Look>,
    meanwhile: &mut Meanwhile<'_>,
    stop: &Stop,
    progress: &Progress,
) -> Result<Survey, FilesError> {
    let io = |error: std::io::Error| FilesError::Original(error.into());
    let found = original.file.metadata().map_err(io)?.len();
    if found != original.size {
        return Err(FilesError::Size { expected: original.size, found });
    }
    if let Some(bad) = extraction.paths.iter().find(|path| names::check(path).is_err()) {
        return Err(FilesError::NotThere { path: printable(bad) });
    }
    let hashed = reopen(original).map_err(io)?;
    let recorded = |surveyed: Surveyed| match original.content_size {
        Some(recorded) if surveyed.content > recorded => Err(FilesError::TooMuch { recorded }),
        _ => Ok(surveyed.survey),
    };
    if let Some(look) = look {
        let surveyed = members(original, extraction, forbidden, Some(look), stop);
        return match surveyed.and_then(recorded) {
            Err(error @ (FilesError::Original(_) | FilesError::Refused { .. })) => {
                stop.check()?;
                match archive::verify(&hashed, original.sha256, stop, progress) {
                    Ok(false) => Err(FilesError::Hash { expected: original.sha256 }),
                    Ok(true) | Err(_) => Err(error),
                }
            }
            result => result,
        };
    }
    // Ends the other thread as soon as one of them knows that the archive is not restored.
    let both = stop.child();
    let (verified, surveyed) = std::thread::scope(|scope| {
        let hashing = scope.spawn(|| {
            let verified = archive::verify(&hashed, original.sha256, &both, progress);
            if !matches!(verified, Ok(true)) {
                both.request(crate::stop::Stopped::Cancelled);
            }
            verified
        });
        let surveyed = members(original, extraction, forbidden, None, &both).and_then(recorded);
        if let Ok(survey) = &surveyed {
            meanwhile(survey, &both, &|| !hashing.is_finished());
        }
        (hashing.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic)), surveyed)
    });
    stop.check()?;
    // A damaged archive deceives nobody: its damage is what is told.
    if !verified? {
        return Err(FilesError::Hash { expected: original.sha256 });
    }
    surveyed
}

/// Reads the members of the whole archive, and nothing else.
pub(super) fn judge(
    original: &Original<'_>,
    extraction: &Extraction<'_>,
    stop: &Stop,
) -> Result<(), FilesError> {
    members(original, extraction, None, None, stop).map(drop)
}

struct Surveyed {
    survey: Survey,
    /// Bytes of content, wanted or not.
    content: u64,
}

fn members(
    original: &Original<'_>,
    extraction: &Extraction<'_>,
    forbidden: Option<&[u8]>,
    mut look: Option<&mut Look>,
    stop: &Stop,
) -> Result<Surveyed, FilesError> {
    let spool = |source| FilesError::Io {
        what: "list the members in a temporary file in",
        path: PathBuf::from("/var/tmp"),
        source,
    };
    let mut reader = reader(original)?;
    let (mut order, mut selection) = (Order::new(), Selection::new(extraction.paths));
    let (mut number, mut content, mut any) = (0, 0_u64, false);
    let (mut members, mut bytes, mut devices) = (0, 0, 0);
    let (mut linked, mut instead, mut before) = (Vec::new(), HashMap::new(), Vec::new());
    while let Some(entry) = reader.next_entry()? {
        stop.check()?;
        let refuse = |reason| FilesError::Refused { member: printable(&entry.name), reason };
        let belongs = names::belongs(&entry, extraction.prefix).map_err(refuse)?;
        owners_fit(&entry).map_err(refuse)?;
        if let Belongs::Content(path) = belongs {
            any = true;
            // Sums stay far from overflowing: no member is longer than 2^60, and only stored
            // bytes count.
            content = content.saturating_add(entry.stored);
            let role =
                if entry.kind == EntryKind::Directory { Role::Directory } else { Role::Object };
            parents(path, &before, |parent| order.push(parent, Role::Parent, number))
                .map_err(spool)?;
            order.push(path, role, number).map_err(spool)?;
            if forbidden.is_some_and(|forbidden| is_in_the_way(path, role, forbidden)) {
                return Err(refuse("would be restored into what is set aside"));
            }
            let wanted = selection.wants(path, entry.kind);
            if entry.kind == EntryKind::HardLink {
                let target = names::link(&entry.link, extraction.prefix).map_err(refuse)?;
                order.push(target, Role::Link, number).map_err(spool)?;
                if wanted == Wanted::Yes {
                    linked.push(order.key(target));
                    if selection.wants(target, EntryKind::File) != Wanted::Yes {
                        instead.entry(order.key(target)).or_insert_with(|| path.to_vec());
                    }
                }
            }
            if wanted == Wanted::Yes {
                members += 1;
                bytes += entry.stored;
                devices +=
                    u64::from(matches!(entry.kind, EntryKind::CharDevice | EntryKind::BlockDevice));
                if let Some(look) = look.as_deref_mut() {
                    look.at(&entry, path)?;
                }
            }
            before.clear();
            before.extend_from_slice(path);
        } else {
            // They count as paths, too: two of one name are two truths.
            let own = [b"/", entry.name.as_slice()].concat();
            order.push(&own, Role::Object, number).map_err(spool)?;
        }
        number += 1;
    }
    if !reader.rest_is_zeros()? {
        let reason = "is followed by something that is no part of the archive";
        return Err(FilesError::Refused { member: "the last one".to_owned(), reason });
    }
    if !any {
        return Err(FilesError::NotThere { path: printable(extraction.prefix) });
    }
    let (clash, keys) = order.finish().map_err(spool)?;
    if let Some(clash) = clash {
        let member = name_of(original, clash.member, stop)?;
        return Err(FilesError::Refused { member, reason: clash.reason });
    }
    if let Some(missing) = selection.missing() {
        let path = names::join(extraction.prefix, missing);
        return Err(FilesError::NotThere { path: printable(&path) });
    }
    linked.sort_unstable();
    linked.dedup();
    linked.shrink_to_fit();
    let survey = Survey { members, bytes, devices, keys, linked, instead };
    Ok(Surveyed { survey, content })
}

/// Whether a member would change a directory below the target, or take its place.
fn is_in_the_way(path: &[u8], role: Role, forbidden: &[u8]) -> bool {
    names::below(path, forbidden).is_some()
        || (role == Role::Object && names::below(forbidden, path).is_some())
}

/// The highest numbers mean "leave it as it is" to the kernel.
fn owners_fit(entry: &Entry) -> Result<(), &'static str> {
    let fits = |number: u64| number < u64::from(u32::MAX);
    if !fits(entry.uid) || !fits(entry.gid) {
        return Err("belongs to an impossible owner");
    }
    Ok(())
}

/// The directories above a path, as far as the path before did not have them.
fn parents(
    path: &[u8],
    before: &[u8],
    mut each: impl FnMut(&[u8]) -> std::io::Result<()>,
) -> std::io::Result<()> {
    let common = path.iter().zip(before).take_while(|(one, other)| one == other).count();
    let known = |at: usize| at <= common && before.get(at) == Some(&b'/');
    if !path.is_empty() && before.is_empty() {
        each(b"")?;
    }
    for (at, byte) in path.iter().enumerate() {
        if *byte == b'/' && !known(at) {
            each(&path[..at])?;
        }
    }
    Ok(())
}

fn name_of(original: &Original<'_>, number: u64, stop: &Stop) -> Result<String, FilesError> {
    let mut reader = reader(original)?;
    let mut at = 0;
    while let Some(entry) = reader.next_entry()? {
        stop.check()?;
        if at == number {
            return Ok(printable(&entry.name));
        }
        at += 1;
    }
    Ok(format!("number {number}"))
}

/// What is there already, for a preview.
pub(super) struct Look {
    tree: Tree,
    lead: Vec<u8>,
    base: PathBuf,
    names: Names,
    by_name: bool,
    seen: HashSet<(bool, Vec<u8>)>,
    preview: Preview,
}

impl Look {
    pub(super) fn new(place: &Place, extraction: &Extraction<'_>) -> Result<Self, FilesError> {
        Ok(Self {
            tree: place.tree()?,
            lead: place.lead.clone(),
            base: place.base.clone(),
            names: Names::default(),
            by_name: extraction.owners == Owners::ByName,
            seen: HashSet::new(),
            preview: Preview::default(),
        })
    }

    fn at(&mut self, entry: &Entry, path: &[u8]) -> Result<(), FilesError> {
        if self.by_name {
            self.owner(&entry.user, entry.uid, true);
            self.owner(&entry.group, entry.gid, false);
        }
        let path = names::join(&self.lead, path);
        let Some(kind) = self.tree.kind(&path)? else { return Ok(()) };
        let is_directory = kind == rustix::fs::FileType::Directory;
        if is_directory && entry.kind == EntryKind::Directory {
            return Ok(());
        }
        self.preview.overwritten += 1;
        if self.preview.overwritten_first.len() < MOST_OVERWRITTEN {
            self.preview.overwritten_first.push(super::place::absolute(&self.base, &path));
        }
        Ok(())
    }

    fn owner(&mut self, name: &[u8], number: u64, is_user: bool) {
        if name.is_empty() || self.seen.len() >= MOST_LISTED {
            return;
        }
        if !self.seen.insert((is_user, name.to_vec())) {
            return;
        }
        let here = if is_user { self.names.user(name) } else { self.names.group(name) };
        let archived = u32::try_from(number).unwrap_or(u32::MAX);
        let preview = &mut self.preview;
        let (unknown, moved) = if is_user {
            (&mut preview.owners_unknown, &mut preview.owners_moved)
        } else {
            (&mut preview.groups_unknown, &mut preview.groups_moved)
        };
        match here {
            None => unknown.push(printable(name)),
            Some(here) if here != archived => moved.push((printable(name), archived, here)),
            Some(_) => {}
        }
    }

    pub(super) fn finish(self) -> Preview {
        self.preview
    }
}
