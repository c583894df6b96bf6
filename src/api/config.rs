//! `/config`: what is in force.

use std::path::Path;
use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;

use jiff::Zoned;

use super::problem::Problem;
use super::{App, dto};
use crate::engine::{ConfigReport, View};
use crate::model::desired::Desired;
use crate::model::observed::Observed;
use crate::{config, reconcile, status};

pub(super) async fn show(State(app): State<App>) -> Json<dto::EffectiveConfig> {
    Json(effective_config(&app.view()))
}

/// The configuration in force.
#[must_use]
pub fn effective_config(view: &View) -> dto::EffectiveConfig {
    dto::EffectiveConfig {
        health: dto::ConfigHealth::from(view.config.as_ref()),
        diagnostics: view.config.diagnostics.iter().map(dto::Diagnostic::from).collect(),
        effective: config::show::json(&view.desired.declared()),
        toml: config::show::toml(&view.desired.declared()),
    }
}

/// What there is to show of a configuration alone: no state, no archives, nothing observed.
#[must_use]
pub fn view_of_configuration(dir: &Path, desired: Desired) -> View {
    let at = Zoned::now().with_time_zone(desired.instance.timezone.clone());
    let observed = Observed::nothing(at.timestamp());
    let plan = reconcile::plan(&desired, &observed, &at);
    View {
        started_at: at.timestamp(),
        config: Arc::new(ConfigReport {
            dir: dir.to_owned(),
            valid: true,
            hash: desired.hash.clone(),
            applied: desired.hash.clone(),
            generation: 0,
            commit: None,
            diagnostics: Vec::new(),
            stale: Vec::new(),
        }),
        verdicts: Arc::new(status::judge_with(&desired, &observed, &plan)),
        plan: Arc::new(plan),
        observed: Arc::new(observed),
        uncovered: None,
        desired: Arc::new(desired),
        at,
    }
}

/// Reads the files again, as SIGHUP does.
pub(super) async fn reload(State(app): State<App>) -> Result<StatusCode, Problem> {
    app.handle()?.reload();
    Ok(StatusCode::ACCEPTED)
}
