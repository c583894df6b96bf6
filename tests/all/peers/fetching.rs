//! Archives that an instance takes from another, which need not reach it; and archives that are
//! whole again because somebody else holds them.

use serde_json::{Value, json};

use super::http::{Body, Request};
use super::member::Member;
use super::world::{Terms, World};

/// How `vault` takes the archives of `web` of `jerry`, who cannot reach it.
const TAKES: &str = "fetch_from = ['web']";

/// `jerry` with jobs, and `vault` that fetches one of them and has no address for `jerry`.
fn vault() -> World {
    let world = World::of(&["jerry", "vault"]);
    world.pair_with(("jerry", Terms::default()), ("vault", Terms::peer(TAKES)));
    let jerry = world.instance("jerry");
    // It comes to us, and is never asked.
    let text = std::fs::read_to_string(jerry.path("etc/peers/vault.toml")).unwrap();
    let without: Vec<&str> = text
        .lines()
        .filter(|line| {
            !["url", "ca", "token ", "[peer.vault.token]", "file"]
                .iter()
                .any(|key| line.starts_with(key))
        })
        .collect();
    jerry.write("peers/vault.toml", &without.join("\n"));
    world
}

fn archives(member: &Member, query: &str) -> Vec<Value> {
    let path = format!("/api/v1/archives?{query}");
    member.control_get(&path).as_array().unwrap().clone()
}

/// Has a peer asked at once.
fn check(member: &Member, peer: &str) {
    let path = format!("/api/v1/peers/{peer}/check");
    let answer = member.control(&Request::post(&path, Body::Empty));
    assert!(answer.status < 300, "{}", answer.text());
}

fn run(member: &Member, job: &str) {
    let path = format!("/api/v1/jobs/{job}/run");
    member.control(&Request::post(&path, Body::Empty)).ok(202);
    member.settled();
}

#[test]
fn a_vault_takes_what_is_for_it_and_nothing_else_from_one_that_cannot_reach_it() {
    let world = vault();
    let (jerry, vault) = (world.instance("jerry"), world.instance("vault"));
    jerry.job("web", "send_to = ['vault']\nprotect = { copies = 2 }");
    jerry.job("secret", "");
    jerry.settled();
    check(vault, "jerry");
    vault.wait("the archive is fetched", || vault.keeps_for("jerry").len() == 3);
    vault.settled();
    let taken = archives(vault, "location=received/jerry");
    assert_eq!(taken.len(), 1);
    assert_eq!((&taken[0]["job"], &taken[0]["how"]), (&json!("web"), &json!("received")));
    let origin = &archives(jerry, "job=web")[0];
    assert_eq!((&taken[0]["id"], &taken[0]["sha256"]), (&origin["id"], &origin["sha256"]));
    let name = taken[0]["file_name"].as_str().unwrap();
    let (there, here) = (
        std::fs::read(jerry.path("archives").join(name)).unwrap(),
        std::fs::read(vault.path("received/jerry").join(name)).unwrap(),
    );
    assert!(there == here);
    // What its token does not let it see is not there.
    let key = vault.token_for("jerry");
    let listed = jerry.get("/api/v1/archives", &*key).ok(200);
    assert_eq!(listed.as_array().unwrap().len(), 1, "{listed}");
    let secret = archives(jerry, "job=secret")[0]["id"].as_str().unwrap().to_owned();
    for what in ["info", "download", "description"] {
        let path = format!("/api/v1/archives/{secret}/{what}");
        assert_eq!(jerry.get(&path, &*key).status, 404, "{what}");
    }
    // It counts as a copy there.
    jerry.wait("the copy is known", || {
        jerry.control_get("/api/v1/jobs/web")["verdict"]["verdict"] == "protected"
    });
    // And goes on: the next one is taken as well.
    run(jerry, "web");
    check(vault, "jerry");
    vault.wait("the second archive is fetched", || vault.keeps_for("jerry").len() == 6);
}

