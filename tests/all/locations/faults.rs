//! Whatever call fails, once or for ever: no false success, older archives unchanged, and after a
//! restart either the whole archive or nothing of it. And a disk that is really full.

use std::cell::Cell;
use std::fs::File;
use std::io;
use std::path::Path;
use std::sync::Mutex;

use jiff::Timestamp;
use jiff::civil::Date;
use larder::durable::fault::{self, Verdict};
use larder::location::folder::Folder;
use larder::location::{ArchiveStore, Incoming, LocationError, Scan};
use larder::model::archive::Archive;
use larder::model::name::{ArchiveName, InstanceName, Label};
use larder::model::observed::LocationState;
use larder::model::run::RunId;

use super::conformance::{deadline, folder, holds, read, trashed};
use crate::support;
use crate::support::disk::Disk;
use crate::support::sample::{self, archive, content, publish};
use crate::support::skipped;

/// A folder whose `nth` change of the file system fails, and all later ones if it is for ever.
pub(super) struct Faulty {
    folder: Folder,
    left: Mutex<u32>,
    errno: i32,
    forever: bool,
}

impl Faulty {
    pub(super) fn new(folder: Folder, nth: u32, errno: i32, forever: bool) -> Self {
        Self { folder, left: Mutex::new(nth), errno, forever }
    }

    /// Whether the fault was met.
    fn struck(&self) -> bool {
        *self.left.lock().unwrap() == 0
    }

    fn call<T>(&self, call: impl FnOnce(&Folder) -> T) -> T {
        thread_local!(static LEFT: Cell<u32> = const { Cell::new(0) });
        let (errno, forever) = (self.errno, self.forever);
        LEFT.set(*self.left.lock().unwrap());
        let guard = fault::install(move |_| {
            let before = LEFT.get();
            LEFT.set(before.saturating_sub(1));
            if before == 1 || (before == 0 && forever) {
                return Verdict::Fail(io::Error::from_raw_os_error(errno));
            }
            Verdict::Proceed
        });
        let result = call(&self.folder);
        drop(guard);
        *self.left.lock().unwrap() = LEFT.get();
        result
    }
}

impl ArchiveStore for Faulty {
    fn state(&self) -> LocationState {
        self.folder.state()
    }
    fn begin(&self, run: RunId) -> Result<Incoming, LocationError> {
        self.call(|folder| folder.begin(run))
    }
    fn discard(&self, run: RunId) -> Result<(), LocationError> {
        self.call(|folder| folder.discard(run))
    }
    fn free_name(
        &self,
        instance: &InstanceName,
        label: &Label,
        day: Date,
        taken: &dyn Fn(&ArchiveName) -> bool,
    ) -> Result<ArchiveName, LocationError> {
        self.folder.free_name(instance, label, day, taken)
    }
    fn publish(
        &self,
        incoming: Incoming,
        archive: &Archive,
        info_json: &[u8],
    ) -> Result<(), LocationError> {
        self.call(|folder| folder.publish(incoming, archive, info_json))
    }
    fn scan(&self) -> Result<Scan, LocationError> {
        self.folder.scan()
    }
    fn update(&self, archive: &Archive) -> Result<(), LocationError> {
        self.call(|folder| folder.update(archive))
    }
    fn adopt(&self, archive: &Archive) -> Result<(), LocationError> {
        self.call(|folder| folder.adopt(archive))
    }
    fn trash(&self, archive: &Archive, until: Timestamp) -> Result<(), LocationError> {
        self.call(|folder| folder.trash(archive, until))
    }
    fn untrash(&self, archive: &Archive) -> Result<(), LocationError> {
        self.call(|folder| folder.untrash(archive))
    }
    fn unlink(&self, archive: &Archive) -> Result<(), LocationError> {
        self.call(|folder| folder.unlink(archive))
    }
    fn open(&self, archive: &Archive) -> Result<File, LocationError> {
        self.folder.open(archive)
    }
    fn sweep(&self, keep: &[RunId]) -> Result<Vec<String>, LocationError> {
        self.call(|folder| folder.sweep(keep))
    }
    fn probe_write(&self) -> Result<(), LocationError> {
        self.call(ArchiveStore::probe_write)
    }
    fn failed(&self, what: &'static str, path: &Path, source: io::Error) -> LocationError {
        self.folder.failed(what, path, source)
    }
}

