//! `larder peer` as people and scripts meet it, without a daemon: what it says, and its mistakes.

use serde_json::json;

use crate::walk::instance::{Instance, text};

/// What a command that must fail with this code told, on which stream does not matter.
fn told(instance: &Instance, code: i32, words: &[&str]) -> String {
    let mut all = vec!["peer"];
    all.extend(words);
    instance.fails(code, &all)
}

#[test]
fn a_peer_is_added_seen_found_by_its_host_and_removed() {
    let jerry = Instance::new("");
    assert_eq!(jerry.json(&["peer", "list"]), json!([]));
    let wrote = jerry.larder(&["peer", "add", "nas", "backup-channel", "hostname=nas.local"]);
    assert!(wrote.status.success() && text(&wrote.stderr).contains("wrote `"));
    let file = std::fs::read_to_string(jerry.path("etc/peers/nas.toml")).unwrap();
    assert!(file.starts_with("# Written by larder") && file.contains("[peer.nas]"), "{file}");
    jerry.ok(&["check"]);

    let listed = jerry.json(&["peer", "list"]);
    assert_eq!((&listed[0]["name"], &listed[0]["kind"]), (&json!("nas"), &json!("backup-channel")));
    assert_eq!(jerry.json(&["peer", "get", "nas"]), listed[0]);
    let table = jerry.ok(&["peer", "list"]);
    assert!(table.contains("STATUS") || table.contains("status"), "{table}");
    assert!(table.contains("nas") && table.contains("backup-channel"), "{table}");
    assert_eq!(jerry.ok(&["peer", "for-host", "nas.local"]), "nas\n");
    assert_eq!(jerry.json(&["peer", "for-host", "nas.local"])["name"], "nas");
    // Nobody has been there: that is said, and the exit code says it, too.
    let said = told(&jerry, 1, &["check", "nas"]);
    assert!(said.contains("nas") && said.contains("backup-channel"), "{said}");

    let removed = jerry.larder(&["peer", "remove", "nas"]);
    assert!(removed.status.success() && text(&removed.stderr).contains("removed `"));
    assert!(!jerry.path("etc/peers/nas.toml").exists());
    assert_eq!(jerry.json(&["peer", "list"]), json!([]));
}

#[test]
fn what_was_written_is_said_to_programs_too() {
    let jerry = Instance::new("");
    let added = jerry.larder(&[
        "peer",
        "add",
        "nas",
        "backup-channel",
        "hostname=nas",
        "location=main",
        "--format",
        "json",
    ]);
    let said: serde_json::Value = serde_json::from_slice(&added.stdout).unwrap();
    assert_eq!(said["name"], "nas");
    assert_eq!(said["file"], jerry.path("etc/peers/nas.toml").display().to_string());
    assert!(said["toml"].as_str().unwrap().contains("hostname = \"nas\""), "{said}");
}

#[test]
fn nobody_is_found_who_is_not_there_and_that_is_said() {
    let jerry = Instance::new("");
    assert!(told(&jerry, 1, &["get", "nobody"]).contains("there is no peer `nobody`"));
    assert!(told(&jerry, 1, &["check", "nobody"]).contains("there is no peer `nobody`"));
    assert!(told(&jerry, 1, &["remove", "nobody"]).contains("there is no peer `nobody`"));
    let unknown = told(&jerry, 1, &["for-host", "elsewhere"]);
    assert!(unknown.contains("no peer is known as host `elsewhere`"), "{unknown}");
    assert!(unknown.contains("hint: `larder peer add"), "{unknown}");
}

#[test]
fn nothing_is_written_that_would_not_be_valid_and_nothing_is_overwritten() {
    let jerry = Instance::new("");
    let is_refused = |code: i32, words: &[&str], why: &str| {
        let said = told(&jerry, code, words);
        assert!(said.contains(why) && said.contains("hint: "), "{words:?}: {said}");
        assert!(!jerry.path("etc/peers").join(format!("{}.toml", words[1])).exists());
    };
    is_refused(2, &["add", "n s", "backup-channel", "hostname=nas"], "n s");
    is_refused(2, &["add", "nas", "carrier-pigeon"], "carrier-pigeon");
    is_refused(2, &["add", "nas", "backup-channel", "nas.local"], "nas.local");
    is_refused(2, &["add", "nas", "backup-channel"], "needs `hostname`");
    is_refused(2, &["add", "nas", "backup-channel", "hostnam=nas"], "hostname");
    is_refused(1, &["add", "nas", "backup-channel", "hostname=nas", "location=usb"], "`usb`");

    jerry.ok(&["peer", "add", "nas", "backup-channel", "hostname=nas"]);
    let before = std::fs::read(jerry.path("etc/peers/nas.toml")).unwrap();
    let again = told(&jerry, 1, &["add", "nas", "backup-channel", "hostname=other"]);
    assert!(again.contains("there is a file already") && again.contains("hint: "), "{again}");
    assert_eq!(std::fs::read(jerry.path("etc/peers/nas.toml")).unwrap(), before);
}

#[test]
fn what_somebody_else_wrote_or_still_needs_is_not_removed() {
    let jerry = Instance::new("");
    jerry.write(
        "hand.toml",
        "# mine\n[peer.hand]\nkind = \"backup-channel\"\nhostname = \"hand\"\n",
    );
    let said = told(&jerry, 1, &["remove", "hand"]);
    assert!(said.contains("hand.toml:2") && said.contains("did not write"), "{said}");
    assert!(said.contains("hint: remove "), "{said}");
    assert!(jerry.path("etc/hand.toml").exists());

    jerry.ok(&[
        "peer",
        "add",
        "vps",
        "direct-ssh-direct",
        "ssh.host=vps.example.org",
        "ssh.user=backup",
        "ssh.path=/srv/backup/jerry",
    ]);
    jerry.source("src/web/a.txt", b"a");
    jerry.write(
        "web.toml",
        "[job.web]\ntype = \"custom_dir\"\nsource_path = \"../src/web\"\nsend_to = [\"vps\"]\n",
    );
    let said = told(&jerry, 1, &["remove", "vps"]);
    assert!(said.contains("peer `vps` is still needed") && said.contains("web.toml"), "{said}");
    assert!(jerry.path("etc/peers/vps.toml").exists());
}
