//! The real program: killed between any two requests, and a client of nothing but curl.

use std::process::{Command, Stdio};

use serde_json::Value;

use super::scene::{ACCEPT, CHUNK, File};
use crate::support::skipped;
use crate::walk::instance::{Instance, sh, text};

/// An instance that takes archives of `tom`.
fn instance() -> Instance {
    let instance = Instance::new("");
    instance.write(
        "peers.toml",
        &format!(
            "[location.received]\npath = \"../received\"\nmin_free = \"64 KiB\"\n\
             [peer.tom]\nkind = \"instance\"\nurl = \"https://tom.example.org\"\n[peer.tom.accept]\n{ACCEPT}"
        ),
    );
    instance
}

/// Asks over the control socket; the status, and the body.
fn curl(instance: &Instance, method: &str, path: &str, body: &[u8]) -> (u16, Value) {
    let mut curl = Command::new("curl");
    curl.args([
        "-sS",
        "-X",
        method,
        "-w",
        "\n%{http_code}",
        "--data-binary",
        "@-",
        "--unix-socket",
    ])
    .arg(instance.path("control.sock"))
    .arg(format!("http://larder/api/v1{path}"))
    .args(["-H", "Content-Type: application/octet-stream"])
    .stdin(Stdio::piped())
    .stdout(Stdio::piped());
    let mut child = curl.spawn().unwrap();
    std::io::Write::write_all(&mut child.stdin.take().unwrap(), body).unwrap();
    let output = child.wait_with_output().unwrap();
    assert!(output.status.success(), "{}", text(&output.stderr));
    let printed = text(&output.stdout);
    let (body, status) = printed.rsplit_once('\n').unwrap();
    (status.parse().unwrap(), serde_json::from_str(body).unwrap_or(Value::Null))
}

fn has_curl() -> bool {
    Command::new("curl").arg("--version").output().is_ok_and(|output| output.status.success())
}

#[test]
fn an_upload_survives_kill_9_between_any_two_requests() {
    if !has_curl() {
        skipped!("there is no curl");
    }
    let instance = instance();
    let file = File::new("tom_web_20260508.tar");
    let mut daemon = Some(instance.daemon());
    let mut again = || {
        daemon.take().unwrap().kill();
        daemon = Some(instance.daemon());
    };
    let start = || {
        let body = file.announced().to_string();
        curl(&instance, "POST", "/archives/upload/start?peer=tom", body.as_bytes())
    };
    let (status, begun) = start();
    assert_eq!(status, 201, "{begun}");
    let id = begun["upload_id"].as_str().unwrap().to_owned();
    again();
    assert_eq!(start().0, 200);
    for n in 0..file.chunks() {
        again();
        let path = format!("/archives/upload/{id}/chunk/{n}");
        assert_eq!(curl(&instance, "POST", &path, &file.chunk(n)).0, 200);
        again();
        let (_, standing) = curl(&instance, "GET", &format!("/archives/upload/{id}"), b"");
        assert_eq!(standing["chunks_received"].as_array().unwrap().len(), n + 1);
    }
    again();
    let finish = format!("/archives/upload/{id}/finish");
    let (status, first) = curl(&instance, "POST", &finish, b"");
    assert_eq!(status, 200, "{first}");
    again();
    assert_eq!(curl(&instance, "POST", &finish, b""), (200, first));
    let path = instance.path("received/tom/tom_web_20260508.tar");
    assert_eq!(std::fs::read(path).unwrap(), file.bytes);
    assert_eq!(instance.archives().len(), 1);
}

