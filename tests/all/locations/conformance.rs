//! What every store of archives must do, whatever it is made of.

use std::io::Read;
use std::path::Path;

use jiff::Timestamp;
use jiff::civil::date;
use larder::location::folder::Folder;
use larder::location::{ArchiveStore, LocationError, Scan};
use larder::model::archive::{Archive, Condition};
use larder::model::location::Codec;
use larder::model::observed::LocationState;
use larder::model::run::RunId;

use super::faults::Faulty;
use crate::support;
use crate::support::sample::{self, INFO, archive, content, publish};

pub(super) fn folder(path: &Path) -> Folder {
    let folder = Folder::open(&sample::location(path), None);
    folder.ensure().unwrap();
    folder
}

pub(super) fn deadline() -> Timestamp {
    "2026-05-09T01:00:00Z".parse().unwrap()
}

/// Trashed as `archive` would be listed.
pub(super) fn trashed(archive: &Archive) -> Archive {
    Archive { condition: Condition::Trashed { until: deadline() }, ..archive.clone() }
}

pub(super) fn read(store: &dyn ArchiveStore, archive: &Archive) -> Vec<u8> {
    let mut found = Vec::new();
    store.open(archive).unwrap().read_to_end(&mut found).unwrap();
    found
}

/// Exactly these archives, exactly these in the trash, and nothing to remark.
#[track_caller]
pub(super) fn holds(store: &dyn ArchiveStore, here: &[&Archive], trash: &[&Archive]) {
    let expected = Scan {
        archives: here.iter().map(|&archive| archive.clone()).collect(),
        trashed: trash.iter().map(|archive| trashed(archive)).collect(),
        ..Scan::default()
    };
    assert_eq!(store.scan().unwrap(), expected);
}

/// States what every store must do; `fresh` makes an empty one.
fn conforms<S: ArchiveStore>(fresh: &dyn Fn() -> (S, tempfile::TempDir)) {
    archives_appear_whole_and_can_be_read(&fresh().0);
    names_are_never_used_twice(&fresh().0);
    nothing_is_replaced(&fresh().0);
    an_unfinished_file_is_not_published(&fresh().0);
    descriptions_can_be_updated(&fresh().0);
    deletions_can_be_repeated_and_taken_back(&fresh().0);
    the_sweep_spares_what_is_under_way(&fresh().0);
    let (store, _dir) = fresh();
    store.probe_write().unwrap();
    holds(&store, &[], &[]);
}

fn archives_appear_whole_and_can_be_read(store: &dyn ArchiveStore) {
    let LocationState::Available { free, total } = store.state() else {
        panic!("{:?}", store.state());
    };
    assert!(0 < free && free <= total);
    let plain = archive("a_20260508", &content(1, 5000));
    let coded = Archive {
        codec: Codec::Zstd(3),
        recipients: vec!["age1abc".to_owned()],
        ..archive("b_20260508", &content(2, 70_000))
    };
    publish(store, 1, &plain, &content(1, 5000)).unwrap();
    holds(store, &[&plain], &[]);
    publish(store, 2, &coded, &content(2, 70_000)).unwrap();
    holds(store, &[&plain, &coded], &[]);
    assert_eq!(read(store, &plain), content(1, 5000));
    assert_eq!(read(store, &coded), content(2, 70_000));
    assert!(store.sweep(&[]).unwrap().is_empty());
}

fn names_are_never_used_twice(store: &dyn ArchiveStore) {
    let (instance, label) = ("jerry".parse().unwrap(), "nocodb".parse().unwrap());
    let next = |remembered: &str| {
        let taken = |name: &larder::model::name::ArchiveName| name.as_str() == remembered;
        store.free_name(&instance, &label, date(2026, 5, 8), &taken).unwrap().to_string()
    };
    assert_eq!(next(""), "jerry_nocodb_20260508");
    assert_eq!(next("jerry_nocodb_20260508"), "jerry_nocodb_20260508-2");
    let first =
        Archive { codec: Codec::Gzip(6), ..archive("jerry_nocodb_20260508", &content(1, 10)) };
    publish(store, 1, &first, &content(1, 10)).unwrap();
    assert_eq!(next(""), "jerry_nocodb_20260508-2");
    store.trash(&first, deadline()).unwrap();
    assert_eq!(next(""), "jerry_nocodb_20260508-2");
    let second = archive("jerry_nocodb_20260508-2", &content(2, 10));
    publish(store, 2, &second, &content(2, 10)).unwrap();
    assert_eq!(next(""), "jerry_nocodb_20260508-3");
    let long = "a-label-that-takes-all-of-the-space-2345".parse().unwrap();
    let error = store.free_name(&instance, &long, date(2026, 5, 8), &|_| false).unwrap_err();
    assert!(matches!(error, LocationError::Name(_)), "{error}");
}

