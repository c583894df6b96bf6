//! What YunoHost and people find in an archive, read by parsers that are not ours.

use std::fs;
use std::os::unix::fs::symlink;

use larder::archive::{Content, HOOK_MEMBER, Reader, compare_with_manifest, read_member};
use larder::model::archive::Outcome;
use larder::model::job::{CustomDir, JobType};
use larder::model::location::Codec;
use larder::progress::Progress;
use larder::source::directory::Directory;
use larder::source::{SourceError, What, check_pattern};
use larder::stop::Stop;

use super::{archive, archive_source, entries, job, names_below, scratch, sh, spec};
use crate::support::skipped;
use crate::walk::instance::TmpFs;

#[test]
fn the_members_stand_in_the_order_of_the_contract() {
    let scratch = scratch();
    let root = scratch.path().join("opt");
    fs::create_dir_all(root.join("d")).unwrap();
    fs::write(root.join("d/f"), "x").unwrap();
    let (_, path) = archive(&root, scratch.path());
    let names: Vec<String> = sh(scratch.path(), &format!("tar -tf '{}'", path.display()))
        .lines()
        .map(str::to_owned)
        .collect();
    let base = format!("data/custom{}", root.display());
    assert_eq!(
        names,
        [
            "backup_info.json",
            "backup.csv",
            "RESTORE.txt",
            HOOK_MEMBER,
            &format!("{base}/"),
            &format!("{base}/d/"),
            &format!("{base}/d/f"),
            "manifest.jsonl.zst",
            "info.json",
        ]
    );
}

