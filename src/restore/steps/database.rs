//! The database of an archive.

use std::fs;
use std::path::Path;

use super::super::execute::{Done, Site};
use super::super::files::{self, Extraction, Owners};
use super::super::original::Opened;
use super::super::record::{Aside, Kept};
use super::super::{Trouble, Watch};
use super::files::trouble;
use crate::database::{self, DatabaseError, Kind, Load};
use crate::durable;

/// What a failure means.
pub(in super::super) fn of_database(error: DatabaseError) -> Trouble {
    match error {
        DatabaseError::Stopped(stopped) => stopped.into(),
        error => Trouble::of(&error).hint(error.hint()),
    }
}

/// A directory that is gone with this value, with everything in it.
struct Scratch<'a>(&'a Path);

impl<'a> Scratch<'a> {
    fn make(path: &'a Path) -> Result<Self, Trouble> {
        // What an interrupted process left: the name holds the number of the run.
        let _ = fs::remove_dir_all(path);
        durable::make_dir(path, 0o700).map_err(|error| Trouble::io("make", path, &error))?;
        Ok(Self(path))
    }
}

impl Drop for Scratch<'_> {
    fn drop(&mut self) {
        // A dump that stays is removed by hand; the load itself went as it went.
        let _ = fs::remove_dir_all(self.0);
    }
}

/// Takes the dump out of the archive and loads it.
pub(in super::super) fn load(
    site: &mut Site<'_>,
    kind: Kind,
    name: &str,
    scratch: &Path,
    watch: &mut Watch<'_>,
) -> Result<Done, Trouble> {
    let Some((_, access)) = site.restore.content.database() else {
        return Err(Trouble::new("the archive has no database"));
    };
    let opened = Opened::open(site.restore)?;
    let scratch = Scratch::make(scratch)?;
    let prefix = format!("data/{}", kind.word());
    let extraction = Extraction {
        prefix: prefix.as_bytes(),
        target: scratch.0,
        paths: &[],
        owners: Owners::Caller,
        devices: false,
        aside: None,
    };
    let original = opened.as_original();
    files::extract(&original, &extraction, watch.stop, watch.progress, watch.log)
        .map_err(|error| trouble(error, &site.restore.archive))?;
    let kept = Kept::Database { server: kind.word().to_owned(), name: name.to_owned() };
    let mut index = None;
    if let Some(place) = &site.step.aside {
        durable::make_dir(place, 0o700).map_err(|error| Trouble::io("make", place, &error))?;
        let place = Some(place.display().to_string());
        index = Some(site.keeps(Aside { kept, place, returned: false })?);
    }
    watch.progress.enter("loading");
    let load = Load {
        access,
        name,
        dumps: scratch.0,
        aside: site.step.aside.as_deref(),
        timeout: site.timeout(),
    };
    let loaded = database::load(kind, &load, watch.stop, watch.log).map_err(of_database);
    // Empty when there was none before, when the server keeps it itself, and when it did not come
    // to that.
    let is_empty = site.step.aside.as_ref().is_some_and(|place| fs::remove_dir(place).is_ok());
    if let (Some(index), true, true) = (index, is_empty, loaded.is_err()) {
        site.record.aside.remove(index);
        site.record.write(site.order)?;
    }
    let loaded = loaded?;
    if let Some(index) = index {
        site.record.aside[index].place.clone_from(&loaded.set_aside);
        site.record.write(site.order)?;
    }
    Ok(Done { detail: format!("{} tables", loaded.tables), warnings: loaded.remarks })
}
