//! The Debian package: what it contains, and what becomes of a machine that has it.

#![expect(clippy::unwrap_used, reason = "a test that panics has failed")]

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::LazyLock;

use crate::support::skipped;

mod life;
mod machine;

/// The version that the machine is upgraded to.
const NEXT: &str = "99.0-1";

/// What the tests work with: the package, and the next version of it.
#[derive(Debug)]
struct Packages {
    dir: tempfile::TempDir,
}

impl Packages {
    fn first(&self) -> PathBuf {
        self.dir.path().join("first.deb")
    }

    /// What the package installs, unpacked.
    fn files(&self) -> PathBuf {
        self.dir.path().join("files")
    }
}

/// Made once, out of the program that all tests run.
static PACKAGES: LazyLock<Result<Packages, String>> = LazyLock::new(build);

/// The packages, or the end of the test.
macro_rules! packages_or_skip {
    () => {
        match &*super::PACKAGES {
            Ok(packages) => packages,
            Err(why) => $crate::support::skipped!("{why}"),
        }
    };
}
use packages_or_skip;

fn build() -> Result<Packages, String> {
    for tool in ["dpkg-deb", "dpkg-shlibdeps", "strip"] {
        if !has(tool) {
            return Err(format!("no `{tool}` here"));
        }
    }
    if !has("cargo-deb") {
        return Err("no `cargo-deb` here (tests/run installs it)".to_owned());
    }
    let dir = kept_dir();
    let clone = Path::new(env!("CARGO_MANIFEST_DIR"));
    let built = Path::new(env!("CARGO_BIN_EXE_larder")).parent().unwrap();
    let output = Command::new(clone.join("packaging/build-deb"))
        .arg("--tests")
        .arg(built.file_name().unwrap())
        .arg(dir.path().join("first.deb"))
        .output()
        .unwrap();
    let error = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.success(), "packaging/build-deb: {error}");
    let packages = Packages { dir };
    let files = packages.files();
    // The next version: the same program, and a starting file that has moved on.
    let script = format!(
        "dpkg-deb -R first.deb files
         cp -a files next
         sed -i 's/^Version: .*/Version: {NEXT}/' next/DEBIAN/control
         echo '# The next version says this.' >> next/etc/larder/larder.toml
         dpkg-deb --root-owner-group -Zgzip -z1 -b next next.deb >&2
         rm -r next"
    );
    let made = Command::new("sh").args(["-euc", &script]).current_dir(packages.dir.path()).output();
    let made = made.unwrap();
    assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
    assert!(files.join("usr/bin/larder").exists());
    Ok(packages)
}

/// A directory below `target`. Nothing drops what is static: the next run removes it.
fn kept_dir() -> tempfile::TempDir {
    const PREFIX: &str = "larder-deb-";
    let parent = Path::new(env!("CARGO_TARGET_TMPDIR"));
    fs::create_dir_all(parent).unwrap();
    for entry in fs::read_dir(parent).unwrap().flatten() {
        let name = entry.file_name().into_string().unwrap_or_default();
        let process = name.strip_prefix(PREFIX).and_then(|rest| rest.split('-').next());
        if process.is_some_and(|process| !Path::new("/proc").join(process).exists()) {
            let _ = fs::remove_dir_all(entry.path());
        }
    }
    let prefix = format!("{PREFIX}{}-", std::process::id());
    tempfile::Builder::new().prefix(&prefix).tempdir_in(parent).unwrap()
}

/// Whether a program is there, or where tests/run puts what it gets.
fn has(program: &str) -> bool {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let own = cache().map(|cache| cache.join("bin"));
    std::env::split_paths(&path).chain(own).any(|dir| dir.join(program).is_file())
}

/// What tests/run keeps from one run to the next.
fn cache() -> Option<PathBuf> {
    let cache = std::env::var_os("XDG_CACHE_HOME").map(PathBuf::from);
    let cache = cache.or_else(|| Some(PathBuf::from(std::env::var_os("HOME")?).join(".cache")));
    Some(cache?.join("larder-tests"))
}

