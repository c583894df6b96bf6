//! What `send_to` wants arrives at a peer, by itself and whole; what cannot arrive is told once.

use serde_json::{Value, json};

use super::http::{Body, Request};
use super::member::Member;
use super::wire::{Way, Wire};
use super::world::{Terms, World};
use crate::support::sample;

/// The runs that sent something, newest first.
pub(super) fn sends(member: &Member) -> Vec<Value> {
    let mut runs = member.runs();
    runs.retain(|run| run["kind"] == "send");
    runs
}

/// The only archive of a job.
#[track_caller]
pub(super) fn archive_of(member: &Member, job: &str) -> Value {
    let mut archives = member.archives();
    archives.retain(|archive| archive["job"] == job);
    assert_eq!(archives.len(), 1, "{archives:?}");
    archives.remove(0)
}

/// The SHA-256 of a file.
pub(super) fn hash(member: &Member, path: &str) -> String {
    sample::sha256(&std::fs::read(member.path(path)).unwrap()).to_string()
}

/// Waits until a peer keeps the archive of a job, and returns its entry there.
#[track_caller]
pub(super) fn arrived(from: &Member, to: &Member, job: &str) -> Value {
    from.wait("the archive is made", || {
        from.archives().iter().any(|archive| archive["job"] == job)
    });
    let archive = archive_of(from, job);
    let mut found = None;
    to.wait("the archive arrives", || {
        let mut all = to.archives();
        all.retain(|other| other["id"] == archive["id"]);
        found = all.pop();
        found.is_some()
    });
    found.unwrap()
}

/// What is known of the only peer.
pub(super) fn presence(member: &Member) -> String {
    member.control_get("/api/v1/peers")[0]["status"].as_str().unwrap().to_owned()
}

/// Asks for a copy at a place.
pub(super) fn transfer(member: &Member, job: &str, body: &Value) -> super::http::Answer {
    let id = archive_of(member, job)["id"].as_str().unwrap().to_owned();
    member.control(&Request::post(&format!("/api/v1/archives/{id}/transfer"), Body::Json(body)))
}

/// Waits until the newest run that sent something is over, and returns it.
#[track_caller]
pub(super) fn sent(member: &Member) -> Value {
    let mut newest = Value::Null;
    member.wait("the run is over", || {
        newest = sends(member).first().cloned().unwrap_or_default();
        !newest["finished_at"].is_null()
    });
    newest
}

#[test]
fn what_a_job_sends_arrives_by_itself_and_is_what_it_was() {
    let world = World::of(&["jerry", "tom"]);
    world.pair("jerry", "tom");
    let (jerry, tom) = (world.instance("jerry"), world.instance("tom"));
    jerry.tree("src/web", 5, 700_000);
    jerry.job("web", "send_to = [\"tom\"]");
    let there = arrived(jerry, tom, "web");
    let here = archive_of(jerry, "web");
    for field in ["name", "origin", "job", "type", "label", "created_at", "sha256", "stream_sha256"]
    {
        assert_eq!(there[field], here[field], "{field}");
    }
    assert_eq!(there["location"], "received/jerry");
    let file = here["file_name"].as_str().unwrap();
    let (ours, theirs) = (format!("archives/{file}"), format!("received/jerry/{file}"));
    assert_eq!(hash(jerry, &ours), hash(tom, &theirs));
    let info = file.replace(".tar", ".info.json");
    assert_eq!(
        hash(jerry, &format!("archives/{info}")),
        hash(tom, &format!("received/jerry/{info}"))
    );
    assert_eq!(sent(jerry)["status"], "success");
    // What is there is not sent again, by whomever it is asked for.
    jerry.settled();
    assert_eq!(sends(jerry).len(), 1);
    jerry.ok(&["archive", "send", "web@latest", "tom", "--via", "http"]);
    assert!(sent(jerry).to_string().contains("already"), "{}", sent(jerry));
    assert_eq!(tom.archives().len(), 1);
}

#[test]
fn a_way_that_is_none_is_refused_before_anything_is_queued() {
    let world = World::of(&["jerry", "tom"]);
    world.pair_with(("jerry", Terms::default()), ("tom", Terms::default()));
    let jerry = world.instance("jerry");
    jerry.job("web", "");
    jerry.settled();
    for (to, via, status) in [
        ("tom", "rsync", 409),
        ("tom", "pigeon", 400),
        ("nobody", "auto", 404),
        ("main", "http", 409),
    ] {
        let answer = transfer(jerry, "web", &json!({ "peer": to, "via": via }));
        assert_eq!(answer.status, status, "{to} {via}: {}", answer.text());
    }
    assert!(sends(jerry).is_empty());
}

