//! Comparing what was restored with the manifest that was written when it was archived.
//!
//! The manifest has the members in the order in which they were found, and the restored tree is
//! walked in the same order: both are read side by side, so that memory stays flat.

use std::cmp::Ordering;
use std::fs::File;
use std::io;
use std::path::Path;

use sha2::{Digest as _, Sha256 as Hasher};

use super::check::Comparison;
use super::layers::digest;
use super::manifest::{self, Line, State};
use super::open::OpenError;
use super::reader::Reader;
use super::tarball::decimal;
use crate::model::archive::Sha256;
use crate::model::job::{CustomDir, SourceMount};
use crate::progress::Progress;
use crate::source::directory::Directory;
use crate::source::{Extent, FileBody, Kind, Member, Source as _, SourceError, What};
use crate::stop::{Stop, Stopped};

/// The directory of all content members.
const CONTENT: &str = "data";

/// The longest manifest that is put in order in memory.
const MOST_SORTED: u64 = 10_000;

type Lines = Box<dyn Iterator<Item = io::Result<Line>>>;

/// Members of an archive as files, under their names in the archive.
pub struct Tree<'a> {
    /// The directory that holds `data/` and the manifest.
    pub root: &'a Path,
    /// Whether owners are compared: without root they cannot be as they were.
    pub owners: bool,
    /// Opens the archive: it alone knows where a file's holes were.
    pub archive: &'a dyn Fn() -> Result<Reader, OpenError>,
}

/// Compares a tree with the manifest beside it. `None` when there is no manifest.
///
/// # Errors
/// When the manifest, the tree as a whole or the archive cannot be read.
pub fn compare_tree(
    tree: &Tree<'_>,
    stop: &Stop,
    progress: &Progress,
) -> Result<Option<Comparison>, OpenError> {
    let Some(lines) = lines_in_order(&tree.root.join(manifest::MEMBER), stop)? else {
        return Ok(None);
    };
    progress.enter("comparing");
    let mut lines = lines.peekable();
    let root = tree.root.join(CONTENT);
    if !root.try_exists()? {
        let mut result = Comparison::default();
        for line in lines {
            result.differ(&line?.name(), "is missing");
        }
        return Ok(Some(result));
    }
    let walk = CustomDir {
        source_path: root,
        excludes: Vec::new(),
        one_file_system: true,
        mount: SourceMount::Any,
    };
    let mut walk = Directory::open(&walk).map_err(unreadable)?;
    let mut comparing = Comparing { tree, result: Comparison::default(), holes: None };
    // The directories above the content are no members.
    let above = match lines.peek() {
        Some(Ok(line)) => line.name(),
        Some(Err(_)) | None => Vec::new(),
    };
    let mut line = lines.next().transpose()?;
    let mut member = next(&mut walk)?;
    loop {
        stop.check()?;
        let order = match (&line, &member) {
            (None, None) => break,
            (Some(_), None) => Ordering::Less,
            (None, Some(_)) => Ordering::Greater,
            (Some(line), Some((name, _))) => order(&line.name(), name),
        };
        match order {
            Ordering::Less => {
                if let Some(line) = &line {
                    comparing.missing(line);
                }
                line = lines.next().transpose()?;
            }
            Ordering::Greater => {
                if let Some((name, found)) = &member
                    && !(is_above(name, &above) && matches!(found.kind, Kind::Directory))
                {
                    comparing.result.differ(name, "was not in the archive");
                }
                member = next(&mut walk)?;
            }
            Ordering::Equal => {
                if let (Some(line), Some((name, found))) = (&line, member) {
                    comparing.compare(line, &name, found, stop, progress)?;
                }
                line = lines.next().transpose()?;
                member = next(&mut walk)?;
            }
        }
    }
    let mut result = comparing.result;
    let unreadable = walk.findings().remarks.iter();
    for remark in unreadable.filter(|remark| matches!(remark.what, What::Unreadable(_))) {
        result.differ(remark.path.as_bytes(), "cannot be read");
    }
    Ok(Some(result))
}

