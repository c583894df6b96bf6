//! Many at once.

use std::sync::Arc;

use axum::body::{Body, Bytes};
use futures_util::future::join_all;
use futures_util::stream;
use tokio::sync::Notify;

use super::scene::{CHUNK, File, Scene, request, send};
use crate::support::sample;

#[test]
fn two_that_send_the_same_chunk_are_both_right_and_another_one_is_not() {
    let scene = Scene::new();
    let (tom, file) = (scene.tom(), File::new("a.tar"));
    let id = tom.begun(&file);
    for n in 0..file.chunks() {
        let bodies: Vec<Bytes> =
            [file.chunk(n), file.chunk(n), sample::content(9, file.chunk(n).len()).into()].into();
        let path = format!("/archives/upload/{id}/chunk/{n}");
        let asked =
            bodies.into_iter().map(|body| send(tom.router.clone(), request("POST", &path, body)));
        let mut statuses: Vec<u16> = scene
            .runtime
            .block_on(async { join_all(asked.map(tokio::spawn)).await })
            .into_iter()
            .map(|answer| answer.unwrap().status)
            .collect();
        statuses.sort_unstable();
        // Whoever came first is right.
        assert!(statuses == [200, 200, 409] || statuses == [200, 409, 409], "{statuses:?}");
    }
    assert_eq!(tom.received(&id), [0, 1, 2, 3]);
}

#[test]
fn whoever_waits_for_a_slow_sender_of_the_same_chunk_gets_its_turn() {
    let scene = Scene::new();
    let (tom, file) = (scene.tom(), File::new("a.tar"));
    let id = tom.begun(&file);
    let path = format!("/archives/upload/{id}/chunk/0");
    let (begun, go_on) = (Arc::new(Notify::new()), Arc::new(Notify::new()));
    let (tell, wait) = (Arc::clone(&begun), Arc::clone(&go_on));
    let first = file.chunk(0).slice(..10);
    // It stops after ten bytes until the other one waits, and then breaks off.
    let slow = stream::unfold(0, move |step| {
        let (tell, wait, first) = (Arc::clone(&tell), Arc::clone(&wait), first.clone());
        async move {
            match step {
                0 => Some((Ok(first), 1)),
                1 => {
                    tell.notify_one();
                    wait.notified().await;
                    Some((Err(std::io::Error::from(std::io::ErrorKind::ConnectionReset)), 2))
                }
                _ => None,
            }
        }
    });
    let (slow, quick) = scene.runtime.block_on(async {
        let body = Body::from_stream(Box::pin(slow));
        let slow = tokio::spawn(send(tom.router.clone(), request("POST", &path, body)));
        begun.notified().await;
        let quick = tokio::spawn(send(tom.router.clone(), request("POST", &path, file.chunk(0))));
        go_on.notify_one();
        (slow.await.unwrap(), quick.await.unwrap())
    });
    assert_eq!((slow.status, quick.status), (400, 200));
    tom.send_chunks(&id, &file);
    tom.finish(&id).ok(200);
}

#[test]
fn a_request_that_is_dropped_in_the_middle_leaves_its_chunk_to_the_next() {
    let scene = Scene::new();
    let (tom, file) = (scene.tom(), File::new("a.tar"));
    let id = tom.begun(&file);
    let path = format!("/archives/upload/{id}/chunk/0");
    scene.runtime.block_on(async {
        let begun = Arc::new(Notify::new());
        let tell = Arc::clone(&begun);
        let first = file.chunk(0).slice(..10);
        let hangs = stream::unfold(true, move |is_first| {
            let (tell, first) = (Arc::clone(&tell), first.clone());
            async move {
                if is_first {
                    return Some((Ok::<_, std::io::Error>(first), false));
                }
                tell.notify_one();
                std::future::pending().await
            }
        });
        let body = Body::from_stream(Box::pin(hangs));
        let hanging = tokio::spawn(send(tom.router.clone(), request("POST", &path, body)));
        begun.notified().await;
        hanging.abort();
        assert!(hanging.await.unwrap_err().is_cancelled());
    });
    assert_eq!(tom.received(&id), [] as [u64; 0]);
    tom.send_chunks(&id, &file);
    tom.finish(&id).ok(200);
}

