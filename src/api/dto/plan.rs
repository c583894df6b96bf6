//! The plan: what will be done, and what waits for approval.

use std::collections::BTreeMap;
use std::fmt;

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::run::in_words;
use super::{Moment, words};
use crate::engine::View;
use crate::model::archive::{Archive, ArchiveId, Series};
use crate::model::desired::Desired;
use crate::model::job::Job;
use crate::model::name::JobName;
use crate::model::observed::Freeze;
use crate::model::peer::shown_host;
use crate::reconcile as model;
use crate::reconcile::guards::frozen;

/// What will be done, and what is held back.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Plan {
    /// The moment that it was made for.
    pub at: Moment,
    /// What to give to `larder approve`; `null` when nothing waits for approval.
    #[schema(required)]
    pub hash: Option<String>,
    /// Runs to queue now.
    pub actions: Vec<Action>,
    /// Deletions that wait for approval.
    pub blocked: Vec<Blocked>,
    /// What a person should know.
    pub notes: Vec<Note>,
    /// Jobs with `*` of which nobody knows now what they stand for, one line each.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub unlisted: Vec<Unlisted>,
    /// When to look again although nothing happened.
    #[schema(required)]
    pub wake_at: Option<Moment>,
    /// The plan as text, as `larder plan` prints it.
    pub text: String,
    /// Why nothing is backed up, copied or deleted at all: a new machine in an old name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub recovery: Option<String>,
    /// With `days`: what each coming day would bring if every run succeeds.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub days: Vec<Day>,
}

/// A job with `*` that could not be listed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Unlisted {
    /// The job.
    pub job: String,
    /// Why.
    pub failure: String,
}

/// A run to queue.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Action {
    /// `backup`, `expire`, `empty-trash`, `verify`, `send` or `adopt`.
    #[schema(value_type = words::RunKind)]
    pub kind: String,
    /// The job that it is done for.
    #[schema(required)]
    pub job: Option<String>,
    /// What it does, in words.
    pub what: String,
    /// `due`, `first`, `manual` or `reconcile`.
    #[schema(value_type = words::RunCause)]
    pub cause: String,
    /// Why, one line each.
    pub reasons: Vec<String>,
    /// Bytes that it will need.
    pub needs_bytes: u64,
    /// Bytes that it will free.
    pub frees_bytes: u64,
}

/// What retention judges as one.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct SeriesName {
    /// Who made its archives.
    pub origin: String,
    /// The peer that this instance is known as here.
    #[serde(default)]
    #[schema(required)]
    pub peer: Option<String>,
    /// Which job made them.
    pub job: String,
    /// Where they rest.
    pub location: String,
}

/// Deletions of one series that wait for approval.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Blocked {
    /// The series.
    pub series: SeriesName,
    /// What to give to `larder approve` for this series alone.
    pub hash: String,
    /// Why it waits.
    pub reason: String,
    /// Bytes that approval would free.
    pub frees_bytes: u64,
    /// Exactly what would be deleted, oldest first.
    pub archives: Vec<BlockedArchive>,
}

/// An archive that approval would delete.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct BlockedArchive {
    /// Its identity.
    #[schema(value_type = words::ArchiveId)]
    pub id: String,
    /// Its name.
    pub name: String,
    /// Why it would go.
    pub reason: String,
}

/// Something a person should know.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Note {
    /// `problem` or `remark`.
    #[schema(value_type = words::NoteWeight)]
    pub weight: String,
    /// The job that it is about.
    #[schema(required)]
    pub job: Option<String>,
    /// One line.
    pub text: String,
}

/// What a coming day would bring.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Day {
    /// The day.
    #[schema(value_type = words::CivilDay)]
    pub day: String,
    /// Archives that would be made, as `JOB at LOCATION`.
    pub made: Vec<String>,
    /// Archives that would be copied, as `NAME to LOCATION`.
    pub copied: Vec<String>,
    /// Jobs whose restore would be proved.
    #[serde(default)]
    #[schema(required)]
    pub drilled: Vec<String>,
    /// Archives that would expire, as `NAME at LOCATION`.
    pub expired: Vec<String>,
    /// Series whose deletions would wait for approval.
    pub blocked: Vec<String>,
}

/// `POST /recovery/done`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Ended {
    /// Whether there was a recovery.
    pub ended: bool,
}

