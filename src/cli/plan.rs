//! `larder plan` and `larder approve`.

use clap::Args;
use jiff::Timestamp;

use super::context::Context;
use super::failure::{BLOCKED, CHANGES, Failure};
use super::start;
use super::table::Table;
use super::words::{count, query};
use crate::api::dto;
use crate::engine::Autonomy;

#[derive(Debug, Args)]
#[command(after_help = "Examples:
  larder plan                            what would happen now, and why
  larder plan --at 2026-05-08T03:00:00+02:00
  larder plan --days 30                  what the next 30 days bring if every run succeeds
  larder plan --exit-code                for scripts
  larder plan --offline --config . --days 7   in a CI: what the files alone say

Exit codes with --exit-code: 0 nothing to do, 4 deletions wait for approval, 5 something to do")]
pub(super) struct Arguments {
    /// As of this moment (RFC 3339)
    #[arg(long, value_name = "TIME", value_parser = time)]
    at: Option<String>,
    /// Also what the next N days bring if every run succeeds
    #[arg(long, value_name = "N")]
    days: Option<u32>,
    /// Say with the exit code whether there is something to do
    #[arg(long)]
    exit_code: bool,
    /// Of the configuration alone, as if there were no archive yet: ask no daemon, open no state
    #[arg(long)]
    offline: bool,
}

#[derive(Debug, Args)]
#[command(after_help = "Example:
  larder plan                  shows what waits, and the hash
  larder approve 3f9c21d07b64")]
pub(super) struct ApproveArguments {
    /// The hash that `larder plan` prints
    hash: String,
}

/// A moment as RFC 3339, checked and kept as written.
pub(super) fn time(text: &str) -> Result<String, String> {
    match text.parse::<Timestamp>() {
        Ok(_) => Ok(text.to_owned()),
        Err(_) => Err("write it as RFC 3339, for instance 2026-05-08T03:00:00+02:00".to_owned()),
    }
}

pub(super) async fn run(context: &Context, arguments: &Arguments) -> anyhow::Result<u8> {
    let days = arguments.days.map(|days| days.to_string());
    let path = query("/plan", &[("at", arguments.at.as_deref()), ("days", days.as_deref())]);
    let at = arguments.at.as_deref();
    let plan: dto::Plan = if arguments.offline {
        start::still(context)?.get(&path).await?
    } else {
        start::with_view(context, at, async |client| {
            start::warn_of_mistakes(context, client).await?;
            client.get(&path).await
        })
        .await?
    };
    if context.is_json() {
        context.print_json(&plan)?;
    } else {
        context.print(&in_words(context, &plan))?;
    }
    Ok(
        match (
            arguments.exit_code,
            plan.blocked.is_empty() && plan.recovery.is_none(),
            plan.actions.is_empty(),
        ) {
            (true, false, _) => BLOCKED,
            (true, true, false) => CHANGES,
            (true, true, true) | (false, _, _) => 0,
        },
    )
}

fn in_words(context: &Context, plan: &dto::Plan) -> String {
    let mut text = super::words::clean_lines(plan.text.trim_end());
    text.push('\n');
    // Of a single series the plan itself says what to approve.
    if let Some(hash) = plan.hash.as_ref().filter(|_| plan.blocked.len() > 1) {
        text.push_str("\nto let all these deletions happen: larder approve ");
        text.push_str(hash);
        text.push('\n');
    }
    if !plan.days.is_empty() {
        let mut table = Table::new(
            &["day", "made", "copied", "drilled", "expired", "waits for approval"],
            &[],
            &[1, 2, 3, 4, 5],
        );
        for day in &plan.days {
            table.row([
                day.day.clone(),
                day.made.join(", "),
                day.copied.join(", "),
                day.drilled.join(", "),
                day.expired.join(", "),
                day.blocked.join(", "),
            ]);
        }
        text.push_str("\nif every run succeeds:\n");
        text.push_str(&table.render(context));
    }
    text
}

pub(super) async fn approve(context: &Context, arguments: &ApproveArguments) -> anyhow::Result<u8> {
    let hash = arguments.hash.trim();
    let looks_right = hash.len() >= 6 && hash.chars().all(|c| c.is_ascii_hexdigit());
    if !looks_right {
        return Err(Failure::new(format!("`{hash}` is not a hash of deletions"))
            .hint("`larder plan` prints it")
            .into());
    }
    let body = serde_json::json!({ "hash": hash });
    let answer = start::with(context, Autonomy::OnRequest, async |client| {
        Ok((client.post("/plan/approve", Some(&body)).await?, client.is_daemon()))
    });
    let (answer, is_daemon) = answer.await?;
    if context.is_json() {
        context.print_json(&answer)?;
        return Ok(0);
    }
    let series: Vec<dto::SeriesName> = serde_json::from_value(answer)?;
    for series in &series {
        context.print(&format!("approved: deletions of {series}\n"))?;
    }
    if series.is_empty() {
        context.tell("approved: the plan says no more of it");
        return Ok(0);
    }
    context.tell(&if is_daemon {
        format!("the daemon carries out {} now", count(series.len(), "approval"))
    } else {
        "they happen at the next `larder apply`, or when the daemon runs".to_owned()
    });
    Ok(0)
}
