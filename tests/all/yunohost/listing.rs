//! Our own archives in YunoHost's folder.

use super::host::{foreign, server};
use crate::support::root_or_skip;
use crate::walk::instance::sh;

const NOTES: &str = "[job.notes]\ntype = \"custom_dir\"\nsource_path = \"../notes\"\n";

#[test]
fn ours_are_listed_by_yunohost_with_all_that_it_tells() {
    root_or_skip!();
    let (instance, host) = server(NOTES);
    instance.source("notes/a.txt", b"alpha");
    instance.ok(&["apply"]);
    let name = instance.archives()[0]["name"].as_str().unwrap().to_owned();
    let listed = host.ok(&["backup", "list", "--with-info"]);
    let info = &listed["archives"][&name];
    assert_eq!(info["description"], "larder: custom_dir notes on jerry", "{listed}");
    assert_eq!(info["size"], 5, "{listed}");
    assert!(info["path"].as_str().unwrap().ends_with(&format!("{name}.tar")));
    let details = host.ok(&["backup", "info", &name, "--with-details"]);
    assert_eq!(details["system"]["data_custom"]["size"], 5, "{details}");
    assert_eq!(details["apps"], serde_json::json!({}));

    // It is the same from the tar alone.
    std::fs::remove_file(instance.path(&format!("archives/{name}.info.json"))).unwrap();
    assert_eq!(host.ok(&["backup", "list", "--with-info"]), listed);
}

#[test]
fn what_is_hidden_or_being_written_is_not_listed() {
    root_or_skip!();
    let (instance, host) = server(NOTES);
    instance.source("notes/a.txt", b"alpha");
    instance.ok(&["run", "notes"]);
    instance.ok(&["run", "notes"]);
    let name = instance.archives()[0]["name"].as_str().unwrap().to_owned();
    instance.ok(&["archive", "delete", &name, "--yes"]);
    sh("touch archives/.incoming/9.tar.part archives/.x.tar", &instance.path("."));
    let names = host.archives();
    // `glob` gives no hidden names; the trash is a hidden directory.
    assert_eq!(names.len(), 1);
    assert_ne!(names[0], name);
    // An ordinary archive of ours: into the trash, and back.
    assert_eq!(host.calls_of("backup", "delete").len(), 0);
    instance.ok(&["archive", "undelete", &name]);
    assert_eq!(host.archives().len(), 2);
}

#[test]
fn what_yunohost_deletes_of_ours_is_lost_and_told() {
    root_or_skip!();
    let (instance, host) = server(NOTES);
    instance.source("notes/a.txt", b"alpha");
    instance.ok(&["run", "notes"]);
    instance.ok(&["run", "notes"]);
    let name = instance.archives()[0]["name"].as_str().unwrap().to_owned();
    host.ok(&["backup", "delete", &name]);
    sh("rm -r state", &instance.path("."));
    let archives = instance.archives();
    assert_eq!(archives.len(), 1, "{archives:?}");
    assert!(instance.files().contains(&format!("{name}.larder.json")));
}

#[test]
fn links_are_taken_once_and_those_to_other_names_are_foreign() {
    root_or_skip!();
    let (instance, host) = server(NOTES);
    instance.source("notes/a.txt", b"alpha");
    host.switch("compress", "");
    host.ok(&["backup", "create", "--name", "web", "--apps", "nextcloud"]);
    let elsewhere = instance.path("elsewhere");
    std::fs::create_dir(&elsewhere).unwrap();
    sh(
        "cp archives/web.tar.gz elsewhere/other.tar.gz && ln -s ../elsewhere/other.tar.gz archives/odd.tar",
        &instance.path("."),
    );
    instance.ok(&["apply"]);
    let others: Vec<String> = foreign(&instance)
        .iter()
        .map(|entry| {
            format!("{} {}", entry["name"].as_str().unwrap(), entry["note"].as_str().unwrap_or(""))
        })
        .collect();
    assert_eq!(others, ["odd.tar a link to `other.tar.gz`", "web.tar.gz "]);
    instance.ok(&["archive", "adopt", "main", "web.tar.gz", "--job", "notes"]);
}
