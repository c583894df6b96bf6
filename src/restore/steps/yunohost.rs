//! What YunoHost does in a restore: its own archives, and its firewall.

use std::fs;
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;

use super::super::execute::{Done, Site};
use super::super::order::ArchiveFile;
use super::super::plan::Yunohost;
use super::super::{Trouble, Watch};
use crate::model::job::FirewallPort;
use crate::stop::Stop;
use crate::yunohost::{self, Target, YunohostError};

/// Whether YunoHost is there.
pub(in super::super) fn is_there() -> bool {
    yunohost::is_there()
}

/// Whether an app is installed.
pub(in super::super) fn is_installed(app: &str, stop: &Stop) -> Result<bool, Trouble> {
    Ok(yunohost::apps(stop).map_err(trouble)?.iter().any(|installed| installed.id == app))
}

/// Whether YunoHost finds this very file under the archive's name, wherever its folder really is.
pub(in super::super) fn finds(archive: &ArchiveFile, stop: &Stop) -> Result<bool, Trouble> {
    let there = match yunohost::path_of(archive.name.as_str(), stop) {
        Ok(path) => path,
        Err(YunohostError::Stopped(stopped)) => return Err(stopped.into()),
        Err(_) => return Ok(false),
    };
    let file = |path: &Path| fs::metadata(path).map(|file| (file.dev(), file.ino()));
    Ok(match (file(&there), file(&archive.file)) {
        (Ok(there), Ok(ours)) => there == ours,
        (Err(_), _) | (_, Err(_)) => false,
    })
}

fn trouble(error: YunohostError) -> Trouble {
    match error {
        YunohostError::Stopped(stopped) => stopped.into(),
        error => Trouble::of(&error).hint(error.hint()),
    }
}

/// Lets YunoHost restore an archive of its own.
pub(in super::super) fn restore(
    site: &Site<'_>,
    target: &Yunohost,
    watch: &mut Watch<'_>,
) -> Result<Done, Trouble> {
    let target = match target {
        Yunohost::App(app) => Target::App { id: app.clone(), core_only: false },
        Yunohost::System(parts) => Target::System { parts: parts.clone() },
    };
    watch.progress.enter("YunoHost restores");
    let name = site.restore.archive.name.as_str();
    yunohost::restore(name, &target, site.timeout(), watch.stop, watch.log).map_err(trouble)?;
    Ok(Done { detail: "YunoHost says so".to_owned(), ..Done::default() })
}

/// Opens ports for good.
pub(in super::super) fn open_ports(
    ports: &[FirewallPort],
    watch: &mut Watch<'_>,
) -> Result<Done, Trouble> {
    for FirewallPort { port, protocol } in ports {
        watch.log(&format!("open {port}/{protocol}"));
        yunohost::open_port(*port, protocol, watch.stop).map_err(trouble)?;
    }
    Ok(Done { detail: "open".to_owned(), ..Done::default() })
}
