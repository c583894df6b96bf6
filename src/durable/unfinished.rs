//! A file that somebody asked for under a name of theirs: it has that name when it is whole.
//!
//! Until then it has none at all where the file system can do that (`O_TMPFILE`), so that nothing is
//! left whatever ends the process; elsewhere a hidden one beside it, which goes when this is dropped.

use std::fs::{self, File};
use std::io;
use std::os::fd::AsRawFd as _;
use std::path::{Path, PathBuf};

use rustix::fs::{AtFlags, CWD, Mode, OFlags};

use super::fault::{self, Call};
use super::{create_new, parent, publish_new, remove, sync_dir, temporary_beside};

/// A file under way, readable for its maker alone.
#[derive(Debug)]
pub struct Unfinished {
    file: File,
    /// Where it has no name yet, there is none.
    temporary: Option<PathBuf>,
    target: PathBuf,
}

impl Unfinished {
    /// Begins a file that is to be called `target`.
    ///
    /// # Errors
    /// `AlreadyExists` when the name is taken; whatever else the file system answers.
    pub fn new(target: &Path) -> io::Result<Self> {
        if fs::symlink_metadata(target).is_ok() {
            return Err(io::ErrorKind::AlreadyExists.into());
        }
        fault::ask(Call::Create, target, None)?;
        match without_name(parent(target)) {
            Some(file) => Ok(Self { file, temporary: None, target: target.to_owned() }),
            None => Self::hidden(target),
        }
    }

    fn hidden(target: &Path) -> io::Result<Self> {
        let temporary = temporary_beside(target)?;
        let file = create_new(&temporary, 0o600)?;
        Ok(Self { file, temporary: Some(temporary), target: target.to_owned() })
    }

    /// Where its content is written to.
    ///
    /// # Errors
    /// Too many files are open.
    pub fn writer(&self) -> io::Result<File> {
        self.file.try_clone()
    }

    /// Gives it its name. The caller has flushed it ([`super::sync_file`]).
    ///
    /// # Errors
    /// `AlreadyExists` when somebody took the name in the meantime; then nothing is there of it.
    pub fn publish(mut self) -> io::Result<()> {
        match &self.temporary {
            Some(temporary) => publish_new(temporary, &self.target)?,
            None if fault::ask(Call::Publish, &self.target, Some(&self.target))? => {
                let unnamed = by_number(&self.file);
                rustix::fs::linkat(CWD, unnamed, CWD, &self.target, AtFlags::SYMLINK_FOLLOW)?;
            }
            None => {}
        }
        self.temporary = None;
        sync_dir(parent(&self.target))
    }
}

impl Drop for Unfinished {
    fn drop(&mut self) {
        if let Some(temporary) = &self.temporary {
            // Why it was given up is told by whoever did.
            let _ = remove(temporary);
        }
    }
}

/// A file in this directory without a name, where one can be given to it later.
fn without_name(dir: &Path) -> Option<File> {
    let flags = OFlags::TMPFILE | OFlags::WRONLY | OFlags::CLOEXEC;
    let open = || rustix::fs::open(dir, flags, Mode::from_raw_mode(0o600));
    let file = File::from(rustix::io::retry_on_intr(open).ok()?);
    fs::symlink_metadata(by_number(&file)).is_ok().then_some(file)
}

/// What names an open file that has no name.
fn by_number(file: &File) -> PathBuf {
    PathBuf::from(format!("/proc/self/fd/{}", file.as_raw_fd()))
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    fn names(dir: &Path) -> Vec<String> {
        let names = fs::read_dir(dir).unwrap();
        names.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect()
    }

    #[test]
    fn a_file_has_its_name_when_it_is_whole_and_leaves_nothing_when_it_is_given_up() {
        let dir = tempfile::tempdir().unwrap();
        let target = dir.path().join("web.tar");
        for begin in [Unfinished::new, Unfinished::hidden] {
            let given_up = begin(&target).unwrap();
            given_up.writer().unwrap().write_all(b"half").unwrap();
            assert!(!target.exists());
            drop(given_up);
            assert_eq!(names(dir.path()), [""; 0]);

            let whole = begin(&target).unwrap();
            whole.writer().unwrap().write_all(b"whole").unwrap();
            whole.publish().unwrap();
            assert_eq!(names(dir.path()), ["web.tar"]);
            assert_eq!(fs::read(&target).unwrap(), b"whole");
            assert_eq!(fs::metadata(&target).unwrap().permissions().mode() & 0o777, 0o600);
            fs::remove_file(&target).unwrap();
        }
    }

    #[test]
    fn a_name_that_is_taken_in_the_meantime_stays_what_it_is() {
        let dir = tempfile::tempdir().unwrap();
        let target = dir.path().join("web.tar");
        for begin in [Unfinished::new, Unfinished::hidden] {
            let file = begin(&target).unwrap();
            fs::write(&target, "theirs").unwrap();
            assert_eq!(file.publish().unwrap_err().kind(), io::ErrorKind::AlreadyExists);
            assert_eq!(names(dir.path()), ["web.tar"]);
            assert_eq!(fs::read(&target).unwrap(), b"theirs");
            let refused = Unfinished::new(&target).unwrap_err();
            assert_eq!(refused.kind(), io::ErrorKind::AlreadyExists);
            fs::remove_file(&target).unwrap();
        }
    }
}
