//! Files to and from a host, and what is in its folder.

use std::path::Path;
use std::time::Duration;

use super::{FAR, NO_CONNECTION, PeerError, Said, Ssh};
use crate::progress::Progress;
use crate::stop::Stop;

/// How long nothing may move, in seconds.
const SILENCE: u32 = 60;
/// How long a list, or small files, may take.
const SMALL: Duration = Duration::from_mins(5);
/// How long a transfer may take: whoever waits for it has a limit of its own.
const LARGE: Duration = Duration::from_hours(48);
/// What has arrived of a file waits in the folder of this name to go on.
pub(super) const PARTIALLY: &str = "--partial-dir=.larder-partial";
/// How many small files are taken at once.
const BATCH: usize = 200;
/// What rsync ends with where the connection broke: in its own protocol, in a socket, by time.
const BROKEN: [i32; 4] = [10, 12, 30, 35];

/// A file that is there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Listed {
    /// Its name.
    pub name: String,
    /// Its bytes.
    pub size: u64,
}

impl Ssh {
    /// The words before what is moved.
    fn rsync(&self, more: &[&str]) -> Vec<String> {
        // rsync takes it apart at spaces that stand in no quotes; a quote is doubled within its kind.
        let config = self.config.display().to_string().replace('\'', "''");
        let shell = format!("ssh -F '{config}' -T");
        let mut argv = vec!["rsync".to_owned(), "-e".to_owned(), shell];
        argv.push(format!("--timeout={SILENCE}"));
        argv.extend(more.iter().map(|&word| word.to_owned()));
        argv
    }

    /// Sends a file to a path there. What has arrived of it when something breaks is there for
    /// the next time. One that is there is replaced where its place is one that is not final.
    pub(super) fn put(
        &self,
        file: &Path,
        to: &str,
        more: &[&str],
        stop: &Stop,
        progress: &Progress,
    ) -> Result<(), PeerError> {
        let mut argv = self.rsync(more);
        argv.push("--times".to_owned());
        argv.extend(self.moving());
        argv.extend(["--".to_owned(), file.display().to_string(), format!("{FAR}:{to}")]);
        let mut count = Count::default();
        let said = self.call(argv, LARGE, stop, &mut |bytes| {
            progress.add_bytes(count.feed(bytes));
        })?;
        self.well(said).map(drop)
    }

    /// Hands over the bytes of an upload to a larder there.
    ///
    /// # Errors
    /// It breaks off (what arrived is there for the next time), or is refused.
    pub fn land(
        &self,
        file: &Path,
        upload: &str,
        stop: &Stop,
        progress: &Progress,
    ) -> Result<(), PeerError> {
        self.put(file, upload, &["--ignore-times", PARTIALLY], stop, progress)
    }

    /// Whether a file there has the content of one here, compared by checksums on both sides. It is
    /// asked for as if it were to be taken: where nothing there may be replaced, an offer to send
    /// it would be passed over whatever it holds.
    pub(super) fn is_same(&self, file: &Path, there: &str, stop: &Stop) -> Result<bool, PeerError> {
        let mut argv = self.rsync(&["--dry-run", "--checksum", "--out-format=%i"]);
        argv.extend(["--".to_owned(), format!("{FAR}:{there}"), file.display().to_string()]);
        let said = self.well(self.call(argv, LARGE, stop, &mut |_| {})?)?;
        // What would be taken is told by `>f`; times that differ are no matter.
        Ok(!said.text().lines().any(|line| line.starts_with('>')))
    }

    /// Asks to delete what is in a folder there and not in one here; whether that was done is to be
    /// seen there. For a file that nobody misses: everything else has to be excluded.
    pub(super) fn try_deleting(
        &self,
        empty: &Path,
        folder: &str,
        filters: &[&str],
        stop: &Stop,
    ) -> Result<(), PeerError> {
        let mut argv = self.rsync(&["--recursive", "--delete"]);
        argv.extend(filters.iter().map(|&word| word.to_owned()));
        argv.extend(["--".to_owned(), format!("{}/", empty.display()), format!("{FAR}:{folder}")]);
        self.call(argv, SMALL, stop, &mut |_| {}).map(drop)
    }

