//! Carries out a plan, step by step.
//!
//! Every step may be repeated: a restore that was interrupted is run again as a whole. A step that
//! fails stops those that need it, and no others. What is decided here is only that; everything
//! else stands in the plan.

use std::fs;
use std::io;

use super::order::{Order, Restore};
use super::plan::{Action, Plan, Step};
use super::record::{Outcome, Record, StepRecord};
use super::{Trouble, Watch, original, prepare, steps};
use crate::durable;
use crate::model::restore::Part;

/// What a step leaves behind, beside what it did.
#[derive(Debug, Default)]
pub(super) struct Done {
    /// How it went, in a few words.
    pub(super) detail: String,
    /// What somebody should look at.
    pub(super) warnings: Vec<String>,
}

/// What a step may use.
pub(super) struct Site<'a> {
    pub(super) order: &'a Order,
    pub(super) restore: &'a Restore,
    pub(super) step: &'a Step,
    pub(super) record: &'a mut Record,
}

impl Site<'_> {
    /// Remembers that something is set aside, before it is.
    pub(super) fn keeps(&mut self, aside: super::record::Aside) -> Result<usize, Trouble> {
        self.record.aside.push(aside);
        self.record.write(self.order)?;
        Ok(self.record.aside.len() - 1)
    }

    /// The most time of one command.
    pub(super) fn timeout(&self) -> std::time::Duration {
        self.order.timeout
    }
}

/// Restores an archive.
pub(super) fn restore(
    order: &Order,
    restore: &Restore,
    watch: &mut Watch<'_>,
) -> Result<Record, Trouble> {
    let plan = prepare(order, restore, watch.stop, watch.progress)?;
    for line in plan.to_string().lines() {
        watch.log(line);
    }
    prove_before(restore, &plan, watch)?;
    make_work_dir(order)?;
    let mut record = Record {
        run: order.run.0,
        archive: restore.archive.name.to_string(),
        job: restore.archive.job.to_string(),
        target: plan.target.clone(),
        steps: plan.steps.iter().map(|s| StepRecord::new(s.part, &s.what, &s.warnings)).collect(),
        aside: Vec::new(),
        undone: false,
        undoes: None,
    };
    record.write(order)?;
    let mut failed: Vec<Part> = Vec::new();
    for (index, step) in plan.steps.iter().enumerate() {
        let blocked = needs(step.part).iter().find(|part| failed.contains(part));
        if let Some(part) = blocked {
            record.steps[index].detail = format!("{} failed", part.word());
            watch.log(&format!("{}: not done, since {} failed", step.part.word(), part.word()));
            failed.push(step.part);
            continue;
        }
        record.steps[index].outcome = Outcome::Begun;
        record.write(order)?;
        watch.log(&format!("{}: {}", step.part.word(), step.what));
        let mut site = Site { order, restore, step, record: &mut record };
        let result = watch.stop.check().map_err(Trouble::from);
        let result = result.and_then(|()| carry_out(&mut site, watch));
        let is_over = note(&mut record.steps[index], result, watch);
        record.write(order)?;
        if is_over.is_some() {
            failed.push(step.part);
        }
        // The archive itself is not what was written: nothing of it is to be trusted.
        if let Some(trouble) =
            is_over.filter(|trouble| trouble.corrupt || trouble.stopped.is_some())
        {
            tell_aside(&record, watch);
            return Err(Trouble { why: record_why(&record, &trouble), ..trouble });
        }
    }
    tell_aside(&record, watch);
    Ok(record)
}

/// Why it ended early, with what was done before.
fn record_why(record: &Record, trouble: &Trouble) -> String {
    if record.steps.iter().any(|step| step.outcome == Outcome::Done) || trouble.stopped.is_some() {
        format!("{}; {}", trouble.why, record.summary())
    } else {
        trouble.why.clone()
    }
}

/// What a step needs to have gone well.
fn needs(part: Part) -> &'static [Part] {
    match part {
        Part::User | Part::Database | Part::Firewall => &[],
        Part::Files => &[Part::User],
        Part::Permissions => &[Part::User, Part::Files],
        Part::Service => &[Part::User, Part::Files, Part::Permissions, Part::Database],
        Part::Commands => {
            &[Part::User, Part::Files, Part::Permissions, Part::Database, Part::Service]
        }
    }
}

