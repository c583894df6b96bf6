//! What travels between two versions, and what does not arrive.

use super::*;
use crate::model::archive::Sha256;
use crate::model::job::{self, FirewallPort, RestoreSteps, SystemUser, SystemdService};
use crate::restore::content::Content as Held;

/// Orders as the version before this module wrote them, each on a line.
const EARLIER: &str = include_str!("earlier.jsonl");

fn read_order(text: &str) -> Result<order::Order, Unreadable> {
    serde_json::from_str::<Order>(text).unwrap().try_into()
}

fn restore_of(text: &str) -> order::Restore {
    match read_order(text).unwrap().task {
        order::Task::Restore(restore) => *restore,
        order::Task::Undo(undo) => panic!("{undo:?}"),
    }
}

#[test]
fn an_order_of_an_earlier_version_is_read_and_written_as_it_was() {
    assert_eq!(EARLIER.lines().count(), 7);
    for line in EARLIER.lines() {
        let order = read_order(line).unwrap();
        assert_eq!(serde_json::to_string(&Order::from(&order)).unwrap(), line);
    }
}

#[test]
fn what_an_order_says_arrives_in_the_types_of_this_program() {
    let location = |name: &str| CopyPlace::Location(name.parse().unwrap());
    let whole = restore_of(EARLIER.lines().next().unwrap());
    let archive = order::ArchiveFile {
        name: "jerry_it_20260508".parse().unwrap(),
        job: "apps/it".parse().unwrap(),
        made: Some(jiff::civil::date(2026, 5, 8).at(3, 0, 0, 0)),
        place: location("main"),
        file: PathBuf::from("/srv/archives/jerry_it_20260508.tar.zst.age"),
        codec: Codec::Zstd(3),
        recipients: vec!["age1x".to_owned()],
        sha256: Sha256([0xab; 32]),
        file_size: 5,
        content_size: 4,
        other_copies: vec![location("usb"), location("received/tom")],
    };
    assert_eq!(whole.archive, archive);
    assert_eq!(whole.only, [Part::Files, Part::Commands]);
    assert_eq!(whole.location_identity, Some(SecretRef::Credential("age".to_owned())));
    assert_eq!(whole.seen.unwrap().owners_moved, [("it".to_owned(), 1, 2)]);
    let steps = RestoreSteps {
        system_user: Some(SystemUser {
            name: "it".to_owned(),
            home: Some(PathBuf::from("/opt/it")),
            shell: None,
        }),
        systemd_service: Some(SystemdService {
            name: "it".to_owned(),
            service_file: Some(PathBuf::from("/opt/it/it.service")),
        }),
        owner: Some("it:it".to_owned()),
        mode: Some(0o750),
        firewall_ports: vec![FirewallPort { port: 8080, protocol: "tcp".to_owned() }],
        post_restore_commands: vec![
            job::Command::Argv(vec!["/bin/true".to_owned()]),
            job::Command::Shell("echo hi".to_owned()),
        ],
    };
    assert_eq!(whole.steps, steps);
    let Held::Mysql(database) = restore_of(EARLIER.lines().nth(1).unwrap()).content else {
        panic!("another content")
    };
    assert_eq!((database.database.as_str(), database.port), ("shop", Some(3306)));
    let password = SecretRef::Command(["pass", "show"].map(str::to_owned).into());
    assert_eq!(database.password, Some(password));
}

#[test]
fn what_an_order_leaves_out_is_not_asked_for() {
    let least = serde_json::json!({
        "run": 7, "work_dir": "/work", "timeout": 60,
        "task": { "restore": {
            "archive": {
                "name": "jerry_it_20260508", "job": "it", "location": "/mnt/archives",
                "file": "/mnt/archives/jerry_it_20260508.tar", "codec": "none",
                "sha256": "00".repeat(32), "file_size": 5, "content_size": 4,
            },
            "content": { "type": "custom_dir", "is_file": false },
            "safety": true, "spare_dir": "/mnt/archives",
        } },
    });
    let restore = restore_of(&least.to_string());
    assert_eq!(restore.archive.made, None);
    assert_eq!(restore.archive.place, CopyPlace::Path(PathBuf::from("/mnt/archives")));
    assert!(restore.only.is_empty() && restore.paths.is_empty() && restore.notes.is_empty());
    assert_eq!(restore.steps, RestoreSteps::default());
}

#[test]
fn a_value_that_is_none_is_refused_before_anything_is_begun() {
    let lies = [
        ("\"name\":\"jerry_it_20260508\"", "\"name\":\"../it\"", "archive.name"),
        ("\"job\":\"apps/it\"", "\"job\":\"a/b/c\"", "archive.job"),
        ("2026-05-08 03:00", "yesterday", "archive.made"),
        ("\"location\":\"main\"", "\"location\":\"\"", "archive.location"),
        ("\"codec\":\"zstd\"", "\"codec\":\"xz\"", "archive.codec"),
        ("\"sha256\":\"ab", "\"sha256\":\"xy", "archive.sha256"),
        ("\"usb\"", "\"u s b\"", "archive.other_copies"),
        ("[\"files\",", "[\"everything\",", "only"),
    ];
    for (honest, lie, field) in lies {
        let line = EARLIER.lines().next().unwrap();
        assert!(line.contains(honest), "{honest}");
        let error = read_order(&line.replacen(honest, lie, 1)).unwrap_err();
        assert_eq!(error.field, field, "{error}");
    }
    let xz = EARLIER.replacen("zstd\",", "xz\",", 1);
    let error = read_order(xz.lines().next().unwrap()).unwrap_err();
    assert_eq!(error.to_string(), "`archive.codec` is `xz`: no codec");
}
