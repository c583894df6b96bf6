//! Jobs: how well each is protected, what it made, and what was proved.

use std::borrow::Cow;
use std::collections::BTreeMap;

use jiff::Timestamp;

use super::LastRuns;
use super::text::{Exposition, Value, seconds};
use crate::engine::View;
use crate::model::archive::Archive;
use crate::model::name::JobName;
use crate::model::observed::DrillOutcome;
use crate::reconcile::expiry::Lineage;
use crate::status::{JobVerdict, Verdict};

/// Verdicts, and how the last runs went.
pub(super) fn jobs(text: &mut Exposition, view: &View, last_runs: &LastRuns) {
    let verdicts = view.verdicts.as_slice();
    let mut each = |name: &str, help: &str, value: &dyn Fn(&JobVerdict) -> Option<Value>| {
        text.gauge(name, help, |samples| {
            for verdict in verdicts {
                samples.put_some(&[("job_id", verdict.job.as_str())], value(verdict));
            }
        });
    };
    each(
        "larder_job_overdue",
        "Whether the newest good archive is older than it may be.",
        &|one| Some(Value::Flag(one.overdue)),
    );
    each(
        "larder_job_last_success_timestamp_seconds",
        "When a backup last succeeded, or when the newest good archive was made.",
        &|one| one.last_success.map(Value::Moment),
    );
    let last = |one: &JobVerdict| last_runs.get(&one.job);
    each(
        "larder_job_last_attempt_timestamp_seconds",
        "When the newest backup run ended; when it began while it is under way.",
        &|one| {
            let run = last(one)?;
            let at = run.finished_at.or(run.started_at)?;
            Some(Value::Moment(at.timestamp()))
        },
    );
    each(
        "larder_job_last_run_success",
        "Whether the newest backup run that ended did what it was to do.",
        &|one| {
            let run = last(one).filter(|run| run.is_final())?;
            Some(Value::Flag(!run.has_failed()))
        },
    );
    each(
        "larder_job_last_run_duration_seconds",
        "How long the newest backup run took, once it is over.",
        &|one| last(one)?.seconds().map(Value::Seconds),
    );
    each(
        "larder_job_next_due_timestamp_seconds",
        "The next instant that the schedule names.",
        &|one| one.next_scheduled.map(Value::Moment),
    );
    each("larder_job_copies", "Places that hold a good archive which is young enough.", &|one| {
        Some(Value::Number(one.copies.len() as u64))
    });
    each("larder_job_offsite_copies", "Those of them that are off-site.", &|one| {
        Some(Value::Number(one.offsite.len() as u64))
    });
    let declared = |one: &JobVerdict| {
        let jobs = &view.desired.jobs;
        jobs.get(&one.job).or_else(|| view.desired.templates.get(&one.job))
    };
    each("larder_job_enabled", "Whether the job runs at all.", &|one| {
        Some(Value::Flag(declared(one)?.enabled))
    });
    text.gauge(
        "larder_job_verdict",
        "How well the job is protected: 1 for the verdict that holds.",
        |samples| {
            for one in verdicts {
                for verdict in Verdict::ALL {
                    let labels = [("job_id", one.job.as_str()), ("verdict", verdict.word())];
                    samples.put(&labels, Value::Flag(one.verdict == verdict));
                }
            }
        },
    );
    text.gauge("larder_job_info", "What the job reads, and where to; always 1.", |samples| {
        for one in verdicts {
            let Some(job) = declared(one) else { continue };
            let labels = [
                ("job_id", one.job.as_str()),
                ("type", job.source.job_type().word()),
                ("location", job.location.as_str()),
            ];
            samples.put(&labels, Value::Number(1));
        }
    });
}

/// The good archives of one job at one location.
#[derive(Debug)]
struct Stock<'a> {
    archives: u64,
    bytes: u64,
    oldest: Timestamp,
    newest: &'a Archive,
}

