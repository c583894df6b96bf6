//! `larder why`: what keeps an archive, and when it would leave.

use clap::Args;

use super::context::Context;
use super::start;
use super::words::{clean, query, segment};
use crate::api::dto;
use crate::engine::Autonomy;

#[derive(Debug, Args)]
#[command(after_help = "Examples:
  larder why jerry_web_20260508
  larder why web@latest
  larder why web@2026-05-08 --location usb")]
pub(super) struct Arguments {
    /// Its name, its id, ORIGIN/NAME, JOB@latest or JOB@DAY
    archive: String,
    /// The copy at this location
    #[arg(long, value_name = "LOCATION")]
    location: Option<String>,
}

pub(super) async fn run(context: &Context, arguments: &Arguments) -> anyhow::Result<u8> {
    let path = format!("/archives/{}/why", segment(&arguments.archive));
    let path = query(&path, &[("location", arguments.location.as_deref())]);
    let archive: dto::Archive =
        start::with(context, Autonomy::OnRequest, async |client| client.get(&path).await).await?;
    if context.is_json() {
        context.print_json(&archive)?;
    } else {
        context.print(&in_words(&archive))?;
    }
    Ok(0)
}

fn in_words(archive: &dto::Archive) -> String {
    let mut lines = vec![format!(
        "{} at {} ({}/{}, {})",
        clean(&archive.name),
        archive.location,
        archive.maker(),
        archive.job,
        archive.created_at.short()
    )];
    match &archive.retention {
        Some(kept) => {
            lines.push(format!("  {}", if kept.keep { "stays:" } else { "leaves:" }));
            lines.extend(kept.reasons.iter().map(|reason| format!("    {}", clean(reason))));
            match &kept.leaves_on {
                Some(day) => lines.push(format!(
                    "  leaves on {day}, if every coming run succeeds"
                )),
                None if kept.keep => lines.push("  no day is known on which it would leave".to_owned()),
                None => {}
            }
        }
        None => lines.push(
            "  stays: no policy judges its series (its job is not in the configuration, or made it \
             elsewhere)"
                .to_owned(),
        ),
    }
    if archive.condition != "present" {
        lines.push(format!("  its file is {}", archive.condition));
    }
    if let Some(why) = &archive.refuted {
        lines.push(format!("  it did not stand its drill: {}", clean(why)));
    }
    lines.push(String::new());
    lines.join("\n")
}
