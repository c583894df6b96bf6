//! Hosts without a larder, as the daemon uses them.

use super::*;
use crate::peers::member::Member;
use crate::peers::world::World;

/// Waits longer than [`wait_for`](crate::support::wait_for): a copy takes a few connections, each of
/// which takes its time where many tests run.
#[track_caller]
fn wait_for(what: &str, mut condition: impl FnMut() -> bool) {
    let begun = std::time::Instant::now();
    while !condition() {
        assert!(begun.elapsed().as_secs() < 150, "waited too long for {what}");
        std::thread::sleep(std::time::Duration::from_millis(50));
    }
}

fn tars(host: &Host) -> Vec<String> {
    let mut names = host.names();
    names.retain(|name| name.strip_suffix(".tar").is_some());
    names
}

fn write_peer(jerry: &Member, host: &Host, more: &str) {
    let ssh = host.sshd.toml(&host.folder(), "");
    let toml = format!("[peer.vps]\nkind = \"direct-ssh-direct\"\nssh = {ssh}\n{more}\n");
    jerry.write("peers/vps.toml", &toml);
}

#[test]
fn archives_go_to_a_host_without_a_larder_and_are_known_to_be_there() {
    let host = Host::with(sshd_or_skip!(), |folder| Let::Hold(folder));
    let world = World::of(&["jerry"]);
    let jerry = world.instance("jerry");
    write_peer(jerry, &host, "");
    jerry.job("web", "send_to = ['vps']\nprotect = { copies = 2, offsite = 1 }");
    wait_for("the archive arrived", || tars(&host).len() == 1);
    let tar = &tars(&host)[0];
    let name = tar.strip_suffix(".tar").unwrap();
    assert_eq!(
        host.names(),
        [format!("{name}.info.json"), format!("{name}.larder.json"), tar.clone()]
    );
    let here = std::fs::read(jerry.path("archives").join(tar)).unwrap();
    assert_eq!(std::fs::read(host.folder().join(tar)).unwrap(), here);
    let info = |dir: &Path| std::fs::read(dir.join(format!("{name}.info.json"))).unwrap();
    assert_eq!(info(&host.folder()), info(&jerry.path("archives")));
    jerry.settled();
    wait_for("it was looked at", || jerry.control_get("/api/v1/peers/vps")["status"] == "online");
    let peer = jerry.control_get("/api/v1/peers/vps");
    assert_eq!(peer["sender_can_delete"], false, "{peer}");

    // What is there is found again by a daemon that has forgotten everything but its archives.
    jerry.ok(&["run", "web"]);
    wait_for("the second one arrived", || tars(&host).len() == 2);
    jerry.settled();
    // Taken away there, the newest is sent again once that is known.
    let newest = tars(&host).into_iter().find(|name| name.ends_with("-2.tar")).unwrap();
    std::fs::remove_file(host.folder().join(&newest)).unwrap();
    wait_for("it is sent again", || {
        jerry.larder(&["peer", "check", "vps"]);
        tars(&host).contains(&newest)
    });
}

#[test]
fn what_a_host_keeps_alone_is_fetched_by_its_name_and_what_is_damaged_is_repaired_from_there() {
    let host = Host::with(sshd_or_skip!(), |folder| Let::Hold(folder));
    let world = World::of(&["jerry"]);
    let jerry = world.instance("jerry");
    write_peer(jerry, &host, "");
    jerry.write("short.toml", crate::peers::fetching::SHORT);
    jerry.job("web", "location = 'short'\nsend_to = ['vps']");
    wait_for("the first archive arrived", || tars(&host).len() == 1);
    let tar = tars(&host).remove(0);
    let name = tar.strip_suffix(".tar").unwrap();
    jerry.ok(&["run", "web"]);
    wait_for("the second one arrived", || tars(&host).len() == 2);
    jerry.settled();
    let there = std::fs::read(host.folder().join(&tar)).unwrap();
    let here = jerry.path("short").join(&tar);
    jerry.ok(&["archive", "delete", name, "--yes"]);
    jerry.settled();
    assert!(!here.exists());

    let out = jerry.path("out");
    let restore = ["restore", name, "--to", out.to_str().unwrap(), "--yes"];
    let said = jerry.fails(1, &restore);
    assert!(said.contains(&format!("`larder archive fetch {name}` brings it here")), "{said}");
    let said = crate::peers::fetching::fetched(jerry, &["archive", "fetch", name]);
    assert!(said.contains("from vps to short") && said.contains("it is pinned"), "{said}");
    assert!(std::fs::read(&here).unwrap() == there);
    jerry.ok(&restore);
    let same = format!("diff -r $(find {} -name 0.bin -printf %h) src/web", out.display());
    crate::walk::instance::sh(&same, &jerry.path(""));
    let said = jerry.fails(1, &["archive", "fetch", name]);
    assert!(said.contains("is there already: at `short`"), "{said}");

    crate::peers::fetching::corrupt(&here);
    jerry.larder(&["archive", "verify", name]);
    wait_for("it is whole again", || std::fs::read(&here).unwrap() == there);
    jerry.settled();
    let hidden = std::fs::read_dir(jerry.path("short/.incoming"));
    assert_eq!(hidden.map_or(0, Iterator::count), 0, "nothing is left of what came");
}

