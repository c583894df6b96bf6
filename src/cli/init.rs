//! `larder init`: a first configuration for this host, with a comment on every line that matters.
//! What nobody can see on a host, how it is reached for instance, is asked for by options, so that
//! packages write their first configuration with the same command.

use std::fs::{self, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};
use std::time::Duration;

use clap::Args;

use super::context::Context;
use super::failure::Failure;
use crate::config;
use crate::coverage::{self, Facts};
use crate::durable;
use crate::stop::{Stop, Stopped};

mod files;

use files::{PageWish, Wishes};

/// What the Debian package puts there: it is nobody's configuration yet.
const STARTING_FILE: (&str, &str) =
    ("larder.toml", include_str!("../../packaging/debian/larder.toml"));
/// The most time that database servers may take to say what they have.
const LIMIT: Duration = Duration::from_secs(20);

#[derive(Debug, Args)]
#[command(after_help = "Examples:
  larder init                    into /etc/larder
  larder init ~/backup-config    anywhere, for instance in a git work tree
  larder init --url https://jerry.example.org/larder \\
      --listen unix:/run/larder/web.sock --page-user alice
                                 behind a proxy that says who alice is

It looks for YunoHost, databases, projects and volumes of containers, and the usual directories;
what it leaves out stands in the files as a comment, with the reason. Nothing that exists is overwritten,
but for the file that came with a package as long as nobody changed it.")]
pub(super) struct Arguments {
    /// The directory; without, the configuration directory
    #[arg(value_name = "DIR")]
    dir: Option<PathBuf>,
    /// Where others reach it, for instance through a proxy
    #[arg(long, value_name = "URL")]
    url: Option<String>,
    /// Where it listens: `127.0.0.1:8470`, `unix:/run/larder/web.sock`; may be repeated
    #[arg(long, value_name = "WHERE")]
    listen: Vec<String>,
    /// Who needs no token for the page, once the proxy has said that it is them; may be repeated
    #[arg(long, value_name = "NAME", requires = "listen")]
    page_user: Vec<String>,
    /// The header in which the proxy says it
    #[arg(long, value_name = "HEADER", requires = "page_user", default_value = "YNH_USER")]
    user_header: String,
    /// Keep the state and the generated JSON in this directory
    #[arg(long, value_name = "DIR")]
    data_dir: Option<PathBuf>,
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
    let files = files::files(&facts, &wishes(arguments));
    judge(&files, dir)?;
    let mut builder = fs::DirBuilder::new();
    builder.recursive(true).mode(0o755);
    builder.create(dir).map_err(|error| cannot("create", dir, error))?;
    let mut private = fs::DirBuilder::new();
    private.recursive(true).mode(0o700);
    let secrets = dir.join("secrets");
    private.create(&secrets).map_err(|error| cannot("create", &secrets, error))?;
    for (name, text) in files {
        let path = dir.join(name);
        if is_starting_file(&path)? {
            durable::write_atomic(&path, text.as_bytes(), 0o644)
                .map_err(|error| cannot("write", &path, error))?;
            context.tell(&format!("wrote `{}`", path.display()));
            continue;
        }
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

fn wishes(arguments: &Arguments) -> Wishes {
    Wishes {
        url: arguments.url.clone(),
        listen: arguments.listen.clone(),
        page: (!arguments.page_user.is_empty()).then(|| PageWish {
            user_header: arguments.user_header.clone(),
            users: arguments.page_user.clone(),
        }),
        data_dir: arguments.data_dir.clone(),
    }
}

/// What is found makes no mistakes; what is asked for may.
fn judge(files: &[(&'static str, String); 3], dir: &Path) -> anyhow::Result<()> {
    let [instance, jobs, _] = files;
    let toml = config::Files::default()
        .with(instance.0, instance.1.as_str())
        .with(jobs.0, jobs.1.as_str());
    let parsed = config::parse(&toml, dir);
    let Some(first) = parsed.diagnostics.into_iter().find(config::Diagnostic::is_error) else {
        return Ok(());
    };
    let failure = Failure::new(format!("nothing was written: {}", first.message));
    Err(match first.hint {
        Some(hint) => failure.hint(hint).into(),
        None => failure.into(),
    })
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

/// Whether a file is what the package put there, untouched.
fn is_starting_file(path: &Path) -> anyhow::Result<bool> {
    let (name, text) = STARTING_FILE;
    if path.file_name().is_none_or(|found| found != name) {
        return Ok(false);
    }
    match fs::read(path) {
        Ok(found) => Ok(found == text.as_bytes()),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
        Err(error) => Err(cannot("read", path, error)),
    }
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
        let is_toml = path.extension().is_some_and(|extension| extension == "toml");
        if is_toml && !is_starting_file(&path)? {
            files.push(path);
        }
    }
    Ok(files.into_iter().min())
}
