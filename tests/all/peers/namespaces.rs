//! Instances in networks of their own, over links that are slow, lossy and down.

use std::net::Ipv4Addr;
use std::os::unix::fs::MetadataExt as _;
use std::time::{Duration, Instant};

use super::http::{Body, Request};
use super::member::Member;
use super::netns::{Link, namespaces_or_skip};
use super::plain_protocol::Script;
use super::world::World;
use crate::support::{skipped, wait_for};

#[test]
fn namespaces_reach_each_other_over_their_links_alone() {
    let [one, two, three] = namespaces_or_skip!(1, 2, 3);
    let near = Link::between(&one, &two);
    let _far = Link::between(&two, &three);
    let reaches = |ip: Ipv4Addr| one.reaches(ip);
    assert!(reaches(two.ip()) && !reaches(three.ip()) && three.reaches(two.ip()));
    near.down();
    assert!(!reaches(two.ip()));
    near.up();
    wait_for("the link is up", || reaches(two.ip()));
}

/// How much is there of what is on its way.
fn part(tom: &Member) -> u64 {
    let parts = std::fs::read_dir(tom.path("received/jerry/.incoming")).into_iter().flatten();
    let blocks = parts.map(|part| part.unwrap().metadata().unwrap().blocks());
    blocks.sum::<u64>() * 512
}

const CHUNK: usize = 1 << 20;
/// Bytes a second.
const RATE: u32 = 4 << 20;

#[test]
fn an_upload_over_a_slow_and_lossy_link_arrives_although_it_goes_down_meanwhile() {
    if !Script::is_possible() {
        skipped!("there is no curl");
    }
    let [near, far] = namespaces_or_skip!(1, 2);
    let link = Link::between(&near, &far);
    if let Err(why) = link.slow(RATE).and_then(|()| link.lossy(1)) {
        skipped!("{why}");
    }
    let mut world = World::cold(&[]);
    world.add_in("jerry", &near);
    world.add_in("tom", &far);
    let [jerry, tom] = world.members() else { panic!() };
    world.pair("jerry", "tom");
    tom.start();
    let length = CHUNK * 11 / 4;
    let script = Script::new(&jerry.token_for("tom"), world.authority.pem(), length, CHUNK);
    let begun = Instant::now();
    let sender = script.start(&tom.url(), near.command("sh"));
    tom.wait("some of it is there", || part(tom) > CHUNK as u64);
    link.down();
    let there = part(tom);
    // Nothing comes as long as it is down.
    assert!(!near.reaches(far.ip()));
    link.up();
    let done = Script::ended(sender);
    assert!(done.ends_with("backup_20260508"), "{done}");
    assert!(there < length as u64 && link.lost() > 0);
    assert!(begun.elapsed() > Duration::from_millis(300), "{:?}", begun.elapsed());
    script.has_arrived(tom);
}

#[test]
fn what_an_instance_sends_waits_while_the_link_is_down_and_goes_on_afterwards() {
    let [near, far] = namespaces_or_skip!(1, 2);
    let link = Link::between(&near, &far);
    if let Err(why) = link.slow(RATE) {
        skipped!("{why}");
    }
    let mut world = World::cold(&[]);
    world.add_in("jerry", &near);
    world.add_in("tom", &far);
    world.pair("jerry", "tom");
    let [jerry, tom] = world.members() else { panic!() };
    jerry.start();
    tom.start();
    jerry.tree("src/web", 3, CHUNK);
    jerry.job("web", "send_to = ['tom']");
    tom.wait("some of it is there", || part(tom) > 0);
    link.down();
    // Who starts anew knows nothing of the connections of before.
    tom.restart();
    let check = Request::post("/api/v1/peers/tom/check", Body::Empty);
    assert!(jerry.control(&check).status < 500);
    assert_eq!(jerry.control_get("/api/v1/peers/tom")["status"], "offline");
    assert!(tom.archives().is_empty());
    assert!(jerry.ok(&["plan"]).contains("tom"));
    link.up();
    tom.wait("it has arrived", || tom.archives().len() == 1);
    let name = &jerry.tars()[0];
    let read = |path: std::path::PathBuf| std::fs::read(path.join(name)).unwrap();
    assert!(read(tom.path("received/jerry")) == read(jerry.path("archives")));
    // It went on with what it had begun.
    assert_eq!(tom.log().matches("an upload began").count(), 1);
    jerry.wait("jerry knows", || jerry.control_get("/api/v1/peers/tom")["status"] == "online");
}
