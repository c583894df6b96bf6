//! The name space of a peer: a location like any other, and nobody's but the peer's.

use std::os::unix::fs::PermissionsExt as _;

use serde_json::{Value, json};

use super::scene::{File, Scene};

fn locations(scene: &Scene) -> Vec<Value> {
    scene.local().get("/locations").ok(200).as_array().unwrap().clone()
}

fn notes(scene: &Scene) -> Value {
    scene.local().get("/plan").ok(200)["notes"].clone()
}

#[test]
fn it_is_made_by_the_first_upload_and_nobody_misses_it_before() {
    let scene = Scene::new();
    assert!(!scene.path("received/tom").exists());
    assert_eq!(notes(&scene), json!([]));
    let names = |scene: &Scene| -> Vec<Value> {
        locations(scene).iter().map(|location| location["name"].clone()).collect()
    };
    assert_eq!(names(&scene), ["main", "received"]);

    scene.tom().upload(&File::new("a.tar"));
    let mode = |path: &str| scene.path(path).metadata().unwrap().permissions().mode() & 0o7777;
    assert_eq!(mode("received/tom"), 0o700);
    assert!(scene.path("received/tom/.larder-location").exists());
    assert_eq!(names(&scene), ["main", "received", "received/tom"]);
    assert_eq!(locations(&scene)[2]["state"], "available");
    assert_eq!(locations(&scene)[2]["archives"], 1);
    assert!(!scene.path("received/bob").exists());
    assert_eq!(notes(&scene), json!([]));
}

#[test]
fn what_is_in_it_is_not_foreign_to_the_location_around_it() {
    let mut scene = Scene::new();
    scene.tom().upload(&File::new("a.tar"));
    scene.restart();
    let listed = scene.local().get("/archives?foreign=true").ok(200);
    assert_eq!(listed.as_array().unwrap().len(), 1);
    assert_eq!(listed[0]["location"], "received/tom");
}

#[test]
fn an_archive_in_it_is_found_again_without_the_state() {
    let mut scene = Scene::new();
    scene.tom().upload(&File::new("a.tar"));
    scene.stop();
    std::fs::remove_dir_all(scene.path("state")).unwrap();
    scene.start();
    let listed = scene.local().get("/archives").ok(200);
    assert_eq!((&listed[0]["name"], &listed[0]["location"]), (&"a".into(), &"received/tom".into()));
    assert_eq!(notes(&scene), json!([]), "it is no earlier machine of this name");
    scene.tom().begin(&File::new("a.tar").announced()).refused(409, "there already");
}

#[test]
fn it_is_verified_downloaded_and_listed_like_any_other() {
    let scene = Scene::new();
    let file = File::new("a.tar");
    scene.tom().upload(&file);
    let local = scene.local();
    let run = local.ask("POST", "/archives/a/verify", axum::body::Body::empty()).ok(202);
    let path = format!("/runs/{}", run["run_id"]);
    crate::support::wait_for("the verification", || {
        local.get(&path).ok(200)["status"] == "success"
    });
    let request = super::scene::request("GET", "/archives/a/download", axum::body::Body::empty());
    let bytes = scene.runtime.block_on(async {
        let response = tower::ServiceExt::oneshot(local.router.clone(), request).await.unwrap();
        axum::body::to_bytes(response.into_body(), usize::MAX).await.unwrap()
    });
    assert_eq!(bytes, file.bytes);
    assert_eq!(local.get("/archives?location=received/tom").ok(200).as_array().unwrap().len(), 1);
}

#[test]
fn nothing_else_is_copied_or_adopted_into_it() {
    let scene = Scene::new();
    scene.tom().upload(&File::new("a.tar"));
    let local = scene.local();
    let copy = |to: &str| {
        let body = json!({ "peer": to }).to_string();
        let mut request = super::scene::request("POST", "/archives/a/transfer", body);
        request.headers_mut().insert("content-type", "application/json".parse().unwrap());
        local.send(request)
    };
    copy("received/bob").refused(409, "for what peer `bob` sends");
    copy("main").ok(202);
}

#[test]
fn nothing_in_it_is_deleted_before_its_time_by_anybody() {
    let mut scene = Scene::new();
    for name in ["a.tar", "b.tar"] {
        scene.tom().upload(&File::new(name));
    }
    let delete =
        |scene: &Scene| scene.local().ask("DELETE", "/archives/a", axum::body::Body::empty());
    delete(&scene).refused(409, "cannot be deleted before");
    scene.stop();
    scene.configure("immutable_for = \"0s\"");
    scene.start();
    delete(&scene).ok(202);
}

