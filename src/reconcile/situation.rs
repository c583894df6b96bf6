//! The facts of one moment, indexed once for everything that decides.

use std::collections::{HashMap, HashSet};

use jiff::{SignedDuration, Timestamp, Zoned};

use super::judge::FUTURE_TOLERANCE;
use crate::model::archive::{Archive, ArchiveId, Condition, CopyKey, Series};
use crate::model::contact::RemoteCopy;
use crate::model::desired::Desired;
use crate::model::job::Job;
use crate::model::location::Location;
use crate::model::name::{JobName, PlaceName};
use crate::model::observed::{Freeze, JobFacts, LocationState, Observed};
use crate::model::protect::MaxAge;
use crate::model::run::{RunStatus, Work};

/// By how much a time that is remembered of the past may lie ahead: clocks are set right by so much
/// all the time.
const SET_RIGHT: SignedDuration = SignedDuration::from_mins(5);

/// What is wanted and what is there, at one moment.
pub(crate) struct Situation<'a> {
    pub(crate) desired: &'a Desired,
    pub(crate) observed: &'a Observed,
    pub(crate) now: &'a Zoned,
    pub(crate) moment: Timestamp,
    /// Our archives by the name of the job that made them, oldest first.
    by_job: HashMap<&'a str, Vec<&'a Archive>>,
    open_backups: HashMap<&'a JobName, RunStatus>,
    /// Archive and place of every verification and copy that waits or is under way.
    open_at: HashSet<(ArchiveId, &'a PlaceName)>,
    /// Archive and place of everything that is about to be deleted.
    leaving: HashSet<CopyKey>,
}

impl<'a> Situation<'a> {
    pub(crate) fn new(desired: &'a Desired, observed: &'a Observed, now: &'a Zoned) -> Self {
        let mut by_job: HashMap<&str, Vec<&Archive>> = HashMap::new();
        let instance = &desired.instance;
        for archive in &observed.archives {
            if instance.is_or_was(&archive.origin) {
                by_job.entry(archive.job.as_str()).or_default().push(archive);
            }
        }
        for archives in by_job.values_mut() {
            archives.sort_by_key(|archive| (archive.created_at, archive.id));
        }
        let mut open_backups = HashMap::new();
        let mut open_at = HashSet::new();
        for run in &observed.open_runs {
            match &run.work {
                Work::Backup { job } => {
                    open_backups.insert(job, run.status);
                }
                Work::Verify { archive, location: place }
                | Work::Send { archive, to: place, .. }
                | Work::Fetch { archive, to: place, .. } => {
                    open_at.insert((*archive, place));
                }
                Work::Prune { peer, archives } => {
                    open_at.extend(archives.iter().map(|archive| (*archive, peer)));
                }
                Work::Expire { .. }
                | Work::EmptyTrash { .. }
                | Work::Adopt { .. }
                | Work::Restore { .. }
                | Work::Drill { .. } => {}
            }
        }
        let moment = now.timestamp();
        let leaving = HashSet::new();
        let mut situation =
            Self { desired, observed, now, moment, by_job, open_backups, open_at, leaving };
        for run in &observed.open_runs {
            situation.note_leaving(&run.work);
        }
        situation
    }

    /// Nothing is copied or read any more that this work deletes.
    pub(crate) fn note_leaving(&mut self, work: &Work) {
        if let Work::Expire { series: Series { location, .. }, archives }
        | Work::EmptyTrash { location, archives } = work
        {
            self.leaving.extend(archives.iter().map(|id| CopyKey::new(*id, location)));
        }
    }

    /// Whether a copy is about to be deleted.
    pub(crate) fn leaves(&self, archive: &Archive) -> bool {
        !self.leaving.is_empty() && self.leaving.contains(&archive.key())
    }

    /// What is remembered of a time of the past. One that lies ahead was told by a clock that was
    /// wrong, and says nothing: to wait for it would be to wait for as long as the clock was wrong.
    pub(crate) fn remembered(&self, at: Timestamp) -> Option<Timestamp> {
        let latest = self.moment.saturating_add(SET_RIGHT).unwrap_or(Timestamp::MAX);
        Some(at).filter(|at| *at <= latest)
    }

