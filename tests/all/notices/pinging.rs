//! Dead-man's switches.

use super::receiver::{Mood, Receiver, heal, secret, with_jobs};
use crate::walk::instance::Instance;

fn with_switch(receiver: &Receiver, path: &str, jobs: &[&str]) -> Instance {
    let instance = Instance::new("");
    secret(&instance, "ping", &format!("http://{}{path}", receiver.address));
    instance.write("notify.toml", "[notify.alive]\nping_url = { file = \"../ping\" }\n");
    with_jobs(&instance, jobs);
    instance
}

fn paths(receiver: &Receiver) -> Vec<String> {
    receiver.received().into_iter().map(|one| one.path).collect()
}

#[test]
fn each_backup_of_a_job_is_pinged_from_start_to_end_in_order() {
    let receiver = Receiver::new(Mood::Says(200));
    let instance = with_switch(&receiver, "/key/{job}", &["web"]);
    let daemon = instance.daemon();
    receiver.wait_for(&instance, 2);
    assert_eq!(paths(&receiver), ["/key/web/start", "/key/web/fail"]);
    assert!(receiver.received()[1].body.starts_with("web: "), "the reason is told");
    heal(&instance, "web");
    instance.ok(&["run", "web"]);
    receiver.wait_for(&instance, 4);
    assert_eq!(paths(&receiver)[2..], ["/key/web/start", "/key/web"]);
    // A restart pings nothing again.
    daemon.terminate();
    let _daemon = instance.daemon();
    instance.ok(&["run", "web"]);
    receiver.wait_for(&instance, 6);
    assert_eq!(paths(&receiver)[4..], ["/key/web/start", "/key/web"]);
}

#[test]
fn one_switch_for_all_jobs_hears_of_success_only_when_nothing_fails() {
    let receiver = Receiver::new(Mood::Says(200));
    let instance = with_switch(&receiver, "/uuid", &["db", "web"]);
    heal(&instance, "db");
    let _daemon = instance.daemon();
    receiver.wait_for(&instance, 4);
    let ends = |from: usize| -> Vec<String> {
        paths(&receiver)
            .split_off(from)
            .into_iter()
            .filter(|path| !path.ends_with("start"))
            .collect()
    };
    instance.ok(&["run", "db"]);
    receiver.wait_for(&instance, 6);
    assert_eq!(ends(4), ["/uuid/fail"], "`web` still fails");
    assert!(receiver.received()[5].body.contains("the backup of `web` failed"));
    heal(&instance, "web");
    instance.ok(&["run", "web"]);
    receiver.wait_for(&instance, 8);
    assert_eq!(ends(6), ["/uuid"]);
}

#[test]
fn apply_pings_as_well() {
    let receiver = Receiver::new(Mood::Says(200));
    let instance = with_switch(&receiver, "/uuid", &["web"]);
    heal(&instance, "web");
    instance.ok(&["apply"]);
    assert_eq!(paths(&receiver), ["/uuid/start", "/uuid"]);
}
