//! The daemon follows its files, and a broken edit never stops it.

use std::os::unix::fs::PermissionsExt as _;
use std::os::unix::net::UnixDatagram;
use std::process::Child;
use std::time::{Duration, Instant};

use super::instance::{Instance, sh};

const JOB: &str = "[job.one]\ntype = \"custom_dir\"\nsource_path = \"../src\"\n";

fn instance() -> Instance {
    let instance = Instance::new(JOB);
    instance.source("src/file", b"content");
    instance
}

fn jobs(instance: &Instance) -> Vec<String> {
    instance
        .json(&["jobs"])
        .as_array()
        .unwrap()
        .iter()
        .map(|job| job["name"].as_str().unwrap().to_owned())
        .collect()
}

fn health(instance: &Instance) -> serde_json::Value {
    let socket = instance.path("control.sock");
    let text = sh(
        &format!("curl -sf --unix-socket {} http://larder/api/v1/health", socket.display()),
        &instance.path("."),
    );
    serde_json::from_str(&text).unwrap()
}

#[test]
fn an_edit_takes_effect_without_a_restart() {
    let instance = instance();
    let _daemon = instance.daemon();
    let start = Instant::now();
    instance.write("two.toml", "[job.two]\ntype = \"custom_dir\"\nsource_path = \"../src\"\n");
    instance.wait("the new job is there", || jobs(&instance).contains(&"two".to_owned()));
    println!("an edit took effect after {:?}", start.elapsed());
    instance.wait("the new job ran", || instance.tars().iter().any(|name| name.contains("two")));
}

#[test]
fn a_broken_edit_keeps_what_was_last_good_across_restarts_too() {
    let instance = instance();
    let daemon = instance.daemon();
    instance.wait("the job ran", || !instance.tars().is_empty());
    instance.write("jobs.toml", "[job.one\ntype = ");
    instance.write("two.toml", "[job.two]\ntype = \"custom_dir\"\nsource_path = \"../src\"\n");
    instance.wait("the mistake is told and the other file is in force", || {
        let health = health(&instance);
        health["config"]["valid"] == false && jobs(&instance).contains(&"two".to_owned())
    });
    assert!(jobs(&instance).contains(&"one".to_owned()));
    daemon.terminate();
    let _daemon = instance.daemon();
    assert_eq!(jobs(&instance), ["one", "two"]);
    assert_eq!(health(&instance)["config"]["valid"], false);
    instance.write("jobs.toml", JOB);
    instance.wait("all is well again", || health(&instance)["config"]["valid"] == true);
}

#[test]
fn an_emptied_or_vanished_directory_changes_nothing_and_is_told() {
    let instance = instance();
    let _daemon = instance.daemon();
    instance.wait("the job ran", || !instance.tars().is_empty());
    let before = instance.files();
    sh("rm -rf etc && mkdir etc", &instance.path("."));
    let socket = instance.path("control.sock");
    let jobs_over_socket = || {
        sh(
            &format!("curl -sf --unix-socket {} http://larder/api/v1/jobs", socket.display()),
            &instance.path("."),
        )
    };
    instance.wait("the empty directory is told", || health(&instance)["config"]["valid"] == false);
    assert!(jobs_over_socket().contains("\"one\""));
    sh("rm -rf etc", &instance.path("."));
    assert!(jobs_over_socket().contains("\"one\""));
    assert_eq!(instance.files(), before);
}

#[test]
fn sighup_reads_the_files_again() {
    let instance = instance();
    let daemon = instance.daemon();
    instance.write("two.toml", "[job.two]\ntype = \"custom_dir\"\nsource_path = \"../src\"\n");
    daemon.signal("HUP");
    instance.wait("the new job is there", || jobs(&instance).contains(&"two".to_owned()));
}

#[test]
fn the_generated_json_follows() {
    let instance = instance();
    let _daemon = instance.daemon();
    instance.wait("archives.json shows the archive", || {
        std::fs::read_to_string(instance.path("public/archives.json"))
            .ok()
            .and_then(|text| serde_json::from_str::<serde_json::Value>(&text).ok())
            .is_some_and(|json| json["archives"].as_array().is_some_and(|a| a.len() == 1))
    });
    for name in ["status", "jobs", "runs", "archives", "peers", "network"] {
        let file = instance.path(&format!("public/{name}.json"));
        // They are written one after the other.
        instance.wait("every file is there", || file.exists());
        let text = std::fs::read_to_string(&file).unwrap();
        let json: serde_json::Value = serde_json::from_str(&text).unwrap();
        assert_eq!(json["schema"], 1, "{name}");
        assert_eq!(json["instance"], "jerry", "{name}");
        assert!(json[name].is_array(), "{name}: {json}");
    }
}

