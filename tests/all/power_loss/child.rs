//! The process that is killed: it publishes, updates, trashes, takes back and unlinks archives,
//! and records each intent before and each success after.

use std::cell::Cell;
use std::fs::{self, File, OpenOptions};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::rc::Rc;

use larder::durable::fault::{self, Call, Step, Verdict};
use larder::location::ArchiveStore;
use larder::location::folder::Folder;
use larder::model::archive::{Archive, Condition};
use larder::model::location::Codec;
use larder::model::run::RunId;

use super::{Record, Sabotage};
use crate::support::sample::{self, INFO, archive, content, publish};

pub(super) const MOUNT: &str = "LARDER_TEST_POWER_MOUNT";
pub(super) const RECORD: &str = "LARDER_TEST_POWER_RECORD";
pub(super) const BEFORE: &str = "LARDER_TEST_POWER_BEFORE";
pub(super) const SABOTAGE: &str = "LARDER_TEST_POWER_SABOTAGE";
pub(super) const CHANGES: &str = "changes in all:";

/// One thing that is done to the location.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Act {
    Publish,
    Pin,
    Trash,
    Untrash,
    Unlink,
}

/// What is done, in order: the act, and the archive by its place in [`cast`].
pub(super) const ACTS: [(Act, usize); 9] = [
    (Act::Publish, 3),
    (Act::Pin, 0),
    (Act::Publish, 4),
    (Act::Trash, 0),
    (Act::Untrash, 2),
    (Act::Unlink, 1),
    (Act::Trash, 3),
    (Act::Unlink, 3),
    (Act::Publish, 5),
];

const LENGTHS: [usize; 6] = [3000, 40_000, 70_000, 5000, 90_000, 1024];

pub(super) fn content_of(index: usize) -> Vec<u8> {
    content(u8::try_from(index).unwrap() + 1, LENGTHS[index])
}

/// The archives: two in place and one in the trash from the start, and three that come.
pub(super) fn cast() -> [Archive; 6] {
    [0, 1, 2, 3, 4, 5].map(|index| {
        let mut one = archive(&format!("jerry_nocodb_2026050{index}"), &content_of(index));
        if index == 4 {
            one.codec = Codec::Zstd(3);
            one.recipients = vec!["age1abc".to_owned()];
        }
        one
    })
}

pub(super) fn in_trash(archive: &Archive) -> Archive {
    let until = "2026-05-09T01:00:00Z".parse().unwrap();
    Archive { condition: Condition::Trashed { until }, ..archive.clone() }
}

pub(super) fn folder(mount: &Path) -> Folder {
    let path = mount.join("archives");
    let folder = Folder::open(&sample::location(&path), None);
    folder.ensure().unwrap();
    folder
}

/// What is there before the child starts.
pub(super) fn prepare(mount: &Path) {
    let (folder, cast) = (folder(mount), cast());
    for (run, index) in (1..).zip(0..3) {
        publish(&folder, run, &cast[index], &content_of(index)).unwrap();
    }
    folder.trash(&cast[2], until(&cast[2])).unwrap();
}

pub(super) fn record_path(record: Record, mount: &Path, outside: &Path) -> PathBuf {
    match record {
        Record::Same => mount.join("record"),
        Record::Other => outside.join("record"),
    }
}

/// Carries out an act; every one can be repeated after a crash but the publication.
pub(super) fn act(store: &Folder, act: Act, archive: &Archive) {
    match act {
        Act::Publish => unreachable!("a publication is written first"),
        Act::Pin => store.update(&Archive { pinned: true, ..archive.clone() }).unwrap(),
        Act::Trash => store.trash(archive, until(archive)).unwrap(),
        Act::Untrash => store.untrash(&in_trash(archive)).unwrap(),
        Act::Unlink => store.unlink(archive).unwrap(),
    }
}

fn until(archive: &Archive) -> jiff::Timestamp {
    match in_trash(archive).condition {
        Condition::Trashed { until } => until,
        _ => unreachable!(),
    }
}

/// Counts changes and dies before the one that it was told.
#[derive(Clone)]
struct Fuse {
    done: Rc<Cell<u32>>,
    before: u32,
}

impl Fuse {
    fn tick(&self) {
        self.done.set(self.done.get() + 1);
        if self.done.get() == self.before {
            let me = rustix::process::getpid();
            let _ = rustix::process::kill_process(me, rustix::process::Signal::KILL);
            unreachable!("nobody survives this signal");
        }
    }
}

/// The records of the child, one line each.
struct Records {
    file: File,
    fuse: Fuse,
}

impl Records {
    fn write(&mut self, line: &str) {
        self.fuse.tick();
        self.file.write_all(format!("{line}\n").as_bytes()).unwrap();
        self.fuse.tick();
        self.file.sync_all().unwrap();
    }
}

#[test]
#[ignore = "the process that the power is cut under; the harness starts it"]
fn works_until_it_is_killed() {
    let Some(mount) = std::env::var_os(MOUNT).map(PathBuf::from) else { return };
    let variable = |name| std::env::var(name).unwrap();
    let sabotage = variable(SABOTAGE);
    let sabotage =
        *Sabotage::ALL.iter().find(|one| format!("{one:?}") == sabotage).expect("one of them");
    let fuse = Fuse { done: Rc::default(), before: variable(BEFORE).parse().unwrap() };
    let path = PathBuf::from(variable(RECORD));
    let file = OpenOptions::new().create(true).append(true).open(&path).unwrap();
    File::open(path.parent().unwrap()).unwrap().sync_all().unwrap();
    let mut records = Records { file, fuse: fuse.clone() };
    let (store, cast) = (folder(&mount), cast());

    let hook = fuse.clone();
    let _installed = fault::install(move |step| {
        hook.tick();
        sabotaged(sabotage, step, &hook)
    });
    for (at, (what, index)) in ACTS.into_iter().enumerate() {
        let archive = &cast[index];
        if what == Act::Publish {
            let run = RunId(100 + at as u64);
            let mut incoming = store.begin(run).unwrap();
            for part in content_of(index).chunks(40_000) {
                fuse.tick();
                incoming.file.write_all(part).unwrap();
            }
            if sabotage == Sabotage::RecordFirst {
                records.write(&format!("done {at}"));
            }
            store.publish(incoming, archive, INFO).unwrap();
        } else {
            records.write(&format!("intent {at}"));
            act(&store, what, archive);
        }
        records.write(&format!("done {at}"));
    }
    println!("\n{CHANGES} {}", fuse.done.get());
}

fn sabotaged(sabotage: Sabotage, step: &Step<'_>, fuse: &Fuse) -> Verdict {
    match (sabotage, step.call, step.to) {
        (Sabotage::NoFsync, Call::Sync, _)
        | (Sabotage::NoDirectoryFsync, Call::SyncDirectory, _) => Verdict::Pretend,
        (Sabotage::CreatedInPlace, Call::Publish, Some(to)) => {
            let bytes = fs::read(step.path).unwrap();
            let mut file = File::create_new(to).unwrap();
            let (first, second) = bytes.split_at(bytes.len() / 2);
            file.write_all(first).unwrap();
            fuse.tick();
            file.write_all(second).unwrap();
            file.sync_all().unwrap();
            fs::remove_file(step.path).unwrap();
            Verdict::Pretend
        }
        _ => Verdict::Proceed,
    }
}