#[test]
fn all_chunks_at_once_and_in_reverse_make_the_same_file() {
    let scene = Scene::new();
    let (tom, file) = (scene.tom(), File::of("a.tar", 3, CHUNK * 40 + 17));
    let id = tom.begun(&file);
    let asked: Vec<_> = (0..file.chunks())
        .rev()
        .flat_map(|n| [n, n])
        .map(|n| request("POST", &format!("/archives/upload/{id}/chunk/{n}"), file.chunk(n)))
        .map(|request| send(tom.router.clone(), request))
        .collect();
    let answers =
        scene.runtime.block_on(async { join_all(asked.into_iter().map(tokio::spawn)).await });
    assert!(answers.into_iter().all(|answer| answer.unwrap().status == 200));
    tom.finish(&id).ok(200);
    assert_eq!(std::fs::read(scene.path("received/tom/a.tar")).unwrap(), file.bytes);
}

#[test]
fn two_that_begin_the_same_have_one_upload_and_two_that_finish_it_one_archive() {
    let scene = Scene::new();
    let (tom, file) = (scene.tom(), File::new("a.tar"));
    let start = || {
        let body = file.announced().to_string();
        tokio::spawn(send(tom.router.clone(), request("POST", "/archives/upload/start", body)))
    };
    let answers = scene.runtime.block_on(async { join_all([start(), start(), start()]).await });
    let answers: Vec<_> = answers.into_iter().map(Result::unwrap).collect();
    let mut statuses: Vec<u16> = answers.iter().map(|answer| answer.status).collect();
    statuses.sort_unstable();
    assert_eq!(statuses, [200, 200, 201]);
    let id = answers[0].id();
    assert!(answers.iter().all(|answer| answer.id() == id));

    tom.send_chunks(&id, &file);
    let path = format!("/archives/upload/{id}/finish");
    let finish = || tokio::spawn(send(tom.router.clone(), request("POST", &path, Body::empty())));
    let answers = scene.runtime.block_on(async { join_all([finish(), finish(), finish()]).await });
    let answers: Vec<_> = answers.into_iter().map(Result::unwrap).collect();
    assert!(answers.iter().all(|answer| answer.status == 200 && *answer == answers[0]));
    assert_eq!(scene.local().get("/archives").ok(200).as_array().unwrap().len(), 1);
}

#[test]
fn an_upload_that_is_abandoned_under_its_senders_stays_gone() {
    let scene = Scene::new();
    let (tom, file) = (scene.tom(), File::of("a.tar", 1, CHUNK * 8));
    for _ in 0..10 {
        let id = tom.begun(&file);
        let mut asked: Vec<_> = (0..8)
            .map(|n| request("POST", &format!("/archives/upload/{id}/chunk/{n}"), file.chunk(n)))
            .collect();
        asked.insert(4, request("DELETE", &format!("/archives/upload/{id}"), Body::empty()));
        asked.push(request("POST", &format!("/archives/upload/{id}/finish"), Body::empty()));
        let asked = asked.into_iter().map(|request| send(tom.router.clone(), request));
        let answers = scene.runtime.block_on(async { join_all(asked.map(tokio::spawn)).await });
        let statuses: Vec<u16> = answers.into_iter().map(|a| a.unwrap().status).collect();
        assert!(statuses.iter().all(|s| [200, 204, 404, 409].contains(s)), "{statuses:?}");
        if tom.abandon(&id).status == 409 {
            return; // All of it came before the end: it is an archive.
        }
        assert_eq!(tom.get(&format!("/archives/upload/{id}")).status, 404);
        assert_eq!(scene.parts(), [] as [&str; 0]);
        assert_eq!(scene.files("received/tom"), [] as [&str; 0]);
    }
}
