//! Peers, the network, and who sees what of them.

use std::collections::BTreeSet;

use super::*;
use crate::api::access::Caller;
use crate::api::{App, Source, finish, routes};
use crate::model::contact::{Contact, Holdings, RemoteCopy};
use crate::model::desired::{Place, SecretRef};
use crate::model::peer::{Accept, Peer, PeerKind, Ssh};
use crate::model::token::Scope;

const HASH: &str = "$2b$12$canarycanarycanarycanarycanarycanarycanarycanarycanaryc";

/// `tom` stores archives here, `nas` is a label.
fn with_peers(archives: Vec<Archive>) -> View {
    let mut view = view(archives);
    let mut desired = view.desired.as_ref().clone();
    let ssh = Ssh {
        host: "tom.example.org".to_owned(),
        port: 22,
        user: "larder".to_owned(),
        path: None,
        identity: Some("/etc/larder/secrets/ssh".into()),
        known_hosts: None,
        relay: None,
    };
    let retention = desired.jobs[&"web".parse().unwrap()].retention;
    let tom = Peer {
        name: "tom".parse().unwrap(),
        kind: PeerKind::Instance {
            url: Some("https://tom.example.org/larder".to_owned()),
            token: Some(SecretRef::File("/etc/larder/secrets/tom".into())),
            ssh: Some(ssh),
            ca: None,
            pin: None,
        },
        accept: Some(Accept {
            token_hash: HASH.to_owned(),
            location: "main".parse().unwrap(),
            quota: None,
            retention,
            scopes: vec![Scope::Status],
            immutable_for: SignedDuration::from_hours(24),
            read_only: false,
            max_open_uploads: 4,
            trust_restore: false,
        }),
        rsync_above: crate::model::size::Bytes(1 << 31),
        bandwidth: None,
        offsite: true,
        fetch_from: Vec::new(),
        prune: false,
        place: Place { file: "peers/tom.toml".to_owned(), line: 1, column: 2 },
    };
    let nas = Peer {
        name: "nas".parse().unwrap(),
        kind: PeerKind::BackupChannel { hostname: "nas".to_owned(), location: None },
        accept: None,
        offsite: false,
        ..tom.clone()
    };
    desired.peers = [tom, nas].into_iter().map(|peer| (peer.name.clone(), peer)).collect();
    view.desired = Arc::new(desired);
    view
}

/// What a caller is answered.
fn as_caller(view: View, caller: Caller) -> Router {
    let app = App(Arc::new(Source::Still(Arc::new(view))));
    finish(routes().layer(axum::Extension(caller)), app)
}

fn tom() -> Caller {
    Caller::Peer { name: "tom".parse().unwrap(), scopes: BTreeSet::from([Scope::Status]) }
}

fn names(list: &Value) -> Vec<&str> {
    list.as_array().unwrap().iter().map(|one| one["name"].as_str().unwrap()).collect()
}

#[tokio::test]
async fn a_peer_is_shown_with_its_secrets_as_references_and_no_hash() {
    let router = still(with_peers(Vec::new()));
    let list = get(&router, "/api/v1/peers").await.body;
    assert_eq!(names(&list), ["nas", "tom"]);
    let peer = get(&router, "/api/v1/peers/tom").await.body;
    assert_eq!(peer["config"]["token"], json!({ "file": "/etc/larder/secrets/tom" }));
    assert_eq!(peer["config"]["accept"]["location"], "main");
    assert_eq!((&peer["status"], &peer["last_seen"]), (&json!("unknown"), &Value::Null));
    assert_eq!(peer["stores_at"], "main");
    assert_eq!(peer["place"], "peers/tom.toml:1:2");
    assert!(!list.to_string().contains("canary"), "{list}");
}

#[tokio::test]
async fn a_name_that_no_peer_has_is_answered_with_the_one_that_was_meant() {
    let answer = get(&still(with_peers(Vec::new())), "/api/v1/peers/ton").await;
    assert_eq!(answer.status, StatusCode::NOT_FOUND);
    assert_eq!(answer.body["hint"], "did you mean `tom`?");
}

#[tokio::test]
async fn a_peer_sees_itself_and_no_other_peer() {
    let router = as_caller(with_peers(Vec::new()), tom());
    let list = get(&router, "/api/v1/peers").await.body;
    assert_eq!(names(&list), ["tom"]);
    assert!(!list.to_string().contains("secrets"), "{list}");
    let other = get(&router, "/api/v1/peers/nas").await;
    assert_eq!(other.status, StatusCode::NOT_FOUND);
    assert!(!other.body.to_string().contains("did you mean"), "{}", other.body);
    let network = get(&router, "/api/v1/network").await.body;
    assert_eq!(names(&network), ["jerry", "tom"]);
    assert_eq!(network[0]["archive_count"], 0, "it sees archives that are not its own");
    assert_eq!(network[0]["problems"], Value::Null);
}

