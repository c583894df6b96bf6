//! The end of an upload: an archive, or nothing.

use super::scene::{CHUNK, File, Scene};
use crate::support::sample;

#[test]
fn a_gap_is_told_and_can_be_filled() {
    let scene = Scene::new();
    let (tom, file) = (scene.tom(), File::of("a.tar", 1, CHUNK * 7));
    let id = tom.begun(&file);
    tom.finish(&id).refused(409, "missing: 0-6");
    for n in [0, 3, 4, 6] {
        tom.chunk(&id, n, file.chunk(n)).ok(200);
    }
    tom.finish(&id).refused(409, "missing: 1-2, 5");
    assert_eq!(scene.files("received/tom"), [] as [&str; 0]);
    tom.send_chunks(&id, &file);
    tom.finish(&id).ok(200);
}

#[test]
fn finishing_twice_has_the_same_answer() {
    let scene = Scene::new();
    let (tom, file) = (scene.tom(), File::new("a.tar"));
    let id = tom.begun(&file);
    tom.send_chunks(&id, &file);
    let first = tom.finish(&id);
    assert_eq!(first.status, 200);
    assert_eq!(tom.finish(&id), first);
    assert_eq!(scene.local().finish(&id), first);
    let standing = tom.get(&format!("/archives/upload/{id}")).ok(200);
    assert_eq!(standing["status"], "complete");
    assert_eq!(standing["chunks_received"].as_array().unwrap().len(), 4);
    assert_eq!(scene.local().get("/archives").ok(200).as_array().unwrap().len(), 1);
}

#[test]
fn a_file_that_is_not_what_was_announced_leaves_nothing_and_may_come_again() {
    let scene = Scene::new();
    let (tom, file) = (scene.tom(), File::new("a.tar"));
    let id = tom.begun(&file);
    for n in 0..3 {
        tom.chunk(&id, n, file.chunk(n)).ok(200);
    }
    tom.chunk(&id, 3, sample::content(9, CHUNK / 2)).ok(200);
    tom.finish(&id).refused(422, "SHA-256");
    assert_eq!(scene.files("received/tom"), [] as [&str; 0]);
    assert_eq!(scene.parts(), [] as [&str; 0]);
    assert_eq!(tom.get(&format!("/archives/upload/{id}")).status, 404);
    assert_eq!(tom.finish(&id).status, 404);
    tom.upload(&file);
}

#[test]
fn what_is_damaged_on_the_disk_is_noticed_before_it_is_an_archive() {
    let scene = Scene::new();
    let (tom, file) = (scene.tom(), File::new("a.tar"));
    let id = tom.begun(&file);
    tom.send_chunks(&id, &file);
    let part = scene.path(&format!("received/tom/.incoming/jerry@{id}.tar.part"));
    let mut bytes = std::fs::read(&part).unwrap();
    bytes[CHUNK * 2] ^= 1;
    std::fs::write(&part, bytes).unwrap();
    tom.finish(&id).refused(422, "SHA-256");
    assert_eq!(scene.files("received/tom"), [] as [&str; 0]);
}

#[test]
fn what_is_abandoned_is_gone_with_its_room() {
    let scene = Scene::new();
    let (tom, file) = (scene.tom(), File::new("a.tar"));
    let id = tom.begun(&file);
    tom.send_chunks(&id, &file);
    assert_eq!(scene.parts().len(), 1);
    tom.abandon(&id).ok(204);
    assert_eq!(scene.parts(), [] as [&str; 0]);
    tom.abandon(&id).refused(404, "no upload");
    tom.chunk(&id, 0, file.chunk(0)).refused(404, "no upload");
    tom.finish(&id).refused(404, "no upload");
    tom.upload(&file);
}

#[test]
fn an_archive_is_not_abandoned() {
    let scene = Scene::new();
    let (tom, file) = (scene.tom(), File::new("a.tar"));
    let id = tom.begun(&file);
    tom.send_chunks(&id, &file);
    tom.finish(&id).ok(200);
    tom.abandon(&id).refused(409, "is an archive now");
    assert_eq!(scene.files("received/tom").len(), 3);
}

#[test]
fn a_name_that_was_taken_meanwhile_is_told_and_what_was_received_stays() {
    let scene = Scene::new();
    let (tom, file) = (scene.tom(), File::new("a.tar"));
    let id = tom.begun(&file);
    tom.send_chunks(&id, &file);
    let taken = scene.path("received/tom/a.tar");
    std::fs::write(&taken, "somebody's").unwrap();
    tom.finish(&id).refused(409, "taken");
    assert_eq!(std::fs::read(&taken).unwrap(), b"somebody's");
    assert_eq!(scene.files("received/tom"), ["a.tar"]);
    std::fs::remove_file(&taken).unwrap();
    tom.finish(&id).ok(200);
    assert_eq!(std::fs::read(&taken).unwrap(), file.bytes);
}

#[test]
fn one_byte_is_an_upload() {
    let scene = Scene::new();
    let file = File::of("a.tar", 1, 1);
    scene.tom().upload(&file);
    assert_eq!(std::fs::read(scene.path("received/tom/a.tar")).unwrap(), file.bytes);
}
