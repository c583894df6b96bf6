//! Whether the disk of a source is there: asked before it is read, and remembered once its archive
//! can be believed.

use std::path::PathBuf;

use crate::engine::runs::context::{Context, Failure, with_causes};
use crate::model::job::{CustomDir, Job, JobSource};
use crate::model::observed::{JobFacts, SourceSeen};
use crate::source::directory::Directory;
use crate::source::mount::{self, Missing};
use crate::state::StateError;

/// The mount that an opened source lies on; it fails when that is not where it lay before.
pub(crate) fn require(
    cx: &Context,
    job: &Job,
    source: &CustomDir,
    opened: &Directory,
) -> Result<Option<PathBuf>, Failure> {
    let now = opened
        .mount_point()
        .map_err(|error| Failure::new(with_causes(&error)).hint(error.hint().to_owned()))?;
    let seen = seen(cx, job)?;
    let Some(missing) = mount::missing(source, seen.as_ref(), now.as_deref(), mount::is_mounted)
    else {
        return Ok(now);
    };
    let path = source.source_path.display();
    let summary = match &missing {
        Missing::Unmounted(at) => format!(
            "nothing is mounted at `{}`, where `{path}` lay when it was last archived",
            at.display()
        ),
        Missing::Elsewhere(at) => format!(
            "`{path}` does not lie on what is mounted at `{}` any more, as it did when it was last archived",
            at.display()
        ),
        Missing::OnRoot => format!(
            "nothing is mounted at `{path}` or above it, and the job says `source_mount = \"required\"`"
        ),
    };
    Err(Failure::new(summary).hint(
        "mount it: nothing was read and nothing deleted; if the data is to be read as it lies there now, write `source_mount = \"any\"` into the table of the job",
    ))
}

/// Remembers where the source of a good archive lay. Where that cannot be noted, what was known
/// before stays, and the archive is good all the same.
pub(crate) fn remember(cx: &Context, job: &Job, on: Option<PathBuf>) {
    let JobSource::CustomDir(source) = &job.source else { return };
    // The state holds text. A path that is none would never be found again.
    let on = on.filter(|mount| mount.to_str().is_some());
    let source_path = source.source_path.clone();
    let seen = on.map(|mount| SourceSeen { source_path, mount });
    let noted = self::seen(cx, job).and_then(|known| {
        if known == seen {
            return Ok(());
        }
        cx.core.state.commit(|txn| {
            let Some(facts) = txn.job_facts(&job.name)? else { return Ok(()) };
            txn.put_job_facts(&job.name, &JobFacts { source: seen, ..facts })
        })
    });
    if let Err(error) = noted {
        tracing::warn!(job = %job.name, error = %with_causes(&error), "cannot note on which mount a source lies");
    }
}

/// Where the source of a job lay when it was last archived.
fn seen(cx: &Context, job: &Job) -> Result<Option<SourceSeen>, StateError> {
    Ok(cx.core.state.job_facts()?.remove(&job.name).and_then(|facts| facts.source))
}
