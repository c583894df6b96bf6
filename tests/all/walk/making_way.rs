//! A daemon that makes way for a newer program loses no work by it.

use serde_json::Value;

use super::instance::Instance;

/// `slow` reads once a file is there; `next` waits for its turn.
fn instance() -> Instance {
    let instance = Instance::new("");
    let begun = instance.path("begun");
    let go = instance.path("go");
    instance.write(
        "jobs.toml",
        &format!(
            "[job.slow]\ntype = \"custom_dir\"\nsource_path = \"../src\"\ncatch_up = \"next\"\n\
             before = [\"touch {}; while [ ! -e {} ]; do sleep 0.05; done\"]\n\
             [job.next]\ntype = \"custom_dir\"\nsource_path = \"../src\"\ncatch_up = \"next\"\n",
            begun.display(),
            go.display()
        ),
    );
    instance.source("src/file", b"content");
    instance
}

fn backup_of(instance: &Instance, job: &str) -> Value {
    let runs = instance.json(&["runs", "--job", job]);
    let mut runs = runs.as_array().unwrap().iter();
    runs.find(|run| run["kind"] == "backup").cloned().unwrap_or_default()
}

#[test]
fn sigusr1_lets_the_run_come_to_its_end_and_begins_no_other() {
    let instance = instance();
    let mut daemon = instance.daemon();
    instance.ok(&["run", "slow", "--detach"]);
    instance.wait("the backup begins", || instance.path("begun").exists());
    daemon.signal("USR1");
    let log = || std::fs::read_to_string(instance.path("daemon.log")).unwrap();
    instance.wait("it is told", || log().contains("another program is to take over"));
    instance.ok(&["run", "next", "--detach"]);
    assert_eq!(backup_of(&instance, "slow")["status"], "running");
    assert_eq!(backup_of(&instance, "next")["status"], "queued");
    std::fs::write(instance.path("go"), "").unwrap();
    assert_eq!(daemon.wait_for_exit(), Some(10));

    let _newer = instance.daemon();
    assert_eq!(backup_of(&instance, "slow")["status"], "success");
    instance.wait("what was queued runs", || backup_of(&instance, "next")["status"] == "success");
}

#[test]
fn sigusr1_ends_an_idle_daemon_at_once_and_sigterm_one_that_waits() {
    let instance = instance();
    let mut idle = instance.daemon();
    idle.signal("USR1");
    assert_eq!(idle.wait_for_exit(), Some(10));

    let waiting = instance.daemon();
    instance.ok(&["run", "slow", "--detach"]);
    instance.wait("the backup begins", || instance.path("begun").exists());
    waiting.signal("USR1");
    waiting.terminate();
    assert_eq!(backup_of(&instance, "slow")["status"], "interrupted");
}