impl SeriesName {
    /// The series, with the peer whose it is.
    #[must_use]
    pub fn new(desired: &Desired, series: &Series) -> Self {
        let peer = desired.peer_at(&series.location, &series.origin);
        Self {
            origin: series.origin.to_string(),
            peer: peer.map(|peer| peer.name.to_string()),
            job: series.job.to_string(),
            location: series.location.to_string(),
        }
    }

    /// Who made its archives, as people are shown it.
    #[must_use]
    pub fn maker(&self) -> String {
        shown_host(&self.origin, self.peer.as_deref())
    }
}

impl fmt::Display for SeriesName {
    /// As people are shown it.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{} at {}", self.maker(), self.job, self.location)
    }
}

impl Blocked {
    fn new(desired: &Desired, blocked: &model::Blocked) -> Self {
        let archives = blocked.archives.iter().map(|(id, name, reason)| BlockedArchive {
            id: id.to_string(),
            name: name.to_string(),
            reason: reason.clone(),
        });
        Self {
            series: SeriesName::new(desired, &blocked.series),
            hash: blocked.hash.clone(),
            reason: blocked.reason.clone(),
            frees_bytes: blocked.frees,
            archives: archives.collect(),
        }
    }
}

impl Day {
    /// The day, with series as people are shown them.
    #[must_use]
    pub fn new(desired: &Desired, day: &model::Day) -> Self {
        let made = day.made.iter().map(|(job, place)| format!("{job} at {place}"));
        let copied = day.copied.iter().map(|(name, place)| format!("{name} to {place}"));
        let expired = day.expired.iter().map(|(name, place)| format!("{name} at {place}"));
        Self {
            day: day.date.to_string(),
            made: made.collect(),
            copied: copied.collect(),
            drilled: day.drilled.iter().map(ToString::to_string).collect(),
            expired: expired.collect(),
            blocked: day.blocked.iter().map(|series| desired.shown_series(series)).collect(),
        }
    }
}

impl From<&model::Note> for Note {
    fn from(note: &model::Note) -> Self {
        Self {
            weight: note.weight.word().to_owned(),
            job: note.job.as_ref().map(ToString::to_string),
            text: note.text.clone(),
        }
    }
}

impl Plan {
    /// The plan, with names from the view's catalogue.
    #[must_use]
    pub fn new(view: &View, plan: &model::Plan) -> Self {
        let zone = plan.at.time_zone();
        let known: BTreeMap<ArchiveId, &Archive> =
            view.observed.archives.iter().map(|archive| (archive.id, archive)).collect();
        let find = |id: ArchiveId| known.get(&id).copied();
        let actions = plan.actions.iter().map(|action| Action {
            kind: action.work.word().to_owned(),
            job: action.work.job().map(ToString::to_string),
            what: in_words(&find, &action.work),
            cause: action.cause.word().to_owned(),
            reasons: action.reasons.clone(),
            needs_bytes: action.needs,
            frees_bytes: action.frees,
        });
        let desired = &view.desired;
        let is_template = |job: &JobName| {
            desired.templates.contains_key(job)
                || desired.jobs.get(job).is_some_and(Job::is_template)
        };
        let members = view.observed.members.iter().filter(|(job, _)| is_template(job));
        let unlisted = members.filter_map(|(job, listing)| {
            let failure = listing.failure()?.to_owned();
            Some(Unlisted { job: job.to_string(), failure })
        });
        Self {
            unlisted: unlisted.collect(),
            at: Moment::new(plan.at.timestamp(), zone),
            hash: plan.deletions_hash(),
            actions: actions.collect(),
            blocked: plan.blocked.iter().map(|one| Blocked::new(desired, one)).collect(),
            notes: plan.notes.iter().map(Note::from).collect(),
            wake_at: plan.wake_at.map(|at| Moment::new(at, zone)),
            text: plan.to_string(),
            recovery: view.observed.freezes.iter().find_map(|freeze| match freeze {
                Freeze::Recovery(_) => Some(frozen(freeze)),
                Freeze::Clock(_) | Freeze::JobsVanished(_) => None,
            }),
            days: Vec::new(),
        }
    }
}

/// What becomes of an archive of one day.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Simulated {
    /// The day.
    pub id: String,
    /// Whether it is there in the end.
    pub keep: bool,
    /// Why.
    pub reasons: Vec<String>,
}

impl From<&crate::reconcile::simulate::Line> for Simulated {
    fn from(line: &crate::reconcile::simulate::Line) -> Self {
        Self { id: line.id.clone(), keep: line.keep, reasons: line.reasons.clone() }
    }
}
