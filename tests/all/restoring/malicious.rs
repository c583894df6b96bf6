//! Archives that nobody honest makes: refused by name, or harmless; never a change outside.

#![expect(clippy::unwrap_used, reason = "a test that cannot be set up has failed")]

use std::fs::{self, File};
use std::io::{Read as _, Write as _};
use std::path::Path;

use larder::model::archive::Sha256;
use larder::model::location::Codec;
use larder::restore::files::{Extraction, FilesError};
use sha2::{Digest as _, Sha256 as Hasher};

use super::files::{Packed, everything, same};
use crate::archives::sh;
use crate::support::dir;

mod corpus;

const PREFIX: &[u8] = b"data/custom/app";

/// A tar stream that is made by hand.
#[derive(Debug, Clone, Default)]
pub(super) struct Tar(Vec<u8>);

impl Tar {
    /// A header block with a right sum, whatever it says.
    fn header(&mut self, name: &[u8], kind: u8, size: u64, change: impl FnOnce(&mut [u8; 512])) {
        let mut block = [0_u8; 512];
        block[..name.len().min(100)].copy_from_slice(&name[..name.len().min(100)]);
        block[100..107].copy_from_slice(b"0000644");
        block[108..115].copy_from_slice(b"0000000");
        block[116..123].copy_from_slice(b"0000000");
        block[124..135].copy_from_slice(format!("{size:011o}").as_bytes());
        block[136..147].copy_from_slice(b"07000000000");
        block[156] = kind;
        block[257..265].copy_from_slice(b"ustar\x0000");
        change(&mut block);
        block[148..156].fill(b' ');
        let sum: u32 = block.iter().map(|byte| u32::from(*byte)).sum();
        block[148..155].copy_from_slice(format!("{sum:06o}\0").as_bytes());
        self.0.extend(block);
    }

    fn content(&mut self, bytes: &[u8]) {
        self.0.extend(bytes);
        self.0.resize(self.0.len().next_multiple_of(512), 0);
    }

    fn file(mut self, name: &[u8]) -> Self {
        self.header(name, b'0', 5, |_| {});
        self.content(b"evil\n");
        self
    }

    fn dir(mut self, name: &[u8]) -> Self {
        self.header(name, b'5', 0, |block| block[100..107].copy_from_slice(b"0000755"));
        self
    }

    fn link(mut self, kind: u8, name: &[u8], to: &[u8]) -> Self {
        self.header(name, kind, 0, |block| block[157..157 + to.len()].copy_from_slice(to));
        self
    }

    fn soft(self, name: &[u8], to: &[u8]) -> Self {
        self.link(b'2', name, to)
    }

    fn hard(self, name: &[u8], to: &[u8]) -> Self {
        self.link(b'1', name, to)
    }

    /// Records for the member that follows.
    fn pax(mut self, kind: u8, records: &[(&[u8], &[u8])]) -> Self {
        let mut bytes = Vec::new();
        for (key, value) in records {
            let rest = key.len() + value.len() + 3;
            let mut length = rest + 1;
            while rest + length.to_string().len() != length {
                length = rest + length.to_string().len();
            }
            bytes.extend(format!("{length} ").as_bytes());
            bytes.extend([*key, b"=", *value, b"\n"].concat());
        }
        self.header(b"PaxHeaders", kind, bytes.len() as u64, |_| {});
        self.content(&bytes);
        self
    }

    /// A long name in the way of GNU tar.
    fn long(mut self, kind: u8, name: &[u8]) -> Self {
        self.header(b"././@LongLink", kind, name.len() as u64 + 1, |_| {});
        self.content(&[name, b"\0"].concat());
        self
    }

    fn raw(mut self, name: &[u8], kind: u8, change: impl FnOnce(&mut [u8; 512])) -> Self {
        self.header(name, kind, 0, change);
        self
    }

    fn end(mut self) -> Vec<u8> {
        self.0.extend([0; 1024]);
        self.0
    }
}

/// An archive with these bytes, its hash recorded as it is.
pub(super) fn packed(bytes: &[u8], path: &Path, prefix: &[u8]) -> Packed {
    fs::write(path, bytes).unwrap();
    packed_file(path, prefix)
}

/// An archive file as it is.
pub(super) fn packed_file(path: &Path, prefix: &[u8]) -> Packed {
    let mut hasher = Hasher::new();
    let (mut file, mut buffer) = (File::open(path).unwrap(), vec![0; 64 * 1024]);
    loop {
        match file.read(&mut buffer).unwrap() {
            0 => break,
            count => hasher.update(&buffer[..count]),
        }
    }
    Packed {
        path: path.to_owned(),
        codec: Codec::None,
        secret: None,
        sha256: Sha256(hasher.finalize().into()),
        content: 1 << 60,
        prefix: prefix.to_vec(),
    }
}

