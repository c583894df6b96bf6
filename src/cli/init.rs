//! `larder init`: a first configuration for this host, with a comment on every line that matters.

use std::fs::{self, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};
use std::time::Duration;

use clap::Args;

use super::context::Context;
use super::failure::Failure;
use crate::coverage::{self, Facts};
use crate::stop::{Stop, Stopped};

mod files;

/// The most time that database servers may take to say what they have.
const LIMIT: Duration = Duration::from_secs(20);

#[derive(Debug, Args)]
#[command(after_help = "Examples:
  larder init                    into /etc/larder
  larder init ~/backup-config    anywhere, for instance in a git work tree

It looks for YunoHost, databases, projects and volumes of containers, and the usual directories;
what it leaves out stands in the files as a comment, with the reason. Nothing that exists is overwritten.")]
pub(super) struct Arguments {
    /// The directory; without, the configuration directory
    #[arg(value_name = "DIR")]
    dir: Option<PathBuf>,
    /// Look at the host whose files are below this directory
    #[arg(long, value_name = "DIR", hide = true)]
    root: Option<PathBuf>,
}

pub(super) fn run(context: &Context, arguments: &Arguments) -> anyhow::Result<u8> {
    let dir = arguments.dir.as_ref().unwrap_or(&context.config_dir);
    if let Some(taken) = existing_toml(dir)? {
        return Err(Failure::new(format!(
            "there is a configuration already: `{}`",
            taken.display()
        ))
        .hint("`larder check` judges it; `larder init DIR` writes an example elsewhere")
        .into());
    }
    // Before anything is written: what does not answer keeps nobody waiting for half a directory.
    let facts = look(arguments.root.as_deref().unwrap_or(Path::new("/")));
    let mut builder = fs::DirBuilder::new();
    builder.recursive(true).mode(0o755);
    builder.create(dir).map_err(|error| cannot("create", dir, error))?;
    let mut private = fs::DirBuilder::new();
    private.recursive(true).mode(0o700);
    let secrets = dir.join("secrets");
    private.create(&secrets).map_err(|error| cannot("create", &secrets, error))?;
    for (name, text) in files::files(&facts) {
        let path = dir.join(name);
        let file = OpenOptions::new().write(true).create_new(true).mode(0o644).open(&path);
        match file {
            Ok(mut file) => {
                file.write_all(text.as_bytes())
                    .and_then(|()| file.sync_all())
                    .map_err(|error| cannot("write", &path, error))?;
                context.tell(&format!("wrote `{}`", path.display()));
            }
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
                context.tell(&format!("kept `{}` as it is", path.display()));
            }
            Err(error) => return Err(cannot("create", &path, error)),
        }
    }
    let option = if arguments.dir.is_some() {
        format!(" --config {}", dir.display())
    } else {
        String::new()
    };
    context.tell(&format!(
        "read them, change what is not right, then:\n  larder check{option}\n  larder plan{option}\n  \
         larder apply{option}"
    ));
    Ok(0)
}

/// What there is on the host. A server that does not answer in time is one that cannot be listed.
fn look(root: &Path) -> Facts {
    let stop = Stop::new();
    let limit = stop.clone();
    let (done, ended) = std::sync::mpsc::channel::<()>();
    let watch = std::thread::spawn(move || {
        // An error of the other kind means that the look is over.
        if ended.recv_timeout(LIMIT) == Err(std::sync::mpsc::RecvTimeoutError::Timeout) {
            limit.request(Stopped::TimedOut);
        }
    });
    let facts = coverage::look(root, &stop);
    drop(done);
    // It has nothing to say.
    let _ = watch.join();
    facts
}

fn cannot(verb: &str, path: &Path, error: io::Error) -> anyhow::Error {
    anyhow::Error::new(error).context(format!("cannot {verb} `{}`", path.display()))
}

/// A file that a configuration here would be mixed with.
fn existing_toml(dir: &Path) -> anyhow::Result<Option<PathBuf>> {
    let entries = match fs::read_dir(dir) {
        Ok(entries) => entries,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(cannot("read", dir, error)),
    };
    let mut files = Vec::new();
    for entry in entries {
        let path = entry.map_err(|error| cannot("read", dir, error))?.path();
        if path.extension().is_some_and(|extension| extension == "toml") {
            files.push(path);
        }
    }
    Ok(files.into_iter().min())
}
