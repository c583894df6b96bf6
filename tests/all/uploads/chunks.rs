//! Chunks: in any order, as often as their sender likes, whole or not at all.

use std::os::unix::fs::MetadataExt as _;

use axum::body::{Body, Bytes};
use futures_util::stream;

use super::scene::{CHUNK, File, Scene, request};
use crate::support::sample;

#[test]
fn a_file_in_the_four_fields_of_the_specification_becomes_an_archive() {
    let scene = Scene::new();
    let (tom, file) = (scene.tom(), File::new("tom_web_20260508.tar"));
    let begun = tom.begin(&file.announced());
    let id = begun.id();
    assert_eq!(begun.body["chunks_total"], 4);
    assert_eq!(begun.body["chunk_size"], CHUNK);
    assert_eq!(begun.body["chunks_received"], serde_json::json!([]));
    begun.ok(201);
    let mut done = serde_json::Value::Null;
    for n in 0..4 {
        done = tom.chunk(&id, n, file.chunk(n)).ok(200);
    }
    assert_eq!((&done["chunks_done"], &done["chunks_total"]), (&4.into(), &4.into()));
    let finished = tom.finish(&id).ok(200);
    assert_eq!(finished["archive"], "tom_web_20260508");
    assert_eq!(finished["sha256"], file.checksum());
    assert_eq!(
        scene.files("received/tom"),
        ["tom_web_20260508.info.json", "tom_web_20260508.larder.json", "tom_web_20260508.tar"]
    );
    assert_eq!(std::fs::read(scene.path("received/tom/tom_web_20260508.tar")).unwrap(), file.bytes);
    assert_eq!(scene.parts(), [] as [&str; 0]);

    let listed = scene.local().get("/archives").ok(200);
    assert_eq!(listed.as_array().unwrap().len(), 1);
    assert_eq!(listed[0]["location"], "received/tom");
    assert_eq!(listed[0]["origin"], "tom");
    assert_eq!(listed[0]["condition"], "present");
    assert!(listed[0]["verified_at"].is_string());
}

#[test]
fn chunks_come_in_any_order() {
    let scene = Scene::new();
    let (tom, file) = (scene.tom(), File::new("a.tar"));
    let id = tom.begun(&file);
    for (count, n) in [3, 0, 2, 1].into_iter().enumerate() {
        let done = tom.chunk(&id, n, file.chunk(n)).ok(200);
        assert_eq!(done["chunks_done"], count + 1);
    }
    tom.finish(&id).ok(200);
    assert_eq!(std::fs::read(scene.path("received/tom/a.tar")).unwrap(), file.bytes);
}

#[test]
fn the_same_chunk_again_is_fine_and_is_not_written_again() {
    let scene = Scene::new();
    let (tom, file) = (scene.tom(), File::new("a.tar"));
    let id = tom.begun(&file);
    tom.chunk(&id, 1, file.chunk(1)).ok(200);
    let part = scene.path(&format!("received/tom/.incoming/jerry@{id}.tar.part"));
    let written = |path: &std::path::Path| {
        let metadata = path.metadata().unwrap();
        (metadata.mtime(), metadata.mtime_nsec(), metadata.ctime(), metadata.ctime_nsec())
    };
    let before = written(&part);
    tom.chunk(&id, 1, file.chunk(1)).ok(200);
    assert_eq!(written(&part), before);
    assert_eq!(tom.received(&id), [1]);
    assert_eq!(part.metadata().unwrap().len(), file.bytes.len() as u64);
}

#[test]
fn the_same_chunk_with_other_bytes_is_a_conflict_and_changes_nothing() {
    let scene = Scene::new();
    let (tom, file) = (scene.tom(), File::new("a.tar"));
    let id = tom.begun(&file);
    tom.chunk(&id, 1, file.chunk(1)).ok(200);
    tom.chunk(&id, 1, sample::content(9, CHUNK)).refused(409, "with other bytes");
    tom.send_chunks(&id, &file);
    tom.finish(&id).ok(200);
    // Also once it is an archive.
    tom.chunk(&id, 1, sample::content(9, CHUNK)).refused(409, "with other bytes");
    tom.chunk(&id, 1, file.chunk(1)).ok(200);
    assert_eq!(std::fs::read(scene.path("received/tom/a.tar")).unwrap(), file.bytes);
}

#[test]
fn a_chunk_of_another_length_is_refused_and_leaves_nothing() {
    let scene = Scene::new();
    let (tom, file) = (scene.tom(), File::new("a.tar"));
    let id = tom.begun(&file);
    let whole = sample::content(1, CHUNK * 2);
    for (n, length) in
        [(0, 0), (0, 1), (0, CHUNK - 1), (0, CHUNK + 1), (0, CHUNK * 2), (3, CHUNK), (3, 1), (3, 0)]
    {
        let bytes = Bytes::copy_from_slice(&whole[..length]);
        tom.chunk(&id, n, bytes.clone()).refused(422, "bytes");
        // Without a word about its length before.
        let stream = stream::iter([Ok::<_, std::io::Error>(bytes)]);
        tom.chunk(&id, n, Body::from_stream(stream)).refused(422, "bytes");
        // And with a wrong one.
        let mut lying = request("POST", &format!("/archives/upload/{id}/chunk/{n}"), whole.clone());
        lying.headers_mut().insert("content-length", "18446744073709551616".parse().unwrap());
        assert_eq!(tom.send(lying).status, 422);
    }
    assert_eq!(tom.received(&id), [] as [u64; 0]);
    tom.send_chunks(&id, &file);
    tom.finish(&id).ok(200);
}

