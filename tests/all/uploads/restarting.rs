//! An engine that ends between any two requests, and what time does to uploads.

use jiff::{SignedDuration, Timestamp};

use super::scene::{File, Scene};

#[test]
fn an_upload_survives_a_restart_between_any_two_of_its_requests() {
    let mut scene = Scene::new();
    let file = File::new("a.tar");
    let id = scene.tom().begun(&file);
    scene.restart();
    assert_eq!(scene.tom().begin(&file.announced()).ok(200)["upload_id"], id);
    for n in 0..file.chunks() {
        scene.restart();
        scene.tom().chunk(&id, n, file.chunk(n)).ok(200);
        scene.restart();
        assert_eq!(scene.tom().received(&id).len(), n + 1);
    }
    scene.restart();
    let first = scene.tom().finish(&id);
    assert_eq!(first.status, 200);
    scene.restart();
    assert_eq!(scene.tom().finish(&id), first);
    assert_eq!(std::fs::read(scene.path("received/tom/a.tar")).unwrap(), file.bytes);
    assert_eq!(scene.local().get("/archives").ok(200).as_array().unwrap().len(), 1);
}

#[test]
fn a_start_keeps_what_open_uploads_left_and_sweeps_what_nobody_owns() {
    let mut scene = Scene::new();
    let file = File::new("a.tar");
    let id = scene.tom().begun(&file);
    scene.tom().chunk(&id, 0, file.chunk(0)).ok(200);
    scene.stop();
    let incoming = scene.path("received/tom/.incoming");
    let unsigned = ["00000000-0000-4000-8000-000000000000.tar.part", "7.tar.part", "x"];
    for orphan in unsigned {
        std::fs::write(incoming.join(format!("jerry@{orphan}")), "nobody's").unwrap();
        // As an earlier version made it, long ago.
        std::fs::write(incoming.join(orphan), "nobody's").unwrap();
        let long_ago = std::time::SystemTime::now() - std::time::Duration::from_hours(25);
        let file = std::fs::File::options().write(true).open(incoming.join(orphan)).unwrap();
        file.set_modified(long_ago).unwrap();
    }
    std::fs::write(incoming.join("8.tar.part"), "somebody's, perhaps").unwrap();
    std::fs::write(incoming.join("tom@7.tar.part"), "another instance's").unwrap();
    scene.start();
    crate::support::wait_for("the sweep", || scene.parts().len() == 3);
    let mut parts = scene.parts();
    parts.sort();
    assert_eq!(parts, ["8.tar.part", &format!("jerry@{id}.tar.part"), "tom@7.tar.part"]);
    assert_eq!(scene.tom().received(&id), [0]);
}

#[test]
fn a_crash_between_the_record_and_the_file_of_an_upload_is_made_up_for() {
    let mut scene = Scene::new();
    let file = File::new("a.tar");
    for by_start in [true, false] {
        let id = scene.tom().begun(&file);
        scene.stop();
        std::fs::remove_file(scene.path(&format!("received/tom/.incoming/jerry@{id}.tar.part")))
            .unwrap();
        scene.start();
        if by_start {
            assert_eq!(scene.tom().begin(&file.announced()).ok(200)["upload_id"], id);
        }
        scene.tom().chunk(&id, 1, file.chunk(1)).ok(200);
        scene.tom().abandon(&id).ok(204);
    }
}

#[test]
fn a_crash_between_the_archive_and_its_record_leaves_an_upload_that_is_finished() {
    for located in [true, false] {
        let mut scene = Scene::new();
        let file = File::new("a.tar");
        let id = scene.tom().begun(&file);
        scene.tom().send_chunks(&id, &file);
        scene.stop();
        let open = scene.state().uploads().unwrap().remove(0).0;
        scene.start();
        let first = scene.tom().finish(&id);
        scene.stop();
        // As it was before the record.
        let state = scene.state();
        state
            .commit(|txn| {
                txn.put_upload(&open)?;
                txn.drop_archive(open.archive.id, &open.archive.location)
            })
            .unwrap();
        drop(state);
        let (here, away) = (scene.path("received"), scene.path("unplugged"));
        if !located {
            std::fs::rename(&here, &away).unwrap();
        }
        scene.start();
        if !located {
            std::fs::rename(&away, &here).unwrap();
        }
        assert_eq!(scene.tom().finish(&id), first);
        let listed = scene.local().get("/archives").ok(200);
        assert_eq!(listed.as_array().unwrap().len(), 1, "{listed}");
        assert_eq!(scene.parts(), [] as [&str; 0]);
        scene.tom().begin(&file.announced()).refused(409, "with the same content");
        let local = scene.local();
        assert_eq!(local.get("/plan").ok(200)["blocked"], serde_json::json!([]));
    }
}

