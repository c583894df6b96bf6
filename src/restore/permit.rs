//! Who may bring back what, and as which job: decided from the configuration, without a look at the
//! disk.
//!
//! An archive comes back in place as what a job of this host says. One that another host made has
//! no places here unless somebody says whose it is; and what a peer could have written runs nothing
//! here unless its peer is trusted.

use super::content::{restoring_job, without_job};
use super::plan::Refusal;
use crate::model::archive::Archive;
use crate::model::desired::Desired;
use crate::model::job::{Job, JobType, RestoreSteps};
use crate::model::name::PlaceName;
use crate::model::peer::{Peer, shown_host};
use crate::model::restore::RestoreRequest;

/// As what an archive may come back.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Permit<'a> {
    /// The job that speaks for it today, if there is one.
    pub job: Option<&'a Job>,
    /// What is done beside the files.
    pub steps: RestoreSteps,
    /// Remarks for the plan.
    pub notes: Vec<String>,
}

/// Whose an archive is when it comes back.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Whose {
    /// This host's, also under an earlier name.
    Ours,
    /// Another's, and somebody said that this host is to have it.
    TakenOver,
    /// Another's.
    Anothers,
}

/// Decides whether and as what an archive may come back as it is asked for.
///
/// # Errors
/// When it must not.
pub fn permit<'a>(
    desired: &'a Desired,
    archive: &Archive,
    request: &RestoreRequest,
) -> Result<Permit<'a>, Refusal> {
    let whose = whose(desired, archive, request)?;
    let is_in_place = request.to.is_none();
    let job = match whose {
        Whose::Ours | Whose::TakenOver => restoring_job(desired, &archive.job),
        // A job of the same name on another instance is another job.
        Whose::Anothers => None,
    };
    let job = job.filter(|job| job.source.job_type() == archive.job_type);
    let mut notes = Vec::new();
    if is_in_place {
        notes.extend(in_place(desired, archive, whose, job)?);
    }
    let mut steps = job.map(|job| job.restore.clone()).unwrap_or_default();
    if let Some(peer) = untrusted_sender(desired, archive) {
        if is_in_place && matches!(archive.job_type, JobType::YnhApp | JobType::YnhSystem) {
            return Err(Refusal::new(
                format!(
                    "`{}` came from peer `{peer}`, and YunoHost would run as root what is in it",
                    archive.name
                ),
                format!(
                    "lay its files elsewhere with `--to DIR`, or write `trust = \"restore\"` into `[peer.{peer}.accept]`"
                ),
            ));
        }
        if steps != RestoreSteps::default() {
            steps = RestoreSteps::default();
            notes.push(format!(
                "it came from peer `{peer}`: users, units and commands are left out, since a unit would be the archive's own"
            ));
        }
    }
    Ok(Permit { job, steps, notes })
}

/// What is to be said of an archive that goes to where its files were, if it may.
fn in_place(
    desired: &Desired,
    archive: &Archive,
    whose: Whose,
    job: Option<&Job>,
) -> Result<Option<String>, Refusal> {
    let peer = desired.peer_at(&archive.location, &archive.origin);
    let maker = shown_host(archive.origin.as_str(), peer.map(|peer| peer.name.as_str()));
    match (whose, job) {
        (Whose::Ours, Some(_)) => Ok(None),
        (Whose::Ours, None) => Ok(Some(without_job(&archive.job))),
        (Whose::TakenOver, Some(job)) => Ok(Some(format!(
            "`{maker}` made it on another host; it comes back here as job `{}` of this configuration says",
            job.name
        ))),
        (Whose::TakenOver, None) => Ok(Some(format!(
            "`{maker}` made it on another host; no job of its name is configured here: files go to where they were there"
        ))),
        (Whose::Anothers, _) => Err(Refusal::new(
            format!(
                "`{}` was made by `{maker}`, and its places are those of that host",
                archive.name
            ),
            "lay it elsewhere with `--to DIR`, say with `--from PEER` whose it is if it is to come back here, or name that instance in `instance.formerly` if this host takes its place",
        )),
    }
}

fn whose(desired: &Desired, archive: &Archive, request: &RestoreRequest) -> Result<Whose, Refusal> {
    // By its name alone: once this host takes the place of a peer, what that peer sent is ours.
    if desired.instance.is_or_was(&archive.origin) {
        return Ok(Whose::Ours);
    }
    let Some(from) = &request.from else { return Ok(Whose::Anothers) };
    let peer = desired.peers.get(from).filter(|peer| desired.is_of_peer(archive, peer));
    let Some(peer) = peer else {
        return Err(Refusal::new(
            format!("`{}` is no archive of peer `{from}`", archive.name),
            "`larder archive show` says whose it is",
        ));
    };
    // Dumps and YunoHost's archives are programs: whoever loads them lets their maker act here.
    let may_run = archive.job_type == JobType::CustomDir
        || sender(desired, archive).is_none()
        || is_trusted(peer);
    if !may_run && request.to.is_none() {
        return Err(Refusal::new(
            format!("`{}` of peer `{from}` would run what `{from}` wrote into it", archive.name),
            format!(
                "lay it elsewhere with `--to DIR`, or trust it: `trust = \"restore\"` in `[peer.{from}.accept]`"
            ),
        ));
    }
    Ok(Whose::TakenOver)
}

/// The peer in whose name space an archive rests.
fn sender<'a>(desired: &'a Desired, archive: &Archive) -> Option<&'a PlaceName> {
    desired.locations.get(&archive.location)?.owner.as_ref()
}

/// The peer in whose name space an archive rests, where nothing of it may run here.
fn untrusted_sender<'a>(desired: &'a Desired, archive: &Archive) -> Option<&'a PlaceName> {
    sender(desired, archive).filter(|peer| !desired.peers.get(peer).is_some_and(is_trusted))
}

fn is_trusted(peer: &Peer) -> bool {
    peer.accept.as_ref().is_some_and(|accept| accept.trust_restore)
}

#[cfg(test)]
mod tests;
