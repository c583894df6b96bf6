//! One reviewed plan for everything: users of all jobs first, then files, databases, services,
//! ports and commands.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::orders::{Item, file_of};
use super::{RecoverError, bring_home};
use crate::causes::with_causes;
use crate::model::name::JobName;
use crate::model::restore::Part;
use crate::model::run::RunId;
use crate::progress::Progress;
use crate::restore::{
    self, ArchiveFile, CopyPlace, Order, Outcome, Plan, Record, Restore, Task, Trouble, Watch,
};
use crate::stop::Stop;

/// What is carried out together: for all jobs, before the next of these begins for any.
const STAGES: [&[Part]; 6] = [
    &[Part::User],
    &[Part::Files, Part::Permissions],
    &[Part::Database],
    &[Part::Service],
    &[Part::Firewall],
    &[Part::Commands],
];
/// The most time that one command or one load may take.
const TIMEOUT: Duration = Duration::from_hours(24);

/// One job with what would be done for it.
#[derive(Debug)]
pub struct Prepared<'a> {
    /// The job.
    pub item: Item<'a>,
    /// Its steps, or why there are none.
    pub plan: Result<Plan, Trouble>,
}

/// What became of one job.
#[derive(Debug, Clone, Default)]
pub struct Ended {
    /// Steps that were done, with how.
    pub done: Vec<(Part, String)>,
    /// What failed first, and what to do about it.
    pub failed: Option<(String, Option<String>)>,
    /// What somebody should look at.
    pub warnings: Vec<String>,
    /// Where what was in the way lies now.
    pub set_aside: Vec<String>,
}

/// Looks at every archive and at this host, and says what would be done. Changes nothing.
pub fn prepare<'a>(
    items: Vec<Item<'a>>,
    work_dir: &Path,
    stop: &Stop,
    progress: &Progress,
    tell: &mut dyn FnMut(&JobName),
) -> Vec<Prepared<'a>> {
    let look = |item: &Item<'_>| {
        let order = order(&item.restore, work_dir, 0);
        restore::prepare(&order, &item.restore, stop, progress)
    };
    items
        .into_iter()
        .map(|item| {
            tell(&item.job);
            let plan = look(&item);
            Prepared { item, plan }
        })
        .collect()
}

/// The steps of all jobs in the order in which they are carried out.
#[must_use]
pub fn in_order<'p>(prepared: &'p [Prepared<'_>]) -> Vec<(&'p JobName, &'p restore::Step)> {
    let mut all = Vec::new();
    for stage in STAGES {
        for one in prepared {
            let Ok(plan) = &one.plan else { continue };
            let steps = plan.steps.iter().filter(|step| stage.contains(&step.part));
            all.extend(steps.map(|step| (&one.item.job, step)));
        }
    }
    all
}

/// Carries it out. A job whose step fails gets no further step; the others go on. `numbers` counts
/// up from the given number: each names a record and a place for what is set aside.
pub fn carry_out(
    prepared: &[Prepared<'_>],
    work_dir: &Path,
    first_number: u64,
    identity: Option<&str>,
    watch: &mut Watch<'_>,
) -> BTreeMap<JobName, Ended> {
    let mut ended: BTreeMap<JobName, Ended> = BTreeMap::new();
    let mut number = first_number;
    for one in prepared {
        let mut fresh = Ended::default();
        if let Err(trouble) = &one.plan {
            fresh.failed = Some((trouble.why.clone(), trouble.hint.clone()));
        }
        ended.insert(one.item.job.clone(), fresh);
    }
    for stage in STAGES {
        for one in prepared {
            let Ok(plan) = &one.plan else { continue };
            let Some(end) = ended.get_mut(&one.item.job) else { continue };
            let turn = Turn { item: &one.item, plan, stage };
            if !turn.has_steps() || end.failed.is_some() {
                continue;
            }
            if let Err(stopped) = watch.stop.check() {
                end.failed = Some((stopped.to_string(), Some("run it again".to_owned())));
                continue;
            }
            let order = match turn.restore(identity, watch.stop) {
                Ok(restore) => order(&restore, work_dir, number),
                Err(error) => {
                    end.failed = Some((with_causes(&error), Some(error.hint())));
                    continue;
                }
            };
            number += 1;
            (watch.log)(&format!("{}:", one.item.job));
            match restore::carry_out(&order, watch) {
                Ok(record) => note(end, &record),
                Err(trouble) => end.failed = Some((trouble.why, trouble.hint)),
            }
        }
    }
    ended
}

fn note(end: &mut Ended, record: &Record) {
    for step in &record.steps {
        end.warnings.extend(step.warnings.iter().cloned());
        match step.outcome {
            Outcome::Done => {
                let part = Part::from_word(&step.part);
                end.done.extend(part.map(|part| (part, step.detail.clone())));
            }
            Outcome::NotDone | Outcome::Begun | Outcome::Failed => {
                let why = format!("{}: {}: {}", step.part, step.what, step.detail);
                end.failed.get_or_insert((why, step.hint.clone()));
            }
        }
    }
    end.set_aside.extend(record.aside.iter().filter_map(|aside| aside.place.clone()));
}

/// One job in one stage.
struct Turn<'a> {
    item: &'a Item<'a>,
    plan: &'a Plan,
    stage: &'static [Part],
}

impl Turn<'_> {
    /// Whether there is anything to do.
    fn has_steps(&self) -> bool {
        self.plan.steps.iter().any(|step| self.stage.contains(&step.part))
    }

    /// The part of the job's restore that belongs to the stage. Before its files, an archive is
    /// brought home where it has one.
    fn restore(&self, identity: Option<&str>, stop: &Stop) -> Result<Restore, RecoverError> {
        let mut restore = Restore {
            only: self.stage.to_vec(),
            // Seen a moment ago: nobody has to look again before the files are written.
            seen: self.plan.files.clone(),
            ..self.item.restore.clone()
        };
        if let Some(home) = self.item.home.as_deref().filter(|_| self.stage.contains(&Part::Files))
        {
            let copy = self.item.copy;
            restore.archive = ArchiveFile {
                other_copies: vec![CopyPlace::Path(copy.file.clone())],
                ..file_of(&bring_home(copy, home, identity, stop)?, &self.item.zone)?
            };
            restore.identity = None;
        }
        Ok(restore)
    }
}

fn order(restore: &Restore, work_dir: &Path, run: u64) -> Order {
    Order {
        run: RunId(run),
        work_dir: PathBuf::from(work_dir),
        timeout: TIMEOUT,
        task: Task::Restore(Box::new(restore.clone())),
    }
}