#[test]
fn a_vault_that_ends_while_it_fetches_goes_on_where_it_stopped() {
    let world = vault();
    let (jerry, vault) = (world.instance("jerry"), world.instance("vault"));
    jerry.tree("src/web", 60, 2 << 20);
    // Two chunks and a bit, at a pace at which the first one can be seen.
    let slow = std::fs::read_to_string(vault.path("etc/peers/jerry.toml")).unwrap();
    let paced = slow.replacen("fetch_from", "bandwidth = '40 MiB'\nfetch_from", 1);
    vault.write("peers/jerry.toml", &paced);
    jerry.job("web", "send_to = ['vault']");
    jerry.settled();
    check(vault, "jerry");
    vault.wait("the first chunk is here", || {
        let runs = vault.control_get("/api/v1/runs?kind=fetch");
        let bytes = runs[0]["progress"]["bytes"].as_u64().unwrap_or(0);
        bytes > 50 << 20
    });
    // What a crash broke off rests for a minute.
    if crate::support::full() {
        vault.kill();
    } else {
        vault.stop();
    }
    assert_eq!(vault.keeps_for("jerry"), Vec::<String>::new());
    vault.start();
    for _ in 0..5 {
        check(vault, "jerry");
        let begun = std::time::Instant::now();
        crate::support::wait_for("the archive is fetched", || {
            vault.keeps_for("jerry").len() == 3 || begun.elapsed().as_secs() > 20
        });
    }
    assert_eq!(vault.keeps_for("jerry").len(), 3);
    vault.settled();
    let runs = vault.control_get("/api/v1/runs?kind=fetch&status=success");
    let id = runs[0]["id"].as_u64().unwrap();
    let log = vault.control(&Request::get(&format!("/api/v1/runs/{id}/log"))).text();
    assert!(log.contains("chunks are there") && !log.contains(": 0 chunks"), "{log}");
    let taken = archives(vault, "location=received/jerry");
    assert_eq!(taken[0]["sha256"], archives(jerry, "job=web")[0]["sha256"]);
}

/// What is told of a fetch that went well.
pub(super) fn fetched(member: &Member, arguments: &[&str]) -> String {
    let done = member.larder(arguments);
    let said = crate::walk::instance::text(&done.stderr);
    assert!(done.status.success(), "{said}");
    said
}

/// A location in which nothing waits in the trash.
pub(super) const SHORT: &str =
    "[location.short]\npath = \"../short\"\nmin_free = \"1 MiB\"\ntrash = \"0s\"\n";

/// Changes a byte of a file in its middle.
pub(super) fn corrupt(path: &std::path::Path) {
    use std::os::unix::fs::FileExt as _;
    let file = std::fs::File::options().read(true).write(true).open(path).unwrap();
    let at = file.metadata().unwrap().len() / 2;
    let mut byte = [0];
    file.read_exact_at(&mut byte, at).unwrap();
    file.write_all_at(&[byte[0] ^ 1], at).unwrap();
}

/// Corrupts an archive of a member and has it verified; it is whole again when this returns.
fn is_repaired(member: &Member, location: &str, dir: &str) {
    let archive = archives(member, &format!("location={location}"))[0].clone();
    let path = member.path(dir).join(archive["file_name"].as_str().unwrap());
    let before = std::fs::read(&path).unwrap();
    corrupt(&path);
    assert!(std::fs::read(&path).unwrap() != before);
    let id = archive["id"].as_str().unwrap();
    let verify = format!("/api/v1/archives/{id}/verify?location={location}");
    member.control(&Request::post(&verify, Body::Empty)).ok(202);
    member.wait("the archive is whole again", || std::fs::read(&path).unwrap() == before);
    member.settled();
    let after = archives(member, &format!("location={location}"))[0].clone();
    assert_eq!((&after["condition"], &after["good"]), (&json!("present"), &json!(true)));
    let runs = member.control_get("/api/v1/runs?kind=fetch&status=success");
    let told = runs[0]["summary"].as_str().or(runs[0]["log_text"].as_str()).unwrap_or_default();
    assert!(told.contains("repaired"), "{runs}");
    assert!(member.log().contains("whole again"), "{}", member.log());
    // The damaged file can be looked at for a while.
    let aside = path.parent().unwrap().join(".larder-trash");
    let aside = std::fs::read_dir(aside).unwrap().map(|entry| entry.unwrap().file_name());
    assert!(aside.into_iter().any(|name| name.to_str().unwrap().ends_with(".damaged")));
}

