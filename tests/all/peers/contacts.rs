//! Instances that know of each other: who answers, what each last told, and who is missed.

use serde_json::Value;

use super::http::{Body, Request};
use super::member::Member;
use super::world::{Terms, World};
use crate::support::wait_for;

fn peer(of: &Member, name: &str) -> Value {
    of.control_get(&format!("/api/v1/peers/{name}"))
}

/// What one instance shows of another in its network.
fn shown(of: &Member, name: &str) -> Value {
    let network = of.control_get("/api/v1/network");
    let members = network.as_array().unwrap();
    members.iter().find(|member| member["name"] == name).unwrap().clone()
}

fn check(of: &Member, name: &str) -> Value {
    of.control(&Request::post(&format!("/api/v1/peers/{name}/check"), Body::Empty)).ok(200)
}

#[test]
fn instances_see_each_other_and_what_one_told_is_shown_while_it_is_off() {
    let world = World::of(&["jerry", "tom"]);
    let [jerry, tom] = world.members() else { panic!() };
    tom.job("db", "");
    tom.settled();
    world.pair("jerry", "tom");
    for (one, other) in [(jerry, "tom"), (tom, "jerry")] {
        wait_for("they have met", || peer(one, other)["status"] == "online");
        assert!(peer(one, other)["holdings"]["copies"].is_u64(), "{}", peer(one, other));
    }
    let told = shown(jerry, "tom");
    assert_eq!(told["jobs"][0]["name"], "db", "{told}");
    assert_eq!(told["jobs"][0]["verdict"], "protected");
    assert!(told["jobs"][0]["expected_by"].is_string() && told["known_at"].is_string());
    assert_eq!((&told["self"], &told["jobs"][0]["overdue"]), (&false.into(), &false.into()));

    tom.stop();
    let gone = check(jerry, "tom");
    assert_eq!(gone["status"], "offline", "{gone}");
    assert!(gone["why"].is_string() && gone["last_seen"].is_string());
    let remembered = shown(jerry, "tom");
    assert_eq!((&remembered["status"], &remembered["jobs"]), (&"offline".into(), &told["jobs"]));
    // Over a restart of the one that remembers, too.
    jerry.restart();
    assert_eq!(shown(jerry, "tom")["jobs"], told["jobs"]);
    assert_eq!(peer(jerry, "tom")["created_at"], gone["created_at"]);
    let published = std::fs::read_to_string(jerry.path("public/network.json")).unwrap();
    assert!(published.contains("\"db\""), "{published}");

    tom.start();
    // It comes by itself: the pauses are short at first.
    wait_for("it is back", || peer(jerry, "tom")["status"] == "online");
    assert_eq!(peer(jerry, "tom")["why"], Value::Null);
}

#[test]
fn an_instance_that_is_dead_is_missed_by_the_one_that_it_told() {
    let world = World::of(&["jerry", "tom"]);
    let [jerry, tom] = world.members() else { panic!() };
    tom.job("db", "[job.db.protect]\nmax_age = \"5s\"\n");
    tom.settled();
    world.pair("jerry", "tom");
    wait_for("it told", || {
        check(jerry, "tom");
        shown(jerry, "tom")["jobs"][0]["expected_by"].is_string()
    });
    tom.kill();
    wait_for("it is missed", || {
        let problems = jerry.health()["problems"].to_string();
        problems.contains("peer `tom` are overdue: `db`")
    });
    check(jerry, "tom");
    let status = shown(jerry, "tom");
    assert_eq!(
        (&status["status"], &status["jobs"][0]["overdue"]),
        (&"offline".into(), &true.into())
    );
    let metrics = jerry.control(&Request::get("/metrics")).text();
    assert!(metrics.contains("larder_peer_up{peer=\"tom\",kind=\"instance\"} 0"), "{metrics}");
    assert!(metrics.contains("larder_peer_jobs_overdue{peer=\"tom\"} 1"), "{metrics}");
}

#[test]
fn a_token_that_is_not_valid_any_more_and_another_certificate_are_errors_and_say_why() {
    let world = World::of(&["jerry", "tom"]);
    world.pair("jerry", "tom");
    let [jerry, tom] = world.members() else { panic!() };
    let pin = tom.renew(&world.authority);
    tom.restart();
    let file = std::fs::read_to_string(jerry.path("etc/peers/tom.toml")).unwrap();
    let pinned =
        |pin: &str| file.replace("[peer.tom]\n", &format!("[peer.tom]\npin = \"{pin}\"\n"));
    jerry.write("peers/tom.toml", &pinned(&"0".repeat(64)));
    let refused = check(jerry, "tom");
    assert_eq!(refused["status"], "error", "{refused}");
    assert!(refused["why"].as_str().unwrap().contains("certificate"), "{refused}");
    jerry.write("peers/tom.toml", &pinned(&pin));
    assert_eq!(check(jerry, "tom")["status"], "online");
    tom.remove("peers/jerry.toml");
    let revoked = check(jerry, "tom");
    assert_eq!(revoked["status"], "error", "{revoked}");
    assert!(revoked["why"].as_str().unwrap().contains("401"), "{revoked}");
}

#[test]
fn the_remote_hand_runs_verifies_and_restores_where_it_is_let_and_nowhere_else() {
    let world = World::of(&["jerry", "tom"]);
    let [jerry, tom] = world.members() else { panic!() };
    tom.job("db", "");
    tom.settled();
    world.pair("jerry", "tom");
    let said = jerry.fails(1, &["run", "db", "--peer", "tom"]);
    assert!(said.contains("403"), "{said}");

    let scopes = "scopes = ['status', 'list', 'send', 'fetch', 'run', 'restore']";
    world.pair_with(("jerry", Terms::default()), ("tom", Terms::accept(scopes)));
    let said = jerry.ok(&["run", "db", "--peer", "tom"]);
    assert!(said.contains("at tom: backup of db"), "{said}");
    tom.settled();
    assert_eq!(tom.tars().len(), 2);
    assert!(jerry.fails(1, &["run", "nothing", "--peer", "tom"]).contains("no job `nothing`"));

    let archives = tom.control_get("/api/v1/archives");
    let name = archives[0]["name"].as_str().unwrap();
    let said = jerry.ok(&["archive", "verify", name, "--peer", "tom"]);
    assert!(said.contains("verification of"), "{said}");
    std::fs::remove_file(tom.path("src/db/0.bin")).unwrap();
    let said = jerry.ok(&["restore", name, "--peer", "tom", "--yes"]);
    assert!(said.contains("restore of"), "{said}");
    wait_for("it is back", || tom.path("src/db/0.bin").exists());
    tom.settled();
    // It lays nothing where it likes.
    let said = jerry.fails(1, &["restore", name, "--peer", "tom", "--yes", "--to", "/tmp/x"]);
    assert!(said.contains("laid elsewhere"), "{said}");
}