#[test]
fn a_crash_between_the_bytes_of_a_chunk_and_its_record_costs_that_chunk_only() {
    let mut scene = Scene::new();
    let file = File::new("a.tar");
    let id = scene.tom().begun(&file);
    scene.tom().chunk(&id, 0, file.chunk(0)).ok(200);
    scene.stop();
    let part = scene.path(&format!("received/tom/.incoming/jerry@{id}.tar.part"));
    let mut bytes = std::fs::read(&part).unwrap();
    bytes[100_000..200_000].fill(0xff);
    std::fs::write(&part, bytes).unwrap();
    scene.start();
    assert_eq!(scene.tom().received(&id), [0]);
    scene.tom().send_chunks(&id, &file);
    scene.tom().finish(&id).ok(200);
}

/// Moves all that is remembered of uploads into the past.
fn age(scene: &mut Scene, by: SignedDuration) {
    scene.stop();
    let state = scene.state();
    let earlier = |at: Timestamp| at.checked_sub(by).unwrap();
    for (mut upload, _) in state.uploads().unwrap() {
        upload.touched_at = earlier(upload.touched_at);
        upload.published_at = upload.published_at.map(earlier);
        state.commit(|txn| txn.put_upload(&upload)).unwrap();
    }
    drop(state);
    scene.start();
}

#[test]
fn an_upload_that_nobody_goes_on_with_is_dropped_after_48_hours() {
    let mut scene = Scene::new();
    let file = File::new("a.tar");
    let id = scene.tom().begun(&file);
    scene.tom().chunk(&id, 0, file.chunk(0)).ok(200);
    age(&mut scene, SignedDuration::from_hours(47));
    assert_eq!(scene.tom().received(&id), [0]);
    age(&mut scene, SignedDuration::from_hours(2));
    crate::support::wait_for("the upload is dropped", || scene.parts().is_empty());
    assert_eq!(scene.tom().get(&format!("/archives/upload/{id}")).status, 404);
    assert_eq!(scene.tom().chunk(&id, 1, file.chunk(1)).status, 404);
    scene.tom().upload(&file);
}

#[test]
fn an_upload_that_somebody_goes_on_with_lives_on() {
    let mut scene = Scene::new();
    let file = File::new("a.tar");
    let id = scene.tom().begun(&file);
    for n in 0..file.chunks() {
        age(&mut scene, SignedDuration::from_hours(40));
        scene.tom().chunk(&id, n, file.chunk(n)).ok(200);
    }
    age(&mut scene, SignedDuration::from_hours(40));
    scene.tom().finish(&id).ok(200);
}

#[test]
fn a_finished_upload_is_forgotten_and_its_archive_is_not() {
    let mut scene = Scene::new();
    let file = File::new("a.tar");
    let id = scene.tom().begun(&file);
    scene.tom().send_chunks(&id, &file);
    scene.tom().finish(&id).ok(200);
    age(&mut scene, SignedDuration::from_hours(49));
    let path = format!("/archives/upload/{id}");
    crate::support::wait_for("it is forgotten", || scene.tom().get(&path).status == 404);
    assert_eq!(std::fs::read(scene.path("received/tom/a.tar")).unwrap(), file.bytes);
    assert_eq!(scene.local().get("/archives").ok(200)[0]["condition"], "present");
    scene.tom().begin(&file.announced()).refused(409, "with the same content");
}

#[test]
fn an_upload_that_an_earlier_version_began_goes_on() {
    let mut scene = Scene::new();
    let file = File::new("a.tar");
    let id = scene.tom().begun(&file);
    scene.tom().chunk(&id, 0, file.chunk(0)).ok(200);
    scene.stop();
    let incoming = scene.path("received/tom/.incoming");
    let (signed, unsigned) = (format!("jerry@{id}.tar.part"), format!("{id}.tar.part"));
    std::fs::rename(incoming.join(signed), incoming.join(unsigned)).unwrap();
    scene.start();
    assert_eq!(scene.tom().received(&id), [0]);
    for chunk in 1..file.chunks() {
        scene.tom().chunk(&id, chunk, file.chunk(chunk)).ok(200);
    }
    assert_eq!(scene.tom().finish(&id).status, 200);
    assert_eq!(std::fs::read(scene.path("received/tom/a.tar")).unwrap(), file.bytes);
    assert!(scene.parts().is_empty());
}
