//! The driver, called as restores and others call it.
//!
//! It looks for its command in the environment, which tests share: each of these goes on in a
//! process of its own.

use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use larder::stop::{Stop, Stopped};
use larder::yunohost::{self, Target, YunohostError};

use super::host::{Host, server};
use crate::support::{root_or_skip, wait_for};
use crate::walk::instance::{Instance, text};

/// Where the child finds its server.
const HERE: &str = "LARDER_TEST_YUNOHOST_BIN";
const SOON: Duration = Duration::from_secs(20);

/// Runs the test of this name once more, with the server's command first in the path. True in the
/// process that is to do it.
fn is_child(name: &str, prepare: impl FnOnce(&Instance, &Host)) -> bool {
    if std::env::var_os(HERE).is_some() {
        return true;
    }
    let (instance, host) = server("");
    prepare(&instance, &host);
    let bin = instance.path("bin");
    let path = format!("{}:{}", bin.display(), std::env::var("PATH").unwrap());
    let output = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", &format!("yunohost::driver::{name}"), "--nocapture"])
        .env("PATH", path)
        .env(HERE, instance.path("."))
        .output()
        .unwrap();
    assert!(output.status.success(), "{}{}", text(&output.stdout), text(&output.stderr));
    assert!(text(&output.stdout).contains("1 passed"), "{}", text(&output.stdout));
    assert_eq!(host.running(), 0);
    false
}

fn root() -> std::path::PathBuf {
    Path::new(&std::env::var_os(HERE).unwrap()).join("server")
}

fn app(id: &str) -> Target {
    Target::App { id: id.to_owned(), core_only: false }
}

fn parts(parts: &[&str]) -> Target {
    Target::System { parts: parts.iter().map(|part| (*part).to_owned()).collect() }
}

fn restored(name: &str, target: &Target) -> Result<(), String> {
    yunohost::restore(name, target, SOON, &Stop::new(), &mut |_| {})
        .map_err(|error| error.to_string())
}

#[test]
fn what_is_there_is_told_whole_however_long_the_answer_is() {
    root_or_skip!();
    let prepare = |_: &Instance, host: &Host| {
        host.switch("version", "12.1.0~alpha1");
        (0..80).for_each(|number| host.install(&format!("app__{number}")));
        for name in ["one", "two"] {
            host.ok(&["backup", "create", "--name", name, "--apps", "nextcloud"]);
        }
        // Dropped by YunoHost where it is to be described, listed all the same.
        std::fs::write(host.path("home/yunohost.backup/archives/two.info.json"), "{}").unwrap();
    };
    if !is_child("what_is_there_is_told_whole_however_long_the_answer_is", prepare) {
        return;
    }
    let stop = Stop::new();
    assert!(yunohost::is_there());
    assert_eq!(yunohost::version(&stop).unwrap(), "12.1.0");
    let apps = yunohost::apps(&stop).unwrap();
    assert_eq!(apps.len(), 81);
    let cloud = apps.iter().find(|app| app.id == "nextcloud").unwrap();
    assert_eq!((cloud.name.as_str(), cloud.version.as_str()), ("The nextcloud", "28.0.4~ynh1"));
    let mut archives = yunohost::archives(&stop).unwrap();
    archives.sort();
    assert_eq!(archives, ["one", "two"]);
    let described = yunohost::archives_with_info(&stop).unwrap();
    assert_eq!(described.len(), 1);
    assert_eq!(described[0].name, "one");
    assert!(described[0].path.ends_with("archives/one.tar"));
    assert_eq!(yunohost::path_of("one", &stop).unwrap(), described[0].path);
}

#[test]
fn an_app_is_restored_only_where_it_is_not_installed() {
    root_or_skip!();
    let prepare = |_: &Instance, host: &Host| {
        host.ok(&["backup", "create", "--name", "all"]);
    };
    if !is_child("an_app_is_restored_only_where_it_is_not_installed", prepare) {
        return;
    }
    let said = restored("all", &app("nextcloud")).unwrap_err();
    assert!(said.contains("already installed: nextcloud"), "{said}");
    for dir in ["etc/apps/nextcloud", "var/www/nextcloud"] {
        std::fs::remove_dir_all(root().join(dir)).unwrap();
    }
    restored("all", &app("nextcloud")).unwrap();
    assert!(root().join("var/www/nextcloud/index.php").exists());
    let said = restored("all", &app("wordpress")).unwrap_err();
    assert!(said.contains("could not restore the app `wordpress`"), "{said}");
    let said = restored("nothing", &app("nextcloud")).unwrap_err();
    assert!(said.contains("Unknown local backup archive"), "{said}");
}