#[test]
fn nothing_is_deleted_there_without_prune_and_only_what_the_plan_showed_with_it() {
    let host = Host::with(sshd_or_skip!(), |folder| Let::Prune(folder));
    let world = World::of(&["jerry"]);
    let jerry = world.instance("jerry");
    write_peer(jerry, &host, "");
    let short = "retention = { mode = 'count', value = 2 }\nmanual_keep = '1s'";
    jerry.job("web", &format!("{short}\nsend_to = ['vps']"));
    for count in 1..=4 {
        wait_for("a copy arrived", || tars(&host).len() == count);
        if count < 4 {
            jerry.ok(&["run", "web"]);
        }
    }
    jerry.settled();
    assert_eq!(tars(&host).len(), 4);
    std::fs::write(host.folder().join("stranger.tar"), "not ours").unwrap();

    // Of those that somebody asked for, all but the newest have had their time.
    write_peer(jerry, &host, "prune = true");
    wait_for("what expired is gone", || tars(&host).len() == 3);
    jerry.settled();
    let runs = jerry.runs();
    let pruned = runs.iter().filter(|run| run["kind"] == "prune").count();
    assert_eq!(pruned, 1, "{runs:?}");
    let mut left = tars(&host);
    left.retain(|name| name != "stranger.tar");
    // The newest by its age, and the one that its schedule made.
    assert!(left[0].ends_with("-4.tar") && !left[1].contains('-'), "{left:?}");
    assert!(left.iter().all(|tar| {
        let name = tar.strip_suffix(".tar").unwrap();
        host.names().contains(&format!("{name}.larder.json"))
    }));
    assert_eq!(host.names().len(), 7, "{:?}", host.names());
}

#[test]
fn a_deletion_there_that_waited_is_judged_again_before_it_is_carried_out() {
    let host = Host::with(sshd_or_skip!(), |folder| Let::Prune(folder));
    let world = World::of(&["jerry"]);
    let jerry = world.instance("jerry");
    write_peer(jerry, &host, "prune = true");
    jerry.job("web", "send_to = ['vps']");
    wait_for("a copy arrived", || tars(&host).len() == 1);
    jerry.ok(&["run", "web"]);
    wait_for("a second copy arrived", || tars(&host).len() == 2);
    jerry.settled();
    jerry.stop();
    {
        let (state, _) = larder::state::State::open(&jerry.path("state")).unwrap();
        let peer: larder::model::name::PlaceName = "vps".parse().unwrap();
        let held = state.contacts().unwrap()[&peer].holdings.clone().unwrap();
        let archives: Vec<_> = held.copies.iter().map(|copy| copy.id).collect();
        assert_eq!(archives.len(), 2);
        // An older plan let them go; by now, nothing does.
        let work = larder::model::run::Work::Prune { peer, archives };
        let cause = larder::model::run::Cause::Reconcile;
        state.enqueue(work, cause, jiff::Timestamp::now(), None).unwrap();
    }
    jerry.start();
    let is_over = |run: &serde_json::Value| run["kind"] == "prune" && run["status"] == "success";
    wait_for("it was carried out", || jerry.runs().iter().any(is_over));
    assert_eq!(tars(&host).len(), 2, "{:?}", host.names());
}

#[test]
fn the_key_is_made_once_and_its_line_is_the_whole_one() {
    let host = Host::new(sshd_or_skip!());
    let world = World::cold(&["jerry"]);
    let jerry = world.instance("jerry");
    let ssh = host.sshd.toml(&host.folder(), "");
    let ssh = ssh.replace(&format!(", identity = \"{}\"", host.sshd.identity().display()), "");
    let peer = format!("[peer.vps]\nkind = \"direct-ssh-direct\"\nssh = {ssh}\n");
    jerry.write("peers/vps.toml", &peer);
    let missing = jerry.fails(3, &["check", "--live"]);
    assert!(missing.contains("there is no SSH key") && missing.contains("larder peer key"));
    let key = jerry.ok(&["peer", "key"]);
    let there = jerry.larder(&["check", "--live"]);
    let said = String::from_utf8_lossy(&[there.stdout, there.stderr].concat()).into_owned();
    assert!(!said.contains("SSH key"), "{said}");
    assert!(key.starts_with("ssh-ed25519 ") && key.ends_with(" larder@jerry\n"), "{key}");
    let path = jerry.path("state/ssh/id_ed25519");
    assert_eq!(path.metadata().unwrap().permissions().mode() & 0o777, 0o600);
    let line = jerry.ok(&["peer", "key", "vps"]);
    assert!(line.starts_with("restrict,command=\"") && line.ends_with(&key), "{line}");
    assert!(jerry.fails(1, &["peer", "key", "nobody"]).contains("no peer `nobody`"));

    // As it was printed, and nothing else.
    host.sshd.authorize(&line);
    jerry.start();
    jerry.job("web", "send_to = ['vps']");
    wait_for("the archive arrived", || tars(&host).len() == 1);
}
