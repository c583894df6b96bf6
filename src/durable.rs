//! Changes of the file system that survive a power cut: written, flushed, renamed, flushed again.
//!
//! A file that was renamed without having been flushed is empty after a power cut, and a flushed
//! file whose directory was not flushed is gone. So every change that somebody will rely on goes
//! through here, and every failure comes back to the caller: a flush that failed is never tried
//! again, since the second attempt would report a success that the first one's data never had.
//!
//! **Invariant:** nothing here replaces a file, except [`write_atomic`] and [`replace`] the one that
//! they were asked to.

use std::collections::BTreeSet;
use std::fs::{self, File};
use std::io::{self, Write};
use std::os::unix::fs::{MetadataExt, PermissionsExt, fchown};
use std::path::{Path, PathBuf};

use parking_lot::{Mutex, MutexGuard};
use rustix::fs::{AtFlags, CWD, Mode, OFlags, RenameFlags};
use rustix::io::Errno;

pub mod fault;
mod unfinished;

use fault::Call;
pub use unfinished::Unfinished;

/// The ending of files that are under way: whoever finds one after a crash may remove it.
pub const TEMPORARY: &str = ".larder-tmp";

/// Who may read a new file. A plain mode converts into it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Access {
    /// The permission bits, whatever the umask.
    pub mode: u32,
    /// The group that it is given to. Where the file system has no owners, the file stays
    /// readable for its maker alone.
    pub group: Option<u32>,
}

impl From<u32> for Access {
    fn from(mode: u32) -> Self {
        Self { mode, group: None }
    }
}

/// Replaces the content of `path` in one step: after a crash it is the old one or the new one.
///
/// # Errors
/// Whatever the file system answers. The old content is still there unless the flush of the
/// directory was what failed: then it may be either.
pub fn write_atomic(path: &Path, bytes: &[u8], access: impl Into<Access>) -> io::Result<()> {
    let temporary = temporary_beside(path)?;
    let _busy = Busy::with(&temporary);
    let result = write_new(&temporary, bytes, access).and_then(|()| {
        if fault::ask(Call::Replace, &temporary, Some(path))? {
            fs::rename(&temporary, path)?;
        }
        sync_dir(parent(path))
    });
    if result.is_err() && temporary.exists() {
        // The first error is the one to tell; a left-over is swept at the next start.
        let _ = remove(&temporary);
    }
    result
}

/// The temporary files that this process is writing.
static BUSY: Mutex<BTreeSet<PathBuf>> = Mutex::new(BTreeSet::new());

/// Notes a temporary file for as long as it is written.
struct Busy<'a>(&'a Path);

impl<'a> Busy<'a> {
    fn with(temporary: &'a Path) -> Self {
        busy().insert(temporary.to_owned());
        Self(temporary)
    }
}

impl Drop for Busy<'_> {
    fn drop(&mut self) {
        busy().remove(self.0);
    }
}

fn busy() -> MutexGuard<'static, BTreeSet<PathBuf>> {
    // Each change of it is one step: a panic elsewhere leaves it usable.
    BUSY.lock()
}

/// Whether this process is writing a temporary file just now: then nobody may sweep it.
#[must_use]
pub fn is_busy_with(temporary: &Path) -> bool {
    busy().contains(temporary)
}

/// Gives a flushed file the name of another, which is gone then, in one step. Durable after
/// [`sync_dir`].
///
/// # Errors
/// Whatever the file system answers; then both are as they were.
pub fn replace(from: &Path, to: &Path) -> io::Result<()> {
    if fault::ask(Call::Replace, from, Some(to))? { fs::rename(from, to) } else { Ok(()) }
}

/// Makes a new file with this content and flushes it. Its name is not durable before
/// [`sync_dir`].
///
/// # Errors
/// `AlreadyExists` when the name is taken. After another error the file may be there, incomplete.
pub fn write_new(path: &Path, bytes: &[u8], access: impl Into<Access>) -> io::Result<()> {
    let mut file = create_new(path, 0o600)?;
    if fault::ask(Call::Write, path, None)? {
        file.write_all(bytes)?;
    }
    set_access(&file, path, access.into())?;
    sync_file(&file, path)
}

/// Gives `from` the name `to`, which nobody may have yet, in one step.
///
/// Where the file system cannot rename without replacing, the file is linked and then unlinked;
/// where it has no hard links either (exFAT), it is renamed after a look whether the name is free.
/// When `to` is the same file already, which a crash between link and unlink leaves, `from` goes.
///
/// # Errors
/// `AlreadyExists` when the name is taken.
pub fn publish_new(from: &Path, to: &Path) -> io::Result<()> {
    if !fault::ask(Call::Publish, from, Some(to))? {
        return Ok(());
    }
    match rustix::fs::renameat_with(CWD, from, CWD, to, RenameFlags::NOREPLACE) {
        Err(Errno::INVAL | Errno::NOSYS | Errno::OPNOTSUPP) => publish_by_link(from, to),
        Err(Errno::EXIST) if same_file(from, to) => remove(from),
        other => Ok(other?),
    }
}

