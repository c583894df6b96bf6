//! A configuration made of the jobs' tables that stand in the sidecars: for archives whose own
//! configuration was not archived.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::path::Path;

use serde_json::{Map, Value};

use super::look::Found;
use crate::model::archive::Archive;
use crate::model::job::CONFIGURATION_JOB;

/// The location that every job gets: nobody knows any more where the real ones were.
const LOCATION: &str = "main";

/// The text of one file that defines the instance, a location at `folder`, and every job whose
/// table stands in an archive's sidecar; the newest table of each counts.
#[must_use]
#[expect(clippy::missing_panics_doc, reason = "plain tables always serialise")]
pub fn from_tables(found: &Found, folder: &Path) -> String {
    let mut newest: BTreeMap<&str, &Archive> = BTreeMap::new();
    for copy in &found.copies {
        if copy.archive.job.as_str() != CONFIGURATION_JOB {
            newest.insert(copy.archive.job.as_str(), &copy.archive);
        }
    }
    let zone = found.newest().map_or("UTC", |copy| copy.archive.zone.as_str());
    let mut text = String::from(
        "# Made by `larder recover` of what the archives say of their jobs: the configuration itself\n\
         # was not among them. Look through it: places, copies, peers and notifications are not known.\n",
    );
    let mut tables = toml::Table::new();
    let mut instance = toml::Table::new();
    instance.insert("name".to_owned(), found.instance.to_string().into());
    instance.insert("timezone".to_owned(), zone.into());
    tables.insert("instance".to_owned(), instance.into());
    let mut location = toml::Table::new();
    location.insert("path".to_owned(), folder.to_string_lossy().into_owned().into());
    let mut locations = toml::Table::new();
    locations.insert(LOCATION.to_owned(), location.into());
    tables.insert("location".to_owned(), locations.into());
    let mut jobs = toml::Table::new();
    let mut unknown = BTreeSet::new();
    for (name, archive) in newest {
        match archive.job_json.as_deref().and_then(job_table) {
            Some(mut table) => {
                // One series of a job that expands becomes a job of its own.
                let own = name.replace('/', "-");
                if own != name {
                    table.insert("formerly".to_owned(), vec![name].into());
                }
                table.insert("label".to_owned(), archive.label.to_string().into());
                jobs.insert(own, table.into());
            }
            None => {
                unknown.insert(name);
            }
        }
    }
    tables.insert("job".to_owned(), jobs.into());
    for name in unknown {
        let _ = writeln!(text, "# Nothing is known of the job {name}, which has archives.");
    }
    text.push('\n');
    text.push_str(&toml::to_string(&tables).expect("tables of plain values"));
    text
}

/// A job's table as a configuration can have it.
fn job_table(json: &str) -> Option<toml::Table> {
    let Value::Object(mut table) = serde_json::from_str(json).ok()? else { return None };
    table.insert("location".to_owned(), LOCATION.into());
    for unknown in ["send_to", "formerly", "state", "archives"] {
        table.remove(unknown);
    }
    Some(of_object(&table))
}

fn of_object(object: &Map<String, Value>) -> toml::Table {
    object.iter().filter_map(|(key, value)| Some((key.clone(), of_value(value)?))).collect()
}

fn of_value(value: &Value) -> Option<toml::Value> {
    Some(match value {
        // TOML has no null: what is not there has its default.
        Value::Null => return None,
        Value::Bool(value) => (*value).into(),
        Value::Number(number) => match number.as_i64() {
            Some(number) => number.into(),
            None => number.as_f64()?.into(),
        },
        Value::String(text) => text.as_str().into(),
        Value::Array(items) => items.iter().filter_map(of_value).collect::<Vec<_>>().into(),
        Value::Object(object) => of_object(object).into(),
    })
}
