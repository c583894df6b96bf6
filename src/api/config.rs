//! `/config`: what is in force.

use std::path::Path;
use std::sync::Arc;

use axum::Json;
use axum::extract::{Query, State};
use axum::http::StatusCode;

use jiff::Zoned;
use serde::Deserialize;
use utoipa::IntoParams;

use super::dto::words;
use super::problem::Problem;
use super::{App, dto};
use crate::engine::{Beat, ConfigReport, Foreseen, View};
use crate::model::desired::Desired;
use crate::model::observed::{LocationState, Observed};
use crate::{config, reconcile, status};

#[utoipa::path(
    get,
    path = "/config",
    tag = "config",
    operation_id = "config_show",
    summary = "The effective configuration, secrets as references.",
    responses(
        (status = 200, description = "The configuration", body = dto::EffectiveConfig),
    )
)]
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
    let mut observed = Observed::nothing(at.timestamp());
    // Nobody looked: nothing is known that would stand in the way of copies and deletions.
    observed.locations = desired
        .locations
        .keys()
        .map(|name| (name.clone(), LocationState::Available { free: u64::MAX, total: u64::MAX }))
        .collect();
    let plan = reconcile::plan(&desired, &observed, &at);
    View {
        started_at: at.timestamp(),
        config: Arc::new(ConfigReport {
            dir: dir.to_owned(),
            valid: true,
            hash: desired.hash.clone(),
            applied: desired.hash.clone(),
            generation: 0,
            applied_at: at.timestamp(),
            commit: None,
            diagnostics: Vec::new(),
            stale: Vec::new(),
        }),
        verdicts: Arc::new(status::judge_with(&desired, &observed, &plan)),
        plan: Arc::new(plan),
        observed: Arc::new(observed),
        space: Arc::default(),
        foreseen: Foreseen::default(),
        uncovered: None,
        stalled: None,
        listening: Arc::default(),
        beat: Beat::default(),
        notices: Arc::default(),
        desired: Arc::new(desired),
        at,
    }
}

/// The most of a text that is judged, in bytes.
const TEXT_MAX: usize = 1024 * 1024;
/// What a text is called that is judged alone.
const ALONE: &str = "larder.toml";

#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(super) struct CheckQuery {
    /// The file that the text would replace, relative to the directory; it is judged as the whole
    /// configuration without.
    #[param(value_type = words::ConfigFile, required = false)]
    r#as: Option<String>,
    /// Whether its objects stand in for those of the same name, wherever they are written, and
    /// nothing else is replaced; `as` says in which directory it would be written.
    #[serde(default)]
    #[param(required = false)]
    instead: bool,
}

#[utoipa::path(
    post,
    path = "/config/check",
    tag = "config",
    operation_id = "config_check",
    summary = "Judges a TOML text as `larder check` does: alone, or as if it replaced a file.",
    params(CheckQuery),
    request_body(
        description = "TOML, 1 MiB at most",
        content((Option<String> = "application/toml"), (Option<String> = "text/plain")),
    ),
    responses(
        (status = 200, description = "What is wrong with it", body = dto::Checked),
        (status = 409, description = "Something is in the way", body = Problem, content_type = "application/problem+json"),
    )
)]
pub(super) async fn check(
    State(app): State<App>,
    Query(query): Query<CheckQuery>,
    text: String,
) -> Result<Json<dto::Checked>, Problem> {
    if text.len() > TEXT_MAX {
        let why = format!("the text has {} bytes, and {TEXT_MAX} are judged at most", text.len());
        return Err(Problem::new(StatusCode::PAYLOAD_TOO_LARGE, why));
    }
    let dir = app.view().config.dir.clone();
    let judged = tokio::task::spawn_blocking(move || match query.r#as {
        None => Ok(config::judge_alone(&dir, ALONE, text)),
        Some(place) => {
            let place = config::place_in(&dir, &place)
                .map_err(|error| Problem::bad_request(error.to_string()).hint(error.hint()))?;
            let judged = if query.instead {
                config::judge_instead(&dir, &place, text)
            } else {
                config::judge(&dir, config::Changes::of(&place, text))
            };
            judged.map_err(|error| {
                let why = format!("the configuration in `{}` cannot be read", dir.display());
                Problem::new(StatusCode::CONFLICT, format!("{why}: {error}")).hint(error.hint())
            })
        }
    });
    let judged = judged
        .await
        .map_err(|error| Problem::new(StatusCode::INTERNAL_SERVER_ERROR, error.to_string()))??;
    Ok(Json(dto::Checked {
        valid: judged.desired.is_some(),
        diagnostics: judged.diagnostics.iter().map(dto::Diagnostic::from).collect(),
    }))
}

/// Reads the files again, as SIGHUP does.
#[utoipa::path(
    post,
    path = "/config/reload",
    tag = "config",
    operation_id = "config_reload",
    summary = "Reads the files again.",
    responses(
        (status = 202, description = "They are read"),
    )
)]
pub(super) async fn reload(State(app): State<App>) -> Result<StatusCode, Problem> {
    app.handle()?.reload();
    Ok(StatusCode::ACCEPTED)
}
