//! What a file carries beside its content: owners with their names, extended attributes, ACLs.
//!
//! **Invariant:** ACLs leave this module as text with names, the form that `tar` writes and reads;
//! the kernel's binary form, which means other people on another host, never does.

use std::collections::HashMap;
use std::fmt::Write as _;
use std::sync::Arc;

use nix::unistd::{Gid, Group, Uid, User};
use rustix::fd::BorrowedFd;
use rustix::fs::Stat;
use rustix::io::Errno;

use super::{Metadata, Time};

const ACL_ACCESS: &[u8] = b"system.posix_acl_access";
const ACL_DEFAULT: &[u8] = b"system.posix_acl_default";

/// Where the extended attributes of a file can be asked for.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Handle<'a> {
    /// An open file or directory.
    Open(BorrowedFd<'a>),
    /// A name in an open directory, of something that must not be opened.
    Named(BorrowedFd<'a>, &'a [u8]),
}

/// Names of owners, asked for once.
#[derive(Debug, Default)]
pub(crate) struct Owners {
    users: HashMap<u32, Option<Arc<str>>>,
    groups: HashMap<u32, Option<Arc<str>>>,
}

impl Owners {
    fn user(&mut self, uid: u32) -> Option<Arc<str>> {
        let find = || User::from_uid(Uid::from_raw(uid)).ok().flatten().map(|user| user.name);
        self.users.entry(uid).or_insert_with(|| find().map(Arc::from)).clone()
    }

    fn group(&mut self, gid: u32) -> Option<Arc<str>> {
        let find = || Group::from_gid(Gid::from_raw(gid)).ok().flatten().map(|group| group.name);
        self.groups.entry(gid).or_insert_with(|| find().map(Arc::from)).clone()
    }
}

/// Everything about a file but its content.
pub(crate) fn metadata(
    stat: &Stat,
    handle: Handle<'_>,
    owners: &mut Owners,
) -> Result<Metadata, Errno> {
    let mut metadata = without_attributes(stat, owners);
    for name in names(handle)? {
        let Some(value) = value(handle, &name)? else { continue };
        match name.as_slice() {
            ACL_ACCESS => metadata.acl_access = acl_text(&value, owners),
            ACL_DEFAULT => metadata.acl_default = acl_text(&value, owners),
            // The rest of that name space is how file systems present themselves, not data.
            name if name.starts_with(b"system.") => {}
            _ => metadata.attributes.push((name, value)),
        }
    }
    Ok(metadata)
}

/// What `stat` alone tells.
pub(crate) fn without_attributes(stat: &Stat, owners: &mut Owners) -> Metadata {
    Metadata {
        mode: stat.st_mode & 0o7777,
        uid: stat.st_uid,
        gid: stat.st_gid,
        user: owners.user(stat.st_uid),
        group: owners.group(stat.st_gid),
        modified: modified(stat),
        ..Metadata::default()
    }
}

#[expect(
    clippy::unnecessary_cast,
    trivial_numeric_casts,
    reason = "the widths of these fields differ between architectures"
)]
fn modified(stat: &Stat) -> Time {
    let nanoseconds = u32::try_from(stat.st_mtime_nsec).unwrap_or(0);
    Time { seconds: stat.st_mtime as i64, nanoseconds }
}

/// The names of the extended attributes, sorted.
fn names(handle: Handle<'_>) -> Result<Vec<Vec<u8>>, Errno> {
    let list = |buffer: &mut [u8]| match handle {
        Handle::Open(file) => rustix::fs::flistxattr(file, buffer),
        Handle::Named(directory, name) => rustix::fs::llistxattr(path(directory, name), buffer),
    };
    let mut first = [0_u8; 512];
    let listed = match list(&mut first) {
        Ok(0) | Err(Errno::NOTSUP | Errno::NOSYS) => return Ok(Vec::new()),
        Ok(length) => first[..length].to_vec(),
        Err(Errno::RANGE) => grow(list)?,
        Err(error) => return Err(error),
    };
    let mut names: Vec<Vec<u8>> =
        listed.split(|byte| *byte == 0).filter(|n| !n.is_empty()).map(<[u8]>::to_vec).collect();
    names.sort_unstable();
    Ok(names)
}

