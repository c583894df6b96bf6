//! Plans of every type, as people read them.

use std::path::PathBuf;

use insta::assert_snapshot;

use super::*;
use crate::model::archive::Sha256;
use crate::model::job::{Database, RestoreSteps};
use crate::model::location::Codec;
use crate::restore::content::Content;
use crate::restore::order::{ArchiveFile, CopyPlace};

/// A restore of an archive with this content, and what is there.
fn scene(content: Content, change: impl FnOnce(&mut Restore, &mut Facts)) -> String {
    let mut restore = Restore {
        archive: ArchiveFile {
            name: "jerry_it_20260508".parse().unwrap(),
            job: "it".parse().unwrap(),
            made: Some(jiff::civil::date(2026, 5, 8).at(3, 0, 0, 0)),
            place: CopyPlace::Location("main".parse().unwrap()),
            file: PathBuf::from("/srv/archives/jerry_it_20260508.tar"),
            codec: Codec::None,
            recipients: Vec::new(),
            sha256: Sha256([0; 32]),
            file_size: 5 << 20,
            content_size: 4 << 20,
            other_copies: Vec::new(),
        },
        content,
        to: None,
        paths: Vec::new(),
        only: Vec::new(),
        safety: true,
        identity: None,
        location_identity: None,
        spare_dir: PathBuf::from("/srv/archives"),
        seen: None,
        steps: RestoreSteps::default(),
        notes: Vec::new(),
    };
    let mut facts = Facts::default();
    change(&mut restore, &mut facts);
    match plan(&restore, &facts) {
        Ok(plan) => plan.to_string(),
        Err(refusal) => format!("refused: {}\nhint: {}", refusal.why, refusal.hint),
    }
}

fn directory() -> Content {
    let root = Some(PathBuf::from("/opt/it"));
    Content::CustomDir { archived: root.clone(), root, is_file: false }
}

fn files() -> FileFacts {
    FileFacts {
        prefix: b"data/custom/opt/it".to_vec(),
        target: PathBuf::from("/opt/it"),
        members: 340,
        bytes: 4 << 20,
        free: 1 << 30,
        aside: Some(PathBuf::from("/opt/.larder-aside-42")),
        ..FileFacts::default()
    }
}

/// Everything that a job can want.
fn everything() -> RestoreSteps {
    RestoreSteps {
        system_user: Some(SystemUser {
            name: "it".to_owned(),
            home: Some(PathBuf::from("/opt/it")),
            shell: Some(PathBuf::from("/bin/false")),
        }),
        systemd_service: Some(SystemdService {
            name: "it".to_owned(),
            service_file: Some(PathBuf::from("/opt/it/it.service")),
        }),
        owner: Some("it:it".to_owned()),
        mode: Some(0o750),
        firewall_ports: [(8080, "tcp"), (53, "udp")]
            .map(|(port, protocol)| FirewallPort { port, protocol: protocol.to_owned() })
            .into(),
        post_restore_commands: vec![
            Command::Argv(vec!["/opt/it/migrate".to_owned(), "--password=secret".to_owned()]),
            Command::Shell("systemctl restart it".to_owned()),
        ],
    }
}

