//! How a recovery is shown: its plan, and what became of it.

use serde::Serialize;

use super::super::context::Context;
use super::super::table::Table;
use super::super::words::clean;
use crate::recover::{self, Ended, Prepared};

/// The plan of all jobs, as it is shown and as scripts read it.
#[derive(Debug, Serialize)]
pub(super) struct Shown {
    steps: Vec<ShownStep>,
    refused: Vec<Refused>,
    notes: Vec<String>,
}

#[derive(Debug, Serialize)]
struct ShownStep {
    part: String,
    job: String,
    what: String,
    exists: Option<String>,
    needs_bytes: Option<u64>,
    warnings: Vec<String>,
}

#[derive(Debug, Serialize)]
struct Refused {
    job: String,
    why: String,
    hint: Option<String>,
}

/// Whether every job can come back.
pub(super) fn is_whole(prepared: &[Prepared<'_>]) -> bool {
    prepared.iter().all(|one| one.plan.is_ok())
}

/// The steps of all jobs in their order.
pub(super) fn shown(prepared: &[Prepared<'_>]) -> Shown {
    let steps = recover::in_order(prepared).into_iter().map(|(job, step)| ShownStep {
        part: step.part.word().to_owned(),
        job: job.to_string(),
        what: step.what.clone(),
        exists: step.exists.clone(),
        needs_bytes: step.needs,
        warnings: step.warnings.clone(),
    });
    let refused = prepared.iter().filter_map(|one| {
        let trouble = one.plan.as_ref().err()?;
        let (why, hint) = (trouble.why.clone(), trouble.hint.clone());
        Some(Refused { job: one.item.job.to_string(), why, hint })
    });
    let notes = prepared.iter().flat_map(|one| {
        let plan = one.plan.as_ref().map(|plan| plan.notes.as_slice()).unwrap_or_default();
        plan.iter().map(|note| format!("{}: {note}", one.item.job))
    });
    Shown { steps: steps.collect(), refused: refused.collect(), notes: notes.collect() }
}

/// As people read it.
pub(super) fn text_of(plan: &Shown) -> String {
    use std::fmt::Write as _;
    let mut text = String::new();
    for (index, step) in plan.steps.iter().enumerate() {
        let number = index + 1;
        let _ = writeln!(text, "{number:>3}. {:<11} {}: {}", step.part, step.job, step.what);
        if let Some(exists) = &step.exists {
            let _ = writeln!(text, "       exists: {exists}");
        }
        for warning in &step.warnings {
            let _ = writeln!(text, "       warning: {warning}");
        }
    }
    for note in &plan.notes {
        let _ = writeln!(text, "note: {note}");
    }
    for refused in &plan.refused {
        let _ = writeln!(text, "not possible: {}: {}", refused.job, refused.why);
        if let Some(hint) = &refused.hint {
            let _ = writeln!(text, "       hint: {hint}");
        }
    }
    text
}

/// Says what became of each job.
pub(super) fn tell_end(context: &Context, ended: &[(String, Ended)]) -> anyhow::Result<()> {
    let mut table = Table::new(&["job", "outcome", "what"], &[], &[2]);
    for (job, end) in ended {
        let done: Vec<&str> = end.done.iter().map(|(part, _)| part.word()).collect();
        let (outcome, what) = end
            .failed
            .as_ref()
            .map_or(("back", done.join(", ")), |(why, _)| ("failed", why.clone()));
        table.row([job.clone(), outcome.to_owned(), what]);
    }
    if context.is_json() {
        let all: Vec<serde_json::Value> = ended
            .iter()
            .map(|(job, end)| {
                serde_json::json!({
                    "job": job,
                    "done": end.done.iter().map(|(part, how)| format!("{}: {how}", part.word())).collect::<Vec<_>>(),
                    "failed": end.failed.as_ref().map(|(why, _)| why),
                    "hint": end.failed.as_ref().and_then(|(_, hint)| hint.clone()),
                    "warnings": end.warnings,
                    "set_aside": end.set_aside,
                })
            })
            .collect();
        return context.print_json(&all);
    }
    context.print(&table.render(context))?;
    for (job, end) in ended {
        for warning in &end.warnings {
            context.warn(&clean(&format!("{job}: {warning}")));
        }
        if let Some((_, Some(hint))) = &end.failed {
            context.tell(&clean(&format!("hint: {job}: {hint}")));
        }
        for place in &end.set_aside {
            context.tell(&clean(&format!(
                "set aside: {job}: what was in the way is in `{place}`; remove it once it is not needed any more"
            )));
        }
    }
    Ok(())
}
