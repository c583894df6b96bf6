//! What YunoHost does not save is no archive, however well it ended.

use super::host::{Host, foreign, server};
use crate::support::root_or_skip;
use crate::walk::instance::{Instance, sh};

const CLOUD: &str = "[job.cloud]\ntype = \"ynh_app\"\napp_id = \"nextcloud\"\nretries = 0\n";

/// Runs a job that must fail, and returns what its run says.
fn run_fails(instance: &Instance, job: &str) -> String {
    instance.fails(1, &["run", job]);
    let run = instance.runs().into_iter().next().unwrap();
    assert_eq!(run["status"], "error", "{run}");
    assert!(instance.archives().is_empty());
    format!("{}\n{}", run["summary"].as_str().unwrap(), run["hint"].as_str().unwrap_or_default())
}

/// And nothing is left of it.
fn nothing_is_left(instance: &Instance, host: &Host) {
    assert_eq!(host.archives(), [""; 0]);
    assert_eq!(instance.files(), [""; 0]);
    assert_eq!(host.running(), 0);
}

#[test]
fn a_part_that_was_skipped_is_a_failure_although_yunohost_ended_well() {
    root_or_skip!();
    let (instance, host) =
        server("[job.all]\ntype = \"ynh_system\"\nparts = [\"conf_ldap\", \"data_mail\"]\n");
    let said = run_fails(&instance, "all");
    assert!(said.contains("YunoHost says `Skipped` of `data_mail`"), "{said}");
    // YunoHost had made an archive, and deleted it again.
    assert_eq!(host.calls_of("backup", "delete").len(), 1);
    nothing_is_left(&instance, &host);
}

#[test]
fn a_part_that_failed_is_a_failure_although_the_others_were_saved() {
    root_or_skip!();
    let (instance, host) = server("[job.all]\ntype = \"ynh_system\"\n");
    std::fs::write(host.path("hooks/backup/20-data_home"), "exit 1\n").unwrap();
    let said = run_fails(&instance, "all");
    assert!(said.contains("YunoHost says `Error` of `data_home`"), "{said}");
    nothing_is_left(&instance, &host);
}

#[test]
fn an_app_whose_script_fails_is_a_failure_with_yunohosts_own_words() {
    root_or_skip!();
    let (instance, host) = server(CLOUD);
    std::fs::write(host.path("etc/apps/nextcloud/scripts/backup"), "exit 1\n").unwrap();
    let said = run_fails(&instance, "cloud");
    assert!(said.contains("could not save the app `nextcloud`"), "{said}");
    assert!(said.contains("Failed to collect files to be backed up"), "{said}");
    assert!(said.contains("yunohost log list"), "{said}");
    nothing_is_left(&instance, &host);
}

#[test]
fn an_app_that_is_not_installed_is_a_failure() {
    root_or_skip!();
    let (instance, host) = server(CLOUD);
    host.remove("nextcloud");
    let said = run_fails(&instance, "cloud");
    assert!(said.contains("could not save the app `nextcloud`"), "{said}");
    nothing_is_left(&instance, &host);
}

#[test]
fn half_a_tar_is_deleted_although_it_has_an_end() {
    root_or_skip!();
    let (instance, host) = server(CLOUD);
    host.switch("broken-pipe", "");
    let said = run_fails(&instance, "cloud");
    assert!(said.contains("Could not create the backup archive"), "{said}");
    assert_eq!(host.calls_of("backup", "delete").len(), 1);
    nothing_is_left(&instance, &host);
}

#[test]
fn what_yunohost_cannot_delete_is_told_and_never_in_the_catalogue() {
    root_or_skip!();
    let (instance, host) = server(CLOUD);
    host.switch("broken-pipe", "");
    host.switch("undeletable", "");
    instance.fails(1, &["run", "cloud"]);
    let run = instance.runs()[0]["id"].to_string();
    let log = instance.ok(&["log", &run]);
    assert!(log.contains("is not whole and could not be deleted"), "{log}");
    assert!(instance.archives().is_empty());
    let others = foreign(&instance);
    assert_eq!(others.len(), 1, "{others:?}");
    assert_eq!(instance.tars().len(), 1);
}