#[test]
fn a_peer_that_may_store_nothing_any_more_loses_nothing() {
    let mut scene = Scene::new();
    let file = File::new("a.tar");
    scene.tom().upload(&file);
    let open = scene.tom().begun(&File::new("b.tar"));
    scene.stop();
    let text = std::fs::read_to_string(scene.path("etc/larder.toml")).unwrap();
    let without = text.split("[peer.tom]").next().unwrap();
    std::fs::write(scene.path("etc/larder.toml"), without).unwrap();
    scene.start();
    scene.tom().begin(&File::new("c.tar").announced()).refused(404, "may store archives here");
    assert_eq!(scene.tom().chunk(&open, 0, file.chunk(0)).status, 404);
    assert_eq!(std::fs::read(scene.path("received/tom/a.tar")).unwrap(), file.bytes);
    assert_eq!(scene.parts().len(), 1);
    scene.stop();
    std::fs::write(scene.path("etc/larder.toml"), text).unwrap();
    scene.start();
    assert_eq!(scene.local().get("/archives").ok(200)[0]["condition"], "present");
    scene.tom().chunk(&open, 0, File::new("b.tar").chunk(0)).ok(200);
}

/// An archive of a job of `tom`, as it describes it, of this many bytes and made at this time.
fn described(name: &str, seed: u8, length: usize, created_at: &str) -> (File, Value) {
    let file = File::of(&format!("{name}.tar"), seed, length);
    let mut archive = crate::support::sample::archive(name, &file.bytes);
    archive.origin = "tom".parse().unwrap();
    archive.job = "web".parse().unwrap();
    archive.label = "web".parse().unwrap();
    archive.created_at = created_at.parse().unwrap();
    let mut announced = file.announced();
    announced["info"] =
        serde_json::from_str(&larder::location::sidecar::to_text(&archive)).unwrap();
    (file, announced)
}

fn send(client: &super::scene::Client<'_>, (file, announced): &(File, Value)) -> Value {
    let begun = client.begin(announced);
    let id = begun.id();
    begun.ok(201);
    client.send_chunks(&id, file);
    client.finish(&id).ok(200)
}

/// A tar stream of two empty files of these names.
fn tar_of(names: [&str; 2]) -> Vec<u8> {
    let mut bytes = Vec::new();
    for name in names {
        let mut header = tar::Header::new_ustar();
        header.as_old_mut().name[..name.len()].copy_from_slice(name.as_bytes());
        header.set_entry_type(tar::EntryType::Regular);
        header.set_size(0);
        header.set_mode(0o755);
        header.set_cksum();
        bytes.extend_from_slice(header.as_bytes());
    }
    bytes.resize(bytes.len() + 1024, 0);
    bytes
}

#[test]
fn nothing_that_would_run_is_taken_from_who_is_not_trusted_to() {
    let shapes = ["hooks/restore/99-mine", "/etc/cron.d/mine", "data/../../etc/x"];
    for shape in shapes {
        let file = File { name: "a.tar".to_owned(), bytes: tar_of(["info.json", shape]).into() };
        let scene = Scene::new();
        let tom = scene.tom();
        let id = tom.begun(&file);
        tom.send_chunks(&id, &file);
        let refused = tom.finish(&id);
        refused.refused(422, shape);
        assert!(refused.body["hint"].as_str().unwrap().contains("trust"), "{}", refused.body);
        assert_eq!(scene.local().get("/archives").ok(200), json!([]));
        assert!(!scene.path("received/tom/a.tar").exists() && scene.parts().is_empty());
        assert_eq!(tom.finish(&id).status, 404);
        let scene = Scene::with("trust = \"restore\"");
        scene.tom().upload(&file);
        assert_eq!(scene.local().get("/archives").ok(200)[0]["outcome"], "good");
    }
}

