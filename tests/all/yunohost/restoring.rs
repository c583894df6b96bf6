//! YunoHost restores what we made, and what it made itself.

use super::host::{LARGE, server};
use crate::support::root_or_skip;
use crate::walk::instance::sh;

#[test]
fn yunohost_restores_our_archive_of_a_directory_by_the_hook_in_it() {
    root_or_skip!();
    let (instance, host) =
        server("[job.notes]\ntype = \"custom_dir\"\nsource_path = \"../notes\"\n");
    instance.source("notes/a b.txt", b"alpha");
    instance.source("notes/deep/run.sh", b"#!/bin/sh\n");
    let base = instance.path(".");
    sh(
        "chmod 750 notes/deep/run.sh; chmod 711 notes/deep; ln -s a\\ b.txt notes/link; \
         mkdir notes/empty; chown 1234:4321 notes/deep/run.sh; touch -d 2001-02-03 notes/a\\ b.txt",
        &base,
    );
    // Python's tar brings times back in whole seconds, and leaves those of links alone.
    let look = "cd notes && find . -type l -printf '%p %l\\n' -o -printf '%p %M %U %G %TY-%Tm-%Td %TH:%TM %l\\n' | sort";
    // Directories get their times from what is done in them.
    let state = |out: String| -> Vec<String> {
        out.lines().filter(|line| !line.contains(" d")).map(str::to_owned).collect()
    };
    let before = state(sh(look, &base));
    instance.ok(&["apply"]);
    let name = instance.archives()[0]["name"].as_str().unwrap().to_owned();
    sh("rm -r notes", &base);
    let results = host.ok(&["backup", "restore", &name, "--system", "data_custom", "--force"]);
    assert_eq!(results["system"]["data_custom"], "Success", "{results}");
    assert_eq!(state(sh(look, &base)), before);
    // The hook stays installed, and a second time does no harm.
    assert!(host.path("custom/restore/50-data_custom").exists());
    host.ok(&["backup", "restore", &name, "--system", "--force"]);
    assert_eq!(state(sh(look, &base)), before);
}

#[test]
fn an_app_comes_back_from_the_archive_of_our_job() {
    root_or_skip!();
    let (instance, host) = server("[job.cloud]\ntype = \"ynh_app\"\napp_id = \"nextcloud\"\n");
    instance.ok(&["apply"]);
    let name = instance.archives()[0]["name"].as_str().unwrap().to_owned();
    let refused = host.yunohost(&["backup", "restore", &name, "--apps", "nextcloud", "--force"]);
    assert!(!refused.status.success(), "it is installed");
    let before = sh(&format!("sha256sum {LARGE}/nextcloud/*"), &host.path("."));
    host.remove("nextcloud");
    let results = host.ok(&["backup", "restore", &name, "--apps", "nextcloud", "--force"]);
    assert_eq!(results["apps"]["nextcloud"], "Success", "{results}");
    assert_eq!(sh(&format!("sha256sum {LARGE}/nextcloud/*"), &host.path(".")), before);
    assert_eq!(host.ok(&["app", "list"])["apps"][0]["id"], "nextcloud");
}

/// The driver itself has no command line of its own; its words are compared with what the
/// stand-in, whose words are the real one's, understands.
#[test]
fn the_words_of_the_driver_are_understood() {
    root_or_skip!();
    let (_instance, host) = server("");
    host.ok(&["backup", "create", "--name=x", "--description=", "--apps", "nextcloud"]);
    host.remove("nextcloud");
    for words in [
        &["--timeout", "5", "backup", "restore", "x", "--force", "--apps", "nextcloud"][..],
        &["--timeout", "5", "firewall", "open", "8080", "larder", "--protocol", "tcp"],
        &["--timeout", "5", "firewall", "allow", "TCP", "8080"],
        &["--timeout", "5", "backup", "info", "x"],
        &["--timeout", "5", "backup", "delete", "x"],
    ] {
        let output = host.yunohost(words);
        assert!(output.status.success(), "{words:?}: {output:?}");
    }
    // What older releases do not know ends with the status that the driver falls back on.
    host.switch("old-firewall", "");
    let old = host.yunohost(&["firewall", "open", "8080", "larder", "--protocol", "tcp"]);
    assert_eq!(old.status.code(), Some(2));
    crate::support::wait_for("no process is left", || host.running() == 0);
}
