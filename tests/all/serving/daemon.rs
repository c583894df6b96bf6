//! The real daemon: it listens where its configuration says, and follows it.

use std::io::{Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::os::unix::fs::{FileTypeExt as _, PermissionsExt};
use std::os::unix::net::{UnixListener, UnixStream};
use std::time::{Duration, Instant};

use serde_json::Value;

use super::site::Client;
use crate::support::answers::text_is_foreseen;
use crate::support::{full, skipped};
use crate::walk::instance::Instance;

/// An instance that listens there: addresses and sockets, as they stand in the list.
fn listening(listen: &str) -> Instance {
    let instance = Instance::new("");
    listen_at(&instance, listen);
    instance
}

fn listen_at(instance: &Instance, listen: &str) {
    instance.write(
        "base.toml",
        &format!(
            "[instance]\nname = \"jerry\"\nstate_dir = \"../state\"\npublish_dir = \"../public\"\n\
             control_socket = \"../control.sock\"\nlisten = [{listen}]\n"
        ),
    );
}

fn health(instance: &Instance) -> Value {
    let mut stream = UnixStream::connect(instance.path("control.sock")).unwrap();
    let request = "GET /api/v1/health HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n";
    stream.write_all(request.as_bytes()).unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    serde_json::from_str(answer.split_once("\r\n\r\n").unwrap().1).unwrap()
}

/// Where the daemon says that it listens.
fn addresses(instance: &Instance) -> Vec<String> {
    let health = health(instance);
    let list = health["listening"].as_array().cloned().unwrap_or_default();
    list.iter().map(|address| address.as_str().unwrap().to_owned()).collect()
}

/// A request that is the last of its connection; its answer.
fn get(mut stream: impl std::io::Read + std::io::Write, path: &str) -> String {
    let request = format!("GET {path} HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    // Where nothing is described, a stranger is told as little as elsewhere.
    if !path.ends_with("/nothing") {
        text_is_foreseen("GET", path, &answer);
    }
    answer
}

/// A port that is free now.
fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

#[test]
fn several_addresses_answer_health_to_everybody_and_nothing_else_without_a_token() {
    let is_v6 = TcpListener::bind("[::1]:0").is_ok();
    let instance = listening(if is_v6 {
        "\"127.0.0.1:0\", \"127.0.0.2:0\", \"[::1]:0\""
    } else {
        "\"127.0.0.1:0\", \"127.0.0.2:0\""
    });
    let daemon = instance.daemon();
    let addresses = addresses(&instance);
    assert_eq!(addresses.len(), if is_v6 { 3 } else { 2 }, "{addresses:?}");
    for address in &addresses {
        let open = get(TcpStream::connect(address).unwrap(), "/healthz");
        assert!(open.starts_with("HTTP/1.1 200 ") && open.ends_with("ok"), "{open}");
        for path in ["/api/v1/health", "/api/v1/jobs", "/api/v1/nothing", "/nothing"] {
            let closed = get(TcpStream::connect(address).unwrap(), path);
            assert!(closed.starts_with("HTTP/1.1 401 "), "{path}: {closed}");
            assert!(closed.contains("x-content-type-options: nosniff"), "{closed}");
        }
    }
    // Somebody who says nothing does not keep it.
    let _silent = TcpStream::connect(&addresses[0]).unwrap();
    let took = daemon.terminate();
    assert!(took < Duration::from_secs(10), "{took:?}");
    assert!(TcpStream::connect(&addresses[0]).is_err());
}

#[test]
fn the_socket_of_a_proxy_needs_a_token_whoever_connects() {
    let instance = Instance::new("");
    let path = instance.path("web.sock");
    listen_at(&instance, &format!("\"unix:{}\"", path.display()));
    // One that a dead daemon left.
    drop(UnixListener::bind(&path).unwrap());
    let daemon = instance.daemon();
    instance.wait("the socket of the proxy", || UnixStream::connect(&path).is_ok());
    let mode = path.metadata().unwrap().permissions().mode() & 0o777;
    assert_eq!(mode, 0o660);
    let open = get(UnixStream::connect(&path).unwrap(), "/healthz");
    assert!(open.ends_with("ok"), "{open}");
    // Also for root, who may do everything at the control socket.
    let closed = get(UnixStream::connect(&path).unwrap(), "/api/v1/health");
    assert!(closed.starts_with("HTTP/1.1 401 "), "{closed}");
    daemon.terminate();
    assert!(!path.exists(), "the socket is left behind");

    let _alive = UnixListener::bind(&path).unwrap();
    let said = instance.fails(1, &["daemon"]);
    assert!(said.contains("cannot listen on `unix:"), "{said}");
    assert!(path.metadata().unwrap().file_type().is_socket());
}

#[test]
fn listeners_follow_the_configuration() {
    let instance = listening("\"127.0.0.1:0\"");
    let daemon = instance.daemon();
    let first = addresses(&instance).remove(0);
    let mut idle = Client::new(TcpStream::connect(&first).unwrap());
    assert!(idle.ask("/healthz"));

    let second = format!("127.0.0.1:{}", free_port());
    let begun = Instant::now();
    listen_at(&instance, &format!("\"127.0.0.3:0\", \"{second}\""));
    instance.wait("the new address answers", || TcpStream::connect(&second).is_ok());
    println!("the new address answers after {:?}", begun.elapsed());
    instance.wait("the old address is closed", || TcpStream::connect(&first).is_err());
    assert_eq!(idle.rest(), "", "an idle connection outlives its address");
    instance.wait("the new addresses are told", || addresses(&instance).len() == 2);
    assert!(addresses(&instance).contains(&second));

    listen_at(&instance, "");
    instance.wait("nothing is listened on", || TcpStream::connect(&second).is_err());
    daemon.terminate();
}

#[test]
fn an_address_that_is_taken_ends_a_start_and_not_a_running_daemon() {
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap();
    let instance = listening(&format!("\"{address}\""));
    let said = instance.fails(1, &["daemon"]);
    assert!(said.contains(&format!("cannot listen on `{address}`")), "{said}");
    assert!(said.contains("in use") && said.contains("hint: another program"), "{said}");

    listen_at(&instance, "\"127.0.0.1:0\"");
    let daemon = instance.daemon();
    let other = addresses(&instance).remove(0);
    listen_at(&instance, &format!("\"127.0.0.1:0\", \"{address}\""));
    let told = || health(&instance)["problems"].to_string();
    instance
        .wait("the health tells it", || told().contains(&format!("cannot listen on `{address}`")));
    assert_eq!(health(&instance)["status"], "degraded");
    assert!(get(TcpStream::connect(&other).unwrap(), "/healthz").ends_with("ok"));
    drop(taken);
    instance.wait("it is tried again", || addresses(&instance).len() == 2);
    assert!(!told().contains("cannot listen"), "{}", told());
    daemon.terminate();
}

#[test]
fn a_certificate_that_is_not_there_ends_a_start() {
    let instance = Instance::new("");
    listen_at(
        &instance,
        "\"127.0.0.1:0\"]\ntls = { cert = \"../crt.pem\", key = \"../key.pem\" }\nformerly = [",
    );
    let said = instance.fails(1, &["daemon"]);
    assert!(said.contains("crt.pem` cannot be read") && said.contains("hint: "), "{said}");
}

#[test]
fn what_this_host_lacks_is_said_before_the_daemon_starts() {
    let instance = Instance::new("");
    // An address for documentation: nobody has it.
    listen_at(
        &instance,
        "\"192.0.2.1:8470\", \"127.0.0.1:443\"]\ntls = { cert = \"../crt.pem\", key = \"../key.pem\" }\nformerly = [",
    );
    let made = rcgen::generate_simple_self_signed(vec!["localhost".to_owned()]).unwrap();
    let key = instance.source("key.pem", made.signing_key.serialize_pem().as_bytes());
    std::fs::set_permissions(&key, PermissionsExt::from_mode(0o644)).unwrap();
    let said = instance.fails(3, &["check", "--live"]);
    assert!(said.contains("cannot listen on `192.0.2.1`"), "{said}");
    assert!(said.contains("`127.0.0.1:443` takes the right"), "{said}");
    assert!(said.contains("crt.pem` cannot be read"), "{said}");
    assert!(said.contains("has mode 644"), "{said}");
    let other = rcgen::generate_simple_self_signed(vec!["localhost".to_owned()]).unwrap();
    instance.source("crt.pem", other.cert.pem().as_bytes());
    let said = instance.fails(3, &["check", "--live"]);
    assert!(said.contains("cannot be used with the key"), "{said}");
    instance.source("crt.pem", made.cert.pem().as_bytes());
    let said = instance.fails(3, &["check", "--live"]);
    assert!(!said.contains("crt.pem"), "{said}");
}

#[test]
fn plain_text_beyond_loopback_is_a_mistake_of_the_configuration() {
    let instance = listening("\"0.0.0.0:0\"");
    let said = instance.fails(1, &["check"]);
    assert!(said.contains("base.toml:6:10") && said.contains("needs `tls`"), "{said}");
    instance.fails(1, &["daemon"]);
}

#[test]
fn half_a_head_has_ten_seconds() {
    if !full() {
        skipped!("it takes ten seconds: LARDER_FULL=1 asks for it");
    }
    let instance = listening("\"127.0.0.1:0\"");
    let daemon = instance.daemon();
    let mut client = Client::new(TcpStream::connect(&addresses(&instance)[0]).unwrap());
    let begun = Instant::now();
    client.send("GET /healthz HTTP/1.1\r\nhost: ");
    assert_eq!(client.rest(), "");
    let took = begun.elapsed();
    assert!((Duration::from_secs(9)..Duration::from_secs(15)).contains(&took), "{took:?}");
    daemon.terminate();
}
