//! Files come back as they were: content, metadata, links, holes; and a restore can be undone.

#![expect(clippy::unwrap_used, reason = "a test that cannot be set up has failed")]

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};

use larder::archive::{Content, directory_prefix, identity};
use larder::model::archive::Sha256;
use larder::model::location::Codec;
use larder::progress::Progress;
use larder::restore::files::{
    Extracted, Extraction, FilesError, Original, Owners, Preview, extract, preview, undo,
};
use larder::source::directory::Directory;
use larder::stop::{Stop, Stopped};
use secrecy::ExposeSecret as _;

use crate::archives::nasty::{build, facts};
use crate::archives::{archive_source, job, scratch, sh, spec};
use crate::support::disk::Disk;
use crate::support::{full, root_or_skip, skipped};

mod elsewhere;
mod killed;
mod large;
mod racing;

/// What an extraction writes down for its undoing.
const JOURNAL: &str = ".larder-undo.jsonl";

/// An archive and what is recorded of it.
pub(super) struct Packed {
    pub(super) path: PathBuf,
    pub(super) codec: Codec,
    pub(super) secret: Option<String>,
    pub(super) sha256: Sha256,
    pub(super) content: u64,
    pub(super) prefix: Vec<u8>,
}

impl Packed {
    pub(super) fn new(root: &Path, directory: &Path) -> Self {
        Self::encoded(root, directory, Codec::None, None)
    }

    fn encoded(root: &Path, directory: &Path, codec: Codec, key: Option<(String, String)>) -> Self {
        let mut spec = spec(root);
        spec.codec = codec;
        spec.content = Content::Directory(root.to_owned());
        let (secret, recipient) = key.unzip();
        spec.recipients.extend(recipient);
        let source = Directory::open(&job(root)).unwrap();
        let (written, path) = archive_source(Box::new(source), &spec, directory).unwrap();
        Self {
            path,
            codec,
            secret,
            sha256: written.file_sha256,
            content: written.content_size,
            prefix: directory_prefix(root),
        }
    }

