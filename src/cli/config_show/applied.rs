//! `larder config applied`: whether the daemon has taken up what the files say now.
//!
//! Whoever changes the configuration with a tool (Ansible, a git hook) wants to know what became of
//! it. The files as they are now have a hash; the daemon tells the hash of the files that it has
//! read, whether they had mistakes, and the hash of what is in force.

use std::time::{Duration, Instant};

use clap::Args;

use super::super::check::read_desired;
use super::super::context::Context;
use super::super::failure::Failure;
use super::super::start;
use crate::api::dto;

/// Nobody is there who could take it up.
const NOBODY: u8 = 3;
/// How often the daemon is asked while somebody waits.
const LOOK: Duration = Duration::from_millis(100);

#[derive(Debug, Args)]
#[command(after_help = "Examples:
  larder config applied                 is what the files say in force?
  larder config applied --wait 30       wait for it, at most half a minute
  larder config applied --format json   with generation, hashes and commit, for programs

Exit codes: 0 in force, 1 not in force (yet, or the files have mistakes), 3 no daemon runs")]
pub(in crate::cli) struct Arguments {
    /// Wait until it is, at most this long
    #[arg(long, value_name = "SECONDS", default_value_t = 0)]
    wait: u32,
}

pub(super) async fn run(context: &Context, arguments: &Arguments) -> anyhow::Result<u8> {
    let end = Instant::now() + Duration::from_secs(arguments.wait.into());
    loop {
        // The files are read anew each time: what counts is what they say at the end.
        let wanted = read_desired(&context.config_dir)?.hash;
        let config = match start::daemon(context).await? {
            Some(client) => Some(client.get::<dto::Health>("/health").await?.config),
            None => None,
        };
        let is_over = Instant::now() >= end;
        match config {
            Some(config) if config.hash == wanted && !config.valid => return Err(refused(&config)),
            Some(config) if config.hash == wanted && config.applied == wanted => {
                return in_force(context, &config);
            }
            Some(_) if is_over => return Err(not_yet(context)),
            None if is_over => return Err(nobody(context)),
            Some(_) | None => tokio::time::sleep(LOOK).await,
        }
    }
}

fn in_force(context: &Context, config: &dto::ConfigHealth) -> anyhow::Result<u8> {
    if context.is_json() {
        context.print_json(config)?;
    } else {
        let commit = config.commit.as_ref();
        let commit = commit.map_or_else(String::new, |commit| format!(", commit {commit}"));
        context.print(&format!("generation {} is in force{commit}\n", config.generation))?;
    }
    Ok(0)
}

fn refused(config: &dto::ConfigHealth) -> anyhow::Error {
    let failure = Failure::new(format!(
        "the daemon has not taken up all that `{}` says; generation {} is in force",
        config.dir, config.generation
    ));
    let details = config.stale.iter().map(|line| super::super::words::clean(line)).collect();
    let hint = "what needs another state or socket takes effect when the daemon starts anew";
    Failure { details, ..failure }.hint(hint).into()
}

fn not_yet(context: &Context) -> anyhow::Error {
    let dir = context.config_dir.display();
    Failure::new(format!("the daemon has not read `{dir}` as it is now"))
        .hint("it does within some seconds; `--wait 30` waits for that")
        .into()
}

fn nobody(context: &Context) -> anyhow::Error {
    let dir = context.config_dir.display();
    let failure = Failure::new(format!("no daemon runs with `{dir}`"));
    Failure { code: NOBODY, ..failure }
        .hint("`systemctl start larder` starts it; it reads the files as they are then")
        .into()
}
