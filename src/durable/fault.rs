//! The seam at which tests let the file system fail: before every change that `durable` makes,
//! this thread's hook is asked.
//!
//! It is compiled into the program, since integration tests see what users see; without a hook it
//! costs one look at a thread-local value per change.
//!
//! **Invariant:** nothing outside of tests installs a hook.

use std::cell::RefCell;
use std::io;
use std::path::Path;

/// What is about to be done.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Call {
    /// A new file.
    Create,
    /// The content of a small file.
    Write,
    /// Group and mode of a file.
    Access,
    /// The flush of a file.
    Sync,
    /// A file takes a name that nobody has.
    Publish,
    /// A file takes the name of another one.
    Replace,
    /// A name is removed.
    Remove,
    /// A new directory.
    MakeDirectory,
    /// The flush of a directory.
    SyncDirectory,
}

/// One change that is about to be made.
#[derive(Debug, Clone, Copy)]
pub struct Step<'a> {
    /// What is done.
    pub call: Call,
    /// To what.
    pub path: &'a Path,
    /// The new name, where it takes one.
    pub to: Option<&'a Path>,
}

/// What becomes of it.
#[derive(Debug)]
pub enum Verdict {
    /// It is done.
    Proceed,
    /// It is not done, and reported as done. Not possible for [`Call::Create`].
    Pretend,
    /// It is not done, and fails.
    Fail(io::Error),
}

type Hook = Box<dyn FnMut(&Step<'_>) -> Verdict>;

thread_local! {
    static HOOK: RefCell<Option<Hook>> = const { RefCell::new(None) };
}

/// Removes the hook when it is dropped.
#[derive(Debug)]
#[must_use = "the hook is removed when this is dropped"]
pub struct Installed(());

impl Drop for Installed {
    fn drop(&mut self) {
        HOOK.with_borrow_mut(Option::take);
    }
}

/// From now on `hook` is asked before every change that this thread makes.
pub fn install(hook: impl FnMut(&Step<'_>) -> Verdict + 'static) -> Installed {
    HOOK.with_borrow_mut(|slot| *slot = Some(Box::new(hook)));
    Installed(())
}

/// Whether to make the change (`true`) or to pretend it (`false`).
pub(super) fn ask(call: Call, path: &Path, to: Option<&Path>) -> io::Result<bool> {
    // The hook is taken out while it runs: what it changes itself is not asked about.
    let Some(mut hook) = HOOK.with_borrow_mut(Option::take) else {
        return Ok(true);
    };
    let verdict = hook(&Step { call, path, to });
    HOOK.with_borrow_mut(|slot| *slot = Some(hook));
    match verdict {
        Verdict::Proceed => Ok(true),
        Verdict::Pretend => Ok(false),
        Verdict::Fail(error) => Err(error),
    }
}