fn publish_by_link(from: &Path, to: &Path) -> io::Result<()> {
    match rustix::fs::linkat(CWD, from, CWD, to, AtFlags::empty()) {
        Ok(()) => remove(from),
        Err(Errno::EXIST) if same_file(from, to) => remove(from),
        Err(Errno::PERM | Errno::OPNOTSUPP | Errno::NOSYS | Errno::INVAL) => {
            if fs::symlink_metadata(to).is_ok() {
                return Err(Errno::EXIST.into());
            }
            fs::rename(from, to)
        }
        Err(error) => Err(error.into()),
    }
}

/// Makes the names in a directory durable.
///
/// # Errors
/// Whatever the flush answers, except that the file system has no such thing.
pub fn sync_dir(dir: &Path) -> io::Result<()> {
    if !fault::ask(Call::SyncDirectory, dir, None)? {
        return Ok(());
    }
    match File::open(dir)?.sync_all() {
        Err(error) if is(&error, &[Errno::INVAL, Errno::OPNOTSUPP]) => Ok(()),
        other => other,
    }
}

/// Makes the content of a file durable.
///
/// # Errors
/// Whatever the flush answers. **Never call it again after an error**: the kernel forgets which
/// pages it could not write.
pub fn sync_file(file: &File, path: &Path) -> io::Result<()> {
    if fault::ask(Call::Sync, path, None)? { file.sync_all() } else { Ok(()) }
}

/// Makes the bytes of a file durable whose length does not change.
///
/// # Errors
/// See [`sync_file`].
pub fn sync_data(file: &File, path: &Path) -> io::Result<()> {
    if fault::ask(Call::Sync, path, None)? { file.sync_data() } else { Ok(()) }
}

/// Makes a new file for reading and writing. Never follows a link, never opens what is there.
///
/// # Errors
/// `AlreadyExists` when the name is taken, even by a dangling link.
pub fn create_new(path: &Path, mode: u32) -> io::Result<File> {
    fault::ask(Call::Create, path, None)?;
    let flags = OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::RDWR | OFlags::CLOEXEC;
    let open = || rustix::fs::open(path, flags, Mode::from_raw_mode(mode));
    Ok(File::from(rustix::io::retry_on_intr(open)?))
}

/// Gives a file that was just made its group and its mode.
///
/// # Errors
/// Whatever the file system answers, except that it keeps no owners or modes at all.
pub fn set_access(file: &File, path: &Path, access: Access) -> io::Result<()> {
    if !fault::ask(Call::Access, path, None)? {
        return Ok(());
    }
    let without_owners = [Errno::PERM, Errno::OPNOTSUPP, Errno::NOSYS];
    if let Some(group) = access.group {
        match fchown(file, None, Some(group)) {
            Err(error) if is(&error, &without_owners) => return Ok(()),
            other => other?,
        }
    }
    match file.set_permissions(fs::Permissions::from_mode(access.mode)) {
        Err(error) if is(&error, &without_owners) => Ok(()),
        other => other,
    }
}

/// Makes a directory that is not there yet. Its name is not durable before [`sync_dir`] of its
/// parent.
///
/// # Errors
/// `AlreadyExists` when the name is taken.
pub fn make_dir(path: &Path, mode: u32) -> io::Result<()> {
    if fault::ask(Call::MakeDirectory, path, None)? {
        fs::create_dir(path)?;
        fs::set_permissions(path, fs::Permissions::from_mode(mode))?;
    }
    Ok(())
}

/// Makes a directory and whatever is missing above it, each of them with this mode whatever the
/// umask. Their names are not durable before [`sync_dir`] of their parents.
///
/// # Errors
/// Whatever the file system answers; what was made by then stays.
pub fn make_dirs(path: &Path, mode: u32) -> io::Result<()> {
    let is_missing = |dir: &&Path| !dir.as_os_str().is_empty() && !dir.is_dir();
    let missing: Vec<&Path> = path.ancestors().take_while(is_missing).collect();
    for dir in missing.into_iter().rev() {
        match make_dir(dir, mode) {
            // Somebody else did in the meantime.
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists && dir.is_dir() => {}
            other => other?,
        }
    }
    Ok(())
}

/// Removes a name. Durable after [`sync_dir`] of its directory.
///
/// # Errors
/// `NotFound` when it is not there.
pub fn remove(path: &Path) -> io::Result<()> {
    if fault::ask(Call::Remove, path, None)? { fs::remove_file(path) } else { Ok(()) }
}

/// Whether both names are there and belong to one file.
#[must_use]
pub fn same_file(one: &Path, other: &Path) -> bool {
    let identity = |path: &Path| path.symlink_metadata().map(|file| (file.dev(), file.ino())).ok();
    one != other && identity(one).is_some() && identity(one) == identity(other)
}

