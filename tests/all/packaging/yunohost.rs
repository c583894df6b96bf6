//! The YunoHost package: what the build command makes of `packaging/yunohost`.

use std::path::{Path, PathBuf};
use std::process::Command;

mod life;
mod proxy;
mod rules;
mod stage;

/// A file of the tests.
fn ours(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/all/packaging/yunohost").join(name)
}

/// A file of the package's sources.
fn shipped(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("packaging/yunohost").join(name)
}

/// Builds the package around this program, and answers what the command said.
fn build(program: &Path, out: &Path, more: &[&str]) -> String {
    let command = Path::new(env!("CARGO_MANIFEST_DIR")).join("packaging/build-yunohost");
    let output = Command::new(command)
        .arg("--binary")
        .arg(program)
        .arg("--out")
        .arg(out)
        .args(more)
        .env("LARDER_GZIP", "1")
        .output()
        .unwrap();
    let said = [output.stdout, output.stderr].concat();
    let said = String::from_utf8_lossy(&said).into_owned();
    assert!(output.status.success(), "{said}");
    said
}
