//! Who has taken over an instance has its token, and everything that it ever pushed: nothing of it
//! is lost, to the byte.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::http::Body;
use super::member::Member;
use super::sender::{Made, Sender, archives_of};
use super::world::{Terms, World};
use crate::support::{full, sample};

mod ageing;

/// `jerry`, whose token is in the wrong hands, `tom`, who keeps its archives, and `bob`, who stores
/// with `tom` as well.
struct Scene {
    world: World,
    token: String,
    /// What `jerry` pushed in better days.
    pushed: Vec<Made>,
    uploads: Vec<String>,
    before: BTreeMap<String, Vec<u8>>,
}

/// What `jerry` may: little room, and a retention that keeps one archive only.
const ACCEPT: &str = "quota = '2 MiB'\nretention = { mode = 'count', value = 1 }";

impl Scene {
    fn new() -> Self {
        let world = World::of(&["jerry", "tom", "bob"]);
        world.pair_with(("jerry", Terms::nothing()), ("tom", Terms::accept(ACCEPT)));
        world.pair_with(("bob", Terms::nothing()), ("tom", Terms::accept(ACCEPT)));
        let [jerry, tom, bob] = world.members() else { panic!() };
        let token = jerry.token_for("tom");
        for job in ["web", "mail"] {
            for member in [jerry, bob, tom] {
                member.job(job, "");
            }
        }
        jerry.settled();
        jerry.source("src/web/more.txt", b"a little more");
        jerry.ok(&["run", "web"]);
        let mut scene = Self {
            token,
            pushed: archives_of(jerry),
            uploads: Vec::new(),
            before: BTreeMap::new(),
            world,
        };
        assert_eq!(scene.pushed.len(), 3);
        scene.uploads = scene.pushed.iter().map(|made| scene.thief().send(made)).collect();
        let (token, [_, tom, bob]) = (scene.bob().token_for("tom"), scene.world.members()) else {
            panic!()
        };
        bob.settled();
        for made in archives_of(bob) {
            Sender { to: tom, token: &token }.send(&made);
        }
        tom.settled();
        scene.before = scene.kept();
        scene
    }

    fn tom(&self) -> &Member {
        self.world.instance("tom")
    }

    fn bob(&self) -> &Member {
        self.world.instance("bob")
    }

    fn thief(&self) -> Sender<'_> {
        Sender { to: self.tom(), token: &self.token }
    }

    /// All files in the locations of `tom`, but those that are on their way.
    fn kept(&self) -> BTreeMap<String, Vec<u8>> {
        let mut kept = BTreeMap::new();
        for place in ["archives", "received"] {
            let files = sample::tree(&self.tom().path(place)).into_iter();
            kept.extend(files.map(|(name, bytes)| (format!("{place}/{name}"), bytes)));
        }
        kept.retain(|name, _| !name.contains("/.incoming/"));
        kept
    }

    /// That everything is there that was, with the same bytes and in the catalogue.
    #[track_caller]
    fn nothing_is_lost(&self, after: &str) {
        let now = self.kept();
        for (name, bytes) in &self.before {
            let is_same = now.get(name).is_some_and(|now| said(name, now) == said(name, bytes));
            assert!(is_same, "{name} is gone or another, {after}");
        }
        let listed = self.tom().archives();
        for made in &self.pushed {
            let is_it = |archive: &&Value| {
                archive["id"] == made.info["id"] && archive["location"] == "received/jerry"
            };
            let archive = listed.iter().find(is_it).unwrap();
            assert_eq!(archive["condition"], "present", "{archive}, {after}");
            assert_eq!(archive["sha256"], *sample::sha256(&made.bytes).to_string(), "{after}");
        }
    }

    /// That there is nothing that was not there before.
    #[track_caller]
    fn nothing_is_new(&self, after: &str) {
        let now = self.kept();
        let new: Vec<&String> =
            now.keys().filter(|name| !self.before.contains_key(*name)).collect();
        assert!(new.is_empty(), "{new:?}, {after}");
    }
}

/// What a file says: the record beside an archive is written anew when it was verified.
fn said(name: &str, bytes: &[u8]) -> Result<Value, Vec<u8>> {
    if !name.ends_with(".larder.json") {
        return Err(bytes.to_owned());
    }
    let mut record: Value = serde_json::from_slice(bytes).unwrap();
    record["verified_at"] = Value::Null;
    Ok(record)
}

/// What is answered to who may not, or cannot.
fn is_refused(status: u16) -> bool {
    matches!(status, 400..=499 | 507)
}

