//! Jobs with `*`: what they expand to.

#![expect(clippy::unwrap_used, reason = "a test that panics has failed")]

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::path::Path;
use std::process::Command;

use larder::config::{self, Files};
use larder::database::{self, DatabaseError, Kind, Throwaway};
use larder::model::desired::Desired;
use larder::model::job::JobSource;
use larder::model::members::{Found, Listing, Members, asked};
use larder::model::name::{ARCHIVE_NAME_MAX, ArchiveName, JobName};
use larder::reconcile::expand::expand;
use larder::stop::Stop;
use proptest::prelude::*;

use crate::support::{root_or_skip, skipped};
use crate::walk::instance::{Instance, text};
use crate::yunohost::host::server;

const BASE: &str = "[instance]\nname = \"jerry\"\ntimezone = \"Europe/Paris\"\n\
    [recovery]\nconfiguration = false\n\
    [defaults]\nschedule = \"0 2 * * *\"\nretention = { mode = \"count\", value = 7 }\nlocation = \"main\"\n\
    [location.main]\npath = \"/srv/main\"\n[location.usb]\npath = \"/media/usb\"\n";

fn declared(toml: &str) -> Desired {
    let files = Files::default().with("all.toml", format!("{BASE}{toml}"));
    let parsed = config::parse(&files, Path::new("/etc/larder"));
    parsed.desired.unwrap_or_else(|| panic!("{:#?}", parsed.diagnostics))
}

/// The configuration with these members, by job.
fn expanded(declared: &Desired, members: &[(&str, &[&str])]) -> Desired {
    let known: Members = members
        .iter()
        .map(|(job, members)| {
            let job: JobName = job.parse().unwrap();
            let of = asked(&declared.jobs[&job].source);
            let members = members.iter().map(ToString::to_string).collect();
            let found = Found { members, at: jiff::Timestamp::UNIX_EPOCH };
            (job, Listing { of, found: Some(found), ..Listing::default() })
        })
        .collect();
    expand(declared, &known)
}

fn of(source: &JobSource) -> &str {
    match source {
        JobSource::Mysql(database) | JobSource::Postgresql(database) => &database.database,
        JobSource::YnhApp { app_id, .. } => app_id,
        JobSource::CustomDir(_) | JobSource::YnhSystem { .. } => "-",
    }
}

/// Each job: name, label, what it reads.
fn check(toml: &str, members: &[(&str, &[&str])]) -> String {
    let desired = expanded(&declared(toml), members);
    desired.jobs.values().fold(String::new(), |mut text, job| {
        let formerly: Vec<_> = job.formerly.iter().map(ToString::to_string).collect();
        let formerly =
            if formerly.is_empty() { String::new() } else { format!(" < {}", formerly.join(", ")) };
        writeln!(text, "{} = {} of {}{formerly}", job.name, job.label, of(&job.source)).unwrap();
        text
    })
}

const APPS: &str = "[job.apps]\ntype = \"ynh_app\"\napp_id = \"*\"\nexcept = [\"my_webapp\"]\n";
const DBS: &str = "[job.dbs]\ntype = \"mysql\"\ndatabase = \"*\"\n";

