//! Mail through a stand-in for sendmail, which writes down what it is given.

use std::os::unix::fs::PermissionsExt as _;

use super::receiver::{heal, with_jobs};
use crate::walk::instance::Instance;

fn with_mail(script: &str) -> Instance {
    let instance = Instance::new("");
    instance.write("notify.toml", "[notify.mail]\nmail_to = \"admin@example.org\"\n");
    let path = instance.source("bin/sendmail", script.as_bytes());
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o755)).unwrap();
    with_jobs(&instance, &["web"]);
    instance
}

/// It writes down its arguments and the message, and takes it.
fn recording(instance_dir: &str) -> String {
    format!("#!/bin/sh\necho \"$*\" >> {instance_dir}/argv\ncat >> {instance_dir}/mails\n")
}

fn recorded() -> Instance {
    let instance = with_mail("#!/bin/sh\n");
    let script = recording(&instance.path("").display().to_string());
    std::fs::write(instance.path("bin/sendmail"), script).unwrap();
    instance
}

#[test]
fn a_failure_is_mailed_with_every_header_that_mail_needs() {
    let instance = recorded();
    instance.fails(1, &["apply"]);
    let argv = std::fs::read_to_string(instance.path("argv")).unwrap();
    assert_eq!(argv, "-i -- admin@example.org\n");
    let mail = std::fs::read_to_string(instance.path("mails")).unwrap();
    let (head, body) = mail.split_once("\n\n").unwrap();
    let names: Vec<&str> =
        head.lines().filter_map(|line| line.split_once(": ").map(|(name, _)| name)).collect();
    for name in ["From", "To", "Subject", "Date", "Message-ID", "MIME-Version", "Content-Type"] {
        assert_eq!(names.iter().filter(|other| **other == name).count(), 1, "{name}: {head}");
    }
    assert!(head.contains("Subject: larder on jerry: failure: `web`"), "{head}");
    let decoded = std::process::Command::new("sh")
        .args(["-c", &format!("printf '%s' '{body}' | base64 -d")])
        .output()
        .unwrap();
    let text = String::from_utf8(decoded.stdout).unwrap();
    assert!(text.starts_with("failure: the backup of `web` failed"), "{text}");

    heal(&instance, "web");
    instance.ok(&["run", "web"]);
    instance.ok(&["apply"]);
    let mails = std::fs::read_to_string(instance.path("mails")).unwrap();
    assert!(mails.contains("Subject: larder on jerry: recovery: `web`"), "{mails}");
}

#[test]
fn a_mail_that_is_not_taken_is_tried_again() {
    let instance = with_mail("#!/bin/sh\necho 'no route to host' >&2\nexit 75\n");
    instance.fails(1, &["apply"]);
    let said = instance.fails(1, &["notify", "test"]);
    assert!(said.contains("ended with exit status 75") && said.contains("no route"), "{said}");
    let status = instance.larder(&["status"]);
    let said = String::from_utf8_lossy(&status.stderr).into_owned();
    assert!(said.contains("`[notify.mail]` could not be told since"), "{said}");
    let script = recording(&instance.path("").display().to_string());
    std::fs::write(instance.path("bin/sendmail"), script).unwrap();
    instance.larder(&["apply"]);
    let mails = std::fs::read_to_string(instance.path("mails")).unwrap();
    assert_eq!(mails.matches("Subject: larder on jerry: failure").count(), 1, "{mails}");
}

#[test]
fn what_a_source_or_a_command_says_cannot_become_a_header() {
    let instance = recorded();
    let evil =
        "sh -c \\\"printf 'x\\\\r\\\\nBcc: eve@example.org\\\\r\\\\n\\\\r\\\\nhi'; exit 3\\\"";
    instance.write(
        "jobs.toml",
        &format!(
            "[job.web]\ntype = \"custom_dir\"\nsource_path = \"../src-web\"\nretries = 0\n\
             catch_up = \"now\"\nbefore = [\"{evil}\"]\n"
        ),
    );
    instance.fails(1, &["apply"]);
    let mail = std::fs::read_to_string(instance.path("mails")).unwrap();
    assert!(!mail.lines().any(|line| line.starts_with("Bcc")), "{mail}");
    assert_eq!(mail.matches("\n\n").count(), 1, "one head and one body: {mail}");
}
