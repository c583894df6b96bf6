//! Earlier names, by what they are now: where a job or this instance was renamed, what was made
//! before belongs with what is made today.

use std::borrow::Cow;
use std::collections::HashMap;

use crate::model::archive::{Archive, How, Series};
use crate::model::desired::Desired;
use crate::model::name::{JobName, PlaceName};

/// A series by today's names, and the peer that sent it: what is judged together.
pub type Line = (Series, Option<PlaceName>);

/// Which archives belong together under the names of a configuration.
#[derive(Debug)]
pub struct Lineage<'a> {
    desired: &'a Desired,
    jobs: HashMap<&'a str, &'a JobName>,
}

impl<'a> Lineage<'a> {
    /// The lineage by the names of a configuration.
    #[must_use]
    pub fn of(desired: &'a Desired) -> Self {
        let jobs = desired
            .jobs
            .values()
            .flat_map(|job| job.formerly.iter().map(|earlier| (earlier.as_str(), &job.name)))
            // A name that is in use belongs to who uses it.
            .filter(|(earlier, _)| !desired.jobs.keys().any(|name| name.as_str() == *earlier))
            .collect();
        Self { desired, jobs }
    }

    /// The series that archives of `written` belong to now.
    #[must_use]
    pub fn today(&self, written: &Series) -> Series {
        let instance = &self.desired.instance;
        let mut series = written.clone();
        if instance.formerly.contains(&series.origin) {
            series.origin = instance.name.clone();
        }
        if series.origin == instance.name
            && let Cow::Owned(name) = self.job(&written.job)
        {
            series.job = name;
        }
        series
    }

    /// The name today of the job of ours that was called `written`.
    #[must_use]
    pub fn job<'n>(&self, written: &'n JobName) -> Cow<'n, JobName> {
        if self.desired.jobs.contains_key(written) {
            return Cow::Borrowed(written);
        }
        if let Some(name) = self.jobs.get(written.as_str()) {
            return Cow::Owned((*name).clone());
        }
        let renamed = written.as_str().split_once('/').and_then(|(declared, item)| {
            format!("{}/{item}", self.jobs.get(declared)?).parse().ok()
        });
        renamed.map_or(Cow::Borrowed(written), Cow::Owned)
    }

    /// Whether an archive is ours and of the job that bears this name: today, or then.
    #[must_use]
    pub fn is_of_job(&self, archive: &Archive, job: &str) -> bool {
        self.desired.instance.is_or_was(&archive.origin)
            && (archive.job.as_str() == job || self.job(&archive.job).as_str() == job)
    }

    /// What an archive is judged together with. What a peer sent bears the peer's names, which say
    /// nothing here.
    #[must_use]
    pub fn line(&self, archive: &Archive) -> Line {
        let written = archive.written_series();
        match sender(archive) {
            Some(from) => (written, Some(from.clone())),
            None => (self.today(&written), None),
        }
    }
}

/// The peer that sent an archive, where one did.
pub(super) fn sender(archive: &Archive) -> Option<&PlaceName> {
    match &archive.how {
        How::Received { from } => Some(from),
        How::Scheduled | How::Manual | How::Copied { .. } | How::Adopted => None,
    }
}
