//! Archives that YunoHost makes: what can be proved of them without its own restore.

use std::fs;

use serde_json::{Value, json};

use super::left_behind;
use crate::support::root_or_skip;
use crate::walk::instance::{Instance, sh, text};
use crate::yunohost::host::server;

const CLOUD: &str = "[job.cloud]\ntype = \"ynh_app\"\napp_id = \"nextcloud\"\n\
                     drill = { schedule = \"0 5 1 1 *\" }\n";
const SYSTEM: &str = "[job.system]\ntype = \"ynh_system\"\nparts = [\"conf_ldap\"]\n\
                      drill = { schedule = \"0 5 1 1 *\" }\n";
const NOT_PROVED: &str = "YunoHost's own restore was not run";

fn drill(instance: &Instance, code: i32) -> String {
    let output = instance.larder(&["drill", "--format", "json"]);
    let told = text(&output.stdout);
    assert_eq!(output.status.code(), Some(code), "{told}\n{}", text(&output.stderr));
    left_behind::nothing(instance);
    let runs: Value = serde_json::from_str(&told).unwrap();
    runs[0]["summary"].as_str().unwrap().to_owned()
}

/// Takes members out of the only archive and records it as if YunoHost had made it so.
fn without(instance: &Instance, members: &str) {
    let name = instance.archives()[0]["name"].as_str().unwrap().to_owned();
    let archives = instance.path("archives");
    sh(&format!("tar --delete -f {name}.tar --wildcards '{members}'"), &archives);
    let hash = sh(&format!("sha256sum < {name}.tar"), &archives);
    let hash = hash.split_whitespace().next().unwrap();
    let path = archives.join(format!("{name}.larder.json"));
    let mut record: Value = serde_json::from_slice(&fs::read(&path).unwrap()).unwrap();
    record["file_sha256"] = json!(hash);
    record["stream_sha256"] = json!(hash);
    let size = fs::metadata(archives.join(format!("{name}.tar"))).unwrap().len();
    record["file_size"] = json!(size);
    record["stream_size"] = json!(size);
    fs::write(path, record.to_string()).unwrap();
    fs::remove_dir_all(instance.path("state")).unwrap();
}

#[test]
fn an_app_is_proved_as_far_as_that_goes_and_the_rest_is_named() {
    root_or_skip!();
    let (instance, host) = server(CLOUD);
    instance.ok(&["run", "cloud"]);
    let told = drill(&instance, 0);
    assert!(told.contains("all 5 parts are there") && told.contains(NOT_PROVED), "{told}");
    let job = instance.json(&["jobs"])[0].clone();
    assert_eq!(job["last_drill"]["outcome"], "proven", "{job}");
    assert!(job["last_drill"].to_string().contains(NOT_PROVED), "{job}");
    // YunoHost was asked for nothing.
    assert!(host.calls_of("backup", "restore").is_empty());
}

#[test]
fn the_parts_of_a_system_are_proved_in_the_same_way() {
    root_or_skip!();
    let (instance, _host) = server(SYSTEM);
    instance.ok(&["run", "system"]);
    let told = drill(&instance, 0);
    assert!(told.contains("all 4 parts are there") && told.contains(NOT_PROVED), "{told}");
}

#[test]
fn an_app_whose_archive_lacks_what_its_table_names_fails() {
    root_or_skip!();
    let (instance, _host) = server(CLOUD);
    instance.ok(&["run", "cloud"]);
    without(&instance, "apps/nextcloud/backup/var/www/nextcloud*");
    let name = instance.archives()[0]["name"].as_str().unwrap().to_owned();
    instance.ok(&["verify", &name]);
    let told = drill(&instance, 1);
    assert!(told.contains("does not restore: 1 of 5 parts"), "{told}");
    assert!(told.contains("`apps/nextcloud/backup/var/www/nextcloud` the first"), "{told}");
    let archive = instance.archives()[0].clone();
    assert_eq!((&archive["good"], &archive["condition"]), (&json!(false), &json!("present")));
}

#[test]
fn one_word_drills_every_app_of_a_job_that_stands_for_all() {
    root_or_skip!();
    let (instance, host) = server("[job.apps]\ntype = \"ynh_app\"\napp_id = \"*\"\n");
    host.install("wiki");
    instance.ok(&["run", "apps"]);
    let output = instance.larder(&["drill", "apps", "--format", "json"]);
    let told = text(&output.stdout);
    assert!(output.status.success(), "{told}\n{}", text(&output.stderr));
    let runs: Value = serde_json::from_str(&told).unwrap();
    let mut jobs: Vec<&str> =
        runs.as_array().unwrap().iter().map(|run| run["job_id"].as_str().unwrap()).collect();
    jobs.sort_unstable();
    assert_eq!(jobs, ["apps/nextcloud", "apps/wiki"]);
    for run in runs.as_array().unwrap() {
        assert_eq!(run["status"], "success", "{run}");
        assert!(run["summary"].as_str().unwrap().contains(NOT_PROVED), "{run}");
    }
    left_behind::nothing(&instance);
}
