//! The day of a disaster: an empty machine, and a folder of archives.
//!
//! [`look`] finds whose archives lie in a folder; [`take_back`] brings an instance's configuration
//! back from its own archive, or from the jobs' tables in the sidecars; [`newest`] says which
//! archive each job comes back from. What is then restored is restored by [`crate::restore`].
//!
//! **Invariants:** nothing is written before somebody agreed but below a scratch directory; a
//! configuration that is there already is never replaced; the folder of archives is only read.

use std::io;
use std::path::{Path, PathBuf};

mod look;
mod tables;
mod configuration;
mod series;
mod orders;
mod home;
mod carry;

pub use carry::{Ended, Prepared, carry_out, in_order, prepare};
pub use configuration::{Configuration, Origin, take_back};
pub use home::bring_home;
pub use look::{Copy, Found, look, make_ready};
pub use orders::{Item, items};
pub use series::{Series, newest};
pub use tables::from_tables;

/// What could not be recovered.
#[derive(Debug, thiserror::Error)]
pub enum RecoverError {
    /// The folder cannot be read.
    #[error("cannot look for archives in `{}`: {why}", dir.display())]
    Folder {
        /// The folder.
        dir: PathBuf,
        /// Why.
        why: String,
    },
    /// There are no archives.
    #[error("`{}` holds no archive that larder described", .0.display())]
    Nothing(PathBuf),
    /// There are archives in a folder that is not known to be whole.
    #[error(
        "`{}` holds {count} that larder described, and no `.larder-location`: it is not known to be a whole location",
        dir.display(),
        count = archives(*count)
    )]
    Unmarked {
        /// The folder.
        dir: PathBuf,
        /// How many.
        count: usize,
    },
    /// A file of the configuration cannot be written or read.
    #[error("could not {what} `{}`", path.display())]
    Io {
        /// What could not be done.
        what: &'static str,
        /// To what.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// An archive cannot be opened, or is not what was recorded.
    #[error("`{archive}` cannot be taken back: {why}")]
    Archive {
        /// The archive.
        archive: String,
        /// Why.
        why: String,
        /// What to do about it.
        hint: String,
    },
    /// Somebody asked to stop.
    #[error(transparent)]
    Stopped(#[from] crate::stop::Stopped),
}

impl RecoverError {
    /// What to do about it.
    #[must_use]
    pub fn hint(&self) -> String {
        match self {
            RecoverError::Folder { .. } => {
                "name the folder that holds the archives; is its disk mounted?".to_owned()
            }
            RecoverError::Nothing(_) => {
                "a `.larder.json` lies beside each archive; plain tar files are restored as their RESTORE.txt says"
                    .to_owned()
            }
            RecoverError::Unmarked { dir, .. } => format!(
                "a copy without hidden files? copy that file as well; where it is lost, mark the folder: echo '{{\"id\":\"found-again\"}}' > {}/.larder-location",
                dir.display()
            ),
            RecoverError::Io { .. } => "be root, and look at the disk".to_owned(),
            RecoverError::Archive { hint, .. } => hint.clone(),
            RecoverError::Stopped(_) => "run it again".to_owned(),
        }
    }
}

fn archives(count: usize) -> String {
    if count == 1 { "1 archive".to_owned() } else { format!("{count} archives") }
}

fn io<'a>(what: &'static str, path: &'a Path) -> impl FnOnce(io::Error) -> RecoverError + 'a {
    move |source| RecoverError::Io { what, path: path.to_owned(), source }
}
