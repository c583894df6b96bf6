//! Which archive each job comes back from, and in which order.

use std::collections::BTreeMap;

use super::look::{Copy, Found};
use crate::model::job::{CONFIGURATION_JOB, JobType};
use crate::model::name::JobName;

/// One job with the archive that it comes back from.
#[derive(Debug, Clone)]
pub struct Series<'a> {
    /// The job.
    pub job: JobName,
    /// Its newest good archive.
    pub copy: &'a Copy,
    /// A newer one that is not good, by its name and why.
    pub passed_over: Option<(String, &'static str)>,
}

/// The newest good archive of each job but that of the configuration; plain copies come before
/// encrypted ones of the same archive. YunoHost's system comes first, then its apps, then
/// directories, then databases.
#[must_use]
pub fn newest(found: &Found) -> Vec<Series<'_>> {
    let mut series: BTreeMap<&JobName, Vec<&Copy>> = BTreeMap::new();
    for copy in &found.copies {
        if copy.archive.job.as_str() != CONFIGURATION_JOB {
            series.entry(&copy.archive.job).or_default().push(copy);
        }
    }
    let mut newest: Vec<Series<'_>> = series
        .into_iter()
        .filter_map(|(job, copies)| {
            let rank = |copy: &&&Copy| {
                (copy.archive.created_at, copy.archive.id, copy.archive.recipients.is_empty())
            };
            let best = copies.iter().filter(|copy| copy.archive.is_good()).max_by_key(rank)?;
            let last = copies.iter().max_by_key(rank)?;
            let passed_over = last.archive.flaw().map(|why| (last.archive.name.to_string(), why));
            Some(Series { job: job.clone(), copy: best, passed_over })
        })
        .collect();
    newest.sort_by_key(|one| (order(one.copy.archive.job_type), one.job.clone()));
    newest
}

/// Apps need YunoHost's users, and nothing needs a database before its files are there.
fn order(kind: JobType) -> u8 {
    match kind {
        JobType::YnhSystem => 0,
        JobType::YnhApp => 1,
        JobType::CustomDir => 2,
        JobType::Mysql | JobType::Postgresql => 3,
    }
}