#[test]
fn a_chunk_that_was_answered_is_there_and_one_that_was_not_can_be_sent_again_after_kill_9() {
    if !has_curl() {
        skipped!("there is no curl");
    }
    let instance = instance();
    let file = File::of("a.tar", 1, CHUNK * 24);
    let mut daemon = instance.daemon();
    let (_, begun) = curl(
        &instance,
        "POST",
        "/archives/upload/start?peer=tom",
        file.announced().to_string().as_bytes(),
    );
    let id = begun["upload_id"].as_str().unwrap().to_owned();
    let mut answered = Vec::new();
    for round in 0..4 {
        // Killed at any moment of what is under way.
        let sender = {
            let (socket, file, id) = (instance.path("control.sock"), file.clone(), id.clone());
            std::thread::spawn(move || {
                let mut done = Vec::new();
                for n in (0..file.chunks()).skip(round) {
                    let mut curl = Command::new("curl");
                    curl.args([
                        "-sS",
                        "-f",
                        "-o",
                        "/dev/null",
                        "--data-binary",
                        "@-",
                        "--unix-socket",
                    ])
                    .arg(&socket)
                    .arg(format!("http://larder/api/v1/archives/upload/{id}/chunk/{n}"))
                    .stdin(Stdio::piped())
                    .stderr(Stdio::null());
                    let mut child = curl.spawn().unwrap();
                    let _ =
                        std::io::Write::write_all(&mut child.stdin.take().unwrap(), &file.chunk(n));
                    if !child.wait().unwrap().success() {
                        break;
                    }
                    done.push(n as u64);
                }
                done
            })
        };
        let part = instance.path(&format!("received/tom/.incoming/jerry@{id}.tar.part"));
        let blocks = || std::os::unix::fs::MetadataExt::blocks(&part.metadata().unwrap());
        let before = blocks();
        instance.wait("something of it arrives", || blocks() > before || sender.is_finished());
        daemon.kill();
        answered.extend(sender.join().unwrap());
        daemon = instance.daemon();
        let (_, standing) = curl(&instance, "GET", &format!("/archives/upload/{id}"), b"");
        let there = standing["chunks_received"].as_array().unwrap();
        for n in &answered {
            assert!(there.contains(&(*n).into()), "chunk {n} was answered and is gone");
        }
    }
    for n in 0..file.chunks() {
        let path = format!("/archives/upload/{id}/chunk/{n}");
        assert_eq!(curl(&instance, "POST", &path, &file.chunk(n)).0, 200);
    }
    assert_eq!(curl(&instance, "POST", &format!("/archives/upload/{id}/finish"), b"").0, 200);
    assert_eq!(std::fs::read(instance.path("received/tom/a.tar")).unwrap(), file.bytes);
    drop(daemon);
}

/// What a person who read the specification writes on one evening.
const SENDER: &str = r#"
api="http://larder/api/v1/archives/upload"
ask() { curl -sS -f --unix-socket "$SOCKET" "$@"; }
field() { sed -n "s/.*\"$1\":\"\{0,1\}\([^\",}]*\).*/\1/p"; }

size=$(stat -c %s "$FILE")
sum=$(sha256sum "$FILE" | cut -d' ' -f1)
chunk=65536
answer=$(ask -X POST "$api/start?peer=tom" -d "{\"filename\":\"$(basename "$FILE")\",\"total_size\":$size,\"chunk_size\":$chunk,\"checksum\":\"$sum\"}")
id=$(printf '%s' "$answer" | field upload_id)
total=$(printf '%s' "$answer" | field chunks_total)
n=0
while [ "$n" -lt "$total" ]; do
    dd if="$FILE" bs=$chunk skip="$n" count=1 2>/dev/null | ask -X POST "$api/$id/chunk/$n" --data-binary @- >/dev/null
    n=$((n + 1))
done
ask -X POST "$api/$id/finish" | field archive
"#;

#[test]
fn a_client_that_knows_only_the_specification_is_a_few_lines_of_shell() {
    if !has_curl() {
        skipped!("there is no curl");
    }
    let instance = instance();
    let _daemon = instance.daemon();
    let source = instance.source("src/a.bin", &File::new("x").bytes);
    let dir = source.parent().unwrap();
    sh("tar -cf whatever_20260508.tar a.bin", dir);
    let script = format!(
        "SOCKET={}\nFILE={}\n{SENDER}",
        instance.path("control.sock").display(),
        dir.join("whatever_20260508.tar").display()
    );
    assert_eq!(sh(&script, dir).trim(), "whatever_20260508");
    sh("cmp whatever_20260508.tar ../received/tom/whatever_20260508.tar", dir);
    let listed = instance.ok(&["archive", "list"]);
    assert!(listed.contains("whatever_20260508"), "{listed}");
    assert!(listed.contains("received/tom"), "{listed}");
    let verified = instance.ok(&["archive", "verify", "whatever_20260508"]);
    assert!(!verified.contains("corrupt"), "{verified}");
    // It is a whole tar file: what is in it can be listed and taken out.
    let contents = instance.ok(&["archive", "contents", "whatever_20260508"]);
    assert!(contents.contains("a.bin"), "{contents}");
}
