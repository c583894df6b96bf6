//! `larder status`: one verdict for each job.

use clap::Args;

use super::client::Client;
use super::context::Context;
use super::failure::Failure;
use super::plan::time;
use super::start;
use super::table::Table;
use super::words::{query, relative};
use crate::api::dto;

/// Nagios: nobody knows.
const UNKNOWN: u8 = 3;

#[derive(Debug, Args)]
#[command(after_help = "Examples:
  larder status                     protected, at risk or unprotected, and why
  larder status --format json
  larder status --check             for Nagios, Icinga, Centreon

Exit codes with --check: 0 all protected, 1 something at risk, 2 something unprotected, 3 unknown")]
pub(super) struct Arguments {
    /// As of this moment (RFC 3339)
    #[arg(long, value_name = "TIME", value_parser = time)]
    at: Option<String>,
    /// Print one line and exit like a Nagios plug-in
    #[arg(long)]
    check: bool,
}

pub(super) async fn run(context: &Context, arguments: &Arguments) -> anyhow::Result<u8> {
    let answer = start::with_view(context, arguments.at.as_deref(), async |client| {
        read(client, arguments.at.as_deref()).await
    })
    .await;
    if arguments.check {
        return check(context, answer);
    }
    let (verdicts, health) = answer?;
    if context.is_json() {
        context.print_json(&verdicts)?;
        return Ok(0);
    }
    if verdicts.is_empty() {
        context.tell("there are no jobs");
    } else {
        context.print(&table(context, &verdicts, &health))?;
    }
    for problem in &health.problems {
        context.warn(problem);
    }
    if let Some(uncovered) = &health.uncovered {
        context.tell(uncovered);
    }
    if let Some(one_disk) = &health.one_disk {
        context.tell(one_disk);
    }
    for remark in &health.notices.remarks {
        context.tell(remark);
    }
    Ok(0)
}

async fn read(
    client: &Client,
    at: Option<&str>,
) -> anyhow::Result<(Vec<dto::Verdict>, dto::Health)> {
    let path = query("/status", &[("at", at)]);
    let mut verdicts: Vec<dto::Verdict> = client.get(&path).await?;
    let mut health: dto::Health = client.get("/health").await?;
    if let Some(at) = at {
        health.at = at.parse()?;
    }
    // The worst first, since that is what somebody must see.
    verdicts.sort_by(|a, b| (b.severity(), &a.job).cmp(&(a.severity(), &b.job)));
    Ok((verdicts, health))
}

fn table(context: &Context, verdicts: &[dto::Verdict], health: &dto::Health) -> String {
    let now = health.at.timestamp();
    let ago = |at: Option<dto::Moment>| {
        at.map_or_else(|| "never".to_owned(), |at| relative(at.timestamp(), now))
    };
    // A column of its own only where somebody wants proofs, or has one.
    let is_proven =
        |verdict: &dto::Verdict| verdict.last_proven.is_some() || verdict.next_drill.is_some();
    let has_proofs = verdicts.iter().any(is_proven);
    let columns = ["verdict", "job", "last success", "next run", "proven", "reasons"];
    let mut table = if has_proofs {
        Table::new(&columns, &[], &[5])
    } else {
        Table::new(&["verdict", "job", "last success", "next run", "reasons"], &[], &[4])
    };
    for verdict in verdicts {
        let next_run = verdict.next_run.map(|at| at.timestamp());
        let next_run = match next_run {
            None => "-".to_owned(),
            Some(at) if at <= now => "now".to_owned(),
            Some(at) => relative(at, now),
        };
        let word = verdict.verdict.replace('_', " ");
        let (job, last, reasons) =
            (verdict.job.clone(), ago(verdict.last_success), verdict.reasons.join("; "));
        if has_proofs {
            let proven = if is_proven(verdict) { ago(verdict.last_proven) } else { "-".to_owned() };
            table.row([word, job, last, next_run, proven, reasons]);
        } else {
            table.row([word, job, last, next_run, reasons]);
        }
    }
    table.render(context)
}