/// Garbage that says of itself what a good archive says.
fn forged(model: &Made, day: &str, created_at: &str, number: usize) -> Made {
    let mut made = model.clone();
    let name = format!("jerry_web_{}_{number}", day.replace('-', ""));
    made.bytes = sample::content(u8::try_from(number % 251).unwrap(), 1024);
    made.file = format!("{name}.tar");
    let hash = sample::sha256(&made.bytes).to_string();
    for (key, value) in [
        ("name", json!(name)),
        ("id", json!(uuid::Uuid::new_v4())),
        ("created_at", json!(created_at)),
        ("day", json!(day)),
        ("file_size", json!(1024)),
        ("stream_size", json!(1024)),
        ("file_sha256", json!(hash)),
        ("stream_sha256", json!(hash)),
    ] {
        assert!(made.info.get(key).is_some(), "{key}: {}", made.info);
        made.info[key] = value;
    }
    made
}

#[test]
fn no_request_that_changes_anything_is_granted_to_the_token_of_a_source() {
    let scene = Scene::new();
    let described: Value =
        serde_json::from_str(include_str!("../../../schema/openapi.json")).unwrap();
    let own = &scene.pushed[0];
    let (id, name) = (own.info["id"].as_str().unwrap(), own.info["name"].as_str().unwrap());
    let foreign = archives_of(scene.bob())[0].info["name"].as_str().unwrap().to_owned();
    let origin = format!("jerry%2F{name}");
    let mut names = vec![id, name, &*origin, &*foreign, "web", "jerry", "bob", &*scene.uploads[0]];
    let queries = ["", "?location=received%2Fjerry", "?location=main&peer=bob", "?peer=jerry"];
    let plan = scene.tom().control_get("/api/v1/plan");
    let bodies = [
        json!({ "hash": plan["hash"], "archives": [id], "peer": "bob", "confirm": true, "yes": true }),
        json!({ "names": [name], "location": "received/jerry", "path": "received/jerry" }),
    ];
    if !full() {
        names.truncate(4);
    }
    let mut tried = 0;
    for (path, methods) in described["paths"].as_object().unwrap() {
        // Uploads are what it may; what can be done with them is tried below.
        if path.contains("/archives/upload/") {
            continue;
        }
        let path = path.trim_start_matches("/api/v1");
        let methods = methods.as_object().unwrap().keys().filter(|method| *method != "get");
        for method in methods {
            let targets: &[&str] = if path.contains('{') { &names } else { &[""] };
            for name in targets {
                let path = path.replace("{name}", name).replace("{id}", name);
                for (query, body) in queries.iter().zip(bodies.iter().cycle()) {
                    let path = format!("{path}{query}");
                    let answer = scene.thief().ask(&method.to_uppercase(), &path, Body::Json(body));
                    assert!(is_refused(answer.status), "{method} {path}: {}", answer.status);
                    tried += 1;
                }
            }
        }
    }
    assert!(tried > 100, "{tried}");
    scene.nothing_is_lost("whatever was asked");
    scene.nothing_is_new("whatever was asked");
}

#[test]
fn an_upload_replaces_nothing_whatever_it_is_called_and_whatever_it_says() {
    let scene = Scene::new();
    let (thief, own) = (scene.thief(), &scene.pushed[0]);
    let bytes = sample::content(7, 3000);
    let stem = own.file.strip_suffix(".tar").unwrap();
    let of_tom = scene.tom().tars()[0].clone();
    let of_bob = archives_of(scene.bob())[0].file.clone();

    // Its own names again, with other content and in other clothes, and names that lead elsewhere.
    for file in [
        own.file.clone(),
        format!("{stem}.tar.gz"),
        format!("{stem}.tar.zst.age"),
        format!("{stem}.larder.json"),
        format!("./{}", own.file),
        format!("../jerry/{}", own.file),
        format!("../bob/{of_bob}"),
        format!("../../archives/{of_tom}"),
        format!("/{}", scene.tom().path(&format!("archives/{of_tom}")).display()),
        format!("bob%2F{of_bob}"),
        format!("bob\\{of_bob}"),
        format!("{}\0.tar", own.file),
        format!("{stem}.tar\n"),
        ".larder-location".to_owned(),
        ".larder-location.tar".to_owned(),
        ".incoming/x.tar".to_owned(),
        ".trash/x.tar".to_owned(),
        "..tar".to_owned(),
        "...tar".to_owned(),
        ".tar".to_owned(),
        String::new(),
        format!("{}.tar", "x".repeat(5000)),
    ] {
        let answer = thief.upload(&Sender::announced(&file, &bytes), &bytes);
        assert!(is_refused(answer.status), "{file:?}: {}", answer.status);
        let mut announced = Sender::announced(&file, &bytes);
        announced["info"] = own.info.clone();
        let answer = thief.upload(&announced, &bytes);
        assert!(is_refused(answer.status), "{file:?} with its own words: {}", answer.status);
    }
    // An archive that says that it is another one, or somebody else's.
    let forged = forged(own, "2026-05-08", "2026-05-08T03:00:00Z", 1);
    let bobs = archives_of(scene.bob())[0].info["id"].clone();
    let toms = archives_of(scene.tom())[0].info["id"].clone();
    for (key, value) in [
        ("id", own.info["id"].clone()),
        ("id", bobs),
        ("id", toms),
        ("instance", json!("tom")),
        ("instance", json!("../bob")),
        ("name", json!("../bob/x")),
        ("job", json!("../../etc")),
        ("label", json!("a/../../b")),
    ] {
        let mut announced = Sender::announced(&forged.file, &forged.bytes);
        announced["info"] = forged.info.clone();
        announced["info"][key] = value.clone();
        let answer = thief.upload(&announced, &forged.bytes);
        assert!(is_refused(answer.status), "{key} = {value}: {}", answer.status);
    }
    scene.nothing_is_lost("after uploads of all names");
    scene.nothing_is_new("after uploads of all names");
}

