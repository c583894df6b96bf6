//! Two instances that pair with a code, and a burned one that comes back with one.

use std::os::unix::fs::PermissionsExt as _;
use std::process::Stdio;

use serde_json::{Value, json};

use super::http::{Body, Request};
use super::member::Member;
use super::world::World;
use crate::walk::instance::text;

/// A code, without waiting for anybody.
fn code(member: &Member, arguments: &[&str]) -> String {
    let mut all = vec!["peer", "invite", "--no-wait"];
    all.extend(arguments);
    member.ok(&all).trim().to_owned()
}

/// Waits until the daemon has what is written in force.
fn known(member: &Member, peer: &str) {
    member.wait("the peer is known", || {
        let peers = member.control_get("/api/v1/peers");
        peers.as_array().unwrap().iter().any(|one| one["name"] == peer)
    });
}

fn mode(member: &Member, file: &str) -> u32 {
    std::fs::metadata(member.path(file)).unwrap().permissions().mode() & 0o777
}

fn secret(member: &Member, peer: &str) -> String {
    let file = member.path(&format!("etc/secrets/peer-{peer}"));
    std::fs::read_to_string(file).unwrap().trim().to_owned()
}

/// Stores an archive of a member at another with a token, as a client of the protocol does.
fn upload(from: &Member, to: &Member, token: &str, name: &str) {
    let content = std::fs::read(from.path(&format!("archives/{name}.tar"))).unwrap();
    let told = std::fs::read(from.path(&format!("archives/{name}.larder.json"))).unwrap();
    let told: Value = serde_json::from_slice(&told).unwrap();
    let start = json!({
        "filename": format!("{name}.tar"),
        "total_size": content.len(),
        "chunk_size": content.len().max(1 << 20),
        "checksum": crate::support::sample::sha256(&content).to_string(),
        "info": told,
    });
    let post = |path: &str, body: Body<'_>| to.ask(&Request::post(path, body).with_token(token));
    let started = post("/api/v1/archives/upload/start", Body::Json(&start)).ok(201);
    let id = started["upload_id"].as_str().unwrap().to_owned();
    let chunk = post(&format!("/api/v1/archives/upload/{id}/chunk/0"), Body::Bytes(&content));
    assert!(chunk.status < 300, "{}", chunk.text());
    let finished = post(&format!("/api/v1/archives/upload/{id}/finish"), Body::Empty);
    assert!(finished.status < 300, "{}", finished.text());
}

#[test]
fn a_code_pairs_two_instances_once_and_both_write_what_is_valid() {
    let world = World::of(&["jerry", "tom"]);
    let (jerry, tom) = (world.instance("jerry"), world.instance("tom"));
    let code = code(jerry, &["tom", "--write"]);
    let output = tom.larder(&["peer", "accept", &code, "--write"]);
    let (said, told) = (text(&output.stdout), text(&output.stderr));
    assert!(output.status.success(), "{told}");
    // What it tells somebody to write is taken.
    assert!(
        told.contains("`send_to = [\"jerry\"]` in a job") && !told.contains("defaults"),
        "{told}"
    );
    assert!(!said.contains("larder_"), "a token that is in its file is not printed: {said}");
    known(jerry, "tom");
    known(tom, "jerry");
    for (one, other) in [(jerry, "tom"), (tom, "jerry")] {
        one.ok(&["check"]);
        assert_eq!(mode(one, &format!("etc/secrets/peer-{other}")), 0o600);
        assert_eq!(mode(one, &format!("etc/peers/{other}.toml")), 0o640);
        let got: Value = one.json(&["peer", "get", other]);
        assert_eq!(got["kind"], "instance");
    }
    // Each opens the other's name space with what it was given, and only there.
    let (toms, jerrys) = (secret(tom, "jerry"), secret(jerry, "tom"));
    jerry.get("/api/v1/archives", toms.as_str()).ok(200);
    tom.get("/api/v1/archives", jerrys.as_str()).ok(200);
    assert_eq!(tom.get("/api/v1/archives", toms.as_str()).status, 401);
    tom.job("web", "");
    tom.ok(&["run", "web"]);
    let name = tom.tars().iter().find(|tar| tar.contains("web")).unwrap().replace(".tar", "");
    upload(tom, jerry, &toms, &name);
    let held = jerry.control_get("/api/v1/archives");
    let held = held.as_array().unwrap().iter().find(|one| one["name"] == *name).unwrap().clone();
    assert_eq!(
        (held["location"].as_str(), held["peer"].as_str()),
        (Some("received/tom"), Some("tom"))
    );
    assert_eq!(jerry.ok(&["peer", "for-host", "TOM"]), "tom\n");

    let again = tom.fails(1, &["peer", "accept", &code, "--as", "again"]);
    assert!(again.contains("used already"), "{again}");
    // What was written here is removed again, with its secret.
    jerry.ok(&["peer", "remove", "tom"]);
    assert!(!jerry.path("etc/peers/tom.toml").exists());
    assert!(!jerry.path("etc/secrets/peer-tom").exists());
}

