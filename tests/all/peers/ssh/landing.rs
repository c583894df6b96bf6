//! Archives that are large land by rsync at another instance, and nothing else does.

use serde_json::{Value, json};

use super::*;
use crate::peers::http::{Body, Request};
use crate::peers::member::Member;
use crate::peers::world::{Terms, World};
use crate::support::wait_for;
use crate::walk::instance::binary;

/// Lets in the key as a peer of tom's, for nothing but handing over uploads.
fn let_in(sshd: &Sshd, tom: &Member, peer: &str) {
    let etc = tom.path("etc");
    sshd.authorize(&format!(
        "restrict,command=\"{} --config {} receive {peer}\" {}",
        binary(),
        etc.display(),
        sshd.public_key()
    ));
}

/// What jerry writes of tom.
fn by_rsync(sshd: &Sshd) -> Terms {
    let ssh = sshd.toml(Path::new("/unused"), "");
    Terms::peer(format!("rsync_above = '10 KiB'\nssh = {ssh}"))
}

fn arrived(tom: &Member) -> Vec<String> {
    let mut names = tom.keeps_for("jerry");
    names.retain(|name| name.strip_suffix(".tar").is_some());
    names
}

/// What is left where files of uploads land.
fn landings(tom: &Member) -> usize {
    let dir = tom.path("received/jerry/.landing");
    std::fs::read_dir(dir).map_or(0, Iterator::count)
}

#[test]
fn a_large_archive_goes_by_rsync_and_is_published_like_any_other() {
    let sshd = sshd_or_skip!();
    let world = World::of(&["jerry", "tom"]);
    let [jerry, tom] = world.members() else { panic!() };
    let_in(&sshd, tom, "jerry");
    world.pair_with(("jerry", by_rsync(&sshd)), ("tom", Terms::default()));
    jerry.tree("src/web", 5, 100_000);
    jerry.job("web", "send_to = ['tom']");
    wait_for("the archive arrived", || !arrived(tom).is_empty());
    let name = &arrived(tom)[0];
    let here = std::fs::read(jerry.path("archives").join(name)).unwrap();
    assert_eq!(std::fs::read(tom.path("received/jerry").join(name)).unwrap(), here);
    assert!(tom.log().contains("an upload came by rsync"), "{}", tom.log());
    let mode = tom.path("received/jerry").join(name).metadata().unwrap().permissions().mode();
    assert_eq!(mode & 0o7177, 0);
    assert_eq!(landings(tom), 0);
}

#[test]
fn where_ssh_fails_an_archive_goes_over_https() {
    let sshd = sshd_or_skip!();
    let world = World::of(&["jerry", "tom"]);
    let [jerry, tom] = world.members() else { panic!() };
    sshd.authorize("");
    world.pair_with(("jerry", by_rsync(&sshd)), ("tom", Terms::default()));
    jerry.tree("src/web", 5, 100_000);
    jerry.job("web", "send_to = ['tom']");
    wait_for("the archive arrived", || !arrived(tom).is_empty());
    assert!(!tom.log().contains("an upload came by rsync"));
    jerry.settled();
    let runs = jerry.runs();
    let sent = runs.iter().find(|run| run["kind"] == "send").unwrap();
    let log = jerry.ok(&["log", &sent["id"].to_string()]);
    assert!(log.contains("rsync over SSH failed, sending over HTTPS"), "{log}");
    assert!(log.contains("does not let our key in"), "{log}");
}

fn begin(jerry: &Member, tom: &Member, name: &str, bytes: &[u8]) -> String {
    let token = jerry.token_for(tom.name());
    let start = json!({
        "filename": name,
        "total_size": bytes.len(),
        "checksum": sample::sha256(bytes).to_string(),
    });
    let request = Request::post("/api/v1/archives/upload/start", Body::Json(&start));
    tom.ask(&request.with_token(&token)).ok(201)["upload_id"].as_str().unwrap().to_owned()
}