/// The lines of a manifest in the order of the walk. `None` when there is no manifest.
///
/// A tree is archived in that order; the few members of a dump come as they are made.
fn lines_in_order(path: &Path, stop: &Stop) -> Result<Option<Lines>, OpenError> {
    let open = || match File::open(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
        Ok(file) => manifest::lines(file).map(Some),
    };
    let Some(lines) = open()? else { return Ok(None) };
    let mut before: Option<Vec<u8>> = None;
    let (mut count, mut is_ordered) = (0, true);
    for line in lines {
        stop.check()?;
        let name = line?.name();
        is_ordered &= before.is_none_or(|before| order(&before, &name) == Ordering::Less);
        before = Some(name);
        count += 1;
    }
    let Some(lines) = open()? else { return Ok(None) };
    if is_ordered || count > MOST_SORTED {
        return Ok(Some(Box::new(lines)));
    }
    let mut all = lines.collect::<io::Result<Vec<Line>>>()?;
    all.sort_by(|one, other| order(&one.name(), &other.name()));
    Ok(Some(Box::new(all.into_iter().map(Ok))))
}

/// The next member of the walk with its name in the archive.
fn next(walk: &mut Directory) -> Result<Option<(Vec<u8>, Member)>, OpenError> {
    let member = walk.next().map_err(unreadable)?;
    Ok(member.map(|member| {
        let mut name = CONTENT.as_bytes().to_vec();
        if !member.path.is_empty() {
            name.push(b'/');
            name.extend_from_slice(&member.path);
        }
        (name, member)
    }))
}

fn unreadable(error: SourceError) -> OpenError {
    match error {
        SourceError::Stopped(stopped) => OpenError::Stopped(stopped),
        SourceError::Io { source, .. } => OpenError::Io(source),
        error => OpenError::Io(io::Error::other(error)),
    }
}

/// The order of the walk: depth first, names by their bytes.
fn order(one: &[u8], other: &[u8]) -> Ordering {
    one.split(|byte| *byte == b'/').cmp(other.split(|byte| *byte == b'/'))
}

/// Whether `name` is a directory above `first`.
fn is_above(name: &[u8], first: &[u8]) -> bool {
    first.strip_prefix(name).is_some_and(|rest| rest.starts_with(b"/"))
}

struct Comparing<'a> {
    tree: &'a Tree<'a>,
    result: Comparison,
    /// The archive, as far as it was read for the places of holes.
    holes: Option<Reader>,
}

impl Comparing<'_> {
    fn missing(&mut self, line: &Line) {
        if matches!(line.kind.as_str(), "char" | "block") {
            self.result.devices += 1;
        } else {
            self.result.differ(&line.name(), "is missing");
        }
    }

    fn compare(
        &mut self,
        line: &Line,
        name: &[u8],
        found: Member,
        stop: &Stop,
        progress: &Progress,
    ) -> Result<(), OpenError> {
        self.result.members += 1;
        progress.add_member();
        if line.state != State::Ok {
            self.result.not_ok += 1;
        }
        let what = match self.difference(line, &found) {
            Some(what) => Some(what),
            None => match found.kind {
                Kind::File(body) => self.content(line, name, body, stop, progress)?,
                Kind::Directory
                | Kind::HardLink { .. }
                | Kind::Symlink { .. }
                | Kind::Fifo
                | Kind::CharDevice { .. }
                | Kind::BlockDevice { .. } => None,
            },
        };
        if let Some(what) = what {
            self.result.differ(name, what);
        }
        Ok(())
    }

    /// What differs, content apart.
    fn difference(&self, told: &Line, found: &Member) -> Option<&'static str> {
        let (kind, size, link) = match &found.kind {
            Kind::Directory => ("directory", 0, None),
            Kind::File(body) => ("file", body.size, None),
            Kind::HardLink { target } => {
                let mut name = format!("{CONTENT}/").into_bytes();
                name.extend_from_slice(target);
                ("hardlink", 0, Some(name))
            }
            Kind::Symlink { target } => ("symlink", 0, Some(target.clone())),
            Kind::Fifo => ("fifo", 0, None),
            Kind::CharDevice { .. } => ("char", 0, None),
            Kind::BlockDevice { .. } => ("block", 0, None),
        };
        let metadata = &found.metadata;
        if kind != told.kind {
            return Some("has another type");
        }
        if size != told.size {
            return Some("has another length");
        }
        if told.link().is_some_and(|text| Some(text) != link) {
            return Some("leads elsewhere");
        }
        // The mode of a symlink is whatever the system says.
        if kind != "symlink" && u32::from_str_radix(&told.mode, 8) != Ok(metadata.mode) {
            return Some("has another mode");
        }
        if self.tree.owners && (metadata.uid, metadata.gid) != (told.uid, told.gid) {
            return Some("has another owner");
        }
        if decimal(metadata.modified) != told.mtime {
            return Some("has another time");
        }
        None
    }

    fn content(
        &mut self,
        line: &Line,
        name: &[u8],
        mut body: FileBody,
        stop: &Stop,
        progress: &Progress,
    ) -> Result<Option<&'static str>, OpenError> {
        let whole = [Extent { offset: 0, length: body.size }];
        self.result.bytes += body.size;
        let differs = |same| if same { None } else { Some("has other content") };
        if let Some(told) = &line.sha256 {
            let hash = hash(&mut body, &whole, stop, progress)?;
            return Ok(differs(hash.to_string() == *told));
        }
        let Some(told) = &line.data_sha256 else { return Ok(Some("has no recorded hash")) };
        // Where the data is may be told otherwise here than where the file came from.
        let own = body.data.clone().unwrap_or_else(|| whole.to_vec());
        if hash(&mut body, &own, stop, progress)?.to_string() == *told {
            return Ok(None);
        }
        let Some(data) = self.holes_of(name)? else { return Ok(Some("has other content")) };
        let same = hash(&mut body, &data, stop, progress)?.to_string() == *told;
        Ok(differs(same && is_zero_outside(&mut body, &own, &data, stop)?))
    }

    /// Where the archive has data of a file with holes.
    fn holes_of(&mut self, name: &[u8]) -> Result<Option<Vec<Extent>>, OpenError> {
        let mut reader = match self.holes.take() {
            Some(reader) => reader,
            None => (self.tree.archive)()?,
        };
        while let Some(entry) = reader.next_entry()? {
            if entry.name == name {
                self.holes = Some(reader);
                return Ok(entry.data);
            }
        }
        Ok(None)
    }
}