fn parent(path: &Path) -> &Path {
    match path.parent() {
        Some(parent) if parent.as_os_str().is_empty() => Path::new("."),
        Some(parent) => parent,
        None => Path::new("/"),
    }
}

/// The name of the file that a temporary file of [`write_atomic`] was to replace; `None` for any
/// other name.
#[must_use]
pub fn behind_temporary(name: &str) -> Option<&str> {
    let (file, id) = name.strip_prefix('.')?.strip_suffix(TEMPORARY)?.rsplit_once('.')?;
    (id.len() == 32 && id.bytes().all(|byte| byte.is_ascii_hexdigit())).then_some(file)
}

fn temporary_beside(path: &Path) -> io::Result<PathBuf> {
    let name = path.file_name().ok_or(io::ErrorKind::InvalidInput)?;
    let mut hidden = std::ffi::OsString::from(".");
    hidden.push(name);
    hidden.push(format!(".{}", uuid::Uuid::new_v4().simple()));
    hidden.push(TEMPORARY);
    Ok(path.with_file_name(hidden))
}

fn is(error: &io::Error, any: &[Errno]) -> bool {
    Errno::from_io_error(error).is_some_and(|errno| any.contains(&errno))
}

#[cfg(test)]
mod tests {
    use super::fault::Verdict;
    use super::*;

    fn names(dir: &Path) -> Vec<String> {
        let mut names: Vec<String> = fs::read_dir(dir)
            .unwrap()
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect();
        names.sort();
        names
    }

    #[test]
    fn a_replaced_file_is_the_old_or_the_new_one_whatever_fails() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("status.json");
        write_atomic(&path, b"old", 0o644).unwrap();
        for failing in 0.. {
            let mut calls = 0;
            let guard = fault::install(move |_| {
                calls += 1;
                if calls == failing + 1 {
                    Verdict::Fail(io::Error::from_raw_os_error(5))
                } else {
                    Verdict::Proceed
                }
            });
            let result = write_atomic(&path, b"new", 0o644);
            drop(guard);
            let content = fs::read(&path).unwrap();
            assert_eq!(names(dir.path()), ["status.json"], "call {failing} left something");
            if result.is_ok() {
                assert_eq!(content, b"new");
                assert!(failing >= 6, "only {failing} calls were made");
                break;
            }
            assert!(content == b"old" || content == b"new", "call {failing}: {content:?}");
            write_atomic(&path, b"old", 0o644).unwrap();
        }
    }

    #[test]
    fn the_mode_is_the_one_asked_for_whatever_the_umask() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("a");
        write_atomic(&path, b"", 0o664).unwrap();
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o7777, 0o664);
    }

    #[test]
    fn every_directory_that_is_made_has_the_mode_and_those_that_were_there_keep_theirs() {
        let dir = tempfile::tempdir().unwrap();
        let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o7777;
        let there = dir.path().join("there");
        make_dir(&there, 0o700).unwrap();
        // No umask leaves as much as that.
        make_dirs(&there.join("a/b/c"), 0o777).unwrap();
        make_dirs(&there.join("a/b/c"), 0o711).unwrap();
        for (path, expected) in [("", 0o700), ("a", 0o777), ("a/b", 0o777), ("a/b/c", 0o777)] {
            assert_eq!(mode(&there.join(path)), expected, "{path}");
        }
        fs::write(there.join("file"), "").unwrap();
        make_dirs(&there.join("file/below"), 0o755).unwrap_err();
    }

    #[test]
    fn a_taken_name_is_never_replaced_by_rename_or_by_link() {
        let dir = tempfile::tempdir().unwrap();
        let (new, taken, free) =
            (dir.path().join("new"), dir.path().join("taken"), dir.path().join("free"));
        for publish in [publish_new, publish_by_link] {
            fs::write(&new, "new").unwrap();
            fs::write(&taken, "old").unwrap();
            let error = publish(&new, &taken).unwrap_err();
            assert_eq!(error.kind(), io::ErrorKind::AlreadyExists);
            assert_eq!(fs::read_to_string(&taken).unwrap(), "old");
            publish(&new, &free).unwrap();
            assert_eq!(fs::read_to_string(&free).unwrap(), "new");
            assert!(!new.exists());
            // A crash between link and unlink leaves both names: the next attempt finishes.
            fs::hard_link(&free, &new).unwrap();
            publish(&new, &free).unwrap();
            assert!(!new.exists() && free.exists());
            fs::remove_file(&free).unwrap();
        }
    }

    #[test]
    fn a_new_file_follows_no_link_not_even_a_dangling_one() {
        let dir = tempfile::tempdir().unwrap();
        let link = dir.path().join("link");
        std::os::unix::fs::symlink(dir.path().join("elsewhere"), &link).unwrap();
        let error = create_new(&link, 0o600).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::AlreadyExists);
        assert_eq!(names(dir.path()), ["link"]);
    }
}