#[test]
fn others_get_to_the_generated_json_where_larder_made_the_directories_above_and_not_to_the_state() {
    let instance = instance();
    let base = std::fs::read_to_string(instance.path("etc/base.toml")).unwrap();
    let base = base.replace("../state", "../var/lib/larder/state");
    instance.write("base.toml", &base.replace("../public", "../var/lib/larder/open/public"));
    instance.ok(&["apply"]);
    for (path, expected) in [
        ("var", 0o755),
        ("var/lib", 0o755),
        ("var/lib/larder", 0o755),
        ("var/lib/larder/open", 0o755),
        ("var/lib/larder/open/public", 0o755),
        ("var/lib/larder/open/public/status.json", 0o644),
        ("var/lib/larder/state", 0o700),
    ] {
        let mode = std::fs::metadata(instance.path(path)).unwrap().permissions().mode();
        assert_eq!(mode & 0o7777, expected, "{path}");
    }
}

#[test]
fn commands_say_the_same_with_a_daemon_and_without() {
    let instance = instance();
    let daemon = instance.daemon();
    instance.wait("the job ran and was read back", || {
        instance.archives().iter().any(|archive| !archive["verified_at"].is_null())
    });
    let with = (instance.json(&["archive", "list"]), instance.json(&["runs"]));
    daemon.terminate();
    let without = (instance.json(&["archive", "list"]), instance.json(&["runs"]));
    assert_eq!(with, without);
}

/// The next message of the daemon to systemd that says one of `words`.
fn told(socket: &UnixDatagram, words: &[&str]) -> String {
    let mut bytes = [0; 4096];
    loop {
        // A signal for another test of this process may come in between.
        let length = match socket.recv(&mut bytes) {
            Err(error) if error.kind() == std::io::ErrorKind::Interrupted => continue,
            length => length.expect("the daemon tells systemd in time"),
        };
        let message = String::from_utf8_lossy(&bytes[..length]).into_owned();
        if words.iter().any(|word| message.contains(word)) {
            return message;
        }
    }
}

/// A daemon that tells what it tells systemd to a socket of ours.
fn under_systemd(instance: &Instance, variables: &[(&str, &str)]) -> (UnixDatagram, Child) {
    let path = instance.path("notify.sock");
    let socket = UnixDatagram::bind(&path).unwrap();
    socket.set_read_timeout(Some(Duration::from_mins(1))).unwrap();
    let mut command = instance.command(&["daemon"]);
    command.env("NOTIFY_SOCKET", &path).env_remove("WATCHDOG_PID");
    (socket, command.envs(variables.iter().copied()).spawn().unwrap())
}

#[test]
fn the_watchdog_is_fed_again_and_again() {
    let instance = instance();
    let (socket, mut daemon) = under_systemd(&instance, &[("WATCHDOG_USEC", "1000000")]);
    told(&socket, &["READY=1"]);
    for _ in 0..2 {
        told(&socket, &["WATCHDOG=1"]);
    }
    sh(&format!("kill -TERM {}", daemon.id()), &instance.path("."));
    assert!(daemon.wait().unwrap().success());
}

#[test]
fn systemd_is_told_that_a_reload_is_over_when_it_is() {
    let instance = instance();
    let (socket, mut daemon) = under_systemd(&instance, &[]);
    told(&socket, &["READY=1"]);
    instance.write("two.toml", "[job.two]\ntype = \"custom_dir\"\nsource_path = \"../src\"\n");
    sh(&format!("kill -HUP {}", daemon.id()), &instance.path("."));
    let reloading = told(&socket, &["RELOADING=1", "READY=1"]);
    assert!(
        reloading.contains("RELOADING=1") && reloading.contains("MONOTONIC_USEC="),
        "{reloading}"
    );
    told(&socket, &["READY=1"]);
    let jobs = jobs(&instance);
    sh(&format!("kill -TERM {}", daemon.id()), &instance.path("."));
    assert!(daemon.wait().unwrap().success());
    assert_eq!(jobs, ["one", "two"]);
}
