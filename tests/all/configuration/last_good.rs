//! A broken edit takes nothing out of force.

use std::path::Path;

use larder::config::{Diagnostic, Files, LastGood, Parsed, parse_with_last_good};
use larder::model::job::JobSource;

use super::{DIR, files};

const BASE: &str = "
[instance]
name = 'jerry'
[recovery]
configuration = false
[defaults]
schedule = '0 2 * * *'
retention = 'standard'
location = 'main'
[retention.standard]
mode = 'count'
value = 7
[location.main]
path = '/srv/larder'
";

const WEB: &str = "[job.web]\ntype = 'custom_dir'\nsource_path = '/var/www'\n";
const MAIL: &str = "[job.mail]\ntype = 'custom_dir'\nsource_path = '/var/mail'\n";

/// What was good, to fall back on: through its stored form, as after a restart.
fn good(texts: &[(&str, &str)]) -> LastGood {
    let parsed = parse_with_last_good(&files(texts), &LastGood::default(), Path::new(DIR));
    assert_eq!(parsed.diagnostics, []);
    LastGood::from_json(&parsed.last_good.to_json()).unwrap()
}

fn edited(last: &LastGood, texts: &[(&str, &str)]) -> Parsed {
    read(last, &files(texts))
}

fn read(last: &LastGood, files: &Files) -> Parsed {
    parse_with_last_good(files, last, Path::new(DIR))
}

/// The jobs in force with their sources, and what is stale.
fn in_force(parsed: &Parsed) -> String {
    let desired = parsed.desired.as_ref().expect("something stays in force");
    let mut lines = Vec::new();
    for job in desired.jobs.values() {
        let JobSource::CustomDir(source) = &job.source else { panic!("another type of job") };
        lines.push(format!("{} reads {} ({})", job.name, source.source_path.display(), job.place));
    }
    lines.extend(
        parsed.stale.iter().map(|s| format!("stale: {} at {}: {}", s.object, s.place, s.reason)),
    );
    lines.join("\n")
}

#[test]
fn a_good_edit_takes_effect_whole() {
    let last = good(&[("base.toml", BASE), ("web.toml", WEB)]);
    let parsed = edited(&last, &[("base.toml", BASE), ("mail.toml", MAIL)]);
    insta::assert_snapshot!(in_force(&parsed), @"mail reads /var/mail (mail.toml:1:6)");
}