#[test]
fn info_json_and_backup_csv_are_what_yunohost_reads() {
    let scratch = scratch();
    let root = scratch.path().join("a \"quoted\", name");
    fs::create_dir(&root).unwrap();
    fs::write(root.join("f"), "12345").unwrap();
    fs::hard_link(root.join("f"), root.join("g")).unwrap();
    let (written, path) = archive(&root, scratch.path());
    let read = |name| read_member(&path, Codec::None, None, name, 1 << 20).unwrap().unwrap();
    assert_eq!(read("info.json"), written.info_json);
    fs::write(scratch.path().join("info.json"), &written.info_json).unwrap();
    fs::write(scratch.path().join("backup.csv"), read("backup.csv")).unwrap();
    fs::write(scratch.path().join("backup_info.json"), read("backup_info.json")).unwrap();
    let told = sh(
        scratch.path(),
        r#"python3 -c '
import json, csv
i = json.load(open("info.json"))
print(json.dumps(i, sort_keys=True))
print(list(csv.reader(open("backup.csv", newline=""))))
b = json.load(open("backup_info.json"))
print(json.dumps(b, sort_keys=True))
'"#,
    );
    let source = root.display();
    insta::allow_duplicates! {
        insta::assert_snapshot!(told.replace(&source.to_string().replace('"', "\\\""), "SOURCE").replace(&source.to_string(), "SOURCE"), @r#"
        {"apps": {}, "created_at": 1778202000, "description": "larder: custom_dir hermes-agent on jerry", "from_yunohost_version": "12.1.25", "size": 5, "size_details": {"apps": {}, "system": {"data_custom": 5}}, "system": {"data_custom": ["/usr/share/larder/hooks/backup/50-data_custom"]}}
        [['SOURCE', 'data/customSOURCE']]
        {"app": "hermes-agent", "backupmanager_version": "0.1.0", "config_generation": 3, "core_only": false, "created_at": "2026-05-08T03:00:00+02:00", "id": "00000000-0000-0000-0000-000000000007", "instance_name": "jerry", "instance_url": "https://jerry.example.org", "job": "hermes-agent", "label": "hermes-agent", "type": "custom_dir", "yunohost_version": "12.1.25~alpha"}
        "#);
    }
}

#[test]
fn an_archive_of_a_database_is_nothing_that_yunohost_would_restore() {
    let scratch = scratch();
    let root = scratch.path().join("dump");
    fs::create_dir(&root).unwrap();
    let mut spec = spec(&root);
    spec.job_type = JobType::Mysql;
    spec.content = Content::Database("shop".to_owned());
    let source = Directory::open(&job(&root)).unwrap();
    let (written, path) = archive_source(Box::new(source), &spec, scratch.path()).unwrap();
    let info: serde_json::Value = serde_json::from_slice(&written.info_json).unwrap();
    assert_eq!(info["system"], serde_json::json!({}));
    assert_eq!(info["size_details"], serde_json::json!({"system": {}, "apps": {}}));
    assert!(entries(&path).iter().all(|entry| entry.name != HOOK_MEMBER.as_bytes()));
}

#[test]
fn an_empty_source_is_told_by_its_counts_and_its_size_is_not_zero() {
    let scratch = scratch();
    let root = scratch.path().join("empty");
    fs::create_dir(&root).unwrap();
    let (written, _) = archive(&root, scratch.path());
    assert_eq!((written.counts.files, written.counts.directories), (0, 1));
    let info: serde_json::Value = serde_json::from_slice(&written.info_json).unwrap();
    assert_eq!(info["size"], 1);
    assert_eq!(written.outcome, Outcome::Good);
}

#[test]
fn the_manifest_proves_every_member() {
    let scratch = scratch();
    let root = scratch.path().join("tree");
    fs::create_dir(&root).unwrap();
    sh(&root, "printf one > one; printf two > two; ln one three; ln -s one l; truncate -s 1M holes
        printf x | dd of=holes bs=1 seek=500000 conv=notrunc status=none; head -c 2500000 /dev/urandom > big");
    let (_, path) = archive(&root, scratch.path());
    let compare = || {
        let open = || Reader::open(fs::File::open(&path)?, Codec::None, None);
        compare_with_manifest(&open, &Stop::new(), &Progress::new()).unwrap().unwrap()
    };
    let good = compare();
    assert_eq!((good.members, good.different, good.not_ok), (7, 0, 0));
    let mut bytes = fs::read(&path).unwrap();
    let at = bytes.windows(3).rposition(|window| window == b"two").unwrap();
    bytes[at] = b'T';
    fs::write(&path, bytes).unwrap();
    let damaged = compare();
    assert_eq!(damaged.different, 1);
    assert!(damaged.differences[0].name.ends_with("/two"), "{damaged:?}");
    assert_eq!(damaged.differences[0].what, "has other content");
}

#[test]
fn excluded_directories_are_not_even_entered() {
    let scratch = scratch();
    let root = scratch.path().join("tree");
    fs::create_dir(&root).unwrap();
    sh(
        &root,
        "mkdir -p cache/deep a/cache logs; : > cache/deep/keep; : > a/cache/x; : > a/b.tmp; : > a/c; : > cached",
    );
    let mut job = job(&root);
    job.excludes = ["cache/", "*.tmp", "!keep", "/logs"].map(str::to_owned).to_vec();
    job.excludes.iter().for_each(|pattern| check_pattern(pattern).unwrap());
    let source = Directory::open(&job).unwrap();
    let (_, path) = archive_source(Box::new(source), &spec(&root), scratch.path()).unwrap();
    assert_eq!(names_below(&path, &root), ["", "a", "a/c", "cached"]);
}

#[test]
fn another_file_system_below_the_source_is_entered_only_where_the_job_says_so() {
    let scratch = scratch();
    let root = scratch.path().join("tree");
    fs::create_dir_all(root.join("disk")).unwrap();
    fs::write(root.join("disk/under"), "the mount").unwrap();
    fs::write(root.join("own"), "x").unwrap();
    let Some(_disk) = TmpFs::mount(&root.join("disk")) else {
        skipped!("nothing can be mounted here")
    };
    sh(&root, "mkdir disk/deep; : > disk/deep/file; : > disk/file");
    let archived = |one_file_system: bool| {
        let into = scratch.path().join(format!("archived-{one_file_system}"));
        fs::create_dir(&into).unwrap();
        let source = Directory::open(&CustomDir { one_file_system, ..job(&root) }).unwrap();
        let (written, path) = archive_source(Box::new(source), &spec(&root), &into).unwrap();
        assert_eq!(written.outcome, Outcome::Good);
        let remarks: Vec<(String, What)> =
            written.remarks.into_iter().map(|remark| (remark.path, remark.what)).collect();
        (names_below(&path, &root), remarks)
    };
    let (names, remarks) = archived(true);
    assert_eq!(names, ["", "disk", "own"]);
    assert_eq!(remarks, [("disk".to_owned(), What::OtherFileSystem)]);
    let (names, remarks) = archived(false);
    assert_eq!(names, ["", "disk", "disk/deep", "disk/deep/file", "disk/file", "own"]);
    assert_eq!(remarks, []);
}

#[test]
fn a_source_that_is_missing_or_unfit_is_an_error_and_a_link_to_one_is_followed() {
    let scratch = scratch();
    let missing = Directory::open(&job(&scratch.path().join("missing"))).unwrap_err();
    assert!(matches!(missing, SourceError::Missing { .. }));
    sh(scratch.path(), "mkfifo pipe; mkdir real; : > real/f");
    let pipe = Directory::open(&job(&scratch.path().join("pipe"))).unwrap_err();
    assert!(matches!(pipe, SourceError::Unfit { .. }));
    let link = scratch.path().join("link");
    symlink("real", &link).unwrap();
    let (_, path) = archive(&link, scratch.path());
    assert_eq!(names_below(&path, &link), ["", "f"]);
}

#[test]
fn the_archive_that_is_being_written_is_not_in_itself() {
    let scratch = scratch();
    fs::write(scratch.path().join("a"), "x").unwrap();
    let (written, path) = archive(scratch.path(), scratch.path());
    assert_eq!(names_below(&path, scratch.path()), ["", "a"]);
    assert_eq!(written.counts.files, 1);
}

#[test]
fn sockets_are_counted_and_left_out() {
    let scratch = scratch();
    let root = scratch.path().join("t");
    fs::create_dir(&root).unwrap();
    let _socket = std::os::unix::net::UnixListener::bind(root.join("s")).unwrap();
    let (written, path) = archive(&root, scratch.path());
    assert_eq!(names_below(&path, &root), [""]);
    assert_eq!(written.counts.skipped_sockets, 1);
}
