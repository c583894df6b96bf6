//! What a scan finds: ours, foreign ones, and descriptions that were left alone.

use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::Path;
use std::time::{Duration, Instant};

use insta::assert_snapshot;
use larder::location::{ArchiveStore, LocationError, sidecar};
use larder::model::archive::{Archive, Condition, How};
use larder::model::location::Codec;

use super::conformance::{deadline, folder, holds, trashed};
use crate::support;
use crate::support::sample::{self, archive, content, publish};

/// A scan as text: one line each.
fn listed(path: &Path) -> String {
    let scan = folder(path).scan().unwrap();
    let note =
        |note: &Option<String>| note.as_ref().map_or(String::new(), |why| format!(", {why}"));
    let mut lines = Vec::new();
    lines.extend(
        scan.archives
            .iter()
            .map(|archive| format!("ours {} {:?}", archive.name, archive.condition)),
    );
    lines.extend(scan.trashed.iter().map(|archive| format!("trashed {}", archive.name)));
    lines.extend(
        scan.foreign.iter().map(|file| {
            format!("foreign {} {} bytes{}", file.file_name, file.size, note(&file.note))
        }),
    );
    lines.extend(scan.lone.iter().map(|lone| format!("deleted outside {}", lone.name)));
    lines.extend(scan.problems.iter().map(|problem| format!("problem: {problem}")));
    lines.join("\n")
}