#[test]
fn an_archive_that_is_found_damaged_is_fetched_again_from_who_holds_it() {
    let world = World::of(&["jerry", "tom"]);
    world.pair("jerry", "tom");
    let (jerry, tom) = (world.instance("jerry"), world.instance("tom"));
    jerry.job("web", "send_to = ['tom']");
    jerry.wait("the copy is sent", || tom.keeps_for("jerry").len() == 3);
    jerry.settled();
    check(jerry, "tom");
    is_repaired(jerry, "main", "archives");
}

#[test]
fn a_pin_that_is_set_while_a_repair_fetches_stays() {
    let world = World::of(&["jerry", "tom"]);
    world.pair("jerry", "tom");
    let (jerry, tom) = (world.instance("jerry"), world.instance("tom"));
    jerry.tree("src/web", 60, 1 << 20);
    jerry.job("web", "send_to = ['tom']");
    jerry.wait("the copy is sent", || tom.keeps_for("jerry").len() == 3);
    jerry.settled();
    check(jerry, "tom");
    let config = std::fs::read_to_string(jerry.path("etc/peers/tom.toml")).unwrap();
    let paced = config.replacen("[peer.tom]\n", "[peer.tom]\nbandwidth = '20 MiB'\n", 1);
    assert!(paced != config, "{config}");
    jerry.write("peers/tom.toml", &paced);
    let archive = archives(jerry, "location=main&job=web")[0].clone();
    corrupt(&jerry.path("archives").join(archive["file_name"].as_str().unwrap()));
    let post = |what: &str| {
        let id = archive["id"].as_str().unwrap();
        let path = format!("/api/v1/archives/{id}/{what}?location=main");
        jerry.control(&Request::post(&path, Body::Empty))
    };
    post("verify").ok(202);
    jerry.wait("it is being fetched", || {
        let runs = jerry.control_get("/api/v1/runs?kind=fetch");
        runs[0]["progress"]["bytes"].as_u64().unwrap_or(0) > 0
    });
    post("pin").ok(200);
    let mut during = Value::Null;
    jerry.wait("the pin is seen", || {
        during = archives(jerry, "location=main&job=web")[0].clone();
        during["pinned"] == true
    });
    assert_eq!(during["condition"], "corrupt");
    jerry.wait("the archive is whole again", || {
        archives(jerry, "location=main&job=web")[0]["condition"] == "present"
    });
    assert_eq!(archives(jerry, "location=main&job=web")[0]["pinned"], true);
    let sidecar =
        jerry.path("archives").join(format!("{}.larder.json", archive["name"].as_str().unwrap()));
    let sidecar: Value = serde_json::from_slice(&std::fs::read(sidecar).unwrap()).unwrap();
    assert_eq!(sidecar["pinned"], true);
}

#[test]
fn a_received_archive_that_is_found_damaged_is_fetched_again_from_its_sender() {
    let world = World::of(&["jerry", "tom"]);
    world.pair("jerry", "tom");
    let (jerry, tom) = (world.instance("jerry"), world.instance("tom"));
    jerry.job("web", "send_to = ['tom']");
    jerry.wait("the copy is sent", || tom.keeps_for("jerry").len() == 3);
    check(tom, "jerry");
    is_repaired(tom, "received/jerry", "received/jerry");
}

#[test]
fn an_archive_that_somebody_removed_comes_back_from_who_holds_it() {
    let world = World::of(&["jerry", "tom"]);
    world.pair("jerry", "tom");
    let (jerry, tom) = (world.instance("jerry"), world.instance("tom"));
    jerry.job("web", "send_to = ['tom']");
    jerry.wait("the copy is sent", || tom.keeps_for("jerry").len() == 3);
    jerry.settled();
    let archive = archives(jerry, "job=web")[0].clone();
    let path = jerry.path("archives").join(archive["file_name"].as_str().unwrap());
    let before = std::fs::read(&path).unwrap();
    jerry.stop();
    std::fs::remove_file(&path).unwrap();
    jerry.start();
    jerry.wait("it is back", || std::fs::read(&path).is_ok_and(|now| now == before));
    jerry.settled();
    assert_eq!(archives(jerry, "job=web")[0]["condition"], "present");
}

