//! The systemd unit that a job names.

use std::fs;
use std::io;
use std::path::Path;
use std::time::Duration;

use super::super::execute::{Done, Site};
use super::super::plan::UnitFacts;
use super::super::record::{Aside, Kept};
use super::super::{Trouble, Watch, look};
use crate::durable;
use crate::model::job::SystemdService;

/// The largest file that can be a unit.
const LARGEST_UNIT: u64 = 1 << 20;

/// Installs its file where it differs, and starts it where systemd runs.
pub(in super::super) fn start(
    site: &mut Site<'_>,
    service: &SystemdService,
    install: bool,
    runs: bool,
    watch: &mut Watch<'_>,
) -> Result<Done, Trouble> {
    let mut done = Vec::new();
    if let Some(file) = service.service_file.as_ref().filter(|_| install) {
        let unit = UnitFacts::path(&service.name);
        done.push(put(site, file, &unit)?);
    }
    if !runs {
        // The plan warned of it.
        return Ok(Done { detail: done.join(", "), ..Done::default() });
    }
    let timeout = site.timeout();
    let name = format!("{}.service", service.name);
    super::system(&["systemctl", "daemon-reload"], timeout, watch)?;
    super::system(&["systemctl", "enable", &name], timeout, watch)?;
    // One that runs has the files of before: it is started anew.
    super::system(&["systemctl", "restart", &name], timeout, watch)?;
    done.push("enabled and started".to_owned());
    Ok(Done { detail: done.join(", "), ..Done::default() })
}

/// A unit that was put back counts again: it is read, and what ran with the other one is started
/// anew.
pub(in super::super) fn again(
    unit: &Path,
    timeout: Duration,
    watch: &mut Watch<'_>,
) -> Result<(), Trouble> {
    let Some(name) = running(unit) else { return Ok(()) };
    super::system(&["systemctl", "daemon-reload"], timeout, watch)?;
    super::system(&["systemctl", "restart", name], timeout, watch)
}

/// A unit that is about to be removed is ended first.
pub(in super::super) fn end(
    unit: &Path,
    timeout: Duration,
    watch: &mut Watch<'_>,
) -> Result<(), Trouble> {
    match running(unit) {
        // One that an interrupted undoing removed is not known any more.
        Some(name) if unit.exists() => {
            super::system(&["systemctl", "disable", "--now", name], timeout, watch)
        }
        Some(_) | None => Ok(()),
    }
}

/// Systemd looks at its units again.
pub(in super::super) fn reload(timeout: Duration, watch: &mut Watch<'_>) -> Result<(), Trouble> {
    if !look::systemd_runs() {
        return Ok(());
    }
    super::system(&["systemctl", "daemon-reload"], timeout, watch)
}

/// The name of a unit by its file, where systemd runs.
fn running(unit: &Path) -> Option<&str> {
    unit.file_name()?.to_str().filter(|_| look::systemd_runs())
}

/// Puts a unit's file into its place; the one that is there is set aside.
fn put(site: &mut Site<'_>, file: &Path, unit: &Path) -> Result<String, Trouble> {
    let wanted = read_unit(file)?;
    let there = match fs::read(unit) {
        Ok(bytes) if bytes == wanted => return Ok("installed already".to_owned()),
        Ok(bytes) => Some(bytes),
        Err(error) if error.kind() == io::ErrorKind::NotFound => None,
        Err(error) => return Err(Trouble::io("read", unit, &error)),
    };
    if site.restore.safety {
        let kept = Kept::Unit { path: unit.to_owned() };
        let place = site.order.work_dir.join(format!("unit-{}", site.order.run));
        if let Some(bytes) = &there {
            durable::write_atomic(&place, bytes, 0o600)
                .map_err(|error| Trouble::io("write", &place, &error))?;
        }
        let place = there.is_some().then(|| place.display().to_string());
        site.keeps(Aside { kept, place, returned: false })?;
    }
    durable::write_atomic(unit, &wanted, 0o644)
        .map_err(|error| Trouble::io("write", unit, &error))?;
    Ok("installed".to_owned())
}

/// The file that the job names. It lies among restored files: whoever may write there must not
/// lead us to another file.
fn read_unit(file: &Path) -> Result<Vec<u8>, Trouble> {
    use std::io::Read as _;
    use std::os::unix::fs::OpenOptionsExt as _;
    let flags = rustix::fs::OFlags::NOFOLLOW | rustix::fs::OFlags::NONBLOCK;
    let failed = |error: &io::Error| {
        Trouble::io("read", file, error)
            .hint("`systemd_service.service_file` names the unit's file as it is once the files are restored")
    };
    let opened = fs::File::options()
        .read(true)
        .custom_flags(flags.bits().cast_signed())
        .open(file)
        .map_err(|error| failed(&error))?;
    let metadata = opened.metadata().map_err(|error| failed(&error))?;
    if !metadata.is_file() || metadata.len() > LARGEST_UNIT {
        return Err(failed(&io::Error::from(io::ErrorKind::InvalidInput)));
    }
    let mut bytes = Vec::new();
    opened.take(LARGEST_UNIT).read_to_end(&mut bytes).map_err(|error| failed(&error))?;
    Ok(bytes)
}