    /// The archives of a job, under its earlier names too, at every place and in every condition;
    /// oldest first.
    pub(crate) fn archives(&self, job: &Job) -> Vec<&'a Archive> {
        let under = |name: &JobName| self.by_job.get(name.as_str()).map_or(&[][..], Vec::as_slice);
        let mut found = under(&job.name).to_vec();
        if !job.formerly.is_empty() {
            found.extend(job.formerly.iter().flat_map(|name| under(name).iter().copied()));
            found.sort_by_key(|archive| (archive.created_at, archive.id));
        }
        found
    }

    /// Whether what a peer holds is an archive of a job of ours, under its earlier names too.
    pub(crate) fn is_copy_of(&self, job: &Job, copy: &RemoteCopy) -> bool {
        self.desired.instance.is_or_was(&copy.origin) && job.is_or_was(&copy.job)
    }

    pub(crate) fn facts(&self, job: &Job) -> Option<&'a JobFacts> {
        self.observed.jobs.get(&job.name)
    }

    /// Where the backup of a job stands that waits or is under way.
    pub(crate) fn open_backup(&self, job: &JobName) -> Option<RunStatus> {
        self.open_backups.get(job).copied()
    }

    /// Whether a verification or copy of an archive at a place waits or is under way, or has to
    /// wait after a failure.
    pub(crate) fn rests(&self, archive: ArchiveId, place: &'a PlaceName) -> bool {
        self.open_at.contains(&(archive, place))
            || self.not_before(archive, place).is_some_and(|until| until > self.moment)
    }

    /// Until when work on an archive at a place has to wait after a failure.
    fn not_before(&self, archive: ArchiveId, place: &PlaceName) -> Option<Timestamp> {
        if self.observed.not_before.is_empty() {
            return None;
        }
        self.observed.not_before.get(&CopyKey::new(archive, place)).copied()
    }

    /// Whether the members of the job that this is a series of are being listed.
    pub(crate) fn is_being_listed(&self, job: &Job) -> bool {
        job.name.is_series()
            && self.observed.members.iter().any(|(template, listing)| {
                listing.is_open && template.as_str() == job.name.declared()
            })
    }

    pub(crate) fn is_available(&self, place: &PlaceName) -> bool {
        matches!(self.observed.locations.get(place), Some(LocationState::Available { .. }))
    }

    /// Why a location that may be absent is absent.
    pub(crate) fn absent_removable(&self, place: &PlaceName) -> Option<(&'a Location, &'a str)> {
        let location = self.desired.locations.get(place).filter(|location| location.removable)?;
        match self.observed.locations.get(place)? {
            LocationState::Unavailable(reason) => Some((location, reason)),
            LocationState::Available { .. } | LocationState::Suspect(_) => None,
        }
    }

    /// Whether this may be a new machine in an old name, which changes nothing at all.
    pub(crate) fn in_recovery(&self) -> bool {
        self.observed.freezes.iter().any(|freeze| matches!(freeze, Freeze::Recovery(_)))
    }

    /// Whether the date of an archive can be believed.
    pub(crate) fn is_dated_ahead(&self, archive: &Archive) -> bool {
        archive.created_at > self.moment.saturating_add(FUTURE_TOLERANCE).unwrap_or(Timestamp::MAX)
    }

    /// How old the newest good archive of a job may get.
    pub(crate) fn max_age(&self, job: &Job) -> SignedDuration {
        match job.protect.max_age {
            MaxAge::Fixed(age) => age,
            MaxAge::Auto => job.schedule.longest_gap(self.now).saturating_add(job.timeout),
        }
    }

    /// The newest of some archives that is good and not dated ahead.
    pub(crate) fn newest_good(&self, oldest_first: &[&'a Archive]) -> Option<&'a Archive> {
        let mut newest_first = oldest_first.iter().rev().copied();
        newest_first.find(|archive| archive.is_good() && !self.is_dated_ahead(archive))
    }
}

/// Whether the file of a copy is still at its place, be it damaged or in the trash.
pub(crate) fn is_kept(archive: &Archive) -> bool {
    match archive.condition {
        Condition::Present
        | Condition::Corrupt
        | Condition::Unavailable
        | Condition::Trashed { .. } => true,
        Condition::Lost => false,
    }
}
