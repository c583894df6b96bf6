//! The job that nobody has to write: the configuration directory itself, to every location in use.
//!
//! On the day of a disaster it is what `larder recover` begins with. **Invariant:** a secret leaves
//! this directory only encrypted to the recovery recipients.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use jiff::SignedDuration;

use crate::model::desired::{Desired, Place, SecretRef};
use crate::model::job::{
    CONFIGURATION_JOB, CatchUp, CustomDir, Job, JobSource, RestoreSteps, SendTo, SourceMount, Via,
};
use crate::model::name::{Label, PlaceName};
use crate::model::protect::Protect;
use crate::model::retention::{Mode, Policy};
use crate::model::schedule::Schedule;
use crate::model::size::Percent;

/// When it runs: a quiet hour, before most others.
const SCHEDULE: &str = "30 0 * * *";

/// Adds the job, unless the files say that it is not wanted or there is nothing to recover.
pub(super) fn add(mut desired: Desired, dir: &Path) -> Desired {
    if desired.keeps_configuration
        && let Some(job) = job(&desired, dir)
    {
        desired.jobs.insert(job.name.clone(), job);
    }
    desired
}

fn job(desired: &Desired, dir: &Path) -> Option<Job> {
    let living = || desired.jobs.values().filter(|job| job.enabled && job.ended.is_none());
    let mut places: Vec<&PlaceName> = living().map(|job| &job.location).collect();
    places.extend(living().flat_map(|job| &job.send_to).map(|copy| &copy.to));
    places.retain(|place| desired.locations.contains_key(*place));
    // The first is where most of it already rests; the others get copies.
    let home = (*living().map(|job| &job.location).next()?).clone();
    let others: BTreeSet<&PlaceName> = places.into_iter().filter(|place| **place != home).collect();
    let encrypt_to = desired.recovery_recipients.clone();
    let excludes = if encrypt_to.is_empty() { excludes(desired, dir) } else { only_git() };
    let taken = |label: &str| living().any(|job| job.label.as_str() == label);
    let label = if taken("config") { CONFIGURATION_JOB } else { "config" };
    let label: Label = label.parse().expect("a label");
    let mut job = Job {
        name: CONFIGURATION_JOB.parse().expect("a name"),
        source: JobSource::CustomDir(CustomDir {
            source_path: dir.to_owned(),
            excludes,
            one_file_system: false,
            mount: SourceMount::Remembered,
        }),
        label,
        schedule: Schedule::parse(SCHEDULE).expect("a schedule"),
        retention: Policy {
            mode: Mode::Gfs { daily: 7, weekly: 4, monthly: 12, yearly: 0 },
            min_days: 3,
        },
        location: home,
        send_to: others
            .into_iter()
            .map(|to| SendTo {
                to: to.clone(),
                via: Via::Auto,
                retention: None,
                encrypt_to: Vec::new(),
            })
            .collect(),
        encrypt_to,
        before: Vec::new(),
        after: Vec::new(),
        enabled: true,
        timeout: SignedDuration::from_hours(1),
        catch_up: CatchUp::Now,
        retries: 3,
        allow_partial: false,
        shrink_alarm: Percent(10),
        suspect_keep: SignedDuration::from_hours(14 * 24),
        manual_keep: SignedDuration::from_hours(30 * 24),
        hold_max: SignedDuration::from_hours(7 * 24),
        formerly: Vec::new(),
        ended: None,
        protect: Protect::default(),
        drill: None,
        restore: RestoreSteps::default(),
        place: Place::built_in(),
        effective_json: String::new(),
    };
    job.effective_json = crate::config::show::job_json(&job).to_string();
    Some(job)
}

fn only_git() -> Vec<String> {
    vec!["/.git/".to_owned()]
}

