//! What YunoHost made is deleted by YunoHost, and nothing else of its folder is touched.

use serde_json::Value;

use super::host::{Host, foreign, server};
use crate::support::root_or_skip;
use crate::walk::instance::Instance;

const CLOUD: &str = "[job.cloud]\ntype = \"ynh_app\"\napp_id = \"nextcloud\"\nretention = { mode = \"count\", value = 1 }\n";

/// A server with archives that nobody of us made.
fn with_others(toml: &str) -> (Instance, Host) {
    let (instance, host) = server(toml);
    for name in ["nextcloud-pre-upgrade1", "nextcloud-pre-upgrade2", "20260102-030405"] {
        host.ok(&["backup", "create", "--name", name, "--apps", "nextcloud"]);
    }
    (instance, host)
}

fn names(archives: &[Value]) -> Vec<&str> {
    let mut names: Vec<&str> =
        archives.iter().map(|archive| archive["name"].as_str().unwrap()).collect();
    names.sort_unstable();
    names
}

const OTHERS: [&str; 3] = ["20260102-030405", "nextcloud-pre-upgrade1", "nextcloud-pre-upgrade2"];

#[test]
fn retention_deletes_through_yunohost_and_only_what_our_jobs_made() {
    root_or_skip!();
    let (instance, host) = with_others(&CLOUD.replace("value = 1", "value = 5"));
    instance.ok(&["apply"]);
    let first = older(&instance);
    instance.ok(&["recover", "--done"]);
    // Another policy begins another pass, once somebody approves it.
    instance.ok(&["apply"]);
    assert_eq!(instance.archives().len(), 2);
    instance.write("jobs.toml", CLOUD);
    instance.fails(4, &["apply"]);
    let plan = instance.json(&["plan"]);
    instance.ok(&["approve", plan["blocked"][0]["hash"].as_str().unwrap()]);
    instance.ok(&["apply"]);
    let left = instance.archives();
    let left = names(&left);
    assert_eq!(left.len(), 1, "{left:?}");
    assert!(!left.contains(&first.as_str()));
    let deleted = host.calls_of("backup", "delete");
    assert_eq!(deleted.len(), 1);
    assert_eq!(deleted[0]["argv"].as_array().unwrap().last().unwrap(), first.as_str());
    let mut all = OTHERS.to_vec();
    all.extend(left);
    all.sort_unstable();
    assert_eq!(host.archives(), all);
    // No trash, no descriptions: it is gone.
    assert!(!instance.files().iter().any(|file| file.starts_with(&first)));
    assert!(!instance.path(&format!("archives/.larder-trash/{first}.tar")).exists());
    let expiry = instance.runs().into_iter().find(|run| run["kind"] == "expire").unwrap();
    let log = instance.ok(&["log", &expiry["id"].to_string()]);
    assert!(log.contains("by YunoHost: it cannot be taken back"), "{log}");
}

/// Puts an archive of January beside the one that is there: as it was, under its own name.
fn older(instance: &Instance) -> String {
    let newest = instance.archives()[0]["name"].as_str().unwrap().to_owned();
    let name = "jerry_cloud_20260102".to_owned();
    for ending in [".tar", ".info.json"] {
        let path = |name: &str| instance.path(&format!("archives/{name}{ending}"));
        std::fs::copy(path(&newest), path(&name)).unwrap();
    }
    let sidecar = instance.path(&format!("archives/{newest}.larder.json"));
    let mut sidecar: Value = serde_json::from_slice(&std::fs::read(sidecar).unwrap()).unwrap();
    for (key, value) in [
        ("id", "6f2d2f5e-6e1c-4a3c-9a53-0d2a2b1c4d5e"),
        ("name", name.as_str()),
        ("created_at", "2026-01-02T01:00:00Z"),
        ("day", "2026-01-02"),
    ] {
        sidecar[key] = Value::String(value.to_owned());
    }
    let path = instance.path(&format!("archives/{name}.larder.json"));
    std::fs::write(path, sidecar.to_string()).unwrap();
    name
}

