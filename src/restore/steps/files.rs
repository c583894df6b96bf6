//! The files of an archive.

use std::path::Path;

use super::super::execute::{Done, Site};
use super::super::files::{self, Extraction, FilesError, Owners};
use super::super::order::ArchiveFile;
use super::super::original::{Opened, corrupt, of_open};
use super::super::record::{Aside, Kept};
use super::super::{Trouble, Watch, counted};
use crate::model::size::Bytes;

/// Most remarks on single members that are told.
const MOST_REMARKS: usize = 20;

/// Who owns what is extracted: as archived, by name, where we may say so.
pub(in super::super) fn owners() -> Owners {
    if rustix::process::geteuid().is_root() { Owners::ByName } else { Owners::Caller }
}

/// What a failure means.
pub(in super::super) fn trouble(error: FilesError, archive: &ArchiveFile) -> Trouble {
    match error {
        FilesError::Stopped(stopped) => stopped.into(),
        FilesError::Hash { .. } | FilesError::Size { .. } => corrupt(archive),
        FilesError::Original(error) => of_open(error, archive),
        error @ (FilesError::Refused { .. }
        | FilesError::TooMuch { .. }
        | FilesError::NotThere { .. }
        | FilesError::NoSpace { .. }
        | FilesError::Target { .. }
        | FilesError::Aside { .. }
        | FilesError::Journal { .. }
        | FilesError::Io { .. }) => {
            let hint = error.hint().map(str::to_owned);
            Trouble { hint, ..Trouble::of(&error) }
        }
    }
}

/// Extracts them; what they replace is set aside.
pub(in super::super) fn restore(
    site: &mut Site<'_>,
    prefix: &[u8],
    target: &Path,
    paths: &[Vec<u8>],
    watch: &mut Watch<'_>,
) -> Result<Done, Trouble> {
    let archive = &site.restore.archive;
    let opened = Opened::open(site.restore)?;
    if let Some(place) = &site.step.aside {
        site.keeps(Aside {
            kept: Kept::Files { target: target.to_owned() },
            place: Some(place.display().to_string()),
            returned: false,
        })?;
    }
    let extraction = Extraction {
        prefix,
        target,
        paths,
        owners: owners(),
        devices: false,
        aside: site.step.aside.as_deref(),
    };
    let original = opened.as_original();
    let done = files::extract(&original, &extraction, watch.stop, watch.progress, watch.log)
        .map_err(|error| trouble(error, archive))?;
    // Nothing was changed: there is nothing to put back, and nothing to tell.
    if site.step.aside.as_ref().is_some_and(|place| !place.exists()) {
        site.record.aside.pop();
        site.record.write(site.order)?;
    }
    let mut detail = format!("{}, {}", counted(done.members, "member"), Bytes(done.bytes));
    if done.set_aside > 0 {
        detail = format!("{detail}; {} set aside", done.set_aside);
    }
    let mut warnings = done.remarks;
    warnings.truncate(MOST_REMARKS);
    let told = u64::try_from(warnings.len()).unwrap_or(u64::MAX);
    if done.remark_count > told {
        warnings.push(format!("and {} more of this kind", done.remark_count - told));
    }
    Ok(Done { detail, warnings })
}
