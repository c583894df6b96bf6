//! What is in an archive, one directory at a time, or what of it has a name that is looked for.
//!
//! The members are read one after the other from the tar itself, which says all that is told here:
//! the manifest stands behind them, and archives of other programs have none. Of a plain tar only
//! the headers are read. A page is the first names, in their order, behind where the last one
//! ended, whatever the order in the archive.
//! **Invariant:** memory is bounded by the length of a page and by [`MOST_TEXT`], time by the length
//! of the file and by whoever asks to stop; nothing is followed: a name is compared as it stands.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, Read};

use super::inspect::{most_unpacked, plain};
use super::open::{OpenError, plain_stream};
use super::reader::{Entry, EntryKind, Reader};
use crate::model::location::Codec;
use crate::source::Time;
use crate::stop::Stop;

/// The most bytes of names of a page.
const MOST_TEXT: usize = 4 << 20;
/// The longest name of a directory that is led to.
const LONGEST_WAY: usize = 4096;

/// What somebody wants to see.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Question {
    /// The directory, as its members are named: `data/custom/opt/app`; empty for all of it.
    pub below: Vec<u8>,
    /// Everything below it whose name has this in it, in any case, instead of what lies in it; with
    /// a `/`, whose path has.
    pub search: Option<String>,
    /// Only names behind this one.
    pub after: Vec<u8>,
    /// The most entries.
    pub limit: usize,
}

/// A page.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Listing {
    /// By name.
    pub rows: Vec<Row>,
    /// Whether there are more behind the last.
    pub more: bool,
    /// What is at the place that was asked about.
    pub place: Place,
}

/// What is at a place in an archive.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Place {
    /// Nothing.
    Nothing,
    /// A directory, or at least something below.
    Directory,
    /// Something that nothing can be in.
    Member(EntryKind),
}

/// Something in an archive.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Row {
    /// Its whole name, without `.` and empty parts.
    pub name: Vec<u8>,
    /// What it says of itself. A directory that has members only has no entry of its own.
    pub own: Option<Own>,
    /// What lies below; not looked at in a search.
    pub below: Option<Below>,
}

/// What a member says of itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Own {
    /// What it is.
    pub kind: EntryKind,
    /// Its length, holes included.
    pub size: u64,
    /// Permission bits.
    pub mode: u32,
    /// The owner's name, else the number.
    pub owner: String,
    /// The group's name, else the number.
    pub group: String,
    /// When its content changed last.
    pub modified: Time,
    /// The text of a symlink, or the name of a hard link's target.
    pub link: Vec<u8>,
}

/// What lies below a name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Below {
    /// How many members.
    pub members: u64,
    /// Bytes of its files.
    pub bytes: u64,
    /// The first directory that has more in it than one other directory.
    pub way: Vec<u8>,
    /// Whether no further member can make the way longer.
    is_end: bool,
}

impl Reader {
    /// Opens an archive file for whoever wants to know the members and not what is in them. Ends
    /// when somebody asks to stop, and where a stream gets longer than anybody would write.
    ///
    /// # Errors
    /// See [`open`](Self::open).
    pub fn open_to_list(
        file: File,
        codec: Codec,
        identity: Option<&str>,
        stop: &Stop,
    ) -> Result<Self, OpenError> {
        if codec == Codec::None && identity.is_none() {
            return Ok(Reader::skimming(file));
        }
        let left = most_unpacked(file.metadata()?.len());
        let input = plain_stream(file, codec, identity)?;
        Ok(Reader::from_stream(Watched { input, left, stop: stop.clone() }))
    }
}

/// A stream that ends when somebody asks to stop, or where it gets too long.
struct Watched {
    input: Box<dyn Read + Send>,
    left: u64,
    stop: Stop,
}

impl Read for Watched {
    fn read(&mut self, bytes: &mut [u8]) -> io::Result<usize> {
        self.stop.check().map_err(io::Error::other)?;
        let count = self.input.read(bytes)?;
        self.left = self.left.checked_sub(count as u64).ok_or_else(|| {
            let why = "it unpacks to more than anybody would write";
            io::Error::new(io::ErrorKind::FileTooLarge, why)
        })?;
        Ok(count)
    }
}

/// Answers a question by reading all members once.
///
/// # Errors
/// When the archive cannot be read to its end, or somebody asked to stop.
pub fn list(reader: &mut Reader, question: &Question, stop: &Stop) -> Result<Listing, OpenError> {
    let below = plain(&question.below);
    let search = question.search.as_ref().map(|text| text.to_lowercase());
    let mut page = Page { after: &question.after, limit: question.limit, ..Page::default() };
    let mut place = if below.is_empty() { Place::Directory } else { Place::Nothing };
    while let Some(entry) = reader.next_entry()? {
        stop.check()?;
        let name = plain(&entry.name);
        let Some(rest) = behind(&name, &below) else { continue };
        if rest.is_empty() {
            if place != Place::Directory && !name.is_empty() {
                place = match entry.kind {
                    EntryKind::Directory => Place::Directory,
                    other => Place::Member(other),
                };
            }
            continue;
        }
        place = Place::Directory;
        if let Some(text) = &search {
            if is_found(rest, text) {
                page.member(&name, &entry);
            }
            continue;
        }
        match rest.iter().position(|byte| *byte == b'/') {
            None => page.member(&name, &entry),
            Some(end) => page.deeper(&name[..name.len() - rest.len() + end], &name, &entry),
        }
    }
    Ok(Listing { rows: page.rows.into_values().collect(), more: page.end.is_some(), place })
}

