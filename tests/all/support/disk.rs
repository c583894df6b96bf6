//! Small file systems of their own: full ones, and such that lose power.

use std::path::{Path, PathBuf};
use std::process::Command;

use tempfile::TempDir;

/// What the disk has seen of the last moments when its power goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Cut {
    /// Nothing that was not flushed.
    Bare,
    /// The journal: names, but no content that was not flushed.
    Journal,
    /// Everything: only the process died.
    Process,
}

impl Cut {
    pub(crate) const ALL: [Cut; 3] = [Cut::Bare, Cut::Journal, Cut::Process];
}

/// A mounted file system, unmounted when dropped.
#[derive(Debug)]
pub(crate) struct Disk {
    dir: TempDir,
    image: Option<PathBuf>,
    mounted: bool,
}

impl Disk {
    /// A new ext4 in an image file on a loop device; the reason where that is not possible.
    pub(crate) fn ext4() -> Result<Self, String> {
        let image = ext4_image()?;
        Self::of_image(image.path())
    }

    /// A copy of an image, mounted.
    pub(crate) fn of_image(image: &Path) -> Result<Self, String> {
        super::root()?;
        let dir = memory_dir();
        let copy = dir.path().join("image");
        run("cp", &["--sparse=always", &text(image), &text(&copy)])?;
        std::fs::create_dir(dir.path().join("mount")).unwrap();
        let mut disk = Self { dir, image: Some(copy), mounted: false };
        disk.mount()?;
        Ok(disk)
    }

    /// A file system in memory that holds so many kilobytes; the reason where that is not
    /// possible.
    pub(crate) fn tmpfs(kilobytes: u64) -> Result<Self, String> {
        super::root()?;
        let dir = memory_dir();
        let mount = dir.path().join("mount");
        std::fs::create_dir(&mount).unwrap();
        let size = format!("size={kilobytes}k");
        run("mount", &["-t", "tmpfs", "-o", &size, "larder-test", &text(&mount)])?;
        Ok(Self { dir, image: None, mounted: true })
    }

    /// Where it is mounted.
    pub(crate) fn path(&self) -> PathBuf {
        self.dir.path().join("mount")
    }

    /// The image that it was made of, unmounted.
    pub(crate) fn into_image(mut self) -> (PathBuf, TempDir) {
        self.unmount();
        let dir = std::mem::replace(&mut self.dir, tempfile::tempdir().unwrap());
        (self.image.take().expect("only an image is asked for"), dir)
    }

    /// The power goes, and comes back.
    pub(crate) fn lose_power(&mut self, cut: Cut) {
        let mount = text(&self.path());
        match cut {
            Cut::Bare => run("xfs_io", &["-x", "-c", "shutdown", &mount]).unwrap(),
            Cut::Journal => run("xfs_io", &["-x", "-c", "shutdown -f", &mount]).unwrap(),
            Cut::Process => {}
        }
        self.unmount();
        self.wait_until_detached();
        self.mount().unwrap();
    }

    /// Waits until nobody has the image mounted any more: a mount namespace that another test made
    /// meanwhile has it too, and as long as it lives, mounting again gives the same file system,
    /// without power.
    fn wait_until_detached(&self) {
        let image = text(self.image.as_ref().expect("only an image loses power"));
        super::wait_for("nobody has the image mounted", || {
            let attached = Command::new("losetup").args(["--associated", &image]).output().unwrap();
            attached.stdout.is_empty()
        });
    }

    fn mount(&mut self) -> Result<(), String> {
        let image = self.image.as_ref().expect("only images are mounted again");
        // Nothing reaches the disk by itself, and nothing papers over a missing flush.
        let options = "loop,noauto_da_alloc,commit=900";
        run("mount", &["-o", options, &text(image), &text(&self.path())])?;
        self.mounted = true;
        Ok(())
    }

    fn unmount(&mut self) {
        if std::mem::take(&mut self.mounted) {
            let mount = text(&self.path());
            if run("umount", &[&mount]).is_err() {
                run("umount", &["--lazy", &mount]).unwrap();
            }
        }
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        self.unmount();
    }
}

/// An empty ext4 in a file; the reason where it cannot be made.
fn ext4_image() -> Result<tempfile::NamedTempFile, String> {
    let image = tempfile::NamedTempFile::new_in(memory_base()).unwrap();
    image.as_file().set_len(12 << 20).unwrap();
    let options = ["-q", "-b", "1024", "-J", "size=4"];
    let path = text(image.path());
    run("mkfs.ext4", &[&options[..], &[path.as_str()]].concat())?;
    Ok(image)
}

/// Whether power can be cut here; otherwise the reason why not.
pub(crate) fn can_lose_power() -> Result<(), String> {
    super::root()?;
    run("xfs_io", &["-V"]).map_err(|_| "xfs_io (xfsprogs) is not installed".to_owned())?;
    Disk::ext4().map(drop).map_err(|why| format!("no loop devices: {why}"))
}

fn memory_base() -> PathBuf {
    let memory = Path::new("/dev/shm");
    if memory.is_dir() { memory.to_owned() } else { std::env::temp_dir() }
}

pub(super) fn memory_dir() -> TempDir {
    tempfile::Builder::new().prefix("larder-test").tempdir_in(memory_base()).unwrap()
}

fn run(program: &str, arguments: &[&str]) -> Result<(), String> {
    let output = Command::new(program)
        .args(arguments)
        .output()
        .map_err(|error| format!("`{program}` cannot be run: {error}"))?;
    if output.status.success() {
        return Ok(());
    }
    let said = String::from_utf8_lossy(&output.stderr);
    Err(format!("`{program} {}` failed: {}", arguments.join(" "), said.trim()))
}

fn text(path: &Path) -> String {
    path.to_str().expect("paths of tests are text").to_owned()
}
