//! Looking through an archive that somebody else sent: what it really holds, and what whoever
//! unpacks it carelessly would run or write where it does not belong.
//!
//! Names are judged as other programs would follow them: YunoHost unpacks as root, without a filter,
//! and runs the hooks that it finds. **Invariant:** memory is bounded by [`MOST_LINKS`], time by
//! [`most_unpacked`], whatever comes.

use std::collections::HashSet;
use std::collections::hash_map::RandomState;
use std::fs::File;
use std::hash::BuildHasher as _;
use std::io::{self, Read};
use std::sync::Arc;

use parking_lot::Mutex;
use sha2::{Digest as _, Sha256 as Hasher};

use super::layers::digest;
use super::metadata::{HOOK, HOOK_MEMBER};
use super::open::{OpenError, plain_stream};
use super::reader::{Entry, EntryKind, ReadError, Reader};
use crate::model::archive::Sha256;
use crate::model::location::Codec;
use crate::progress::Progress;
use crate::source::printable;
use crate::stop::Stop;

/// The most links of an archive that are told apart.
const MOST_LINKS: usize = 1 << 20;
/// The most members that are looked at.
const MOST_MEMBERS: u64 = 100_000_000;
/// How many times longer than its file a plain stream may be, beside the first GiB.
const MOST_RATIO: u64 = 1024;
/// Where hooks are that YunoHost runs.
const HOOKS: &[u8] = b"hooks";

/// What an archive of somebody else holds.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Inspection {
    /// Bytes of the plain stream and its hash, where all of it was read.
    pub stream: Option<(u64, Sha256)>,
    /// Bytes that its members have in the archive.
    pub stored: u64,
    /// Members that hold data.
    pub files: u64,
    /// The first member that would be run, or would leave the place where it is unpacked, and why.
    pub danger: Option<String>,
    /// Why it cannot be read to its end, if it cannot.
    pub unreadable: Option<String>,
}

/// Looks through an archive file that is not encrypted. The hash of its stream is told only where
/// the stream is not the file itself: whoever calls this has proved that by its hash.
///
/// # Errors
/// When the disk cannot be read, or somebody asked to stop. What is wrong with the archive is no
/// error but the answer.
pub fn inspect(
    file: &File,
    codec: Codec,
    stop: &Stop,
    progress: &Progress,
) -> Result<Inspection, OpenError> {
    use std::io::Seek as _;
    let length = file.metadata()?.len();
    let mut file = file.try_clone()?;
    file.rewind()?;
    progress.enter("looking through");
    let most = most_unpacked(length);
    let mut found = Inspection::default();
    let counted = Arc::new(Mutex::new((Hasher::new(), 0)));
    let mut reader = if codec == Codec::None {
        Reader::from_file(file)
    } else {
        match plain_stream(file, codec, None) {
            Ok(input) => {
                Reader::from_stream(Counted { input, sum: Arc::clone(&counted), left: most })
            }
            Err(error) => {
                found.unreadable = Some(open_words(&error));
                return Ok(found);
            }
        }
    };
    found.unreadable = look(&mut reader, &mut found, most, stop, progress)?;
    if found.unreadable.is_none() {
        // To the end of the codec, so that the hash is that of the whole stream.
        found.unreadable = match reader.rest_is_zeros() {
            Ok(true) => None,
            Ok(false) => Some("something stands behind its end".to_owned()),
            Err(error) => Some(read_words(&error)),
        };
    }
    if found.unreadable.is_none() && codec != Codec::None {
        let counted = counted.lock();
        found.stream = Some((counted.1, digest(counted.0.clone())));
    }
    Ok(found)
}

/// The most bytes that a file of this length may unpack to.
pub(super) fn most_unpacked(length: u64) -> u64 {
    length.saturating_mul(MOST_RATIO).saturating_add(1 << 30)
}

/// Looks at every member; why not, where one cannot be read.
fn look(
    reader: &mut Reader,
    found: &mut Inspection,
    most: u64,
    stop: &Stop,
    progress: &Progress,
) -> Result<Option<String>, OpenError> {
    let mut names = Names::default();
    let mut members = 0_u64;
    loop {
        stop.check()?;
        let entry = match reader.next_entry() {
            Ok(Some(entry)) => entry,
            Ok(None) => break,
            Err(error) => return Ok(Some(read_words(&error))),
        };
        members += 1;
        progress.add_member();
        if members > MOST_MEMBERS {
            return Ok(Some(format!("it has more than {MOST_MEMBERS} members")));
        }
        found.stored = found.stored.saturating_add(entry.stored);
        if found.stored > most {
            return Ok(Some("it unpacks to more than anybody would write".to_owned()));
        }
        found.files += u64::from(entry.kind == EntryKind::File);
        let why = match names.danger(&entry) {
            None if is_hook(&entry) => match is_our_hook(reader, &entry) {
                Ok(true) => None,
                Ok(false) => Some("is a hook that is not ours"),
                Err(error) => return Ok(Some(error.to_string())),
            },
            other => other,
        };
        if let Some(why) = why
            && found.danger.is_none()
        {
            found.danger = Some(format!("the member `{}` {why}", printable(&entry.name)));
        }
    }
    Ok((members == 0).then(|| "it has no members".to_owned()))
}