#[test]
fn a_part_that_does_not_come_back_is_a_failure_although_yunohost_ends_well() {
    root_or_skip!();
    let prepare = |_: &Instance, host: &Host| {
        host.ok(&["backup", "create", "--name", "all", "--system"]);
    };
    if !is_child("a_part_that_does_not_come_back_is_a_failure_although_yunohost_ends_well", prepare)
    {
        return;
    }
    std::fs::remove_file(root().join("etc/ldap/it")).unwrap();
    restored("all", &parts(&["conf_ldap"])).unwrap();
    assert!(root().join("etc/ldap/it").exists());
    restored("all", &parts(&[])).unwrap();
    std::fs::write(root().join("hooks/restore/20-data_home"), "exit 3\n").unwrap();
    for wanted in [parts(&[]), parts(&["conf_ldap", "data_home"])] {
        let said = restored("all", &wanted).unwrap_err();
        assert!(said.contains("YunoHost says `Error` of `data_home`"), "{said}");
    }
    let said = restored("all", &parts(&["conf_ldap", "data_mail"])).unwrap_err();
    assert!(said.contains("YunoHost says `Skipped` of `data_mail`"), "{said}");
}

#[test]
fn ports_are_opened_in_the_words_of_this_release_or_of_older_ones() {
    root_or_skip!();
    if !is_child("ports_are_opened_in_the_words_of_this_release_or_of_older_ones", |_, _| {}) {
        return;
    }
    let stop = Stop::new();
    yunohost::open_port(8080, "tcp", &stop).unwrap();
    yunohost::open_port(53, "both", &stop).unwrap();
    std::fs::write(root().join("switch/old-firewall"), "").unwrap();
    yunohost::open_port(3478, "udp", &stop).unwrap();
    let rules = std::fs::read_to_string(root().join("firewall.json")).unwrap();
    assert_eq!(rules, r#"[["tcp", "8080"], ["tcp", "53"], ["udp", "53"], ["udp", "3478"]]"#);
}

#[test]
fn a_request_to_stop_a_time_limit_and_a_lock_are_told_apart() {
    root_or_skip!();
    if !is_child("a_request_to_stop_a_time_limit_and_a_lock_are_told_apart", |_, host| {
        host.switch("wait-collecting", "");
    }) {
        return;
    }
    let make = |timeout: u64, stop: &Stop| {
        let timeout = Duration::from_secs(timeout);
        yunohost::create("one", "", &app("nextcloud"), timeout, stop, &mut |_| {}).unwrap_err()
    };
    let stop = Stop::new();
    std::thread::scope(|scope| {
        scope.spawn(|| {
            wait_for("it works", || root().join("yunohost.lock").exists());
            stop.request(Stopped::Cancelled);
        });
        assert!(matches!(make(60, &stop), YunohostError::Stopped(Stopped::Cancelled)));
    });
    // The lock of the dead one is stale, and nobody waits for it.
    assert!(matches!(make(2, &Stop::new()), YunohostError::TimedOut { .. }));
    std::fs::write(root().join("yunohost.lock"), std::process::id().to_string()).unwrap();
    let began = Instant::now();
    let error = make(4, &Stop::new());
    assert!(matches!(error, YunohostError::Locked { .. }), "{error}");
    assert!(began.elapsed() < Duration::from_secs(4));
    assert!(error.hint().contains("ps aux"));
}

#[test]
fn what_it_says_is_heard_and_its_answer_is_not() {
    root_or_skip!();
    if !is_child("what_it_says_is_heard_and_its_answer_is_not", |_, _| {}) {
        return;
    }
    let mut said = Vec::new();
    let made =
        yunohost::create("one", "it's", &app("nextcloud"), SOON, &Stop::new(), &mut |line| {
            said.push(line.to_owned());
        })
        .unwrap();
    assert_eq!(made.name, "one");
    assert!(made.size > 300_000 && made.warnings.is_empty());
    assert_eq!(said.first().unwrap(), "Collecting files to be backed up for nextcloud…");
    assert_eq!(said.last().unwrap(), "Backup created: one");
    yunohost::delete("one", &Stop::new(), &mut |_| {}).unwrap();
    let error = yunohost::delete("one", &Stop::new(), &mut |_| {}).unwrap_err();
    assert!(matches!(error, YunohostError::Failed { code: Some(1), .. }), "{error}");
}