/// What of a name is behind a directory; `None` for what is not below it.
fn behind<'a>(name: &'a [u8], directory: &[u8]) -> Option<&'a [u8]> {
    if directory.is_empty() {
        return Some(name);
    }
    let rest = name.strip_prefix(directory)?;
    if rest.is_empty() { Some(rest) } else { rest.strip_prefix(b"/") }
}

fn is_found(rest: &[u8], text: &str) -> bool {
    let last = rest.rsplit(|byte| *byte == b'/').next().unwrap_or_default();
    let among = if text.contains('/') { rest } else { last };
    String::from_utf8_lossy(among).to_lowercase().contains(text)
}

/// The first names so far, as many as a page has.
#[derive(Default)]
struct Page<'a> {
    after: &'a [u8],
    limit: usize,
    rows: BTreeMap<Vec<u8>, Row>,
    text: usize,
    /// The first name that there was no room for: it and what is behind it are for another page.
    end: Option<Vec<u8>>,
}

impl Page<'_> {
    /// A member that is to be listed itself.
    fn member(&mut self, name: &[u8], entry: &Entry) {
        let own = Own::from(entry);
        if let Some(row) = self.row(name) {
            let before = row.own.replace(own).map_or(0, |own| own.text());
            let now = row.own.as_ref().map_or(0, Own::text);
            self.text = (self.text + now).saturating_sub(before);
            self.make_room();
        }
    }

    /// One that lies below what is to be listed.
    fn deeper(&mut self, row: &[u8], name: &[u8], entry: &Entry) {
        let Some(row) = self.row(row) else { return };
        let below = row.below.get_or_insert_with(|| Below::at(&row.name));
        below.members += 1;
        if entry.kind == EntryKind::File {
            below.bytes = below.bytes.saturating_add(entry.size);
        }
        below.go(name, entry.kind == EntryKind::Directory);
    }

    /// The row of a name, if it belongs on this page as far as is known.
    fn row(&mut self, name: &[u8]) -> Option<&mut Row> {
        let is_behind = name > self.after && self.end.as_deref().is_none_or(|end| name < end);
        if !is_behind {
            return None;
        }
        if !self.rows.contains_key(name) {
            let is_last = self.rows.last_key_value().is_none_or(|(last, _)| name > last.as_slice());
            if self.rows.len() >= self.limit && is_last {
                self.end = Some(name.to_vec());
                return None;
            }
            self.text += name.len();
            let row = Row { name: name.to_vec(), own: None, below: None };
            self.rows.insert(name.to_vec(), row);
            self.make_room();
        }
        self.rows.get_mut(name)
    }

    /// Leaves the last ones to another page.
    fn make_room(&mut self) {
        while self.rows.len() > self.limit || (self.text > MOST_TEXT && self.rows.len() > 1) {
            let Some((name, row)) = self.rows.pop_last() else { return };
            let own = row.own.as_ref().map_or(0, Own::text);
            self.text = self.text.saturating_sub(name.len() + own);
            self.end = Some(name);
        }
    }
}

impl Own {
    fn text(&self) -> usize {
        self.owner.len() + self.group.len() + self.link.len()
    }
}

impl From<&Entry> for Own {
    fn from(entry: &Entry) -> Self {
        let named = |name: &[u8], id: u64| {
            if name.is_empty() {
                id.to_string()
            } else {
                String::from_utf8_lossy(name).into_owned()
            }
        };
        Self {
            kind: entry.kind,
            size: entry.size,
            mode: entry.mode,
            owner: named(&entry.user, entry.uid),
            group: named(&entry.group, entry.gid),
            modified: entry.modified,
            link: entry.link.clone(),
        }
    }
}

impl Below {
    fn at(name: &[u8]) -> Self {
        Self { members: 0, bytes: 0, way: name.to_vec(), is_end: false }
    }

    /// Goes on as far as everything lies in one and the same directory.
    fn go(&mut self, name: &[u8], is_directory: bool) {
        let parent =
            name.iter().rposition(|byte| *byte == b'/').map_or(&b""[..], |end| &name[..end]);
        let place = if is_directory { name } else { parent };
        if behind(&self.way, place).is_some() {
            if !is_directory {
                self.way.truncate(place.len());
                self.is_end = true;
            }
        } else if behind(place, &self.way).is_some() {
            if !self.is_end && place.len() <= LONGEST_WAY {
                self.way = place.to_vec();
                self.is_end = !is_directory;
            } else {
                self.is_end = true;
            }
        } else {
            let same = self.way.iter().zip(place).take_while(|(a, b)| a == b).count();
            let end = self.way[..same].iter().rposition(|byte| *byte == b'/');
            self.way.truncate(end.unwrap_or(0));
            self.is_end = true;
        }
    }
}

#[cfg(test)]
mod tests;