/// The value of an attribute; `None` when it is gone or not for us.
fn value(handle: Handle<'_>, name: &[u8]) -> Result<Option<Vec<u8>>, Errno> {
    let get = |buffer: &mut [u8]| match handle {
        Handle::Open(file) => rustix::fs::fgetxattr(file, name, buffer),
        Handle::Named(directory, file) => {
            rustix::fs::lgetxattr(path(directory, file), name, buffer)
        }
    };
    let mut first = [0_u8; 1024];
    match get(&mut first) {
        Ok(length) => Ok(Some(first[..length].to_vec())),
        Err(Errno::RANGE) => grow(get).map(Some),
        Err(Errno::NODATA | Errno::NOTSUP | Errno::PERM | Errno::ACCESS) => Ok(None),
        Err(error) => Err(error),
    }
}

/// Asks again with the most that the kernel allows.
fn grow(ask: impl Fn(&mut [u8]) -> Result<usize, Errno>) -> Result<Vec<u8>, Errno> {
    let mut buffer = vec![0_u8; 64 * 1024];
    let length = ask(&mut buffer)?;
    buffer.truncate(length);
    Ok(buffer)
}

/// A path to a name of an open directory that follows no symlink of the tree.
fn path(directory: BorrowedFd<'_>, name: &[u8]) -> Vec<u8> {
    use std::os::fd::AsRawFd as _;
    let mut path = format!("/proc/self/fd/{}/", directory.as_raw_fd()).into_bytes();
    path.extend_from_slice(name);
    path
}

/// The kernel's form of an ACL as text: `user::rw-,user:alice:r--,group::r--,mask::r--,other::---`.
fn acl_text(value: &[u8], owners: &mut Owners) -> Option<String> {
    let (version, entries) = value.split_first_chunk::<4>()?;
    if u32::from_le_bytes(*version) != 2 {
        return None;
    }
    let mut text = String::new();
    for entry in entries.chunks_exact(8) {
        let tag = u16::from_le_bytes([entry[0], entry[1]]);
        let bits = u16::from_le_bytes([entry[2], entry[3]]);
        let id = u32::from_le_bytes([entry[4], entry[5], entry[6], entry[7]]);
        let (kind, who) = match tag {
            0x01 => ("user", String::new()),
            0x02 => ("user", name_or_number(owners.user(id), id)),
            0x04 => ("group", String::new()),
            0x08 => ("group", name_or_number(owners.group(id), id)),
            0x10 => ("mask", String::new()),
            0x20 => ("other", String::new()),
            _ => return None,
        };
        let flag = |bit: u16, letter: char| if bits & bit == 0 { '-' } else { letter };
        let separator = if text.is_empty() { "" } else { "," };
        let permissions = [flag(4, 'r'), flag(2, 'w'), flag(1, 'x')];
        let permissions = permissions.iter().collect::<String>();
        write!(text, "{separator}{kind}:{who}:{permissions}").ok()?;
    }
    (!text.is_empty()).then_some(text)
}

fn name_or_number(name: Option<Arc<str>>, id: u32) -> String {
    name.map_or_else(|| id.to_string(), |name| name.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_kernels_acl_becomes_text() {
        let mut value = 2_u32.to_le_bytes().to_vec();
        for (tag, bits, id) in
            [(1_u16, 6_u16, u32::MAX), (2, 4, 4_000_000_001), (4, 4, u32::MAX), (0x10, 5, u32::MAX)]
        {
            value.extend(tag.to_le_bytes());
            value.extend(bits.to_le_bytes());
            value.extend(id.to_le_bytes());
        }
        let text = acl_text(&value, &mut Owners::default());
        assert_eq!(text.as_deref(), Some("user::rw-,user:4000000001:r--,group::r--,mask::r-x"));
        assert_eq!(acl_text(b"\x03\0\0\0", &mut Owners::default()), None);
        assert_eq!(acl_text(b"\x02", &mut Owners::default()), None);
    }
}
