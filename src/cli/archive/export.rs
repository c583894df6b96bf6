//! `larder archive export`: an archive's file, or the plain tar stream in it.
//!
//! What comes is compared with what was recorded when the archive was made. **Invariant:** a file
//! has the name that somebody gave for it only when it was found right. To standard output a
//! damaged archive is written all the same, and that it is one is said afterwards.

use std::fs::File;
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use indicatif::{ProgressBar, ProgressDrawTarget};
use parking_lot::Mutex;
use rustix::fs::FileType;
use sha2::{Digest as _, Sha256 as Hasher};

use super::super::ask;
use super::super::client::Client;
use super::super::context::Context;
use super::super::ending::Endings;
use super::super::failure::Failure;
use super::super::follow::style;
use super::super::words::{clean, size};
use super::stream::{self, Encoding, plain};
use super::{ExportArguments, one, path};
use crate::api::dto::Archive;
use crate::causes::with_causes;
use crate::durable::{self, Unfinished};
use crate::model::archive::Sha256;

/// How much is copied at once.
const AT_ONCE: usize = 256 << 10;

pub(super) async fn export(
    context: &Context,
    client: &Client,
    arguments: &ExportArguments,
) -> anyhow::Result<u8> {
    let archive = one(client, &arguments.one).await?;
    let encoding = if arguments.plain {
        Some(Encoding::of(&archive, arguments.identity.is_some())?)
    } else {
        None
    };
    let identity = ask::read_identity(arguments.identity.as_deref())?;
    // Without a file of ours the signals end this process as they end any.
    let mut ended = arguments.to.is_some().then(Endings::listen).transpose()?;
    let unfinished = arguments.to.as_deref().map(begin).transpose()?;
    let mut target = match (&arguments.to, &unfinished) {
        (Some(name), Some(unfinished)) => {
            Target::File { file: unfinished.writer()?, name: name.clone() }
        }
        _ => Target::Output(io::stdout()),
    };
    let expected = Expected::of(&archive, arguments);
    let has_hash = expected.sha256.is_some();
    let bar = bar(context, &archive, arguments.to.is_some());
    let shown = bar.clone();
    let work = async {
        let path = path(&archive.id, "/download", Some(&archive.location));
        let file = client.download(&path).await?;
        let copy = move |file: Box<dyn Read + Send>| {
            let file = Box::new(shown.wrap_read(file));
            expected.copy(file, &mut target, encoding.as_ref(), identity.as_deref())
        };
        stream::blocking(file, copy).await
    };
    let exported = tokio::select! {
        exported = work => exported,
        // The work that is dropped has a file that never gets its name.
        Some(signal) = async { Some(ended.as_mut()?.next().await) } => {
            let what = format!("{} ended it before `{}` was whole", signal.word(), archive.name);
            Err(Failure::new(what).hint("nothing was written").into())
        }
    };
    bar.finish_and_clear();
    let written = match exported {
        Err(error) if unfinished.is_none() && is_broken_pipe(&error) => return Ok(0),
        exported => exported?,
    };
    if let Some(unfinished) = unfinished {
        unfinished.publish().map_err(|error| not_made(arguments.to.as_deref(), error))?;
    }
    tell(context, arguments, &archive, written);
    if !has_hash {
        context.tell("no SHA-256 of it is recorded: nothing says that it is what was archived");
    }
    Ok(0)
}

/// Begins the file that is asked for.
fn begin(file: &Path) -> anyhow::Result<Unfinished> {
    Unfinished::new(file).map_err(|error| not_made(Some(file), error))
}

fn not_made(file: Option<&Path>, error: io::Error) -> anyhow::Error {
    let name = file.map_or_else(String::new, |file| file.display().to_string());
    if error.kind() == io::ErrorKind::AlreadyExists {
        return Failure::new(format!("cannot create `{name}`: it is there already"))
            .hint("give another name: nothing is replaced")
            .into();
    }
    anyhow::Error::new(error).context(format!("cannot create `{name}`"))
}

/// A bar on a terminal. What goes into a pipe is left to the program behind it, which may show
/// something of its own.
fn bar(context: &Context, archive: &Archive, into_file: bool) -> ProgressBar {
    let output = rustix::fs::fstat(io::stdout());
    let is_file = output.is_ok_and(|stat| FileType::from_raw_mode(stat.st_mode).is_file());
    let draws = context.draws && (into_file || is_file);
    let target = if draws { ProgressDrawTarget::stderr() } else { ProgressDrawTarget::hidden() };
    ProgressBar::with_draw_target(Some(archive.file_size), target)
        .with_style(style("{msg} {bar:24} {bytes}/{total_bytes} {binary_bytes_per_sec} {eta} left"))
        .with_message(clean(&archive.name))
}

fn tell(context: &Context, arguments: &ExportArguments, archive: &Archive, written: u64) {
    let name = clean(&archive.name);
    let file = arguments.to.as_ref().map(|file| file.display().to_string());
    let rests = if arguments.plain { None } else { as_it_rests(archive, file.as_deref()) };
    let rests = rests.map_or_else(String::new, |rests| format!(", {rests}"));
    match file {
        Some(file) => context.tell(&format!("{name}: {} in `{file}`{rests}", size(written))),
        // A script that reads it knows what it asked for.
        None if context.draws && !rests.is_empty() => {
            context.tell(&format!("{name}: {}{rests}", size(written)));
        }
        None => {}
    }
}

