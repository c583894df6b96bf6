//! The remote hand: what is asked of another instance in the name of somebody here.
//!
//! Our token says there what we may: this side adds no right. **Invariant:** a name reaches the other
//! side as one segment of a path, whatever stands in it.

use std::sync::Arc;

use reqwest::Method;
use serde::Deserialize;
use serde_json::Value;

use crate::engine::core::Core;
use crate::engine::{RemoteError, RequestError};
use crate::model::name::PlaceName;
use crate::model::peer::PeerKind;
use crate::peer::https::Https;

/// Something that another instance can be asked to do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RemoteOrder {
    /// Run a job.
    Run {
        /// The job there.
        job: String,
    },
    /// Read a copy of an archive back.
    Verify {
        /// The archive, as it is named there.
        archive: String,
        /// The location there.
        location: Option<String>,
    },
    /// Restore an archive there.
    Restore {
        /// The archive, as it is named there.
        archive: String,
        /// The location there.
        location: Option<String>,
        /// What is asked for, as the API takes it.
        order: Value,
    },
}

/// What it answers to something that it queued.
#[derive(Debug, Deserialize)]
struct Accepted {
    run_id: u64,
    run_ids: Option<Vec<u64>>,
}

/// Asks another instance to do something. The numbers of the runs there.
pub(crate) async fn order(
    core: &Arc<Core>,
    name: &PlaceName,
    order: RemoteOrder,
) -> Result<Vec<u64>, RemoteError> {
    let Some(peer) = core.desired().peers.get(name).cloned() else {
        return Err(RequestError::NotFound(format!("there is no peer `{name}`")).into());
    };
    if !matches!(&peer.kind, PeerKind::Instance { url: Some(_), .. }) {
        return Err(RequestError::Refused {
            why: format!("peer `{name}` cannot be asked to do anything"),
            hint: Some("it is no instance, or has no `url` and comes to us".to_owned()),
        }
        .into());
    }
    let opened = tokio::task::spawn_blocking(move || Https::open(&peer)).await;
    let https = opened.map_err(|error| RequestError::Failed(error.to_string()))??;
    let (segments, location, body) = match &order {
        RemoteOrder::Run { job } => (["jobs", job, "run"], None, None),
        RemoteOrder::Verify { archive, location } => {
            (["archives", archive, "verify"], location.as_deref(), None)
        }
        RemoteOrder::Restore { archive, location, order } => {
            (["archives", archive, "restore"], location.as_deref(), Some(order))
        }
    };
    let mut request = https.request(Method::POST, &segments);
    if let Some(location) = location {
        request = https.with_query(request, &[("location", location)])?;
    }
    if let Some(body) = body {
        request = request.json(body);
    }
    let accepted = tokio::select! {
        accepted = https.json::<Accepted>(request) => accepted?,
        // It may have been queued there all the same: asking again says so.
        _ = core.stop.requested() => return Err(RequestError::Stopping.into()),
    };
    Ok(accepted.run_ids.unwrap_or_else(|| vec![accepted.run_id]))
}
