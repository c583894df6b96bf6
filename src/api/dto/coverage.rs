//! What this host has, and which job keeps it.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::words;
use crate::coverage::Item;

/// One thing that is there: an entry of `/coverage`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Covered {
    /// `database`, `app`, `directory` or `volume`.
    #[schema(value_type = words::CoveredKind)]
    pub kind: String,
    /// What it is called; `*` for the databases of a server that cannot be listed.
    pub name: String,
    /// Where it is.
    pub place: String,
    /// `yes`, `partly`, `no` or `unknown`.
    #[schema(value_type = words::Coverage)]
    pub covered: String,
    /// The jobs that keep it, or some of it.
    pub jobs: Vec<String>,
    /// What somebody should know of it.
    #[schema(required)]
    pub note: Option<String>,
    /// Bytes on the disk, where that was cheap to know.
    #[schema(required)]
    pub size_bytes: Option<u64>,
}

impl From<&Item> for Covered {
    fn from(item: &Item) -> Self {
        Self {
            kind: item.thing.word().to_owned(),
            name: item.name.clone(),
            place: item.place.clone(),
            covered: item.cover.word().to_owned(),
            jobs: item.jobs.iter().map(ToString::to_string).collect(),
            note: item.note.clone(),
            size_bytes: item.size,
        }
    }
}
