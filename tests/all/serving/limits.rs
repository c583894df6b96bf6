//! Each limit by itself.

use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use larder::api::serve::{BODY_MAX, Limits};

use super::site::{Site, impatient, patient};
use crate::support::wait_for;

#[test]
fn who_says_nothing_or_half_a_head_is_cut_off() {
    let site = Site::new(impatient());
    for words in ["", "G", "GET /quick HTTP/1.1\r\n", "GET /quick HTTP/1.1\r\nhost: larder\r\n"] {
        let mut client = site.client();
        client.send(words);
        assert_eq!(client.rest(), "", "after {words:?}");
    }
}

#[test]
fn a_head_that_drips_is_cut_off_however_often_it_drips() {
    let site = Site::new(impatient());
    let mut client = site.client();
    let begun = Instant::now();
    client.send("GET /quick HTTP/1.1\r\nx: ");
    while client.try_send("x") {
        assert!(begun.elapsed() < Duration::from_secs(30), "still open");
        std::thread::park_timeout(Duration::from_millis(20));
    }
}

#[test]
fn a_connection_is_kept_for_a_next_request_and_not_for_ever() {
    let site = Site::new(impatient());
    let mut client = site.client();
    assert!(client.ask("/quick"));
    assert!(client.ask("/quick"));
    assert_eq!(client.rest(), "");
}

#[test]
fn a_body_that_comes_too_slowly_ends_with_408() {
    let site = Site::new(impatient());
    let mut client = site.client();
    client.send("POST /read HTTP/1.1\r\nhost: larder\r\ncontent-length: 100000\r\n\r\nabc");
    let answer = client.rest();
    assert!(answer.starts_with("HTTP/1.1 408 "), "{answer}");
    assert!(answer.contains("connection: close"), "{answer}");
    assert!(answer.contains("cache-control: no-store"), "{answer}");
    assert!(answer.contains("too slowly"), "{answer}");
}

#[test]
fn an_answer_that_nobody_takes_is_given_up() {
    let site = Site::new(impatient());
    let mut client = site.client();
    client.send("GET /large HTTP/1.1\r\nhost: larder\r\n\r\n");
    wait_for("the answer begins", || site.open.load(Ordering::SeqCst) == 1);
    wait_for("the answer is given up", || site.open.load(Ordering::SeqCst) == 0);
}

#[test]
fn an_address_has_so_many_connections_and_takes_further_ones_from_itself() {
    let site = Site::new(Limits { per_address: 3, ..patient() });
    let own = [127, 0, 0, 2];
    let mut clients: Vec<_> = (0..3).map(|_| site.client_from(own)).collect();
    assert!(clients.iter_mut().all(|client| client.ask("/quick")));
    // Only what has been idle for a moment makes room.
    wait_for("a fourth is served", || site.client_from(own).ask("/quick"));
    assert_eq!(clients[0].rest(), "", "the one that was idle for longest is closed");
    assert!(site.client_from([127, 0, 0, 3]).ask("/quick"));
}

#[test]
fn who_is_served_is_never_closed_for_another() {
    let site = Site::new(Limits { connections: 3, ..patient() });
    let mut busy: Vec<_> = (0..3).map(|last| site.client_from([127, 0, 0, last + 1])).collect();
    for client in &mut busy {
        client.send("GET /waits HTTP/1.1\r\nhost: larder\r\n\r\n");
    }
    wait_for("all are under way", || site.open.load(Ordering::SeqCst) == 3);
    let begun = Instant::now();
    let mut another = site.client();
    another.try_send("GET /quick HTTP/1.1\r\nhost: larder\r\n\r\n");
    assert_eq!(another.answer(), "", "there is no slot");
    assert!(begun.elapsed() < Duration::from_secs(10), "it had to wait");
    assert_eq!(site.open.load(Ordering::SeqCst), 3);
    busy.pop();
    wait_for("a slot is free again", || site.client().ask("/quick"));
}

