//! Restores by others than root, across file systems, and where the kernel has less to offer.

use std::fs;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::path::Path;
use std::process::{Command, Stdio};

use larder::restore::files::FilesError;

use super::killed::child;
use super::{Packed, everything, nasty, same};
use crate::archives::{scratch, sh};
use crate::support::{dir, root_or_skip, skipped};

fn has(program: &str) -> bool {
    Command::new(program).arg("--version").stdout(Stdio::null()).status().is_ok()
}

/// Runs a program with a restore behind it; its output.
fn under(program: &str, arguments: &[&str], restore: &Command) -> std::process::Output {
    let mut command = Command::new(program);
    command.args(arguments).arg(restore.get_program()).args(restore.get_args());
    for (name, value) in restore.get_envs() {
        command.env(name, value.unwrap());
    }
    command.stdin(Stdio::null()).output().unwrap()
}

fn text(output: &std::process::Output) -> String {
    String::from_utf8_lossy(&[&output.stdout[..], &output.stderr[..]].concat()).into_owned()
}

#[test]
fn somebody_who_is_not_root_gets_the_files_as_their_own() {
    root_or_skip!();
    if !has("setpriv") {
        skipped!("`setpriv` (util-linux) is not installed");
    }
    let scratch = dir();
    let at = |name: &str| scratch.path().join(name);
    fs::set_permissions(scratch.path(), fs::Permissions::from_mode(0o755)).unwrap();
    fs::create_dir(at("tree")).unwrap();
    sh(
        &at("tree"),
        "mkdir d; echo x > d/plain; chmod 640 d/plain; echo x > set; chown 1:1 set; chmod 6755 set
        setfattr -n user.a -v b d/plain; ln -s plain d/link; ln d/plain hard; mkfifo pipe
        mknod null c 1 3; touch -d 2001-02-03 d/plain d",
    );
    let packed = Packed::new(&at("tree"), scratch.path());
    fs::set_permissions(&packed.path, fs::Permissions::from_mode(0o644)).unwrap();
    fs::create_dir(at("home")).unwrap();
    std::os::unix::fs::chown(at("home"), Some(65534), Some(65534)).unwrap();
    // The tests may lie where only root may look.
    fs::copy(std::env::current_exe().unwrap(), at("tests")).unwrap();
    let prefix = String::from_utf8(packed.prefix.clone()).unwrap();
    let mut restore = child(&packed.path, Path::new(&prefix), &at("home/out"), None);
    restore.env("LARDER_TEST_OWNERS", "caller");
    let mut theirs = Command::new(at("tests"));
    theirs.args(restore.get_args());
    for (name, value) in restore.get_envs() {
        theirs.env(name, value.unwrap());
    }
    let nobody = ["--reuid=65534", "--regid=65534", "--clear-groups"];
    let output = under("setpriv", &nobody, &theirs);
    assert!(output.status.success(), "{}", text(&output));
    let out = at("home/out");
    let stat = |name: &str| fs::symlink_metadata(out.join(name)).unwrap();
    for name in ["d", "d/plain", "d/link", "hard", "pipe", "set"] {
        assert_eq!((stat(name).uid(), stat(name).gid()), (65534, 65534), "{name}");
    }
    assert_eq!(stat("d/plain").mode() & 0o7777, 0o640);
    assert_eq!(stat("d/plain").mtime(), fs::metadata(at("tree/d/plain")).unwrap().mtime());
    assert_eq!(stat("d").mtime(), fs::metadata(at("tree/d")).unwrap().mtime());
    assert_eq!(stat("d/plain").ino(), stat("hard").ino());
    assert_eq!(stat("set").mode() & 0o7777, 0o755, "set-id bits for somebody else");
    assert!(!out.join("null").exists());
    let said = text(&output);
    assert!(said.contains("set-id bits") && said.contains("device node"), "{said}");
}

#[test]
fn a_kernel_without_openat2_restores_the_same() {
    root_or_skip!();
    if !has("strace") {
        skipped!("`strace` is not installed");
    }
    let (scratch, root) = nasty();
    let packed = Packed::new(&root, scratch.path());
    let before = everything(&root);
    let prefix = String::from_utf8(packed.prefix.clone()).unwrap();
    for error in ["ENOSYS", "EPERM"] {
        let target = scratch.path().join(error);
        let restore = child(&packed.path, Path::new(&prefix), &target, None);
        let inject = format!("inject=openat2:error={error}");
        let trace = scratch.path().join("trace");
        let log = trace.to_str().unwrap();
        let traced = ["-f", "-qq", "-o", log, "-e", "trace=openat2", "-e", &inject];
        let output = under("strace", &traced, &restore);
        if text(&output).contains("ptrace") {
            skipped!("`strace` may not trace here");
        }
        assert!(output.status.success(), "{}", text(&output));
        let injected = fs::read_to_string(&trace).unwrap();
        assert!(injected.contains("(INJECTED)"), "{injected}");
        same(&before, &everything(&target));
    }
}

