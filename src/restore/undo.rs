//! Puts back what a restore set aside.
//!
//! The last thing that was set aside goes back first. Each is noted in the record of that restore
//! when it is back, so that an undoing that was interrupted is run again.

use std::fs;
use std::path::Path;

use super::execute::make_work_dir;
use super::order::{Order, Undo};
use super::record::{Aside, Kept, Outcome, Record, StepRecord};
use super::steps::database::of_database;
use super::{Trouble, Watch, files, steps};
use crate::database::{self, Back, DatabaseError, Kind};
use crate::durable;
use crate::model::restore::Part;

pub(super) fn undo(order: &Order, undo: &Undo, watch: &mut Watch<'_>) -> Result<Record, Trouble> {
    let mut undone = find(order, undo)?;
    let later = undone.later(&order.work_dir);
    let later = later.map_err(|error| Trouble::io("read", &order.work_dir, &error))?;
    if let Some(run) = later.last() {
        return Err(Trouble::new(format!(
            "run {run} restored {} again after run {}",
            undone.target, undo.of
        ))
        .hint(format!("put that back first: `larder restore --undo {run}`")));
    }
    make_work_dir(order)?;
    let mut open: Vec<usize> =
        (0..undone.aside.len()).rev().filter(|i| !undone.aside[*i].returned).collect();
    // A service is started anew over its own files and database.
    open.sort_by_key(|index| matches!(undone.aside[*index].kept, Kept::Unit { .. }));
    let mut record = Record {
        run: order.run.0,
        archive: undone.archive.clone(),
        job: undone.job.clone(),
        target: undone.target.clone(),
        steps: open.iter().map(|index| step_of(&undone.aside[*index])).collect(),
        aside: Vec::new(),
        undone: false,
        undoes: Some(undo.of.0),
    };
    record.write(order)?;
    for (number, index) in open.into_iter().enumerate() {
        watch.stop.check()?;
        record.steps[number].outcome = Outcome::Begun;
        record.write(order)?;
        watch.log(&record.steps[number].what);
        match put_back(order, undo, &undone.aside[index], watch) {
            Ok(detail) => {
                watch.log(&format!("done: {detail}"));
                record.steps[number].outcome = Outcome::Done;
                record.steps[number].detail = detail;
                undone.aside[index].returned = true;
                undone.write(order)?;
                record.write(order)?;
            }
            Err(trouble) if trouble.stopped.is_some() => return Err(trouble),
            Err(trouble) => {
                watch.log(&format!("failed: {}", trouble.why));
                record.steps[number].outcome = Outcome::Failed;
                record.steps[number].detail = trouble.why;
                record.steps[number].hint = trouble.hint;
                record.write(order)?;
                // What was set aside before belongs below what could not be put back.
                return Ok(record);
            }
        }
    }
    undone.undone = true;
    undone.write(order)?;
    Ok(record)
}

/// The restore that is undone, if there is something to put back.
fn find(order: &Order, undo: &Undo) -> Result<Record, Trouble> {
    let path = Record::path(&order.work_dir, undo.of.0);
    let record = Record::read(&order.work_dir, undo.of.0);
    let record = record.map_err(|error| Trouble::io("read", &path, &error))?;
    let nothing = |why: String| {
        Trouble::new(why).hint("`larder runs --kind restore` lists the restores of this host")
    };
    let record = record
        .ok_or_else(|| nothing(format!("run {} restored nothing that could be undone", undo.of)))?;
    if record.undoes.is_some() {
        return Err(nothing(format!("run {} is an undoing itself", undo.of)));
    }
    if record.undone {
        return Err(nothing(format!("run {} was undone already", undo.of)));
    }
    if record.aside.is_empty() {
        return Err(nothing(format!("run {} set nothing aside", undo.of)));
    }
    Ok(record)
}

fn step_of(aside: &Aside) -> StepRecord {
    let part = match aside.kept {
        Kept::Files { .. } => Part::Files,
        Kept::Database { .. } => Part::Database,
        Kept::Unit { .. } => Part::Service,
    };
    let what = match &aside.place {
        Some(place) => format!("{} from {place}", aside.kept.in_words()),
        None => format!("{}: there was none before", aside.kept.in_words()),
    };
    StepRecord::new(part, &what, &[])
}

fn put_back(
    order: &Order,
    undo: &Undo,
    aside: &Aside,
    watch: &mut Watch<'_>,
) -> Result<String, Trouble> {
    match &aside.kept {
        Kept::Files { .. } => {
            let Some(place) = &aside.place else { return Ok("nothing to do".to_owned()) };
            let undone = files::undo(Path::new(place), watch.stop, watch.log).map_err(of_files)?;
            if let Some(first) = undone.remarks.first() {
                return Err(Trouble::new(format!(
                    "{} of it could not be put back: {first}",
                    undone.remarks.len()
                ))
                .hint(format!(
                    "what was set aside is kept in `{place}`; undo it again, or by hand"
                )));
            }
            Ok(format!("{} put back, {} removed", undone.put_back, undone.removed))
        }
        Kept::Database { server, name } => database_back(order, undo, aside, (server, name), watch),
        Kept::Unit { path } => {
            let timeout = order.timeout;
            let Some(place) = &aside.place else {
                steps::service::end(path, timeout, watch)?;
                fs::remove_file(path).or_else(|error| match error.kind() {
                    std::io::ErrorKind::NotFound => Ok(()),
                    _ => Err(Trouble::io("remove", path, &error)),
                })?;
                steps::service::reload(timeout, watch)?;
                return Ok("removed".to_owned());
            };
            let old =
                fs::read(place).map_err(|error| Trouble::io("read", Path::new(place), &error))?;
            durable::write_atomic(path, &old, 0o644)
                .map_err(|error| Trouble::io("write", path, &error))?;
            steps::service::again(path, timeout, watch)?;
            // Last: whoever is interrupted before finds it when it is run again.
            let _ = fs::remove_file(place);
            Ok("put back".to_owned())
        }
    }
}

fn of_files(error: files::FilesError) -> Trouble {
    match error {
        files::FilesError::Stopped(stopped) => stopped.into(),
        error => {
            let hint = error.hint().map(str::to_owned);
            Trouble { hint, ..Trouble::of(&error) }
        }
    }
}

fn database_back(
    order: &Order,
    undo: &Undo,
    aside: &Aside,
    (server, name): (&str, &str),
    watch: &mut Watch<'_>,
) -> Result<String, Trouble> {
    let Some(place) = &aside.place else {
        return Err(Trouble::new(format!("there was no database `{name}` before"))
            .hint("drop it by hand if it is not wanted"));
    };
    let Some(access) = &undo.access else {
        return Err(Trouble::new(format!("no job says how the server of `{name}` is reached"))
            .hint("write the job again, then undo"));
    };
    let kind = if server == Kind::Mysql.word() { Kind::Mysql } else { Kind::Postgresql };
    let back = Back { access, name, place, timeout: order.timeout };
    database::put_back(kind, &back, watch.stop, watch.log).map_err(|error| match error {
        DatabaseError::Unknown(unknown) if unknown == *place => {
            Trouble::new(format!("`{place}`, where `{name}` was set aside, is not there any more"))
                .hint("it went back already, or somebody removed it: nothing was changed")
        }
        error => of_database(error),
    })?;
    let place = Path::new(place);
    if place.is_absolute() {
        let _ = fs::remove_dir_all(place);
    }
    Ok("it is as it was before the restore".to_owned())
}