#[test]
fn an_upload_that_is_an_archive_cannot_be_written_to_finished_otherwise_or_abandoned() {
    let scene = Scene::new();
    let (thief, own, upload) = (scene.thief(), &scene.pushed[0], &scene.uploads[0]);
    let mut other = own.bytes.clone();
    other[0] ^= 1;
    for bytes in [&other[..], &other[..1], &[]] {
        for n in [0, 1, 99_999] {
            let answer = thief.chunk(upload, n, bytes);
            assert!(is_refused(answer.status), "chunk {n}: {}", answer.status);
        }
    }
    let path = format!("/archives/upload/{upload}");
    assert_eq!(thief.ask("DELETE", &path, Body::Empty).status, 409);
    assert_eq!(thief.finish(upload).ok(200)["id"], own.info["id"]);

    // What does not have the hash that it was to have is never seen.
    let mut announced = Sender::announced("lies.tar", &own.bytes);
    announced["checksum"] = json!(sample::sha256(&other).to_string());
    assert_eq!(thief.upload(&announced, &own.bytes).status, 422);
    // Nor is what others do not know anybody's business.
    let token = scene.bob().token_for("tom");
    let bob = Sender { to: scene.tom(), token: &token };
    for (method, path) in [("GET", path.clone()), ("DELETE", path.clone())] {
        assert_eq!(bob.ask(method, &path, Body::Empty).status, 404);
        assert_eq!(bob.ask(method, &format!("{path}?peer=jerry"), Body::Empty).status, 404);
    }
    for peer in ["bob", "tom", "nobody", "..", "received%2Fbob"] {
        let mut start = Sender::announced("x.tar", &other);
        start["peer"] = json!(peer);
        let path = format!("/archives/upload/start?peer={peer}");
        assert_eq!(thief.ask("POST", &path, Body::Json(&start)).status, 404, "{peer}");
    }
    scene.nothing_is_lost("whatever was done to its upload");
    let now = scene.kept();
    let new: Vec<&String> = now.keys().filter(|name| !scene.before.contains_key(*name)).collect();
    assert!(new.iter().all(|name| !name.contains("lies")), "{new:?}");
}

#[test]
fn neither_a_full_quota_nor_a_hundred_archives_of_garbage_nor_their_dates_push_anything_out() {
    let scene = Scene::new();
    let (thief, own) = (scene.thief(), &scene.pushed[0]);
    let days = ["1999-01-01", "2026-05-08", "2026-11-20", "2099-12-31"];
    for number in 0..100 {
        let day = days[number % days.len()];
        thief.send(&forged(own, day, &format!("{day}T03:{:02}:00Z", number % 60), number));
    }
    scene.nothing_is_lost("after garbage of all dates");
    let filler = sample::content(9, 100_000);
    let mut sent = 0;
    let refused = loop {
        let file = format!("filler_{sent}.tar");
        let answer = thief.upload(&Sender::announced(&file, &filler), &filler);
        if answer.status != 200 {
            break answer;
        }
        sent += 1;
    };
    assert_eq!(refused.status, 507, "{}", refused.text());
    assert!(sent > 10, "{sent}");
    // Uploads that are never finished take no more room than one that is.
    let open =
        |number: usize| thief.begin(&Sender::announced(&format!("open_{number}.tar"), &filler));
    assert!((0..20).any(|number| open(number).status == 507));
    scene.tom().settled();
    scene.nothing_is_lost("with a quota that is used up");
    // Nor does the rest of this host suffer.
    let token = scene.bob().token_for("tom");
    let bob = Sender { to: scene.tom(), token: &token };
    bob.upload(&Sender::announced("still.tar", &filler), &filler).ok(200);
    scene.tom().restart();
    scene.tom().settled();
    scene.nothing_is_lost("after a new start");
}
