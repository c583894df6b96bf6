//! What two programs could read differently is refused, and nothing behind it is answered.

use super::site::{Site, patient};

/// A request that must not be answered if it stands behind these bytes.
const HIDDEN: &str = "GET /quick HTTP/1.1\r\nhost: x\r\n\r\n";

/// Sends a head and a body to the route that reads bodies; exactly one answer comes, of this status.
#[track_caller]
fn check(site: &Site, request: &str, statuses: &[&str]) {
    let mut client = site.client();
    client.try_send(format!("{request}{HIDDEN}"));
    let answer = client.rest();
    let status = answer.split_whitespace().nth(1).unwrap_or("none");
    assert!(statuses.contains(&status), "{request:?}: {answer}");
    assert_eq!(answer.matches("HTTP/1.1 ").count(), 1, "{request:?}: {answer}");
}

#[test]
fn heads_with_two_meanings_are_refused() {
    let site = Site::new(patient());
    for fields in [
        "Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        "Transfer-Encoding: chunked\r\nContent-Length: 5\r\n\r\n0\r\n\r\n",
        "Content-Length: 5\r\nContent-Length: 0\r\n\r\nabcde",
        "Content-Length: 5\r\nContent-Length: 5\r\n\r\nabcde",
        "Content-Length: 5, 5\r\n\r\nabcde",
        "Content-Length: +5\r\n\r\nabcde",
        "Content-Length: 5 5\r\n\r\nabcde",
        "Content-Length : 5\r\n\r\nabcde",
        "Content-Length: 18446744073709551616\r\n\r\n",
        "Transfer-Encoding: chunked, chunked\r\n\r\n0\r\n\r\n",
        "Transfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n",
        "Transfer-Encoding: identity\r\n\r\n",
        "Transfer-Encoding: xchunked\r\n\r\n0\r\n\r\n",
        "Transfer-Encoding : chunked\r\n\r\n0\r\n\r\n",
        "Transfer-Encoding:\x0bchunked\r\n\r\n0\r\n\r\n",
        "X: y\r\n Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        "X: y\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        "X: y\rTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        "X: y\0\r\n\r\n",
        "X\0: y\r\n\r\n",
        ": y\r\n\r\n",
    ] {
        check(&site, &format!("POST /read HTTP/1.1\r\nhost: x\r\n{fields}"), &["400"]);
    }
    check(&site, "POST /read HTTP/1.1\nhost: x\n\n", &["400"]);
    check(&site, "POST /read\0 HTTP/1.1\r\nhost: x\r\n\r\n", &["400"]);
    check(&site, "POST /read HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", &["400"]);
}

#[test]
fn chunks_that_are_none_are_refused() {
    let site = Site::new(patient());
    for body in [
        "zz\r\nabc\r\n0\r\n\r\n",
        "\r\n0\r\n\r\n",
        "-1\r\nabc\r\n0\r\n\r\n",
        "+3\r\nabc\r\n0\r\n\r\n",
        "0x3\r\nabc\r\n0\r\n\r\n",
        "3 4\r\nabc\r\n0\r\n\r\n",
        "3\nabc\r\n0\r\n\r\n",
        "3;x=\ny\r\nabc\r\n0\r\n\r\n",
        "3\r\nabcd\r\n0\r\n\r\n",
        "3\r\nabc0\r\n\r\n",
        "ffffffffffffffffff\r\nabc\r\n0\r\n\r\n",
    ] {
        let head = "POST /read HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked\r\n\r\n";
        check(&site, &format!("{head}{body}"), &["400", "413"]);
    }
}

#[test]
fn nothing_behind_a_chunked_body_is_a_request() {
    let site = Site::new(patient());
    let head = "POST /read HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked\r\n\r\n";
    check(&site, &format!("{head}3\r\nabc\r\n0\r\n\r\n"), &["200"]);
    // Nor where nobody reads the body.
    let head = "POST /ignore HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked\r\n\r\n";
    check(&site, &format!("{head}3\r\nabc\r\n0\r\n\r\n"), &["200"]);
}

#[test]
fn requests_one_behind_the_other_are_answered_one_by_one() {
    let site = Site::new(patient());
    let mut client = site.client();
    let read = "POST /read HTTP/1.1\r\nhost: x\r\ncontent-length: 5\r\n\r\na\nb\0c";
    client.send(format!("{read}{HIDDEN}{read}"));
    for body in ["5", "ok", "5"] {
        let answer = client.answer();
        assert!(answer.starts_with("HTTP/1.1 200 ") && answer.ends_with(body), "{answer}");
    }
}

#[test]
fn another_protocol_is_not_spoken() {
    let site = Site::new(patient());
    for words in ["PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", "\x16\x03\x01\x02\0\x01\0", "GET /quick\r\n"]
    {
        let mut client = site.client();
        client.try_send(words);
        let answer = client.rest();
        assert!(answer.is_empty() || answer.starts_with("HTTP/1.1 400 "), "{words:?}: {answer}");
    }
    // An old client of HTTP/1.0 is answered and closed.
    let mut client = site.client();
    client.send("GET /quick HTTP/1.0\r\n\r\n");
    assert!(client.rest().ends_with("ok"));
}
