//! Mistakes in the instance and its peers.

use insta::assert_snapshot;

use super::told;

#[test]
fn an_api_beyond_loopback_without_tls() {
    assert_snapshot!(told(r#"[instance]
listen = ["0.0.0.0:8470"]"#), @r#"
    error: listening on `0.0.0.0:8470`, beyond loopback, needs `tls`
     --> it.toml:2:10
      |
    2 | listen = ["0.0.0.0:8470"]
      |          ^^^^^^^^^^^^^^^^
      |
    hint: add `tls = { cert = …, key = … }`, or listen on 127.0.0.1 behind a proxy
    "#);
}

#[test]
fn an_address_without_a_port() {
    assert_snapshot!(told(r#"[instance]
listen = ["127.0.0.1"]"#), @r#"
    error: `127.0.0.1` is not an address with a port, nor `unix:` with a path
     --> it.toml:2:11
      |
    2 | listen = ["127.0.0.1"]
      |           ^^^^^^^^^^^
      |
    hint: write it like `"127.0.0.1:8470"`
    "#);
}

#[test]
fn a_time_zone_by_its_city() {
    assert_snapshot!(told(r#"[instance]
timezone = "paris""#), @r#"
    error: no time zone is called `paris`
     --> it.toml:2:12
      |
    2 | timezone = "paris"
      |            ^^^^^^^
      |
    hint: did you mean `Europe/Paris`?
    "#);
}

#[test]
fn a_time_zone_with_a_slip() {
    assert_snapshot!(told(r#"[instance]
timezone = "Europe/Pariss""#), @r#"
    error: no time zone is called `Europe/Pariss`
     --> it.toml:2:12
      |
    2 | timezone = "Europe/Pariss"
      |            ^^^^^^^^^^^^^^^
      |
    hint: did you mean `Europe/Paris`?
    "#);
}

#[test]
fn an_instance_name_too_long() {
    assert_snapshot!(told(r#"[instance]
name = "the-machine-in-the-cellar-of-the-house""#), @r#"
    error: `the-machine-in-the-cellar-of-the-house` has 38 characters, 32 are allowed
     --> it.toml:2:8
      |
    2 | name = "the-machine-in-the-cellar-of-the-house"
      |        ^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^
      |
    hint: choose a shorter one
    "#);
}

#[test]
fn public_files_inside_the_state() {
    assert_snapshot!(told(r#"[instance]
state_dir = "/var/lib/larder"
publish_dir = "/var/lib/larder/public""#), @r#"
    error: `publish_dir` and `state_dir` must not lie within one another
     --> it.toml:3:15
      |
    3 | publish_dir = "/var/lib/larder/public"
      |               ^^^^^^^^^^^^^^^^^^^^^^^^
      |
    hint: what is published can be read by everyone; the state cannot
    "#);
}

#[test]
fn a_peer_over_plain_http() {
    assert_snapshot!(told(r#"[instance]
name = "jerry"
[peer.tom]
kind = "instance"
url = "http://tom.example.org""#), @r#"
    error: a peer beyond this host is reached over `https://` only
     --> it.toml:5:7
      |
    5 | url = "http://tom.example.org"
      |       ^^^^^^^^^^^^^^^^^^^^^^^^
      |
    hint: its token would travel in the clear
    "#);
}

#[test]
fn a_peer_of_an_unnamed_instance() {
    assert_snapshot!(told(r#"[peer.nas]
kind = "backup-channel"
hostname = "nas""#), @r#"
    error: with peers, the name of this instance must be written
     --> it.toml:1:7
      |
    1 | [peer.nas]
      |       ^^^
      |
    hint: write `[instance]` with a `name`: a host name may change
    "#);
}

#[test]
fn a_peer_with_the_name_of_a_location() {
    assert_snapshot!(told(r#"[instance]
name = "jerry"
[peer.usb]
kind = "backup-channel"
hostname = "nas""#), @r#"
    error: `usb` is also a location, at base.toml:8:11
     --> it.toml:3:7
      |
    3 | [peer.usb]
      |       ^^^
      |
    hint: peers and locations share one name space, since `send_to` names either
    "#);
}

#[test]
fn a_relay_that_is_missing() {
    assert_snapshot!(told(r#"[instance]
name = "jerry"
[peer.cabin]
kind = "direct-ssh-via-relay"
ssh = { host = "c", user = "b" }"#), @r#"
    error: `path`, the folder there, is missing
     --> it.toml:5:7
      |
    5 | ssh = { host = "c", user = "b" }
      |       ^^^^^^^^^^^^^^^^^^^^^^^^^^
      |
    hint: for instance `path = "/srv/backup/jerry"`

    error: `relay` is missing
     --> it.toml:5:7
      |
    5 | ssh = { host = "c", user = "b" }
      |       ^^^^^^^^^^^^^^^^^^^^^^^^^^
      |
    hint: for instance `relay = "relay@relay.example.org:22"`
    "#);
}

#[test]
fn yunohost_archives_in_a_compressed_location() {
    assert_snapshot!(told(r#"[job.apps]
type = "ynh_app"
app_id = "*"
location = "usb""#), @r#"
    error: `usb` compresses or encrypts, and YunoHost's own archives are plain
     --> it.toml:4:12
      |
    4 | location = "usb"
      |            ^^^^^
      |
    hint: use a location without `compress` and `encrypt_to`; copies sent elsewhere may be encrypted
    "#);
}

#[test]
fn a_peer_whose_archives_would_rest_where_another_location_is() {
    assert_snapshot!(told(r#"[instance]
name = "jerry"
[location.theirs]
path = "/srv/pool/tom"
[location.all]
path = "/srv/pool"
[peer.tom]
kind = "instance"
url = "https://tom.example.org"
accept = { token_hash = "sha256:9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08", location = "all" }"#), @r#"
    error: the archives of `tom` would go to `/srv/pool/tom`, where location `theirs` is
      --> it.toml:10:111
       |
    10 | accept = { token_hash = "sha256:9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08", location = "all" }
       |                                                                                                               ^^^^^
       |
    hint: a peer has its folder for itself; the other is at it.toml:3:11
    "#);
}

#[test]
fn a_peer_that_would_store_into_the_folder_of_yunohost() {
    let peer = |trust: &str| {
        told(&format!(
            r#"[instance]
name = "jerry"
[location.yunohost]
path = "/home/yunohost.backup/archives"
[peer.tom]
kind = "instance"
url = "https://tom.example.org"
[peer.tom.accept]
token_hash = "sha256:9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08"
location = "yunohost"
retention = {{ mode = "count", value = 7 }}
trust = "{trust}""#
        ))
    };
    assert_eq!(peer("restore"), "");
    assert_snapshot!(peer("store"), @r#"
    error: the archives of `tom` would rest in YunoHost's folder
      --> it.toml:10:12
       |
    10 | location = "yunohost"
       |            ^^^^^^^^^^
       |
    hint: YunoHost runs what an archive brings, as root: name another location, or write `trust = "restore"` if this peer may do anything here
    "#);
}

#[test]
fn what_peers_may_have_is_taken() {
    let told = told(
        r#"[instance]
name = "jerry"
[peer.tom]
kind = "instance"
url = "https://tom.example.org"
token = { env = "TOM" }
bandwidth = "5 MiB"
fetch_from = ["web"]
[peer.tom.accept]
token_hash = "sha256:9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08"
location = "main"
retention = { mode = "count", value = 7 }
scopes = ["send", "run", "restore"]
[job.web]
type = "custom_dir"
source_path = "/var/www"
send_to = ["tom"]"#,
    );
    assert_eq!(told, "");
}

#[test]
fn what_is_fetched_needs_a_place_and_somebody_to_ask() {
    let told = told(
        r#"[instance]
name = "jerry"
[peer.tom]
kind = "instance"
fetch_from = ["web"]"#,
    );
    assert!(told.contains("without `accept` there is no place for what is fetched"), "{told}");
    assert!(told.contains("a peer without `url` cannot be asked for anything"), "{told}");
}

#[test]
fn the_name_space_of_a_peer_is_no_place_to_name() {
    assert_snapshot!(told(r#"[job.web]
type = "custom_dir"
source_path = "/var/www"
location = "main/tom"
send_to = ["main/tom"]
[defaults]
location = "main/tom"
[location."main/tom"]
path = "/srv/tom""#), @r#"
    error: a name has letters, digits, `_`, `-` and `.`
     --> it.toml:4:12
      |
    4 | location = "main/tom"
      |            ^^^^^^^^^^

    error: a name has letters, digits, `_`, `-` and `.`
     --> it.toml:5:12
      |
    5 | send_to = ["main/tom"]
      |            ^^^^^^^^^^

    error: `[defaults]` is defined twice, first at base.toml:4:2
     --> it.toml:6:2
      |
    6 | [defaults]
      |  ^^^^^^^^
      |
    hint: keep one of them, or give one another name

    error: a name has letters, digits, `_`, `-` and `.`
     --> it.toml:7:12
      |
    7 | location = "main/tom"
      |            ^^^^^^^^^^

    error: a name has letters, digits, `_`, `-` and `.`
     --> it.toml:8:11
      |
    8 | [location."main/tom"]
      |           ^^^^^^^^^^
    "#);
}

#[test]
fn a_token_that_would_store_archives() {
    let told = told(
        "[token.script]\nhash = \"sha256:9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08\"\nscopes = [\"status\", \"send\"]",
    );
    assert!(told.contains("only peers store archives here"), "{told}");
    assert!(told.contains("write a `[peer.NAME]` with `accept` for whoever sends"), "{told}");
}

/// What is told of a job that sends to a peer with these keys.
fn told_of_copy(peer: &str, send_to: &str) -> String {
    told(&format!(
        "[instance]\nname = \"jerry\"\n[job.web]\ntype = \"custom_dir\"\nsource_path = \"/var/www\"\n\
         send_to = [{send_to}]\n[peer.tom]\n{peer}\n"
    ))
}

#[test]
fn a_copy_to_a_peer_that_nothing_reaches() {
    let channel = "kind = \"backup-channel\"\nhostname = \"tom\"";
    assert_snapshot!(told_of_copy(channel, "\"usb\", \"tom\""), @r#"
    error: peer `tom` only names a host: nothing is sent to it
     --> it.toml:6:19
      |
    6 | send_to = ["usb", "tom"]
      |                   ^^^^^
      |
    hint: name the location that it looks into
    "#);
    let comes = "kind = \"instance\"";
    assert_snapshot!(told_of_copy(comes, "{ to = \"tom\" }"), @r#"
    error: peer `tom` comes to us: it has no `url`, and may not fetch here: this copy would never leave
     --> it.toml:6:19
      |
    6 | send_to = [{ to = "tom" }]
      |                   ^^^^^
      |
    hint: write its `url`, or an `accept` whose `scopes` have `fetch`
    "#);
    let accept = |scopes: &str| {
        format!(
            "{comes}\naccept = {{ token_hash = \"sha256:9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08\", location = \"main\", scopes = [{scopes}] }}"
        )
    };
    assert_eq!(told_of_copy(&accept("\"fetch\""), "\"tom\""), "", "it comes and takes it");
    assert!(told_of_copy(&accept("\"list\""), "\"tom\"").contains("would never leave"));
}

#[test]
fn a_way_that_a_copy_cannot_go() {
    let url = "kind = \"instance\"\nurl = \"https://tom.example.org\"";
    assert_snapshot!(told_of_copy(url, "{ to = \"tom\", via = \"rsync\" }"), @r#"
    error: peer `tom` has no `ssh`, which rsync needs
     --> it.toml:6:32
      |
    6 | send_to = [{ to = "tom", via = "rsync" }]
      |                                ^^^^^^^
      |
    hint: leave `via` out, or write how it is reached over SSH
    "#);
    let host =
        "kind = \"direct-ssh-direct\"\nssh = { host = \"h\", user = \"u\", path = \"/srv\" }";
    assert_snapshot!(told_of_copy(host, "{ to = \"tom\", via = \"http\" }"), @r#"
    error: peer `tom` is a bare host: it has no API
     --> it.toml:6:32
      |
    6 | send_to = [{ to = "tom", via = "http" }]
      |                                ^^^^^^
      |
    hint: leave `via` out
    "#);
    assert_eq!(told_of_copy(host, "{ to = \"tom\", via = \"rsync\" }"), "");
    assert_eq!(told_of_copy(url, "{ to = \"tom\", via = \"http\" }"), "");
}
