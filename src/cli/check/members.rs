//! What jobs with `*` stand for on this host, for `larder check --live`.

use std::sync::mpsc::{self, RecvTimeoutError};
use std::time::Duration;

use crate::config::{Diagnostic, Severity};
use crate::engine;
use crate::model::desired::Desired;
use crate::model::job::Job;
use crate::model::members::{Found, Listing, Members, asked};
use crate::reconcile::expand;
use crate::stop::{Stop, Stopped};

/// The most time that one listing may take.
const LIMIT: Duration = Duration::from_secs(30);

/// Lists the members of every job with `*`, and tells what is odd about them; of one that has an
/// error in `known_errors` already, nothing more can be said. Blocking.
pub(super) fn check(desired: &Desired, known_errors: &[Diagnostic]) -> Vec<Diagnostic> {
    let mut found = Vec::new();
    let is_sound = |job: &&Job| {
        let mut errors = known_errors.iter().filter(|one| one.is_error());
        !errors.any(|one| one.file == job.place.file && one.line == job.place.line)
    };
    let mut known = Members::new();
    let at = jiff::Timestamp::now();
    let templates = || desired.jobs.values().filter(|job| job.is_template() && job.enabled);
    for template in templates().filter(is_sound) {
        match list(template) {
            Ok(members) => {
                let members = Found { members: members.into_iter().collect(), at };
                let of = asked(&template.source);
                let listing = Listing { of, found: Some(members), ..Listing::default() };
                known.insert(template.name.clone(), listing);
            }
            Err(failure) => found.push(about(
                template,
                Severity::Error,
                format!("what `{}` stands for cannot be listed: {failure}", template.name),
                "nothing of it is archived until it can be",
            )),
        }
    }
    let expanded = expand::expand(desired, &known);
    for template in templates() {
        let Some(listed) = known.get(&template.name).and_then(|l| l.found.as_ref()) else {
            continue;
        };
        let except = template.source.wildcard().unwrap_or_default();
        for left_out in except.iter().filter(|left_out| !listed.members.contains(*left_out)) {
            found.push(about(
                template,
                Severity::Warning,
                format!("`{}` leaves `{left_out}` out, which is not there", template.name),
                "remove it from `except`, or mend its name",
            ));
        }
        if expand::wanted(template, listed).is_empty() {
            found.push(about(
                template,
                Severity::Warning,
                format!("`{}` stands for nothing that is there now", template.name),
                "what comes later is kept from then on",
            ));
        }
        for (member, label) in expand::renamed(&expanded, template) {
            found.push(about(
                template,
                Severity::Warning,
                format!(
                    "archives of `{}` of `{}` are called `{label}`: the plain name is taken, too long or odd",
                    member.escape_default(),
                    template.name
                ),
                "give the other job, or this one, a `label` of its own if that should not be",
            ));
        }
    }
    found
}

fn list(template: &Job) -> Result<Vec<String>, String> {
    let stop = Stop::new();
    let (limit, source) = (stop.clone(), template.source.clone());
    let (done, ended) = mpsc::channel();
    // One that hangs although it was told to stop ends with this process.
    std::thread::spawn(move || done.send(engine::list_members(&source, &stop)));
    match ended.recv_timeout(LIMIT) {
        Ok(outcome) => outcome,
        Err(RecvTimeoutError::Timeout) => {
            limit.request(Stopped::TimedOut);
            Err(format!("no answer within {} s", LIMIT.as_secs()))
        }
        Err(RecvTimeoutError::Disconnected) => Err("an error in larder itself".to_owned()),
    }
}

fn about(job: &Job, severity: Severity, message: String, hint: &str) -> Diagnostic {
    let mut diagnostic = Diagnostic::of_file(&job.place.file, severity, message).with_hint(hint);
    (diagnostic.line, diagnostic.column) = (job.place.line, job.place.column);
    diagnostic.end_column = job.place.column;
    diagnostic
}