fn read(path: &Path) -> String {
    fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

#[test]
fn lintian_finds_neither_an_error_nor_a_warning() {
    let packages = match &*PACKAGES {
        Ok(packages) => packages,
        Err(why) => skipped!("{why}"),
    };
    if !has("lintian") {
        skipped!("no `lintian` here");
    }
    let output = Command::new("lintian")
        .args(["--allow-root", "--fail-on", "error,warning", "--tag-display-limit", "0"])
        .arg(packages.first())
        .output()
        .unwrap();
    let told = String::from_utf8_lossy(&output.stdout);
    let told: Vec<&str> = told.lines().filter(|line| !line.starts_with("N:")).collect();
    assert!(output.status.success(), "{told:#?}\n{}", String::from_utf8_lossy(&output.stderr));
}

#[test]
fn the_daemons_unit_is_closed_up() {
    let packages = match &*PACKAGES {
        Ok(packages) => packages,
        Err(why) => skipped!("{why}"),
    };
    if !has("systemd-analyze") {
        skipped!("no `systemd-analyze` here");
    }
    let unit = packages.files().join("usr/lib/systemd/system/larder.service");
    let output = Command::new("systemd-analyze")
        .args(["security", "--no-pager", "--offline=true", "--threshold=30"])
        .arg(unit)
        .output()
        .unwrap();
    let told = String::from_utf8_lossy(&output.stdout);
    let level = told.lines().find(|line| line.contains("Overall exposure level"));
    // The threshold is ten times the level.
    assert!(output.status.success(), "{level:?}");
    assert!(level.is_some(), "{told}");
}

#[test]
fn everything_has_the_place_where_debian_looks_for_it() {
    let packages = match &*PACKAGES {
        Ok(packages) => packages,
        Err(why) => skipped!("{why}"),
    };
    let files = packages.files();
    for place in [
        "etc/larder/larder.toml",
        "usr/bin/larder",
        "usr/lib/systemd/system/larder.service",
        "usr/lib/systemd/system/larder-restore-.service.d/larder.conf",
        "usr/lib/sysusers.d/larder.conf",
        "usr/lib/tmpfiles.d/larder.conf",
        "usr/share/bash-completion/completions/larder",
        "usr/share/zsh/vendor-completions/_larder",
        "usr/share/fish/vendor_completions.d/larder.fish",
        "usr/share/man/man1/larder.1.gz",
        "usr/share/man/man1/larder-restore.1.gz",
        "usr/share/larder/larder.schema.json",
        "usr/share/larder/openapi.json",
        "usr/share/doc/larder/copyright",
        "usr/share/doc/larder/changelog.gz",
        "usr/share/doc/larder/changelog.Debian.gz",
        "usr/share/doc/larder/README.Debian",
        "usr/share/doc/larder/configuration.md",
    ] {
        assert!(files.join(place).exists(), "{place}");
    }
    assert_eq!(read(&files.join("DEBIAN/conffiles")), "/etc/larder/larder.toml\n");
    assert_eq!(
        read(&files.join("usr/share/larder/hooks/restore/50-data_custom")),
        larder::archive::HOOK
    );
    let schema = read(&files.join("usr/share/larder/larder.schema.json"));
    assert_eq!(schema, larder::config::schema::schema_text());
    let copyright = read(&files.join("usr/share/doc/larder/copyright"));
    assert!(copyright.contains("License: AGPL-3.0+") && copyright.contains("Copyright: "));
    let control = read(&files.join("DEBIAN/control"));
    for line in ["Depends: libc6 ", "Recommends: ca-certificates", "Suggests: age, "] {
        assert!(control.contains(line), "{control}");
    }
    assert!(!control.contains("$auto"), "{control}");
}

#[test]
fn what_the_package_brings_as_examples_is_valid_there() {
    let packages = match &*PACKAGES {
        Ok(packages) => packages,
        Err(why) => skipped!("{why}"),
    };
    let examples = packages.files().join("usr/share/doc/larder/examples");
    let mut seen = 0;
    for entry in walk(&examples) {
        if entry.extension().is_none_or(|extension| extension != "toml") {
            continue;
        }
        let text = read(&entry);
        let Some(line) = text.lines().find(|line| line.starts_with("#:schema ")) else { continue };
        assert_eq!(line, "#:schema /usr/share/larder/larder.schema.json", "{}", entry.display());
        seen += 1;
    }
    assert!(seen >= 3, "{seen}");
    // Whoever copies them can run them; git skips a hook that is no program.
    for program in
        walk(&examples.join("git/hooks")).into_iter().chain([examples.join("git/ci/plan")])
    {
        let mode = program.metadata().unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o755, "{}", program.display());
    }
    // Texts name what there is once they are installed.
    let api = read(&packages.files().join("usr/share/doc/larder/API.md"));
    assert!(api.contains("(/usr/share/larder/openapi.json)") && !api.contains("(../"), "{api}");
}

/// The starting file does nothing; what it offers in comments works once the `#` is gone.
#[test]
fn the_starting_file_is_valid_as_it_is_and_with_everything_it_offers() {
    let check = |text: &str| {
        let dir = tempfile::tempdir().unwrap();
        fs::write(dir.path().join("larder.toml"), text).unwrap();
        let output = Command::new(env!("CARGO_BIN_EXE_larder"))
            .args(["check", "--config"])
            .arg(dir.path())
            .output()
            .unwrap();
        let told = [output.stdout, output.stderr].concat();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&told));
        String::from_utf8(told).unwrap()
    };
    let text = read(&Path::new(env!("CARGO_MANIFEST_DIR")).join("packaging/debian/larder.toml"));
    assert!(check(&text).contains("0 jobs, 0 locations"));
    let offered = text.lines().map(|line| match line.strip_prefix("# ") {
        Some(rest) if rest.starts_with('[') || rest.contains(" = ") => rest,
        _ => line,
    });
    let offered = offered.collect::<Vec<_>>().join("\n");
    assert!(check(&offered).contains("1 location"), "{offered}");
}

#[test]
fn the_changelog_of_the_package_is_that_of_this_version() {
    let first = include_str!("../../../packaging/debian/changelog").lines().next().unwrap();
    assert!(first.starts_with(concat!("larder (", env!("CARGO_PKG_VERSION"), "-")), "{first}");
}

fn walk(dir: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(dir).unwrap().map(|entry| entry.unwrap().path());
    entries.flat_map(|path| if path.is_dir() { walk(&path) } else { vec![path] }).collect()
}