/// A file system in memory that is mounted at a directory until this is dropped.
struct Mounted<'a>(&'a Path);

impl<'a> Mounted<'a> {
    fn at(path: &'a Path) -> Option<Self> {
        let arguments = ["-t", "tmpfs", "-o", "size=2m,mode=755", "larder-test"];
        let mount = Command::new("mount").args(arguments).arg(path).stderr(Stdio::null()).status();
        mount.is_ok_and(|status| status.success()).then_some(Self(path))
    }
}

impl Drop for Mounted<'_> {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("--lazy").arg(self.0).status();
    }
}

/// A second file system inside of the target stays where it is, and files go into it. What it has
/// cannot be set aside on the first one: that is told, with a way out, and nothing of it is lost.
#[test]
fn a_file_system_that_is_mounted_in_the_target_is_restored_into_and_never_lost() {
    root_or_skip!();
    let scratch = scratch();
    let at = |name: &str| scratch.path().join(name);
    fs::create_dir(at("tree")).unwrap();
    sh(&at("tree"), "mkdir -p other/deep; echo new > other/file; echo new > other/deep/file");
    let packed = Packed::new(&at("tree"), scratch.path());
    fs::create_dir_all(at("target/other")).unwrap();
    let (target, other, aside) = (at("target"), at("target/other"), at("aside"));
    let Some(_mounted) = Mounted::at(&other) else { skipped!("nothing can be mounted here") };
    let device = fs::metadata(&other).unwrap().dev();
    assert_ne!(device, fs::metadata(&target).unwrap().dev());

    // Nothing is in the way: files go into it, also when there is a place for what is overwritten.
    let mut extraction = packed.to(&target);
    extraction.aside = Some(&aside);
    packed.extract(&extraction).unwrap();
    assert_eq!(fs::metadata(other.join("deep/file")).unwrap().dev(), device);

    // A file is in the way: it cannot be moved to the other file system.
    fs::write(other.join("file"), "old").unwrap();
    let second = at("second");
    extraction.aside = Some(&second);
    let error = packed.extract(&extraction).unwrap_err();
    let hint = error.hint().unwrap_or_default().to_owned();
    assert!(matches!(&error, FilesError::Io { path, .. } if path.starts_with(&other)), "{error}");
    assert!(hint.contains("another file system") && hint.contains("--no-safety"), "{hint}");
    assert_eq!(fs::read_to_string(other.join("file")).unwrap(), "old");
    super::back(&second);
    assert_eq!(fs::read_to_string(other.join("file")).unwrap(), "old");

    // Where nothing is to be set aside, it is replaced.
    extraction.aside = None;
    packed.extract(&extraction).unwrap();
    assert_eq!(fs::read_to_string(other.join("file")).unwrap(), "new\n");

    // The mount point itself in the way of a file: it stays, and the error says where.
    fs::remove_dir_all(at("tree/other")).unwrap();
    fs::write(at("tree/other"), "a file now").unwrap();
    fs::remove_file(&packed.path).unwrap();
    let packed = Packed::new(&at("tree"), scratch.path());
    let error = packed.extract(&packed.to(&target)).unwrap_err();
    assert!(matches!(&error, FilesError::Io { path, .. } if *path == other), "{error}");
    assert_eq!(fs::metadata(&other).unwrap().dev(), device);
}

#[test]
fn symlinks_between_directories_that_the_archive_has_are_replaced_not_followed() {
    let scratch = scratch();
    let at = |name: &str| scratch.path().join(name);
    fs::create_dir(at("tree")).unwrap();
    sh(&at("tree"), "mkdir -p a/b/c; echo new > a/b/c/file; echo new > a/b/file");
    let before = everything(&at("tree"));
    let packed = Packed::new(&at("tree"), scratch.path());
    for (number, safety) in [(0, false), (1, true)] {
        let (target, aside) = (at(&format!("target{number}")), at("aside"));
        // The second of three directories leads out, to one that looks just like it.
        sh(
            scratch.path(),
            &format!(
                "rm -rf outside; mkdir -p outside/c target{number}/a; echo keep > outside/c/file
                ln -s ../../outside target{number}/a/b"
            ),
        );
        let outside = everything(&at("outside"));
        let found = everything(&target);
        let mut extraction = packed.to(&target);
        extraction.aside = safety.then_some(aside.as_path());
        packed.extract(&extraction).unwrap();
        same(&before, &everything(&target));
        same(&outside, &everything(&at("outside")));
        if safety {
            super::back(&aside);
            same(&found, &everything(&target));
        }
    }
}