fn finish(jerry: &Member, tom: &Member, upload: &str) -> (u16, Value) {
    let token = jerry.token_for(tom.name());
    let path = format!("/api/v1/archives/upload/{upload}/finish");
    let answer = tom.ask(&Request::post(&path, Body::Empty).with_token(&token));
    (answer.status, serde_json::from_str(&answer.text()).unwrap())
}

/// Whether rsync handed over these files.
fn hand_over(sshd: &Sshd, files: &[&Path], upload: &str, more: &[&str]) -> (bool, String) {
    let out = sshd
        .rsync()
        .args(["-t", "--ignore-times"])
        .args(more)
        .args(files)
        .arg(format!("{}:{upload}", sshd.target()))
        .output()
        .unwrap();
    (out.status.success(), String::from_utf8_lossy(&out.stderr).into_owned())
}

#[test]
fn only_what_was_announced_lands_and_only_for_the_peer_of_the_key() {
    let sshd = sshd_or_skip!();
    let world = World::of(&["jerry", "tom", "bob"]);
    world.pair("jerry", "tom");
    world.pair("bob", "tom");
    let [jerry, tom, bob] = world.members() else { panic!() };
    let_in(&sshd, tom, "jerry");
    let files = dir();
    let file = |name: &str, seed: u8, bytes: usize| {
        let path = files.path().join(name);
        std::fs::write(&path, sample::content(seed, bytes)).unwrap();
        path
    };
    let right = file("right", 1, 300_000);
    let bytes = std::fs::read(&right).unwrap();

    // Nothing but an upload of its own that is open.
    let of_bob = begin(bob, tom, "bob.tar", &bytes);
    let unknown = uuid::Uuid::from_u128(7).to_string();
    for upload in [&*of_bob, &*unknown, ".", "", "/tmp/x", "../x", "received"] {
        let (went_well, said) = hand_over(&sshd, &[&right], upload, &[]);
        assert!(!went_well && said.contains("larder receive: refused"), "{upload}: {said}");
    }
    let upload = begin(jerry, tom, "one.tar", &bytes);
    for command in [
        String::new(),
        "sh".to_owned(),
        "id".to_owned(),
        format!("rsync --server --sender -te.LsfxCIvu . {upload}"),
        format!("rsync --server -te.LsfxCIvu --delete . {upload}"),
        format!("rsync --server -te.LsfxCIvu --inplace . {upload}"),
        format!("rsync --server -te.LsfxCIvu --append . {upload}"),
        format!("rsync --server -te.LsfxCIvu --backup . {upload}"),
        format!("rsync --server -te.LsfxCIvu --remove-source-files . {upload}"),
        format!("rsync --server -te.LsfxCIvu --log-file=/tmp/x . {upload}"),
        format!("rsync --server -te.LsfxCIvu --temp-dir=/tmp . {upload}"),
        format!("rsync --server -te.LsfxCIvu --partial-dir /tmp . {upload}"),
        format!("rsync --server -lte.LsfxCIvu . {upload}"),
        format!("rsync --server -rte.LsfxCIvu . {upload}"),
        format!("rsync --server -te.LsfxCIvu . {upload}/.."),
        format!("rsync --server -te.LsfxCIvu . {upload} /etc"),
        format!("rsync --server -te.LsfxCIvu . {upload}; id"),
        format!("rsync --server -te.LsfxCIvu . {upload} && id"),
        format!("rsync --server -te.LsfxCIvu . $(id){upload}"),
        "/usr/lib/openssh/sftp-server".to_owned(),
    ] {
        let out = sshd.ssh().arg(&command).output().unwrap();
        let said = String::from_utf8_lossy(&out.stderr);
        assert!(!out.status.success(), "{command:?} was done");
        assert!(out.stdout.is_empty() && said.contains("larder receive"), "{command:?}: {said}");
    }
    // Two files have no place, nor has a folder, nor one that is longer than it was announced.
    let (went_well, said) = hand_over(&sshd, &[&right, &file("other", 2, 10)], &upload, &[]);
    assert!(!went_well, "{said}");
    let (went_well, said) = hand_over(&sshd, &[files.path()], &upload, &["-r"]);
    assert!(!went_well, "{said}");
    hand_over(&sshd, &[&file("long", 3, 600_000)], &upload, &[]);
    assert_eq!(finish(jerry, tom, &upload).0, 409);
    assert_eq!(finish(jerry, tom, &of_bob).0, 404);
    assert!(arrived(tom).is_empty());

    // Over a restart of the daemon.
    let (went_well, said) =
        hand_over(&sshd, &[&right], &upload, &["--partial-dir=.larder-partial"]);
    assert!(went_well, "{said}");
    assert!(arrived(tom).is_empty());
    tom.restart();
    let (status, answer) = finish(jerry, tom, &upload);
    assert_eq!((status, &answer["archive"]), (200, &json!("one")), "{answer}");
    assert_eq!(finish(jerry, tom, &upload).0, 200);
    assert_eq!(std::fs::read(tom.path("received/jerry/one.tar")).unwrap(), bytes);
    let (went_well, said) = hand_over(&sshd, &[&right], &upload, &[]);
    assert!(!went_well && said.contains("finished"), "{said}");

    // What is not what was announced is not seen, and nothing of it is left.
    let other = begin(jerry, tom, "two.tar", &bytes);
    let (went_well, said) = hand_over(&sshd, &[&file("wrong", 4, 300_000)], &other, &[]);
    assert!(went_well, "{said}");
    assert_eq!(finish(jerry, tom, &other).0, 422);
    assert_eq!(arrived(tom), ["one.tar"]);
    assert_eq!(landings(tom), 0);

    // Nor of what is abandoned.
    let third = begin(jerry, tom, "three.tar", &bytes);
    let (went_well, said) = hand_over(&sshd, &[&right], &third, &[]);
    assert!(went_well, "{said}");
    assert_eq!(landings(tom), 1);
    let token = jerry.token_for("tom");
    let path = format!("/api/v1/archives/upload/{third}");
    let abandon = Request { method: "DELETE", ..Request::get(&path) };
    assert_eq!(tom.ask(&abandon.with_token(&token)).status, 204);
    assert_eq!(landings(tom), 0);
}