#[test]
fn a_damaged_copy_in_another_encoding_is_made_anew_from_the_plain_stream_of_a_peer() {
    let world = World::of(&["jerry", "tom"]);
    world.pair("jerry", "tom");
    let (jerry, tom) = (world.instance("jerry"), world.instance("tom"));
    let usb = "[location.usb]\npath = \"../usb\"\nmin_free = \"1 MiB\"\ncompress = \"zstd\"\n";
    jerry.write("usb.toml", usb);
    jerry.job("web", "send_to = ['tom', 'usb']");
    jerry.wait("the copies are there", || {
        tom.keeps_for("jerry").len() == 3 && archives(jerry, "location=usb").len() == 1
    });
    jerry.settled();
    check(jerry, "tom");
    let (here, there) = (&archives(jerry, "location=usb")[0], &archives(tom, "job=web")[0]);
    assert!(here["sha256"] != there["sha256"], "{here} {there}");
    assert_eq!(here["stream_sha256"], there["stream_sha256"]);
    // While the good copy of this host cannot be reached.
    std::fs::rename(jerry.path("archives"), jerry.path("away")).unwrap();
    is_repaired(jerry, "usb", "usb");
}

#[test]
fn a_copy_that_claims_to_be_the_archive_and_is_not_takes_its_place_nowhere() {
    let world = World::of(&["jerry", "tom"]);
    world.pair("jerry", "tom");
    let (jerry, tom) = (world.instance("jerry"), world.instance("tom"));
    jerry.job("web", "send_to = ['tom']");
    jerry.wait("the copy is sent", || tom.keeps_for("jerry").len() == 3);
    jerry.settled();
    let archive = archives(jerry, "job=web")[0].clone();
    let name = archive["name"].as_str().unwrap();

    // Whoever has tom's disk: another file, and a description in which everything fits together but
    // the plain stream, which nobody can make to fit.
    tom.stop();
    let tar = tom.path(&format!("received/jerry/{name}.tar"));
    let sidecar = tom.path(&format!("received/jerry/{name}.larder.json"));
    corrupt(&tar);
    let forged = crate::support::sample::sha256(&std::fs::read(&tar).unwrap()).to_string();
    let mut told: Value = serde_json::from_slice(&std::fs::read(&sidecar).unwrap()).unwrap();
    told["file_sha256"] = json!(forged);
    std::fs::write(&sidecar, told.to_string()).unwrap();
    tom.start();
    check(jerry, "tom");

    let path = jerry.path(&format!("archives/{name}.tar"));
    corrupt(&path);
    let damaged = std::fs::read(&path).unwrap();
    let id = archive["id"].as_str().unwrap();
    let verify = format!("/api/v1/archives/{id}/verify?location=main");
    jerry.control(&Request::post(&verify, Body::Empty)).ok(202);
    let mut run = Value::Null;
    jerry.wait("the forged copy is refused", || {
        run = jerry.control_get("/api/v1/runs?kind=fetch")[0].clone();
        run["status"] == "error"
    });
    let log = jerry.control(&Request::get(&format!("/api/v1/runs/{}/log", run["id"]))).text();
    assert!(log.contains(name), "{log}");
    assert!(std::fs::read(&path).unwrap() == damaged, "what is damaged was left alone");
    assert_eq!(archives(jerry, "job=web")[0]["condition"], "corrupt");
    let hidden = std::fs::read_dir(jerry.path("archives/.incoming"));
    assert_eq!(hidden.map_or(0, Iterator::count), 0, "nothing is left of what came");
}

