//! `larder simulate`: what a policy keeps, without any configuration.

use std::io::{self, Read as _};
use std::path::{Path, PathBuf};

use anyhow::Context as _;
use clap::Args;
use jiff::tz::TimeZone;
use jiff::{Timestamp, Zoned};
use serde::{Deserialize, Serialize};

use super::context::Context;
use super::failure::Failure;
use super::plan::time;
use super::table::Table;
use super::words::count;
use crate::reconcile::simulate::{self, Entry, State};

/// How many days are simulated when nobody says.
const DAYS: u32 = 120;

#[derive(Debug, Args)]
#[command(after_help = "Examples:
  larder simulate --policy mode=gfs,daily=7,weekly=4,monthly=3 --days 120
  larder simulate --policy mode=count,value=7 --archives archives.json
  larder simulate --policy mode=daily,value=7 --at 2026-05-08T03:00:00Z --timezone Europe/Paris

The archives are a JSON array of {\"id\",\"created_at\",\"state\"}; state is one of good, suspect,
partial, manual, pinned, and good without it.")]
pub(super) struct Arguments {
    /// The policy: mode=count|daily,value=N or mode=gfs,daily=D,weekly=W,monthly=M[,yearly=Y][,min_days=N]
    #[arg(long, value_name = "POLICY")]
    policy: String,
    /// A JSON file of archives, or `-` for standard input
    #[arg(long, value_name = "FILE", conflicts_with = "days")]
    archives: Option<PathBuf>,
    /// N days of one archive each, up to now; 120 without
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=i64::from(simulate::MOST_DAYS)))]
    days: Option<u32>,
    /// As of this moment (RFC 3339)
    #[arg(long, value_name = "TIME", value_parser = time)]
    at: Option<String>,
    /// The zone of days, weeks and months; the system's without
    #[arg(long, value_name = "TZ")]
    timezone: Option<String>,
}

/// An archive of the input.
#[derive(Debug, Deserialize)]
struct Input {
    id: String,
    created_at: Timestamp,
    #[serde(default)]
    state: Option<String>,
}

/// A line of the answer.
#[derive(Debug, Serialize)]
struct Output<'a> {
    id: &'a str,
    keep: bool,
    reasons: &'a [String],
}

pub(super) fn run(context: &Context, arguments: &Arguments) -> anyhow::Result<u8> {
    let policy = simulate::parse_policy(&arguments.policy).map_err(|error| {
        let failure = Failure::new(format!("`--policy`: {error}"));
        error.hint().map_or(failure.clone(), |hint| failure.hint(hint))
    })?;
    let now = now(arguments)?;
    let lines = match (&arguments.archives, arguments.days) {
        (Some(path), _) => simulate::over_archives(&policy, &read(path)?, &now),
        (None, days) => simulate::over_days(&policy, days.unwrap_or(DAYS), &now),
    };
    if context.is_json() {
        let lines = lines.iter();
        let lines = lines.map(|l| Output { id: &l.id, keep: l.keep, reasons: &l.reasons });
        context.print_json(&lines.collect::<Vec<_>>())?;
        return Ok(0);
    }
    let mut table = Table::new(&["keep", "archive", "made", "left on", "reasons"], &[], &[4]);
    for line in &lines {
        let made = line.created_at.to_zoned(now.time_zone().clone());
        table.row([
            if line.keep { "keep" } else { "-" }.to_owned(),
            line.id.clone(),
            made.strftime("%Y-%m-%d %H:%M").to_string(),
            line.left_on.map_or_else(String::new, |day| day.to_string()),
            line.reasons.join(", "),
        ]);
    }
    context.print(&table.render(context))?;
    let kept = lines.iter().filter(|line| line.keep).count();
    context.tell(&format!("{policy}: {kept} of {} kept", count(lines.len(), "archive")));
    Ok(0)
}

/// The moment, in the zone of the days.
fn now(arguments: &Arguments) -> anyhow::Result<Zoned> {
    let zone = match &arguments.timezone {
        Some(name) => TimeZone::get(name).map_err(|_| {
            Failure::new(format!("there is no time zone `{name}`"))
                .hint("write it as in the IANA database, for instance `Europe/Paris`")
        })?,
        None => TimeZone::try_system().unwrap_or(TimeZone::UTC),
    };
    let at = match &arguments.at {
        Some(at) => at.parse()?,
        None => Timestamp::now(),
    };
    Ok(at.to_zoned(zone))
}

fn read(path: &Path) -> anyhow::Result<Vec<Entry>> {
    let mut text = String::new();
    if path == Path::new("-") {
        io::stdin().lock().read_to_string(&mut text).context("cannot read standard input")?;
    } else {
        text = std::fs::read_to_string(path)
            .with_context(|| format!("cannot read `{}`", path.display()))?;
    }
    let inputs: Vec<Input> = serde_json::from_str(&text)
        .with_context(|| format!("`{}` is not a JSON array of archives", path.display()))?;
    let entry = |input: Input| {
        let word = input.state.unwrap_or_else(|| State::Good.word().to_owned());
        let state = State::from_word(&word).ok_or_else(|| {
            let words: Vec<_> = State::ALL.into_iter().map(State::word).collect();
            Failure::new(format!("`{word}` of archive `{}` is not a state", input.id))
                .hint(format!("one of {}", words.join(", ")))
        })?;
        Ok(Entry { id: input.id, created_at: input.created_at, state })
    };
    inputs.into_iter().map(entry).collect()
}
