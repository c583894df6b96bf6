//! PAX records, and what they and the header block together say of a member.
//!
//! **Invariant:** records are told apart by their lengths, never by line breaks, which may stand in
//! any value.

use tar::{EntryType, Header};

use super::number;
use super::{Entry, EntryKind, Malformed};

/// Most bytes of records that apply to every member that follows.
const MOST_GLOBAL: usize = 64 * 1024;

/// Records in their order. Some keys may come more than once.
#[derive(Debug, Clone, Default)]
pub(super) struct Records(Vec<(Vec<u8>, Vec<u8>)>);

impl Records {
    pub(super) fn parse(mut bytes: &[u8]) -> Result<Self, Malformed> {
        let wrong = Malformed("a record with a wrong length");
        let mut records = Vec::new();
        while !bytes.is_empty() {
            let digits = bytes.iter().take(20).position(|byte| *byte == b' ').ok_or(wrong)?;
            let length = usize::try_from(number::decimal(&bytes[..digits])?).map_err(|_| wrong)?;
            let record = bytes.get(digits + 1..length).ok_or(wrong)?;
            let (b'\n', record) = record.split_last().ok_or(wrong)? else { return Err(wrong) };
            let equals = record.iter().position(|byte| *byte == b'=').ok_or(wrong)?;
            let (key, value) = (&record[..equals], &record[equals + 1..]);
            records.push((key.to_vec(), value.to_vec()));
            bytes = &bytes[length..];
        }
        Ok(Self(records))
    }

    /// Takes global records in.
    pub(super) fn merge(&mut self, newer: Self) -> Result<(), Malformed> {
        if newer.has_sparse() || newer.get(b"size").is_some() || newer.get(b"path").is_some() {
            return Err(Malformed("a global record that only one member can have"));
        }
        self.0.retain(|(key, _)| !newer.0.iter().any(|(other, _)| other == key));
        self.0.extend(newer.0);
        let total: usize = self.0.iter().map(|(key, value)| key.len() + value.len()).sum();
        if total > MOST_GLOBAL { Err(Malformed("too many global records")) } else { Ok(()) }
    }

    /// These records, with a member's own behind them.
    pub(super) fn with(&self, own: &Self) -> Self {
        Self(self.0.iter().chain(&own.0).cloned().collect())
    }

    /// The last value of a key. An empty one takes back what a global record said.
    pub(super) fn get(&self, key: &[u8]) -> Option<&[u8]> {
        let found = self.0.iter().rev().find(|(name, _)| name == key);
        found.map(|(_, value)| value.as_slice()).filter(|value| !value.is_empty())
    }

    pub(super) fn number(&self, key: &[u8]) -> Result<Option<u64>, Malformed> {
        self.get(key).map(number::decimal).transpose()
    }

    pub(super) fn all(&self) -> impl Iterator<Item = (&[u8], &[u8])> {
        self.0.iter().map(|(key, value)| (key.as_slice(), value.as_slice()))
    }

    pub(super) fn has_sparse(&self) -> bool {
        self.0.iter().any(|(key, _)| key.starts_with(b"GNU.sparse."))
    }

    fn path(&self, key: &[u8]) -> Result<Option<Vec<u8>>, Malformed> {
        match self.get(key) {
            Some(path) if path.contains(&0) => Err(Malformed("a NUL in a name")),
            path => Ok(path.map(<[u8]>::to_vec)),
        }
    }
}