/// What does not leave unencrypted: every secret that the configuration names, what lies in
/// directories that are called so, and the history of it all.
fn excludes(desired: &Desired, dir: &Path) -> Vec<String> {
    let mut excludes = only_git();
    excludes.push("secrets/".to_owned());
    let named: BTreeSet<PathBuf> = desired
        .secrets()
        .filter_map(|secret| match secret {
            SecretRef::File(path) => path.strip_prefix(dir).ok().map(Path::to_owned),
            SecretRef::Credential(_) | SecretRef::Env(_) | SecretRef::Command(_) => None,
        })
        .collect();
    excludes.extend(named.iter().map(|path| format!("/{}", escaped(&path.to_string_lossy()))));
    excludes
}

/// A path as a pattern that means itself.
fn escaped(path: &str) -> String {
    path.chars().fold(String::new(), |mut text, character| {
        if matches!(character, '*' | '?' | '[' | ']' | '\\' | '!' | '#' | ' ') {
            text.push('\\');
        }
        text.push(character);
        text
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{Files, parse};

    const BASE: &str = "[instance]\nname='jerry'\n[defaults]\nschedule='0 2 * * *'\nlocation='main'\n\
        retention={mode='count',value=7}\n[location.main]\npath='/srv/a'\n[location.usb]\npath='/media/usb'\n";

    fn built_in(toml: &str) -> Option<Job> {
        let files = Files::default().with("a.toml", format!("{BASE}{toml}"));
        let parsed = parse(&files, Path::new("/etc/larder"));
        let desired = parsed.desired.unwrap_or_else(|| panic!("{:?}", parsed.diagnostics));
        desired.jobs.into_values().find(Job::is_built_in)
    }

    const WEB: &str = "[job.web]\ntype='custom_dir'\nsource_path='/var/www'\nsend_to=['usb']\n";

    #[test]
    fn the_configuration_goes_to_every_location_in_use_and_no_secret_leaves_in_the_clear() {
        let job = built_in(&format!(
            "{WEB}[job.db]\ntype='mysql'\ndatabase='shop'\npassword={{file='keys/sh[o]p'}}\n"
        ));
        let Some(Job { location, send_to, encrypt_to, source: JobSource::CustomDir(dir), .. }) =
            job
        else {
            panic!("no job")
        };
        assert_eq!((location.as_str(), send_to.len(), send_to[0].to.as_str()), ("main", 1, "usb"));
        assert_eq!(dir.source_path, Path::new("/etc/larder"));
        assert_eq!(dir.excludes, ["/.git/", "secrets/", "/keys/sh\\[o\\]p"]);
        assert!(encrypt_to.is_empty());
    }

    #[test]
    fn a_secret_is_left_out_whatever_it_is_called() {
        use std::os::unix::ffi::OsStrExt as _;
        for name in [
            "a{b}", "{a,b}", "!a", "#a", " a ", "[x]", "a**b", "**", "?", "a\\b", "é", "a]", "x/#y",
        ] {
            let pattern = format!("/{}", escaped(name));
            let excludes = crate::source::excludes::Excludes::new(&[pattern]).unwrap();
            assert!(excludes.leave_out(Path::new(name).as_os_str().as_bytes(), false), "{name}");
        }
    }

    #[test]
    fn with_recovery_recipients_it_is_encrypted_and_has_the_secrets() {
        let key = "age1ql3z7hjy54pw3hyww5ayyfg7zqgvc7w3j2elw8zmrj2kg5sfn9aqmcac8p";
        let job = built_in(&format!("{WEB}[recovery]\nrecipients=['{key}']\n")).unwrap();
        assert_eq!(job.encrypt_to, [key]);
        let JobSource::CustomDir(dir) = job.source else { panic!("another source") };
        assert_eq!(dir.excludes, ["/.git/"]);
    }

    #[test]
    fn it_is_there_only_where_there_is_something_to_recover_and_nobody_says_no() {
        assert!(built_in("").is_none());
        assert!(built_in(&format!("{WEB}enabled=false\n")).is_none());
        assert!(built_in(&format!("{WEB}[recovery]\nconfiguration=false\n")).is_none());
    }

    #[test]
    fn nobody_else_may_have_its_name() {
        let toml = format!("{BASE}{}", WEB.replace("web", CONFIGURATION_JOB));
        let parsed = parse(&Files::default().with("a.toml", toml), Path::new("/etc/larder"));
        assert!(parsed.desired.is_none());
    }
}
