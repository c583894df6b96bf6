//! Which paths answer at all: the others are reported, and nothing more is asked of them.

use std::fs;
use std::path::Path;

use super::Host;
use crate::config::diagnostic::Severity;
use crate::model::desired::{Desired, Place};
use crate::model::job::JobSource;

/// Does what hangs where a file system does.
pub(super) fn touch(path: &Path) {
    // What it says is asked again, by those who want to know.
    let _ = (fs::metadata(path), fs::read_dir(path), rustix::fs::statvfs(path));
}

impl Host {
    /// Waits once, for all together, for those that do not answer.
    pub(super) fn look_ahead(&self, desired: &Desired) {
        let locations = desired.locations.values().map(|location| location.path.as_path());
        let sources = desired.jobs.values().filter_map(|job| match &job.source {
            JobSource::CustomDir(dir) => Some(dir.source_path.as_path()),
            JobSource::Mysql(_)
            | JobSource::Postgresql(_)
            | JobSource::YnhApp { .. }
            | JobSource::YnhSystem { .. } => None,
        });
        let paths: Vec<&Path> = locations.chain(sources).collect();
        drop(self.asker.ask_all(&paths));
    }

    /// Whether a file system answers at all; one that does not is reported.
    pub(super) fn answers(
        &mut self,
        path: &Path,
        what: &str,
        severity: Severity,
        place: &Place,
    ) -> bool {
        if self.asker.ask(path).is_some() {
            return true;
        }
        let message = format!("{what} `{}` does not answer", path.display());
        let hint = "a disk or a network file system is hanging (`dmesg`)";
        self.report(severity, place, message, hint);
        false
    }
}