#[tokio::test]
async fn the_network_is_this_instance_with_its_archives_and_then_what_is_known_of_its_peers() {
    let newest = archive(2, "jerry_web_20260508", 8);
    let trashed = Archive {
        condition: Condition::Trashed { until: Timestamp::MAX },
        ..archive(1, "jerry_web_20260501", 1)
    };
    let router = still(with_peers(vec![trashed, copied(&newest), newest]));
    let network = get(&router, "/api/v1/network").await.body;
    assert_eq!(names(&network), ["jerry", "nas", "tom"]);
    insta::assert_snapshot!(network[0]["archives"], @r#"[{"count":1,"location":"main","origin":"jerry","own":true,"peer":null,"size_bytes":10240},{"count":1,"location":"usb","origin":"jerry","own":true,"peer":null,"size_bytes":10240}]"#);
    assert_eq!(network[0]["archive_count"], 2);
    let jobs = network[0]["jobs"].as_array().unwrap();
    let web = jobs.iter().find(|job| job["name"] == "web").unwrap();
    assert_eq!(web["verdict"], "protected");
    assert_eq!(network[2]["status"], "unknown");
    assert_eq!(network[2]["url"], "https://tom.example.org/larder");
    assert_eq!(network[2]["jobs"], Value::Null);
}

#[tokio::test]
async fn archives_of_another_host_bear_the_name_that_it_has_here_and_no_peer_learns_it() {
    let of_nas = |number, location: &str| {
        let archive = archive(number, "nas_web_20260508", 8);
        let location = location.parse().unwrap();
        Archive { origin: "nas-01".parse().unwrap(), location, ..archive }
    };
    let view = || {
        let mut view = with_peers(vec![of_nas(1, "main"), of_nas(2, "main/tom")]);
        let mut desired = view.desired.as_ref().clone();
        let nas = desired.peers.get_mut(&"nas".parse().unwrap()).unwrap();
        nas.kind = PeerKind::BackupChannel { hostname: "nas-01".to_owned(), location: None };
        let tom: crate::model::name::PlaceName = "tom".parse().unwrap();
        let space = crate::model::name::PlaceName::name_space(&"main".parse().unwrap(), &tom);
        let mut folder = desired.locations[&"main".parse().unwrap()].clone();
        (folder.name, folder.owner) = (space.clone(), Some(tom));
        desired.locations.insert(space, folder);
        view.desired = Arc::new(desired);
        view
    };
    let router = still(view());
    let shown = |list: &Value| -> Vec<String> {
        let one = |held: &Value| format!("{} {}", held["location"], held["peer"]).replace('"', "");
        list.as_array().unwrap().iter().map(one).collect()
    };
    let network = get(&router, "/api/v1/network").await.body;
    // What tom sent is tom's, whatever it calls itself in it.
    assert_eq!(shown(&network[0]["archives"]), ["main nas", "main/tom tom"]);
    assert_eq!(network[1]["instance"], "nas-01");
    let mut archives = shown(&get(&router, "/api/v1/archives").await.body);
    archives.sort();
    assert_eq!(archives, ["main nas", "main/tom tom"]);
    for name in ["nas", "tom"] {
        let found = get(&router, &format!("/api/v1/archives?origin={name}")).await.body;
        assert_eq!(found.as_array().unwrap().len(), 1, "{found}");
    }
    let both = get(&router, "/api/v1/archives?origin=nas-01").await.body;
    assert_eq!(both.as_array().unwrap().len(), 2);
    let network = get(&as_caller(view(), tom()), "/api/v1/network").await.body;
    assert_eq!(shown(&network[0]["archives"]), ["main/tom tom"]);
    assert!(!network.to_string().contains("\"nas\""), "{network}");
}

#[test]
fn what_is_published_of_peers_names_no_place_of_a_secret() {
    let dir = tempfile::tempdir().unwrap();
    let mut last = crate::publish::Published::default();
    crate::publish::publish(&with_peers(Vec::new()), &[], dir.path(), &mut last).unwrap();
    for entry in std::fs::read_dir(dir.path()).unwrap() {
        let text = std::fs::read_to_string(entry.unwrap().path()).unwrap();
        assert!(!text.contains("canary") && !text.contains("secrets"), "{text}");
    }
}

#[tokio::test]
async fn what_rests_at_a_peer_alone_is_told_with_what_brings_it() {
    let mut view = with_peers(Vec::new());
    let there = archive(1, "jerry_web_20260507", 7);
    let copy = RemoteCopy {
        id: there.id,
        name: there.name.to_string(),
        origin: there.origin,
        job: there.job,
        created_at: there.created_at,
        file_size: there.file_size,
        stream_sha256: there.stream_sha256,
        file_sha256: there.file_sha256,
        is_good: true,
    };
    let at = view.at.timestamp();
    let contact =
        Contact { holdings: Some(Holdings { at, copies: vec![copy] }), ..Contact::new(at) };
    let mut observed = view.observed.as_ref().clone();
    observed.contacts.insert("tom".parse().unwrap(), Arc::new(contact));
    view.observed = Arc::new(observed);
    let router = still(view);
    for name in ["web@latest", "web@2026-05-07", "jerry_web_20260507", &there.id.to_string()] {
        let answer = get(&router, &format!("/api/v1/archives/{name}/info?from=tom")).await;
        assert_eq!(answer.status, StatusCode::NOT_FOUND, "{name}");
        let hint = answer.body["hint"].as_str().unwrap_or_default();
        assert!(hint.contains("rests at `tom` alone"), "{name}: {hint}");
        assert!(hint.contains("`larder archive fetch jerry_web_20260507` brings it"), "{hint}");
    }
    for name in ["web@2026-05-06", "notes@latest", "jerry_web_20260501"] {
        let answer = get(&router, &format!("/api/v1/archives/{name}/info?from=tom")).await;
        assert!(!answer.body.to_string().contains("rests at"), "{name}: {}", answer.body);
    }
}
