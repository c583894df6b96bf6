//! Commands without a daemon that are ended from outside: by a connection that drops, by `timeout`,
//! by a service manager.

use std::process::{Child, Command, Stdio};

use super::crashing::{after_ran, is_alive, slow};
use super::instance::{Instance, sh, text};

/// A command in the background; killed when it is dropped.
struct Begun(Child);

impl Begun {
    fn new(mut command: Command) -> Self {
        Self(command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap())
    }

    fn signal(&self, name: &str) {
        sh(&format!("kill -{name} {}", self.0.id()), "/".as_ref());
    }

    /// Waits until it ends; its exit code, and what it said.
    fn ends(mut self) -> (Option<i32>, String) {
        use std::io::Read as _;
        let mut said = Vec::new();
        self.0.stderr.take().unwrap().read_to_end(&mut said).unwrap();
        (self.0.wait().unwrap().code(), text(&said))
    }
}

impl Drop for Begun {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn begun(instance: &Instance, arguments: &[&str]) -> Begun {
    let begun = Begun::new(instance.command(arguments));
    instance.wait("the command before runs", || is_alive(instance));
    begun
}

#[test]
fn a_command_that_is_ended_from_outside_starts_again_what_it_stopped() {
    for (signal, code) in [("TERM", 143), ("HUP", 129), ("INT", 1)] {
        for command in [&["run", "slow"][..], &["apply"]] {
            let instance = slow("");
            let begun = begun(&instance, command);
            begun.signal(signal);
            let (ended, said) = begun.ends();
            assert_eq!(ended, Some(code), "{command:?} {signal}: {said}");
            assert!(said.contains("cancelled: backup of slow"), "{said}");
            assert!(!is_alive(&instance));
            assert_eq!(after_ran(&instance), 1, "{command:?} {signal}: {said}");
            assert_eq!(instance.runs()[0]["status"], "cancelled");
            assert!(instance.tars().is_empty());
        }
    }
}

#[test]
fn what_is_ended_begins_nothing_more() {
    let other = "[job.zebra]\ntype = \"custom_dir\"\nsource_path = \"../src\"\n";
    let instance = slow(other);
    let begun = begun(&instance, &["run", "slow", "zebra"]);
    begun.signal("TERM");
    // More of them mean the same.
    begun.signal("HUP");
    let (code, said) = begun.ends();
    assert_eq!(code, Some(143), "{said}");
    assert_eq!(after_ran(&instance), 1);
    assert!(instance.tars().is_empty(), "{said}");

    let instance = slow(other);
    let begun = self::begun(&instance, &["apply"]);
    let had = instance.tars();
    begun.signal("TERM");
    assert_eq!(begun.ends().0, Some(143));
    assert_eq!(after_ran(&instance), 1);
    assert_eq!(instance.tars(), had);
}

#[test]
fn what_was_told_to_ignore_a_hang_up_does_so() {
    let instance = slow("");
    let plain = instance.command(&["run", "slow"]);
    let mut command = Command::new("sh");
    command.args(["-c", "trap '' HUP; exec \"$0\" \"$@\""]);
    command.arg(plain.get_program()).args(plain.get_args()).stdin(Stdio::null());
    let begun = Begun::new(command);
    instance.wait("the command before runs", || is_alive(&instance));
    begun.signal("HUP");
    begun.signal("TERM");
    // Had it heard the first one, it would tell of that one.
    assert_eq!(begun.ends().0, Some(143));
    assert_eq!(after_ran(&instance), 1);
}

#[test]
fn the_daemon_goes_on_with_what_a_command_asked_for_that_is_ended() {
    for (signal, code) in [("HUP", 129), ("TERM", 143)] {
        let instance = slow("enabled = false\n");
        let _daemon = instance.daemon();
        let begun = begun(&instance, &["run", "slow"]);
        begun.signal(signal);
        let (ended, said) = begun.ends();
        assert_eq!(ended, Some(code), "{said}");
        assert!(said.contains("the daemon goes on"), "{said}");
        assert!(is_alive(&instance), "{signal} ended what the daemon does");
        assert_eq!(instance.runs()[0]["status"], "running");
    }
}

#[test]
fn the_status_says_whose_commands_after_are_owed_until_they_ran() {
    let instance = slow("enabled = false\n");
    let begun = begun(&instance, &["run", "slow"]);
    let owed = "run 1 of `slow` was broken off before its commands `after` ran";
    begun.signal("KILL");
    begun.ends();
    sh("pkill -F out/before.pid || true", &instance.path("."));
    let status = instance.larder(&["status"]);
    assert!(text(&status.stderr).contains(owed), "{}", text(&status.stderr));
    assert!(text(&status.stderr).contains("`larder apply` runs them"));
    let check = instance.larder(&["status", "--check"]);
    assert!(text(&check.stdout).contains(owed), "{}", text(&check.stdout));
    assert_eq!(after_ran(&instance), 0);
    instance.ok(&["apply"]);
    assert_eq!(after_ran(&instance), 1);
    let status = instance.larder(&["status"]);
    assert!(!text(&status.stderr).contains("broken off"), "{}", text(&status.stderr));
}