fn nothing_is_replaced(store: &dyn ArchiveStore) {
    let first = archive("a_20260508", &content(1, 10));
    publish(store, 1, &first, &content(1, 10)).unwrap();
    for codec in [Codec::None, Codec::Zstd(3)] {
        let mut other = Archive { codec, ..archive("other", &content(2, 20)) };
        other.name = first.name.clone();
        let error = publish(store, 2, &other, &content(2, 20)).unwrap_err();
        assert!(matches!(error, LocationError::NameTaken { .. }), "{error}");
        holds(store, &[&first], &[]);
        assert!(store.sweep(&[]).unwrap().is_empty(), "the refused attempt left something");
    }
    assert_eq!(read(store, &first), content(1, 10));
    let incoming = store.begin(RunId(3)).unwrap();
    assert!(matches!(store.begin(RunId(3)), Err(LocationError::Exists { .. })));
    drop(incoming);
    store.discard(RunId(3)).unwrap();
    store.discard(RunId(3)).unwrap();
    store.begin(RunId(3)).unwrap();
}

fn an_unfinished_file_is_not_published(store: &dyn ArchiveStore) {
    let whole = archive("a_20260508", &content(1, 10));
    for written in [&content(1, 10)[..9], &content(1, 11), &[]] {
        let error = publish(store, 1, &whole, written).unwrap_err();
        assert!(matches!(error, LocationError::Incomplete { .. }), "{error}");
        holds(store, &[], &[]);
        assert!(store.sweep(&[]).unwrap().is_empty());
    }
    let empty = archive("a_20260508", &[]);
    assert!(publish(store, 1, &empty, &[]).is_err(), "an empty file became an archive");
}

fn descriptions_can_be_updated(store: &dyn ArchiveStore) {
    let first = archive("a_20260508", &content(1, 10));
    publish(store, 1, &first, &content(1, 10)).unwrap();
    let pinned = Archive { pinned: true, verified_at: Some(deadline()), ..first.clone() };
    store.update(&pinned).unwrap();
    holds(store, &[&pinned], &[]);
    let corrupt = Archive { condition: Condition::Corrupt, ..first.clone() };
    store.update(&corrupt).unwrap();
    holds(store, &[&corrupt], &[]);
    let stranger = Archive { id: archive("b", b"").id, ..first.clone() };
    assert!(matches!(store.update(&stranger), Err(LocationError::Foreign { .. })));
    let nobody = archive("b_20260508", &content(1, 10));
    assert!(matches!(store.update(&nobody), Err(LocationError::Gone { .. })));
    store.trash(&first, deadline()).unwrap();
    let pinned = Archive { pinned: true, ..trashed(&first) };
    store.update(&pinned).unwrap();
    holds(store, &[], &[&pinned]);
}

fn deletions_can_be_repeated_and_taken_back(store: &dyn ArchiveStore) {
    let (kept, gone) =
        (archive("a_20260508", &content(1, 10)), archive("b_20260508", &content(2, 20)));
    publish(store, 1, &kept, &content(1, 10)).unwrap();
    publish(store, 2, &gone, &content(2, 20)).unwrap();
    for _ in 0..2 {
        store.trash(&gone, deadline()).unwrap();
        holds(store, &[&kept], &[&gone]);
    }
    assert_eq!(read(store, &trashed(&gone)), content(2, 20));
    assert!(matches!(store.open(&gone), Err(LocationError::Gone { .. })));
    for _ in 0..2 {
        store.untrash(&trashed(&gone)).unwrap();
        holds(store, &[&kept, &gone], &[]);
    }
    assert_eq!(read(store, &gone), content(2, 20));
    store.trash(&gone, deadline()).unwrap();
    for _ in 0..2 {
        store.unlink(&trashed(&gone)).unwrap();
        holds(store, &[&kept], &[]);
    }
    assert!(matches!(store.trash(&gone, deadline()), Err(LocationError::Gone { .. })));
    assert!(matches!(store.untrash(&trashed(&gone)), Err(LocationError::Gone { .. })));
    let stranger = Archive { id: gone.id, ..kept.clone() };
    for result in [store.trash(&stranger, deadline()), store.unlink(&stranger)] {
        assert!(matches!(result, Err(LocationError::Foreign { .. })), "{result:?}");
    }
    holds(store, &[&kept], &[]);
    for _ in 0..2 {
        store.unlink(&kept).unwrap();
        holds(store, &[], &[]);
    }
}

fn the_sweep_spares_what_is_under_way(store: &dyn ArchiveStore) {
    let (mine, other) = (store.begin(RunId(7)).unwrap(), store.begin(RunId(8)).unwrap());
    assert_eq!(store.sweep(&[RunId(7)]).unwrap(), ["removed `8.tar.part`, which no run owns"]);
    assert!(mine.path.exists() && !other.path.exists());
    assert_eq!(store.sweep(&[]).unwrap(), ["removed `7.tar.part`, which no run owns"]);
    assert!(store.publish(mine, &archive("a", &content(1, 1)), INFO).is_err());
    holds(store, &[], &[]);
}

#[test]
fn a_folder_does_what_every_store_must() {
    conforms(&|| {
        let dir = support::dir();
        (folder(dir.path()), dir)
    });
}

#[test]
fn a_store_whose_faults_are_far_away_does_what_every_store_must() {
    conforms(&|| {
        let dir = support::dir();
        (Faulty::new(folder(dir.path()), u32::MAX, 5, false), dir)
    });
}
