//! What a file carries beside its content goes back onto it: owner, attributes, ACLs, mode, time.
//!
//! **Invariants:** the owner comes before the mode, since a change of owner takes set-id bits away,
//! and a file never has them for anybody else than the archive says; where an ACL cannot be kept,
//! its group gets no more than the ACL gave it.

use std::os::fd::{AsRawFd as _, BorrowedFd};

use rustix::fs::{AtFlags, CWD, Gid, Mode, Timespec, Timestamps, Uid, XattrFlags};
use rustix::io::Errno;

use super::owners::Names;
use super::{Owners, acl};
use crate::archive::Entry;
use crate::source::{Time, printable};

pub(super) const ACL_ACCESS: &str = "system.posix_acl_access";
pub(super) const ACL_DEFAULT: &str = "system.posix_acl_default";
const SET_ID: u32 = 0o6000;

/// Something that was made or opened, never by a path that somebody else could redirect.
#[derive(Debug, Clone, Copy)]
pub(super) enum Handle<'a> {
    /// An open file or directory.
    Open(BorrowedFd<'a>),
    /// A descriptor that only names it, of what must not be opened.
    Named(BorrowedFd<'a>),
    /// A descriptor that only names a symlink, with its directory and its name there.
    Symlink(BorrowedFd<'a>, BorrowedFd<'a>, &'a [u8]),
}

impl Handle<'_> {
    fn own(self, user: u32, group: u32) -> Result<(), Errno> {
        let (user, group) = (Some(Uid::from_raw(user)), Some(Gid::from_raw(group)));
        match self {
            Handle::Open(file) => rustix::fs::fchown(file, user, group),
            Handle::Named(file) | Handle::Symlink(file, ..) => {
                rustix::fs::chownat(file, "", user, group, AtFlags::EMPTY_PATH)
            }
        }
    }

    fn set(self, name: &[u8], value: &[u8]) -> Result<(), Errno> {
        let flags = XattrFlags::empty();
        match self {
            Handle::Open(file) => rustix::fs::fsetxattr(file, name, value, flags),
            Handle::Named(file) => rustix::fs::setxattr(proc_path(file), name, value, flags),
            Handle::Symlink(_, at, link) => {
                let path = [proc_path(at).as_bytes(), b"/", link].concat();
                rustix::fs::lsetxattr(path, name, value, flags)
            }
        }
    }

    fn permit(self, mode: u32) -> Result<(), Errno> {
        let mode = Mode::from_raw_mode(mode);
        match self {
            Handle::Open(file) => rustix::fs::fchmod(file, mode),
            Handle::Named(file) => rustix::fs::chmod(proc_path(file), mode),
            // Symlinks have no mode of their own.
            Handle::Symlink(..) => Ok(()),
        }
    }

    fn date(self, times: &Timestamps) -> Result<(), Errno> {
        match self {
            Handle::Open(file) => rustix::fs::futimens(file, times),
            Handle::Named(file) => {
                rustix::fs::utimensat(CWD, proc_path(file), times, AtFlags::empty())
            }
            Handle::Symlink(_, at, name) => {
                rustix::fs::utimensat(at, name, times, AtFlags::SYMLINK_NOFOLLOW)
            }
        }
    }
}

/// A path that means exactly what a descriptor means.
pub(super) fn proc_path(file: BorrowedFd<'_>) -> String {
    format!("/proc/self/fd/{}", file.as_raw_fd())
}

/// A step that failed.
pub(super) type Failed = (&'static str, Errno);

/// Puts metadata onto files.
#[derive(Debug)]
pub(super) struct Applier {
    owners: Owners,
    names: Names,
    user: u32,
    group: u32,
}

impl Applier {
    pub(super) fn new(owners: Owners) -> Self {
        let user = rustix::process::geteuid().as_raw();
        let group = rustix::process::getegid().as_raw();
        Self { owners, names: Names::default(), user, group }
    }

    /// Everything that an entry says. What cannot be kept here becomes a remark.
    pub(super) fn apply(
        &mut self,
        handle: Handle<'_>,
        entry: &Entry,
        remark: &mut dyn FnMut(String),
    ) -> Result<(), Failed> {
        let may_set_id = self.own(handle, entry, remark)?;
        for (name, value) in &entry.attributes {
            if name.starts_with(b"system.") || name.is_empty() || name.contains(&0) {
                remark(format!("the attribute `{}` is not restored", printable(name)));
                continue;
            }
            match handle.set(name, value) {
                Ok(()) => {}
                Err(error @ Errno::IO) => return Err(("set an attribute of", error)),
                Err(error) => remark(format!(
                    "the attribute `{}` cannot be kept here: {}",
                    printable(name),
                    std::io::Error::from(error)
                )),
            }
        }
        if matches!(handle, Handle::Symlink(..)) {
            return date(handle, entry.modified);
        }
        let mut mode = entry.mode & 0o7777;
        if mode & SET_ID != 0 && !may_set_id {
            remark("its set-id bits are left out: it belongs to somebody else here".to_owned());
            mode &= !SET_ID;
        }
        if let Some(group) = self.lists(handle, entry, remark) {
            mode = mode & !0o070 | u32::from(group) << 3;
        }
        handle.permit(mode).map_err(|error| ("set the mode of", error))?;
        date(handle, entry.modified)
    }

    /// Whether set-id bits mean here what they meant there.
    fn own(
        &mut self,
        handle: Handle<'_>,
        entry: &Entry,
        remark: &mut dyn FnMut(String),
    ) -> Result<bool, Failed> {
        let number = |number: u64| u32::try_from(number).unwrap_or(u32::MAX);
        let (mut user, mut group) = (number(entry.uid), number(entry.gid));
        match self.owners {
            Owners::Caller => return Ok((user, group) == (self.user, self.group)),
            Owners::ByName => {
                user = self.names.user(&entry.user).unwrap_or(user);
                group = self.names.group(&entry.group).unwrap_or(group);
            }
            Owners::Numeric => {}
        }
        match handle.own(user, group) {
            Ok(()) => Ok(true),
            Err(error @ (Errno::PERM | Errno::OPNOTSUPP | Errno::INVAL)) => {
                let reason = std::io::Error::from(error);
                remark(format!("its owner {user}:{group} cannot be kept here: {reason}"));
                Ok(false)
            }
            Err(error) => Err(("set the owner of", error)),
        }
    }

    /// ACLs. What the group may do instead of what the mode says, when one cannot be kept.
    fn lists(
        &mut self,
        handle: Handle<'_>,
        entry: &Entry,
        remark: &mut dyn FnMut(String),
    ) -> Option<u16> {
        let by_name = self.owners != Owners::Numeric;
        let mut group = None;
        for (text, name, is_access) in
            [(&entry.acl_access, ACL_ACCESS, true), (&entry.acl_default, ACL_DEFAULT, false)]
        {
            let Some(text) = text else { continue };
            let parsed = acl::parse(text, by_name, &mut self.names);
            let failed = match &parsed {
                None => Some("it is not understood".to_owned()),
                Some(acl) => handle
                    .set(name.as_bytes(), &acl.bytes)
                    .err()
                    .map(|error| std::io::Error::from(error).to_string()),
            };
            let Some(reason) = failed else { continue };
            let which = if is_access { "ACL" } else { "default ACL" };
            remark(format!("its {which} cannot be kept here: {reason}"));
            if is_access {
                group = Some(parsed.map_or(0, |acl| acl.group));
            }
        }
        group
    }
}

fn date(handle: Handle<'_>, time: Time) -> Result<(), Failed> {
    let omitted = Timespec { tv_sec: 0, tv_nsec: rustix::fs::UTIME_OMIT };
    let modified = Timespec { tv_sec: time.seconds, tv_nsec: time.nanoseconds.into() };
    let times = Timestamps { last_access: omitted, last_modification: modified };
    handle.date(&times).map_err(|error| ("set the time of", error))
}

/// Takes away the ACLs that a new file or directory got from its parent.
pub(super) fn without_inherited(file: BorrowedFd<'_>) {
    for name in [ACL_ACCESS, ACL_DEFAULT] {
        // There may be none, and where there can be none nothing was handed on.
        let _ = rustix::fs::fremovexattr(file, name);
    }
}

/// Whether what is made in a directory gets ACLs from it.
pub(super) fn hands_on_acl(directory: BorrowedFd<'_>) -> bool {
    let mut buffer = [0_u8; 4];
    !matches!(
        rustix::fs::fgetxattr(directory, ACL_DEFAULT, &mut buffer),
        Err(Errno::NODATA | Errno::NOTSUP)
    )
}

/// Names and values of extended attributes.
pub(super) type Attributes = Vec<(Vec<u8>, Vec<u8>)>;

/// All attributes of an open file that can be set again, ACLs included.
pub(super) fn attributes(file: BorrowedFd<'_>) -> Result<Attributes, Errno> {
    let mut names = vec![0_u8; 512];
    let length = loop {
        match rustix::fs::flistxattr(file, names.as_mut_slice()) {
            Ok(length) => break length,
            Err(Errno::RANGE) if names.len() < 64 * 1024 => names = vec![0; 64 * 1024],
            Err(Errno::NOTSUP | Errno::NOSYS) => return Ok(Vec::new()),
            Err(error) => return Err(error),
        }
    };
    let mut found = Vec::new();
    for name in names[..length].split(|byte| *byte == 0).filter(|name| !name.is_empty()) {
        let settable = !name.starts_with(b"system.")
            || [ACL_ACCESS.as_bytes(), ACL_DEFAULT.as_bytes()].contains(&name);
        let mut value = vec![0_u8; 64 * 1024];
        if settable && let Ok(length) = rustix::fs::fgetxattr(file, name, value.as_mut_slice()) {
            value.truncate(length);
            value.shrink_to_fit();
            found.push((name.to_vec(), value));
        }
    }
    Ok(found)
}

/// Removes the attributes of a directory that stays which its entry does not have, so that it
/// becomes what it was.
pub(super) fn only_those_of(file: BorrowedFd<'_>, entry: &Entry) -> Result<(), Errno> {
    for (name, _) in attributes(file)? {
        let stays = match name.as_slice() {
            name if name == ACL_ACCESS.as_bytes() => entry.acl_access.is_some(),
            name if name == ACL_DEFAULT.as_bytes() => entry.acl_default.is_some(),
            // What the system puts on files by itself.
            name if name.starts_with(b"security.") => true,
            name => entry.attributes.iter().any(|(other, _)| other == name),
        };
        if !stays {
            let _ = rustix::fs::fremovexattr(file, name.as_slice());
        }
    }
    Ok(())
}
