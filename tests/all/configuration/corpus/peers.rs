//! Mistakes in the instance and its peers.

use insta::assert_snapshot;

use super::told;

#[test]
fn an_api_beyond_loopback_without_tls() {
    assert_snapshot!(told(r#"[instance]
listen = ["0.0.0.0:8470"]"#), @r#"
    error: serving the API over the network is not carried out by this version yet
     --> it.toml:2:1
      |
    2 | listen = ["0.0.0.0:8470"]
      | ^^^^^^
      |
    hint: remove it, or comment it out: nothing that is written here is ignored in silence

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
    error: serving the API over the network is not carried out by this version yet
     --> it.toml:2:1
      |
    2 | listen = ["127.0.0.1"]
      | ^^^^^^
      |
    hint: remove it, or comment it out: nothing that is written here is ignored in silence

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
    error: a peer is not carried out by this version yet
     --> it.toml:3:7
      |
    3 | [peer.tom]
      |       ^^^
      |
    hint: remove it, or comment it out: nothing that is written here is ignored in silence

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
hostname = "nas""#), @r"
    error: a peer is not carried out by this version yet
     --> it.toml:1:7
      |
    1 | [peer.nas]
      |       ^^^
      |
    hint: remove it, or comment it out: nothing that is written here is ignored in silence

    error: with peers, the name of this instance must be written
     --> it.toml:1:7
      |
    1 | [peer.nas]
      |       ^^^
      |
    hint: write `[instance]` with a `name`: a host name may change
    ");
}

#[test]
fn a_peer_with_the_name_of_a_location() {
    assert_snapshot!(told(r#"[instance]
name = "jerry"
[peer.usb]
kind = "backup-channel"
hostname = "nas""#), @r"
    error: `usb` is also a location, at base.toml:8:11
     --> it.toml:3:7
      |
    3 | [peer.usb]
      |       ^^^
      |
    hint: peers and locations share one name space, since `send_to` names either

    error: a peer is not carried out by this version yet
     --> it.toml:3:7
      |
    3 | [peer.usb]
      |       ^^^
      |
    hint: remove it, or comment it out: nothing that is written here is ignored in silence
    ");
}

#[test]
fn a_relay_that_is_missing() {
    assert_snapshot!(told(r#"[instance]
name = "jerry"
[peer.cabin]
kind = "direct-ssh-via-relay"
ssh = { host = "c", user = "b" }"#), @r#"
    error: a peer is not carried out by this version yet
     --> it.toml:3:7
      |
    3 | [peer.cabin]
      |       ^^^^^
      |
    hint: remove it, or comment it out: nothing that is written here is ignored in silence

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
