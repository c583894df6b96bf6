//! larder itself is killed while rsync sends for it.

use super::*;
use crate::peers::pushing::{archive_of, transfer};
use crate::peers::wire::{Way, Wire};
use crate::peers::world::World;

#[test]
fn what_rsync_had_sent_when_larder_was_killed_is_not_sent_again() {
    let host = Host::with(sshd_or_skip!(), |folder| Let::Hold(folder));
    let world = World::of(&["jerry"]);
    let jerry = world.instance("jerry");
    let wire = Wire::between(host.sshd.home(), host.sshd.address());
    let port = |port: u16| format!("port = {port}");
    let ssh = host
        .sshd
        .toml(&host.folder(), "")
        .replace(&port(host.sshd.address().port()), &port(wire.address().port()));
    jerry.write(
        "peers/vps.toml",
        &format!("[peer.vps]\nkind = \"direct-ssh-direct\"\nssh = {ssh}\n"),
    );
    jerry.tree("src/web", 8, 4 << 20);
    wire.limit(Some(8 << 20));
    jerry.job("web", "send_to = ['vps']");
    jerry.wait("a part has passed", || wire.passed(Way::There) > 12 << 20);
    jerry.kill();
    let archive = archive_of_file(jerry);
    // Whoever still sends for it is cut off as well, as when the machine goes down.
    wire.cut();
    let partial = host.folder().join(".larder-incoming/.larder-partial").join(&archive);
    jerry.wait("what arrived is kept", || partial.exists());
    let kept = partial.metadata().unwrap().len();
    assert!(kept > 4 << 20, "{kept} bytes were kept");
    assert_eq!(host.names(), Vec::<String>::new(), "half an archive has no name");

    wire.limit(None);
    let before = wire.passed(Way::There);
    jerry.start();
    // What a crash broke off rests for a while; somebody may ask for it.
    transfer(jerry, "web", &serde_json::json!({ "peer": "vps" }));
    jerry.wait("the archive arrived", || host.names().contains(&archive));
    let there = std::fs::read(host.folder().join(&archive)).unwrap();
    assert!(there == std::fs::read(jerry.path("archives").join(&archive)).unwrap());
    let passed = wire.passed(Way::There) - before;
    assert!(passed < there.len() as u64 - kept / 2, "{passed} bytes after {kept} were kept");
    assert_eq!(archive_of(jerry, "web")["good"], true);
}

/// The file of the only archive of `web`.
fn archive_of_file(jerry: &crate::peers::member::Member) -> String {
    let mut names = jerry.tars();
    names.retain(|name| name.contains("_web_"));
    assert_eq!(names.len(), 1, "{names:?}");
    names.remove(0)
}