#[test]
fn an_answer_that_is_none_is_a_failure() {
    root_or_skip!();
    let (instance, host) = server(CLOUD);
    host.switch("no-json", "");
    let said = run_fails(&instance, "cloud");
    assert!(said.contains("the answer of `yunohost` cannot be read"), "{said}");
}

#[test]
fn a_lock_that_is_held_ends_the_run_in_time_and_says_so() {
    root_or_skip!();
    let (instance, host) = server(&format!("{CLOUD}timeout = \"10s\"\n"));
    // Somebody alive holds it: this test.
    std::fs::write(host.path("yunohost.lock"), std::process::id().to_string()).unwrap();
    let said = run_fails(&instance, "cloud");
    assert!(said.contains("another command of YunoHost was still running after 5 s"), "{said}");
    std::fs::remove_file(host.path("yunohost.lock")).unwrap();
    nothing_is_left(&instance, &host);
    instance.ok(&["run", "cloud"]);
}

#[test]
fn a_backup_that_hangs_is_ended_with_all_its_children_and_leaves_nothing() {
    root_or_skip!();
    let (instance, host) = server(&format!("{CLOUD}timeout = \"3s\"\n"));
    host.switch("wait-writing", "");
    let said = run_fails(&instance, "cloud");
    assert!(said.contains("took longer than"), "{said}");
    assert_eq!(host.calls_of("backup", "delete").len(), 1);
    nothing_is_left(&instance, &host);
}

#[test]
fn without_yunohost_the_error_says_what_is_missing() {
    let instance = Instance::new(CLOUD);
    std::fs::create_dir_all(instance.path("archives")).unwrap();
    if std::path::Path::new("/usr/bin/yunohost").exists() {
        crate::support::skipped!("this is a YunoHost server");
    }
    let said = run_fails(&instance, "cloud");
    assert!(said.contains("YunoHost is not there: no command `yunohost`"), "{said}");
    assert!(said.contains("on a YunoHost server only"), "{said}");
    let live = instance.fails(3, &["check", "--live"]);
    assert!(live.contains("YunoHost is not there"), "{live}");
}

#[test]
fn the_host_is_asked_whether_the_app_and_the_folder_are_right() {
    root_or_skip!();
    let (instance, host) = server(CLOUD);
    let live = instance.fails(3, &["check", "--live"]);
    assert!(!live.contains("not installed"), "{live}");
    assert!(live.contains("is not YunoHost's folder"), "{live}");
    host.remove("nextcloud");
    let live = instance.fails(3, &["check", "--live"]);
    assert!(live.contains("the app `nextcloud` is not installed"), "{live}");
}

#[test]
fn a_location_that_compresses_or_encrypts_is_refused() {
    let instance = Instance::new(&format!("{CLOUD}location = \"cold\"\n"));
    instance.write("cold.toml", "[location.cold]\npath = \"../cold\"\ncompress = \"zstd\"\n");
    let said = instance.fails(1, &["check"]);
    assert!(said.contains("YunoHost's own archives are plain"), "{said}");
}

#[test]
fn an_archive_that_is_made_somewhere_else_is_no_archive_of_the_location() {
    root_or_skip!();
    let (instance, host) = server(CLOUD);
    let link = host.path("home/yunohost.backup/archives");
    std::fs::remove_file(&link).unwrap();
    std::fs::create_dir(&link).unwrap();
    let said = run_fails(&instance, "cloud");
    assert!(said.contains("not at location `main`"), "{said}");
    assert!(said.contains("/home/yunohost.backup/archives"), "{said}");
    assert_eq!(sh("ls", &link).lines().count(), 2);
}