const EIO: i32 = 5;
const EMFILE: i32 = 24;
const ENOSPC: i32 = 28;
const EROFS: i32 = 30;

/// What is done to a store that has `old` in place and `old_trashed` in the trash.
#[derive(Debug, Clone, Copy)]
enum Act {
    Publish,
    Update,
    Trash,
    Untrash,
    Unlink,
    UnlinkTrashed,
}

const ACTS: [Act; 6] =
    [Act::Publish, Act::Update, Act::Trash, Act::Untrash, Act::Unlink, Act::UnlinkTrashed];

struct Cast {
    new: Archive,
    old: Archive,
    old_trashed: Archive,
    bystander: Archive,
}

impl Cast {
    fn new() -> Self {
        Self {
            new: archive("d_20260508", &content(4, 4000)),
            old: archive("b_20260508", &content(2, 2000)),
            old_trashed: archive("c_20260508", &content(3, 3000)),
            bystander: archive("a_20260508", &content(1, 1000)),
        }
    }

    fn on_stage(&self, path: &Path) -> Folder {
        let folder = folder(path);
        publish(&folder, 1, &self.bystander, &content(1, 1000)).unwrap();
        publish(&folder, 2, &self.old, &content(2, 2000)).unwrap();
        publish(&folder, 3, &self.old_trashed, &content(3, 3000)).unwrap();
        folder.trash(&self.old_trashed, deadline()).unwrap();
        folder
    }

    fn pinned(&self) -> Archive {
        Archive { pinned: true, ..self.old.clone() }
    }

    fn play(&self, act: Act, store: &dyn ArchiveStore) -> Result<(), LocationError> {
        match act {
            Act::Publish => publish(store, 4, &self.new, &content(4, 4000)),
            Act::Update => store.update(&self.pinned()),
            Act::Trash => store.trash(&self.old, deadline()),
            Act::Untrash => store.untrash(&trashed(&self.old_trashed)),
            Act::Unlink => store.unlink(&self.old),
            Act::UnlinkTrashed => store.unlink(&trashed(&self.old_trashed)),
        }
    }

    /// What is there before and after an act: in place, and in the trash.
    fn before_and_after(&self, act: Act) -> [(Vec<Archive>, Vec<Archive>); 2] {
        let [a, b, c, d] =
            [&self.bystander, &self.old, &self.old_trashed, &self.new].map(Clone::clone);
        let in_trash = trashed(&c);
        let before = (vec![a.clone(), b.clone()], vec![in_trash.clone()]);
        let after = match act {
            Act::Publish => (vec![a, b, d], vec![in_trash]),
            Act::Update => (vec![a, self.pinned()], vec![in_trash]),
            Act::Trash => (vec![a], vec![trashed(&b), in_trash]),
            Act::Untrash => (vec![a, b, c], vec![]),
            Act::Unlink => (vec![a], vec![in_trash]),
            Act::UnlinkTrashed => (vec![a, b], vec![]),
        };
        [before, after]
    }
}

