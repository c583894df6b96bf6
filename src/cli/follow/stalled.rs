//! What a command says and does while the state takes nothing: nothing is begun then, and what has
//! ended is not written down.

use std::time::{Duration, Instant};

use super::Watch;
use crate::api::dto::Health;
use crate::cli::client::Client;
use crate::cli::failure::Failure;
use crate::cli::words::clean;
use crate::engine::Handle;

/// How often a daemon is asked.
const ASK: Duration = Duration::from_secs(1);
/// How long it may last before it is told: what passes at once is nobody's concern.
const TELL: Duration = Duration::from_secs(3);
/// How long a command without a daemon waits for it to pass; the engine tries every few seconds.
const GIVE_UP: Duration = Duration::from_secs(10);

/// What somebody can do who needs the files at once.
pub(in crate::cli) const STATELESS: &str = "`larder archive export` and `tar xf` need no state: `RESTORE.txt` beside the archives says how";

/// Watches for it.
#[derive(Debug, Default)]
pub(super) struct Stalled {
    asked: Option<Instant>,
    since: Option<Instant>,
    told: bool,
}

impl Stalled {
    /// Looks, and tells what has to be told. Whether everything that ended is written down, as far as
    /// that is for this process to wait for.
    ///
    /// # Errors
    /// There is no daemon that goes on with it, and it does not pass.
    pub(super) async fn look(
        &mut self,
        client: &Client,
        watch: &Watch<'_>,
    ) -> anyhow::Result<bool> {
        let is_daemon = client.is_daemon();
        if is_daemon && self.asked.is_some_and(|asked| asked.elapsed() < ASK) {
            return Ok(true);
        }
        self.asked = Some(Instant::now());
        let health: Health = client.get("/health").await?;
        let Some(why) = health.stalled.as_deref().map(clean) else {
            if std::mem::take(&mut self.told) {
                watch.say_always("the state can be written again: it goes on");
            }
            self.since = None;
            // It may be so and not have been noticed yet.
            return Ok(client.handle().is_none_or(Handle::is_recorded));
        };
        let lasts = self.since.get_or_insert_with(Instant::now).elapsed();
        if lasts >= TELL && !std::mem::replace(&mut self.told, true) {
            watch.say_always(&format!(
                "nothing can be begun or recorded: {why}\nhint: free space there, or repair the \
                 disk; {}",
                if is_daemon { "the daemon goes on by itself then" } else { "it goes on then" }
            ));
        }
        if lasts >= GIVE_UP && !is_daemon {
            return Err(given_up(&why, watch).into());
        }
        Ok(is_daemon)
    }
}

/// How a command ends that waited in vain: with what was done all the same.
fn given_up(why: &str, watch: &Watch<'_>) -> Failure {
    let made = watch.seen.values().filter(|run| run.is_final() && !run.has_failed());
    let made = made.map(|run| match &run.archive_name {
        Some(name) => {
            format!("done, and not recorded: {} made `{}`", clean(&run.what), clean(name))
        }
        None => format!("done, and not recorded: {}", clean(&run.what)),
    });
    let waits = watch.seen.values().filter(|run| run.status == "queued");
    let waits = waits.map(|run| {
        format!(
            "waits still: {}, which `larder apply` or the daemon does, unless `larder cancel {}` \
             takes it back",
            clean(&run.what),
            run.id
        )
    });
    Failure {
        details: made.chain(waits).collect(),
        ..Failure::new(format!("nothing can be begun or recorded: {why}"))
    }
    .hint(format!("free space there, or repair the disk, and give the command again; {STATELESS}"))
}
