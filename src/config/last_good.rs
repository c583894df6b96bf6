//! The last good form of every object, so that a broken edit takes nothing out of force.
//!
//! An object is kept as the tree that it was written as, with its places. **Invariant:** all
//! objects in here together make a [`Desired`](crate::model::desired::Desired) without an error.

use std::collections::BTreeMap;
use std::path::Path;

use serde::{Deserialize, Serialize};

use super::build::{Built, Failure, Terms, build};
use super::context::{Object, ObjectId};
use crate::model::desired::Place;

/// What was in force when the configuration was last good, object by object.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct LastGood {
    pub(crate) objects: BTreeMap<ObjectId, Object>,
}

/// An object that is not in force as it is written now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stale {
    /// `[job.web]`, or `the whole configuration`.
    pub object: String,
    /// Why what is written now is not in force, and what is instead.
    pub reason: String,
    /// Where the mistake is.
    pub place: Place,
}

/// The stored form.
#[derive(Serialize, Deserialize)]
struct Stored {
    version: u32,
    objects: Vec<Object>,
}

const VERSION: u32 = 1;

/// Why stored objects cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum LastGoodError {
    /// The text is not what [`LastGood::to_json`] writes.
    #[error("the stored configuration cannot be read")]
    Json(#[from] serde_json::Error),
    /// A later version of this program wrote it.
    #[error("the stored configuration has version {0}, and this program reads up to {VERSION}")]
    Newer(u32),
}

impl LastGood {
    pub(crate) fn of(objects: &[Object]) -> Self {
        let objects = objects.iter().map(|object| (object.id.clone(), object.clone()));
        Self { objects: objects.collect() }
    }

    /// Whether nothing was ever good.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.objects.is_empty()
    }

    /// For the state.
    ///
    /// # Panics
    /// Never: a tree of texts and numbers is JSON.
    #[must_use]
    pub fn to_json(&self) -> String {
        let objects = self.objects.values().cloned().collect();
        serde_json::to_string(&Stored { version: VERSION, objects })
            .expect("a tree of texts and numbers is JSON")
    }

    /// What [`to_json`](Self::to_json) wrote.
    ///
    /// # Errors
    /// When the text is something else.
    pub fn from_json(text: &str) -> Result<Self, LastGoodError> {
        let stored: Stored = serde_json::from_str(text)?;
        if stored.version > VERSION {
            return Err(LastGoodError::Newer(stored.version));
        }
        Ok(Self::of(&stored.objects))
    }
}

/// What is in force after a broken edit.
pub(crate) struct Merged {
    pub(crate) built: Built,
    pub(crate) objects: Vec<Object>,
    pub(crate) stale: Vec<Stale>,
}

/// Lets every object that is good take effect, and keeps the last good form of every other.
///
/// `failed` is what the first reading of `written` found broken. What takes effect must be
/// consistent: where a last good form does not fit what is written now, nothing changes at all.
pub(crate) fn merge(
    written: &[Object],
    torn: &BTreeMap<String, Failure>,
    failed: &BTreeMap<ObjectId, Failure>,
    last: &LastGood,
    terms: Terms<'_>,
) -> Merged {
    let mut stale: BTreeMap<ObjectId, Failure> = BTreeMap::new();
    // With each object whether it stands in its last good form.
    let mut current: BTreeMap<ObjectId, (Object, bool)> = BTreeMap::new();
    let mut twice: BTreeMap<ObjectId, Failure> = BTreeMap::new();
    for object in written.iter().filter(|object| !object.torn) {
        if current.insert(object.id.clone(), (object.clone(), false)).is_some()
            && let Some(failure) = failed.get(&object.id)
        {
            twice.insert(object.id.clone(), failure.clone());
        }
    }
    for object in last.objects.values() {
        if let Some(failure) = torn_at(torn, &object.file)
            && !current.contains_key(&object.id)
        {
            current.insert(object.id.clone(), (object.clone(), true));
            stale.insert(object.id.clone(), failure.clone());
        }
    }
    for object in written.iter().filter(|object| object.torn) {
        if let Some(failure) = torn_at(torn, &object.file)
            && !current.contains_key(&object.id)
        {
            stale.entry(object.id.clone()).or_insert_with(|| failure.clone());
        }
    }
    let mut broken = twice;
    loop {
        for (id, failure) in broken {
            if current.get(&id).is_none_or(|(_, is_last_good)| *is_last_good) {
                // A last good form that fails, or something that is no object of its own.
                return nothing_changes(last, failure, terms);
            }
            match last.objects.get(&id) {
                Some(object) => current.insert(id.clone(), (object.clone(), true)),
                None => current.remove(&id),
            };
            stale.entry(id).or_insert(failure);
        }
        let objects: Vec<Object> = current.values().map(|(object, _)| object.clone()).collect();
        let built = build(&objects, Terms { torn: &[], ..terms });
        if built.failed.is_empty() {
            if objects.is_empty() {
                let reason = "nothing is left of the configuration".to_owned();
                let failure = Failure { reason, place: Place::default(), is_inherited: false };
                return nothing_changes(last, failure, terms);
            }
            let stale = stale.into_iter().map(|(id, failure)| told(&id, failure, last)).collect();
            return Merged { built, objects, stale };
        }
        // What is only broken because of another may be good again once that one is replaced.
        let (inherited, own): (BTreeMap<_, _>, BTreeMap<_, _>) =
            built.failed.into_iter().partition(|(_, failure)| failure.is_inherited);
        broken = if own.is_empty() { inherited } else { own };
    }
}

/// Why what stood in a file cannot be known now: the file itself, or a directory above it.
fn torn_at<'a>(torn: &'a BTreeMap<String, Failure>, file: &str) -> Option<&'a Failure> {
    let above = torn.iter().find(|(name, _)| {
        name.is_empty() || (name.ends_with('/') && file.starts_with(name.as_str()))
    });
    torn.get(file).or(above.map(|(_, failure)| failure))
}

fn told(id: &ObjectId, failure: Failure, last: &LastGood) -> Stale {
    let instead = if last.objects.contains_key(id) {
        "its last good form stays in force"
    } else {
        "it was never good, and is left out"
    };
    Stale {
        object: id.to_string(),
        reason: format!("{}: {instead}", failure.reason),
        place: failure.place,
    }
}

fn nothing_changes(last: &LastGood, failure: Failure, terms: Terms<'_>) -> Merged {
    let objects: Vec<Object> = last.objects.values().cloned().collect();
    let built = build(&objects, Terms { torn: &[], ..terms });
    let stale = Stale {
        object: "the whole configuration".to_owned(),
        reason: format!("{}: the whole last good configuration stays in force", failure.reason),
        place: failure.place,
    };
    Merged { built, objects, stale: vec![stale] }
}

/// The failures of files that are not TOML, by file.
pub(crate) fn torn_file(file: &str, line: u32, column: u32, reason: String) -> (String, Failure) {
    let place = Place { file: file.to_owned(), line, column };
    (file.to_owned(), Failure { reason, place, is_inherited: false })
}

/// The directory as it is compared and joined.
pub(crate) fn absolute(dir: &Path) -> std::path::PathBuf {
    std::path::absolute(dir).unwrap_or_else(|_| dir.to_owned())
}