/// What can be restored from, by job and location. Only what this instance made: archives of others
/// are counted with their location.
pub(super) fn archives(text: &mut Exposition, view: &View) {
    let stocks = stocks(view);
    let mut each = |name: &str, help: &str, value: &dyn Fn(&Stock<'_>) -> Value| {
        text.gauge(name, help, |samples| {
            for ((job, location), stock) in &stocks {
                samples.put(&[("job_id", job.as_str()), ("location", location)], value(stock));
            }
        });
    };
    each("larder_job_archives", "Good archives of the job at the location.", &|stock| {
        Value::Number(stock.archives)
    });
    each("larder_job_archive_bytes", "Bytes of the files of these archives.", &|stock| {
        Value::Number(stock.bytes)
    });
    each(
        "larder_job_newest_archive_timestamp_seconds",
        "When the newest good archive of the job at the location was made.",
        &|stock| Value::Moment(stock.newest.created_at),
    );
    each(
        "larder_job_newest_archive_bytes",
        "Bytes of the file of the newest good archive of the job at the location.",
        &|stock| Value::Number(stock.newest.file_size),
    );
    each(
        "larder_job_oldest_archive_timestamp_seconds",
        "When the oldest good archive of the job at the location was made.",
        &|stock| Value::Moment(stock.oldest),
    );
}

/// By the name of the job today, and the location.
type Stocks<'a> = BTreeMap<(Cow<'a, JobName>, &'a str), Stock<'a>>;

fn stocks(view: &View) -> Stocks<'_> {
    let desired = &view.desired;
    let lineage = Lineage::of(desired);
    let is_ours = |archive: &&Archive| desired.owns(archive) && archive.is_good();
    let mut stocks = Stocks::new();
    for archive in view.observed.archives.iter().filter(is_ours) {
        let job = lineage.job(&archive.job);
        let made = archive.created_at;
        let stock = stocks.entry((job, archive.location.as_str())).or_insert(Stock {
            archives: 0,
            bytes: 0,
            oldest: made,
            newest: archive,
        });
        stock.archives += 1;
        stock.bytes = stock.bytes.saturating_add(archive.file_size);
        stock.oldest = stock.oldest.min(made);
        if made > stock.newest.created_at {
            stock.newest = archive;
        }
    }
    stocks
}

/// What was proved by restoring it.
pub(super) fn drills(text: &mut Exposition, view: &View) {
    let verdicts = view.verdicts.as_slice();
    let mut each = |name: &str, help: &str, value: &dyn Fn(&JobVerdict) -> Option<Value>| {
        text.gauge(name, help, |samples| {
            for verdict in verdicts {
                samples.put_some(&[("job_id", verdict.job.as_str())], value(verdict));
            }
        });
    };
    each("larder_drill_last_timestamp_seconds", "When a drill last came to an end.", &|one| {
        one.last_drill.as_ref().map(|drill| Value::Moment(drill.at))
    });
    each("larder_drill_last_duration_seconds", "How long that drill took.", &|one| {
        one.last_drill.as_ref().map(|drill| seconds(drill.took))
    });
    each(
        "larder_drill_proven_timestamp_seconds",
        "When a drill last proved that a restore works.",
        &|one| one.proven_at.map(Value::Moment),
    );
    each("larder_drill_next_timestamp_seconds", "When the next drill is foreseen.", &|one| {
        one.next_drill.map(Value::Moment)
    });
    text.gauge(
        "larder_drill_last_outcome",
        "What the last drill showed: 1 for the outcome that holds.",
        |samples| {
            for one in verdicts {
                let Some(drill) = &one.last_drill else { continue };
                let holds = DrillOutcome::word(&drill.outcome);
                for outcome in DrillOutcome::WORDS {
                    let labels = [("job_id", one.job.as_str()), ("outcome", outcome)];
                    samples.put(&labels, Value::Flag(outcome == holds));
                }
            }
        },
    );
}