/// One line with performance data, whatever happened.
fn check(
    context: &Context,
    answer: anyhow::Result<(Vec<dto::Verdict>, dto::Health)>,
) -> anyhow::Result<u8> {
    let (verdicts, health) = match answer {
        Ok(answer) => answer,
        Err(error) => {
            let hint = error.downcast_ref::<Failure>().and_then(|failure| failure.hint.clone());
            let hint = hint.map_or_else(String::new, |hint| format!(" ({hint})"));
            context.print(&format!("LARDER UNKNOWN - {error:#}{hint}\n"))?;
            return Ok(UNKNOWN);
        }
    };
    let (line, code) = nagios(&verdicts, &health);
    context.print(&line)?;
    Ok(code)
}

fn nagios(verdicts: &[dto::Verdict], health: &dto::Health) -> (String, u8) {
    let number = |severity: u8| verdicts.iter().filter(|v| v.severity() == severity).count();
    let (protected, at_risk, unprotected) = (number(0), number(1), number(2));
    let worst = verdicts.iter().map(dto::Verdict::severity).max().unwrap_or(0);
    let worst = if health.problems.is_empty() { worst } else { worst.max(1) };
    // Without a job nothing is known to be kept.
    let worst = if verdicts.is_empty() { UNKNOWN } else { worst };
    let word = match worst {
        UNKNOWN => "UNKNOWN",
        0 => "OK",
        1 => "WARNING",
        _ => "CRITICAL",
    };
    let bad = verdicts.iter().filter(|verdict| verdict.severity() > 0).map(|verdict| {
        let why = verdict.reasons.first().map_or_else(String::new, |why| format!(": {why}"));
        format!("{} {}{why}", verdict.job, verdict.verdict.replace('_', " "))
    });
    let mut details: Vec<String> = bad.chain(health.problems.iter().cloned()).collect();
    if verdicts.is_empty() {
        details.insert(0, "there are no jobs".to_owned());
    } else if details.is_empty() {
        details.push("every job is protected".to_owned());
    }
    // A `|` in the text would begin the performance data.
    let details = details.join("; ").replace('|', "/");
    let line = format!(
        "LARDER {word} - {} | protected={protected} at_risk={at_risk};0 unprotected={unprotected};;0\n",
        super::words::clean(&details)
    );
    (line, worst)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn verdict(job: &str, verdict: &str, reasons: &[&str]) -> dto::Verdict {
        dto::Verdict {
            job: job.to_owned(),
            verdict: verdict.to_owned(),
            reasons: reasons.iter().map(|reason| (*reason).to_owned()).collect(),
            overdue: false,
            next_scheduled: None,
            next_run: None,
            last_success: None,
            last_proven: None,
            next_drill: None,
            copies: Vec::new(),
            offsite: Vec::new(),
        }
    }

    fn health(problems: &[&str]) -> dto::Health {
        serde_json::from_value(serde_json::json!({
            "status": "ok", "instance": "jerry", "version": "0.1.0", "api_min": 1, "api_max": 1,
            "uptime_s": 0, "problems": problems, "at": "2026-05-08T03:00:00+02:00",
            "executor": {"running": [], "queued": 0, "blocked": 0},
            "config": {"dir": "/etc/larder", "valid": true, "generation": 1, "applied": "",
                       "hash": "", "commit": null, "stale": []},
        }))
        .unwrap()
    }

    #[test]
    fn the_worst_job_decides_the_exit_code_of_a_check() {
        let ok = verdict("web", "protected", &[]);
        let risk = verdict("mail", "at_risk", &["1 of 2 copies"]);
        let bad = verdict("db", "unprotected", &["never ran"]);
        assert_eq!(nagios(std::slice::from_ref(&ok), &health(&[])).1, 0);
        assert_eq!(nagios(&[ok.clone(), risk.clone()], &health(&[])).1, 1);
        let (line, code) = nagios(&[bad, ok, risk], &health(&[]));
        assert_eq!(code, 2);
        insta::assert_snapshot!(line, @"LARDER CRITICAL - db unprotected: never ran; mail at risk: 1 of 2 copies | protected=1 at_risk=1;0 unprotected=1;;0");
    }

    #[test]
    fn a_stale_configuration_is_a_warning_although_every_job_is_protected() {
        let (line, code) = nagios(
            &[verdict("web", "protected", &[])],
            &health(&["the configuration has 1 error | stale"]),
        );
        assert_eq!(code, 1);
        assert_eq!(line.matches('|').count(), 1, "{line}");
    }
}
