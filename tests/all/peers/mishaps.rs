//! What goes wrong between two instances, and goes on once it is put right.

use serde_json::{Value, json};

use super::clock::WrongClock;
use super::http::{Body, Request};
use super::member::{Member, hash_of, new_token, write_secret};
use super::world::{Terms, World};
use crate::support::{sample, skipped};

/// What a member keeps for the peer `jerry` and has in its catalogue, by name.
fn kept(member: &Member, peer: &str) -> Vec<String> {
    let listed = member.control_get(&format!("/api/v1/archives?location=received%2F{peer}"));
    let present = listed.as_array().unwrap().iter();
    let present = present.filter(|archive| archive["condition"] == "present");
    let mut names: Vec<String> =
        present.map(|archive| archive["name"].as_str().unwrap().to_owned()).collect();
    names.sort();
    for name in &names {
        assert!(member.keeps_for(peer).contains(&format!("{name}.tar")), "{name}");
    }
    names
}

/// The names of a member's own archives.
fn own(member: &Member) -> Vec<String> {
    let tars = member.tars().into_iter();
    let mut names: Vec<String> =
        tars.map(|tar| tar.strip_suffix(".tar").unwrap().to_owned()).collect();
    names.sort();
    names
}

/// Whether what a member sent came to an end of this kind, and says that.
fn a_send_says(member: &Member, status: &str, words: &str) -> bool {
    member.runs().iter().any(|run| {
        run["kind"] == "send" && run["status"] == status && run.to_string().contains(words)
    })
}

/// Changes a value in a file of the configuration.
#[track_caller]
fn change(member: &Member, file: &str, change: impl FnOnce(&mut toml::Table)) {
    let text = std::fs::read_to_string(member.path("etc").join(file)).unwrap();
    let mut table: toml::Table = text.parse().unwrap();
    change(&mut table);
    member.write(file, &toml::to_string(&table).unwrap());
}

#[test]
fn a_peer_that_is_full_gets_the_rest_once_its_quota_is_raised_and_loses_nothing() {
    let world = World::of(&["jerry", "tom"]);
    world.pair_with(("jerry", Terms::default()), ("tom", Terms::accept("quota = '40 KiB'")));
    let (jerry, tom) = (world.instance("jerry"), world.instance("tom"));
    jerry.job("web", "send_to = ['tom']");
    tom.wait("the first has arrived", || kept(tom, "jerry").len() == 1);
    let before = sample::tree(&tom.path("received/jerry"));
    jerry.ok(&["run", "web"]);
    jerry.wait("the second is refused", || a_send_says(jerry, "error", "quota"));
    assert_eq!(sample::tree(&tom.path("received/jerry")), before);
    // It is tried again now and then, and not all the time.
    let tries = jerry.runs().iter().filter(|run| run["kind"] == "send").count();
    assert!(tries < 5, "{tries}");

    change(tom, "peers/jerry.toml", |table| {
        table["peer"]["jerry"]["accept"]["quota"] = "1 MiB".into();
    });
    let there = kept(tom, "jerry");
    let name = own(jerry).into_iter().find(|name| !there.contains(name)).unwrap();
    jerry.ok(&["archive", "send", &name, "tom"]);
    tom.wait("the second has arrived", || kept(tom, "jerry") == own(jerry));
}

#[test]
fn a_token_that_is_revoked_stops_a_peer_and_a_new_one_lets_it_go_on() {
    let world = World::of(&["jerry", "tom"]);
    world.pair("jerry", "tom");
    let (jerry, tom) = (world.instance("jerry"), world.instance("tom"));
    jerry.job("web", "send_to = ['tom']");
    tom.wait("the first has arrived", || kept(tom, "jerry").len() == 1);

    let token = new_token();
    change(tom, "peers/jerry.toml", |table| {
        table["peer"]["jerry"]["accept"]["token_hash"] = hash_of(&token).into();
    });
    jerry.ok(&["run", "web"]);
    jerry.wait("jerry knows", || jerry.control_get("/api/v1/peers/tom")["status"] == "error");
    assert_eq!(kept(tom, "jerry").len(), 1);
    let status = jerry.control_get("/api/v1/peers/tom").to_string();
    assert!(status.contains("token"), "{status}");

    write_secret(&jerry.path("etc/secrets/tom"), &token);
    tom.wait("the second has arrived", || kept(tom, "jerry") == own(jerry));
    assert_eq!(jerry.control_get("/api/v1/peers/tom")["status"], "online");
}