#[test]
fn a_broken_object_stays_as_it_was_and_the_others_take_effect() {
    let last = good(&[("base.toml", BASE), ("jobs.toml", &format!("{WEB}{MAIL}"))]);
    let broken = format!("{WEB}scheduel = 'x'\n{}", MAIL.replace("/var/mail", "/srv/mail"));
    let parsed = edited(&last, &[("base.toml", BASE), ("jobs.toml", &broken)]);
    insta::assert_snapshot!(in_force(&parsed), @r"
    mail reads /srv/mail (jobs.toml:5:6)
    web reads /var/www (jobs.toml:1:6)
    stale: [job.web] at jobs.toml:4:1: unknown key `scheduel`: its last good form stays in force
    ");
}

#[test]
fn a_file_that_is_not_toml_leaves_all_its_objects_as_they_were() {
    let last = good(&[("base.toml", BASE), ("jobs.toml", &format!("{WEB}{MAIL}"))]);
    let torn = format!("{WEB}excludes = [\n[job.new]\ntype = 'custom_dir'\n");
    let parsed = edited(&last, &[("base.toml", BASE), ("jobs.toml", &torn)]);
    insta::assert_snapshot!(in_force(&parsed), @r"
    mail reads /var/mail (jobs.toml:4:6)
    web reads /var/www (jobs.toml:1:6)
    stale: [job.mail] at jobs.toml:5:2: `jobs.toml` has a syntax error: its last good form stays in force
    stale: [job.web] at jobs.toml:5:2: `jobs.toml` has a syntax error: its last good form stays in force
    ");
}

#[test]
fn what_is_gone_from_a_good_file_is_gone() {
    let last = good(&[("base.toml", BASE), ("web.toml", WEB), ("mail.toml", MAIL)]);
    let parsed = edited(&last, &[("base.toml", BASE), ("mail.toml", "[job.x")]);
    insta::assert_snapshot!(in_force(&parsed), @r"
    mail reads /var/mail (mail.toml:1:6)
    stale: [job.mail] at mail.toml:1:7: `mail.toml` has a syntax error: its last good form stays in force
    stale: [job.x] at mail.toml:1:7: `mail.toml` has a syntax error: it was never good, and is left out
    ");
}

#[test]
fn an_object_that_was_never_good_is_left_out_and_named() {
    let last = good(&[("base.toml", BASE), ("web.toml", WEB)]);
    let new = "[job.new]\ntype = 'custom_dir'\nsource_path = '~/x'\n";
    let parsed = edited(&last, &[("base.toml", BASE), ("web.toml", WEB), ("new.toml", new)]);
    insta::assert_snapshot!(in_force(&parsed), @r"
    web reads /var/www (web.toml:1:6)
    stale: [job.new] at new.toml:3:15: `~` is not expanded here: it was never good, and is left out
    ");
}

#[test]
fn an_object_moved_out_of_a_torn_file_counts_where_it_is_good() {
    let last = good(&[("base.toml", BASE), ("jobs.toml", &format!("{WEB}{MAIL}"))]);
    let moved = WEB.replace("/var/www", "/srv/www");
    let parsed = edited(&last, &[("base.toml", BASE), ("jobs.toml", "x = "), ("web.toml", &moved)]);
    insta::assert_snapshot!(in_force(&parsed), @r"
    mail reads /var/mail (jobs.toml:4:6)
    web reads /srv/www (web.toml:1:6)
    stale: [job.mail] at jobs.toml:1:5: `jobs.toml` has a syntax error: its last good form stays in force
    ");
}

#[test]
fn what_needs_a_broken_object_works_with_its_last_good_form() {
    let last = good(&[("base.toml", BASE), ("web.toml", WEB)]);
    let broken = BASE.replace("'/srv/larder'", "7");
    let mail = format!("{MAIL}location = 'main'\n");
    let parsed = edited(&last, &[("base.toml", &broken), ("web.toml", WEB), ("mail.toml", &mail)]);
    insta::assert_snapshot!(in_force(&parsed), @r"
    mail reads /var/mail (mail.toml:1:6)
    web reads /var/www (web.toml:1:6)
    stale: [location.main] at base.toml:14:8: `path` must be a path, not a whole number: its last good form stays in force
    ");
}

#[test]
fn what_does_not_fit_together_changes_nothing_at_all() {
    let last = good(&[("base.toml", BASE), ("web.toml", WEB)]);
    // The policy is gone on purpose, and `web`, which is broken, still needs it as it was.
    let base = BASE
        .replace("[retention.standard]\nmode = 'count'\nvalue = 7\n", "")
        .replace("'standard'", "{ mode = 'count', value = 3 }");
    let web = format!("{WEB}retention = 'standard'\n");
    let last_with_policy = good(&[("base.toml", BASE), ("web.toml", &web)]);
    let broken = format!("{WEB}retention = 'standard'\ntimeout = 6\n");
    let parsed = edited(&last_with_policy, &[("base.toml", &base), ("web.toml", &broken)]);
    insta::assert_snapshot!(in_force(&parsed), @r"
    web reads /var/www (web.toml:1:6)
    stale: the whole configuration at web.toml:4:13: job `web` uses `standard`, which no file defines: the whole last good configuration stays in force
    ");
    assert_eq!(parsed.last_good, last_with_policy);
    assert_ne!(last, last_with_policy);
}

#[test]
fn the_same_object_twice_stays_as_it_was() {
    let last = good(&[("base.toml", BASE), ("web.toml", WEB)]);
    let other = WEB.replace("/var/www", "/srv/www");
    let parsed = edited(&last, &[("a.toml", &other), ("base.toml", BASE), ("web.toml", WEB)]);
    insta::assert_snapshot!(in_force(&parsed), @r"
    web reads /var/www (web.toml:1:6)
    stale: [job.web] at web.toml:1:6: `[job.web]` is defined twice, first at a.toml:1:6: its last good form stays in force
    ");
}

#[test]
fn nothing_at_all_is_never_a_wish() {
    let last = good(&[("base.toml", BASE), ("web.toml", WEB)]);
    let parsed = edited(&last, &[("base.toml", ""), ("web.toml", "# nothing\n")]);
    assert_eq!(parsed.last_good, last);
    insta::assert_snapshot!(in_force(&parsed), @r"
    web reads /var/www (web.toml:1:6)
    stale: the whole configuration at : nothing is left of the configuration: the whole last good configuration stays in force
    ");
    assert!(parsed.diagnostics.iter().any(Diagnostic::is_error));
}

#[test]
fn a_file_that_cannot_be_read_leaves_its_objects_as_they_were() {
    let last = good(&[("base.toml", BASE), ("jobs/web.toml", WEB)]);
    for unread in ["jobs/web.toml", "jobs/", ""] {
        let mut there = files(&[("base.toml", BASE)]);
        there.unread.insert(unread.to_owned());
        let parsed = read(&last, &there);
        assert_eq!(parsed.desired.unwrap().jobs.len(), 1, "{unread:?}");
        assert!(!parsed.stale.is_empty());
    }
}

#[test]
fn a_broken_first_configuration_is_not_carried_out_in_part() {
    let parsed = edited(&LastGood::default(), &[("base.toml", BASE), ("web.toml", "[job.x")]);
    assert!(parsed.desired.is_none());
    assert!(parsed.last_good.is_empty());
}

#[test]
fn a_second_restart_with_the_same_broken_file_changes_nothing() {
    let last = good(&[("base.toml", BASE), ("web.toml", WEB), ("mail.toml", MAIL)]);
    let broken = [("base.toml", BASE), ("web.toml", "[job.web"), ("mail.toml", "")];
    let first = edited(&last, &broken);
    let stored = LastGood::from_json(&first.last_good.to_json()).unwrap();
    let second = edited(&stored, &broken);
    assert_eq!(first.desired, second.desired);
    assert_eq!(first.stale, second.stale);
    assert_eq!(first.last_good, second.last_good);
}

#[test]
fn a_mended_file_is_in_force_again() {
    let last = good(&[("base.toml", BASE), ("web.toml", WEB)]);
    let broken = edited(&last, &[("base.toml", BASE), ("web.toml", "[job.web")]);
    let mended = edited(&broken.last_good, &[("base.toml", BASE), ("web.toml", WEB)]);
    assert_eq!(mended.stale, []);
    let fresh = edited(&LastGood::default(), &[("base.toml", BASE), ("web.toml", WEB)]);
    assert_eq!(mended.desired, fresh.desired);
}

#[test]
fn what_a_later_version_stored_is_refused_and_not_misread() {
    let error = LastGood::from_json(r#"{"version":99,"objects":[]}"#).unwrap_err();
    assert!(error.to_string().contains("version 99"), "{error}");
    assert!(LastGood::from_json("{}").is_err());
}
