//! Archives that rest at a peer alone, and which command brings them here.

use crate::engine::View;
use crate::model::contact::RemoteCopy;
use crate::model::peer::Peer;

/// What to do about an archive that is not here; `None` when the peer is not known to have it either.
pub(super) fn hint(view: &View, peer: &Peer, text: &str) -> Option<String> {
    let contact = view.observed.contacts.get(&peer.name)?;
    let zone = &view.desired.instance.timezone;
    let newest = |copies: &[RemoteCopy]| {
        let meant = copies.iter().filter(|copy| is_meant(copy, text, zone));
        meant.max_by_key(|copy| (copy.created_at, copy.id)).cloned()
    };
    let there = &peer.name;
    if let Some(copy) = newest(&contact.offered) {
        let RemoteCopy { name, job, .. } = copy;
        let is_taken = peer.fetch_from.iter().any(|taken| taken.as_str() == job.as_str());
        let first = if is_taken {
            String::new()
        } else {
            format!(
                "write `fetch_from = [\"{job}\"]` into `[peer.{there}]` ({}), then ",
                peer.place
            )
        };
        return Some(format!(
            "`{name}` rests at `{there}` alone: {first}`larder peer check {there}` has it fetched; \
             give this command again once it is here"
        ));
    }
    let copy = newest(&contact.holdings.as_ref()?.copies)?;
    let RemoteCopy { name, job, .. } = copy;
    Some(format!(
        "`{name}` of this instance rests at `{there}` alone: there, `larder archive export {name} \
         --to FILE` writes it; put the file into a location here, and `larder archive adopt LOCATION \
         FILE --job {job}` takes it up"
    ))
}

/// Whether a copy is what somebody names: by name, id, `ORIGIN/NAME`, `JOB@latest` or `JOB@DAY`.
fn is_meant(copy: &RemoteCopy, text: &str, zone: &jiff::tz::TimeZone) -> bool {
    if let Some((job, when)) = text.split_once('@') {
        let day = copy.created_at.to_zoned(zone.clone()).date();
        return copy.job.as_str() == job && (when == "latest" || when == day.to_string());
    }
    let name = text.strip_prefix(copy.origin.as_str()).and_then(|rest| rest.strip_prefix('/'));
    copy.name == name.unwrap_or(text) || copy.id.to_string() == text
}