#[test]
fn a_peer_that_gets_another_name_is_sent_nothing_twice() {
    let world = World::of(&["jerry", "tom"]);
    world.pair("jerry", "tom");
    let (jerry, tom) = (world.instance("jerry"), world.instance("tom"));
    jerry.job("web", "send_to = ['tom']");
    tom.wait("it has arrived", || kept(tom, "jerry").len() == 1);
    jerry.settled();
    let uploads = || tom.log().matches("an upload began").count();
    assert_eq!(uploads(), 1);

    let text = std::fs::read_to_string(jerry.path("etc/peers/tom.toml")).unwrap();
    jerry.write_as_is(
        "jobs/web.toml",
        "[job.web]\ntype = 'custom_dir'\nsource_path = '../../src/web'\nsend_to = ['thomas']\n",
    );
    jerry.write("peers/tom.toml", &text.replace("peer.tom", "peer.thomas"));
    jerry.wait("thomas is known", || {
        jerry.control_get("/api/v1/peers/thomas")["status"] == "online"
    });
    jerry.settled();
    assert_eq!((uploads(), kept(tom, "jerry")), (1, own(jerry)));

    // And whom tom calls otherwise has another name space; what is in the first one stays.
    let text = std::fs::read_to_string(tom.path("etc/peers/jerry.toml")).unwrap();
    tom.write("peers/jerry.toml", &text.replace("peer.jerry", "peer.jeremy"));
    let check = Request::post("/api/v1/peers/thomas/check", Body::Empty);
    assert!(jerry.control(&check).status < 300);
    tom.wait("it has arrived there", || kept(tom, "jeremy") == own(jerry));
    assert!(tom.keeps_for("jerry").contains(&format!("{}.tar", own(jerry)[0])));
}

#[test]
fn two_instances_that_claim_one_name_and_one_token_both_keep_all_that_they_send() {
    let mut world = World::of(&["jerry", "tom"]);
    world.pair("jerry", "tom");
    world.add("jerry");
    let [jerry, tom, clone] = world.members() else { panic!() };
    // A machine that was copied as a whole.
    sh_copy(jerry, clone);
    clone.source("src/web/other", b"what the copy did since");
    clone.start();
    for member in [jerry, clone] {
        member.job("web", "send_to = ['tom']");
    }
    tom.wait("both have arrived", || kept(tom, "jerry").len() == 2);
    let hashes = |member: &Member| -> Vec<Value> {
        let mut all: Vec<Value> = member
            .control_get("/api/v1/archives")
            .as_array()
            .unwrap()
            .iter()
            .map(|archive| archive["stream_sha256"].clone())
            .collect();
        all.sort_by_key(Value::to_string);
        all
    };
    let mut sent = hashes(jerry);
    sent.extend(hashes(clone));
    sent.sort_by_key(Value::to_string);
    assert_eq!(hashes(tom), sent);
    assert_ne!(sent[0], sent[1]);
}

/// What makes one member known to the other's peers.
fn sh_copy(from: &Member, to: &Member) {
    for dir in ["etc/peers", "etc/secrets"] {
        std::fs::create_dir_all(to.path(dir)).unwrap();
        for entry in std::fs::read_dir(from.path(dir)).unwrap() {
            let entry = entry.unwrap();
            let text = std::fs::read_to_string(entry.path()).unwrap();
            write_secret(&to.path(dir).join(entry.file_name()), &text);
        }
    }
}

#[test]
fn a_peer_whose_clock_is_a_year_off_sends_and_neither_side_loses_anything() {
    let clock = match WrongClock::new() {
        Ok(clock) => clock,
        Err(why) => skipped!("{why}"),
    };
    for days in [365, -365] {
        let world = World::cold(&["jerry", "tom"]);
        world.pair_with(
            ("jerry", Terms::default()),
            ("tom", Terms::accept("retention = { mode = 'count', value = 1 }")),
        );
        let (jerry, tom) = (world.instance("jerry"), world.instance("tom"));
        for member in [jerry, tom] {
            member.job("web", "send_to = []");
        }
        tom.start();
        tom.settled();
        jerry.job("mail", "send_to = ['tom']");
        jerry.run_by(clock.ahead(days));
        jerry.start();
        tom.wait("the first has arrived", || kept(tom, "jerry").len() == 1);
        jerry.source("src/mail/more", b"more");
        jerry.ok(&["run", "mail"]);
        tom.wait("the second has arrived", || kept(tom, "jerry").len() == 2);
        tom.settled();
        tom.restart();
        tom.settled();
        assert_eq!(kept(tom, "jerry").len(), 2, "{days}");
        assert_eq!(own(tom).len(), 1, "{days}");
        let listed = tom.control_get("/api/v1/archives?location=received%2Fjerry");
        let year = jiff::Timestamp::now() + jiff::SignedDuration::from_hours(24 * days);
        for archive in listed.as_array().unwrap() {
            // What it says of itself stays; what counts is when it came.
            let said: jiff::Timestamp = archive["created_at"].as_str().unwrap().parse().unwrap();
            assert!(said.duration_since(year).abs() < jiff::SignedDuration::from_hours(24));
            let came: jiff::Timestamp = archive["received_at"].as_str().unwrap().parse().unwrap();
            let ago = jiff::Timestamp::now().duration_since(came);
            assert!(ago.abs() < jiff::SignedDuration::from_hours(1), "{archive}");
        }
        assert_eq!(tom.control_get("/api/v1/health")["problems"], json!([]));
    }
}
