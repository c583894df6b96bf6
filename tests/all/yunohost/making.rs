//! Archives that YunoHost makes for our jobs.

use super::host::{foreign, server};
use crate::support::root_or_skip;
use crate::walk::instance::sh;

const CLOUD: &str = "[job.cloud]\ntype = \"ynh_app\"\napp_id = \"nextcloud\"\n";

#[test]
fn an_app_is_saved_by_yunohost_and_its_archive_is_catalogued_with_its_hash() {
    root_or_skip!();
    let (instance, host) = server(CLOUD);
    instance.ok(&["apply"]);
    let archives = instance.archives();
    assert_eq!(archives.len(), 1, "{archives:?}");
    let archive = &archives[0];
    let name = archive["name"].as_str().unwrap();
    assert!(name.starts_with("jerry_cloud_"), "{name}");
    assert_eq!(archive["type"], "ynh_app");
    assert_eq!(archive["outcome"], "good");
    assert_eq!(archive["how"], "scheduled");
    let hash = sh(&format!("sha256sum < {name}.tar"), &instance.path("archives"));
    assert_eq!(archive["sha256"].as_str(), hash.split_whitespace().next());
    assert_eq!(host.archives(), [name]);
    // Plain, and beside it YunoHost's description and ours.
    assert_eq!(
        instance.files(),
        [".info.json", ".larder.json", ".tar"].map(|ending| format!("{name}{ending}"))
    );
    let members = sh(&format!("tar -tf {name}.tar"), &instance.path("archives"));
    for member in ["info.json", "backup.csv", "apps/nextcloud/settings/settings.yml"] {
        assert!(members.lines().any(|line| line == member), "{member}\n{members}");
    }
    assert!(members.contains("photo.raw"), "{members}");
    // Every way of reading it again works as for any archive.
    instance.ok(&["archive", "verify", name]);
    assert!(instance.ok(&["archive", "show", name]).contains("ynh_app"));
}

#[test]
fn the_command_gets_a_time_limit_and_never_what_hides_errors() {
    root_or_skip!();
    let (instance, host) = server(CLOUD);
    instance.ok(&["run", "cloud"]);
    let calls = host.calls();
    assert!(!calls.is_empty());
    for call in &calls {
        let words: Vec<&str> =
            call["argv"].as_array().unwrap().iter().map(|word| word.as_str().unwrap()).collect();
        assert_eq!(words[..3], ["--output-as", "json", "--timeout"], "{words:?}");
        assert!(words[3].parse::<u32>().unwrap() > 0);
        for never in ["--quiet", "--output-directory", "--methods"] {
            assert!(!words.contains(&never), "{words:?}");
        }
    }
    let creates = host.calls_of("backup", "create");
    assert_eq!(creates.len(), 1);
    assert!(creates[0]["core_only"].is_null());
    assert_eq!(instance.archives()[0]["how"], "manual");
}

#[test]
fn core_only_leaves_the_large_data_out() {
    root_or_skip!();
    let (instance, host) = server(&format!("{CLOUD}core_only = true\n"));
    instance.ok(&["apply"]);
    assert_eq!(host.calls_of("backup", "create")[0]["core_only"], "1");
    let name = instance.archives()[0]["name"].as_str().unwrap().to_owned();
    let members = sh(&format!("tar -tf {name}.tar"), &instance.path("archives"));
    assert!(members.contains("index.php") && !members.contains("photo.raw"), "{members}");
}

#[test]
fn the_system_is_saved_whole_or_by_parts() {
    root_or_skip!();
    let (instance, _host) = server(
        "[job.all]\ntype = \"ynh_system\"\n\
         [job.ldap]\ntype = \"ynh_system\"\nparts = [\"conf_ldap\"]\nlabel = \"ldap\"\n",
    );
    instance.ok(&["apply"]);
    let archives = instance.archives();
    assert_eq!(archives.len(), 2, "{archives:?}");
    let members_of =
        |label: &str| sh(&format!("tar -tf jerry_{label}_*.tar"), &instance.path("archives"));
    let (all, ldap) = (members_of("system"), members_of("ldap"));
    assert!(all.contains("conf/ldap/it") && all.contains("data/home/it"), "{all}");
    assert!(ldap.contains("conf/ldap/it") && !ldap.contains("data/home"), "{ldap}");
    assert!(all.contains("hooks/restore/20-conf_ldap"), "{all}");
}

#[test]
fn what_yunohost_compresses_is_one_archive_and_its_hash_is_that_of_the_file() {
    root_or_skip!();
    let (instance, host) = server(CLOUD);
    host.switch("compress", "");
    instance.ok(&["apply"]);
    let archives = instance.archives();
    assert_eq!(archives.len(), 1);
    let name = archives[0]["name"].as_str().unwrap();
    assert_eq!(archives[0]["file_name"], format!("{name}.tar.gz"));
    let hash = sh(&format!("sha256sum < {name}.tar.gz"), &instance.path("archives"));
    assert_eq!(archives[0]["sha256"].as_str(), hash.split_whitespace().next());
    assert_eq!(foreign(&instance).len(), 0);
    instance.ok(&["archive", "verify", name]);
    assert_eq!(host.archives(), [name]);
}

#[test]
fn a_part_that_nothing_restores_is_kept_with_a_warning() {
    root_or_skip!();
    let (instance, host) = server("[job.all]\ntype = \"ynh_system\"\n");
    std::fs::remove_file(host.path("hooks/restore/20-data_home")).unwrap();
    instance.larder(&["apply"]);
    let runs = instance.runs();
    let run = runs.iter().find(|run| run["kind"] == "backup").unwrap();
    assert_eq!(run["status"], "warning", "{run}");
    assert!(run["summary"].as_str().unwrap().contains("YunoHost warns of `data_home`"), "{run}");
    assert_eq!(instance.archives().len(), 1);
}

#[test]
fn copies_elsewhere_are_ordinary_archives() {
    root_or_skip!();
    let (instance, _host) = server(&format!("{CLOUD}send_to = [\"usb\"]\n"));
    instance.write(
        "usb.toml",
        "[location.usb]\npath = \"../usb\"\ncompress = \"zstd\"\nmin_free = \"1 MiB\"\n",
    );
    instance.ok(&["apply"]);
    let archives = instance.archives();
    assert_eq!(archives.len(), 2, "{archives:?}");
    assert!(archives.iter().any(|archive| archive["location"] == "usb"));
    let name = archives[0]["name"].as_str().unwrap();
    let copy = sh(&format!("zstd -dc {name}.tar.zst | sha256sum"), &instance.path("usb"));
    let made = sh(&format!("sha256sum < {name}.tar"), &instance.path("archives"));
    assert_eq!(copy, made);
}