#[test]
fn without_write_both_sides_print_what_to_commit_and_whoever_invites_waits() {
    let world = World::of(&["jerry", "tom"]);
    let (jerry, tom) = (world.instance("jerry"), world.instance("tom"));
    let mut invite = jerry.command(&["peer", "invite", "tom"]);
    let mut invite = invite.stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
    let mut lines = std::io::BufRead::lines(std::io::BufReader::new(invite.stdout.take().unwrap()));
    let code = lines.next().unwrap().unwrap();
    let toms = tom.ok(&["peer", "accept", &code]);
    let jerrys: String = lines.map(|line| line.unwrap() + "\n").collect();
    assert!(invite.wait().unwrap().success());
    for (member, toml, other) in [(jerry, &jerrys, "tom"), (tom, &toms, "jerry")] {
        assert!(toml.contains(&format!("[peer.{other}.accept]")), "{toml}");
        assert!(toml.contains("# larder_") && toml.contains("token_hash = \"sha256:"), "{toml}");
        assert!(!member.path(&format!("etc/peers/{other}.toml")).exists());
        member.write(&format!("peers/{other}.toml"), toml);
    }
    // Nobody finds the token here any more.
    assert_eq!(jerry.control_get("/api/v1/invitations"), json!([]));
}

#[test]
fn a_code_that_is_wrong_expired_or_taken_back_is_refused_alike() {
    let world = World::of(&["jerry", "tom"]);
    let (jerry, tom) = (world.instance("jerry"), world.instance("tom"));
    let offer = |secret: &str| {
        let offer = json!({ "secret": secret, "instance": "tom" });
        let answer = jerry.ask(&Request::post("/api/v1/pairing", Body::Json(&offer)));
        (answer.status, answer.text())
    };
    let nobody = offer(&"0".repeat(64));
    assert_eq!(nobody.0, 401, "{}", nobody.1);
    let taken_back = code(jerry, &["tom"]);
    jerry.ok(&["peer", "invite", "tom", "--revoke"]);
    assert!(tom.fails(1, &["peer", "accept", &taken_back]).contains("401"));
    assert_eq!(offer("no secret at all"), nobody);
    let short = code(jerry, &["tom", "--ttl", "1s"]);
    tom.wait("the code expires", || {
        tom.larder(&["peer", "accept", &short]).status.code() == Some(1)
    });
    let said = tom.fails(1, &["peer", "accept", &short]);
    assert!(said.contains("has expired") || said.contains("401"), "{said}");
    let mut typo = code(jerry, &["tom"]);
    let last = typo.pop().unwrap();
    typo.push(if last == 'A' { 'B' } else { 'A' });
    assert!(tom.fails(2, &["peer", "accept", &typo]).contains("checksum"));
    // Who guesses waits.
    let mut statuses = (0..40).map(|_| offer(&"1".repeat(64)).0);
    assert!(statuses.any(|status| status == 429));
}

