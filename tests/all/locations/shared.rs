//! A folder that two instances share: each has its own under way, and neither touches the other's.

use std::path::Path;

use larder::durable::fault::{self, Call, Verdict};
use larder::location::folder::Folder;
use larder::location::signer::Signer;
use larder::location::{ArchiveStore, Writer};
use larder::model::archive::Archive;
use larder::model::run::RunId;
use larder::model::upload::UploadId;

use super::conformance::{deadline, holds};
use crate::support::sample::{self, INFO, archive, content, publish};

fn of(instance: &str, path: &Path) -> Folder {
    let signer = Signer::new(instance.parse().unwrap(), Vec::new());
    let folder = Folder::open(&sample::location(path), None).signed_by(signer);
    folder.ensure().unwrap();
    folder
}

/// Does something while the other instance looks before every change that is made.
fn while_it_looks<T>(other: &Path, act: impl FnOnce() -> T) -> T {
    let path = other.to_owned();
    let guard = fault::install(move |step| {
        let look = || {
            let swept = of("tom", &path).sweep(&[RunId(7)]).unwrap();
            assert!(swept.is_empty(), "{:?} of {}: {swept:?}", step.call, step.path.display());
        };
        std::thread::scope(|scope| scope.spawn(look).join().unwrap());
        Verdict::Proceed
    });
    let done = act();
    drop(guard);
    done
}

#[test]
fn two_instances_in_one_folder_leave_each_others_unfinished_archives_alone() {
    let dir = tempfile::tempdir().unwrap();
    let (jerry, tom) = (of("jerry", dir.path()), of("tom", dir.path()));
    let upload: UploadId = uuid::Uuid::from_u128(1).to_string().parse().unwrap();
    jerry.begin_part(upload, 10).unwrap();
    let landing = jerry.open_landing(upload).unwrap();
    // Runs of one number at both.
    let (ours, theirs) = (content(1, 5000), content(2, 700));
    let [first, second] = [("jerry_a_20260508", &ours), ("tom_a_20260508", &theirs)]
        .map(|(name, content)| archive(name, content));
    let second = Archive { origin: "tom".parse().unwrap(), ..second };
    let mut incoming = jerry.begin(RunId(7)).unwrap();
    std::io::Write::write_all(&mut incoming.file, &ours).unwrap();
    // tom makes one from its beginning to its end, and looks.
    publish(&tom, 7, &second, &theirs).unwrap();
    assert!(tom.sweep(&[]).unwrap().is_empty());
    // And while jerry gives the names.
    while_it_looks(dir.path(), || jerry.publish(incoming, &first, INFO).unwrap());
    holds(&jerry, &[&first, &second], &[]);
    assert!(jerry.part_path(upload).exists() && landing.exists());
    // And while it deletes, takes back, and writes down.
    while_it_looks(dir.path(), || {
        jerry.trash(&first, deadline()).unwrap();
        jerry.untrash(&super::conformance::trashed(&first)).unwrap();
        jerry.update(&first).unwrap();
        jerry.probe_write().unwrap();
    });
    holds(&tom, &[&first, &second], &[]);
    // A description that jerry died over.
    let half = ".jerry_a_20260508.larder.json.0a8896f18aab40288582da7ef62a4b21.larder-tmp";
    std::fs::write(dir.path().join(half), "{").unwrap();
    // What rsync was killed over while an archive was fetched; and one that still comes.
    for run in ["8", "9"] {
        let half = format!(".incoming/.jerry@{run}.tar.part.x1YzAb");
        std::fs::write(dir.path().join(half), "half").unwrap();
    }
    assert!(tom.sweep(&[]).unwrap().is_empty());
    // What jerry itself does not go on with, it sweeps.
    let keep = [Writer::Upload(upload), Writer::Run(RunId(9))];
    assert_eq!(jerry.sweep_all_but(&keep).unwrap().len(), 2);
    assert_eq!(jerry.sweep(&[]).unwrap().len(), 3);
    assert!(!jerry.part_path(upload).exists() && !landing.exists());
}

#[test]
fn an_instance_that_died_while_it_published_is_tidied_up_by_itself_alone() {
    let dir = tempfile::tempdir().unwrap();
    let (jerry, tom) = (of("jerry", dir.path()), of("tom", dir.path()));
    let first = archive("jerry_a_20260508", &content(1, 5000));
    // The power goes just before the archive gets its name.
    let mut published = 0;
    let guard = fault::install(move |step| {
        published += u32::from(step.call == Call::Publish);
        match published {
            0..=2 => Verdict::Proceed,
            _ => Verdict::Fail(std::io::Error::from_raw_os_error(5)),
        }
    });
    publish(&jerry, 7, &first, &content(1, 5000)).unwrap_err();
    drop(guard);
    let under_way = || std::fs::read_dir(dir.path().join(".incoming")).unwrap().count();
    let before = under_way();
    assert!(before > 0, "nothing was left");
    assert!(tom.sweep(&[]).unwrap().is_empty());
    assert_eq!(under_way(), before);
    assert!(!jerry.sweep(&[]).unwrap().is_empty());
    assert_eq!(under_way(), 0);
    holds(&tom, &[], &[]);
}