/// How an archive's file is encoded, and what makes a tar of it; nothing where it is one.
fn as_it_rests(archive: &Archive, file: Option<&str>) -> Option<String> {
    let encoding = Encoding::as_it_rests(archive);
    let codec = Some(encoding.codec_word()).filter(|word| *word != "none");
    if !encoding.encrypted {
        return codec.map(|codec| format!("as it rests ({codec}); `--plain` writes a tar"));
    }
    let file = file.unwrap_or("FILE");
    let (also, unpacks) = codec
        .map_or_else(Default::default, |codec| (format!(", {codec}"), format!(" | {codec} -d")));
    Some(format!(
        "as it rests (encrypted{also}); `--plain --identity KEY` writes a tar, and so does `age -d \
         -i KEY {file}{unpacks}`"
    ))
}

fn is_broken_pipe(error: &anyhow::Error) -> bool {
    let cause = error.downcast_ref::<io::Error>();
    cause.is_some_and(|error| error.kind() == io::ErrorKind::BrokenPipe)
}

/// Where it goes.
#[derive(Debug)]
enum Target {
    Output(io::Stdout),
    File { file: File, name: PathBuf },
}

impl Target {
    fn write(&mut self, bytes: &[u8]) -> anyhow::Result<()> {
        let written = match self {
            Target::Output(output) => output.write_all(bytes),
            Target::File { file, .. } => file.write_all(bytes),
        };
        written.map_err(|error| self.failed(error))
    }

    /// Nothing of it is held back any more.
    fn flush(&mut self) -> anyhow::Result<()> {
        match self {
            Target::Output(output) => output.flush(),
            Target::File { .. } => Ok(()),
        }
        .map_err(|error| self.failed(error))
    }

    /// A power cut takes nothing of it away.
    fn sync(&self) -> anyhow::Result<()> {
        match self {
            Target::Output(_) => Ok(()),
            Target::File { file, name } => durable::sync_file(file, name),
        }
        .map_err(|error| self.failed(error))
    }

    fn failed(&self, error: io::Error) -> anyhow::Error {
        let name = match self {
            Target::Output(_) => "to standard output".to_owned(),
            Target::File { name, .. } => format!("`{}`", name.display()),
        };
        anyhow::Error::new(error).context(format!("cannot write {name}"))
    }
}

/// What must come of an archive.
#[derive(Debug)]
struct Expected {
    /// Its name and its place.
    what: String,
    /// What to do where it comes otherwise.
    hint: String,
    /// Bytes, where as many are written as rest there.
    size: Option<u64>,
    /// In hex, as far as it is known.
    sha256: Option<String>,
    /// Whether that is the hash of the plain tar stream, rather than that of the file.
    is_of_tar: bool,
}

impl Expected {
    fn of(archive: &Archive, arguments: &ExportArguments) -> Self {
        let Archive { name, location, .. } = archive;
        let wrong = if arguments.to.is_some() {
            "nothing was written (to standard output it would be, as it is)"
        } else {
            "what was written is not what was archived"
        };
        let hint = format!(
            "{wrong}; another copy may be sound (`--location`), and `larder archive verify {name} \
             --location {location}` looks at this one"
        );
        let what = format!("`{name}` at `{location}`");
        // Who made the file of a peer's archive did not always say what is in it.
        let of_tar = archive.stream_sha256.as_ref().filter(|_| arguments.plain);
        Self {
            what,
            hint,
            size: (!arguments.plain).then_some(archive.file_size),
            is_of_tar: of_tar.is_some(),
            sha256: of_tar.or(archive.sha256.as_ref()).cloned(),
        }
    }

    /// Copies and compares, and says how many bytes were written.
    fn copy(
        &self,
        file: Box<dyn Read + Send>,
        target: &mut Target,
        encoding: Option<&Encoding>,
        identity: Option<&str>,
    ) -> anyhow::Result<u64> {
        let hasher = Arc::new(Mutex::new(Hasher::new()));
        let watched = |reader| -> Box<dyn Read + Send> {
            Box::new(Hashed { reader, hasher: Arc::clone(&hasher) })
        };
        let file = if self.is_of_tar { file } else { watched(file) };
        let mut source = match encoding {
            None => file,
            Some(encoding) => plain(file, encoding, identity)?,
        };
        if self.is_of_tar {
            source = watched(source);
        }
        let mut buffer = vec![0; AT_ONCE];
        let mut written = 0;
        loop {
            let length = match source.read(&mut buffer) {
                Ok(0) => break,
                Ok(length) => length,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Err(error) => return Err(self.unreadable(&error)),
            };
            target.write(&buffer[..length])?;
            written += length as u64;
        }
        target.flush()?;
        let hasher = hasher.lock().clone();
        self.compare(written, &Sha256(hasher.finalize().into()).to_string())?;
        target.sync()?;
        Ok(written)
    }

    fn compare(&self, written: u64, sha256: &str) -> anyhow::Result<()> {
        let what = &self.what;
        let wrong = if let Some(size) = self.size.filter(|size| *size != written) {
            format!("{what} ended after {written} of {size} bytes")
        } else if self.sha256.as_ref().is_some_and(|expected| expected != sha256) {
            format!("{what} is damaged: its SHA-256 is not the one that was recorded")
        } else {
            return Ok(());
        };
        Err(Failure::new(wrong).hint(self.hint.clone()).into())
    }

    fn unreadable(&self, error: &io::Error) -> anyhow::Error {
        let what = format!("{} cannot be read to its end: {}", self.what, with_causes(error));
        Failure::new(what).hint(self.hint.clone()).into()
    }
}

/// A reader whose bytes are hashed as they pass.
struct Hashed<R> {
    reader: R,
    hasher: Arc<Mutex<Hasher>>,
}

impl<R: Read> Read for Hashed<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let length = self.reader.read(buffer)?;
        let mut hasher = self.hasher.lock();
        hasher.update(&buffer[..length]);
        Ok(length)
    }
}
