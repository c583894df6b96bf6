//! One event: whom it concerns, and its text.

use axum::body::Bytes;
use serde::Serialize;

use crate::model::name::{JobName, PlaceName};
use crate::model::run::{Run, Work};

/// What an event is about.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum About {
    /// A run.
    Run(Subject),
    /// The instance as a whole.
    Instance,
    /// The events themselves: everybody must know.
    Gap,
}

/// What a run is about.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Subject {
    /// The job, where there is one.
    pub(super) job: Option<String>,
    /// The kind of run.
    pub(super) kind: &'static str,
    /// The name space that all of it happens in, if it does, and says nothing of this host.
    pub(super) within: Option<PlaceName>,
}

/// An event without its number.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Message {
    pub(super) about: About,
    pub(super) name: &'static str,
    pub(super) data: String,
    /// Whether those who come back are told of it. Progress is stale by then.
    pub(super) is_kept: bool,
}

impl Message {
    /// A message that is kept.
    pub(super) fn new(about: About, name: &'static str, data: &impl Serialize) -> Self {
        // JSON of our own types has no line breaks, and cannot fail.
        let data = serde_json::to_string(data).unwrap_or_default();
        Self { about, name, data, is_kept: true }
    }

    /// Its text on the wire.
    pub(super) fn frame(&self, id: &str) -> Bytes {
        format!("id: {id}\nevent: {}\ndata: {}\n\n", self.name, self.data).into()
    }
}

impl Subject {
    /// What this run is about, of the job that the API names with it.
    pub(super) fn new(run: &Run, job: Option<String>) -> Self {
        let within = match &run.work {
            Work::Expire { series, .. } => Some(&series.location),
            Work::EmptyTrash { location, .. } | Work::Verify { location, .. } => Some(location),
            // These tell of jobs, other locations or paths of this host.
            Work::Backup { .. }
            | Work::Send { .. }
            | Work::Fetch { .. }
            | Work::Prune { .. }
            | Work::Adopt { .. }
            | Work::Restore { .. }
            | Work::Drill { .. } => None,
        };
        Self { job, kind: run.work.word(), within: within.cloned() }
    }
}

/// What a client is told of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Wants {
    /// Only runs of this job.
    pub(super) job: Option<JobName>,
    /// Only runs of this kind.
    pub(super) kind: Option<String>,
    /// Whether it came over the control socket: its rights never change.
    pub(super) is_local: bool,
    /// How far it may look.
    pub(super) reach: Reach,
}

/// How far a client may look.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Reach {
    /// Whoever is no peer.
    Everything,
    /// A peer, of its own name space only.
    NameSpace(PlaceName),
    /// A peer that has none.
    Nothing,
}

impl Wants {
    /// Whether it is told of this.
    pub(super) fn includes(&self, about: &About) -> bool {
        match about {
            About::Gap => true,
            About::Instance => {
                self.reach == Reach::Everything && self.job.is_none() && self.kind.is_none()
            }
            About::Run(subject) => self.may_know(subject) && self.asked_for(subject),
        }
    }

    fn may_know(&self, subject: &Subject) -> bool {
        match &self.reach {
            Reach::Everything => true,
            Reach::NameSpace(own) => subject.within.as_ref() == Some(own),
            Reach::Nothing => false,
        }
    }

    fn asked_for(&self, subject: &Subject) -> bool {
        let of_job = |wanted: &JobName| {
            let job = subject.job.as_deref().unwrap_or_default();
            let declared = job.split_once('/').map_or(job, |(declared, _)| declared);
            job == wanted.as_str() || declared == wanted.as_str()
        };
        self.job.as_ref().is_none_or(of_job)
            && self.kind.as_deref().is_none_or(|kind| kind == subject.kind)
    }
}