#[test]
fn an_archive_that_rests_at_a_peer_alone_is_brought_by_what_the_refusal_says() {
    let world = vault();
    let (jerry, vault) = (world.instance("jerry"), world.instance("vault"));
    // Offered to the vault, which does not take it.
    jerry.job("db", "send_to = ['vault']");
    jerry.settled();
    check(vault, "jerry");
    let restore = ["restore", "db@latest", "--from", "jerry", "--to", "/nowhere", "--yes"];
    let said = vault.fails(1, &restore);
    assert!(said.contains("rests at `jerry` alone"), "{said}");
    assert!(said.contains("write `fetch_from = [\"db\"]` into `[peer.jerry]`"), "{said}");
    assert!(
        said.contains("peers/jerry.toml:") && said.contains("`larder peer check jerry`"),
        "{said}"
    );

    let table = std::fs::read_to_string(vault.path("etc/peers/jerry.toml")).unwrap();
    let taking = table.replacen("[\"web\"]", "[\"db\"]", 1);
    assert!(taking != table, "{table}");
    vault.write("peers/jerry.toml", &taking);
    vault.ok(&["peer", "check", "jerry"]);
    vault.wait("the archive is fetched", || vault.keeps_for("jerry").len() == 3);
    vault.settled();
    let out = vault.path("out");
    vault.ok(&["restore", "db@latest", "--from", "jerry", "--to", out.to_str().unwrap(), "--yes"]);
    let same = format!("diff -r $(find {} -name 0.bin -printf %h) src/db", out.display());
    crate::walk::instance::sh(&same, &jerry.path(""));
}

#[test]
fn an_archive_of_ours_that_a_peer_keeps_alone_is_fetched_to_where_it_is_wanted() {
    let world = World::of(&["jerry", "tom"]);
    world.pair("jerry", "tom");
    let (jerry, tom) = (world.instance("jerry"), world.instance("tom"));
    let packed =
        "[location.packed]\npath = \"../packed\"\nmin_free = \"1 MiB\"\ncompress = \"zstd\"\n";
    jerry.write("places.toml", &format!("{SHORT}{packed}"));
    jerry.job("web", "location = 'short'\nsend_to = ['tom']");
    jerry.wait("the first copy is sent", || tom.keeps_for("jerry").len() == 3);
    jerry.settled();
    let older = archives(jerry, "job=web")[0].clone();
    let name = older["name"].as_str().unwrap();
    run(jerry, "web");
    jerry.wait("the second copy is sent", || tom.keeps_for("jerry").len() == 6);
    jerry.settled();
    check(jerry, "tom");

    let said = jerry.fails(1, &["archive", "fetch", name]);
    assert!(said.contains("is there already: at `short`"), "{said}");
    jerry.ok(&["archive", "delete", name, "--yes"]);
    jerry.settled();
    assert_eq!(archives(jerry, "job=web").len(), 1);
    let said = jerry.fails(1, &["archive", "fetch", name, "--from", "tam"]);
    assert!(said.contains("there is no peer `tam`"), "{said}");
    let said = jerry.fails(1, &["archive", "fetch", name, "--to", "nowhere"]);
    assert!(said.contains("there is no location `nowhere`"), "{said}");
    let said = jerry.fails(1, &["archive", "fetch", "web@1999-01-01"]);
    assert!(said.contains("no peer is known to hold an archive `web@1999-01-01`"), "{said}");

    let said = fetched(jerry, &["archive", "fetch", name, "--to", "packed"]);
    assert!(said.contains(&format!("fetch {name} from tom to packed")), "{said}");
    assert!(said.contains("it is pinned"), "{said}");
    let came = archives(jerry, "location=packed")[0].clone();
    assert_eq!((&came["id"], &came["name"]), (&older["id"], &older["name"]));
    assert_eq!(came["stream_sha256"], older["stream_sha256"]);
    assert_eq!((&came["pinned"], &came["condition"]), (&json!(true), &json!("present")));
    let plain = format!("zstd -dc packed/{name}.tar.zst | sha256sum");
    let plain = crate::walk::instance::sh(&plain, &jerry.path(""));
    assert!(plain.starts_with(older["stream_sha256"].as_str().unwrap()), "{plain}");
    assert_eq!(std::fs::read_dir(jerry.path("packed/.incoming")).map_or(0, Iterator::count), 0);
    // What its retention let go is not sent again, nor let go again.
    jerry.settled();
    assert_eq!(tom.keeps_for("jerry").len(), 6);
    assert_eq!(archives(jerry, "job=web").len(), 2);
}