/// The extraction proves the archive before it writes; what comes before it must not come first.
fn prove_before(restore: &Restore, plan: &Plan, watch: &Watch<'_>) -> Result<(), Trouble> {
    let is_early = plan.steps.iter().any(|step| match step.action {
        Action::CreateUser(_) | Action::Yunohost { .. } => true,
        Action::KeepUser(_)
        | Action::Files { .. }
        | Action::Permissions { .. }
        | Action::Database { .. }
        | Action::Service { .. }
        | Action::Firewall { .. }
        | Action::Commands(_) => false,
    });
    if !is_early {
        return Ok(());
    }
    original::Opened::open(restore)?.prove(&restore.archive, watch)
}

/// The directory of records and dumps, which nobody else may enter.
pub(super) fn make_work_dir(order: &Order) -> Result<(), Trouble> {
    let dir = &order.work_dir;
    match durable::make_dir(dir, 0o700) {
        Ok(()) => Ok(()),
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
            let metadata = fs::symlink_metadata(dir);
            if metadata.is_ok_and(|metadata| metadata.is_dir()) {
                Ok(())
            } else {
                Err(Trouble::io("use", dir, &error))
            }
        }
        Err(error) => Err(Trouble::io("make", dir, &error)),
    }
}

fn carry_out(site: &mut Site<'_>, watch: &mut Watch<'_>) -> Result<Done, Trouble> {
    match &site.step.action {
        Action::CreateUser(user) => steps::user::create(user, site.timeout(), watch),
        Action::KeepUser(_) => Ok(Done { detail: "is there".to_owned(), ..Done::default() }),
        Action::Files { prefix, target, paths } => {
            steps::files::restore(site, prefix, target, paths, watch)
        }
        Action::Permissions { root, owner, mode } => {
            steps::permissions::set(root, owner.as_deref(), *mode, site.timeout(), watch)
        }
        Action::Database { kind, name, scratch } => {
            steps::database::load(site, *kind, name, scratch, watch)
        }
        Action::Yunohost { target } => steps::yunohost::restore(site, target, watch),
        Action::Service { service, install, runs } => {
            steps::service::start(site, service, *install, *runs, watch)
        }
        Action::Firewall { ports, yunohost } => {
            if *yunohost {
                steps::yunohost::open_ports(ports, watch)
            } else {
                // The plan warned of it.
                Ok(Done { detail: "left to you".to_owned(), ..Done::default() })
            }
        }
        Action::Commands(commands) => steps::commands::run(commands, site, watch),
    }
}

/// Writes down what came of a step; the trouble, if there was any.
fn note(
    step: &mut StepRecord,
    result: Result<Done, Trouble>,
    watch: &mut Watch<'_>,
) -> Option<Trouble> {
    match result {
        Ok(done) => {
            step.outcome = Outcome::Done;
            step.detail = done.detail;
            for warning in &done.warnings {
                watch.log(&format!("warning: {warning}"));
            }
            step.warnings.extend(done.warnings);
            watch.log(&format!("{}: done, {}", step.part, step.detail));
            None
        }
        Err(trouble) => {
            let stopped = trouble.stopped.is_some();
            step.outcome = if stopped { Outcome::Begun } else { Outcome::Failed };
            step.detail.clone_from(&trouble.why);
            step.hint.clone_from(&trouble.hint);
            watch.log(&format!("{}: failed: {}", step.part, trouble.why));
            if let Some(hint) = &trouble.hint {
                watch.log(&format!("hint: {hint}"));
            }
            Some(trouble)
        }
    }
}

/// Says where everything is that was set aside.
fn tell_aside(record: &Record, watch: &mut Watch<'_>) {
    let mut any = false;
    for aside in record.aside.iter().filter(|aside| !aside.returned) {
        if let Some(place) = &aside.place {
            any = true;
            watch.log(&format!("set aside: {} in {place}", aside.kept.in_words()));
        }
    }
    if any {
        let run = record.run;
        watch.log(&format!(
            "`larder restore --undo {run}` puts it back; remove it once it is not needed any more"
        ));
    }
}
