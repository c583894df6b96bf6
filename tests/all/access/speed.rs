//! What being known costs.

use std::time::{Duration, Instant};

use hyper_util::rt::TokioIo;
use hyper_util::service::TowerToHyperService;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};

use super::*;
use crate::support::{self, skipped};

/// Reads one answer with a `Content-Length` to its end.
async fn answer(stream: &mut TcpStream, buffer: &mut Vec<u8>) -> String {
    buffer.clear();
    loop {
        let read = stream.read_buf(buffer).await.unwrap();
        assert!(read > 0, "the connection ended");
        let text = String::from_utf8_lossy(buffer);
        let Some((head, body)) = text.split_once("\r\n\r\n") else { continue };
        let length = head.lines().find_map(|line| line.strip_prefix("content-length: ")).unwrap();
        if body.len() == length.parse::<usize>().unwrap() {
            return text.into_owned();
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_warm_authorised_request_takes_less_than_a_millisecond() {
    if !support::full() {
        skipped!("a figure that needs a quiet machine (LARDER_FULL=1)");
    }
    let instance = Instance::new("");
    let mut tokens: Vec<String> = (0..20)
        .map(|number| table(&format!("t{number}"), &sha256(&format!("t{number}")), &["status"]))
        .collect();
    tokens.push(table("crypt", &bcrypt("crypt"), &["status"]));
    instance.write("tokens.toml", &tokens.concat());
    let served = Served::start(&instance).await;
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let router = served.router.clone();
    tokio::spawn(async move {
        let (stream, _) = listener.accept().await.unwrap();
        stream.set_nodelay(true).unwrap();
        let service = TowerToHyperService::new(router);
        let http = hyper::server::conn::http1::Builder::new();
        let _ = http.serve_connection(TokioIo::new(stream), service).await;
    });
    let mut stream = TcpStream::connect(address).await.unwrap();
    stream.set_nodelay(true).unwrap();
    let request =
        format!("GET /api/v1/health HTTP/1.1\r\nhost: larder\r\n{KEY_HEADER}: crypt\r\n\r\n");
    let mut buffer = Vec::with_capacity(64 * 1024);
    let mut best = Duration::MAX;
    // What other programs do in one round, they do not do in all of them.
    for round in 0..20 {
        let mut times: Vec<Duration> = Vec::with_capacity(1_000);
        for _ in 0..1_000 {
            let start = Instant::now();
            stream.write_all(request.as_bytes()).await.unwrap();
            let answer = answer(&mut stream, &mut buffer).await;
            times.push(start.elapsed());
            assert!(answer.starts_with("HTTP/1.1 200 "), "{answer}");
        }
        times.sort_unstable();
        println!(
            "warm authorised request, round {round}: p50 {:?}, p99 {:?}",
            times[500], times[990]
        );
        best = best.min(times[990]);
        // The first one pays for the bcrypt.
        if round > 0 && best < Duration::from_millis(1) {
            break;
        }
    }
    assert!(best < Duration::from_millis(1), "p99 {best:?}");
    served.handle.shutdown().await;
}