    /// The files of a folder there.
    pub(super) fn list(&self, folder: &str, stop: &Stop) -> Result<Vec<Listed>, PeerError> {
        let mut argv = self.rsync(&["--list-only", "--no-h"]);
        argv.extend(["--".to_owned(), format!("{FAR}:{folder}")]);
        let said = self.well(self.call(argv, SMALL, stop, &mut |_| {})?)?;
        Ok(said.text().lines().filter_map(listed).collect())
    }

    /// Takes one file there into one here. What came stays where it breaks off, for the next time.
    pub(super) fn fetch(
        &self,
        there: &str,
        into: &Path,
        stop: &Stop,
        progress: &Progress,
    ) -> Result<(), PeerError> {
        let mut argv = self.rsync(&["--partial", "--no-perms", "--ignore-times"]);
        argv.extend(self.moving());
        argv.extend(["--".to_owned(), format!("{FAR}:{there}"), into.display().to_string()]);
        let mut count = Count::default();
        let said = self.call(argv, LARGE, stop, &mut |bytes| {
            progress.add_bytes(count.feed(bytes));
        })?;
        self.well(said).map(drop)
    }

    /// The words for what takes its time: how far it is, and how fast it may be.
    fn moving(&self) -> Vec<String> {
        let mut words = ["--info=progress2", "--no-h", "--outbuf=N"].map(str::to_owned).to_vec();
        if let Some(bandwidth) = self.bandwidth {
            // It counts in KiB.
            words.push(format!("--bwlimit={}", (bandwidth.0 / 1024).max(1)));
        }
        words
    }

    /// Takes small files of a folder there into a directory here; what is gone meanwhile, or too
    /// large, is left out.
    pub(super) fn get(
        &self,
        folder: &str,
        names: &[String],
        to: &Path,
        stop: &Stop,
    ) -> Result<(), PeerError> {
        for batch in names.chunks(BATCH) {
            let mut argv = self.rsync(&["--max-size=1m", "--no-perms", "--chmod=F600"]);
            argv.push("--".to_owned());
            for (index, name) in batch.iter().enumerate() {
                let host = if index == 0 { FAR } else { "" };
                argv.push(format!("{host}:{folder}{name}"));
            }
            argv.push(format!("{}/", to.display()));
            let said = self.call(argv, SMALL, stop, &mut |_| {})?;
            // Some are not there any more: the others came.
            if said.code != Some(23) && said.code != Some(24) {
                self.well(said)?;
            }
        }
        Ok(())
    }

    /// What rsync said, where it went well.
    fn well(&self, said: Said) -> Result<Said, PeerError> {
        if said.is_fine() {
            return Ok(said);
        }
        if said.stderr.contains("larder-hold: ") || said.stderr.contains("larder receive: ") {
            return Err(self.refused(&said));
        }
        match said.code {
            // rsync tells its own end last, and why ssh ended before it.
            Some(NO_CONNECTION) => Err(self.no_connection(&said)),
            // A restricted rsync.
            _ if said.stderr.contains("rrsync error:") => Err(self.refused(&said)),
            Some(code) if BROKEN.contains(&code) => {
                if ["Permission denied (", "Host key verification failed"]
                    .iter()
                    .any(|words| said.stderr.contains(words))
                {
                    return Err(self.no_connection(&said));
                }
                Err(PeerError::Offline { peer: self.peer.clone(), why: reason(&said) })
            }
            _ => Err(self.refused(&said)),
        }
    }

    fn refused(&self, said: &Said) -> PeerError {
        self.denied(reason(said), None)
    }
}

