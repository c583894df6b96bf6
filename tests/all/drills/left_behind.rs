//! What a drill has on the machine while it is under way: directories, and processes that have
//! anything to do with them.

use std::fs;
use std::path::{Path, PathBuf};

use larder::model::archive::Sha256;
use sha2::{Digest as _, Sha256 as Hasher};

use crate::walk::instance::Instance;

/// How the paths of this instance's drills begin, and no others.
fn beginnings(instance: &Instance) -> Vec<String> {
    let state = instance.path("state").canonicalize().unwrap();
    let hash = Sha256(Hasher::digest(state.as_os_str().as_encoded_bytes()).into()).to_string();
    let hash = &hash[..12];
    vec![
        format!("/var/tmp/larder-drill-{hash}-"),
        state.join("drill").display().to_string(),
        instance.path("archives/.larder-drill").display().to_string(),
    ]
}

/// The directories that are there.
pub(super) fn places(instance: &Instance) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for beginning in beginnings(instance) {
        let parent = Path::new(&beginning).parent().unwrap();
        let entries = fs::read_dir(parent).into_iter().flatten().flatten();
        let paths = entries.map(|entry| entry.path());
        found.extend(paths.filter(|path| path.display().to_string().starts_with(&beginning)));
    }
    found
}

/// Processes whose working directory, root, command line or open files lie there.
pub(super) fn processes(instance: &Instance) -> Vec<String> {
    let beginnings = beginnings(instance);
    let is_there = |text: &str| beginnings.iter().any(|beginning| text.contains(beginning));
    let mut found = Vec::new();
    for entry in fs::read_dir("/proc").unwrap().flatten() {
        let process = entry.path();
        let Some(pid) = entry.file_name().to_str().and_then(|name| name.parse::<u32>().ok()) else {
            continue;
        };
        let mut texts = Vec::new();
        // What ends meanwhile cannot be read any more.
        texts.extend(
            fs::read(process.join("cmdline"))
                .ok()
                .map(|line| String::from_utf8_lossy(&line).replace('\0', " ")),
        );
        let files = fs::read_dir(process.join("fd")).into_iter().flatten().flatten();
        let links = ["cwd", "root"].map(|name| process.join(name)).into_iter();
        for link in links.chain(files.map(|file| file.path())) {
            texts.extend(fs::read_link(link).ok().map(|to| to.display().to_string()));
        }
        found.extend(
            texts.into_iter().find(|text| is_there(text)).map(|text| format!("{pid}: {text}")),
        );
    }
    found
}

/// Nothing of it is there.
#[track_caller]
pub(super) fn nothing(instance: &Instance) {
    assert_eq!(processes(instance), Vec::<String>::new());
    assert_eq!(places(instance), Vec::<PathBuf>::new());
}