/// A name as it is followed: without `.`, empty components and slashes at its end.
pub(super) fn plain(name: &[u8]) -> Vec<u8> {
    let parts = name.split(|byte| *byte == b'/').filter(|part| !part.is_empty() && *part != b".");
    parts.collect::<Vec<_>>().join(&b'/')
}

fn is_below_hooks(name: &[u8]) -> bool {
    name == HOOKS || name.starts_with(b"hooks/")
}

/// Whether it is where our own hook is.
fn is_hook(entry: &Entry) -> bool {
    let name = plain(&entry.name);
    entry.kind != EntryKind::Directory && is_below_hooks(&name)
}

fn is_our_hook(reader: &mut Reader, entry: &Entry) -> io::Result<bool> {
    let fits = entry.kind == EntryKind::File
        && plain(&entry.name) == HOOK_MEMBER.as_bytes()
        && entry.data.is_none()
        && entry.size == HOOK.len() as u64;
    if !fits {
        return Ok(false);
    }
    let mut bytes = Vec::with_capacity(HOOK.len());
    reader.take(HOOK.len() as u64).read_to_end(&mut bytes)?;
    Ok(bytes == HOOK.as_bytes())
}

/// The names of links so far, each as a number that whoever made the archive cannot foresee.
#[derive(Default)]
struct Names {
    key: RandomState,
    links: HashSet<u64>,
    hooks: HashSet<u64>,
}

impl Names {
    /// Why a member may not be unpacked without care, if so.
    fn danger(&mut self, entry: &Entry) -> Option<&'static str> {
        let name = &entry.name;
        if name.starts_with(b"/") {
            return Some("has an absolute name");
        }
        if name.contains(&0) {
            return Some("has a NUL in its name");
        }
        if climbs(name) {
            return Some("has `..` in its name");
        }
        let name = plain(name);
        if self.is_through_a_link(&name) {
            return Some("has the name of a link, or lies behind one");
        }
        match entry.kind {
            EntryKind::HardLink => {
                let target = &entry.link;
                if target.starts_with(b"/") || target.contains(&0) || climbs(target) {
                    return Some("is a hard link to something outside of the archive");
                }
                // A link has further names as well, as honest trees have them.
                let target = plain(target);
                let above = target.iter().rposition(|byte| *byte == b'/');
                if above.is_some_and(|end| self.is_through_a_link(&target[..end])) {
                    return Some("is a hard link to something behind another link");
                }
            }
            EntryKind::CharDevice | EntryKind::BlockDevice => {
                if is_below_hooks(&name) {
                    return Some("is a device where hooks are");
                }
            }
            EntryKind::File | EntryKind::Symlink | EntryKind::Directory | EntryKind::Fifo => {}
        }
        if is_below_hooks(&name) && entry.kind != EntryKind::Directory {
            let number = self.key.hash_one(&name);
            if !self.hooks.insert(number) {
                return Some("is a hook that is there twice");
            }
        }
        if matches!(entry.kind, EntryKind::Symlink | EntryKind::HardLink) {
            if self.links.len() >= MOST_LINKS {
                return Some("is one link more than can be told apart");
            }
            self.links.insert(self.key.hash_one(&name));
        }
        None
    }

    /// Whether a name, or a directory that it lies in, is that of an earlier link.
    fn is_through_a_link(&self, name: &[u8]) -> bool {
        if self.links.is_empty() {
            return false;
        }
        let ends = name.iter().enumerate().filter(|(_, byte)| **byte == b'/').map(|(at, _)| at);
        let mut above = ends.chain([name.len()]).map(|end| &name[..end]);
        above.any(|part| self.links.contains(&self.key.hash_one(part.to_vec())))
    }
}

fn climbs(name: &[u8]) -> bool {
    name.split(|byte| *byte == b'/').any(|part| part == b"..")
}

fn read_words(error: &ReadError) -> String {
    match error {
        ReadError::Io(error) => format!("it cannot be unpacked: {error}"),
        error => error.to_string(),
    }
}

fn open_words(error: &OpenError) -> String {
    match error {
        OpenError::Io(error) => format!("it cannot be unpacked: {error}"),
        error => error.to_string(),
    }
}

/// A stream that is counted and hashed on its way, and ends where it gets too long.
struct Counted {
    input: Box<dyn Read + Send>,
    sum: Arc<Mutex<(Hasher, u64)>>,
    left: u64,
}

impl Read for Counted {
    fn read(&mut self, bytes: &mut [u8]) -> io::Result<usize> {
        let count = self.input.read(bytes)?;
        self.left = self.left.checked_sub(count as u64).ok_or_else(|| {
            io::Error::new(
                io::ErrorKind::FileTooLarge,
                "it unpacks to more than anybody would write",
            )
        })?;
        let mut counted = self.sum.lock();
        counted.0.update(&bytes[..count]);
        counted.1 += count as u64;
        Ok(count)
    }
}

#[cfg(test)]
mod tests;