    pub(super) fn with<T>(&self, act: impl FnOnce(&Original<'_>) -> T) -> T {
        let file = File::open(&self.path).unwrap();
        act(&Original {
            file: &file,
            codec: self.codec,
            identity: self.secret.as_deref(),
            sha256: self.sha256,
            size: file.metadata().unwrap().len(),
            content_size: Some(self.content),
        })
    }

    pub(super) fn to<'a>(&'a self, target: &'a Path) -> Extraction<'a> {
        Extraction {
            prefix: &self.prefix,
            target,
            paths: &[],
            owners: Owners::ByName,
            devices: true,
            aside: None,
        }
    }

    pub(super) fn extract(&self, extraction: &Extraction<'_>) -> Result<Extracted, FilesError> {
        self.with(|original| {
            extract(original, extraction, &Stop::new(), &Progress::new(), &mut |_| {})
        })
    }

    fn preview(&self, extraction: &Extraction<'_>) -> Result<Preview, FilesError> {
        self.with(|original| preview(original, extraction, &Stop::new(), &Progress::new()))
    }
}

fn back(aside: &Path) -> larder::restore::files::Undone {
    undo(aside, &Stop::new(), &mut |_| {}).unwrap()
}

/// Undoes all of it, and again from the beginning: as when the first undoing ended at the very end.
fn back_twice(aside: &Path) -> [larder::restore::files::Undone; 2] {
    let journal = fs::read(aside.join(JOURNAL)).unwrap();
    let beside = fs::metadata(aside.parent().unwrap()).unwrap().modified().unwrap();
    let first = back(aside);
    fs::create_dir_all(aside.join("tree")).unwrap();
    fs::set_permissions(aside, fs::Permissions::from_mode(0o700)).unwrap();
    fs::write(aside.join(JOURNAL), journal).unwrap();
    File::open(aside.parent().unwrap()).unwrap().set_modified(beside).unwrap();
    [first, back(aside)]
}

/// All that can be said of a directory and everything in it.
pub(super) fn everything(root: &Path) -> BTreeMap<Vec<u8>, String> {
    let mut all = facts(root);
    let stat = fs::metadata(root).unwrap();
    let own = format!(
        "{:o} {}:{} {}.{}",
        stat.mode(),
        stat.uid(),
        stat.gid(),
        stat.mtime(),
        stat.mtime_nsec()
    );
    all.insert(b"\0root".to_vec(), own);
    // Reading may move the access times, so content is read after everything else.
    let content = sh(root, "find . -type f -print0 | LC_ALL=C sort -z | xargs -0r sha256sum");
    all.insert(b"\0content".to_vec(), content);
    all
}

#[track_caller]
pub(super) fn same(one: &BTreeMap<Vec<u8>, String>, other: &BTreeMap<Vec<u8>, String>) {
    for (name, before) in one {
        let after = other.get(name).map_or("(missing)", String::as_str);
        assert_eq!(before, after, "{}", String::from_utf8_lossy(name));
    }
    for name in other.keys() {
        assert!(one.contains_key(name), "{} was not there", String::from_utf8_lossy(name));
    }
}

fn nasty() -> (tempfile::TempDir, PathBuf) {
    let scratch = scratch();
    let root = scratch.path().join("tree");
    fs::create_dir(&root).unwrap();
    build(&root);
    (scratch, root)
}

/// Ruins a tree in every way that a restore has to deal with.
fn wreck(root: &Path) {
    sh(
        root,
        r"
        rm -rf z 'with space' large; ln -s /etc z; mkdir large; : > large/inside
        printf changed > b; chmod 777 d; rm -f pipe; : > pipe; rm -f relative; mkdir -p relative/deep
        : > relative/deep/file; ln -s .. 'with space'; : > own-file; mkdir -p d/e/own; chmod 700 d/e
        setfattr -n user.new -v x d; setfacl -b d/e; chmod 700 .; touch -d 2015-05-05 . d d/e
    ",
    );
}

#[test]
fn a_nasty_tree_comes_back_without_any_difference_whatever_the_codec() {
    root_or_skip!();
    let (scratch, root) = nasty();
    let before = everything(&root);
    let key = || {
        let identity = identity::new().unwrap();
        Some((identity.secret.expose_secret().to_owned(), identity.recipient))
    };
    for (number, (codec, key)) in [
        (Codec::None, None),
        (Codec::Gzip(1), None),
        (Codec::Zstd(3), None),
        (Codec::None, key()),
        (Codec::Zstd(1), key()),
    ]
    .into_iter()
    .enumerate()
    {
        let directory = scratch.path().join(number.to_string());
        fs::create_dir(&directory).unwrap();
        let packed = Packed::encoded(&root, &directory, codec, key);
        let target = directory.join("not/yet/there");
        let done = packed.extract(&packed.to(&target)).unwrap();
        assert_eq!(done.remarks, Vec::<String>::new());
        same(&before, &everything(&target));
        assert_eq!(fs::metadata(directory.join("not")).unwrap().mode() & 0o7777, 0o755);
        let ino = |name: &str| fs::metadata(target.join(name)).unwrap().ino();
        assert_eq!(ino("a"), ino("z/c"));
        assert_eq!(done.bytes, packed.content);
    }
}

#[test]
fn a_wrecked_tree_is_repaired_in_place_and_what_is_not_in_the_archive_stays() {
    root_or_skip!();
    for safety in [true, false] {
        let (scratch, root) = nasty();
        let before = everything(&root);
        let packed = Packed::new(&root, scratch.path());
        wreck(&root);
        let wrecked = everything(&root);
        let aside = scratch.path().join("aside");
        let mut extraction = packed.to(&root);
        extraction.aside = safety.then_some(aside.as_path());
        let told = packed.preview(&extraction).unwrap();
        same(&wrecked, &everything(&root));
        assert!(!aside.exists());
        let done = packed.extract(&extraction).unwrap();
        assert_eq!(done.remarks, Vec::<String>::new());
        assert_eq!(done.members, told.members);
        assert_eq!(done.set_aside + done.removed, told.overwritten);
        assert_eq!(told.overwritten.min(100) as usize, told.overwritten_first.len());
        if safety {
            let kept = aside.join("tree").join(root.file_name().unwrap());
            assert_eq!(fs::read_to_string(kept.join("b")).unwrap(), "changed");
            assert!(kept.join("large/inside").exists());
        }
        let mut after = everything(&root);
        for own in ["own-file", "d/e/own"] {
            assert!(after.remove(own.as_bytes()).is_some(), "{own} is gone");
        }
        fs::remove_file(root.join("own-file")).unwrap();
        fs::remove_dir(root.join("d/e/own")).unwrap();
        for name in ["\0attributes", "\0acls", "\0content"] {
            after.remove(name.as_bytes());
        }
        let mut expected = before.clone();
        expected.retain(|name, _| after.contains_key(name));
        same(&expected, &after);
        if safety {
            let again = everything(&root);
            assert_eq!(again.get(&b"\0attributes"[..]), before.get(&b"\0attributes"[..]));
            assert_eq!(again.get(&b"\0acls"[..]), before.get(&b"\0acls"[..]));
            assert_eq!(again.get(&b"\0content"[..]), before.get(&b"\0content"[..]));
        }
    }
}

#[test]
fn after_undo_the_tree_is_what_it_was_before() {
    root_or_skip!();
    let (scratch, root) = nasty();
    let packed = Packed::new(&root, scratch.path());
    wreck(&root);
    let before = everything(&root);
    let aside = scratch.path().join("aside");
    let mut extraction = packed.to(&root);
    extraction.aside = Some(&aside);
    let done = packed.extract(&extraction).unwrap();
    let undone = back(&aside);
    assert_eq!(undone.remarks, Vec::<String>::new());
    assert_eq!(undone.put_back, done.set_aside);
    same(&before, &everything(&root));
    assert!(!aside.exists());
    // And where nothing was: nothing is again.
    let parent = everything(scratch.path());
    let target = scratch.path().join("new/target");
    let mut extraction = packed.to(&target);
    extraction.aside = Some(&aside);
    packed.extract(&extraction).unwrap();
    assert!(target.join("a").exists());
    back(&aside);
    same(&parent, &everything(scratch.path()));
}

#[test]
fn an_undoing_that_is_given_again_leaves_what_the_first_one_put_back() {
    root_or_skip!();
    let (scratch, root) = nasty();
    let packed = Packed::new(&root, scratch.path());
    wreck(&root);
    let before = everything(&root);
    let aside = scratch.path().join("aside");
    let mut extraction = packed.to(&root);
    extraction.aside = Some(&aside);
    packed.extract(&extraction).unwrap();
    let [first, second] = back_twice(&aside);
    assert_eq!((&first.remarks, &second.remarks), (&Vec::new(), &Vec::new()));
    assert_eq!((second.put_back, second.removed), (0, 0));
    same(&before, &everything(&root));
    assert!(!aside.exists());
}

#[test]
fn parts_come_back_alone_and_a_hard_link_without_its_file_has_the_content() {
    let scratch = scratch();
    let root = scratch.path().join("tree");
    fs::create_dir(&root).unwrap();
    sh(&root, "mkdir -p a/b c x; echo one > a/b/one; echo two > a/two; ln a/b/one x/link; ln a/b/one x/link2
        echo three > c/three; ln -s three c/link; chmod 750 a; touch -d 2001-01-01 a/b a; chmod 711 x");
    let packed = Packed::new(&root, scratch.path());
    let target = scratch.path().join("out");
    let paths = |paths: &[&str]| -> Vec<Vec<u8>> {
        paths.iter().map(|path| path.as_bytes().to_vec()).collect()
    };
    let listed = |target: &Path| sh(target, "find . | LC_ALL=C sort | tr '\\n' ' '");
    let part = paths(&["a/b", "c/link"]);
    let mut extraction = packed.to(&target);
    extraction.paths = &part;
    packed.extract(&extraction).unwrap();
    assert_eq!(listed(&target), ". ./a ./a/b ./a/b/one ./c ./c/link ");
    assert_eq!(fs::metadata(target.join("a")).unwrap().mode() & 0o7777, 0o750);
    assert_eq!(
        fs::metadata(target.join("a")).unwrap().mtime(),
        fs::metadata(root.join("a")).unwrap().mtime()
    );

    // A directory on the way that is there stays as it is.
    fs::set_permissions(target.join("a"), fs::Permissions::from_mode(0o700)).unwrap();
    let part = paths(&["a/two"]);
    extraction.paths = &part;
    packed.extract(&extraction).unwrap();
    assert_eq!(fs::metadata(target.join("a")).unwrap().mode() & 0o7777, 0o700);
    fs::remove_dir_all(&target).unwrap();

    let part = paths(&["x"]);
    extraction.paths = &part;
    packed.extract(&extraction).unwrap();
    assert_eq!(listed(&target), ". ./x ./x/link ./x/link2 ");
    assert_eq!(fs::read_to_string(target.join("x/link")).unwrap(), "one\n");
    let ino = |name: &str| fs::metadata(target.join(name)).unwrap().ino();
    assert_eq!(ino("x/link"), ino("x/link2"));
    fs::remove_dir_all(&target).unwrap();

    for bad in ["a/none", "../a", "/a", "a/", "two"] {
        let part = paths(&["c", bad]);
        let extraction = Extraction { paths: &part, ..packed.to(&target) };
        let error = packed.extract(&extraction).unwrap_err();
        assert!(matches!(&error, FilesError::NotThere { path } if path.contains(bad)), "{error}");
        assert!(!target.exists(), "{bad}");
    }
}

#[test]
fn a_single_file_becomes_the_target_itself() {
    let scratch = scratch();
    let root = scratch.path().join("file");
    fs::write(&root, "content").unwrap();
    sh(scratch.path(), "chmod 640 file; touch -d 2003-03-03 file");
    let packed = Packed::new(&root, scratch.path());
    let target = scratch.path().join("deep/er/other");
    packed.extract(&packed.to(&target)).unwrap();
    assert_eq!(fs::read_to_string(&target).unwrap(), "content");
    assert_eq!(fs::metadata(&target).unwrap().mtime(), fs::metadata(&root).unwrap().mtime());
    fs::write(&root, "changed").unwrap();
    let before = everything(scratch.path());
    let aside = scratch.path().join("aside");
    let mut extraction = packed.to(&root);
    extraction.aside = Some(&aside);
    packed.extract(&extraction).unwrap();
    assert_eq!(fs::read_to_string(&root).unwrap(), "content");
    back(&aside);
    same(&before, &everything(scratch.path()));
}

#[test]
fn a_damaged_archive_changes_nothing() {
    let scratch = scratch();
    let root = scratch.path().join("tree");
    fs::create_dir(&root).unwrap();
    fs::write(root.join("file"), vec![7; 100_000]).unwrap();
    let packed = Packed::new(&root, scratch.path());
    let target = scratch.path().join("target");
    let whole = fs::read(&packed.path).unwrap();
    for damage in [0, 1000, 50_000, whole.len() - 1] {
        let mut bytes = whole.clone();
        bytes[damage] ^= 1;
        fs::write(&packed.path, &bytes).unwrap();
        let error = packed.extract(&packed.to(&target)).unwrap_err();
        assert!(matches!(error, FilesError::Hash { .. }), "{error}");
        assert!(!target.exists());
    }
    fs::write(&packed.path, &whole).unwrap();
    let original = |size, content_size| {
        packed.with(|original| {
            let original = Original { size, content_size, ..*original };
            extract(&original, &packed.to(&target), &Stop::new(), &Progress::new(), &mut |_| {})
        })
    };
    let length = whole.len() as u64;
    assert!(matches!(original(length + 1, None), Err(FilesError::Size { .. })));
    assert!(matches!(original(length, Some(99_999)), Err(FilesError::TooMuch { .. })));
    assert!(!target.exists());
    original(length, Some(100_000)).unwrap();
}

#[test]
fn a_target_or_a_place_aside_that_cannot_be_is_refused_before_anything_is_written() {
    root_or_skip!();
    let scratch = scratch();
    let at = |name: &str| scratch.path().join(name);
    fs::create_dir(at("tree")).unwrap();
    fs::write(at("tree/file"), "x").unwrap();
    fs::create_dir(at("tree/kept")).unwrap();
    let packed = Packed::new(&at("tree"), scratch.path());
    sh(
        scratch.path(),
        "mkdir real; ln -s real ours; ln -s real theirs; chown -h 1234 theirs; : > plain",
    );
    for (target, why) in
        [("theirs/x", "another user"), ("plain/x", "no directory"), ("gone/../x", "`..`")]
    {
        let error = packed.extract(&packed.to(&at(target))).unwrap_err();
        assert!(error.to_string().contains(why), "{error}");
    }
    packed.extract(&packed.to(&at("ours/x"))).unwrap();
    assert!(at("real/x/file").exists());
    packed.extract(&packed.to(&at("ours"))).unwrap();
    assert!(at("real/file").exists() && at("ours").is_symlink());
    // Somebody else's link in the place of the target is replaced, not followed.
    sh(scratch.path(), "rm -rf real; mkdir real");
    packed.extract(&packed.to(&at("theirs"))).unwrap();
    assert!(at("theirs/file").exists() && !at("theirs").is_symlink() && !at("real/file").exists());

    let memory = crate::support::dir();
    let elsewhere = memory.path().join("aside");
    for (aside, why) in [
        (at("real"), "there already"),
        (at("no/where"), "does not exist"),
        (elsewhere, "another file system"),
    ] {
        let target = at("target");
        let mut extraction = packed.to(&target);
        extraction.aside = Some(&aside);
        let error = packed.extract(&extraction).unwrap_err();
        let is_same_disk = why == "another file system"
            && fs::metadata(memory.path()).unwrap().dev()
                == fs::metadata(scratch.path()).unwrap().dev();
        assert!(is_same_disk || error.to_string().contains(why), "{error}");
        assert!(!target.exists());
    }
    // Inside of the target it may lie, but nothing is restored into it.
    fs::create_dir(at("target")).unwrap();
    for (aside, is_good) in [("target/kept", false), ("target/other", true)] {
        let (target, aside) = (at("target"), at(aside));
        let mut extraction = packed.to(&target);
        extraction.aside = Some(&aside);
        assert_eq!(packed.extract(&extraction).is_ok(), is_good, "{}", aside.display());
        assert_eq!(aside.exists(), is_good);
    }
}

#[test]
fn a_full_disk_is_told_before_and_after_the_first_write() {
    let disk = match Disk::tmpfs(2000) {
        Ok(disk) => disk,
        Err(why) => skipped!("{why}"),
    };
    let scratch = scratch();
    let root = scratch.path().join("tree");
    fs::create_dir(&root).unwrap();
    fs::write(root.join("file"), vec![7; 5_000_000]).unwrap();
    let packed = Packed::new(&root, scratch.path());
    let target = disk.path().join("target");
    let error = packed.extract(&packed.to(&target)).unwrap_err();
    assert!(matches!(error, FilesError::NoSpace { needed: 5_000_000, .. }), "{error}");
    assert!(!target.exists());
    // What is to be removed could make room: it is tried, and the truth is told then.
    fs::write(root.join("file"), vec![7; 1_900_000]).unwrap();
    fs::remove_file(&packed.path).unwrap();
    let packed = Packed::new(&root, scratch.path());
    fs::write(disk.path().join("other"), vec![1; 1_000_000]).unwrap();
    let error = packed.extract(&packed.to(&target)).unwrap_err();
    assert!(matches!(error, FilesError::NoSpace { .. }), "{error}");
    assert!(error.to_string().contains("are free"), "{error}");
    fs::remove_file(disk.path().join("other")).unwrap();
    packed.extract(&packed.to(&target)).unwrap();
    assert_eq!(fs::metadata(target.join("file")).unwrap().len(), 1_900_000);
}

#[test]
fn somebody_who_asks_to_stop_need_not_wait() {
    let scratch = scratch();
    let root = scratch.path().join("tree");
    fs::create_dir(&root).unwrap();
    fs::write(root.join("file"), "x").unwrap();
    let packed = Packed::new(&root, scratch.path());
    let (target, stop) = (scratch.path().join("target"), Stop::new());
    stop.request(Stopped::Cancelled);
    let extraction = packed.to(&target);
    let result = packed
        .with(|original| extract(original, &extraction, &stop, &Progress::new(), &mut |_| {}));
    assert!(matches!(result, Err(FilesError::Stopped(_))));
    assert!(!target.exists());
}

#[test]
fn acls_of_a_directory_that_stays_are_not_handed_on() {
    let scratch = scratch();
    let root = scratch.path().join("tree");
    fs::create_dir_all(root.join("sub")).unwrap();
    fs::write(root.join("file"), "x").unwrap();
    fs::write(root.join("sub/file"), "x").unwrap();
    sh(&root, "chmod 750 sub; chmod 640 file sub/file");
    let before = everything(&root);
    let packed = Packed::new(&root, scratch.path());
    let target = scratch.path().join("target");
    fs::create_dir(&target).unwrap();
    sh(&target, "setfacl -d -m u:1234:rwx .; setfacl -m u:1234:rwx .");
    packed.extract(&packed.to(&target)).unwrap();
    same(&before, &everything(&target));
}

#[test]
fn devices_and_what_belongs_to_others_are_remarks_where_they_cannot_be() {
    root_or_skip!();
    let (scratch, root) = nasty();
    let packed = Packed::new(&root, scratch.path());
    let target = scratch.path().join("target");
    let mut extraction = packed.to(&target);
    (extraction.devices, extraction.owners) = (false, Owners::Caller);
    let told = packed.preview(&extraction).unwrap();
    let done = packed.extract(&extraction).unwrap();
    assert_eq!((told.devices, done.devices_left_out), (2, 2));
    assert!(!target.join("null").exists());
    assert_eq!(fs::metadata(target.join("owned/f")).unwrap().uid(), 0);
    assert_eq!(done.remarks.len(), 2, "{:?}", done.remarks);
    assert!(done.remarks.iter().all(|remark| remark.contains("device")), "{:?}", done.remarks);
}

#[test]
fn owners_that_are_unknown_or_have_another_number_here_are_told() {
    root_or_skip!();
    let scratch = scratch();
    let root = scratch.path().join("tree");
    fs::create_dir(&root).unwrap();
    sh(scratch.path(), "echo x > tree/f; echo y > tree/g
        tar -cf a.tar --owner=nobody:1234 --group=nogroup:2345 --transform='s,^,data/custom/,' tree/f
        tar -rf a.tar --owner=no-such-user:4321 --group=root:0 --transform='s,^,data/custom/,' tree/g");
    let bytes = fs::read(scratch.path().join("a.tar")).unwrap();
    let packed =
        super::malicious::packed(&bytes, &scratch.path().join("a.tar"), b"data/custom/tree");
    let target = scratch.path().join("target");
    let told = packed.preview(&packed.to(&target)).unwrap();
    let nobody = sh(scratch.path(), "id -u nobody").trim().parse().unwrap();
    assert_eq!(told.owners_moved, [("nobody".to_owned(), 1234, nobody)]);
    assert_eq!(told.owners_unknown, ["no-such-user"]);
    packed.extract(&packed.to(&target)).unwrap();
    let owner = |target: &Path, name: &str| fs::metadata(target.join(name)).unwrap().uid();
    assert_eq!((owner(&target, "f"), owner(&target, "g")), (nobody, 4321));
    let numeric = scratch.path().join("numeric");
    let mut extraction = packed.to(&numeric);
    extraction.owners = Owners::Numeric;
    packed.extract(&extraction).unwrap();
    assert_eq!(owner(&numeric, "f"), 1234);
}

#[test]
fn a_tree_deeper_than_a_path_may_be_long_comes_back() {
    let scratch = scratch();
    let root = scratch.path().join("tree");
    fs::create_dir(&root).unwrap();
    sh(&root, "L=$(printf 'l%.0s' $(seq 200)); i=0
        while [ $i -lt 60 ]; do mkdir $L; cd -P $L; i=$((i+1)); done; printf x > file; ln -s x link; ln file hard");
    let packed = Packed::new(&root, scratch.path());
    let (target, aside) = (scratch.path().join("target"), scratch.path().join("aside"));
    packed.extract(&packed.to(&target)).unwrap();
    // A second one, over the first.
    let mut extraction = packed.to(&target);
    extraction.aside = Some(&aside);
    let done = packed.extract(&extraction).unwrap();
    assert_eq!(done.set_aside, 3);
    let undone = back(&aside);
    assert_eq!((undone.put_back, undone.remarks.len()), (3, 0));
    let count = sh(&target, "find . | wc -l");
    assert_eq!(count.trim(), "64");
    sh(
        &target,
        "i=0; while [ $i -lt 60 ]; do cd -P l*; i=$((i+1)); done; [ \"$(cat hard)\" = x ] && [ -L link ]",
    );
    sh(scratch.path(), "rm -rf tree target");
}

#[test]
fn a_million_members_cost_no_more_memory_than_a_few() {
    if !full() {
        skipped!("a million members take half a minute: LARDER_FULL=1");
    }
    let scratch = scratch();
    super::malicious::many(&scratch.path().join("many.tar"), 1_000_000);
    let peak = killed::peak(&scratch.path().join("many.tar"), &scratch.path().join("target"));
    assert!(peak < 64 * 1024, "{peak} KiB");
}