/// The line that says why: what rsync adds about itself comes after it.
fn reason(said: &Said) -> String {
    let own = |line: &&str| {
        !line.starts_with("rsync error:")
            && !line.starts_with("rsync: connection unexpectedly closed")
            && !line.is_empty()
    };
    let mut lines = said.stderr.lines().map(str::trim);
    let refused =
        |line: &&str| ["larder receive: ", "larder-hold: "].iter().any(|by| line.contains(by));
    if let Some(line) = lines.clone().find(refused) {
        return line.trim_start_matches("error: ").to_owned();
    }
    lines.rfind(own).map_or_else(|| said.why(), ToOwned::to_owned)
}

/// A line of rsync's list; `None` for what is no regular file, or has a name that nobody should have.
fn listed(line: &str) -> Option<Listed> {
    let mut rest = line.strip_prefix('-')?;
    let mut word = || {
        rest = rest.trim_start();
        let (word, behind) = rest.split_once(' ')?;
        rest = behind;
        Some(word)
    };
    let (_mode, size, _day, _time) = (word()?, word()?, word()?, word()?);
    let size = size.replace(',', "").parse().ok()?;
    let name = rest;
    let is_plain = |c: char| c.is_ascii_alphanumeric() || "._-".contains(c);
    (!name.is_empty() && !name.starts_with('-') && name.chars().all(is_plain))
        .then(|| Listed { name: name.to_owned(), size })
}

/// The first number of each line of `--info=progress2`: how many bytes are done.
#[derive(Debug, Default)]
struct Count {
    digits: String,
    is_over: bool,
    told: u64,
}

impl Count {
    /// How many bytes more are done.
    fn feed(&mut self, bytes: &[u8]) -> u64 {
        let mut more = 0;
        for byte in bytes {
            match byte {
                b'\r' | b'\n' => (self.digits, self.is_over) = (String::new(), false),
                b'0'..=b'9' if !self.is_over && self.digits.len() < 19 => {
                    self.digits.push(char::from(*byte));
                }
                b',' if !self.is_over => {}
                b' ' if !self.digits.is_empty() && !self.is_over => {
                    self.is_over = true;
                    let done: u64 = self.digits.parse().unwrap_or(0);
                    if done > self.told {
                        more += done - self.told;
                        self.told = done;
                    }
                }
                b' ' => {}
                _ => self.is_over = true,
            }
        }
        more
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lists_are_read_and_names_that_nobody_should_have_are_not() {
        let file = |line| listed(line).map(|file| (file.name, file.size));
        assert_eq!(
            file("-rw-------          1,234 2026/11/21 20:38:04 jerry_web_20261121.tar"),
            Some(("jerry_web_20261121.tar".to_owned(), 1234))
        );
        assert_eq!(
            file("-rw-------  99999999999999 2026/11/21 20:38:04 a"),
            Some(("a".to_owned(), 99_999_999_999_999))
        );
        for line in [
            "drwxr-xr-x          4,096 2026/11/21 20:38:04 .",
            "lrwxrwxrwx              3 2026/11/21 20:38:04 a -> b",
            "-rw-------          1,234 2026/11/21 20:38:04 a b",
            "-rw-------          1,234 2026/11/21 20:38:04 ../a",
            "-rw-------          1,234 2026/11/21 20:38:04 -a",
            "-rw-------          x 2026/11/21 20:38:04 a",
            "",
            "-",
        ] {
            assert_eq!(file(line), None, "{line}");
        }
    }

    #[test]
    fn progress_is_read_however_it_is_cut() {
        let text =
            "\r         32,768   0%    0.00kB/s    0:00:00  \r     1000000  50%  9MB/s 0:00:01\n";
        for size in 1..text.len() {
            let mut count = Count::default();
            let all: u64 = text.as_bytes().chunks(size).map(|part| count.feed(part)).sum();
            assert_eq!(all, 1_000_000, "in pieces of {size}");
        }
    }
}
