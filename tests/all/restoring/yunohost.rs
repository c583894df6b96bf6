//! What YunoHost made comes back through YunoHost, from the command line on.

use std::fs;

use crate::support::root_or_skip;
use crate::walk::instance::{Instance, sh};
use crate::yunohost::host::{Host, LARGE, server};

const CLOUD: &str = "[job.cloud]\ntype = \"ynh_app\"\napp_id = \"nextcloud\"\n";

/// All files of the app, with their modes and contents.
fn app(host: &Host) -> String {
    let line = format!(
        "find var/www/nextcloud {LARGE}/nextcloud -printf '%p %y %m %U:%G\\n' | sort; \
         find var/www/nextcloud {LARGE}/nextcloud -type f | sort | xargs sha256sum"
    );
    sh(&line, &host.path("."))
}

/// The newest run, which is of a restore.
fn restore_of(instance: &Instance) -> serde_json::Value {
    let run = instance.runs()[0].clone();
    assert_eq!(run["kind"], "restore", "{run}");
    run
}

#[test]
fn an_app_that_was_removed_comes_back_with_all_its_files() {
    root_or_skip!();
    let (instance, host) = server(CLOUD);
    let before = app(&host);
    instance.ok(&["apply"]);
    host.remove("nextcloud");
    let plan = instance.ok(&["restore", "cloud@latest", "--dry-run"]);
    assert!(plan.contains("1. files: YunoHost restores the app `nextcloud`"), "{plan}");
    assert_eq!(host.calls_of("backup", "restore").len(), 0);
    instance.ok(&["restore", "cloud@latest", "--yes"]);
    assert_eq!(app(&host), before);
    assert_eq!(host.ok(&["app", "list"])["apps"][0]["id"], "nextcloud");
    let run = restore_of(&instance);
    assert_eq!(run["status"], "success", "{run}");
    let calls = host.calls_of("backup", "restore");
    assert_eq!(calls.len(), 1);
    let words = calls[0]["argv"].to_string();
    assert!(words.contains("--timeout") && words.contains("--apps\",\"nextcloud"), "{words}");
}

#[test]
fn while_the_app_is_installed_it_is_refused_with_the_remedy() {
    root_or_skip!();
    let (instance, host) = server(CLOUD);
    instance.ok(&["apply"]);
    let before = app(&host);
    let said = instance.fails(1, &["restore", "cloud@latest", "--yes"]);
    assert!(said.contains("the app `nextcloud` is installed"), "{said}");
    assert!(said.contains("hint: remove it first: `yunohost app remove nextcloud`"), "{said}");
    assert_eq!(host.calls_of("backup", "restore").len(), 0);
    assert_eq!(app(&host), before);
    let said = instance.fails(1, &["restore", "cloud@latest", "--path", "index.php", "--yes"]);
    assert!(said.contains("as a whole"), "{said}");
    // Elsewhere its files can be looked at meanwhile.
    let to = instance.path("elsewhere").display().to_string();
    instance.ok(&["restore", "cloud@latest", "--to", &to, "--yes"]);
    let found = sh("find elsewhere -name photo.raw -o -name index.php", &instance.path("."));
    assert_eq!(found.lines().count(), 2, "{found}");
}

#[test]
fn the_system_comes_back_by_the_parts_of_the_job() {
    root_or_skip!();
    let (instance, host) = server(
        "[job.all]\ntype = \"ynh_system\"\n\
         [job.ldap]\ntype = \"ynh_system\"\nparts = [\"conf_ldap\"]\nlabel = \"ldap\"\n",
    );
    instance.ok(&["apply"]);
    let (ldap, home) = (host.path("etc/ldap/it"), host.path("etc/home/it"));
    let saved = (fs::read(&ldap).unwrap(), fs::read(&home).unwrap());
    let ruin = || {
        fs::write(&ldap, "ruined").unwrap();
        fs::write(&home, "ruined").unwrap();
    };
    ruin();
    let plan = instance.ok(&["restore", "ldap@latest", "--dry-run"]);
    assert!(plan.contains("YunoHost restores of its system: conf_ldap"), "{plan}");
    assert!(plan.contains("overwritten, and not set aside"), "{plan}");
    instance.ok(&["restore", "ldap@latest", "--yes"]);
    assert_eq!(fs::read(&ldap).unwrap(), saved.0);
    assert_eq!(fs::read(&home).unwrap(), b"ruined", "that part was not in it");
    ruin();
    instance.ok(&["restore", "all@latest", "--yes"]);
    assert_eq!((fs::read(&ldap).unwrap(), fs::read(&home).unwrap()), saved);
    assert_eq!(restore_of(&instance)["status"], "success");
}

#[test]
fn a_copy_that_does_not_lie_in_yunohosts_folder_is_refused_with_the_remedy() {
    root_or_skip!();
    let (instance, host) = server(&format!("{CLOUD}send_to = [\"usb\"]\n"));
    instance.write("usb.toml", "[location.usb]\npath = \"../usb\"\nmin_free = \"1 MiB\"\n");
    instance.ok(&["apply"]);
    host.remove("nextcloud");
    let said = instance.fails(1, &["restore", "cloud@latest", "--location", "usb", "--yes"]);
    assert!(said.contains("does not lie where YunoHost looks"), "{said}");
    assert!(said.contains("larder archive send"), "{said}");
}

#[test]
fn a_directory_in_yunohosts_folder_comes_back_and_its_ports_are_opened_through_yunohost() {
    root_or_skip!();
    let (instance, host) = server(
        "[job.notes]\ntype = \"custom_dir\"\nsource_path = \"../notes\"\n\
         [job.notes.restore]\nfirewall_ports = [{ port = 8080 }, { port = 5353, protocol = \"udp\" }]\n",
    );
    instance.source("notes/a.txt", b"alpha");
    instance.source("notes/deep/b.txt", b"beta");
    let look = "find notes -printf '%P %y %m\\n' | sort; cat notes/a.txt notes/deep/b.txt";
    let before = sh(look, &instance.path("."));
    instance.ok(&["apply"]);
    assert_eq!(host.archives().len(), 1, "it lies in YunoHost's folder");
    sh("rm -r notes", &instance.path("."));
    let plan = instance.ok(&["restore", "notes@latest", "--dry-run"]);
    assert!(plan.contains("firewall: YunoHost opens 8080/tcp, 5353/udp"), "{plan}");
    instance.ok(&["restore", "notes@latest", "--yes"]);
    assert_eq!(sh(look, &instance.path(".")), before);
    let calls = |action: &str| -> Vec<String> {
        let calls = host.calls_of("firewall", action);
        calls.iter().map(|call| call["argv"].to_string()).collect()
    };
    let opened = calls("open");
    assert_eq!(opened.len(), 2, "{opened:?}");
    assert!(opened[0].contains("8080") && opened[1].contains("udp"), "{opened:?}");
    assert_eq!(restore_of(&instance)["status"], "success");
    // Releases before 12.1 are asked in their own words.
    host.switch("old-firewall", "");
    instance.ok(&["restore", "notes@latest", "--only", "firewall", "--yes"]);
    let allowed = calls("allow");
    assert!(allowed.len() == 2 && allowed[1].contains("UDP"), "{allowed:?}");
}
