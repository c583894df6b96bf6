//! A tree with everything in it that a file system can hold.

use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::fs;
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;

use super::{GNU, archive, entries, extract, is_root, scratch, sh};

/// Builds the tree. What needs root is left out for others.
pub(crate) fn build(root: &Path) {
    sh(
        root,
        r#"
        mkdir -p empty d/e 'with space' "d/$(printf 'l%.0s' $(seq 150))" d/sticky
        printf 'hello\n' > a; ln a b; mkdir z; ln a z/c; chmod 6755 a
        ln -s a relative; ln -s /nonexistent/absolute absolute; ln -s "$(printf 't%.0s' $(seq 180))" long-target
        mkfifo -m 640 pipe
        truncate -s 10M holes; printf x | dd of=holes bs=1 seek=5000000 conv=notrunc status=none
        truncate -s 3M only-hole
        printf data > hole-at-the-end; truncate -s 2M hole-at-the-end
        printf 'bytes' > "$(printf 'not-utf8-\377')"
        printf 'bytes' > "$(printf 'not-utf8-\377')$(printf 'n%.0s' $(seq 150))"
        ln -s "$(printf 'not-utf8-\377')$(printf 'n%.0s' $(seq 150))" link-not-utf8
        truncate -s 1M "$(printf 'hole-\376')"
        printf 'q' > "$(printf 'new\nline "quoted" \\ back\tslash')"
        L=$(printf 'l%.0s' $(seq 150)); printf deep > "d/$L/$(printf 'm%.0s' $(seq 200))"
        : > nothing; head -c 3000000 /dev/urandom > large
        head -c 512 /dev/zero > one-block; head -c 513 /dev/zero > more-than-one
        setfattr -n user.plain -v text a; setfattr -n user.binary -v 0x000aff3d0a31 large
        setfattr -n user.on-directory -v "$(printf 'line\nbreak')" d
        setfacl -m u:1234:r,g:2345:rwx large; setfacl -d -m u:1234:rx d/e; chmod 1777 d/sticky
        chmod 000 nothing; chmod 500 empty
        touch -d '2001-02-03 04:05:06.123456789' large; touch -d '2040-01-01 00:00:00.000000001' a
        touch -h -d '1999-12-31 23:59:59.5' relative; touch -d '1965-06-07 08:09:10' one-block
        touch -d '2100-01-01' d/e; touch -d '2011-11-11 11:11:11.11' d
    "#,
    );
    if is_root() {
        sh(root, "
            mknod null c 1 3; mknod disk b 7 200; mkdir owned; : > owned/f; chown 1234:2345 owned owned/f
            : > huge-owner; chown 4000000000:3000000000 huge-owner; touch -d '2002-02-02' owned/f
            setfattr -n trusted.secret -v hidden a
        ");
    } else {
        eprintln!("skipped: device nodes, owners and trusted attributes need root");
    }
}

/// All that `stat`, `getfattr` and `getfacl` say of each file.
pub(crate) fn facts(root: &Path) -> BTreeMap<Vec<u8>, String> {
    let mut facts = BTreeMap::new();
    let mut open = vec![root.to_owned()];
    let mut inodes: BTreeMap<u64, Vec<u8>> = BTreeMap::new();
    while let Some(directory) = open.pop() {
        for entry in fs::read_dir(&directory).unwrap() {
            let path = entry.unwrap().path();
            let name = path.strip_prefix(root).unwrap().as_os_str().as_bytes().to_vec();
            let stat = fs::symlink_metadata(&path).unwrap();
            let mut text = format!(
                "{:o} {}:{} {}.{:09} links {}",
                stat.mode(),
                stat.uid(),
                stat.gid(),
                stat.mtime(),
                stat.mtime_nsec(),
                if stat.is_dir() { 0 } else { stat.nlink() },
            );
            if stat.is_dir() {
                open.push(path.clone());
            } else if stat.is_symlink() {
                text += &format!(" to {}", fs::read_link(&path).unwrap().display());
            } else if stat.is_file() {
                let sparse = stat.blocks() * 512 < stat.size();
                text += &format!(" {} sparse {sparse}", stat.size());
                let first = inodes.entry(stat.ino()).or_insert_with(|| name.clone());
                if name < *first {
                    first.clone_from(&name);
                }
            } else {
                text += &format!(" device {}", stat.rdev());
            }
            facts.insert(name, text);
        }
    }
    let all = r"find . -print0 | LC_ALL=C sort -z | xargs -0";
    let attributes = sh(root, &format!("{all} getfattr -h -d -m - -e hex"));
    let acls = sh(root, "find . ! -type l -print0 | LC_ALL=C sort -z | xargs -0 getfacl -n -p -c");
    facts.insert(b"\0attributes".to_vec(), attributes);
    facts.insert(b"\0acls".to_vec(), acls);
    facts
}

fn check(program: &str) {
    let scratch = scratch();
    let root = scratch.path().join("tree");
    fs::create_dir(&root).unwrap();
    build(&root);
    let (written, path) = archive(&root, scratch.path());
    assert_eq!(written.remarks, []);
    let out = extract(program, &path, &root, scratch.path());
    for (name, before) in facts(&root) {
        let after = facts(&out).remove(&name).unwrap_or_default();
        similar(&name, &before, &after);
    }
    assert_eq!(facts(&root).len(), facts(&out).len());
    let compare = format!(
        "diff -r --no-dereference -x pipe -x null -x disk '{}' '{}'",
        root.display(),
        out.display()
    );
    assert_eq!(sh(&root, &compare), "");
    let stat = |path: &Path| fs::metadata(path).unwrap();
    assert_eq!(stat(&out).mode(), stat(&root).mode());
    assert_eq!(stat(&out.join("a")).ino(), stat(&out.join("z/c")).ino());
}

fn similar(name: &[u8], before: &str, after: &str) {
    assert_eq!(before, after, "{}", OsStr::from_bytes(name).display());
}

#[test]
fn gnu_tar_restores_a_nasty_tree_without_any_difference() {
    check(GNU);
}

#[test]
fn bsdtar_restores_a_nasty_tree_without_any_difference() {
    check("bsdtar");
}

#[test]
fn python_agrees_on_every_member() {
    let scratch = scratch();
    let root = scratch.path().join("tree");
    fs::create_dir(&root).unwrap();
    build(&root);
    let (_, path) = archive(&root, scratch.path());
    let script = format!(
        r#"python3 -c '
import tarfile, os
kinds = {{b"0": "file", b"1": "hardlink", b"2": "symlink", b"3": "char", b"4": "block", b"5": "directory", b"6": "fifo"}}
for m in tarfile.open("{}"):
    print(os.fsencode(m.name).hex(), kinds[m.type], m.size, oct(m.mode), m.uid, m.gid, os.fsencode(m.linkname).hex())
'"#,
        path.display()
    );
    let theirs = sh(scratch.path(), &script);
    let hex = |bytes: &[u8]| bytes.iter().map(|byte| format!("{byte:02x}")).collect::<String>();
    let ours: String = entries(&path)
        .iter()
        .map(|entry| {
            format!(
                "{} {} {} 0o{:o} {} {} {}\n",
                hex(&entry.name),
                entry.kind.word(),
                entry.size,
                entry.mode,
                entry.uid,
                entry.gid,
                hex(&entry.link),
            )
        })
        .collect();
    assert_eq!(ours, theirs);
}

#[test]
fn what_gnu_tar_and_bsdtar_write_is_read() {
    let scratch = scratch();
    let root = scratch.path().join("tree");
    fs::create_dir(&root).unwrap();
    build(&root);
    for program in [
        "tar --format=gnu -S",
        "tar --format=pax -S --sparse-version=0.0",
        "tar --format=pax -S --sparse-version=0.1",
        "tar --format=pax -S --sparse-version=1.0 --xattrs --acls",
        "bsdtar --format=pax --acls --xattrs",
        "bsdtar --format=gnutar",
    ] {
        let path = scratch.path().join("theirs.tar");
        // bsdtar complains of names that are not UTF-8, and writes them nevertheless.
        sh(&root, &format!("{program} -cf '{}' . 2> /dev/null || [ $? = 1 ]", path.display()));
        let found = entries(&path);
        let listed = sh(
            &root,
            &format!(
                "tar --warning=no-unknown-keyword -tf '{}' --quoting-style=escape | wc -l",
                path.display()
            ),
        );
        assert_eq!(found.len().to_string(), listed.trim(), "{program}");
        let holes = found.iter().find(|entry| entry.name.ends_with(b"/holes")).unwrap();
        assert_eq!(holes.size, 10 << 20, "{program}");
        fs::remove_file(path).unwrap();
    }
}

#[test]
fn a_tree_deeper_than_descriptors_are_kept_is_walked_and_a_path_may_be_longer_than_the_kernel_takes()
 {
    let scratch = scratch();
    let root = scratch.path().join("tree");
    fs::create_dir(&root).unwrap();
    sh(&root, "
        i=0; while [ $i -lt 150 ]; do mkdir d; : > d-after; cd d; i=$((i+1)); done; printf deepest > file
    ");
    sh(
        &root,
        "
        L=$(printf 'l%.0s' $(seq 200)); i=0
        while [ $i -lt 30 ]; do mkdir $L; cd -P $L; i=$((i+1)); done; printf x > file
    ",
    );
    let (written, path) = archive(&root, scratch.path());
    assert_eq!((written.counts.files, written.counts.directories), (152, 181));
    assert_eq!(written.remarks, []);
    assert_eq!(
        entries(&path).iter().map(|entry| entry.name.len()).max(),
        Some("data/custom/".len() + root.as_os_str().len() - 1 + 30 * 201 + "/file".len())
    );
    sh(&root, "rm -rf -- *");
}
