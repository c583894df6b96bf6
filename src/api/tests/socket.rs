//! The control socket.

use std::os::unix::fs::{FileTypeExt as _, PermissionsExt as _};

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::UnixStream;

use super::*;
use crate::api::socket::{bind, serve};
use crate::stop::{Stop, Stopped};

async fn ask_health(path: &std::path::Path) -> String {
    let mut stream = UnixStream::connect(path).await.unwrap();
    let request = b"GET /healthz HTTP/1.1\r\nhost: larder\r\nconnection: close\r\n\r\n";
    stream.write_all(request).await.unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    answer
}

#[tokio::test]
async fn a_stale_socket_is_replaced_and_one_that_answers_is_not() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("run/control.sock");
    std::fs::create_dir_all(path.parent().unwrap()).unwrap();
    drop(std::os::unix::net::UnixListener::bind(&path).unwrap());

    let bound = bind(&path).await.unwrap();
    let mode = std::fs::metadata(&path).unwrap().permissions().mode() & 0o777;
    assert!(mode == 0o600 || mode == 0o660, "{mode:o}");
    let again = bind(&path).await.unwrap_err();
    assert_eq!(again.kind(), std::io::ErrorKind::AddrInUse);

    let stop = Stop::new();
    let server = tokio::spawn({
        let stop = stop.clone();
        async move { serve(bound, still(view(Vec::new())), stop).await }
    });
    assert!(ask_health(&path).await.ends_with("ok"));
    stop.request(Stopped::Shutdown);
    server.await.unwrap();
    assert!(!path.exists(), "the socket is left behind");
}

#[tokio::test]
async fn a_file_that_is_no_socket_is_never_replaced() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("control.sock");
    std::fs::write(&path, "precious").unwrap();
    assert!(bind(&path).await.is_err());
    assert!(!std::fs::metadata(&path).unwrap().file_type().is_socket());
    assert_eq!(std::fs::read_to_string(&path).unwrap(), "precious");
}

#[tokio::test]
async fn a_client_that_says_nothing_does_not_delay_the_end() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("control.sock");
    let bound = bind(&path).await.unwrap();
    let stop = Stop::new();
    let server = tokio::spawn({
        let stop = stop.clone();
        async move { serve(bound, still(view(Vec::new())), stop).await }
    });
    let silent = UnixStream::connect(&path).await.unwrap();
    // Once another was answered, the silent one before it has been accepted as well.
    assert!(ask_health(&path).await.ends_with("ok"));
    stop.request(Stopped::Shutdown);
    let ended = tokio::time::timeout(std::time::Duration::from_secs(8), server).await;
    assert!(ended.is_ok(), "a silent client keeps the daemon");
    drop(silent);
}