#[test]
fn somebody_in_between_with_another_certificate_is_sent_nothing() {
    let world = World::of(&["jerry", "tom", "mallory"]);
    let (jerry, tom) = (world.instance("jerry"), world.instance("tom"));
    let mallory = world.instance("mallory");
    let good = code(jerry, &["tom"]);
    let good = larder::model::pairing::Code::decode(&good).unwrap();
    // Mallory answers at jerry's address, with a certificate that is right for it.
    let bad = larder::model::pairing::Code { url: mallory.url(), ..good.clone() };
    let said = tom.fails(1, &["peer", "accept", &bad.encode()]);
    assert!(said.contains("nothing was sent"), "{said}");
    assert!(!mallory.log().contains("attempt to pair"), "{}", mallory.log());
    // And the code still works where it is from.
    tom.ok(&["peer", "accept", &good.encode()]);
}

#[test]
fn a_burned_instance_comes_back_from_its_peer_and_reads_only_until_it_is_confirmed() {
    let world = World::of(&["jerry", "tom"]);
    let (jerry, tom) = (world.instance("jerry"), world.instance("tom"));
    let paired = code(jerry, &["tom", "--write"]);
    tom.ok(&["peer", "accept", &paired, "--write"]);
    known(jerry, "tom");
    known(tom, "jerry");
    tom.job("web", "");
    tom.ok(&["run", "web"]);
    tom.settled();
    let old = secret(tom, "jerry");
    for tar in tom.tars() {
        upload(tom, jerry, &old, tar.strip_suffix(".tar").unwrap());
    }
    let kept = tempfile::tempdir().unwrap();
    crate::walk::instance::sh(&format!("cp -a src {}/", kept.path().display()), &tom.path(""));
    tom.kill();
    // It burns.
    for lost in ["src", "archives", "state", "etc"] {
        std::fs::remove_dir_all(tom.path(lost)).unwrap();
    }

    let back = code(jerry, &["tom", "--replace"]);
    let into = tom.path("fetched");
    let into = into.to_str().unwrap();
    tom.ok(&["recover", "--peer", &jerry.url(), "--code", &back, "--into", into, "--yes"]);
    let diff = format!("diff -r {}/src src", kept.path().display());
    assert_eq!(text(crate::walk::instance::sh(&diff, &tom.path("")).as_bytes()), "");
    // What was fetched is not fetched again, and no other code is needed.
    tom.ok(&["recover", "--peer", &jerry.url(), "--into", into, "--dry-run"]);
    goes_on_behind_what_came(tom, &jerry.url());

    let new = std::fs::read_to_string(tom.path("fetched/.peer-token")).unwrap();
    let new = new.trim();
    known(jerry, "tom");
    jerry.wait("the old token is worth nothing", || {
        jerry.get("/api/v1/archives", old.as_str()).status == 401
    });
    jerry.get("/api/v1/archives", new).ok(200);
    let start = json!({ "filename": "tom_x_20260508.tar", "total_size": 1, "chunk_size": 1_048_576, "checksum": "0".repeat(64) });
    let send = || {
        let request = Request::post("/api/v1/archives/upload/start", Body::Json(&start));
        jerry.ask(&request.with_token(new)).status
    };
    assert_eq!(send(), 403);
    jerry.ok(&["peer", "confirm", "tom"]);
    jerry.wait("the new holder may send", || send() == 201);
}

