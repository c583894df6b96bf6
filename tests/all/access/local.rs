//! The control socket: root and the group `larder`, whatever the socket's mode lets through.

use std::os::unix::fs::PermissionsExt as _;
use std::process::Command;

use crate::support::{root_or_skip, skipped};
use crate::walk::instance::{Instance, text};

/// A number that no group of this machine has.
const GROUP: u32 = 64_999;
const NOBODY: u32 = 65_534;

/// What a process of this user and this group is answered, if it is.
fn asked_by(instance: &Instance, user: u32, group: u32) -> Option<String> {
    let output = Command::new("setpriv")
        .args([&format!("--reuid={user}"), &format!("--regid={group}"), "--clear-groups", "curl"])
        .args(["--silent", "--fail", "--max-time", "30", "--unix-socket"])
        .arg(instance.path("control.sock"))
        .arg("http://larder/api/v1/health")
        .output()
        .unwrap();
    output.status.success().then(|| text(&output.stdout))
}

#[test]
fn a_stranger_is_cut_off_at_the_control_socket_although_its_mode_lets_him_in() {
    root_or_skip!();
    let has = |program: &str| Command::new(program).arg("--version").output().is_ok();
    if !has("setpriv") || !has("unshare") {
        skipped!("`setpriv` and `unshare` (util-linux) are not installed");
    }
    let instance = Instance::new("");
    // The group is there for the daemon alone: this machine may have none.
    let groups = std::fs::read_to_string("/etc/group").unwrap();
    let groups = groups.lines().filter(|line| !line.starts_with("larder:"));
    let groups = groups.collect::<Vec<_>>().join("\n");
    std::fs::write(instance.path("group"), format!("{groups}\nlarder:x:{GROUP}:\n")).unwrap();
    let mounted = "mount --bind \"$0\" /etc/group && exec \"$@\"";
    let in_namespace = |command: &mut Command| {
        command.args(["--mount", "--propagation", "private", "sh", "-c", mounted]);
        command.arg(instance.path("group"));
    };
    let mut probe = Command::new("unshare");
    in_namespace(&mut probe);
    if !probe.arg("true").output().is_ok_and(|output| output.status.success()) {
        skipped!("nothing can be mounted here");
    }
    let mut unshare = Command::new("unshare");
    in_namespace(&mut unshare);
    let _daemon = instance.daemon_through(unshare);

    let is_open_to = |path: &str, mode: u32| {
        let mode = std::fs::Permissions::from_mode(mode);
        std::fs::set_permissions(instance.path(path), mode).unwrap();
    };
    let socket = std::fs::metadata(instance.path("control.sock")).unwrap();
    assert_eq!(socket.permissions().mode() & 0o777, 0o660);
    assert_eq!(std::os::unix::fs::MetadataExt::gid(&socket), GROUP);
    is_open_to(".", 0o755);
    is_open_to("control.sock", 0o666);
    assert!(asked_by(&instance, 0, 0).is_some_and(|said| said.contains("\"instance\":\"jerry\"")));
    assert!(asked_by(&instance, NOBODY, GROUP).is_some(), "a member of the group is refused");
    assert_eq!(asked_by(&instance, NOBODY, NOBODY), None, "a stranger is let in");
    let log = std::fs::read_to_string(instance.path("daemon.log")).unwrap();
    assert!(log.contains("a user without the right knocked"), "{log}");
}
