//! A server that ends.

use std::sync::atomic::Ordering;
use std::time::Duration;

use larder::api::serve::Limits;

use super::site::{Site, patient};
use crate::support::wait_for;

#[test]
fn a_body_that_is_under_way_is_brought_home() {
    let mut site = Site::new(patient());
    let mut client = site.client();
    client.send(
        "POST /read HTTP/1.1\r\nhost: x\r\ncontent-length: 10\r\nexpect: 100-continue\r\n\r\n",
    );
    // The handler waits for it.
    assert!(client.answer().starts_with("HTTP/1.1 100 "));
    client.send("12345");
    let address = site.address;
    let ending = site.end();
    wait_for("nobody else is let in", || std::net::TcpStream::connect(address).is_err());
    assert!(!ending.is_over());
    client.send("67890");
    let answer = client.rest();
    assert!(answer.starts_with("HTTP/1.1 200 ") && answer.ends_with("10"), "{answer}");
    ending.wait();
}

#[test]
fn idle_connections_and_streams_of_events_end_at_once() {
    let mut site = Site::new(patient());
    let mut idle = site.client();
    assert!(idle.ask("/quick"));
    let mut silent = site.client();
    let mut events = site.client();
    events.send("GET /events HTTP/1.1\r\nhost: x\r\n\r\n");
    assert!(events.answer().starts_with("HTTP/1.1 200 "));
    wait_for("the stream is open", || site.open.load(Ordering::SeqCst) == 1);
    // Far less than the grace for what is under way.
    let ending = site.end();
    assert_eq!(idle.rest(), "");
    assert_eq!(silent.rest(), "");
    let rest = events.rest();
    assert!(rest.contains("data: x") && rest.ends_with("0\r\n\r\n"), "not a proper end: {rest:?}");
    drop((idle, silent, events));
    let took = ending.wait();
    assert!(took < Duration::from_secs(20), "{took:?}");
}

#[test]
fn what_does_not_end_is_cut_off() {
    let mut site = Site::new(Limits { grace: Duration::from_millis(200), ..patient() });
    let mut client = site.client();
    client.send("GET /waits HTTP/1.1\r\nhost: x\r\n\r\n");
    wait_for("it is under way", || site.open.load(Ordering::SeqCst) == 1);
    let ending = site.end();
    assert_eq!(client.rest(), "");
    ending.wait();
    assert_eq!(site.open.load(Ordering::SeqCst), 0);
}