/// A recovery that broke off in the middle of an archive asks for the rest of it only.
fn goes_on_behind_what_came(tom: &Member, url: &str) {
    let recover = |way: bool| {
        let words = ["recover", "--peer", url, "--into", "fetched", "--dry-run"];
        let output = tom.command(&words).current_dir(tom.path("")).output().unwrap();
        assert_eq!(output.status.success(), way, "{}", text(&output.stderr));
        text(&output.stderr)
    };
    let fetched = tom.path("fetched/tom");
    let name = |end: &str| {
        let names = std::fs::read_dir(&fetched).unwrap();
        let mut names = names.map(|entry| entry.unwrap().file_name().into_string().unwrap());
        names.find(|name| name.contains("_web_") && name.ends_with(end)).unwrap()
    };
    let (tar, told) = (fetched.join(name(".tar")), fetched.join(name(".larder.json")));
    let whole = std::fs::read(&tar).unwrap();
    let id: Value = serde_json::from_slice(&std::fs::read(&told).unwrap()).unwrap();
    let part = fetched.join(format!(".{}.part", id["id"].as_str().unwrap()));
    let broken_off = |beginning: &[u8]| {
        std::fs::remove_file(&tar).unwrap();
        std::fs::remove_file(&told).unwrap();
        std::fs::write(&part, beginning).unwrap();
    };
    let half = whole.len() / 2;
    broken_off(&whole[..half]);
    recover(true);
    assert!(std::fs::read(&tar).unwrap() == whole && !part.exists());
    // Nothing of what came is asked for again: were it wrong, the whole would not have its hash.
    let mut wrong = whole[..half].to_vec();
    wrong[0] ^= 1;
    broken_off(&wrong);
    let said = recover(false);
    assert!(said.contains("other bytes than its hash says") && said.contains("hint: "), "{said}");
    assert!(!tar.exists() && !part.exists());
    // One that is longer than the archive is none of it; and now it is fetched anew.
    std::fs::write(&part, [&whole[..], b"more"].concat()).unwrap();
    recover(true);
    assert!(std::fs::read(&tar).unwrap() == whole);
}

#[test]
fn peers_are_edited_over_the_api_where_that_is_allowed_only() {
    let world = World::of(&["jerry"]);
    let jerry = world.instance("jerry");
    let new = json!({ "name": "nas", "kind": "backup-channel", "config": { "hostname": "nas" } });
    let add = || jerry.control(&Request::post("/api/v1/peers", Body::Json(&new)));
    let remove = || {
        let request = Request { method: "DELETE", ..Request::get("/api/v1/peers/nas") };
        jerry.control(&request).status
    };
    let refused = add();
    assert_eq!(refused.status, 409);
    assert!(refused.text().contains("[peer.nas]"), "{}", refused.text());
    let base = std::fs::read_to_string(jerry.path("etc/base.toml")).unwrap();
    let allowing = base.replace("[instance]\n", "[instance]\npage_edits_peers = true\n");
    jerry.write("base.toml", &allowing);
    assert_eq!(add().ok(201)["name"], "nas");
    assert_eq!(add().status, 409);
    assert_eq!(remove(), 204);
    assert_eq!(remove(), 404);
    let steals = json!({ "name": "x", "kind": "instance",
        "config": { "url": "https://x.example.org", "token": { "file": "/etc/shadow" } } });
    let answer = jerry.control(&Request::post("/api/v1/peers", Body::Json(&steals)));
    assert_eq!(answer.status, 400, "{}", answer.text());
}