/// A member without its content; `size` is how much of it follows the header.
pub(super) fn describe(
    header: &Header,
    records: &Records,
    long_name: Option<Vec<u8>>,
    long_link: Option<Vec<u8>>,
    size: u64,
) -> Result<Entry, Malformed> {
    let old = header.as_old();
    let short_name = || {
        let name = text(&old.name);
        match header.as_ustar().map(|ustar| text(&ustar.prefix)) {
            Some(prefix) if !prefix.is_empty() => [prefix, b"/", name].concat(),
            _ => name.to_vec(),
        }
    };
    let mut name = match records.path(b"path")? {
        Some(path) => path,
        None => long_name.unwrap_or_else(short_name),
    };
    let link = match records.path(b"linkpath")? {
        Some(path) => path,
        None => long_link.unwrap_or_else(|| text(&old.linkname).to_vec()),
    };
    let is_directory_by_name = name.ends_with(b"/");
    while name.len() > 1 && name.ends_with(b"/") {
        name.pop();
    }
    if name.is_empty() {
        return Err(Malformed("a member without a name"));
    }
    let kind = match header.entry_type() {
        EntryType::Regular if is_directory_by_name => EntryKind::Directory,
        EntryType::Regular | EntryType::Continuous | EntryType::GNUSparse => EntryKind::File,
        EntryType::Link => EntryKind::HardLink,
        EntryType::Symlink => EntryKind::Symlink,
        EntryType::Directory => EntryKind::Directory,
        EntryType::Fifo => EntryKind::Fifo,
        EntryType::Char => EntryKind::CharDevice,
        EntryType::Block => EntryKind::BlockDevice,
        _ => return Err(Malformed("a member of an unknown type")),
    };
    if kind != EntryKind::File && size != 0 {
        return Err(Malformed("content on a member that can have none"));
    }
    if matches!(kind, EntryKind::HardLink | EntryKind::Symlink) && link.is_empty() {
        return Err(Malformed("a link to nothing"));
    }
    let id = |key: &[u8], field: &[u8]| match records.number(key)? {
        Some(id) => Ok(id),
        None => number::unsigned(field),
    };
    let modified = match records.get(b"mtime") {
        Some(time) => number::time(time)?,
        None => crate::source::Time { seconds: number::seconds(&old.mtime)?, nanoseconds: 0 },
    };
    let (user, group, device) = names_and_device(header, kind)?;
    let owned = |key: &[u8]| records.get(key).map(<[u8]>::to_vec);
    Ok(Entry {
        name,
        kind,
        size,
        stored: size,
        data: None,
        link,
        mode: u32::try_from(number::unsigned(&old.mode)? & 0o7777).unwrap_or(0),
        uid: id(b"uid", &old.uid)?,
        gid: id(b"gid", &old.gid)?,
        user: owned(b"uname").unwrap_or(user),
        group: owned(b"gname").unwrap_or(group),
        modified,
        device,
        attributes: attributes(records),
        acl_access: owned(b"SCHILY.acl.access"),
        acl_default: owned(b"SCHILY.acl.default"),
    })
}

type NamesAndDevice = (Vec<u8>, Vec<u8>, (u32, u32));

/// What only headers since ustar have.
fn names_and_device(header: &Header, kind: EntryKind) -> Result<NamesAndDevice, Malformed> {
    let (user, group, major, minor) = match (header.as_ustar(), header.as_gnu()) {
        (Some(ustar), _) => (ustar.uname, ustar.gname, ustar.dev_major, ustar.dev_minor),
        (None, Some(gnu)) => (gnu.uname, gnu.gname, gnu.dev_major, gnu.dev_minor),
        (None, None) => return Ok((Vec::new(), Vec::new(), (0, 0))),
    };
    let is_device = matches!(kind, EntryKind::CharDevice | EntryKind::BlockDevice);
    let number = |field: &[u8]| {
        let number = if is_device { number::unsigned(field)? } else { 0 };
        u32::try_from(number).map_err(|_| Malformed("an impossible device number"))
    };
    let device = (number(&major)?, number(&minor)?);
    Ok((text(&user).to_vec(), text(&group).to_vec(), device))
}

fn attributes(records: &Records) -> Vec<(Vec<u8>, Vec<u8>)> {
    let mut attributes: Vec<(Vec<u8>, Vec<u8>)> = Vec::new();
    for (key, value) in records.all() {
        let Some(name) = key.strip_prefix(b"SCHILY.xattr.") else { continue };
        let name = unescape(name);
        attributes.retain(|(other, _)| *other != name);
        attributes.push((name, value.to_vec()));
    }
    attributes
}

/// GNU tar's escapes in the names of attributes.
fn unescape(name: &[u8]) -> Vec<u8> {
    let mut plain = Vec::with_capacity(name.len());
    let mut rest = name;
    while let Some((first, behind)) = rest.split_first() {
        let (byte, behind) = match (first, behind) {
            (b'%', [b'3', b'D', behind @ ..]) => (b'=', behind),
            (b'%', [b'2', b'5', behind @ ..]) => (b'%', behind),
            (other, behind) => (*other, behind),
        };
        plain.push(byte);
        rest = behind;
    }
    plain
}

/// A text field up to its first NUL.
fn text(field: &[u8]) -> &[u8] {
    field.split(|byte| *byte == 0).next().unwrap_or_default()
}