#[test]
fn a_full_peer_is_told_of_once_and_rests() {
    let world = World::of(&["jerry", "tom"]);
    world.pair_with(("jerry", Terms::default()), ("tom", Terms::accept("quota = '100 KiB'")));
    let (jerry, tom) = (world.instance("jerry"), world.instance("tom"));
    jerry.tree("src/web", 4, 50_000);
    jerry.tree("src/mail", 4, 60_000);
    jerry.job("web", "send_to = [\"tom\"]");
    let run = sent(jerry);
    assert_eq!(run["status"], "error");
    let text = run.to_string();
    assert!(text.contains("507") && text.contains("quota"), "{text}");
    jerry.settled();
    jerry.job("notes", "send_to = [\"tom\"]");
    arrived(jerry, tom, "notes");
    jerry.settled();
    assert_eq!(sends(jerry).iter().filter(|run| run["status"] == "error").count(), 1);
    assert_eq!(
        tom.keeps_for("jerry").iter().filter(|name| name.strip_suffix(".tar").is_some()).count(),
        1
    );
}

#[test]
fn a_token_that_was_revoked_ends_one_run_and_the_rest_waits() {
    let world = World::of(&["jerry", "tom"]);
    let (jerry, tom) = (world.instance("jerry"), world.instance("tom"));
    let wire = Wire::to(tom);
    let over = Terms::peer(format!("url = '{}'", wire.url()));
    world.pair_with(("jerry", over), ("tom", Terms::default()));
    for job in ["web", "mail", "notes"] {
        jerry.tree(&format!("src/{job}"), 1, 4 << 20);
        jerry.job(job, "");
    }
    jerry.settled();
    // It is revoked in the middle of the first, so that whoever else asks cannot be told before.
    let before = wire.passed(Way::There);
    wire.limit(Some(4 << 20));
    transfer(jerry, "web", &json!({ "peer": "tom" })).ok(202);
    jerry.wait("a part has passed", || wire.passed(Way::There) - before > 1 << 20);
    wire.stall();
    for job in ["mail", "notes"] {
        jerry.job(job, "send_to = [\"tom\"]");
    }
    tom.remove("peers/jerry.toml");
    wire.resume();
    wire.limit(None);
    jerry.wait("it is known", || presence(jerry) == "error");
    jerry.wait("nothing runs", || sends(jerry).iter().all(|run| run["status"] != "running"));
    let failed: Vec<_> = sends(jerry).into_iter().filter(|run| run["status"] == "error").collect();
    assert_eq!(failed.len(), 1, "{failed:?}");
    assert!(failed[0].to_string().contains("401"), "{failed:?}");
    assert!(tom.archives().is_empty(), "{:?}", tom.archives());
}

#[test]
fn while_a_peer_is_away_its_copies_wait_and_then_all_go() {
    let world = World::of(&["jerry", "tom"]);
    let (jerry, tom) = (world.instance("jerry"), world.instance("tom"));
    let wire = Wire::to(tom);
    let over = Terms::peer(format!("url = '{}'", wire.url()));
    world.pair_with(("jerry", over), ("tom", Terms::default()));
    jerry.wait("tom answers", || presence(jerry) == "online");
    wire.refuse();
    wire.cut();
    for job in ["web", "mail", "notes"] {
        jerry.job(job, "send_to = [\"tom\"]");
    }
    jerry.wait("it is known", || presence(jerry) == "offline");
    jerry.wait("nothing runs", || sends(jerry).iter().all(|run| run["status"] != "running"));
    wire.admit();
    for job in ["web", "mail", "notes"] {
        arrived(jerry, tom, job);
    }
    let failed = sends(jerry).iter().filter(|run| run["status"] == "error").count();
    assert!(failed <= 1, "{:?}", sends(jerry));
}

#[test]
fn a_name_that_is_taken_at_the_peer_gives_way_to_the_next() {
    let world = World::of(&["jerry", "tom"]);
    world.pair("jerry", "tom");
    let (jerry, tom) = (world.instance("jerry"), world.instance("tom"));
    jerry.job("web", "");
    jerry.settled();
    let name = archive_of(jerry, "web")["name"].as_str().unwrap().to_owned();
    // As an instance of this name left it there that nobody remembers.
    let bytes = sample::content(3, 5000);
    let start = json!({
        "filename": format!("{name}.tar"),
        "total_size": bytes.len(),
        "checksum": sample::sha256(&bytes).to_string(),
    });
    let token = jerry.token_for("tom");
    let begin = Request::post("/api/v1/archives/upload/start", Body::Json(&start));
    tom.ask(&begin.with_token(&token)).ok(201);
    jerry.ok(&["archive", "send", "web@latest", "tom"]);
    let there = arrived(jerry, tom, "web");
    assert_eq!(there["name"], format!("{name}-2"), "{}", sent(jerry));
    assert_eq!(there["sha256"], archive_of(jerry, "web")["sha256"]);
}
