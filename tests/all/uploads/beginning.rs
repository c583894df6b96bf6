//! What may begin, what goes on, and what is refused before its first byte.

use serde_json::{Value, json};

use super::scene::{CHUNK, File, Scene};
use larder::api::access::Caller;
use larder::model::token::Scope;

fn with(file: &File, key: &str, value: impl Into<Value>) -> Value {
    let mut announced = file.announced();
    announced[key] = value.into();
    announced
}

fn without(file: &File, key: &str) -> Value {
    let mut announced = file.announced();
    announced.as_object_mut().unwrap().remove(key);
    announced
}

#[test]
fn without_a_word_chunks_have_50_mib() {
    let scene = Scene::new();
    let begun = scene.tom().begin(&without(&File::new("a.tar"), "chunk_size")).ok(201);
    assert_eq!((&begun["chunk_size"], &begun["chunks_total"]), (&(50 << 20).into(), &1.into()));
}

#[test]
fn the_same_start_again_goes_on_with_what_is_there() {
    let scene = Scene::new();
    let (tom, file) = (scene.tom(), File::new("a.tar"));
    let id = tom.begun(&file);
    tom.chunk(&id, 2, file.chunk(2)).ok(200);
    for announced in [
        file.announced(),
        without(&file, "chunk_size"),
        with(&file, "checksum", file.checksum().to_uppercase()),
        with(&file, "info", json!({ "description": "said later" })),
    ] {
        let again = tom.begin(&announced).ok(200);
        assert_eq!(again["upload_id"], id);
        assert_eq!(again["chunks_received"], json!([2]));
    }
    assert_eq!(scene.parts().len(), 1);
}

#[test]
fn another_file_of_the_same_name_waits_until_the_first_is_done_with() {
    let scene = Scene::new();
    let (tom, file) = (scene.tom(), File::new("a.tar"));
    let id = tom.begun(&file);
    for other in [
        File::of("a.tar", 2, file.bytes.len()).announced(),
        File::of("a.tar", 1, file.bytes.len() - 1).announced(),
        with(&file, "chunk_size", 2 * CHUNK),
        with(&file, "filename", "a.tar.gz"),
        with(&file, "filename", "a.tar.age"),
    ] {
        let answer = tom.begin(&other);
        answer.refused(409, &id);
    }
    tom.abandon(&id).ok(204);
    tom.begun(&File::of("a.tar", 2, 10));
}

#[test]
fn the_name_of_an_archive_is_never_taken_again() {
    let scene = Scene::new();
    let (tom, file) = (scene.tom(), File::new("a.tar"));
    tom.upload(&file);
    tom.begin(&file.announced()).refused(409, "there already, with the same content");
    tom.begin(&File::of("a.tar", 2, 10).announced()).refused(409, "another one");
    tom.begin(&with(&file, "filename", "a.tar.zst")).refused(409, "there already");
    // What nobody recorded keeps its name as well.
    std::fs::write(scene.path("received/tom/b.tar.gz"), "foreign").unwrap();
    tom.begin(&File::new("b.tar").announced()).refused(409, "taken");
    std::os::unix::fs::symlink("/nowhere", scene.path("received/tom/c.tar")).unwrap();
    tom.begin(&File::new("c.tar").announced()).refused(409, "taken");
    assert_eq!(scene.parts(), [] as [&str; 0]);
    // Another peer has names of its own.
    scene.peer("bob").upload(&file);
}

#[test]
fn names_that_lie_are_refused_and_touch_nothing() {
    let scene = Scene::new();
    let (tom, file) = (scene.tom(), File::new("a.tar"));
    let long = format!("{}.tar", "a".repeat(51));
    for name in [
        "",
        ".",
        "..",
        ".tar",
        "..tar",
        "../a.tar",
        "../bob/a.tar",
        "/etc/a.tar",
        "a/b.tar",
        "a\\b.tar",
        ".hidden.tar",
        ".incoming/a.tar",
        ".larder-location",
        "a.tar/",
        "a",
        "a.zip",
        "a.tar.bz2",
        "a.tar.part",
        "a.larder.json",
        "a.info.json",
        "a.tar.tar",
        "a..tar",
        "-rf.tar",
        "a b.tar",
        "a\n.tar",
        "a\u{0}.tar",
        "a\u{1b}[2J.tar",
        "é.tar",
        "a\u{202e}rat.tar",
        "CON:.tar",
        &long,
    ] {
        let answer = tom.begin(&with(&file, "filename", name));
        answer.refused(422, "filename");
    }
    assert!(!scene.path("received/tom").exists(), "a refused start made a directory");
    assert_eq!(scene.files("received"), [] as [&str; 0]);
}

#[test]
fn numbers_that_cannot_be_are_refused() {
    let scene = Scene::with("quota = \"1 TiB\"");
    let (tom, file) = (scene.tom(), File::new("a.tar"));
    tom.begin(&with(&file, "total_size", 0)).refused(422, "total_size");
    for odd in
        [json!(-1), json!(1.5), json!("5"), json!(null), json!(1e30), json!([1]), json!(true)]
    {
        tom.begin(&with(&file, "total_size", odd)).refused(422, "not the start of an upload");
    }
    tom.begin(&with(&file, "total_size", u64::MAX)).refused(422, "chunks");
    tom.begin(&with(&file, "total_size", 1_u64 << 63)).refused(422, "chunks");
    tom.begin(&with(&file, "total_size", 100_000 * (CHUNK as u64) + 1)).refused(422, "chunks");
    let mut huge = with(&file, "total_size", 4_u64 << 40);
    huge["chunk_size"] = json!(64 << 20);
    tom.begin(&huge).refused(507, "quota");
    for odd in [0, 1, CHUNK - 1, (64 << 20) + 1, usize::MAX] {
        tom.begin(&with(&file, "chunk_size", odd)).refused(422, "chunk_size");
    }
    for odd in ["", "00", &"0".repeat(63), &"g".repeat(64), &"0".repeat(65), &"é".repeat(32)] {
        tom.begin(&with(&file, "checksum", odd)).refused(422, "checksum");
    }
    for key in ["filename", "total_size", "checksum"] {
        tom.begin(&without(&file, key)).refused(422, key);
    }
    assert!(!scene.path("received/tom").exists());
}

