//! The daemon dies while YunoHost works.

use super::host::{foreign, server};
use crate::support::root_or_skip;

const CLOUD: &str = "[job.cloud]\ntype = \"ynh_app\"\napp_id = \"nextcloud\"\nretries = 0\n";

#[test]
fn what_yunohost_finishes_after_the_daemon_was_killed_is_taken_in() {
    root_or_skip!();
    let (instance, host) = server(CLOUD);
    host.switch("wait-writing", "");
    let daemon = instance.daemon();
    instance.wait("YunoHost writes", || !instance.tars().is_empty());
    daemon.kill();
    assert_eq!(host.running(), 1, "YunoHost goes on");
    let name = instance.tars()[0].strip_suffix(".tar").unwrap().to_owned();

    // Half of it is nobody's archive, and is told.
    let others = foreign(&instance);
    let note = others[0]["note"].as_str().unwrap();
    assert!(note.contains("was interrupted") && note.contains("`cloud`"), "{note}");
    assert!(instance.archives().is_empty());

    host.off("wait-writing");
    instance.wait("YunoHost ends", || host.running() == 0);
    let _daemon = instance.daemon();
    instance.wait("it is taken in", || {
        instance.archives().iter().any(|archive| archive["name"] == name.as_str())
    });
    let archive = instance.json(&["archive", "show", &name]);
    assert_eq!(archive["how"], "scheduled");
    assert_eq!(archive["outcome"], "good");
    let others = foreign(&instance);
    assert_eq!(others.len(), 0, "{others:?}");
}

#[test]
fn what_is_whole_and_described_stays_when_only_its_record_cannot_be_written() {
    root_or_skip!();
    let (instance, host) = server(CLOUD);
    host.switch("wait-writing", "");
    let daemon = instance.daemon_with_limits();
    let run = std::thread::scope(|scope| {
        let asked = scope.spawn(|| instance.larder(&["run", "cloud"]));
        instance.wait("YunoHost writes", || !instance.tars().is_empty());
        // Small files can be written, and the state cannot.
        daemon.limit_files("8192");
        host.off("wait-writing");
        instance.wait("it is described", || {
            instance.files().iter().any(|file| file.ends_with(".larder.json"))
        });
        instance.wait("its record fails", || {
            let log = std::fs::read_to_string(instance.path("daemon.log")).unwrap();
            log.contains("record") || !host.calls_of("backup", "delete").is_empty()
        });
        daemon.limit_files("unlimited");
        asked.join().unwrap()
    });
    // What is published was done; that is recorded once it can be.
    assert!(run.status.success(), "{run:?}");
    assert_eq!(host.calls_of("backup", "delete").len(), 0);
    instance.wait("it is listed", || instance.archives().len() == 1);
    assert_eq!(instance.archives()[0]["outcome"], "good");
    assert_eq!(foreign(&instance).len(), 0);
}

#[test]
fn half_a_tar_that_nobody_writes_any_more_stays_foreign() {
    root_or_skip!();
    let (instance, host) = server(CLOUD);
    host.switch("wait-writing", "");
    let daemon = instance.daemon();
    instance.wait("YunoHost writes", || !instance.tars().is_empty());
    daemon.kill();
    let pid = std::fs::read_to_string(host.path("yunohost.lock")).unwrap();
    crate::walk::instance::sh(&format!("kill -9 {pid}"), &instance.path("."));
    instance.wait("YunoHost is dead", || host.running() == 0);
    host.off("wait-writing");
    let half = instance.tars()[0].clone();

    // The job runs again under another name; the half is neither taken in nor deleted.
    instance.ok(&["run", "cloud"]);
    let archives = instance.archives();
    assert_eq!(archives.len(), 1);
    assert_ne!(archives[0]["file_name"], half.as_str());
    let others = foreign(&instance);
    assert_eq!(others[0]["name"], half.as_str());
    assert!(others[0]["note"].as_str().unwrap().contains("not whole"), "{others:?}");
    instance.fails(1, &["archive", "adopt", "main", &half, "--job", "cloud"]);
    assert_eq!(instance.archives().len(), 1);
}

#[test]
fn a_daemon_that_ends_takes_yunohost_and_its_half_with_it() {
    root_or_skip!();
    let (instance, host) = server(CLOUD);
    host.switch("wait-writing", "");
    let daemon = instance.daemon();
    instance.wait("YunoHost writes", || !instance.tars().is_empty());
    daemon.terminate();
    assert_eq!(host.running(), 0);
    assert_eq!(instance.tars(), [""; 0]);
    host.off("wait-writing");
    instance.ok(&["run", "cloud"]);
    assert_eq!(instance.archives().len(), 1);
}

#[test]
fn a_run_that_is_cancelled_ends_even_a_deaf_yunohost() {
    root_or_skip!();
    let (instance, host) = server(CLOUD);
    host.switch("deaf", "");
    host.switch("wait-writing", "");
    let _daemon = instance.daemon();
    instance.wait("YunoHost writes", || !instance.tars().is_empty());
    let run = instance.runs()[0]["id"].to_string();
    instance.larder(&["cancel", &run]);
    instance.wait("the run is over", || instance.runs()[0]["status"] == "cancelled");
    assert_eq!(host.running(), 0);
    assert_eq!(instance.tars(), [""; 0]);
}
