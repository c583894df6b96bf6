//! Large files are on their way while the hash is still computed, and nobody sees any of it.

use std::fs;
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;

use larder::restore::files::FilesError;

use super::{Packed, everything, same};
use crate::archives::{scratch, sh};
use crate::support::{root_or_skip, skipped};

const EACH: usize = 12 << 20;

/// Large files with all that a file can have, and small ones between them.
fn tree(root: &Path) {
    fs::create_dir(root).unwrap();
    for (number, name) in ["a", "d/b", "d/e/c"].into_iter().enumerate() {
        fs::create_dir_all(root.join("d/e")).unwrap();
        let content: Vec<u8> =
            (0..EACH).map(|at| u8::try_from(at / (7 + number) % 251).unwrap()).collect();
        fs::write(root.join(name), content).unwrap();
    }
    sh(
        root,
        "ln a d/hard; echo small > d/small; setfattr -n user.x -v y d/b; setfacl -m u:65534:r a
        setfacl -d -m u:65533:rwx d/e; chmod 640 d/e/c; chown 1:2 d/b; touch -d 2001-02-03 a d/b",
    );
}

#[test]
fn large_files_come_back_where_nothing_is_and_over_what_is_there() {
    root_or_skip!();
    let scratch = scratch();
    let at = |name: &str| scratch.path().join(name);
    tree(&at("tree"));
    let before = everything(&at("tree"));
    let packed = Packed::new(&at("tree"), scratch.path());

    // Beside a directory whose ACLs are not for what comes back.
    fs::create_dir(at("shared")).unwrap();
    sh(&at("shared"), "setfacl -d -m u:65532:rwx .");
    for target in ["fresh", "shared/target"] {
        let target = at(target);
        let done = packed.extract(&packed.to(&target)).unwrap();
        assert_eq!(done.remarks, Vec::<String>::new());
        assert_eq!(done.bytes, packed.content);
        same(&before, &everything(&target));
        let inode = |name: &str| fs::metadata(target.join(name)).unwrap().ino();
        assert_eq!(inode("a"), inode("d/hard"));
    }

    let target = at("fresh");
    sh(&target, "rm a; mkdir a; echo mine > d/b; rm -r d/e; echo a file > d/e");
    let wrecked = everything(&target);
    let aside = at("aside");
    let mut extraction = packed.to(&target);
    extraction.aside = Some(&aside);
    let done = packed.extract(&extraction).unwrap();
    assert!(done.set_aside >= 3, "{done:?}");
    same(&before, &everything(&target));
    super::back(&aside);
    same(&wrecked, &everything(&target));

    let paths = [b"d/b".to_vec()];
    let mut part = packed.to(&target);
    part.paths = &paths;
    let done = packed.extract(&part).unwrap();
    assert_eq!((done.members, done.bytes), (1, EACH as u64));
    assert_eq!(fs::metadata(target.join("d/b")).unwrap().len(), EACH as u64);
    assert!(target.join("a").is_dir());
}

#[test]
fn of_a_damaged_archive_not_even_a_large_file_appears() {
    root_or_skip!();
    let scratch = scratch();
    let at = |name: &str| scratch.path().join(name);
    tree(&at("tree"));
    let packed = Packed::new(&at("tree"), scratch.path());
    let mut bytes = fs::read(&packed.path).unwrap();
    let last = bytes.len() - 1;
    fs::create_dir(at("target")).unwrap();
    let empty = everything(&at("target"));
    for damage in [3 << 20, last - (1 << 20), last] {
        bytes[damage] ^= 1;
        fs::write(&packed.path, &bytes).unwrap();
        let error = packed.extract(&packed.to(&at("target"))).unwrap_err();
        assert!(matches!(error, FilesError::Hash { .. }), "{error}");
        same(&empty, &everything(&at("target")));
        bytes[damage] ^= 1;
    }
}

/// A mount of the same file system cannot take a name from outside of it, nor can another one.
#[test]
fn large_files_go_into_what_is_mounted_below_the_target() {
    root_or_skip!();
    let scratch = scratch();
    let at = |name: &str| scratch.path().join(name);
    tree(&at("tree"));
    // A hard link cannot lead into a mount.
    fs::remove_file(at("tree/d/hard")).unwrap();
    let packed = Packed::new(&at("tree"), scratch.path());
    for (target, options) in [("bound", "--bind"), ("other", "-t tmpfs")] {
        let mount = at(target).join("d");
        fs::create_dir_all(&mount).unwrap();
        fs::create_dir_all(at("elsewhere")).unwrap();
        let from = at("elsewhere");
        let script = format!("mount {options} '{}' '{}'", from.display(), mount.display());
        let mounted = std::process::Command::new("sh").args(["-c", &script]).status().unwrap();
        if !mounted.success() {
            skipped!("nothing can be mounted here");
        }
        let done = packed.extract(&packed.to(&at(target)));
        let content = fs::read(mount.join("b"));
        sh(scratch.path(), &format!("umount '{}'", mount.display()));
        let done = done.unwrap();
        assert_eq!(done.bytes, packed.content, "{target}");
        assert!(content.unwrap() == fs::read(at("tree/d/b")).unwrap(), "{target}");
    }
}
