//! Tries whether our key could delete or replace what is there.

use std::fs;

use super::{Hold, Mode, NO_RIGHT, SHORT, Way};
use crate::peer::PeerError;
use crate::progress::Progress;
use crate::stop::Stop;

/// A file that nobody misses.
const PROBE: &str = ".larder-probe";

impl Hold<'_> {
    /// Whether our key can delete or replace what is there: tried at a file that nobody misses.
    ///
    /// # Errors
    /// It cannot be asked.
    pub fn can_delete(&self, stop: &Stop) -> Result<bool, PeerError> {
        let told = match self.way {
            Way::Shell | Way::Forced(Mode::Prune) => {
                let said = self.word("probe", &[], SHORT, stop)?;
                if !said.is_fine() {
                    return Err(self.ssh.denied(
                        format!("nothing can be written there: {}", said.why()),
                        Some("has the user there the right to write into the folder?"),
                    ));
                }
                said.text().trim() != "kept"
            }
            // It says that it holds; what it is must show in what it refuses.
            Way::Forced(Mode::Hold) => {
                let words = format!("rm -f {PROBE}; echo larder-ran");
                let ran = self.ssh.run(&words, SHORT, stop)?;
                let removes = self.word("remove", &["larder-probe"], SHORT, stop)?;
                ran.text().contains("larder-ran") || removes.code != Some(NO_RIGHT)
            }
            Way::Rsync => false,
        };
        Ok(told || self.rsync_can_delete(stop)?)
    }

    /// Whether rsync, asked for it, replaces, removes or changes a file.
    fn rsync_can_delete(&self, stop: &Stop) -> Result<bool, PeerError> {
        let dir = tempfile::tempdir().map_err(|source| PeerError::Local {
            what: "cannot make a folder for what is tried".to_owned(),
            source,
        })?;
        let here = dir.path().join(PROBE);
        let write = |text: &str| {
            fs::write(&here, text).map_err(|source| PeerError::Local {
                what: "cannot write what is tried".to_owned(),
                source,
            })
        };
        let (one, other) = ("larder tries whether this can be deleted\n", "or replaced\n");
        let folder = self.folder();
        let quiet = Progress::new();
        let try_to = |more: &[&str]| match self.ssh.put(&here, &folder, more, stop, &quiet) {
            Err(error @ PeerError::Stopped(_)) => Err(error),
            // Refused, or not: what is there afterwards says it.
            _ => Ok(()),
        };
        let there = || -> Result<Option<u64>, PeerError> {
            let all = self.ssh.list(&folder, stop)?;
            Ok(all.into_iter().find(|file| file.name == PROBE).map(|file| file.size))
        };
        write(one)?;
        try_to(&[])?;
        let Some(before) = there()? else {
            // Nothing can be written but where everything arrives.
            return Ok(false);
        };
        write(other)?;
        try_to(&["--ignore-times"])?;
        if there()? != Some(before) {
            return Ok(true);
        }
        try_to(&[&format!("--remote-option=--log-file={PROBE}"), "--ignore-times"])?;
        if there()? != Some(before) {
            return Ok(true);
        }
        // All but the file that is tried is out of its reach.
        let empty = dir.path().join("empty");
        fs::create_dir(&empty).map_err(|source| PeerError::Local {
            what: "cannot make a folder for what is tried".to_owned(),
            source,
        })?;
        let include = format!("--include=/{PROBE}");
        self.ssh.try_deleting(&empty, &folder, &[&include, "--exclude=*"], stop)?;
        Ok(there()? != Some(before))
    }
}