#[test]
fn every_member_has_a_series_a_label_and_the_rest_of_its_job() {
    let toml = format!("{APPS}formerly = [\"ynh\"]\n{DBS}");
    let members: &[(&str, &[&str])] =
        &[("apps", &["nextcloud", "wiki", "my_webapp"]), ("dbs", &["blog", "shop.old"])];
    insta::assert_snapshot!(check(&toml, members), @r"
    apps/nextcloud = nextcloud of nextcloud < ynh/nextcloud
    apps/wiki = wiki of wiki < ynh/wiki
    dbs/blog = mysql_blog of blog
    dbs/shop.old = mysql_shop.old of shop.old
    ");
    let declared = declared(&toml);
    let desired = expanded(&declared, members);
    let (apps, wiki) =
        (&declared.jobs[&"apps".parse().unwrap()], &desired.jobs[&"apps/wiki".parse().unwrap()]);
    assert_eq!((&wiki.schedule, &wiki.place), (&apps.schedule, &apps.place));
    assert_eq!(wiki.retention, apps.retention);
    assert_eq!(desired.declared(), declared, "what is written can be had back");
}

#[test]
fn what_is_not_known_or_empty_stays_as_it_is_written() {
    insta::assert_snapshot!(check(&format!("{APPS}{DBS}"), &[("dbs", &[])]), @r"
    apps = apps of *
    dbs = dbs of *
    ");
    insta::assert_snapshot!(check(APPS, &[("apps", &["my_webapp"])]), @"apps = apps of *");
    let ended = format!("{DBS}state = \"absent\"\narchives = \"expire\"\n");
    insta::assert_snapshot!(check(&ended, &[("dbs", &["blog"])]), @"dbs = dbs of *");
}

#[test]
fn labels_never_collide_whoever_came_first() {
    let web = "[job.nextcloud]\ntype = \"custom_dir\"\nsource_path = \"/srv/nextcloud\"\n";
    insta::assert_snapshot!(check(&format!("{APPS}{web}"), &[("apps", &["nextcloud", "wiki"])]), @r"
    apps/nextcloud = nextcloud-1db488 of nextcloud
    apps/wiki = wiki of wiki
    nextcloud = nextcloud of -
    ");
    // A copy has its archive's name, too.
    let away = format!("{web}location = \"usb\"\n");
    insta::assert_snapshot!(check(&format!("{APPS}{away}"), &[("apps", &["nextcloud"])]), @r"
    apps/nextcloud = nextcloud of nextcloud
    nextcloud = nextcloud of -
    ");
    let copied = format!("{APPS}send_to = [\"usb\"]\n{away}");
    insta::assert_snapshot!(check(&copied, &[("apps", &["nextcloud"])]), @r"
    apps/nextcloud = nextcloud-1db488 of nextcloud
    nextcloud = nextcloud of -
    ");
    // Two servers, and a label of one's own.
    let other = "[job.old]\ntype = \"mysql\"\ndatabase = \"*\"\nsocket = \"/run/old.sock\"\n\
        [job.third]\ntype = \"mysql\"\ndatabase = \"*\"\nhost = \"db.example.org\"\nlabel = \"far\"\n";
    let members: &[(&str, &[&str])] =
        &[("dbs", &["blog"]), ("old", &["blog"]), ("third", &["blog"])];
    insta::assert_snapshot!(check(&format!("{DBS}{other}"), members), @r"
    dbs/blog = mysql_blog of blog
    old/blog = old_blog of blog
    third/blog = far_blog of blog
    ");
}

#[test]
fn a_name_that_no_archive_can_have_is_given_one_that_it_can() {
    let long = "a".repeat(64);
    let members: &[&str] = &["my db", "été", "-x", "x.tar", "a/b", "..", &long, "fine", "*"];
    insta::assert_snapshot!(check(DBS, &[("dbs", members)]), @r"
    dbs/_-158982 = mysql__-158982 of *
    dbs/_.-f5e423 = mysql_..-f5e423 of ..
    dbs/_t_-d75df8 = mysql__t_-d75df8 of été
    dbs/_x-a82266 = mysql_-x of -x
    dbs/a_b-826978 = mysql_a_b-826978 of a/b
    dbs/aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa = mysql_aaaaaaaaaaaaaaaaaaa-fb00da of aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa
    dbs/fine = mysql_fine of fine
    dbs/my_db-46fe6a = mysql_my_db-46fe6a of my db
    dbs/x.tar-a25607 = mysql_x.tar-a25607 of x.tar
    ");
}

#[test]
fn a_slash_is_not_for_the_name_of_a_job_that_is_written() {
    let toml = "[job.\"apps/wiki\"]\ntype = \"ynh_app\"\napp_id = \"wiki\"\n";
    let files = Files::default().with("all.toml", format!("{BASE}{toml}"));
    let parsed = config::parse(&files, Path::new("/etc/larder"));
    assert!(parsed.desired.is_none());
    assert!(parsed.diagnostics[0].message.starts_with("a name has letters"));
}

const ALL_APPS: &str = "[job.apps]\ntype = \"ynh_app\"\napp_id = \"*\"\nexcept = [\"shop\"]\n";

/// The jobs that there are archives of.
fn archived(instance: &Instance) -> Vec<String> {
    let mut jobs: Vec<String> = instance
        .archives()
        .iter()
        .map(|archive| archive["job"].as_str().unwrap().to_owned())
        .collect();
    jobs.sort();
    jobs
}

fn verdict(instance: &Instance, job: &str) -> Option<(String, String)> {
    let verdicts = instance.json(&["status"]);
    let found = verdicts.as_array().unwrap().iter().find(|verdict| verdict["job"] == job)?.clone();
    Some((found["verdict"].as_str().unwrap().to_owned(), found["reasons"].to_string()))
}

#[test]
fn every_app_is_saved_in_a_series_of_its_own_and_one_that_goes_is_kept() {
    root_or_skip!();
    let (instance, host) = server(ALL_APPS);
    host.install("shop");
    host.install("wiki");
    instance.ok(&["apply"]);
    assert_eq!(archived(&instance), ["apps/nextcloud", "apps/wiki"]);
    let names: Vec<String> = instance.tars();
    assert!(names.iter().any(|name| name.starts_with("jerry_wiki_")), "{names:?}");
    assert!(names.iter().any(|name| name.starts_with("jerry_nextcloud_")), "{names:?}");
    let jobs = instance.json(&["jobs"]);
    let jobs: Vec<&str> =
        jobs.as_array().unwrap().iter().map(|job| job["name"].as_str().unwrap()).collect();
    assert_eq!(jobs, ["apps/nextcloud", "apps/wiki"]);
    assert_eq!(verdict(&instance, "apps"), None);
    assert!(instance.ok(&["config", "show"]).contains("app_id = \"*\""));

    // Who asks for all of it has it listed anew: what came is saved, what went is kept.
    host.remove("nextcloud");
    host.install("blog");
    instance.ok(&["run", "apps"]);
    assert_eq!(archived(&instance), ["apps/blog", "apps/nextcloud", "apps/wiki", "apps/wiki"]);
    let plan = instance.ok(&["plan"]);
    assert!(plan.contains("`apps` does not list it, or leaves it out"), "{plan}");
    assert_eq!(instance.runs().iter().filter(|run| run["kind"] == "expire").count(), 0);
    instance.ok(&["run", "apps/blog"]);
    instance.fails(1, &["run", "apps/nextcloud"]);
}

#[test]
fn what_cannot_be_listed_any_more_stays_as_it_was_and_is_told() {
    root_or_skip!();
    let (instance, host) = server(ALL_APPS);
    instance.ok(&["apply"]);
    host.switch("no-json", "");
    // Over a restart too, and whoever asks.
    let jobs = instance.json(&["jobs"]);
    assert_eq!(jobs[0]["name"], "apps/nextcloud", "{jobs}");
    assert_eq!(verdict(&instance, "apps/nextcloud").unwrap().0, "protected");
    instance.larder(&["run", "apps"]);
    let (judged, reasons) = verdict(&instance, "apps").unwrap();
    assert_eq!(judged, "at_risk");
    assert!(reasons.contains("stays in force"), "{reasons}");
    assert_eq!(archived(&instance), ["apps/nextcloud"]);
}

#[test]
fn what_was_never_listed_is_unprotected() {
    root_or_skip!();
    let (instance, host) = server(ALL_APPS);
    host.switch("no-json", "");
    instance.fails(1, &["run", "apps"]);
    assert!(instance.fails(1, &["apply"]).contains("what `apps` stands for cannot be listed"));
    let (judged, reasons) = verdict(&instance, "apps").unwrap();
    assert_eq!(judged, "unprotected");
    assert!(reasons.contains("cannot be listed"), "{reasons}");
    host.off("no-json");
    let _daemon = instance.daemon();
    instance.ok(&["run", "apps"]);
    instance.wait("the app", || !instance.archives().is_empty());
    assert_eq!(verdict(&instance, "apps"), None);
}

#[test]
fn check_live_lists_what_there_is_and_what_is_odd_about_it() {
    root_or_skip!();
    let web = "[job.nextcloud]\ntype = \"custom_dir\"\nsource_path = \"../src\"\n";
    let (instance, _host) = server(&format!("{ALL_APPS}{web}"));
    instance.source("src/a", b"a");
    let output = instance.larder(&["check", "--live"]);
    let said = text(&output.stdout);
    assert!(said.contains("`apps` leaves `shop` out, which is not there"), "{said}");
    assert!(
        said.contains("archives of `nextcloud` of `apps` are called `nextcloud-1db488`"),
        "{said}"
    );
}

fn any_member() -> impl Strategy<Value = String> {
    prop_oneof![
        4 => "[a-c]{1,2}",
        2 => "[a-z_.-]{1,60}",
        1 => "\\PC{0,20}",
        1 => Just("mysql_a".to_owned()),
        1 => Just("web".to_owned()),
    ]
}

proptest! {
    /// Whatever is there, each of it has a job of its own, and no two share a name at a place.
    #[test]
    fn all_are_there_and_none_shares_a_label(
        apps in proptest::collection::btree_set(any_member(), 0..12),
        more in proptest::collection::btree_set(any_member(), 0..12),
        dbs in proptest::collection::btree_set(any_member(), 0..12),
        instance in "[a-z]{1,32}",
    ) {
        let toml = "[job.web]\ntype = \"custom_dir\"\nsource_path = \"/x\"\nlabel = \"w\"\n\
            [job.apps]\ntype = \"ynh_app\"\napp_id = \"*\"\nsend_to = [\"usb\"]\n\
            [job.more]\ntype = \"ynh_app\"\napp_id = \"*\"\nlocation = \"usb\"\n\
            [job.dbs]\ntype = \"mysql\"\ndatabase = \"*\"\n";
        let mut declared = declared(toml);
        declared.instance.name = instance.parse().unwrap();
        let lists: Vec<(&str, Vec<&str>)> = [("apps", &apps), ("more", &more), ("dbs", &dbs)]
            .map(|(job, set)| (job, set.iter().map(String::as_str).collect()))
            .into();
        let lists: Vec<(&str, &[&str])> =
            lists.iter().map(|(job, list)| (*job, list.as_slice())).collect();
        let desired = expanded(&declared, &lists);
        let mut taken = BTreeMap::new();
        for job in desired.jobs.values().filter(|job| !job.is_template()) {
            for place in std::iter::once(&job.location).chain(job.send_to.iter().map(|to| &to.to)) {
                let other = taken.insert((place, &job.label), &job.name);
                prop_assert!(other.is_none(), "{} and {other:?} share {}", job.name, job.label);
            }
            if job.name.is_series() {
                prop_assert!(ArchiveName::longest(&desired.instance.name, &job.label) <= ARCHIVE_NAME_MAX);
            }
        }
        for (job, set) in [("apps", &apps), ("more", &more), ("dbs", &dbs)] {
            let job: JobName = job.parse().unwrap();
            let found: BTreeSet<String> =
                desired.series_of(&job).map(|job| of(&job.source).to_owned()).collect();
            let set: BTreeSet<String> = set.iter().filter(|name| !name.is_empty()).cloned().collect();
            prop_assert_eq!(found, set);
        }
    }

    /// What a member is called does not depend on who else is there.
    #[test]
    fn members_that_come_and_go_leave_the_others_as_they_are(
        before in proptest::collection::btree_set(any_member(), 1..10),
        after in proptest::collection::btree_set(any_member(), 1..10),
    ) {
        let toml = format!("{DBS}[job.mysql_a]\ntype = \"custom_dir\"\nsource_path = \"/x\"\n");
        let declared = declared(&toml);
        let named = |set: &BTreeSet<String>| -> BTreeMap<String, (String, String)> {
            let members: Vec<&str> = set.iter().map(String::as_str).collect();
            let desired = expanded(&declared, &[("dbs", &members)]);
            let dbs: JobName = "dbs".parse().unwrap();
            desired
                .series_of(&dbs)
                .map(|job| (of(&job.source).to_owned(), (job.name.to_string(), job.label.to_string())))
                .collect()
        };
        let (before, after) = (named(&before), named(&after));
        for (member, names) in &before {
            if let Some(again) = after.get(member) {
                prop_assert_eq!(names, again);
            }
        }
    }
}

fn sql(server: &dyn Throwaway, statement: &str) {
    let socket = server.access().socket.clone().unwrap();
    let output = Command::new("mariadb")
        .args(["--no-defaults", "-uroot", "-e", statement])
        .arg(format!("--socket={}", socket.display()))
        .output()
        .unwrap();
    assert!(output.status.success(), "{statement}: {}", text(&output.stderr));
}

#[test]
fn every_database_of_a_real_server_is_a_series_and_outlives_the_server() {
    let dir = crate::support::dir();
    let server = match database::throwaway(Kind::Mysql, dir.path(), &Stop::new()) {
        Ok(server) => server,
        Err(error @ DatabaseError::Missing { .. }) => skipped!("{error}"),
        Err(error) => panic!("{error}"),
    };
    for name in ["blog", "shop"] {
        sql(server.as_ref(), &format!("CREATE DATABASE {name}; CREATE TABLE {name}.t (id INT)"));
    }
    let socket = server.access().socket.clone().unwrap();
    let instance = Instance::new(&format!(
        "[job.dbs]\ntype = \"mysql\"\ndatabase = \"*\"\nexcept = [\"shop\"]\nuser = \"root\"\nsocket = \"{}\"\n",
        socket.display()
    ));
    instance.ok(&["apply"]);
    assert_eq!(archived(&instance), ["dbs/blog"]);
    assert!(instance.tars()[0].starts_with("jerry_mysql_blog_"), "{:?}", instance.tars());
    sql(server.as_ref(), "CREATE DATABASE late; CREATE TABLE late.t (id INT)");
    // A daemon that starts knows what was listed; who asks learns what came.
    let daemon = instance.daemon();
    instance.ok(&["run", "dbs"]);
    assert_eq!(archived(&instance), ["dbs/blog", "dbs/blog", "dbs/late"]);
    drop(server);
    instance.larder(&["run", "dbs"]);
    let (judged, reasons) = verdict(&instance, "dbs").unwrap();
    assert_eq!(judged, "at_risk", "{reasons}");
    assert!(reasons.contains("stays in force"), "{reasons}");
    daemon.terminate();
    let jobs = instance.json(&["jobs"]);
    let jobs: Vec<&str> =
        jobs.as_array().unwrap().iter().map(|job| job["name"].as_str().unwrap()).collect();
    assert_eq!(jobs, ["dbs/blog", "dbs/late"]);
}
