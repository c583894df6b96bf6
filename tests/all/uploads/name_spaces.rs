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