#[test]
fn an_archive_of_another_host_comes_back_here_when_somebody_says_whose_it_is() {
    let world = World::of(&["jerry", "tom"]);
    let (jerry, tom) = (world.instance("jerry"), world.instance("tom"));
    tom.job("web", "");
    tom.ok(&["run", "web"]);
    // A shared location: what tom wrote lies where jerry looks.
    jerry.ok(&["peer", "add", "old-server", "backup-channel", "hostname=tom", "location=main"]);
    let reload = || jerry.apply();
    reload();
    crate::walk::instance::sh(
        &format!("cp -a archives/tom_* {}/", jerry.path("archives").display()),
        &tom.path(""),
    );
    // What others put there is found by the next look at the whole folder.
    jerry.restart();
    let list = || jerry.json(&["archive", "list"]);
    jerry.wait("the archive is seen", || {
        list().as_array().unwrap().iter().any(|one| one["peer"] == "old-server")
    });
    let seen = list();
    let name =
        seen.as_array().unwrap().iter().find(|one| one["job"] == "web").unwrap()["name"].clone();
    let name = name.as_str().unwrap();
    assert!(jerry.fails(1, &["restore", name, "--yes"]).contains("--from PEER"));
    let plan = jerry.ok(&["restore", "web@latest", "--from", "old-server", "--dry-run"]);
    assert!(plan.contains("made it on another host"), "{plan}");
    let before = tempfile::tempdir().unwrap();
    crate::walk::instance::sh(&format!("mv src {}/", before.path().display()), &tom.path(""));
    jerry.ok(&["restore", "web@latest", "--from", "old-server", "--yes"]);
    crate::walk::instance::sh(
        &format!("diff -r {}/src src", before.path().display()),
        &tom.path(""),
    );
    let unknown = jerry.fails(1, &["restore", name, "--from", "nobody", "--yes"]);
    assert!(unknown.contains("there is no peer `nobody`"), "{unknown}");
    let checked = jerry.json(&["peer", "check", "old-server"]);
    assert_eq!(checked[0]["status"], "online", "{checked}");
    // What is known of it is what of it is seen here.
    let network = jerry.control_get("/api/v1/network");
    let shown = network.as_array().unwrap().iter().find(|one| one["name"] == "old-server").unwrap();
    let stored = &jerry.json(&["peer", "get", "old-server"])["stored"];
    assert!(stored["archives"].as_u64().unwrap() > 0, "{stored}");
    assert_eq!(shown["archive_count"], stored["archives"], "{shown:#}");
    assert_eq!(shown["archive_bytes"], stored["bytes"], "{shown:#}");
}

#[test]
fn whoever_invites_is_told_the_command_that_the_other_side_can_run() {
    let world = World::of(&["jerry", "tom"]);
    let (jerry, tom) = (world.instance("jerry"), world.instance("tom"));
    let told = |arguments: &[&str]| {
        let output = jerry.larder(arguments);
        assert!(output.status.success(), "{output:?}");
        String::from_utf8(output.stderr).unwrap()
    };
    let first = told(&["peer", "invite", "--no-wait", "tom", "--write"]);
    assert!(first.contains("`larder peer accept CODE`"), "{first}");
    let first = code(jerry, &["tom", "--write"]);
    let accepted = tom.larder(&["peer", "accept", &first, "--write"]);
    let accepted = String::from_utf8(accepted.stderr).unwrap();
    assert!(accepted.contains("`send_to = "), "{accepted}");
    let shown = told(&["peer", "invite", "tom", "--show"]);
    assert!(shown.contains("`send_to = [\"tom\"]`"), "{shown}");
    // What burned has no configuration.
    let again = told(&["peer", "invite", "--no-wait", "--replace", "tom"]);
    assert!(
        again.contains("on the new machine, until ") && !again.contains("peer accept"),
        "{again}"
    );
    assert!(
        again.contains(&format!("`larder recover --peer {} --code CODE`", jerry.url())),
        "{again}"
    );
}

#[test]
fn a_pairing_that_gives_neither_side_a_place_says_which_key_is_missing() {
    let world = World::of(&["jerry", "tom"]);
    let (jerry, tom) = (world.instance("jerry"), world.instance("tom"));
    for member in [jerry, tom] {
        // Two to choose from, and none is `received`.
        let places: String = ["one", "two"]
            .map(|name| format!("[location.{name}]\npath = \"../{name}\"\nmin_free = \"1 MiB\"\n"))
            .concat();
        member.write("places.toml", &places);
        let base = std::fs::read_to_string(member.path("etc/base.toml")).unwrap();
        member.write("base.toml", &base.replace("[location.received]", "[location.kept]"));
    }
    let secret = code(jerry, &["tom", "--write"]);
    let accepted = tom.larder(&["peer", "accept", &secret, "--write"]);
    let shown = jerry.larder(&["peer", "invite", "tom", "--show"]);
    for (output, other) in [(accepted, "jerry"), (shown, "tom")] {
        let told = String::from_utf8(output.stderr).unwrap();
        assert!(output.status.success(), "{told}");
        assert!(told.contains("neither side keeps archives of the other"), "{told}");
        assert!(told.contains(&format!("`location` in `[peer.{other}.accept]`")), "{told}");
        assert!(!told.contains("`send_to = "), "{told}");
    }
}
