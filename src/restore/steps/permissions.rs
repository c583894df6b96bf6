//! Owner and mode that a job names: the owner is that of the whole tree, the mode that of its root.

use std::path::Path;
use std::time::Duration;

use super::super::execute::Done;
use super::super::{Trouble, Watch};

/// User and group of `user[:group]`; without a group, the one of the user's name.
pub(in super::super) fn split(owner: &str) -> (&str, &str) {
    owner.split_once(':').unwrap_or((owner, owner))
}

pub(in super::super) fn set(
    root: &Path,
    owner: Option<&str>,
    mode: Option<u32>,
    timeout: Duration,
    watch: &mut Watch<'_>,
) -> Result<Done, Trouble> {
    let place = root.display().to_string();
    let mut done = Vec::new();
    if let Some(owner) = owner {
        let (user, group) = split(owner);
        // It follows no link, and takes set-id bits away from nobody's file but those it changes.
        let words = format!("{user}:{group}");
        let argv = ["chown", "--recursive", "--no-dereference", "-P", "--", &words, &place];
        super::system(&argv, timeout, watch)?;
        done.push(format!("owner {user}:{group}"));
    }
    if let Some(mode) = mode {
        let metadata = root.symlink_metadata();
        let metadata = metadata.map_err(|error| Trouble::io("look at", root, &error))?;
        if metadata.is_symlink() {
            return Err(Trouble::new(format!("`{place}` is a link, and has no mode of its own"))
                .hint("name the place that it leads to as `source_path`"));
        }
        let words = format!("{mode:o}");
        super::system(&["chmod", "--", &words, &place], timeout, watch)?;
        done.push(format!("mode {words}"));
    }
    Ok(Done { detail: done.join(", "), ..Done::default() })
}
