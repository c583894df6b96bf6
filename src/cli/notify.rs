//! `larder notify test`: sends a test message to those who are told about failures.

use clap::{Args, Subcommand};
use serde_json::json;

use super::client::Client;
use super::context::Context;
use super::failure::FAILED;
use super::start;
use super::table::Table;
use super::words::{count, duration};
use crate::api::dto;
use crate::engine::Autonomy;

#[derive(Debug, Subcommand)]
#[command(after_help = "Example:
  larder notify test           does it arrive?")]
pub(super) enum Command {
    /// Send a test message to every target, or to one
    Test(TestArguments),
}

#[derive(Debug, Args)]
#[command(after_help = "Examples:
  larder notify test                    every [notify.NAME] of the configuration
  larder notify test ops                only [notify.ops]
  larder notify test --format json

A dead-man's switch (`ping_url`) gets its test at URL/log, which leaves its state as it is.

Exit codes: 0 every target took it, 1 one did not, or there is none")]
pub(super) struct TestArguments {
    /// Only this target
    #[arg(value_name = "NAME")]
    name: Option<String>,
}

pub(super) async fn run(context: &Context, command: &Command) -> anyhow::Result<u8> {
    match command {
        Command::Test(arguments) => {
            start::with(context, Autonomy::OnRequest, async |client| {
                test(context, client, arguments).await
            })
            .await
        }
    }
}

async fn test(context: &Context, client: &Client, arguments: &TestArguments) -> anyhow::Result<u8> {
    start::warn_of_mistakes(context, client).await?;
    let body = arguments.name.as_ref().map(|name| json!({ "name": name }));
    let answer = client.post("/notify/test", body.as_ref()).await?;
    let tested: Vec<dto::NoticeTest> = serde_json::from_value(answer)?;
    let failed = tested.iter().filter(|one| !one.delivered).count();
    if context.is_json() {
        context.print_json(&tested)?;
    } else {
        context.print(&table(context, &tested))?;
        for one in &tested {
            if let Some(hint) = &one.hint {
                context.tell(&format!("hint for `{}`: {hint}", one.name));
            }
        }
        if failed > 0 {
            context.warn(&format!("{} could not be told", count(failed, "target")));
        }
    }
    Ok(if failed == 0 { 0 } else { FAILED })
}

fn table(context: &Context, tested: &[dto::NoticeTest]) -> String {
    let mut table = Table::new(&["target", "kind", "duration", "outcome"], &[2], &[3]);
    for one in tested {
        let outcome = one.error.clone().unwrap_or_else(|| "delivered".to_owned());
        table.row([one.name.clone(), one.kind.clone(), duration(one.seconds), outcome]);
    }
    table.render(context)
}