/// An archive of so many empty files.
pub(super) fn many(path: &Path, count: u32) {
    let mut out = std::io::BufWriter::new(File::create_new(path).unwrap());
    out.write_all(&Tar::default().dir(PREFIX).0).unwrap();
    for number in 0..count {
        let mut tar = Tar::default();
        if number % 500 == 0 {
            tar = tar.dir(format!("data/custom/app/{:05}", number / 500).as_bytes());
        }
        tar.header(
            format!("data/custom/app/{:05}/file-{number:09}", number / 500).as_bytes(),
            b'0',
            0,
            |_| {},
        );
        out.write_all(&tar.0).unwrap();
    }
    out.write_all(&[0; 1024]).unwrap();
    out.flush().unwrap();
}

/// What must become of an archive.
#[derive(Debug, Clone, Copy)]
enum Fate {
    /// Refused before the first write; the error has this in it.
    Refused(&'static str),
    /// Restored, and then this shell command succeeds in the target.
    Restored(&'static str),
}

fn chain(error: &FilesError) -> String {
    let mut text = error.to_string();
    let mut source = std::error::Error::source(error);
    while let Some(cause) = source {
        text = format!("{text}: {cause}");
        source = cause.source();
    }
    text
}

/// A directory with traps in it: links that lead out, and what they lead to.
fn traps(scratch: &Path) {
    sh(
        scratch,
        "mkdir -p outside/sub target/real; echo precious > outside/file; echo x > outside/sub/file
        ln -s ../outside target/out; ln -s ../outside/file target/file-out
        echo old > target/real/file; chmod 700 outside/sub; ln outside/file target/shared
        touch -d 2010-10-10 outside/file outside/sub/file outside outside/sub",
    );
}

#[test]
fn nothing_outside_of_the_target_ever_changes() {
    let scratch = dir();
    let at = |name: &str| scratch.path().join(name);
    let cases = corpus::cases();
    assert!(cases.len() >= 40, "{}", cases.len());
    traps(scratch.path());
    let mut wrong = Vec::new();
    // The sentinel has a second name in the target, which a careless write would go through.
    let mut before = everything(&at("target"));
    for (name, bytes, fate) in &cases {
        let packed = packed(bytes, &at("archive.tar"), PREFIX);
        for safety in [false, true] {
            let (target, aside) = (at("target"), at("aside"));
            let mut extraction: Extraction<'_> = packed.to(&target);
            extraction.aside = safety.then_some(aside.as_path());
            extraction.devices = false;
            let result = packed.extract(&extraction);
            same_file_content(&at("outside"));
            match (&result, fate) {
                (Err(error), Fate::Refused(why)) => {
                    let text = chain(error);
                    if !text.contains(why) {
                        wrong.push(format!("{name}: {text}, not {why}"));
                    }
                    // What the first of the two changes, the second does not take back.
                    if safety {
                        same(&before, &everything(&at("target")));
                    }
                    assert!(!aside.exists(), "{name}");
                }
                (Ok(_), Fate::Restored(script)) => {
                    sh(&at("target"), script);
                }
                (result, fate) => wrong.push(format!("{name}: {result:?}, not {fate:?}")),
            }
            if result.is_ok() {
                fs::remove_dir_all(&target).unwrap();
                let _ = fs::remove_dir_all(&aside);
                fs::remove_dir_all(at("outside")).unwrap();
                traps(scratch.path());
                if safety {
                    before = everything(&at("target"));
                }
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// The sentinel is what it was, down to modes and times; its link count is the target's business.
fn same_file_content(outside: &Path) {
    let text = sh(
        outside,
        "find . -printf '%P %y %m %U:%G %T+\\n' | grep -v '^file ' | LC_ALL=C sort; cat file sub/file",
    );
    assert!(
        text.contains("precious\nx\n") && text.lines().count() == 6 - 1,
        "something outside changed:\n{text}"
    );
    assert!(text.contains("sub d 700") && text.contains("2010-10-10"), "{text}");
}

#[test]
fn every_refusal_names_the_member() {
    let scratch = dir();
    for (name, bytes, fate) in corpus::cases() {
        let Fate::Refused(_) = fate else { continue };
        let target = scratch.path().join("target");
        let packed = packed(&bytes, &scratch.path().join("archive.tar"), PREFIX);
        let error = packed.extract(&packed.to(&target)).unwrap_err();
        match error {
            FilesError::Refused { member, .. } => assert!(!member.is_empty(), "{name}"),
            // What is no tar has no members; the place is named instead.
            error => {
                let text = chain(&error);
                assert!(text.contains("byte") || text.contains("has no"), "{name}: {text}");
            }
        }
        assert!(!target.exists(), "{name}");
    }
}