#[test]
fn what_is_no_json_is_told_apart_from_what_is_too_much() {
    let scene = Scene::new();
    let tom = scene.tom();
    let start = |body: String| tom.ask("POST", "/archives/upload/start", body);
    for text in ["", "{", "\u{0}", "{\"filename\":", "nul"] {
        start(text.to_owned()).refused(400, "not JSON");
    }
    start("[".repeat(100_000)).refused(400, "not JSON");
    for text in ["[]", "null", "7", "\"a\""] {
        start(text.to_owned()).refused(422, "not the start");
    }
    start(format!("{{\"filename\":\"{}\"}}", "x".repeat(1 << 20))).refused(413, "longer than");
}

#[test]
fn the_quota_counts_archives_and_open_uploads_and_is_freed_by_what_is_abandoned() {
    let scene = Scene::with("quota = \"512 KiB\"");
    let (tom, file) = (scene.tom(), File::new("a.tar"));
    tom.upload(&file);
    let id = tom.begun(&File::of("b.tar", 2, CHUNK * 4));
    let last = File::of("c.tar", 3, CHUNK / 2 + 1);
    tom.begin(&last.announced()).refused(507, "quota");
    tom.begun(&File::of("d.tar", 3, CHUNK / 2));
    tom.abandon(&id).ok(204);
    tom.upload(&last);
    // The quota of one is not that of another.
    scene.peer("bob").begun(&File::of("c.tar", 3, CHUNK * 20));
}

#[test]
fn no_more_uploads_are_open_at_once_than_may_be() {
    let scene = Scene::with("max_open_uploads = 2");
    let tom = scene.tom();
    let first = File::new("a.tar");
    let id = tom.begun(&first);
    tom.begun(&File::new("b.tar"));
    tom.begin(&File::new("c.tar").announced()).refused(507, "uploads are open");
    // One of them goes on all the same.
    tom.begin(&first.announced()).ok(200);
    tom.send_chunks(&id, &first);
    tom.finish(&id).ok(200);
    tom.begun(&File::new("c.tar"));
}

#[test]
fn who_is_no_peer_stores_nothing_but_says_for_whom_where_it_may_do_everything() {
    let scene = Scene::new();
    let file = File::new("a.tar");
    let start = |caller: Caller, query: &str| {
        let path = format!("/archives/upload/start{query}");
        scene.client(caller).ask("POST", &path, file.announced().to_string())
    };
    let token = |scope: Scope| Caller::Token { name: "t".parse().unwrap(), scopes: [scope].into() };
    let peer = |scopes: &[Scope]| Caller::Peer {
        name: "tom".parse().unwrap(),
        scopes: scopes.iter().copied().collect(),
    };
    start(token(Scope::Send), "").refused(403, "a token has no folder");
    start(token(Scope::Send), "?peer=tom").refused(403, "a token has no folder");
    start(token(Scope::Status), "?peer=tom").refused(403, "scope");
    start(peer(&[Scope::Status, Scope::List]), "").refused(403, "scope");
    start(peer(&[Scope::Send]), "?peer=bob").refused(404, "no peer");
    start(Caller::Local, "").refused(400, "whose");
    start(Caller::Local, "?peer=nobody").refused(404, "nobody");
    start(Caller::Local, "?peer=../tom").refused(404, "no peer");
    start(Caller::Local, "?peer=received").refused(404, "received");
    assert!(!scene.path("received/tom").exists());
    let id = start(token(Scope::Admin), "?peer=tom").id();
    assert_eq!(start(Caller::Local, "?peer=tom").id(), id);
    assert_eq!(start(peer(&[Scope::Send]), "?peer=tom").id(), id);
    assert_eq!(start(peer(&[Scope::Send]), "").ok(200)["peer"], "tom");
}

#[test]
fn an_upload_of_another_is_not_there() {
    let scene = Scene::new();
    let (tom, bob, file) = (scene.tom(), scene.peer("bob"), File::new("a.tar"));
    let id = tom.begun(&file);
    tom.send_chunks(&id, &file);
    for id in [id.as_str(), "x", "00000000-0000-4000-8000-000000000000", "%2e%2e", "%00"] {
        assert_eq!(bob.get(&format!("/archives/upload/{id}")).status, 404);
        assert_eq!(bob.chunk(id, 0, file.chunk(0)).status, 404);
        assert_eq!(bob.finish(id).status, 404);
        assert_eq!(bob.abandon(id).status, 404);
    }
    let local = scene.local();
    assert_eq!(local.get(&format!("/archives/upload/{id}?peer=bob")).status, 404);
    local.get(&format!("/archives/upload/{id}?peer=tom")).ok(200);
    local.get(&format!("/archives/upload/{id}")).ok(200);
    tom.finish(&id).ok(200);
}
