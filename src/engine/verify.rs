//! Reads an archive's file again and compares its SHA-256 with the recorded one.

use crate::archive;
use crate::model::archive::Condition;
use crate::model::size::Bytes;

use super::ArchiveKey;
use super::context::{Context, Done, Failure, with_causes};

/// Verifies one copy.
pub(crate) fn verify(cx: &Context, key: &ArchiveKey) -> Result<Done, Failure> {
    let archive = cx.archive(key)?;
    let (store, _) = cx.available(&key.location)?;
    let Some(expected) = archive.file_sha256 else {
        return Err(Failure::new(format!("no hash of `{}` was ever recorded", archive.name)));
    };
    cx.progress.enter("verifying");
    cx.progress.expect_bytes(archive.file_size);
    let result = store.open(&archive).map_err(Failure::from).and_then(|file| {
        archive::verify(&file, expected, &cx.stop, &cx.progress).map_err(|error| match error {
            archive::OpenError::Stopped(stopped) => Failure::from(stopped),
            error => Failure::new(format!(
                "cannot read `{}` at `{}`: {}",
                archive.name,
                key.location,
                with_causes(&error)
            )),
        })
    });
    let intact = result?;
    let now = cx.now();
    cx.core
        .catalogue
        .modify(&cx.core.state, store.as_ref(), key, |archive| {
            archive.verified_at = Some(now);
            archive.condition = match (&archive.condition, intact) {
                // Where it rests is one thing, what became of its bytes another.
                (Condition::Trashed { until }, _) => Condition::Trashed { until: *until },
                (_, true) => Condition::Present,
                (_, false) => Condition::Corrupt,
            };
        })
        .map_err(|error| Failure::new(with_causes(&error)))?;
    if intact {
        return Ok(Done {
            summary: format!("`{}` is intact, {}", archive.name, Bytes(archive.file_size)),
            ..Done::default()
        });
    }
    Err(Failure::new(format!(
        "`{}` at `{}` is corrupt: its bytes are not those that were written",
        archive.name, key.location
    ))
    .hint("it fills no retention slot any more; make a new archive (`larder run`), and look at the disk"))
}
