//! What a sender says of its archive, and what is made of it.

use larder::location::sidecar;
use larder::model::archive::Archive;
use serde_json::{Value, json};

use super::scene::{File, Scene};
use crate::support::sample;

/// An archive of the job `web` of `tom`, and what stands beside it there.
fn archive(name: &str) -> (File, Archive) {
    let file = File::new(&format!("{name}.tar"));
    let mut archive = sample::archive(name, &file.bytes);
    archive.origin = "tom".parse().unwrap();
    archive.job = "web".parse().unwrap();
    archive.label = "web".parse().unwrap();
    (file, archive)
}

type Change = Box<dyn FnOnce(&mut Value)>;

fn announced(file: &File, archive: &Archive, change: impl FnOnce(&mut Value)) -> Value {
    let mut info = serde_json::from_str(&sidecar::to_text(archive)).unwrap();
    change(&mut info);
    let mut announced = file.announced();
    announced["info"] = info;
    announced
}

#[test]
fn an_archive_keeps_its_identity_and_its_series() {
    let scene = Scene::new();
    let (tom, (file, archive)) = (scene.tom(), archive("tom_web_20260508"));
    let info_json = "{\"description\": \"theirs\"}\n";
    let begun = tom.begin(&announced(&file, &archive, |info| info["info_json"] = info_json.into()));
    let id = begun.id();
    begun.ok(201);
    tom.send_chunks(&id, &file);
    assert_eq!(tom.finish(&id).ok(200)["id"], archive.id.to_string());
    let listed = scene.local().get("/archives").ok(200)[0].clone();
    assert_eq!((&listed["origin"], &listed["job"]), (&"tom".into(), &"web".into()));
    assert_eq!(listed["id"], archive.id.to_string());
    let beside = |name: &str| std::fs::read_to_string(scene.path(&format!("received/tom/{name}")));
    assert_eq!(beside("tom_web_20260508.info.json").unwrap(), info_json);
    let sidecar: Value =
        serde_json::from_str(&beside("tom_web_20260508.larder.json").unwrap()).unwrap();
    assert_eq!((&sidecar["how"], &sidecar["from"]), (&"received".into(), &"tom".into()));
    assert_eq!(sidecar["pinned"], false);
}

#[test]
fn the_same_archive_rests_with_two_and_nobody_passes_another_off_as_it() {
    let scene = Scene::new();
    let (tom, bob) = (scene.tom(), scene.peer("bob"));
    let (file, archive) = archive("tom_web_20260508");
    let start = announced(&file, &archive, |_| {});
    let id = tom.begin(&start).id();
    // An open upload has its id already.
    let other = File { name: "tom_web_20260509.tar".to_owned(), ..file.clone() };
    let renamed = announced(&other, &archive, |info| info["name"] = "tom_web_20260509".into());
    tom.begin(&renamed).refused(409, "id");
    tom.send_chunks(&id, &file);
    tom.finish(&id).ok(200);
    tom.begin(&renamed).refused(409, "id");
    // Another one may hold a copy, but not say that it is of somebody else.
    let stolen = announced(&file, &archive, |info| info["instance"] = "bob".into());
    bob.begin(&stolen).refused(409, "id");
    let id = bob.begin(&start).id();
    bob.send_chunks(&id, &file);
    bob.finish(&id).ok(200);
    assert_eq!(scene.local().get("/archives").ok(200).as_array().unwrap().len(), 2);
}

#[test]
fn nobody_sends_an_archive_in_our_name() {
    let scene = Scene::new();
    let (file, archive) = archive("jerry_web_20260508");
    let ours = announced(&file, &archive, |info| info["instance"] = "jerry".into());
    scene.tom().begin(&ours).refused(422, "this instance");
    assert!(!scene.path("received/tom").exists());
}

#[test]
fn hostile_descriptions_are_refused_before_anything_is_made() {
    let scene = Scene::new();
    let (file, archive) = archive("tom_web_20260508");
    let deep = (0..40).fold(Value::Null, |value, _| json!({ "a": value }));
    let hostile: Vec<(Change, &str)> = vec![
        (Box::new(|info| *info = json!([1])), "not an object"),
        (Box::new(move |info| info["x"] = deep), "deeper"),
        (Box::new(|info| info["schema"] = 99.into()), "schema"),
        (Box::new(|info| info["schema"] = "1".into()), "no sidecar"),
        (Box::new(|info| info["id"] = "../../etc".into()), "no sidecar"),
        (Box::new(|info| info["name"] = "../evil".into()), "no sidecar"),
        (Box::new(|info| info["job"] = "a/../b".into()), "no sidecar"),
        (Box::new(|info| info["created_at"] = "tomorrow".into()), "no sidecar"),
        (Box::new(|info| info["file_size"] = 1.into()), "another file"),
        (Box::new(|info| info["file_sha256"] = "00".repeat(32).into()), "another file"),
        (Box::new(|info| info["codec"] = "gzip:6".into()), "another file"),
        (Box::new(|info| info["info_json"] = json!({})), "info_json"),
        (Box::new(|info| info["label"] = "x".repeat(10_000).into()), "no sidecar"),
        (Box::new(|info| info["zone"] = Value::Null), "no sidecar"),
    ];
    for (change, why) in hostile {
        let answer = scene.tom().begin(&announced(&file, &archive, change));
        answer.refused(422, why);
    }
    assert!(!scene.path("received/tom").exists());
}

#[test]
fn an_archive_of_which_nothing_is_said_is_in_a_series_of_its_own() {
    let scene = Scene::new();
    scene.tom().upload(&File::new("whatever.tar.zst.age"));
    let listed = scene.local().get("/archives").ok(200)[0].clone();
    assert_eq!((&listed["origin"], &listed["job"]), (&"tom".into(), &"uploads".into()));
    assert_eq!(listed["file_name"], "whatever.tar.zst.age");
}
