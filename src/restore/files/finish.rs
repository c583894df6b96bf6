//! New files are completed on a thread of its own, while the next ones are read and made.
//!
//! Making a small file is a handful of system calls; making the name and completing what it names
//! share nothing but the descriptor. **Invariant:** [`Finisher::end`] returns only when every file
//! that was handed over is complete, or with the first failure; nothing is still written after the
//! finisher is gone.

use std::fs::File;
use std::os::fd::AsFd as _;
use std::os::unix::fs::FileExt as _;
use std::path::PathBuf;
use std::sync::mpsc::{Receiver, Sender, SyncSender, channel, sync_channel};
use std::thread::JoinHandle;

use super::apply::{self, Applier, Handle};
use super::{FilesError, Owners};
use crate::archive::Entry;

/// Files that wait, each with an open descriptor and at most one buffer.
const WAITING: usize = 32;

/// A new file that lacks its metadata, and its content where that is small.
pub(super) struct Unfinished {
    pub(super) file: File,
    pub(super) entry: Entry,
    /// Its path, for people.
    pub(super) at: PathBuf,
    /// Its path below the base.
    pub(super) path: Vec<u8>,
    /// Its whole content; `None` when that is written already.
    pub(super) content: Option<Vec<u8>>,
    /// Whether it got ACLs from its directory.
    pub(super) inherits: bool,
}

/// A file that could not be completed.
pub(super) struct Failed {
    pub(super) error: FilesError,
    pub(super) file: File,
    pub(super) path: Vec<u8>,
}

/// What could not be kept of a file.
type Remark = (PathBuf, String);

/// The near side of the thread.
pub(super) struct Finisher {
    /// `None` once nothing more comes.
    work: Option<SyncSender<Unfinished>>,
    remarks: Receiver<Remark>,
    buffers: Receiver<Vec<u8>>,
    thread: Option<JoinHandle<Result<(), Box<Failed>>>>,
}

impl Finisher {
    pub(super) fn new(owners: Owners) -> Self {
        let (work, waiting) = sync_channel(WAITING);
        let (remark, remarks) = channel();
        let (used, buffers) = channel();
        let finish = move || complete_all(&waiting, &remark, &used, Applier::new(owners));
        let thread = Some(std::thread::spawn(finish));
        Self { work: Some(work), remarks, buffers, thread }
    }

    /// An empty buffer: one that was used before, where there is one.
    pub(super) fn buffer(&self) -> Vec<u8> {
        let mut buffer = self.buffers.try_recv().unwrap_or_default();
        buffer.clear();
        buffer
    }

    /// Hands a file over. `false`: an earlier one failed, and [`end`](Self::end) says why.
    pub(super) fn push(&self, unfinished: Unfinished) -> bool {
        self.work.as_ref().is_some_and(|work| work.send(unfinished).is_ok())
    }

    /// What could not be kept so far.
    pub(super) fn remarks(&self) -> impl Iterator<Item = Remark> + use<> {
        let so_far: Vec<_> = self.remarks.try_iter().collect();
        so_far.into_iter()
    }

    /// Waits until every file is complete.
    pub(super) fn end(&mut self) -> Result<(), Box<Failed>> {
        self.work = None;
        match self.thread.take().map(JoinHandle::join) {
            Some(Ok(ended)) => ended,
            Some(Err(panic)) => std::panic::resume_unwind(panic),
            None => Ok(()),
        }
    }
}

impl Drop for Finisher {
    fn drop(&mut self) {
        self.work = None;
        if let Some(thread) = self.thread.take() {
            // Whoever drops it has an error of its own to tell.
            let _ = thread.join();
        }
    }
}

fn complete_all(
    waiting: &Receiver<Unfinished>,
    remark: &Sender<Remark>,
    used: &Sender<Vec<u8>>,
    mut applier: Applier,
) -> Result<(), Box<Failed>> {
    for mut unfinished in waiting {
        if let Err(error) = complete(&unfinished, remark, &mut applier) {
            let Unfinished { file, path, .. } = unfinished;
            return Err(Box::new(Failed { error, file, path }));
        }
        if let Some(buffer) = unfinished.content.take() {
            // Whoever would use it again may have ended.
            let _ = used.send(buffer);
        }
    }
    Ok(())
}

fn complete(
    unfinished: &Unfinished,
    remark: &Sender<Remark>,
    applier: &mut Applier,
) -> Result<(), FilesError> {
    let Unfinished { file, entry, at, content, inherits, .. } = unfinished;
    if let Some(content) = content {
        let failed = |source| FilesError::Io { what: "write", path: at.clone(), source };
        file.write_all_at(content, 0).map_err(failed)?;
    }
    if *inherits {
        apply::without_inherited(file.as_fd());
    }
    // A remark that nobody waits for belongs to a restore that failed.
    let mut tell = |text| drop(remark.send((at.clone(), text)));
    applier
        .apply(Handle::Open(file.as_fd()), entry, &mut tell)
        .map_err(|(what, error)| FilesError::io(what, at, error))
}