#[test]
fn what_others_made_is_foreign_until_it_is_adopted() {
    root_or_skip!();
    let (instance, host) = with_others(CLOUD);
    instance.ok(&["apply"]);
    let others = foreign(&instance);
    let mut files = names(&others);
    files.retain(|name| name.contains(".tar"));
    assert_eq!(files, OTHERS.map(|name| format!("{name}.tar")));

    instance.ok(&["archive", "adopt", "main", "20260102-030405.tar", "--job", "cloud"]);
    let adopted = instance.json(&["archive", "show", "20260102-030405"]);
    assert_eq!(adopted["how"], "adopted");
    assert_eq!(adopted["job"], "cloud");
    assert!(adopted["sha256"].is_string());
    // Adopted ones fill retention, and not before somebody says so: nothing is gone by itself.
    instance.larder(&["apply"]);
    assert_eq!(host.archives().len(), 4);
    assert_eq!(host.calls_of("backup", "delete").len(), 0);
}

#[test]
fn an_archive_that_somebody_deletes_says_that_there_is_no_way_back() {
    root_or_skip!();
    let (instance, host) = with_others(CLOUD);
    instance.ok(&["run", "cloud"]);
    instance.ok(&["run", "cloud"]);
    let archives = instance.archives();
    let first = names(&archives)[0].to_owned();
    let said = instance.larder(&["archive", "delete", &first, "--yes"]);
    let said = crate::walk::instance::text(&said.stderr);
    assert!(said.contains("YunoHost deletes it") && said.contains("no undelete"), "{said}");
    assert_eq!(instance.archives().len(), 1);
    assert_eq!(host.calls_of("backup", "delete").len(), 1);
    assert!(!host.archives().contains(&first));
    instance.fails(1, &["archive", "undelete", &first]);
    assert!(instance.files().iter().all(|file| !file.starts_with(&format!("{first}."))));
}

#[test]
fn a_compressed_archive_leaves_with_its_link() {
    root_or_skip!();
    let (instance, host) = with_others(CLOUD);
    host.switch("compress", "");
    instance.ok(&["run", "cloud"]);
    instance.ok(&["run", "cloud"]);
    let first = names(&instance.archives())[0].to_owned();
    instance.ok(&["archive", "delete", &first, "--yes"]);
    assert!(instance.files().iter().all(|file| !file.starts_with(&format!("{first}."))));
    assert_eq!(host.archives().len(), 4);
}

#[test]
fn what_yunohost_fails_to_delete_stays_in_the_catalogue() {
    root_or_skip!();
    let (instance, host) = with_others(CLOUD);
    instance.ok(&["run", "cloud"]);
    instance.ok(&["run", "cloud"]);
    let first = names(&instance.archives())[0].to_owned();
    host.switch("undeletable", "");
    let said = instance.fails(1, &["archive", "delete", &first, "--yes"]);
    assert!(said.contains("is still there"), "{said}");
    assert_eq!(instance.archives().len(), 2);
    instance.ok(&["archive", "verify", &first]);
}

#[test]
fn copies_of_yunohosts_archives_go_into_the_trash_like_any_other() {
    root_or_skip!();
    let (instance, host) = server(&format!("{CLOUD}send_to = [\"usb\"]\n"));
    instance.write("usb.toml", "[location.usb]\npath = \"../usb\"\nmin_free = \"1 MiB\"\n");
    instance.ok(&["apply"]);
    instance.ok(&["run", "cloud"]);
    let archives = instance.archives();
    let first = archives
        .iter()
        .filter(|archive| archive["location"] == "main")
        .map(|archive| archive["name"].as_str().unwrap())
        .min()
        .unwrap();
    instance.ok(&["apply"]);
    instance.ok(&["archive", "delete", first, "--location", "usb", "--yes"]);
    assert!(instance.path(&format!("usb/.larder-trash/{first}.tar")).exists());
    assert_eq!(host.calls_of("backup", "delete").len(), 0);
    instance.ok(&["archive", "undelete", first, "--location", "usb"]);
}
