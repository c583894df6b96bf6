//! `larder peer invite`: a code that lets another instance in once.

use std::time::Duration;

use clap::Args;
use jiff::{SignedDuration, Timestamp};
use serde_json::json;

use crate::api::dto;
use crate::cli::client::Client;
use crate::cli::context::Context;
use crate::cli::failure::Failure;
use crate::cli::start;
use crate::cli::words::segment;
use crate::config::edit;
use crate::model::name::PlaceName;
use crate::model::pairing::Code;

/// How often it is asked whether somebody came.
const LOOK: Duration = Duration::from_millis(500);

#[expect(clippy::struct_excessive_bools, reason = "each is an option of its own")]
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  larder peer invite tom                     prints the code, waits, then prints what to commit
  larder peer invite tom --ttl 1h --write    and writes it when tom comes
  larder peer invite tom --replace           tom's server burned: its new one reads its archives
  larder peer invite tom --show              what came of it

The code goes to the other side over a way that nobody else reads; there it is given to
`larder peer accept` or to `larder recover --peer`. It works once. Ctrl-C leaves it open. After
--replace the new one only reads, until `larder peer confirm tom`.")]
pub(in crate::cli) struct Arguments {
    /// What the other instance is called here
    #[arg(value_name = "NAME")]
    name: String,
    /// How long the code is good
    #[arg(long, value_name = "TIME", default_value = "15m", value_parser = ttl)]
    ttl: SignedDuration,
    /// The peer is there already and gets a new holder: its old token is worth nothing any more
    #[arg(long)]
    replace: bool,
    /// Write peers/NAME.toml and secrets/peer-NAME when it comes
    #[arg(long)]
    write: bool,
    /// Do not wait until it comes
    #[arg(long)]
    no_wait: bool,
    /// Where its archives go: `received`, or the only location there is
    #[arg(long, value_name = "LOCATION")]
    location: Option<String>,
    /// The most it may store
    #[arg(long, value_name = "SIZE")]
    quota: Option<String>,
    /// The policy for what it sends
    #[arg(long, value_name = "RETENTION")]
    retention: Option<String>,
    /// Show what came of an invitation, and forget it
    #[arg(long, conflicts_with_all = ["replace", "no_wait", "location", "quota", "retention"])]
    show: bool,
    /// Take the invitation back
    #[arg(long, conflicts_with_all = ["replace", "write", "no_wait", "location", "quota", "retention", "show"])]
    revoke: bool,
}

fn ttl(text: &str) -> Result<SignedDuration, String> {
    text.parse::<SignedDuration>().map_err(|_| "a time as `15m` or `1h`".to_owned())
}

pub(super) async fn run(context: &Context, arguments: &Arguments) -> anyhow::Result<u8> {
    let name = super::edit::name(context, &arguments.name)?;
    let Some(client) = start::daemon(context).await? else {
        return Err(Failure::new("no daemon runs that somebody could come to")
            .hint("start it: `systemctl start larder`, or `larder daemon`")
            .into());
    };
    if arguments.revoke {
        client.delete(&format!("/invitations/{}", segment(name.as_str()))).await?;
        context.tell(&format!("the code for `{name}` is worth nothing any more"));
        return Ok(0);
    }
    if arguments.show {
        return show(context, &client, &name, arguments.write).await;
    }
    let body = json!({
        "name": name.as_str(),
        "ttl_s": arguments.ttl.as_secs(),
        "replace": arguments.replace,
        "write": arguments.write,
        "location": arguments.location,
        "quota": arguments.quota,
        "retention": arguments.retention,
    });
    let code: dto::InvitationCode =
        serde_json::from_value(client.post("/invitations", Some(&body)).await?)?;
    if context.is_json() {
        context.print_json(&code)?;
    } else {
        context.print(&format!("{}\n", code.code))?;
    }
    let until = code.expires_at.short();
    context.tell(&if arguments.replace {
        // What burned has no configuration that could accept anything.
        let url = Code::decode(&code.code)?.url;
        format!(
            "on the new machine, until {until}: `larder recover --peer {url} --code CODE`; whoever has the code is let in"
        )
    } else {
        format!(
            "on the other side, until {until}: `larder peer accept CODE`; whoever has the code is let in"
        )
    });
    if arguments.no_wait {
        return Ok(0);
    }
    context
        .tell("waiting; Ctrl-C leaves the invitation open (`larder peer invite --show` goes on)");
    wait(context, &client, &name, &code, arguments.write).await
}

/// Waits until somebody came, or the code is worth nothing any more.
async fn wait(
    context: &Context,
    client: &Client,
    name: &PlaceName,
    code: &dto::InvitationCode,
    write: bool,
) -> anyhow::Result<u8> {
    loop {
        match find(client, name).await? {
            Some(one) if one.accepted => return tell(context, client, name, &one, write).await,
            Some(_) if Timestamp::now() <= code.expires_at.timestamp() => {}
            Some(_) | None => {
                return Err(Failure::new(format!("nobody came as `{name}`: the code has expired"))
                    .hint("make another one with `larder peer invite`")
                    .into());
            }
        }
        // Stopping here leaves the invitation open.
        tokio::time::sleep(LOOK).await;
    }
}

async fn find(client: &Client, name: &PlaceName) -> anyhow::Result<Option<dto::Invitation>> {
    let all: Vec<dto::Invitation> = client.get("/invitations").await?;
    Ok(all.into_iter().find(|one| one.name == name.as_str()))
}

async fn show(
    context: &Context,
    client: &Client,
    name: &PlaceName,
    write: bool,
) -> anyhow::Result<u8> {
    match find(client, name).await? {
        None => Err(Failure::new(format!("there is no invitation for `{name}`"))
            .hint("it expired, or was shown already")
            .into()),
        Some(one) if one.accepted => tell(context, client, name, &one, write).await,
        Some(one) => {
            if context.is_json() {
                context.print_json(&one)?;
            }
            context.tell(&format!(
                "nobody came as `{name}` yet; the code is good until {}",
                one.expires_at.short()
            ));
            Ok(0)
        }
    }
}

/// Tells what came of it, writes what the daemon could not, and has it forgotten.
async fn tell(
    context: &Context,
    client: &Client,
    name: &PlaceName,
    one: &dto::Invitation,
    write: bool,
) -> anyhow::Result<u8> {
    let mut written = one.written;
    let toml = one.toml.clone().unwrap_or_default();
    if (one.write || write) && !written && !one.replace {
        let dir = &context.config_dir;
        let path = edit::add_peer(dir, name, &toml, one.token.as_deref())
            .map_err(|error| super::edit::told(context, &error))?;
        context.tell(&format!("wrote `{}`", path.display()));
        written = true;
    }
    if context.is_json() {
        context.print_json(&one)?;
    } else if written {
        context.tell(&format!("`{}` is written", edit::place_of(name)));
    } else {
        super::accept::print(context, name, &toml, one.token.as_deref())?;
    }
    let who = one.instance.clone().unwrap_or_default();
    context.tell(&format!("instance `{who}` came as `{name}`"));
    super::accept::tell_keys(context, &one.ssh_keys);
    if one.replace {
        context.tell(&format!(
            "it only reads its name space until you are sure who it is: `larder peer confirm {name}`"
        ));
    } else {
        let has = |is_it: fn(&str) -> bool| toml.lines().any(is_it);
        super::accept::tell_places(
            context,
            name,
            has(|line| line.ends_with(".accept]")),
            has(|line| line.starts_with("token = ")),
        );
    }
    client.delete(&format!("/invitations/{}", segment(name.as_str()))).await?;
    Ok(0)
}
