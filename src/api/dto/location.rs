//! Locations.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::network::held;
use super::{Forecast, Held, words};
use crate::engine::View;
use crate::model::location as model;
use crate::model::observed::LocationState;

/// A place of this host where archives rest.
#[expect(clippy::struct_excessive_bools, reason = "each is a key of the configuration")]
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Location {
    /// Its name.
    pub name: String,
    /// `folder`.
    #[serde(rename = "type")]
    #[schema(value_type = words::LocationType)]
    pub kind: String,
    /// The folder.
    pub path: String,
    /// `none`, `gzip:LEVEL` or `zstd:LEVEL`.
    #[schema(value_type = words::CodecWord)]
    pub compress: String,
    /// Whether what is made here is encrypted.
    pub encrypted: bool,
    /// Whether its absence is expected.
    pub removable: bool,
    /// Whether it must lie on a mounted file system.
    pub require_mount: bool,
    /// Whether it counts as off-site.
    pub offsite: bool,
    /// Free space that a run must leave, in bytes.
    pub min_free: u64,
    /// `available`, `unavailable`, `suspect`, or `unknown` before anybody looked.
    #[schema(value_type = words::LocationState)]
    pub state: String,
    /// Why it cannot be used.
    #[schema(required)]
    pub reason: Option<String>,
    /// Bytes free.
    #[schema(required)]
    pub free: Option<u64>,
    /// Bytes in all.
    #[schema(required)]
    pub total: Option<u64>,
    /// Archives of the catalogue that rest here, without those in the trash.
    pub archives: u64,
    /// Bytes of their files.
    pub size: u64,
    /// How many archives rest here and how large they are, by who made them.
    #[serde(default)]
    pub held: Vec<Held>,
    /// Archives in its trash.
    pub trashed: u64,
    /// Files that are not ours.
    pub foreign: u64,
    /// What is foreseen; `null` where the asker is not told.
    #[serde(default)]
    #[schema(required)]
    pub forecast: Option<Forecast>,
    /// Where it is written: `FILE:LINE:COLUMN`.
    pub place: String,
}

impl Location {
    /// The location, as the view has it.
    #[must_use]
    pub fn new(view: &View, location: &model::Location) -> Self {
        let state = view.observed.locations.get(&location.name);
        let (reason, free, total) = match state {
            None => (None, None, None),
            Some(LocationState::Available { free, total }) => (None, Some(*free), Some(*total)),
            Some(LocationState::Unavailable(reason) | LocationState::Suspect(reason)) => {
                (Some(reason.clone()), None, None)
            }
        };
        let here = view.observed.archives.iter().filter(|a| a.location == location.name);
        let trashed = |a: &&crate::model::archive::Archive| {
            matches!(a.condition, crate::model::archive::Condition::Trashed { .. })
        };
        let (gone, there): (Vec<_>, Vec<_>) = here.partition(trashed);
        let foreign = view.observed.foreign.iter().filter(|f| f.location == location.name).count();
        Self {
            name: location.name.to_string(),
            kind: model::LocationType::Folder.word().to_owned(),
            path: location.path.display().to_string(),
            compress: location.codec.to_string(),
            encrypted: !location.encrypt_to.is_empty(),
            removable: location.removable,
            require_mount: location.require_mount,
            offsite: location.offsite,
            min_free: location.min_free.0,
            state: state.map_or(words::UNSEEN, LocationState::word).to_owned(),
            reason,
            free,
            total,
            archives: there.len() as u64,
            size: there.iter().map(|archive| archive.file_size).sum(),
            held: held(view, Some(&location.name), None),
            trashed: gone.len() as u64,
            foreign: foreign as u64,
            forecast: None,
            place: location.place.to_string(),
        }
    }
}
