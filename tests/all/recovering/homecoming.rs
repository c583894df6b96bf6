//! An archive that YunoHost made goes back to YunoHost's folder before YunoHost restores it.

use std::fs;
use std::path::Path;
use std::process::Output;

use crate::support::root_or_skip;
use crate::walk::instance::{Instance, sh, text};
use crate::yunohost::host::{Host, LARGE, server};

/// Runs `larder` where `/home` is a new server's own.
fn on_a_new_server(instance: &Instance, arguments: &[&str]) -> Output {
    let larder = instance.command(arguments);
    let mut command = std::process::Command::new("unshare");
    command
        .args(["-m", "--propagation", "private", "sh", "-ec"])
        .arg(
            "mount -t tmpfs none /home; mkdir -p /home/yunohost.backup/archives
             \"$@\"; find /home/yunohost.backup/archives -name '*.tar' -printf 'at home: %f\\n'",
        )
        .arg("sh")
        .arg(larder.get_program())
        .args(larder.get_args());
    for (name, value) in larder.get_envs() {
        if let Some(value) = value {
            command.env(name, value);
        }
    }
    command.output().unwrap()
}

/// An app, archived in YunoHost's folder and on a second disk; then the server burned.
fn burned(usb: &str) -> (Instance, Host, String) {
    let (instance, host) = server(&format!(
        "[job.cloud]\ntype = \"ynh_app\"\napp_id = \"nextcloud\"\nsend_to = [\"usb\"]\n\
         [location.usb]\npath = \"../usb\"\nmin_free = \"1 MiB\"\n{usb}"
    ));
    instance.write("recovery.toml", "");
    fs::create_dir(instance.path("usb")).unwrap();
    instance.ok(&["apply"]);
    let before = sh(&format!("sha256sum {LARGE}/nextcloud/* var/www/nextcloud/*"), &host.path("."));
    host.remove("nextcloud");
    sh("rm -rf etc state public archives control.sock", &instance.path(""));
    let link = host.path("home/yunohost.backup/archives");
    fs::remove_file(&link).unwrap();
    std::os::unix::fs::symlink("/home/yunohost.backup/archives", &link).unwrap();
    (instance, host, before)
}

fn comes_home(usb: &str, identity: Option<&Path>) {
    let (instance, host, before) = burned(usb);
    let disk = instance.path("usb").display().to_string();
    let mut arguments = vec!["recover", disk.as_str(), "--yes"];
    if let Some(identity) = identity {
        arguments.extend(["--identity", identity.to_str().unwrap()]);
    }
    let done = on_a_new_server(&instance, &arguments);
    let said = format!("{}{}", text(&done.stdout), text(&done.stderr));
    assert!(done.status.success(), "{said}");
    assert!(said.contains("go to `/home/yunohost.backup/archives` first"), "{said}");
    assert!(said.contains("at home: jerry_cloud_"), "{said}");
    let restored = host.calls_of("backup", "restore");
    assert_eq!(restored.len(), 1, "{said}");
    let after = sh(&format!("sha256sum {LARGE}/nextcloud/* var/www/nextcloud/*"), &host.path("."));
    assert_eq!(after, before);
}

#[test]
fn from_another_disk_it_goes_home_and_yunohost_restores_it() {
    root_or_skip!();
    comes_home("", None);
}

#[test]
fn compressed_and_encrypted_it_comes_home_as_the_plain_file_that_yunohost_knows() {
    root_or_skip!();
    let dir = tempfile::tempdir().unwrap();
    let identity = dir.path().join("key.txt");
    let made = std::process::Command::new("age-keygen").arg("-o").arg(&identity).output().unwrap();
    assert!(made.status.success(), "{}", text(&made.stderr));
    let said = text(&made.stderr);
    let recipient = said.split_whitespace().find(|word| word.starts_with("age1")).unwrap();
    let usb = format!("compress = \"zstd\"\nencrypt_to = [\"{recipient}\"]\n");
    comes_home(&usb, Some(&identity));
}
