//! The instance as a whole.

use super::Counted;
use super::text::{Exposition, Value};
use crate::api::dto;
use crate::config::Severity;
use crate::engine::View;
use crate::model::run::{RunStatus, Work};

/// Which program this is, and who.
pub(super) fn about(text: &mut Exposition, view: &View) {
    let version = [("version", env!("CARGO_PKG_VERSION"))];
    text.gauge("larder_build_info", "The version of larder that runs; always 1.", |samples| {
        samples.put(&version, Value::Number(1));
    });
    let instance = &view.desired.instance;
    text.gauge("larder_instance_info", "Who signs archives here; always 1.", |samples| {
        let zone = instance.timezone.iana_name().unwrap_or_default();
        samples.put(&[("name", instance.name.as_str()), ("timezone", zone)], Value::Number(1));
    });
}

/// The configuration, and what somebody should look at.
pub(super) fn health(text: &mut Exposition, view: &View) {
    let config = &view.config;
    text.one(
        "larder_config_valid",
        "Whether the configuration as it is written now has no error; what was last good is in force otherwise.",
        Value::Flag(config.valid),
    );
    text.one(
        "larder_config_generation",
        "Counts the configurations that were put in force on this instance.",
        Value::Number(config.generation),
    );
    text.one(
        "larder_config_applied_timestamp_seconds",
        "Since when the configuration is in force, as far as this process knows.",
        Value::Moment(config.applied_at),
    );
    text.one(
        "larder_config_stale_objects",
        "Objects of the configuration that are in force in an older form than the written one.",
        Value::Number(config.stale.len() as u64),
    );
    text.gauge(
        "larder_config_diagnostics",
        "Mistakes and warnings in the configuration as it is written now.",
        |samples| {
            for (severity, word) in [(Severity::Error, "error"), (Severity::Warning, "warning")] {
                let of = config.diagnostics.iter().filter(|one| one.severity == severity);
                samples.put(&[("severity", word)], Value::Number(of.count() as u64));
            }
        },
    );
    text.one(
        "larder_problems",
        "Lines that the status says about the instance as a whole; somebody should read them.",
        Value::Number(dto::Health::new(view).problems.len() as u64),
    );
    let waiting: usize = view.plan.blocked.iter().map(|blocked| blocked.archives.len()).sum();
    text.one(
        "larder_blocked_deletions",
        "Archives whose deletion waits for an approval.",
        Value::Number(waiting as u64),
    );
    text.one(
        "larder_retention_frozen",
        "Whether retention rests as a whole because something odd happened.",
        Value::Flag(!view.observed.freezes.is_empty()),
    );
}

/// This process, and what became of the runs that it carried out.
pub(super) fn process(text: &mut Exposition, view: &View, counted: &Counted) {
    text.one(
        "larder_process_start_time_seconds",
        "When this process started.",
        Value::Moment(view.started_at),
    );
    text.gauge(
        "larder_process_resident_memory_bytes",
        "Memory of this process that is in use.",
        |samples| samples.put_some(&[], counted.resident.map(Value::Number)),
    );
    let tally = &counted.tally;
    text.counter("larder_runs_total", "Runs that ended since this process started.", |samples| {
        // All of them from the start: a series that begins at 1 shows no increase.
        for kind in Work::WORDS {
            for status in RunStatus::ALL.into_iter().filter(|status| status.is_final()) {
                let number = tally.ended.get(&(kind, status.word())).copied().unwrap_or(0);
                let labels = [("kind", kind), ("status", status.word())];
                samples.put(&labels, Value::Number(number));
            }
        }
    });
    text.histogram(
        "larder_run_duration_seconds",
        "How long runs took that ended since this process started.",
        |samples| {
            for (kind, durations) in &tally.durations {
                samples.distribution(&[("kind", kind)], durations);
            }
        },
    );
}

/// What waits and what is under way.
pub(super) fn queue(text: &mut Exposition, view: &View) {
    let count = |status| {
        let open = view.observed.open_runs.iter();
        Value::Number(open.filter(|run| run.status == status).count() as u64)
    };
    text.one("larder_runs_queued", "Runs that wait for their turn.", count(RunStatus::Queued));
    text.one("larder_runs_running", "Runs under way.", count(RunStatus::Running));
}
