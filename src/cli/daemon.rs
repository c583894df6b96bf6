//! `larder daemon`.

use clap::Args;

use super::context::Context;
use super::failure::Failure;
use super::start;
use crate::api::serve::ListenError;
use crate::engine::StartError;

#[derive(Debug, Args)]
#[command(after_help = "Examples:
  larder daemon                                  as larder.service does
  larder daemon --config ~/larder -v             in the foreground, saying why

SIGHUP reads the configuration again; SIGTERM ends within 10 seconds; SIGUSR1 begins nothing new and
ends with exit code 10 when the backup, restore or drill that runs is done, so that a newer program
can take over. One that finds the state in use, by another daemon or by a command that runs without
one, ends at once with exit code 75; larder.service starts it again until it finds it free.")]
pub(super) struct Arguments {}

pub(super) async fn run(context: &Context, arguments: &Arguments) -> anyhow::Result<u8> {
    let Arguments {} = arguments;
    let ended = crate::daemon::run(context.config_dir.clone()).await.map_err(|error| {
        // The mistakes of a configuration are shown with their lines, and what can be done is said.
        match error.downcast::<StartError>() {
            Ok(error @ StartError::InUse { .. }) => {
                // Somebody gave a command, or this is one daemon too many.
                let hint = "only one process has a state at a time: start it again when that one is done, as `larder.service` does by itself";
                Failure::from(error).hint(hint).into()
            }
            Ok(error) => start::failure(context, error),
            Err(error) => with_hint(error),
        }
    })?;
    Ok(ended.exit_code())
}

/// An address that cannot be listened on has a remedy.
fn with_hint(error: anyhow::Error) -> anyhow::Error {
    let Some(hint) = error.downcast_ref::<ListenError>().map(ListenError::hint) else {
        return error;
    };
    Failure::new(format!("{error:#}")).hint(hint).into()
}