/// The act with a fault at its `nth` change; says whether the fault was met.
fn strike(cast: &Cast, act: Act, nth: u32, errno: i32, forever: bool) -> bool {
    let point = format!("{act:?}, call {nth}, errno {errno}, for ever: {forever}");
    let dir = support::dir();
    let faulty = Faulty::new(cast.on_stage(dir.path()), nth, errno, forever);
    let result = cast.play(act, &faulty);
    let struck = faulty.struck();
    let [before, after] = cast.before_and_after(act);
    assert!(struck || result.is_ok(), "{point}: failed without a fault: {result:?}");

    // The restart: nobody remembers anything but the marker.
    let found = larder::location::folder::Folder::open(&sample::location(dir.path()), None);
    found.ensure().unwrap();
    found.sweep(&[]).unwrap_or_else(|error| panic!("{point}: sweep: {error}"));
    let scan = found.scan().unwrap();
    let there = (scan.archives.clone(), scan.trashed.clone());
    if result.is_ok() {
        assert_eq!(there, after, "{point}: a false success");
    } else {
        // A deletion may have got as far as leaving a description behind.
        let mine = |archive: &Archive| archive.name != cast.old.name;
        let (here, trash) = (&there.0, &there.1);
        assert!(there == before || there == after, "{point}: {here:?} {trash:?}");
        assert!(scan.lone.iter().all(|lone| !mine(&lone.archive)), "{point}: {:?}", scan.lone);
        match &result {
            Err(LocationError::NoSpace { .. }) => assert_eq!(errno, ENOSPC, "{point}"),
            Err(LocationError::Io { source, .. }) => {
                assert_eq!(source.raw_os_error(), Some(errno), "{point}");
                let suspect = matches!(faulty.state(), LocationState::Suspect(_));
                assert_eq!(suspect, [EIO, EROFS].contains(&errno), "{point}");
            }
            other => panic!("{point}: {other:?}"),
        }
    }
    assert!(scan.foreign.is_empty() && scan.problems.is_empty(), "{point}: {scan:?}");
    assert_eq!(read(&found, &cast.bystander), content(1, 1000), "{point}");
    for archive in scan.archives.iter().chain(&scan.trashed) {
        let hash = sample::sha256(&read(&found, archive));
        assert_eq!(Some(hash), archive.file_sha256, "{point}: {}", archive.name);
    }
    assert!(found.sweep(&[]).unwrap().is_empty(), "{point}: the first sweep left something");

    // And once more, now that nothing fails: what was wanted comes about. A publication whose
    // last flush failed is there already.
    if !(matches!(act, Act::Publish) && there == after) {
        cast.play(act, &found).unwrap_or_else(|error| panic!("{point}: again: {error}"));
    }
    let [here, trash] = [&after.0, &after.1].map(|list| list.iter().collect::<Vec<_>>());
    holds(&found, &here, &trash);
    struck
}

#[test]
fn whatever_call_fails_there_is_no_false_success_and_no_half_archive() {
    let cast = Cast::new();
    let mut points = 0;
    for act in ACTS {
        for (errno, forever) in
            [(EIO, false), (EIO, true), (ENOSPC, true), (EROFS, true), (EMFILE, false)]
        {
            let mut nth = 1;
            while strike(&cast, act, nth, errno, forever) {
                nth += 1;
            }
            points += nth;
        }
    }
    assert!(points > 300, "only {points} faults were met");
}

#[test]
fn a_suspect_location_is_used_again_once_a_probe_passes() {
    let dir = support::dir();
    let faulty = Faulty::new(folder(dir.path()), 3, EIO, false);
    assert!(publish(&faulty, 1, &archive("a", &content(1, 9)), &content(1, 9)).is_err());
    let LocationState::Suspect(reason) = faulty.state() else { panic!("{:?}", faulty.state()) };
    assert!(reason.contains("Input/output error"), "{reason}");
    let still = Faulty::new(folder(dir.path()), 1, EIO, true);
    assert!(still.probe_write().is_err());
    assert!(matches!(still.state(), LocationState::Suspect(_)));
    faulty.probe_write().unwrap();
    assert!(matches!(faulty.state(), LocationState::Available { .. }));
}

#[test]
fn a_full_disk_fails_the_run_and_the_next_one_is_normal_after_room_was_made() {
    let disk = match Disk::tmpfs(256) {
        Ok(disk) => disk,
        Err(why) => skipped!("{why}"),
    };
    let store = folder(&disk.path());
    let small = archive("a_20260508", &content(1, 50_000));
    publish(&store, 1, &small, &content(1, 50_000)).unwrap();
    let large = archive("b_20260508", &content(2, 150_000));
    let ballast = disk.path().join("ballast");
    // Full while the archive is written; then so full that only its descriptions do not fit.
    for room in [100_000, 155_000] {
        let LocationState::Available { free, .. } = store.state() else { panic!() };
        std::fs::write(&ballast, content(0, usize::try_from(free).unwrap() - room)).unwrap();
        let error = publish(&store, 2, &large, &content(2, 150_000)).unwrap_err();
        assert!(matches!(error, LocationError::NoSpace { .. }), "{room}: {error}");
        assert!(error.hint().is_some());
        holds(&store, &[&small], &[]);
        assert!(store.sweep(&[]).unwrap().is_empty(), "{room}: the failed run left something");
        assert!(matches!(store.state(), LocationState::Available { .. }));
        std::fs::remove_file(&ballast).unwrap();
    }
    publish(&store, 3, &large, &content(2, 150_000)).unwrap();
    holds(&store, &[&small, &large], &[]);
    assert_eq!(read(&store, &small), content(1, 50_000));
}