#[test]
fn files_of_other_programs_are_listed_once_and_never_ours() {
    let dir = support::dir();
    let at = |name: &str| dir.path().join(name);
    publish(&folder(dir.path()), 1, &archive("ours", &content(1, 10)), &content(1, 10)).unwrap();
    fs::write(at("20260508-030000.tar"), "yunohost").unwrap();
    fs::write(at("20260508-030000.info.json"), "{}").unwrap();
    fs::write(at("compressed.tar.gz"), "gzip").unwrap();
    symlink("compressed.tar.gz", at("compressed.tar")).unwrap();
    fs::create_dir(at("elsewhere")).unwrap();
    fs::write(at("elsewhere/moved.tar"), "far away").unwrap();
    symlink(at("elsewhere/moved.tar"), at("moved.tar")).unwrap();
    symlink("ours.tar", at("alias.tar")).unwrap();
    symlink("nothing.tar", at("dangling.tar")).unwrap();
    fs::write(at("ours.tar.zst"), "beside").unwrap();
    fs::write(at(".hidden.tar"), "hidden").unwrap();
    fs::write(at("notes.txt"), "no archive").unwrap();
    fs::create_dir(at("directory.tar")).unwrap();
    assert_snapshot!(listed(dir.path()), @r"
    ours ours Present
    foreign 20260508-030000.tar 8 bytes
    foreign alias.tar 10 bytes, a link to `ours.tar`
    foreign compressed.tar.gz 4 bytes
    foreign dangling.tar 11 bytes, a link to nothing
    foreign moved.tar 8 bytes
    foreign ours.tar.zst 6 bytes, it lies beside an archive of the same name
    ");
}

#[test]
fn what_happened_to_our_files_outside_is_told_and_nothing_is_made_up() {
    let dir = support::dir();
    let at = |name: &str| dir.path().join(name);
    let store = folder(dir.path());
    for (run, name) in
        (1..).zip(["cut", "deleted", "linked", "named", "ruined", "twin", "x_of_later"])
    {
        publish(&store, run, &archive(name, &content(1, 10)), &content(1, 10)).unwrap();
    }
    fs::write(at("cut.tar"), "short").unwrap();
    fs::remove_file(at("deleted.tar")).unwrap();
    fs::create_dir(at("disk")).unwrap();
    fs::rename(at("linked.tar"), at("disk/linked.tar")).unwrap();
    symlink(at("disk/linked.tar"), at("linked.tar")).unwrap();
    fs::write(at("ruined.larder.json"), "").unwrap();
    for copy in ["a_copy", "twin2"] {
        fs::copy(at("twin.tar"), at(&format!("{copy}.tar"))).unwrap();
        fs::copy(at("twin.larder.json"), at(&format!("{copy}.larder.json"))).unwrap();
    }
    fs::rename(at("named.tar"), at("renamed.tar")).unwrap();
    fs::rename(at("named.larder.json"), at("renamed.larder.json")).unwrap();
    let later = fs::read_to_string(at("x_of_later.larder.json")).unwrap();
    fs::write(at("x_of_later.larder.json"), later.replace("\"schema\": 1", "\"schema\": 9"))
        .unwrap();
    fs::write(at("-.larder.json"), fs::read(at("twin.larder.json")).unwrap()).unwrap();
    assert_snapshot!(listed(dir.path()), @r"
    ours cut Corrupt
    ours renamed Present
    ours twin Present
    foreign linked.tar 10 bytes
    foreign ruined.tar 10 bytes, its description cannot be read
    foreign x_of_later.tar 10 bytes, its description cannot be read
    foreign a_copy.tar 10 bytes, a copy of `twin`
    foreign twin2.tar 10 bytes, a copy of `twin`
    deleted outside deleted
    problem: `-.larder.json` has a name that no archive has
    problem: `cut.tar` has 5 bytes, 10 were recorded: it is damaged
    problem: `linked.tar` is a link, and was a file when made
    problem: `ruined.larder.json` cannot be read: not a description of an archive: EOF while parsing a value at line 1 column 0
    problem: `x_of_later.larder.json` cannot be read: written in schema 9, this version reads up to schema 1
    problem: `a_copy.tar` is a copy of `twin`, with its id
    problem: `twin2.tar` is a copy of `twin`, with its id
    ");
    // None of this is touched by the sweep.
    let before = sample::tree(dir.path());
    folder(dir.path()).sweep(&[]).unwrap();
    assert_eq!(sample::tree(dir.path()), before);
}

#[test]
fn a_location_can_be_carried_to_another_machine_and_read_from_the_disk_alone() {
    let (old, new) = (support::dir(), support::dir());
    let kept = Archive {
        codec: Codec::Gzip(6),
        how: How::Received { from: "tom".parse().unwrap() },
        received_at: Some(deadline()),
        pinned: true,
        config_commit: Some("0".repeat(40)),
        ..archive("kept", &content(1, 10))
    };
    let gone = archive("gone", &content(2, 10));
    let store = folder(old.path());
    publish(&store, 1, &kept, &content(1, 10)).unwrap();
    publish(&store, 2, &gone, &content(2, 10)).unwrap();
    store.trash(&gone, deadline()).unwrap();
    let target = new.path().join("copy");
    fs::rename(old.path(), &target).unwrap();
    holds(&folder(&target), &[&kept], &[&gone]);
}

#[test]
fn yunohost_sees_an_archive_with_its_description_and_nothing_unfinished() {
    let dir = support::dir();
    let store = folder(dir.path());
    let _under_way = store.begin(larder::model::run::RunId(9)).unwrap();
    publish(&store, 1, &archive("a", &content(1, 10)), &content(1, 10)).unwrap();
    let visible: Vec<String> =
        sample::tree(dir.path()).into_keys().filter(|name| !name.starts_with('.')).collect();
    assert_eq!(visible, ["a.info.json", "a.larder.json", "a.tar"]);
    assert_eq!(fs::read(dir.path().join("a.info.json")).unwrap(), sample::INFO);
    for name in visible {
        let mode = fs::metadata(dir.path().join(&name)).unwrap().permissions().mode() & 0o7777;
        assert!(mode == 0o600 || mode == 0o640, "{name} has mode {mode:o}");
    }
    let mode = fs::metadata(dir.path().join(".incoming")).unwrap().permissions().mode();
    assert_eq!(mode & 0o7777, 0o700);
}

#[test]
fn a_file_of_another_program_can_be_adopted_and_is_then_ours() {
    let dir = support::dir();
    let store = folder(dir.path());
    fs::write(dir.path().join("old.tar.gz"), content(3, 30)).unwrap();
    symlink("old.tar.gz", dir.path().join("old.tar")).unwrap();
    let adopted = Archive {
        codec: Codec::Gzip(0),
        how: How::Adopted,
        received_at: Some(deadline()),
        ..archive("old", &content(3, 30))
    };
    assert!(matches!(store.trash(&adopted, deadline()), Err(LocationError::Foreign { .. })));
    assert!(matches!(store.unlink(&adopted), Err(LocationError::Foreign { .. })));
    store.adopt(&adopted).unwrap();
    holds(&store, &[&adopted], &[]);
    assert!(matches!(store.adopt(&adopted), Err(LocationError::NameTaken { .. })));
    let absent = archive("absent", &content(1, 1));
    assert!(matches!(store.adopt(&absent), Err(LocationError::Gone { .. })));
    store.trash(&adopted, deadline()).unwrap();
    let scan = store.scan().unwrap();
    assert_eq!((scan.archives, scan.trashed), (vec![], vec![trashed(&adopted)]));
}

#[test]
fn an_archive_is_never_opened_through_a_link() {
    let dir = support::dir();
    let store = folder(dir.path());
    let ours = archive("a", &content(1, 10));
    publish(&store, 1, &ours, &content(1, 10)).unwrap();
    fs::remove_file(dir.path().join("a.tar")).unwrap();
    symlink("/etc/passwd", dir.path().join("a.tar")).unwrap();
    assert!(matches!(store.open(&ours), Err(LocationError::Foreign { .. })));
    fs::remove_file(dir.path().join("a.tar")).unwrap();
    fs::create_dir(dir.path().join("a.tar")).unwrap();
    assert!(matches!(store.open(&ours), Err(LocationError::Foreign { .. })));
}

#[test]
fn descriptions_left_by_an_interrupted_attempt_at_the_same_archive_are_replaced_others_never() {
    let dir = support::dir();
    let store = folder(dir.path());
    let mine = archive("a", &content(1, 10));
    let text = sidecar::to_text(&Archive { pinned: true, ..mine.clone() });
    fs::write(dir.path().join("a.larder.json"), &text).unwrap();
    fs::write(dir.path().join("a.info.json"), "old").unwrap();
    publish(&store, 1, &mine, &content(1, 10)).unwrap();
    holds(&store, &[&mine], &[]);

    let other = Archive { name: "b".parse().unwrap(), ..archive("other", &content(2, 10)) };
    fs::write(dir.path().join("b.larder.json"), sidecar::to_text(&other)).unwrap();
    let before = sample::tree(dir.path());
    let error = publish(&store, 2, &archive("b", &content(3, 9)), &content(3, 9)).unwrap_err();
    assert!(matches!(error, LocationError::NameTaken { .. }), "{error}");
    assert_eq!(sample::tree(dir.path()), before);
}

#[test]
fn a_folder_of_ten_thousand_archives_is_read_completely() {
    let dir = support::dir();
    let store = folder(dir.path());
    for number in 0..10_000 {
        let one = archive(&format!("a_{number:05}"), b"tar");
        fs::write(dir.path().join(format!("{}.tar", one.name)), "tar").unwrap();
        fs::write(dir.path().join(format!("{}.info.json", one.name)), "{}").unwrap();
        let text = sidecar::to_text(&one);
        fs::write(dir.path().join(format!("{}.larder.json", one.name)), text).unwrap();
    }
    let start = Instant::now();
    let scan = store.scan().unwrap();
    let took = start.elapsed();
    println!("a scan of 10 000 archives took {took:?}");
    assert_eq!(scan.archives.len(), 10_000);
    assert!(scan.archives.iter().all(|archive| archive.condition == Condition::Present));
    assert!(scan.problems.is_empty() && scan.foreign.is_empty() && scan.lone.is_empty());
    // Far above what it takes: this catches quadratic work, not a busy machine.
    assert!(took < Duration::from_secs(30), "{took:?}");
}