#[test]
fn a_directory_comes_back_to_an_empty_host_in_this_order() {
    assert_snapshot!(scene(directory(), |restore, facts| {
        restore.steps = everything();
        facts.files = Some(FileFacts { owners_unknown: vec!["it".to_owned()], ..files() });
        facts.owner.unknown = vec!["it".to_owned()];
        facts.unit.systemd = true;
        facts.yunohost = true;
    }), @r#"
    restore jerry_it_20260508 (made 2026-05-08 03:00) at main to /opt/it
      1. user: create the system user `it`
      2. files: 340 members (4.0 MiB) to `/opt/it`
           set aside: /opt/.larder-aside-42
           needs: 4.0 MiB
      3. permissions: owner it:it of all below `/opt/it`, mode 750 of `/opt/it`
      4. service: install `/etc/systemd/system/it.service`, enable and start `it`
           warning: its text comes from the archive and runs as root: read it first
      5. firewall: YunoHost opens 8080/tcp, 53/udp
      6. commands: run `/opt/it/migrate`, then `systemctl`
    "#);
}

#[test]
fn what_is_there_is_told_and_set_aside() {
    assert_snapshot!(scene(directory(), |restore, facts| {
        restore.steps = everything();
        facts.user = Some(Account {
            uid: 1003,
            home: PathBuf::from("/home/it"),
            shell: PathBuf::from("/bin/false"),
        });
        facts.files = Some(FileFacts {
            overwritten: 12,
            overwritten_first: ["/opt/it/a", "/opt/it/b", "/opt/it/c", "/opt/it/d"].map(str::to_owned).into(),
            owners_moved: vec![("it".to_owned(), 998, 1003)],
            owners_unknown: vec!["git".to_owned()],
            ..files()
        });
        facts.unit = UnitFacts { systemd: false, installed: UnitFile::Differs };
    }), @r#"
    restore jerry_it_20260508 (made 2026-05-08 03:00) at main to /opt/it
      1. user: keep the user `it`
           exists: it is there, with the id 1003
           warning: its home is `/home/it`, and is left so
      2. files: 340 members (4.0 MiB) to `/opt/it`
           exists: 12 are there already: /opt/it/a, /opt/it/b, /opt/it/c and 9 more; set aside
           set aside: /opt/.larder-aside-42
           needs: 4.0 MiB
           warning: `it` had the id 998 in the archive and has 1003 here: mapped by name
           warning: nobody is called `git` here: its files keep their number
      3. permissions: owner it:it of all below `/opt/it`, mode 750 of `/opt/it`
      4. service: install `/etc/systemd/system/it.service`, enable and start `it`
           exists: the unit is there; set aside where it differs from what is restored
           warning: its text comes from the archive and runs as root: compare it first
           warning: systemd does not run here: nothing is reloaded or started
      5. firewall: 8080/tcp, 53/udp are to be open
           warning: there is no YunoHost here to open them: open 8080/tcp, 53/udp in this host's firewall by hand
      6. commands: run `/opt/it/migrate`, then `systemctl`
    "#);
}

#[test]
fn without_safety_what_is_there_is_lost() {
    assert_snapshot!(scene(directory(), |restore, facts| {
        restore.safety = false;
        facts.files = Some(FileFacts {
            overwritten: 1,
            overwritten_first: vec!["/opt/it/a".to_owned()],
            aside: None,
            free: 1 << 20,
            ..files()
        });
    }), @r#"
    restore jerry_it_20260508 (made 2026-05-08 03:00) at main to /opt/it
      1. files: 340 members (4.0 MiB) to `/opt/it`
           exists: 1 is there already: /opt/it/a; lost
           needs: 4.0 MiB
           warning: needs up to 4.0 MiB, 1.0 MiB is free
    "#);
}

#[test]
fn what_does_not_fit_is_refused() {
    assert_snapshot!(scene(directory(), |_, facts| {
        facts.files = Some(FileFacts { free: 1 << 20, ..files() });
    }), @r#"
    refused: no space at `/opt/it`: needs 4.0 MiB, has 1.0 MiB
    hint: make room, restore elsewhere with `--to`, or give what is overwritten up with `--no-safety`
    "#);
}

#[test]
fn elsewhere_there_are_only_files() {
    assert_snapshot!(scene(directory(), |restore, facts| {
        restore.steps = everything();
        restore.to = Some(PathBuf::from("/tmp/it"));
        facts.files = Some(FileFacts { target: PathBuf::from("/tmp/it"), aside: None, ..files() });
    }), @r#"
    restore jerry_it_20260508 (made 2026-05-08 03:00) at main to /tmp/it
      1. files: 340 members (4.0 MiB) to `/tmp/it`
           needs: 4.0 MiB
    note: elsewhere: no user, service, port or command is touched
    "#);
}

#[test]
fn single_paths_bring_no_other_step() {
    assert_snapshot!(scene(directory(), |restore, facts| {
        restore.steps = everything();
        restore.paths = vec![PathBuf::from("etc/app.toml")];
        facts.files = Some(FileFacts { members: 1, bytes: 20, ..files() });
    }), @r#"
    restore jerry_it_20260508 (made 2026-05-08 03:00) at main to /opt/it
      1. files: 1 member (20 B) to `/opt/it`
           set aside: /opt/.larder-aside-42
           needs: 20 B
    note: single paths: no other step is taken, unless `--only` names it
    "#);
}

#[test]
fn only_named_steps_are_taken() {
    assert_snapshot!(scene(directory(), |restore, facts| {
        restore.steps = everything();
        restore.only = vec![Part::Service, Part::Commands];
        facts.files = Some(files());
        facts.unit = UnitFacts { systemd: true, installed: UnitFile::Same };
    }), @r#"
    restore jerry_it_20260508 (made 2026-05-08 03:00) at main to /opt/it
      1. service: install `/etc/systemd/system/it.service`, enable and start `it`
           exists: the unit is there, and is the same
      2. commands: run `/opt/it/migrate`, then `systemctl`
    "#);
    assert_snapshot!(scene(directory(), |restore, facts| {
        restore.only = vec![Part::Database];
        facts.files = Some(files());
    }), @r#"
    refused: nothing of `jerry_it_20260508` is left to restore
    hint: name other parts with `--only`, or leave it away
    "#);
}

#[test]
fn names_from_an_archive_cannot_paint_the_terminal() {
    assert_snapshot!(scene(directory(), |_, facts| {
        facts.files = Some(FileFacts {
            overwritten: 1,
            overwritten_first: vec!["/opt/it/\u{1b}[2J".to_owned()],
            ..files()
        });
    }), @r#"
    restore jerry_it_20260508 (made 2026-05-08 03:00) at main to /opt/it
      1. files: 340 members (4.0 MiB) to `/opt/it`
           exists: 1 is there already: /opt/it/\x1b[2J; set aside
           set aside: /opt/.larder-aside-42
           needs: 4.0 MiB
    "#);
}

fn shop() -> Database {
    Database {
        database: "shop".to_owned(),
        except: Vec::new(),
        host: None,
        port: None,
        socket: None,
        user: None,
        password: None,
        options: Vec::new(),
    }
}

fn mysql() -> Content {
    Content::Mysql(shop())
}

#[test]
fn a_mysql_database_is_loaded_and_the_one_that_is_there_is_dumped_first() {
    assert_snapshot!(scene(mysql(), |_, facts| {
        facts.database = Some(DatabaseFacts {
            size: Some(3 << 20),
            scratch: Some(PathBuf::from("/var/lib/larder/state/restores/.larder-restore-42")),
            aside: Some(PathBuf::from("/var/lib/larder/state/restores/aside-42")),
            trouble: None,
        });
    }), @r#"
    restore jerry_it_20260508 (made 2026-05-08 03:00) at main to database shop
      1. database: MariaDB database `shop` from its dump
           exists: it is there, 3.0 MiB; dumped and set aside first
           set aside: /var/lib/larder/state/restores/aside-42
           needs: 4.0 MiB
    "#);
}

#[test]
fn a_postgresql_database_that_is_gone_overwrites_nothing() {
    let content = Content::Postgresql(shop());
    assert_snapshot!(scene(content, |restore, facts| {
        restore.steps.post_restore_commands = vec![Command::Shell("systemctl restart shop".to_owned())];
        facts.database = Some(DatabaseFacts {
            scratch: Some(PathBuf::from("/var/lib/larder/state/restores/.larder-restore-42")),
            aside: Some(PathBuf::from("/var/lib/larder/state/restores/aside-42")),
            ..DatabaseFacts::default()
        });
    }), @r#"
    restore jerry_it_20260508 (made 2026-05-08 03:00) at main to database shop
      1. database: PostgreSQL database `shop` from its dump
           needs: 4.0 MiB
      2. commands: run `systemctl`
    "#);
}

#[test]
fn a_server_that_does_not_answer_is_told_and_a_full_disk_refuses() {
    assert_snapshot!(scene(mysql(), |_, facts| {
        facts.database = Some(DatabaseFacts {
            scratch: Some(PathBuf::from("/srv/archives/.larder-restore-42")),
            trouble: Some("the server could not be asked: it is down; start it".to_owned()),
            ..DatabaseFacts::default()
        });
    }), @r#"
    restore jerry_it_20260508 (made 2026-05-08 03:00) at main to database shop
      1. database: MariaDB database `shop` from its dump
           needs: 4.0 MiB
           warning: the server could not be asked: it is down; start it
    "#);
    assert_snapshot!(scene(mysql(), |_, facts| {
        facts.database = Some(DatabaseFacts::default());
    }), @r#"
    refused: no space for the dump of `shop`: needs 4.0 MiB
    hint: make room where `state_dir` is, or at the archive's location
    "#);
}

#[test]
fn yunohost_restores_its_apps_itself() {
    let app = || Content::YnhApp { app: "nextcloud".to_owned(), at_home: true };
    assert_snapshot!(scene(app(), |_, facts| facts.yunohost = true), @r#"
    restore jerry_it_20260508 (made 2026-05-08 03:00) at main to app nextcloud
      1. files: YunoHost restores the app `nextcloud`
           needs: 4.0 MiB
    "#);
    assert_snapshot!(scene(app(), |_, facts| {
        (facts.yunohost, facts.app_installed) = (true, true);
    }), @r#"
    refused: the app `nextcloud` is installed, and YunoHost restores only what is not
    hint: remove it first: `yunohost app remove nextcloud`
    "#);
    assert_snapshot!(scene(app(), |_, _| {}), @r#"
    refused: `jerry_it_20260508` is YunoHost's, and there is no YunoHost here
    hint: restore on a host with YunoHost, or lay its files elsewhere with `--to DIR`
    "#);
    let away = Content::YnhApp { app: "nextcloud".to_owned(), at_home: false };
    assert_snapshot!(scene(away, |_, facts| facts.yunohost = true), @r#"
    refused: `jerry_it_20260508` at `main` does not lie where YunoHost looks
    hint: copy it to the location in YunoHost's folder first: `larder archive send`
    "#);
    assert_snapshot!(scene(app(), |restore, facts| {
        facts.yunohost = true;
        restore.paths = vec![PathBuf::from("/etc")];
    }), @r#"
    refused: YunoHost restores apps and its system as a whole
    hint: leave `--path` away, or lay the files elsewhere with `--to DIR`
    "#);
}

#[test]
fn yunohost_restores_its_system_itself() {
    let content = Content::YnhSystem { parts: vec!["conf_ldap".to_owned()], at_home: true };
    assert_snapshot!(scene(content, |_, facts| facts.yunohost = true), @r#"
    restore jerry_it_20260508 (made 2026-05-08 03:00) at main to YunoHost's system
      1. files: YunoHost restores of its system: conf_ldap
           exists: its configuration now; overwritten, and not set aside
           needs: 4.0 MiB
    "#);
}