#[test]
fn an_endless_chunk_is_cut_off() {
    let scene = Scene::new();
    let (tom, file) = (scene.tom(), File::new("a.tar"));
    let id = tom.begun(&file);
    let endless = stream::repeat_with(|| Ok::<_, std::io::Error>(Bytes::from_static(&[7; 4096])));
    tom.chunk(&id, 0, Body::from_stream(endless)).refused(422, "more came");
    assert_eq!(tom.received(&id), [] as [u64; 0]);
}

#[test]
fn there_is_no_chunk_beyond_the_last() {
    let scene = Scene::new();
    let (tom, file) = (scene.tom(), File::new("a.tar"));
    let id = tom.begun(&file);
    for n in ["4", "5", "-1", "4294967295", "4294967296", "x", "0x1", "%00", "1.0", "+%31"] {
        let path = format!("/archives/upload/{id}/chunk/{n}");
        assert_eq!(tom.ask("POST", &path, file.chunk(0)).status, 404, "{n}");
    }
}

#[test]
fn a_body_that_breaks_off_leaves_the_upload_as_it_was() {
    let scene = Scene::new();
    let (tom, file) = (scene.tom(), File::new("a.tar"));
    let id = tom.begun(&file);
    for length in [0, 1, CHUNK / 2, CHUNK - 1, CHUNK] {
        let broken = stream::iter([
            Ok(file.chunk(0).slice(..length)),
            Err(std::io::Error::from(std::io::ErrorKind::ConnectionReset)),
        ]);
        assert_eq!(tom.chunk(&id, 0, Body::from_stream(broken)).status, 400);
        assert_eq!(tom.received(&id), [] as [u64; 0], "{length}");
    }
    tom.send_chunks(&id, &file);
    tom.finish(&id).ok(200);
}

#[test]
fn a_request_that_fails_late_harms_nothing_that_was_received() {
    let scene = Scene::new();
    let (tom, file) = (scene.tom(), File::new("a.tar"));
    let id = tom.begun(&file);
    tom.send_chunks(&id, &file);
    let broken = stream::iter([
        Ok(Bytes::from_static(&[0xff; 4096])),
        Err(std::io::Error::from(std::io::ErrorKind::ConnectionReset)),
    ]);
    assert_eq!(tom.chunk(&id, 2, Body::from_stream(broken)).status, 400);
    tom.chunk(&id, 2, Bytes::new()).refused(422, "bytes");
    assert_eq!(tom.received(&id), [0, 1, 2, 3]);
    tom.finish(&id).ok(200);
    assert_eq!(std::fs::read(scene.path("received/tom/a.tar")).unwrap(), file.bytes);
}

/// A chunk with a `Content-Digest`.
fn digested(scene: &Scene, id: &str, bytes: Bytes, digest: &str) -> super::scene::Answer {
    let mut request = request("POST", &format!("/archives/upload/{id}/chunk/0"), bytes);
    request.headers_mut().insert("content-digest", digest.parse().unwrap());
    scene.tom().send(request)
}

#[test]
fn a_digest_is_compared_and_a_chunk_that_is_another_is_not_kept() {
    let scene = Scene::new();
    let (tom, file) = (scene.tom(), File::of("a.tar", 0, CHUNK));
    let id = tom.begun(&file);
    let digest = |bytes: &[u8]| format!("sha-256=:{}:", base64(&sample::sha256(bytes).0));
    let right = digest(&file.bytes);
    digested(&scene, &id, file.chunk(0), &digest(b"other")).refused(422, "Content-Digest");
    for malformed in ["sha-256", "sha-256=:AAAA:", "sha-256=47DE", "sha-256=::", "sha-256=:!:"] {
        digested(&scene, &id, file.chunk(0), malformed).refused(400, "Content-Digest");
    }
    assert_eq!(tom.received(&id), [] as [u64; 0]);
    digested(&scene, &id, file.chunk(0), &right).ok(200);
    digested(&scene, &id, file.chunk(0), &format!("md5=:AAAA:, {right}")).ok(200);
    digested(&scene, &id, file.chunk(0), &digest(b"other")).refused(422, "Content-Digest");
    tom.finish(&id).ok(200);
}

fn base64(bytes: &[u8]) -> String {
    const LETTERS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut text = String::new();
    for three in bytes.chunks(3) {
        let bits = three.iter().fold(0_u32, |bits, byte| bits << 8 | u32::from(*byte));
        let bits = bits << (8 * (3 - three.len()));
        for at in 0..4 {
            let letter = LETTERS[(bits >> (18 - 6 * at) & 63) as usize];
            text.push(if at <= three.len() { char::from(letter) } else { '=' });
        }
    }
    text
}
