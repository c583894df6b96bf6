//! What others ask of the loop.

use tokio::sync::oneshot;

use crate::engine::RequestError;
use crate::engine::observe::wildcards::Listed;
use crate::model::archive::{CopyKey, Series};
use crate::model::name::JobName;
use crate::model::run::{RunId, Work};

/// Where an answer goes; the asker may be gone.
pub(crate) type Reply<T> = oneshot::Sender<Result<T, RequestError>>;

/// A request to the loop, which carries out one after the other.
#[derive(Debug)]
pub(crate) enum Request {
    /// Queue this work because somebody asked.
    Queue(Work, Reply<RunId>),
    /// List now what a job with `*` stands for; the answer comes when that is in force.
    List(JobName, Reply<()>),
    /// What came of a listing.
    Listed(Box<Listed>),
    /// Take a copy back from the trash.
    Undelete(CopyKey, Reply<()>),
    /// Pin or unpin a copy.
    SetPinned(CopyKey, bool, Reply<()>),
    /// Look for files at a location, or at all of them, that larder did not make; whether there are
    /// others than before.
    LookForForeign(Option<String>, Reply<bool>),
    /// Let exactly these deletions happen.
    Approve(String, Reply<Vec<Series>>),
    /// End the recovery of an instance on a new machine; whether there was one.
    EndRecovery(Reply<bool>),
    /// Cancel a run.
    Cancel(RunId, Reply<()>),
    /// Look anew, since something changed that the loop does not know of; the answer comes when the
    /// view of it is there.
    Look(Reply<()>),
    /// Read the configuration again; the answer comes when the first view of it is there.
    Reload(Option<Reply<()>>),
}