#[test]
fn a_head_has_16_kib_and_a_long_path_is_answered() {
    let site = Site::new(patient());
    let status = |head: &str| {
        let mut client = site.client();
        client.try_send(format!("GET {head}\r\nconnection: close\r\n\r\n"));
        client.rest().split_whitespace().nth(1).map(str::to_owned)
    };
    let path = "a".repeat(8 << 10);
    assert_eq!(status(&format!("/{path} HTTP/1.1")).as_deref(), Some("404"));
    let fits = "x".repeat(15 << 10);
    assert_eq!(status(&format!("/quick HTTP/1.1\r\nx: {fits}")).as_deref(), Some("200"));
    let many = "x".repeat(17 << 10);
    assert_eq!(status(&format!("/quick HTTP/1.1\r\nx: {many}")).as_deref(), Some("431"));
    assert_eq!(status(&format!("/{many} HTTP/1.1")).as_deref(), Some("431"));
    let fields = "x: y\r\n".repeat(200);
    assert_eq!(status(&format!("/quick HTTP/1.1\r\n{fields}z: z")).as_deref(), Some("431"));
}

#[test]
fn a_length_beyond_all_measure_is_refused_before_anything_is_sent() {
    let site = Site::new(patient());
    for path in ["/read", "/read/more", "/ignore", "/nowhere"] {
        for length in ["9223372036854775808", "18446744073709551613", "1073741825"] {
            let mut client = site.client();
            client.send(format!(
                "POST {path} HTTP/1.1\r\nhost: x\r\ncontent-length: {length}\r\n\r\n"
            ));
            let answer = client.rest();
            assert!(answer.starts_with("HTTP/1.1 413 "), "{path} {length}: {answer}");
            assert!(answer.contains("application/problem+json"), "{answer}");
        }
    }
}

#[test]
fn a_body_without_end_is_refused_at_the_limit_of_its_route() {
    let site = Site::new(patient());
    let chunk = format!("10000\r\n{}\r\n", "x".repeat(0x10000));
    for (path, limit) in [("/read", BODY_MAX), ("/read/more", 3 * BODY_MAX)] {
        let mut client = site.client();
        client
            .send(format!("POST {path} HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked\r\n\r\n"));
        // All of it is taken, and one byte more is too much.
        for _ in 0..limit / 0x10000 {
            client.send(&chunk);
        }
        client.try_send("1\r\nx\r\n");
        let answer = client.answer();
        assert!(answer.starts_with("HTTP/1.1 413 "), "{path}: {answer}");
        while client.try_send(&chunk) {}
    }
    let body = "x".repeat(2 * BODY_MAX);
    let mut client = site.client();
    let head = format!("host: x\r\ncontent-length: {}\r\nconnection: close", body.len());
    client.send(format!("POST /read/more HTTP/1.1\r\n{head}\r\n\r\n{body}"));
    assert!(client.rest().ends_with(&body.len().to_string()));
    let mut client = site.client();
    client.try_send(format!("POST /read HTTP/1.1\r\n{head}\r\n\r\n{body}"));
    assert!(client.rest().starts_with("HTTP/1.1 413 "), "the answer was lost with the connection");
}

#[test]
fn a_panic_is_a_problem_document_that_tells_nothing() {
    let site = Site::new(patient());
    let mut client = site.client();
    client.send("GET /panics HTTP/1.1\r\nhost: x\r\n\r\n");
    let answer = client.answer();
    assert!(answer.starts_with("HTTP/1.1 500 "), "{answer}");
    assert!(answer.contains("application/problem+json"), "{answer}");
    assert!(!answer.contains("hunter2"), "{answer}");
    assert!(client.ask("/quick"), "the connection goes on");
}

#[test]
fn a_handler_is_told_who_is_at_the_other_end() {
    let site = Site::new(patient());
    for last in [1, 5] {
        let mut client = site.client_from([127, 0, 0, last]);
        client.send("GET /who HTTP/1.1\r\nhost: x\r\n\r\n");
        let answer = client.answer();
        assert!(answer.ends_with(&format!("Direct(127.0.0.{last})")), "{answer}");
    }
}

#[test]
fn every_answer_tells_browsers_to_be_careful_and_nobody_who_we_are() {
    let site = Site::new(patient());
    for path in ["/quick", "/nowhere", "/panics"] {
        let mut client = site.client();
        client.send(format!("GET {path} HTTP/1.1\r\nhost: x\r\n\r\n"));
        let answer = client.answer().to_lowercase();
        assert!(answer.contains("x-content-type-options: nosniff"), "{answer}");
        assert!(answer.contains("cache-control: no-store"), "{answer}");
        assert!(!answer.contains("\r\nserver:"), "{answer}");
    }
}