/// The hash of stretches of a file, one after the other.
fn hash(
    body: &mut FileBody,
    stretches: &[Extent],
    stop: &Stop,
    progress: &Progress,
) -> Result<Sha256, OpenError> {
    let mut hasher = Hasher::new();
    read(body, stretches, stop, |bytes| {
        hasher.update(bytes);
        progress.add_bytes(bytes.len() as u64);
        true
    })?;
    Ok(digest(hasher))
}

/// Whether a file whose data is in `own` has nothing but zeros outside of `data`.
fn is_zero_outside(
    body: &mut FileBody,
    own: &[Extent],
    data: &[Extent],
    stop: &Stop,
) -> Result<bool, OpenError> {
    let mut zero = true;
    for extent in own {
        let (mut offset, end) = (extent.offset, extent.offset + extent.length);
        while offset < end && zero {
            // What begins last before here may cover it; else it is a gap up to the next one.
            let next = data.partition_point(|known| known.offset <= offset);
            let covered = next.checked_sub(1).map(|index| data[index]);
            let covered_to = covered.map_or(0, |known| known.offset + known.length);
            if covered_to > offset {
                offset = covered_to;
                continue;
            }
            let gap_end = data.get(next).map_or(end, |known| known.offset.min(end));
            let gap = Extent { offset, length: gap_end - offset };
            read(body, &[gap], stop, |bytes| {
                zero &= bytes.iter().all(|byte| *byte == 0);
                zero
            })?;
            offset = gap_end;
        }
    }
    Ok(zero)
}

/// Gives stretches of a file to `take` until it wants no more. The end of the file ends it.
fn read(
    body: &mut FileBody,
    stretches: &[Extent],
    stop: &Stop,
    mut take: impl FnMut(&[u8]) -> bool,
) -> Result<(), OpenError> {
    let mut buffer = vec![0; 128 * 1024];
    for stretch in stretches {
        let (mut offset, end) = (stretch.offset, stretch.offset + stretch.length);
        while offset < end {
            stop.check().map_err(|stopped: Stopped| OpenError::Stopped(stopped))?;
            let most = usize::try_from(end - offset).unwrap_or(usize::MAX).min(buffer.len());
            let count = body.content.read_at(offset, &mut buffer[..most])?;
            if count == 0 || !take(&buffer[..count]) {
                return Ok(());
            }
            offset += count as u64;
        }
    }
    Ok(())
}