#[test]
fn what_was_cut_goes_on_at_another_instance_too() {
    use crate::peers::wire::Wire;

    let sshd = sshd_or_skip!();
    let world = World::of(&["jerry", "tom"]);
    world.pair("jerry", "tom");
    let [jerry, tom] = world.members() else { panic!() };
    let_in(&sshd, tom, "jerry");
    let files = dir();
    let path = files.path().join("big");
    std::fs::write(&path, sample::content(1, 32 << 20)).unwrap();
    let upload = begin(jerry, tom, "big.tar", &std::fs::read(&path).unwrap());
    let wire = Wire::between(sshd.home(), sshd.address());
    let access = Access {
        host: sshd.home().ip().to_string(),
        port: wire.address().port(),
        user: Sshd::user(),
        path: None,
        identity: Some(sshd.identity()),
        known_hosts: Some(sshd.known_hosts().display().to_string()),
        relay: None,
    };
    let slow = Peer { bandwidth: Some(Bytes(8 << 20)), ..peer(access) };
    let ssh = Ssh::open(&slow, files.path()).unwrap();
    let (stop, progress) = (Stop::new(), Progress::new());
    std::thread::scope(|scope| {
        let sending = scope.spawn(|| ssh.land(&path, &upload, &stop, &progress));
        wait_for("a part arrived", || progress.snapshot().bytes > 4 << 20);
        wire.cut();
        assert!(sending.join().unwrap().unwrap_err().is_offline());
    });
    let partial = tom.path(&format!("received/jerry/.landing/tom@{upload}/.larder-partial/landed"));
    wait_for("what arrived is kept", || partial.exists());
    let fast = Ssh::open(&Peer { bandwidth: None, ..slow }, files.path()).unwrap();
    // rsync there may be on its way out.
    wait_for("it goes on", || fast.land(&path, &upload, &stop, &progress).is_ok());
    assert!(!partial.exists());
    assert_eq!(finish(jerry, tom, &upload).0, 200);
}
