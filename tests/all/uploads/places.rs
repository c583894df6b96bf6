//! Disks that are full, gone, or read-only under an upload.

use super::scene::{CHUNK, File, Mounted, Scene};
use crate::support::{root_or_skip, skipped};

#[test]
fn a_disk_that_must_keep_more_free_than_it_has_takes_nothing() {
    let mut scene = Scene::cold("");
    let text = std::fs::read_to_string(scene.path("etc/larder.toml")).unwrap();
    let text = text.replace("min_free = \"64 KiB\"", "min_free = \"900 PiB\"");
    std::fs::write(scene.path("etc/larder.toml"), text).unwrap();
    scene.start();
    scene.tom().begin(&File::new("a.tar").announced()).refused(507, "not enough space");
    assert_eq!(scene.parts(), [] as [&str; 0]);
}

#[test]
fn a_location_that_goes_away_is_told_and_what_was_received_is_there_when_it_is_back() {
    let scene = Scene::new();
    let (tom, file) = (scene.tom(), File::new("a.tar"));
    let id = tom.begun(&file);
    tom.chunk(&id, 0, file.chunk(0)).ok(200);
    std::fs::rename(scene.path("received"), scene.path("unplugged")).unwrap();
    tom.chunk(&id, 1, file.chunk(1)).refused(503, "is not there");
    tom.begin(&file.announced()).refused(503, "cannot be used now");
    tom.begin(&File::new("b.tar").announced()).refused(503, "cannot be used now");
    assert_eq!(tom.received(&id), [0]);
    // Another directory in its place is not it.
    std::fs::create_dir_all(scene.path("received/tom")).unwrap();
    tom.chunk(&id, 1, file.chunk(1)).refused(503, "marker");
    assert_eq!(scene.files("received/tom"), [] as [&str; 0]);
    // Nor does a peer that never sent anything get a folder there.
    scene.peer("bob").begin(&file.announced()).refused(503, "cannot be used now");
    assert!(!scene.path("received/bob").exists());
    std::fs::remove_dir_all(scene.path("received")).unwrap();
    std::fs::rename(scene.path("unplugged"), scene.path("received")).unwrap();
    tom.send_chunks(&id, &file);
    tom.finish(&id).ok(200);
}

#[test]
fn a_location_that_goes_away_before_the_end_is_finished_when_it_is_back() {
    let scene = Scene::new();
    let (tom, file) = (scene.tom(), File::new("a.tar"));
    let id = tom.begun(&file);
    tom.send_chunks(&id, &file);
    std::fs::rename(scene.path("received"), scene.path("unplugged")).unwrap();
    tom.finish(&id).refused(503, "not");
    std::fs::rename(scene.path("unplugged"), scene.path("received")).unwrap();
    tom.finish(&id).ok(200);
}

#[test]
fn what_was_received_and_removed_by_somebody_begins_anew() {
    let scene = Scene::new();
    let (tom, file) = (scene.tom(), File::new("a.tar"));
    for by_chunk in [true, false] {
        let id = tom.begun(&file);
        tom.chunk(&id, 0, file.chunk(0)).ok(200);
        std::fs::remove_file(scene.path(&format!("received/tom/.incoming/jerry@{id}.tar.part")))
            .unwrap();
        if by_chunk {
            tom.chunk(&id, 1, file.chunk(1)).refused(404, "begin it again");
        }
        let again = tom.begin(&file.announced()).ok(201);
        assert_ne!(again["upload_id"], id);
        tom.abandon(again["upload_id"].as_str().unwrap()).ok(204);
    }
}

#[test]
fn a_hidden_file_that_was_exchanged_is_not_written_to() {
    let scene = Scene::new();
    let (tom, file) = (scene.tom(), File::new("a.tar"));
    let id = tom.begun(&file);
    let part = scene.path(&format!("received/tom/.incoming/jerry@{id}.tar.part"));
    let victim = scene.path("victim");
    std::fs::write(&victim, "precious").unwrap();
    std::fs::remove_file(&part).unwrap();
    std::os::unix::fs::symlink(&victim, &part).unwrap();
    tom.chunk(&id, 0, file.chunk(0)).refused(503, "it is a link");
    assert_eq!(std::fs::read(&victim).unwrap(), b"precious");
    tom.finish(&id).refused(409, "missing");
}

#[test]
fn a_full_disk_is_told_and_the_chunk_comes_again_when_there_is_room() {
    root_or_skip!();
    let mut scene = Scene::cold("");
    std::fs::create_dir(scene.path("received")).unwrap();
    let Some(_mounted) = Mounted::tmpfs(&scene.path("received")) else {
        skipped!("tmpfs cannot be mounted");
    };
    scene.start();
    let (tom, file) = (scene.tom(), File::of("a.tar", 1, CHUNK * 32));
    tom.begin(&File::of("b.tar", 1, CHUNK * 100).announced()).refused(507, "not enough space");
    let id = tom.begun(&file);
    // What is on its way counts before it is there.
    tom.begin(&File::of("b.tar", 1, CHUNK * 31).announced()).refused(507, "open uploads 2.0 MiB");
    tom.chunk(&id, 0, file.chunk(0)).ok(200);
    let ballast = scene.path("received/ballast");
    let mut filled = std::fs::File::create(&ballast).unwrap();
    while std::io::Write::write_all(&mut filled, &[1; 4096]).is_ok() {}
    drop(filled);
    tom.chunk(&id, 1, file.chunk(1)).refused(507, "no space");
    assert_eq!(tom.received(&id), [0]);
    std::fs::remove_file(&ballast).unwrap();
    tom.send_chunks(&id, &file);
    tom.finish(&id).ok(200);
    assert_eq!(std::fs::read(scene.path("received/tom/a.tar")).unwrap(), file.bytes);
}

#[test]
fn a_file_system_that_turned_read_only_is_told_and_used_again_later() {
    root_or_skip!();
    let mut scene = Scene::cold("");
    std::fs::create_dir(scene.path("received")).unwrap();
    let Some(mounted) = Mounted::tmpfs(&scene.path("received")) else {
        skipped!("tmpfs cannot be mounted");
    };
    scene.start();
    let (tom, file) = (scene.tom(), File::new("a.tar"));
    let id = tom.begun(&file);
    tom.chunk(&id, 0, file.chunk(0)).ok(200);
    mounted.remount("ro");
    tom.chunk(&id, 1, file.chunk(1)).refused(503, "ead-only");
    tom.begin(&File::new("b.tar").announced()).refused(503, "ead-only");
    tom.chunk(&id, 0, file.chunk(0)).ok(200);
    mounted.remount("rw");
    tom.send_chunks(&id, &file);
    tom.finish(&id).ok(200);
}

#[test]
fn a_location_that_is_unmounted_is_told() {
    root_or_skip!();
    let mut scene = Scene::cold("");
    std::fs::create_dir(scene.path("received")).unwrap();
    let Some(mounted) = Mounted::tmpfs(&scene.path("received")) else {
        skipped!("tmpfs cannot be mounted");
    };
    scene.start();
    let (tom, file) = (scene.tom(), File::new("a.tar"));
    let id = tom.begun(&file);
    drop(mounted);
    tom.chunk(&id, 0, file.chunk(0)).refused(503, "is not there");
    tom.begin(&File::new("b.tar").announced()).refused(503, "cannot be used now");
    assert_eq!(scene.files("received"), [] as [&str; 0], "something was written below the mount");
}
