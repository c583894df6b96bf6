//! `larder notify test`.

use std::io::{Read as _, Write as _};

use super::receiver::{Mood, Receiver, secret, with_hook};

#[test]
fn each_target_is_tried_and_one_that_fails_is_named() {
    let receiver = Receiver::new(Mood::Says(200));
    let instance = with_hook(receiver.address, &[]);
    secret(&instance, "other", &format!("http://{}/x", Receiver::nobody()));
    secret(&instance, "ping", &format!("http://{}/uuid", receiver.address));
    instance.write(
        "more.toml",
        "[notify.other]\nurl = { file = \"../other\" }\n\
         [notify.alive]\nping_url = { file = \"../ping\" }\n\
         [notify.gone]\nurl = { file = \"../no-such-file\" }\n",
    );
    for with_daemon in [false, true] {
        let _daemon = with_daemon.then(|| instance.daemon());
        instance.ok(&["notify", "test", "ops"]);
        let said = instance.fails(1, &["notify", "test"]);
        assert!(said.contains("other") && said.contains("cannot be reached"), "{said}");
        assert!(said.contains("no-such-file") && said.contains("install -m 600"), "{said}");
        let output = instance.larder(&["notify", "test", "--format", "json"]);
        let tested: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
        let delivered: Vec<(&str, bool)> = tested
            .as_array()
            .unwrap()
            .iter()
            .map(|one| (one["name"].as_str().unwrap(), one["delivered"].as_bool().unwrap()))
            .collect();
        assert_eq!(delivered, [("alive", true), ("gone", false), ("ops", true), ("other", false)]);
        let said = instance.fails(1, &["notify", "test", "nobody"]);
        assert!(said.contains("there is no `[notify.nobody]`"), "{said}");
    }
    let all = receiver.received();
    assert!(all.iter().any(|one| one.path == "/uuid/log"));
    let test = all.iter().find(|one| one.path.starts_with("/canary")).unwrap().json();
    assert_eq!(test["event"], "test");
    assert!(test["text"].as_str().unwrap().contains("a test of `[notify.ops]`"));
}

#[test]
fn without_a_target_there_is_nothing_to_test() {
    let instance = crate::walk::instance::Instance::new("");
    let said = instance.fails(1, &["notify", "test"]);
    assert!(said.contains("nobody is told about failures") && said.contains("[notify.NAME]"));
}

#[test]
fn a_certificate_is_checked_with_those_of_the_system() {
    let made = rcgen::generate_simple_self_signed(vec!["localhost".to_owned()]).unwrap();
    let key = rustls::pki_types::PrivateKeyDer::Pkcs8(made.signing_key.serialize_der().into());
    let provider = std::sync::Arc::new(rustls::crypto::ring::default_provider());
    let config = rustls::ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![made.cert.der().clone()], key)
        .unwrap();
    let config = std::sync::Arc::new(config);
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    // Ends with the test.
    std::thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            let tls = rustls::ServerConnection::new(std::sync::Arc::clone(&config)).unwrap();
            let mut tls = rustls::StreamOwned::new(tls, stream);
            let mut asked = [0; 16 << 10];
            if tls.read(&mut asked).is_ok() {
                let _ = tls.write_all(b"HTTP/1.1 204 X\r\nconnection: close\r\n\r\n");
                tls.conn.send_close_notify();
                let _ = tls.flush();
            }
        }
    });
    let instance = with_hook(Receiver::nobody(), &[]);
    secret(&instance, "hook", &format!("https://localhost:{port}/canary-7f3a9"));
    let said = instance.fails(1, &["notify", "test"]);
    assert!(said.contains("certificate") && !said.contains("canary"), "{said}");
    std::fs::write(instance.path("ca.pem"), made.cert.pem()).unwrap();
    let output = instance
        .command(&["notify", "test"])
        .env("SSL_CERT_FILE", instance.path("ca.pem"))
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}

#[test]
fn a_receiver_that_does_not_speak_tls_is_told_as_such() {
    let instance = with_hook(Receiver::nobody(), &[]);
    let receiver = Receiver::new(Mood::Says(200));
    secret(&instance, "hook", &format!("https://{}/canary-7f3a9", receiver.address));
    let said = instance.fails(1, &["notify", "test"]);
    assert!(said.contains("cannot be reached") && !said.contains("canary"), "{said}");
}

#[test]
fn a_host_without_sendmail_learns_what_to_install() {
    let instance = with_hook(Receiver::nobody(), &[]);
    instance.write("notify.toml", "[notify.mail]\nmail_to = \"admin@example.org\"\n");
    std::fs::create_dir_all(instance.path("empty")).unwrap();
    if ["/usr/sbin", "/usr/lib", "/usr/local/sbin", "/sbin"]
        .iter()
        .any(|dir| std::path::Path::new(dir).join("sendmail").exists())
    {
        crate::support::skipped!("this host has a sendmail");
    }
    let output = instance
        .command(&["check", "--live"])
        .env("PATH", instance.path("empty"))
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stdout).into_owned()
        + &String::from_utf8_lossy(&output.stderr);
    assert!(said.contains("`sendmail` is not there") && said.contains("msmtp-mta"), "{said}");
    let output =
        instance.command(&["notify", "test"]).env("PATH", instance.path("empty")).output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(said.contains("msmtp-mta"), "{said}");
}