#[test]
fn what_is_unlikely_is_taken_and_suspect() {
    let scene = Scene::new();
    let tom = scene.tom();
    let outcome = |name: &str| {
        let info = scene.local().get(&format!("/archives/{name}/info")).ok(200);
        format!("{}: {}", info["outcome"].as_str().unwrap(), info["reasons"][0])
    };
    // Noise is no archive, whatever it is called.
    send(&tom, &described("tom_web_1", 1, 100_000, "2026-05-01T00:00:00Z"));
    assert!(outcome("tom_web_1").starts_with("suspect: \"it cannot be read"));
    let whole = |name: &str, files: usize, created_at: &str| {
        let mut bytes = tar_of(["info.json", "a"]);
        bytes.truncate(1024);
        for number in 0..files {
            bytes.extend_from_slice(
                &tar_of([&format!("d/{number}"), &format!("e/{number}")])[..1024],
            );
        }
        bytes.resize(bytes.len() + 1024, 0);
        let (mut file, mut announced) = described(name, 1, bytes.len(), created_at);
        file.bytes = bytes.into();
        let hash = file.checksum();
        announced["checksum"] = hash.clone().into();
        for key in ["file_sha256", "stream_sha256"] {
            announced["info"][key] = hash.clone().into();
        }
        (file, announced)
    };
    send(&tom, &whole("tom_web_2", 20, "2026-05-02T00:00:00Z"));
    send(&tom, &whole("tom_web_3", 20, "2026-05-03T00:00:00Z"));
    send(&tom, &whole("tom_web_4", 5, "2026-05-04T00:00:00Z"));
    send(&tom, &whole("tom_web_5", 20, "2026-05-01T00:00:00Z"));
    send(&tom, &whole("tom_web_6", 20, "2126-05-01T00:00:00Z"));
    send(&tom, &whole("tom_web_7", 20, "2026-05-05T00:00:00Z"));
    assert_eq!(outcome("tom_web_3"), "good: null");
    assert!(outcome("tom_web_4").contains("under 50%"), "{}", outcome("tom_web_4"));
    assert!(outcome("tom_web_5").contains("came earlier"));
    assert!(outcome("tom_web_6").contains("and came at"));
    assert_eq!(outcome("tom_web_7"), "good: null");
}

#[test]
fn a_peer_with_the_scope_deletes_its_own_once_that_may_be_and_no_faster_than_the_brake() {
    use larder::api::access::Caller;
    use larder::model::token::Scope;
    let scopes = [Scope::List, Scope::Send, Scope::Delete];
    let caller = |name: &str| Caller::Peer { name: name.parse().unwrap(), scopes: scopes.into() };
    let delete = |scene: &Scene, who: &str, name: &str| {
        let path = format!("/archives/{name}");
        scene.client(caller(who)).ask("DELETE", &path, axum::body::Body::empty())
    };
    let mut scene = Scene::new();
    for number in 0..6 {
        scene.tom().upload(&File::new(&format!("a{number}.tar.age")));
    }
    assert_eq!(scene.tom().ask("DELETE", "/archives/a0", axum::body::Body::empty()).status, 403);
    delete(&scene, "tom", "a0").refused(409, "cannot be deleted before");
    delete(&scene, "bob", "a0").refused(404, "no archive");
    scene.stop();
    scene.configure("immutable_for = \"0s\"");
    scene.start();
    for number in 0..3 {
        delete(&scene, "tom", &format!("a{number}")).ok(202);
    }
    delete(&scene, "tom", "a3").refused(409, "within 7 days");
    scene.runtime.block_on(scene.handle().settled());
    delete(&scene, "tom", "a3").refused(409, "within 7 days");
    assert!(scene.path("received/tom/a3.tar.age").exists());
}

#[test]
fn an_archive_that_two_peers_call_the_same_must_be_named_by_its_id() {
    let scene = Scene::new();
    for peer in ["tom", "bob"] {
        let seed = if peer == "tom" { 1 } else { 2 };
        let (file, mut announced) = described("spike_web_1", seed, 5000, "2026-05-01T00:00:00Z");
        announced["info"]["instance"] = "spike".into();
        announced["info"]["id"] = uuid::Uuid::from_u128(u128::from(seed)).to_string().into();
        send(&scene.peer(peer), &(file, announced));
    }
    let local = scene.local();
    let asked = local.get("/archives/spike%2Fspike_web_1/info");
    asked.refused(409, "more than one archive");
    assert_eq!(asked.body["candidates"].as_array().unwrap().len(), 2);
    let id = uuid::Uuid::from_u128(2);
    let one = local.get(&format!("/archives/{id}/info")).ok(200);
    assert_eq!(one["location"], "received/bob");
    assert!(notes(&scene).to_string().contains("more than one instance claims"));
}
