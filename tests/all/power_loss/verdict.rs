//! What must be true after the power came back.

use std::fs;
use std::io::Read;
use std::path::Path;

use larder::location::folder::Folder;
use larder::location::{ArchiveStore, Scan};
use larder::model::archive::{Archive, Condition};

use super::child::{self, ACTS, Act};
use crate::support::sample;

/// Where an archive may be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Wanted {
    Here,
    Trash,
    Gone,
    HereOrGone,
}

/// Everything that is wrong with what was mounted again; the restart is part of it.
pub(super) fn violations(mount: &Path, record: &Path) -> Vec<String> {
    let record = fs::read_to_string(record).unwrap_or_default();
    let has = |word: &str, at: usize| record.lines().any(|line| line == format!("{word} {at}"));
    let cast = child::cast();
    let store = child::folder(mount);

    // The restart: intents first, then the sweep, then the catalogue.
    for (at, (what, index)) in ACTS.into_iter().enumerate() {
        if has("intent", at) && !has("done", at) {
            let repeat = || child::act(&store, what, &cast[index]);
            if std::panic::catch_unwind(std::panic::AssertUnwindSafe(repeat)).is_err() {
                return vec![format!("{what:?} of {index} cannot be repeated")];
            }
        }
    }
    let mut wrong = Vec::new();
    match store.sweep(&[]) {
        Err(error) => wrong.push(format!("the sweep failed: {error}")),
        Ok(_) => match store.sweep(&[]) {
            Ok(rest) if rest.is_empty() => {}
            other => wrong.push(format!("the sweep left something: {other:?}")),
        },
    }
    let scan = match store.scan() {
        Ok(scan) => scan,
        Err(error) => return vec![format!("the scan failed: {error}")],
    };
    let remarks = (&scan.foreign, &scan.lone, &scan.problems);
    if !(scan.foreign.is_empty() && scan.lone.is_empty() && scan.problems.is_empty()) {
        wrong.push(format!("left-overs: {remarks:?}"));
    }

    for (index, archive) in cast.iter().enumerate() {
        let mut wanted = if index < 2 { Wanted::Here } else { Wanted::Gone };
        if index == 2 {
            wanted = Wanted::Trash;
        }
        let mut pinned = Some(false);
        for (at, (what, of)) in ACTS.into_iter().enumerate() {
            match what {
                _ if of != index => {}
                Act::Publish if has("done", at) => wanted = Wanted::Here,
                // The cut may have come between the last flush and the record.
                Act::Publish => wanted = Wanted::HereOrGone,
                _ if !has("intent", at) => {}
                Act::Pin => pinned = Some(true),
                Act::Trash => {
                    wanted = Wanted::Trash;
                    pinned = None;
                }
                Act::Untrash => wanted = Wanted::Here,
                Act::Unlink => wanted = Wanted::Gone,
            }
        }
        check(&store, &scan, index, archive, wanted, pinned, &mut wrong);
    }
    if !scan.archives.iter().all(|found| cast.iter().any(|one| one.id == found.id)) {
        wrong.push("an archive that nobody made".to_owned());
    }
    let mut fresh = sample::archive("jerry_nocodb_20260601", b"after");
    fresh.content_size = 5;
    if let Err(error) = sample::publish(&store, 900, &fresh, b"after") {
        wrong.push(format!("the next run failed: {error}"));
    }
    wrong
}

fn check(
    store: &Folder,
    scan: &Scan,
    index: usize,
    archive: &Archive,
    wanted: Wanted,
    pinned: Option<bool>,
    wrong: &mut Vec<String>,
) {
    let by_id = |list: &[Archive]| list.iter().find(|one| one.id == archive.id).cloned();
    let (here, trash) = (by_id(&scan.archives), by_id(&scan.trashed));
    let right = match wanted {
        Wanted::Here => here.is_some() && trash.is_none(),
        Wanted::Trash => here.is_none() && trash.is_some(),
        Wanted::Gone => here.is_none() && trash.is_none(),
        Wanted::HereOrGone => trash.is_none(),
    };
    if !right {
        let (here, trash) = (here.is_some(), trash.is_some());
        wrong.push(format!("{index} must be {wanted:?}; here: {here}, in the trash: {trash}"));
    }
    let Some(found) = here.or(trash) else { return };
    let mut expected = Archive { condition: found.condition.clone(), ..archive.clone() };
    expected.pinned = pinned.unwrap_or(found.pinned);
    if found != expected || matches!(found.condition, Condition::Corrupt) {
        wrong.push(format!("{index} is described wrongly: {found:?}"));
    }
    let mut bytes = Vec::new();
    match store.open(&found) {
        Ok(mut file) => {
            file.read_to_end(&mut bytes).unwrap();
        }
        Err(error) => wrong.push(format!("{index} cannot be opened: {error}")),
    }
    if Some(sample::sha256(&bytes)) != archive.file_sha256 {
        wrong.push(format!("{index} is not whole: {} bytes", bytes.len()));
    }
}
